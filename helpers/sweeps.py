"""Sweeps: axes in; labelled pictures, a table and a folder that can be resumed out.

    sweep(pipe, prompt="a fox in a meadow", seed=[1, 2], guidance_scale=[1.0, 4.0, 7.5])

(The module is not called `sweep`, because then `helpers.sweep` would be sometimes the function
and sometimes the module.)
"""

import io
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy
import pandas
from PIL import Image
from tqdm.auto import tqdm

from . import axes as plans
from .axes import Axes, Settings, value_label
from .contact_sheet import contact_sheet
from .denoise import MAX_ROWS, Cell, Denoiser, Trajectory
from .fingerprint import model_fingerprint
from .schedulers import SchedulerSetting, scheduler_record
from .sweep_folder import SweepFolder, settings_key

SHEET_NAME = "contact sheet.png"
BLACK_LEVEL = 2  # of 255: no pixel of a black picture is brighter
MAX_DROPPED = 200  # characters of a cut prompt that a warning shows


@dataclass
class Outcome:
    """What became of one cell.

    Attributes:
        settings: All of them, as they are recorded: the scheduler by its name, the size in pixels.
        state: "done", "failed", or "not run" after an interruption.
        image: The picture, if it is done.
        error: Why it failed, else "".
        seconds: The engine's time for it (of a shared call, its share), None if it was not
            measured in full.
        evaluations: U-Net evaluations that it took, or None.
    """

    settings: Settings
    state: str = "not run"
    image: Image.Image | None = None
    error: str = ""
    seconds: float | None = None
    evaluations: int | None = None

    @property
    def black(self) -> bool:
        """Whether the picture is there and black all over."""
        return self.image is not None and bool(numpy.asarray(self.image).max() <= BLACK_LEVEL)

    @property
    def nan(self) -> bool:
        """Whether the latents became NaN or infinite."""
        return self.error.startswith(FloatingPointError.__name__)


class Sweep:
    """The pictures of a sweep. In a notebook it shows itself, with the values on the margins.

    `result[7.5]` is the picture at a value of the only axis, `result[1, 7.5]` at values of two, in
    the order of the axes; `for outcome in result` gives every cell's `Outcome`. `header` tells
    what all pictures have in common, the model included.
    """

    def __init__(self, axes: Axes, outcomes: dict[tuple, Outcome], header: Settings):
        self.axes = axes
        self.outcomes = outcomes
        self.header = header

    def __len__(self) -> int:
        return len(self.outcomes)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes.values())

    def __getitem__(self, values) -> Image.Image:
        outcome = self.outcome(values)
        if outcome.image is None:
            raise LookupError(f"there is no picture for {values!r}: {_words(outcome)}")
        return outcome.image

    def outcome(self, values) -> Outcome:
        """What became of the cell at `values`: one value an axis, in the order of the axes."""
        position = values if isinstance(values, tuple) else (values,)
        if position not in self.outcomes:
            known = "; ".join(
                f"{name}: {', '.join(map(value_label, values))}"
                for name, values in self.axes.values.items()
            )
            raise LookupError(f"the sweep has one value of each axis ({known}); got {values!r}")
        return self.outcomes[position]

    @property
    def images(self) -> list[Image.Image]:
        """The pictures that are done, in the order of the cells."""
        return [outcome.image for outcome in self if outcome.image is not None]

    @property
    def table(self) -> pandas.DataFrame:
        """A row a cell: its settings, state, seconds, U-Net evaluations, black, nan, error."""
        measured = ("state", "seconds", "evaluations", "black", "nan", "error")
        rows = [
            outcome.settings | {name: getattr(outcome, name) for name in measured}
            for outcome in self
        ]
        return pandas.DataFrame(rows)

    def grid(self) -> Image.Image:
        """All pictures as one, with the settings on the margins; words where one failed."""
        tiles = {position: o.image or _words(o) for position, o in self.outcomes.items()}
        return contact_sheet(self.axes, tiles)

    def distances(self, to) -> list[float]:
        """How far each picture is from the one at `to`: the mean difference of their pixels.

        In levels of 255; NaN for a cell without picture.
        """
        target = numpy.asarray(self[to], dtype=float)
        return [
            float("nan") if o.image is None else float(abs(numpy.asarray(o.image) - target).mean())
            for o in self
        ]

    def plot(self, y="seconds", label: str | None = None):
        """Draw a column of the table, or one number a cell, against the axis of numbers.

        Other axes give a line for each combination of values. Returns matplotlib's Axes; raises
        LookupError if no axis has numbers.
        """
        import matplotlib.pyplot as plt

        numbers = [n for n, values in self.axes.values.items() if _are_numbers(values)]
        if not numbers:
            raise LookupError("a plot needs an axis of numbers, such as num_inference_steps")
        x = self.axes.names.index(numbers[0])
        heights = list(self.table[y]) if isinstance(y, str) else list(y)
        lines: dict[tuple, list] = {}
        for position, height in zip(self.outcomes, heights, strict=True):
            others = position[:x] + position[x + 1 :]
            lines.setdefault(others, []).append((position[x], height))
        figure, drawn = plt.subplots()
        for others, points in lines.items():
            drawn.plot(*zip(*sorted(points), strict=True), "o-", label=_joined(others))
        drawn.set(xlabel=numbers[0], ylabel=label or (y if isinstance(y, str) else ""))
        if len(lines) > 1:
            drawn.legend()
        return drawn

    def save(self, folder: str | Path) -> Path:
        """Write a PNG a cell with its settings inside, a manifest, and a contact sheet.

        Raises ValueError if the folder holds another sweep.
        """
        return self._write(SweepFolder(folder, self.header))

    def _write(self, store: SweepFolder) -> Path:
        """Write what `store` does not have yet."""
        for position, outcome in self.outcomes.items():
            _store(store, self.axes, position, outcome)
        path = store.path / SHEET_NAME
        temporary = path.with_name(f".{SHEET_NAME}")
        self.grid().save(temporary, format="PNG")
        temporary.replace(path)
        return store.path

    def alt_text(self) -> str:
        """What the grid shows, in a sentence."""
        swept = "; ".join(
            f"{name}: {', '.join(map(value_label, values))}"
            for name, values in self.axes.values.items()
        )
        prompt = self.axes.fixed.get("prompt")
        about = f' for the prompt "{prompt}"' if prompt else ""
        return f"{len(self.images)} generated pictures{about}" + (f"; {swept}" if swept else "")

    def __repr__(self) -> str:
        axes = " x ".join(f"{name} ({len(values)})" for name, values in self.axes.values.items())
        missing = len(self) - len(self.images)
        lacking = f", {missing} without picture" if missing else ""
        return f"Sweep of {len(self)} cells: {axes or 'no axis'}{lacking}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        buffer = io.BytesIO()
        self.grid().save(buffer, format="PNG")
        bundle = {"image/png": buffer.getvalue(), "text/plain": repr(self)}
        return bundle, {"image/png": {"alt": self.alt_text()}}


