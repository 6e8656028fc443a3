"""Sweeps: the plan, the folder that survives a kill, the labelled grid, and the whole of it."""

import io
import json
import re
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from PIL import Image

from helpers.pictures.files import image_settings, save_image
from helpers.sampling.cell import Cell
from helpers.sweeps import folder as sweep_folder
from helpers.sweeps.contact_sheet import contact_sheet
from helpers.sweeps.folder import (
    HEADER_NAME,
    MANIFEST_NAME,
    SHEET_NAME,
    SweepFolder,
    save_sweep,
    settings_key,
)
from helpers.sweeps.plan import find_axes
from helpers.sweeps.run import sweep
from tests.pipelines import MAX_TOKENS, plain_call, tiny_sd_pipeline, tiny_sdxl_pipeline

QUIET = {"progress": False, "num_inference_steps": 2, "scheduler": "ddim"}


@pytest.fixture
def calls(own_pipe):
    """Rows of each U-Net call of `own_pipe`."""
    rows = []
    own_pipe.unet.register_forward_pre_hook(lambda unet, args: rows.append(len(args[0])))
    return rows


# The plan


def test_lists_are_axes_in_the_order_of_the_arguments():
    axes = find_axes({"seed": range(2), "prompt": "a fox", "guidance_scale": numpy.array([1.0, 4])})
    assert axes.values == {"seed": (0, 1), "guidance_scale": (1.0, 4.0)}
    assert axes.positions == [(0, 1.0), (0, 4.0), (1, 1.0), (1, 4.0)]
    assert axes.settings((1, 4.0))["seed"] == 1
    assert axes.fixed["prompt"] == "a fox" and axes.fixed["num_inference_steps"] == 50


@pytest.mark.parametrize(
    "settings, error, says",
    [
        ({}, TypeError, "prompt must be given"),
        ({"prompt": "a fox", "steps": 3}, TypeError, "Did you mean num_inference_steps"),
        ({"prompt": "a fox", "seed": []}, ValueError, "seed must hold at least one value"),
        ({"prompt": "a fox", "seed": [1, 2, 1]}, ValueError, "each value once; got 1 twice"),
        ({"prompt": {"a fox", "an owl"}}, TypeError, "a set has no order"),
        (
            {"prompt": ["a"], "seed": [1], "guidance_scale": [1], "eta": [0]},
            ValueError,
            "up to 3 axes .* got 4: prompt, seed, guidance_scale, eta",
        ),
    ],
)
def test_bad_plans(settings, error, says):
    with pytest.raises(error, match=says):
        find_axes(settings)


# The folder

HEADER = {"model": "m", "prompt": "a fox"}
PICTURE = Image.new("RGB", (8, 8), "teal")


def filled(folder, count=3) -> SweepFolder:
    store = SweepFolder(folder, HEADER)
    for seed in range(count):
        store.add({"prompt": "a fox", "seed": seed}, {"seconds": 1.0}, f"seed {seed}", PICTURE)
    return store


