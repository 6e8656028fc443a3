"""How much arithmetic it is, how much of it the machine could do, and where the time goes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.utils.flop_counter import FlopCounterMode

from helpers.sampling import stages
from helpers.sampling.cell import Cell
from helpers.sampling.denoiser import Denoiser
from helpers.sampling.latents import seeded_latents
from helpers.sweeps.plan import find_axes


@torch.no_grad()
def flops_of_a_row(pipe) -> int:
    """Floating-point operations of one row of a U-Net call: what a prompt takes at one step."""
    latents = seeded_latents(pipe, 0)
    height, width = (side * pipe.vae_scale_factor for side in latents.shape[-2:])
    conditions = stages.text_conditions(pipe, "a fox", None, False, height, width)
    conditions |= stages.guidance_conditions(pipe, 1.0)
    with FlopCounterMode(display=False) as counter:
        stages.predict(pipe, latents, torch.tensor([500.0], device=latents.device), conditions)
    return counter.get_total_flops()


def evaluations_and_rows(pipe, settings: dict) -> tuple[int, int]:
    """How many U-Net evaluations the pictures of a sweep take, and of how many rows."""
    axes, engine = find_axes(settings), Denoiser(pipe)
    planned = [engine.submit(Cell(**axes.settings(position))) for position in axes.positions]
    evaluations = [trajectory.total_evaluations for trajectory in planned]
    rows = [trajectory.rows * trajectory.total_evaluations for trajectory in planned]
    return sum(evaluations), sum(rows)


def matmul_peak(device: torch.device, dtype: torch.dtype, tries: int = 8) -> float:
    """Operations a second of the fastest of some products of large square matrices."""
    side = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    best = float("inf")
    for _ in range(tries):
        _wait(device)
        start = time.perf_counter()
        torch.mm(a, b)
        _wait(device)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


@contextmanager
def shares(pipe) -> Iterator[dict[str, float]]:
    """Fill a dictionary with the share of the block's time that each network takes, and the rest.

    For calls from one thread. On a GPU it waits for each call, which itself costs a little time.
    """
    parts = {"text encoder": pipe.text_encoder, "U-Net": pipe.unet, "VAE": pipe.vae.decoder}
    if getattr(pipe, "text_encoder_2", None) is not None:
        parts["second text encoder"] = pipe.text_encoder_2
    device, begun = pipe.device, {}
    spent = dict.fromkeys(parts, 0.0)

    def begin(module, args) -> None:
        _wait(device)
        begun[module] = time.perf_counter()

    def end_of(name: str):
        def end(module, args, output) -> None:
            _wait(device)
            spent[name] += time.perf_counter() - begun.pop(module)

        return end

    hooks = [part.register_forward_pre_hook(begin) for part in parts.values()]
    hooks += [part.register_forward_hook(end_of(name)) for name, part in parts.items()]
    found: dict[str, float] = {}
    start = time.perf_counter()
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()
        total = time.perf_counter() - start
        found.update({name: seconds / total for name, seconds in spent.items()})
        found["the rest"] = 1 - sum(found.values())


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
