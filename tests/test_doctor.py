"""`python -m helpers doctor`: every finding on purpose; nothing is sent without being asked for."""

import ast
import importlib.metadata
import socket
import subprocess
import sys
from types import SimpleNamespace

import pytest

from helpers.__main__ import OLDEST_PYTHON, main
from helpers.base.files import free_bytes
from helpers.course import doctor
from helpers.course.doctor import GIB, Finding, State, examine, report


@pytest.fixture
def fake_torch(monkeypatch):
    """A torch without any GPU; tests give it one."""
    torch = SimpleNamespace(
        cuda=SimpleNamespace(is_available=lambda: False),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: False)),
        get_num_threads=lambda: 4,
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    return torch


@pytest.mark.parametrize(
    ("version", "state"), [((3, 11), "ok"), ((3, 13), "ok"), ((3, 14), "note")]
)
def test_python_version(version, state):
    finding = doctor.python_version(version)
    assert finding.state == state
    assert bool(finding.fix) == (state != "ok")


def test_python_that_is_too_old_is_told_before_anything_is_loaded(monkeypatch):
    assert OLDEST_PYTHON == doctor.TESTED_PYTHONS[0]
    monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
    with pytest.raises(SystemExit, match="needs Python 3.11 or newer; .+ is 3.10"):
        main(["doctor"])


FIRST = ("__init__", "__main__", "base/__init__", "base/surroundings")


@pytest.mark.parametrize("module", FIRST)
def test_an_old_python_gets_as_far_as_that_message(module):
    """Python 3.9 reads these, and has no `A | B` for types."""
    source = (doctor.COURSE / "helpers" / f"{module}.py").read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 9))
    if "from __future__ import annotations" not in source:  # with it no annotation is evaluated
        assert not [node for node in ast.walk(tree) if isinstance(node, ast.BitOr)]


