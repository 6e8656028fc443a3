"""Model folders in diffusers' layout: is everything there, and is it safe to read?

The checks look at names and at the headers of files only, so they take no time. They run before
the libraries do, which would report the same faults in words that help nobody.
"""

import errno
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.models.hub import pickle_only
from helpers.models.main_memory import main_memory
from helpers.models.shared_parts import KEY, folder_of_all_parts

SAFE_WEIGHTS = re.compile(
    r"(?:diffusion_pytorch_model|model)(?:\.(?P<variant>\w+))?(?:-\d{5}-of-\d{5})?\.safetensors"
)
LFS_NOTE = b"version https://git-lfs.github.com/spec/"
VOCABULARIES = (("tokenizer.json",), ("vocab.json", "merges.txt"))  # a CLIP has one, or both


class Fault(ValueError):
    """A folder holds no whole model; the text says in a sentence what is wrong."""


@dataclass(frozen=True)
class WholeModel:
    """A model's folder that was looked into and can be loaded.

    Attributes:
        folder: It holds model_index.json and a folder for each part, or for some.
        base: The folder that the other parts are taken from; as a rule `folder` itself.
        variant: "fp16" for its files in half precision, `None` for the ordinary ones.
        parameters: Those in the safetensors weights of each part, counted.
    """

    folder: Path
    base: Path
    variant: str | None
    parameters: dict[str, int]


def whole_model(
    folder: Path, variants: Sequence[str | None] = (None,), allow_pickle: bool = False
) -> WholeModel:
    """Look into a folder; the first variant in which it is whole.

    Args:
        folder: It should hold model_index.json and a folder for each part.
        variants: "fp16" asks for the files in half precision. A part that has none of them may
            have ordinary ones, but one part at least must have them.
        allow_pickle: Whether pickle weights (.bin) count.

    Raises:
        Fault: It is whole in none of them; told is what is wrong with the ordinary files.
    """
    faults = {}
    for variant in variants:
        try:
            return _looked_into(folder, variant, allow_pickle)
        except Fault as fault:
            faults[variant] = fault
    raise faults[None if None in faults else variants[-1]]


def _looked_into(folder: Path, variant: str | None, allow_pickle: bool) -> WholeModel:
    entries = _index(folder)
    parts = {folder / name: origin for name, origin in entries.items() if _is_part(name, origin)}
    if variant and not any(weight_files(part, variant) for part in parts):
        raise Fault(f"{folder} has no {variant} weights (*.{variant}.safetensors)")
    parameters = {
        part.name: _part_parameters(part, origin, variant, allow_pickle)
        for part, origin in parts.items()
    }
    base = folder_of_all_parts(folder) if KEY in entries else folder
    if base not in (folder, folder.resolve()):
        parameters = _looked_into(base, variant, allow_pickle).parameters | parameters
    return WholeModel(folder, base, variant, parameters)


def _index(folder: Path) -> dict:
    index = folder / "model_index.json"
    if not index.is_file():
        is_part = (folder / "config.json").is_file()
        raise Fault(
            f"{folder} has no model_index.json"
            + (". It looks like one part of a model: give the folder above it" if is_part else "")
        )
    try:
        entries = json.loads(index.read_text(encoding="utf-8"))
    except ValueError as error:
        raise Fault(f"{index} is not valid JSON ({error})") from error
    if not isinstance(entries, dict):
        raise Fault(f"{index} must hold a JSON object that names the parts; got {entries!r:.40}")
    return entries


def weight_files(part: Path, variant: str | None = None) -> list[Path]:
    """The safetensors files of one part: those of the variant, or the ordinary ones for `None`."""
    matches = [(file, SAFE_WEIGHTS.fullmatch(file.name)) for file in sorted(part.glob("*"))]
    return [file for file, match in matches if match and match["variant"] == variant]


def _is_part(name: str, origin: object) -> bool:
    """Whether an entry of model_index.json names a part that must be there."""
    pair = isinstance(origin, list) and all(isinstance(word, str) for word in origin)
    return pair and not name.startswith("_")


def _part_parameters(part: Path, origin: list[str], variant: str | None, allow_pickle: bool) -> int:
    """How many parameters a part's weights hold; Fault if the part is not whole."""
    if not part.is_dir():
        raise Fault(f"model_index.json names the part {part.name!r}, but there is no folder {part}")
    if found := pointer_fault([*part.glob("*.json"), *part.glob("*.txt")]):
        raise Fault(found)
    if any(word.startswith("CLIPTokenizer") for word in origin):
        if found := tokenizer_fault(part):
            raise Fault(found)
        return 0
    if not (part / "config.json").is_file():  # only networks have one, and only they have weights
        return 0
    files = weight_files(part, variant) or weight_files(part)
    if not files and any(part.glob("*.bin")):
        if allow_pickle:
            return 0
        raise Fault(pickle_only(str(part)))
    if not files:
        other = any(part.glob("*.safetensors"))
        raise Fault(
            f"{part} holds no weights"
            + (" in the precision that was asked for" if other else " (no .safetensors file)")
        )
    return sum(map(count_parameters, files))


def tokenizer_fault(folder: Path) -> str | None:
    """What a folder lacks to hold the tokenizer of a CLIP, or `None`.

    Without its vocabulary the library makes a tokenizer that knows no word, and says nothing.
    """
    if any(all((folder / file).is_file() for file in files) for files in VOCABULARIES):
        return None
    return f"{folder} lacks {' or '.join(map(' and '.join, VOCABULARIES))}, the tokenizer's words"


def count_parameters(file: Path) -> int:
    """How many parameters a safetensors file holds. Only its header is read.

    Raises Fault, which says what to do, for a file that cannot be used, and MemoryError where
    there is not even room to look at it.
    """
    from safetensors import SafetensorError

    try:
        if found := pointer_fault([file]):
            raise Fault(found)
        return sum(map(math.prod, weight_shapes(file).values()))
    except OSError as error:
        if error.errno == errno.ENOMEM:
            raise MemoryError(f"there is no memory to open {file} ({main_memory()})") from error
        raise Fault(f"{file} cannot be read ({error.strerror or error})") from error
    except SafetensorError as error:
        raise Fault(
            f"{file} is damaged or cut short, perhaps by an interrupted download ({error}). "
            "Delete it and fetch it again"
        ) from error


def weight_shapes(file: Path) -> dict[str, list[int]]:
    """Names and shapes of a safetensors file's weights, from its header; raises as the library."""
    from safetensors import safe_open

    with safe_open(file, framework="numpy") as weights:
        return {name: weights.get_slice(name).get_shape() for name in weights.keys()}


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
