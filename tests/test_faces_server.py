"""The class's face service, in both languages, with a stand-in for the network."""

import base64
import http.client
import io
import itertools
import json
import os
import re
import socket
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import gradio
import pytest
import requests
from PIL import Image

from helpers.__main__ import main
from helpers.base import web_guard
from helpers.commands.faces import about
from helpers.faces import contract
from helpers.faces.client import improve as client
from helpers.faces.client.batch import improve_faces
from helpers.faces.client.errors import FaceServiceError
from helpers.faces.client.improve import improve_face
from helpers.faces.restorer import Restorer, RestorerNetwork
from helpers.faces.service import server
from helpers.faces.service.server import Limits, start
from tests.faulty_server import FaultyServer, data_url, png

SECONDS = 60  # for a call; a busy computer is no fault
LIMITS = Limits(file_bytes=60_000, pixels=10_000, result_pixels=40_000, at_once=2, queue=8)


class Enlarger:
    """Repeats pixels. Waits while `gate` is closed; notes how many calls ran together."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.begun = threading.Semaphore(0)
        self.running = self.most = 0
        self.lock = threading.Lock()

    def improve(self, image, factor):
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.begun.release()
        try:
            assert self.gate.wait(SECONDS)
            if image.width == 13:
                raise RuntimeError("a secret path: /home/me")
            return image.resize((image.width * factor, image.height * factor), 0)
        finally:
            with self.lock:
                self.running -= 1


def callers() -> list[str]:
    """Which code is at work, the innermost last: to tell who wanted the network."""
    return [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_stack()]


@pytest.fixture(scope="module")
def outgoing():
    """Every address outside this computer that something tried to reach; there must be none."""
    tried, patch = [], pytest.MonkeyPatch()
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def checked_connect(self, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "::1"):
            tried.append((address, callers()))
            raise OSError("the network is blocked in this test")
        return connect(self, address)

    def checked_look_up(host, *args, **kwargs):
        if host not in ("127.0.0.1", "::1", "localhost", None, ""):
            tried.append((host, callers()))
            raise OSError("the network is blocked in this test")
        return look_up(host, *args, **kwargs)

    patch.setattr(socket.socket, "connect", checked_connect)
    patch.setattr(socket, "getaddrinfo", checked_look_up)
    yield tried
    patch.undo()


@pytest.fixture(scope="module")
def enlarger():
    return Enlarger()


@pytest.fixture(scope="module")
def service(enlarger, outgoing):
    with start(enlarger, port=0, limits=LIMITS) as running:
        yield running


@pytest.fixture
def image():
    return Image.linear_gradient("L").resize((12, 10)).convert("RGB")


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(client, "_known", {})
    monkeypatch.delenv(client.URL_VARIABLE, raising=False)


def classic(service, data, path="/api/predict"):
    return requests.post(service.url + path, json={"data": data}, timeout=SECONDS)


def modern(service, data, name="improve"):
    """(event, data) of a call in the language of today's Gradio."""
    url = f"{service.url}/gradio_api/call/{name}"
    event = requests.post(url, json={"data": data}, timeout=SECONDS).json()["event_id"]
    lines = requests.get(f"{url}/{event}", timeout=SECONDS).text.split("\n")
    return lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: "))


def file_data(**more):
    return {"meta": {"_type": "gradio.FileData"}} | more


def enlarged(image, factor):
    return image.resize((image.width * factor, image.height * factor), 0)


# --- It works, in both languages -----------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/predict", "/run/predict", "/api/predict/"])
@pytest.mark.parametrize(
    "arguments, factor", [([], 2), ([3], 3), (["v1.4", 4], 4), ([2.0], 2), (["1"], 1)]
)
def test_a_call_as_the_tutorials_of_2022_make_it(service, image, path, arguments, factor):
    answer = classic(service, [data_url(png_of(image)), *arguments], path)
    assert answer.status_code == 200
    improved = picture_in(answer.json()["data"][0])
    assert improved.tobytes() == enlarged(image, factor).tobytes()


