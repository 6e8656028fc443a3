import io
import json
import os
import re
import threading
from contextlib import redirect_stdout

import nbclient
import nbformat
import numpy as np
import pytest
from PIL import ExifTags, Image

from helpers import alt_text, enlarge, image_grid, image_settings, save_image, show_images
from helpers.pictures import files
from helpers.pictures.table import (
    GAP,
    MAX_LINES,
    SMALLEST,
    fitting_letters,
    label_font,
    wrapped,
)


def picture(colour="red", size=(64, 64), mode="RGB"):
    return Image.new(mode, size, colour)


# --- image_grid --------------------------------------------------------------------------------


def test_grid_places_pictures_row_by_row():
    colours = ["red", "green", "blue", "orange", "purple", "black"]
    grid = image_grid([picture(colour) for colour in colours], rows=2, cols=3)
    step = 64 + GAP
    assert grid.size == (3 * step - GAP, 2 * step - GAP)
    for i, colour in enumerate(colours):
        left, top = i % 3 * step, i // 3 * step
        assert grid.crop((left, top, left + 64, top + 64)) == picture(colour)


def test_grid_of_enlarged_pictures():
    grid = image_grid([picture("red"), picture("blue")], rows=1, labels=["a", "b"], min_width=100)
    plain = image_grid([picture("red"), picture("blue")], rows=1, labels=["a", "b"])
    assert grid.size == (4 * 64 + GAP, plain.height + 64)
    assert grid.crop((0, 0, 128, 128)) == picture("red").resize((128, 128))


def test_a_photo_stands_upright_in_the_grid():
    photo = Image.new("RGB", (48, 64), "red")
    photo.getexif()[ExifTags.Base.Orientation] = 6  # a quarter turn: it is 64 wide
    assert image_grid([photo, Image.new("RGB", (64, 48))], rows=2).size[0] == 64


@pytest.mark.parametrize(
    ("count", "options", "rows_and_cols"),
    [
        (1, {}, (1, 1)),
        (4, {}, (2, 2)),
        (5, {}, (2, 3)),
        (5, {"rows": 1}, (1, 5)),
        (5, {"cols": 2}, (3, 2)),
        (6, {"rows": np.int64(2), "cols": 3}, (2, 3)),
    ],
)
def test_grid_shape(count, options, rows_and_cols):
    rows, cols = rows_and_cols
    grid = image_grid([picture()] * count, **options)
    assert grid.size == (
        cols * (64 + GAP) - GAP,
        rows * (64 + GAP) - GAP,
    )


def test_labels_stand_under_their_picture_and_leave_it_alone():
    grid = np.asarray(image_grid([picture("red")] * 2, labels=["one", ""]))
    assert (grid[:64, :64] == (255, 0, 0)).all()
    under_first, under_second = grid[64:, :64], grid[64:, 64 + GAP :]
    assert under_first.min() < 100
    assert under_second.min() == 255


def test_labels_may_be_anything_that_can_be_printed():
    as_numbers = image_grid([picture()] * 2, labels=[1, 7.5])
    assert as_numbers == image_grid([picture()] * 2, labels=["1", "7.5"])


@pytest.mark.parametrize(
    "text",
    [
        "a 3d sticker of a fox on a teal background at night in the big city",
        "seed 6421725739674010",
        "w" * 500,
        "word " * 2000,
    ],
)
def test_long_labels_stay_in_their_cell(text):
    font = label_font(12)
    lines = wrapped(text, 128, font)
    assert 1 <= len(lines) <= MAX_LINES
    assert all(font.getlength(line) <= 128 for line in lines)
    whole = "".join(lines) == text.replace(" ", "") or " ".join(lines) == text
    assert whole or lines[-1].endswith("...")


def test_letters_get_smaller_before_a_word_is_broken():
    assert fitting_letters(["star", "fish"], 64, 12) == 12
    letters = fitting_letters(["star", "mushroom"], 64, 12)
    assert SMALLEST < letters < 12
    assert wrapped("mushroom", 64, label_font(letters)) == ["mushroom"]
    assert fitting_letters(["w" * 500], 64, 12) == SMALLEST
    small, large = (
        image_grid([picture()] * 2, rows=1, labels=["star", word]) for word in ("mushroom", "sun")
    )
    assert small.height < large.height  # one line, in smaller letters


