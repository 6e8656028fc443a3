"""The checks of lesson 01, loading: relations between the learner's values, no stored pictures."""

from collections.abc import Callable

import torch
from diffusers import DiffusionPipeline, UniPCMultistepScheduler
from PIL import Image

from helpers.course.checks import CannotCheck, Wrong, check, describe
from helpers.course.checks.answers import as_number, require_answer, same_picture

# What a scheduler must know of the model's training.
TRAINING_KEYS = (
    "num_train_timesteps",
    "beta_schedule",
    "beta_start",
    "beta_end",
    "prediction_type",
)

COLOR_MODES = ("RGB", "RGBA")


@check("01.parameters")
def parameters(count_parameters: Callable, pipe: DiffusionPipeline) -> str:
    small, larger = torch.nn.Linear(3, 2), torch.nn.Conv2d(2, 4, 3)
    counts = [_count(count_parameters, network) for network in (small, larger)]
    told = f"For a small network with 8 parameters your function returns {counts[0]:g}. "
    if counts == [len(list(network.parameters())) for network in (small, larger)]:
        raise Wrong(
            f"{told}It counts the tensors, not the numbers in them: add up `tensor.numel()`."
        )
    if counts == [sum(map(len, network.parameters())) for network in (small, larger)]:
        raise Wrong(
            f"{told}`len(tensor)` is only the length of the first dimension; `tensor.numel()` "
            "counts all numbers."
        )
    if counts[0] == counts[1]:
        raise Wrong(
            f"Your function returns {counts[0]:g} for two networks of different size. It always "
            "counts the same network: use the `network` that it is given."
        )
    _require_all_and_only_parameters(count_parameters)
    for network in (small, larger, pipe.unet):
        expected, count = _expected(network), _count(count_parameters, network)
        if count != expected:
            raise Wrong(
                f"For a network of class {type(network).__name__} with {expected:,} parameters "
                f"your function returns {count:,.0f}. Add up `tensor.numel()` over all its tensors."
            )
    parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    total = sum(map(_expected, parts))
    share = _expected(pipe.unet) / total
    return f"The U-Net holds {share:.0%} of the {total:,} parameters of this pipeline."


def _require_all_and_only_parameters(count_parameters: Callable) -> None:
    """Frozen parameters count, and what a network keeps beside its parameters does not."""
    frozen = torch.nn.Linear(3, 2).requires_grad_(False)
    if (count := _count(count_parameters, frozen)) != _expected(frozen):
        raise Wrong(
            "For a network with 8 parameters that are frozen, so that training would not change "
            f"them, your function returns {count:g}. They are parameters all the same: count every "
            "tensor of `network.parameters()`."
        )
    with_buffers = torch.nn.BatchNorm1d(4)
    if (count := _count(count_parameters, with_buffers)) != _expected(with_buffers):
        raise Wrong(
            f"For a network with 8 parameters and 9 other numbers your function returns {count:g}. "
            "A state dictionary also holds buffers, which were not learned. Take only what "
            "`network.parameters()` gives."
        )


def _expected(network: torch.nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


def _count(count_parameters: Callable, network: torch.nn.Module) -> float:
    """What the learner's function returns for a network."""
    kind = type(network).__name__
    try:
        answer = count_parameters(network)
    except AttributeError as error:
        if error.name != "num_parameters":
            raise
    else:
        require_answer(answer, f"`count_parameters` of a `{kind}`")
        return as_number(answer, "how many parameters there are, as a number")
    raise Wrong(
        "`num_parameters()` counts right, but only the models of diffusers and transformers have "
        f"it; a plain network of PyTorch, such as `torch.nn.{kind}`, does not. "
        "Count yourself: add up `tensor.numel()` over `network.parameters()`."
    )


@check("01.grid")
def grid(sheet: Image.Image, images: list | tuple) -> str:
    if len(images) != 4 or not all(isinstance(image, Image.Image) for image in images):
        raise CannotCheck(
            f"This check needs `images` to hold four pictures; it is {describe(images)}. Run the "
            "cells of section 3 again."
        )
    if sheet.mode not in COLOR_MODES:
        raise Wrong(
            f"The sheet is of mode {sheet.mode!r}; the pictures need their colors. Make it with "
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
    first = misplaced[0]
    row, column = divmod(first, 2)
    corner = f"Its upper left corner belongs at x = {column * width}, y = {row * height}."
    if _shares_an_edge(cells[first], images[first]):
        raise Wrong(
            f"`images[{first}]` is in row {row}, column {column}, but another picture covers a "
            f"part of it. Does each picture start where the one before it ends? {corner}"
        )
    raise Wrong(f"Row {row}, column {column} does not show `images[{first}]`. {corner}")


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


def _shares_an_edge(cell: Image.Image, image: Image.Image) -> bool:
    """Does a cell show the upper left, or the lower right, half of the picture that belongs in it?

    Then something was pasted over the rest.
    """
    width, height = cell.size
    image = image.convert(cell.mode)
    halves = (
        (0, 0, width // 2, height),
        (0, 0, width, height // 2),
        (width - width // 2, 0, width, height),
        (0, height - height // 2, width, height),
    )
    return any(cell.crop(half).tobytes() == image.crop(half).tobytes() for half in halves)


@check("01.guidance")
def guidance(by_guidance: list | tuple, scales: list | tuple, prompt: str, draw: Callable) -> str:
    if len(by_guidance) != len(scales):
        plural = "s" * (len(by_guidance) != 1)
        raise Wrong(
            f"`by_guidance` has {len(by_guidance)} picture{plural}, but `scales` has "
            f"{len(scales)} numbers. Draw one picture per number: loop over `scales`."
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
    return "One setting changed and all others stayed. That shows what the setting does."


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
            f"`unipc` is the class {unipc.__name__} itself, written without parentheses. Make a "
            "scheduler of it with `.from_config(…)`."
        )
    if not isinstance(unipc, UniPCMultistepScheduler):
        raise Wrong(
            f"`unipc` should be a UniPCMultistepScheduler; it is {describe(unipc)}. Which class "
            "comes before `.from_config`?"
        )
    for key in TRAINING_KEYS:
        trained, given = pipe.scheduler.config.get(key), unipc.config.get(key)
        if trained is not None and trained != given:
            raise Wrong(
                f"In your scheduler `{key}` is {given!r}, but the model was trained with "
                f"{trained!r}. Without the model's configuration a scheduler takes its own "
                "defaults: use `.from_config(pipe.scheduler.config)`."
            )
    if same_picture(quick, draw_with(unipc, prompt, num_inference_steps=8)):
        return "The right scheduler, with the model's own configuration, in 8 steps."
    if same_picture(quick, draw_with(unipc, prompt)):
        raise Wrong("The picture was drawn with the usual steps. Add `num_inference_steps=8`.")
    raise Wrong(
        "`quick` is not what `unipc` draws for `prompt` in 8 steps. Which scheduler did "
        "`draw_with` get? And did anything else change, such as the seed?"
    )
