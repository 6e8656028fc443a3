"""The pictures stored in `solutions/`, which nbval does not compare.

Every picture must decode and show something: not one colour all over, no black tile. A cell of a
lesson's script may name its one picture and say how it relates to pictures of earlier cells:

    # %% picture="02.first"
    # %% picture="02.again" same_as="02.first"
    # %% picture="02.other" differs_from="02.first, 02.again"

`export="02_first.png"` makes the build write the picture to `course/pictures/` too, for the text
of a lesson to show.

Nothing here hangs on one checkpoint: only relations between pictures of one run are compared.
"""

import base64
import json
from io import BytesIO
from pathlib import Path

import numpy
import pytest
from PIL import Image, ImageDraw

from helpers import enlarge, load_pipeline, seeded_latents
from helpers.course.checks.lesson_02 import NEIGHBOUR_PROMPT, NEIGHBOUR_SEED
from tools.notebooks.__main__ import ROOT
from tools.notebooks.pictures import cell_pictures
from tools.notebooks.rules import related_pictures

SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))

# Levels of 255, as the mean over all pixels. One run on one machine repeats a picture exactly or
# nearly so; another seed or word moves whole areas.
SAME_AT_MOST = 0.5
DIFFERENT_AT_LEAST = 2.0

# A picture made of NaNs comes out black, as one tile of a grid or alone. The side in pixels is
# under that of a sticker (128), so a label or a border does not hide the tile.
BLACK_SIDE = 96
BLACK_LEVEL = 2


def problems(notebook: dict, exports: Path) -> list[str]:
    """What is wrong with the pictures of a notebook, one sentence a problem."""
    found = []
    named: dict[str, numpy.ndarray] = {}
    for number, cell in enumerate(notebook["cells"]):
        metadata = cell["metadata"]
        name = metadata.get("picture")
        where = f"picture {name}" if name else f"cell {number}"
        pixels = []
        for file in cell_pictures(cell):
            try:
                with Image.open(BytesIO(file)) as picture:
                    pixels.append(numpy.asarray(picture.convert("RGB"), dtype=numpy.int16))
            except OSError as error:
                found.append(f"{where} does not decode: {error}")
        found += [f"{where} {fault}" for picture in pixels for fault in faults(picture)]
        if name is None:
            continue
        if len(pixels) != 1:
            found.append(f"{where}: its cell shows {len(pixels)} pictures instead of one")
            continue
        named[name] = pixels[0]
        found += broken_relations(where, metadata, named)
        if "export" in metadata:
            found += export_fault(where, exports / metadata["export"], pixels[0])
    return found


def faults(pixels: numpy.ndarray) -> list[str]:
    """What shows that a picture, (height, width, 3), went wrong."""
    if pixels.std(axis=(0, 1)).max() < 1:
        return ["is one colour all over"]
    if has_black_square(pixels):
        return [f"has a black square of {BLACK_SIDE} pixels"]
    return []