def reopened(folder, header=HEADER) -> tuple[SweepFolder, str]:
    """The folder opened again, and what was told of mending."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        store = SweepFolder(folder, header)
    return store, " ".join(str(warning.message) for warning in told)


def test_a_whole_folder_is_opened_without_a_word(tmp_path):
    rows = filled(tmp_path).rows
    store, told = reopened(tmp_path)
    assert store.rows == rows and told == ""
    for key, row in rows.items():
        assert image_settings(tmp_path / row["file"]) == {"prompt": "a fox", "seed": row["seed"]}
        assert store.image(key).tobytes() == PICTURE.tobytes()


def test_a_duplicate_and_a_torn_row_are_mended_and_told(tmp_path):
    rows = filled(tmp_path).rows
    manifest = tmp_path / MANIFEST_NAME
    whole = manifest.read_text(encoding="utf-8")
    first = whole.splitlines(keepends=True)[0]
    manifest.write_text(whole + first + first[:25], encoding="utf-8")
    store, told = reopened(tmp_path)
    assert (
        "row 4 of manifest.jsonl is a duplicate" in told
        and "row 5 of manifest.jsonl is torn" in told
    )
    assert store.rows == rows
    assert manifest.read_text(encoding="utf-8") == whole
    assert reopened(tmp_path)[1] == ""


def test_a_picture_without_a_row_is_not_made_twice(tmp_path):
    rows = filled(tmp_path).rows
    manifest = tmp_path / MANIFEST_NAME
    lines = manifest.read_text(encoding="utf-8").splitlines(keepends=True)
    manifest.write_text("".join(lines[:2]), encoding="utf-8")
    store, told = reopened(tmp_path)
    assert "had no row" in told and store.rows.keys() == rows.keys()
    assert reopened(tmp_path)[1] == ""


@pytest.mark.parametrize("letter", ["x", "x "])
def test_a_long_label_keeps_the_key_by_which_its_picture_is_found(tmp_path, letter):
    store = SweepFolder(tmp_path, HEADER)
    row = store.add({"prompt": letter * 100}, {}, f"prompt {letter * 100}", PICTURE)
    assert row["file"].endswith(f"-{row['key']}.png")
    (tmp_path / MANIFEST_NAME).unlink()
    assert reopened(tmp_path)[0].rows.keys() == {row["key"]}


@pytest.mark.parametrize("damage", ["gone", "torn", "another picture"])
def test_a_row_without_its_picture_is_dropped(tmp_path, damage):
    rows = filled(tmp_path).rows
    lost, kept, _ = rows
    path = tmp_path / rows[lost]["file"]
    if damage == "gone":
        path.unlink()
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-30])
    if damage == "another picture":
        path.write_bytes((tmp_path / rows[kept]["file"]).read_bytes())
    store, told = reopened(tmp_path)
    assert path.name in told
    assert lost not in store.rows and kept in store.rows and len(store.rows) == 2


def test_a_row_cannot_lead_out_of_the_folder(tmp_path):
    inside = tmp_path / "inside"
    filled(inside)
    manifest = inside / MANIFEST_NAME
    row = json.loads(manifest.read_text(encoding="utf-8").splitlines()[0])
    outside = tmp_path / row["file"]
    outside.write_bytes((inside / row["file"]).read_bytes())
    (inside / row["file"]).unlink()
    manifest.write_text(json.dumps(row | {"file": f"../{row['file']}"}) + "\n", encoding="utf-8")
    assert row["key"] not in reopened(inside)[0].rows


@pytest.mark.parametrize("header", [HEADER | {"model": "n"}, {"model": "m"}])
def test_another_sweep_is_refused(tmp_path, header):
    filled(tmp_path)
    with pytest.raises(ValueError, match="folder holds a sweep with another (model|prompt)"):
        SweepFolder(tmp_path, header)


ENDLESS = """
import itertools, sys
from PIL import Image
from helpers.sweeps.folder import SweepFolder
store = SweepFolder(sys.argv[1], {"model": "m", "prompt": "a fox"})
picture = Image.effect_noise((256, 256), 90)
for seed in itertools.count(len(store.rows)):
    store.add({"prompt": "a fox", "seed": seed}, {"seconds": 1.0}, f"seed {seed}", picture)
    print(seed, flush=True)