def test_a_label_that_fits_is_whole():
    font = label_font(12)
    assert wrapped("a fox in a meadow", 128, font) == ["a fox in a meadow"]
    assert wrapped("seed 6421725739674010", 128, font) == ["seed", "6421725739674010"]
    assert wrapped("num_inference_steps 1", 100, font) == ["num_inference_", "steps 1"]
    assert wrapped("KDPM2AncestralDiscrete", 128, font) == ["KDPM2Ancestral", "Discrete"]
    assert wrapped("0.12345678901234567890", 128, font)[0].startswith("0.12")
    assert wrapped("", 128, font) == []


def test_labels_have_accents_and_other_scripts():
    labelled = [image_grid([picture()], labels=[text]) for text in ("öl", "ol", "Лиса", "Сова")]
    assert len({grid.tobytes() for grid in labelled}) == 4


def test_transparent_becomes_white():
    grid = image_grid([picture((255, 0, 0, 0), mode="RGBA")])
    assert grid.mode == "RGB"
    assert grid.getpixel((5, 5)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([],), ValueError, "images must hold at least one picture; got an empty list"),
        ((picture(),), TypeError, r"must be a list.*got one image. Write \[image\]"),
        ((7,), TypeError, "images must be a list of PIL images; got int"),
        (([picture(), "x.png"],), TypeError, r"images\[1\] must be a PIL image; got str"),
        (([np.zeros((8, 8, 3))],), TypeError, r"images\[0\].*got ndarray.*Image\.fromarray"),
        (([picture()] * 5, 2, 2), ValueError, "got 2 [*] 2 = 4 cells for 5 images"),
        (([picture()] * 5, 2, 3), ValueError, "got 2 [*] 3 = 6 cells for 5 images"),
        (([picture()], 0), ValueError, "rows must be at least 1; got 0"),
        (([picture()], None, -1), ValueError, "cols must be at least 1; got -1"),
        (([picture()], 1.0), TypeError, r"rows must be a whole number; got 1\.0 \(float\)"),
        (([picture()], True), TypeError, "rows must be a whole number; got True"),
        (([picture()], 1, 1, None, 0), ValueError, "min_width must be at least 1; got 0"),
        (([picture()], 1, 1, ["a", "b"]), ValueError, "got 2 labels for 1 images"),
        (([picture()], 1, 1, "a"), TypeError, "labels must be a list.*got the text 'a'"),
        (([picture()], 1, 1, 5), TypeError, r"labels must be a list.*got 5 \(int\)"),
        (([picture()], None, 10**9), ValueError, "rows and cols must.*at most 500 megapixels"),
        (([picture()], 10**9), ValueError, "rows and cols must.*got 64 x 67999999996 pixels"),
    ],
)
def test_bad_grids(arguments, error, words):
    with pytest.raises(error, match=words):
        image_grid(*arguments)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pictures_whose_white_is_unknown(tmp_path, mode):
    deep = Image.new(mode, (4, 4))
    words = f"must have 8 or 16 bits a channel; got a picture of mode '{mode}'.*convert it first"
    with pytest.raises(ValueError, match=rf"images\[1\] {words}"):
        image_grid([picture(size=(4, 4)), deep])
    with pytest.raises(ValueError, match=rf"images\[0\] {words}"):
        show_images([deep])
    with pytest.raises(ValueError, match=f"image {words}"):
        save_image(deep, tmp_path)
    with pytest.raises(ValueError, match=f"image {words}"):
        enlarge(deep)


def test_pictures_of_different_sizes():
    with pytest.raises(ValueError, match=r"images\[0\] is 64 x 64 and images\[2\] is 32 x 64"):
        image_grid([picture(), picture(), picture(size=(32, 64))])


def test_the_answer_of_a_pipeline_in_place_of_its_images():
    class Output:
        images = [picture()]

    with pytest.raises(TypeError, match=r"got Output\. .*take its \.images"):
        image_grid([Output()])


