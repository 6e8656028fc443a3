"""Values of any kind: what they are, and how a message shows them."""

from numbers import Integral, Real


def shown(value: object) -> str:
    """A value and its type, for a message."""
    return f"{shortened(repr(value), 60)} ({type(value).__name__})"


def shortened(text: str, length: int) -> str:
    """`text`, cut to `length` characters with "..." at the end if it is longer."""
    return text if len(text) <= length else text[: length - 3].rstrip() + "..."


def is_number(value: object) -> bool:
    """Whether it is a real number, also one of numpy's. `True` is not."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole_number(value: object) -> bool:
    """Whether it is a whole number by its type, also one of numpy's. Neither `True` nor 2.0 is."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_iterable(value: object) -> bool:
    """Whether it gives several values, one after the other."""
    try:
        iter(value)
    except TypeError:  # also a class, or a tensor without dimensions: they have __iter__
        return False
    return True
