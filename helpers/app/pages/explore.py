"""The Explore page: a sweep of two axes, as a table that fills."""

import asyncio
from contextlib import aclosing

import gradio as gr

from helpers.app import limits, markup
from helpers.app.limits import AXIS_NAMES, LIMITS
from helpers.app.pages.controls import settings_controls
from helpers.app.studio import Studio, told_to_the_visitor, visitor
from helpers.sweeps.contact_sheet import contact_sheet

EXAMPLES = {
    "seed": "1, 2, 3",
    "guidance_scale": "1, 4, 7.5",
    "num_inference_steps": "10, 20, 30",
    "scheduler": "pndm, ddim, dpm++",
    "prompt": "a 3d sticker of a fox on a teal background\na flat sticker of a fox in the snow",
    "negative_prompt": "a flat sticker\na cartoon sticker",
}


def build(studio: Studio) -> None:
    """Lay out the page inside the current tab and connect it."""
    with gr.Row(elem_classes="page"):
        with gr.Column(scale=2, min_width=300):
            gr.HTML(
                markup.note(
                    "Two settings change, the others stay. Up to "
                    f"{LIMITS.cells} pictures; prompts one a line, other values with commas."
                )
            )
            rows, row_values = _axis("Rows", "seed")
            columns, column_values = _axis("Columns", "guidance_scale")
            with gr.Accordion("The settings that stay", open=False):
                controls = settings_controls(studio, "explore")
            with gr.Row(elem_classes="actions"):
                run = gr.Button("Draw the sweep", variant="primary", elem_id="sweep")
                stop = gr.Button("Stop", variant="stop", elem_id="stop-sweep")
        with gr.Column(scale=3, min_width=300):
            status = gr.HTML(markup.note("Press Draw the sweep."), elem_id="sweep-status")
            table = gr.HTML(elem_id="sweep-table")
            download = gr.DownloadButton(
                "Download as one picture", interactive=False, elem_id="sweep-download"
            )

    async def explore(
        rows, row_values, columns, column_values, prompt, negative_prompt, model, guidance_scale,
        steps, seed, request: gr.Request,
    ):  # fmt: skip
        with told_to_the_visitor():
            for name in (rows, columns):
                limits.choice("The axis", name, AXIS_NAMES)
            if rows == columns:
                raise ValueError("Rows and columns must be two different settings.")
            [cell] = limits.pictures(prompt, negative_prompt, 1, guidance_scale, steps, seed)
            fixed = {
                name: getattr(cell, name) for name in AXIS_NAMES if name not in (rows, columns)
            }
            axes, cells = limits.sweep(
                {
                    rows: limits.axis_values(rows, row_values),
                    columns: limits.axis_values(columns, column_values),
                },
                fixed,
            )
            job = studio.engine.submit(visitor(request), model, cells)
        shown, errors = {}, {}
        async with aclosing(studio.engine.follow(job)) as followed:
            async for progress in followed:
                for position, picture in zip(axes.positions, progress.pictures, strict=True):
                    if picture.state == "done" and position not in shown:
                        shown[position] = markup.data_uri(picture.image)
                    elif picture.state in ("failed", "cancelled"):
                        errors[position] = picture.error or "stopped"
                told = markup.note(markup.sentence(progress))
                drawn = markup.sweep_table(axes, shown, errors)
                yield told, drawn, gr.skip()
        if shown:
            tiles = {
                position: picture.image or errors.get(position, picture.state)
                for position, picture in zip(axes.positions, progress.pictures, strict=True)
            }
            path = await asyncio.to_thread(_save, studio, axes, tiles, model)
            yield told, drawn, gr.DownloadButton(value=path, interactive=True)

    run.click(
        explore,
        [
            rows, row_values, columns, column_values, controls.prompt, controls.negative_prompt,
            controls.model, controls.guidance_scale, controls.num_inference_steps, controls.seed,
        ],
        [status, table, download],
        api_name="explore",
        concurrency_limit=None,
        show_progress="hidden",
        trigger_mode="once",
    )  # fmt: skip

    def stop_all(request: gr.Request) -> None:
        studio.engine.stop_user(visitor(request))

    stop.click(stop_all, api_visibility="private", queue=False, show_progress="hidden")


def _axis(place: str, name: str) -> tuple[gr.Dropdown, gr.Textbox]:
    """The two controls of an axis; another setting brings its own example values."""
    choices = [(label, setting) for setting, label in AXIS_NAMES.items()]
    with gr.Group():
        setting = gr.Dropdown(choices, value=name, label=place, elem_id=place.lower())
        values = gr.Textbox(
            EXAMPLES[name],
            label=f"{place}: values",
            lines=2,
            max_length=LIMITS.axis_text,
            elem_id=f"{place.lower()}-values",
        )
    setting.input(_example, setting, values, api_visibility="private")
    return setting, values


def _example(setting: str) -> str:
    with told_to_the_visitor():
        return EXAMPLES[limits.choice("The axis", setting, AXIS_NAMES)]


def _save(studio: Studio, axes, tiles, model: str) -> str:
    """The whole sweep as one PNG with what its pictures have in common inside."""
    common = {name: value for name, value in axes.fixed.items() if value is not None}
    version = studio.engine.versions[model]
    settings = common | {"axes": list(axes.names), "model": model, "model_version": version}
    return str(studio.album.keep_sheet(contact_sheet(axes, tiles), settings))
