"""What every notebook gets after its first cell: a few links, and the set-up for Google Colab.

Colab brings torch, numpy and most of the rest, so the cell only adds what is missing and holds
those two where they are. Another package called `helpers` can neither hide ours nor be hidden by
it: the course is recognized by the name of its distribution, its folder is the first that this
notebook looks into, and an editable installation copies nothing beside other packages. The
address of the course stands once, in pyproject.toml under [project.urls] as Repository.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tools.notebooks.marks import Forms, Line
from tools.notebooks.scripts import Cell, Lesson

COLAB = "https://colab.research.google.com/github"
GITHUB = "https://github.com/"
TAG = "colab"

# JupyterLab and Colab show the cell as one closed line, so that a lesson opens with its own words.
FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form"}

TEXT = """\
*A word is new? It is in the [glossary](../course/reading/glossary.md).*

*On Google Colab: [open this notebook there]({colab}) and run the next cell first. Anywhere else \
it does nothing. Colab does not find other pages and pictures of the course: they are \
[on GitHub]({github}).*"""

CODE = """\
# @title On Google Colab only: fetch the course
# Colab's own torch and numpy stay as they are.
import os
import subprocess
import sys
from importlib.metadata import distributions, version

if "COLAB_RELEASE_TAG" in os.environ:
    course = "/content/stable-diffusion-course"
    if not os.path.exists(course):
        clone = ["git", "clone", "--quiet", "--depth=1", "{repository}", course]
        subprocess.run(clone, check=True)
    if "stable-diffusion-course" not in {{found.name for found in distributions()}}:
        kept = [f"{{name}}=={{version(name)}}" for name in ("numpy", "torch")]
        pip = [sys.executable, "-m", "pip", "install", "--quiet", *kept, "-e", course]
        subprocess.run(pip, check=True)
    sys.path.insert(0, course)
    known = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = f"{{course}}:{{known}}".rstrip(":")  # for `!python -m helpers …`
    os.chdir(f"{{course}}/{folder}")"""


def repository(root: Path) -> str | None:
    """The address of the course on GitHub, or None where pyproject.toml names none.

    Raises ValueError for an address elsewhere, since Colab opens notebooks from GitHub.
    """
    settings = root / "pyproject.toml"
    if not settings.exists():
        return None
    project = tomllib.loads(settings.read_text(encoding="utf-8")).get("project", {})
    address = project.get("urls", {}).get("Repository")
    if address is not None and not address.startswith(GITHUB):
        raise ValueError(
            f"pyproject.toml: [project.urls] Repository must begin with {GITHUB}; got {address!r}"
        )
    return address and address.rstrip("/")


def with_setup(lesson: Lesson, address: str) -> Lesson:
    """The lesson with links to the glossary and to Colab, and the set-up cell, after its first."""
    notebook = f"blob/main/lessons/{lesson.name}.ipynb"
    colab = f"{COLAB}/{address.removeprefix(GITHUB)}/{notebook}"
    first = lesson.cells[0]
    added = [
        _cell("markdown", first.start, TEXT.format(colab=colab, github=f"{address}/{notebook}")),
        _setup_cell(first.start, address),
    ]
    return replace(lesson, cells=[first, *added, *lesson.cells[1:]])


def _setup_cell(start: Line, address: str) -> Cell:
    """It goes where the notebook is: checks keep no record in the folder of the solutions."""
    lesson, solution = (
        _cell("code", start, CODE.format(repository=address, folder=folder), FOLDED)
        for folder in ("lessons", "solutions")
    )
    return replace(lesson, forms=replace(lesson.forms, complete=solution.forms.complete))


def _cell(kind: str, start: Line, text: str, metadata: Mapping[str, object] | None = None) -> Cell:
    lines = [replace(start, text=line) for line in text.split("\n")]
    return Cell(kind, start, {"tags": [TAG]} | (metadata or {}), Forms(lines, lines, []))
