"""One rule for every picture that comes in: upright, on white, 16 bits read right."""

import io
import json

import numpy
import pytest
import torch
from PIL import ExifTags, Image

from helpers.faces.quality import psnr
from helpers.feedback.store import Feedback
from helpers.fine_tuning import read_pictures
from helpers.pictures.check import upright
from helpers.pictures.encoded import from_base64, to_data_url, to_png
from helpers.pictures.files import save_image
from helpers.pictures.grid import enlarge, image_grid
from helpers.sampling.attention import heat_map

RAMP = numpy.linspace(0, 65535, 32 * 16).reshape(16, 32).astype("uint16")


def photo() -> Image.Image:
    """Blue over red when held upright, as a phone stores it: lying on its side."""
    held = Image.new("RGB", (16, 32), "blue")
    held.paste("red", (0, 16, 16, 32))
    lying = held.transpose(Image.Transpose.ROTATE_90)
    exif = lying.getexif()
    exif[ExifTags.Base.Orientation] = 6
    buffer = io.BytesIO()
    lying.save(buffer, "PNG", exif=exif)
    return Image.open(buffer)


def cut_out() -> Image.Image:
    picture = Image.new("RGBA", (32, 16), (0, 0, 0, 0))
    picture.paste("teal", (0, 0, 16, 16))
    return picture


def palette() -> Image.Image:
    picture = cut_out().convert("RGB").convert("P")
    picture.info["transparency"] = picture.getpixel((20, 5))
    return picture


def scan() -> Image.Image:
    buffer = io.BytesIO()
    Image.fromarray(RAMP).save(buffer, "PNG")
    picture = Image.open(buffer)
    assert picture.mode.startswith("I;16")
    return picture


def expected(make) -> numpy.ndarray:
    if make is photo:
        half = numpy.full((16, 16, 3), (0, 0, 255))
        return numpy.concatenate([half, numpy.full((16, 16, 3), (255, 0, 0))])
    if make is scan:
        return (RAMP >> 8)[..., None].repeat(3, axis=2)
    half = numpy.full((16, 16, 3), (0, 128, 128))
    return numpy.concatenate([half, numpy.full((16, 16, 3), 255)], axis=1)


def saved(picture, folder):
    return Image.open(save_image(picture, folder / "picture.png", {"prompt": "a fox"}))


def rated(picture, folder):
    feedback = Feedback(folder / "ratings.sqlite")
    feedback.add(
        picture,
        {"prompt": "a fox"},
        vote=1,
        model="stickers",
        model_version="1",
        consent="training",
    )
    (kept,) = feedback.pictures()
    return Image.open(kept.path)


def to_learn(picture, folder):
    exif = picture.getexif() if picture.getexif() else None
    picture.save(folder / "a.png", **({"exif": exif} if exif else {}))
    line = json.dumps({"file_name": "a.png", "prompt": "a fox"})
    (folder / "metadata.jsonl").write_text(line, encoding="utf-8")
    return read_pictures(folder)[0].image


def enlarged(picture, folder):
    twice = enlarge(picture, 2)
    return twice.resize((twice.width // 2, twice.height // 2), Image.Resampling.BOX)


WAYS_IN = {
    "upright": lambda picture, folder: upright(picture),
    "save_image": saved,
    "Feedback.add": rated,
    "read_pictures": to_learn,
    "enlarge": enlarged,
    "enlarge by 1": lambda picture, folder: enlarge(picture, 1),
    "image_grid": lambda picture, folder: image_grid([picture]),
    "to_png": lambda picture, folder: Image.open(io.BytesIO(to_png(picture))),
    "from_base64": lambda picture, folder: from_base64(to_data_url(picture), 10_000),
}


@pytest.mark.parametrize("make", [photo, cut_out, palette, scan])
@pytest.mark.parametrize("way", WAYS_IN)
def test_every_way_in_reads_a_picture_alike(tmp_path, way, make):
    read = WAYS_IN[way](make(), tmp_path)
    wanted = expected(make)
    assert read.mode == "RGB" and read.size == (wanted.shape[1], wanted.shape[0])
    difference = abs(numpy.asarray(read).astype(int) - wanted)
    if way == "enlarge":  # edges are softened
        assert difference.mean() < 4
    else:
        assert difference.max() == 0


@pytest.mark.parametrize("make", [photo, cut_out, scan])
def test_measures_and_maps_look_at_the_same_picture(make):
    read = upright(make())
    assert psnr(make(), read) == float("inf")
    heat = torch.zeros(2, 2)
    assert heat_map(make(), heat).tobytes() == heat_map(read, heat).tobytes()


def test_what_a_camera_noted_is_not_passed_on(tmp_path):
    with saved(photo(), tmp_path) as picture:
        assert not picture.getexif()
