"""HTTP for a careful client: one deadline for everything, and no trust in the other side.

`requests` gives each read its own timeout, so a server that sends a byte now and then holds it for
ever. Here the work is done in a thread; at the deadline its caller gets an error, and the
connections are shut, which ends the thread. Redirects are followed by hand, within one host, and
bodies are read raw, up to a limit: a compressed one is refused, because a few kilobytes can unfold
to gigabytes.
"""

import email.utils
import html
import json
import math
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

from helpers.faces.client.errors import FaceServiceError

MAX_RESPONSE_BYTES = 64_000_000
MAX_REDIRECTS = 5
MAX_TRIES = 6
MAX_CONNECTION_TRIES = 3
FIRST_PAUSE = 0.5  # seconds; each next pause is twice as long
PIECE = 65536  # bytes read at a time
LOOK_EVERY = 0.2  # seconds between two looks for Ctrl-C
REDIRECTS = (301, 302, 303, 307, 308)
LOOPBACK = ("127.0.0.1", "localhost", "::1")

T = TypeVar("T")


@dataclass(frozen=True)
class Reply:
    """An answer that arrived whole."""

    url: str
    status: int
    headers: requests.structures.CaseInsensitiveDict
    body: bytes

    def json(self) -> object:
        """The body as JSON; `FaceServiceError` if it is something else."""
        return parse_json(self.body, f"{self.url} answered")


