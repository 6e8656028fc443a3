"""Seeded latents: the noise that a picture starts from, as a function of its seed."""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import TYPE_CHECKING

import torch

from helpers.base.seeds import checked_seeds
from helpers.base.values import shown
from helpers.models.sizes import latent_size

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline


def seeded_latents(
    pipe: DiffusionPipeline,
    seed_or_seeds: int | Iterable[int],
    height: int | None = None,
    width: int | None = None,
) -> torch.Tensor:
    """Draw the starting noise of one image a seed.

    Each image has a generator of its own, so its noise depends on its seed alone, not on the
    images beside it. The noise is drawn on the CPU in float32 and then moved to the device where
    `pipe` computes and to its dtype, so a seed gives the same noise on every computer. It is not
    yet multiplied by the scheduler's `init_noise_sigma`: `pipe(latents=...)` does that.

    torch's CPU generator uses the lowest 32 bits of a seed: two seeds that are 2**32 apart give
    the same noise.

    Args:
        pipe: A pipeline that denoises latents with a U-Net, as `load_pipeline` returns it.
        seed_or_seeds: A whole number from 0 to 2**63 - 1, or several.
        height, width: Size of the images in pixels, multiples of the VAE's factor (8 in Stable
            Diffusion). `None` takes the size that the model was trained on.

    Returns:
        A tensor of shape (number of seeds, latent channels, height / 8, width / 8).

    Raises:
        TypeError: A seed or a size is no whole number, or `pipe` has no U-Net.
        ValueError: A seed is out of range, there is no seed, or a size does not fit the VAE.
    """
    seeds = checked_seeds(seed_or_seeds)
    shape = latent_shape(pipe, height, width)
    noise = [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    # Where the pipeline's own latents go. `pipe.device` is where the weights wait, which with
    # offloading is main memory, or "meta", a device that keeps no numbers.
    return torch.stack(noise).to(device=pipe._execution_device, dtype=pipe.unet.dtype)


def latent_shape(
    pipe: DiffusionPipeline, height: int | None = None, width: int | None = None
) -> tuple[int, int, int]:
    """(channels, height, width) of one image's latents; `height` and `width` as above, in pixels.

    Raises what `seeded_latents` raises for a pipeline or a size.
    """
    if getattr(pipe, "unet", None) is None or not hasattr(pipe, "vae_scale_factor"):
        raise TypeError(
            "pipe must be a pipeline with a U-Net and a VAE, such as load_pipeline() returns; "
            f"got {type(pipe).__name__}"
        )
    factor = pipe.vae_scale_factor
    own_height, own_width = latent_size(pipe)
    return (
        pipe.unet.config.in_channels,
        own_height if height is None else _checked_size("height", height, factor) // factor,
        own_width if width is None else _checked_size("width", width, factor) // factor,
    )


def interpolate(first: torch.Tensor, second: torch.Tensor, share: float) -> torch.Tensor:
    """Latents on the way from one noise to another, along the sphere on which noise lies.

    A plain mean of two noises is weaker than either, and the U-Net has never seen such latents.
    This keeps the strength (spherical interpolation: Shoemake 1985, doi:10.1145/325165.325242;
    for latents White 2016, arXiv:1609.04468).

    Args:
        first, second: Latents of one shape, (images, channels, height, width).
        share: How much of the way: 0 gives `first`, 1 gives `second`.

    Returns:
        Latents of the same shape, device and dtype. Two that are equal, or point the same way,
        are joined by a straight line.

    Raises:
        ValueError: The shapes differ, or `share` is not from 0 to 1.
    """
    if first.shape != second.shape:
        raise ValueError(
            "first and second must have one shape; got "
            f"{tuple(first.shape)} and {tuple(second.shape)}"
        )
    if not 0 <= share <= 1:
        raise ValueError(f"share must be between 0 and 1; got {share}")
    one, other = (latents.flatten(1).double() for latents in (first, second))
    cosine = torch.nn.functional.cosine_similarity(one, other).clamp(-1, 1)[:, None]
    angle = cosine.acos()
    sine = angle.sin()
    straight = sine < 1e-6  # the two formulas agree there, and the other one divides by zero
    sine = sine.where(~straight, 1)
    weight_one = ((1 - share) * angle).sin().div(sine).where(~straight, 1 - share)
    weight_other = (share * angle).sin().div(sine).where(~straight, share)
    return (weight_one * one + weight_other * other).view(first.shape).to(first.dtype)


def _checked_size(name: str, size: object, factor: int) -> int:
    if isinstance(size, bool) or not isinstance(size, Integral):
        raise TypeError(f"{name} must be a whole number of pixels; got {shown(size)}")
    if size <= 0:
        raise ValueError(f"{name} must be greater than zero; got {size}")
    if size % factor:
        below = size // factor * factor
        near = f"{below} or {below + factor}" if below else f"{factor}"
        raise ValueError(
            f"{name} must be divisible by {factor}, because one latent stands for {factor} "
            f"pixels; got {size} (the nearest sizes are {near})"
        )
    return int(size)
