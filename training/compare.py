"""Measures a student beside its teacher and writes its card.

R-precision (Xu et al. 2018, arXiv:1711.10485): each picture is compared with its own prompt and 99
others; the share of pictures whose own prompt fits best, as the judge of evaluate.py sees it.
"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.base.files import write_whole
from helpers.ranking.ranker import Ranker, r_precision
from training.card import table, tables, training_table
from training.evaluate import TIMED_THREADS, Entry, Judge, prompt, wanted

KINDS = ("trained", "held out")
FEW_STEPS = (1, 2, 4)  # that the student of few steps is measured at


@dataclass(frozen=True)
class Student:
    """What the card says of a student: its title, how it was made, and the stages that did it."""

    title: str
    made: str
    stage: str
    evaluation: str


STUDENTS = {
    "stickers-distilled": Student(
        "Stickers, distilled",
        """\
The model `stickers` with a smaller U-Net, made in the way of BK-SDM (Kim et al. 2023,
[arXiv:2305.15798](https://arxiv.org/abs/2305.15798)): the middle block of the teacher's U-Net is
removed, every layer keeps two of three channels, the rest starts with the teacher's weights, and it
learns the teacher's task, the teacher's output and the teacher's features together
(`training/distil.py`).""",
        "distil",
        "evaluate_distilled",
    ),
    "stickers-turbo": Student(
        "Stickers, turbo",
        """\
The model `stickers` with a U-Net that draws in 1 to 4 steps, with `LCMScheduler` and without
guidance, which it has in its weights. It was made by latent consistency distillation (Luo et al.
2023, [arXiv:2310.04378](https://arxiv.org/abs/2310.04378)): from any point of the way from noise to
picture, it learned to see the end of that way (`training/turbo.py`).""",
        "turbo",
        "evaluate_turbo",
    ),
}


def different(kind: str, count: int, seed: int) -> list:
    """So many samples of one kind, no two with the same prompt."""
    found = {prompt(sample.about): sample for sample in wanted(kind, 3 * count, seed)}
    return list(found.values())[:count]


def figures_of(pictures: list[np.ndarray], abouts: list, ranker: Ranker, judge: Judge) -> dict:
    """In percent: R-precision, and the verdicts of evaluate.py."""
    prompts = [prompt(about) for about in abouts]
    scores = ranker.scores([Image.fromarray(picture) for picture in pictures], prompts)
    return {"R-precision": round(100 * r_precision(scores), 1), **judge.shares(pictures, abouts)}


def seconds_in_turn(entries: dict[str, Entry], rounds: int) -> dict[str, float]:
    """Seconds an image of each, measured in turn so that a busy moment hits all alike."""
    times = [{name: one.seconds(rounds=1) for name, one in entries.items()} for _ in range(rounds)]
    return {name: float(np.median([row[name] for row in times])) for name in entries}


def compare(
    entries: dict[str, Entry],
    ranker: Ranker,
    judge: Judge,
    output: Path,
    about: dict,
    prompts: int,
    rounds: int,
    seed: int = 7_000,
) -> None:
    """All figures of the entries, by name, in a JSON file; timed in so many rounds."""
    seconds = seconds_in_turn(entries, rounds)
    figures = {
        **about,
        "prompts": prompts,
        "entries": {
            name: {
                "million parameters in the U-Net": round(one.pipe.unet.num_parameters() / 1e6, 2),
                "steps": one.num_inference_steps,
                "guidance": one.guidance_scale,
                "seconds an image": seconds[name],
            }
            for name, one in entries.items()
        },
        "verdicts": {},
    }
    for kind in KINDS:
        samples = different(kind, prompts, seed)
        abouts = [sample.about for sample in samples]
        rows = {"real": figures_of([s.picture for s in samples], abouts, ranker, judge)}
        for name, one in entries.items():
            rows[name] = figures_of(one.pictures(abouts, seed), abouts, ranker, judge)
            print(kind, name, rows[name], flush=True)
        figures["verdicts"][kind] = rows
    write_whole(output, json.dumps(figures, indent=2) + "\n")


def write_student_card(student: Student, folder: Path, logs: Path) -> None:
    """README.md of the weights' folder, from its figures.json."""
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    write_whole(
        folder / "README.md",
        f"""---
license: mit
library_name: diffusers
pipeline_tag: text-to-image
---

# {student.title}

{student.made}
This folder holds the U-Net alone; `load_pipeline("{folder.name}")` takes the other parts from
`stickers`. Data, licences and limits are those of `stickers`, see its card.

## Training
`python -m training {student.stage}`, with the preset `{figures["preset"]}`. Each began anew from
the teacher of its run; the last one is shipped.

{training_table(logs, student.stage)}

## Figures
Written by `python -m training {student.evaluation}` on {figures["hardware"]}; torch
{figures["torch"]}. Time: the median of one image, all in turn, on {TIMED_THREADS} cores of the
processor.

{table(figures["entries"])}

R-precision: how often the picture's own prompt fits better than all the others, out of
{figures["prompts"]}, as a CLIP of another seed sees it. Subject, background and style as in the
card of `stickers`. All in percent, on the same prompts and seeds.

{tables(figures["verdicts"])}
""",
    )
