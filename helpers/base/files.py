"""Files that are written whole or not at all, and the room for them."""

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write to a temporary name in the same folder, then rename; on return it is on the disk."""
    temporary = path.with_name(f".saving-{uuid.uuid4().hex}")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _keep_name(path.parent)


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk where `folder` is or would be made."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(existing).free


def _keep_name(folder: Path) -> None:
    """Have the new name itself on the disk too; Windows neither needs nor allows it."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
