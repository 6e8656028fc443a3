"""The checks of lesson 01, loading: relations between the learner's values, no stored pictures."""

from collections.abc import Callable

import torch
from diffusers import DiffusionPipeline, UniPCMultistepScheduler
from PIL import Image

from helpers.course.checks import CannotCheck, Wrong, check, describe
from helpers.course.checks.answers import require_answer, same_picture

# What a scheduler must know of the model's training.
TRAINING_KEYS = (
    "num_train_timesteps",
    "beta_schedule",
    "beta_start",
    "beta_end",
    "prediction_type",
)

COLOUR_MODES = ("RGB", "RGBA")


@check("01.parameters")
def parameters(count_parameters: Callable, pipe: DiffusionPipeline) -> str:
    small, larger = torch.nn.Linear(3, 2), torch.nn.Conv2d(2, 4, 3)
    counts = [_count(count_parameters, network) for network in (small, larger)]
    require_answer(counts[0])
    if counts == [len(list(network.parameters())) for network in (small, larger)]:
        raise Wrong(
            f"For a small network with 8 parameters your function says {counts[0]}. It counts the "
            "tensors, not the numbers in them: add up `tensor.numel()`."
        )
    if counts == [sum(map(len, network.parameters())) for network in (small, larger)]:
        raise Wrong(
            f"For a small network with 8 parameters your function says {counts[0]}. `len(tensor)` "
            "is only the length of the first dimension; `tensor.numel()` counts all numbers."
        )
    if counts[0] == counts[1]:
        raise Wrong(
            f"Your function says {counts[0]} for two networks of different size. It always counts "
            "the same network: use the `network` that it is given."
        )
    for network, count in zip((small, larger, pipe.unet), [*counts, None], strict=True):
        count = count_parameters(network) if count is None else count
        expected = sum(tensor.numel() for tensor in network.parameters())
        if count != expected:
            raise Wrong(
                f"For a network of class {type(network).__name__} with {expected:,} parameters "
                f"your function says {count}. Add up `tensor.numel()` over all its tensors."
            )
    total = sum(
        count_parameters(part)
        for part in pipe.components.values()
        if isinstance(part, torch.nn.Module)
    )
    share = count_parameters(pipe.unet) / total
    return f"The U-Net holds {share:.0%} of the {total:,} parameters of this pipeline."


def _count(count_parameters: Callable, network: torch.nn.Module) -> object:
    """What the learner's function says of a network that is none of the libraries' models."""
    try:
        return count_parameters(network)
    except AttributeError as error:
        if error.name != "num_parameters":
            raise
    raise Wrong(
        "`num_parameters()` counts right, but only the models of diffusers and transformers have "
        f"it; a plain network of PyTorch, such as `torch.nn.{type(network).__name__}`, has not. "
        "Count yourself: add up `tensor.numel()` over `network.parameters()`."
    )


@check("01.grid")
def grid(sheet: Image.Image, images: list) -> str:
    if len(images) != 4 or not all(isinstance(image, Image.Image) for image in images):
        raise CannotCheck(
            f"This check needs `images` to hold four pictures; it is {describe(images)}. Run the "
            "cells of section 3 again."
        )
    if sheet.mode not in COLOUR_MODES:
        raise Wrong(
            f"The sheet is of mode {sheet.mode!r}; the pictures need their colours. Make it with "
            '`Image.new("RGB", …)`.'
        )
    width, height = images[0].size
    _check_sheet_size(sheet, width, height)
    if sheet.getbbox() is None:
        raise Wrong("The sheet is still black: nothing was pasted. Use `sheet.paste(…)`.")
    corners = [(x, y) for y in (0, height) for x in (0, width)]
    cells = [sheet.crop((x, y, x + width, y + height)) for x, y in corners]
    misplaced = _misplaced(cells, images)
    if not misplaced:
        return "Four pictures, each in its place."
    on_top = not _misplaced(cells[:1], images[3:])
    if on_top and all(cell.getbbox() is None for cell in cells[1:]):
        raise Wrong(
            "All four pictures are on top of one another in the upper left corner. The place must "
            "depend on `row` and `column`."
        )
    if not _misplaced(cells, [images[index] for index in (0, 2, 1, 3)]):
        raise Wrong(
            "The second and the third picture have changed places. In `paste(picture, (x, y))` "
            "x comes first, the distance from the left: it belongs to the column, y to the row."
        )
    row, column = divmod(misplaced[0], 2)
    raise Wrong(
        f"In row {row}, column {column} there is not exactly `images[{misplaced[0]}]`. Its upper "
        f"left corner belongs at x = {column * width}, y = {row * height}."
    )


