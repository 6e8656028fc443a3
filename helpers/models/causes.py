"""Why a model could not be loaded, where the fault is not the model's.

The libraries raise the same kinds of errors for a damaged file, for a full memory and for a library
that is itself broken. To delete a whole model and fetch it again would help in the first case only.
"""

import errno
from importlib.metadata import PackageNotFoundError, version

import torch
from safetensors import SafetensorError

from helpers.models.hub import causes_of, first_line
from helpers.models.main_memory import main_memory

FULL = ("out of memory", "allocate memory", "enough memory", "bad_alloc")
BROKEN_LIBRARY = ("Failed to import", "torchvision::")
UNREADABLE = (errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE, errno.ENFILE)


def other_cause(error: Exception, what: str, smaller: str = "") -> Exception | None:
    """The error to raise instead, if `error` says nothing against the files of `what`.

    Args:
        error: What a library raised; the errors behind it are looked at as well.
        what: What was being loaded, "the model in …".
        smaller: A sentence on what needs less memory.

    Returns:
        A MemoryError, an ImportError or an OSError with the cause and one remedy; else None.
    """
    for cause in causes_of(error):
        if is_out_of_memory(cause):
            room = main_memory()
            told = f"There is not enough memory for {what} ({room}). {room.remedy} {smaller}"
            return MemoryError(told.strip())
        is_broken = any(words in str(cause) for words in BROKEN_LIBRARY)
        if isinstance(cause, ImportError) or is_broken:
            return ImportError(_broken_library(error, what))
        if isinstance(cause, OSError) and cause.errno in UNREADABLE:
            return OSError(cause.errno, f"{what} cannot be read: {cause.strerror}", cause.filename)
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device (CUDA, MPS) or the computer ran out of memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if isinstance(error, OSError) and error.errno == errno.ENOMEM:
        return True
    told = str(error).lower()
    kinds = RuntimeError | OSError | SafetensorError
    return isinstance(error, kinds) and any(words in told for words in FULL)


def torchvision_fault(error: BaseException) -> str:
    """What to say and do about a torchvision that was made for another torch.

    transformers imports it wherever it is installed, so it breaks what does not need it.
    """
    return (
        f"torchvision {_version('torchvision')} does not work with torch {_version('torch')} "
        f"({first_line(error)}). The course needs no torchvision: python -m pip uninstall "
        "torchvision, or install the one that belongs to this torch; then restart the kernel"
    )


def _broken_library(error: Exception, what: str) -> str:
    told = [str(cause) for cause in causes_of(error)]
    if any("torchvision" in text for text in told):
        fault = torchvision_fault(causes_of(error)[-1])
        return f"{what} cannot be loaded, and not by its own fault: {fault}."
    return (
        f"{what} cannot be loaded, because a library is missing or broken: "
        f"{first_line(causes_of(error)[-1])}. Install what it names; python -m helpers doctor "
        "says whether the course's own libraries are in order."
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "of unknown version"
