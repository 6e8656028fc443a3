"""What a handler of a page tells: its results, or a sentence about what went wrong.

`connect` binds a function of a page to an event. Whatever the function raises becomes a sentence in
the note beside the button, with the field that it is about; a program that calls the same event
through the API gets the same sentence as its error. What nobody foresaw is a short apology there,
and all that is known about it in the log.
"""

import asyncio
import errno
import functools
import html
import inspect
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import fields, is_dataclass
from typing import TypeVar

import gradio as gr

from helpers.app import markup
from helpers.app.limits import Invalid
from helpers.app.queue import EngineFull
from helpers.app.studio import Studio
from helpers.app.visitors import TooMuch

UNKNOWN = (
    "Something went wrong, and nothing was lost. Try again; if it happens each time, tell whoever "
    "runs this app."
)

STORAGE = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk is full",
    errno.EROFS: "the folder cannot be written to",
    errno.EACCES: "the folder cannot be written to",
    errno.EPERM: "the folder cannot be written to",
    errno.ENOENT: "the folder is gone",
}
DATABASE = {
    "disk is full": "the disk is full",
    "readonly": "the folder cannot be written to",
    "unable to open": "the folder cannot be written to",
    "locked": "the ratings are being written by somebody else for a long time",
}

THREADS = ThreadPoolExecutor(32, thread_name_prefix="answers")
"""For what takes a moment: the disk, the ratings. asyncio's own pool has six on two cores."""

Result = TypeVar("Result")

log = logging.getLogger(__name__)


async def in_thread(
    function: Callable[..., Result],
    *arguments: object,
    pool: Executor = THREADS,
    **named: object,
) -> Result:
    """`function(…)` in a thread, so that others are answered meanwhile."""
    call = functools.partial(function, *arguments, **named)
    return await asyncio.get_running_loop().run_in_executor(pool, call)


class Problem(Exception):
    """What went wrong, as a sentence for the visitor; `field` is the setting that it is about."""

    def __init__(self, sentence: str, field: str = ""):
        super().__init__(sentence)
        self.sentence, self.field = sentence, field


def problem_of(error: Exception) -> Problem:
    """What to tell a visitor about an error; what is not for them goes into the log."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Invalid):
        return Problem(str(error), error.name)
    # A KeyError or an IndexError is a LookupError too, and no sentence of ours.
    if type(error) is LookupError or isinstance(error, EngineFull | TooMuch):
        return Problem(str(error))
    reason = None
    if isinstance(error, OSError):
        reason = STORAGE.get(error.errno)
    elif isinstance(error, sqlite3.Error):
        reason = next((told for word, told in DATABASE.items() if word in str(error)), None)
    log.error("a request failed", exc_info=error)
    if reason:
        told = f"This could not be stored: {reason}. Nothing else was lost; tell whoever runs "
        return Problem(f"{told}this app.")
    return Problem(UNKNOWN)


def connect(
    studio: Studio,
    triggers: Callable | Sequence[Callable],
    handler: Callable,
    inputs: Sequence[gr.components.Component] | gr.components.Component | None,
    outputs: Sequence[gr.components.Component],
    *,
    page: str,
    note: gr.HTML | None = None,
    **options: object,
) -> None:
    """Call `handler(studio, *inputs, …)` at an event.

    Args:
        handler: A function of a page, or an async generator that gives results as they come. It
            may ask for `request: gr.Request` and for an event, as gradio has it. A parameter that
            is a dataclass gets one input for each of its fields.
        page: What begins the ids of the page's fields.
        note: The output that tells what went wrong; without one, gradio's message does.
        options: As of gradio's event listeners.
    """
    is_private = options.get("api_visibility") == "private"
    gr.on(
        triggers,
        _answering(studio, handler, list(outputs), page, note, is_private),
        inputs,
        outputs,
        concurrency_limit=None,
        show_progress="hidden",
        **options,
    )


REQUEST = inspect.Parameter(
    "request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=gr.Request
)


def _answering(
    studio: Studio,
    handler: Callable,
    outputs: list,
    page: str,
    note: gr.HTML | None,
    is_private: bool,
) -> Callable:
    """`handler` as gradio calls it: an async generator whose every error is a sentence."""
    taken = list(inspect.signature(handler).parameters.values())[1:]
    packed = {p.name: p.annotation for p in taken if is_dataclass(p.annotation)}
    parameters = [one for parameter in taken for one in _one_by_one(parameter)]
    asks_for_request = REQUEST in parameters
    if not asks_for_request:
        parameters.append(REQUEST)
    names = [p.name for p in parameters]

    async def answer(*values: object, **named: object) -> AsyncIterator[object]:
        given = dict(zip(names, values, strict=False)) | named
        request = given["request"] if asks_for_request else given.pop("request")
        for name, kind in packed.items():
            given[name] = kind(**{each.name: given.pop(each.name) for each in fields(kind)})
        try:
            with studio.visitors.working(studio.visitors.of(request)):
                if inspect.isasyncgenfunction(handler):
                    async with aclosing(handler(studio, **given)) as results:
                        async for result in results:
                            yield result
                else:
                    yield await in_thread(handler, studio, **given)
        except Exception as error:
            problem = problem_of(error)
            if note is not None:
                told = markup.problem(problem.sentence, page, problem.field)
                shown = [told if output is note else gr.skip() for output in outputs]
                yield shown if len(shown) > 1 else shown[0]
                if is_private:  # no program waits for an error, and after one gradio's page
                    return  # forgets what was asked meanwhile with trigger_mode "always_last"
            # gradio shows its messages as HTML.
            raise gr.Error(
                html.escape(problem.sentence, quote=False),
                visible=note is None,
                print_exception=False,
            ) from None

    functools.update_wrapper(answer, handler)
    del answer.__wrapped__
    answer.__signature__ = inspect.Signature(parameters)
    answer.__annotations__ = {
        p.name: p.annotation for p in parameters if p.annotation is not inspect.Parameter.empty
    }
    return answer


def _one_by_one(parameter: inspect.Parameter) -> list[inspect.Parameter]:
    """A parameter that is a dataclass as one for each field; any other as it is."""
    if not is_dataclass(parameter.annotation):
        return [parameter]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return [inspect.Parameter(field.name, kind) for field in fields(parameter.annotation)]
