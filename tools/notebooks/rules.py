"""The rules that a lesson keeps to, each with an error that names the script and the line."""

import ast
import builtins
import inspect
import re
from collections.abc import Callable, Iterator, Mapping

from tools.notebooks.marks import Line, ScriptError
from tools.notebooks.scripts import Cell, Exercise, Lesson

# A statement of the solution must not be found in the lesson once it has this many parts (names,
# attributes and constants): `noise = torch.randn(shape)` has four, `images.append(image)` three.
TELLING_PARTS = 4

# Names that a notebook has without an import.
NOTEBOOK_NAMES = {*dir(builtins), "display", "get_ipython"}


def verify(lesson: Lesson, checks: Mapping[str, Callable]) -> None:
    """Raise ScriptError for the first rule that a lesson breaks.

    `checks` holds the lesson's check functions by exercise id.
    """
    for cell in lesson.cells:
        if cell.kind == "code":
            _require_code(cell.forms.complete, "the cell does not parse")
            _require_code(cell.forms.blank, "the blank, with its stub, does not parse")
    for exercise in lesson.exercises.values():
        _require_pieces(lesson, exercise, checks)
        _require_check_cell(lesson, exercise, checks[exercise.id])
        _require_no_leak(lesson, exercise)
    _require_known_ids(lesson, checks)
    _require_pictures(lesson)


def check_call(cell: Cell) -> ast.Call | None:
    """The call `exercise(…).check(…)` that ends a cell, or None."""
    if cell.kind != "code":
        return None
    last = ast.parse(cell.source("blank")).body[-1:]
    if last and isinstance(last[0], ast.Expr) and _exercise_id(last[0].value, "check"):
        return last[0].value
    return None


def check_cell(lesson: Lesson, exercise: Exercise) -> Cell | None:
    """The cell that checks an exercise: the first code cell after it, if that is what it does."""
    later = lesson.cells[lesson.cells.index(exercise.cell) + 1 :]
    following = next((cell for cell in later if cell.kind == "code"), None)
    call = following and check_call(following)
    return following if call and _exercise_id(call, "check") == exercise.id else None


def _exercise_id(node: ast.AST, method: str) -> str | None:
    """The id in `exercise("NN.name").method(…)`, or None for any other expression."""
    match node:
        case ast.Call(
            func=ast.Attribute(
                attr=called,
                value=ast.Call(func=ast.Name(id="exercise"), args=[ast.Constant(value=found)]),
            )
        ) if called == method:
            return found
    return None


def _require_code(lines: list[Line], problem: str) -> None:
    try:
        ast.parse("\n".join(line.text for line in lines))
    except SyntaxError as error:
        line = lines[min(error.lineno or 1, len(lines)) - 1]
        raise ScriptError(line, f"{problem}: {error.msg} (`{line.text.strip()}`)") from None


def _require_pieces(lesson: Lesson, exercise: Exercise, checks: Mapping[str, Callable]) -> None:
    start = exercise.cell.start
    if not re.fullmatch(r"\d\d\.[a-z][a-z0-9_]*", exercise.id):
        raise ScriptError(
            start, f'exercise {exercise.id!r}: an id is "NN.name", as "02.same_noise"'
        )
    if exercise.id[:2] != lesson.number:
        raise ScriptError(
            start,
            f"exercise {exercise.id!r} is in lesson {lesson.number}: its id "
            f'must begin with "{lesson.number}."',
        )
    if not exercise.hints:
        raise ScriptError(
            start,
            f"exercise {exercise.id!r} has no hint: add a cell "
            f'`# %% [markdown] hint="{exercise.id}"`',
        )
    if not exercise.wrong_answers:
        raise ScriptError(
            start,
            f"exercise {exercise.id!r} has no known wrong answer: add a cell "
            f'`# %% wrong="{exercise.id}" says="…"`',
        )
    known = [("wrong", answer) for answer in exercise.wrong_answers]
    for kind, answer in [*known, *(("right", answer) for answer in exercise.right_answers)]:
        _require_code(answer.lines, f"the {kind} answer does not parse")
        if _same_code(answer.source, exercise.solution):
            raise ScriptError(
                answer.start, f"this known {kind} answer is the solution of {exercise.id!r}"
            )
    if exercise.id not in checks:
        raise ScriptError(
            start,
            f"exercise {exercise.id!r} has no check: put "
            f'@check("{exercise.id}") above a function in '
            f"helpers/course/checks/lesson_{lesson.number}.py",
        )


