"""The checks of the exercises: how one is written, and how one is run.

A lesson's checks are in `helpers/course/checks/lesson_NN.py`, one function per exercise:

    from helpers.course.checks import Wrong, check

    @check("02.same_noise")
    def same_noise(latents: torch.Tensor, latents_again: torch.Tensor) -> str:
        if not torch.equal(latents, latents_again):
            raise Wrong("The two tensors differ. Did you make a new generator for the second?")
        return "Two tensors from one seed are equal, bit by bit."

The function is called only when every value is there and none is `...`. A parameter's type, where
one is given, is verified first. The function returns a short text for a right answer, raises
`Wrong` with what is wrong and the likely slip, or `CannotCheck` with the reason.
"""

import ast
import difflib
import inspect
import linecache
import textwrap
import traceback
import types
import typing
from collections.abc import Callable, Mapping
from enum import StrEnum
from importlib import import_module

from helpers.vocabulary import with_article


class Outcome(StrEnum):
    """What a check can say."""

    RIGHT = "right"
    WRONG = "wrong"
    NOT_ATTEMPTED = "not attempted"
    RAISED = "your code raised"
    CANNOT_CHECK = "cannot be checked here"


class Wrong(Exception):
    """The answer is wrong; the text says what is wrong and names the likely slip."""


class CannotCheck(Exception):
    """The answer cannot be judged on this machine or in this state; the text says why."""


KINDS_IN_WORDS = {
    "Callable": "a function",
    "DiffusionPipeline": "a pipeline",
    "Image": "a picture",
    "Sweep": "a sweep, as `sweep(…)` returns it,",
    "Tensor": "a tensor",
    "dict": "a dictionary",
    "float": "a number",
    "int": "a whole number",
    "list": "a list",
    "str": "a text",
    "tuple": "a tuple",
}

_checks: dict[str, Callable[..., str | None]] = {}


def check(exercise_id: str) -> Callable[[Callable[..., str | None]], Callable[..., str | None]]:
    """Register the decorated function as the check of one exercise, for instance "02.same_noise".

    Raises ValueError when another function already checks that exercise.
    """

    def register(function: Callable[..., str | None]) -> Callable[..., str | None]:
        before = _checks.get(exercise_id)
        # The same function comes again when its module is reloaded.
        if before and _home(before) != _home(function):
            raise ValueError(
                f"exercise {exercise_id!r} has two checks, {_home(before)} and {_home(function)}; "
                "keep one"
            )
        _checks[exercise_id] = function
        return function

    return register


def lesson_checks(number: str) -> dict[str, Callable[..., str | None]]:
    """The check functions of one lesson by exercise id; `number` is "01", "02", …

    Empty when the lesson has no module of checks.
    """
    module = f"{__name__}.lesson_{number}"
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
    return {key: value for key, value in _checks.items() if key.startswith(f"{number}.")}


def judge(
    function: Callable[..., str | None], unnamed: tuple, values: Mapping[str, object]
) -> tuple[Outcome, str]:
    """Call a check function on a learner's values; return the outcome and its text.

    Never raises for what a learner did. The errors of a learner's own functions are told from
    those of the check by where they happened: in the notebook, which Python calls `__main__`.
    """
    cannot = _edited_call(function, unnamed, values)
    if cannot:
        return Outcome.CANNOT_CHECK, cannot
    missing = _not_attempted(function, values)
    if missing:
        return Outcome.NOT_ATTEMPTED, missing
    try:
        _require_types(function, values)
        return Outcome.RIGHT, function(**values) or "Well done."
    except Wrong as wrong:
        return Outcome.WRONG, str(wrong)
    except CannotCheck as cannot:
        return Outcome.CANNOT_CHECK, str(cannot)
    except Exception as error:
        place = _place_in_notebook(error)
        if place:
            return Outcome.RAISED, f"{_one_line(error)}\n\n{place}"
        return Outcome.WRONG, _odd_values(error, values)


def describe(value: object) -> str:
    """Say in a few words what a value is, for a message: "a list with 3 items", "None"."""
    if value is None:
        return "`None`"
    name = type(value).__name__
    if isinstance(value, list | tuple | dict | set):
        return f"{with_article(name)} with {len(value)} item{'s' * (len(value) != 1)}"
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{with_article(name)} of shape {tuple(shape)}"
    if isinstance(value, bool | int | float):
        return f"the {name} {value}"
    if isinstance(value, str) and not value:
        return "an empty text"
    if isinstance(value, str):
        return f"the text {textwrap.shorten(repr(value), 60, placeholder='…')}"
    if isinstance(value, types.FunctionType | types.MethodType):
        return f"the function `{value.__name__}`"
    return with_article(name)


