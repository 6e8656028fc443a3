"""Read a percent script (jupytext's `py:percent`) into the cells and exercises of a lesson."""

import re
from dataclasses import dataclass, field
from pathlib import Path

import jupytext
from nbformat import ValidationError

from tools.notebooks.marks import Forms, Line, ScriptError, apply_marks, require_no_marks

# What may stand in a cell's `# %%` line, besides [markdown], and the words that reach a notebook.
NOTEBOOK_OPTIONS = ("exercise", "picture", "same_as", "differs_from", "export", "tags")
CATALOGUE_OPTIONS = ("hint", "wrong", "says", "right")

CELL_START = re.compile(r"#\s*%%")
PERCENT = {"extension": ".py", "format_name": "percent", "comment_magics": False}


@dataclass(frozen=True)
class Cell:
    """A cell that reaches the notebooks; `start` is its `# %%` line."""

    kind: str
    start: Line
    options: dict
    forms: Forms

    def source(self, form: str) -> str:
        """The text of the cell; `form` is "blank" or "complete"."""
        return _text(getattr(self.forms, form))


@dataclass(frozen=True)
class Answer:
    """Code that replaces the whole cell of an exercise; `start` is its `# %%` line."""

    start: Line
    lines: list[Line]

    @property
    def source(self) -> str:
        return _text(self.lines)


@dataclass(frozen=True)
class WrongAnswer(Answer):
    """A known wrong answer, and words that the check's message for it has."""

    says: str


@dataclass
class Exercise:
    """An exercise's cell, with the hints and the known answers that belong to it.

    `right_answers` are other ways to solve it, beside the solution.
    """

    id: str
    cell: Cell
    hints: list[str] = field(default_factory=list)
    wrong_answers: list[WrongAnswer] = field(default_factory=list)
    right_answers: list[Answer] = field(default_factory=list)

    @property
    def solution(self) -> str:
        return self.cell.source("complete")


@dataclass(frozen=True)
class Lesson:
    """One script, read: the cells in their order and the exercises by id."""

    name: str
    cells: list[Cell]
    exercises: dict[str, Exercise]

    @property
    def number(self) -> str:
        return self.name[:2]


def read_lesson(path: Path) -> Lesson:
    """Read a script. Raises ScriptError, with script and line, for what cannot be understood."""
    raw_cells = [_read_cell(start, body) for start, body in _split(path)]
    for kind, start, options, lines in raw_cells:
        _require_known_options(kind, start, options)
        if kind == "markdown":
            require_no_marks(lines)

    cells, exercises = [], {}
    for kind, start, options, lines in raw_cells:
        if options.keys() & {"hint", "wrong", "right"}:
            continue
        forms = apply_marks(lines) if kind == "code" else Forms(lines, lines, [])
        cell = Cell(kind, start, options, forms)
        cells.append(cell)
        if "exercise" in options:
            _add_exercise(exercises, cell)
        elif forms.solution:
            raise ScriptError(
                forms.solution[0],
                'a solution in a cell that is no exercise: add exercise="NN.name"',
            )
    for _, start, options, lines in raw_cells:
        if "hint" in options:
            _add_hint(_owner(exercises, start, options["hint"]), start, lines)
        elif "wrong" in options:
            _add_wrong_answer(_owner(exercises, start, options["wrong"]), start, options, lines)
        elif "right" in options:
            _add_right_answer(_owner(exercises, start, options["right"]), start, lines)
    return Lesson(path.stem, cells, exercises)


def _split(path: Path) -> list[tuple[Line, list[Line]]]:
    """The script's cells: each `# %%` line with the lines after it, without empty ends."""
    chunks = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        line = Line(_shown(path), number, text.rstrip())
        if CELL_START.match(text):
            chunks.append((line, []))
        elif chunks:
            chunks[-1][1].append(line)
        elif text.strip() and not text.startswith("#"):
            raise ScriptError(line, "code before the first `# %%` line belongs to no cell")
    for start, body in chunks:
        while body and not body[-1].text:
            body.pop()
        while body and not body[0].text:
            body.pop(0)
        if not body:
            raise ScriptError(start, "this cell is empty")
    if not chunks:
        raise ScriptError(
            Line(_shown(path), 1, ""), "the script has no cell: a `# %%` line begins one"
        )
    return chunks


