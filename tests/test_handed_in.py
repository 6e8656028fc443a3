"""A class's files as they really arrive: no learner is lost, and none is invented."""

import csv
import io
import json
import os
import sys

import pytest

from helpers.__main__ import main
from helpers.course.handed_in import read_class
from helpers.course.progress import Standing

RIGHT = ("01.grid", "right")
WRONG = ("01.grid", "wrong")


def write(path, *events, encoding="utf-8"):
    """A progress file of (exercise, event) pairs, a second apart."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"time": f"2026-09-01T10:00:{second:02}+00:00", "exercise": e, "event": event})
        for second, (e, event) in enumerate(events)
    ]
    path.write_text("\n".join(lines) + "\n", encoding=encoding)


def learners_of(*paths):
    """Names and the standings in exercise 01.grid; no file may have been left out."""
    learners, faults = read_class(paths)
    assert faults == []
    return {each.learner: each.standings.get("01.grid") for each in learners}


def test_what_archives_and_jupyter_add_is_nobody(tmp_path):
    write(tmp_path / "anna" / "progress.jsonl", RIGHT)
    write(tmp_path / "anna" / ".ipynb_checkpoints" / "progress-checkpoint.jsonl", RIGHT)
    for note in ("__MACOSX/anna/._progress.jsonl", "anna/._progress.jsonl"):
        (tmp_path / note).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / note).write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X" + b"\xff" * 40)
    assert learners_of(tmp_path) == {"anna": Standing(True, 1)}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_costs_no_event(tmp_path, encoding):
    write(tmp_path / "anna.jsonl", WRONG, RIGHT, encoding=encoding)
    assert learners_of(tmp_path) == {"anna": Standing(True, 2)}


CLASS = ("anna", "ben", "carl")


@pytest.mark.parametrize(
    "layout",
    [
        "{learner}.jsonl",
        "{learner}/progress.jsonl",
        "{learner}/progress (1).jsonl",
        "submitted/{learner}/progress.jsonl",
        "{learner}/lesson 01/progress.jsonl",
        "lesson01/{learner}/progress.jsonl",
        "submitted/{learner}/03_steps/progress.jsonl",
        "{learner}/finals/progress.jsonl",
    ],
)
@pytest.mark.parametrize("asked", ["folder", "files"])
def test_each_learner_is_found_in_every_layout(tmp_path, layout, asked):
    for name in CLASS:
        write(tmp_path / layout.format(learner=name), RIGHT)
    asked_for = [tmp_path] if asked == "folder" else sorted(tmp_path.rglob("*.jsonl"))
    assert list(learners_of(*asked_for)) == list(CLASS)


@pytest.mark.parametrize(
    "layout", ["{0}/{1}/progress.jsonl", "in/{0}/{1}/progress.jsonl", "lesson {2}/{0}.jsonl"]
)
def test_a_learner_with_several_assignments_is_one(tmp_path, layout):
    """The record goes on, so the later file has what was in the earlier one."""
    events = [WRONG, WRONG, RIGHT]
    for name in CLASS:
        for number, assignment in enumerate(("first", "second"), start=1):
            write(tmp_path / layout.format(name, assignment, number), *events[: number + 1])
    assert learners_of(tmp_path) == dict.fromkeys(CLASS, Standing(True, 3))


def test_assignments_outside_and_learners_inside(tmp_path):
    for assignment in ("first", "second"):
        for name in CLASS:
            write(tmp_path / assignment / name / "progress.jsonl", RIGHT)
    assert list(learners_of(tmp_path)) == list(CLASS)


@pytest.mark.parametrize("layout", ["{0}/{1}/progress.jsonl", "{0}/{1}.jsonl"])
def test_two_people_of_one_name_in_different_groups_are_two(tmp_path, layout):
    for group, names in {"red": ("anna", "ben", "carl"), "blue": ("anna", "dora", "emil")}.items():
        for name in names:
            write(tmp_path / layout.format(group, name), RIGHT)
    found = learners_of(tmp_path)
    assert len(found) == 6 and {"red/anna", "blue/anna"} <= found.keys()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_a_name_that_is_not_utf_8_is_read_and_printed(tmp_path, capsys):
    for raw in (b"M\xfcller", b"Mi\x81"):
        write(tmp_path / os.fsdecode(raw) / "progress.jsonl", RIGHT)
    assert set(learners_of(tmp_path)) == {"Müller", "Mi\\\\x81"}
    main(["progress", str(tmp_path)])
    assert "Müller" in capsys.readouterr().out


def test_a_bad_file_is_told_and_the_others_are_read(tmp_path, capsys):
    write(tmp_path / "anna.jsonl", RIGHT)
    (tmp_path / "ben.jsonl").write_bytes(b"\x89PNG\xff")
    (tmp_path / "carl").mkdir()
    (tmp_path / "carl" / "manifest.jsonl").write_text('{"file": "a.png"}\n', encoding="utf-8")
    (tmp_path / "dora.jsonl").write_text("", encoding="utf-8")  # handed in, and nothing done yet
    main(["progress", "--csv", str(tmp_path)])
    printed = capsys.readouterr()
    names = [row[0] for row in csv.reader(io.StringIO(printed.out.lstrip("\ufeff")))]
    assert names == ["learner", "anna", "dora"]
    assert "left out" in printed.err
    assert "ben.jsonl is no progress file" in printed.err and "manifest.jsonl is no" in printed.err
    (tmp_path / "anna.jsonl").unlink()
    (tmp_path / "dora.jsonl").unlink()
    with pytest.raises(SystemExit, match="ben.jsonl is no progress file"):
        main(["progress", str(tmp_path)])


@pytest.mark.parametrize("name", ["=1+1", "@SUM(A1)", "-2+3", "+cmd(A0)"])
def test_no_name_becomes_a_formula(tmp_path, capsys, name):
    write(tmp_path / f"{name}.jsonl", RIGHT)
    write(tmp_path / "Anna-Lena.jsonl", RIGHT)
    write(tmp_path / "0123456.jsonl", RIGHT)
    main(["progress", "--csv", str(tmp_path)])
    printed = capsys.readouterr().out
    assert printed.encode("utf-8").startswith(b"\xef\xbb\xbflearner")  # for Müller in Excel
    names = [row[0] for row in csv.reader(io.StringIO(printed))][1:]
    assert not any(cell.lstrip("\"' ").startswith(("=", "+", "-", "@")) for cell in names)
    assert {"Anna-Lena", "0123456"} < set(names) and len(names) == 3
