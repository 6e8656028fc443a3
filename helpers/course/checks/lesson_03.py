"""The checks of lesson 03, steps: what a function says to the pipeline, what a sweep varied."""

import inspect
from collections.abc import Callable

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput
from PIL import Image

from helpers.course.checks import Wrong, check, describe
from helpers.course.checks.answers import require_answer
from helpers.course.checks.experiments import require_experiment
from helpers.sampling.latents import seeded_latents
from helpers.sampling.schedulers import build_scheduler
from helpers.sweeps.result import Sweep

GUIDANCE_SCALE = 5.0
STEPS = 8


class Listener:
    """Stands for a pipeline: notes the settings of each call and draws nothing.

    What is not a call goes to the real pipeline. A setting that the real one does not know is
    refused as there, with a TypeError.
    """

    def __init__(self, pipe: DiffusionPipeline):
        self._pipe = pipe
        self.calls: list[dict[str, object]] = []

    def __getattr__(self, name: str):
        return getattr(self._pipe, name)

    def __call__(self, *unnamed: object, **settings: object) -> ImagePipelineOutput:
        call = inspect.signature(self._pipe.__call__).bind(*unnamed, **settings)
        self.calls.append(dict(call.arguments))
        return ImagePipelineOutput(images=[Image.new("RGB", (8, 8))])


@check("03.one_variable")
def one_variable(draw_steps: Callable, pipe: DiffusionPipeline, prompt: str) -> str:
    listener = Listener(pipe)
    latents = seeded_latents(pipe, 12345)
    for steps in (3, 4):
        _require_picture(draw_steps(listener, latents, steps))
    if len(listener.calls) != 2:
        raise Wrong(
            f"In two calls your function called the pipeline that it is given "
            f"{len(listener.calls)} times. Call `pipe(…)` once in it."
        )
    first, second = listener.calls
    _require_latents(first, latents)
    taken = [call.get("num_inference_steps") for call in (first, second)]
    if taken[0] == taken[1]:
        raise Wrong(
            "Asked for 3 and then for 4 steps, your function told the pipeline the same number of "
            "steps twice. Pass on the `num_inference_steps` that the function is given."
        )
    if taken != [3, 4]:
        raise Wrong(f"Asked for 3 and then for 4 steps, your function took {taken[0]}, {taken[1]}.")
    for name in sorted(first.keys() | second.keys()):
        if name != "num_inference_steps" and not _equal(first.get(name), second.get(name)):
            raise Wrong(
                f"Between two calls with other steps, `{name}` changes too: first "
                f"{describe(first.get(name))}, then {describe(second.get(name))}. Then you cannot "
                "tell which of the two changed the picture."
            )
    if first.get("guidance_scale") != GUIDANCE_SCALE:
        given = first.get("guidance_scale", "left to its default")
        raise Wrong(f"The guidance scale is {given}; wanted is {GUIDANCE_SCALE}.")
    if first.get("prompt") != prompt:
        raise Wrong("The pipeline got another prompt. Pass `prompt`, as section 1 does.")
    return "The same prompt, the same latents, the same guidance: only the steps change."


def _require_picture(drawn: object) -> None:
    require_answer(drawn)
    if not isinstance(drawn, Image.Image):
        slip = ""
        if hasattr(drawn, "images"):
            slip = " The picture is `.images[0]` of it."
        elif isinstance(drawn, list):
            slip = " Take the first of the list, `[0]`."
        raise Wrong(f"The function should return one picture; it returns {describe(drawn)}.{slip}")


def _require_latents(call: dict[str, object], latents: torch.Tensor) -> None:
    given = call.get("latents")
    if given is None and call.get("generator") is not None:
        raise Wrong(
            "The noise comes from a generator. One and the same generator gives other noise at "
            "each call, since the bookmark moves. Pass `latents=latents` instead."
        )
    if given is None:
        raise Wrong(
            "The pipeline gets no `latents`, so it starts each picture from new noise. Pass "
            "`latents=latents`."
        )
    if not _equal(given, latents):
        raise Wrong(
            "Your function takes latents of its own. It should pass on the `latents` that it is "
            "given, so that whoever calls it decides about the noise."
        )


def _equal(left: object, right: object) -> bool:
    """Equal tensors, generators that begin alike, or equal values of one type."""
    if isinstance(left, torch.Generator) and isinstance(right, torch.Generator):
        return left.initial_seed() == right.initial_seed()
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        return torch.equal(left.cpu(), right.cpu())
    return left is right or (type(left) is type(right) and left == right)


