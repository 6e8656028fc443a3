"""The face client against a server that fails in every known way."""

import base64
import io
import itertools
import json
import pickle
import re
import subprocess
import sys
import threading
import time
import zlib
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from helpers.faces import contract
from helpers.faces.client import connection
from helpers.faces.client import improve as client
from helpers.faces.client.errors import FaceServiceError
from helpers.faces.client.improve import improve_face
from tests.faulty_server import (
    COMPONENTS,
    FaultyServer,
    as_json,
    config,
    data_url,
    drip,
    events,
    first,
    flood,
    gzip_bomb,
    http,
    png,
    raw,
    reply,
    reset,
    silence,
)

ROOT = Path(__file__).parent.parent
TIMEOUT = 20  # seconds; what is not slow by itself must not fail on a busy computer
SHORT = 0.6  # long enough for the steps before the one that hangs
SLACK = 10
TOKEN = "secret-token"
GENERATIONS = ("classic", "modern")
POSTS = {"classic": "predict", "modern": "call"}  # the step that must not be done twice


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(connection, "FIRST_PAUSE", 0.002)
    monkeypatch.setattr(connection, "MAX_RESPONSE_BYTES", 3_000_000)
    monkeypatch.setattr(client, "_known", {})
    monkeypatch.delenv(client.URL_VARIABLE, raising=False)


@pytest.fixture
def image():
    return Image.new("RGB", (8, 6), "orange")


def failure(image, url, **options) -> FaceServiceError:
    """The error of a call; what must hold for each of them is asserted here."""
    before, began = image.tobytes(), time.monotonic()
    options = {"timeout": TIMEOUT, "token": TOKEN} | options
    with pytest.raises(FaceServiceError) as caught:
        improve_face(image, url=url, **options)
    assert time.monotonic() - began < options["timeout"] + SLACK
    error, message = caught.value, str(caught.value)
    assert error.side in ("yours", "server")
    assert error.what in message and error.advice in message and "Whose side: " in message
    assert len(message) < 1000 and message.replace("\n", "").isprintable()
    assert TOKEN not in message
    assert str(pickle.loads(pickle.dumps(error))) == message  # other processes get it whole
    assert image.tobytes() == before
    return error


# --- It works -------------------------------------------------------------------------------------


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_picture_is_improved_and_the_protocol_asked_for_once(image, generation):
    with FaultyServer(generation) as server:
        for factor in (2, 3):
            improved = improve_face(image, factor, url=server.url)
        data = [request.data for request in server.requests if request.path.endswith("/predict")]
    assert improved.mode == "RGB"
    assert improved.getpixel((0, 0)) == (0, 128, 128)  # teal, what the server draws
    assert server.hits("config") == 1
    assert [(version, factor) for _, version, factor in data] == [("v1.4", 2), ("v1.4", 3)]


def test_the_classic_call_carries_the_picture_itself(image):
    with FaultyServer("classic") as server:
        improve_face(image, url=server.url)
    sent = server.requests[-1].data[0].removeprefix("data:image/png;base64,")
    assert Image.open(io.BytesIO(base64.b64decode(sent))).tobytes() == image.tobytes()


def test_the_modern_call_uploads_the_picture_and_names_the_upload(image):
    with FaultyServer("modern") as server:
        improve_face(image, url=server.url)
    upload, call = server.requests[1:3]
    assert png(image.size, "orange") in upload.body
    assert call.data[0] == {
        "path": "/tmp/gradio/1b/picture.png",
        "meta": {"_type": "gradio.FileData"},
    }


@pytest.mark.parametrize("path", ["/api/predict", "/run/predict", "/api/predict/"])
def test_an_endpoint_that_is_no_gradio_app_is_called_as_in_the_old_tutorials(image, path):
    with FaultyServer(
        "classic", {"config": reply("<h1>Not found</h1>", "404 Not Found")}
    ) as server:
        improve_face(image, 3, url=server.url + path)
    assert server.requests[-1].path == "/api/predict"
    assert server.requests[-1].data[1:] == [3]


