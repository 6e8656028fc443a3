"""The slider between two pictures, and the picture that it leaves in a notebook."""

import numpy as np
import pytest
from PIL import ExifTags, Image

from helpers import before_after
from helpers.widgets import before_after as module
from helpers.widgets.notebook import WIDGET

RED, BLUE = (Image.new("RGB", (200, 120), color) for color in ("red", "blue"))


def shares(picture: Image.Image) -> tuple[float, float]:
    """How much of a picture is red, and how much blue; text and border are neither."""
    pixels = np.asarray(picture)
    return tuple(float((pixels == color).all(2).mean()) for color in ((255, 0, 0), (0, 0, 255)))


@pytest.mark.parametrize("share", [0, 0.25, 0.5, 1])
def test_the_border_divides_the_two(share):
    picture = module.joined(RED, BLUE, share, ("before", "after"))
    assert picture.size == (200, 120)
    red, blue = shares(picture)
    assert red == pytest.approx(share, abs=0.12) and blue == pytest.approx(1 - share, abs=0.12)
    middle = np.asarray(picture)[60]
    assert (middle[: max(0, int(200 * share) - 3)] == (255, 0, 0)).all()
    assert (middle[int(200 * share) + 3 :] == (0, 0, 255)).all()
    assert shares(RED) == (1, 0) and shares(BLUE) == (0, 1)  # the inputs are as they were


def test_before_takes_the_size_of_after():
    picture = module.joined(RED.resize((50, 30)), BLUE, 0.5, ("small", "large"))
    assert picture.size == BLUE.size and min(shares(picture)) > 0.3


def test_a_photo_on_its_side_stands_upright():
    photo = RED.copy()
    photo.paste("blue", (0, 0, 100, 120))  # as the camera lay: blue on the left ...
    photo.getexif()[ExifTags.Base.Orientation] = 6  # ... and above when it is turned
    upright = module.joined(photo, Image.new("RGB", (120, 200), "white"), 1, ("before", "after"))
    assert upright.getpixel((60, 50)) == (0, 0, 255) and upright.getpixel((60, 150)) == (255, 0, 0)


def test_the_slider_moves_the_border(monkeypatch):
    shown = []
    monkeypatch.setattr(
        module.DisplayHandle, "update", lambda self, picture, **_: shown.append(picture)
    )
    slider = module.BeforeAfter(RED, BLUE, ("before", "after")).slider
    slider.value = 80
    assert len(shown) == 1 and shares(shown[0])[0] > 0.6


def test_the_notebook_keeps_a_picture_and_says_what_it_shows(monkeypatch):
    kept = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: kept.append(data))
    monkeypatch.setattr(
        module.DisplayHandle,
        "display",
        lambda self, picture, metadata: kept.append((picture, metadata)),
    )
    before_after(RED, BLUE, labels=("as it came", "repaired"))
    controls, (picture, metadata) = kept
    assert WIDGET in controls and "run this cell" in controls["text/plain"]
    assert picture.size == (200, 120)
    assert metadata["image/png"]["alt"].endswith("as it came on the left, repaired on the right")


@pytest.mark.parametrize(("name", "pictures"), [("before", (None, RED)), ("after", (RED, [BLUE]))])
def test_something_else_than_a_picture_is_one_clear_error(name, pictures):
    with pytest.raises(TypeError, match=f"{name} must be a PIL image"):
        before_after(*pictures)
