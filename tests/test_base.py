"""What all rooms stand on: whole files, and warnings at the learner's own line."""

import os
import runpy
import warnings
from pathlib import Path

import pytest
from PIL import Image

from helpers import load_ranker
from helpers.base.files import put_back, temporary_beside, whole_folder, write_whole
from helpers.base.warn import warn_learner


@pytest.mark.parametrize(
    "content", [b"whole", "whole", lambda part: part.write_text("whole", encoding="utf-8")]
)
def test_a_file_is_written_with_its_folder(tmp_path, content):
    path = tmp_path / "new" / "file"
    assert write_whole(path, content) == path
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_while_writing_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_whole(tmp_path / "file", "old")

    def cut_short(part):
        part.write_bytes(b"ha")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, cut_short)
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_while_renaming_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = write_whole(tmp_path / "file", "old")
    monkeypatch.setattr("os.replace", lambda *paths: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_whole(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_content_is_on_the_disk_before_its_name(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr("os.fsync", lambda number: (done.append("sync"), sync(number)))
    monkeypatch.setattr("os.replace", lambda *paths: (done.append("rename"), replace(*paths)))
    write_whole(tmp_path / "file", "whole")
    assert done[:2] == ["sync", "rename"]


def test_a_file_may_take_another_name_so_that_it_replaces_none(tmp_path):
    old = write_whole(tmp_path / "file", "old")
    beside = write_whole(old, "new", lambda temporary, path: temporary.rename(f"{path}-2"))
    assert beside == tmp_path / "file-2" and beside.read_text(encoding="utf-8") == "new"
    assert old.read_text(encoding="utf-8") == "old"


def test_a_folder_takes_the_place_of_the_old_one_as_a_whole(tmp_path):
    folder = tmp_path / "new" / "folder"
    for content in ("old", "new"):
        with whole_folder(folder) as part:
            (part / content).touch()
            assert not folder.exists() or os.listdir(folder) == ["old"]
    assert os.listdir(folder) == ["new"] and os.listdir(folder.parent) == ["folder"]


def test_an_error_while_a_folder_is_filled_leaves_the_old_one_and_nothing_else(tmp_path):
    folder = tmp_path / "folder"
    write_whole(folder / "file", "old")
    with pytest.raises(OSError, match="disk full"):
        with whole_folder(folder) as part:
            (part / "half").touch()
            raise OSError("disk full")
    assert os.listdir(folder) == ["file"] and os.listdir(tmp_path) == ["folder"]


def test_a_neighbour_of_a_folder_is_left_alone(tmp_path):
    kept = write_whole(tmp_path / "folder.old" / "file", "not ours")
    for _ in range(2):
        with whole_folder(tmp_path / "folder") as part:
            (part / "new").touch()
    assert kept.read_text(encoding="utf-8") == "not ours"


def test_what_a_kill_left_of_a_folder_is_mended_and_in_nobodys_way(tmp_path):
    write_whole(tmp_path / ".saving-0" / "half", "")
    write_whole(tmp_path / ".replaced-lost" / "file", "the only one")
    write_whole(tmp_path / ".replaced-folder" / "file", "older")
    write_whole(tmp_path / "folder" / "file", "newer")
    with whole_folder(tmp_path / "folder") as part:
        (part / "newest").touch()
    put_back(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["folder", "lost"]
    assert os.listdir(tmp_path / "folder") == ["newest"]
    assert (tmp_path / "lost" / "file").read_text(encoding="utf-8") == "the only one"


@pytest.mark.parametrize("replaces", [False, True])
def test_a_folder_that_cannot_take_its_place_leaves_the_old_one(tmp_path, monkeypatch, replaces):
    folder = write_whole(tmp_path / "folder" / "file", "old").parent
    rename = os.replace

    def only_old(source, target):
        if Path(source).name.startswith(".saving-"):
            raise OSError("in use")
        rename(source, target)

    if replaces:
        monkeypatch.setattr("os.replace", only_old)
    with pytest.raises(OSError):
        with whole_folder(folder, replaces) as part:
            (part / "new").touch()
    assert os.listdir(folder) == ["file"] and os.listdir(tmp_path) == ["folder"]


def test_two_temporary_names_differ(tmp_path):
    with temporary_beside(tmp_path / "a") as one, temporary_beside(tmp_path / "a") as other:
        assert one != other and one.parent == tmp_path


def test_a_warning_points_at_the_line_that_called_the_course(tmp_path):
    """However deep the warning comes from, and whatever libraries lie between."""
    ranker = load_ranker()
    long = "fox " * 200
    with pytest.warns(UserWarning, match="tokens") as told:
        ranker.scores([Image.new("RGB", (64, 64))], [long])
    assert told[0].filename == __file__
    with open(__file__, encoding="utf-8") as lines:
        assert "ranker.scores([Image" in lines.readlines()[told[0].lineno - 1]


def test_a_warning_in_a_learners_function_points_there(tmp_path):
    script = write_whole(
        tmp_path / "mine.py",
        "import functools\nfrom helpers.base.warn import warn_learner\n\n"
        "def told():\n    functools.reduce(lambda a, b: warn_learner('careful'), [1, 2])\n",
    )
    told_there = runpy.run_path(str(script))["told"]
    with pytest.warns(UserWarning, match="careful") as told:
        told_there()
    assert (told[0].filename, told[0].lineno) == (str(script), 5)


def test_the_same_line_is_warned_of_once():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for _ in range(3):
            warn_learner("once")
    assert len(told) == 1