# Invented curves: (steps, distances, limit, answer, what is wrong with any other answer).
CURVES = [
    (
        [1, 6, 11, 16, 21],
        [60.0, 20.0, 4.0, 1.0, 0.0],
        5,
        11,
        "It should be the first number of steps that stays within the limit.",
    ),
    (
        [1, 6, 11, 16, 21],
        [60.0, 4.0, 9.0, 3.0, 0.0],
        5,
        16,
        "At 6 steps the curve dips below the limit and then rises again, so 6 is not enough.",
    ),
    (
        [1, 6, 11, 16],
        [60.0, 20.0, 5.0, 0.0],
        5,
        11,
        "A distance of exactly the limit is not *more* than the limit: it still counts as near.",
    ),
    (
        [4, 8, 12],
        [3.0, 1.0, 0.0],
        5,
        4,
        "Here no distance is over the limit, so the very first number of steps is enough.",
    ),
    ([4, 8, 12], [30.0, 20.0, 0.0], 5, 12, "Here only the last picture is near enough."),
]


@check("03.enough")
def enough(enough: Callable) -> str:
    for steps, distances, limit, answer, reason in CURVES:
        call = f"`enough({steps}, {distances}, limit={limit})`"
        try:
            given = enough(list(steps), list(distances), limit)
        except IndexError as error:
            raise Wrong(
                f"{call} should be {answer}; your function stops with an IndexError ({error}). "
                f"{reason}"
            ) from error
        require_answer(given)
        if given == answer:
            continue
        told = f"{call} should be {answer}; your function says {given}. "
        if given == steps.index(answer):
            raise Wrong(f"{told}That is the place in the list. Which number of steps stands there?")
        if given in distances and given not in steps:
            raise Wrong(f"{told}That is one of the distances. Which number of steps belongs to it?")
        if given in steps and steps.index(given) == steps.index(answer) - 1:
            far = distances[steps.index(given)]
            if far > limit:
                raise Wrong(f"{told}At {given} steps the distance is {far}, still over the limit.")
        raise Wrong(told + reason)
    return "It finds the point from which on more steps no longer show."


@check("03.eight_steps")
def eight_steps(at_eight: Sweep, by_steps: Sweep, schedulers: list) -> str:
    as_before = {name: v for name, v in by_steps.axes.fixed.items() if name != "scheduler"}
    fixed = as_before | {"num_inference_steps": STEPS}
    require_experiment("at_eight", at_eight, {"scheduler": schedulers}, fixed)
    if at_eight.header["model_fingerprint"] != by_steps.header["model_fingerprint"]:
        raise Wrong("The two sweeps used two models. Run section 3 again with the model of now.")
    return "One setting varies, and the latents are shared: the same seed, size and model."


@check("03.fair")
def fair(steps_for: Callable, pipe: DiffusionPipeline, schedulers: list) -> str:
    for name in schedulers:
        for budget in (2, 8, 15, 16, 25):
            steps = steps_for(name, budget)
            if steps is None:
                raise Wrong(
                    f"For {name!r} your function gives back nothing (`None`). Does this case lack "
                    "its `return`?"
                )
            if isinstance(steps, bool) or not isinstance(steps, int):
                raise Wrong(
                    f"`steps_for({name!r}, {budget})` is {steps!r}, which is not a whole number. "
                    "Divide with `//`."
                )
            _require_most_steps(pipe, name, budget, steps)
    return "Each scheduler gets the steps that it can pay for."


def _require_most_steps(pipe: DiffusionPipeline, name: str, budget: int, steps: int) -> None:
    told = f"`steps_for({name!r}, {budget})` says {steps}"
    if steps < 1:
        raise Wrong(f"{told}, and there is no picture without a step.")
    cost = evaluations(pipe, name, steps)
    if cost > budget:
        raise Wrong(f"{told}, but in {steps} steps {name} takes {cost} evaluations.")
    more = evaluations(pipe, name, steps + 1)
    if more <= budget:
        raise Wrong(
            f"{told}, which takes {cost} evaluations; one more step would still fit, with "
            f"{more}. Wanted is the largest number."
        )


def evaluations(pipe: DiffusionPipeline, name: str, steps: int) -> int:
    """How often a scheduler calls the U-Net: it has one timestep for each call."""
    scheduler = build_scheduler(pipe, name)
    scheduler.set_timesteps(steps, device="cpu")
    return len(scheduler.timesteps)
