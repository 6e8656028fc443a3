"""The command line: `python -m helpers NAME`; `python -m helpers NAME --help` says more."""

# An older Python has to get as far as `main`, which says what it needs: without this line Python
# 3.9 evaluates `Sequence[str] | None`, and cannot.
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

OLDEST_PYTHON = (3, 11)

# Each is a module of helpers/commands/.
COMMANDS = {
    "app": "start the web app, for you or for a class",
    "doctor": "say whether this computer is ready, with one fix for each problem",
    "progress": "print which exercises you have solved, or a whole class has",
    "sweep": "draw a picture for every combination of settings, into a folder",
    "faces": "start the class's face service",
    "models": "list the models that load_pipeline knows by name",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command line; `None` takes it from the shell."""
    if sys.version_info < OLDEST_PYTHON:  # said here, since no command can be loaded by it
        needed, got = (".".join(map(str, v[:2])) for v in (OLDEST_PYTHON, sys.version_info))
        sys.exit(f"The course needs Python {needed} or newer; {sys.executable} is {got}.")
    parser = argparse.ArgumentParser(prog="python -m helpers", description=__doc__)
    choices = parser.add_subparsers(dest="command", required=True, metavar="NAME")
    for name, about in COMMANDS.items():
        command = import_module(f".commands.{name}", __package__)
        own = choices.add_parser(name, help=about, description=command.__doc__)
        command.add_arguments(own)
        own.set_defaults(run=command.run)
    chosen = parser.parse_args(arguments)
    chosen.run(chosen)


if __name__ == "__main__":
    # A learner's name may have letters that Windows' old code page lacks: `… --csv > marks.csv`.
    # With `%run -m helpers …` a notebook's own output is in its place, which takes every letter.
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    main()
