"""Slides: how a notebook is cut, and that the page needs nothing from elsewhere."""

import base64
from io import BytesIO

import pytest
from PIL import Image

from tools.notebooks.__main__ import ROOT
from tools.site.check import Page, problems
from tools.slides.__main__ import main
from tools.slides.deck import cut, shown_text
from tools.slides.page import render

pytestmark = pytest.mark.slow


def text(source):
    return {"cell_type": "markdown", "id": source[:8], "metadata": {}, "source": source}


def code(source, *outputs, cell_id="c", **metadata):
    return {
        "cell_type": "code",
        "id": cell_id,
        "metadata": metadata,
        "source": source,
        "outputs": list(outputs),
    }


def picture():
    file = BytesIO()
    Image.new("RGB", (8, 8), "teal").save(file, "PNG")
    data = {"image/png": base64.b64encode(file.getvalue()).decode()}
    return {"output_type": "display_data", "data": data, "metadata": {}}


SOLUTION = {
    "cells": [
        text("# 02 · Seeds\n\nNoise. It is random. Truly.\n\n- make noise\n\n**Time:** 45 minutes"),
        text("*On Google Colab:* run this.") | {"metadata": {"tags": ["colab"]}},
        code("import os", tags=["colab"]),
        text("## 1 · Draw\n\nWe draw. It takes a second. Wait for it."),
        code("draw(1)", picture(), tags=["nbval-ignore-output"]),
        text("It is a square."),
        text("### Exercise 1 · Yours\n\nFill the gap."),
        code("x = 42", cell_id="e", exercise="02.x"),
        code('exercise("02.x").check(x=x)\n# exercise("02.x").hint()'),
        text("Now the rest."),
        code("draw(x)"),
    ]
}
LESSON = {"cells": [code("x = ...", cell_id="e", exercise="02.x")]}


def test_a_notebook_is_cut_into_slides():
    opening, draw, blank, solved, _ = cut(SOLUTION, LESSON)
    assert opening.is_lesson_title and opening.title == "02 · Seeds"
    assert opening.text == "Noise. It is random.\n\n- make noise"
    assert (draw.title, draw.code, len(draw.outputs)) == ("1 · Draw", "draw(1)", 1)
    assert draw.text == "We draw. It takes a second." and "Wait for it." in draw.notes
    assert (blank.code, solved.code) == ("x = ...", "x = 42")
    assert blank.notes.endswith("Your turn.") and solved.title == "Exercise 1 · Yours: a solution"


def test_remarks_stay_with_the_code_and_an_exercise_ends_with_its_solution():
    _, draw, blank, solved, rest = cut(SOLUTION, LESSON)
    assert draw.closing == "It is a square." and draw.notes.endswith("It is a square.")
    assert [slide.closing for slide in (blank, solved, rest)] == ["", "", ""]
    assert (rest.title, rest.text, rest.code) == ("1 · Draw", "Now the rest.", "draw(x)")
    html = render([draw], folder=ROOT)
    assert "It is a square." in html and 'class="slide"' in html


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("One. Two. Three.", "One. Two."),
        ("One.\n\nTwo.", "One."),
        ("- a\n- b", "- a\n- b"),
        ("**Bold** words are prose.\n\nMore.", "**Bold** words are prose."),
        ("Text.\n\n| a | b |\n|---|---|", "Text.\n\n| a | b |\n|---|---|"),
    ],
)
def test_what_of_a_text_is_shown(body, shown):
    assert shown_text(body) == shown


def test_the_page_is_whole_and_safe(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "fox.png")
    notebook = {
        "cells": [
            text("# A <b> & c\n\n![A fox](fox.png) [next](02.ipynb) [paper](https://arxiv.org)"),
            text("## Code\n\nRun."),
            code(
                "print('<script>')",
                {"output_type": "stream", "text": "<script>alert(1)</script>"},
                picture(),
            ),
        ]
    }
    html = render(cut(notebook, {"cells": []}), folder=tmp_path)
    (tmp_path / "index.html").write_text(html, encoding="utf-8")
    assert problems(tmp_path) == []
    page = Page(html)
    assert set(page.links) == {"https://arxiv.org"}  # shown, and again in the notes
    assert html.count("<script>") == 1 and "&lt;script&gt;alert(1)" in html
    assert 'alt="A fox"' in html and 'alt="Picture of the section “Code”.' in html


def test_command_writes_a_deck_that_needs_nothing_from_elsewhere(tmp_path, capsys):
    assert main(["02_seeds", "--output", str(tmp_path)]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["02_seeds.html"]
    assert problems(tmp_path) == []
    assert main(["99_none"], root=ROOT) == 1
    assert "no solution '99_none'; there are: 00_demo, 01_loading" in capsys.readouterr().err


@pytest.mark.parametrize("lines", [3, 30])
def test_no_slide_scrolls(browser, tmp_path, lines):
    notebook = {
        "cells": [text("# Title"), text("## Long\n\nRun."), code("print(1)\n" * lines, picture())]
    }
    file = tmp_path / "index.html"
    file.write_text(render(cut(notebook, {"cells": []}), folder=tmp_path), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 560})
    page.goto(f"{file.as_uri()}#2")
    tall, room, letters = page.evaluate("""() => {
        const slide = document.querySelector("section.current");
        const size = parseFloat(getComputedStyle(document.documentElement).fontSize);
        return [slide.scrollHeight, slide.clientHeight, size];
    }""")
    page.close()
    assert tall <= room
    assert (letters < 16) == (lines == 30)  # smaller only where that is needed
