"""The controls of a picture's settings, which several pages have, and what becomes of them."""

from dataclasses import dataclass, fields

import gradio as gr

from helpers.app import limits, words
from helpers.app.answers import connect
from helpers.app.limits import LIMITS, SCHEDULERS
from helpers.app.studio import WITH, Studio
from helpers.models import catalogue
from helpers.sampling.cell import Cell
from helpers.vocabulary import STYLES

PROMPT = "a 3d sticker of a fox on a teal background"
EXAMPLES = (PROMPT, "a flat sticker of a rocket at night", "a cartoon sticker of a cat in the snow")
OWN_SCHEDULER = "the model's own"
NO_STYLE = "as written"
NO_LORA = "none"
PRESETS = {NO_STYLE: "{prompt}"} | {style: f"{{prompt}}, {style} style" for style in STYLES}
"""What a style makes of a prompt."""


@dataclass(frozen=True)
class Controls:
    """One thing for each control: the component, or the value that it sends, not checked yet.

    The API takes the values in this order. Whatever has the name of a setting of a `Cell` is one.
    """

    prompt: object
    negative_prompt: object
    style: object
    model: object
    lora: object
    guidance_scale: object
    num_inference_steps: object
    seed: object
    scheduler: object

    @property
    def all(self) -> list[object]:
        return [getattr(self, field.name) for field in fields(self)]


def prompt_box(studio: Studio, page: str) -> tuple[gr.Textbox, gr.HTML]:
    """The prompt, and below it how much of it the model reads."""
    prompt = gr.Textbox(
        PROMPT,
        label="Prompt",
        info="What the picture should show. Ctrl+Enter draws",
        lines=2,
        max_length=LIMITS.prompt,
        elem_id=f"{page}-prompt",
    )
    return prompt, gr.HTML(
        words.note(studio.engine.pipes[studio.models[0]], studio.models[0], PROMPT),
        elem_id=f"{page}-words",
    )


def draw_row(begin: str = "") -> tuple[gr.Slider, gr.Button, gr.Button]:
    """How many pictures, Draw, and Stop; `begin` begins the ids of the buttons."""
    with gr.Row(elem_classes="actions"):
        images = gr.Slider(
            *LIMITS.images,
            value=4,
            step=1,
            label="Pictures",
            elem_id=f"{begin or 'generate-'}images",
            min_width=170,
        )
        run = gr.Button("Draw", variant="primary", elem_id=f"{begin}draw", min_width=90)
        stop = gr.Button(
            "Stop", variant="stop", elem_id=f"{begin}stop", elem_classes="stop", min_width=90
        )
    return images, run, stop


def stop_all(studio: Studio, request: gr.Request) -> object:
    """Give up what this window asked for; its own handler tells so."""
    studio.stop_window(request)
    return gr.skip()


def further_controls(studio: Studio, page: str, prompt: gr.Textbox, counted: gr.HTML) -> Controls:
    """Everything but the prompt, one below the other; `page` begins their ids."""
    first = studio.models[0]
    negative_prompt = gr.Textbox(
        "",
        label="Negative prompt",
        info="What the picture should not look like; may be empty",
        max_length=LIMITS.prompt,
        elem_id=f"{page}-negative-prompt",
    )
    style = gr.Dropdown(
        list(PRESETS),
        value=NO_STYLE,
        label="Style",
        info="Is added to the prompt",
        elem_id=f"{page}-style",
    )
    model, lora = _model_and_lora(studio, page, first)
    guidance_scale, num_inference_steps = _guidance_and_steps(page, first)
    seed = _seed_box(page)
    scheduler = gr.Dropdown(
        [OWN_SCHEDULER, *SCHEDULERS],
        value=OWN_SCHEDULER,
        label="Scheduler",
        elem_id=f"{page}-scheduler",
    )
    controls = Controls(
        prompt=prompt,
        negative_prompt=negative_prompt,
        style=style,
        model=model,
        lora=lora,
        guidance_scale=guidance_scale,
        num_inference_steps=num_inference_steps,
        seed=seed,
        scheduler=scheduler,
    )
    _connect(studio, page, controls, counted)
    return controls


def _model_and_lora(studio: Studio, page: str, first: str) -> tuple[gr.Dropdown, gr.Dropdown]:
    model = gr.Dropdown(studio.models, value=first, label="Model", elem_id=f"{page}-model")
    loras = studio.loras(first)
    lora = gr.Dropdown(
        [NO_LORA, *loras],
        value=NO_LORA,
        label="LoRA",
        info="A small addition to the model, such as lesson 12 makes",
        visible=bool(loras),
        elem_id=f"{page}-lora",
    )
    return model, lora


