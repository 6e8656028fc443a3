"""Many pictures through a face service, a few at once."""

import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import pandas
from PIL import Image
from tqdm.auto import tqdm

from helpers.base.counts import checked_count
from helpers.base.warn import warn_learner
from helpers.faces.client.errors import FaceServiceError
from helpers.faces.client.improve import improve_face, service_address
from helpers.faces.contract import checked_factor
from helpers.pictures.check import checked_images

MAX_AT_ONCE = 16  # a service for a class has others to serve


@dataclass
class Improvement:
    """What became of one picture.

    Attributes:
        settings: Of a sweep's cell, all of them; else its number.
        original: The picture as it was; None if the sweep has none.
        improved: The improved picture, or None.
        state: "done", "failed", "no picture", or "not run" after an interruption.
        seconds: That its call took, or None.
        error: Why it failed, else "".
    """

    settings: dict[str, object]
    original: Image.Image | None
    improved: Image.Image | None = None
    state: str = "not run"
    seconds: float | None = None
    error: str = ""


class Improvements(list[Improvement]):
    """What became of each picture, in the order in which they were given."""

    @property
    def images(self) -> list[Image.Image | None]:
        """The improved pictures; None where one is missing."""
        return [improvement.improved for improvement in self]

    @property
    def table(self) -> pandas.DataFrame:
        """A row a picture: its settings, state, seconds and error."""
        measured = ("state", "seconds", "error")
        return pandas.DataFrame(
            [i.settings | {name: getattr(i, name) for name in measured} for i in self]
        )

    @property
    def failed(self) -> pandas.DataFrame:
        """The rows of the table that have no improved picture."""
        return self.table[self.table["state"] != "done"]


def improve_faces(
    pictures: Iterable,
    factor: int = 2,
    url: str | None = None,
    token: str | None = None,
    timeout: float = 60,
    at_once: int = 4,
    progress: bool = True,
) -> Improvements:
    """Send the pictures of a sweep, or a list of pictures, through a face service.

    A picture that fails is noted and does not stop the others. Ctrl-C gives back what is done,
    with a warning.

    Args:
        pictures: A sweep, or PIL images.
        factor, url, token, timeout: As in `improve_face`, for each picture.
        at_once: Calls at the same time, at most 16.
        progress: Whether to show a bar.

    Raises:
        TypeError, ValueError: `pictures`, `factor` or `at_once` is wrong.
        FaceServiceError: There is no service to call.
    """
    at_once = checked_count("at_once", at_once, most=MAX_AT_ONCE)
    factor = checked_factor(factor)
    improvements = _planned(pictures)
    address = service_address(url)  # once, so that a service of one's own is started once

    def improve(improvement: Improvement) -> None:
        began = time.monotonic()
        try:
            improvement.improved = improve_face(
                improvement.original, factor, address, token, timeout
            )
            improvement.state = "done"
        except FaceServiceError as error:
            improvement.state, improvement.error = "failed", error.what
        improvement.seconds = time.monotonic() - began

    to_do = [i for i in improvements if i.state == "not run"]
    with ThreadPoolExecutor(at_once, thread_name_prefix="faces") as pool:
        jobs = [pool.submit(improve, improvement) for improvement in to_do]
        try:
            _wait(jobs, progress)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            done = sum(i.state == "done" for i in improvements)
            warn_learner(
                f"interrupted: {done} of {len(improvements)} pictures are done; calls that are "
                "under way are waited for"
            )
    return improvements


def _planned(pictures: Iterable) -> Improvements:
    """Of a sweep each cell's outcome, whose settings name the picture; else pictures by number."""
    if hasattr(pictures, "outcomes"):
        cells = [Improvement(dict(outcome.settings), outcome.image) for outcome in pictures]
    else:
        cells = [Improvement({"picture": i}, p) for i, p in enumerate(checked_images(pictures))]
    for cell in cells:
        if cell.original is None:
            cell.state = "no picture"
    return Improvements(cells)


def _wait(jobs: list[Future], progress: bool) -> None:
    """Until all are done; an error that is not the service's comes through here."""
    bar = tqdm(as_completed(jobs), total=len(jobs), unit="picture", disable=not progress)
    for job in bar:
        job.result()
