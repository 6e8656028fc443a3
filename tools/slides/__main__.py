"""The command line of the slides; see `python -m tools.slides --help`."""

import argparse
import json
import sys
from pathlib import Path

from helpers.base.files import write_whole
from tools.notebooks.__main__ import ROOT
from tools.slides.deck import cut
from tools.slides.page import render


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write the slides; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.slides", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="LESSON", help="such as 02_seeds; default: all")
    parser.add_argument("--output", type=Path, default=root / "slides", help="default: slides/")
    options = parser.parse_args(arguments)
    there = {path.stem: path for path in sorted((root / "solutions").glob("*.ipynb"))}
    for name in options.names or there:
        if name not in there:
            print(f"no solution {name!r}; there are: {', '.join(there)}", file=sys.stderr)
            return 1
        solution = json.loads(there[name].read_text(encoding="utf-8"))
        lesson = json.loads((root / "lessons" / f"{name}.ipynb").read_text(encoding="utf-8"))
        html = render(cut(solution, lesson), folder=there[name].parent)
        print(write_whole(options.output / f"{name}.html", html))
    return 0


if __name__ == "__main__":
    sys.exit(main())
