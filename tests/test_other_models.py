"""Lessons that change one name to draw with another model: run whole, with tiny random pipelines.

One is of the kind of Stable Diffusion 1.x (it predicts noise, PNDM), one of the kind of 2.x (it
predicts velocity, DDIM). The lessons read sizes, shapes and the kind of prediction from them.
"""

import diffusers
import pytest
import torch
from PIL import Image

import helpers
from helpers.course.exercises import Result
from helpers.ranking.ranker import load_ranker
from tests.pipelines import tiny_sd_pipeline
from tests.test_exercises import LESSONS, Notebook
from tools.notebooks.scripts import read_lesson

pytestmark = pytest.mark.slow

FEWER_STEPS = {'"num_inference_steps": 25': '"num_inference_steps": 10'}
INPAINTING = "a model that was trained to inpaint"


def noise_pipeline() -> diffusers.StableDiffusionPipeline:
    return tiny_sd_pipeline()


def velocity_pipeline() -> diffusers.StableDiffusionPipeline:
    pipe = tiny_sd_pipeline()
    pipe.scheduler = diffusers.DDIMScheduler.from_config(
        pipe.scheduler.config, prediction_type="v_prediction", clip_sample=False
    )
    return pipe


def inpainting_pipeline() -> diffusers.StableDiffusionInpaintPipeline:
    """Its U-Net reads nine channels: latents, masked picture and mask."""
    parts = tiny_sd_pipeline(in_channels=9).components
    return diffusers.StableDiffusionInpaintPipeline(**parts, requires_safety_checker=False)


def run_lesson(name: str, changes: dict[str, str], models: dict, monkeypatch) -> tuple:
    """Run a lesson's solution with changed settings; return its names and its results."""
    monkeypatch.setitem(vars(helpers), "load_pipeline", lambda name: models[name]())
    monkeypatch.setitem(vars(helpers), "load_ranker", lambda name: load_ranker("stickers-clip"))
    notebook, results, used = Notebook(), [], set()
    for cell in read_lesson(LESSONS[name]).cells:
        if cell.kind == "code":
            source = cell.source("complete")
            for old, new in changes.items():
                used |= {old} if old in source else set()
                source = source.replace(old, new)
            results.append(notebook.run(source))
    assert used == set(changes), "a setting that the test changes is gone from the lesson"
    return notebook.names, [result for result in results if isinstance(result, Result)]


@pytest.fixture(scope="module", params=[noise_pipeline, velocity_pipeline])
def lesson_13(request):
    changes = FEWER_STEPS | {
        'MODEL = "stickers"': 'MODEL = "sd-v1-5"',
        "TRAINED_TO_INPAINT = None": f"TRAINED_TO_INPAINT = {INPAINTING!r}",
    }
    models = {"sd-v1-5": request.param, INPAINTING: inpainting_pipeline}
    with pytest.MonkeyPatch.context() as patch:
        yield run_lesson("13_pictures", changes, models, patch)


def test_lesson_13_runs_with_other_models(lesson_13):
    names, results = lesson_13
    assert [result.outcome for result in results] == ["right"] * 4
    assert names["house"].size == names["castle"].size == (32, 32)
    assert names["inpaint"].unet.config.in_channels == 9
    assert names["wide"][-1].size == (48, 32)
    assert {image.size for image in names["enlarged"].values()} == {(64, 64)}


def test_inpainting_by_hand_keeps_what_is_outside(lesson_13):
    names, _ = lesson_13
    house, inpaint = names["house"], names["inpaint_by_hand"]
    kept = names["decode"](names["encode"](house))
    nothing, everything = (Image.new("L", house.size, level) for level in (0, 255))
    assert names["distance"](inpaint("an owl", house, nothing, seed=1), kept) < 0.5
    assert names["distance"](inpaint("an owl", house, everything, seed=1), kept) > 5


def test_lesson_14_runs_with_another_model_and_the_noise(monkeypatch, capsys):
    changes = {
        'MODEL = "stickers"': 'MODEL = "sd-v1-5"',
        'PREDICTION = "sample"': 'PREDICTION = "epsilon"',
        "LABEL_STEPS = 400": "LABEL_STEPS = 5",
        "STEPS = 800": "STEPS = 10",
    }
    names, results = run_lesson(
        "14_from_nothing", changes, {"sd-v1-5": noise_pipeline}, monkeypatch
    )
    assert [result.outcome for result in results] == ["right"] * 4
    assert names["validated"][10] < names["validated"][0]
    assert "predicts epsilon" in capsys.readouterr().out
    # The label's table was learned: before, all its rows were zero.
    assert names["conditional"].class_embedding.weight.abs().max() > 0


def test_lesson_14_trains_and_draws_with_the_velocity_and_another_size(monkeypatch):
    changes = {
        'PREDICTION = "sample"': 'PREDICTION = "v_prediction"',
        "SIZE = 16": "SIZE = 24",
        "LABEL_STEPS = 400": "LABEL_STEPS = 1",
        "STEPS = 800": "STEPS = 5",
    }
    names, _ = run_lesson("14_from_nothing", changes, {"stickers": noise_pipeline}, monkeypatch)
    assert names["drawn"].shape == (8, 3, 24, 24)
    assert torch.isfinite(names["drawn"]).all()


@pytest.mark.parametrize("kind", [noise_pipeline, velocity_pipeline])
def test_lesson_15_learns_one_row_of_other_models(kind, monkeypatch, capsys):
    changes = {
        'MODEL = "stickers"': 'MODEL = "sd-v1-5"',
        '"num_inference_steps": 20': '"num_inference_steps": 3',
        "STEPS = 100": "STEPS = 10",
    }
    names, results = run_lesson("15_control", changes, {"sd-v1-5": kind}, monkeypatch)
    assert [result.outcome for result in results] == ["right"] * 3
    before, after = kind().text_encoder.get_input_embeddings().weight, names["table"]
    row = names["row"]
    assert torch.equal(after[:row], before[:row])  # no other word has changed
    assert (after[row] - names["first_vector"]).abs().max() > 0.01
    printed = capsys.readouterr().out
    assert "it draws the same pictures: True" in printed
    assert "equal but for rounding: True" in printed  # an untrained ControlNet has no effect
