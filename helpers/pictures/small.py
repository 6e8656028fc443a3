"""Small pictures to train a small diffusion model on: six subjects, each drawn in four styles.

`training/small_drawings.py` chose the drawings and wrote them to small_drawings.npz. They come from
Fluent Emoji (Microsoft, MIT), Noto Emoji (Google, Apache 2.0) and Twemoji (Twitter, CC BY 4.0);
CREDITS.md has the links.
"""

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.base.counts import checked_count

FILE = Path(__file__).with_name("small_drawings.npz")
SMALL_SUBJECTS = ("heart", "star", "mushroom", "fish", "house", "ghost")
SMALLEST_SIZE = 8  # pixels; below that, nothing can be recognized
FINER = 4  # pictures are composed this many times as large, so that places need not be whole pixels
ZOOM = (0.8, 0.95)  # of the picture's width
LARGEST_SHIFT = 1.0  # pixels of the finished picture, in each direction


def small_drawings(count: int, size: int = 16, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw `count` small pictures: one subject in one style on white, moved and mirrored a little.

    Args:
        count: How many.
        size: Width and height in pixels, at least 8.
        seed: The same seed gives the same pictures.

    Returns:
        The pictures, (count, size, size, 3) uint8, and the number of the subject of each, (count,)
        int64: its place in `SMALL_SUBJECTS`.

    Raises:
        TypeError: `count` or `size` is not a whole number.
        ValueError: `count` is below 1 or `size` below 8.
    """
    count = checked_count("count", count)
    if checked_count("size", size) < SMALLEST_SIZE:
        raise ValueError(f"size must be at least {SMALLEST_SIZE} pixels; got {size}")
    random = np.random.default_rng(seed)
    subjects = random.integers(len(SMALL_SUBJECTS), size=count)
    return np.stack([_picture(subject, size, random) for subject in subjects]), subjects


def _picture(subject: int, size: int, random: np.random.Generator) -> np.ndarray:
    styles = _drawings()[subject]
    drawing = styles[random.integers(len(styles))]
    large = size * FINER
    side = round(large * random.uniform(*ZOOM))
    shift = random.uniform(-LARGEST_SHIFT, LARGEST_SHIFT, size=2) * FINER
    left, top = ((large - side) / 2 + shift).round().astype(int)
    drawing = Image.fromarray(drawing).resize((side, side), Image.Resampling.LANCZOS)
    if random.random() < 0.5:
        drawing = drawing.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    picture = Image.new("RGB", (large, large), "white")
    picture.paste(drawing, (int(left), int(top)), drawing)
    return np.asarray(picture.resize((size, size), Image.Resampling.BOX))


@cache
def _drawings() -> np.ndarray:
    """(subjects, styles, height, width, 4) uint8, RGBA."""
    with np.load(FILE) as stored:
        return stored["drawings"]
