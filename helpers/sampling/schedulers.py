"""Schedulers by class or by short name, a fresh one for each trajectory."""

import copy
import inspect
from difflib import get_close_matches

import diffusers
from diffusers import DiffusionPipeline, SchedulerMixin

from helpers.models.fingerprint import NOISE

SHORT_NAMES = {
    "ddim": "DDIMScheduler",
    "ddpm": "DDPMScheduler",
    "deis": "DEISMultistepScheduler",
    "dpm++": "DPMSolverMultistepScheduler",
    "dpm++ sde": "DPMSolverSDEScheduler",
    "dpm++ singlestep": "DPMSolverSinglestepScheduler",
    "dpm2": "KDPM2DiscreteScheduler",
    "dpm2 ancestral": "KDPM2AncestralDiscreteScheduler",
    "edm euler": "EDMEulerScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler ancestral": "EulerAncestralDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "lcm": "LCMScheduler",
    "lms": "LMSDiscreteScheduler",
    "pndm": "PNDMScheduler",
    "tcd": "TCDScheduler",
    "unipc": "UniPCMultistepScheduler",
}
"""Short name → class name in diffusers."""


SchedulerSetting = str | type[SchedulerMixin] | SchedulerMixin | None
"""A short name, a class, a configured scheduler (its settings are taken, its state is not), or
None for the pipeline's own."""


def scheduler_class(name: str) -> type[SchedulerMixin]:
    """The class that a short name ("ddim", "dpm++") or a class name ("DDIMScheduler") stands for.

    Raises LookupError, with the nearest names, for any other.
    """
    class_name = SHORT_NAMES.get(name.strip().lower(), name)
    if class_name in SHORT_NAMES.values():
        return getattr(diffusers, class_name)
    near = get_close_matches(name.strip().lower(), SHORT_NAMES, n=1)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    known = ", ".join(map(repr, SHORT_NAMES))
    raise LookupError(f"scheduler must be one of {known}; got {name!r}.{meant}")


def scheduler_name(scheduler: type[SchedulerMixin]) -> str:
    """The short name of a scheduler class, or the class's own name if it has none."""
    short = {class_name: name for name, class_name in SHORT_NAMES.items()}
    return short.get(scheduler.__name__, scheduler.__name__)


def check_scheduler(scheduler: SchedulerSetting) -> None:
    """Raise TypeError for what cannot stand for a scheduler."""
    if not isinstance(scheduler, str | type | SchedulerMixin | None):
        raise TypeError(
            "scheduler must be a name, a scheduler class, a scheduler or None; "
            f"got {scheduler!r} of type {type(scheduler).__name__}."
        )


def build_scheduler(pipe: DiffusionPipeline, scheduler: SchedulerSetting = None) -> SchedulerMixin:
    """A new scheduler with the betas of `pipe`; `pipe.scheduler` is left as it is.

    Some are slow to build: build once and take a `fresh_copy` for each picture.

    Raises ValueError for a scheduler that the model was not trained for, LookupError for an
    unknown name and ImportError (from diffusers) where a scheduler needs a package.
    """
    check_scheduler(scheduler)
    template = scheduler if isinstance(scheduler, SchedulerMixin) else pipe.scheduler
    kind = type(template)
    if isinstance(scheduler, type):
        kind = scheduler
    elif isinstance(scheduler, str):
        kind = scheduler_class(scheduler)
    _check_compatible(pipe.scheduler, kind)
    known = inspect.signature(kind.__init__).parameters
    config = {
        name: value
        for name, value in template.config.items()
        if name in known or name.startswith("_")  # the rest would only be warned about
    }
    return kind.from_config(config)


def fresh_copy(scheduler: SchedulerMixin, seed: int) -> SchedulerMixin:
    """A copy of an unused scheduler, for one picture.

    A scheduler that draws noise from a seed of its own and has none (DPMSolverSDEScheduler) gets
    `seed`, so that the picture can be made again.
    """
    scheduler = copy.deepcopy(scheduler)
    if getattr(scheduler, "noise_sampler_seed", seed) is None:
        scheduler.noise_sampler_seed = seed
    return scheduler


def set_steps(scheduler: SchedulerMixin, num_inference_steps: int) -> None:
    """`scheduler.set_timesteps` on the CPU, where the steps fit the timesteps of the training.

    Raises ValueError where there are more steps than that, or where a step would be at a timestep
    that the model does not know, as the last of 1000 steps with an offset of 1. Some schedulers
    would raise a dozen steps later, and some would draw from the wrong noise without a word.
    """
    trained = scheduler.config.num_train_timesteps
    name = type(scheduler).__name__
    if num_inference_steps > trained:
        raise ValueError(
            f"num_inference_steps must be at most {trained}, the timesteps that the model was "
            f"trained with; got {num_inference_steps}"
        )
    scheduler.set_timesteps(num_inference_steps, device="cpu")
    first, last = float(scheduler.timesteps.max()), float(scheduler.timesteps.min())
    stands_still = num_inference_steps > 2 and first == last
    if first > trained - 0.5 or stands_still:
        offset = scheduler.config.get("steps_offset", 0)
        raise ValueError(
            f"num_inference_steps must be lower than {num_inference_steps} for a {name} with "
            f"timestep_spacing={scheduler.config.get('timestep_spacing')!r} and "
            f"steps_offset={offset}: its timesteps would go from {first:g} to {last:g}, and the "
            f"model knows 0 to {trained - 1}"
        )


def scheduler_record(pipe: DiffusionPipeline, scheduler: SchedulerSetting) -> str:
    """A scheduler for the record: its class, and each option that is not the class's default.

    The noise that the model was trained with is left out: it belongs to the model, and is in
    `model_fingerprint`.
    """
    built = build_scheduler(pipe, scheduler)
    known = inspect.signature(type(built).__init__).parameters
    config = pipe.scheduler.config
    noise = {name: config[name] for name in NOISE if name in config and name in known}
    return _described(built, type(built)(**noise))


def scheduler_label(pipe: DiffusionPipeline, scheduler: SchedulerSetting) -> str:
    """A scheduler for a label: its class, and only the options that `pipe` does not imply."""
    built = build_scheduler(pipe, scheduler)
    return _described(built, build_scheduler(pipe, type(built)))


def _described(scheduler: SchedulerMixin, plain: SchedulerMixin) -> str:
    """The class, and the options in which `scheduler` differs from `plain`."""
    options = ", ".join(
        f"{name}={value!r}"
        for name, value in scheduler.config.items()
        if not name.startswith("_") and plain.config.get(name) != value
    )
    name = type(scheduler).__name__
    return f"{name}({options})" if options else name


def _check_compatible(own: SchedulerMixin, kind: type) -> None:
    """A model trained with SD's noise works with every scheduler that has a short name."""
    if kind not in own.compatibles and kind.__name__ not in SHORT_NAMES.values():
        raise ValueError(
            f"scheduler must be one that knows the noise of {type(own).__name__}: "
            f"{', '.join(SHORT_NAMES.values())}; got {kind.__name__}."
        )
