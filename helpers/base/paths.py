"""Paths that a learner typed."""

from pathlib import Path


def usable_path(name: str | Path) -> Path | None:
    """The path of this name, with ~ for a home folder; `None` if no file can have such a name."""
    if not str(name):
        return None  # to pathlib it would be the current folder
    try:
        path = Path(name).expanduser()
        path.stat()
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return path  # a good name, whatever is there
    except (OSError, RuntimeError, ValueError):  # too long, no such user, a null character
        return None
    return path
