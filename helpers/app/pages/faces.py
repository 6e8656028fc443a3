"""The Faces page: the face service on one of the visitor's pictures or on an uploaded one."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import gradio as gr
from PIL import Image

from helpers.app import limits, markup
from helpers.app.album import Made
from helpers.app.answers import Problem, connect, in_thread
from helpers.app.limits import Invalid
from helpers.app.studio import Studio
from helpers.faces.client.errors import FaceServiceError

PAGE = "faces"
FACTORS = [1, 2, 4]
ABOUT_THE_PICTURE = (400, 413, 422)  # what the service answers if another picture would do
EMPTY = "Choose a portrait from your album below, or upload one. Then press Improve the face."
AWAY = (
    "The face service is away or too busy. It is not your doing, and your picture is unchanged. "
    "Try again in a minute, or tell whoever runs this app."
)

MOST_AT_ONCE = 2  # calls of one visitor
CALLS = ThreadPoolExecutor(16, thread_name_prefix="face calls")

log = logging.getLogger(__name__)


@dataclass
class Faces:
    """What other pages change on this one."""

    chosen: gr.Textbox
    shown: gr.HTML
    album: gr.HTML


def build(studio: Studio, tab: gr.Tab) -> Faces:
    """Lay out the page inside the current tab and connect it."""
    chosen = gr.Textbox(visible=False)
    with gr.Row(elem_classes="page"):
        with gr.Column(scale=2, min_width=300, elem_classes="controls"):
            gr.HTML(markup.heading("The picture"))
            shown = gr.HTML(markup.empty(EMPTY), elem_id="faces-shown")
            factor = gr.Radio(
                FACTORS, value=2, label="Enlarge this many times", elem_id="faces-factor"
            )
            with gr.Row(elem_classes="actions"):
                run = gr.Button("Improve the face", variant="primary", elem_id="improve")
            # Not gr.Image, which would decode whatever comes, however large.
            upload = gr.File(
                label="Or upload a PNG, JPEG or WebP picture",
                file_types=[".png", ".jpg", ".jpeg", ".webp"],
                elem_id="faces-upload",
            )
            gr.HTML(markup.heading("Your album", 3))
            album = gr.HTML(elem_id="faces-album", js_on_load=markup.CHOOSING)
        with gr.Column(scale=3, min_width=300, elem_classes="results"):
            gr.HTML(markup.heading("Before and after"))
            status = gr.HTML(elem_id="faces-status", elem_classes="live")
            result = gr.HTML(elem_id="faces-result")
            file = gr.JSON(visible=False)
    views = [chosen, shown, album]
    private = {"page": PAGE, "api_visibility": "private"}
    connect(studio, tab.select, fill, chosen, views, **private)
    connect(studio, album.click, choose, None, views, **private)
    connect(studio, upload.change, take_upload, upload, [chosen, shown], note=shown, **private)
    connect(
        studio,
        run.click,
        improve,
        [chosen, upload, factor],
        [status, result, file],
        page=PAGE,
        note=status,
        api_name="improve",
        trigger_mode="once",
    )
    return Faces(chosen, shown, album)


def views_of(studio: Studio, user: str, id: str | None) -> list:
    """The id of the chosen picture, that picture large, and all that could be chosen."""
    mine = [one for one in studio.album.of(user) if one.kind == "drawn"]
    found = next((one for one in mine if one.id == id), None)
    pictures = [markup.made_picture(one) for one in mine]
    return [
        found.id if found else None,
        markup.large(markup.made_picture(found) if found else None, markup.empty(EMPTY)),
        markup.thumbnails(
            pictures, id, markup.empty("Your album is empty: draw a portrait on the first page.")
        ),
    ]


def fill(studio: Studio, chosen, request: gr.Request):
    """When the page is opened: what was chosen is kept, if it is still there."""
    return views_of(studio, studio.visitors.of(request).id, chosen)


def choose(studio: Studio, event: gr.EventData, request: gr.Request):
    """A click on a picture of the album."""
    user = studio.visitors.of(request).id
    return views_of(studio, user, studio.album.find(user, markup.clicked(event)[1]).id)


def take_upload(studio: Studio, upload):
    """A picture was uploaded, or taken away again."""
    if not upload:
        return gr.skip(), gr.skip()
    image = limits.uploaded_image(upload)
    about = f"your upload, {image.width} x {image.height} pixels"
    return None, markup.large(markup.Shown("", markup.data_uri(image), about, "Your upload"))


async def improve(studio: Studio, picture, upload, factor, request: gr.Request):
    """Repair and enlarge; for programs, the last of the three results names the file."""
    if isinstance(factor, bool) or factor not in FACTORS:
        raise Invalid("A picture is enlarged 1, 2 or 4 times.", "factor")
    visitor = studio.visitors.of(request)
    made, image = await in_thread(_wanted, studio, visitor.id, picture, upload)
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


def _wanted(studio: Studio, user: str, picture, upload) -> tuple[Made | None, Image.Image]:
    """The picture that is meant: of the album, or else the uploaded one."""
    if picture:
        made = studio.album.find(user, picture)
        return made, made.image()
    if not upload:
        raise Invalid("Choose a picture of your album, or upload one.", "upload")
    return None, limits.uploaded_image(upload)


def _improve(image: Image.Image, factor: int, url: str | None) -> Image.Image:
    from helpers.faces.client.improve import improve_face

    return improve_face(image, factor=factor, url=url)
