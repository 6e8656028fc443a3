"""The command line of the benchmarks; see `python -m benchmarks --help`."""

import argparse
from functools import partial

import torch

import benchmarks
from helpers import load_pipeline
from helpers.sweeps.plan import find_axes

from .cases import CASES
from .contest import contest, plain_loop, swept
from .random_models import random_sd15, random_sdxl
from .work import evaluations_and_rows, flops_of_a_row, matmul_peak, shares

MODELS = {
    "stickers": lambda: load_pipeline("stickers", device="cpu"),
    "sd15": lambda: random_sd15("cuda", torch.float16),
    "sdxl": lambda: random_sdxl("cuda", torch.float16),
}
ALLOWED = 1  # of 255 levels: what mode="batched" promises in float32


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=benchmarks.__doc__)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; else all")
    parser.add_argument("--model", choices=MODELS, action="append", help="else all that can run")
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    unknown = set(chosen.cases) - set(CASES)
    if unknown:
        parser.error(f"CASE must be one of {', '.join(CASES)}; got {', '.join(unknown)}")
    if chosen.rounds < 1:
        parser.error(f"--rounds must be 1 or more; got {chosen.rounds}")
    able = list(MODELS) if torch.cuda.is_available() else ["stickers"]
    for model in chosen.model or able:
        if model not in able:
            parser.error(f"--model {model} needs a CUDA GPU, and torch finds none here")
        print(report(model, MODELS[model](), chosen.cases or list(CASES), chosen.rounds))


def report(model: str, pipe, names: list[str], rounds: int) -> str:
    """Time the cases on a pipeline: a heading, a table of Markdown, and where the time goes."""
    peak = matmul_peak(pipe.device, pipe.unet.dtype)
    row = flops_of_a_row(pipe)
    _warm_up(pipe)
    lines = [
        f"{model} on {_machine(pipe.device)}, {str(pipe.unet.dtype).removeprefix('torch.')}, "
        f"rounds: {rounds}, torch {torch.__version__}. A U-Net row is {row / 1e9:.2f} GFLOP, "
        f"and large matrices are multiplied at {peak / 1e9:.0f} GFLOP/s.",
        "",
        "| sweep | pictures | U-Net evaluations | way | seconds | times faster | pixels differ by "
        "at most (on average) | share of the matmul peak |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name in names:
        print(f"{model}, {name}")
        lines += _lines(name, pipe, CASES[name], rounds, peak / row)
    return "\n".join([*lines, "", *_where(pipe, CASES[names[-1]]), ""])


def _lines(name: str, pipe, settings: dict, rounds: int, rows_at_peak: float) -> list[str]:
    """Time a case: a line of the table for each way, the plain loop first."""
    on_cpu = pipe.device.type == "cpu"
    ways = {
        "loop of `pipe()`": partial(plain_loop, pipe, settings),
        "`sweep`": partial(swept, pipe, settings),
    }
    if on_cpu:
        ways["`sweep(fast=True)`"] = partial(swept, pipe, settings, fast=True)
    timings = contest(ways, rounds, say=print)
    worst = max(timing.worst for timing in timings.values())
    if on_cpu and worst > ALLOWED:
        raise SystemExit(f"{name}: the pictures differ by {worst} levels; {ALLOWED} is allowed")
    evaluations, rows = evaluations_and_rows(pipe, settings)
    pictures = len(find_axes(settings).positions)
    return [
        f"| {name} | {pictures} | {evaluations} | {way} | {timing.seconds:.1f} "
        f"| {timing.times_faster:.2f} | {timing.worst} ({timing.mean:.2g}) "
        f"| {rows / rows_at_peak / timing.seconds:.0%} |"
        for way, timing in timings.items()
    ]


def _where(pipe, settings: dict) -> list[str]:
    """Where the time of the loop and of the sweep goes, measured apart from the contest."""
    lines = []
    for name, way in (("loop", plain_loop), ("sweep", swept)):
        with shares(pipe) as found:
            way(pipe, settings)
        told = ", ".join(f"{part} {share:.1%}" for part, share in found.items())
        lines.append(f"Where the time of the last {name} goes: {told}.")
    return lines


def _warm_up(pipe) -> None:
    """What the first calls of a process pay for does not tell one way from the other."""
    short = {"prompt": "a fox", "seed": range(8), "num_inference_steps": 2}
    plain_loop(pipe, short)
    swept(pipe, short)


def _machine(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{torch.get_num_threads()} CPU threads"


if __name__ == "__main__":
    main()
