"""The Faces page: the face service on one of the visitor's pictures or on an uploaded one."""

import logging
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
from PIL import Image

from helpers.app import markup
from helpers.app.answers import Problem, connect, in_thread
from helpers.app.limits import Invalid
from helpers.app.pages import chooser
from helpers.app.pages.chooser import Chooser
from helpers.app.studio import Studio
from helpers.faces.client.errors import FaceServiceError

PAGE = "faces"
FACTORS = [1, 2, 4]
ABOUT_THE_PICTURE = (400, 413, 422)  # what the service answers if another picture would do
AWAY = (
    "The face service is away or too busy. It is not your doing, and your picture is unchanged. "
    "Try again in a minute, or tell whoever runs this app."
)

MOST_AT_ONCE = 2  # calls of one visitor
CALLS = ThreadPoolExecutor(16, thread_name_prefix="face calls")

log = logging.getLogger(__name__)


def build(studio: Studio, tab: gr.Tab) -> Chooser:
    """Lay out the page inside the current tab and connect it."""
    with gr.Row(elem_classes="page"):
        with gr.Column(scale=2, min_width=300, elem_classes="controls"):
            gr.HTML(markup.heading("The picture"))
            chosen, shown = chooser.chosen_picture(PAGE)
            factor = gr.Radio(
                FACTORS, value=2, label="Enlarge this many times", elem_id="faces-factor"
            )
            with gr.Row(elem_classes="actions"):
                run = gr.Button("Improve the face", variant="primary", elem_id="improve")
            found = chooser.choices(studio, PAGE, tab, chosen, shown)
        with gr.Column(scale=3, min_width=300, elem_classes="results"):
            gr.HTML(markup.heading("Before and after"))
            status = gr.HTML(elem_id="faces-status", elem_classes="live")
            result = gr.HTML(elem_id="faces-result")
            file = gr.JSON(visible=False)
    connect(
        studio,
        run.click,
        improve,
        [found.chosen, found.upload, factor],
        [status, result, file],
        page=PAGE,
        note=status,
        api_name="improve",
        trigger_mode="once",
    )
    return found


async def improve(
    studio: Studio, picture: object, upload: object, factor: object, request: gr.Request
) -> AsyncIterator[Sequence[object]]:
    """Repair and enlarge; for programs, the last of the three results names the file."""
    if isinstance(factor, bool) or factor not in FACTORS:
        raise Invalid("A picture is enlarged 1, 2 or 4 times.", "factor")
    visitor = studio.visitors.of(request)
    made, image = await in_thread(chooser.wanted, studio, visitor.id, picture, upload)
    yield markup.note("The face service is at work."), "", None
    try:
        with studio.visitors.working(visitor, "improved pictures", MOST_AT_ONCE):
            improved = await in_thread(_improve, image, int(factor), studio.faces_url, pool=CALLS)
    except FaceServiceError as error:
        if error.status in ABOUT_THE_PICTURE:
            raise Problem(error.what, "upload" if made is None else "factor") from error
        log.error("the face service failed: %s", error)
        raise Problem(AWAY) from error
    kept = await in_thread(studio.album.keep_improved, visitor.id, improved, made, int(factor))
    told = f"{image.width} x {image.height} pixels before, "
    told += f"{improved.width} x {improved.height} after. It is in your album."
    before = made.url if made else markup.data_uri(image, 1024)
    shown = markup.before_after(before, kept.url)
    yield markup.note(told), shown, {"id": kept.id, "url": kept.url}


def _improve(image: Image.Image, factor: int, url: str | None) -> Image.Image:
    from helpers.faces.client.improve import improve_face

    return improve_face(image, factor=factor, url=url)