def test_only_these_are_read_before_that_message():
    code = """
import sys
from helpers.__main__ import main
print(sorted(name for name in sys.modules if name.startswith("helpers")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    names = (f"helpers/{module}".replace("/__init__", "").replace("/", ".") for module in FIRST)
    assert done.stdout.strip() == str(sorted(names))


def test_missing_and_old_libraries_are_named(monkeypatch):
    versions = {"torch": "2.12.0", "diffusers": "0.30.0"}

    def version(name):
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    wanted = ["torch>=2.11", "diffusers>=0.39", "peft>=0.17", 'sphinx>=8; extra == "site"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: wanted)
    monkeypatch.setattr(importlib.metadata, "version", version)
    finding = doctor.libraries()
    assert finding.state == State.PROBLEM
    assert finding.message == "diffusers 0.30.0 (needs >=0.39); peft is missing (needs >=0.17)"
    versions |= {"diffusers": "0.42.0.dev1", "peft": "0.21.0"}
    assert doctor.libraries().state == State.OK


def test_course_that_is_not_installed_is_a_problem(fake_torch, monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGE", "no-such-course")
    finding = examine()[1]
    assert finding.subject == "Libraries" and finding.state == State.PROBLEM
    assert finding.fix == doctor.install_fix()


def test_fix_names_the_python_that_has_the_course(tmp_path, monkeypatch):
    own = tmp_path / ".venv"
    install = "-m pip install -c constraints.txt -e ."
    assert doctor.install_fix(own=own) == f"In the course's folder: python {install}"
    inside = own / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    inside.parent.mkdir(parents=True)
    inside.touch()
    mine = inside.relative_to(tmp_path)
    assert doctor.install_fix(own=own).endswith(f"{mine} -m helpers doctor")
    monkeypatch.setattr(sys, "prefix", str(own))
    assert doctor.install_fix("lab", own).endswith(f'{mine} {install[:-1]}".[lab]"')


def test_damaged_weights_are_named(tmp_path, monkeypatch):
    (tmp_path / "unet").mkdir()
    weights = tmp_path / "unet" / "model.safetensors"
    weights.write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")
    model = SimpleNamespace(folders=(tmp_path,), is_embedded=True)
    monkeypatch.setattr("helpers.models.catalogue.MODELS", {"stickers": model})
    monkeypatch.setattr("helpers.models.catalogue.WEIGHTS", tmp_path / "no other models")
    finding = doctor.models()
    assert finding.state == State.PROBLEM
    assert f"stickers: {weights} is only a pointer of Git LFS" in finding.message
    weights.write_bytes(b"\0" * 64)
    assert f"stickers: {weights} is damaged" in doctor.models().message
    weights.unlink()
    assert "no weights in" in doctor.models().message


def test_device_is_the_cpu_and_says_when_a_card_lies_idle(fake_torch, monkeypatch):
    assert doctor.device() == Finding(
        "Device", State.OK, "the CPU, with 4 threads: enough for the sticker model"
    )
    monkeypatch.setattr(doctor.shutil, "which", lambda name: f"/usr/bin/{name}")
    idle = doctor.device()
    assert idle.state == State.NOTE and "pytorch.org" in idle.fix


def test_device_is_a_gpu(fake_torch):
    fake_torch.backends.mps.is_available = lambda: True
    assert "device mps" in doctor.device().message
    card = SimpleNamespace(name="Tesla T4", total_memory=15 * GIB)
    fake_torch.cuda = SimpleNamespace(
        is_available=lambda: True, get_device_properties=lambda index: card
    )
    assert doctor.device().message == "Tesla T4 with 15.0 GiB, as torch's device cuda"


@pytest.mark.parametrize(
    ("available", "state"), [(1 * GIB, "problem"), (3 * GIB, "note"), (16 * GIB, "ok")]
)
def test_memory(available, state):
    assert doctor.memory(available).state == state


@pytest.mark.parametrize(
    ("here", "downloads", "state"),
    [(GIB // 4, 9 * GIB, "problem"), (GIB, GIB, "note"), (GIB, 9 * GIB, "ok")],
)
def test_disk(here, downloads, state):
    assert doctor.disk(here, downloads).state == state


def test_disk_of_a_folder_that_is_still_to_be_made(tmp_path):
    assert free_bytes(tmp_path / "not" / "yet") > 0


def test_token_is_found_and_never_shown(tmp_path):
    file = tmp_path / "token"
    none = doctor.token({}, file)
    assert none.state == State.OK and "hf auth login" in none.fix
    file.write_text("hf_secret\n", encoding="utf-8")
    stored = doctor.token({}, file)
    given = doctor.token({"HF_TOKEN": "hf_secret"}, file)
    odd = doctor.token({"HF_TOKEN": "secret"}, file)
    assert [stored.state, given.state, odd.state] == ["ok", "ok", "note"]
    assert str(file) in stored.message and "environment" in given.message
    assert not any("secret" in f"{each}" for each in (stored, given, odd))


def test_progress_that_cannot_be_written_is_a_note(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "progress.jsonl"))
    assert doctor.progress().state == State.OK
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    assert doctor.progress().state == State.NOTE


def test_a_record_that_is_switched_off_is_told(monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", "off")
    finding = doctor.progress()
    assert finding.state == State.NOTE and "COURSE_PROGRESS is off" in finding.message
    assert "unset COURSE_PROGRESS" in finding.fix


def test_nothing_is_sent_unless_asked_for(fake_torch, monkeypatch):
    asked = []

    def refuse(*arguments, **options):
        asked.append(arguments)
        raise OSError("the network is blocked in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert "Network" not in [finding.subject for finding in examine()]
    assert not asked
    last = examine(network=True)[-1]
    assert asked and last.subject == "Network" and last.state == State.NOTE


def test_an_examination_that_fails_is_a_problem_and_the_others_go_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    findings = {finding.subject: finding for finding in examine()}
    assert findings["Device"].state == State.PROBLEM
    assert findings["Device"].message == f"torch is not installed for {sys.executable}"
    assert findings["Python"].message


def test_command_prints_each_fix_and_exits_with_1_for_a_problem(monkeypatch, capsys):
    findings = [Finding("Disk", State.NOTE, "0.9 GiB free", "Set HF_HOME.")]
    monkeypatch.setattr(doctor, "examine", lambda network: findings)
    main(["doctor"])
    assert capsys.readouterr().out.splitlines() == [
        "note     Disk       0.9 GiB free",
        "                    -> Set HF_HOME.",
        "",
        "Ready to start.",
    ]
    findings += [Finding(name, State.PROBLEM, "none", "Buy some.") for name in ("Memory", "RAM")]
    with pytest.raises(SystemExit) as stopped:
        main(["doctor"])
    assert stopped.value.code == 1
    assert "2 problems to fix." in report(findings)
    assert report(findings).count("Buy some.") == 1  # one fix for both