def test_one_endpoint_of_a_modern_app_can_be_named(image):
    with FaultyServer("modern") as server:
        improve_face(image, url=f"{server.url}/gradio_api/call/predict")
        improve_face(image, url=server.url + "/?view=api")
        error = failure(image, f"{server.url}/gradio_api/call/settings")
    assert error.side == "yours" and "it offers: predict" in error.what


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "LA", "1", "CMYK", "I;16", "F"])
def test_pictures_of_every_mode_are_sent_as_rgb_and_stay_as_they_are(mode):
    picture = Image.new(mode, (8, 6))
    before = picture.tobytes()
    with FaultyServer("classic") as server:
        improve_face(picture, url=server.url)
    sent = server.requests[-1].data[0].removeprefix("data:image/png;base64,")
    assert Image.open(io.BytesIO(base64.b64decode(sent))).mode == "RGB"
    assert (picture.mode, picture.tobytes()) == (mode, before)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_a_photo_is_sent_upright(generation, tmp_path):
    photo = Image.new("RGB", (8, 6), "orange")
    exif = photo.getexif()
    exif[ExifTags.Base.Orientation] = 6  # as many phones write a picture taken upright
    photo.save(tmp_path / "photo.png", exif=exif)
    with Image.open(tmp_path / "photo.png") as photo, FaultyServer(generation) as server:
        improve_face(photo, url=server.url)
    if generation == "classic":
        assert server.requests[-1].data[0] == data_url(png((6, 8), "orange"))
    else:
        assert png((6, 8), "orange") in server.requests[1].body


def test_a_factor_that_the_app_offers_as_a_choice_is_sent_as_that_choice(image):
    components = config("3.50.2")["components"]
    props = {"label": "scale", "choices": [["x1", "x1"], ["x2", "x2"]], "value": "x1"}
    components = [
        c if c["id"] != 3 else {"id": 3, "type": "radio", "props": props} for c in components
    ]
    with FaultyServer("classic", {"config": as_json(config("3.50.2", components=components))}) as s:
        improve_face(image, 2, url=s.url)
        error = failure(image, s.url, factor=4)
    assert s.requests[-1].data[1:] == ["v1.4", "x2"]
    assert error.side == "yours" and "no factor 4; it offers: x1, x2" in error.what


# --- 1 to 3: the connection -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "url, says",
    [
        ("http://127.0.0.1:9", "No connection"),
        ("http://no-such-computer.invalid", "No computer of this name"),
        ("localhost:7870", "begins with http"),
        ("http://", "begins with http"),
        ("http://[::1", "no address"),
        ("http://127.0.0.1:99999", "no address"),
        ("http://127.0.0.1:70\n/", "no address"),
        ("http://127.0.0.1 /", "no address"),
        ("file:///etc/passwd", "begins with http"),
        ("ftp://127.0.0.1/x", "begins with http"),
        ("http://user:secret-token@127.0.0.1", "holds a password"),
        ("", "begins with http"),
        (7870, "url must be text"),
    ],
)
def test_1_addresses_where_nobody_is(image, url, says):
    error = failure(image, url)
    assert error.side == "yours" and re.search(says, error.what)


def test_1_a_lookup_that_hangs_does_not_hold_the_caller(image, monkeypatch):
    monkeypatch.setattr(connection.socket, "getaddrinfo", lambda *_, **__: time.sleep(9))
    assert (
        f"within {SHORT} seconds" in failure(image, "http://slow-name.invalid", timeout=SHORT).what
    )


