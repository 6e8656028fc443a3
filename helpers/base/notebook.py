"""Being in a notebook: whether a kernel runs this code, and for which file."""

import os
import sys
from pathlib import Path


def in_notebook() -> bool:
    """Whether a kernel runs this code, so that what it shows reaches a reader."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


def notebook_folder() -> Path:
    """The folder of the notebook that this kernel serves, as far as it is known.

    VS Code and Jupyter tell a kernel the name of its notebook, each in a place of its own. Where
    nobody does, it is the folder in which the kernel started or to which a cell changed: in Colab
    the notebooks' first cell does.
    """
    named = os.environ.get("JPY_SESSION_NAME", "")
    if "IPython" in sys.modules:
        from IPython import get_ipython

        shell = get_ipython()
        named = getattr(shell, "user_ns", {}).get("__vsc_ipynb_file__") or named
    folder = Path(named).parent if str(named).endswith(".ipynb") else None
    return folder if folder and folder.is_absolute() and folder.is_dir() else Path.cwd()
