"""How much main memory this process may still take.

The machine's free memory is not the last word: a container, a user's session or `ulimit` may allow
less, and a program that asks for more is then stopped. Nothing here imports torch.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

try:
    import resource
except ImportError:  # Windows
    resource = None


@dataclass(frozen=True)
class Room:
    """Free bytes under one limit; `limit` says which, and is empty for the machine itself."""

    free: int
    limit: str = ""
    remedy: str = "Close other programs, and shut down kernels that you do not use."

    def __str__(self) -> str:
        shown = f"{max(0, self.free) / 2**30:.1f} GiB free"
        return f"{shown} under {self.limit}" if self.limit else shown


def main_memory() -> Room:
    """The limit that leaves least."""
    rooms = [Room(psutil.virtual_memory().available), *_of_cgroups(Path("/")), *_of_process()]
    return min(rooms, key=lambda room: room.free)


def _of_cgroups(root: Path) -> Iterator[Room]:
    """What Linux grants this process's group and the groups around it; `root` is "/" but in tests.

    Both versions of cgroups, described in docs.kernel.org/admin-guide/cgroup-v2.html and
    cgroup-v1/memory.html. What files are cached counts as used there, but is given back on demand.
    """
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if not controllers:
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            top = root / "sys/fs/cgroup/memory"
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
        else:
            continue
        place = top / group.lstrip("/")
        # In a container, the group may have a name of the host that is not there.
        for folder in (place, *place.parents):
            if not folder.is_relative_to(top):
                break
            limit, used = (_number(_text(folder / name)) for name in names[:2])
            if limit is not None and used is not None:
                cached = _number(_entry(folder / "memory.stat", names[2])) or 0
                yield Room(
                    limit - used + cached,
                    "the memory limit of this container or session",
                    "Give the container more memory, or ask whoever runs this computer for more.",
                )


def _of_process() -> Iterator[Room]:
    """What `ulimit -v` and `ulimit -d` grant this process."""
    if resource is None:
        return
    memory = psutil.Process().memory_info()
    limits = {"v": (resource.RLIMIT_AS, memory.vms)}
    if hasattr(memory, "data"):  # on Linux
        limits["d"] = (resource.RLIMIT_DATA, memory.data)
    for letter, (kind, used) in limits.items():
        allowed, _ = resource.getrlimit(kind)
        if allowed != resource.RLIM_INFINITY:
            yield Room(
                allowed - used,
                f"this process's own limit (ulimit -{letter})",
                f"Start Jupyter or Python from a shell where `ulimit -{letter}` is higher.",
            )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def _number(text: str) -> int | None:
    return int(text) if text.strip().isdigit() else None  # else "max", or nothing


def _entry(file: Path, name: str) -> str:
    """The value in a file with lines of names and values."""
    entries = (line.partition(" ") for line in _text(file).splitlines())
    return next((value for found, _, value in entries if found == name), "")
