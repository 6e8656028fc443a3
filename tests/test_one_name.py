"""The lessons with another model: one name is changed, and every cell and every check still work.

The model is a tiny random one of the kind of Stable Diffusion 1.x, which predicts noise, or of 2.x
at 768 pixels, which predicts velocity. Its pictures are noise, so a check that would judge by what
a picture shows would fail here. (Lessons 13 and 14 have settings that take long, and are run by
`test_other_models.py`.)
"""

import pytest
from diffusers import StableDiffusionPipeline

import helpers
import helpers.ranking.compare
from helpers import load_ranker
from helpers.course.exercises import Result
from tests.pipelines import tiny_real_pipeline
from tests.test_exercises import LESSONS, Notebook
from tools.notebooks.scripts import read_lesson

OWN = 'MODEL = "stickers"'
OTHER = 'MODEL = "sd-v1-5"'
LESSONS_01_TO_06 = [name for name in LESSONS if name < "07"]
LESSONS_07_TO_12 = [name for name in LESSONS if "07" < name < "13"]
OF_PREDICTIONS = ["08_distilled", "12_fine_tuning"]  # what a model predicts matters to these


@pytest.mark.parametrize(
    ("name", "generation"),
    [(name, generation) for name in LESSONS_01_TO_06 for generation in (1, 2)]
    + [(name, 1) for name in LESSONS_07_TO_12]
    + [(name, 2) for name in OF_PREDICTIONS],
)
def test_a_lesson_works_with_another_model(name, generation, monkeypatch):
    def load_other(*names: str, **options: object) -> StableDiffusionPipeline:
        return tiny_real_pipeline(generation)

    ranker = load_ranker()
    for module in (helpers, helpers.ranking.compare):
        monkeypatch.setitem(vars(module), "load_pipeline", load_other)
    monkeypatch.setitem(vars(helpers), "load_ranker", lambda *name: ranker)
    lesson = read_lesson(LESSONS[name])
    sources = [cell.source("complete") for cell in lesson.cells if cell.kind == "code"]
    assert sum(OWN in source for source in sources) == 1
    notebook = Notebook()
    results = [notebook.run(source.replace(OWN, OTHER)) for source in sources]
    checked = [result for result in results if isinstance(result, Result)]
    assert [result.outcome for result in checked] == ["right"] * len(lesson.exercises), checked
