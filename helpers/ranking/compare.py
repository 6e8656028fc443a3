"""Models side by side: seconds per picture, parameters, memory, and how well the pictures fit.

    comparison = compare(["stickers", "stickers-distilled"], prompt="a fox in a meadow")
    comparison.table
    comparison.plot()

What makes the seconds comparable:

- *One at a time.* Only one model is in memory: two large ones do not fit together, and a second
  one changes the time of the first.
- *Warm-up.* The first call after loading also pays for what is done once (choosing kernels,
  filling caches), so each loading is followed by a short call that is not timed.
- *Alternating rounds.* A computer gets slower as it gets warm or busy. So every round visits all
  models, and every second round goes backwards: a slow spell then falls on all of them, and the
  model at a turn need not be loaded again.
- *The median* of the rounds: one interruption does not move it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import pandas
import torch
from PIL import Image
from tqdm.auto import tqdm

from helpers.base.counts import checked_count
from helpers.models.catalogue import GIB, starting_values
from helpers.models.devices import release_cached_memory
from helpers.models.load import load_pipeline
from helpers.models.sizes import parameter_count
from helpers.ranking.ranker import Ranker, r_precision
from helpers.sampling.cell import Cell
from helpers.sampling.latents import seeded_latents
from helpers.sampling.schedulers import build_scheduler, set_steps

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
    from matplotlib.axes import Axes as MatplotlibAxes

WARM_UP_STEPS = 2

Loader = Callable[[], object]


@dataclass(frozen=True)
class Measurement:
    """One visit to one model.

    Attributes:
        model: Its name in the comparison.
        round: From 0.
        seconds: For one picture: the time of all, divided by their number.
        memory: Peak of the GPU memory in bytes while the pictures were drawn, the weights
            included; `None` where there is no CUDA.
    """

    model: str
    round: int
    seconds: float
    memory: int | None


@dataclass(frozen=True)
class Contender:
    """What is compared: a model, and the settings that it was asked to draw with.

    Attributes:
        unet_parameters, parameters: Of the U-Net, and of all parts together.
        num_inference_steps, guidance_scale: As given to the pipeline.
        images: One picture per prompt. They are the same in every round.
        clip_score: Mean cosine of a picture and its own prompt; `None` without a ranker.
        r_precision: Share of pictures that fit their own prompt best; `None` without a ranker or
            with fewer than two different prompts.
    """

    unet_parameters: int
    parameters: int
    num_inference_steps: int
    guidance_scale: float
    images: list[Image.Image]
    clip_score: float | None = None
    r_precision: float | None = None


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    Attributes:
        contenders: By name, in the order given.
        measurements: One a model and round, in the order in which they were taken.
    """

    contenders: dict[str, Contender]
    measurements: list[Measurement]

    @property
    def images(self) -> dict[str, list[Image.Image]]:
        """The pictures of each model, in the order of the prompts."""
        return {name: contender.images for name, contender in self.contenders.items()}

    def seconds(self, model: str) -> list[float]:
        """The seconds per picture of each round, in their order."""
        return [m.seconds for m in self.measurements if m.model == model]

    @property
    def table(self) -> pandas.DataFrame:
        """A row a model.

        `seconds` is the median of the rounds, for one picture, between `seconds_min` and
        `seconds_max`; `speed` says how many times as fast as the first model this one is.
        `memory_gib` is there on CUDA only, `clip_score` and `r_precision` with a ranker only.
        """
        names = list(self.contenders)
        first = median(self.seconds(names[0]))
        rows = []
        for name, contender in self.contenders.items():
            seconds = self.seconds(name)
            peaks = [m.memory for m in self.measurements if m.model == name and m.memory]
            rows.append(
                {
                    "unet_parameters": contender.unet_parameters,
                    "parameters": contender.parameters,
                    "num_inference_steps": contender.num_inference_steps,
                    "guidance_scale": contender.guidance_scale,
                    "seconds": median(seconds),
                    "seconds_min": min(seconds),
                    "seconds_max": max(seconds),
                    "speed": first / median(seconds),
                    "memory_gib": max(peaks) / GIB if peaks else None,
                    "clip_score": contender.clip_score,
                    "r_precision": contender.r_precision,
                }
            )
        table = pandas.DataFrame(rows, index=pandas.Index(names, name="model"))
        return table.dropna(axis="columns", how="all")

    def plot(self, y: str | None = None) -> MatplotlibAxes:
        """Draw seconds per picture, and against them a column of the table if there is one.

        Args:
            y: A column such as "clip_score" or "unet_parameters": each model is a point, seconds
                to the right and the column upwards. Without it "clip_score" if there is one, else
                each model is a bar of seconds with a dot for each round.

        Returns:
            matplotlib's Axes.

        Raises:
            LookupError: The table has no such column.
        """
        import matplotlib.pyplot as plt

        table = self.table
        if y is None and "clip_score" in table:
            y = "clip_score"
        if y is not None and y not in table:
            raise LookupError(f"y must be a column of the table ({', '.join(table)}); got {y!r}")
        _, axes = plt.subplots()
        if y is None:
            axes.barh(table.index, table["seconds"], color="lightsteelblue")
            for name in table.index:
                seconds = self.seconds(name)
                axes.plot(seconds, [name] * len(seconds), "o", color="navy", markersize=4)
            axes.invert_yaxis()  # the first model on top, as in the table
        else:
            axes.plot(table["seconds"], table[y], "o", color="navy")
            for name, row in table.iterrows():
                offset = {"xytext": (6, 6), "textcoords": "offset points"}
                axes.annotate(name, (row["seconds"], row[y]), **offset)
            axes.margins(0.25)  # room for the names
            axes.set_ylabel(y)
        axes.set_xlim(left=0)
        axes.set_xlabel("seconds per picture (median of the rounds)")
        return axes


