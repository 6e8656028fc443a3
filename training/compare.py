"""Measures the distilled model beside its teacher and writes its card.

R-precision (Xu et al. 2018, arXiv:1711.10485): each picture is compared with its own prompt and 99
others; the share of pictures whose own prompt fits best, as the judge of evaluate.py sees it.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.base.files import write_whole
from helpers.ranking.ranker import Ranker, r_precision
from training.card import table, training_table
from training.evaluate import TIMED_THREADS, Judge, generate, prompt, seconds_an_image, wanted

GUIDANCE_SCALE = 5.0
KINDS = ("trained", "held out")

HEADER = """\
---
license: mit
library_name: diffusers
pipeline_tag: text-to-image
---

# Stickers, distilled

The model `stickers` with a smaller U-Net, made as in BK-SDM (Kim et al. 2023,
[arXiv:2305.15798](https://arxiv.org/abs/2305.15798)): the middle and the innermost stage of the
teacher's U-Net are removed, the rest starts with the teacher's weights, and it learns the teacher's
task, the teacher's output and the teacher's features together (`training/distil.py`). This folder
holds the U-Net alone; `load_pipeline("stickers-distilled")` takes the other parts from `stickers`.
Data, licences and limits are those of `stickers`, see its card.
"""


def different(kind: str, count: int, seed: int) -> list:
    """So many samples of one kind, no two with the same prompt."""
    found = {prompt(sample.about): sample for sample in wanted(kind, 3 * count, seed)}
    return list(found.values())[:count]


def figures_of(pictures: list[np.ndarray], abouts: list, ranker: Ranker, judge: Judge) -> dict:
    """In percent: R-precision, and the verdicts of evaluate.py."""
    prompts = [prompt(about) for about in abouts]
    scores = ranker.scores([Image.fromarray(picture) for picture in pictures], prompts)
    return {"R-precision": round(100 * r_precision(scores), 1), **judge.shares(pictures, abouts)}


def median_seconds(pipes: dict, rounds: int) -> dict[str, float]:
    """Seconds an image of each, measured in turn so that a busy moment hits all alike."""
    times = [
        {name: seconds_an_image(pipe, rounds=1) for name, pipe in pipes.items()}
        for _ in range(rounds)
    ]
    return {name: float(np.median([row[name] for row in times])) for name in pipes}


def compare(
    pipes: dict,
    ranker: Ranker,
    judge: Judge,
    output: Path,
    about: dict,
    prompts: int,
    rounds: int,
    seed: int = 7_000,
) -> None:
    """All figures of the pipelines, by name, written to a JSON file; timed in so many rounds."""
    figures = {
        **about,
        "prompts": prompts,
        "guidance_scale": GUIDANCE_SCALE,
        "unet_parameters": {name: pipe.unet.num_parameters() for name, pipe in pipes.items()},
        "seconds": median_seconds(pipes, rounds),
        "verdicts": {},
    }
    for kind in KINDS:
        samples = different(kind, prompts, seed)
        abouts = [sample.about for sample in samples]
        rows = {"real": figures_of([s.picture for s in samples], abouts, ranker, judge)}
        for name, pipe in pipes.items():
            pictures = generate(pipe, abouts, GUIDANCE_SCALE, seed)
            rows[name] = figures_of(pictures, abouts, ranker, judge)
            print(kind, name, rows[name], flush=True)
        figures["verdicts"][kind] = rows
    write_whole(output, json.dumps(figures, indent=2) + "\n")


def write_student_card(folder: Path, logs: Path) -> None:
    """README.md of the weights' folder, from its figures.json."""
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    sizes = {
        name: {
            "million parameters in the U-Net": round(count / 1e6, 2),
            "seconds an image": figures["seconds"][name],
        }
        for name, count in figures["unet_parameters"].items()
    }
    verdicts = "\n\n".join(
        f"{kind.capitalize()}:\n\n{table(rows)}" for kind, rows in figures["verdicts"].items()
    )
    write_whole(
        folder / "README.md",
        f"""{HEADER}
## Training
`python -m training distil`, with the preset `{figures["preset"]}`. Each began anew from the teacher
of its run; the last one is shipped.

{training_table(logs)}

## Figures
Written by `python -m training evaluate_distilled` on {figures["hardware"]}; torch
{figures["torch"]}, 25 steps, guidance {figures["guidance_scale"]:g}. Time: the median of one image,
both models in turn, on {TIMED_THREADS} cores of the processor.

{table(sizes)}

R-precision: how often the picture's own prompt fits better than all the others, out of
{figures["prompts"]}, as a CLIP of another seed sees it. Subject, background and style as in the
card of `stickers`. All in percent, on the same prompts and seeds.

{verdicts}
""",
    )
