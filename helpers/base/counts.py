"""Whole numbers from 1, as rows, steps and batch sizes are."""

from helpers.base.values import is_whole_number, shown


def checked_count(name: str, count: object, most: int | None = None) -> int:
    """`count` as an int, if it is a whole number from 1 and at most `most`.

    Raises:
        TypeError: It is not a whole number. Neither is `True`.
        ValueError: It is below 1 or above `most`. Both messages call it `name`.
    """
    if not is_whole_number(count):
        raise TypeError(f"{name} must be a whole number; got {shown(count)}")
    if count < 1 or (most is not None and count > most):
        rule = "at least 1" if most is None else f"between 1 and {most}"
        raise ValueError(f"{name} must be {rule}; got {count}")
    return int(count)