class Connection:
    """The connection to one server for one call, with a deadline.

    Args:
        url: An address on the server. The token, and every request, goes to its host alone.
        token: Sent as `Authorization: Bearer …`, or None.
        timeout: Seconds that everything together may take, from now.
    """

    def __init__(self, url: str, token: str | None, timeout: float):
        self.origin = origin(url)
        self.timeout = timeout
        self.doing = "looking for the server"  # for the message when time is up
        self._end = time.monotonic() + timeout
        self._closed = threading.Event()
        self._sockets: list[socket.socket] = []
        self._session = _Session(self._watch)
        # An auth of our own, because requests would look for one in ~/.netrc.
        self._session.auth = _Bearer(token)
        # requests sends even a call to this computer through a proxy of the environment.
        self._session.trust_env = urlsplit(url).hostname not in LOOPBACK

    @property
    def left(self) -> float:
        """Seconds until the deadline."""
        return self._end - time.monotonic()

    def run(self, work: Callable[[], T]) -> T:
        """Do `work`, which uses this connection, and give its result; then it is closed.

        Raises `FaceServiceError` at the deadline, whatever `work` is doing then.
        """
        outcome: Future[T] = Future()

        def settle() -> None:
            try:
                outcome.set_result(work())
            except _Broken as broken:
                outcome.set_exception(broken.error)
            except BaseException as error:
                outcome.set_exception(error)

        threading.Thread(target=settle, name="face client", daemon=True).start()
        try:
            while not outcome.done():
                if self.left <= 0:
                    raise self.late()
                # In pieces: Ctrl-C does not end a wait on every system.
                wait([outcome], timeout=min(self.left, LOOK_EVERY))
            error = outcome.exception()
            if isinstance(error, FaceServiceError):  # it says all; the libraries' traces are long
                raise error.with_traceback(None) from None
            return outcome.result()
        finally:
            self.close()

    def close(self) -> None:
        """Shut every connection; a thread that reads from one gets an error."""
        self._closed.set()
        for connection in self._sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._session.close()

    def request(
        self, method: str, url: str, repeatable: bool, max_tries: int = MAX_TRIES, **options
    ) -> Reply:
        """Send a request and read its answer, again after a pause where that is safe.

        Always safe: nothing got through, or the server said that it did not do it (429, 503).
        If `repeatable`, which is for requests that change nothing, also: the connection broke, or
        a proxy found no server (502, 504).
        """
        for attempt in range(max_tries):
            pause = FIRST_PAUSE * 2**attempt * random.uniform(0.8, 1.2)  # a class must not march
            last = attempt + 1 >= max_tries
            try:
                reply = self._follow(method, url, **options)
            except _Broken as broken:
                too_often = last or (broken.unsent and attempt + 1 >= MAX_CONNECTION_TRIES)
                may_repeat = broken.unsent or repeatable
                if too_often or not may_repeat or pause >= self.left:
                    raise broken.error from broken.__cause__
            else:
                retried = (429, 502, 503, 504) if repeatable else (429, 503)
                if reply.status not in retried:
                    return reply
                asked = _retry_after(reply)
                pause = pause if asked is None else asked
                if last or pause >= self.left:
                    return reply
            self._closed.wait(pause)
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def stream(self, url: str) -> Iterator[Iterator[bytes]]:
        """GET an answer that grows, such as server-sent events: its lines, as they come."""
        with self._exchange("GET", url) as response:
            if response.status_code in REDIRECTS:  # not followed: the first GET took the events
                self._checked_redirect(url, response.headers.get("Location", ""))
            if response.status_code != HTTPStatus.OK:
                raise refusal(self._reply(response))
            yield _lines(self._pieces(response))

    def late(self) -> FaceServiceError:
        """What to say when time is up."""
        return FaceServiceError(
            f"No result within {self.timeout:g} seconds; the last step was {self.doing}.",
            "server",
            "Try again with a larger timeout. If it stays silent, the service hangs or is "
            "overloaded: ask who runs it, or take another url.",
        )

    def _follow(self, method: str, url: str, **options) -> Reply:
        for _ in range(MAX_REDIRECTS + 1):
            with self._exchange(method, url, **options) as response:
                location = response.headers.get("Location")
                if response.status_code not in REDIRECTS or not location:
                    return self._reply(response)
                target = self._checked_redirect(url, location)
                if method != "GET" and response.status_code not in (307, 308):
                    raise _moved(target)  # only these two keep the method and the body
            url = target
        raise FaceServiceError(
            f"The server {self.origin} sends on from address to address without end.",
            "server",
            "Check the url. If it is right, the service is set up wrongly: take another one.",
        )

    def _checked_redirect(self, url: str, location: str) -> str:
        target = urljoin(url, location)
        if not self.is_home(target):
            raise FaceServiceError(
                f"The server {self.origin} sends this call on to another one, "
                f"{shown(target)}. Your picture and your token do not follow.",
                "server",
                "If you trust the other address, pass it as url.",
            )
        return target

    def is_home(self, url: str) -> bool:
        """Whether an address is on this connection's server; http may become https there."""
        try:
            there = origin(url)
        except FaceServiceError:
            return False
        return there in (self.origin, re.sub("^http://(.+):80$", r"https://\1:443", self.origin))

    @contextmanager
    def _exchange(self, method: str, url: str, **options) -> Iterator[requests.Response]:
        """Send a request; whatever the libraries raise until the block ends becomes `_Broken`."""
        if self._closed.is_set() or self.left <= 0:
            raise self.late()
        if not self.is_home(url):
            raise AssertionError(f"{url} is not on {self.origin}")
        headers = {"Accept-Encoding": "identity", **options.pop("headers", {})}
        try:
            with self._session.request(
                method,
                url,
                headers=headers,
                timeout=self.left,
                stream=True,
                allow_redirects=False,
                **options,
            ) as response:
                yield response
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            if self.left <= 0 or self._closed.is_set():
                raise self.late() from error
            raise self._broken(error) from error
        except ValueError as error:  # what http.client and urllib3 think of garbage
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> "_Broken":
        cause = _innermost(error)
        if isinstance(cause, urllib3.exceptions.NameResolutionError | socket.gaierror):
            what = f"No computer of this name was found: {self.origin}."
            advice = "Check the url for a slip of the pen, and that this computer is online."
            return _Broken(FaceServiceError(what, "yours", advice), unsent=True)
        if isinstance(error, requests.exceptions.SSLError):
            what = f"No secure connection to {self.origin}: {shown(cause)}."
            advice = "Check the url (http or https?) and this computer's date."
            return _Broken(FaceServiceError(what, "yours", advice), unsent=False)
        if isinstance(cause, urllib3.exceptions.NewConnectionError | ConnectionRefusedError) or (
            isinstance(error, requests.exceptions.ConnectTimeout)
        ):
            what = f"No connection to {self.origin}: {shown(str(cause).rpartition(': ')[2])}."
            advice = (
                "If it is your own service, start it: python -m helpers faces. Else check the url, "
                "or ask whether the server is on."
            )
            is_here = urlsplit(self.origin).hostname in LOOPBACK
            error = FaceServiceError(what, "yours" if is_here else "server", advice)
            return _Broken(error, unsent=True)
        what = f"The connection to {self.origin} broke while {self.doing}: {shown(cause)}."
        advice = "Try again. If it happens each time, the server or a proxy in between fails."
        return _Broken(FaceServiceError(what, "server", advice), unsent=False)

    def _reply(self, response: requests.Response) -> Reply:
        body = b"".join(self._pieces(response))
        return Reply(response.url, response.status_code, response.headers, body)

    def _pieces(self, response: requests.Response) -> Iterator[bytes]:
        encoding = response.headers.get("Content-Encoding", "").lower()
        if encoding not in ("", "identity"):
            raise FaceServiceError(
                f"The server {self.origin} sent a compressed answer ({shown(encoding)}) although "
                "none was asked for.",
                "server",
                "A small one can unfold to gigabytes, so it is not unpacked. Take another url.",
            )
        size = 0
        while piece := response.raw.read1(PIECE, decode_content=False):
            size += len(piece)
            if size > MAX_RESPONSE_BYTES:
                raise FaceServiceError(
                    f"The server {self.origin} sent more than "
                    f"{MAX_RESPONSE_BYTES // 1_000_000} megabytes.",
                    "server",
                    "This is no improved picture. Check the url, or take a smaller factor.",
                )
            yield piece

    def _watch(self, connection: socket.socket) -> None:
        self._sockets.append(connection)
        if self._closed.is_set():  # closed while it was made
            connection.shutdown(socket.SHUT_RDWR)


