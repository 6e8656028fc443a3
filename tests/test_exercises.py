"""Every exercise of the course, answered in every known way.

A lesson is run once, cell by cell, in one namespace, as a notebook would. At each exercise the
run branches: the blank and each known wrong answer are tried, what they left behind is undone, and
the solution goes on to the next cell. What each answer's check said is one test. Cells that no
exercise rests on are left out, since most of them draw: nbval runs the solutions whole.

A second run leaves every blank as it is, as a learner does who only presses "run all". What the
pictures show does not matter there, so a random pipeline of 32 x 32 pixels draws them.
"""

import ast
import copy
import functools
import linecache

import pytest

import helpers
import helpers.timing
from helpers.exercises import Result
from tests.pipelines import tiny_sd_pipeline
from tools.notebooks.__main__ import ROOT
from tools.notebooks.rules import check_cell
from tools.notebooks.scripts import Cell, Lesson, read_lesson

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


def reads_and_changes(source: str) -> tuple[set[str], set[str]]:
    """The names that a cell reads, and those that it gives a value or changes in place.

    Taken for a change are `x = …`, `x.y = …`, `x[y] = …` and, on a line of its own, `x.y(…)`.
    """
    reads, changes = set(), set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Name(id=name, ctx=ast.Load()):
                reads.add(name)
            case ast.Name(id=name) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                changes.add(name)
            case ast.alias(name=name, asname=other):
                changes.add(other or name.partition(".")[0])
            case ast.Attribute(ctx=ast.Store()) | ast.Subscript(ctx=ast.Store()):
                changes.add(whose(node))
            case ast.Expr(value=ast.Call(func=ast.Attribute() as method)):
                changes.add(whose(method))
    return reads, changes


def whose(node: ast.AST) -> str | None:
    """`x` of `x.y`, `x[y]`, `x(…).y` and the like; None where no name stands in front."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def cells_for_exercises(lesson: Lesson) -> list[Cell]:
    """The exercises, and the cells before them that they rest on; without the checks."""
    checks = [check_cell(lesson, item) for item in lesson.exercises.values()]
    kept, read_later = [], set()
    for cell in reversed([cell for cell in lesson.cells if cell.kind == "code"]):
        reads, changes = reads_and_changes(cell.source("complete"))
        if cell in checks:
            read_later |= reads
        elif item := lesson.exercises.get(cell.options.get("exercise")):
            for source in (cell.source("blank"), *(wrong.source for wrong in item.wrong_answers)):
                reads |= reads_and_changes(source)[0]
            kept.insert(0, cell)
            read_later |= reads
        elif changes & read_later:
            kept.insert(0, cell)
            read_later |= reads
    return kept


@functools.cache
def outcomes(name: str) -> dict[tuple[str, str], Result | Exception]:
    """Run a lesson, branching at each exercise; the solution comes last and stays."""
    lesson = read_lesson(LESSONS[name])
    checks = {item.id: check_cell(lesson, item) for item in lesson.exercises.values()}
    sources = answers(lesson)
    found = {}
    notebook = Notebook()
    for cell in cells_for_exercises(lesson):
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
            for module in (helpers, helpers.timing):
                patched.setitem(
                    vars(module), "load_pipeline", lambda *name, **options: tiny_sd_pipeline()
                )
        for cell in read_lesson(LESSONS[name]).cells:
            if cell.kind == "code":
                try:
                    given[cell.start.number] = notebook.run(cell.source("blank"))
                except Exception as error:
                    given[cell.start.number] = error
    return given


@pytest.mark.parametrize(
    "needed, source",
    [
        (True, "x, y = 1, 2"),
        (True, "import helpers.timing as x"),
        (True, "def x(): pass"),
        (True, "x.scheduler = other"),
        (True, "x[0].names['a'] += 1"),
        (True, "for x in y: pass"),
        (True, "with y as x: pass"),
        (True, "x.append(y)"),
        (False, "display(x)"),
        (False, "y = x.run()"),
        (False, "print(x[0])"),
    ],
)
def test_cells_are_kept_that_change_what_an_exercise_reads(needed, source):
    assert ("x" in reads_and_changes(source)[1]) == needed


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
