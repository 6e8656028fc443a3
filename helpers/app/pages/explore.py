"""The Explore page: a sweep of two axes, as a table that fills."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing

import gradio as gr

from helpers.app import limits, markup
from helpers.app.album import AlbumPicture
from helpers.app.answers import connect, in_thread
from helpers.app.drawing import drawn
from helpers.app.limits import LIMITS, SETTING_LABELS, Invalid
from helpers.app.pages.controls import (
    Controls,
    asked_for,
    further_controls,
    prompt_box,
    stop_all,
)
from helpers.app.studio import Studio
from helpers.app.visitors import Visitor
from helpers.pictures.table import Tile
from helpers.sweeps.contact_sheet import contact_sheet
from helpers.sweeps.plan import Axes

PAGE = "explore"
EXAMPLES = {
    "seed": "1, 2, 3",
    "guidance_scale": "1, 4, 7.5",
    "num_inference_steps": "10, 20, 30",
    "scheduler": "pndm, ddim, dpm++",
    "prompt": "a 3d sticker of a fox on a teal background\na flat sticker of a fox in the snow",
    "negative_prompt": "none\na flat sticker",
}


def build(studio: Studio) -> None:
    """Lay out the page inside the current tab and connect it."""
    with gr.Row(elem_classes="page"):
        with gr.Column(scale=2, min_width=300, elem_classes="controls"):
            gr.HTML(
                markup.note(
                    f"Two settings change, the others stay. Up to {LIMITS.cells} pictures. Write "
                    "prompts one per line, other values with commas between them."
                )
            )
            rows, row_values = _axis(studio, "rows", "seed")
            columns, column_values = _axis(studio, "columns", "guidance_scale")
            with gr.Row(elem_classes="actions"):
                run = gr.Button("Draw the sweep", variant="primary", elem_id="sweep")
                stop = gr.Button("Stop", variant="stop", elem_id="stop-sweep", elem_classes="stop")
            with gr.Accordion("The settings that stay", open=False):
                prompt, counted = prompt_box(studio, PAGE)
                controls = further_controls(studio, PAGE, prompt, counted)
        with gr.Column(scale=3, min_width=300, elem_classes="results"):
            gr.HTML(markup.heading("The sweep"))
            status = gr.HTML(elem_id="explore-status", elem_classes="live")
            table = gr.HTML(
                markup.empty("Press Draw the sweep: each picture appears in its place."),
                elem_id="explore-table",
            )
            download = gr.HTML(elem_id="explore-download")
    connect(
        studio,
        run.click,
        explore,
        [rows, row_values, columns, column_values, *controls.all],
        [status, table, download],
        page=PAGE,
        note=status,
        api_name="explore",
        trigger_mode="once",
    )
    connect(
        studio,
        stop.click,
        stop_all,
        None,
        [status],
        page=PAGE,
        note=status,
        api_visibility="private",
    )


async def explore(
    studio: Studio,
    rows: object,
    row_values: object,
    columns: object,
    column_values: object,
    values: Controls,
    request: gr.Request,
) -> AsyncIterator[Sequence[object]]:
    """Draw a sweep; programs get the table as HTML."""
    for name, field in ((rows, "rows"), (columns, "columns")):
        limits.choice(field, name, SETTING_LABELS)
    if rows == columns:
        raise Invalid("Rows and columns must be two different settings.", "columns")
    name, [cell] = asked_for(studio, values)
    axes, cells = limits.sweep(
        {
            rows: limits.axis_values(rows, row_values, "row_values"),
            columns: limits.axis_values(columns, column_values, "column_values"),
        },
        {name: value for name, value in cell.settings.items() if name not in (rows, columns)},
    )
    visitor = studio.visitors.of(request)
    async with aclosing(drawn(studio, visitor, name, cells)) as progresses:
        async for progress, made, _ in progresses:
            shown = {axes.positions[i]: markup.album_view(picture) for i, picture in made.items()}
            errors = {
                position: picture.error or "stopped"
                for position, picture in zip(axes.positions, progress.pictures, strict=True)
                if picture.state in ("failed", "cancelled")
            }
            told = markup.status(progress, with_previews=False)
            table = markup.sweep_table(axes, shown, errors)
            yield told, table, gr.skip() if shown else ""
    if shown:
        tiles = {
            position: picture.image or errors.get(position, picture.state)
            for position, picture in zip(axes.positions, progress.pictures, strict=True)
        }
        sheet = await in_thread(_keep_sheet, studio, visitor, axes, tiles, name)
        yield told, table, markup.download(sheet.url, "Download as one picture")


def _axis(studio: Studio, place: str, name: str) -> tuple[gr.Dropdown, gr.Textbox]:
    """The two controls of an axis; another setting brings its own example values."""
    choices = [(label, setting) for setting, label in SETTING_LABELS.items()]
    label = place.capitalize()
    with gr.Group():
        setting = gr.Dropdown(choices, value=name, label=label, elem_id=f"{PAGE}-{place}")
        values = gr.Textbox(
            EXAMPLES[name],
            label=f"{label}: values",
            lines=2,
            max_length=LIMITS.axis_text,
            elem_id=f"{PAGE}-{place.removesuffix('s')}-values",
        )
    connect(studio, setting.input, example, setting, [values], page=PAGE, api_visibility="private")
    return setting, values


def example(studio: Studio, setting: object) -> str:
    """Values to begin with, for the setting that was chosen."""
    return EXAMPLES[limits.choice("axis", setting, SETTING_LABELS)]


def _keep_sheet(
    studio: Studio, visitor: Visitor, axes: Axes, tiles: Mapping[tuple, Tile], model: str
) -> AlbumPicture:
    """The whole sweep as one PNG with what its pictures have in common inside."""
    common = {name: value for name, value in axes.fixed.items() if value is not None}
    settings = common | {"axes": list(axes.names)}
    version = studio.engine.versions[model]
    sheet = contact_sheet(axes, tiles)
    return studio.album.keep_sweep(visitor.id, sheet, settings, model, version)