def _home(function: Callable) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _edited_call(function: Callable, unnamed: tuple, values: Mapping[str, object]) -> str | None:
    """What to say when the check's cell gives values that the check does not know."""
    names = list(inspect.signature(function).parameters)
    unknown = [name for name in values if name not in names]
    if not unnamed and not unknown:
        return None
    call = ", ".join(f"{name}={name}" for name in names)
    if unnamed:
        reason = "The values must be given by name."
    else:
        listed = ", ".join(f"`{name}`" for name in unknown)
        near = difflib.get_close_matches(unknown[0], names, n=1)
        reason = f"This check knows no value named {listed}."
        reason += f" Did you mean `{near[0]}`?" if near else ""
    return f"{reason} Was the cell of the check edited? It should call `.check({call})`."


def _not_attempted(function: Callable, values: Mapping[str, object]) -> str | None:
    """What to say when a value is missing or still holds the `...` of the blank."""
    for name in inspect.signature(function).parameters:
        if name not in values:
            return f"The check was given no `{name}`: add `{name}={name}` to its call."
        if _is_blank(values[name]):
            return f"`{name}` is still blank: replace the `...` with code, then run the cell."
    return None


def _is_blank(value: object) -> bool:
    """Is the value `...`, does it hold one, or is it a function whose body still has one?

    Only identity is asked, since tensors and arrays answer `==` item by item.
    """
    if value is ...:
        return True
    if isinstance(value, dict):
        return any(item is ... for item in value.values())
    if isinstance(value, list | tuple):
        return any(item is ... for item in value)
    return isinstance(value, types.FunctionType) and _has_blank_statement(value)


def _has_blank_statement(function: types.FunctionType) -> bool:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no source, or a lambda within a longer line
        return False
    statements = (ast.Expr, ast.Assign, ast.AnnAssign, ast.Return)
    blanks = [node.value for node in ast.walk(tree) if isinstance(node, statements)]
    return any(isinstance(blank, ast.Constant) and blank.value is ... for blank in blanks)


def _require_types(function: Callable, values: Mapping[str, object]) -> None:
    """Raise Wrong for the first value that has not the type its parameter is annotated with."""
    for name, hint in typing.get_type_hints(function).items():
        kind = typing.get_origin(hint) or hint
        if kind in (typing.Union, types.UnionType):
            kind = hint
        if name == "return" or not isinstance(kind, type | types.UnionType):
            continue
        value = values[name]
        if not isinstance(value, kind):
            raise Wrong(
                f"`{name}` should be {_in_words(kind)}, but it is {describe(value)}."
                f"{_likely_slip(value)}"
            )


def _in_words(kind: type | types.UnionType) -> str:
    """What a check asks for, as a learner would say it: "a list or a tuple"."""
    names = [option.__name__ for option in typing.get_args(kind) or (kind,)]
    return " or ".join(KINDS_IN_WORDS.get(name, f"of type `{name}`") for name in names)


def _likely_slip(value: object) -> str:
    """The slip that most often leaves such a value where another was asked for, or nothing."""
    if value is None:
        return " Is a `return` missing, or did you keep what `append` or `display` returns?"
    if isinstance(value, types.FunctionType | types.MethodType):
        return " Did you forget the parentheses that call the function?"
    if hasattr(value, "images"):
        return " The pictures of a pipeline's answer are in `.images`."
    if isinstance(value, list | tuple) and len(value) == 1:
        return " Did you forget the `[0]` that takes the first item?"
    return ""


def _place_in_notebook(error: Exception) -> str | None:
    """The deepest line of the learner's own code that the error passed, or None."""
    place = None
    for frame, line_number in traceback.walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__") == "__main__":
            place = frame, line_number
    if place is None:
        return None
    frame, line_number = place
    source = linecache.getline(frame.f_code.co_filename, line_number).strip()
    where = f"It happened in `{frame.f_code.co_name}`, line {line_number} of its cell"
    return f"{where}: `{source}`" if source else f"{where}."


def _odd_values(error: Exception, values: Mapping[str, object]) -> str:
    """The text for an error within the check itself.

    The check has been seen to work on the solution and on the usual wrong answers, so the values
    are the likely cause; a fault of the check cannot be excluded, and the text says so.
    """
    held = "\n".join(f"- `{name}` is {describe(value)}" for name, value in values.items())
    return (
        "This does not look like what was asked for. The check was given\n\n"
        f"{held}\n\n"
        f"and could not go on: {_one_line(error)}. Compare each value with what the text asks "
        "for. If you are sure that yours are right, the check has a fault: please report it."
    )


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {textwrap.shorten(text, 300, placeholder=' …')}".rstrip(": ")
