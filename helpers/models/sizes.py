"""The sizes of a model: of the latents and pictures that it was trained on, and of its weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline


def latent_size(pipe: DiffusionPipeline) -> tuple[int, int]:
    """Height and width of the latents that the U-Net was trained on."""
    size = pipe.unet.config.sample_size
    return (size, size) if isinstance(size, int) else tuple(size)


def native_size(pipe: DiffusionPipeline) -> tuple[int, int]:
    """Height and width in pixels of the pictures that the U-Net was trained on."""
    height, width = latent_size(pipe)
    return height * pipe.vae_scale_factor, width * pipe.vae_scale_factor


def parameter_count(parameters: Iterable[torch.Tensor]) -> int:
    """How many parameters there are in these tensors, such as `pipe.unet.parameters()`."""
    return sum(tensor.numel() for tensor in parameters)
