"""The Generate page: pictures from a prompt, watched as they form, and made again from a file."""

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, fields

import gradio as gr

from helpers.app import limits, markup
from helpers.app.answers import connect
from helpers.app.drawing import drawn_as_cards
from helpers.app.pages.controls import (
    EXAMPLES,
    Controls,
    asked_for,
    draw_row,
    further_controls,
    prompt_box,
    stop_all,
    values_of,
)
from helpers.app.pages.sketch import connect_sketch, sketch_switch
from helpers.app.studio import Studio

PAGE = "generate"
LATEST = 12  # pictures that are shown when the page is opened again
EMPTY = markup.empty("Press Draw, or begin with one of these:", EXAMPLES)


@dataclass
class Generate:
    """What other pages change on this one."""

    controls: Controls
    pictures: gr.HTML


def build(studio: Studio) -> Generate:
    """Lay out the page inside the current tab and connect it."""
    with gr.Row(elem_classes="page"):
        with gr.Column(scale=2, min_width=300, elem_classes="controls"):
            prompt, counted = prompt_box(studio, PAGE)
            is_sketching = sketch_switch(studio, PAGE)
            sketched = gr.HTML(elem_id="generate-sketch", elem_classes="live")
            images, run, stop = draw_row()
            with gr.Accordion("More settings", elem_classes="more"):
                controls = further_controls(studio, PAGE, prompt, counted)
            with gr.Accordion("Make a picture again", open=False):
                upload = gr.File(
                    label="A PNG that this app or Stable Diffusion web UI made",
                    file_types=[".png"],
                    elem_id="generate-again",
                )
                again_note = gr.HTML()
        with gr.Column(scale=3, min_width=300, elem_classes="results"):
            gr.HTML(markup.heading("Your pictures"))
            status = gr.HTML(elem_id="generate-status", elem_classes="live")
            pictures = gr.HTML(EMPTY, elem_id="generate-pictures")
            files = gr.JSON(visible=False)
    connect(
        studio,
        [run.click, prompt.submit],
        generate,
        [*controls.all, images],
        [status, pictures, files],
        page=PAGE,
        note=status,
        api_name="generate",
        trigger_mode="once",
    )
    connect_sketch(studio, PAGE, is_sketching, controls, sketched)
    connect(studio, stop.click, stop_all, None, [status], page=PAGE, note=status, api_name="stop")
    connect(
        studio,
        upload.change,
        settings_of_file,
        upload,
        [*controls.all, images, again_note],
        page=PAGE,
        note=again_note,
        api_name="settings_of_file",
    )
    return Generate(controls, pictures)


async def generate(
    studio: Studio, values: Controls, images: object, request: gr.Request
) -> AsyncIterator[Sequence[object]]:
    """Draw; for programs, the last of the three results lists the pictures and their settings."""
    name, cells = asked_for(studio, values, images)
    visitor = studio.visitors.of(request)
    async with aclosing(drawn_as_cards(studio, visitor, name, cells)) as results:
        async for result in results:
            yield result


def settings_of_file(studio: Studio, path: object) -> list[object]:
    """The settings inside a file, checked like any others, the number of pictures, and a note."""
    if not path:
        return [*[gr.skip()] * (len(fields(Controls)) + 1), ""]
    found = limits.uploaded_settings(path)
    name = found.get("model")
    is_offered = isinstance(name, str) and name in studio.engine.pipes
    negative_prompt = found.get("negative_prompt") or ""
    [cell] = limits.pictures(found | {"negative_prompt": negative_prompt}, 1)
    told = "The controls are set: press Draw to make the picture again."
    if not is_offered:
        told += " It was made by a model that is not offered here, so it will look different."
    elif found.get("model_version") != studio.engine.versions[name]:
        told += " It was made by other weights of this model, so it will look different."
    if "strength" in found:
        told += " It began from another picture: to make it again, go to Change with that one."
    values = values_of(name if is_offered else studio.models[0], cell)
    return [*values.all, 1, markup.note(told)]


def latest(studio: Studio, user: str) -> str:
    """The visitor's newest pictures, for a page that is opened again."""
    made = [one for one in studio.album.of(user) if one.kind == "drawn"][:LATEST]
    return markup.cards([markup.album_view(one) for one in made], EMPTY)
