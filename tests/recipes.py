"""The training recipe with its tiny preset: trained once for a whole run of the tests."""

import shutil
from pathlib import Path

from filelock import FileLock

from training.__main__ import Recipe
from training.presets import TINY


def tiny_recipe(root: Path) -> Recipe:
    """The recipe whose checkpoints, weights and records are in `root`."""
    return Recipe(TINY, root / "checkpoints", root / "weights", records=root / "records")


def trained_once(shared: Path) -> Path:
    """The root of a tiny recipe that was trained and exported, in a folder that workers share.

    The first worker that asks trains it, and the others wait for it. It is for copying only.
    """
    root = shared / "recipe"
    with FileLock(shared / "recipe.lock"):
        if not root.exists():
            part = shared / "recipe.part"
            shutil.rmtree(part, ignore_errors=True)  # a training that failed
            tiny_recipe(part).export()
            part.rename(root)
    return root
