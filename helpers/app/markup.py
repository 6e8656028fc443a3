"""The app's own HTML. Everything that a person typed is escaped here, and only here."""

import base64
import html
import io
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import gradio as gr
from PIL import Image

from helpers.app.album import AlbumPicture
from helpers.app.limits import SETTING_LABELS
from helpers.app.queue import JobProgress, PictureProgress
from helpers.feedback.rating import RatedPicture
from helpers.pictures.files import alt_text
from helpers.sweeps.plan import Axes, value_label

PROBLEM_NUMBERS = itertools.count()
SHOWN_SIDE = 256  # pixels: a picture inside the HTML is made this small


# A click on a button, with what the button does and for which picture: of a gr.HTML, or, for what
# leads to another page, anywhere in the document.
ON_CLICK = """%s.addEventListener("click", event => {
    const button = event.target.closest("[data-do]");
    if (button && %s.includes(button.dataset.do) && button.dataset.asks !== "yes")
        trigger("click", {do: button.dataset.do, id: button.dataset.id});
});"""
CHOOSING = ON_CLICK % ("element", ["choose"])
KEEPING = ON_CLICK % ("element", ["favorite", "delete"])
HIDING = ON_CLICK % ("element", ["hide", "show"])
LEADING = ON_CLICK % ("document", ["improve", "change", "rate", "seed", "prompt"])


def clicked(event: gr.EventData) -> tuple[str, str]:
    """What a button does, and for which picture."""
    told = event._data if isinstance(event._data, dict) else {}
    return str(told.get("do", "")), str(told.get("id", ""))


def status(progress: JobProgress, with_previews: bool = True) -> str:
    """How far a job is: a sentence, a bar, and the pictures that are forming."""
    are_shown = with_previews and not progress.finished
    forming = [p for p in progress.pictures if p.state == "running"] if are_shown else []
    cards = "".join(map(_card, forming))
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


def problem(sentence: str, page: str, field: str = "") -> str:
    """What went wrong; app.js marks the field that it is about, if there is one."""
    place = f' data-field="{page}-{field.replace("_", "-")}"' if field else ""
    # A number of its own, so that the same problem is marked each time.
    marked = f'{place} data-told="{next(PROBLEM_NUMBERS)}"'
    return f'<p class="problem" role="alert"{marked}>{html.escape(sentence)}</p>'


def heading(text: str, level: int = 2) -> str:
    return f"<h{level}>{html.escape(text)}</h{level}>"


def log_in_page(problem: str = "") -> str:
    """The page that asks for the class's password."""
    told = f'<p role="alert">{html.escape(problem)}</p>' if problem else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sticker studio: log in</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; font-family: system-ui, sans-serif; }}
main {{ max-width: 22rem; margin: 15vh auto 0; padding: 0 1rem; }}
input, button {{ font: inherit; width: 100%; box-sizing: border-box; padding: 0.6rem;
  margin: 0.3rem 0 0.8rem; }}
</style></head>
<body><main><h1>Sticker studio</h1>{told}
<form method="post" action="/login">
<label for="password">The password of your class</label>
<input id="password" name="password" type="password" autocomplete="current-password" required
  autofocus>