def _moved(target: str) -> FaceServiceError:
    return FaceServiceError(
        f"The server says that this address has moved to {shown(target)}.",
        "yours",
        "Pass that address as url.",
    )


class _Broken(Exception):
    """A request without a whole answer. `unsent`: the server cannot have seen it."""

    def __init__(self, error: FaceServiceError, unsent: bool):
        super().__init__(str(error))
        self.error, self.unsent = error, unsent


class _Bearer(requests.auth.AuthBase):
    def __init__(self, token: str | None):
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class _Session(requests.Session):
    """A session that tells of each connection, and leaves redirects to `Connection`."""

    def __init__(self, watch: Callable[[socket.socket], None]):
        super().__init__()
        for scheme in ("http://", "https://"):
            self.mount(scheme, _WatchedAdapter(watch))

    def get_redirect_target(self, response: requests.Response) -> None:
        """None, or requests would read a redirect's whole body, without a limit."""


class _WatchedAdapter(HTTPAdapter):
    def __init__(self, watch: Callable[[socket.socket], None]):
        self._watch_connection = watch
        super().__init__()

    def init_poolmanager(self, *arguments, **options):
        super().init_poolmanager(*arguments, **options)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options) -> urllib3.PoolManager:
        return self._watch(super().proxy_manager_for(proxy, **options))

    def _watch(self, manager: urllib3.PoolManager) -> urllib3.PoolManager:
        manager.pool_classes_by_scheme = {
            scheme: _watched(pool_class, self._watch_connection)
            for scheme, pool_class in urllib3.poolmanager.pool_classes_by_scheme.items()
        }
        return manager


def _watched(
    pool_class: type[urllib3.HTTPConnectionPool], watch: Callable[[socket.socket], None]
) -> type[urllib3.HTTPConnectionPool]:
    class Connection(pool_class.ConnectionCls):
        def connect(self):
            super().connect()
            watch(self.sock)

    return type(pool_class.__name__, (pool_class,), {"ConnectionCls": Connection})


# --- Reading what came ---------------------------------------------------------------------------


