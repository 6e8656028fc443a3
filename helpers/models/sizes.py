"""The sizes in which a model was trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline


def latent_size(pipe: DiffusionPipeline) -> tuple[int, int]:
    """Height and width of the latents that the U-Net was trained on."""
    size = pipe.unet.config.sample_size
    return (size, size) if isinstance(size, int) else tuple(size)


def native_size(pipe: DiffusionPipeline) -> tuple[int, int]:
    """Height and width in pixels of the pictures that the U-Net was trained on."""
    height, width = latent_size(pipe)
    return height * pipe.vae_scale_factor, width * pipe.vae_scale_factor
