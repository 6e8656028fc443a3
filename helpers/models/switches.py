"""What a pipeline has switched on, besides its weights: LoRAs with their weights, and FreeU.

`set_adapters`, `disable_lora` and `enable_freeu` change every picture and leave no trace in the
weights, so whoever records or remembers pictures has to ask for them. How memory is saved (slices,
tiles, parts that take turns) is not told: it is not meant to change a picture.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

FREEU = ("s1", "s2", "b1", "b2")
"""What `enable_freeu` sets on the blocks of the U-Net's way up."""

Switch = tuple[str, str, object]
"""A layer, what is switched on there, and how."""


def switches(pipe: DiffusionPipeline) -> list[Switch]:
    """Every layer of a pipeline where something is on; two pipelines that draw alike are equal."""
    return [
        (f"{part_name}.{path}", name, value)
        for part_name, part in sorted(pipe.components.items())
        if isinstance(part, torch.nn.Module)
        for path, layer in part.named_modules()
        if hasattr(layer, "lora_alpha") or hasattr(layer, FREEU[0])
        for name, value in (*_adapters(layer), *_freeu(layer))
    ]


def switched_on(pipe: DiffusionPipeline) -> dict[str, object]:
    """The same as settings of a picture, for its record; empty where nothing is on.

    `{"adapters": {"golden": 0.2}, "freeu": {"s1": 0.9, "s2": 0.2, "b1": 1.2, "b2": 1.4}}`. An
    adapter with several weights, by block or by part, has a list of them, the smallest first.
    """
    weights: dict[str, set[float]] = {}
    settings: dict[str, object] = {}
    for _, name, value in switches(pipe):
        if name == "freeu":
            settings["freeu"] = dict(zip(FREEU, value, strict=True))
        else:
            weights.setdefault(name.removeprefix("adapter "), set()).add(value)
    if weights:
        settings["adapters"] = {
            name: min(values) if len(values) == 1 else sorted(values)
            for name, values in sorted(weights.items())
        }
    return settings


def _adapters(layer: torch.nn.Module) -> Iterator[tuple[str, float]]:
    """The LoRAs that change a layer, with the weights that `set_adapters` gave them."""
    if not hasattr(layer, "lora_alpha") or layer.disable_adapters:
        return
    for name in layer.active_adapters:
        if name in layer.scaling:
            own = own_scale(layer, name)
            yield f"adapter {name}", round(layer.scaling[name] / own, 6) if own else 0.0


def own_scale(layer: torch.nn.Module, name: str) -> float:
    """The factor in front of a LoRA's two matrices in a layer at weight 1, by alpha and rank."""
    rank = layer.r[name]
    return layer.lora_alpha[name] / (math.sqrt(rank) if layer.use_rslora[name] else rank)


def _freeu(layer: torch.nn.Module) -> Iterator[tuple[str, tuple]]:
    """FreeU's factors (Si et al. 2023, arXiv:2309.11497), where they are in force."""
    factors = tuple(getattr(layer, name, None) for name in FREEU)
    if all(factors):  # as the blocks themselves ask
        yield "freeu", factors
