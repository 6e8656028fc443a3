"""The checks of lesson 13, pictures to begin with: strength, distance, masks, a wider canvas."""

import math
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from helpers.course.checks import Wrong, check, describe
from helpers.course.checks.answers import as_number, require_answer, require_close, require_tensor


@check("13.steps")
def steps(steps_taken: Callable) -> str:
    # Products that no rounding of floats can move to the other side of a whole number.
    for count, strength in ((30, 0.31), (13, 0.6), (16, 0.25), (50, 1.0), (20, 1.5)):
        wanted = min(int(count * strength), count)
        answer = steps_taken(count, strength)
        require_answer(answer)
        answer = as_number(answer, "one whole number")
        if answer == wanted:
            continue
        told = (
            f"For {count} steps and a strength of {strength} it should be {wanted}; yours is "
            f"{answer:g}. "
        )
        if answer > count:
            raise Wrong(told + "There are never more than `num_inference_steps`: use `min`.")
        slips = {
            "Those are the steps that are skipped.": count - wanted,
            "That is the number of steps itself. Where is `strength`?": count,
            "That is always 25 steps. Use the function's own `num_inference_steps`.": (
                int(25 * strength)
            ),
            "That is not a whole number: half a step cannot be taken. Use `int`.": count * strength,
            "That was rounded to the nearest. `int` drops what comes after the point.": (
                round(count * strength)
            ),
            "That was rounded up. `int` drops what comes after the point.": (
                math.ceil(count * strength)
            ),
        }
        for message, slip in slips.items():
            if answer == slip:
                raise Wrong(told + message)
        raise Wrong(told + "Multiply the two, round down, and take no more than all.")
    return "At strength 0.31, 9 of 30 steps are left."


@check("13.distance")
def picture_distance(distance: Callable) -> str:
    draw = np.random.default_rng(13)
    one, other = draw.integers(0, 256, (2, 12, 20, 3), dtype=np.uint8)
    bright = np.clip(other, 100, 255)
    for first, second in ((one, other), (other, one), (bright, np.zeros_like(other)), (one, one)):
        answer = distance(Image.fromarray(first), Image.fromarray(second))
        require_answer(answer)
        answer = as_number(answer, "one number")
        gap = first.astype(float) - second.astype(float)
        if math.isclose(answer, abs(gap).mean(), abs_tol=1e-3):
            continue
        _say_what_went_wrong(answer, gap, first - second)
    return "The same in both directions, and 0 for equal pictures."


def _say_what_went_wrong(answer: float, gap: np.ndarray, wrapped: np.ndarray) -> None:
    """Raise Wrong for a wrong distance; `wrapped` is the difference taken in uint8."""
    wanted = abs(gap).mean()
    slips = {
        "You subtract in `uint8`, which has no negative numbers: 3 - 5 is 254 there. Convert with "
        "`dtype=float` first.": wrapped.mean(),
        "Without `abs`, brighter and darker places cancel out.": gap.mean(),
        "That is the largest difference. Take the mean.": abs(gap).max(),
        "That is the mean square. Take `abs` instead of the square.": (gap**2).mean(),
        "That is the root of the mean square. Take the mean of the absolute values.": (
            math.sqrt((gap**2).mean())
        ),
        "That is the total. Divide by the number of values, or use `.mean()`.": abs(gap).sum(),
        "That is a share from 0 to 1. Levels go from 0 to 255.": wanted / 255,
        "That looks at gray pictures. Keep the colors.": _gray_distance(gap),
    }
    told = f"For two test pictures it should be {wanted:.2f}; yours is {answer:.2f}. "
    for message, slip in slips.items():
        if math.isclose(answer, slip, abs_tol=1e-3):
            raise Wrong(told + message)
    raise Wrong(told + "Subtract, take the absolute values, then the mean.")


def _gray_distance(gap: np.ndarray) -> float:
    return float(abs(gap.mean(axis=2)).mean())