def test_enlarge():
    assert enlarge(picture(size=(8, 6)), factor=3).size == (24, 18)
    assert enlarge(picture(), factor=1) == picture()
    assert enlarge(picture(size=(128, 96))).size == (384, 288)
    assert enlarge(picture(size=(512, 512))).size == (512, 512)
    with pytest.raises(ValueError, match="factor must be at least 1; got 0"):
        enlarge(picture(), factor=0)
    with pytest.raises(TypeError, match="image must be a PIL image; got list"):
        enlarge([picture()])


# --- show_images -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shown():
    """The HTML that a notebook shows for three labelled pictures, and for 32 unlabelled ones."""
    code = """
from PIL import Image
from helpers import show_images
pictures = [Image.new("RGB", (8, 8), (8 * i, 0, 0)) for i in range(32)]
pictures[0].info["Description"] = "A stored description"
show_images(pictures[:3], labels=["<b>fox</b>", 'a "b"', 7])
show_images(pictures)
"""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    nbclient.NotebookClient(notebook, kernel_name="python3", timeout=300).execute()
    outputs = notebook.cells[0].outputs
    assert [output.output_type for output in outputs] == ["display_data"] * 2
    return [output.data["text/html"] for output in outputs]


def test_labels_are_escaped(shown):
    assert "<b>" not in shown[0]
    assert re.findall("<h4[^>]*>(.*?)</h4>", shown[0]) == [
        "&lt;b&gt;fox&lt;/b&gt;",
        "a &quot;b&quot;",
        "7",
    ]


def test_every_picture_is_shown_once_and_in_order(shown):
    import base64

    encoded = re.findall("base64,([^\"']+)", shown[1])
    reds = [Image.open(io.BytesIO(base64.b64decode(e))).getpixel((0, 0))[0] for e in encoded]
    assert reds == [8 * i for i in range(32)]


def test_every_picture_has_an_alt_text(shown):
    alts = [re.findall('<img alt="(.*?)" src=', html) for html in shown]
    assert alts[0] == ["&lt;b&gt;fox&lt;/b&gt;", "a &quot;b&quot;", "7"]
    assert alts[1] == ["A stored description", *(f"Picture {i}" for i in range(1, 32))]


def test_outside_a_notebook_it_prints():
    printed = io.StringIO()
    with redirect_stdout(printed):
        show_images([picture(), picture(size=(8, 4))], labels=["one", "two"])
    assert printed.getvalue() == "one (64 x 64 pixels)\ntwo (8 x 4 pixels)\n"


def test_bad_input_of_show_images():
    with pytest.raises(ValueError, match="got 1 labels for 2 images"):
        show_images([picture()] * 2, labels=["one"])
    with pytest.raises(ValueError, match="at least one picture"):
        show_images([])
    with pytest.raises(TypeError, match=r"labels must be a list.*got 5 \(int\)"):
        show_images([picture()], labels=5)
    with pytest.raises(ValueError, match="img_width must be at least 1; got 0"):
        show_images([picture()], img_width=0)


# --- save_image --------------------------------------------------------------------------------

SETTINGS = {
    "prompt": 'a fox, "wild" 🦊 猫\n',
    "negative_prompt": None,
    "seed": 6421725739674010,
    "guidance_scale": 7.5,
    "scheduler": {"name": "DDIM", "trailing": True},
}


def test_settings_come_back_and_pixels_too(tmp_path):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
    path = save_image(noise, tmp_path / "new" / "folder", SETTINGS)
    assert path.parent == tmp_path / "new" / "folder"
    assert path.name == "a-fox-wild-猫-seed-6421725739674010.png"
    assert image_settings(path) == SETTINGS
    with Image.open(path) as read:
        assert np.array_equal(read, noise)
        assert read.info["Description"] == alt_text(SETTINGS)


