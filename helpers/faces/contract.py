"""What the face service, its client and its network agree on; importing it costs nothing."""

from numbers import Integral

PORT = 7870
"""Where the class's service is looked for; the app has Gradio's own 7860."""

NAME = "face service of the Stable Diffusion course"
"""What its `/about` tells, so that a client knows it from another program on that port."""

FACTORS = (1, 2, 3, 4)
"""How many times as wide and as high a picture may come back."""


def checked_factor(factor: object) -> int:
    """`factor` as an int; ValueError unless it is one of FACTORS."""
    whole = isinstance(factor, Integral) and not isinstance(factor, bool)
    if not whole or factor not in FACTORS:
        slip = ". Write it without quotes" if isinstance(factor, str) else ""
        raise ValueError(f"factor must be 1, 2, 3 or 4; got {factor!r:.40}{slip}")
    return int(factor)