def has_black_square(pixels: numpy.ndarray) -> bool:
    """Is some square of `BLACK_SIDE` pixels all black? Sums over the area find it."""
    bright = (pixels.max(axis=2) > BLACK_LEVEL).astype(numpy.int64)
    sums = numpy.pad(bright.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    side = BLACK_SIDE
    counts = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    return bool((counts == 0).any())


def broken_relations(where: str, metadata: dict, named: dict[str, numpy.ndarray]) -> list[str]:
    found = []
    this = named[metadata["picture"]]
    for other in related_pictures(metadata, "same_as", "differs_from"):
        if other not in named:
            found.append(f"{where} is related to {other}, which no earlier cell shows")
    for other in related_pictures(metadata, "same_as"):
        if other in named and difference(this, named[other]) > SAME_AT_MOST:
            found.append(f"{where} should be the same as {other}")
    for other in related_pictures(metadata, "differs_from"):
        if other in named and difference(this, named[other]) < DIFFERENT_AT_LEAST:
            found.append(f"{where} should differ from {other}")
    return found


def difference(one: numpy.ndarray, other: numpy.ndarray) -> float:
    """The mean distance in levels of 255; infinite for pictures of different sizes."""
    if one.shape != other.shape:
        return float("inf")
    return float(numpy.abs(one - other).mean())


def export_fault(where: str, path: Path, pixels: numpy.ndarray) -> list[str]:
    if not path.exists():
        return [f"{where}: course/pictures/{path.name} is missing"]
    with Image.open(path) as stored:
        exported = numpy.asarray(stored.convert("RGB"), dtype=numpy.int16)
    if difference(exported, pixels) > SAME_AT_MOST:
        return [f"{where}: course/pictures/{path.name} is not the picture of the solution"]
    return []


# --- the solutions ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_pictures_of_a_solution(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert problems(notebook, ROOT / "course" / "pictures") == []


def test_the_weights_draw_the_picture_that_lesson_02_promises() -> None:
    """Weights that came without `make notebooks` would leave all stored pictures behind."""
    pipe = load_pipeline("stickers", device="cpu")
    pipe.set_progress_bar_config(disable=True)
    latents = seeded_latents(pipe, NEIGHBOUR_SEED)
    options = {"num_inference_steps": 25, "guidance_scale": 5.0}
    picture = enlarge(pipe(NEIGHBOUR_PROMPT, latents=latents, **options).images[0])
    with Image.open(ROOT / "course" / "pictures" / "02_neighbour.png") as promised:
        stored, drawn = (
            numpy.asarray(image.convert("RGB"), dtype=numpy.int16) for image in (promised, picture)
        )
    # Another processor rounds otherwise; other weights draw another picture.
    assert difference(stored, drawn) < DIFFERENT_AT_LEAST


def test_every_lesson_has_a_solution() -> None:
    scripts = {path.stem for path in (ROOT / "course" / "lessons").glob("*.py")}
    assert scripts and {path.stem for path in SOLUTIONS} == scripts


# --- the test itself, on pictures that are wrong on purpose ---------------------------------------


def sticker(colour: str, size: int = 128) -> Image.Image:
    picture = Image.new("RGB", (size, size), "teal")
    ImageDraw.Draw(picture).ellipse((20, 20, 100, 100), fill=colour)
    return picture


def cell(picture: Image.Image | bytes, /, **metadata: str) -> dict:
    if isinstance(picture, Image.Image):
        file = BytesIO()
        picture.save(file, "PNG")
        picture = file.getvalue()
    data = {"image/png": base64.b64encode(picture).decode()}
    return {"metadata": metadata, "outputs": [{"output_type": "display_data", "data": data}]}


def grid(*tiles: Image.Image) -> Image.Image:
    sheet = Image.new("RGB", (sum(tile.width for tile in tiles) + 8, 150), "white")
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (4 + index * tile.width, 4))
    return sheet


def found_in(*cells: dict, exports: Path = Path("nowhere")) -> list[str]:
    return problems({"cells": list(cells)}, exports)


def test_sound_pictures_pass() -> None:
    text = {"cell_type": "markdown", "metadata": {}, "source": "Text"}
    assert (
        found_in(
            text,
            cell(sticker("red"), picture="02.first"),
            cell(sticker("red"), picture="02.again", same_as="02.first"),
            cell(sticker("blue"), picture="02.other", differs_from="02.first, 02.again"),
            cell(grid(sticker("red"), sticker("black"))),
        )
        == []
    )


def test_swapped_pictures_fail() -> None:
    assert found_in(
        cell(sticker("red"), picture="02.first"),
        cell(sticker("blue"), picture="02.again", same_as="02.first"),
        cell(sticker("red"), picture="02.other", differs_from="02.first"),
    ) == [
        "picture 02.again should be the same as 02.first",
        "picture 02.other should differ from 02.first",
    ]


@pytest.mark.parametrize(
    ("picture", "fault"),
    [
        (Image.new("RGB", (128, 128)), "is one colour all over"),
        (Image.new("RGB", (128, 128), "teal"), "is one colour all over"),
        (grid(sticker("red"), Image.new("RGB", (128, 128))), "has a black square"),
        (Image.new("RGB", (32, 32)), "is one colour all over"),
        (b"no picture at all", "does not decode"),
    ],
)
def test_spoilt_picture_fails(picture, fault) -> None:
    (found,) = found_in(cell(picture))
    assert found.startswith("cell 0") and fault in found


def test_other_sizes_are_no_same_pictures() -> None:
    assert (
        len(
            found_in(
                cell(sticker("red"), picture="02.first"),
                cell(sticker("red", size=136), picture="02.again", same_as="02.first"),
            )
        )
        == 1
    )


def test_name_needs_one_picture_and_relations_an_earlier_one() -> None:
    both = cell(sticker("red"), picture="02.both")
    both["outputs"] *= 2
    assert found_in(both) == ["picture 02.both: its cell shows 2 pictures instead of one"]
    assert (
        "no earlier cell shows" in found_in(cell(sticker("red"), picture="02.a", same_as="02.b"))[0]
    )


def test_stale_export_fails(tmp_path) -> None:
    exported = cell(sticker("red"), picture="02.first", export="02_first.png")
    assert "02_first.png is missing" in found_in(exported, exports=tmp_path)[0]
    sticker("red").save(tmp_path / "02_first.png")
    assert found_in(exported, exports=tmp_path) == []
    sticker("blue").save(tmp_path / "02_first.png")
    assert "is not the picture of the solution" in found_in(exported, exports=tmp_path)[0]
