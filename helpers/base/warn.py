"""Warnings that point at the learner's own line."""

import sys
import sysconfig
import warnings
from pathlib import Path
from types import FrameType

COURSE = str(Path(__file__).parents[1])
LIBRARIES = (COURSE, *{sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")})


def warn_learner(message: str) -> None:
    """Warn, and name the innermost line that is neither the course's nor a library's.

    Between that line and this call may be any number of functions: nobody has to count them.
    """
    frame = _learners_frame()
    warnings.warn_explicit(
        message,
        UserWarning,
        frame.f_code.co_filename,
        frame.f_lineno,
        module=frame.f_globals.get("__name__"),
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def _learners_frame() -> FrameType:
    first = frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(LIBRARIES):
        frame = frame.f_back
    return frame or first
