"""Pins what the libraries of the course bring along: `make lock`, `make lock-colab`.

    python -m tools.lock FILE

The first part of FILE is written by hand: in constraints.txt one version for each library that the
course names in pyproject.toml, in tests/colab/constraints.txt what Colab's runtime has. The second
part, from LINE on, is written here: the versions of all others that are installed because the
course needs them.
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.base.files import write_whole

ROOT = Path(__file__).resolve().parents[1]
LINE = "# What these bring along on Linux, Python 3.11 (`make lock`, `make lock-colab` write it)\n"


def closure(requirements: list[str]) -> dict[str, str]:
    """The installed version of everything that is needed for `requirements`, by name.

    What is needed on other systems only, and is not installed here, is left out.
    """
    versions: dict[str, str] = {}
    to_do, done = [Requirement(line) for line in requirements], set()
    while to_do:
        wanted = to_do.pop()
        name = canonicalize_name(wanted.name)
        if (name, frozenset(wanted.extras)) in done:
            continue
        done.add((name, frozenset(wanted.extras)))
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        versions[name] = found.version.partition("+")[0]
        for line in found.requires or []:
            further = Requirement(line)
            extras = [*wanted.extras, ""]
            if not further.marker or any(further.marker.evaluate({"extra": e}) for e in extras):
                to_do.append(further)
    return versions


def declared(extras: Iterable[str] | None = None) -> list[str]:
    """What pyproject.toml names, with these extras, or with all."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    chosen = optional if extras is None else extras
    return [*project["dependencies"], *sum((optional[extra] for extra in chosen), [])]


def pinned(text: str) -> set[str]:
    """The names that a text of constraints has a version for."""
    return {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", text, re.MULTILINE)}


def main(path: Path) -> None:
    by_hand = path.read_text(encoding="utf-8").partition(LINE)[0].rstrip() + "\n"
    named = pinned(by_hand)
    others = {n: v for n, v in closure(declared()).items() if n not in named}
    lines = [f"{name}=={version}\n" for name, version in sorted(others.items())]
    write_whole(path, f"{by_hand}\n{LINE}{''.join(lines)}")
    print(f"{path}: {len(named)} libraries by hand, {len(others)} that they bring along")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m tools.lock FILE")
    main(Path(sys.argv[1]))
