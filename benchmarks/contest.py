"""Several ways to draw the same pictures, timed in alternating order."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy
from PIL import Image

from helpers.sampling.latents import seeded_latents
from helpers.sampling.schedulers import build_scheduler
from helpers.sweeps.plan import find_axes
from helpers.sweeps.run import sweep

Way = Callable[[], Sequence[Image.Image]]


@dataclass
class Timing:
    """What a way took in all rounds, and how its pictures differ from the first way's.

    Attributes:
        seconds: The median of the rounds.
        times_faster: The median over the rounds of the first way's seconds by these.
        worst, mean: Differences of 8-bit levels.
    """

    seconds: float
    times_faster: float
    worst: int
    mean: float


def contest(ways: dict[str, Way], rounds: int, say: Callable[[str], None]) -> dict[str, Timing]:
    """Time `ways`, each round in the opposite order of the round before."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    pictures: dict[str, numpy.ndarray] = {}
    for number in range(rounds):
        for name in list(ways)[:: -1 if number % 2 else 1]:
            start = time.perf_counter()
            images = ways[name]()
            seconds[name].append(time.perf_counter() - start)
            pictures[name] = numpy.stack([numpy.asarray(image, dtype=int) for image in images])
            say(f"    round {number + 1}, {name}: {seconds[name][-1]:.2f} s")
    first = next(iter(ways))
    timings = {}
    for name in ways:
        ratios = [a / b for a, b in zip(seconds[first], seconds[name], strict=True)]
        difference = abs(pictures[name] - pictures[first])
        timings[name] = Timing(
            statistics.median(seconds[name]),
            statistics.median(ratios),
            int(difference.max()),
            float(difference.mean()),
        )
    return timings


def plain_loop(pipe, settings: dict) -> list[Image.Image]:
    """The pictures of a sweep as tutorials make them: one `pipe()` call a picture."""
    axes = find_axes(settings)
    own = pipe.scheduler
    schedulers = {
        name: build_scheduler(pipe, name)
        for name in {axes.settings(position)["scheduler"] for position in axes.positions}
    }
    images = []
    try:
        for position in axes.positions:
            cell = axes.settings(position)
            pipe.scheduler = schedulers[cell["scheduler"]]
            drawn = pipe(
                cell["prompt"],
                negative_prompt=cell["negative_prompt"],
                num_inference_steps=cell["num_inference_steps"],
                guidance_scale=cell["guidance_scale"],
                latents=seeded_latents(pipe, cell["seed"]),
            )
            images += drawn.images
    finally:
        pipe.scheduler = own
    return images


def swept(pipe, settings: dict, **options) -> list[Image.Image]:
    """The pictures of a sweep."""
    result = sweep(pipe, progress=False, **options, **settings)
    if len(result.images) < len(result):
        raise RuntimeError(f"pictures are missing: {set(result.table['error'])}")
    return result.images
