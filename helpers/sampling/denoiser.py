"""The denoising engine: many pictures of any settings at once, one U-Net call a tick.

A *trajectory* is one picture's path from noise to latents. Each has its own scheduler, its own
random generator and its own place on the path; all they share is the call of the U-Net, whose
rows may have different timesteps, prompts and pictures. So a tick is: take the rows of as many
trajectories as fit, predict them in one call, let each trajectory's scheduler step.

    engine = Denoiser(pipe)
    for seed in range(4):
        engine.submit(Cell("a fox in a meadow", seed=seed))
    for trajectory in engine.run():
        trajectory.result().show()

The rules:
- A picture is a function of the model and its `Cell` alone, not of what runs beside it.
  mode="exact": the U-Net and the VAE get one trajectory a call, in the shapes of `pipe()`; on the
  CPU latents and picture equal those of `pipe(…, generator=torch.Generator().manual_seed(seed))`
  bit by bit. mode="batched": the sums in a larger call may be rounded differently; in float32 no
  pixel is more than one of 256 levels away.
- What begins alike is computed once: pictures of one seed, size and prompt that differ only in
  guidance (or in the number of steps, where the first timestep is the same) get their first
  prediction from one row, and those of one seed share the row of the negative prompt. The same
  numbers would come out again, so no picture changes. After the first step they differ.
- A trajectory ends alone. One whose call fails, whose latents become NaN or infinite, or that is
  cancelled, does not disturb the others.
- Out of memory: the call is cut in halves and repeated, and later calls for that size of picture
  stay that small. Nothing is lost, because schedulers step after the whole call. A row that does
  not fit alone fails its trajectory.
- The pipeline is not changed: neither its scheduler nor its weights. Texts are encoded once and
  kept, so make a new engine after loading other weights into the pipeline. What is switched on or
  off in it (a LoRA, FreeU) is noticed, and holds for the pictures that start from then on.
"""

import math
import threading
import time
from bisect import insort
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Literal

import torch
from diffusers import SchedulerMixin

from helpers.base.counts import checked_count
from helpers.models.switches import switches
from helpers.sampling import stages
from helpers.sampling.beginning import Beginning
from helpers.sampling.cell import Cell
from helpers.sampling.cpu_workers import Workers
from helpers.sampling.latents import latent_shape
from helpers.sampling.out_of_memory import GuardedCalls
from helpers.sampling.schedulers import (
    SchedulerSetting,
    build_scheduler,
    fresh_copy,
    set_steps,
)
from helpers.sampling.trajectory import Preview, Row, Trajectory

MAX_ROWS = 16
"""Rows of a U-Net call, a trade of speed for memory."""

DECODED_TOGETHER = 4
"""Pictures of a VAE call, which needs far more memory a picture than the U-Net."""

TEXTS_KEPT = 64
"""Encoded texts that an engine remembers."""

SCHEDULERS_KEPT = 32
"""Schedulers that an engine remembers as built, to copy."""

FIRST_PREDICTIONS_KEPT = 64
"""Predictions of first steps that an engine remembers, for pictures that begin alike."""


