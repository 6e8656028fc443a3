"""A face service that fails in every known way, in both languages of Gradio.

    with FaultyServer("classic", {"predict": drip()}) as server:
        improve_face(image, url=server.url)

It speaks the language right but for the steps that are given another answer:

- classic (Gradio 3): config, predict
- modern (Gradio 4 and later): config, upload, call, events, file

The shapes are those of Gradio 3.50.2 and 6.31, which tests/classic/ and tests/test_faces_server.py
try against the real ones. An answer is a function of the connection, so that it may also stay
silent, drip, or cut the connection.
"""

import base64
import gzip
import io
import json
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

Answer = Callable[[socket.socket], None]


def png(size=(8, 6), color="teal", mode="RGB") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, color).save(buffer, format="PNG")
    return buffer.getvalue()


def data_url(data: bytes, kind="image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


# --- Answers --------------------------------------------------------------------------------------


def http(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    headers = {"Content-Length": str(len(body)), "Connection": "close"} | {
        name.replace("_", "-"): value for name, value in headers.items() if value
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode("latin-1") + body


def raw(data: bytes) -> Answer:
    return lambda connection: connection.sendall(data)


def reply(body: bytes | str = b"", status: str = "200 OK", **headers: str) -> Answer:
    return raw(http(body.encode() if isinstance(body, str) else body, status, **headers))


def as_json(value: object, status: str = "200 OK", **headers: str) -> Answer:
    return reply(json.dumps(value), status, Content_Type="application/json", **headers)


def events(*pairs: tuple[str, object]) -> Answer:
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in pairs)
    return reply(text, Content_Type="text/event-stream")


def silence(connection: socket.socket) -> None:
    """Accept, read, and say nothing until the other side goes."""
    while connection.recv(1024):
        pass


def drip(before: bytes = b"", piece: bytes = b" ", pause: float = 0.1) -> Answer:
    """A little now and then, for ever: each read is fast, all of them never end."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(before)
        while True:
            connection.sendall(piece)
            time.sleep(pause)

    return answer


def flood(before: bytes) -> Answer:
    return drip(before, b"x" * 65536, pause=0)


def reset(before: bytes = b"") -> Answer:
    """Cut the connection hard (a TCP reset) after some bytes."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(before)
        time.sleep(0.05 if before else 0)  # so that the bytes arrive before the reset
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()

    return answer


def gzip_bomb() -> Answer:
    return reply(gzip.compress(bytes(5_000_000)), Content_Encoding="gzip")


def first(count: int, bad: Answer, good: Answer) -> Answer:
    """The first `count` answers are bad."""
    left = iter([bad] * count)
    return lambda connection: next(left, good)(connection)


# --- The server -----------------------------------------------------------------------------------

COMPONENTS = [
    {"id": 1, "type": "image", "props": {"label": "Input"}},
    {"id": 2, "type": "radio", "props": {"label": "version", "value": "v1.4"}},
    {"id": 3, "type": "number", "props": {"label": "Rescaling factor", "value": 2}},
    {"id": 4, "type": "image", "props": {"label": "Output"}},
    {"id": 5, "type": "file", "props": {"label": "Download"}},
]


def config(version: str, **more: object) -> dict:
    """What Xintao/GFPGAN's /config would say in this version of Gradio."""
    predict = {"inputs": [1, 2, 3], "outputs": [4, 5], "api_name": "predict"}
    other = {"inputs": [3], "outputs": [3], "api_name": "settings"}
    hidden = {"inputs": [1], "outputs": [4], "api_name": False}
    return {
        "version": version,
        "components": COMPONENTS,
        "dependencies": [hidden, other, predict],
    } | more


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> list:
        return json.loads(self.body)["data"]


class FaultyServer(socketserver.ThreadingTCPServer):
    """See the module. `requests` holds what came in; `hits(step)` counts."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64

    def __init__(self, generation: str = "classic", faults: dict[str, Answer] | None = None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.requests: list[Request] = []
        self.steps: list[str] = []
        self.answers = (self._classic() if generation == "classic" else self._modern()) | (
            faults or {}
        )
        self._generation = generation

    def hits(self, step: str) -> int:
        return self.steps.count(step)

    def _classic(self) -> dict[str, Answer]:
        result = {"data": [data_url(png()), None], "is_generating": False, "duration": 0.1}
        return {"config": as_json(config("3.50.2")), "predict": as_json(result)}

    def _modern(self) -> dict[str, Answer]:
        path = "/tmp/gradio/9f/image.png"
        done = {"path": path, "url": f"{self.url}/gradio_api/file={path}", "meta": {}}
        return {
            "config": as_json(config("6.31.0", api_prefix="/gradio_api")),
            "upload": as_json(["/tmp/gradio/1b/picture.png"]),
            "call": as_json({"event_id": "e1"}),
            "events": events(
                ("heartbeat", None), ("generating", [None]), ("complete", [done, None])
            ),
            "file": reply(png(), Content_Type="image/png"),
        }

    def step(self, request: Request) -> str:
        path = request.path
        if path.endswith("/config"):
            return "config"
        if self._generation == "classic":
            return "predict" if path.endswith("/predict") else "unknown"
        names = {"/upload": "upload", "/call/predict": "call", "/call/predict/e1": "events"}
        path = path.removeprefix("/gradio_api")
        return "file" if path.startswith("/file=") else names.get(path, "unknown")

    def __enter__(self) -> "FaultyServer":
        # It looks for its end every 5 ms: hundreds of tests wait for that.
        threading.Thread(target=self.serve_forever, args=(0.005,), daemon=True).start()
        return self

    def __exit__(self, *exception) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address) -> None:
        """Clients hang up on most of these answers; that is no news."""


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        method, path, _ = self.rfile.readline().decode().split()
        headers = {}
        while line := self.rfile.readline().strip():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        body = self.rfile.read(int(headers.get("content-length", 0)))
        request = Request(method, path, headers, body)
        step = self.server.step(request)
        self.server.requests.append(request)
        self.server.steps.append(step)
        self.server.answers.get(step, reply("no such page", "404 Not Found"))(self.connection)
