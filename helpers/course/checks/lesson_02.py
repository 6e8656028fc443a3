"""The checks of lesson 02, seeds and latents: equal tensors, shapes, and pictures drawn again."""

from collections.abc import Callable, Sequence
from numbers import Integral

import torch
from diffusers import AutoencoderKL, DiffusionPipeline, UNet2DConditionModel
from PIL import Image

from helpers.course.checks import Wrong, check, describe
from helpers.course.checks.answers import require_answer, same_picture

NEIGHBOUR_SEED = 6421725739674010
NEIGHBOUR_PROMPT = "a poodle and an astronaut on a purple background"


def noise_of(seed: int, shape: tuple[int, ...]) -> torch.Tensor:
    """The noise of a seed as the lesson draws it: float32, on the CPU."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def equal(answer: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Has an answer the wanted shape and numbers, wherever it is?

    The wanted numbers are rounded as those of the answer: noise for a graphics card is float16.
    """
    if answer.is_floating_point():
        wanted = wanted.to(answer.dtype)
    same_type = answer.dtype == wanted.dtype
    return same_type and torch.equal(answer.detach().cpu(), wanted.detach().cpu())


@check("02.shape")
def shape(latents_shape: Callable, pipe: DiffusionPipeline) -> str:
    factor, channels = pipe.vae_scale_factor, pipe.unet.config.in_channels
    height, width = 16 * factor, 24 * factor
    asked = f"For a picture {height} pixels high and {width} wide"
    answer = _checked_shape(latents_shape(pipe, height, width), asked)
    told = f"{asked} your function returns {answer}"
    if answer == (1, channels, height, width):
        raise Wrong(f"{told}. These are still pixels: divide by `pipe.vae_scale_factor`.")
    if answer == (1, channels, 24, 16):
        raise Wrong(f"{told}. In a tensor the height comes before the width.")
    if answer == (1, channels, height * factor, width * factor):
        raise Wrong(f"{told}. There are fewer latents than pixels: divide instead of multiplying.")
    if answer[1] != channels and answer[2:] == (16, 24):
        raise Wrong(
            f"{told}. The second number is how many channels the latents have, "
            "`pipe.unet.config.in_channels`."
        )
    turned = f"For a picture {width} pixels high and {height} wide"
    if answer == _checked_shape(latents_shape(pipe, width, height), turned):
        raise Wrong(
            f"{told}, and for {width} by {height} pixels it says the same. Work with the `height` "
            "and the `width` that the function is given."
        )
    if answer != (1, channels, 16, 24):
        raise Wrong(
            f"{told}. The order is: one picture, channels, height, width; height and width in "
            "latents."
        )
    asked = "For another model, with 16 channels and 4 pixels per latent, and 128 × 64 pixels"
    answer = _checked_shape(latents_shape(_other_pipeline(pipe), 128, 64), asked)
    if answer != (1, 16, 32, 16):
        raise Wrong(
            "It is right for this model. But for another model, with 16 channels and 4 pixels per "
            f"latent, 128 × 64 pixels need (1, 16, 32, 16), and your function returns {answer}. "
            "Take both numbers from the `pipe` that the function is given."
        )
    return f"Right for this model and for others. Here: {(1, channels, 16, 24)}."


