"""`%run -m helpers …`: every command also works in a notebook, whose output is no file."""

import io
import runpy
import sys

import pytest

from helpers.__main__ import COMMANDS


@pytest.fixture
def run_in_notebook(monkeypatch):
    """What `%run -m helpers` does: the module as the main program, the output that of a kernel."""

    def run(*arguments: str) -> str:
        output = io.StringIO()  # it has no `reconfigure`, as a kernel's has none
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["helpers", *map(str, arguments)])
            patch.setattr(sys, "stdout", output)
            try:
                runpy.run_module("helpers", run_name="__main__", alter_sys=True)
            except SystemExit as end:
                assert end.code in (None, 0, 1), end.code
        return output.getvalue()

    return run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(run_in_notebook, command):
    assert f"-m helpers {command}" in run_in_notebook(command, "--help")


def test_models_doctor_progress_and_sweep_do_their_work(run_in_notebook, saved_model, tmp_path):
    assert "stickers" in run_in_notebook("models")
    assert "Libraries" in run_in_notebook("doctor")
    (tmp_path / "müller.jsonl").write_text(
        '{"exercise": "01.grid", "event": "right"}\n', encoding="utf-8"
    )
    assert "müller" in run_in_notebook("progress", tmp_path / "müller.jsonl")
    options = ["--num-inference-steps", "2", "--model", saved_model, "--folder", tmp_path / "out"]
    assert "pictures in" in run_in_notebook("sweep", "--prompt", "a fox", *options)
