"""Being in a notebook: whether a kernel runs this code."""

import sys


def in_notebook() -> bool:
    """Whether a kernel runs this code, so that what it shows reaches a reader."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")
