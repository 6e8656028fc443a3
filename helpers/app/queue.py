"""One engine for everybody: a worker thread draws the pictures of all users together.

`Denoiser` lets pictures of any settings share U-Net calls. This module decides who is let in:
- fair: the next free place goes to the user with the fewest pictures in the works, and among
  those to the one who has waited longest. Who asks for sixty pictures does not hold up who asks
  for one;
- bounded: a full queue is refused with the reason, and neither one user nor one computer that
  pretends to be many can fill it alone;
- told: `progress(job)` says how many pictures are drawn before the next one of this job;
- paused, if a teacher wants the class to listen: what has begun is finished, the rest waits;
- free again: a job that is stopped, or that nobody has asked about for a while, leaves at once.

    engine = Engine({"stickers": pipe}).start()
    job = engine.submit("ada", "stickers", [Cell("a fox", seed=seed) for seed in range(4)])
    for picture in engine.wait(job).pictures:
        picture.image.show()
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from PIL import Image

from helpers.models.fingerprint import model_fingerprint
from helpers.sampling import stages
from helpers.sampling.beginning import Beginning
from helpers.sampling.cell import Cell
from helpers.sampling.denoiser import MAX_ROWS, Denoiser
from helpers.sampling.trajectory import Trajectory

CAPACITY = 600
"""Pictures that may wait, of all users together."""

USER_CAPACITY = 80
"""Pictures that may wait of one user."""

ADDRESS_SHARE = 0.5
"""Of the capacity, for the users of one network address together."""

IDLE_SECONDS = 30.0
"""Seconds without a question after which a job counts as abandoned."""

POLL = 0.2
"""Seconds between two looks at a job that somebody follows, while few are at work."""

FEW = 8
"""Pictures, in the works or waiting. With more, followers look less often: telling takes time."""

TOLD_EVERY = 2.0
"""Seconds after which a follower is told even that nothing changed, so that it can leave."""

PREVIEW_EVERY = 5
"""U-Net evaluations between two previews."""

PREVIEWED_TOGETHER = 8
"""With more pictures than this in the works there are no previews: decoding them costs time."""

log = logging.getLogger(__name__)


class EngineFull(Exception):
    """Too many pictures are waiting; the message is for the user."""


@dataclass(frozen=True)
class PictureProgress:
    """Where one picture stands.

    Attributes:
        state: "waiting", "running", "done", "failed" or "cancelled".
        evaluations, total_evaluations: U-Net evaluations done, and needed (0 before the start).
        preview: The picture as it was a few steps ago, if there was time to decode it.
        image: The picture, when it is done.
        error: Why it failed, else "".
    """

    cell: Cell
    state: str = "waiting"
    evaluations: int = 0
    total_evaluations: int = 0
    preview: Image.Image | None = None
    image: Image.Image | None = None
    error: str = ""


@dataclass(frozen=True)
class JobProgress:
    """Where a job stands; `place` is 1 if its next picture is the next to be started."""

    pictures: tuple[PictureProgress, ...]
    place: int
    finished: bool
    stopped: bool
    paused: bool = False

    @property
    def share(self) -> float:
        """How much of the work is done, from 0 to 1."""
        shares = [
            1.0 if p.state == "done" else p.evaluations / max(1, p.total_evaluations)
            for p in self.pictures
        ]
        return sum(shares) / len(shares)

    def count(self, state: str) -> int:
        return sum(picture.state == state for picture in self.pictures)

    def _key(self) -> tuple:
        """What a follower would see change."""
        seen = tuple((p.state, p.evaluations, id(p.preview)) for p in self.pictures)
        return self.place, self.finished, self.paused, seen


class Job:
    """What one press of a button asked for: several pictures, for one user, of one model."""

    def __init__(
        self,
        user: str,
        model: str,
        cells: Sequence[Cell],
        session: str = "",
        address: str = "",
        beginning: Beginning | None = None,
    ):
        self.user, self.session, self.address = user, session, address
        self.beginning = beginning
        self.model = model
        self.cells = tuple(cells)
        self.trajectories: dict[int, Trajectory] = {}
        self.previews: dict[int, Image.Image] = {}
        self.refused: dict[int, str] = {}  # pictures that never became a trajectory, and why
        self.stopped = False
        self.last_asked = time.monotonic()

    def picture(self, index: int) -> PictureProgress:
        """Where a picture stands now."""
        cell, trajectory = self.cells[index], self.trajectories.get(index)
        if index in self.refused:
            return PictureProgress(cell, "failed", error=self.refused[index])
        if trajectory is None:
            return PictureProgress(cell, "cancelled" if self.stopped else "waiting")
        state = trajectory.state
        error = trajectory.exception() if state == "failed" else None
        return PictureProgress(
            cell,
            state,
            trajectory.evaluations,
            trajectory.total_evaluations,
            self.previews.get(index),
            trajectory.result() if state == "done" else None,
            f"{type(error).__name__}: {error}" if error else "",
        )


class Engine:
    """Draws for all users with one worker thread, from `start` to `shutdown`.

    All methods may be called from any thread; `turn` only where there is no worker thread.

    Args:
        pipes: The models, by name. Their weights must not change while the engine works.
        max_rows: U-Net rows a call, for all users together.
        capacity, user_capacity: Pictures that may wait in all, and of one user.
        idle_seconds: Seconds without `progress`, `wait` or `follow` until a job is abandoned.
        fast: As in `Denoiser`.
    """

    def __init__(
        self,
        pipes: Mapping[str, stages.Pipeline],
        max_rows: int = MAX_ROWS,
        capacity: int = CAPACITY,
        user_capacity: int = USER_CAPACITY,
        idle_seconds: float = IDLE_SECONDS,
        fast: bool = False,
    ):
        if not pipes:
            raise ValueError("pipes must hold at least one model; got none")
        self.pipes = dict(pipes)
        self.versions = {name: model_fingerprint(pipe) for name, pipe in pipes.items()}
        self.max_rows = max_rows
        self.capacity = capacity
        self.user_capacity = user_capacity
        self.idle_seconds = idle_seconds
        self._denoisers = {
            name: Denoiser(pipe, max_rows=max_rows, order="oldest", fast=fast)
            for name, pipe in pipes.items()
        }
        self._changed = threading.Condition()
        # Users in the order in which they were last let in; a dictionary keeps it.
        self._waiting: dict[str, deque[tuple[Job, int]]] = {}
        self._running: list[tuple[Job, Trajectory]] = []
        self._closed = self._paused = False
        self._thread: threading.Thread | None = None

    def start(self) -> "Engine":
        """Start the worker thread."""
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()
        return self

    # --- For users

    def submit(
        self,
        user: str,
        model: str,
        cells: Sequence[Cell],
        session: str = "",
        address: str = "",
        beginning: Beginning | None = None,
    ) -> Job:
        """Line up for pictures.

        Args:
            session: Which of the user's windows asks; `stop_user` can stop one of them.
            address: The network address that asks, which shares a bound with its other users.
            beginning: The picture that all of them begin from, if not from noise alone.

        Raises LookupError for an unknown model, EngineFull with words for the user, RuntimeError
        after `shutdown`.
        """
        if model not in self.pipes:
            raise LookupError(f"model must be one of {', '.join(self.pipes)}; got {model!r}")
        job = Job(user, model, cells, session, address, beginning)
        with self._changed:
            if self._closed:
                raise RuntimeError("the engine was shut down")
            self._check_room(job)
            line = self._waiting.setdefault(user, deque())
            line.extend((job, index) for index in range(len(cells)))
            self._changed.notify_all()
        return job

    def progress(self, job: Job) -> JobProgress:
        """Where the job stands; asking also keeps it from counting as abandoned."""
        job.last_asked = time.monotonic()
        with self._changed:
            place, paused = self._place(job), self._paused
        pictures = tuple(job.picture(index) for index in range(len(job.cells)))
        finished = all(picture.state not in ("waiting", "running") for picture in pictures)
        return JobProgress(pictures, place, finished, job.stopped, paused)

    def wait(self, job: Job, timeout: float = 600.0) -> JobProgress:
        """Wait until the job is finished. Raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while not (now := self.progress(job)).finished:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the job was not finished after {timeout} seconds")
            time.sleep(POLL / 10)
        return now

    async def follow(self, job: Job) -> AsyncIterator[JobProgress]:
        """Tell of every change until the job is finished. To stop listening stops the job."""
        told, when = None, 0.0
        try:
            while True:
                now = self.progress(job)
                if now._key() != told or time.monotonic() - when > TOLD_EVERY:
                    told, when = now._key(), time.monotonic()
                    yield now
                if now.finished:
                    return
                await asyncio.sleep(min(TOLD_EVERY, POLL * max(1.0, sum(self.load) / FEW)))
        finally:
            self.stop(job)

    def stop(self, job: Job) -> None:
        """Give up what is not done yet."""
        with self._changed:
            job.stopped = job.stopped or not self._has_ended(job)
            self._leave(job)

    def stop_user(self, user: str, session: str | None = None) -> None:
        """Give up everything that a user asked for, or only what one of their windows asked for."""
        with self._changed:
            jobs = {job for job, _ in self._waiting.get(user, ())}
            jobs |= {job for job, _ in self._running if job.user == user}
        for job in jobs:
            if session in (None, job.session):
                self.stop(job)

    @property
    def paused(self) -> bool:
        """Whether nothing new is begun."""
        return self._paused

    def pause(self, paused: bool = True) -> None:
        """Begin nothing new, or go on."""
        with self._changed:
            self._paused = paused
            self._changed.notify_all()

    @property
    def load(self) -> tuple[int, int]:
        """Pictures in the works, and pictures that wait."""
        with self._changed:
            running = sum(not trajectory.done() for _, trajectory in self._running)
            return running, sum(map(len, self._waiting.values()))

    @property
    def waiting_users(self) -> set[str]:
        """Who waits for a picture, or has one in the works."""
        with self._changed:
            return {*self._waiting, *(job.user for job, t in self._running if not t.done())}

    def shutdown(self) -> None:
        """Stop every job and end the thread."""
        with self._changed:
            self._closed = True
            for user in list(self._waiting):
                for job, _ in list(self._waiting.get(user, ())):
                    job.stopped = True
                    self._leave(job)
            for job, trajectory in self._running:
                job.stopped = True
                trajectory.cancel()
            self._changed.notify_all()
        if self._thread:
            self._thread.join()

    # --- In line (the lock is held)

    def _check_room(self, job: Job) -> None:
        """Raise EngineFull where this job does not fit: in all, for its user, for its address."""
        more = len(job.cells)
        waiting = sum(map(len, self._waiting.values()))
        if waiting + more > self.capacity:
            raise EngineFull(
                f"The queue is full: {waiting} pictures are waiting. Try again in a minute."
            )
        own = len(self._waiting.get(job.user, ()))
        if own + more > self.user_capacity:
            raise EngineFull(
                f"You have {own} pictures waiting, and one person may have "
                f"{self.user_capacity}. Wait for some of them, or stop them."
            )
        of_address = sum(
            other.address == job.address for line in self._waiting.values() for other, _ in line
        )
        if job.address and of_address + more > self.capacity * ADDRESS_SHARE:
            raise EngineFull(
                f"{of_address} pictures are waiting for people at your network address, and "
                "the others need room as well. Try again in a minute."
            )

    def _place(self, job: Job) -> int:
        """How many pictures are started up to and with the next one of this job."""
        line = self._waiting.get(job.user, ())
        own = next((i for i, (waiting, _) in enumerate(line) if waiting is job), None)
        if own is None:
            return 0
        order = self._order()
        before = order[: order.index(job.user)]
        others = sum(
            min(len(self._waiting[user]), own + (user in before))
            for user in order
            if user != job.user
        )
        return own + others + 1

    def _order(self) -> list[str]:
        """The users who wait, who is next first."""
        running = [job.user for job, trajectory in self._running if not trajectory.done()]
        return sorted(self._waiting, key=running.count)

    def _leave(self, job: Job) -> None:
        """Take a job out of the line and cancel what it has in the works."""
        if job.user in self._waiting:
            rest = deque(entry for entry in self._waiting[job.user] if entry[0] is not job)
            self._waiting[job.user] = rest
            if not rest:
                del self._waiting[job.user]
        for trajectory in job.trajectories.values():
            trajectory.cancel()

    def _has_ended(self, job: Job) -> bool:
        ended = [trajectory.done() for trajectory in job.trajectories.values()]
        return len(ended) + len(job.refused) == len(job.cells) and all(ended)

    # --- The worker

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if self._closed:
                    return
            self.turn()

    def _has_work(self) -> bool:
        return bool(self._closed or self._running or (self._waiting and not self._paused))

    def turn(self) -> None:
        """Let in whom there is room for, and make one U-Net call for each model in use."""
        with self._changed:
            self._drop_abandoned()
            self._let_in()
        for denoiser in self._denoisers.values():
            self._tick(denoiser)
        with self._changed:
            self._running = [entry for entry in self._running if not entry[1].done()]

    def _drop_abandoned(self) -> None:
        waiting = {job for line in self._waiting.values() for job, _ in line}
        for job in waiting | {job for job, _ in self._running}:
            if time.monotonic() - job.last_asked > self.idle_seconds:
                job.stopped = True
                self._leave(job)

    def _let_in(self) -> None:
        """Start waiting pictures as far as their rows fit into a U-Net call."""
        room = self.max_rows - sum(trajectory.rows for _, trajectory in self._running)
        while self._waiting and not self._paused:
            user = self._order()[0]
            job, index = self._waiting[user][0]
            pipe = self.pipes[job.model]
            rows = 2 if stages.is_guided(pipe, job.cells[index].guidance_scale) else 1
            if self._running and rows > room:
                return
            room -= rows
            line = self._waiting.pop(user)
            line.popleft()
            if line:
                self._waiting[user] = line  # now at the end
            self._start(job, index)

    def _start(self, job: Job, index: int) -> None:
        preview = partial(self._preview, job, index)
        try:
            trajectory = self._denoisers[job.model].submit(
                job.cells[index],
                preview=preview,
                preview_every=PREVIEW_EVERY,
                beginning=job.beginning,
            )
        except Exception as error:  # a setting that the model cannot do
            job.refused[index] = str(error)
            return
        job.trajectories[index] = trajectory
        self._running.append((job, trajectory))

    def _preview(self, job: Job, index: int, trajectory: Trajectory, latents: torch.Tensor) -> None:
        if (
            len(self._running) > PREVIEWED_TOGETHER
            or trajectory.evaluations == trajectory.total_evaluations
        ):
            return
        try:
            job.previews[index] = stages.decode(self.pipes[job.model], latents)[0]
        except Exception:  # it must not cost the picture
            log.exception("a preview failed")

    def _tick(self, denoiser: Denoiser) -> None:
        if not denoiser.busy:
            return
        try:
            denoiser.tick()
        except Exception:  # the engine goes on for everybody else; its batch was cancelled
            log.exception("a tick failed")
