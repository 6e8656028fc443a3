"""The Teacher page: pause drawing, hide a picture of the class, see the load.

It is shown in the browser that was opened with the address printed at the start, and every one of
its requests is checked again.
"""

from collections.abc import Callable
from functools import wraps

import gradio as gr

from helpers.app import markup
from helpers.app.answers import Problem, connect
from helpers.app.studio import Studio
from helpers.feedback.rating import RatedPicture

PAGE = "teacher"
LOOK_EVERY = 3.0  # seconds between two looks at the load, while the page is open
SHOWN = 60  # pictures of the class, the newest


def build(studio: Studio, tab: gr.Tab) -> None:
    """Lay out the page inside the current tab and connect it."""
    gr.HTML(markup.heading("For the teacher"))
    with gr.Row(elem_classes="actions"):
        pause = gr.Button("Pause drawing", elem_id="pause")
    load = gr.HTML(elem_id="teacher-load", elem_classes="live")
    note = gr.HTML(elem_id="teacher-note", elem_classes="live")
    gr.HTML(markup.heading("The class's pictures", 3))
    pictures = gr.HTML(elem_id="teacher-pictures", js_on_load=markup.HIDING)
    gr.HTML(markup.heading("Hidden pictures", 3))
    hidden = gr.HTML(elem_id="teacher-hidden", js_on_load=markup.HIDING)
    timer = gr.Timer(LOOK_EVERY, active=False)
    everything = [load, pause, pictures, hidden, timer, note]
    private = {"page": PAGE, "note": note, "api_visibility": "private"}
    connect(studio, tab.select, fill, None, everything, **private)
    connect(studio, pause.click, pause_or_go_on, None, [load, pause, note], **private)
    connect(studio, timer.tick, look, None, [load, note], **private)
    connect(studio, [pictures.click, hidden.click], hide_or_show, None, everything, **private)


def teachers_only(handler: Callable) -> Callable:
    """Refuse a handler to everybody else."""

    @wraps(handler)
    def checked(studio: Studio, *, request: gr.Request, **values: object) -> object:
        if not studio.visitors.of(request).is_teacher:
            raise Problem("Only the teacher can do this: use the address printed at the start.")
        return handler(studio, request=request, **values)

    return checked


@teachers_only
def fill(studio: Studio, request: gr.Request) -> list[object]:
    """The page as it is now."""
    return [*_state(studio), *_pictures(studio), gr.Timer(active=True), ""]


@teachers_only
def look(studio: Studio, request: gr.Request) -> tuple[str, object]:
    return _state(studio)[0], gr.skip()


@teachers_only
def pause_or_go_on(studio: Studio, request: gr.Request) -> list[object]:
    studio.engine.pause(not studio.engine.paused)
    return [*_state(studio), ""]


@teachers_only
def hide_or_show(studio: Studio, event: gr.EventData, request: gr.Request) -> list[object]:
    action, id = markup.clicked(event)
    studio.feedback.hide(id, hidden=action == "hide")
    told = (
        "It is hidden from the class and from all exports."
        if action == "hide"
        else "It is shown again."
    )
    return [*_state(studio), *_pictures(studio), gr.skip(), markup.note(told)]


def _state(studio: Studio) -> list:
    running, waiting = studio.engine.load
    users = len(studio.engine.waiting_users)
    told = (
        f"{running} pictures are being drawn, {waiting} wait, for {users} people. "
        f"{studio.visitors.count} browsers have been here. "
        + ("Drawing is paused: nothing new begins." if studio.engine.paused else "")
    )
    label = "Go on drawing" if studio.engine.paused else "Pause drawing"
    return [markup.note(told), gr.Button(value=label)]


def _pictures(studio: Studio) -> list[str]:
    """The pictures of the class, and the hidden ones."""
    shown, hidden = studio.feedback.pictures(), studio.feedback.pictures(hidden=True)
    return [
        _cards(shown, "hide", "The class has shared no pictures yet."),
        _cards(hidden, "show", "No picture is hidden."),
    ]


def _cards(pictures: list[RatedPicture], action: str, empty: str) -> str:
    newest = pictures[: -SHOWN - 1 : -1]
    return markup.cards([markup.class_view(one, [action]) for one in newest], markup.empty(empty))
