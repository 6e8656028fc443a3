"""What may be asked of the app. The page's own controls only help; the rule is here.

Requests also come past the page, through the API, so every value is checked again as it arrives:
its type, its range, its length. Each function returns the value ready to use or raises `Invalid`
with a sentence for the person who asked. Messages repeat no text that was sent.
"""

import io
import json
import random
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from helpers.pictures.encoded import from_bytes
from helpers.pictures.files import SETTINGS_KEY
from helpers.pictures.parameters import PARAMETERS_KEY, settings_of_parameters
from helpers.sampling.beginning import steps_taken
from helpers.sampling.cell import Cell
from helpers.sampling.schedulers import SHORT_NAMES
from helpers.sweeps import plan as plans

NONE = "none"  # how a sweep over negative prompts has the empty one among its values


class Invalid(ValueError):
    """A value that cannot be; the message is for whoever sent it.

    Attributes:
        name: The setting, by which the page finds its field.
    """

    def __init__(self, message: str, name: str = ""):
        super().__init__(message)
        self.name = name


@dataclass(frozen=True)
class Limits:
    """The bounds, those named (least, most) included. Where they are whole, so is the number."""

    prompt: int = 500  # characters
    comment: int = 500  # characters
    images: tuple[int, int] = (1, 10)
    guidance_scale: tuple[float, float] = (0.0, 20.0)
    num_inference_steps: tuple[int, int] = (1, 100)  # some models take a single step
    seed: tuple[int, int] = (1, 99999)
    strength: tuple[float, float] = (0.05, 1.0)
    cells: int = 36  # pictures of a sweep
    axis_values: int = 12
    axis_text: int = 2000  # characters that describe an axis
    upload: int = 5_000_000  # bytes
    upload_side: int = 2048  # pixels


LIMITS = Limits()

SETTING_LABELS = {
    "seed": "Seed",
    "guidance_scale": "Guidance",
    "num_inference_steps": "Steps",
    "scheduler": "Scheduler",
    "prompt": "Prompt",
    "negative_prompt": "Negative prompt",
}
"""The settings of a `Cell` that the app offers and can sweep, and what its pages call them."""

SLOW_TO_BUILD = {"dpm++ sde"}  # noise by a search tree: minutes where the others take seconds
SCHEDULERS = [name for name in SHORT_NAMES if name not in SLOW_TO_BUILD]

LABELS = SETTING_LABELS | {
    "images": "Number of pictures",
    "tags": "Each tag",
    "comment": "The comment",
    "consent": "The consent",
    "vote": "Your vote",
    "factor": "The factor",
    "model": "The model",
    "lora": "The LoRA",
    "style": "The style",
    "rows": "Rows",
    "columns": "Columns",
    "strength": "Strength",
    "receipt": "The receipt",
    "which": "Which pictures",
}


def text(name: str, value: object, longest: int = LIMITS.prompt) -> str:
    """A text that is not too long and that UTF-8 can hold; without spaces at the ends."""
    if not isinstance(value, str):
        raise Invalid(f"{_label(name)} must be a text.", name)
    if len(value) > longest:
        raise Invalid(
            f"{_label(name)} may have {longest} characters; this one has {len(value)}.", name
        )
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid(f"{_label(name)} has characters that are not text.", name) from None
    return value.strip()


def prompt(value: object) -> str:
    """A prompt that says something."""
    checked = text("prompt", value)
    if not checked:
        raise Invalid("The prompt is empty: write what you would like to see.", "prompt")
    return checked


