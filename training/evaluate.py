"""Measures the shipped weights and writes the figures of the model card.

The judge is a CLIP trained from another seed than the one that conditions the U-Net. It looks at
a picture and ranks captions that differ in one word: does it put the right subject first among
all 70, the right background among all 16, the right style among 4? The same is asked of real
pictures, which is as good as the score can get.
"""

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers import AutoencoderKL

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
from training.clip import to_pixels, tokens
from training.data import Dataset, Portrait, Sample, Sticker
from training.presets import Preset
from training.unet import NoisyLatents, velocity_errors

GUIDANCE_SCALES = (1.0, 3.0, 5.0, 7.5)
STEPS = 25
TIMED_THREADS = 2  # of the processor, when one image is timed
SCHEDULERS = ("PNDMScheduler", "DDIMScheduler", "DPMSolverMultistepScheduler")
STICKER_CHOICES = {"subject": SUBJECTS, "background": BACKGROUNDS, "style": STYLES}
PORTRAIT_CHOICES = {
    "expression": EXPRESSIONS, "eyewear": EYEWEAR, "hair_colour": HAIR_COLOURS,
    "shirt": SHIRT_COLOURS, "skin": SKIN_TONES, "background": BACKGROUNDS,
}  # fmt: skip


def where(name: str) -> str:
    scenes = {"beach": "at the beach", "night": "at night", "meadow": "in a meadow",
              "city": "in the city", "snow": "in the snow"}  # fmt: skip
    return scenes.get(name, f"on {with_article(name)} background")


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


def generate(
    pipe,
    abouts: list,
    guidance_scale: float,
    seed: int,
    num_inference_steps: int = STEPS,
    batch_size: int = 10,
) -> list[np.ndarray]:
    """One picture for each, (128, 128, 3) uint8."""
    pictures = []
    for start in range(0, len(abouts), batch_size):
        batch = abouts[start : start + batch_size]
        generators = [torch.Generator().manual_seed(seed + start + i) for i in range(len(batch))]
        result = pipe(
            [prompt(about) for about in batch],
            guidance_scale=guidance_scale,
            num_inference_steps=num_inference_steps,
            generator=generators,
            output_type="np",
        )
        pictures += list((result.images * 255).round().astype(np.uint8))
    return pictures


# ------------------------------------------------------------------------------- measurements
@torch.no_grad()
def vae_figures(vae: AutoencoderKL, pictures: int, seed: int) -> dict:
    """PSNR in dB on pictures never trained on: stickers, faces by skin tone (head region only)."""

    def psnr(samples: list[Sample], region=slice(None)) -> float:
        errors = []
        for start in range(0, len(samples), 20):
            pixels = to_pixels([s.picture for s in samples[start : start + 20]]).to(vae.device)
            drawn = vae.decode(vae.encode(pixels).latent_dist.mean).sample.clamp(-1, 1)
            error = ((drawn - pixels) / 2)[:, :, region].square().mean((1, 2, 3))
            errors.append(-10 * error.log10().cpu())
        return round(torch.cat(errors).mean().item(), 1)

    portraits = wanted("portraits", pictures, seed)
    by_tone = {
        tone: psnr([s for s in portraits if s.about.skin == tone], slice(36, 100))
        for tone in SKIN_TONES
    }
    held_out = wanted("held out", pictures, seed)
    return {"held-out stickers": psnr(held_out), "portraits": psnr(portraits), "faces": by_tone}


def seconds_an_image(
    pipe, rounds: int, guidance_scale: float = 5.0, num_inference_steps: int = STEPS
) -> float:
    """Median over rounds: one image, with TIMED_THREADS of the processor."""
    threads, times = torch.get_num_threads(), []
    pipe.to("cpu")
    torch.set_num_threads(TIMED_THREADS)
    for seed in range(rounds + 1):
        began = time.perf_counter()
        generate(pipe, [Sticker("fox", "3d", "teal")], guidance_scale, seed, num_inference_steps)
        times.append(time.perf_counter() - began)
    torch.set_num_threads(threads)
    return round(float(np.median(times[1:])), 2)


def kind_figures(pipe, judge: Judge, kind: str, pictures: int, seed: int, scales) -> dict:
    """Verdicts on real and generated pictures of one kind, and distances."""
    samples = wanted(kind, pictures, seed)
    abouts = [s.about for s in samples]
    reference = judge.images([s.picture for s in wanted(kind, 4 * pictures, seed + 1)])

    def figures(drawn: list[np.ndarray]) -> dict[str, float]:
        distance = frechet_distance(judge.images(drawn), reference)
        return {**judge.shares(drawn, abouts), "distance": distance}

    found = {"real": figures([s.picture for s in samples])}
    for scale in scales:
        found[f"guidance {scale:g}"] = figures(generate(pipe, abouts, scale, seed))
        print(kind, scale, found[f"guidance {scale:g}"], flush=True)
    return found


def picture_figures(pipe, judge: Judge, pictures: int, seed: int, scales=GUIDANCE_SCALES) -> dict:
    kinds = ("trained", "held out", "portraits")
    return {kind: kind_figures(pipe, judge, kind, pictures, seed, scales) for kind in kinds}


def scheduler_figures(pipe, judge: Judge, pictures: int, seed: int) -> dict:
    """What three schedulers give at guidance 7.5: the reason for the one that is shipped."""
    own, found = pipe.scheduler, {}
    for name in SCHEDULERS:
        pipe.scheduler = getattr(diffusers, name).from_config(own.config)
        figures = kind_figures(pipe, judge, "trained", pictures, seed, scales=(7.5,))
        found[name.removesuffix("Scheduler")] = figures["guidance 7.5"]
    pipe.scheduler = own
    return found


def evaluate(
    pipe, judge: Judge, output: Path, about: dict, preset: Preset, seed: int = 9_000
) -> None:
    """All figures, written to a JSON file that the model card is made from."""
    pictures = preset.evaluation_pictures
    figures = {
        **about,
        "pictures": pictures,
        "scheduler": type(pipe.scheduler).__name__,
        "vae": vae_figures(pipe.vae, preset.vae_pictures, seed),
        "verdicts": picture_figures(pipe, judge, pictures, seed),
        "schedulers": scheduler_figures(pipe, judge, pictures, seed),
        # At last, for it leaves the pipeline on the processor.
        "seconds": seconds_an_image(pipe, preset.evaluation_rounds),
    }
    write_whole(output, json.dumps(figures, indent=2) + "\n")


def curve(
    pipe,
    judge: Judge,
    snapshots: dict[int, dict],
    minutes: dict[int, float],
    output: Path,
    pictures: int,
    unseen: NoisyLatents,
) -> None:
    """The verdicts at guidance 5 of averages kept on the way, by step, as JSON lines.

    `minutes` are those of training, by step, where they were noted; `unseen` are new pictures, for
    which the error of the velocity is told.
    """
    rows = []
    for step, weights in sorted(snapshots.items()):
        pipe.unet.load_state_dict(weights)
        errors = velocity_errors(pipe.unet, unseen)
        figures = picture_figures(pipe, judge, pictures, seed=8_000, scales=(5.0,))
        row = {
            "step": step,
            "minutes": minutes.get(step),
            "velocity errors": [round(error, 4) for error in errors],
            "mean error": round(sum(errors) / len(errors), 4),
        }
        rows.append(row | {kind: scores["guidance 5"] for kind, scores in figures.items()})
        write_whole(output, "".join(json.dumps(row) + "\n" for row in rows))
