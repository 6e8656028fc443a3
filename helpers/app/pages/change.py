"""The Change page: image-to-image, a picture and a prompt that make new pictures."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

import gradio as gr
from PIL import Image, ImageOps

from helpers.app import limits, markup
from helpers.app.answers import connect, in_thread
from helpers.app.drawing import drawn_as_cards
from helpers.app.limits import LIMITS
from helpers.app.pages import chooser
from helpers.app.pages.chooser import Chooser
from helpers.app.pages.controls import (
    Controls,
    asked_for,
    draw_row,
    further_controls,
    prompt_box,
    stop_all,
)
from helpers.app.studio import Studio
from helpers.sampling.beginning import Beginning
from helpers.sampling.latents import latent_shape

PAGE = "change"
STRENGTH = 0.6
EMPTY = markup.empty("Choose a picture, say what it should become, and press Draw.")


def build(studio: Studio, tab: gr.Tab) -> Chooser:
    """Lay out the page inside the current tab and connect it."""
    with gr.Row(elem_classes="page"):
        with gr.Column(scale=2, min_width=300, elem_classes="controls"):
            gr.HTML(markup.heading("The picture to begin with"))
            chosen, shown = chooser.chosen_picture(PAGE)
            prompt, counted = prompt_box(studio, PAGE)
            strength = gr.Slider(
                *LIMITS.strength,
                value=STRENGTH,
                step=0.05,
                label="Strength",
                info="How much is changed: at 1, hardly anything of the first picture is left",
                elem_id="change-strength",
            )
            images, run, stop = draw_row(f"{PAGE}-")
            found = chooser.choices(studio, PAGE, tab, chosen, shown)
            with gr.Accordion("More settings", open=False):
                controls = further_controls(studio, PAGE, prompt, counted)
        with gr.Column(scale=3, min_width=300, elem_classes="results"):
            gr.HTML(markup.heading("Changed pictures"))
            status = gr.HTML(elem_id="change-status", elem_classes="live")
            pictures = gr.HTML(EMPTY, elem_id="change-pictures")
            files = gr.JSON(visible=False)
    connect(
        studio,
        [run.click, prompt.submit],
        change,
        [found.chosen, found.upload, strength, *controls.all, images],
        [status, pictures, files],
        page=PAGE,
        note=status,
        api_name="change",
        trigger_mode="once",
    )
    private = {"page": PAGE, "note": status, "api_visibility": "private"}
    connect(studio, stop.click, stop_all, None, [status], **private)
    return found


async def change(
    studio: Studio,
    picture: object,
    upload: object,
    strength: object,
    values: Controls,
    images: object,
    request: gr.Request,
) -> AsyncIterator[Sequence[object]]:
    """Draw from a picture; for programs, the last of the three results lists what was drawn."""
    name, cells = asked_for(studio, values, images)
    share = limits.strength(strength, cells[0].num_inference_steps)
    visitor = studio.visitors.of(request)
    _, image = await in_thread(chooser.wanted, studio, visitor.id, picture, upload)
    beginning = Beginning(_fitted(studio, name, image), share)
    async with aclosing(drawn_as_cards(studio, visitor, name, cells, beginning)) as results:
        async for result in results:
            yield result


def _fitted(studio: Studio, model: str, image: Image.Image) -> Image.Image:
    """The picture in the model's own size; what is beyond its shape is cut off on both sides."""
    pipe = studio.engine.pipes[model]
    height, width = (side * pipe.vae_scale_factor for side in latent_shape(pipe)[-2:])
    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)