@check("13.blend")
def blend(keep_outside: Callable) -> str:
    generator = torch.Generator().manual_seed(13)
    for count, height, width in ((2, 6, 10), (1, 8, 8)):
        latents, original = torch.randn(2, count, 4, height, width, generator=generator)
        mask = (torch.rand(1, 1, height, width, generator=generator) > 0.4).float()
        answer = keep_outside(latents.clone(), original.clone(), mask.clone())
        require_answer(answer)
        require_tensor(answer, latents.shape, "latents")
        slips = {
            "It is the wrong way round: the new latents belong where the mask is 1.": (
                mask * original + (1 - mask) * latents
            ),
            "Outside of the mask there are zeros. Add the original there.": mask * latents,
            "Inside of the mask there are zeros. Add the new latents there.": (
                (1 - mask) * original
            ),
            "`latents` counts everywhere. Multiply it with the mask, too.": (
                latents + (1 - mask) * original
            ),
            "`original` counts everywhere. Multiply it with `1 - mask`, too.": (
                mask * latents + original
            ),
            "This is the mean of both, and the mask plays no part.": (latents + original) / 2,
            "These are the latents as they came in.": latents,
            "This is the original, and nothing new.": original,
        }
        require_close(
            answer,
            mask * latents + (1 - mask) * original,
            slips,
            "For test tensors this is not `latents` where the mask is 1 and `original` where it "
            "is 0.",
        )
    return "Inside new, outside as it was."


@check("13.canvas")
def canvas(widen: Callable) -> str:
    draw = np.random.default_rng(13)
    for width, height, extra in ((24, 16, 8), (10, 20, 3)):
        picture = Image.fromarray(draw.integers(0, 256, (height, width, 3), dtype=np.uint8))
        answer = widen(picture.copy(), extra)
        require_answer(answer)
        if not isinstance(answer, list | tuple) or len(answer) != 2:
            raise Wrong(f"It should return two pictures; it returns {describe(answer)}.")
        for name, returned in zip(("canvas", "mask"), answer, strict=True):
            _require_size(name, returned, (width, height), extra)
        _require_in_the_middle(picture, answer[0], extra)
        _require_mask(np.asarray(answer[1].convert("L")), width, extra)
    return "The picture is in the middle, and the mask is white around it."


def _require_size(name: str, answer: object, size: tuple[int, int], extra: int) -> None:
    if not isinstance(answer, Image.Image):
        raise Wrong(f"`{name}` should be a picture (`PIL.Image`); it is {describe(answer)}.")
    width, height = size
    wanted = (width + 2 * extra, height)
    if answer.size == wanted:
        return
    told = (
        f"For a picture of {size} and extra={extra}, `{name}` should have the size {wanted}; it "
        f"has {answer.size}. "
    )
    if answer.size == (width + extra, height):
        raise Wrong(told + "There are `extra` pixels on both sides.")
    if answer.size[1] != height:
        raise Wrong(told + "The height stays as it is.")
    raise Wrong(told + "Width plus twice `extra`.")


def _require_in_the_middle(picture: Image.Image, canvas: Image.Image, extra: int) -> None:
    """Raise Wrong unless the picture lies `extra` pixels from the left."""
    pixels, found = np.asarray(picture), np.asarray(canvas.convert("RGB"))
    width = picture.width
    if np.array_equal(found[:, extra : extra + width], pixels):
        return
    if canvas.mode in ("1", "L"):
        raise Wrong(
            f'The canvas has the mode {canvas.mode!r}, so the colors are lost. Make it "RGB". '
            "(The canvas is returned first, then the mask.)"
        )
    for left in range(canvas.width - width + 1):
        if np.array_equal(found[:, left : left + width], pixels):
            raise Wrong(
                f"The picture is on the canvas, but not in the middle: it begins {left} pixels "
                f"from the left instead of {extra}."
            )
    raise Wrong("The picture is not on the canvas as it was. Use `canvas.paste(picture, (x, y))`.")


def _require_mask(mask: np.ndarray, width: int, extra: int) -> None:
    wanted = np.full(mask.shape, 255)
    wanted[:, extra : extra + width] = 0
    if np.array_equal(mask, wanted):
        return
    if np.array_equal(mask, 255 - wanted):
        raise Wrong("The mask is the wrong way round: white, 255, is where something new comes.")
    if mask.min() == 255:
        raise Wrong("The mask is white all over: the whole canvas would be repainted.")
    if mask.max() == 0:
        raise Wrong("The mask is black all over: nothing would be repainted.")
    if set(np.unique(mask)) <= {0, 1}:
        raise Wrong("White is 255 in a picture of mode L; your mask has 1.")
    raise Wrong(
        f"The mask should be 0 from column {extra} up to column {extra + width}, where the picture "
        "lies, and 255 elsewhere."
    )
