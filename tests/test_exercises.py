"""Every exercise of the course, answered in every known way.

A lesson is run once, cell by cell, in one namespace, as a notebook would. At each exercise the
run branches: the blank and each known wrong and right answer are tried, what they left behind is
undone, and the solution goes on to the next cell. What each answer's check said is one test. Cells
that no exercise rests on are left out, since most of them draw.

A second run leaves every blank as it is, as a learner does who only presses "run all".

No check may depend on what a picture shows, so in both runs a stand-in for `stickers` draws, whose
weights are random. With the real ones nbval runs the solutions, and compares what their checks say.
"""

import ast
import contextlib
import copy
import functools
import linecache
import symtable
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

import helpers
import helpers.ranking.compare
from helpers.course.exercises import Result
from tests.pipelines import stand_in
from tools.notebooks.__main__ import ROOT
from tools.notebooks.rules import check_cell
from tools.notebooks.scripts import Cell, Lesson, read_lesson

pytestmark = pytest.mark.slow

LESSONS = {path.stem: path for path in sorted((ROOT / "course" / "lessons").glob("*.py"))}


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
        for number, right in enumerate(item.right_answers, start=1):
            found[item.id, f"right {number}"] = right.source
        found[item.id, "solution"] = item.solution
    return found


@dataclass
class Names:
    """What a cell does with the names of the notebook.

    `reads` holds those whose values from before it may use, `changes` those that it gives a value
    or changes in place, and `renews` those of them whose values from before are surely gone.

    Taken for a change are `x = …`, `x.y = …`, `x[y] = …` and, on a line of its own, `x.y(…)`.
    """

    reads: set[str] = field(default_factory=set)
    changes: set[str] = field(default_factory=set)
    renews: set[str] = field(default_factory=set)


def names_of(source: str) -> Names:
    names = Names()
    for statement in AsGenerators().visit(ast.parse(source)).body:
        reads, given = global_names(symtable.symtable(ast.unparse(statement), "cell", "exec"))
        names.reads |= reads - names.renews
        names.changes |= given | (changed_in_place(statement) & reads)
        if isinstance(statement, ast.Assign | ast.Import | ast.ImportFrom | ast.FunctionDef):
            names.renews |= given  # other statements, such as loops, perhaps give no value
    return names