STEPS = [("classic", step) for step in ("config", "predict")] + [
    ("modern", step) for step in ("config", "upload", "call", "events", "file")
]
SLOW = {
    "silence": silence,
    "the status line drips": drip(b"HTTP/1.1 2", b"0"),
    "the headers drip": drip(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"),
    "the body drips": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
    "chunks drip": drip(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "heartbeats drip": drip(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
        b"event: heartbeat\ndata: null\n\n",
    ),
}
CUT = {
    "reset before the headers": reset(),
    "reset in the headers": reset(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "reset after the headers": reset(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"),
    "closed in the body": raw(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"data"'),
    "closed in a chunk": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nxx"),
    "closed at once": raw(b""),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "a chunk of no length": raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
}


@pytest.mark.parametrize("fault", SLOW)
def test_2_the_deadline_holds_at_every_step(image, fault):
    """All seven steps at once, because each takes the whole timeout."""
    found = {}

    def attempt(generation, step):
        with FaultyServer(generation, {step: SLOW[fault]}) as server:
            found[generation, step] = failure(image, server.url, timeout=SHORT)

    threads = [threading.Thread(target=attempt, args=step) for step in STEPS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == set(STEPS)
    for error in found.values():
        assert error.side == "server" and f"within {SHORT} seconds" in error.what


def test_2_at_the_deadline_the_connection_is_shut_and_the_thread_ends(image):
    gone = threading.Event()

    def answer(connection):
        try:
            SLOW["the headers drip"](connection)  # until the client hangs up
        finally:
            gone.set()

    with FaultyServer("classic", {"config": answer}) as server:
        failure(image, server.url, timeout=SHORT)
        assert gone.wait(TIMEOUT)
    wait_for(lambda: not any(t.name == "face client" for t in threading.enumerate()))


def wait_for(condition):
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("fault", CUT)
@pytest.mark.parametrize("generation, step", STEPS)
def test_3_cut_connections(image, generation, step, fault):
    with FaultyServer(generation, {step: CUT[fault]}) as server:
        error = failure(image, server.url)
    assert error.side == "server"
    if step in POSTS.values():
        assert server.hits(step) == 1, "a call that may have been heard was sent again"


@pytest.mark.parametrize("generation, step", [s for s in STEPS if s[1] in ("config", "file")])
def test_3_what_only_reads_is_asked_for_again(image, generation, step):
    server = FaultyServer(generation)
    server.answers[step] = first(2, CUT["reset after the headers"], server.answers[step])
    with server:
        improve_face(image, url=server.url)
    assert server.hits(step) == 3


# --- 4 and 5: the server says no ------------------------------------------------------------------

SLEEPING = reply("<html><title>Space is sleeping</title>…</html>", "503 Service Unavailable")
BUSY = as_json({"detail": "Queue is full."}, "503 Service Unavailable")


@pytest.mark.parametrize(
    "answer, side, says, sent",
    [
        (as_json({"error": None}, "500 Internal Server Error"), "server", "answered 500", 1),
        (as_json({"error": "CUDA out"}, "500 Internal Server Error"), "server", "CUDA out", 1),
        (SLEEPING, "server", 'answered 503 .*"Space is sleeping"', 6),
        (BUSY, "server", "Queue is full", 6),
        (reply("", "401 Unauthorized"), "yours", "answered 401", 1),
        (reply("", "413 Content Too Large"), "yours", "answered 413", 1),
        (as_json({"detail": "no factor"}, "422 Unprocessable"), "yours", '"no factor"', 1),
        (reply("", "418 I'm a teapot"), "server", "answered 418", 1),
        (reply("", "799 What"), "server", "799 .unknown", 1),
        (reply(b"\x00\xff" * 999, "500 No"), "server", "answered 500", 1),
        (
            as_json({"error": "a\r\nb\x1b[31m\x00" + "c" * 9999}, "500 No"),
            "server",
            "a b .31m c",
            1,
        ),
    ],
)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_4_statuses(image, generation, answer, side, says, sent):
    step = POSTS[generation]
    with FaultyServer(generation, {step: answer}) as server:
        error = failure(image, server.url)
    assert error.side == side and re.search(says, error.what)
    assert server.hits(step) == sent


@pytest.mark.parametrize("generation", GENERATIONS)
def test_4_a_full_queue_is_waited_for(image, generation):
    server = FaultyServer(generation)
    step = POSTS[generation]
    server.answers[step] = first(3, BUSY, server.answers[step])
    with server:
        improve_face(image, url=server.url)
    assert server.hits(step) == 4


def too_many(retry_after: str):
    return reply("slow down", "429 Too Many Requests", Retry_After=retry_after)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_5_retry_after_is_honoured(image, generation):
    server = FaultyServer(generation)
    step = POSTS[generation]
    server.answers[step] = first(1, too_many("1"), server.answers[step])
    began = time.monotonic()
    with server:
        improve_face(image, url=server.url)
    assert server.hits(step) == 2
    assert 1 <= time.monotonic() - began < 1 + SLACK


@pytest.mark.parametrize(
    "retry_after, sent",
    [
        ("86400", 1),  # longer than the deadline: no use to wait
        ("Fri, 31 Dec 2999 23:59:59 GMT", 1),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 6),  # that is over
        ("9" * 400, 1),
        ("-5", 6),
        ("NaN", 6),
        ("soon", 6),
        ("٣", 6),
    ],
)
def test_5_retry_after_beyond_the_deadline_or_garbage(image, retry_after, sent):
    answer = raw(
        http(b"", "429 Too Many", Retry_After="x").replace(b": x", b": " + retry_after.encode())
    )
    with FaultyServer("classic", {"predict": answer}) as server:
        error = failure(image, server.url)
    assert error.side == "server" and "answered 429" in error.what
    assert server.hits("predict") == sent


# --- 6 to 9: the answer is no answer --------------------------------------------------------------

NO_JSON = {
    "a web page": (b"<!doctype html><title>Welcome &amp; log in</title>", "Welcome & log in"),
    "nothing": (b"", "nothing"),
    "cut JSON": (b'{"data": ["data:image', "no JSON"),
    "deep JSON": (b"[" * 200_000 + b"]" * 200_000, "no JSON|deep|without end|no picture|no '"),
    "rather deep JSON": (b"[" * 970 + b"]" * 970, "no JSON|without end|no picture|no '|\\[\\["),
    "not UTF-8": (b"\xff\xfe{\x00", "no JSON"),
    "NaN": (b'{"data": [NaN]}', "no JSON"),
}
NO_RESULT = {
    "null": None,
    "a list": [1],
    "a number": 7,
    "no data": {},
    "empty data": {"data": []},
    "null data": {"data": None},
    "null picture": {"data": [None]},
    "number picture": {"data": [7]},
    "empty picture": {"data": [""]},
    "empty file": {"data": [{"path": None, "url": ""}]},
    "an error": {"error": None},
    "an error with words": {"error": "no GPU"},
}


@pytest.mark.parametrize("fault", NO_JSON)
@pytest.mark.parametrize("generation, step", [s for s in STEPS if s[1] not in ("events", "file")])
def test_6_no_json(image, generation, step, fault):
    body, says = NO_JSON[fault]
    with FaultyServer(generation, {step: reply(body)}) as server:
        error = failure(image, server.url)
    assert re.search(says, error.what)


def test_6_a_byte_order_mark_is_no_fault(image):
    server = FaultyServer("classic")
    body = json.dumps({"data": [data_url(png())]}).encode("utf-8-sig")
    server.answers["predict"] = reply(body)
    with server:
        assert improve_face(image, url=server.url).size == (8, 6)


@pytest.mark.parametrize("fault", NO_RESULT)
@pytest.mark.parametrize("generation, step", [s for s in STEPS if s[1] not in ("events", "file")])
def test_7_json_without_a_result(image, generation, step, fault):
    with FaultyServer(generation, {step: as_json(NO_RESULT[fault])}) as server:
        failure(image, server.url)
        assert server.hits(step) == 1


@pytest.mark.parametrize("fault", NO_RESULT)
def test_7_an_event_without_a_result(image, fault):
    value = NO_RESULT[fault]
    value = value["data"] if isinstance(value, dict) and "data" in value else value
    with FaultyServer("modern", {"events": events(("complete", value))}) as server:
        assert failure(image, server.url).side == "server"


@pytest.mark.parametrize(
    "text", ["", "data:image/jpeg;base64,", "data:application/octet-stream;base64,"]
)
def test_8_a_picture_without_prefix_or_of_another_type_is_still_a_picture(image, text):
    answer = as_json({"data": [text + base64.b64encode(png()).decode()]})
    with FaultyServer("classic", {"predict": answer}) as server:
        assert improve_face(image, url=server.url).size == (8, 6)


BAD_BASE64 = {
    "junk": ("!!!not base64!!!", "no base64"),
    "junk inside": (data_url(png())[:60] + "%%%" + data_url(png())[60:], "no base64"),
    "wrong padding": (data_url(png()).rstrip("=") + "=====", "no base64|damaged"),
    "cut": (data_url(png())[:51], "no base64|no PNG|damaged"),
    "not ASCII": ("data:image/png;base64,ääää", "no base64"),
    "a web page": ("data:text/html;base64,PGgxPg==", "text/html"),
    "no base64": ("data:image/png,%89PNG", "without base64"),
    "empty": ("data:image/png;base64,", "no PNG"),
}


@pytest.mark.parametrize("fault", BAD_BASE64)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_8_bad_base64(image, generation, fault):
    text, says = BAD_BASE64[fault]
    faults = {"predict": as_json({"data": [text]}), "events": events(("complete", [text]))}
    with FaultyServer(generation, faults) as server:
        error = failure(image, server.url)
    assert error.side == "server" and re.search(says, error.what)


def png_of_gigapixels() -> bytes:
    """A file of a hundred bytes that says it has 60000 x 60000 pixels."""
    head = b"IHDR" + (60000).to_bytes(4) * 2 + b"\x08\x02\0\0\0"
    chunk = (13).to_bytes(4) + head + zlib.crc32(head).to_bytes(4)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT\x35\xaf\x06\x1e" + b"\0\0\0\0IEND\xaeB`\x82"
    )


def damaged_png() -> bytes:
    data = bytearray(png((40, 40)))
    data[45:50] = b"\0\xff\0\xff\0"
    return bytes(data)


BAD_FILES = {
    "cut": (png((64, 64))[:-30], "damaged"),
    "damaged": (damaged_png(), "damaged"),
    "text": (b"Traceback (most recent call last)", "no PNG, JPEG or WebP"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no PNG, JPEG or WebP"),
    "GIF": (b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;", "no PNG"),
    "nothing": (b"", "no PNG"),
    "64 megapixels": (png((8000, 8000), 0, "1"), "more than 50 megapixels"),
    "gigapixels": (png_of_gigapixels(), "more than 50 megapixels"),
}


@pytest.mark.parametrize("fault", BAD_FILES)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_9_bad_pictures(image, generation, fault):
    data, says = BAD_FILES[fault]
    faults = {"predict": as_json({"data": [data_url(data)]}), "file": reply(data)}
    with FaultyServer(generation, faults) as server:
        error = failure(image, server.url)
    assert error.side == "server" and says in error.what


@pytest.mark.parametrize("generation, step", STEPS)
def test_9_a_compressed_answer_is_not_unpacked(image, generation, step):
    with FaultyServer(generation, {step: gzip_bomb()}) as server:
        assert "compressed" in failure(image, server.url).what


@pytest.mark.parametrize("generation, step", STEPS)
def test_9_an_endless_answer_is_cut_at_the_limit(image, generation, step):
    answer = flood(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    with FaultyServer(generation, {step: answer}) as server:
        assert "more than 3 megabytes" in failure(image, server.url).what


# --- 10: sent elsewhere ---------------------------------------------------------------------------


def moved(to: str, status="307 Temporary Redirect"):
    return reply("moved", status, Location=to)


@pytest.mark.parametrize("generation, step", STEPS)
def test_10_neither_picture_nor_token_follows_to_another_host(image, generation, step):
    with FaultyServer(generation) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        for target in (elsewhere, other.url):  # another name; another port
            with FaultyServer(generation, {step: moved(f"{target}/config")}) as server:
                error = failure(image, server.url)
            assert "sends this call on to another one" in error.what
            if step == "predict":
                assert server.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"
        assert other.requests == []


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "http://169.254.169.254/x", "//evil", "\\\\x", "http://["]
)
def test_10_redirects_to_nowhere(image, location):
    with FaultyServer("classic", {"predict": moved(location)}) as server:
        failure(image, server.url)


@pytest.mark.parametrize("generation, step", STEPS)
def test_10_a_redirect_loop_ends(image, generation, step):
    server = FaultyServer(generation)
    loop = {"config": "/config", "predict": "/api/predict", "file": "/gradio_api/file=x"}
    loop |= {"upload": "/gradio_api/upload", "call": "/gradio_api/call/predict"}
    server.answers[step] = moved(loop.get(step, "/gradio_api/call/predict/e1"))
    with server:
        error = failure(image, server.url)
    assert server.hits(step) <= connection.MAX_REDIRECTS + 1
    assert re.search("without end|answered 307", error.what) and error.side == "server"


def test_10_a_redirect_within_the_host_is_followed(image):
    server = FaultyServer("classic")
    server.answers["config"] = first(1, moved("/app/config", "301 Moved"), server.answers["config"])
    with server:
        improve_face(image, url=server.url)
        improve_face(image, url=server.url)
    assert server.requests[-1].path == "/app/api/predict"


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other"])
def test_10_a_redirect_that_would_drop_the_picture_is_told(image, status):
    with FaultyServer("classic", {"predict": moved("/api/v2", status)}) as server:
        error = failure(image, server.url)
    assert error.side == "yours" and "moved to" in error.what and "/api/v2" in error.what


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:1/x.png",
        "http://localhost/x.png",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x.png",
        "http://127.0.0.1:{port}@evil.example/x.png",
    ],
)
def test_10_results_are_fetched_from_the_service_alone(image, address, tmp_path):
    server = FaultyServer("modern")
    address = address.replace("{port}", str(server.server_address[1]))
    server.answers["events"] = events(("complete", [{"url": address}]))
    with server:
        error = failure(image, server.url)
    assert error.side == "server" and "elsewhere" in error.what
    assert server.hits("file") == 0


PATH = "/tmp/gradio/9f/the picture.png"


@pytest.mark.parametrize(
    "result",
    [
        {"path": PATH, "url": "http://10.0.0.7:7860/gradio_api/file=" + PATH},
        {"path": PATH, "url": "http://127.0.0.1:1/app" + PATH},
        {"url": "https://inside.example/app/gradio_api/file=/tmp/gradio/9f/the%20picture.png"},
        {"__type__": "update", "visible": True, "value": {"path": PATH, "url": None}},
        [{"image": {"path": PATH, "url": "http://inside/x.png"}, "caption": None}],
        PATH,
    ],
)
def test_10_a_files_path_is_asked_for_where_the_call_was_made(image, result):
    """Behind a forwarding web server an app names an address that only that server reaches."""
    if isinstance(result, str):
        result = {"name": result, "is_file": True, "data": None}  # as Gradio 3 says it
    with FaultyServer("modern", {"events": events(("complete", [result]))}) as server:
        assert improve_face(image, url=server.url).size == (8, 6)
    asked = "/gradio_api/file=/tmp/gradio/9f/the%20picture.png"
    assert [request.path for request in server.requests if "file=" in request.path] == [asked]


@pytest.mark.parametrize("generation", ["classic", "modern"])
def test_of_a_slider_the_improved_picture_is_taken(image, generation):
    versions = {"classic": "3.50.2", "modern": "6.31.0"}
    components = [c | {"type": "imageslider"} if c["id"] == 4 else c for c in COMPONENTS]
    pair = [data_url(png((4, 3))), data_url(png((16, 12)))]
    answer = {"__type__": "update", "value": pair} if generation == "classic" else pair
    said = config(versions[generation], components=components, api_prefix="/gradio_api")
    faults = {
        "config": as_json(said),
        "predict": as_json({"data": [answer, None]}),
        "events": events(("complete", [answer, None])),
    }
    with FaultyServer(generation, faults) as server:
        assert improve_face(image, url=server.url).size == (16, 12)


def test_10_a_password_file_does_not_replace_the_token(image, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password other", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setattr(connection, "LOOPBACK", ())  # as for another computer
    with FaultyServer("classic") as server:
        improve_face(image, url=server.url)
        improve_face(image, url=server.url, token=TOKEN)
    assert "authorization" not in server.requests[1].headers
    assert server.requests[2].headers["authorization"] == f"Bearer {TOKEN}"


def test_10_a_call_to_this_computer_goes_through_no_proxy(image, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with FaultyServer("classic") as server:
        assert improve_face(image, url=server.url).size == (8, 6)


# --- 11: the conversation of events ---------------------------------------------------------------


@pytest.mark.parametrize(
    "answer, says",
    [
        (events(("error", None)), "does not say why"),
        (events(("error", {"error": None})), "does not say why"),
        (events(("error", {"error": "The factor must be 2"})), "The factor must be 2"),
        (events(("error", "no GPU")), "no GPU"),
        (reply("event: error\ndata: <html>\n\n"), "web page"),
        (reply("event: complete\ndata: [{\n\n"), "no JSON"),
        (events(("heartbeat", None), ("generating", [None])), "without a result"),
        (reply(""), "without a result"),
        (reply("event: complete\ndata: [1"), "without a result"),
        (reply(b"\xff\xff\n\n\n:\n\ndata\n\nevent\n\n"), "without a result"),
        (reply("<html>", "502 Bad Gateway"), "answered 502"),
        (reply("gone", "404 Not Found"), "answered 404"),
    ],
)
def test_11_events_that_bring_no_picture(image, answer, says):
    with FaultyServer("modern", {"events": answer}) as server:
        error = failure(image, server.url)
    assert says in error.what
    assert server.hits("events") == 1  # a second look at an event would wait for ever


def test_11_no_app_and_apps_that_do_something_else(image):
    wrong = [
        {},
        {"version": "x"},
        {"version": 6},
        config("6.31.0", dependencies=None),
        config("6.31.0", dependencies=[{"inputs": [99], "outputs": [], "api_name": "predict"}]),
        config("3.50.2", dependencies=[{"inputs": [2], "outputs": [4], "api_name": "draw"}]),
        config("6.31.0", components=[1, 2]),
    ]
    for generation, answer in itertools.product(GENERATIONS, wrong):
        with FaultyServer(generation, {"config": as_json(answer)}) as server:
            failure(image, server.url)
            assert server.hits("config") == 1 == len(server.requests)


def test_an_address_that_another_program_took_is_looked_at_again(image):
    server = FaultyServer("classic")
    server.answers["predict"] = first(1, reply("", "404 Not Found"), server.answers["predict"])
    with server:
        assert failure(image, server.url).side == "yours"
        improve_face(image, url=server.url)
    assert server.hits("config") == 2


# --- 12 and 13: what the learner passes -----------------------------------------------------------


@pytest.mark.parametrize(
    "factor", [0, -1, 5, 1.5, float("nan"), 1e9, 10**400, "2", None, True, [2]]
)
def test_12_factors_out_of_range(image, factor):
    with FaultyServer("classic") as server:
        error = failure(image, server.url, factor=factor)
    assert error.side == "yours" and "factor must be 1, 2, 3 or 4" in error.what
    assert server.requests == []


@pytest.mark.parametrize("picture", [None, "face.png", b"", 7, [Image.new("RGB", (2, 2))]])
def test_12_no_picture(picture):
    with pytest.raises(FaceServiceError, match="image must be a PIL image"):
        improve_face(picture)


def test_12_a_picture_without_pixels():
    with pytest.raises(FaceServiceError, match="got 0 x 5"):
        improve_face(Image.new("RGB", (0, 5)))


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), None, "60", True])
def test_12_timeouts_that_are_none(image, timeout):
    with pytest.raises(FaceServiceError, match="timeout must be"):
        improve_face(image, timeout=timeout)


@pytest.mark.parametrize("token", ["secret\n", "sec\r\nX-Evil: 1", "sécret", "secret token", 7])
def test_13_tokens_that_would_write_headers_of_their_own(image, token):
    with FaultyServer("classic") as server:
        error = failure(image, server.url, token=token)
    assert "token must be" in error.what and str(token) not in str(error)
    assert server.requests == []


@pytest.mark.parametrize(
    "words", ["<script>alert(1)</script>", "=cmd", "../x", "\0", "🙂" * 5000, "a\nb"]
)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_13_the_servers_words_are_shown_short_and_on_one_line(image, generation, words):
    faults = {
        "predict": as_json({"error": words}, "500 No"),
        "events": events(("error", {"error": words})),
    }
    with FaultyServer(generation, faults) as server:
        assert "\n" not in failure(image, server.url).what


# --- 14 and 15 ------------------------------------------------------------------------------------


def test_14_ctrl_c_ends_the_call_at_once(image):
    code = f"""
import _thread, signal, time
from PIL import Image
from helpers.faces.client.improve import improve_face
from tests.faulty_server import FaultyServer, silence
# A process that a script started in the background begins with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
interrupted = []
def interrupt(connection):  # the call has come in, and its caller waits
    interrupted.append(time.monotonic())
    _thread.interrupt_main()
    silence(connection)
with FaultyServer("classic", {{"predict": interrupt}}) as server:
    try:
        improve_face(Image.new("RGB", {image.size}), url=server.url, timeout=100)
    except KeyboardInterrupt:
        print("interrupted", time.monotonic() - interrupted[0] < {SLACK})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "interrupted True", done.stderr


def test_15_many_calls_at_once(image):
    server = FaultyServer("modern")
    server.answers["call"] = first(10, BUSY, server.answers["call"])
    sizes = []
    with server:
        work = lambda: sizes.append(improve_face(image, url=server.url).size)  # noqa: E731
        threads = [threading.Thread(target=work) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sizes == [(8, 6)] * 20


# --- Where the service is -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url, address",
    [
        ("Xintao/GFPGAN", "https://xintao-gfpgan.hf.space"),
        (
            "https://huggingface.co/spaces/Some_One/Face.Fix-2",
            "https://some-one-face-fix-2.hf.space",
        ),
        (" http://127.0.0.1:1234/ ", "http://127.0.0.1:1234/"),
    ],
)
def test_space_ids_and_addresses(url, address):
    assert client.service_address(url) == address


def test_the_variable_gives_the_address(image, monkeypatch):
    with FaultyServer("classic") as server:
        monkeypatch.setenv(client.URL_VARIABLE, server.url)
        improve_face(image)
    assert server.hits("predict") == 1
    monkeypatch.setenv(client.URL_VARIABLE, "127.0.0.1")
    with pytest.raises(FaceServiceError, match="In the variable FACE_API_URL: 127.0.0.1"):
        improve_face(image)


def test_only_the_classs_own_service_is_taken_for_it(monkeypatch):
    with FaultyServer("classic") as server:
        monkeypatch.setattr(client, "CLASS_URL", server.url)
        monkeypatch.setattr(client, "PROBE_SECONDS", 0.5)
        monkeypatch.setattr(client, "_own_address", lambda: "http://own")
        for about in (reply("<h1>"), as_json({"name": "other"}), as_json([]), silence):
            server.answers["unknown"] = about
            assert client.service_address() == "http://own"
        server.answers["unknown"] = as_json({"name": contract.NAME})
        assert client.service_address() == server.url


def test_the_client_loads_neither_gradio_nor_torch():
    code = "import sys, helpers.faces.client.improve; print({'gradio', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "set()"
