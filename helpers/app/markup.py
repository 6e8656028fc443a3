"""The app's own HTML. Everything that a person typed is escaped here, and only here."""

import base64
import html
import io

from PIL import Image

from helpers.app.limits import AXIS_NAMES
from helpers.app.queue import JobProgress, PictureProgress
from helpers.pictures.files import alt_text
from helpers.sweeps.plan import Axes, value_label

SHOWN_SIDE = 256  # pixels: a picture inside the HTML is made this small


def status(progress: JobProgress) -> str:
    """How far a job is: a sentence, a bar, and the pictures that are forming."""
    forming = [p for p in progress.pictures if p.state == "running" and not progress.finished]
    cards = "".join(_card(picture) for picture in forming)
    percent = round(100 * progress.share)
    bar = (
        f'<progress max="100" value="{percent}" aria-label="Progress">{percent}%</progress>'
        if not progress.finished
        else ""
    )
    return (
        f'<div class="status"><p role="status">{html.escape(sentence(progress))}</p>{bar}'
        f'<div class="cards">{cards}</div></div>'
    )


def sentence(progress: JobProgress) -> str:
    """How far a job is, in words."""
    total, done = len(progress.pictures), progress.count("done")
    if progress.finished:
        errors = dict.fromkeys(p.error for p in progress.pictures if p.error)
        told = (
            f"Stopped. {done} of {total} done." if progress.stopped else f"{done} of {total} done."
        )
        return " ".join([told, *errors])
    if progress.paused and progress.place:
        return f"Drawing is paused by the teacher. {done} of {total} done; the others wait."
    if progress.place and not progress.count("running"):
        place = "next" if progress.place == 1 else f"number {progress.place}"
        return f"Waiting: {done} of {total} done, and you are {place} in line."
    return f"Drawing: {done} of {total} done."


def note(text: str) -> str:
    """A line of text."""
    return f'<p class="note" role="status">{html.escape(text)}</p>'


def sweep_table(axes: Axes, shown: dict[tuple, str], errors: dict[tuple, str]) -> str:
    """A sweep of two axes as a table with headings; what is not there yet is an empty field.

    `shown` has the `data_uri` of each finished picture by its position, `errors` what went wrong.
    """
    (rows_name, rows), (columns_name, columns) = axes.values.items()
    head = "".join(f'<th scope="col">{_value(value)}</th>' for value in columns)
    lines = []
    for row in rows:
        fields = "".join(
            f"<td>{_field(axes, (row, column), shown, errors)}</td>" for column in columns
        )
        lines.append(f'<tr><th scope="row">{_value(row)}</th>{fields}</tr>')
    caption = f"Rows: {AXIS_NAMES[rows_name]}. Columns: {AXIS_NAMES[columns_name]}."
    return (
        f'<div class="sweep" tabindex="0" role="region" aria-label="The sweep"><table>'
        f"<caption>{caption}</caption><thead><tr><td></td>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _field(axes: Axes, position: tuple, shown: dict, errors: dict) -> str:
    if position in shown:
        settings = axes.settings(position)
        told = {"prompt": settings["prompt"]} | {n: settings[n] for n in axes.names}
        return _picture(shown[position], alt_text(told))
    if position in errors:
        return f'<span class="failed">{html.escape(errors[position])}</span>'
    return '<span class="empty" aria-label="not drawn yet"></span>'


def _card(picture: PictureProgress) -> str:
    told = f"step {picture.evaluations} of {picture.total_evaluations}"
    about = f"The picture of seed {picture.cell.seed} as it forms, {told}"
    shown = (
        _picture(data_uri(picture.preview), about)
        if picture.preview
        else '<span class="empty" aria-hidden="true"></span>'
    )
    return f"<figure>{shown}<figcaption>seed {picture.cell.seed}, {told}</figcaption></figure>"


def _picture(uri: str, alt: str) -> str:
    return f'<img src="{uri}" alt="{html.escape(alt)}">'


def _value(value: object) -> str:
    return html.escape(value_label(value))


def data_uri(image: Image.Image) -> str:
    """A picture as text, small; for looking at, not for keeping."""
    small = image.copy()
    small.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    buffer = io.BytesIO()
    small.save(buffer, format="WEBP", quality=90)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
