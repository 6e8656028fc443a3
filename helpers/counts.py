"""Whole numbers from 1, as rows, steps and batch sizes are."""

from numbers import Integral


def checked_count(name: str, count, most: int | None = None) -> int:
    """`count` as an int, if it is a whole number from 1 and at most `most`.

    Raises:
        TypeError: It is no whole number. `True` is none either.
        ValueError: It is below 1 or above `most`. Both messages call it `name`.
    """
    if isinstance(count, bool) or not isinstance(count, Integral):
        raise TypeError(f"{name} must be a whole number; got {count!r} ({type(count).__name__})")
    if most is None and count < 1:
        raise ValueError(f"{name} must be at least 1; got {count}")
    if most is not None and not 1 <= count <= most:
        raise ValueError(f"{name} must be between 1 and {most}; got {count}")
    return int(count)
