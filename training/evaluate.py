"""Measures the shipped weights and writes the figures of the model card.

The judge is a CLIP trained from another seed than the one that conditions the U-Net. It looks at
a picture and ranks captions that differ in one word: does it put the right subject first among
all 70, the right background among all 16, the right style among 4? The same is asked of real
pictures, which is as good as the score can get.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from PIL import Image

from helpers.base.files import write_whole
from helpers.ranking.sticker_clip import StickerClip
from helpers.vocabulary import (
    BACKGROUNDS,
    EXPRESSIONS,
    EYEWEAR,
    HAIR,
    HAIR_COLOURS,
    SHIRT_COLOURS,
    SKIN_TONES,
    STYLES,
    SUBJECTS,
    with_article,
)
from training.clip import tokens
from training.data import Dataset, Portrait, Sample, Sticker
from training.pixels import psnr, to_pixels
from training.presets import Preset
from training.unet import NoisyLatents, velocity_errors

GUIDANCE_SCALES = (1.0, 3.0, 5.0, 7.5)
GUIDANCE_SCALE = 5.0  # where nothing else is said
STEPS = 25
BATCH_SIZE = 10  # pictures that are drawn at once
HEAD = (36, 100)  # the rows of a 128 x 128 portrait that hold the face
TIMED_THREADS = 2  # of the processor, when one image is timed
SCHEDULERS = ("PNDMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler")
STICKER_CHOICES = {"subject": SUBJECTS, "background": BACKGROUNDS, "style": STYLES}
PORTRAIT_CHOICES = {
    "expression": EXPRESSIONS,
    "eyewear": EYEWEAR,
    "hair_colour": HAIR_COLOURS,
    "shirt": SHIRT_COLOURS,
    "skin": SKIN_TONES,
    "background": BACKGROUNDS,
}
PLACES = {
    "beach": "at the beach",
    "night": "at night",
    "meadow": "in a meadow",
    "city": "in the city",
    "snow": "in the snow",
}


def where(name: str) -> str:
    return PLACES.get(name, f"on {with_article(name)} background")


def prompt(about: Sticker | Portrait) -> str:
    """The full caption of a picture, always in the same form, so that captions compare."""
    if isinstance(about, Sticker):
        subject = with_article(about.subject)
        return f"{with_article(about.style)} sticker of {subject} {where(about.background)}"
    features = [f"{about.skin} skin", f"{about.hair} {about.hair_colour} hair"]
    features += ["a beard"] * about.beard + [about.eyewear] * (about.eyewear != "none")
    listed = ", ".join(features) + f" and {with_article(about.shirt)} shirt"
    who = with_article(f"{about.expression} {about.person}")
    return f"a portrait of {who} with {listed} {where(about.background)}"


def choices_of(about: Sticker | Portrait) -> dict[str, tuple[str, ...]]:
    if isinstance(about, Sticker):
        return STICKER_CHOICES
    return {**PORTRAIT_CHOICES, "hair": HAIR[about.person]}


# ------------------------------------------------------------------------------- the judge
@dataclass
class Judge:
    clip: StickerClip
    tokenizer: object

    @torch.no_grad()
    def texts(self, captions: list[str]) -> torch.Tensor:
        return self.clip.text_embeds(tokens(self.tokenizer, captions))

    @torch.no_grad()
    def images(self, pictures: list[np.ndarray]) -> torch.Tensor:
        batches = [pictures[i : i + 64] for i in range(0, len(pictures), 64)]
        return torch.cat([self.clip.image_embeds(to_pixels(batch)) for batch in batches])

    def verdicts(self, embedding: torch.Tensor, about: Sticker | Portrait) -> dict[str, bool]:
        """For each attribute: is the right caption first among those that differ only in it?"""
        found = {}
        for attribute, choices in choices_of(about).items():
            captions = [prompt(replace(about, **{attribute: choice})) for choice in choices]
            best = choices[int((self.texts(captions) @ embedding).argmax())]
            found[attribute] = best == getattr(about, attribute)
        return found

    def shares(self, pictures: list[np.ndarray], abouts: list) -> dict[str, float]:
        """Share of right verdicts in percent, by attribute."""
        rows: dict[str, list[bool]] = {}
        for embedding, about in zip(self.images(pictures), abouts, strict=True):
            for attribute, right in self.verdicts(embedding, about).items():
                rows.setdefault(attribute, []).append(right)
        return {name: round(100 * float(np.mean(found)), 1) for name, found in rows.items()}


def frechet_distance(first: torch.Tensor, second: torch.Tensor) -> float:
    """Distance of two clouds of embeddings (n, width), times 100 (FID: Heusel et al. 2017)."""
    a, b = first.double(), second.double()
    covariances = [torch.cov(x.T) for x in (a, b)]
    mixed = torch.linalg.eigvals(covariances[0] @ covariances[1]).real.clamp(min=0).sqrt().sum()
    traces = sum(torch.trace(c) for c in covariances)
    return round(100 * float((a.mean(0) - b.mean(0)).square().sum() + traces - 2 * mixed), 2)


# ------------------------------------------------------------------------------- pictures
def wanted(kind: str, count: int, seed: int) -> list[Sample]:
    """New samples: "trained" combinations, "held out" ones, or "portraits"."""
    share = 1.0 if kind == "portraits" else 0.0
    return Dataset(seed, kind == "held out", share).samples(0, count)


def draw(
    pipe,
    prompts: Sequence[str],
    seeds: Sequence[int],
    num_inference_steps: int = STEPS,
    guidance_scale: float = GUIDANCE_SCALE,
) -> list[Image.Image]:
    """One picture for each prompt and seed."""
    images = []
    for start in range(0, len(prompts), BATCH_SIZE):
        batch = slice(start, start + BATCH_SIZE)
        generators = [torch.Generator().manual_seed(seed) for seed in seeds[batch]]
        images += pipe(
            list(prompts[batch]),
            generator=generators,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
        ).images
    return images


@dataclass(frozen=True)
class Entry:
    """A pipeline that is measured, and how it draws."""

    pipe: StableDiffusionPipeline
    num_inference_steps: int
    guidance_scale: float = GUIDANCE_SCALE

    def pictures(self, abouts: list, seed: int) -> list[np.ndarray]:
        """One for each, (128, 128, 3) uint8, by `seed` and the seeds after it."""
        images = draw(
            self.pipe,
            [prompt(about) for about in abouts],
            range(seed, seed + len(abouts)),
            self.num_inference_steps,
            self.guidance_scale,
        )
        return [np.asarray(image) for image in images]

    def seconds(self, rounds: int) -> float:
        """Median over rounds: one image, with TIMED_THREADS of the processor, where it is left."""
        threads = torch.get_num_threads()
        self.pipe.to("cpu")
        torch.set_num_threads(TIMED_THREADS)
        seconds = median_seconds(lambda: self.pictures([Sticker("fox", "3d", "teal")], 0), rounds)
        torch.set_num_threads(threads)
        return round(seconds, 2)


# ------------------------------------------------------------------------------- measurements
def median_seconds(action: Callable[[], object], rounds: int) -> float:
    """Of the rounds; one before them, which is slower, does not count."""
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return float(np.median(times[1:]))


@torch.no_grad()
def vae_figures(vae: AutoencoderKL, pictures: int, seed: int) -> dict:
    """PSNR in dB on pictures never trained on: stickers, faces by skin tone (head region only)."""

    def mean_psnr(samples: list[Sample], rows: slice = slice(None)) -> float:
        decibels = []
        for start in range(0, len(samples), 20):
            pixels = to_pixels([s.picture for s in samples[start : start + 20]]).to(vae.device)
            drawn = vae.decode(vae.encode(pixels).latent_dist.mean).sample.clamp(-1, 1)
            decibels.append(psnr(drawn[:, :, rows], pixels[:, :, rows]))
        return round(torch.cat(decibels).mean().item(), 1)

    portraits = wanted("portraits", pictures, seed)
    by_tone = {
        tone: mean_psnr([s for s in portraits if s.about.skin == tone], slice(*HEAD))
        for tone in SKIN_TONES
    }
    held_out = wanted("held out", pictures, seed)
    return {
        "held-out stickers": mean_psnr(held_out),
        "portraits": mean_psnr(portraits),
        "faces": by_tone,
    }


def kind_figures(entry: Entry, judge: Judge, kind: str, pictures: int, seed: int, scales) -> dict:
    """Verdicts on real and generated pictures of one kind, and distances."""
    samples = wanted(kind, pictures, seed)
    abouts = [s.about for s in samples]
    reference = judge.images([s.picture for s in wanted(kind, 4 * pictures, seed + 1)])

    def figures(drawn: list[np.ndarray]) -> dict[str, float]:
        distance = frechet_distance(judge.images(drawn), reference)
        return {**judge.shares(drawn, abouts), "distance": distance}

    found = {"real": figures([s.picture for s in samples])}
    for scale in scales:
        guided = replace(entry, guidance_scale=scale)
        found[f"guidance {scale:g}"] = figures(guided.pictures(abouts, seed))
        print(kind, scale, found[f"guidance {scale:g}"], flush=True)
    return found


def picture_figures(
    entry: Entry, judge: Judge, pictures: int, seed: int, scales=GUIDANCE_SCALES
) -> dict:
    kinds = ("trained", "held out", "portraits")
    return {kind: kind_figures(entry, judge, kind, pictures, seed, scales) for kind in kinds}


def scheduler_figures(entry: Entry, judge: Judge, pictures: int, seed: int) -> dict:
    """What three schedulers give at guidance 7.5: the reason for the one that is shipped."""
    pipe, found = entry.pipe, {}
    own = pipe.scheduler
    for name in SCHEDULERS:
        pipe.scheduler = getattr(diffusers, name).from_config(own.config)
        figures = kind_figures(entry, judge, "trained", pictures, seed, scales=(7.5,))
        found[name.removesuffix("Scheduler")] = figures["guidance 7.5"]
    pipe.scheduler = own
    return found


def evaluate(
    pipe, judge: Judge, output: Path, about: dict, preset: Preset, seed: int = 9_000
) -> None:
    """All figures, written to a JSON file that the model card is made from."""
    pictures, entry = preset.evaluation_pictures, Entry(pipe, preset.evaluation_steps)
    figures = {
        **about,
        "pictures": pictures,
        "steps": entry.num_inference_steps,
        "scheduler": type(pipe.scheduler).__name__,
        "vae": vae_figures(pipe.vae, preset.vae_pictures, seed),
        "verdicts": picture_figures(entry, judge, pictures, seed),
        "schedulers": scheduler_figures(entry, judge, pictures, seed),
        "seconds": entry.seconds(preset.evaluation_rounds),  # leaves the pipeline on the processor
    }
    write_whole(output, json.dumps(figures, indent=2) + "\n")


def curve(
    entry: Entry,
    judge: Judge,
    snapshots: dict[int, dict],
    minutes: dict[int, float],
    output: Path,
    pictures: int,
    validation: NoisyLatents,
) -> None:
    """The verdicts at guidance 5 of averages kept on the way, by step, as JSON lines.

    `minutes` are those of training, by step, where they were noted; `validation` are pictures that
    were not trained on, for which the error of the velocity is measured.
    """
    rows = []
    for step, weights in sorted(snapshots.items()):
        entry.pipe.unet.load_state_dict(weights)
        errors = velocity_errors(entry.pipe.unet, validation)
        figures = picture_figures(entry, judge, pictures, seed=8_000, scales=(5.0,))
        row = {
            "step": step,
            "minutes": minutes.get(step),
            "velocity errors": [round(error, 4) for error in errors],
            "mean error": round(sum(errors) / len(errors), 4),
        }
        rows.append(row | {kind: scores["guidance 5"] for kind, scores in figures.items()})
        write_whole(output, "".join(json.dumps(row) + "\n" for row in rows))
