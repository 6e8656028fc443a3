"""The Album page: all of a visitor's pictures, to keep, to mark and to delete."""

import gradio as gr

from helpers.app import markup
from helpers.app.answers import connect
from helpers.app.studio import Studio

PAGE = "album"
EMPTY = markup.empty(
    "Your album is empty. All that you draw comes here; it stays while the app runs, also when you "
    "reload the page."
)


def build(studio: Studio, tab: gr.Tab) -> None:
    """Lay out the page inside the current tab and connect it."""
    gr.HTML(markup.heading("Your album"))
    with gr.Row(elem_classes="actions"):
        only = gr.Checkbox(False, label="Favorites only", elem_id="album-only")
        gr.HTML('<a class="button" href="/album.zip" download>Download all (zip)</a>')
    note = gr.HTML(elem_id="album-note", elem_classes="live")
    pictures = gr.HTML(EMPTY, elem_id="album-pictures", js_on_load=markup.KEEPING)
    private = {"page": PAGE, "note": note, "api_visibility": "private"}
    connect(studio, tab.select, fill, only, [pictures, note], **private)
    connect(studio, only.input, fill, only, [pictures, note], **private)
    connect(studio, pictures.click, change, only, [pictures, note], **private)


def fill(studio: Studio, only: object, request: gr.Request) -> tuple[str, str]:
    """The album as it is now."""
    return shown(studio, studio.visitors.of(request).id, bool(only)), ""


def change(
    studio: Studio, only: object, event: gr.EventData, request: gr.Request
) -> tuple[str, str]:
    """Mark a picture as a favorite or not, or delete it."""
    user = studio.visitors.of(request).id
    action, id = markup.clicked(event)
    if action == "delete":
        studio.album.delete(user, id)
        return shown(studio, user, bool(only)), markup.note("The picture is deleted.")
    made = studio.album.find(user, id)
    made.is_favorite = not made.is_favorite
    return shown(studio, user, bool(only)), ""


def shown(studio: Studio, user: str, favorites_only: bool) -> str:
    """All pictures of a visitor, or the favorites."""
    made = [m for m in studio.album.of(user) if m.is_favorite or not favorites_only]
    cards = [
        markup.album_view(
            one,
            (*(markup.DRAWN_ACTIONS if one.kind == "drawn" else ()), "favorite", "delete"),
        )
        for one in made
    ]
    return markup.cards(cards, EMPTY)
