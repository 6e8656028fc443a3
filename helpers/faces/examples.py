"""Clean portraits that the restorer never saw, with which to try a face service."""

from PIL import Image

from helpers.models.catalogue import WEIGHTS
from helpers.vocabulary import SKIN_TONES

FOLDER = WEIGHTS / "stickers-faces" / "examples"


def example_portrait(skin: str = "brown") -> Image.Image:
    """A portrait composed from drawings, 256 x 256 pixels RGB: a ground truth.

    Drawn by `training/restorer.py` from parts of "Personas" by Draftbit (CC BY 4.0, changed).

    Args:
        skin: The skin tone: "light", "tan", "brown" or "dark".

    Raises:
        ValueError: There is no example of that tone.
    """
    if skin not in SKIN_TONES:
        raise ValueError(f"skin must be one of {', '.join(SKIN_TONES)}; got {skin!r}")
    with Image.open(FOLDER / f"{skin}.png") as portrait:
        return portrait.convert("RGB")
