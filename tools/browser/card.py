"""What a page must know of a model before it computes: sizes, settings, schedulers."""

import json
from pathlib import Path

from diffusers import SchedulerMixin, StableDiffusionPipeline

from helpers import vocabulary
from helpers.models.catalogue import Model
from helpers.sampling.latents import latent_shape
from helpers.sampling.schedulers import build_scheduler, scheduler_name

SCHEDULERS = ("ddim", "euler", "dpm++")
"""What every model can be drawn with in a page."""

OF_STUDENTS = ("lcm",)
"""What a page has besides for models that were trained to be drawn with it."""

READ = """
num_train_timesteps prediction_type timestep_spacing steps_offset clip_sample clip_sample_range
set_alpha_to_one final_sigmas_type solver_order solver_type lower_order_final euler_at_final
original_inference_steps timestep_scaling
""".split()
"""The settings of a scheduler that the page reads."""

MUST_BE = {
    "thresholding": False,
    "use_karras_sigmas": False,
    "use_exponential_sigmas": False,
    "use_beta_sigmas": False,
    "use_lu_lambdas": False,
    "use_flow_sigmas": False,
    "algorithm_type": "dpmsolver++",
    "interpolation_type": "linear",
    "timestep_type": "discrete",
    "lambda_min_clipped": -float("inf"),
    "sigma_min": None,
    "sigma_max": None,
}
"""Settings that the page does not read, and the value that it takes for granted."""

PREDICTIONS = ("epsilon", "sample", "v_prediction")


def model_card(name: str, model: Model, pipe: StableDiffusionPipeline) -> dict[str, object]:
    """One entry of `models` in family.json, without its files.

    Raises ValueError if the model's own scheduler is not one that a page has.
    """
    own = scheduler_name(type(pipe.scheduler))
    if own not in (*SCHEDULERS, *OF_STUDENTS):
        known = ", ".join((*SCHEDULERS, *OF_STUDENTS))
        raise ValueError(
            f"the scheduler of {name} must be one that a page has, {known}; got {own!r}"
        )
    built = {other: build_scheduler(pipe, other) for other in dict.fromkeys((own, *SCHEDULERS))}
    return {
        "about": model.about,
        "num_inference_steps": model.num_inference_steps,
        "guidance_scale": model.guidance_scale,
        "scheduler": own,
        "latents": list(latent_shape(pipe)),
        "has_guidance_input": pipe.unet.config.time_cond_proj_dim is not None,
        "schedulers": {other: scheduler_card(name, part) for other, part in built.items()},
        "alphas_cumprod": built["ddim"].alphas_cumprod.tolist(),
    }


def tokenizer_card(pipe: StableDiffusionPipeline, folder: Path) -> bytes:
    """What the tokenizer is made from in the page, as JSON; `folder` is for files on the way."""
    pipe.tokenizer.save_pretrained(folder)
    read = {
        key: json.loads((folder / file).read_text(encoding="utf-8"))
        for key, file in (("tokenizer", "tokenizer.json"), ("settings", "tokenizer_config.json"))
    }
    return json.dumps(read, ensure_ascii=False).encode()


def vocabulary_card() -> dict[str, list[str]]:
    """The words that the models were trained on, and phrases to begin a prompt with."""
    scenes = [phrase for phrases in vocabulary.SCENES.values() for phrase in phrases]
    backgrounds = [f"on a {colour} background" for colour in vocabulary.COLOURS]
    return {
        "words": sorted(vocabulary.KNOWN_WORDS),
        "phrases": [*vocabulary.SUBJECTS, *scenes, *backgrounds],
        "subjects": list(vocabulary.SUBJECTS),
        "styles": list(vocabulary.STYLES),
        "places": [*scenes, *backgrounds],
    }


def scheduler_card(name: str, scheduler: SchedulerMixin) -> dict[str, object]:
    config = scheduler.config
    for setting, expected in MUST_BE.items():
        if config.get(setting, expected) != expected:
            raise ValueError(
                f"{setting} of {name}'s {type(scheduler).__name__} must be {expected!r} to run in "
                f"a page; got {config[setting]!r}"
            )
    if config.prediction_type not in PREDICTIONS:
        raise ValueError(
            f"{name} must predict one of {', '.join(PREDICTIONS)}; got {config.prediction_type!r}"
        )
    return {setting: config[setting] for setting in READ if setting in config}
