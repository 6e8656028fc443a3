"""Sweeps: axes in; labelled pictures, a table and a folder that can be resumed out.

    sweep(pipe, prompt="a fox in a meadow", seed=[1, 2], guidance_scale=[1.0, 4.0, 7.5])

(The module is not called `sweep`, because then `helpers.sweep` would be sometimes the function
and sometimes the module.)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from diffusers import SchedulerMixin
from tqdm.auto import tqdm

from helpers.base.values import shortened
from helpers.base.warn import warn_learner
from helpers.models.fingerprint import model_fingerprint
from helpers.models.sizes import native_size
from helpers.models.switches import switched_on
from helpers.models.tokens import prompt_tokens
from helpers.sampling.cell import Cell
from helpers.sampling.denoiser import MAX_ROWS, Denoiser
from helpers.sampling.schedulers import SchedulerSetting, scheduler_label, scheduler_record
from helpers.sampling.trajectory import Trajectory
from helpers.sweeps import plan as plans
from helpers.sweeps.distributed import Processes, launched_processes, partition
from helpers.sweeps.folder import SweepFolder
from helpers.sweeps.plan import Axes, Settings
from helpers.sweeps.result import Outcome, Sweep

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

MAX_DROPPED = 200  # characters of a cut prompt that a warning shows


def sweep(
    pipe: DiffusionPipeline,
    *,
    folder: str | Path | None = None,
    mode: str = "batched",
    max_rows: int = MAX_ROWS,
    fast: bool = False,
    progress: bool = True,
    **settings,
) -> Sweep:
    """Make a picture for every combination of the settings that are lists.

    Args:
        pipe: A StableDiffusionPipeline or StableDiffusionXLPipeline.
        folder: Where to keep the pictures. If it holds a part of this sweep, only the rest is
            made; more values of the same axes are added to it. Under `accelerate launch` the
            processes partition the pictures by cost, and each gets all of them.
        mode, max_rows, fast: As in `helpers.Denoiser`; mode="exact" repeats `pipe()` bit by bit,
            fast=True uses the cores of a CPU better.
        progress: Whether to say how much work it is, and to show a bar of U-Net evaluations.
        **settings: prompt, negative_prompt, seed, num_inference_steps, guidance_scale, scheduler,
            height, width, eta: each a value or a list (a range, an array). The first list gives
            the rows, the second the columns, a third the pages; a single one lies side by side.

    Returns:
        A `Sweep`; `save_sweep` keeps its pictures if there was no `folder`. A cell that fails is
        marked and does not take the others along. Ctrl-C gives back what is done, with a warning.

    Raises:
        TypeError, ValueError, LookupError: A setting is wrong; nothing was started. ValueError
            also if `folder` holds another model's, prompt's or size's sweep.
    """
    axes = plans.find_axes(settings)
    team = launched_processes()
    if team.count > 1 and folder is None:
        raise ValueError("folder must be given where several processes share a sweep; got None")
    engine = Denoiser(pipe, mode, max_rows, fast=fast)
    if team.is_first:
        _warn_of_dropped_words(pipe, axes)
    cells = {position: Cell(**axes.settings(position)) for position in axes.positions}
    costs = {position: engine.cost(cell) for position, cell in cells.items()}  # checks them too
    names = lru_cache(lambda scheduler: scheduler_record(pipe, scheduler))
    axes = _with_scheduler_labels(pipe, axes)
    size = native_size(pipe)
    model = {**switched_on(pipe), "model_fingerprint": model_fingerprint(pipe)}
    outcomes = {p: Outcome(_recorded(cell, size, names) | model) for p, cell in cells.items()}
    result = Sweep(axes, outcomes, _header(axes, outcomes, mode))
    store = None if folder is None else _opened(folder, result, team)
    missing = [p for p, outcome in outcomes.items() if outcome.state != "done"]
    own = partition([costs[p] for p in missing], team.count)[team.index]
    work = {engine.submit(cells[missing[number]]): missing[number] for number in sorted(own)}
    told = _amount(len(cells), len(missing), list(work)) if progress and team.is_first else None
    try:
        for trajectory in _run(engine, list(work), told):
            _take(trajectory, work[trajectory], result, store)
    except KeyboardInterrupt:
        for trajectory, position in work.items():
            _take(trajectory, position, result, store)
        done = len(result.images)
        warn_learner(f"interrupted: {done} of {len(result)} pictures are done")
    if team.count > 1:
        store = _gathered(folder, result, team)
    if store and team.is_first:
        store.write_sheet(result)
    return result


def _with_scheduler_labels(pipe: DiffusionPipeline, axes: Axes) -> Axes:
    """Two configured schedulers of one class differ in their options, so the labels tell these."""
    schedulers = axes.values.get("scheduler", ())
    configured = [scheduler for scheduler in schedulers if isinstance(scheduler, SchedulerMixin)]
    return replace(axes, labels={each: scheduler_label(pipe, each) for each in configured})


def _opened(folder: str | Path, result: Sweep, team: Processes) -> SweepFolder:
    """The folder, mended by the first process and then read by the others, before anyone writes.

    What it has and `result` lacks is put into `result`.
    """
    store = team.first_alone(lambda: SweepFolder(folder, result.header))
    store = store or SweepFolder(folder, result.header, team.index)
    team.gather(None)
    store.restore(result)
    return store


def _gathered(folder: str | Path, result: Sweep, team: Processes) -> SweepFolder:
    """Bring what all processes did into the result of each, and into one manifest."""
    failed = {p: outcome for p, outcome in result.outcomes.items() if outcome.state == "failed"}
    for told in team.gather(failed):
        result.outcomes.update(told)
    return _opened(folder, result, team)


def _run(
    engine: Denoiser, trajectories: list[Trajectory], amount: str | None
) -> Iterator[Trajectory]:
    """Tick until all ended; if `amount` of work is told, also how long it takes, and a bar.

    The second tick is measured: the first is slow where memory is new, and short where pictures
    begin alike.
    """
    bar = tqdm(
        total=sum(t.total_evaluations for t in trajectories),
        unit="evaluation",
        disable=not amount or not trajectories,
    )
    ticks, wanted, begun = 0, set(trajectories), time.perf_counter()
    with bar:
        if not bar.disable:
            bar.write(amount)
        while engine.busy:
            before, start = _rows_left(trajectories), time.perf_counter()
            ended = engine.tick()
            ticks += 1
            bar.update(sum(t.evaluations for t in trajectories) - bar.n)
            left = _rows_left(trajectories)
            if not bar.disable and before > left and (ticks == 2 or ticks == 1 and not left):
                now = time.perf_counter()
                seconds = now - begun + (now - start) * left / (before - left)
                bar.write(f"about {max(1, round(seconds))} seconds")
            yield from (t for t in ended if t in wanted)


def _amount(asked: int, missing: int, own: list[Trajectory]) -> str:
    """How much work it is, in words."""
    of_all = f" of {asked}" if missing < asked else ""
    here = f" ({len(own)} by this process)" if len(own) < missing else ""
    evaluations = sum(trajectory.total_evaluations for trajectory in own)
    return f"pictures to make: {missing}{of_all}{here}; U-Net evaluations: {evaluations}"


def _rows_left(trajectories: list[Trajectory]) -> int:
    """Rows that U-Net calls still have to compute."""
    return sum(t.rows * (t.total_evaluations - t.evaluations) for t in trajectories if not t.done())


def _take(
    trajectory: Trajectory, position: tuple, result: Sweep, store: SweepFolder | None
) -> None:
    """Note what became of a trajectory, and keep its picture.

    One that is not done or was cancelled stays "not run". One that failed is not kept, so that it
    is tried again when the sweep is resumed.
    """
    outcome = result.outcomes[position]
    if trajectory.state not in ("done", "failed"):
        return
    outcome.state = trajectory.state
    outcome.seconds, outcome.evaluations = trajectory.seconds, trajectory.evaluations
    if error := trajectory.exception():
        outcome.error = f"{type(error).__name__}: {error}"
    else:
        outcome.image = trajectory.result()
    if store:
        store.keep(result, position)


def _recorded(
    cell: Cell, native: tuple[int, int], names: Callable[[SchedulerSetting], str]
) -> Settings:
    """Settings as JSON can hold them, with what the pipeline decides filled in."""
    height, width = native
    return cell.settings | {
        "scheduler": names(cell.scheduler),
        "height": int(cell.height or height),
        "width": int(cell.width or width),
    }


def _header(axes: Axes, outcomes: dict[tuple, Outcome], mode: str) -> Settings:
    """What all pictures of a sweep have in common."""
    recorded = outcomes[axes.positions[0]].settings
    fixed = {name: value for name, value in recorded.items() if name not in axes.names}
    return {"mode": mode, "axes": list(axes.names), **fixed}


def _warn_of_dropped_words(pipe: DiffusionPipeline, axes: Axes) -> None:
    for name in ("prompt", "negative_prompt"):
        for text in axes.values.get(name, (axes.fixed.get(name),)):
            if not isinstance(text, str):
                continue
            count, limit, cut = prompt_tokens(pipe.tokenizer, text)
            if cut:
                warn_learner(
                    f"{name} has {count} tokens, and the model reads {limit}. "
                    f"It does not see: {shortened(cut, MAX_DROPPED)!r}"
                )