def sweep(
    pipe,
    *,
    folder: str | Path | None = None,
    mode: str = "batched",
    max_rows: int = MAX_ROWS,
    progress: bool = True,
    **settings,
) -> Sweep:
    """Make a picture for every combination of the settings that are lists.

    Args:
        pipe: A StableDiffusionPipeline or StableDiffusionXLPipeline.
        folder: Where to keep the pictures. If it holds a part of this sweep, only the rest is
            made; more values of the same axes are added to it.
        mode, max_rows: As in `helpers.denoise.Denoiser`; "exact" repeats `pipe()` bit by bit.
        progress: Whether to say how much work it is, and to show a bar of U-Net evaluations.
        **settings: prompt, negative_prompt, seed, num_inference_steps, guidance_scale, scheduler,
            height, width, eta: each a value or a list (a range, an array). The first list gives
            the rows, the second the columns, a third the pages; a single one lies side by side.

    Returns:
        A `Sweep`. A cell that fails is marked and does not take the others along. Ctrl-C gives
        back what is done, with a warning.

    Raises:
        TypeError, ValueError, LookupError: A setting is wrong; nothing was started. ValueError
            also if `folder` holds another model's, prompt's or size's sweep.
    """
    axes = plans.find_axes(settings)
    engine = Denoiser(pipe, mode, max_rows)
    _warn_of_dropped_words(pipe, axes)
    # Everything is submitted, and so checked, before the first file is written.
    work = {engine.submit(Cell(**axes.settings(p))): p for p in axes.positions}
    names = lru_cache(lambda scheduler: scheduler_record(pipe, scheduler))
    outcomes = {p: Outcome(_recorded(pipe, axes.settings(p), names)) for p in axes.positions}
    result = Sweep(axes, outcomes, _header(pipe, axes, outcomes))
    store = None if folder is None else SweepFolder(folder, result.header)
    if store:
        for trajectory, position in list(work.items()):
            if _restore(store, outcomes[position]):
                trajectory.cancel()
                del work[trajectory]
    try:
        for trajectory in _run(engine, list(work), progress):
            _take(trajectory, outcomes[work[trajectory]])
            if store:
                _store(store, axes, work[trajectory], outcomes[work[trajectory]])
    except KeyboardInterrupt:
        for trajectory, position in work.items():
            _take(trajectory, outcomes[position])
        done = len(result.images)
        warnings.warn(f"interrupted: {done} of {len(result)} pictures are done", stacklevel=2)
    if store:
        result._write(store)
    return result


