"""The lessons with another model: one name is changed, and every cell and every check still work.

The model is a tiny random one of the kind of Stable Diffusion 1.x or 2.x. Its pictures are noise,
so a check that would judge by what a picture shows would fail here.
"""

import pytest

import helpers
from helpers.course.exercises import Result
from tests.pipelines import tiny_real_pipeline
from tests.test_exercises import LESSONS, Notebook
from tools.notebooks.scripts import read_lesson

OWN = 'MODEL = "stickers"'
OTHER = 'MODEL = "sd-v1-5"'
DRAWING = [name for name in LESSONS if name < "07"]


@pytest.mark.parametrize("generation", [1, 2])
@pytest.mark.parametrize("name", DRAWING)
def test_a_lesson_works_with_another_model(name, generation, monkeypatch):
    def load_other(name_or_path):
        assert name_or_path == "sd-v1-5"
        return tiny_real_pipeline(generation)

    monkeypatch.setitem(vars(helpers), "load_pipeline", load_other)
    lesson = read_lesson(LESSONS[name])
    sources = [cell.source("complete") for cell in lesson.cells if cell.kind == "code"]
    assert sum(OWN in source for source in sources) == 1
    notebook = Notebook()
    results = [notebook.run(source.replace(OWN, OTHER)) for source in sources]
    checked = [result for result in results if isinstance(result, Result)]
    assert [result.outcome for result in checked] == ["right"] * len(lesson.exercises), checked
