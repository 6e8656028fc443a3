"""The record of a learner's checks: when it is written, what it says, what a class's files say."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest
from nbclient import NotebookClient

from helpers.__main__ import main
from helpers.course import progress
from helpers.course.exercises import Exercise
from helpers.course.handed_in import read_class
from helpers.course.progress import Standing, class_table, exercise_table, read_progress

IDS = ["01.grid", "01.guidance", "02.same_noise"]


def right(sheet) -> str:
    """A check that every answer passes."""
    return "Yes."


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """This process as a notebook's kernel in a folder of its own; returns the folder."""
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr("helpers.course.exercises.lesson_checks", lambda number: {"01.grid": right})
    monkeypatch.delenv("COURSE_PROGRESS", raising=False)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path, *events):
    """A progress file of (exercise, event) pairs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"exercise": each, "event": event}) for each, event in events]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_checks_hints_and_solutions_are_recorded(kernel):
    item = Exercise("01.grid", hints=["Look.", "Look again."], solution="1")
    item.hint()
    item.solution()
    item.check(sheet=...)
    item.check(sheet=1)
    lines = (kernel / "progress.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    assert [(each["exercise"], each["event"]) for each in entries] == [
        ("01.grid", "hint"),
        ("01.grid", "solution"),
        ("01.grid", "not attempted"),
        ("01.grid", "right"),
    ]
    assert all(each["time"].endswith("+00:00") for each in entries)


def test_a_file_that_cannot_be_written_breaks_no_check(kernel):
    (kernel / "progress.jsonl").mkdir()
    result = Exercise("01.grid", hints=["Look."], solution="1").check(sheet=...)
    assert result.outcome == "not attempted"


def test_solutions_tests_and_scripts_leave_no_record(kernel, monkeypatch):
    (kernel / "solutions").mkdir()
    monkeypatch.chdir(kernel / "solutions")
    progress.record("01.grid", "right")
    monkeypatch.chdir(kernel)
    monkeypatch.setattr(progress, "in_notebook", lambda: False)
    progress.record("01.grid", "right")
    assert not list(kernel.rglob("*.jsonl"))


@pytest.mark.parametrize("teller", ["VS Code", "Jupyter"])
def test_the_notebooks_folder_counts_and_not_where_the_kernel_started(kernel, monkeypatch, teller):
    from IPython import get_ipython  # None: pytest is no notebook

    assert get_ipython() is None
    shell = SimpleNamespace(user_ns={})
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    for folder, files in (("solutions", []), ("lessons", ["lessons/progress.jsonl"])):
        notebook = kernel / folder / "01_loading.ipynb"
        notebook.parent.mkdir()
        if teller == "VS Code":
            shell.user_ns["__vsc_ipynb_file__"] = str(notebook)
        else:
            monkeypatch.setenv("JPY_SESSION_NAME", str(notebook))
        progress.record("01.grid", "right")
        found = [path.relative_to(kernel).as_posix() for path in kernel.rglob("*.jsonl")]
        assert found == files


def test_a_notebook_that_is_told_wrongly_is_not_believed(kernel, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", "a7f3-console")
    progress.record("01.grid", "right")
    monkeypatch.setenv("JPY_SESSION_NAME", "/nowhere/solutions/01_loading.ipynb")
    progress.record("01.grid", "right")
    assert len((kernel / "progress.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_the_environment_names_another_file_or_none(kernel, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", "off")
    progress.record("01.grid", "right")
    assert not list(kernel.rglob("*.jsonl"))
    monkeypatch.setenv("COURSE_PROGRESS", str(kernel / "anna.jsonl"))
    progress.record("01.grid", "right")
    assert progress.own_file() == kernel / "anna.jsonl"
    assert read_progress(kernel / "anna.jsonl").standings == {"01.grid": Standing(True, 1)}


def test_a_real_kernel_writes_beside_its_notebook(tmp_path, monkeypatch):
    monkeypatch.delenv("COURSE_PROGRESS", raising=False)
    code = "from helpers.course import progress; progress.record('01.grid', 'right')"
    for folder in ("lessons", "solutions"):
        (tmp_path / folder).mkdir()
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
        resources = {"metadata": {"path": str(tmp_path / folder)}}
        NotebookClient(notebook, kernel_name="python3", resources=resources).execute()
    (written,) = tmp_path.rglob("*.jsonl")
    assert written == tmp_path / "lessons" / "progress.jsonl"


def test_standing_counts_until_the_first_right_answer(tmp_path):
    events = ["not attempted", "wrong", "hint", "your code raised", "cannot be checked here"]
    events += ["right", "wrong", "hint", "solution"]
    path = write(tmp_path / "anna.jsonl", *[("01.grid", event) for event in events])
    read = read_progress(path)
    assert read.learner == "anna"
    assert read.standings == {"01.grid": Standing(is_right=True, tries=3, hints=1)}


def test_unreadable_lines_are_counted_and_left_out(tmp_path):
    path = write(tmp_path / "anna" / "progress.jsonl", ("01.grid", "right"))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"exercise": "01.gr\n[]\n7\n\n{"event": "right"}\n')
    read = read_progress(path)
    assert (read.learner, read.unreadable, list(read.standings)) == ("anna", 4, ["01.grid"])


def test_what_is_no_progress_file_is_refused(tmp_path):
    picture = tmp_path / "anna.jsonl"
    picture.write_bytes(b"\x89PNG\xff")
    with pytest.raises(ValueError, match="anna.jsonl is no progress file"):
        read_progress(picture)
    with pytest.raises(FileNotFoundError, match="nobody.jsonl"):
        read_progress(tmp_path / "nobody.jsonl")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(FileNotFoundError, match=r"no progress file \(\*.jsonl\) in"):
        read_class([empty])


def a_class(folder):
    anna = [("01.grid", "right"), ("01.guidance", "wrong"), ("01.guidance", "hint")]
    anna += [("01.guidance", "right"), ("02.same_noise", "right")]
    ben = [("01.grid", "wrong"), ("01.grid", "solution"), ("01.grid", "right")]
    write(folder / "anna.jsonl", *anna)
    write(folder / "ben" / "progress.jsonl", *ben)
    return folder


def test_summary_of_a_class(tmp_path):
    learners, faults = read_class([a_class(tmp_path)])
    assert faults == []
    table = class_table(learners, IDS)
    assert table.to_dict("index") == {
        "anna": {
            "lesson 01": 2,
            "lesson 02": 1,
            "right": 3,
            "of": 3,
            "alone": 2,
            "tries": 4,
            "hints": 1,
            "solutions seen": 0,
        },
        "ben": {
            "lesson 01": 1,
            "lesson 02": 0,
            "right": 1,
            "of": 3,
            "alone": 0,
            "tries": 2,
            "hints": 0,
            "solutions seen": 1,
        },
    }
    by_exercise = exercise_table(learners, IDS)
    assert list(by_exercise.index) == ["01.guidance", "01.grid", "02.same_noise"]
    assert by_exercise.loc["01.grid"].to_dict() == {
        "tried": 2,
        "right": 2,
        "tries each": 1.5,
        "took hints": 0,
        "saw solution": 1,
    }


def test_command_prints_ones_own(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.jsonl"))
    main(["progress"])
    assert "made by the first check" in capsys.readouterr().out
    path = write(tmp_path / "progress.jsonl", ("01.grid", "wrong"), ("01.grid", "hint"))
    path.write_text(path.read_text(encoding="utf-8") + "a line of rubbish\n", encoding="utf-8")
    main(["progress"])
    printed = capsys.readouterr().out
    assert "lesson 01: 0 of 4 exercises right" in printed
    assert "    01.grid              open       1 try, 1 hint\n" in printed
    assert "    01.guidance          not tried\n" in printed
    assert "(1 line of the file could not be read)" in printed
    assert str(tmp_path / "progress.jsonl") in printed


def test_command_prints_a_class(tmp_path, capsys):
    main(["progress", str(a_class(tmp_path)), "--csv"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("\ufefflearner,lesson 01,lesson 02,")  # the mark is for Excel
    assert [line.split(",")[0] for line in lines[1:]] == ["anna", "ben"]
    main(["progress", str(tmp_path)])
    printed = capsys.readouterr().out
    assert "took hints" in printed and "anna" in printed
    with pytest.raises(SystemExit, match="there is no progress file nowhere"):
        main(["progress", "nowhere"])


def test_names_with_any_letter_reach_a_file(tmp_path):
    write(tmp_path / "Łukasz.jsonl", ("01.grid", "right"))
    command = [sys.executable, "-m", "helpers", "progress", str(tmp_path), "--csv"]
    old = os.environ | {"PYTHONIOENCODING": "cp1252"}  # as Windows does into a file
    done = subprocess.run(command, env=old, capture_output=True, check=True)
    assert "\nŁukasz,1," in done.stdout.decode("utf-8").replace("\r", "")
