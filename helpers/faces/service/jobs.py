"""The face service's work: who is next, how long it may take, and when it is given up."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

SMALL_PIXELS = 1024 * 1024
"""Of a result: as much as is done in one part, in a second or two."""


class Refused(Exception):
    """A call that cannot be served; the message is for the caller."""

    def __init__(self, message: str, status: int = 422):
        super().__init__(message)
        self.status = status


class GivenUp(Exception):
    """Raised inside a job that must not go on."""


class Job:
    """One call's work.

    Attributes:
        pixels: Of the result; the fewer, the sooner it is done.
        result: What `work` returned or raised.
        seconds: How long it has been worked on.
    """

    def __init__(self, work: Callable[["Job"], object], pixels: int, most_seconds: float):
        self.pixels = pixels
        self.result: Future = Future()
        self.seconds = 0.0
        self._work, self._most_seconds = work, most_seconds
        self._began = 0.0
        self._given_up = False

    @property
    def is_large(self) -> bool:
        return self.pixels > SMALL_PIXELS

    def give_up(self) -> None:
        """End it at its next look around, or before it begins."""
        self._given_up = True

    def run(self) -> None:
        """Do the work in this thread."""
        if not self.result.set_running_or_notify_cancel():
            return
        self._began = time.monotonic()
        try:
            self.result.set_result(self._work(self))
        except BaseException as error:  # whoever waits for the result gets it
            self.result.set_exception(error)

    def look_around(self, others: Callable[["Job"], None]) -> None:
        """Between two parts of the work: end if it must, or let `others` go first."""
        self.seconds += time.monotonic() - self._began
        if self._given_up:
            raise GivenUp
        if self.seconds > self._most_seconds:
            raise Refused(
                f"The picture takes more than {self._most_seconds:g} seconds. Take a smaller "
                "factor or picture.",
                413,
            )
        others(self)
        self._began = time.monotonic()


class JobQueue:
    """Worker threads, and the jobs that wait for one: the smallest first.

    A large job leaves a worker for small ones where there are several, and lets waiting small ones
    pass between its parts.

    Args:
        at_once: Workers.
        most_waiting: Jobs that may wait.
        most_seconds: That one job may be worked on.
    """

    def __init__(self, at_once: int, most_waiting: int, most_seconds: float):
        self.at_once, self.most_waiting, self.most_seconds = at_once, most_waiting, most_seconds
        self._waiting: list[tuple[int, int, Job]] = []  # a heap
        self._count = itertools.count()
        self._changed = threading.Condition()
        self._running = self._large_running = 0
        self._closed = False
        for _ in range(at_once):
            threading.Thread(target=self._work, name="faces", daemon=True).start()

    def submit(self, work: Callable[[Job], object], pixels: int) -> Job:
        """Line up; `Refused` if too many wait already."""
        job = Job(work, pixels, self.most_seconds)
        with self._changed:
            if self._running + len(self._waiting) >= self.at_once + self.most_waiting:
                raise Refused("The service is busy: its queue is full. Try again in a moment.", 503)
            heapq.heappush(self._waiting, (pixels, next(self._count), job))
            self._changed.notify()
        return job

    def give_up(self, job: Job) -> None:
        """Take a job out of the queue, or end it if it has begun."""
        job.give_up()
        with self._changed:
            self._waiting = [entry for entry in self._waiting if entry[2] is not job]
            heapq.heapify(self._waiting)

    def do_smaller(self, job: Job) -> None:
        """Do the waiting jobs that are small, in the middle of one that is not."""
        while job.is_large and (small := self._next(lambda other: not other.is_large)):
            small.run()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            for *_, job in self._waiting:
                job.result.cancel()
            self._waiting.clear()
            self._changed.notify_all()

    def _next(self, is_wanted: Callable[[Job], bool]) -> Job | None:
        """Take the first job in line out of it, if it is wanted."""
        with self._changed:
            if self._waiting and is_wanted(self._waiting[0][2]):
                return heapq.heappop(self._waiting)[2]
        return None

    def _may_begin(self, job: Job) -> bool:
        return not job.is_large or self._large_running < max(1, self.at_once - 1)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._closed or (self._waiting and self._may_begin(self._waiting[0][2]))
                )
                if self._closed:
                    return
                job = heapq.heappop(self._waiting)[2]
                self._running += 1
                self._large_running += job.is_large
            job.run()
            with self._changed:
                self._running -= 1
                self._large_running -= job.is_large
                self._changed.notify_all()
