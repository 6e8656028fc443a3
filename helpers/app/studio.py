"""What the pages share: the engine, the album, the ratings."""

import html
from contextlib import contextmanager
from dataclasses import dataclass, field

import gradio as gr

from helpers.app.album import Album
from helpers.app.queue import Engine, EngineFull
from helpers.feedback.store import Feedback


@dataclass
class Studio:
    """Everything that a page needs.

    Attributes:
        engine: Draws for everybody.
        feedback: Where ratings go.
        album: What was made.
        faces_url: The face service, or None for the one that the course starts.
    """

    engine: Engine
    feedback: Feedback
    album: Album = field(default_factory=Album)
    faces_url: str | None = None

    @property
    def models(self) -> list[str]:
        return list(self.engine.pipes)

    def close(self) -> None:
        self.engine.shutdown()
        self.album.close()


def visitor(request: gr.Request) -> str:
    """Whose request it is: the browser tab's, or for bare requests the computer's."""
    if request.session_hash:
        return request.session_hash
    return f"host {request.client.host if request.client else 'unknown'}"


@contextmanager
def told_to_the_visitor():
    """Turn what is wrong with a request into a message on the page."""
    try:
        yield
    except (ValueError, LookupError, EngineFull) as error:
        # The page shows messages as HTML.
        raise gr.Error(html.escape(str(error)), print_exception=False) from None
