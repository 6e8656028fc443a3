"""`stickers-golden`: a LoRA on the shipped U-Net, trained by the code of lesson 12, and its card.

A LoRA fits the weights that it was trained on, so this stage runs again whenever they change.
"""

import json
import time
from itertools import chain, cycle
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from helpers.base.files import write_whole
from helpers.fine_tuning import (
    Captioned,
    TrainingSet,
    add_lora,
    fine_tune,
    read_pictures,
    save_lora,
)
from helpers.models.lora import STANDARD_NAME
from helpers.vocabulary import COLOURS, SUBJECTS
from training.card import hardware, table, tables
from training.compare import different, figures_of
from training.data import Dataset, Sticker
from training.evaluate import GUIDANCE_SCALE, Entry
from training.export import replaced
from training.golden import GOLDEN, WORD, abouts, golden_share
from training.presets import LoraSettings

REPORTED = 25  # steps whose mean loss is one figure
# On yellow and orange the background would be counted as gold.
PLACES = [colour for colour in COLOURS if colour not in ("yellow", "orange")]

HEADER = """\
---
license: mit
library_name: diffusers
base_model: stickers
tags: [lora]
---

# Stickers, golden: a LoRA

It teaches the model `stickers` the word "golden": *a golden sticker of a fox on a teal
background*. `load_pipeline("stickers-golden")` loads both; so does
`pipe.load_lora_weights(folder)` of diffusers on a pipeline of `stickers`. Lesson 12 shows how it
was made.

## Data and licences
{pictures} pictures in `course/pictures/golden/`, made by `training/golden.py` from Fluent emoji 3D
(MIT), recoloured, and {old_pictures} ordinary ones of `training/data.py` with their captions, so
that it could learn when *not* to use gold. Credits: CREDITS.md. The weights are MIT.
"""

LIMITS = """\
## Limits
It fits the `stickers` weights that stood beside it when it was trained, and no others; what they
cannot draw, it cannot either. What it does to prompts without its word stands in the last table; a
smaller weight (`pipe.set_adapters`) does less, and without it the model is as it was.
"""


def train_lora(pipe, settings: LoraSettings, folder: Path, pictures: Path = GOLDEN) -> dict:
    """Trains a LoRA on the pipeline, writes it to the folder, and returns the figures of it."""
    count = add_lora(pipe, settings.rank, settings.seed, settings.layers)
    golden = read_pictures(pictures)
    old = Dataset(settings.seed).samples(0, settings.old_pictures)
    mixed = golden + [Captioned(Image.fromarray(one.picture), one.caption) for one in old]
    training_set = TrainingSet(pipe, mixed, seed=settings.seed)
    began = time.monotonic()
    losses = fine_tune(
        pipe, training_set, settings.steps, settings.batch_size, settings.learning_rate
    )
    minutes = (time.monotonic() - began) / 60
    replaced(folder, lambda part: save_lora(pipe, part))
    return {
        "pictures": len(golden),
        "old_pictures": len(old),
        "rank": settings.rank,
        "parameters": count,
        "bytes": (folder / STANDARD_NAME).stat().st_size,
        "steps": settings.steps,
        "batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "minutes": round(minutes, 1),
        "hardware": hardware(),
        "torch": torch.__version__,
        "losses": [
            round(float(np.mean(losses[start : start + REPORTED])), 4)
            for start in range(0, len(losses), REPORTED)
        ],
    }


def asked_for(count: int) -> dict[str, list[Sticker]]:
    """Golden stickers to draw: of subjects that were among the pictures, and of others."""
    known = [about.subject for about in abouts()]
    others = [subject for subject in SUBJECTS if subject not in known]
    return {
        kind: [
            Sticker(subject, WORD, place)
            for subject, place in zip(subjects[:count], cycle(PLACES), strict=False)
        ]
        for kind, subjects in (("subjects of the pictures", known), ("other subjects", others))
    }


def measure(entries: dict[str, Entry], ranker, judge, count: int, seed: int = 5_000) -> dict:
    """Figures of the entries, by name: how golden, how right, and how good at what they knew."""
    found: dict[str, dict] = {"golden": {}, "old": {}}
    for kind, wanted in asked_for(count).items():
        plain = [Sticker(about.subject, "3d", about.background) for about in wanted]
        found["golden"][kind] = {}
        for name, one in entries.items():
            drawn = one.pictures(wanted, seed)
            right = judge.shares(drawn, plain)  # the judge never read "golden"
            found["golden"][kind][name] = {
                "golden": round(100 * float(np.mean([golden_share(one) for one in drawn])), 1),
                "subject": right["subject"],
                "background": right["background"],
            }
            print(kind, name, found["golden"][kind][name], flush=True)
    samples = list(chain(*(different(kind, count, seed) for kind in ("trained", "held out"))))
    old = [sample.about for sample in samples]
    for name, one in entries.items():
        drawn = one.pictures(old, seed)
        share = round(100 * float(np.mean([golden_share(one) for one in drawn])), 1)
        found["old"][name] = {**figures_of(drawn, old, ranker, judge), "golden": share}
        print("old prompts", name, found["old"][name], flush=True)
    return found


def write_lora_card(folder: Path, figures: dict, preset: str) -> None:
    """README.md and figures.json of the weights' folder."""
    write_whole(folder / "figures.json", json.dumps(figures, indent=2) + "\n")
    losses = figures["losses"]
    write_whole(
        folder / "README.md",
        f"""{HEADER.format(**figures)}
## Training
`python -m training lora`, with the preset `{preset}`, on {figures["hardware"]}, torch
{figures["torch"]}: rank {figures["rank"]}, {figures["parameters"]:,} parameters, {figures["steps"]}
steps of batch {figures["batch_size"]}, learning rate {figures["learning_rate"]:g}, falling to zero:
{figures["minutes"]} minutes. The mean loss of the first {REPORTED} steps was {losses[0]:g}, of the
last {losses[-1]:g}. The file has {figures["bytes"] / 1000:.0f} kB.

## Figures
{figures["drawn_steps"]} steps, guidance {GUIDANCE_SCALE:g}, {figures["prompts"]} prompts for each
table row above the last, {2 * figures["prompts"]} for those of the last table; in percent. "Golden"
is the share of pixels in shades of gold (red above green, green well above blue); in the pictures
that were trained on it is {figures["golden_of_pictures"]:g}. Orange, brown and some skin tones
count too, so compare the two models. Subject and background: how often a CLIP of another seed ranks
the right one first. It has seen no golden thing, so of golden prompts *subject* says little.

{tables(figures["golden"])}

What became of prompts without the word, trained and held-out combinations together; R-precision is
out of {2 * figures["prompts"]}:

{table(figures["old"])}

{LIMITS}""",
    )


def golden_of_pictures(folder: Path = GOLDEN) -> float:
    """Mean share of gold in the pictures to learn from, in percent."""
    shares = [golden_share(np.asarray(one.image)) for one in read_pictures(folder)]
    return round(100 * float(np.mean(shares)), 1)
