"""Files and folders that are written whole or not at all, and the room for them."""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SAVING, REPLACED = ".saving-", ".replaced-"
"""What begins the name of something that is being written, and of a folder that makes room."""


def write_whole(
    path: Path,
    content: bytes | str | Callable[[Path], object],
    rename: Callable[[Path, Path], Path] = Path.replace,
) -> Path:
    """Write a file so that nobody ever sees half of it, and make its folder if need be.

    It is written under a temporary name in the same folder, then renamed; on return it is on the
    disk, and after an error nothing of it is left.

    Args:
        path: Where; what is there is replaced.
        content: Bytes, text (as UTF-8), or a function that writes to the path that it is given.
        rename: Moves the finished file from its temporary name to `path` and returns where it is;
            it may choose another name so that nothing is replaced.

    Returns:
        The file's name, as a rule `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_beside(path) as temporary:
        if callable(content):
            content(temporary)
        else:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)
        keep(temporary)
        path = rename(temporary, path)
    keep(path.parent)
    return path


@contextmanager
def whole_folder(folder: Path, replaces: bool = True) -> Iterator[Path]:
    """An empty folder to fill, which takes the place of `folder` when the block ends without error.

    Nobody ever sees it half filled, and after an error nothing of it is left. A kill while it
    takes its place can leave the old folder as .replaced-NAME: `put_back` mends that. Without
    `replaces` it is an OSError if `folder` has content at the end.
    """
    old = folder.with_name(f"{REPLACED}{folder.name}")
    temporary = folder.with_name(f"{SAVING}{uuid.uuid4().hex}")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        is_replaced = replaces and folder.exists()
        if is_replaced:
            shutil.rmtree(old, ignore_errors=True)  # of a kill; `folder` is the newer one
            os.replace(folder, old)
        try:
            os.replace(temporary, folder)
        except OSError:
            if is_replaced:
                os.replace(old, folder)
            raise
        if is_replaced:
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)  # still there only if something failed


def put_back(parent: Path) -> None:
    """Mend what a kill in `whole_folder` left in the folder `parent`."""
    for half in parent.glob(f"{SAVING}*"):
        shutil.rmtree(half, ignore_errors=True)
    for old in parent.glob(f"{REPLACED}*"):
        folder = old.with_name(old.name.removeprefix(REPLACED))
        if folder.exists():
            shutil.rmtree(old)
        else:
            os.replace(old, folder)


@contextmanager
def temporary_beside(path: Path) -> Iterator[Path]:
    """A name that nobody else has, in the folder of `path`; the block's end deletes such a file."""
    # With an end: torch.save takes what is before the last dot for the name of its archive.
    temporary = path.with_name(f"{SAVING}{uuid.uuid4().hex}.part")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def keep(path: Path) -> None:
    """Have a file, or the names in a folder, on the disk itself.

    Where that cannot be asked for nothing happens: Windows neither needs nor allows it for folders.
    """
    with suppress(OSError):
        number = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk where `folder` is or would be made."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return shutil.disk_usage(existing).free
