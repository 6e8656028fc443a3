"""The course's app with a tiny model, served on a free port of this computer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.app.queue import Engine
from helpers.app.server import AppServer
from helpers.app.studio import Studio
from helpers.feedback.store import Feedback

PATIENCE = 300.0  # seconds


@contextmanager
def tiny_studio(pipe, folder: Path, *others: str) -> Iterator[Studio]:
    """An engine at work with `pipe` as the model "tiny", and as `others`; ratings in `folder`.

    It is patient: on a busy computer half a minute of silence does not mean that somebody left.
    """
    engine = Engine(dict.fromkeys(("tiny", *others), pipe), idle_seconds=PATIENCE).start()
    studio = Studio(engine, Feedback(folder / "ratings.sqlite"))
    try:
        yield studio
    finally:
        studio.close()


def served(studio: Studio, **options) -> AppServer:
    """The app while it is served; `options` are those of `AppServer`."""
    return AppServer(studio, port=0, **options)
