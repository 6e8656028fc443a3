"""Looking at an answer: what the checks of several lessons share."""

from numbers import Real

import torch
from PIL import Image, ImageChops, ImageStat

from helpers.course.checks import Wrong, describe

CLOSE = 1e-4  # a formula written another way rounds differently


def require_answer(answer: object) -> None:
    """Raise Wrong if a learner's function gave back nothing."""
    if answer is None:
        raise Wrong("The function gives back nothing (`None`). Does it lack its `return`?")


def as_number(value: object, what: str) -> float:
    """A plain number or a tensor with one number in it; `Wrong` for anything else.

    `what` says in the message what the function should return, such as "one number".
    """
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        return value.item()
    if isinstance(value, Real):
        return float(value)
    raise Wrong(f"Your function should return {what}; it returns {describe(value)}.")


def same_picture(left: Image.Image, right: Image.Image) -> bool:
    """Are two pictures the same, but for the rounding of a graphics card?

    They may differ by half a level of 255 on average. On one CPU they are equal.
    """
    if left.size != right.size:
        return False
    difference = ImageChops.difference(left.convert("RGB"), right.convert("RGB"))
    return max(ImageStat.Stat(difference).mean) <= 0.5


def require_close(
    answer: torch.Tensor, wanted: torch.Tensor, slips: dict[str, torch.Tensor], otherwise: str
) -> None:
    """Raise Wrong unless two tensors of one shape agree to `CLOSE`.

    `slips` has what known mistakes give, by the message for each; `otherwise` is the message for
    an answer that is none of them.
    """
    if torch.allclose(answer, wanted, atol=CLOSE):
        return
    for message, slip in slips.items():
        if torch.allclose(answer, slip, atol=CLOSE):
            raise Wrong(message)
    raise Wrong(otherwise)
