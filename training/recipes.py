"""What teaches the U-Net fastest? Recipes side by side, each from nothing, in the same time.

Each gets as many steps as it can take in `budget` seconds of this machine's processor, and is
then judged by the pictures that it draws. Short runs say what learns fastest at first, not what
ends best.
"""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from diffusers import UNet2DConditionModel

from helpers.base.files import write_whole
from training.evaluate import Judge, kind_figures
from training.export import default_scheduler
from training.loop import Loop
from training.presets import UnetSettings

# How sittings 2 to 4 were trained.
FIRST = {"snr_limit": 0.0, "least_weight": 0.0, "learning_rate": 7e-4}
RECIPES: dict[str, dict] = {
    "as in sittings 2 to 4": FIRST,
    "predicts the noise": FIRST | {"prediction_type": "epsilon"},
    "min-SNR-5 weights": FIRST | {"snr_limit": 5.0},
    "batches of 16": FIRST | {"batch_size": 16},
    "twice the learning rate": FIRST | {"learning_rate": 1.4e-3},
    "three quarters of the channels": FIRST | {"channels": (48, 96, 192)},
}
TRIAL_STEPS = 4  # to find out how long one takes
WARM_UP = 20  # steps

Train = Callable[[UnetSettings, Path], Loop]


def seconds_a_step(train: Train, settings: UnetSettings, folder: Path) -> float:
    """Of the processor, not of the clock: other work on the machine does not count."""
    train(replace(settings, steps=1), folder / "first")  # what happens once only
    began = time.process_time()
    train(replace(settings, steps=TRIAL_STEPS), folder / "trial")
    return (time.process_time() - began) / TRIAL_STEPS


def compare_recipes(
    train: Train, pipe, judge: Judge, settings: UnetSettings, budget: float, pictures: int,
    output: Path,
) -> None:  # fmt: skip
    """A JSON line for each recipe: its steps, and verdicts at guidance 5 on trained combinations.

    `train(settings, folder)` trains a new U-Net and keeps its state in the folder; `pipe` lends
    the other parts; `budget` is in seconds. Recipes whose line is there already are passed over.
    """
    text = output.read_text(encoding="utf-8") if output.exists() else ""
    rows = [json.loads(line) for line in text.splitlines()]
    for name, changes in RECIPES.items():
        if name in [row["recipe"] for row in rows]:
            continue
        recipe = replace(settings, warm_up=WARM_UP, snapshot_every=0, **changes)
        with TemporaryDirectory() as folder:
            steps = max(1, round(budget / seconds_a_step(train, recipe, Path(folder))))
            unet = train(replace(recipe, steps=steps), Path(folder) / "whole").model
        row = {"recipe": name, "steps": steps, "pictures": steps * recipe.batch_size}
        rows.append(row | drawn_by(pipe, unet, recipe.prediction_type, judge, pictures))
        write_whole(output, "".join(json.dumps(row) + "\n" for row in rows))


def drawn_by(
    pipe, unet: UNet2DConditionModel, prediction_type: str, judge: Judge, pictures: int
) -> dict[str, float]:
    """What the judge says of pictures that a U-Net draws with the other parts of `pipe`."""
    pipe.unet = unet.eval()
    pipe.scheduler = default_scheduler(type(pipe.scheduler).__name__, prediction_type)
    return kind_figures(pipe, judge, "trained", pictures, 8_000, scales=(5.0,))["guidance 5"]
