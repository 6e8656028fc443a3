"""Model folders that hold a U-Net and take the other parts from the folder beside them.

A distilled U-Net works with the VAE and the text encoder of its teacher, so its folder needs no
copy of them. It may have a scheduler of its own. Its model_index.json names the teacher's folder
under "_parts_from".
"""

import json
from pathlib import Path

KEY = "_parts_from"


def folder_of_all_parts(folder: Path) -> Path:
    """The folder that has every part: `folder` itself, or the one beside it that it names.

    Raises ValueError if it names anything but a folder beside it.
    """
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    if KEY not in index:
        return folder
    name = index[KEY]
    whole = folder.resolve().parent / str(name)
    if whole.parent != folder.resolve().parent or not whole.is_dir():
        raise ValueError(
            f"name_or_path: {folder} holds a U-Net and takes the other parts from {KEY} in its "
            f"model_index.json, which must be the name of a folder beside it; got {name!r}"
        )
    return whole


def own_parts(folder: Path, **options: object) -> dict:
    """What `folder` has of its own, as arguments for the pipeline of its whole folder.

    That is its U-Net, loaded with `options`, and its scheduler if it has one.
    """
    import diffusers

    parts = {"unet": diffusers.UNet2DConditionModel.from_pretrained(folder / "unet", **options)}
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    if "scheduler" in index:
        kind = getattr(diffusers, index["scheduler"][1])
        parts["scheduler"] = kind.from_pretrained(folder / "scheduler")
    return parts
