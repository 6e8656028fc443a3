"""The checks of lesson 12, fine-tuning: a layer with a LoRA, the target, gold, when to stop."""

import math
from collections.abc import Callable

import numpy as np
import torch
from diffusers import DDPMScheduler
from PIL import Image

from helpers.course.checks import Wrong, check, describe
from helpers.course.checks.answers import as_number, require_close


@check("12.layer")
def layer(lora_layer: Callable) -> str:
    generator = torch.Generator().manual_seed(0)
    # In the second case all matrices are square, so that nothing shows by its shape.
    for (n, inputs, outputs, rank), weight in (((3, 6, 5, 2), 0.5), ((4, 4, 4, 4), 2.0)):
        x, W, A, B = (
            torch.randn(shape, generator=generator)
            for shape in ((n, inputs), (outputs, inputs), (rank, inputs), (outputs, rank))
        )
        plain, added = x @ W.T, x @ A.T @ B.T
        answer = lora_layer(x, W, A, B, weight)
        if not isinstance(answer, torch.Tensor) or answer.shape != plain.shape:
            raise Wrong(
                f"It should return a tensor of shape {tuple(plain.shape)}; it returns "
                f"{describe(answer)}."
            )
        slips = {
            "It takes no account of `weight`.": plain + added,
            "The old layer is gone: add `x @ W.T`.": weight * added,
            "The weight scales the old layer too. It belongs to the LoRA's part only.": (
                weight * (plain + added)
            ),
            "`weight` is on the wrong side: it scales the LoRA's part, not the old layer.": (
                weight * plain + added
            ),
            "At weight 0 this should be the old layer alone.": plain + (1 - weight) * added,
        }
        require_close(
            answer,
            plain + weight * added,
            slips,
            "For test matrices this is not `x @ W.T` plus `weight` times the way through A and "
            "then through B.",
        )
    return "At weight 0 it is the old layer, and B of zeros changes nothing either."


@check("12.target")
def target(training_target: Callable) -> str:
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 3, 4, 8, 8, generator=generator)
    timesteps = torch.tensor([10, 500, 900])
    schedulers = {kind: DDPMScheduler(prediction_type=kind) for kind in ("epsilon", "v_prediction")}
    given = {}
    for kind, scheduler in schedulers.items():
        given[kind] = training_target(scheduler, clean.clone(), noise.clone(), timesteps)
        if not isinstance(given[kind], torch.Tensor) or given[kind].shape != clean.shape:
            raise Wrong(
                f'For "{kind}" it should return a tensor of the shape of `noise`; it returns '
                f"{describe(given[kind])}."
            )
    scheduler = schedulers["epsilon"]
    velocity, noisy = (
        make(clean, noise, timesteps) for make in (scheduler.get_velocity, scheduler.add_noise)
    )
    slips = {
        "This is always the noise. What does a model learn that predicts the velocity?": (
            noise,
            noise,
        ),
        "This is always the velocity. What does a model learn that predicts the noise?": (
            velocity,
            velocity,
        ),
        "These are the noisy latents: the question, not the answer.": (noisy, noisy),
        'It is the other way round: "epsilon" is the noise.': (velocity, noise),
    }
    found = tuple(given.values())
    for message, slip in slips.items():
        if all(
            torch.allclose(one, wrong, atol=1e-5) for one, wrong in zip(found, slip, strict=True)
        ):
            raise Wrong(message)
    for kind, wanted in (("epsilon", noise), ("v_prediction", velocity)):
        slips = {
            "That is the velocity with the wrong sign.": -wanted,
            "Those are the clean latents.": clean,
            "`clean` and `noise` are swapped in the call: the clean latents come first.": (
                scheduler.get_velocity(noise, clean, timesteps)
            ),
        }
        require_close(given[kind], wanted, slips, f'For "{kind}" this is not the target.')
    return "The scheduler says what the model predicts, and so what it must learn."


GOLD, SAND, PALE, WHITE, ROSE, TEAL = (
    (214, 160, 32),
    (230, 210, 185),
    (255, 245, 235),
    (252, 250, 250),
    (230, 60, 120),
    (32, 164, 160),
)


@check("12.golden")
def golden(golden_share: Callable) -> str:
    # Colours, each a quarter of the picture, and how many of them are gold.
    cases = [
        ((GOLD, GOLD, TEAL, ROSE), 2),
        ((GOLD, WHITE, PALE, TEAL), 1),
        ((SAND, TEAL, ROSE, TEAL), 0),
        (((90, 200, 40), GOLD, GOLD, GOLD), 3),  # green: far above blue, but red is below it
    ]
    for colours, gold in cases:
        _check_share(golden_share, np.array(colours, np.uint8), gold / 4)
    return "Half gold, half teal gives 0.5, and white is no gold."


def _check_share(golden_share: Callable, colours: np.ndarray, wanted: float) -> None:
    image = Image.fromarray(colours[None].repeat(8, axis=0))
    answer = as_number(golden_share(image), "one number")
    if math.isclose(answer, wanted, abs_tol=1e-6):
        return
    red, green, blue = colours.astype(int).T
    small_red, small_green, small_blue = colours.T
    slips = {
        "This is a count of pixels. A share divides it by their number.": (
            ((red > green) & (green > blue + 40)).sum() * 8
        ),
        "Each pixel has three numbers, and you divide by all of them. Count the pixels.": (
            ((red > green) & (green > blue + 40)).mean() / 3
        ),
        "The numbers are `uint8`: 250 + 40 has no room in them, so white counts as gold. Use "
        "`.astype(int)` first.": (
            ((small_red > small_green) & (small_green > small_blue + np.uint8(40))).mean()
        ),
        "You count pixels for which one of the two conditions is true. Both must be.": (
            ((red > green) | (green > blue + 40)).mean()
        ),
        "Green above blue by only a little is sand or skin, not gold. Add the 40.": (
            ((red > green) & (green > blue)).mean()
        ),
        "Is red above green, too? Otherwise a lawn is golden.": (green > blue + 40).mean(),
    }
    listed = ", ".join(str(tuple(map(int, colour))) for colour in colours)
    told = f"For a picture of the colours {listed} it should be {wanted:g}; yours is {answer:g}. "
    for message, slip in slips.items():
        if math.isclose(answer, slip, abs_tol=1e-6):
            raise Wrong(told + message)
    raise Wrong(told + "Count the pixels where both conditions are true, and divide by all.")


@check("12.stop")
def stop(best_stop: Callable) -> str:
    steps, seen = [0, 20, 40, 60, 80], [0.40, 0.31, 0.24, 0.18, 0.11]
    for unseen in ([0.41, 0.36, 0.35, 0.38, 0.44], [0.41, 0.36, 0.33, 0.30, 0.32]):
        answer = as_number(best_stop(list(steps), list(seen), list(unseen)), "one number")
        wanted = steps[unseen.index(min(unseen))]
        if answer == wanted:
            continue
        told = f"For unseen exams {unseen} it should be {wanted}; yours is {answer:g}. "
        slips = {
            "You look at the pictures that were trained on. Their exam gets better as long as the "
            "model learns by heart.": steps[seen.index(min(seen))],
            "That is a place in the list. What stands there in `steps`?": steps.index(wanted),
            "That is a loss, not a number of steps.": min(unseen),
            "There the exam was worst.": steps[unseen.index(max(unseen))],
        }
        for message, slip in slips.items():
            if math.isclose(answer, slip):
                raise Wrong(told + message)
        raise Wrong(told + "Stop where the exam on the pictures kept back is lowest.")
    return "Stop where it is best at what it never saw."
