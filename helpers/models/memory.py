"""Where a pipeline computes when memory is short: all at once, in slices, or part by part."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

import torch

from helpers.base.warn import warn_learner
from helpers.models.catalogue import GIB, SPARE, decoding_bytes
from helpers.models.sizes import native_size

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

TILED = 4
"""How many times less the VAE takes to decode in tiles of half the height and width."""


class Plan(Enum):
    """How to use a device, from the fastest to the one that takes least memory."""

    WHOLE = "all parts stay on it"
    SLICED = "all parts stay on it, and the VAE decodes in slices and tiles"
    BY_PART = "the parts take turns on it, which is slower"
    BY_LAYER = "the layers take turns on it, which is many times slower"


@dataclass(frozen=True)
class Need:
    """What a pipeline takes, in bytes.

    Attributes:
        weights: Of all parts.
        largest: Of the largest part.
        decoding: Of the VAE while it decodes one picture of the native size.
    """

    weights: int
    largest: int
    decoding: int

    @property
    def total(self) -> int:
        return self.weights + self.decoding + SPARE


def need_of(pipe: DiffusionPipeline) -> Need:
    """Work out the need from the pipeline's own weights and configuration."""
    parts = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    sizes = [sum(w.numel() * w.element_size() for w in part.parameters()) for part in parts]
    channels = pipe.vae.config.block_out_channels
    itemsize = next(pipe.vae.parameters()).element_size()
    decoding = decoding_bytes(*native_size(pipe), itemsize, channels[min(1, len(channels) - 1)])
    return Need(sum(sizes), max(sizes), decoding)


def plan(free: int, need: Need) -> Plan:
    """The fastest plan that fits into `free` bytes."""
    if need.total <= free:
        return Plan.WHOLE
    tiled = need.decoding // TILED + SPARE
    if need.weights + tiled <= free:
        return Plan.SLICED
    return Plan.BY_PART if need.largest + tiled <= free else Plan.BY_LAYER


def place(pipe: DiffusionPipeline, device: torch.device, name: str) -> DiffusionPipeline:
    """Put a pipeline on a device so that it fits, and warn if that makes it slower.

    Returns the pipeline.
    """
    if device.type == "cpu":
        return pipe.to(device)
    free = free_bytes(device)
    need = need_of(pipe)
    chosen = plan(free, need)
    if device.type == "mps" and chosen in (Plan.BY_PART, Plan.BY_LAYER):
        chosen = Plan.SLICED  # main memory is the GPU's memory there: turns would save nothing
    if chosen is not Plan.WHOLE:
        warn_learner(
            f"{name!r} wants about {need.total / GIB:.1f} GiB on {device}, and {free / GIB:.1f} "
            f"GiB are free: {chosen.value}."
        )
        _decode_in_tiles(pipe)
    if chosen is Plan.BY_PART:
        pipe.enable_model_cpu_offload(device=device)
    elif chosen is Plan.BY_LAYER:
        pipe.enable_sequential_cpu_offload(device=device)
    else:
        if device.type == "mps" and chosen is Plan.SLICED:
            pipe.enable_attention_slicing()  # as diffusers' documentation for Macs advises
        pipe.to(device)
    return pipe


def _decode_in_tiles(pipe: DiffusionPipeline) -> None:
    """One picture after the other, and each in tiles of half its native height and width.

    `enable_tiling` alone takes tiles of the size that the VAE was trained on, which are often the
    whole picture.
    """
    pipe.vae.enable_slicing()
    pipe.vae.enable_tiling()
    side = min(native_size(pipe)) // 2
    pipe.vae.tile_sample_min_size = side
    pipe.vae.tile_latent_min_size = side // pipe.vae_scale_factor


def free_bytes(device: torch.device) -> int:
    """Free memory of a GPU."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