def _check_sheet_size(sheet: Image.Image, width: int, height: int) -> None:
    if sheet.size == (2 * width, 2 * height):
        return
    told = f"It has {sheet.width} × {sheet.height} pixels"
    if sheet.size == (width, height):
        raise Wrong(
            f"The sheet is only as large as one single picture. {told}, and two rows of two need "
            "twice the width and twice the height."
        )
    if sheet.size in ((4 * width, height), (width, 4 * height)):
        line = "row" if sheet.width > sheet.height else "column"
        raise Wrong(f"The pictures are all in one {line}. {told}; wanted are two rows of two.")
    raise Wrong(
        f"The sheet has the wrong size. {told}; two rows of two pictures without gaps need "
        f"{2 * width} × {2 * height}."
    )


def _misplaced(cells: list[Image.Image], images: list[Image.Image]) -> list[int]:
    """The cells that do not hold exactly the picture of the same place, by index."""
    pairs = enumerate(zip(cells, images, strict=True))
    return [
        index
        for index, (cell, image) in pairs
        if cell.tobytes() != image.convert(cell.mode).tobytes()
    ]


@check("01.guidance")
def guidance(by_guidance: list, scales: list, prompt: str, draw: Callable) -> str:
    if len(by_guidance) != len(scales):
        plural = "s" * (len(by_guidance) != 1)
        raise Wrong(
            f"`by_guidance` has {len(by_guidance)} picture{plural}, but `scales` has "
            f"{len(scales)} numbers. Draw one picture for each: loop over `scales`."
        )
    for item in by_guidance:
        if not isinstance(item, Image.Image):
            raise Wrong(f"`by_guidance` should hold pictures; it holds {describe(item)}.")
    if len(scales) > 1 and len({picture.tobytes() for picture in by_guidance}) == 1:
        raise Wrong(
            "The pictures are all the same. Does `draw` get the number of the loop, "
            "`guidance_scale=…`?"
        )
    for index, (picture, scale) in enumerate(zip(by_guidance, scales, strict=True)):
        if not same_picture(picture, draw(prompt, guidance_scale=scale)):
            raise Wrong(
                f"`by_guidance[{index}]` is not what `prompt` gives with guidance scale "
                f"{scale} and everything else as usual. Did another setting change, such "
                "as the seed or the prompt, or are the pictures in another order?"
            )
    return "One knob turned, everything else held fast. That is how to see what a knob does."


@check("01.scheduler")
def scheduler(
    unipc: object,
    quick: Image.Image,
    pipe: DiffusionPipeline,
    prompt: str,
    draw_with: Callable,
) -> str:
    if isinstance(unipc, type):
        raise Wrong(
            f"`unipc` is the class {unipc.__name__} itself, written without brackets. Make a "
            "scheduler of it with `.from_config(…)`."
        )
    if not isinstance(unipc, UniPCMultistepScheduler):
        raise Wrong(
            f"`unipc` should be a UniPCMultistepScheduler; it is {describe(unipc)}. Which class "
            "stands before `.from_config`?"
        )
    for key in TRAINING_KEYS:
        trained, given = pipe.scheduler.config.get(key), unipc.config.get(key)
        if trained is not None and trained != given:
            raise Wrong(
                f"Your scheduler believes that `{key}` is {given!r}, but the model was trained "
                f"with {trained!r}. Without the model's configuration it takes its own defaults: "
                "use `.from_config(pipe.scheduler.config)`."
            )
    if same_picture(quick, draw_with(unipc, prompt, num_inference_steps=8)):
        return "The right scheduler, with the model's own configuration, in 8 steps."
    if same_picture(quick, draw_with(unipc, prompt)):
        raise Wrong("The picture was drawn with the usual steps. Add `num_inference_steps=8`.")
    raise Wrong(
        "`quick` is not what `unipc` draws for `prompt` in 8 steps. Which scheduler did "
        "`draw_with` get? And did anything else change, such as the seed?"
    )
