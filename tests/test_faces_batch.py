"""Many pictures through a face service; tests/test_faces_server.py does it with a real one."""

import threading
import time

import pytest
from PIL import Image

from helpers.faces.client import batch
from helpers.faces.client.batch import improve_faces
from helpers.faces.client.errors import FaceServiceError
from helpers.sweeps.plan import find_axes
from helpers.sweeps.run import Outcome, Sweep

URL = "http://127.0.0.1:9"


class Calls:
    """In the place of `improve_face`: doubles pictures, fails on those 13 pixels wide."""

    def __init__(self):
        self.lock, self.inside, self.most, self.done = threading.Lock(), 0, 0, 0
        self.interrupt_at = None

    def __call__(self, image, factor, url, token, timeout):
        with self.lock:
            self.inside += 1
            self.done += 1
            self.most = max(self.most, self.inside)
        try:
            time.sleep(0.02)
            if self.done == self.interrupt_at:
                raise KeyboardInterrupt
            if image.width == 13:
                raise FaceServiceError("The server answered 500.", "server", "Wait.")
            return image.resize((image.width * factor, image.height * factor))
        finally:
            with self.lock:
                self.inside -= 1


@pytest.fixture(autouse=True)
def calls(monkeypatch):
    calls = Calls()
    monkeypatch.setattr(batch, "improve_face", calls)
    return calls


def pictures(*widths):
    return [Image.new("RGB", (width, 4)) for width in widths]


def test_a_list_of_pictures_keeps_its_order_and_tells_which_failed(calls):
    result = improve_faces(pictures(5, 13, 6, 7), 3, URL, progress=False)
    assert [image and image.width for image in result.images] == [15, None, 18, 21]
    assert list(result.table["state"]) == ["done", "failed", "done", "done"]
    assert list(result.failed["picture"]) == [1]
    assert list(result.failed["error"]) == ["The server answered 500."]
    assert (result.table["seconds"] > 0).all()
    assert [i.original.width for i in result] == [5, 13, 6, 7]


@pytest.mark.parametrize("at_once", [1, 3])
def test_only_so_many_at_once(calls, at_once):
    improve_faces(pictures(*range(20, 32)), url=URL, at_once=at_once, progress=False)
    assert calls.done == 12
    assert calls.most == at_once


def test_a_sweep_keeps_its_settings_and_its_gaps():
    axes = find_axes({"prompt": "a portrait", "seed": [1, 2, 3]})
    outcomes = {p: Outcome(axes.settings(p)) for p in axes.positions}
    for position in ((1,), (3,)):
        outcomes[position].image, outcomes[position].state = Image.new("RGB", (4, 4)), "done"
    result = improve_faces(Sweep(axes, outcomes, {}), url=URL, progress=False)
    assert list(result.table["seed"]) == [1, 2, 3]
    assert list(result.table["state"]) == ["done", "no picture", "done"]
    assert [image and image.size for image in result.images] == [(8, 8), None, (8, 8)]
    assert list(result.failed["seed"]) == [2]


def test_ctrl_c_gives_back_what_is_done(calls):
    calls.interrupt_at = 3
    with pytest.warns(UserWarning, match="interrupted: . of 8 pictures are done"):
        result = improve_faces(pictures(*[5] * 8), url=URL, at_once=1, progress=False)
    states = list(result.table["state"])
    assert len(states) == 8 and states[:2] == ["done", "done"] and states[-1] == "not run"


def test_the_bar_counts_the_pictures(capsys):
    improve_faces(pictures(5, 6, 13), url=URL)
    assert "3/3" in capsys.readouterr().err


@pytest.mark.parametrize("at_once", [0, 17, -1])
def test_at_once_out_of_range(at_once):
    with pytest.raises(ValueError, match=f"at_once must be between 1 and 16; got {at_once}"):
        improve_faces(pictures(5), url=URL, at_once=at_once)


@pytest.mark.parametrize("factor", [7, 0, 2.0, "2", True])
def test_a_wrong_factor_is_told_before_anything_is_sent(calls, factor):
    with pytest.raises(ValueError, match=f"factor must be 1, 2, 3 or 4; got {factor!r}"):
        improve_faces(pictures(5), factor=factor, url=URL)
    assert calls.done == 0


def test_wrong_arguments():
    with pytest.raises(TypeError, match="at_once must be a whole number; got 2.0"):
        improve_faces(pictures(5), url=URL, at_once=2.0)
    with pytest.raises(TypeError, match="images must be a list"):
        improve_faces(Image.new("RGB", (4, 4)), url=URL)
    with pytest.raises(FaceServiceError, match="begins with http"):
        improve_faces(pictures(5), url="nowhere")