def _read_cell(start: Line, body: list[Line]) -> tuple[str, Line, dict, list[Line]]:
    """The kind of a cell, its `# %%` line, its options and its lines, as jupytext reads them."""
    text = "\n".join(line.text for line in [start, *body])
    try:
        (cell,) = jupytext.reads(text, fmt=PERCENT).cells
    except (ValidationError, AttributeError) as error:
        raise ScriptError(
            start,
            f"jupytext cannot read `{start.text}`; tags are a list of texts, as "
            'tags=["nbval-ignore-output"]',
        ) from error
    sources = cell.source.split("\n")
    # Text in triple quotes has two lines fewer; it carries no marks, so its start will do.
    places = body if len(body) == len(sources) else [start] * len(sources)
    lines = [
        Line(place.script, place.number, source)
        for place, source in zip(places, sources, strict=True)
    ]
    options = {key: value for key, value in cell.metadata.items() if key != "cell_marker"}
    return cell.cell_type, start, options, lines


def _require_known_options(kind: str, start: Line, options: dict) -> None:
    if kind not in ("code", "markdown"):
        raise ScriptError(start, f"a cell is code or [markdown]; this is [{kind}]")
    allowed = (*NOTEBOOK_OPTIONS, *CATALOGUE_OPTIONS)
    for option, value in options.items():
        if option not in allowed:
            raise ScriptError(
                start,
                f"unknown option {option!r} ({value!r}) in the cell's first "
                f"line; allowed are {', '.join(allowed)}",
            )
        if option != "tags" and not isinstance(value, str):
            raise ScriptError(start, f"{option!r} is a text in quotes; got {value!r}")
        if option == "hint" and kind != "markdown":
            raise ScriptError(start, "a hint is a [markdown] cell")
        if option not in ("hint", "tags") and kind != "code":
            raise ScriptError(start, f"{option!r} belongs to a code cell, this is {kind}")
    if len({"exercise", "hint", "wrong", "right"} & options.keys()) > 1:
        raise ScriptError(
            start, "a cell is one of exercise, hint, wrong and right answer, only one of them"
        )


def _add_exercise(exercises: dict[str, Exercise], cell: Cell) -> None:
    exercise_id = cell.options["exercise"]
    if exercise_id in exercises:
        first = exercises[exercise_id].cell.start.number
        raise ScriptError(cell.start, f"exercise {exercise_id!r} stands twice, first at {first}")
    if not cell.forms.solution:
        raise ScriptError(cell.start, f"exercise {exercise_id!r} has no solution mark")
    exercises[exercise_id] = Exercise(exercise_id, cell)


def _owner(exercises: dict[str, Exercise], start: Line, exercise_id: str) -> Exercise:
    if exercise_id not in exercises:
        known = ", ".join(exercises) or "none"
        raise ScriptError(start, f"no exercise {exercise_id!r} in this lesson; it has: {known}")
    return exercises[exercise_id]


def _add_hint(owner: Exercise, start: Line, lines: list[Line]) -> None:
    hint = _text(lines)
    if not hint.strip():
        raise ScriptError(start, f"this hint of {owner.id!r} is empty")
    owner.hints.append(hint)


def _add_wrong_answer(owner: Exercise, start: Line, options: dict, lines: list[Line]) -> None:
    if not options.get("says", "").strip():
        raise ScriptError(start, 'a wrong answer needs says="words of the answer\'s message"')
    if apply_marks(lines).solution:
        raise ScriptError(start, "solution marks within a wrong answer")
    owner.wrong_answers.append(WrongAnswer(start, lines, options["says"]))


def _add_right_answer(owner: Exercise, start: Line, lines: list[Line]) -> None:
    if apply_marks(lines).solution:
        raise ScriptError(start, "solution marks within a right answer: its code is complete")
    owner.right_answers.append(Answer(start, lines))


def _text(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines).strip("\n")


def _shown(path: Path) -> str:
    """The script's path from the course's folder on, the same on every machine."""
    parts = path.parts
    return "/".join(parts[parts.index("course") :]) if "course" in parts else path.name