def _same_code(one: str, other: str) -> bool:
    """Whether two texts are one program; comments, spaces and quotes make no difference."""
    return ast.dump(ast.parse(one)) == ast.dump(ast.parse(other))


def _require_check_cell(lesson: Lesson, exercise: Exercise, function: Callable) -> None:
    start = exercise.cell.start
    cell = check_cell(lesson, exercise)
    if cell is None:
        raise ScriptError(
            start,
            f"exercise {exercise.id!r} is not checked: the next code "
            f'cell must end with `exercise("{exercise.id}").check(…)`',
        )
    call = check_call(cell)
    given = [keyword.arg for keyword in call.keywords]
    wanted = list(inspect.signature(function).parameters)
    if call.args or given != wanted:
        raise ScriptError(
            cell.start,
            f"the check of {exercise.id!r} takes "
            f"{', '.join(wanted)} by name and in this order; the call "
            f"gives {', '.join(map(str, given)) or 'none by name'}",
        )
    known = _names_before(lesson, cell)
    for name in sorted(_names_read(call) - known):
        raise ScriptError(
            start,
            f"the blank of {exercise.id!r} never defines {name!r}, which the "
            f"check reads: add a stub with `{name} = ...`",
        )


def _names_before(lesson: Lesson, end: Cell) -> set[str]:
    """The names that a notebook's blank cells have bound when `end` runs."""
    names = set(NOTEBOOK_NAMES)
    for cell in lesson.cells[: lesson.cells.index(end) + 1]:
        if cell.kind == "code":
            names |= _names_bound(ast.parse(cell.source("blank")).body)
    return names


def _names_bound(statements: list[ast.stmt]) -> set[str]:
    """The names that statements bind in their own scope, not within functions and classes."""
    names = set()
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(statement.name)
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                names.add(node.id)
            elif isinstance(node, ast.alias):
                names.add((node.asname or node.name).partition(".")[0])
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                names.add(node.name)
    return names