<button>Come in</button>
</form></main></body></html>"""


# --- Pictures


ACTIONS = {
    "improve": "Improve",
    "change": "Change",
    "rate": "Rate",
    "seed": "Use this seed",
    "choose": "Choose",
    "hide": "Hide",
    "show": "Show again",
    "favorite": "Favorite",
    "delete": "Delete",
}
"""What the buttons of a picture are called; `pages.actions` says what they do."""


DRAWN_ACTIONS = ("improve", "change", "rate", "seed")


@dataclass(frozen=True)
class PictureView:
    """A picture as a page shows it.

    Attributes:
        id: By which its buttons name it.
        url: Where its file is.
        caption: What made it; under the picture.
        alt: What a person hears who does not see it.
        actions: Of `ACTIONS`.
        is_favorite: Whether its visitor marked it.
        download: Whether its file is offered.
    """

    id: str
    url: str
    caption: str
    alt: str
    actions: tuple[str, ...] = ()
    is_favorite: bool = False
    download: bool = True


def album_view(made: AlbumPicture, actions: Collection[str] | None = None) -> PictureView:
    """A picture of an album, with the buttons that its kind has."""
    if actions is None:
        actions = DRAWN_ACTIONS if made.kind == "drawn" else ()
    alt = made.caption if made.kind == "sweep" else alt_text(made.settings)
    return PictureView(made.id, made.url, made.caption, alt, tuple(actions), made.is_favorite)


def class_view(picture: RatedPicture, actions: Collection[str] = ()) -> PictureView:
    """A picture of the class, and how the votes are."""
    first = picture.ratings[0]
    caption = f"{picture.ups} up, {picture.downs} down · {first.prompt}"
    alt = alt_text({"prompt": first.prompt} | first.settings)
    return PictureView(picture.id, f"/class/{picture.id}.png", caption, alt, tuple(actions))


def cards(pictures: Sequence[PictureView], empty: str = "", label: str = "Pictures") -> str:
    """Pictures side by side, each with its buttons; `empty` is HTML for where there are none."""
    if not pictures:
        return empty
    items = "".join(
        f'<li class="card">{_opened(p)}{_caption(p)}{_buttons(p)}</li>' for p in pictures
    )
    return f'<ul class="album-cards" aria-label="{html.escape(label)}">{items}</ul>'


def thumbnails(pictures: Sequence[PictureView], chosen: str | None, empty: str = "") -> str:
    """Small pictures to choose one from."""
    if not pictures:
        return empty
    items = "".join(
        f'<li><button type="button" class="thumbnail" data-do="choose" data-id="{p.id}" '
        f'aria-pressed="{"true" if p.id == chosen else "false"}">'
        f'<img src="{p.url}" alt="{html.escape(p.alt)}" loading="lazy"></button></li>'
        for p in pictures
    )
    return f'<ul class="thumbnails" aria-label="Pictures to choose from">{items}</ul>'


def large(picture: PictureView | None, empty: str = "") -> str:
    """One picture that something is done with."""
    if picture is None:
        return empty
    return (
        f'<figure class="large" data-picture="{picture.id}">'
        f'<img src="{picture.url}" alt="{html.escape(picture.alt)}">'
        f"<figcaption>{html.escape(picture.caption)}</figcaption></figure>"
    )


def sketch(picture: PictureProgress, model: str) -> str:
    """A finished picture that is in no album, and what drew it."""
    cell = picture.cell
    told = f"Sketch: {cell.prompt} · seed {cell.seed}, {cell.num_inference_steps} steps, {model}"
    return (
        f'<figure class="large">{_picture(data_uri(picture.image), alt_text(cell.settings))}'
        f"<figcaption>{html.escape(told)}</figcaption></figure>"
    )


def before_after(before: str, after: str) -> str:
    """Two pictures on top of each other, and a slider that moves the border between them."""
    return (
        '<div class="compare" style="--at: 50%">'
        f'<div class="stack"><img class="after" src="{after}" alt="After">'
        f'<img class="before" src="{before}" alt="Before"></div>'
        '<label>Before <input type="range" min="0" max="100" value="50" '
        'aria-label="How much of the picture before is shown, in percent"> After</label>'
        f"{download(after, 'Download')}</div>"
    )


def download(url: str, label: str) -> str:
    """A link that saves a picture."""
    return f'<a class="button" href="{url}?download" download>{html.escape(label)}</a>'


def empty(told: str, prompts: Sequence[str] = ()) -> str:
    """What is in a place without pictures: what to do, and prompts to click."""
    buttons = "".join(
        f'<button type="button" class="button" data-do="prompt" data-id="{html.escape(prompt)}">'
        f"{html.escape(prompt)}</button>"
        for prompt in prompts
    )
    return f'<div class="nothing"><p>{html.escape(told)}</p>{buttons}</div>'


def _opened(picture: PictureView) -> str:
    """The picture as a button that opens it large, in a dialog that app.js builds."""
    actions = " ".join(picture.actions)
    return (
        f'<button type="button" class="open" data-open="{picture.id}" data-src="{picture.url}" '
        f'data-caption="{html.escape(picture.caption)}" data-actions="{actions}" '
        f'data-download="{"yes" if picture.download else ""}">'
        f'<img src="{picture.url}" alt="{html.escape(picture.alt)}" loading="lazy"></button>'
    )


def _caption(picture: PictureView) -> str:
    return f'<p class="caption">{html.escape(picture.caption)}</p>'


def _buttons(picture: PictureView) -> str:
    about = html.escape(picture.caption)
    buttons = "".join(
        f'<button type="button" class="button" data-do="{action}" data-id="{picture.id}"'
        + (
            f' aria-pressed="{"true" if picture.is_favorite else "false"}"'
            if action == "favorite"
            else ""
        )
        + f' aria-label="{ACTIONS[action]}: {about}">{ACTIONS[action]}</button>'
        for action in picture.actions
    )
    if picture.download:
        buttons += (
            f'<a class="button" href="{picture.url}?download" download '
            f'aria-label="Download: {about}">Download</a>'
        )
    return f'<div class="buttons">{buttons}</div>'


# --- Sweeps


def sweep_table(axes: Axes, shown: dict[tuple, PictureView], errors: dict[tuple, str]) -> str:
    """A sweep of two axes as a table with headings; what is not there yet is an empty field.

    `shown` has each finished picture by its position, `errors` what went wrong.
    """
    (rows_name, rows), (columns_name, columns) = axes.values.items()
    head = "".join(f'<th scope="col">{_value(value)}</th>' for value in columns)
    lines = []
    for row in rows:
        fields = "".join(f"<td>{_field((row, column), shown, errors)}</td>" for column in columns)
        lines.append(f'<tr><th scope="row">{_value(row)}</th>{fields}</tr>')
    caption = f"Rows: {SETTING_LABELS[rows_name]}. Columns: {SETTING_LABELS[columns_name]}."
    return (
        f'<div class="sweep" tabindex="0" role="region" aria-label="The sweep"><table>'
        f"<caption>{caption}</caption><thead><tr><td></td>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
    )


def _field(position: tuple, shown: dict, errors: dict) -> str:
    if position in shown:
        return _opened(shown[position])
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


def data_uri(image: Image.Image, side: int = SHOWN_SIDE) -> str:
    """A picture as text, at most `side` pixels wide and high; to look at, not to keep."""
    small = image.copy()
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, format="WEBP", quality=90)
    return f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