def _guidance_and_steps(page: str, model: str) -> tuple[gr.Slider, gr.Slider]:
    guidance_scale, num_inference_steps = starting_values(model)
    guidance = gr.Slider(
        *LIMITS.guidance_scale,
        value=guidance_scale,
        step=0.5,
        label="Guidance",
        info="How closely the picture follows the prompt",
        elem_id=f"{page}-guidance-scale",
    )
    steps = gr.Slider(
        *LIMITS.num_inference_steps,
        value=num_inference_steps,
        step=1,
        label="Steps",
        info="More steps take longer",
        elem_id=f"{page}-num-inference-steps",
    )
    return guidance, steps


def _seed_box(page: str) -> gr.Textbox:
    least, most = LIMITS.seed
    with gr.Row(elem_classes="seed"):
        seed = gr.Textbox(  # not gr.Number, which cannot be empty
            "",
            max_length=10,
            label="Seed",
            info=f"{least} to {most}: the same seed gives the same picture. Empty: a new one "
            "each time",
            placeholder="new each time",
            elem_id=f"{page}-seed",
        )
        dice = gr.Button("Random", elem_id=f"{page}-dice", min_width=80, scale=0)
    dice.click(None, None, seed, js="() => ''", api_visibility="private")
    return seed


def _connect(studio: Studio, page: str, controls: Controls, counted: gr.HTML) -> None:
    connect(
        studio,
        controls.model.input,
        model_chosen,
        controls.model,
        [controls.guidance_scale, controls.num_inference_steps, controls.lora],
        page=page,
        api_visibility="private",
    )
    connect(
        studio,
        [controls.prompt.change, controls.style.change, controls.model.change],
        count_words,
        [controls.prompt, controls.style, controls.model],
        [counted],
        page=page,
        note=counted,
        trigger_mode="always_last",
        api_visibility="private",
    )


def model_chosen(studio: Studio, model: object) -> tuple[float, int, gr.Dropdown]:
    """Each model begins with the guidance and the steps that suit it, and has its own LoRAs."""
    limits.choice("model", model, studio.models)
    guidance_scale, num_inference_steps = starting_values(model)
    loras = studio.loras(model)
    lora = gr.Dropdown(choices=[NO_LORA, *loras], value=NO_LORA, visible=bool(loras))
    return guidance_scale, num_inference_steps, lora


def count_words(studio: Studio, prompt: object, style: object, model: object) -> str:
    limits.choice("model", model, studio.models)
    shown = limits.text("prompt", prompt)
    written = PRESETS[limits.choice("style", style, PRESETS)].replace("{prompt}", shown)
    return words.note(studio.engine.pipes[model], model, written if shown else "")


def starting_values(model: str) -> tuple[float, int]:
    """Guidance and steps to begin with."""
    values = catalogue.starting_values(model)
    return values["guidance_scale"], values["num_inference_steps"]


def asked_for(studio: Studio, values: Controls, images: object = 1) -> tuple[str, list[Cell]]:
    """The engine's name of the model, and the pictures that the controls describe."""
    model = limits.choice("model", values.model, studio.models)
    preset = PRESETS[limits.choice("style", values.style, PRESETS)]
    lora = limits.choice("lora", values.lora, [NO_LORA, *studio.loras(model)])
    settings = vars(values) | {
        "prompt": preset.replace("{prompt}", limits.prompt(values.prompt)),
        "scheduler": None if values.scheduler == OWN_SCHEDULER else values.scheduler,
    }
    cells = limits.pictures(settings, images)
    return model if lora == NO_LORA else f"{model}{WITH}{lora}", cells


def values_of(name: str, cell: Cell) -> Controls:
    """What the controls show for a picture, by the engine's name of its model; for `asked_for`."""
    model, _, lora = name.partition(WITH)
    shown = {
        "negative_prompt": cell.negative_prompt or "",
        "seed": str(cell.seed),
        "scheduler": cell.scheduler or OWN_SCHEDULER,
    }
    own = {"style": NO_STYLE, "model": model, "lora": lora or NO_LORA}
    values = cell.settings | shown | own
    return Controls(**{field.name: values[field.name] for field in fields(Controls)})
