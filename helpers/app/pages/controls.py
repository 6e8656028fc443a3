"""The controls that two pages have, with one range and one explanation each."""

from dataclasses import dataclass

import gradio as gr

from helpers.app.limits import LIMITS, SCHEDULERS
from helpers.app.studio import Studio
from helpers.models.catalogue import MODELS

PROMPT = "a 3d sticker of a fox on a teal background"
OWN_SCHEDULER = "the model's own"


@dataclass
class Settings:
    """The controls of one picture's settings."""

    prompt: gr.Textbox
    negative_prompt: gr.Textbox
    model: gr.Dropdown
    guidance_scale: gr.Slider
    num_inference_steps: gr.Slider
    seed: gr.Number


def settings_controls(studio: Studio, page: str) -> Settings:
    """Lay out the controls, one below the other; `page` begins their ids."""
    known = MODELS.get(studio.models[0])
    prompt = gr.Textbox(
        PROMPT,
        label="Prompt",
        info="What the picture should show",
        lines=2,
        max_length=LIMITS.prompt,
        elem_id=f"{page}-prompt",
    )
    negative_prompt = gr.Textbox(
        "",
        label="Negative prompt",
        info="What it should not look like; may stay empty",
        max_length=LIMITS.prompt,
        elem_id=f"{page}-negative-prompt",
    )
    model = gr.Dropdown(
        studio.models, value=studio.models[0], label="Model", elem_id=f"{page}-model"
    )
    guidance_scale = gr.Slider(
        *LIMITS.guidance_scale,
        value=known.guidance_scale if known else 7.5,
        step=0.5,
        label="Guidance",
        info="How closely the picture follows the prompt",
        elem_id=f"{page}-guidance",
    )
    num_inference_steps = gr.Slider(
        *LIMITS.num_inference_steps,
        value=known.num_inference_steps if known else 25,
        step=1,
        label="Steps",
        info="More steps take longer",
        elem_id=f"{page}-steps",
    )
    least, most = LIMITS.seed
    seed = gr.Number(
        42,
        precision=0,
        minimum=least,
        maximum=most,
        label="Seed",
        info=f"{least} to {most}; the same seed gives the same picture",
        elem_id=f"{page}-seed",
    )
    return Settings(prompt, negative_prompt, model, guidance_scale, num_inference_steps, seed)


def scheduler_dropdown() -> gr.Dropdown:
    """The model's own scheduler, or one of those that the engine knows by name."""
    return gr.Dropdown([OWN_SCHEDULER, *SCHEDULERS], value=OWN_SCHEDULER, label="Scheduler")


def scheduler_setting(chosen: object) -> object:
    """What was chosen, as `limits.pictures` takes it."""
    return None if chosen == OWN_SCHEDULER else chosen
