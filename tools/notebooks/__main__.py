"""The command line of the build; see `python -m tools.notebooks --help`."""

import argparse
import sys
from pathlib import Path

from tools.notebooks.marks import ScriptError
from tools.notebooks.products import (
    Course,
    build,
    differences,
    execute_solution,
    kept_solution,
)

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Build or check; return the exit status, 0 when all is well."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.notebooks",
        description="Build lessons/, solutions/ and the catalogue of exercises.",
    )
    parser.add_argument("names", nargs="*", metavar="LESSON", help="such as 02_seeds; default: all")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--check",
        action="store_true",
        help="write nothing, fail when a product of any lesson is out of date",
    )
    mode.add_argument(
        "--no-execute",
        action="store_true",
        help="leave the solutions as they are, to try a lesson's text quickly",
    )
    mode.add_argument(
        "--keep-outputs",
        action="store_true",
        help="give solutions their new text and the outputs that they have, if no code changed",
    )
    options = parser.parse_args(arguments)
    if options.check and options.names:
        parser.error("--check looks at all lessons; give no names with it")
    try:
        course = Course(root)
        if options.check:
            return _report(differences(course))
        solve = kept_solution if options.keep_outputs else execute_solution
        for path in build(course, options.names, None if options.no_execute else solve):
            print(path.relative_to(root).as_posix())
    except (ScriptError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _report(found: list[str]) -> int:
    for difference in found:
        print(difference, file=sys.stderr)
    if found:
        print("Run `make notebooks` and keep what it writes.", file=sys.stderr)
        return 1
    print("lessons/, solutions/ and helpers/course/exercises.json are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
