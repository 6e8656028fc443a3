"""Lessons 07 to 12 with other models than the stickers: one name changes, and they run to the end.

The models are tiny random pipelines with the schedulers of Stable Diffusion 1.x, which predicts
noise, and of 2.x at 768 pixels, which predicts velocity. Their pictures are noise and 32 pixels
wide, so a size, a shape or a prediction type that a lesson takes from the stickers shows at once.
"""

import re

import pytest
from diffusers import StableDiffusionPipeline

import helpers
import helpers.ranking.compare
from helpers import load_ranker
from helpers.course.exercises import Result
from tests.test_exercises import LESSONS, Notebook, quick_pipeline
from tools.notebooks.scripts import read_lesson

NAME = '"sd-v1-5"'
DRAWING = [name for name in LESSONS if "07" <= name[:2] <= "12"]
OF_VELOCITY = ["08_distilled", "12_fine_tuning"]  # what a model predicts matters to these


def model_of_kind(kind: str):
    """A stand-in for `load_pipeline` that gives a tiny model of version "1.x" or "2.x"."""

    def load(*name: str, **options: object) -> StableDiffusionPipeline:
        pipe = quick_pipeline()
        if kind == "2.x":
            pipe.scheduler = type(pipe.scheduler).from_config(
                pipe.scheduler.config, prediction_type="v_prediction"
            )
        return pipe

    return load


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, "1.x") for name in DRAWING] + [(name, "2.x") for name in OF_VELOCITY],
)
def test_a_lesson_runs_with_another_model(name: str, kind: str, monkeypatch) -> None:
    ranker = load_ranker()
    for module in (helpers, helpers.ranking.compare):
        monkeypatch.setitem(vars(module), "load_pipeline", model_of_kind(kind))
    monkeypatch.setitem(vars(helpers), "load_ranker", lambda *name: ranker)
    notebook, replaced, outcomes = Notebook(), 0, {}
    for cell in read_lesson(LESSONS[name]).cells:
        if cell.kind != "code":
            continue
        source, count = re.subn(
            r'^MODEL = "stickers"', f"MODEL = {NAME}", cell.source("complete"), flags=re.M
        )
        replaced += count
        given = notebook.run(source)
        if isinstance(given, Result):
            outcomes[cell.start.number] = given
    assert replaced == 1, 'a lesson that draws says MODEL = "stickers" once'
    assert {result.outcome for result in outcomes.values()} == {"right"}, outcomes