class AsGenerators(ast.NodeTransformer):
    """Makes generators of comprehensions.

    From Python 3.12 on `symtable` counts a comprehension's own names among those around it.
    """

    def visit(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        match node:
            case ast.ListComp(elt=each) | ast.SetComp(elt=each):
                return ast.GeneratorExp(each, node.generators)
            case ast.DictComp(key=key, value=value):
                return ast.GeneratorExp(ast.Tuple([key, value], ast.Load()), node.generators)
        return node


def global_names(scope: symtable.SymbolTable) -> tuple[set[str], set[str]]:
    """Those that a scope and the scopes inside read, and those that they give a value.

    Parameters and local variables of functions and comprehensions are none of them.
    """
    symbols = [
        symbol
        for symbol in scope.get_symbols()
        if scope.get_type() == "module" or symbol.is_global()
    ]
    reads = {symbol.get_name() for symbol in symbols if symbol.is_referenced()}
    given = {
        symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()
    }
    for inner in scope.get_children():
        inner_reads, inner_given = global_names(inner)
        reads |= inner_reads
        given |= inner_given
    return reads, given


def changed_in_place(statement: ast.AST) -> set[str | None]:
    changed = set()
    for node in ast.walk(statement):
        match node:
            case ast.Attribute(ctx=ast.Store()) | ast.Subscript(ctx=ast.Store()):
                changed.add(whose(node))
            case ast.Expr(value=ast.Call(func=ast.Attribute() as method)):
                changed.add(whose(method))
    return changed


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
        names = names_of(cell.source("complete"))
        if cell in checks:
            read_later |= names.reads
        elif item := lesson.exercises.get(cell.options.get("exercise")):
            others = [answer.source for answer in [*item.wrong_answers, *item.right_answers]]
            for source in (cell.source("blank"), *others):
                names.reads |= names_of(source).reads
            kept.insert(0, cell)
            read_later |= names.reads
        elif names.changes & read_later:
            kept.insert(0, cell)
            read_later = (read_later - names.renews) | names.reads
    return kept


@contextlib.contextmanager
def stand_ins() -> Iterator[None]:
    """Meanwhile `load_pipeline` gives a stand-in."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (helpers, helpers.ranking.compare):
            patch.setitem(vars(module), "load_pipeline", stand_in)
        yield


@functools.cache
@stand_ins()
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
@stand_ins()
def untouched(name: str) -> dict[int, object]:
    """Run a lesson with every blank left as it is: what each code cell gave, by script line."""
    notebook = Notebook()
    given = {}
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
        (True, "import helpers.ranking.compare as x"),
        (True, "def x(): pass"),
        (True, "x.scheduler = other"),
        (True, "x[0].names['a'] += 1"),
        (True, "for x in y: pass"),
        (True, "with y as x: pass"),
        (True, "x.append(y)"),
        (False, "display(x)"),
        (False, "y = x.run()"),
        (False, "def y():\n    x = 1"),
        (False, "y = [x for x in z]"),
        (False, "print(x[0])"),
    ],
)
def test_cells_are_kept_that_change_what_an_exercise_reads(needed, source):
    assert ("x" in names_of(source).changes) == needed


@pytest.mark.parametrize(
    ("read", "source"),
    [
        (False, "x = 1\nprint(x)"),
        (False, "y, x = 1, 2\nz = [x for _ in w]"),
        (False, "def x(): pass\nx()"),
        (False, "def f(x):\n    return x"),
        (False, "y = [x for x in z]"),
        (True, "print(x)\nx = 1"),
        (True, "x = x + 1"),
        (True, "def f():\n    return [x for _ in y]"),
        (True, "if y:\n    x = 1\nprint(x)"),
        (True, "for x in y: pass\nprint(x)"),
        (True, "x.y = 1\nprint(x)"),
        (True, "y = [0 for x in z]\nprint(x)"),
        (True, "y = {0: 1 for x in z}\nprint(x)"),
        (True, "def f():\n    x = 1\nprint(x)"),
    ],
)
def test_a_cell_reads_what_it_does_not_surely_give_a_value_itself(read, source):
    assert ("x" in names_of(source).reads) == read


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
    kind = answer.split()[0]
    wanted = {"blank": "not attempted", "solution": "right"}.get(kind, kind)
    assert result.outcome == wanted, result
    if wanted == "wrong":
        number = int(answer.removeprefix("wrong "))
        says = read_lesson(LESSONS[name]).exercises[exercise_id].wrong_answers[number - 1].says
        assert says in result.message


@pytest.mark.parametrize("name", LESSONS)
def test_wrong_answers_of_an_exercise_are_told_apart(name: str) -> None:
    """Those of which the lesson expects different words; a check cannot tell every slip."""
    for exercise_id, exercise in read_lesson(LESSONS[name]).exercises.items():
        told = {}
        for number, answer in enumerate(exercise.wrong_answers, start=1):
            result = outcomes(name)[exercise_id, f"wrong {number}"]
            if isinstance(result, Result):
                told.setdefault(result.message, set()).add(answer.says)
        assert all(len(expected) == 1 for expected in told.values()), exercise_id


@pytest.mark.parametrize("name", LESSONS)
def test_untouched_lesson_runs_to_its_end(name: str) -> None:
    given = untouched(name)
    failed = {line: error for line, error in given.items() if isinstance(error, Exception)}
    assert not failed
    results = [value for value in given.values() if isinstance(value, Result)]
    assert len(results) == len(read_lesson(LESSONS[name]).exercises)
    assert {result.outcome for result in results} <= {"not attempted"}
