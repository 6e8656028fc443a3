"""Every exercise of the course, answered in every known way.

A lesson is run once, cell by cell, in one namespace, as a notebook would. At each exercise the
run branches: the blank and each known wrong answer are tried, what they left behind is undone, and
the solution goes on to the next cell. What each answer's check said is one test.

A second run leaves every blank as it is, as a learner does who only presses "run all". What the
pictures show does not matter there, so a random pipeline of 32 x 32 pixels draws them.
"""

import ast
import copy
import functools
import linecache

import pytest

import helpers
from helpers.exercises import Result
from tests.pipelines import tiny_sd_pipeline
from tools.notebooks.__main__ import ROOT
from tools.notebooks.rules import check_cell
from tools.notebooks.scripts import Lesson, read_lesson

LESSONS = {path.stem: path for path in sorted((ROOT / "course" / "lessons").glob("*.py"))}

LOOKS_AT_TOKENS = {"06_inside"}  # the random pipeline's tokenizer knows letters only


class Notebook:
    """Runs the cells of a notebook in one namespace, without a kernel."""

    def __init__(self) -> None:
        self.names = {"__name__": "__main__", "display": lambda *shown, **options: None}
        self._count = 0

    def run(self, source: str) -> object:
        """Run a cell; return the value of its last line if that is an expression, else None."""
        self._count += 1
        name = f"<cell {self._count}>"
        # A check may read the source of a learner's function, as it can in a notebook.
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        tree = ast.parse(source)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, name, "exec"), self.names)
        return eval(compile(ast.Expression(last.value), name, "eval"), self.names) if last else None

    def snapshot(self) -> dict[str, object]:
        """The names as they are now, with lists, dictionaries and sets copied one level deep."""
        return {
            name: copy.copy(value) if type(value) in (list, dict, set) else value
            for name, value in self.names.items()
        }

    def restore(self, snapshot: dict[str, object]) -> None:
        """Go back to a snapshot. The namespace stays the same one, since functions hold it."""
        self.names.clear()
        self.names.update(snapshot)
        self.names.update(self.snapshot())


def outcome_of(notebook: Notebook, answer: str, check: str) -> Result | Exception:
    """What the check says of an answer, or the error of the two cells."""
    try:
        notebook.run(answer)
        return notebook.run(check)
    except Exception as error:
        return error


def answers(lesson: Lesson) -> dict[tuple[str, str], str]:
    """The source of every answer in a lesson by (exercise id, name of the answer)."""
    found = {}
    for item in lesson.exercises.values():
        found[item.id, "blank"] = item.cell.source("blank")
        for number, wrong in enumerate(item.wrong_answers, start=1):
            found[item.id, f"wrong {number}"] = wrong.source
        found[item.id, "solution"] = item.solution
    return found


@functools.cache
def outcomes(name: str) -> dict[tuple[str, str], Result | Exception]:
    """Run a lesson, branching at each exercise; the solution comes last and stays."""
    lesson = read_lesson(LESSONS[name])
    checks = {item.id: check_cell(lesson, item) for item in lesson.exercises.values()}
    sources = answers(lesson)
    found = {}
    notebook = Notebook()
    for cell in lesson.cells:
        if cell.kind != "code" or cell in checks.values():
            continue
        exercise_id = cell.options.get("exercise")
        if exercise_id is None:
            notebook.run(cell.source("complete"))
            continue
        before = notebook.snapshot()
        for key, source in sources.items():
            if key[0] == exercise_id:
                notebook.restore(before)
                found[key] = outcome_of(notebook, source, checks[exercise_id].source("complete"))
    return found


@functools.cache
def untouched(name: str) -> dict[int, object]:
    """Run a lesson with every blank left as it is: what each code cell gave, by script line."""
    notebook = Notebook()
    given = {}
    with pytest.MonkeyPatch.context() as patched:
        if name not in LOOKS_AT_TOKENS:
            patched.setitem(
                vars(helpers), "load_pipeline", lambda *name, **options: tiny_sd_pipeline()
            )
        for cell in read_lesson(LESSONS[name]).cells:
            if cell.kind == "code":
                try:
                    given[cell.start.number] = notebook.run(cell.source("blank"))
                except Exception as error:
                    given[cell.start.number] = error
    return given


CASES = [
    pytest.param(name, key, id=f"{key[0]}-{key[1].replace(' ', '-')}")
    for name, path in LESSONS.items()
    for key in answers(read_lesson(path))
]


@pytest.mark.parametrize(("name", "key"), CASES)
def test_answer(name: str, key: tuple[str, str]) -> None:
    exercise_id, answer = key
    result = outcomes(name)[key]
    if isinstance(result, Exception):
        raise AssertionError(f"{exercise_id}, {answer}: the cells fail") from result
    wanted = {"blank": "not attempted", "solution": "right"}.get(answer, "wrong")
    assert result.outcome == wanted, result
    if wanted == "wrong":
        number = int(answer.removeprefix("wrong "))
        says = read_lesson(LESSONS[name]).exercises[exercise_id].wrong_answers[number - 1].says
        assert says in result.message


@pytest.mark.parametrize("name", LESSONS)
def test_wrong_answers_of_an_exercise_are_told_apart(name: str) -> None:
    for exercise_id in read_lesson(LESSONS[name]).exercises:
        messages = [
            result.message
            for (answered, answer), result in outcomes(name).items()
            if answered == exercise_id and answer.startswith("wrong") and isinstance(result, Result)
        ]
        assert len(set(messages)) == len(messages), exercise_id


@pytest.mark.parametrize("name", LESSONS)
def test_untouched_lesson_runs_to_its_end(name: str) -> None:
    given = untouched(name)
    failed = {line: error for line, error in given.items() if isinstance(error, Exception)}
    assert not failed
    results = [value for value in given.values() if isinstance(value, Result)]
    assert len(results) == len(read_lesson(LESSONS[name]).exercises)
    assert {result.outcome for result in results} <= {"not attempted"}