def _other_pipeline(pipe: DiffusionPipeline) -> DiffusionPipeline:
    """A tiny random pipeline, so that numbers that were not read from the pipeline are noticed.

    It has 16 channels and 4 pixels per latent, and its parts are real: a learner may ask any.
    """
    from diffusers import StableDiffusionPipeline  # prints notices, unless a pipeline is loaded

    with torch.random.fork_rng(devices=[]):  # the learner's own random numbers stay as they are
        unet = UNet2DConditionModel(
            sample_size=32,
            in_channels=16,
            out_channels=16,
            block_out_channels=(8,),
            layers_per_block=1,
            norm_num_groups=4,
            attention_head_dim=2,
            cross_attention_dim=8,
            down_block_types=("DownBlock2D",),
            up_block_types=("UpBlock2D",),
            mid_block_type=None,
        )
        vae = AutoencoderKL(
            block_out_channels=(8, 8, 8),
            latent_channels=16,
            norm_num_groups=4,
            sample_size=128,
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
        )
    return StableDiffusionPipeline(
        vae=vae,
        unet=unet,
        scheduler=pipe.scheduler,
        tokenizer=None,
        text_encoder=None,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _checked_shape(answer: object, asked: str) -> tuple[int, ...]:
    """The answer as a tuple of four whole numbers; Wrong when it is anything else."""
    require_answer(answer, f"{asked} your function")
    if isinstance(answer, torch.Tensor) and answer.ndim == 1:
        answer = answer.tolist()
    if not isinstance(answer, tuple | list):
        raise Wrong(f"{asked} your function returns {describe(answer)}, not four numbers.")
    if len(answer) != 4:
        raise Wrong(
            f"{asked} your function returns {tuple(answer)}. A shape of latents has four numbers: "
            "how many pictures, channels, height, width."
        )
    if not all(isinstance(number, Integral) for number in answer):
        raise Wrong(
            f"{asked} your function returns {tuple(answer)}. A shape needs whole numbers: divide "
            "with `//`, since `/` always gives a decimal number."
        )
    return tuple(map(int, answer))


@check("02.same_noise")
def same_noise(latents: torch.Tensor, latents_again: torch.Tensor, seed: int, shape: tuple) -> str:
    for name, tensor in (("latents", latents), ("latents_again", latents_again)):
        if tuple(tensor.shape) != tuple(shape):
            raise Wrong(
                f"`{name}` has the shape {tuple(tensor.shape)}; wanted is `shape`, {tuple(shape)}."
            )
    if latents.dtype != latents_again.dtype:
        raise Wrong(
            f"`latents` holds numbers of type {latents.dtype} and `latents_again` of type "
            f"{latents_again.dtype}. `torch.equal` compares tensors of one type only."
        )
    if latents.data_ptr() == latents_again.data_ptr():
        raise Wrong(
            "`latents` and `latents_again` are two names for one and the same tensor. Draw the "
            "noise a second time, from a new generator."
        )
    generator = torch.Generator().manual_seed(seed)
    expected, next_draw = (torch.randn(shape, generator=generator) for _ in range(2))
    if equal(latents, expected) and equal(latents_again, next_draw):
        raise Wrong(
            "The second tensor is what comes *after* the first in the same generator: the bookmark "
            "has moved. Make a new generator with the same seed."
        )
    even = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    if equal(latents, even):
        raise Wrong(
            "These numbers come from `torch.rand`, which gives numbers between 0 and 1. The noise "
            "of a diffusion model is normal: `torch.randn`, with an n."
        )
    if not equal(latents, latents_again):
        raise Wrong(
            "The two tensors differ. Was one of them drawn with another seed, or with no generator "
            "at all? Give each call a new generator, each with the same seed."
        )
    if not equal(latents, expected):
        raise Wrong(
            f"The two are equal, but they are not the noise of seed {seed}. Does your generator "
            "get this seed, and is it a generator of the CPU?"
        )
    return f"Twice the noise of seed {seed}, equal in every number."


@check("02.neighbour")
def neighbour(
    neighbour_latents: torch.Tensor, neighbour: Image.Image, draw_from: Callable, shape: tuple
) -> str:
    if equal(neighbour_latents, noise_of(42, shape)):
        raise Wrong("This is the noise of seed 42. The message names another seed.")
    if not equal(neighbour_latents, noise_of(NEIGHBOUR_SEED, shape)):
        raise Wrong(
            f"`neighbour_latents` is not the noise of seed {NEIGHBOUR_SEED}. Draw it with "
            "`torch.randn(shape, generator=…)`, from a new generator with this seed."
        )
    wanted = draw_from(neighbour_latents, NEIGHBOUR_PROMPT)
    if neighbour.size != wanted.size:
        raise Wrong(
            f"`neighbour` has {neighbour.width} × {neighbour.height} pixels; wanted is the picture "
            f"as `draw_from` makes it, with {wanted.width} × {wanted.height}. Use `enlarge` only "
            "to show it."
        )
    if not same_picture(neighbour, wanted):
        raise Wrong(
            "The noise is right, but the picture is not what `draw_from` makes of it with "
            "`neighbour_prompt`. Did it get another prompt, or other settings?"
        )
    return "That is your neighbor's picture. One number was enough."


@check("02.batch")
def batch(batch_latents: object, batch_seeds: list | tuple | range, shape: tuple) -> str:
    if isinstance(batch_latents, list | tuple):
        raise Wrong(
            f"`batch_latents` is {describe(batch_latents)}. A pipeline wants one tensor: join them "
            "with `torch.cat`."
        )
    if not isinstance(batch_latents, torch.Tensor):
        raise Wrong(f"`batch_latents` should be a tensor; it is {describe(batch_latents)}.")
    wanted = (len(batch_seeds), *shape[1:])
    if batch_latents.ndim == 5:
        raise Wrong(
            f"The shape is {tuple(batch_latents.shape)}, one dimension too many. `torch.stack` "
            f"adds a new one; `torch.cat` joins along the first. Wanted: {wanted}."
        )
    if tuple(batch_latents.shape) != wanted:
        raise Wrong(f"The shape is {tuple(batch_latents.shape)}; wanted is {wanted}.")
    _check_layers(batch_latents, batch_seeds, shape)
    return "Each picture of the batch has its own seed and can be drawn again alone."


def _check_layers(batch_latents: torch.Tensor, batch_seeds: Sequence, shape: tuple) -> None:
    if equal(batch_latents, noise_of(batch_seeds[0], tuple(batch_latents.shape))):
        raise Wrong(
            "There was one generator for the whole batch, so only the first picture can be drawn "
            "again alone. Make a new generator for each seed."
        )
    if all(equal(batch_latents[0], layer) for layer in batch_latents[1:]):
        raise Wrong(
            "All layers hold the same noise. Does each generator get its own seed of the loop?"
        )
    for index, seed in enumerate(batch_seeds):
        if not equal(batch_latents[index : index + 1], noise_of(seed, shape)):
            raise Wrong(
                f"Layer {index} is not what seed {seed} gives alone. Are the layers in the order "
                "of `batch_seeds`, and is each from a new generator on the CPU?"
            )
