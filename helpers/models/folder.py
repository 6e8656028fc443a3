"""Model folders in diffusers' layout: is everything there, and is it safe to read?

The checks look at names and at the heads of files only, so they take no time. They run before
the libraries do, which would report the same faults in words that help nobody.
"""

import errno
import json
import math
import re
from collections.abc import Iterable
from pathlib import Path

from helpers.models.hub import pickle_only
from helpers.models.main_memory import main_memory
from helpers.models.shared_parts import KEY, whole_folder

SAFE_WEIGHTS = re.compile(
    r"(?:diffusion_pytorch_model|model)(?:\.(?P<variant>\w+))?(?:-\d{5}-of-\d{5})?\.safetensors"
)
LFS_NOTE = b"version https://git-lfs.github.com/spec/"
VOCABULARIES = (("tokenizer.json",), ("vocab.json", "merges.txt"))  # a CLIP has one, or both


def fault(folder: Path, variant: str | None = None, allow_pickle: bool = False) -> str | None:
    """What is wrong with a model's folder, in a sentence; `None` if it can be loaded.

    Args:
        folder: It should hold model_index.json and a folder for each part.
        variant: "fp16" to ask for the files in half precision. A part that has none of them
            may have ordinary ones, but one part at least must have them.
        allow_pickle: Whether pickle weights (.bin) count.
    """
    index = folder / "model_index.json"
    if not index.is_file():
        is_part = (folder / "config.json").is_file()
        return f"{folder} has no model_index.json" + (
            ". It looks like one part of a model: give the folder above it" if is_part else ""
        )
    try:
        entries = json.loads(index.read_text(encoding="utf-8"))
    except ValueError as error:
        return f"{index} is no valid JSON ({error})"
    if not isinstance(entries, dict):
        return f"{index} must hold a JSON object that names the parts; got {entries!r:.40}"
    parts = {folder / name: origin for name, origin in entries.items() if _is_part(name, origin)}
    for part, origin in parts.items():
        if found := _part_fault(part, origin, variant, allow_pickle):
            return found
    if variant and not any(weight_files(part, variant) for part in parts):
        return f"{folder} has no {variant} weights (*.{variant}.safetensors)"
    whole = whole_folder(folder) if KEY in entries else folder
    return None if whole in (folder, folder.resolve()) else fault(whole, variant, allow_pickle)


def weight_files(part: Path, variant: str | None = None) -> list[Path]:
    """The safetensors files of one part: those of the variant, or the ordinary ones for `None`."""
    matches = [(file, SAFE_WEIGHTS.fullmatch(file.name)) for file in sorted(part.glob("*"))]
    return [file for file, match in matches if match and match["variant"] == variant]


def count_numbers(folder: Path, variant: str | None = None) -> int:
    """How many numbers the safetensors weights of a model's folder hold."""
    from safetensors import safe_open

    count = 0
    for part in folder.glob("*/"):
        for file in weight_files(part, variant) or weight_files(part):
            with safe_open(file, framework="numpy") as weights:
                names = list(weights.keys())
                count += sum(math.prod(weights.get_slice(name).get_shape()) for name in names)
    return count


def _is_part(name: str, origin) -> bool:
    """Whether an entry of model_index.json names a part that must be there."""
    pair = isinstance(origin, list) and all(isinstance(word, str) for word in origin)
    return pair and not name.startswith("_")


def _part_fault(
    part: Path, origin: list[str], variant: str | None, allow_pickle: bool
) -> str | None:
    if not part.is_dir():
        return f"model_index.json names the part {part.name!r}, but there is no folder {part}"
    if found := pointer_fault([*part.glob("*.json"), *part.glob("*.txt")]):
        return found
    if any(word.startswith("CLIPTokenizer") for word in origin):
        return tokenizer_fault(part)
    if not (part / "config.json").is_file():  # only networks have one, and only they have weights
        return None
    files = weight_files(part, variant) or weight_files(part)
    if not files:
        if not any(part.glob("*.bin")):
            other = any(part.glob("*.safetensors"))
            return f"{part} holds no weights" + (
                " in the precision that was asked for" if other else " (no .safetensors file)"
            )
        return None if allow_pickle else pickle_only(str(part))
    return next(filter(None, map(file_fault, files)), None)


def tokenizer_fault(folder: Path) -> str | None:
    """What a folder lacks to hold the tokenizer of a CLIP, or `None`.

    Without its vocabulary the library makes a tokenizer that knows no word, and says nothing.
    """
    if any(all((folder / file).is_file() for file in files) for files in VOCABULARIES):
        return None
    return f"{folder} lacks {' or '.join(map(' and '.join, VOCABULARIES))}, the tokenizer's words"


def file_fault(file: Path) -> str | None:
    """What is wrong with a file of weights, and what to do, or `None`. Only its head is read.

    Raises MemoryError if there is not even room to look at it.
    """
    from safetensors import SafetensorError, safe_open

    try:
        if found := pointer_fault([file]):
            return found
        with safe_open(file, framework="numpy"):
            return None
    except (SafetensorError, OSError) as error:
        if getattr(error, "errno", None) == errno.ENOMEM or "allocate memory" in str(error):
            raise MemoryError(f"there is no memory to open {file} ({main_memory()})") from error
        if isinstance(error, OSError):
            return f"{file} cannot be read ({error.strerror or error})"
        return (
            f"{file} is damaged or cut short, perhaps by an interrupted download ({error}). "
            "Delete it and fetch it again"
        )


def pointer_fault(files: Iterable[Path]) -> str | None:
    """What to do about a file in the place of which Git LFS left a note, or `None`.

    That is what `git clone` brings where Git LFS is not installed.
    """
    for file in files:
        with open(file, "rb") as opened:
            if opened.read(len(LFS_NOTE)) == LFS_NOTE:
                return (
                    f"{file} is only a pointer of Git LFS, not the file itself. In its folder, run "
                    "`git lfs install` and `git lfs pull`"
                )
    return None