"""


def test_a_killed_run_loses_nothing_that_was_finished(tmp_path):
    done = 0
    for _ in range(3):
        command = [sys.executable, "-W", "ignore", "-c", ENDLESS, str(tmp_path)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for _ in range(3):
            done = int(child.stdout.readline()) + 1
        time.sleep(0.003)
        child.kill()
        last = child.communicate()[0].split()
        done = int(last[-1]) + 1 if last else done
        store, _ = reopened(tmp_path)
        assert {row["seed"] for row in store.rows.values()} >= set(range(done))
        for key in store.rows:
            store.image(key)
        assert reopened(tmp_path)[1] == ""


def test_names_are_safe_whatever_the_prompt_says(tmp_path):
    store = SweepFolder(tmp_path, HEADER)
    for prompt in ["../x", "con", "a\0b\n", "<script>", "🦊" * 3000, "A", "a"]:
        store.add({"prompt": prompt}, {}, f"prompt {prompt}", PICTURE)
    files = [path.name for path in tmp_path.glob("*.png")]
    assert len({name.casefold() for name in files}) == 7
    assert all(len(name.encode()) < 120 for name in files)
    assert reopened(tmp_path)[0].rows == store.rows


# The grid


def sheet_of(size=(64, 64), **settings) -> tuple[Image.Image, int]:
    axes = find_axes({"prompt": "a fox"} | settings)
    colours = [((40 * i) % 256, 90, 200) for i in range(len(axes.positions))]
    tiles = {
        position: Image.new("RGB", size, colour)
        for position, colour in zip(axes.positions, colours, strict=True)
    }
    return contact_sheet(axes, tiles), len(set(colours))


def colours_of(sheet: Image.Image) -> set:
    pixels = numpy.asarray(sheet).reshape(-1, 3)
    ours = (pixels[:, 1] == 90) & (pixels[:, 2] == 200)
    return set(map(tuple, numpy.unique(pixels[ours], axis=0).tolist()))


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"seed": [3]},
        {"num_inference_steps": range(1, 97, 5)},
        {"seed": [1, 2], "num_inference_steps": range(1, 97, 5)},
        {"seed": [1, 2], "guidance_scale": [1.0, 4.0], "scheduler": ["ddim", "euler"]},
        {"prompt": ["a fox" * 50, "🦊", ""], "guidance_scale": [1.0]},
    ],
)
def test_every_picture_is_on_the_sheet(settings):
    sheet, colours = sheet_of(**settings)
    assert len(colours_of(sheet)) == colours


def test_labels_stay_readable_at_twenty_columns():
    sheet, _ = sheet_of((128, 128), seed=[1, 2], num_inference_steps=range(1, 97, 5))
    shown = sheet.resize((1000, round(sheet.height * 1000 / sheet.width)))
    dark = numpy.asarray(shown.convert("L"))[: shown.height // 2, -45:] < 110
    rows_with_ink = numpy.flatnonzero(dark.any(axis=1))
    assert rows_with_ink.size and numpy.ptp(rows_with_ink) >= 6


def test_labels_are_not_ascii_alone():
    labelled = [sheet_of(prompt=[prompt])[0] for prompt in ("Лиса", "Сова", "öl", "ol")]
    assert len({sheet.tobytes() for sheet in labelled}) == 4


def test_a_cell_without_picture_shows_words():
    axes = find_axes({"prompt": "a fox", "seed": [1, 2]})
    described = contact_sheet(axes, {(1,): Image.new("RGB", (64, 64)), (2,): "failed: NaN"})
    blank = contact_sheet(axes, {(1,): Image.new("RGB", (64, 64)), (2,): " "})
    assert described.size == blank.size and described.tobytes() != blank.tobytes()


def test_pictures_of_every_size_are_whole_and_in_the_middle_of_their_cells():
    axes = find_axes({"prompt": "a fox", "width": [32, 64], "height": [64, 32]})
    tiles = {
        (width, height): Image.new("RGB", (width, height), (width, 90, 200 - height))
        for width, height in axes.positions
    }
    pixels = numpy.asarray(contact_sheet(axes, tiles)).astype(int)
    middles = []
    for width, height in axes.positions:
        rows, columns = numpy.nonzero((pixels == (width, 90, 200 - height)).all(axis=2))
        assert len(rows) == width * height  # neither cut nor covered
        middles.append((rows.min() + rows.max(), columns.min() + columns.max()))
    (above, left), (_, right), (below, _), last = middles
    assert middles == [(above, left), (above, right), (below, left), (below, right)]
    assert last == (below, right) and above < below and left < right


# All of it


@pytest.mark.parametrize("make", [tiny_sd_pipeline, tiny_sdxl_pipeline])
def test_a_sweep_equals_the_loop_of_pipe_calls(make):
    pipe = make()
    result = sweep(
        pipe, prompt="a fox", seed=[1, 2], guidance_scale=[1, 5.0], mode="exact", **QUIET
    )
    assert len(result) == len(result.images) == 4
    for seed in (1, 2):
        for guidance_scale in (1, 5.0):
            cell = Cell("a fox", None, seed, 2, guidance_scale, "ddim")
            expected = plain_call(pipe, cell)[1]
            assert numpy.array_equal(numpy.asarray(result[seed, guidance_scale]), expected)


def test_the_table_has_settings_and_measurements(tiny_pipe):
    result = sweep(
        tiny_pipe,
        prompt="a fox",
        progress=False,
        scheduler=["ddim", "pndm", "heun"],
        num_inference_steps=4,
    )
    table = result.table
    classes = [name.partition("(")[0] for name in table["scheduler"]]  # then come the options
    assert classes == ["DDIMScheduler", "PNDMScheduler", "HeunDiscreteScheduler"]
    assert list(table["evaluations"]) == [4, 5, 7]
    assert (table["seconds"] > 0).all() and not table["black"].any() and not table["nan"].any()
    assert set(table["height"]) == {32} and set(table["state"]) == {"done"}


def test_two_schedulers_of_one_class_are_told_apart(tiny_pipe, tmp_path):
    plain, karras = (
        DPMSolverMultistepScheduler.from_config(
            tiny_pipe.scheduler.config, use_karras_sigmas=karras
        )
        for karras in (False, True)
    )
    result = sweep(
        tiny_pipe, prompt="a fox", scheduler=[plain, karras], num_inference_steps=3, progress=False
    )
    assert result[plain].tobytes() != result[karras].tobytes()
    assert list(map(result.axes.label, (plain, karras))) == [
        "DPMSolverMultistepScheduler",
        "DPMSolverMultistepScheduler(use_karras_sigmas=True)",
    ]
    files = {path.name for path in save_sweep(result, tmp_path).glob("scheduler-*.png")}
    assert len([name for name in files if "use-karras-sigmas-true" in name]) == 1 < len(files)


def test_a_resume_with_nothing_to_do_submits_nothing_and_reads_each_picture_once(
    tiny_pipe, tmp_path, monkeypatch
):
    settings = {"prompt": "a fox", "seed": [1, 2, 3], "num_inference_steps": 2, "progress": False}
    first = sweep(tiny_pipe, folder=tmp_path, **settings)
    opened, open_file = [], Image.open
    monkeypatch.setattr(Image, "open", lambda p, **o: (opened.append(p), open_file(p, **o))[1])
    monkeypatch.setattr("helpers.sweeps.run.Denoiser.submit", lambda *_: pytest.fail("submitted"))
    again = sweep(tiny_pipe, folder=tmp_path, **settings)
    assert [i.tobytes() for i in again.images] == [i.tobytes() for i in first.images]
    assert len(opened) == 3


def test_exact_pictures_are_not_mixed_with_batched_ones(tiny_pipe, tmp_path):
    settings = {"prompt": "a fox", "seed": [1], "num_inference_steps": 2, "progress": False}
    sweep(tiny_pipe, folder=tmp_path / "batched", **settings)
    with pytest.raises(ValueError, match="another mode: there 'batched', here 'exact'"):
        sweep(tiny_pipe, folder=tmp_path / "batched", mode="exact", **settings)
    sweep(tiny_pipe, folder=tmp_path / "exact", mode="exact", **settings)
    with pytest.raises(ValueError, match="another mode: there 'exact', here 'batched'"):
        sweep(tiny_pipe, folder=tmp_path / "exact", **settings)


def test_resuming_makes_only_what_is_missing(own_pipe, calls, tmp_path):
    first = sweep(
        own_pipe, prompt="a fox", seed=[1, 2], guidance_scale=[1.0], folder=tmp_path, **QUIET
    )
    assert sum(calls) == 4
    calls.clear()
    again = sweep(
        own_pipe, prompt="a fox", seed=[1, 2], guidance_scale=[1.0], folder=tmp_path, **QUIET
    )
    assert calls == []
    assert [i.tobytes() for i in again.images] == [i.tobytes() for i in first.images]
    assert again.table["seconds"].equals(first.table["seconds"])
    more = sweep(
        own_pipe, prompt="a fox", seed=range(4), guidance_scale=[1.0], folder=tmp_path, **QUIET
    )
    assert sum(calls) == 4 and len(more.images) == 4
    assert more[1, 1.0].tobytes() == first[1, 1.0].tobytes()
    lines = (tmp_path / MANIFEST_NAME).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4
    assert {json.loads(line)["key"] for line in lines} == {settings_key(o.settings) for o in more}
    assert (tmp_path / SHEET_NAME).exists()


def test_ctrl_c_gives_back_what_is_done_and_the_rest_follows(own_pipe, tmp_path):
    evaluations = []

    def interrupt(unet, args):
        evaluations.append(len(args[0]))
        if len(evaluations) == 4:
            raise KeyboardInterrupt

    hook = own_pipe.unet.register_forward_pre_hook(interrupt)
    arguments = {"prompt": "a fox", "seed": range(3), "folder": tmp_path, "max_rows": 2} | QUIET
    with pytest.warns(UserWarning, match="interrupted: 1 of 3 pictures are done"):
        result = sweep(own_pipe, **arguments)
    assert [outcome.state for outcome in result] == ["done", "not run", "not run"]
    result.grid()
    hook.remove()
    calls = []
    own_pipe.unet.register_forward_pre_hook(lambda unet, args: calls.append(len(args[0])))
    assert len(sweep(own_pipe, **arguments).images) == 3
    assert calls == [2] * 4


@pytest.mark.parametrize("place", ["vae", "folder"])
def test_ctrl_c_while_a_picture_is_decoded_or_written(own_pipe, tmp_path, monkeypatch, place):
    seen = []

    def interrupt_the_second(call):
        def called(*arguments, **options):
            seen.append(place)
            if len(seen) == 2:
                raise KeyboardInterrupt
            return call(*arguments, **options)

        return called

    if place == "vae":
        monkeypatch.setattr(own_pipe.vae, "decode", interrupt_the_second(own_pipe.vae.decode))
    else:
        monkeypatch.setattr(sweep_folder, "save_image", interrupt_the_second(save_image))
    arguments = {"prompt": "a fox", "seed": range(4), "folder": tmp_path, "max_rows": 4} | QUIET
    with pytest.warns(UserWarning, match="interrupted: 2 of 4 pictures are done"):
        result = sweep(own_pipe, **arguments)
    assert [outcome.state for outcome in result] == ["done", "done", "not run", "not run"]
    store, told = reopened(tmp_path, result.header)
    assert {row["seed"] for row in store.rows.values()} == {0, 1} and told == ""
    assert len(sweep(own_pipe, **arguments).images) == 4


@pytest.mark.parametrize(
    "change", [{"prompt": "an owl"}, {"height": 48}, {"scheduler": "euler"}, {"weights": 1}]
)
def test_a_changed_sweep_is_not_mixed_in(own_pipe, tmp_path, change):
    arguments = {"prompt": "a fox", "seed": [1, 2], "folder": tmp_path} | QUIET
    sweep(own_pipe, **arguments)
    before = sorted(path.name for path in tmp_path.iterdir())
    if change.pop("weights", None):
        with torch.no_grad():
            for parameter in own_pipe.unet.parameters():
                parameter.add_(0.01)
    with pytest.raises(ValueError, match="folder holds a sweep with another"):
        sweep(own_pipe, **arguments | change)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_one_failing_cell_is_marked(own_pipe, tmp_path):
    poison = own_pipe.encode_prompt("poison", "cpu", 1, False)[0]

    def spoil(unet, args, kwargs, output):
        rows = (kwargs["encoder_hidden_states"] == poison).flatten(1).all(1)
        output[0][rows] = float("nan")

    own_pipe.unet.register_forward_hook(spoil, with_kwargs=True)
    result = sweep(own_pipe, prompt=["poison", "a fox"], folder=tmp_path, **QUIET)
    assert list(result.table["state"]) == ["failed", "done"]
    assert list(result.table["nan"]) == [True, False]
    assert "NaN" in result.table["error"][0]
    with pytest.raises(LookupError, match="no picture for 'poison': failed: FloatingPointError"):
        result["poison"]
    assert repr(result) == "Sweep of 2 cells: prompt (2), 1 without picture"
    assert len(list(tmp_path.glob("prompt-*.png"))) == 1


def test_a_picture_that_is_too_large_is_marked(own_pipe):
    def run_out(unet, args):
        if args[0].shape[-2] > 16:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    own_pipe.unet.register_forward_pre_hook(run_out)
    result = sweep(own_pipe, prompt="a fox", height=[64, 32], width=32, **QUIET)
    assert list(result.table["state"]) == ["failed", "done"]
    assert "out of memory" in result.table["error"][0] and not result.table["nan"].any()
    assert len(result.images) == 1 and result.images[0].size == (32, 32)


def test_a_prompt_of_ten_kilobytes(tiny_pipe, tmp_path):
    prompt = "a fox in the meadow " * 512
    with pytest.warns(UserWarning, match="the model reads 32. It does not see: .*[.]{3}'$"):
        result = sweep(tiny_pipe, prompt=[prompt, "a fox"], folder=tmp_path, **QUIET)
    assert len(result.images) == 2 and result.grid().height < 300
    assert len(result.alt_text()) <= 250 and result.alt_text().startswith("2 generated pictures")
    [path] = [p for p in tmp_path.glob("prompt-*.png") if image_settings(p)["prompt"] == prompt]
    assert len(path.name.encode()) < 120


@pytest.mark.parametrize(
    "bad", [{"num_inference_steps": 0}, {"guidance_scale": [1.0, float("nan")]}, {"seed": "3"}]
)
def test_bad_values_start_nothing(tiny_pipe, tmp_path, bad):
    folder = tmp_path / "sweep"
    with pytest.raises((TypeError, ValueError), match=f"{next(iter(bad)).split('_')[0]}.* must be"):
        sweep(tiny_pipe, **{"prompt": "a fox", "folder": folder} | QUIET | bad)
    assert not folder.exists()


def test_a_sweep_over_sizes(tiny_pipe, tmp_path):
    sizes = numpy.array([32, 48])
    result = sweep(
        tiny_pipe, prompt="a fox", width=sizes, height=numpy.int64(32), folder=tmp_path, **QUIET
    )
    assert [image.size for image in result.images] == [(32, 32), (48, 32)]
    lines = (tmp_path / MANIFEST_NAME).read_text(encoding="utf-8").splitlines()
    assert [(row["width"], row["height"]) for row in map(json.loads, lines)] == [(32, 32), (48, 32)]
    with pytest.raises(ValueError, match=r"one size; .* 48 is 48 x 32 .* to=32 is 32 x 32"):
        result.distances(to=32)


def test_dropped_words_are_shown(tiny_pipe):
    letters = "abcdefghiJ" * 4  # one token each
    with pytest.warns(UserWarning, match="does not see: ") as told:
        sweep(tiny_pipe, prompt="a fox", negative_prompt=["blue", letters], **QUIET)
    [message] = [str(w.message) for w in told if "does not see" in str(w.message)]
    assert message.startswith(f"negative_prompt has 42 tokens, and the model reads {MAX_TOKENS}")
    assert message.endswith(f"It does not see: {letters[MAX_TOKENS - 2 :]!r}")


def test_it_says_how_much_work_it_is(tiny_pipe, tmp_path, capsys):
    arguments = {"prompt": "a fox", "num_inference_steps": 3, "scheduler": "ddim", "max_rows": 2}
    sweep(tiny_pipe, seed=[1, 2], folder=tmp_path, **arguments)
    told = capsys.readouterr()
    first, second = told.out.splitlines()
    assert first == "pictures to make: 2; U-Net evaluations: 6"
    assert re.fullmatch(r"about \d+ seconds", second)
    assert "6/6" in told.err
    sweep(tiny_pipe, seed=[1, 2, 3], folder=tmp_path, **arguments)
    assert "pictures to make: 1 of 3; U-Net evaluations: 3" in capsys.readouterr().out
    sweep(tiny_pipe, seed=[1, 2, 3], folder=tmp_path, **arguments)
    assert capsys.readouterr().out == ""


def test_it_says_the_work_before_it_starts_and_measures_the_seconds(own_pipe, capsys, monkeypatch):
    told, now = [], [0.0]

    def take_time(unet, args):
        told.append(capsys.readouterr().out)
        now[0] += 2.5

    own_pipe.unet.register_forward_pre_hook(take_time)
    monkeypatch.setattr("helpers.sweeps.run.time", SimpleNamespace(perf_counter=lambda: now[0]))
    sweep(own_pipe, prompt="a fox", num_inference_steps=16, scheduler="ddim")
    assert told[:3] == ["pictures to make: 1; U-Net evaluations: 16\n", "", "about 40 seconds\n"]


def test_showing_indexing_measuring_and_saving(tiny_pipe, tmp_path):
    result = sweep(tiny_pipe, prompt="a fox", seed=[1, 2], guidance_scale=[1.0, 4.0, 7.5], **QUIET)
    bundle, metadata = result._repr_mimebundle_()
    shown = Image.open(io.BytesIO(bundle["image/png"]))
    assert shown.size == result.grid(factor=3).size > result.grid().size
    assert bundle["text/plain"] == "Sweep of 6 cells: seed (2) x guidance_scale (3)"
    alt = metadata["image/png"]["alt"]
    assert alt.startswith('6 generated pictures for the prompt "a fox"; seed: 1, 2; guidance_scale')
    distances = result.distances(to=(1, 4.0))
    assert distances[1] == 0 and min(distances[0], *distances[2:]) > 0
    with pytest.raises(LookupError, match="seed: 1, 2; guidance_scale: 1, 4, 7.5.* got 3"):
        result[3]
    folder = save_sweep(result, tmp_path / "saved")
    assert {path.name for path in folder.iterdir()} >= {HEADER_NAME, MANIFEST_NAME, SHEET_NAME}
    assert len(list(Path(folder).glob("seed-*.png"))) == 6


def test_plots(tiny_pipe, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    result = sweep(
        tiny_pipe,
        prompt="a fox",
        scheduler=["ddim", "lcm"],
        num_inference_steps=[3, 1],
        progress=False,
    )
    drawn = result.plot("evaluations")
    assert [line.get_label() for line in drawn.lines] == ["ddim", "lcm"]
    assert [list(line.get_xdata()) for line in drawn.lines] == [[1, 3], [1, 3]]
    assert [list(line.get_ydata()) for line in drawn.lines] == [[1, 3], [1, 3]]
    assert drawn.get_xlabel() == "num_inference_steps"
    drawn = result.plot([1, 2, float("nan"), 4], "levels", x="evaluations")
    assert (drawn.get_xlabel(), drawn.get_ylabel()) == ("evaluations", "levels")
    assert [list(line.get_xdata()) for line in drawn.lines] == [[1, 3], [1]]
    assert [list(line.get_ydata()) for line in drawn.lines] == [[2, 1], [4]]
    with pytest.raises(ValueError, match="y must have a number for each of the 4 cells; got 3"):
        result.plot([1, 2, 3])
    for column in ("speed", "state"):
        with pytest.raises(LookupError, match=f"a column of numbers, .*; got '{column}'"):
            result.plot("seconds", x=column)
    words = sweep(tiny_pipe, prompt=["a fox", "an owl"], **QUIET)
    with pytest.raises(LookupError, match="axis of numbers"):
        words.plot()
