"""What the pages share: the engine, the album, the ratings, the visitors."""

from dataclasses import dataclass, field

import gradio as gr

from helpers.app.album import Album
from helpers.app.queue import Engine
from helpers.app.visitors import Visitors
from helpers.feedback.store import Feedback

WITH = " + "  # between a model and the LoRA on top of it, in the engine's name for both


@dataclass
class Studio:
    """Everything that a page needs.

    Attributes:
        engine: Draws for everybody. A model with a LoRA has a name such as "stickers + golden".
        feedback: Where ratings go.
        album: What was made.
        visitors: Who is here.
        faces_url: The face service, or None for the one that the course starts.
    """

    engine: Engine
    feedback: Feedback
    album: Album = field(default_factory=Album)
    visitors: Visitors = field(default_factory=Visitors)
    faces_url: str | None = None

    @property
    def models(self) -> list[str]:
        """The models, without those that have a LoRA on top."""
        return [name for name in self.engine.pipes if WITH not in name]

    def loras(self, model: str) -> list[str]:
        """The LoRAs that can be put on top of a model."""
        begin = f"{model}{WITH}"
        return [n.removeprefix(begin) for n in self.engine.pipes if n.startswith(begin)]

    def stop_window(self, request: gr.Request) -> None:
        """Give up what a window of the visitor asked for."""
        visitor = self.visitors.of(request)
        self.engine.stop_user(visitor.id, visitor.session)

    def close(self) -> None:
        self.engine.shutdown()
        self.album.close()
