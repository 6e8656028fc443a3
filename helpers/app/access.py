"""Who may come in: the password, the cookie, and how much may be uploaded.

ASGI middleware in front of everything that the app serves, its description of the API included.
Gradio's own log-in is not used: there, one visitor's log-out ends the visits of all who share the
password, and a wrong password costs nothing.
"""

import asyncio
import hmac
import re
import secrets
import time
from collections import Counter, defaultdict, deque
from urllib.parse import parse_qs

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from helpers.app import markup
from helpers.app.visitors import VOTER_COOKIE, Visitors
from helpers.base.web_guard import answer, headers_of

DAY = 24 * 3600
YEAR = 365 * DAY
WRONG_SECONDS = 1.0
"""That a wrong password or key costs; those of one address are looked at one after the other."""

TRIES_AT_ONCE = 20
"""From one address; the next is sent away."""

UPLOAD = "/gradio_api/upload"
DIRECT = re.compile(r"(/gradio_api)?/(run|api)/")
"""Where Gradio would do some calls at once, past everybody who waits."""

HOUR = 3600.0


class UploadQuota:
    """How many bytes were uploaded within the last hour, by one visitor and by all."""

    def __init__(self, of_one: int = 50_000_000, of_all: int = 1_000_000_000):
        self.of_one, self.of_all = of_one, of_all
        self._taken: deque[tuple[float, str, int]] = deque()
        self._by_visitor: Counter[str] = Counter()
        self._total = 0

    def allows(self, visitor: str, size: int) -> bool:
        """Whether so many bytes more may come; if so, they count."""
        while self._taken and self._taken[0][0] < time.monotonic() - HOUR:
            _, who, old = self._taken.popleft()
            self._by_visitor[who] -= old
            self._total -= old
        own = self._by_visitor[visitor]
        if own + size > self.of_one or self._total + size > self.of_all:
            return False
        self._taken.append((time.monotonic(), visitor, size))
        self._by_visitor[visitor] += size
        self._total += size
        return True


class AccessControl:
    """Lets those through to `app` who may come in, and gives the others the log-in page."""

    def __init__(
        self,
        app: ASGIApp,
        visitors: Visitors,
        password: str | None = None,
        quota: UploadQuota | None = None,
    ):
        self.app, self.visitors, self.password = app, visitors, password
        self.quota = quota or UploadQuota()
        self._trying: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tries: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path, token = scope["path"].rstrip("/") or "/", self.visitors.token_in(headers_of(scope))
        known = self.visitors.session(token)
        if path == "/login" and self.password:
            return await self._log_in(scope, receive, send)
        if path == "/logout":
            self.visitors.forget(token)
            return await _go_to(send, "/", self._set_cookie("", 0))
        if path == "/teacher":
            return await self._let_teacher_in(scope, send)
        if self.password and not (known and known.may_enter):
            return await self._send_away(scope, send)
        if DIRECT.match(path):
            return await answer(send, 404, {"detail": "Use /gradio_api/call/NAME."})
        who = token if known else _address(scope)
        if path == UPLOAD and not self.quota.allows(who, _size(scope)):
            told = "That is more than may be uploaded in an hour. Try again later."
            return await answer(send, 413, {"detail": told})
        if path == "/" and not known:
            send = _with_cookie(send, self._set_cookie(self.visitors.new(may_enter=True)))
        if path == "/" and not self.visitors.voter_in(headers_of(scope)):
            voter = _cookie(VOTER_COOKIE, secrets.token_urlsafe(), YEAR)
            send = _with_cookie(send, voter)
        await self.app(scope, receive, send)

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            return await _page(send, 200, markup.log_in_page())
        message = await receive()  # whole: the guard has waited for it
        form = parse_qs(message.get("body", b"").decode("utf-8", "replace"))
        if not await self._is_right(scope, form.get("password", [""])[0], self.password):
            return await self._refuse(scope, send, "The password is wrong.", 400)
        cookie = self._set_cookie(self.visitors.new(may_enter=True))
        if _wants_page(scope):
            return await _go_to(send, "/", cookie)
        await answer(send, 200, {"success": True}, [cookie])

    async def _let_teacher_in(self, scope: Scope, send: Send) -> None:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        key = query.get("key", [""])[0]
        if not await self._is_right(scope, key, self.visitors.teacher_key):
            told = "This is not the teacher's address. It is printed where the app was started."
            return await self._refuse(scope, send, told, 403)
        cookie = self._set_cookie(self.visitors.new(may_enter=True, is_teacher=True))
        await _go_to(send, "/", cookie)

    async def _is_right(self, scope: Scope, given: str, wanted: str) -> bool:
        """Compare in a time that tells nothing; a wrong word costs time, and so does the next."""
        address = _address(scope)
        if self._tries[address] >= TRIES_AT_ONCE:
            return False  # not looked at: a right one is let in when it is tried again
        self._tries[address] += 1
        try:
            async with self._trying[address]:
                is_right = hmac.compare_digest(given.encode(), wanted.encode())
                if not is_right:
                    await asyncio.sleep(WRONG_SECONDS)
                return is_right
        finally:
            self._tries[address] -= 1
            if not self._tries[address]:
                del self._tries[address], self._trying[address]

    def _set_cookie(self, token: str, seconds: int = DAY) -> tuple[bytes, bytes]:
        return _cookie(self.visitors.cookie, token, seconds)

    async def _refuse(self, scope: Scope, send: Send, told: str, status: int) -> None:
        if _wants_page(scope):
            return await _page(send, status, markup.log_in_page(told))
        await answer(send, status, {"detail": told})

    async def _send_away(self, scope: Scope, send: Send) -> None:
        if _wants_page(scope):
            return await _page(send, 401, markup.log_in_page())
        await answer(send, 401, {"detail": "Not logged in."})


def _cookie(name: str, value: str, seconds: int) -> tuple[bytes, bytes]:
    kept = f"Path=/; HttpOnly; SameSite=Lax; Max-Age={seconds}"
    return b"set-cookie", f"{name}={value}; {kept}".encode()


def _with_cookie(send: Send, cookie: tuple[bytes, bytes]) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = message | {"headers": [*message.get("headers", ()), cookie]}
        await send(message)

    return sending


def _address(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else "unknown"


def _size(scope: Scope) -> int:
    declared = headers_of(scope).get("content-length", "")
    return int(declared) if declared.isdigit() else 0


def _wants_page(scope: Scope) -> bool:
    """Whether a browser asks for something to show, not a program for an answer."""
    return "text/html" in headers_of(scope).get("accept", "")


async def _go_to(send: Send, path: str, cookie: tuple[bytes, bytes]) -> None:
    headers = [(b"location", path.encode()), (b"content-length", b"0"), cookie]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


async def _page(send: Send, status: int, page: str) -> None:
    body = page.encode()
    headers = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
