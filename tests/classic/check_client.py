"""The client against a real Gradio 3.50.2: `make test-classic`.

pytest does not collect this file by itself, because it needs an environment of its own: Gradio 3
and the course's Gradio cannot be installed together.
"""

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests
from PIL import Image

from helpers.faces.client.errors import FaceServiceError
from helpers.faces.client.improve import _known, improve_face
from tests import faulty_server

DEMO = Path(__file__).with_name("demo.py")
SECONDS_TO_START = 240


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The address of the demo, which runs in the environment that CLASSIC_PYTHON names."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [os.environ["CLASSIC_PYTHON"], str(DEMO), str(port)]
    environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"}
    log = tmp_path_factory.mktemp("classic") / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            command, env=environment, cwd=log.parent, stdout=output, stderr=output
        )
    try:
        yield wait_until_it_answers(f"http://127.0.0.1:{port}", process, log)
    finally:
        process.terminate()
        process.wait(20)


def wait_until_it_answers(url: str, process, log: Path) -> str:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and process.poll() is None:
        try:
            if requests.get(f"{url}/config", timeout=20).ok:
                return url
        except requests.ConnectionError:
            time.sleep(0.2)
    pytest.fail(f"the demo did not start:\n{log.read_text(encoding='utf-8')}")


def test_it_is_gradio_3_50_2(url):
    assert requests.get(f"{url}/config", timeout=20).json()["version"] == "3.50.2"


@pytest.mark.parametrize("path", ["", "/", "/api/predict", "/run/predict"])
@pytest.mark.parametrize("factor", [1, 2, 4])
def test_a_picture_comes_back_improved(url, path, factor):
    image = Image.linear_gradient("L").resize((12, 10)).convert("RGB")
    improved = improve_face(image, factor, url=url + path)
    expected = image.resize((12 * factor, 10 * factor), Image.Resampling.NEAREST)
    assert improved.size == expected.size and improved.tobytes() == expected.tobytes()
    endpoint = _known[url + path]
    assert endpoint.is_classic and [a.kind for a in endpoint.arguments] == [
        "image",
        "other",
        "factor",
    ]


def test_an_error_of_the_demo_is_told(url):
    with pytest.raises(FaceServiceError, match="answered 500") as caught:
        improve_face(Image.new("RGB", (13, 5)), url=url)
    assert caught.value.side == "server"


def test_the_faulty_server_has_the_shapes_of_the_real_one(url):
    real = requests.get(f"{url}/config", timeout=20).json()
    ours = faulty_server.config("3.50.2")
    assert {"version", "components", "dependencies"} <= real.keys()
    for name in ("components", "dependencies"):
        for entry in ours[name]:
            assert entry.keys() <= real[name][0].keys()
    image = faulty_server.data_url(faulty_server.png())
    answer = requests.post(f"{url}/api/predict", json={"data": [image, "v1.4", 2]}, timeout=60)
    answer = answer.json()
    assert {"data", "is_generating", "duration"} <= answer.keys()
    assert answer["data"][0].startswith("data:image/png;base64,")


def test_the_service_of_the_course_answers_in_the_same_shape(url):
    """The reference is the real one: same keys, same kind of picture."""
    from helpers.faces.service.server import start

    class Enlarger:
        def improve(self, image, factor):
            return image.resize((image.width * factor, image.height * factor), 0)

    body = {"data": [faulty_server.data_url(faulty_server.png()), "v1.4", 2]}
    real = requests.post(f"{url}/api/predict", json=body, timeout=60)
    with start(Enlarger(), port=0) as service:
        ours = requests.post(f"{service.url}/api/predict", json=body, timeout=60)
    assert ours.status_code == real.status_code == 200
    assert ours.json().keys() == real.json().keys()
    assert ours.json()["data"][0][:22] == real.json()["data"][0][:22]
