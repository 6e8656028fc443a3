"""The checks of lesson 03, steps: what a function says to the pipeline, what a sweep varied."""

import inspect
from collections.abc import Callable
from numbers import Integral

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput
from PIL import Image

from helpers.course.checks import Wrong, check, describe
from helpers.course.checks.answers import CLOSE, require_answer
from helpers.course.checks.experiments import require_experiment
from helpers.sampling.latents import seeded_latents
from helpers.sampling.schedulers import build_scheduler
from helpers.sweeps.result import Sweep

GUIDANCE_SCALE = 5.0
STEPS = 8


def listening(pipe: DiffusionPipeline) -> tuple[DiffusionPipeline, list[dict[str, object]]]:
    """A pipeline that draws nothing, and the list in which it notes the settings of each call.

    In all but the call it is the given one, whose parts it shares.
    """
    signature = inspect.signature(type(pipe).__call__)
    calls: list[dict[str, object]] = []

    def call(
        self: DiffusionPipeline, *unnamed: object, **settings: object
    ) -> ImagePipelineOutput | tuple:
        given = dict(signature.bind(self, *unnamed, **settings).arguments)
        del given["self"]
        calls.append(given)
        images = [Image.new("RGB", (8, 8))]
        in_full = given.get("return_dict", True)
        return ImagePipelineOutput(images=images) if in_full else (images, None)

    kind = type(type(pipe).__name__, (type(pipe),), {"__call__": call})
    listener = object.__new__(kind)
    vars(listener).update(vars(pipe))
    return listener, calls


@check("03.one_variable")
def one_variable(draw_steps: Callable, pipe: DiffusionPipeline, prompt: str) -> str:
    listener, calls = listening(pipe)
    latents = seeded_latents(pipe, 12345)
    for steps in (3, 4):
        _require_picture(draw_steps(listener, latents.clone(), steps))
    if len(calls) != 2:
        raise Wrong(
            f"In two calls your function called the pipeline that it is given {len(calls)} times. "
            "Call `pipe(…)` once in it."
        )
    first, second = calls
    _require_known_settings(first)
    _require_latents(first, latents)
    taken = [call.get("num_inference_steps") for call in (first, second)]
    if taken[0] == taken[1]:
        raise Wrong(
            "Asked for 3 and then for 4 steps, your function passed the same number of steps to "
            "the pipeline twice. Pass on the `num_inference_steps` that the function is given."
        )
    if taken != [3, 4]:
        raise Wrong(f"Asked for 3 and then for 4 steps, your function took {taken[0]}, {taken[1]}.")
    for name in sorted(first.keys() | second.keys()):
        if name != "num_inference_steps" and not _equal(first.get(name), second.get(name)):
            raise Wrong(
                f"Between two calls with different steps, `{name}` changes too: first "
                f"{describe(first.get(name))}, then {describe(second.get(name))}. Then you cannot "
                "tell which of the two changed the picture."
            )
    if first.get("guidance_scale") != GUIDANCE_SCALE:
        given = first.get("guidance_scale", "left to its default")
        raise Wrong(f"The guidance scale is {given}; wanted is {GUIDANCE_SCALE}.")
    if first.get("eta"):
        raise Wrong(
            f"`eta` is {first['eta']}, so DDIM adds new noise in each step, and your function "
            "gives another picture each time. Leave `eta` out."
        )
    if not _draws_the_prompt(first, prompt, pipe):
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


def _require_known_settings(call: dict[str, object]) -> None:
    """Pipelines swallow settings that they do not know, so a misspelt one is told here."""
    for name in call.get("kwargs", {}):
        raise Wrong(
            f"A pipeline has no setting named `{name}`, and ignores it without a word. The names "
            "are those of section 1, such as `num_inference_steps`."
        )


def _draws_the_prompt(call: dict[str, object], prompt: str, pipe: DiffusionPipeline) -> bool:
    """Is it told the prompt, as a text, a list of one, or as vectors, and nothing negative?"""
    given, vectors = call.get("prompt"), call.get("prompt_embeds")
    if vectors is None:
        is_told = given in (prompt, [prompt], (prompt,))
    else:
        wanted = pipe.encode_prompt(prompt, pipe.device, 1, False)[0]
        is_told = vectors.shape == wanted.shape and torch.allclose(vectors, wanted, atol=CLOSE)
    return is_told and call.get("negative_prompt") in (None, "", [""])


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
    (
        [1, 6, 11, 16],
        [60.0, 20.0, 10.0, 0.0],
        12,
        11,
        "Compare with the `limit` that the function is given, not with a fixed number.",
    ),
    (
        [2, 3, 5, 7],
        [9.0, 4.0, 3.0, 0.0],
        1,
        7,
        "Compare with the `limit` that the function is given, not with a fixed number.",
    ),
]


@check("03.enough")
def enough(enough: Callable) -> str:
    for steps, distances, limit, answer, reason in CURVES:
        call = f"`enough({steps}, {distances}, limit={limit})`"
        lists = list(steps), list(distances)
        try:
            given = enough(*lists, limit)
        except IndexError as error:
            raise Wrong(
                f"{call} should be {answer}; your function stops with an IndexError ({error}). "
                f"{reason}"
            ) from error
        require_answer(given, call)
        if lists != (steps, distances):
            raise Wrong(
                "Your function changes the lists that it is given, and they belong to whoever "
                "calls it. Go through `reversed(steps)` instead of `steps.reverse()`, or work on "
                "a copy."
            )
        if given == answer:
            continue
        told = f"{call} should be {answer}; your function returns {given}. "
        if given == steps.index(answer):
            raise Wrong(f"{told}That is the place in the list. Which number of steps is there?")
        if given in distances and given not in steps:
            raise Wrong(f"{told}That is one of the distances. Which number of steps belongs to it?")
        if given in steps and steps.index(given) == steps.index(answer) - 1:
            far = distances[steps.index(given)]
            if far > limit:
                raise Wrong(f"{told}At {given} steps the distance is {far}, still over the limit.")
        raise Wrong(told + reason)
    return "It finds the point from which on more steps no longer show."


@check("03.eight_steps")
def eight_steps(at_eight: Sweep, by_steps: Sweep, schedulers: list | tuple) -> str:
    as_before = {name: v for name, v in by_steps.axes.fixed.items() if name != "scheduler"}
    fixed = as_before | {"num_inference_steps": STEPS}
    require_experiment("at_eight", at_eight, {"scheduler": schedulers}, fixed)
    if at_eight.header["model_fingerprint"] != by_steps.header["model_fingerprint"]:
        raise Wrong("The two sweeps used two models. Run section 3 again with the present model.")
    return "One setting varies, and the latents are shared: the same seed, size and model."


@check("03.fair")
def fair(steps_for: Callable, pipe: DiffusionPipeline, schedulers: list | tuple) -> str:
    for name in schedulers:
        for budget in (2, 8, 15, 16, 25):
            steps = steps_for(name, budget)
            require_answer(steps, f"`steps_for({name!r}, {budget})`")
            if isinstance(steps, bool) or not isinstance(steps, Integral):
                raise Wrong(
                    f"`steps_for({name!r}, {budget})` is {steps!r}, which is not a whole number. "
                    "Divide with `//`."
                )
            _require_most_steps(pipe, name, budget, steps)
    return "Each scheduler gets the steps that it can pay for."


def _require_most_steps(pipe: DiffusionPipeline, name: str, budget: int, steps: int) -> None:
    steps = int(steps)
    told = f"`steps_for({name!r}, {budget})` is {steps}"
    if steps < 1:
        raise Wrong(f"{told}, and a picture needs at least one step.")
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
