"""The checks of lesson 10, the app: the learner's own pages are called as a visitor would."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import gradio as gr
from diffusers import DiffusionPipeline
from PIL import Image

from helpers.course.checks import Wrong, check, describe
from helpers.course.checks.answers import require_answer
from helpers.vocabulary import STYLES

PROMPT = "a fox in a meadow"
PICTURES = (gr.Image, gr.Gallery)  # components that show what a function drew
STEPS_ASKED = (10, 12)


@check("10.interface")
def interface(steps_app: gr.Interface, pipe: DiffusionPipeline) -> str:
    inputs = steps_app.input_components
    if len(inputs) != 3:
        raise Wrong(
            f"The page has {len(inputs)} inputs; it should have 3: two texts and the steps."
        )
    slider = inputs[2]
    if not isinstance(slider, gr.Slider):
        raise Wrong(
            f"The third input should be a `gr.Slider`; it is a `{type(slider).__name__}`. The "
            "inputs are in the order of the arguments of `draw`."
        )
    if (slider.minimum, slider.maximum) != (10, 100):
        raise Wrong(
            f"The slider goes from {slider.minimum} to {slider.maximum}; it should go from 10 to "
            "100."
        )
    if slider.step != 1:
        raise Wrong(
            f"The slider moves in steps of {slider.step}, and nobody can draw half a step: "
            "`step=1` gives whole numbers."
        )
    if not isinstance(steps_app.output_components[0], PICTURES):
        raise Wrong(
            "The page has no place for the picture: its output is a "
            f"`{type(steps_app.output_components[0]).__name__}`. Use `gr.Image`."
        )
    with counted_calls(pipe) as calls:
        after = []
        for steps in STEPS_ASKED:
            steps_app(PROMPT, "", steps)
            after.append(len(calls))
    few, more = after[0], after[1] - after[0]
    if few == more:
        raise Wrong(
            f"The slider makes no difference: with {STEPS_ASKED[0]} and with {STEPS_ASKED[1]} "
            "the U-Net worked equally often. Does the function pass the number on to `draw`?"
        )
    if more - few != STEPS_ASKED[1] - STEPS_ASKED[0]:
        raise Wrong(
            f"From {STEPS_ASKED[0]} to {STEPS_ASKED[1]} the U-Net worked {more - few} times more "
            f"often, instead of {STEPS_ASKED[1] - STEPS_ASKED[0]}. Is the number changed on its "
            "way to `draw`?"
        )
    return "The slider works: more steps asked for, more steps taken."


@check("10.captions")
def captions(with_captions: Callable) -> str:
    images = [Image.new("RGB", (8, 8), color) for color in ("teal", "navy", "olive")]
    seeds = [7, 99999, 1]
    given = list(images), list(seeds)
    answer = with_captions(*given)
    require_answer(answer)
    if not isinstance(answer, Iterable) or isinstance(answer, str):
        raise Wrong(f"The function should return a list of pairs; it returns {describe(answer)}.")
    answer = list(answer)
    if given != (images, seeds):
        raise Wrong(
            "After the call, both lists should be as they were: the app goes on using them. As it "
            "is, the function takes items out of them or changes them."
        )
    if len(answer) != len(images):
        raise Wrong(f"For 3 pictures there should be 3 pairs; there are {len(answer)}.")
    for pair, image, seed in zip(answer, images, seeds, strict=True):
        _check_pair(pair, image, seed)
    return "Every picture can be made again."


def _check_pair(pair: object, image: Image.Image, seed: int) -> None:
    if not isinstance(pair, list | tuple) or len(pair) != 2:
        raise Wrong(f"Each entry should be a pair (picture, caption); one is {describe(pair)}.")
    picture, caption = pair
    if isinstance(caption, Image.Image):
        raise Wrong("A gallery wants the picture first, then its caption. Swap the two.")
    if picture is not image:
        raise Wrong("The pictures should come in their order, each as it was given.")
    if not isinstance(caption, str):
        raise Wrong(f"A caption is a text; one of yours is {describe(caption)}.")
    if str(seed) not in caption.split():
        raise Wrong(
            f"The caption of the picture of seed {seed} is {caption!r}. Each picture needs its own "
            "seed."
        )
    if caption != f"seed {seed}":
        raise Wrong(f"The caption is {caption!r}; it should be {f'seed {seed}'!r}.")


@check("10.control")
def control(style_app: gr.Blocks, pipe: DiffusionPipeline) -> str:
    fields = [c for c in style_app.blocks.values() if isinstance(c, gr.Radio | gr.Dropdown)]
    if not fields:
        raise Wrong("There is no `gr.Radio` and no `gr.Dropdown` on the page.")
    offered = [value for _, value in fields[0].choices]
    if sorted(offered) != sorted(STYLES):
        raise Wrong(
            f"The control should offer {', '.join(STYLES)}; "
            f"it offers {', '.join(map(str, offered))}."
        )
    clicked = [
        function
        for function in style_app.fns.values()
        if any(event == "click" for _, event in function.targets)
    ]
    if not clicked:
        raise Wrong(
            "No click is connected to anything: `button.click(function, inputs, outputs)`, inside "
            "the `with`."
        )
    function = clicked[0]
    if fields[0] not in function.inputs:
        raise Wrong(
            "The control is on the page, but not among the inputs of the click, so nobody reads it."
        )
    _check_outputs(function.outputs)
    for style in (STYLES[1], STYLES[2]):
        _check_drawn(style_app, function, fields[0], style, pipe)
    return "Laid out, connected, and it works: each style reaches the model."


def _check_outputs(outputs: list) -> None:
    if not outputs:
        raise Wrong(
            "The click has no output, so the page shows nothing. Name the picture as the third "
            "argument: `button.click(function, inputs, outputs)`."
        )
    if not any(isinstance(component, PICTURES) for component in outputs):
        raise Wrong(
            f"What the function returns goes into a `{type(outputs[0]).__name__}`, which cannot "
            "show a picture. The output should be the `gr.Image`."
        )


def _check_drawn(
    style_app: gr.Blocks,
    function: object,
    field: gr.Radio | gr.Dropdown,
    style: str,
    pipe: DiffusionPipeline,
) -> None:
    """Press the button with a style chosen, and look at what the text encoder was given."""
    values = [style if component is field else PROMPT for component in function.inputs]
    number = next(number for number, each in style_app.fns.items() if each is function)
    with prompts_read(pipe) as prompts:
        drawn = style_app(*values, fn_index=number)
    wanted, swapped = f"{PROMPT}, {style} style", f"{style}, {PROMPT} style"
    if words(pipe, swapped) in prompts:
        raise Wrong(
            f"The model was asked for “{swapped}”. The two inputs are the other way around: their "
            "order must be that of the function's arguments."
        )
    if words(pipe, wanted) not in prompts:
        raise Wrong(
            f"With the style {style} chosen, the model should be asked for “{wanted}”. It was "
            f"asked for {' and '.join(f'“{text}”' for text in dict.fromkeys(prompts)) or 'nothing'}"
            ". Does the click call `draw_styled`?"
        )
    if drawn is None:
        raise Wrong(
            "The click draws a picture, but nothing comes back (`None`), so the page stays empty. "
            "Does the function lack its `return`?"
        )


@contextmanager
def counted_calls(pipe: DiffusionPipeline) -> Iterator[list]:
    """A list that grows by one item at each call of the U-Net."""
    calls = []
    handle = pipe.unet.register_forward_hook(lambda *_: calls.append(None))
    try:
        yield calls
    finally:
        handle.remove()


@contextmanager
def prompts_read(pipe: DiffusionPipeline) -> Iterator[list[str]]:
    """The texts that the text encoder is given meanwhile, as the tokenizer writes them."""
    prompts: list[str] = []

    def note(_: object, arguments: tuple, named: dict) -> None:
        ids = arguments[0] if arguments else named["input_ids"]
        prompts.extend(pipe.tokenizer.batch_decode(ids, skip_special_tokens=True))

    handle = pipe.text_encoder.register_forward_pre_hook(note, with_kwargs=True)
    try:
        yield prompts
    finally:
        handle.remove()


def words(pipe: DiffusionPipeline, text: str) -> str:
    """A text as the tokenizer writes it when it has read it."""
    return pipe.tokenizer.decode(pipe.tokenizer(text).input_ids, skip_special_tokens=True)
