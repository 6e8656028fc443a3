"""Cells that keep something outside themselves work a second time too.

People run cells again: after a change, after Stop, by a slip. The lessons' own code runs here, with
a tiny model in the place of the stickers.
"""

import contextlib
import os
from dataclasses import replace

import pytest
import torch
from gradio_client import Client

import helpers
from tools.notebooks.__main__ import ROOT
from tools.notebooks.scripts import read_lesson

pytestmark = pytest.mark.slow


@pytest.fixture
def run_lesson(monkeypatch, saved_model):
    """`run_lesson(name, last, again)` runs the code cells up to the one that has the text `last`,
    those with a text of `again` twice; it returns the notebook's variables."""
    model = replace(helpers.MODELS["stickers"], source=saved_model)
    monkeypatch.setitem(helpers.MODELS, "stickers", model)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", os.environ.get("GRADIO_ANALYTICS_ENABLED", ""))
    monkeypatch.chdir(ROOT / "lessons")

    def run(name, last, again):
        cells = read_lesson(ROOT / "course" / "lessons" / f"{name}.py").cells
        sources = [cell.source("complete") for cell in cells if cell.kind == "code"]
        end = next(i for i, source in enumerate(sources) if last in source)
        variables = {"__name__": "__main__"}
        for source in sources[: end + 1]:
            for _ in range(1 + any(text in source for text in again)):
                exec(compile(source, name, "exec"), variables)
        return variables

    return run


def test_the_app_of_lesson_10_answers_after_each_cell_ran_twice(run_lesson):
    every = ""
    variables = run_lesson("10_app", "studio.launch", [every])
    studio = variables["studio"]
    with contextlib.closing(studio):
        visitor = Client(studio.local_url, verbose=False, analytics_enabled=False)
        call = ["stickers", "a fox", "", 2, 5.0, 10, 42, False]
        job = visitor.submit(*call, api_name="/draw")
        pictures, first_seed = job.result(timeout=120)
    assert len(pictures) == 2 and first_seed == 42


def test_the_panel_of_lesson_11_is_tried_on_an_empty_store_each_time(run_lesson, capsys):
    run_lesson("11_feedback", "trial = Feedback", ["trial = Feedback"])
    assert capsys.readouterr().out.count("with consent: 1\n") == 2


def test_the_lora_of_lesson_12_can_be_trained_after_its_cell_ran_twice(run_lesson, capsys):
    variables = run_lesson("12_fine_tuning", "add_adapter", ["add_adapter"])
    unet, trained = variables["pipe"].unet, variables["trained"]
    assert trained and all("lora" in n for n, w in unet.named_parameters() if w.requires_grad)
    said = [line for line in capsys.readouterr().out.splitlines() if "to train" in line]
    assert len(said) == 2 and said[0] == said[1]
    states = torch.zeros(1, 5, unet.config.cross_attention_dim)
    unet(torch.zeros(1, 4, 16, 16), 500, states).sample.sum().backward()
    assert any(weights.grad is not None and weights.grad.any() for weights in trained)