def origin(url: str) -> str:
    """Scheme, host and port of an address: `https://host:443`.

    Raises `FaceServiceError` if the address is not of the web, or holds a password.
    """
    advice = "Pass an address such as http://127.0.0.1:7870, or a Space id such as owner/name."
    try:
        if not url.isprintable() or " " in url:
            raise ValueError("it has spaces or signs that do not print")
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError as error:
        raise FaceServiceError(f"{shown(url)} is no address: {error}.", "yours", advice) from error
    if port is None or not parts.hostname:
        raise FaceServiceError(
            f"{shown(url)} is no address that begins with http:// or https://.", "yours", advice
        )
    if parts.username or parts.password:
        raise FaceServiceError("The url holds a password.", "yours", "Pass it as token instead.")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def parse_json(text: bytes, who: str) -> object:
    """Strict JSON, with or without a byte order mark; `FaceServiceError` for other text."""
    try:
        return json.loads(text.decode("utf-8-sig"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        if not text:
            what = "nothing"
        elif text.lstrip()[:1] == b"<":
            what = f"a web page instead of data{_quoted(_title(text))}"
        else:
            what = f"something that is no JSON: {shown(text[:60])}"
        raise FaceServiceError(
            f"{who} {what}.",
            "server",
            "Check that the url is a Gradio app or its API. A public Space may be asleep or "
            "broken: open the url in a browser to see.",
        ) from error


def refusal(reply: Reply) -> FaceServiceError:
    """What an answer means whose status is not 200."""
    status = reply.status
    phrase = HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else "unknown"
    side, advice = "server", "Try again later, or take another url."
    if status in (401, 403):
        side, advice = "yours", "This server wants a token, or another one: pass token=…."
    elif status in (404, 405):
        side, advice = "yours", "Check the url: the server is there, but not this address on it."
    elif status == 413:
        side, advice = "yours", "Send a smaller picture, or ask for a smaller factor."
    elif status in (400, 422):
        side, advice = "yours", "Check the picture and the factor against the server's words."
    elif status == 429 or status == 503:
        wait = _retry_after(reply)
        asked = f"It asks to wait {wait:.0f} seconds; then try again" if wait else "Try again later"
        advice = f"The server is busy, asleep, or limits how often you may call. {asked}."
    return FaceServiceError(
        f"The server answered {status} ({phrase}){_quoted(words(reply.body))}.",
        side,
        advice,
        status,
    )


def words(body: bytes) -> str:
    """What an error's body says, if it says something readable."""
    with suppress(ValueError, RecursionError):
        told = json.loads(body.decode("utf-8-sig"))
        if isinstance(told, dict):
            told = next((told[k] for k in ("error", "detail", "message") if told.get(k)), "")
        return told if isinstance(told, str) else ""
    return _title(body)


def shown(value: object, length: int = 200) -> str:
    """Somebody else's text on one line of printable characters, cut if it is long."""
    try:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    except RecursionError:
        text = "lists in lists without end"
    text = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * length]).split())
    return text if len(text) <= length else text[: length - 1] + "…"


def _quoted(text: str) -> str:
    return f': "{shown(text)}"' if text.strip() else ""


def _title(page: bytes) -> str:
    found = re.search(rb"<(title|h1)[^>]*>([^<]{1,300})", page[:PIECE], re.I)
    return html.unescape(found[2].decode("utf-8", "replace")) if found else ""


def _no_constant(name: str):
    raise ValueError(f"{name} is no JSON")


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
    if rest:
        yield rest


def _retry_after(reply: Reply) -> float | None:
    """Seconds that the server asks to wait; None if it does not, or in no known way."""
    told = reply.headers.get("Retry-After", "").strip()
    if told.isascii() and told.isdigit():
        return float(told[:9])
    with suppress(ValueError, TypeError):
        seconds = email.utils.parsedate_to_datetime(told).timestamp() - time.time()
        return max(0.0, seconds) if math.isfinite(seconds) else None
    return None


def _innermost(error: BaseException) -> BaseException:
    """What a library's error is really about."""
    while True:
        inner = getattr(error, "reason", None) or next(iter(error.args), None)
        if not isinstance(inner, BaseException):
            inner = next((a for a in error.args if isinstance(a, BaseException)), None)
        if inner is None or isinstance(error, urllib3.exceptions.NameResolutionError):
            return error
        error = inner