def compare(
    models: Iterable[str | Path] | Mapping[str, str | Path | Loader],
    prompt: str | Sequence[str] = "a 3d sticker of a fox on a teal background",
    seed: int = 0,
    rounds: int = 3,
    num_inference_steps: int | None = None,
    guidance_scale: float | None = None,
    batch_size: int = 1,
    ranker: Ranker | None = None,
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    progress: bool = True,
) -> Comparison:
    """Measure models side by side, as described at the top of this module.

    Args:
        models: Names or folders as `load_pipeline` takes them; or a dictionary from names of your
            own to those, or to functions without arguments that return a pipeline.
        prompt: One text or several: a picture is drawn for each.
        seed: Of the first picture; the next one has the next seed. All models get the same noise
            if their latents have the same shape.
        rounds: How often each model is measured.
        num_inference_steps, guidance_scale: For all models. `None` takes each model's own from
            the catalogue (25 and 7.5 for others): say so when you report a time.
        batch_size: How many pictures are drawn in one call.
        ranker: From `load_ranker`; adds the CLIP score, and R-precision with several prompts.
        device, dtype: As in `load_pipeline`.
        progress: Whether to show a bar.

    Returns:
        A `Comparison` with `.table`, `.plot()` and `.images`.

    Raises:
        TypeError, ValueError: An argument does not fit.
        And what `load_pipeline` raises, for a model that cannot be loaded.
    """
    loaders = _checked_loaders(models, device, dtype)
    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    if not prompts or not all(isinstance(text, str) for text in prompts):
        raise TypeError(f"prompt must be a text or a list of texts; got {prompt!r}")
    rounds, batch_size = checked_count("rounds", rounds), checked_count("batch_size", batch_size)
    given = {"num_inference_steps": num_inference_steps, "guidance_scale": guidance_scale}
    given = {name: value for name, value in given.items() if value is not None}
    checked = Cell(prompts[0], seed=seed, **given).settings
    given = {name: checked[name] for name in given}
    contenders: dict[str, Contender] = {}
    measurements = []
    stage = _Stage(loaders)
    bar = tqdm(total=rounds * len(loaders), desc="comparing", disable=not progress)
    with stage, bar:
        for number in range(rounds):
            for name in list(loaders) if number % 2 == 0 else reversed(loaders):
                source = models[name] if isinstance(models, Mapping) else name
                settings = starting_values(source) | given
                draw = _Drawing(prompts, seed, batch_size, settings)
                pipe = stage.bring(name, warm_up=draw.warm_up)
                images, seconds, memory = _timed(pipe, draw)
                measurements.append(Measurement(name, number, seconds / len(prompts), memory))
                if name not in contenders:
                    quality = _quality(images, prompts, ranker)
                    contenders[name] = Contender(**_sizes(pipe), **settings, **quality)
                del pipe, images
                bar.update()
    return Comparison({name: contenders[name] for name in loaders}, measurements)


