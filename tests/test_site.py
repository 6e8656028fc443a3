"""The site: links and alt texts in the sources of all its pages, how they are gathered, and the
check of the built pages, on some that are broken on purpose.

The build itself needs the extra "site"; `make site` runs it and that check on the real pages.
"""

import base64
import json
import re
import tomllib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from tools.notebooks.__main__ import ROOT
from tools.site.check import problems
from tools.site.landing import CARD, opening_picture, with_cards
from tools.site.stage import PAGES, said_of_pictures, stage

pytestmark = pytest.mark.slow

SOURCES = sorted(path for pattern in PAGES for path in ROOT.glob(pattern))
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
SHOWN = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)")


def markdown_of(path: Path) -> str:
    """The text of a page: the file, or the cells of text of a notebook."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def headings(path: Path) -> set[str]:
    """The addresses of a page's headings, as GitHub and the site make them."""
    found = re.findall(r"^#+ (.+)$", markdown_of(path), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-") for line in found}


def broken_links(path: Path, text: str) -> list[str]:
    """The links and pictures of a page that lead to no file or to no heading of one."""
    found = []
    for target in [*LINK.findall(text), *(address for _, address in SHOWN.findall(text))]:
        if target.startswith(("http://", "https://")):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (anchor and anchor not in headings(file)):
            found.append(target)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere_and_pictures_have_alt_texts(path):
    text = markdown_of(path)
    assert broken_links(path, text) == []
    assert [address for alt, address in SHOWN.findall(text) if len(alt) < 20] == []


def test_broken_links_are_found():
    text = (
        "[a](nowhere.md) [b](#nothing) [c](https://example.org) ![A picture](no.png) [d](README.md)"
    )
    assert broken_links(ROOT / "README.md", text) == ["nowhere.md", "#nothing", "no.png"]


SOUND = """\
<p id="top"><a href="#top">up</a> <a href="#!">close</a> <a href="https://example.org">out</a></p>
"""


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ('<script src="https://cdn.example/x.js"></script>', "fetches https://cdn.example/x.js"),
        ('<script src="//cdn.example/x.js"></script>', "fetches //cdn.example/x.js"),
        ('<link rel="stylesheet" href="https://cdn.example/x.css">', "fetches https://cdn"),
        ("<style>@import 'https://cdn.example/f.css';</style>", "fetches https://cdn"),
        ('<p style="background: url(https://cdn.example/a.png)">', "fetches https://cdn"),
        ('<img alt="A fox" src="http://cdn.example/a.png">', "fetches http://cdn.example/a.png"),
        ('<img alt="A fox" src="missing.png">', "missing.png leads nowhere"),
        ('<img src="index.html">', "no alt text for index.html"),
        ('<img alt=" " src="index.html">', "no alt text for index.html"),
        ('<a href="nowhere.html">there</a>', "nowhere.html leads nowhere"),
        ('<a href="#nothing">there</a>', "#nothing: its page has no 'nothing'"),
    ],
)
def test_broken_page_is_found(tmp_path, html, fault):
    (tmp_path / "index.html").write_text(SOUND + html, encoding="utf-8")
    (found,) = problems(tmp_path)
    assert found.startswith("index.html") and fault in found


def test_sound_site_passes_and_a_style_sheet_is_read(tmp_path):
    assert problems(tmp_path) == [f"there is no page in {tmp_path}"]
    (tmp_path / "index.html").write_text(SOUND, encoding="utf-8")
    canonical = '<link rel="canonical" href="https://example.org/">'
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "page.html").write_text(
        f'{canonical}<a href="../index.html#top">up</a><a href="../">home</a>', encoding="utf-8"
    )
    assert problems(tmp_path) == []
    (tmp_path / "style.css").write_text("@font-face { src: url(//fonts.example/f) }")
    assert problems(tmp_path) == ["style.css fetches //fonts.example/f"]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def notebook(*cells):
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def markdown(source):
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(*outputs):
    return {"cell_type": "code", "metadata": {}, "source": "draw()", "outputs": list(outputs)}


PRINTED = {"output_type": "stream", "name": "stdout", "text": ["one picture\n"]}
TABLE = """
| lesson | you learn to | solution |
| --- | --- | --- |
| [01 A](lessons/01_a.ipynb) | look | [01](solutions/01_a.ipynb) |
"""
LESSONS = '[[lesson]]\nname = "01_a"\ntitle = "A"\nminutes = 20\n'


def picture_of(color):
    file = BytesIO()
    Image.new("RGB", (8, 8), color).save(file, "PNG")
    data = {"image/png": base64.b64encode(file.getvalue()).decode("ascii")}
    return {"output_type": "display_data", "data": data, "metadata": {}}


CONTROLS = {
    "output_type": "display_data",
    "data": {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "interactive(…)"},
    "metadata": {},
}