def _names_read(call: ast.Call) -> set[str]:
    bound = {
        node.id
        for node in ast.walk(call)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    return {node.id for node in ast.walk(call) if isinstance(node, ast.Name)} - bound


def _require_no_leak(lesson: Lesson, exercise: Exercise) -> None:
    """A telling statement of the solution must stand nowhere in the lesson: not in another cell,
    a comment, the text, or a hidden cell; spaces, quotes and line breaks make no difference."""
    haystacks = [(cell, text) for cell in lesson.cells for text in _squashed_blank(cell)]
    for line, needle in _telling_statements(exercise):
        # Lines stay apart in the texts, so that a word at the end of one touches no word below.
        loose = r"\n*".join(re.escape(character) for character in needle)
        pattern = re.compile(rf"(?<!\w){loose}(?!\w)")
        for cell, text in haystacks:
            if pattern.search(text):
                raise ScriptError(
                    line,
                    f"the solution of {exercise.id!r} leaks: this statement "
                    "also stands in the lesson, in the cell of line "
                    f"{cell.start.number}. Let the two differ, or move what "
                    "the learner may see out of the marks",
                )


def _telling_statements(exercise: Exercise) -> Iterator[tuple[Line, str]]:
    """The solution's statements with enough parts to give the answer away.

    Of a statement with a block, such as a loop, this is the part before the block.
    """
    own = {line.number: line for line in exercise.cell.forms.solution}
    complete = exercise.cell.forms.complete
    for node in ast.walk(ast.parse("\n".join(line.text for line in complete))):
        if not isinstance(node, ast.stmt):
            continue
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue  # the learner is told their names, and what they take
        line = own.get(complete[node.lineno - 1].number)
        statement = _without_blocks(node)
        parts = [
            part
            for part in ast.walk(statement)
            if isinstance(part, ast.Name | ast.Attribute | ast.Constant)
        ]
        if line and len(parts) >= TELLING_PARTS:
            text = _squash(ast.unparse(statement)).removesuffix(":\npass")
            yield line, text
            if isinstance(node, ast.If):
                yield line, f"el{text}"


def _without_blocks(node: ast.stmt) -> ast.stmt:
    """A compound statement with `pass` for its block; a simple statement as it is."""
    if not hasattr(node, "body"):
        return node
    blocks = {"body": [ast.Pass()], "orelse": [], "handlers": [], "finalbody": []}
    fields = {key: blocks.get(key, value) for key, value in ast.iter_fields(node)}
    return ast.copy_location(type(node)(**fields), node)


def _squashed_blank(cell: Cell) -> list[str]:
    """A blank cell as squashed text, without the comment signs that begin lines, and, for code,
    also in the spelling of `ast.unparse`."""
    source = cell.source("blank")
    texts = [_squash(re.sub(r"^\s*#+", "", source, flags=re.MULTILINE))]
    if cell.kind == "code":
        texts.append(_squash(ast.unparse(ast.parse(source))))
    return texts


def _squash(text: str) -> str:
    """A text without its spaces and the commas before closing brackets, with one kind of quotes;
    lines stay apart."""
    unspaced = re.sub(r"[^\S\n]+", "", text).replace('"', "'")
    return re.sub(r",(?=\n*[)\]}])", "", unspaced)


def _require_known_ids(lesson: Lesson, checks: Mapping[str, Callable]) -> None:
    for cell in lesson.cells:
        if cell.kind != "code":
            continue
        for node in ast.walk(ast.parse(cell.source("blank"))):
            match node:
                case ast.Call(func=ast.Name(id="exercise"), args=[ast.Constant(value=found)]):
                    if found not in lesson.exercises:
                        known = ", ".join(lesson.exercises) or "none"
                        raise ScriptError(
                            cell.start, f"no exercise {found!r} in this lesson; it has: {known}"
                        )
    for exercise_id in checks:
        if exercise_id not in lesson.exercises:
            raise ScriptError(
                lesson.cells[0].start,
                f"helpers/course/checks has a check for {exercise_id!r}, which is no exercise here",
            )


def _require_pictures(lesson: Lesson) -> None:
    """Names of pictures are single, and relations point to a picture of an earlier cell."""
    names: set[str] = set()
    for cell in lesson.cells:
        name = cell.options.get("picture")
        relations = [word for word in ("same_as", "differs_from", "export") if word in cell.options]
        if relations and not name:
            raise ScriptError(cell.start, f'{relations[0]!r} needs picture="{lesson.number}.name"')
        if name and not re.fullmatch(rf"{lesson.number}\.[a-z][a-z0-9_]*", name):
            raise ScriptError(cell.start, f'picture {name!r}: a name is "{lesson.number}.name"')
        if name in names:
            raise ScriptError(cell.start, f"picture {name!r} stands twice")
        for other in related_pictures(cell.options, "same_as", "differs_from"):
            if other not in names:
                raise ScriptError(cell.start, f"no earlier cell has the picture {other!r}")
        export = cell.options.get("export")
        if export and not re.fullmatch(r"[a-z0-9_]+\.png", export):
            raise ScriptError(cell.start, f"export {export!r}: a plain file name, as 02_first.png")
        if name:
            names.add(name)


def related_pictures(options: Mapping[str, str], *relations: str) -> list[str]:
    """The names in a cell's `same_as` or `differs_from`, which commas may separate."""
    listed = ",".join(options.get(relation, "") for relation in relations)
    return [name.strip() for name in listed.split(",") if name.strip()]
