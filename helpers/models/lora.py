"""LoRA files: small additions to a model's weights, saved apart from it.

A LoRA (Hu et al. 2021, arXiv:2106.09685) is what fine-tuning of this kind writes: two thin
matrices for each attention layer that it changes. It is loaded on top of the model that it was
trained with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.base.paths import usable_path
from helpers.base.quiet import quiet
from helpers.models.folder import pointer_fault, weight_shapes
from helpers.models.hub import HUB_ID, Repository, first_line

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

STANDARD_NAME = "pytorch_lora_weights.safetensors"  # what diffusers' save_lora_weights writes


class Misfit(ValueError):
    """A LoRA that was made for another kind of model."""


@dataclass(frozen=True)
class LoraFile:
    """A safetensors file with LoRA weights.

    Attributes:
        path: Where it is.
        text_width: Width of the encoder hidden states that its cross-attention reads; `None` if it
            does not change that.
    """

    path: Path
    text_width: int | None


def lora_file(path: str | Path, instead: Callable[[], str] = str) -> LoraFile:
    """The LoRA that a learner names.

    Args:
        path: The file; a folder that holds it; or a repository on the hub.
        instead: Says what works where the hub does not.

    Raises:
        TypeError: `path` is neither text nor a path.
        FileNotFoundError: There is nothing of this name.
        ValueError: It holds no LoRA, or several.
    """
    if not isinstance(path, str | Path):
        raise TypeError(f"lora must be a file or a folder; got {path!r} ({type(path).__name__})")
    place = usable_path(path)
    if place is None:
        raise FileNotFoundError(f"lora: there is no file or folder {str(path)!r:.80}")
    if not place.exists() and isinstance(path, str) and HUB_ID.fullmatch(path):
        place = Repository(path, instead=instead).download_files(["*.safetensors"])
    if place.is_dir():
        if found := pointer_fault(sorted(place.glob("*.safetensors"))):
            raise ValueError(f"lora: {found}")
        if found := lora_in(place):
            return found
        raise ValueError(
            f"lora must be a folder with one LoRA file (.safetensors); it has none: {place}"
        )
    if not place.is_file():
        raise FileNotFoundError(
            f"lora: there is no file or folder {str(path)!r} (looked for {place.absolute()})"
        )
    if found := pointer_fault([place]):
        raise ValueError(f"lora: {found}")
    if found := read_lora(place):
        return found
    raise ValueError(f"lora: {place} is no safetensors file with LoRA weights")


def lora_in(folder: Path) -> LoraFile | None:
    """The LoRA of a folder: the file with diffusers' name, or the only one; `None` without any.

    Raises ValueError if there are several.
    """
    files = sorted(folder.glob("*.safetensors"))
    loras = [found for file in files if (found := read_lora(file))]
    loras = [one for one in loras if one.path.name == STANDARD_NAME] or loras
    if len(loras) > 1:
        raise ValueError(
            f"lora must be a folder with one LoRA file (.safetensors); it has {len(loras)}: give "
            f"one of the files: {folder}"
        )
    return loras[0] if loras else None


def read_lora(file: Path) -> LoraFile | None:
    """What a safetensors file's header says of a LoRA, in the names of diffusers or kohya.

    `None` if the file holds none, or is no such file.
    """
    try:
        shapes = weight_shapes(file)
    except Exception:  # safetensors has a class of its own, the file system others
        return None
    if not any("lora" in name for name in shapes):
        return None
    for name, shape in shapes.items():
        thin_end = "lora_A" in name or "lora.down" in name or "lora_down" in name
        if "attn2" in name and "to_k" in name and thin_end and len(shape) > 1:
            return LoraFile(file, shape[1])
    return LoraFile(file, None)


def load_lora(pipe: DiffusionPipeline, lora: LoraFile) -> None:
    """Load a LoRA on top of a pipeline; Misfit if it was made for another kind of model."""
    file = lora.path
    with quiet(progress_bars=False):  # it speaks of parts that the LoRA leaves as they are
        try:
            pipe.load_lora_weights(str(file.parent), weight_name=file.name, local_files_only=True)
        except Exception as error:  # whatever shapes and names that do not fit make peft raise
            from helpers.models.causes import other_cause

            if other := other_cause(error, f"the LoRA {file}"):
                raise other from error
            raise Misfit(_misfit(pipe, file, first_line(error))) from error
    names = sorted({name for part in pipe.get_list_adapters().values() for name in part})
    if len(names) > 1:
        pipe.set_adapters(names)  # without a word diffusers uses the newest only
    if not names:  # diffusers only warns
        raise Misfit(_misfit(pipe, file, "none of its weights has a place there"))


def _misfit(pipe: DiffusionPipeline, file: Path, reason: str) -> str:
    return (
        f"lora: {file} does not fit on this {type(pipe).__name__} ({reason}). Load the model that "
        "it was trained with as name_or_path."
    )
