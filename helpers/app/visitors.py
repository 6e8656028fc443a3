"""Who visits the app: known by a random cookie, and never by a name.

The cookie keeps a visitor's album across a reload, tells who has given the password, and makes the
bounds hold for a person and not for a browser tab. A program that brings no cookie is known by its
session, which its client made up.

A second cookie is for votes alone, and outlives the server: of it, the ratings hold a digest with
each picture. So a visitor is a browser, for as long as it keeps its cookies: who deletes them, or
opens a private window or another browser, is a new visitor, and two people at one browser are one.
"""

import re
import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

import gradio as gr

MAX_SESSIONS = 5000
"""Cookies that are remembered; those not seen for longest go."""

AT_ONCE = 20
"""Requests of one visitor that are worked on at the same time."""

ADDRESS_FACTOR = 10
"""So many times as much is allowed to all visitors of one network address, perhaps a class."""

VOTER_COOKIE = "stickers_voter"
TOKEN = re.compile(r"[\w-]{43}", re.ASCII)  # what secrets.token_urlsafe() gives


class TooMuch(Exception):
    """A visitor asks for too much at once; the message is for them."""


@dataclass
class Session:
    """What is known of a cookie."""

    may_enter: bool = False
    is_teacher: bool = False


@dataclass(frozen=True)
class Visitor:
    """Whose request it is.

    Attributes:
        id: Of the cookie, or of a program's session.
        session: The browser tab.
        address: The network address.
        voter: By which a vote is found again, also after the server was started again.
        is_teacher: Whether it is the teacher's browser.
    """

    id: str
    session: str
    address: str
    voter: str
    is_teacher: bool = False


class Visitors:
    """The cookies that were given out, and the requests that are worked on.

    Attributes:
        cookie: Its name.
        teacher_key: Whoever has it is the teacher.
    """

    def __init__(self):
        # A name of its own: browsers send the cookies of all servers of one computer to each.
        self.cookie = f"stickers_{secrets.token_hex(4)}"
        self.teacher_key = secrets.token_urlsafe(16)
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._working: Counter[str] = Counter()
        self._lock = threading.Lock()

    def new(self, **known: bool) -> str:
        """A new cookie."""
        token = secrets.token_urlsafe(24)
        with self._lock:
            self._sessions[token] = Session(**known)
            while len(self._sessions) > MAX_SESSIONS:
                self._sessions.popitem(last=False)
        return token

    def session(self, token: str | None) -> Session | None:
        """What is known of a cookie; None if this server never gave it out."""
        with self._lock:
            if token not in self._sessions:
                return None
            self._sessions.move_to_end(token)
            return self._sessions[token]

    def forget(self, token: str | None) -> None:
        """This cookie is good for nothing any more; those of others stay as they are."""
        with self._lock:
            self._sessions.pop(token, None)

    def token_in(self, headers: Mapping[str, str]) -> str | None:
        """The visitor's cookie among the headers of a request."""
        return _cookie(headers, self.cookie)

    def voter_in(self, headers: Mapping[str, str]) -> str | None:
        """The cookie for votes, if it is one that a server of ours could have given out."""
        found = _cookie(headers, VOTER_COOKIE)
        return found if found and TOKEN.fullmatch(found) else None

    def of(self, request: gr.Request) -> Visitor:
        """Whose request it is."""
        token = self.token_in(request.headers)
        known = self.session(token)
        session = request.session_hash or ""
        address = request.client.host if request.client else "unknown"
        fallback = f"session {session}" if session else f"host {address}"
        id = token if known else fallback
        voter = self.voter_in(request.headers) or id
        return Visitor(id, session, address, voter, bool(known and known.is_teacher))

    @property
    def count(self) -> int:
        """Cookies that are known."""
        return len(self._sessions)

    @contextmanager
    def working(
        self, visitor: Visitor, what: str = "things", most: int = AT_ONCE
    ) -> Iterator[None]:
        """Counts a request for `what` as long as it is worked on; `TooMuch` beyond `most`."""
        of_address = most * ADDRESS_FACTOR
        bounds = {
            f"{what} of {visitor.id}": (
                most,
                f"You have asked for {most} {what} at once. Wait until one of them is done.",
            ),
            f"{what} at {visitor.address}": (
                of_address,
                f"{of_address} {what} are asked for at your network address. Wait a moment.",
            ),
        }
        with self._lock:
            for key, (bound, told) in bounds.items():
                if self._working[key] >= bound:
                    raise TooMuch(told)
            self._working.update(bounds.keys())
        try:
            yield
        finally:
            with self._lock:
                self._working.subtract(bounds.keys())
                self._working += Counter()  # forgets those at zero


def _cookie(headers: Mapping[str, str], name: str) -> str | None:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(name)
    except CookieError:
        return None
    return found.value if found else None
