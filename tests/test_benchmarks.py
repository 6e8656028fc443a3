"""The benchmarks, shrunk: that they compare fairly, check the pictures, and count the work."""

import sys
from types import SimpleNamespace

import numpy
import pytest
import torch
from PIL import Image

from benchmarks import __main__ as command
from benchmarks.contest import Timing, contest, plain_loop, swept
from benchmarks.random_models import random_sd15, random_sdxl
from benchmarks.work import evaluations_and_rows, flops_of_a_row, matmul_peak, shares

pytestmark = pytest.mark.slow

SETTINGS = {
    "prompt": "a fox",
    "seed": [1, 2],
    "guidance_scale": [1.0, 5.0],
    "scheduler": ["ddim", "pndm"],
    "num_inference_steps": 3,
}
SMALL_TEXT = {
    "hidden_size": 32,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "projection_dim": 32,
}
SMALL_VAE = {
    "block_out_channels": (8, 16),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "norm_num_groups": 4,
}
SMALL_UNET = {
    "sample_size": 8,
    "block_out_channels": (16, 32),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "attention_head_dim": 4,
}


def test_a_contest_alternates_takes_the_median_and_compares_pictures(monkeypatch):
    order, now = [], [0.0]
    seconds = {"slow": iter([4.0, 9.0, 6.0]), "quick": iter([2.0, 1.0, 3.0])}
    monkeypatch.setattr("benchmarks.contest.time", SimpleNamespace(perf_counter=lambda: now[0]))

    def way(name, level):
        def run():
            order.append(name)
            now[0] += next(seconds[name])
            return [Image.new("RGB", (2, 2), (level, 7, 7))]

        return run

    timings = contest({"slow": way("slow", 10), "quick": way("quick", 13)}, 3, lambda line: None)
    assert order == ["slow", "quick", "quick", "slow", "slow", "quick"]
    assert timings["slow"] == Timing(6.0, 1.0, 0, 0.0)
    assert timings["quick"] == Timing(2.0, 2.0, 3, 1.0)  # of the ratios 2, 9 and 2


def test_the_loop_and_the_sweep_draw_the_same(tiny_pipe):
    scheduler = tiny_pipe.scheduler
    loop = plain_loop(tiny_pipe, SETTINGS)
    ours = swept(tiny_pipe, SETTINGS)
    assert len(loop) == len(ours) == 8 and tiny_pipe.scheduler is scheduler
    for one, other in zip(loop, ours, strict=True):
        assert abs(numpy.asarray(one, dtype=int) - numpy.asarray(other)).max() <= 1


def test_the_work_is_counted(tiny_pipe):
    # ddim takes 3 evaluations and pndm 4, with guidance of two rows each
    assert evaluations_and_rows(tiny_pipe, SETTINGS) == (2 * 2 * 7, 2 * (1 + 2) * 7)
    calls = []
    hook = tiny_pipe.unet.register_forward_pre_hook(lambda unet, args: calls.append(len(args[0])))
    with shares(tiny_pipe) as found:
        plain_loop(tiny_pipe, SETTINGS)
    hook.remove()
    assert sum(calls) == evaluations_and_rows(tiny_pipe, SETTINGS)[1]
    assert set(found) == {"text encoder", "U-Net", "VAE", "the rest"}
    assert sum(found.values()) == pytest.approx(1) and min(found.values()) > 0
    assert 1e6 < flops_of_a_row(tiny_pipe) < 1e9
    assert matmul_peak(torch.device("cpu"), torch.float32, tries=1) > 1e8


@pytest.mark.parametrize(
    "make, parameters",
    [(random_sd15, 859_520_964), (random_sdxl, 2_567_463_684)],  # the U-Nets of the real models
)
def test_random_models_have_the_real_size(make, parameters):
    pipe = make("meta", torch.float16)
    assert sum(weight.numel() for weight in pipe.unet.parameters()) == parameters
    assert pipe.unet.dtype == torch.float16


def test_random_models_run():
    sd = random_sd15(
        "cpu", torch.float32, SMALL_UNET | {"cross_attention_dim": 32}, SMALL_VAE, SMALL_TEXT
    )
    sizes = {"addition_embed_type": "text_time", "addition_time_embed_dim": 8}
    added = {"projection_class_embeddings_input_dim": 32 + 6 * 8, "cross_attention_dim": 64}
    sdxl = random_sdxl(
        "cpu", torch.float32, SMALL_UNET | sizes | added, SMALL_VAE, SMALL_TEXT, SMALL_TEXT
    )
    for pipe in (sd, sdxl):
        assert len(swept(pipe, {"prompt": "a fox", "seed": [1, 2], "num_inference_steps": 1})) == 2


def test_the_report_has_a_line_for_each_way(tiny_pipe, monkeypatch):
    monkeypatch.setattr(command, "CASES", {"small": SETTINGS})
    told = command.report("tiny", tiny_pipe, ["small"], 1)
    table = [line for line in told.splitlines() if line.startswith("| small")]
    assert [line.split(" | ")[3] for line in table] == [
        "loop of `pipe()`",
        "`sweep`",
        "`sweep(fast=True)`",
    ]
    assert all(line.startswith("| small | 8 | 28 | ") for line in table)
    assert "goes: text encoder" in told


def test_pictures_that_differ_stop_the_benchmark(tiny_pipe, monkeypatch):
    monkeypatch.setattr(command, "CASES", {"small": SETTINGS})
    other = [Image.new("RGB", (32, 32), "red")] * 8
    monkeypatch.setattr(command, "plain_loop", lambda pipe, settings: other)
    with pytest.raises(SystemExit, match="small: the pictures differ by [0-9]+ levels"):
        command.report("tiny", tiny_pipe, ["small"], 1)


@pytest.mark.parametrize(
    "words, says",
    [(["speed"], "CASE must be one of steps"), (["--rounds", "0"], "--rounds must be 1 or more")],
)
def test_bad_arguments(monkeypatch, capsys, words, says):
    monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
    with pytest.raises(SystemExit):
        command.main()
    assert says in capsys.readouterr().err