def test_numbers_of_numpy_are_stored_as_plain_ones(tmp_path):
    settings = {"seed": np.int64(3), "guidance_scale": np.float32(7.5)}
    path = save_image(picture(), tmp_path, settings)
    assert path.name == "seed-3.png"
    assert image_settings(path) == {"seed": 3, "guidance_scale": 7.5}


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a fox", "a-fox.png"),
        ("A FOX", "a-fox.png"),
        ("a/b\\c:d*e?f", "a-b-c-d-e-f.png"),
        ("../../etc/passwd", "etc-passwd.png"),
        ("nul\0byte and\nnewline", "nul-byte-and-newline.png"),
        ("🦊🦊", "picture.png"),
        ("", "picture.png"),
        ("...", "picture.png"),
        ("<script>alert(1)</script>", "script-alert-1-script.png"),
        ("CON", "picture-con.png"),
        ("com1", "picture-com1.png"),
        ("Lpt¹", "picture-lpt1.png"),
        ("ﬁne Straße", "fine-strasse.png"),
        ("broken \ud800 half", "broken-half.png"),
    ],
)
def test_any_prompt_gives_a_safe_name(tmp_path, prompt, name):
    path = save_image(picture(), tmp_path / "out", {"prompt": prompt})
    assert path == tmp_path / "out" / name
    assert os.listdir(tmp_path) == ["out"]
    assert os.listdir(tmp_path / "out") == [name]
    assert image_settings(path) == {"prompt": prompt}


@pytest.mark.parametrize("letter", ["x", "é", "猫", "x "])
def test_a_long_prompt_keeps_its_seed(tmp_path, letter):
    settings = {"prompt": letter * 10_000, "seed": 2**63 - 1}
    path = save_image(picture(), tmp_path, settings)
    assert path.name.endswith("-seed-9223372036854775807.png")
    assert 60 < len(path.stem.encode()) <= files.MAX_NAME_BYTES
    assert image_settings(path) == settings
    assert len(alt_text(settings)) <= files.MAX_ALT_TEXT


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("My Fox_1.png", "My Fox_1.png"),
        ("fox.v2.PNG", "fox.v2.png"),
        ("aux.png", "picture-aux.png"),
        ("a fox?.png", "a-fox.png"),
        ("x" * 300 + ".png", "x" * 80 + ".png"),
    ],
)
def test_a_given_name_is_kept_if_every_system_takes_it(tmp_path, given, written):
    assert save_image(picture(), tmp_path / given) == tmp_path / written
    assert os.listdir(tmp_path) == [written]


def test_no_other_picture_is_overwritten(tmp_path):
    first = save_image(picture("red"), tmp_path / "fox.png")
    second = save_image(picture("green"), tmp_path / "fox.png")
    third = save_image(picture("blue"), tmp_path / "FOX.png")
    assert [path.name for path in (first, second, third)] == ["fox.png", "fox-2.png", "FOX-3.png"]
    for path, colour in zip((first, second, third), ("red", "green", "blue"), strict=True):
        assert Image.open(path).getpixel((0, 0)) == picture(colour).getpixel((0, 0))


def test_the_same_picture_is_not_saved_twice(tmp_path):
    settings = {"prompt": "a fox", "seed": 1}
    first = save_image(picture(), tmp_path, settings)
    assert save_image(picture(), tmp_path, settings) == first
    assert save_image(picture(), tmp_path, settings | {"guidance_scale": 3}) != first
    assert len(os.listdir(tmp_path)) == 2


def test_threads_that_save_under_one_name_lose_nothing(tmp_path):
    paths = []

    def save(i):
        paths.append(save_image(picture((i, 0, 0)), tmp_path, {"prompt": "a fox"}))

    threads = [threading.Thread(target=save, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reds = {Image.open(path).getpixel((0, 0))[0] for path in tmp_path.iterdir()}
    assert len(set(paths)) == 16
    assert reds == set(range(16))


def test_file_systems_without_hard_links(tmp_path, monkeypatch):
    def refuse(*paths):
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", refuse)
    names = [save_image(picture(c), tmp_path / "fox.png").name for c in ("red", "green")]
    assert names == sorted(os.listdir(tmp_path), key=len) == ["fox.png", "fox-2.png"]


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def full_disk(self, file, **options):
        with open(file, "wb") as half:
            half.write(b"\x89PNG")
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_image(picture(), tmp_path / "fox.png")
    assert os.listdir(tmp_path) == []


EVERY_MODE = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "LAB"]


@pytest.mark.parametrize("mode", EVERY_MODE)
def test_every_mode_can_be_saved(tmp_path, mode):
    path = save_image(picture(size=(4, 4), colour=0, mode=mode), tmp_path)
    assert Image.open(path).size == (4, 4)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"prompt": None, "seed": 3}, "seed-3.png"),
        ({"prompt": None}, "picture.png"),
        ({"prompt": "x", "seed": True}, "x.png"),
    ],
)
def test_what_is_no_prompt_or_seed_is_left_out_of_the_name(tmp_path, settings, name):
    assert save_image(picture(), tmp_path, settings).name == name