def png_of(image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def picture_in(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


@pytest.mark.parametrize("path", ["", "/api/predict", "/gradio_api/call/improve"])
def test_the_client_gets_exactly_what_the_network_made(service, image, path):
    for factor in (1, 2, 3, 4):
        improved = improve_face(image, factor, url=service.url + path)
        assert improved.tobytes() == enlarged(image, factor).tobytes()


def test_gradios_own_client_can_call_it(service, image, tmp_path, monkeypatch):
    from gradio_client import Client, handle_file

    # gradio_client 2.7 reports its use unless both this and analytics_enabled say no.
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    path = tmp_path / "face.png"
    image.save(path)
    caller = Client(service.url, verbose=False, analytics_enabled=False)
    by_position = caller.predict(handle_file(path), "v1.3", 3, api_name="/predict")
    by_name = caller.predict(image=handle_file(path), factor=3, api_name="/improve")
    for result in (by_position, by_name):
        assert Image.open(result).tobytes() == enlarged(image, 3).tobytes()


def test_a_batch_goes_through_and_tells_what_failed(service, image):
    result = improve_faces(
        [image, Image.new("RGB", (13, 4)), image], 2, service.url, progress=False
    )
    assert [i.state for i in result] == ["done", "failed", "done"]
    assert "failed on this picture" in result[1].error
    assert result[2].improved.tobytes() == enlarged(image, 2).tobytes()


def test_the_page_can_be_opened(service):
    page = requests.get(service.url, timeout=SECONDS)
    assert page.status_code == 200 and "Face service" in page.text


# --- What it refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data, status, says",
    [
        ([data_url(png()), 0], 422, "one of 1, 2, 3, 4; got '0'"),
        ([data_url(png()), 2.5], 422, "got '2.5'"),
        ([data_url(png()), 1e300], 422, "one of 1, 2, 3, 4"),
        ([data_url(png()), "two"], 422, "got 'two'"),
        ([data_url(png()), None], 422, "got 'None'"),
        ([data_url(png()), True], 422, "got 'True'"),
        ([data_url(png()), [2]], 422, "one of 1, 2, 3, 4"),
        (["junk!", 2], 422, "no base64"),
        (["/etc/passwd", 2], 422, "no PNG, JPEG or WebP|no base64"),
        (["http://127.0.0.1/x.png", 2], 422, "no base64"),
        ([{"path": "/etc/passwd"}, 2], 422, "must be text"),
        ([data_url(png())[:-30], 2], 422, "damaged|no base64"),
        ([data_url(b"<svg/>", "image/svg+xml"), 2], 422, "no PNG, JPEG or WebP"),
        ([data_url(png((101, 100))), 2], 422, "101 x 100 pixels, more than 0.01 megapixels"),
        ([data_url(png((90, 100))), 3], 413, "smaller factor"),
        ([data_url(png((13, 5))), 2], 500, "failed on this picture"),
        ([], 400, "data"),
        ([1, 2, 3, 4], 400, "data"),
        (None, 400, "data"),
    ],
)
def test_classic_refusals_say_why(service, data, status, says):
    answer = classic(service, data)
    assert answer.status_code == status
    assert re.search(says, answer.json()["error"])
    assert "/home/me" not in answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 30_000, b"\xff\xff", b'"text"', b"NaN"])
def test_bodies_that_are_no_call(service, body):
    answer = requests.post(f"{service.url}/api/predict", data=body, timeout=SECONDS)
    assert answer.status_code == 400 and answer.json()["error"]


@pytest.mark.parametrize(
    "data, says",
    [
        ([None, 2], "no picture"),
        ([file_data(path=None, url=data_url(png())), 9], "one of 1, 2, 3, 4; got '9'"),
        ([file_data(path=None, url=data_url(png())), "two"], "got 'two'"),
        ([file_data(path=None, url=data_url(b"text")), 2], "no PNG, JPEG or WebP"),
        ([file_data(path=None, url=data_url(png((101, 100)))), 2], "megapixels"),
        ([file_data(path=None, url=data_url(png((90, 100)))), 3], "smaller factor"),
        ([file_data(path=None, url=data_url(png((13, 5)))), 2], "failed on this picture"),
        ([file_data(path=None, url=data_url(b"<svg onload=a()>")), 2], "&lt;svg onload"),
        ([file_data(path=None, url="http://127.0.0.1/x.png"), 2], "address is not fetched"),
    ],
)
def test_modern_refusals_say_why(service, data, says):
    event, told = modern(service, data)
    assert event == "error" and says in told["error"]
    assert "/home/me" not in str(told)


