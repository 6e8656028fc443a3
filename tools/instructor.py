"""What the instructor's guide says about the lessons, read and measured instead of typed.

python -m tools.instructor            common mistakes, from the lessons' known wrong answers
python -m tools.instructor --times    also run every solution and note how long it takes
"""

import argparse
import os
import platform
import re
import sys
import time
from importlib.metadata import version
from pathlib import Path

from helpers.base.files import write_whole
from tools.notebooks.__main__ import ROOT
from tools.notebooks.products import Course, execute_solution
from tools.notebooks.scripts import Exercise, Lesson, read_lesson

MISTAKES = "course/reading/common-mistakes.md"
GUIDE = "course/reading/instructor-guide.md"
TIMES = re.compile(r"(<!-- times: begin -->\n).*?(\n<!-- times: end -->)", re.DOTALL)

INTRODUCTION = """# Common mistakes

Made by `make guide` from the lessons' known wrong answers; do not edit. For each exercise: what
learners write, and the words by which the check tells them what is wrong. Only lines that differ
from the solution are shown.
"""


def main(arguments: list[str] | None = None, root: Path = ROOT) -> int:
    """Write the two products; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.instructor", description=__doc__)
    parser.add_argument(
        "--times", action="store_true", help="run the solutions, which takes minutes"
    )
    options = parser.parse_args(arguments)
    course = Course(root)
    scripts = [root / "course" / "lessons" / f"{name}.py" for name in course.lesson_titles()]
    lessons = [read_lesson(script) for script in scripts]
    print(write_whole(root / MISTAKES, mistakes_page(lessons, course.lesson_titles())))
    if options.times:
        seconds = {lesson.name: seconds_to_run(lesson, course.solutions) for lesson in lessons}
        guide = (root / GUIDE).read_text(encoding="utf-8")
        table = times_table(lessons, course, seconds)
        print(write_whole(root / GUIDE, with_times(guide, table)))
    return 0


def mistakes_page(lessons: list[Lesson], titles: dict[str, str]) -> str:
    """The page of common mistakes, as Markdown."""
    parts = [INTRODUCTION]
    for lesson in lessons:
        if lesson.exercises:
            parts.append(f"## {lesson.number} {titles[lesson.name]}\n")
            parts += [mistakes_of(exercise) for exercise in lesson.exercises.values()]
    return "\n".join(parts)


def mistakes_of(exercise: Exercise) -> str:
    """The known wrong answers of one exercise, as Markdown."""
    right = exercise.solution.splitlines()
    parts = [f"### {exercise.id}\n"]
    for answer in exercise.wrong_answers:
        different = [
            line for line in answer.source.splitlines() if line.strip() and line not in right
        ]
        shown = "\n".join(different) or "(lines are left out)"
        parts.append(f"The check says “… {answer.says} …” to\n\n```python\n{shown}\n```\n")
    return "\n".join(parts)


def seconds_to_run(lesson: Lesson, folder: Path) -> float:
    """How long the whole solution takes, its kernel's start included."""
    start = time.perf_counter()
    execute_solution(lesson, folder)
    return time.perf_counter() - start


def times_table(lessons: list[Lesson], course: Course, seconds: dict[str, float]) -> str:
    """Planned minutes, exercises and measured seconds of each lesson, as a Markdown table."""
    planned = course.lesson_entries()
    rows = [
        "| lesson | week | minutes planned | exercises | solution runs in |",
        "|---|---|---|---|---|",
    ]
    for lesson in lessons:
        entry = planned[lesson.name]
        rows.append(
            f"| {lesson.number} {entry['title']} | {entry['week']} | {entry['minutes']} "
            f"| {len(lesson.exercises)} | {seconds[lesson.name]:.0f} s |"
        )
    minutes = sum(planned[lesson.name]["minutes"] for lesson in lessons)
    exercises = sum(len(lesson.exercises) for lesson in lessons)
    total = sum(seconds.values())
    rows.append(f"| all | | {minutes} | {exercises} | {total:.0f} s |")
    threads = os.environ.get("OMP_NUM_THREADS", os.cpu_count())
    machine = f"{platform.machine()}, {threads} of {os.cpu_count()} cores, torch {version('torch')}"
    return "\n".join([*rows, "", f"Measured by `make guide` on {machine}."])


def with_times(guide: str, table: str) -> str:
    """The guide with a new table between its marks. Raises ValueError where they are missing."""
    if not TIMES.search(guide):
        raise ValueError(f"{GUIDE} must have the marks `<!-- times: begin -->` and `… end -->`")
    return TIMES.sub(lambda found: found[1] + table + found[2], guide)


if __name__ == "__main__":
    sys.exit(main())
