"""Paths that a learner typed, or an old archive brought."""

import os
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


def printable(name: str | Path) -> str:
    """A name as text that can be shown and written; old archives have names that are not UTF-8."""
    raw = os.fsencode(name)
    for encoding in ("utf-8", "cp1252"):
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        if text.isprintable():
            return text
    return raw.decode("utf-8", "backslashreplace").encode("unicode_escape").decode("ascii")
