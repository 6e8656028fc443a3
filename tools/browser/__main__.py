"""The command line of `tools.browser`; see `python -m tools.browser --help`."""

import argparse
import sys
from pathlib import Path

from tools.browser.bundle import family_bytes, first_bytes, write_bundle


def main(arguments: list[str] | None = None) -> int:
    """Write what the pages need, and say how large it is; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.browser", description=__doc__)
    parser.add_argument("folder", type=Path, help="is made, or replaced")
    folder = parser.parse_args(arguments).folder
    if folder.exists() and not (folder / "models" / "family.json").exists():
        parser.error(f"{folder} is there and holds no such thing; it would be replaced")
    print(describe(write_bundle(folder)))
    return 0


def describe(family: dict) -> str:
    """What a visitor of the pages fetches."""
    first = family["first"]
    return (
        f"In the browser: {first} draws after {first_bytes(family, first) / 1e6:.1f} MB, "
        f"all {len(family['models'])} models are {family_bytes(family) / 1e6:.1f} MB"
    )


if __name__ == "__main__":
    sys.exit(main())
