"""The drawings of lesson 14: six subjects in all styles, small.

`python -m training.small_drawings` writes them to `helpers/pictures/small_drawings.npz`.

The subjects are easy to recognize on 16 x 16 pixels, and no two have the same outline.
"""

import numpy as np
from PIL import Image

from helpers.pictures.small import FILE, SMALL_SUBJECTS
from helpers.vocabulary import STYLES, SUBJECTS
from training import sprites

SIDE = 48  # pixels; enough for pictures of up to 32


def drawings() -> np.ndarray:
    """(subjects, styles, SIDE, SIDE, 4) uint8, RGBA."""
    with np.load(sprites.FILE) as stored:
        icons = stored["icons"].reshape(len(SUBJECTS), len(STYLES), *stored["icons"].shape[1:])
    chosen = [icons[SUBJECTS.index(subject)] for subject in SMALL_SUBJECTS]
    return np.stack([[_smaller(icon) for icon in styles] for styles in chosen])


def _smaller(icon: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(icon).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    sprites.write_arrays(FILE, drawings=drawings())
