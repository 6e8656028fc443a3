"""The checks of lesson 05, guidance: the plan of a sweep, the formula, and what pixels prove."""

from collections.abc import Callable
from numbers import Real

import numpy
import torch
from PIL import Image

from helpers.course.checks import CannotCheck, Wrong, check, describe
from helpers.course.checks.answers import as_number, on_copies, require_answer, require_tensor
from helpers.course.checks.experiments import control_prompt, require_experiment
from helpers.sweeps.result import Sweep

ROUNDING = 1  # level of 255: what two ways of adding up the same numbers may differ by


@check("05.sweep")
def sweep(by_guidance: Sweep, poster: str) -> str:
    require_experiment(
        "by_guidance",
        by_guidance,
        varied={"guidance_scale": range(2, 21, 3)},
        fixed={"prompt": poster, "seed": 7, "num_inference_steps": 16},
    )
    return "Seven scales from one noise, and nothing else varied."


@check("05.formula")
def formula(guided: Callable, empty: torch.Tensor, prompted: torch.Tensor) -> str:
    scale = 3.0
    answer = _guided(guided, empty, prompted, scale)
    arrow = prompted - empty
    slips = {
        "It begins at the wrong end of the arrow, so it goes one arrow too far. (Some papers "
        "count like this; diffusers begins at `without`.)": prompted + scale * arrow,
        "The arrow points the other way, away from the prompt. It is where it ends minus where it "
        "begins.": empty - scale * arrow,
        "That is the arrow alone. The starting point is missing: add it.": scale * arrow,
        "It uses only the prediction with the prompt. The other one is where you start.": scale
        * prompted,
        "That is the prediction with the prompt as it is: does `guidance_scale` play a part?": (
            prompted
        ),
    }
    for told, slip in slips.items():
        if _close(answer, slip):
            raise Wrong(told)
    if not _close(answer, empty + scale * arrow):
        raise Wrong(_slip_with_numbers(guided))
    for scale, expected in ((0.0, empty), (1.0, prompted)):
        if not _close(_guided(guided, empty, prompted, scale), expected):
            raise Wrong(f"It is right for a scale of 3, but not for {scale:g}.")
    # Tensors that the notebook does not hold.
    generator = torch.Generator().manual_seed(1)
    begin, end = torch.randn(2, *empty.shape, generator=generator).to(empty)
    if not _close(_guided(guided, begin, end, 2.0), end + (end - begin)):
        raise Wrong(
            "It is right for the tensors of this notebook and for no others. Use only `without`, "
            "`with_prompt` and `guidance_scale`, which the function is given."
        )
    return "At 0 it gives the one prediction, at 1 the other, and beyond 1 it goes on straight."


def _guided(guided: Callable, begin: torch.Tensor, end: torch.Tensor, scale: float) -> torch.Tensor:
    """What the learner's function makes of two tensors, as a tensor of their shape."""
    answer = on_copies(guided, (begin, end), scale)
    require_tensor(answer, begin.shape, "one prediction")
    return answer


def _slip_with_numbers(guided: Callable) -> str:
    """What a wrong formula makes of plain numbers, with which a learner can follow it."""
    cure = "Start at `without` and go `guidance_scale` times the difference."
    for begin, end, scale, goal in ((1, 3, 2, 5), (2, 6, 3, 14)):
        answer = guided(torch.tensor(float(begin)), torch.tensor(float(end)), scale)
        if isinstance(answer, torch.Tensor) and answer.numel() == 1:
            answer = answer.item()
        asked = f"From {begin} to {end} with scale {scale} your function"
        if not isinstance(answer, Real):
            return (
                f"{asked} returns {describe(answer)}, not a number. Use only `without`, "
                "`with_prompt` and `guidance_scale`, which the function is given."
            )
        if abs(answer - goal) > 1e-3:
            return f"{asked} returns {answer:g}; it should be {goal}. {cure}"
    return f"This is not the formula, though some numbers come out right. {cure}"


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(
        one.float(), other.float(), rtol=1e-3, atol=1e-3
    )


@check("05.off")
def off(off: Sweep) -> str:
    control = control_prompt(off)
    require_experiment(
        "off",
        off,
        varied={"guidance_scale": (1, 5), "negative_prompt": (control, "at night")},
        fixed={"prompt": "a house", "seed": 1},
    )
    if off.axes.names[0] != "guidance_scale":
        raise Wrong("Guidance should be in the rows: name `guidance_scale` before the other list.")
    if off.axes.fixed["num_inference_steps"] < 5:
        raise Wrong(
            f"With num_inference_steps={off.axes.fixed['num_inference_steps']} very little was "
            "steered yet, so it proves nothing. Take the usual `SETTINGS`."
        )
    at_one, at_five = (_furthest(off[scale, control], off[scale, "at night"]) for scale in (1, 5))
    if at_one > ROUNDING:
        raise CannotCheck(
            f"At guidance 1 the two pictures differ by up to {at_one} levels, which contradicts "
            "the claim. Is this the pipeline of section 1, in float32?"
        )
    if at_five <= ROUNDING:
        raise CannotCheck(
            "At guidance 5 the two pictures are equal as well, so with this model and this seed "
            "nothing is proved. Try another seed, by eye."
        )
    return (
        "Proved for this seed: at guidance 5 the negative prompt changes the picture, at "
        "guidance 1 it does not."
    )


def _furthest(one: Image.Image, other: Image.Image) -> int:
    return int(abs(numpy.asarray(one, dtype=int) - numpy.asarray(other, dtype=int)).max())


@check("05.clipped")
def clipped(clipped_share: Callable) -> str:
    numbers = numpy.full((8, 10, 3), 128, dtype=numpy.uint8)
    numbers[0, :, 0] = 255  # 10 numbers
    numbers[1:3, :, 1] = 0  # 20 numbers
    numbers[3, :, 2] = 254  # not at the end
    numbers[4, :, 2] = 1
    high, low, total = 10, 20, numbers.size
    answer = clipped_share(Image.fromarray(numbers))
    require_answer(answer)
    answer = as_number(answer, "one number")
    expected = (high + low) / total
    told = f"In a test picture {high + low} of {total} numbers are 0 or 255. Your function returns "
    slips = {
        "how many there are, not their share: take `.mean()`.": high + low,
        "none, since no number is 0 and 255 at the same time: join the two with `|`.": 0,
        "the share in percent; wanted is a number between 0 and 1.": 100 * expected,
        "the share of pixels that have such a number. Count the numbers, three in each pixel.": 3
        * expected,
    }
    for slip, value in slips.items():
        if abs(answer - value) < 1e-6:
            raise Wrong(f"{told}{answer:.4g}: that is {slip}")
    if min(abs(answer - high / total), abs(answer - low / total)) < 1e-6:
        raise Wrong(f"{told}{answer:.4g}: it counts only one of the two ends.")
    if abs(answer - expected) > 1e-6:
        raise Wrong(
            f"{told}{answer:.4g}; it should be {expected:.4g}. Count what is exactly 0 or exactly "
            "255, nothing near it."
        )
    return "It counts what it should, on a picture whose answer is known."