def test_no_file_of_the_host_can_be_read(service):
    secret = Path(__file__)
    names = [str(secret), "pyproject.toml", "../../etc/passwd", "/etc/passwd", ".env"]
    for name in names:
        event, _ = modern(service, [file_data(path=name), 2])
        assert event == "error"
        for address in (f"/gradio_api/file={name}", f"/file={name}", f"/static/{name}"):
            answer = requests.get(service.url + address, timeout=SECONDS)
            assert answer.status_code in (403, 404)


def test_a_picture_of_the_host_is_not_improved_either(service, tmp_path):
    """The file would do: only the rule keeps it out."""
    path = tmp_path / "face.png"
    path.write_bytes(png())
    before = uploads()
    for data in ([file_data(path=str(path)), 2], [None, file_data(path=str(path))]):
        event, _ = modern(service, data)
        assert event == "error"
    assert uploads() == before, "the file was copied to where Gradio serves files from"


def uploads() -> set[Path]:
    return set(Path(gradio.utils.get_upload_folder()).rglob("*"))


def test_no_address_is_fetched(service):
    with FaultyServer("modern") as other:
        address = f"{other.url}/gradio_api/file=/tmp/x.png"
        for data in (file_data(path=address), file_data(path=None, url=address)):
            event, told = modern(service, [data, 2])
            assert event == "error" and "address is not fetched" in told["error"]
        for way in ("file", "proxy", "FILE"):
            answer = requests.get(f"{service.url}/gradio_api/{way}={address}", timeout=SECONDS)
            assert answer.status_code == 403
    assert other.requests == []


def test_calls_that_would_skip_the_queue_are_closed(service):
    address = f"{service.url}/gradio_api/run/improve"
    body = {"data": [file_data(path=None, url=data_url(png())), 2]}
    assert requests.post(address, json=body, timeout=SECONDS).status_code == 404


# --- Limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/api/predict", "/gradio_api/upload", "/gradio_api/call/improve"])
def test_a_body_that_is_too_large_is_refused(service, path):
    large = b"x" * (LIMITS.body_bytes + 1)
    for body in (large, iter([large])):  # with a length in its head, and without
        answer = requests.post(service.url + path, data=body, timeout=SECONDS)
        assert answer.status_code == 413 and "bytes" in answer.json()["error"]


def test_a_file_that_is_too_large_is_refused(service):
    files = {"files": ("face.png", b"x" * (LIMITS.file_bytes + 1))}
    answer = requests.post(f"{service.url}/gradio_api/upload", files=files, timeout=SECONDS)
    assert answer.status_code == 413


def test_the_client_tells_whose_side_a_refusal_is(service):
    noise = Image.frombytes("RGB", (160, 160), os.urandom(160 * 160 * 3))
    for path in ("", "/api/predict"):
        with pytest.raises(FaceServiceError, match="answered 4(13|22)") as caught:
            improve_face(noise, url=service.url + path)
        assert caught.value.side == "yours"


def test_a_body_that_never_ends_is_given_up(service, monkeypatch):
    monkeypatch.setattr(web_guard, "BODY_SECONDS", 0.3)
    address = service.url.removeprefix("http://")
    connection = http.client.HTTPConnection(address, timeout=SECONDS)
    connection.putrequest("POST", "/api/predict")
    connection.putheader("Content-Length", "100")
    connection.endheaders(b"{")
    assert connection.getresponse().status == 408
    connection.close()


def test_a_full_queue_sends_callers_away_and_the_client_comes_back(image):
    enlarger = Enlarger()
    enlarger.gate.clear()
    limits = Limits(at_once=1, queue=1)
    with start(enlarger, port=0, limits=limits) as service, ThreadPoolExecutor() as pool:
        data = [data_url(png_of(image)), 2]
        calls = [pool.submit(classic, service, data) for _ in range(4)]
        turned_away = [call.result() for call in itertools.islice(as_completed(calls, SECONDS), 2)]
        assert [answer.status_code for answer in turned_away] == [503, 503]
        assert {answer.headers["retry-after"] for answer in turned_away} == {"2"}
        patient = pool.submit(improve_face, image, 2, f"{service.url}/api/predict")
        threading.Timer(0.5, enlarger.gate.set).start()
        assert patient.result(SECONDS).tobytes() == enlarged(image, 2).tobytes()
        assert sorted(call.result(SECONDS).status_code for call in calls) == [200, 200, 503, 503]


