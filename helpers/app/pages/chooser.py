"""A picture to work on: one of the visitor's album, or an upload. Two pages have it."""

from dataclasses import dataclass

import gradio as gr
from PIL import Image

from helpers.app import limits, markup
from helpers.app.album import AlbumPicture
from helpers.app.answers import connect
from helpers.app.studio import Studio

EMPTY = "Choose a picture of your album below, or upload one."


@dataclass
class Chooser:
    """The parts of it; `chosen`, `shown` and `album` are what `views_of` fills."""

    chosen: gr.Textbox
    shown: gr.HTML
    upload: gr.File
    album: gr.HTML

    @property
    def views(self) -> list[gr.components.Component]:
        return [self.chosen, self.shown, self.album]


def chosen_picture(page: str) -> tuple[gr.Textbox, gr.HTML]:
    """The picture that is chosen, large; `page` begins the ids."""
    chosen = gr.Textbox(visible=False)
    return chosen, gr.HTML(markup.empty(EMPTY), elem_id=f"{page}-shown")


def choices(studio: Studio, page: str, tab: gr.Tab, chosen: gr.Textbox, shown: gr.HTML) -> Chooser:
    """What there is to choose from, connected."""
    # Not gr.Image, which would decode whatever comes, however large.
    upload = gr.File(
        label="Or upload a PNG, JPEG or WebP picture",
        file_types=[".png", ".jpg", ".jpeg", ".webp"],
        height=160,  # its label takes the first 30
        elem_id=f"{page}-upload",
    )
    gr.HTML(markup.heading("Your album", 3))
    album = gr.HTML(elem_id=f"{page}-album", js_on_load=markup.CHOOSING)
    found = Chooser(chosen, shown, upload, album)
    private = {"page": page, "api_visibility": "private"}
    connect(studio, tab.select, fill, chosen, found.views, **private)
    connect(studio, album.click, choose, None, found.views, **private)
    connect(studio, upload.change, take_upload, upload, [chosen, shown], note=shown, **private)
    return found


def views_of(studio: Studio, user: str, id: object) -> list[object]:
    """The id of the chosen picture, that picture large, and all that could be chosen."""
    mine = [one for one in studio.album.of(user) if one.kind == "drawn"]
    found = next((one for one in mine if one.id == id), None)
    pictures = [markup.album_view(one) for one in mine]
    return [
        found.id if found else None,
        markup.large(markup.album_view(found) if found else None, markup.empty(EMPTY)),
        markup.thumbnails(
            pictures, id, markup.empty("Your album is empty: draw a picture on the first page.")
        ),
    ]


def fill(studio: Studio, chosen: object, request: gr.Request) -> list[object]:
    """When the page is opened: what was chosen is kept, if it is still there."""
    found, shown, album = views_of(studio, studio.visitors.of(request).id, chosen)
    return [found, shown if chosen else gr.skip(), album]  # an upload stays in sight


def choose(studio: Studio, event: gr.EventData, request: gr.Request) -> list[object]:
    """A click on a picture of the album."""
    user = studio.visitors.of(request).id
    return views_of(studio, user, studio.album.find(user, markup.clicked(event)[1]).id)


def take_upload(studio: Studio, upload: object) -> tuple[object, object]:
    """A picture was uploaded, or taken away again."""
    if not upload:
        return gr.skip(), gr.skip()
    image = limits.uploaded_image(upload)
    about = f"your upload, {image.width} x {image.height} pixels"
    return None, markup.large(markup.PictureView("", markup.data_uri(image), about, "Your upload"))


def wanted(
    studio: Studio, user: str, picture: object, upload: object
) -> tuple[AlbumPicture | None, Image.Image]:
    """The picture that is meant: of the album, or else the uploaded one."""
    if picture:
        made = studio.album.find(user, picture)
        return made, made.image()
    return None, limits.uploaded_image(upload)
