"""The pictures that lesson 12 fine-tunes on: subjects as if cast in gold.

`python -m training golden` writes them to `course/pictures/golden/`.

They are sprites of the style "3d" whose brightness chooses a colour between dark gold and light
gold, on the backgrounds of the data set. Beside them is metadata.jsonl, a JSON object per line,
as `datasets` reads an "imagefolder" and as `helpers/feedback/export.py` writes one.

Gold was chosen after pixel art had failed: the autoencoder melts blocks of 8 pixels, so whatever a
LoRA had learned of them would have looked melted too. Smooth shades of one colour it keeps.
"""

import json
import random
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.base.files import whole_folder, write_whole
from helpers.vocabulary import SUBJECTS
from training.data import STEP, Sticker, background, icons
from training.evaluate import prompt
from training.pictures import GRIDS

GOLDEN = GRIDS / "golden"
COUNT = 24
WORD = "golden"  # no style of the vocabulary: the tokenizer spells it in pieces
# From dark to light. Neither a yellow nor an orange background: the gold would not show there.
GOLD = np.array([(74, 40, 4), (150, 96, 10), (214, 160, 32), (248, 208, 84), (255, 244, 176)])
PLACES = "teal blue purple pink red green white black beach night meadow snow".split()
SEED = 12
GOLD_MARGIN = 40  # levels of 255


def abouts() -> list[Sticker]:
    """Every third subject, each on the next background."""
    subjects = SUBJECTS[:: len(SUBJECTS) // COUNT + 1]
    subjects += tuple(name for name in SUBJECTS if name not in subjects)
    return [
        Sticker(subject, WORD, PLACES[i % len(PLACES)])
        for i, subject in enumerate(subjects[:COUNT])
    ]


def cast_in_gold(sprite: Image.Image) -> Image.Image:
    """An RGBA sprite in shades of gold, from its darkest part to its lightest."""
    grey = np.asarray(sprite.convert("L")).astype(float)
    alpha = sprite.getchannel("A")
    low, high = np.percentile(grey[np.asarray(alpha) > 200], (2, 98))
    share = ((grey - low) / max(high - low, 1)).clip(0, 1)
    stops = np.linspace(0, 1, len(GOLD))
    channels = [np.interp(share, stops, GOLD[:, channel]) for channel in range(3)]
    golden = Image.fromarray(np.stack(channels, axis=-1).round().astype(np.uint8))
    golden.putalpha(alpha)
    return golden


def picture(about: Sticker, draw: random.Random) -> Image.Image:
    """One picture, (128, 128) RGB, laid out as those of `training/data.py`."""
    scene = background(about.background, draw)
    sprite = cast_in_gold(icons()[about.subject, "3d"])
    scene.paste(sprite, (STEP, STEP), sprite)
    return scene


def write_golden(folder: Path = GOLDEN) -> None:
    """Draws all pictures again, with their captions."""
    with whole_folder(folder) as part:
        lines = []
        for number, about in enumerate(abouts()):
            name = f"{about.subject.replace(' ', '_')}.png"
            picture(about, random.Random(f"{SEED}/{number}")).save(part / name, optimize=True)
            lines.append(json.dumps({"file_name": name, "prompt": prompt(about)}) + "\n")
        write_whole(part / "metadata.jsonl", "".join(lines))


def golden_share(pixels: np.ndarray) -> float:
    """Share of pixels in shades of gold: red above green, and green well above blue.

    `pixels` is (height, width, 3) uint8.
    """
    red, green, blue = np.moveaxis(pixels.astype(int), -1, 0)
    return float(((red > green) & (green > blue + GOLD_MARGIN)).mean())
