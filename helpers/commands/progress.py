"""`python -m helpers progress` prints what you have solved; with files or folders, a whole class's.

Your own record is the file progress.jsonl in the folder of the lessons. An instructor gives the
files that learners handed in, or a folder of them: `python -m helpers progress handed_in/`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas

    from helpers.course.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="files that learners handed in, folders"
    )
    parser.add_argument("--csv", action="store_true", help="print the class's table as CSV")


def run(arguments: argparse.Namespace) -> None:
    from helpers.course import progress
    from helpers.course.exercises import exercise_ids
    from helpers.course.handed_in import read_class

    try:
        if not arguments.paths and not arguments.csv:
            print(_own(progress, exercise_ids()))
            return
        learners, faults = read_class(arguments.paths or [progress.own_file()])
    except (FileNotFoundError, ValueError) as error:
        sys.exit(str(error))
    for fault in faults:
        print(f"left out: {fault}", file=sys.stderr)
    table = progress.class_table(learners, exercise_ids())
    if arguments.csv:
        print(_csv(table), end="")
        return
    by_exercise = progress.exercise_table(learners, exercise_ids())
    print(table.to_string(), "", by_exercise.round(1).to_string(na_rep="-"), sep="\n")


def _csv(table: pandas.DataFrame) -> str:
    """For spreadsheets: Excel reads letters right after the mark, and no name is a formula."""
    from helpers.feedback.export import FORMULA, csv_cell

    names = {name: csv_cell(name) for name in table.index if FORMULA.search(name)}
    return "\ufeff" + table.rename(index=names).to_csv()


def _own(progress: Progress, exercise_ids: list[str]) -> str:
    path = progress.own_file()
    if not path.exists():
        return f"Nothing yet: {path} is made by the first check that you run in a lesson."
    text = progress.learner_report(progress.read_progress(path), exercise_ids)
    return f"{text}\n\nTo hand it in, send {path}"
