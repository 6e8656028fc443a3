"""What teaches the U-Net fastest? Recipes side by side, each from nothing, in the same time.

They are compared on a small world, 18 subjects on 6 backgrounds, in which half an hour of one
processor is enough to see subjects. Each recipe gets as many steps as it can take in `seconds` of
the processor, not of the clock, so that other work on the machine does not count.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel

from helpers.base.files import write_whole
from training.data import Dataset, Sample
from training.evaluate import Entry, Judge, frechet_distance
from training.export import default_scheduler
from training.loop import Loop
from training.pixels import psnr, to_pixels
from training.presets import Preset, UnetSettings
from training.unet import (
    TIMESTEPS,
    NoisyLatents,
    clean_estimate,
    new_unet,
    train_unet,
    velocity_errors,
    write_latents,
)

SUBJECTS = tuple(
    "airplane, rocket, guitar, banana, whale, turtle, dinosaur, fox, robot, castle, bee, owl, "
    "sailboat, soccer ball, dog, heart, tiger, car".split(", ")
)
BACKGROUNDS = ("white", "teal", "yellow", "meadow", "night", "city")
RECIPES: dict[str, dict] = {
    "two-stages": {},
    "narrower": {"channels": (64, 192)},
    "narrower-two-layers": {"channels": (64, 192), "layers_per_block": 2},
    "caption-embedding": {"addition_embed_type": "text"},
    "scale-shift": {"resnet_time_scale_shift": "scale_shift"},
    "muon": {"optimizer_name": "muon", "learning_rate": 1e-3},
    "batches-of-16": {"batch_size": 16},
}
DEFAULTS = {  # what recipes have where they do not say something else
    "layers_per_block": 1,
    "resnet_time_scale_shift": "default",
    "addition_embed_type": None,
    "optimizer_name": "adamw",
    "learning_rate": 7e-4,
    "warm_up": 100,
    "hold": 0.0,
    "ema": 0.995,
    "snapshot_every": 0,
}
TRIAL_STEPS = 8  # to find out how long one takes
GUIDANCE_SCALE = 4.0


def small_world(seed: int) -> Dataset:
    return Dataset(seed, portrait_share=0.0, subjects=SUBJECTS, backgrounds=BACKGROUNDS)


def seconds_per_step(train: Callable[[UnetSettings, Path], Loop], settings: UnetSettings) -> float:
    """Of the processor."""
    with TemporaryDirectory() as folder:
        train(replace(settings, steps=2), Path(folder) / "first")  # what happens once only
        began = time.process_time()
        train(replace(settings, steps=TRIAL_STEPS), Path(folder) / "trial")
        return (time.process_time() - began) / TRIAL_STEPS


def encoded(pipe: StableDiffusionPipeline, settings: UnetSettings, data: Dataset, count: int):
    """The first pictures of a data set as noisy latents of the pipeline's autoencoder."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "latents.pt"
        write_latents(file, data, count, pipe.vae, pipe.tokenizer)
        return NoisyLatents(file, pipe.text_encoder, pipe.tokenizer, settings)


def try_recipe(
    name: str,
    pipe: StableDiffusionPipeline,
    judge: Judge,
    preset: Preset,
    checkpoints: Path,
    output: Path,
) -> None:
    """Trains a new U-Net by one recipe and writes what it can do to `output`, a JSON file.

    `pipe` lends the other parts. A trial that was killed goes on from its checkpoint.
    """
    chosen = {"batch_size": preset.recipe_batch_size} | DEFAULTS | RECIPES[name]
    settings = replace(preset.unet, **chosen)
    pictures = encoded(pipe, settings, small_world(settings.seed), preset.recipe_pictures)
    width = pipe.text_encoder.config.hidden_size

    def train(settings: UnetSettings, folder: Path) -> Loop:
        pictures.use(settings)
        return train_unet(new_unet(settings, width), pictures, folder, name, preset.machine)

    plan = checkpoints / f"{name}.json"
    if not plan.exists():
        steps = max(1, round(preset.recipe_seconds / seconds_per_step(train, settings)))
        write_whole(plan, json.dumps({"steps": steps}))
    steps = json.loads(plan.read_text(encoding="utf-8"))["steps"]
    unet = train(replace(settings, steps=steps), checkpoints).model.eval()
    row = {"recipe": name, "steps": steps, "pictures": steps * settings.batch_size}
    row |= measured(pipe, unet, judge, settings, preset.recipe_validation, preset.evaluation_steps)
    write_whole(output, json.dumps(row, indent=2) + "\n")


def measured(
    pipe: StableDiffusionPipeline,
    unet: UNet2DConditionModel,
    judge: Judge,
    settings: UnetSettings,
    count: int,
    steps: int,
) -> dict:
    """Errors of the velocity, of one-step pictures, and what the judge finds in drawn ones."""
    data = small_world(settings.seed + 1)
    stored, samples = encoded(pipe, settings, data, count), data.samples(0, count)
    errors = velocity_errors(unet, stored)
    pipe.unet = unet
    pipe.scheduler = default_scheduler(type(pipe.scheduler).__name__, settings.prediction_type)
    abouts = [sample.about for sample in samples]
    drawn = Entry(pipe, steps, GUIDANCE_SCALE).pictures(abouts, settings.seed)
    others = small_world(settings.seed + 2).samples(0, 4 * count)
    reference = judge.images([sample.picture for sample in others])
    return {
        "timesteps": TIMESTEPS,
        "velocity_errors": [round(error, 4) for error in errors],
        "mean": round(sum(errors) / len(errors), 4),
        "one_step_psnr": one_step_psnr(unet, pipe.vae, stored, samples),
        **judge.shares(drawn, abouts),
        "distance": frechet_distance(judge.images(drawn), reference),
    }


@torch.no_grad()
def one_step_psnr(
    unet: UNet2DConditionModel, vae: AutoencoderKL, stored: NoisyLatents, samples: list[Sample]
) -> list[float]:
    """PSNR in dB of what the U-Net takes the clean picture to be, at each of TIMESTEPS.

    Unlike errors of latents, these compare between autoencoders.
    """
    pixels = to_pixels([sample.picture for sample in samples])
    found = []
    for timestep in TIMESTEPS:
        noisy, timesteps, _ = stored.at(timestep)
        decibels = []
        rows = zip(*(t.split(16) for t in (noisy, timesteps, stored.states, pixels)), strict=True)
        for x, t, states, true in rows:
            estimate = clean_estimate(stored.schedule, x, t, unet(x, t, states.float()).sample)
            drawn = vae.decode(estimate / vae.config.scaling_factor).sample.clamp(-1, 1)
            decibels.append(psnr(drawn, true))
        found.append(round(torch.cat(decibels).mean().item(), 2))
    return found
