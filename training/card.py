"""Writes the model card from the figures that evaluate.py measured and the logs of the training."""

import json
import platform
from pathlib import Path

import torch

from helpers.base.files import write_whole
from helpers.vocabulary import KNOWN_WORDS
from training.evaluate import TIMED_THREADS

HEADER = f"""\
---
license: mit
library_name: diffusers
pipeline_tag: text-to-image
---

# Stickers: a small Stable Diffusion

It draws 128 x 128 stickers of 70 subjects in four styles on 16 backgrounds, and cartoon portraits,
from English captions made of {len(KNOWN_WORDS)} words in all. Every part is the real class of
diffusers and transformers: `CLIPTokenizer`, `CLIPTextModel`, `AutoencoderKL` ((4, 16, 16) latents),
`UNet2DConditionModel`, inside `StableDiffusionPipeline`. It predicts the velocity, as Stable
Diffusion 2.1 does, with the betas of Stable Diffusion 1.x. The words it knows are in
`helpers/vocabulary.py`.

## Data and licences
Pictures are composed by `training/data.py` from icons and parts of portraits, with captions by
rule: Fluent emoji 3D and flat (MIT), Noto emoji (Apache-2.0), Twemoji (CC-BY 4.0), and "Personas"
by Draftbit (CC BY 4.0, changed: features enlarged, highlights flattened, eyebrows, a straight
mouth and three hair shapes added). Credits: CREDITS.md. The code and the weights are MIT.
One in ten combinations of subject, style and background is held out and never trained on
(`Sticker.held_out`).
"""

LIMITS = """\
## Limits
- Words outside its vocabulary are noise to it. It draws one subject; two in a prompt blend or one
  wins. It cannot write.
- Now and then it places a drawing so that the edge cuts it off, although no picture that it learned
  from shows that. Another seed places it elsewhere.
- Portraits are cartoon faces with two words for a person, "woman" and "man", four skin tones and
  nine kinds of hair: a toy world, far less than the people in it. Do not take it as a picture of
  anyone.
- Some schedulers draw false colours or lose the shape at guidance 7.5: see
  `course/pictures/schedulers.png`.
- The features of a face are a few pixels large, and the autoencoder loses some of them: the PSNR
  above says how much, for each skin tone.
"""


def table(rows: dict[str, dict[str, float]]) -> str:
    """Rows by name as a Markdown table; the columns are those of the first row."""
    columns = list(next(iter(rows.values())))
    lines = [
        "| | " + " | ".join(column.replace("_", " ") for column in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name, row in rows.items():
        lines.append(f"| {name} | " + " | ".join(f"{row[column]:g}" for column in columns) + " |")
    return "\n".join(lines)


def tables(parts: dict[str, dict[str, dict[str, float]]]) -> str:
    """A table for each part, under its name."""
    return "\n\n".join(f"{name.capitalize()}:\n\n{table(rows)}" for name, rows in parts.items())


def training_table(logs: Path, stage: str = "") -> str:
    """The trainings that a folder has logs of, or only those of one stage."""
    return table({name: end_of(last) for name, last in last_rows(logs, stage).items()})


def last_rows(logs: Path, stage: str = "") -> dict[str, dict]:
    """The last row of each training's log, by the training's name."""
    return {
        file.stem: json.loads(file.read_text(encoding="utf-8").splitlines()[-1])
        for file in sorted(logs.glob(f"{stage}*.jsonl"))
        if not file.stem.startswith("curve-")  # verdicts, not a training
    }


def end_of(last: dict) -> dict[str, float]:
    """What a card says of a training, from the last row of its log."""
    return {
        "steps": last["step"],
        "minutes": round(last["seconds"] / 60, 1),
        "loss at the end": last["loss"],
    }


def write_card(folder: Path, logs: Path) -> None:
    """README.md of the weights' folder, from its figures.json."""
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    faces = ", ".join(f"{tone} {psnr:.1f}" for tone, psnr in figures["vae"]["faces"].items())
    write_whole(
        folder / "README.md",
        f"""{HEADER}
## Training
`python -m training all`, then `python -m training all --run 2` and so on, with the preset
`{figures["preset"]}`. Run 8 began the autoencoder and the U-Net anew, on new pictures; CLIP and the
judge went on from the runs before it, as far as they are in this table. `training/README.md` says
what each run ran on.

{training_table(logs)}

The U-Net's loss weighs the timesteps (min-SNR, each by 0.2 or more), and from
judge-7 on the judge reads other captions: so losses of different lines do not compare.

## Figures
Written by `python -m training evaluate` on {figures["hardware"]}; torch {figures["torch"]},
{figures["scheduler"]}, {figures["steps"]} steps, {figures["pictures"]} pictures for each line.

- Autoencoder, PSNR on pictures that it was not trained on: stickers
  {figures["vae"]["held-out stickers"]} dB, portraits {figures["vae"]["portraits"]} dB; heads by
  skin tone: {faces} dB.
- One image, {figures["steps"]} steps, guidance 5, float32, on {TIMED_THREADS} cores of its
  processor: {figures["seconds"]} s.

How often a CLIP of another seed ranks the right caption first among those that differ in one
word, in percent; below "real", the same for real pictures. "Distance" is a Fréchet distance to
other real pictures in that CLIP's space, times 100 (lower is better). One picture is
{100 / figures["pictures"]:.2g} percent, so small differences are chance. With so few pictures most
of a distance is chance too: "real" says how much. The judge errs as well: "real" says how often,
and what scores higher is not better than real. The [card of the distilled
model](../stickers-distilled/README.md) has such verdicts on other pictures, at guidance 5. Judge
for yourself, too: `course/pictures/all_stickers.png` has every drawing that the model knows, beside
the one that it learned from, and nothing is picked.

{tables(figures["verdicts"])}

The scheduler that is shipped is {figures["scheduler"]}. Stable Diffusion 1.x ships PNDM, with which
the first sticker model drew portraits in false colours at guidance 7.5. All of them are in
`course/pictures/schedulers.png`. Three measured on stickers of trained combinations, without
portraits, {figures["steps"]} steps, guidance 7.5:

{table(figures["schedulers"])}

{LIMITS}""",
    )


def made_on(preset: str) -> dict[str, str]:
    """What figures say of how they were measured."""
    return {"preset": preset, "hardware": hardware(), "torch": torch.__version__}


def hardware() -> str:
    """What this runs on, in words."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    cores = torch.get_num_threads()
    return f"{cores} core{'s' * (cores > 1)} of an {platform.machine()} processor, no GPU"
