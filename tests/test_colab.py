"""The set-up cell for Colab: what it runs there, and that it is silent elsewhere."""

import os
import subprocess
import sys
from importlib.metadata import version
from types import SimpleNamespace

import pytest

from tools.notebooks.__main__ import ROOT
from tools.notebooks.colab import TAG, repository, with_setup
from tools.notebooks.products import make_notebook
from tools.notebooks.scripts import read_lesson

ADDRESS = "https://github.com/someone/course"


@pytest.fixture(scope="module")
def notebook():
    lesson = read_lesson(ROOT / "course" / "lessons" / "02_seeds.py")
    return make_notebook(with_setup(lesson, ADDRESS), "blank")


@pytest.fixture
def cell(notebook, monkeypatch):
    """Run the set-up cell; returns the commands that it ran and the folders it went to."""
    commands, folders = [], []
    monkeypatch.setattr(subprocess, "run", lambda command, check: commands.append(command))
    monkeypatch.setattr("os.chdir", folders.append)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run() -> tuple[list, list]:
        exec(notebook.cells[2].source, {})
        return commands, folders

    return run


@pytest.fixture(autouse=True)
def colabs_own_path(monkeypatch):
    """What Colab has set; afterward the tests' own setting is back, since the cell changes it."""
    monkeypatch.setenv("PYTHONPATH", "/env/python")


def test_the_cell_follows_the_first_and_the_link_opens_this_lesson(notebook):
    text, code = notebook.cells[1:3]
    assert notebook.cells[0].source.startswith("# 02")
    assert (
        "colab.research.google.com/github/someone/course/blob/main/lessons/02_seeds" in text.source
    )
    assert f"({ADDRESS}/blob/main/lessons/02_seeds.ipynb)" in text.source
    assert "(../course/reading/glossary.md)" in text.source
    assert code.cell_type == "code"
    assert code.metadata["jupyter"] == {"source_hidden": True}  # JupyterLab
    assert code.metadata["cellView"] == "form" and code.source.startswith("# @title ")  # Colab
    assert [cell.metadata.get("tags") for cell in notebook.cells].count([TAG]) == 2


def test_anywhere_else_the_cell_does_nothing(cell, monkeypatch, capsys):
    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    assert cell() == ([], [])
    assert capsys.readouterr() == ("", "")


def test_on_colab_torch_and_numpy_stay(cell, monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_20260801")
    monkeypatch.setattr("os.path.exists", lambda path: False)
    monkeypatch.setattr("importlib.metadata.distributions", lambda: [])
    (clone, pip), folders = cell()
    course = "/content/stable-diffusion-course"
    assert clone[:2] == ["git", "clone"] and clone[-2:] == [ADDRESS, course]
    assert pip[:4] == [sys.executable, "-m", "pip", "install"] and pip[-2:] == ["-e", course]
    assert f"torch=={version('torch')}" in pip and f"numpy=={version('numpy')}" in pip
    assert "--upgrade" not in pip
    assert folders == [f"{course}/lessons"]


def test_on_colab_an_installation_that_broke_off_is_made_up_for(cell, monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_20260801")
    monkeypatch.setattr("os.path.exists", lambda path: True)
    monkeypatch.setattr("importlib.metadata.distributions", lambda: [])
    (pip,), _ = cell()
    assert pip[:4] == [sys.executable, "-m", "pip", "install"]


def test_on_colab_another_package_of_that_name_is_in_nobodys_way(cell, monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_20260801")
    monkeypatch.setattr("os.path.exists", lambda path: True)
    others = [SimpleNamespace(name="helpers"), SimpleNamespace(name="numpy")]
    monkeypatch.setattr("importlib.metadata.distributions", lambda: others)
    (pip,), _ = cell()
    assert "-e" in pip  # nothing is copied beside the other package
    assert sys.path[0] == "/content/stable-diffusion-course"  # and ours is found first
    # A command that a notebook runs finds it first, too, and still what Colab has there.
    assert os.environ["PYTHONPATH"] == "/content/stable-diffusion-course:/env/python"


def test_on_colab_a_second_run_fetches_nothing(cell, monkeypatch):
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_20260801")
    monkeypatch.setattr("os.path.exists", lambda path: True)
    here = [SimpleNamespace(name="stable-diffusion-course")]
    monkeypatch.setattr("importlib.metadata.distributions", lambda: here)
    commands, folders = cell()
    assert commands == [] and len(folders) == 1


def test_address_has_one_source(tmp_path):
    assert repository(ROOT).startswith("https://github.com/")
    assert repository(tmp_path) is None
    settings = tmp_path / "pyproject.toml"
    settings.write_text('[project]\nname = "course"\n', encoding="utf-8")
    assert repository(tmp_path) is None
    settings.write_text(f'[project.urls]\nRepository = "{ADDRESS}/"\n', encoding="utf-8")
    assert repository(tmp_path) == ADDRESS
    settings.write_text('[project.urls]\nRepository = "https://example.org"\n', encoding="utf-8")
    with pytest.raises(ValueError, match="must begin with https://github.com/; got 'https://exam"):
        repository(tmp_path)


def test_on_colab_a_solution_goes_to_its_own_folder(monkeypatch):
    """There the checks keep no record: who only runs a solution has not answered."""
    monkeypatch.setenv("COLAB_RELEASE_TAG", "release-colab_20260801")
    monkeypatch.setattr("os.path.exists", lambda path: True)
    folders = []
    monkeypatch.setattr("os.chdir", folders.append)
    lesson = with_setup(read_lesson(ROOT / "course" / "lessons" / "02_seeds.py"), ADDRESS)
    for form in ("blank", "complete"):
        exec(make_notebook(lesson, form).cells[2].source, {})
    assert [folder.rpartition("/")[2] for folder in folders] == ["lessons", "solutions"]
