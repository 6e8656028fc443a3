"""Looking at an answer: what the checks of several lessons share."""

from collections.abc import Callable, Sequence
from numbers import Real

import torch
from PIL import Image, ImageChops, ImageStat

from helpers.course.checks import Wrong, describe

CLOSE = 1e-4  # a formula written another way rounds differently


SAME_LEVELS = 0.02  # of 255, on average: what rounding may do to a picture that is drawn again


def require_answer(answer: object, call: str = "Your function") -> None:
    """Raise Wrong if a learner's function returned nothing; `call` says for which arguments."""
    if answer is None:
        raise Wrong(f"{call} returns `None`. Is a `return` missing on the way that it took?")


def on_copies(function: Callable, tensors: Sequence[torch.Tensor], *others: object) -> object:
    """What a learner's function returns for copies of tensors.

    Raises Wrong if it returns nothing, or changes what it was given.
    """
    copies = [tensor.clone() for tensor in tensors]
    answer = function(*copies, *others)
    require_answer(answer)
    if not all(map(torch.equal, copies, tensors)):
        raise Wrong(
            "Your function changes the tensors that it is given: `+=`, `*=` and methods such as "
            "`add_` work in place. Whoever calls it still needs them, so compute a new tensor, as "
            "`a + b` does."
        )
    return answer


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
    """Are two pictures the same but for rounding, as in a batch of another size or on a GPU?

    The same call on one CPU gives equal pictures. Fewer steps already change far more.
    """
    if left.size != right.size:
        return False
    difference = ImageChops.difference(left.convert("RGB"), right.convert("RGB"))
    return max(ImageStat.Stat(difference).mean) <= SAME_LEVELS


def require_tensor(answer: object, shape: Sequence[int], what: str) -> None:
    """Raise Wrong unless the answer is a tensor of this shape; `what` says what it should hold."""
    if not isinstance(answer, torch.Tensor):
        raise Wrong(
            f"Your function should return {what}, a tensor of the shape {tuple(shape)}; it returns "
            f"{describe(answer)}."
        )
    if answer.shape != torch.Size(shape):
        raise Wrong(
            f"It should return {what}, of the shape {tuple(shape)}; yours is {describe(answer)}."
        )


def require_close(
    answer: torch.Tensor, wanted: torch.Tensor, slips: dict[str, torch.Tensor], otherwise: str
) -> None:
    """Raise Wrong unless two tensors of one shape agree to `CLOSE`.

    `slips` has what known mistakes give, by the message for each; `otherwise` is the message for
    any other answer.
    """
    if torch.allclose(answer, wanted, atol=CLOSE):
        return
    for message, slip in slips.items():
        if torch.allclose(answer, slip, atol=CLOSE):
            raise Wrong(message)
    raise Wrong(otherwise)
