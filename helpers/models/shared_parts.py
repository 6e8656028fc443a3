"""Model folders that hold one part of a model and take the others from the folder beside them.

A distilled U-Net works with the VAE and the text encoder of its teacher, so its folder needs no
copy of them. Its model_index.json names the teacher's folder under "_parts_from".
"""

import json
from pathlib import Path

KEY = "_parts_from"


def whole_folder(folder: Path) -> Path:
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


def own_unet(folder: Path, **options) -> dict:
    """`folder`'s U-Net as an argument for the pipeline of its whole folder; `options` as there."""
    from diffusers import UNet2DConditionModel

    return {"unet": UNet2DConditionModel.from_pretrained(folder / "unet", **options)}
