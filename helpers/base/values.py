"""Values of any kind, in messages and in questions about them."""


def shown(value: object) -> str:
    """A value and its type, for a message."""
    text = repr(value)
    return f"{text if len(text) <= 60 else text[:57] + '...'} ({type(value).__name__})"


def is_iterable(value: object) -> bool:
    """Whether it gives several values, one after the other."""
    try:
        iter(value)
    except TypeError:  # also a class, or a tensor without dimensions: they have __iter__
        return False
    return True
