"""The `parameters` text of a PNG: the settings as Stable Diffusion web UI and others write them.

    a fox
    Negative prompt: blurry
    Steps: 25, Sampler: DDIM, CFG scale: 7.5, Seed: 7, Size: 128x128, Model: stickers

Other programs read these settings from our pictures, and we read theirs. Our own text beside it,
`settings`, has all of them by diffusers' names, and goes first.
"""

import json
import re
from collections.abc import Mapping

PARAMETERS_KEY = "parameters"  # PNG text chunk
NEGATIVE = "Negative prompt: "

FIELDS = {
    "num_inference_steps": "Steps",
    "guidance_scale": "CFG scale",
    "seed": "Seed",
    "strength": "Denoising strength",
    "model": "Model",
    "model_version": "Model hash",
}
"""A setting's name → what the others call it."""

SAMPLERS = {
    "ddim": "DDIM",
    "dpm++": "DPM++ 2M",
    "dpm++ sde": "DPM++ SDE",
    "dpm2": "DPM2",
    "dpm2 ancestral": "DPM2 a",
    "euler": "Euler",
    "euler ancestral": "Euler a",
    "heun": "Heun",
    "lcm": "LCM",
    "lms": "LMS",
    "pndm": "PLMS",
    "unipc": "UniPC",
}
"""A scheduler's short name → what the others call it."""

ENTRY = re.compile(r'\s*(\w[\w \-/]*):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')


def parameters_text(settings: Mapping[str, object]) -> str | None:
    """Settings as that text; None if they have no prompt, as those of a whole sweep."""
    if not isinstance(settings.get("prompt"), str):
        return None
    lines = [settings["prompt"]]
    if settings.get("negative_prompt"):
        lines.append(f"{NEGATIVE}{settings['negative_prompt']}")
    entries = {
        label: settings[name] for name, label in FIELDS.items() if settings.get(name) is not None
    }
    if scheduler := settings.get("scheduler"):
        entries["Sampler"] = SAMPLERS.get(str(scheduler), scheduler)
    if settings.get("width") and settings.get("height"):
        entries["Size"] = f"{settings['width']}x{settings['height']}"
    lines.append(", ".join(f"{label}: {_quoted(value)}" for label, value in entries.items()))
    text = "\n".join(lines)
    return text.encode("utf-8", "replace").decode()  # half a letter cannot be written


def settings_of_parameters(text: str) -> dict[str, object]:
    """The settings in such a text, by diffusers' names; what is not known here is left out.

    Raises ValueError for another text.
    """
    *words, last = text.strip().split("\n")
    entries = {label: _unquoted(value) for label, value in ENTRY.findall(last)}
    if not words or not {"Steps", "Seed"} <= entries.keys():
        raise ValueError(f"text must end with a line such as Steps: 25, Seed: 7; got {last!r:.80}")
    prompt, _, negative = "\n".join(words).partition(f"\n{NEGATIVE}")
    settings: dict[str, object] = {"prompt": prompt}
    if negative:
        settings["negative_prompt"] = negative
    for name, label in FIELDS.items():
        if label in entries:
            settings[name] = entries[label]
    for name, kind in (
        ("num_inference_steps", int),
        ("seed", int),
        ("guidance_scale", float),
        ("strength", float),
    ):
        if name in settings:
            settings[name] = kind(settings[name])
    samplers = {label.lower(): name for name, label in SAMPLERS.items()}
    if (sampler := str(entries.get("Sampler", "")).lower()) in samplers:
        settings["scheduler"] = samplers[sampler]
    if size := re.fullmatch(r"(\d+)x(\d+)", str(entries.get("Size", ""))):
        settings |= {"width": int(size[1]), "height": int(size[2])}
    return settings


def _quoted(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return json.dumps(text) if re.search(r'[,:"\n]', text) else text


def _unquoted(value: str) -> str:
    try:
        return json.loads(value) if value.startswith('"') else value.strip()
    except ValueError:
        return value