def test_pages_are_staged_with_what_they_link_to(tmp_path):
    root, folder = tmp_path / "root", tmp_path / "staged"
    write(
        root / "README.md",
        f"# Course\n\n[words](helpers/words.py) [no](gone.py) [out](../x)\n{TABLE}",
    )
    write(root / "course/lessons.toml", LESSONS)
    write(root / "helpers" / "words.py", "WORDS = ()\n")
    write(root / "helpers" / "secret.py", "")
    write(root / "course" / "reading" / "guidance.md", "Text\n")
    write(root / "lessons" / "01_a.ipynb", notebook(markdown("# A\n\nText"), code()))
    first = markdown("# A\n\n## The seed\n\nText")
    cells = [first, code(PRINTED, picture_of((200, 20, 20))), code(CONTROLS)]
    write(root / "solutions" / "01_a.ipynb", notebook(*cells))
    stage(root, folder)

    staged = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert staged == {
        "index.md",
        "helpers/words.py",
        "course/reading/guidance.md",
        "lessons/01_a.ipynb",
        "solutions/01_a.ipynb",
        "cards/01_a.png",
    }
    first_page = (folder / "index.md").read_text(encoding="utf-8")
    assert "```{toctree}" in first_page and "| lesson |" not in first_page
    card = "[![The first picture of the lesson “A”](cards/01_a.png)](lessons/01_a.ipynb)"
    assert f'<div class="card">\n\n{card}\n\n**[01 A](lessons/01_a.ipynb)**\n\nLook.' in first_page
    assert "20 minutes in all · [solution](solutions/01_a.ipynb)" in first_page
    with Image.open(folder / "cards" / "01_a.png") as picture:
        assert picture.size == CARD and picture.getpixel((240, 150)) == (200, 20, 20)
    lesson = json.loads((folder / "lessons" / "01_a.ipynb").read_text(encoding="utf-8"))
    solution = json.loads((folder / "solutions" / "01_a.ipynb").read_text(encoding="utf-8"))
    assert lesson["cells"][0]["source"].startswith("# A\n")
    assert "](../solutions/01_a.ipynb)" in lesson["cells"][0]["source"]
    assert solution["cells"][0]["source"].startswith("# A (solution)\n")
    assert "](../lessons/01_a.ipynb)" in solution["cells"][0]["source"]
    drawn, controls = solution["cells"][1:]
    alt = drawn["metadata"]["mystnb"]["image"]["alt"]
    assert alt == "Picture of the section “The seed”. one picture"
    assert [output["output_type"] for output in controls["outputs"]] == ["stream"]
    assert "JupyterLab" in controls["outputs"][0]["text"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (
            'prompt = "a fox"\nimage_grid(images, labels=["seed 5", "seed 6"])',
            "Prompt: a fox. Labels: seed 5, seed 6.",
        ),
        ('labels = [f"steps: {n}" for n in (1, 4)]', ""),
        ("labels = names", ""),
    ],
)
def test_alt_text_has_the_prompts_and_labels_of_the_code(source, said):
    assert said_of_pictures(source) == said


def test_first_page_and_list_of_lessons_name_the_same_lessons(tmp_path):
    write(tmp_path / "course/lessons.toml", LESSONS)
    with pytest.raises(ValueError, match="course/lessons.toml differ in: 01_a, 02_b"):
        with_cards(TABLE.replace("01_a", "02_b"), tmp_path, tmp_path / "staged")


def test_a_card_shows_the_picture_that_opens_the_lesson(tmp_path):
    write(tmp_path / "course/pictures/a.txt", "")
    Image.new("RGB", (8, 8), (0, 90, 0)).save(tmp_path / "course/pictures/a.png")
    first = markdown("# A\n\n![Two\nfoxes](../course/pictures/a.png)")
    write(tmp_path / "solutions/01_a.ipynb", notebook(first, code(picture_of((200, 20, 20)))))
    alt, picture = opening_picture(tmp_path, "01_a")
    assert alt == "Two foxes" and picture.getpixel((4, 4)) == (0, 90, 0)
    write(tmp_path / "solutions/01_a.ipynb", notebook(markdown("# A"), code(PRINTED)))
    with pytest.raises(ValueError, match="solutions/01_a.ipynb has no picture for its card"):
        opening_picture(tmp_path, "01_a")


def staged_problems(root, folder):
    """The links of the staged pages that lead to nothing that is staged."""
    stage(root, folder)
    pages = [path for path in folder.rglob("*") if path.suffix in (".md", ".ipynb")]
    return {
        path.relative_to(folder).as_posix(): found
        for path in pages
        if (found := broken_links(path, markdown_of(path)))
    }


def test_the_whole_site_is_staged_with_all_that_its_pages_link_to(tmp_path):
    assert staged_problems(ROOT, tmp_path / "staged") == {}


def test_a_link_to_what_is_not_staged_is_found(tmp_path):
    root = tmp_path / "root"
    write(root / "README.md", "# Course\n")
    write(root / "course/lessons.toml", "")
    write(root / "course/reading/guide.md", "[first](../../README.md) [gone](gone.md)\n")
    found = staged_problems(root, tmp_path / "staged")
    assert found == {"course/reading/guide.md": ["../../README.md", "gone.md"]}


LIVE = re.compile(r'<div data-live="([^"]+)">\n\n!\[[^\]]+\]\([^)]+\)\n\n')


def test_parts_that_live_are_known_and_hold_a_picture_for_those_without_scripts():
    recipes = (ROOT / "browser" / "src" / "recipes.js").read_text(encoding="utf-8")
    table = recipes[recipes.index("export const RECIPES") :]
    known = {"try-it", *re.findall(r'^  "?([\w-]+)"?[:,]', table, re.MULTILINE)}
    used = []
    for path in SOURCES:
        text = path.read_text(encoding="utf-8")
        names = LIVE.findall(text)
        begun = re.findall("^<div data-live=", text, re.MULTILINE)
        assert len(names) == len(begun), f"{path}: one holds no picture"
        used += names
    assert set(used) == known


def test_readme_names_the_address_of_the_project():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"]({project['urls']['Homepage']}course/try-it.html)" in readme


def test_every_chapter_of_the_reading_is_in_the_contents():
    from tools.site.stage import CONTENTS

    chapters = {path.stem for path in (ROOT / "course" / "reading").glob("*.md")}
    assert {name for name in chapters if f"course/reading/{name}\n" in CONTENTS} == chapters
