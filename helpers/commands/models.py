"""`python -m helpers models` lists the models that `load_pipeline` knows by name."""

from __future__ import annotations

import argparse
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.models.catalogue import Model

WIDTH = 96  # columns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def run(arguments: argparse.Namespace) -> None:
    print(models_table())


def models_table() -> str:
    """The catalogue as text, one paragraph a model."""
    from helpers.models.catalogue import MODELS

    return "\n\n".join(paragraph(name, model) for name, model in MODELS.items())


def paragraph(name: str, model: Model) -> str:
    """One model: what it is, license and terms, where it comes from, what it needs."""
    lines = [
        model.about,
        f"License: {model.licence}. {model.terms}",
        _origin(model),
        f"{model.pipeline_class}, {model.size} x {model.size} pixels; begin with "
        f"num_inference_steps={model.num_inference_steps}, guidance_scale={model.guidance_scale:g}",
        _needs(model),
    ]
    layout = textwrap.TextWrapper(
        WIDTH,
        initial_indent="    ",
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,  # addresses and names stay whole
    )
    return "\n".join([name, *(layout.fill(line) for line in lines)])


def _origin(model: Model) -> str:
    if model.is_embedded:
        here = all(folder.is_dir() for folder in model.folders)
        here = "" if here else ", but is missing from this copy"
        return f"Comes with the course{here}"
    origin = f"Hub: {model.source.hub_id}"
    if model.source.revision:
        origin += f", revision {model.source.revision[:7]}"
    if model.variant:
        origin += f"; has {model.variant} files"
    if model.fallbacks:
        origin += "; else " + ", ".join(source.hub_id for source in model.fallbacks)
    return origin


def _needs(model: Model) -> str:
    """Download and memory, for a GPU (float16) and for the CPU (float32)."""
    if model.is_embedded:
        return "No download; runs on any computer"
    if model.parameters is None:
        return "Size of the download and need of memory: not known"
    from helpers.models.catalogue import GIB

    on_gpu, on_cpu = model.dtype_on("cuda"), model.dtype_on("cpu")
    sizes = [model.download_bytes(half) / 1e9 for half in (True, False)]
    needs = [model.memory_bytes(half) / GIB for half in (True, False)]
    return (
        f"CUDA ({on_gpu}): download {sizes[0]:.1f} GB, memory about {needs[0]:.0f} GiB; "
        f"CPU ({on_cpu}): {sizes[1]:.1f} GB and about {needs[1]:.0f} GiB"
    )