def test_a_file_where_the_folder_should_be(tmp_path):
    file = tmp_path / "notes"
    file.write_text("mine", encoding="utf-8")
    for target in (file, file / "fox.png", file / "new" / "fox.png"):
        with pytest.raises(ValueError, match="folder_or_path must lead to a folder.*notes is a f"):
            save_image(picture(), target)
    assert file.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("target", "settings", "error", "words"),
    [
        ("fox.jpg", {}, ValueError, r"folder_or_path must end in \.png.*fox\.jpg"),
        ("", {}, ValueError, "folder_or_path must be a usable path; got ''"),
        ("a\0b", {}, ValueError, "folder_or_path must be a usable path"),
        ("~nouser/x.png", {}, ValueError, "folder_or_path must be a usable path; got '~nouser/x"),
        ("~nouser", {}, ValueError, "folder_or_path must be a usable path; got '~nouser'"),
        ("x" * 300, {}, ValueError, "folder_or_path must be a usable path; got 'xxx"),
        (7, {}, TypeError, r"folder_or_path must be a folder.*got 7 \(int\)"),
        ("out", "seed 7", TypeError, r"settings must be a dict.*got 'seed 7' \(str\)"),
        ("out", {"latents": object()}, TypeError, r"settings\['latents'\].*got <object"),
        ("out", {"guidance_scale": float("nan")}, ValueError, r"settings\['guidance_scale'\].*nan"),
        ("out", {3: "x"}, TypeError, "names in settings must be text; got 3"),
    ],
)
def test_bad_input_of_save_image(tmp_path, monkeypatch, target, settings, error, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        save_image(picture(), target, settings)
    assert os.listdir(tmp_path) == []


def test_only_pictures_are_saved(tmp_path):
    with pytest.raises(TypeError, match="image must be a PIL image; got list"):
        save_image([picture()], tmp_path)


def test_no_program_is_started_for_a_picture_of_another_format(tmp_path, monkeypatch):
    """Pillow hands an EPS file to Ghostscript, whatever its name is."""
    eps = tmp_path / "fox.png"
    picture().convert("RGB").save(eps, format="EPS")
    monkeypatch.setattr("subprocess.check_call", lambda *_, **__: pytest.fail("started"))
    with pytest.raises(ValueError, match="must be a PNG picture"):
        image_settings(eps)


def test_files_without_settings(tmp_path):
    picture().save(tmp_path / "plain.png")
    (tmp_path / "text.png").write_text("no picture", encoding="utf-8")
    with pytest.raises(ValueError, match="plain.png holds no settings"):
        image_settings(tmp_path / "plain.png")
    with pytest.raises(ValueError, match="must be a PNG picture"):
        image_settings(tmp_path / "text.png")
    with pytest.raises(FileNotFoundError):
        image_settings(tmp_path / "none.png")


# --- alt_text ----------------------------------------------------------------------------------


def test_alt_text_names_the_prompt_and_the_settings():
    settings = {"prompt": "a fox", "seed": 7, "guidance_scale": 7.5, "negative_prompt": None}
    expected = 'Generated picture for the prompt "a fox", seed 7, guidance scale 7.5'
    assert alt_text(settings) == expected
    assert alt_text({}) == alt_text({"prompt": None}) == "Generated picture"


def test_alt_text_is_one_line_that_can_be_stored():
    text = alt_text({"prompt": "a\nfox\0 \ud800!", "seed": 1})
    assert text == 'Generated picture for the prompt "a fox !", seed 1'
    assert json.dumps(text).isascii()