def _run(engine: Denoiser, trajectories: list[Trajectory], progress: bool) -> Iterator[Trajectory]:
    """Tick until all ended; after two ticks, the second measured, say how much work it is."""
    bar = tqdm(
        total=sum(t.total_evaluations for t in trajectories),
        unit="evaluation",
        disable=not progress or not trajectories,
    )
    ticks, wanted, begun = 0, set(trajectories), time.perf_counter()
    with bar:
        while engine.busy:
            before, start = _rows_left(trajectories), time.perf_counter()
            ended = engine.tick()
            ticks += 1
            bar.update(sum(t.evaluations for t in trajectories) - bar.n)
            left = _rows_left(trajectories)
            if progress and before > left and (ticks == 2 or ticks == 1 and not left):
                now = time.perf_counter()
                seconds = now - begun + (now - start) * left / (before - left)
                bar.write(
                    f"{len(trajectories)} pictures, {bar.total} U-Net evaluations, "
                    f"about {max(1, round(seconds))} seconds"
                )
            yield from (t for t in ended if t in wanted)


def _rows_left(trajectories: list[Trajectory]) -> int:
    """Rows that U-Net calls still have to compute."""
    return sum(t.rows * (t.total_evaluations - t.evaluations) for t in trajectories if not t.done())


def _take(trajectory: Trajectory, outcome: Outcome) -> None:
    """Note what became of a trajectory; one that is not done or was cancelled stays "not run"."""
    if trajectory.state not in ("done", "failed"):
        return
    outcome.state = trajectory.state
    outcome.seconds, outcome.evaluations = trajectory.seconds, trajectory.evaluations
    if error := trajectory.exception():
        outcome.error = f"{type(error).__name__}: {error}"
    else:
        outcome.image = trajectory.result()


def _words(outcome: Outcome) -> str:
    return f"{outcome.state}: {outcome.error}" if outcome.error else outcome.state


def _recorded(pipe, settings: Settings, names: Callable[[SchedulerSetting], str]) -> Settings:
    """Settings as JSON can hold them, with what the pipeline decides filled in."""
    side = pipe.unet.config.sample_size
    height, width = (side, side) if isinstance(side, int) else side
    return settings | {
        "seed": int(settings["seed"]),
        "num_inference_steps": int(settings["num_inference_steps"]),
        "guidance_scale": float(settings["guidance_scale"]),
        "eta": float(settings["eta"]),
        "scheduler": names(settings["scheduler"]),
        "height": settings["height"] or height * pipe.vae_scale_factor,
        "width": settings["width"] or width * pipe.vae_scale_factor,
    }


def _header(pipe, axes: Axes, outcomes: dict[tuple, Outcome]) -> Settings:
    """What all pictures of a sweep have in common."""
    recorded = outcomes[axes.positions[0]].settings
    fixed = {name: value for name, value in recorded.items() if name not in axes.names}
    return {"model": model_fingerprint(pipe), "axes": list(axes.names), **fixed}


def _restore(store: SweepFolder, outcome: Outcome) -> bool:
    key = settings_key(outcome.settings)
    if key not in store.rows:
        return False
    row = store.rows[key]
    outcome.state, outcome.image = "done", store.image(key)
    outcome.seconds, outcome.evaluations = row.get("seconds"), row.get("evaluations")
    return True


def _store(store: SweepFolder, axes: Axes, position: tuple, outcome: Outcome) -> None:
    """Keep a finished picture; one that failed is tried again when the sweep is resumed."""
    if outcome.image is not None and settings_key(outcome.settings) not in store.rows:
        measured = {n: getattr(outcome, n) for n in ("seconds", "evaluations", "black", "nan")}
        label = " ".join(
            f"{name} {value_label(value)}" for name, value in zip(axes.names, position, strict=True)
        )
        store.add(outcome.settings, measured, label, outcome.image)


def _warn_of_dropped_words(pipe, axes: Axes) -> None:
    limit = pipe.tokenizer.model_max_length
    for name in ("prompt", "negative_prompt"):
        for text in axes.values.get(name, (axes.fixed.get(name),)):
            tokens = pipe.tokenizer(text).input_ids if isinstance(text, str) else []
            if len(tokens) > limit:
                dropped = pipe.tokenizer.decode(tokens[limit - 1 : -1])
                cut = dropped if len(dropped) <= MAX_DROPPED else dropped[:MAX_DROPPED] + "..."
                warnings.warn(
                    f"{name} has {len(tokens)} tokens, and the model reads {limit}. "
                    f"It does not see: {cut!r}",
                    stacklevel=3,
                )


def _are_numbers(values: tuple) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _joined(values: tuple) -> str:
    return ", ".join(map(value_label, values))
