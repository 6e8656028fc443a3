"""Who still waits for the result of a call to a Gradio app.

Gradio goes on with a call whose caller has dropped the stream of its events. The address of the
stream ends in the call's id, which is also its session where the caller has not named another.
"""

import re
from collections import Counter
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Receive, Scope, Send

STREAM = re.compile(r"/call/(?:v2/)?[^/]+/(?P<id>[^/]+)$|/queue/data$")
KEPT = 10_000  # of those who left


class Listeners:
    """The sessions whose streams are open, and those whose streams were closed."""

    def __init__(self):
        self._open: Counter[str] = Counter()
        self._left: dict[str, None] = {}  # in the order of leaving

    def expect(self, session: str) -> None:
        """A call begins; its caller will listen soon, or does already."""
        self._left.pop(session, None)

    def have_left(self, session: str) -> bool:
        """Whether the session listened, and does no more."""
        return session in self._left

    def come(self, session: str) -> None:
        self._left.pop(session, None)
        self._open[session] += 1

    def leave(self, session: str) -> None:
        self._open[session] -= 1
        if self._open[session] <= 0:
            del self._open[session]
            self._left[session] = None
            while len(self._left) > KEPT:
                del self._left[next(iter(self._left))]


class Listening:
    """ASGI middleware that tells `listeners` who comes and leaves."""

    def __init__(self, app: ASGIApp, listeners: Listeners):
        self.app, self.listeners = app, listeners

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = STREAM.search(scope["path"]) if scope["type"] == "http" else None
        if not found or scope["method"] != "GET":
            return await self.app(scope, receive, send)
        query = parse_qs(scope["query_string"].decode("latin-1"))
        session = found["id"] or query.get("session_hash", [""])[0]
        self.listeners.come(session)
        try:
            await self.app(scope, receive, send)
        finally:
            self.listeners.leave(session)
