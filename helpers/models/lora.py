"""LoRA files: small additions to a model's weights, saved apart from it.

A LoRA (Hu et al. 2021, arXiv:2106.09685) is what fine-tuning of this kind writes: two thin
matrices for each attention layer that it changes. It is loaded on top of the model that it was
trained with.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.base.paths import usable_path
from helpers.base.quiet import quiet
from helpers.models.folder import pointer_fault
from helpers.models.hub import HUB_ID, Repository, first_line

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

STANDARD_NAME = "pytorch_lora_weights.safetensors"  # what diffusers' save_lora_weights writes


class Misfit(ValueError):
    """A LoRA that was made for another kind of model."""


def lora_file(path: str | Path, instead: Callable[[], str] = str) -> Path:
    """The safetensors file of a LoRA.

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
    candidates = [place] if place.is_file() else sorted(place.glob("*.safetensors"))
    if found := pointer_fault(candidates):
        raise ValueError(f"lora: {found}")
    if place.is_file():
        if not is_lora(place):
            raise ValueError(f"lora: {place} is no safetensors file with LoRA weights")
        return place
    if not place.is_dir():
        raise FileNotFoundError(
            f"lora: there is no file or folder {str(path)!r} (looked for {place.absolute()})"
        )
    files = [place / STANDARD_NAME] if is_lora(place / STANDARD_NAME) else loras_in(place)
    if len(files) != 1:
        found = f"it has {len(files)}: give one of the files" if files else "it has none"
        raise ValueError(
            f"lora must be a folder with one LoRA file (.safetensors); {found}: {place}"
        )
    return files[0]


def loras_in(folder: Path) -> list[Path]:
    """The LoRA files of a folder."""
    return [file for file in sorted(folder.glob("*.safetensors")) if is_lora(file)]


def is_lora(file: Path) -> bool:
    """Whether it is a safetensors file with LoRA weights, in the names of diffusers or kohya."""
    return file.is_file() and any("lora" in name for name in _shapes(file))


def text_width(file: Path) -> int | None:
    """Width of the text states that the LoRA's cross-attention reads, if it changes that."""
    for name, shape in _shapes(file).items():
        thin_end = "lora_A" in name or "lora.down" in name or "lora_down" in name
        if "attn2" in name and "to_k" in name and thin_end and len(shape) > 1:
            return shape[1]
    return None


def load_lora(pipe: DiffusionPipeline, file: Path) -> None:
    """Load a LoRA on top of a pipeline; Misfit if it was made for another kind of model."""
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


def _shapes(file: Path) -> dict[str, list[int]]:
    """Names and shapes of a safetensors file's weights; none if it is no such file."""
    from safetensors import safe_open

    try:
        with safe_open(file, framework="numpy") as weights:
            return {name: weights.get_slice(name).get_shape() for name in weights.keys()}
    except Exception:  # safetensors has a class of its own, the file system others
        return {}
