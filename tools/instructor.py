"""What the instructor's guide says about the lessons, read and measured instead of typed.

python -m tools.instructor            common mistakes, from the lessons' known wrong answers, and
                                      the plan: week, minutes and checkpoints of each lesson
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
MORE = re.compile(r"^## (?:More · .*|.*\(more\))$", re.MULTILINE)  # headings beyond the core path

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
    guide = (root / GUIDE).read_text(encoding="utf-8")
    guide = with_table(guide, "plan", plan_table(lessons, course))
    if options.times:
        seconds = {lesson.name: seconds_to_run(lesson, course.solutions) for lesson in lessons}
        guide = with_table(guide, "times", times_table(lessons, course, seconds))
    print(write_whole(root / GUIDE, guide))
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


def plan_table(lessons: list[Lesson], course: Course) -> str:
    """Week, planned minutes and checkpoints of each lesson, as a Markdown table.

    The first checkpoint is half of the core path's exercises, rounded up.
    """
    planned = course.lesson_entries()
    rows = [
        "| lesson | week | minutes in all | halfway through the core path | at its end | more |",
        "|---|---|---|---|---|---|",
    ]
    for lesson in lessons:
        core, more = exercises_by_path(lesson)
        half = (len(core) + 1) // 2
        entry = planned[lesson.name]
        parts = [", ".join(ids) or "–" for ids in (core[:half], core[half:], more)]
        name = f"{lesson.number} {entry['title']}"
        cells = [name, entry.get("week", "–"), entry["minutes"], *parts]
        rows.append(f"| {' | '.join(map(str, cells))} |")
    in_weeks = [entry["minutes"] for entry in planned.values() if "week" in entry]
    exercises = sum(len(lesson.exercises) for lesson in lessons)
    rows.append(f"| all but the demo | | {sum(in_weeks)} | {exercises} exercises | | |")
    return "\n".join(rows)


def exercises_by_path(lesson: Lesson) -> tuple[list[str], list[str]]:
    """The names of the exercises of the core path, and of those in the sections beyond it."""
    core: list[str] = []
    more: list[str] = []
    names = core
    for cell in lesson.cells:
        if cell.kind == "markdown" and MORE.search(cell.source("blank")):
            names = more
        if "exercise" in cell.options:
            names.append(cell.options["exercise"].partition(".")[2])
    return core, more


def times_table(lessons: list[Lesson], course: Course, seconds: dict[str, float]) -> str:
    """Measured seconds of each lesson's solution, as a Markdown table."""
    titles = course.lesson_titles()
    rows = ["| solution | runs in |", "|---|---|"]
    rows += [
        f"| {lesson.number} {titles[lesson.name]} | {seconds[lesson.name]:.0f} s |"
        for lesson in lessons
    ]
    rows.append(f"| all | {sum(seconds.values()):.0f} s |")
    threads = os.environ.get("OMP_NUM_THREADS", os.cpu_count())
    machine = f"{platform.machine()}, {threads} of {os.cpu_count()} cores, torch {version('torch')}"
    return "\n".join([*rows, "", f"Measured by `make guide` on {machine}."])


def with_table(guide: str, name: str, table: str) -> str:
    """The guide with a new table between the marks of `name`. Raises ValueError without marks."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    marked = re.compile(f"({begin}\n).*?(\n{end})", re.DOTALL)
    if not marked.search(guide):
        raise ValueError(f"{GUIDE} must have the marks `{begin}` and `{end}`")
    return marked.sub(lambda found: found[1] + table + found[2], guide)


if __name__ == "__main__":
    sys.exit(main())