def test_no_more_than_allowed_run_at_the_same_time(service, enlarger, image):
    enlarger.most = 0
    with ThreadPoolExecutor(8) as pool:
        paths = ["", "/api/predict"] * 6
        calls = [pool.submit(improve_face, image, 2, service.url + path) for path in paths]
        results = [call.result(2 * SECONDS) for call in calls]
    assert all(result.tobytes() == enlarged(image, 2).tobytes() for result in results)
    assert 1 <= enlarger.most <= LIMITS.at_once


def test_callers_who_leave_give_their_place_back(image):
    enlarger = Enlarger()
    with start(enlarger, port=0, limits=Limits(at_once=1, queue=1)) as service:
        body = json.dumps({"data": [data_url(png_of(image)), 2]})
        for _ in range(4):
            enlarger.gate.clear()
            caller = http.client.HTTPConnection(service.url.removeprefix("http://"))
            caller.request("POST", "/api/predict", body)
            assert enlarger.begun.acquire(timeout=SECONDS)
            caller.close()
            enlarger.gate.set()
        assert improve_face(image, url=f"{service.url}/api/predict").size == (24, 20)


class InParts:
    """Does a large picture in parts, each of which waits for a permit; a small one at once."""

    def __init__(self):
        self.permits = threading.Semaphore(0)
        self.begun, self.ended = threading.Semaphore(0), threading.Semaphore(0)
        self.done = []  # widths, in the order of finishing

    def improve(self, image, factor, go_on):
        large = image.width > 100
        self.begun.release()
        try:
            for _ in range(1000 if large else 1):
                go_on()
                if large:
                    assert self.permits.acquire(timeout=SECONDS)
        finally:
            self.ended.release()
        self.done.append(image.width)
        return image


@pytest.fixture
def large():
    return Image.new("RGB", (1200, 1000))


@pytest.mark.parametrize("path", ["", "/api/predict"])
def test_the_work_ends_when_its_caller_is_gone(large, path):
    restorer = InParts()
    with start(restorer, port=0, limits=Limits(at_once=1)) as service:
        gives_up = threading.Thread(target=_call_and_give_up, args=(large, service.url + path))
        gives_up.start()
        assert restorer.begun.acquire(timeout=SECONDS)
        gives_up.join(SECONDS)
        # Each part must be asked for, so that only the caller's leaving can end the work.
        deadline = time.monotonic() + SECONDS
        while not restorer.ended.acquire(timeout=0.3):
            restorer.permits.release()
            assert time.monotonic() < deadline
        assert restorer.done == []
        assert improve_face(Image.new("RGB", (8, 8)), 1, service.url + path).size == (8, 8)


def _call_and_give_up(image, url):
    with pytest.raises(FaceServiceError, match="No result within"):
        improve_face(image, 1, url=url, timeout=2)


@pytest.mark.parametrize("at_once", [1, 2])
def test_small_calls_pass_large_ones(large, image, at_once):
    restorer = InParts()
    with (
        start(restorer, port=0, limits=Limits(at_once=at_once)) as service,
        ThreadPoolExecutor() as pool,
    ):
        url = f"{service.url}/api/predict"
        slow = [pool.submit(improve_face, large, 1, url) for _ in range(at_once)]
        assert restorer.begun.acquire(timeout=SECONDS)
        small = pool.submit(improve_face, image, 1, url)
        while not small.done():
            restorer.permits.release()  # the large one comes to the end of a part
            time.sleep(0.1)
        assert small.result().size == image.size and restorer.done == [image.width]
        assert not any(call.done() for call in slow)
        restorer.permits.release(1000 * at_once)
        assert {call.result(SECONDS).size for call in slow} == {large.size}


def test_a_call_that_takes_too_long_is_ended(large):
    restorer = InParts()
    restorer.permits.release(10_000)
    with start(restorer, port=0, limits=Limits(seconds=0)) as service:
        with pytest.raises(FaceServiceError, match="takes more than 0 seconds") as caught:
            improve_face(large, 1, url=f"{service.url}/api/predict")
    assert caught.value.status == 413