class Denoiser:
    """Runs trajectories together. One thread works, any number of threads submit and cancel.

    In a notebook: `submit` all, then loop over `run()`. In a server: a thread runs `serve()`,
    others `submit` and wait for `result()`, and `shutdown()` ends it.

    Args:
        pipe: A StableDiffusionPipeline or StableDiffusionXLPipeline.
        mode: "batched" or "exact", see the module's rules.
        max_rows: U-Net rows a call; a trajectory has two with guidance, one without. "exact" has
            one trajectory a call instead.
        order: Which trajectories go first. "longest": those with the most evaluations, so that
            the last calls are not nearly empty (for a sweep). "oldest": those submitted first, so
            that nobody waits for latecomers (for a class).
        fast: On a CPU with several cores, let each core take some rows of a call through the
            whole U-Net. It changes no more than mode="batched" does: float32 sums may be rounded
            differently. Elsewhere it does nothing.
    """

    def __init__(
        self,
        pipe: stages.Pipeline,
        mode: Literal["batched", "exact"] = "batched",
        max_rows: int = MAX_ROWS,
        order: Literal["longest", "oldest"] = "longest",
        fast: bool = False,
    ):
        stages.check_pipeline(pipe)
        if mode not in ("batched", "exact"):
            raise ValueError(f'mode must be "batched" or "exact"; got {mode!r}.')
        if order not in ("longest", "oldest"):
            raise ValueError(f'order must be "longest" or "oldest"; got {order!r}.')
        max_rows = checked_count("max_rows", max_rows)
        if fast and mode == "exact":
            raise ValueError('fast must be False with mode="exact", which repeats pipe() in full.')
        self.pipe = pipe
        self.mode = mode
        self.order = order
        self._unet_calls = GuardedCalls(1 if mode == "exact" else max_rows)
        self._vae_calls = GuardedCalls(1 if mode == "exact" else DECODED_TOGETHER)
        on_cores = fast and pipe._execution_device.type == "cpu" and torch.get_num_threads() > 1
        self._workers = Workers() if on_cores else None
        self._encoded = lru_cache(TEXTS_KEPT)(partial(stages.text_conditions, pipe))
        self._built = lru_cache(SCHEDULERS_KEPT)(
            lambda scheduler, own: build_scheduler(pipe, scheduler)
        )
        self._timesteps = lru_cache(self._count_timesteps)
        self._first: OrderedDict[tuple, torch.Tensor] = OrderedDict()
        self._switches = switches(pipe)
        self._active: list[Trajectory] = []
        self._changed = threading.Condition()
        self._working = threading.Lock()
        self._closed = False

    def cost(self, cell: Cell) -> int:
        """How much the U-Net has to compute for a picture: rows times evaluations times latents.

        Raises what is wrong with the settings, as `submit` does; nothing is taken in.
        """
        rows = 2 if stages.is_guided(self.pipe, cell.guidance_scale) else 1
        evaluations = self._timesteps(cell.scheduler, self.pipe.scheduler, cell.num_inference_steps)
        return rows * evaluations * math.prod(latent_shape(self.pipe, cell.height, cell.width))

    def _count_timesteps(self, setting: SchedulerSetting, own: SchedulerMixin, steps: int) -> int:
        scheduler = fresh_copy(self._built(setting, own), seed=0)
        set_steps(scheduler, steps)
        return len(scheduler.timesteps)

    def submit(
        self,
        cell: Cell,
        preview: Preview | None = None,
        preview_every: int = 5,
        beginning: Beginning | None = None,
    ) -> Trajectory:
        """Take a picture's settings in; also while others run, and from any thread.

        With a `beginning`, the picture is that of the image-to-image pipeline with these settings.
        `preview` is called by the working thread after every `preview_every` evaluations; an
        error in it fails this trajectory. Raises what is wrong with the settings at once:
        ValueError, TypeError or LookupError; and RuntimeError after `shutdown`.
        """
        if preview_every < 1:
            raise ValueError(f"preview_every must be 1 or more; got {preview_every!r}.")
        scheduler = self._built(cell.scheduler, self.pipe.scheduler)
        trajectory = Trajectory(cell, self.pipe, scheduler, preview, preview_every, beginning)
        with self._changed:
            if self._closed:
                raise RuntimeError("the engine was shut down; make a new Denoiser.")
            insort(self._active, trajectory, key=self._rank)
            self._changed.notify_all()
        return trajectory

    @property
    def busy(self) -> bool:
        """Whether something that was submitted has not ended yet."""
        return bool(self._active)

    def run(self) -> Iterator[Trajectory]:
        """Work until nothing is left; yield each trajectory as it ends, well or not."""
        while self.busy:
            yield from self.tick()

    def serve(self) -> None:
        """Work until `shutdown`, waiting for submissions when there is nothing to do."""
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._active or self._closed)
                    if not self._active:
                        return
                self.tick()
        except BaseException:
            self.shutdown(cancel_futures=True)  # nobody may wait for a dead worker
            self._take_ended()
            raise

    def shutdown(self, cancel_futures: bool = False) -> None:
        """Take no more in. What was taken in is finished, or cancelled if `cancel_futures`."""
        with self._changed:
            self._closed = True
            to_cancel = list(self._active) if cancel_futures else []
            self._changed.notify_all()
        for trajectory in to_cancel:
            trajectory.cancel()

    @torch.no_grad()
    def tick(self) -> list[Trajectory]:
        """One U-Net call, and the pictures that it finishes; the trajectories that ended.

        Interrupted (Ctrl-C), it cancels the trajectories of the call, which may be half stepped.
        """
        if not self._working.acquire(blocking=False):
            raise RuntimeError("the engine is already at work in another thread: submit there.")
        batch = []
        try:
            batch = self._next_batch()
            if batch:
                self._advance(batch)
            if finished := [t for t in batch if t._has_arrived() and not t.done()]:
                self._decode(finished)
        except BaseException:
            for trajectory in batch:
                trajectory.cancel()
            raise
        finally:
            self._working.release()
        return self._take_ended()

    def _rank(self, trajectory: Trajectory) -> int:
        """Lower goes first; among equals, the earlier submission (`insort` keeps their order)."""
        return -trajectory.total_evaluations if self.order == "longest" else 0

    def _next_batch(self) -> list[Trajectory]:
        """The first trajectories whose rows fit in a call; all have latents of one shape."""
        batch: list[Trajectory] = []
        room = 0
        with self._changed:
            waiting = [t for t in self._active if not t.done()]
        for trajectory in waiting:
            if batch and (trajectory.rows > room or trajectory.shape != batch[0].shape):
                continue
            if self._ready(trajectory):
                room = room if batch else self._unet_calls.limit(trajectory.shape)
                batch.append(trajectory)
                room -= trajectory.rows
            if batch and room <= 0:
                break
        return batch

    def _ready(self, trajectory: Trajectory) -> bool:
        if trajectory.latents is None:
            with _failing_alone(trajectory):
                self._forget_if_switched()
                trajectory._start(self.pipe, self._conditions(trajectory))
        return not trajectory.done()

    def _forget_if_switched(self) -> None:
        """What is remembered holds only for the model that it was computed with."""
        now = switches(self.pipe)
        if now != self._switches:
            self._switches = now
            self._encoded.cache_clear()
            self._first.clear()

    def _conditions(self, trajectory: Trajectory) -> stages.Conditions:
        cell = trajectory.cell
        height, width = (size * self.pipe.vae_scale_factor for size in trajectory.shape[-2:])
        guided = trajectory.rows == 2
        text = self._encoded(cell.prompt, cell.negative_prompt, guided, height, width)
        return text | stages.guidance_conditions(self.pipe, cell.guidance_scale)

    def _advance(self, batch: list[Trajectory]) -> None:
        """One U-Net call for all rows of `batch`, then each trajectory's own step."""
        start = time.perf_counter()
        pieces: list[_Piece] = []
        owners: list[Trajectory] = []
        for trajectory in batch:
            with _failing_alone(trajectory):
                rows = trajectory._inputs()
                own = [rows] if self.mode == "exact" else [[row] for row in rows]
                pieces += own
                owners += [trajectory] * len(own)
        outcomes = self._predictions(pieces, batch[0].shape)
        for trajectory in dict.fromkeys(owners):
            own = [
                outcome
                for outcome, owner in zip(outcomes, owners, strict=True)
                if owner is trajectory
            ]
            with _failing_alone(trajectory):
                trajectory._step(torch.cat([_value(outcome) for outcome in own]))
        _share_time(batch, start)

    def _predictions(
        self, pieces: list["_Piece"], shape: torch.Size
    ) -> list[torch.Tensor | Exception]:
        """One outcome a piece: remembered, or computed, equal pieces once."""
        keys = [_key(piece) or i for i, piece in enumerate(pieces)]
        known = {key: self._first[key] for key in keys if key in self._first}
        new = {key: piece for key, piece in zip(keys, pieces, strict=True) if key not in known}
        call = partial(self._workers.run, self._predict) if self._workers else self._predict
        computed = self._unet_calls.run(call, list(new.values()), shape)
        for key, outcome in zip(new, computed, strict=True):
            known[key] = outcome
            if isinstance(key, tuple) and isinstance(outcome, torch.Tensor):
                self._first[key] = outcome.clone()  # a view would keep the whole call's tensor
        while len(self._first) > FIRST_PREDICTIONS_KEPT:
            self._first.popitem(last=False)
        return [known[key] for key in keys]

    def _predict(self, pieces: list["_Piece"]) -> tuple[torch.Tensor, ...]:
        rows = [row for piece in pieces for row in piece]
        sample = torch.cat([row.sample for row in rows])
        # The U-Net turns timesteps into float32 as its first act, so nothing is lost here.
        timesteps = torch.tensor([row.timestep for row in rows], dtype=torch.float32)
        conditions = {
            name: torch.cat([row.conditions[name] for row in rows]) for name in rows[0].conditions
        }
        predictions = stages.predict(self.pipe, sample, timesteps.to(sample.device), conditions)
        return predictions.split([len(piece) for piece in pieces])

    def _decode(self, finished: list[Trajectory]) -> None:
        start = time.perf_counter()
        latents = [trajectory.latents for trajectory in finished]
        outcomes = self._vae_calls.run(
            lambda some: stages.decode(self.pipe, torch.cat(some)), latents, finished[0].shape
        )
        _share_time(finished, start)
        for trajectory, outcome in zip(finished, outcomes, strict=True):
            trajectory._end(outcome)

    def _take_ended(self) -> list[Trajectory]:
        ended, active = [], []
        with self._changed:
            for trajectory in self._active:
                (ended if trajectory.done() else active).append(trajectory)
            self._active = active
        for trajectory in ended:
            trajectory._release()
            if trajectory.cancelled():
                trajectory.set_running_or_notify_cancel()  # tells as_completed and wait
        return ended


_Piece = list[Row]
"""Rows that stay together when a call is cut in halves."""


def _key(piece: _Piece) -> tuple | None:
    keys = tuple(row.key for row in piece)
    return None if None in keys else keys


@contextmanager
def _failing_alone(trajectory: Trajectory) -> Iterator[None]:
    """An error in the block ends `trajectory` and goes no further."""
    try:
        yield
    except Exception as error:
        trajectory._end(error)


def _value(outcome: torch.Tensor | Exception) -> torch.Tensor:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def _share_time(trajectories: list[Trajectory], start: float) -> None:
    """Add to each the time since `start`, in proportion to its rows."""
    seconds = time.perf_counter() - start
    rows = sum(trajectory.rows for trajectory in trajectories)
    for trajectory in trajectories:
        trajectory.seconds += seconds * trajectory.rows / rows
