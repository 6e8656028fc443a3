"""The checks of lesson 12, fine-tuning: a layer with a LoRA, the target, gold, when to stop."""

import math
from collections.abc import Callable

import numpy as np
import torch
from diffusers import DDPMScheduler
from PIL import Image

from helpers.course.checks import Wrong, check
from helpers.course.checks.answers import as_number, require_close, require_tensor


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
        given = {"x": x.clone(), "W": W.clone(), "A": A.clone(), "B": B.clone()}
        answer = lora_layer(*given.values(), weight)
        for name, matrix in {"x": x, "W": W, "A": A, "B": B}.items():
            if not torch.equal(given[name], matrix):
                raise Wrong(
                    f"Your function changes `{name}` itself. A LoRA leaves the layer as it is, so "
                    "that it can be switched off again. Compute something new instead."
                )
        require_tensor(answer, plain.shape, "what the layer gives")
        slips = {
            "It ignores `weight`.": plain + added,
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
        require_tensor(given[kind], clean.shape, f'the target for "{kind}"')
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
        'It is the other way around: "epsilon" is the noise.': (velocity, noise),
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
    _check_unknown_type(training_target, clean, noise, timesteps)
    return "The scheduler says what the model predicts, and so what it must learn."


def _check_unknown_type(
    training_target: Callable, clean: torch.Tensor, noise: torch.Tensor, timesteps: torch.Tensor
) -> None:
    """Raise Wrong if a model that predicts the clean latents is trained on something else."""
    scheduler = DDPMScheduler(prediction_type="sample")
    try:
        answer = training_target(scheduler, clean.clone(), noise.clone(), timesteps)
    except Exception:  # of any kind: what counts is that nobody trains on a wrong target
        return
    if not isinstance(answer, torch.Tensor) or not torch.equal(answer, clean):
        raise Wrong(
            'There are models that predict neither noise nor velocity: for the type "sample" your '
            "function answers as if nothing were wrong. Raise a `ValueError` for unknown types."
        )


GOLD, SAND, PALE, WHITE, ROSE, TEAL, NAVY = (
    (214, 160, 32),
    (230, 210, 185),
    (255, 245, 235),
    (252, 250, 250),
    (230, 60, 120),
    (32, 164, 160),
    (50, 10, 240),
)


@check("12.golden")
def golden(golden_share: Callable) -> str:
    _require_room(golden_share)
    # Colors, each a quarter of the picture, and how many of them are gold.
    cases = [
        ((GOLD, GOLD, TEAL, ROSE), 2),
        ((GOLD, WHITE, PALE, TEAL), 1),
        ((SAND, TEAL, ROSE, TEAL), 0),
        (((90, 200, 40), GOLD, GOLD, GOLD), 3),  # green: far above blue, but red is below it
    ]
    for colors, gold in cases:
        _check_share(golden_share, np.array(colors, np.uint8), gold / 4)
    return "Half gold, half teal gives 0.5, and white is not gold."


def _require_room(golden_share: Callable) -> None:
    """Raise Wrong if sums or differences leave the range of `uint8`.

    Then white or rose counts as gold, but not a blue with more red than green, which a function
    that joins its conditions with "or" counts as well.
    """
    white, rose, navy = (
        as_number(golden_share(Image.new("RGB", (4, 4), color)), "one number")
        for color in (WHITE, ROSE, NAVY)
    )
    if navy == 0 and 1 in (white, rose):
        slip = "250 + 40 becomes 34, and white" if white == 1 else "60 - 120 becomes 196, and pink"
        raise Wrong(
            f"The values are `uint8`, which has room for 0 to 255 only: {slip} counts as gold. "
            "Use `.astype(int)` first."
        )


def _check_share(golden_share: Callable, colors: np.ndarray, wanted: float) -> None:
    image = Image.fromarray(colors[None].repeat(8, axis=0))
    answer = as_number(golden_share(image), "one number")
    if math.isclose(answer, wanted, abs_tol=1e-6):
        return
    red, green, blue = colors.astype(int).T
    slips = {
        "This is a count of pixels. A share divides it by their number.": (
            ((red > green) & (green > blue + 40)).sum() * 8
        ),
        "Each pixel has three numbers, and you divide by all of them. Count the pixels.": (
            ((red > green) & (green > blue + 40)).mean() / 3
        ),
        "You count pixels for which one of the two conditions is true. Both must be.": (
            ((red > green) | (green > blue + 40)).mean()
        ),
        "Green above blue by only a little is sand or skin, not gold. Add the 40.": (
            ((red > green) & (green > blue)).mean()
        ),
        "Is red above green, too? Otherwise a lawn is golden.": (green > blue + 40).mean(),
    }
    listed = ", ".join(str(tuple(map(int, color))) for color in colors)
    expected = (
        f"For a picture of the colors {listed} it should be {wanted:g}; yours is {answer:g}. "
    )
    for message, slip in slips.items():
        if math.isclose(answer, slip, abs_tol=1e-6):
            raise Wrong(expected + message)
    raise Wrong(expected + "Count the pixels where both conditions are true, and divide by all.")


@check("12.stop")
def stop(best_stop: Callable) -> str:
    steps, seen = [0, 20, 40, 60, 80], [0.40, 0.31, 0.24, 0.18, 0.11]
    for unseen in (
        [0.41, 0.36, 0.35, 0.38, 0.44],
        [0.41, 0.36, 0.33, 0.30, 0.32],
        [0.41, 0.36, 0.37, 0.33, 0.38],  # rises once, and then gets better
        [0.41, 0.39, 0.36, 0.33, 0.31],  # falls to the end
    ):
        answer = best_stop(list(steps), list(seen), list(unseen))
        wanted = steps[unseen.index(min(unseen))]
        if answer is None:
            raise Wrong(
                f"For the validation losses {unseen} your function returns nothing (`None`). The "
                f"loss falls as long as you look, so it should return {wanted}."
                if wanted == steps[-1]
                else f"For the validation losses {unseen} your function returns nothing (`None`). "
                "Does it lack its `return`?"
            )
        _check_stop(as_number(answer, "one number"), steps, seen, unseen)
    return "Stop where it is best at what it never saw."


def _check_stop(answer: float, steps: list, seen: list, unseen: list) -> None:
    wanted = steps[unseen.index(min(unseen))]
    if answer == wanted:
        return
    rises = [place for place in range(1, len(unseen)) if unseen[place] > unseen[place - 1]]
    slips = {
        "You look at the pictures that were trained on. Their loss falls as long as the model "
        "memorizes.": steps[seen.index(min(seen))],
        "That is a place in the list. What is at that place in `steps`?": steps.index(wanted),
        "That is a loss, not a number of steps.": min(unseen),
        "There the validation loss was highest.": steps[unseen.index(max(unseen))],
    }
    if rises:
        slips["You stop at the first rise. Later the loss falls below that again."] = steps[
            rises[0] - 1
        ]
    expected = f"For the validation losses {unseen} it should be {wanted}; yours is {answer:g}. "
    for message, slip in slips.items():
        if math.isclose(answer, slip):
            raise Wrong(expected + message)
    raise Wrong(expected + "Stop where the validation loss is lowest.")