def test_the_network_ends_between_its_parts():
    class GivenUp(Exception):
        pass

    parts = iter([None, None, GivenUp()])

    def go_on():
        if error := next(parts):
            raise error

    with pytest.raises(GivenUp):
        Restorer(RestorerNetwork(4, ((4, 1),))).improve(Image.new("RGB", (1500, 900)), 1, go_on)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example:7870"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
    ],
)
def test_a_foreign_web_page_cannot_use_it(service, headers):
    for path in ("/api/predict", "/gradio_api/call/improve", "/gradio_api/upload"):
        answer = requests.post(service.url + path, json={"data": []}, headers=headers, timeout=9)
        assert answer.status_code in (403, 421)
        assert "access-control-allow-origin" not in answer.headers
    assert requests.get(f"{service.url}/config", headers=headers, timeout=9).status_code >= 400


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "192.168.1.20", "[::1]", "localhost", "teachers-laptop", "x.local"]
)
def test_names_of_this_computer_are_let_in(service, name):
    for headers in ({"Host": name}, {"Host": f"{name}:7870", "Origin": f"http://{name}:7870"}):
        answer = requests.get(f"{service.url}/about", headers=headers, timeout=9)
        assert answer.status_code == 200


# --- Start, stop, and where the client looks -----------------------------------------------------


def test_a_port_that_is_taken_is_told(service):
    port = int(service.url.rpartition(":")[2])
    with pytest.raises(OSError, match=f"cannot have port {port}.*port=0 takes a free one"):
        start(Enlarger(), port=port)
    with pytest.raises(SystemExit, match=f"cannot have port {port}"):
        run_command(port)


def run_command(port: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        restored = server.start
        patch.setattr(server, "start", lambda **options: restored(Enlarger(), **options))
        main(["faces", "--port", str(port)])


def test_the_command_serves_until_ctrl_c(capsys, monkeypatch):
    served = []

    def wait(service):
        served.append(requests.get(f"{service.url}/about", timeout=SECONDS).json()["name"])
        raise KeyboardInterrupt

    monkeypatch.setattr(server.FaceService, "wait", wait)
    run_command(0)
    assert served == [contract.NAME]
    printed = capsys.readouterr().out
    assert "/api/predict" in printed and "improve_face(image) finds it" not in printed
    assert re.search(r'improve_face\(image, url="http://127\.0\.0\.1:[1-9]\d*"\)', printed)
    where_it_looks = about(client.CLASS_URL, "127.0.0.1")
    assert "improve_face(image) finds it" in where_it_looks


def test_the_service_on_this_computer_is_found(service, image, monkeypatch):
    monkeypatch.setattr(client, "CLASS_URL", service.url)
    monkeypatch.setattr(client, "_own_address", pytest.fail)
    assert improve_face(image).tobytes() == enlarged(image, 2).tobytes()


def test_without_a_service_one_is_started_once_and_said(image, monkeypatch, capsys):
    begin = server.start
    monkeypatch.setattr(client, "CLASS_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(client, "_own_service", None)
    monkeypatch.setattr(server, "start", lambda **options: begin(Enlarger(), **options))
    try:
        for _ in range(2):
            assert improve_face(image).tobytes() == enlarged(image, 2).tobytes()
        printed = capsys.readouterr().out
        assert printed.count("one was started") == 1 and client._own_service.url in printed
        client._own_service.stop()
        assert not client._own_service.running
        assert improve_face(image).size == (24, 20)  # started again
    finally:
        client._own_service.stop()


def test_a_service_that_cannot_start_is_explained(image, monkeypatch):
    def fail(**options):
        raise FileNotFoundError("no weights")

    monkeypatch.setattr(client, "CLASS_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(client, "_own_service", None)
    monkeypatch.setattr(server, "start", fail)
    with pytest.raises(FaceServiceError, match="none could be started: FileNotFoundError"):
        improve_face(image)


def test_nothing_went_out_on_the_network(service, outgoing):
    """Runs last: the service was started, shown and called under a watch."""
    assert outgoing == []
