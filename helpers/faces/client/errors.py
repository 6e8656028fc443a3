"""The one error of the face client."""

from typing import Literal

WHOSE = {"yours": "yours", "server": "the server's"}


class FaceServiceError(Exception):
    """A picture could not be improved; the message says what happened, where, and what to do.

    The picture itself is untouched: `improve_face` never changes its input.

    Attributes:
        what: What happened, in a sentence.
        side: "yours" (the call, the address, the network of this computer) or "server".
        advice: What to do next.
        status: The HTTP status of the answer, or None without an answer.
    """

    def __init__(
        self, what: str, side: Literal["yours", "server"], advice: str, status: int | None = None
    ):
        super().__init__(what, side, advice, status)  # as args, so that it can be pickled
        self.what, self.side, self.advice, self.status = what, side, advice, status

    def __str__(self) -> str:
        return (
            f"{self.what}\n  Whose side: {WHOSE[self.side]}.\n  What to do: {self.advice}\n"
            "  Your picture is unchanged."
        )
