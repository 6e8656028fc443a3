"""The reading: questions have answers, claims have sources, every chapter is listed."""

import re

import pytest

from tests.test_site import LINK
from tools.notebooks.__main__ import ROOT
from tools.notebooks.products import Course
from tools.notebooks.scripts import read_lesson

READING = ROOT / "course" / "reading"
CHAPTERS = sorted(READING.glob("*.md"))
# Pages without questions of their own.
NO_CHAPTERS = {
    "README",
    "glossary",
    "instructor-guide",
    "class-materials",
    "common-mistakes",
    "measurements",
    "publishing",
}


@pytest.mark.parametrize(
    "path", [path for path in CHAPTERS if path.stem not in NO_CHAPTERS], ids=lambda path: path.stem
)
def test_questions_have_answers_and_claims_have_sources(path):
    text = path.read_text(encoding="utf-8")
    answers = re.findall(
        r"<details>\n<summary>.+?</summary>\n\n(.+?)\n\n</details>", text, re.DOTALL
    )
    assert len(answers) >= 2
    assert text.count("<details>") == len(answers)
    assert "\n## Sources\n" in text


def test_every_chapter_is_listed():
    listed = set(LINK.findall((READING / "README.md").read_text(encoding="utf-8")))
    assert {path.name for path in CHAPTERS} - {"README.md"} <= listed


def test_glossary_is_in_order_and_defines_nothing_twice():
    text = (READING / "glossary.md").read_text(encoding="utf-8")
    terms = [term.strip("`").lower() for term in re.findall(r"^\*\*(.+?)(?:,|\*\*)", text, re.M)]
    assert len(terms) > 60
    assert terms == sorted(set(terms))


def before_the_first_exercise(name: str) -> str:
    cells = read_lesson(ROOT / "course" / "lessons" / f"{name}.py").cells
    first = next((i for i, cell in enumerate(cells) if "exercise" in cell.options), len(cells))
    return "".join(cell.source("blank") for cell in cells[:first])


@pytest.mark.parametrize("name", Course(ROOT).lesson_titles())
def test_a_lesson_names_its_solution_before_its_first_exercise(name):
    assert f"solutions/{name}.ipynb" in before_the_first_exercise(name)


def test_lesson_01_says_the_three_ways_through_a_lesson():
    opening = before_the_first_exercise("01_loading")
    ways = ["On your own", "With hints", "With the complete solution"]
    assert [way for way in ways if way not in opening] == []


def test_pictures_are_remade_with_any_weights(tiny_pipe, tmp_path):
    from helpers import image_settings
    from tools.reading_pictures import PROMPT, main

    first = [path.read_bytes() for path in main(tmp_path, tiny_pipe, steps=2)]
    written = main(tmp_path, tiny_pipe, steps=2)
    assert [path.read_bytes() for path in written] == first
    assert sorted(tmp_path.iterdir()) == sorted(written)
    assert image_settings(written[0])["prompt"] == PROMPT
    assert {path.name for path in written} <= {
        path.name for path in (ROOT / "course/pictures").iterdir()
    }
