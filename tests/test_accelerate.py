"""One sweep over two processes: the work is dealt, one is killed, and the run goes on."""

import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from PIL import Image

from helpers.pictures.files import image_settings
from helpers.sweeps.distributed import Processes, launched_processes, partition
from helpers.sweeps.folder import MANIFEST_NAME, PART_NAME, SHEET_NAME, SweepFolder, settings_key
from helpers.sweeps.run import sweep

pytestmark = pytest.mark.slow

PICTURES = 12


def test_deal_by_cost():
    assert partition([1, 1, 8, 1, 4, 1], 2) == [[2], [4, 0, 1, 3, 5]]
    assert partition([5.0], 3) == [[0], [], []]
    assert partition([], 2) == [[], []]
    costs = [(7 * i) % 13 + 1 for i in range(40)]
    hands = partition(costs, 4)
    assert sorted(number for hand in hands for number in hand) == list(range(40))
    sums = [sum(costs[number] for number in hand) for hand in hands]
    assert max(sums) - min(sums) <= max(costs)


def test_without_a_launcher_a_process_is_alone(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    alone = launched_processes()
    assert alone == Processes(0, 1) and alone.gather("a") == ["a"]
    with pytest.raises(OSError, match="no room"):
        alone.first_alone(lambda: (_ for _ in ()).throw(OSError("no room")))


def test_several_processes_need_a_folder(tiny_pipe, monkeypatch):
    monkeypatch.setattr("helpers.sweeps.run.launched_processes", lambda: Processes(1, 2))
    with pytest.raises(ValueError, match="folder must be given where several processes"):
        sweep(tiny_pipe, prompt="a fox", seed=[1, 2])


def test_rows_of_other_processes_are_gathered_into_one_manifest(tmp_path):
    picture = Image.new("RGB", (8, 8), "teal")
    header = {"model": "m"}
    SweepFolder(tmp_path, header).add({"seed": 0}, {}, "seed 0", picture)
    for process in (1, 2):
        SweepFolder(tmp_path, header, process).add({"seed": process}, {}, "seed", picture)
    assert len(_rows(tmp_path / MANIFEST_NAME)) == 1
    store = SweepFolder(tmp_path, header)
    assert [row["seed"] for row in _rows(tmp_path / MANIFEST_NAME)] == [0, 1, 2]
    assert len(store.rows) == 3 and not list(tmp_path.glob(PART_NAME.format("*")))


def test_two_processes_one_killed_and_the_run_resumed(tiny_pipe, tmp_path):
    model, folder = tmp_path / "model", tmp_path / "out"
    tiny_pipe.save_pretrained(model)
    run = start(model, folder)
    second = wait_for(lambda: process_of_rank(run, 1))
    wait_for(lambda: _rows(folder / PART_NAME.format(1)))
    second.kill()
    run.communicate(timeout=300)
    assert run.returncode != 0
    before = {path: path.stat().st_mtime_ns for path in pictures(folder)}
    assert 1 <= len(before) < PICTURES

    run = start(model, folder)
    told = run.communicate(timeout=300)
    assert run.returncode == 0, told
    assert f"pictures to make: {PICTURES - len(before)} of {PICTURES} (" in told[0]
    assert f"pictures in {folder}: {PICTURES};" in told[0]
    assert {path: path.stat().st_mtime_ns for path in before} == before  # nothing done twice
    rows = _rows(folder / MANIFEST_NAME)
    assert sorted(row["seed"] for row in rows) == list(range(PICTURES))
    assert {row["file"] for row in rows} == {path.name for path in pictures(folder)}
    for path in pictures(folder):
        assert settings_key(image_settings(path)) in path.stem
    assert (folder / SHEET_NAME).exists() and not list(folder.glob(PART_NAME.format("*")))


def start(model: Path, folder: Path) -> subprocess.Popen:
    """A sweep of many steps, one picture after the other, over two processes."""
    launcher = "accelerate.commands.launch --multi_gpu --num_processes 2 --num_machines 1"
    options = "--mixed_precision no --dynamo_backend no --main_process_port 0 -m helpers sweep"
    settings = f"--prompt fox --seed 0:{PICTURES} --num-inference-steps 60 --max-rows 2"
    return subprocess.Popen(
        [sys.executable, "-m", *f"{launcher} {options} {settings}".split()]
        + ["--model", str(model), "--device", "cpu", "--folder", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )


def process_of_rank(run: subprocess.Popen, rank: int) -> psutil.Process | None:
    for child in psutil.Process(run.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # it ended meanwhile
            if child.environ().get("RANK") == str(rank):
                return child
    return None


def wait_for(condition, seconds: float = 300):
    """The first true value of `condition()`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    raise TimeoutError(f"waited for {seconds} seconds in vain")


def pictures(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.png") if path.name != SHEET_NAME]


def _rows(manifest: Path) -> list[dict]:
    if not manifest.exists():
        return []
    lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]
