"""The Faces page: the face service on one of the visitor's pictures or on an uploaded one."""

import asyncio

import gradio as gr

from helpers.app import limits, markup
from helpers.app.pages.gallery import own_pictures
from helpers.app.studio import Studio, told_to_the_visitor, visitor

FACTORS = [1, 2, 4]
MINE, UPLOADED = "One of my pictures", "An uploaded picture"


def build(studio: Studio, tab: gr.Tab) -> None:
    """Lay out the page inside the current tab and connect it."""
    with gr.Row(elem_classes="page"):
        with gr.Column(scale=2, min_width=300):
            source = gr.Radio(
                [MINE, UPLOADED], value=MINE, label="Which picture", elem_id="face-source"
            )
            with gr.Column() as mine:
                number = own_pictures(studio, tab, "face-pictures")
            # Not gr.Image, which would decode whatever comes, however large.
            upload = gr.File(
                label="An uploaded picture",
                file_types=["image"],
                visible=False,
                elem_id="face-upload",
            )
            factor = gr.Radio(FACTORS, value=2, label="Enlarge this many times")
            run = gr.Button("Improve the face", variant="primary", elem_id="improve")
        with gr.Column(scale=3, min_width=300):
            status = gr.HTML(
                markup.note("Choose a portrait and press Improve the face."), elem_id="face-status"
            )
            with gr.Row():
                before = gr.Image(
                    label="Before",
                    format="png",
                    interactive=False,
                    buttons=[],
                    elem_id="face-before",
                )
                after = gr.Image(
                    label="After",
                    format="png",
                    interactive=False,
                    buttons=["download"],
                    elem_id="face-after",
                )

    def show(source):
        return gr.Column(visible=source == MINE), gr.File(visible=source == UPLOADED)

    async def improve(source, number, upload, factor, request: gr.Request):
        with told_to_the_visitor():
            limits.choice("Which picture", source, (MINE, UPLOADED))
            if factor not in FACTORS:
                raise ValueError("A picture is enlarged 1, 2 or 4 times.")
            if source == UPLOADED:
                image = await asyncio.to_thread(limits.uploaded_image, upload)
            else:
                image = studio.album.find(visitor(request), number).image()
        yield markup.note("The face service is at work."), image, None
        try:
            improved = await asyncio.to_thread(_improve, image, int(factor), studio.faces_url)
        except Exception as error:  # the client's own errors: they are written for learners
            yield markup.note(f"The face service could not do it. {error}"), image, None
            return
        told = f"{image.width} x {image.height} pixels before, "
        told += f"{improved.width} x {improved.height} after."
        yield markup.note(told), image, improved

    source.change(show, source, [mine, upload], api_visibility="private", show_progress="hidden")
    run.click(
        improve,
        [source, number, upload, factor],
        [status, before, after],
        api_name="improve",
        concurrency_limit=4,
        show_progress="hidden",
        trigger_mode="once",
    )


def _improve(image, factor: int, url: str | None):
    from helpers.faces.client.improve import improve_face

    return improve_face(image, factor=factor, url=url)
