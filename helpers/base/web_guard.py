"""What every server of the course refuses before its own code sees a request.

    app.add_middleware(Guard, max_bytes=lambda path: 10_000)

- A foreign web page. A browser lets any page send requests to a server on its visitor's computer
  or network; it says so in the header Origin or Sec-Fetch-Site. And a page whose name leads to this
  computer's address (DNS rebinding) is told by the header Host: it names the page, not us.
- An address to fetch: with `/file=http://…` and `/proxy=…` Gradio loads it for the caller.
- A body that is too long, too slow to arrive, or one too many of those that are arriving.

It is ASGI middleware without any library, so that the app and the face service share it.
"""

import asyncio
import ipaddress
import json
import re
import socket
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

BODY_SECONDS = 30.0
"""In which a request must have arrived."""

BODIES_AT_ONCE = 200_000_000
"""Bytes of all bodies together that are kept in memory while they arrive or are worked on."""

LOCAL_SUFFIXES = (".local", ".lan", ".home", ".internal", ".home.arpa")
"""Names that only a local network gives, so that no page of the internet can have one."""

ADDRESS = re.compile(r"https?:/|/proxy=", re.IGNORECASE)


class Rejected(Exception):
    """A request that goes no further; the message is for the caller."""

    def __init__(self, message: str, status: int):
        super().__init__(message)
        self.status = status


class Guard:
    """Lets a request through to `app`, or answers it with `{"error": sentence}`.

    Args:
        max_bytes: The longest body that a path takes.
        names: Host names by which this server may be called, besides addresses, names without a
            dot and names of the local network.
    """

    def __init__(
        self,
        app: Callable,
        max_bytes: Callable[[str], int],
        names: Callable[[], Collection[str]] = tuple,
    ):
        self.app, self.max_bytes, self.names = app, max_bytes, names
        self._kept = 0  # bytes of bodies in memory

    async def __call__(self, scope: dict, receive: Callable, send: Callable) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        taken = 0
        try:
            self._check(scope)
            if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD", "OPTIONS"):
                body = await asyncio.wait_for(self._whole(scope, receive), BODY_SECONDS)
                taken = len(body)
                self._kept += taken
                receive = _replay(body, receive)
        except TimeoutError:
            return await answer(send, 408, {"error": "The request took too long to arrive."})
        except Rejected as rejected:
            return await answer(send, rejected.status, {"error": str(rejected)})
        try:
            await self.app(scope, receive, send)
        finally:
            self._kept -= taken

    def _check(self, scope: dict) -> None:
        if ADDRESS.search(scope["path"]):
            raise Rejected("An address is not fetched.", 403)
        headers = headers_of(scope)
        host = headers.get("host", "")
        if not is_own_name(host_name(host), self.names()):
            raise Rejected(f"This server is not called {host[:80]!r}.", 421)
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            raise Rejected("Other web pages may not use this server.", 403)
        # A link from elsewhere may lead here; a foreign page's script or picture may not ask.
        is_link = headers.get("sec-fetch-mode") == "navigate" and scope.get("method") == "GET"
        if headers.get("sec-fetch-site") == "cross-site" and not is_link:
            raise Rejected("Other web pages may not use this server.", 403)

    async def _whole(self, scope: dict, receive: Callable) -> bytes:
        most = self.max_bytes(scope["path"])
        too_large = Rejected(f"The request has more than {most} bytes.", 413)
        declared = headers_of(scope).get("content-length", "0")
        if declared.isdigit() and int(declared) > most:
            raise too_large
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Rejected("The caller went away.", 400)
            body += message.get("body", b"")
            if len(body) > most:
                raise too_large
            if self._kept + len(body) > BODIES_AT_ONCE:
                raise Rejected("Too much arrives at once. Try again in a moment.", 503)
            if not message.get("more_body"):
                return bytes(body)


def headers_of(scope: dict) -> dict[str, str]:
    """The headers of a request, names in lower case."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def host_name(host: str) -> str:
    """The name in a Host header, without its port, in lower case."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def is_own_name(name: str, further: Collection[str] = ()) -> bool:
    """Whether a request for this host name can be meant for this computer.

    A page of the internet has a name with a dot, and that is how it is told from an address, from
    a name of the local network, and from this computer's own names.
    """
    try:
        ipaddress.ip_address(name)
        return True
    except ValueError:
        own = {socket.gethostname().lower(), *(one.lower() for one in further)}
        return bool(name) and ("." not in name or name.endswith(LOCAL_SUFFIXES) or name in own)


async def answer(
    send: Callable, status: int, content: object, headers: Collection[tuple] = ()
) -> None:
    """Send a whole JSON answer."""
    body = json.dumps(content).encode()
    head = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*head, *headers]})
    await send({"type": "http.response.body", "body": body})


def _replay(body: bytes, receive: Callable) -> Callable:
    """A `receive` that gives the body once, and then what the connection tells."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replayed():
        return next(messages, None) or await receive()

    return replayed