def number(name: str, value: object) -> float | int:
    """A number within the bounds of that name, a whole one where they are; sliders send 25.0."""
    least, most = getattr(LIMITS, name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Invalid(f"{_label(name)} must be a number from {least:g} to {most:g}.", name)
    if not least <= value <= most:  # neither is NaN
        told = f"{_label(name)} must be from {least:g} to {most:g}; got {value!s:.20}."
        raise Invalid(told, name)
    if not isinstance(least, int):
        return float(value)
    if value != int(value):
        raise Invalid(f"{_label(name)} must be a whole number; got {value:g}.", name)
    return int(value)


def choice(name: str, value: object, allowed: Collection[str]) -> str:
    """One of the texts that are allowed."""
    if not isinstance(value, str) or value not in allowed:
        raise Invalid(f"{_label(name)} must be one of: {', '.join(allowed)}.", name)
    return value


def setting(name: str, value: object) -> object:
    """The value of a setting of a `Cell`, one of `SETTING_LABELS`."""
    if name == "prompt":
        return prompt(value)
    if name == "negative_prompt":
        return text(name, value) or None
    if name == "scheduler":
        return None if value is None else choice(name, value, SCHEDULERS)
    return number(name, value)


def pictures(settings: Mapping[str, object], images: object) -> list[Cell]:
    """The pictures of the Generate page: one per seed, counting up from that of `settings`.

    Without a seed, from one that is drawn by chance. What is no setting of a `Cell` is left out.
    """
    common = {n: setting(n, settings.get(n)) for n in SETTING_LABELS if n != "seed"}
    least, most = LIMITS.seed
    seed = settings.get("seed")
    first = random.randint(least, most) if seed in (None, "") else _seed(seed)
    span = most - least + 1
    seeds = (least + (first - least + i) % span for i in range(number("images", images)))
    return [Cell(seed=seed, **common) for seed in seeds]


def strength(value: object, num_inference_steps: int) -> float:
    """How much a picture is changed: a share of the steps that leaves one at least."""
    checked = number("strength", value)
    if steps_taken(num_inference_steps, checked) < 1:
        raise Invalid(
            f"Strength {checked:g} of {num_inference_steps} steps is less than one step: take more "
            "steps, or a higher strength.",
            "strength",
        )
    return checked


def axis_values(name: object, values: object, field: str = "row_values") -> tuple:
    """The values of an axis: prompts one a line, others also with commas between them.

    Among negative prompts, "none" is the empty one. `field` is where the page has the values.
    """
    name = choice("axis", name, SETTING_LABELS)
    try:
        written = text(f"The values of {SETTING_LABELS[name]}", values, LIMITS.axis_text)
        is_prompt = name in ("prompt", "negative_prompt")
        parts = written.splitlines() if is_prompt else written.replace(",", "\n").splitlines()
        parts = [part.strip() for part in parts if part.strip()]
        found = tuple(dict.fromkeys(_axis_value(name, part) for part in parts))
    except Invalid as error:
        raise Invalid(str(error), field) from None
    if not found:
        raise Invalid(f"The axis {SETTING_LABELS[name]} has no values: write some.", field)
    if len(found) > LIMITS.axis_values:
        raise Invalid(
            f"An axis may have {LIMITS.axis_values} values; {_label(name)} has {len(found)}.",
            field,
        )
    return found


def sweep(axes: dict[str, tuple], fixed: dict[str, object]) -> tuple[plans.Axes, list[Cell]]:
    """The plan of a sweep and its cells; axes and fixed values must be checked already."""
    plan = plans.find_axes(fixed | {name: list(values) for name, values in axes.items()})
    if len(plan.positions) > LIMITS.cells:
        raise Invalid(
            f"A sweep may have {LIMITS.cells} pictures; this one has {len(plan.positions)}. "
            "Take out some values.",
            "row_values",
        )
    return plan, [Cell(**plan.settings(position)) for position in plan.positions]


def uploaded_image(path: object) -> Image.Image:
    """An uploaded PNG, JPEG or WebP picture, loaded, upright, in RGB and on white."""
    if not path:
        raise Invalid("Choose a picture of your album, or upload one.", "upload")
    side = LIMITS.upload_side
    try:
        image = from_bytes(_uploaded(path, "upload"), side * side)
    except ValueError as error:
        raise Invalid(f"This picture {error}.", "upload") from None
    if max(image.size) > side:
        told = f"The picture may be {side} pixels wide and high; "
        raise Invalid(f"{told}it is {image.width} x {image.height}.", "upload")
    return image


def uploaded_settings(path: object) -> dict[str, object]:
    """The settings inside an uploaded PNG, not checked yet."""
    content, settings = _uploaded(path, "again"), None
    with suppress(Exception):  # a damaged file makes Pillow raise a dozen unrelated classes
        settings = _settings_in(content)
    if not isinstance(settings, dict):
        raise Invalid(
            "This file holds no settings. Choose a PNG that this app made; many programs drop the "
            "settings when they save a picture again.",
            "again",
        )
    return settings


def _settings_in(content: bytes) -> object:
    """Our own settings in a PNG, or else those that another program wrote.

    Only its texts are read, which the reader of pictures leaves out; no pixel is decoded.
    """
    with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
        if SETTINGS_KEY in image.info:
            return json.loads(image.info[SETTINGS_KEY])
        return settings_of_parameters(image.info[PARAMETERS_KEY])


def _uploaded(path: object, field: str) -> bytes:
    """What was uploaded, not looked at yet."""
    try:
        content = Path(str(path)).read_bytes()
    except OSError:  # gradio removes uploads after some time
        raise Invalid("The uploaded file is not here any more: choose it again.", field) from None
    if len(content) > LIMITS.upload:
        raise Invalid(f"The file is larger than {LIMITS.upload // 1_000_000} MB.", field)
    return content


def _seed(value: object) -> int:
    """The page sends a text, since it can be empty; programs send a number."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int(value.strip()[:10])
    return number("seed", value)


def _axis_value(name: str, part: str) -> object:
    if name == "negative_prompt" and part.lower() == NONE:
        return None
    if name == "scheduler":
        part = part.lower()
    if name not in ("prompt", "negative_prompt", "scheduler"):
        try:
            part = float(part)
        except ValueError:
            raise Invalid(
                f"The values of {SETTING_LABELS[name]} must be numbers with commas between them."
            ) from None
    return setting(name, part)


def _label(name: str) -> str:
    return LABELS.get(name, name)
