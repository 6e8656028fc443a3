"""A visitor's own pictures to choose from: a gallery, and the number of the chosen one.

The number is a field of its own, so that a picture can be chosen by keyboard, by voice and by a
program; a click on a picture fills it in.
"""

import gradio as gr

from helpers.app.studio import Studio, visitor


def own_pictures(studio: Studio, tab: gr.Tab, elem_id: str) -> gr.Number:
    """Lay out gallery and number; the gallery is filled whenever `tab` is opened."""
    gallery = picture_gallery("Your pictures", elem_id)
    number = number_field()

    def fill(request: gr.Request):
        mine = studio.album.of(visitor(request))
        return entries(mine), mine[0].number if mine else None

    def choose(event: gr.SelectData, request: gr.Request):
        mine = studio.album.of(visitor(request))
        return mine[event.index].number if event.index < len(mine) else gr.skip()

    tab.select(fill, None, [gallery, number], api_visibility="private", show_progress="hidden")
    gallery.select(choose, None, number, api_visibility="private", show_progress="hidden")
    return number


def picture_gallery(label: str, elem_id: str) -> gr.Gallery:
    return gr.Gallery(
        label=label,
        format="png",
        columns=3,
        height="auto",
        object_fit="contain",
        allow_preview=False,
        buttons=[],
        interactive=False,
        elem_id=elem_id,
    )


def number_field() -> gr.Number:
    return gr.Number(
        None,
        precision=0,
        minimum=1,
        label="Number of the picture",
        info="Click a picture, or type its number",
    )


def entries(made) -> list[tuple[str, str]]:
    """What a gallery shows for pictures of the album."""
    return [(str(picture.path), picture.caption) for picture in made]