@dataclass(frozen=True)
class _Drawing:
    """The work that is timed: one picture per prompt, from the same noise each time."""

    prompts: list[str]
    seed: int
    batch_size: int
    settings: dict

    def __call__(self, pipe: DiffusionPipeline) -> list[Image.Image]:
        images = []
        for start in range(0, len(self.prompts), self.batch_size):
            texts = self.prompts[start : start + self.batch_size]
            seeds = range(self.seed + start, self.seed + start + len(texts))
            images += pipe(texts, latents=seeded_latents(pipe, seeds), **self.settings).images
        return images

    def warm_up(self, pipe: DiffusionPipeline) -> None:
        """A short call with as many pictures at once as the timed one, if that can be drawn."""
        set_steps(build_scheduler(pipe, None), self.settings["num_inference_steps"])
        steps = min(WARM_UP_STEPS, self.settings["num_inference_steps"])
        first = _Drawing(
            self.prompts[: self.batch_size],
            self.seed,
            self.batch_size,
            self.settings | {"num_inference_steps": steps},
        )
        first(pipe)


class _Stage:
    """Holds one pipeline at a time, and none after the `with` block."""

    def __init__(self, loaders: Mapping[str, Loader]) -> None:
        self.loaders = loaders
        self.name: str | None = None
        self.pipe = None

    def bring(self, name: str, warm_up: Callable[[object], None]):
        """The pipeline of that name, warmed up; the one before it leaves the memory first."""
        if name != self.name:
            self.clear()
            self.pipe, self.name = self.loaders[name](), name
            self.pipe.set_progress_bar_config(disable=True)
            warm_up(self.pipe)
        return self.pipe

    def clear(self) -> None:
        self.pipe = self.name = None
        gc.collect()  # pipelines hold circles of references
        release_cached_memory()

    def __enter__(self):
        return self

    def __exit__(self, *error) -> None:
        self.clear()


def _timed(pipe: DiffusionPipeline, draw: _Drawing) -> tuple[list[Image.Image], float, int | None]:
    """The pictures, the seconds they took, and the peak of GPU memory in bytes."""
    on_cuda = pipe._execution_device.type == "cuda"
    if on_cuda:
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()  # the clock starts when earlier work is done
    began = time.perf_counter()
    images = draw(pipe)  # ends with pixels on the CPU, so the device is done too
    seconds = time.perf_counter() - began
    return images, seconds, torch.cuda.max_memory_allocated() if on_cuda else None


def _sizes(pipe: DiffusionPipeline) -> dict[str, int]:
    networks = [part for part in pipe.components.values() if isinstance(part, torch.nn.Module)]
    return {
        "unet_parameters": parameter_count(pipe.unet.parameters()),
        "parameters": sum(parameter_count(network.parameters()) for network in networks),
    }


def _quality(images: list[Image.Image], prompts: list[str], ranker: Ranker | None) -> dict:
    if ranker is None:
        return {"images": images}
    scores = ranker.scores(images, prompts)
    several = len(set(prompts)) > 1
    return {
        "images": images,
        "clip_score": scores.cosine.diagonal().mean().item(),
        "r_precision": r_precision(scores) if several else None,
    }


def _checked_loaders(
    models: object, device: str | torch.device | None, dtype: torch.dtype | None
) -> dict[str, Loader]:
    """A function for each model that loads it."""
    if isinstance(models, str | Path):
        raise TypeError(f"models must be a list of models; got one. Write [{str(models)!r}]")
    if not isinstance(models, Mapping):
        models = list(models)
        names = [str(model) for model in models]
        if len(set(names)) < len(names):
            raise ValueError(
                f"models must differ; got {names}. To measure one twice, give a dictionary from "
                "names of your own to models."
            )
        models = dict(zip(names, models, strict=True))
    if not models:
        raise ValueError("models must hold at least one model; got none")
    return {name: _loader(name, model, device, dtype) for name, model in models.items()}


def _loader(
    name: str, model: object, device: str | torch.device | None, dtype: torch.dtype | None
) -> Loader:
    if isinstance(model, str | Path):
        return lambda: load_pipeline(model, device=device, dtype=dtype)
    if hasattr(model, "components"):
        raise TypeError(
            f"models[{name!r}] is a loaded pipeline; only one model is in memory at a time. Give "
            "its name or folder, or a function that loads it: lambda: load_pipeline(...)"
        )
    if callable(model):
        return model
    raise TypeError(
        f"models[{name!r}] must be a name, a folder or a function that returns a pipeline; "
        f"got {type(model).__name__}"
    )
