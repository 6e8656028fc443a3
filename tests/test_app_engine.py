"""The app's engine without a page: fairness, places, bounds, leaving; and what may be asked for.

Most tests turn the engine by hand, so that nothing depends on how fast the computer is.
"""

import asyncio
import io
import struct
import zipfile
import zlib
from pathlib import Path

import numpy
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from helpers.app import album as album_module
from helpers.app import limits, markup, words
from helpers.app.album import Album
from helpers.app.queue import Engine, EngineFull
from helpers.models.catalogue import MODELS
from helpers.pictures.files import image_settings
from helpers.sampling.cell import Cell
from tests.pipelines import plain_call, tiny_sd_pipeline

SECONDS = 300  # a computer that is busy with other things is no fault


@pytest.fixture
def engine(tiny_pipe):
    """Turned by hand; four U-Net rows a call are two pictures with guidance."""
    return Engine(
        {"tiny": tiny_pipe}, max_rows=4, capacity=40, user_capacity=30, idle_seconds=SECONDS
    )


@pytest.fixture
def served(tiny_pipe):
    """At work in its thread, and patient: a test asks about one job after the other."""
    engine = Engine({"tiny": tiny_pipe}, idle_seconds=SECONDS).start()
    yield engine
    engine.shutdown()


def cells(count: int, steps: int = 3, **settings) -> list[Cell]:
    return [
        Cell("a fox", seed=seed, num_inference_steps=steps, **settings)
        for seed in range(1, count + 1)
    ]


def done(engine, job) -> int:
    return engine.progress(job).count("done")


def turn_until(engine, condition) -> None:
    for _ in range(500):
        if condition():
            return
        engine.turn()
    raise AssertionError("the engine did not get there in 500 turns")


def assert_is_pipes(pipe, picture) -> None:
    """At most one of 256 levels away from what `pipe()` gives for the same settings."""
    _, expected = plain_call(pipe, picture.cell)
    assert expected.std() > 1
    assert abs(numpy.asarray(picture.image).astype(int) - expected).max() <= 1


# Everybody gets the right pictures


def test_users_with_different_settings_get_what_pipe_gives(served, tiny_pipe):
    asked = [
        cells(2, 4, guidance_scale=7.5),
        cells(1, 6, guidance_scale=1.0, negative_prompt="blue"),
        cells(2, 3, guidance_scale=3.0, scheduler="euler ancestral"),
        cells(1, 5, guidance_scale=20.0, scheduler="ddim"),
    ]
    jobs = [served.submit(f"user {i}", "tiny", some) for i, some in enumerate(asked)]
    for job, some in zip(jobs, asked, strict=True):
        progress = served.wait(job, timeout=SECONDS)
        assert [picture.cell for picture in progress.pictures] == some
        for picture in progress.pictures:
            assert_is_pipes(tiny_pipe, picture)


def test_each_model_draws_its_own_pictures(tiny_pipe):
    other = tiny_sd_pipeline(seed=5)
    engine = Engine({"tiny": tiny_pipe, "other": other}, idle_seconds=SECONDS).start()
    try:
        jobs = {name: engine.submit("ada", name, cells(1)) for name in ("tiny", "other")}
        for name, pipe in {"tiny": tiny_pipe, "other": other}.items():
            assert_is_pipes(pipe, engine.wait(jobs[name], timeout=SECONDS).pictures[0])
    finally:
        engine.shutdown()
    assert engine.versions["tiny"] != engine.versions["other"]


def test_users_share_the_calls_of_the_unet(engine, tiny_pipe, monkeypatch):
    rows, forward = [], tiny_pipe.unet.forward

    def counted(sample, *args, **options):
        rows.append(len(sample))
        return forward(sample, *args, **options)

    monkeypatch.setattr(tiny_pipe.unet, "forward", counted)
    first, second = cells(2)
    jobs = [engine.submit("ada", "tiny", [first]), engine.submit("ben", "tiny", [second])]
    turn_until(engine, lambda: all(engine.progress(job).finished for job in jobs))
    assert rows == [4] * len(rows)


def test_one_failing_picture_leaves_the_others_alone(engine):
    wrong = Cell("a fox", scheduler="no such scheduler", num_inference_steps=2)
    job = engine.submit("ada", "tiny", [*cells(1, 2), wrong, *cells(1, 2)])
    turn_until(engine, lambda: engine.progress(job).finished)
    first, second, third = engine.progress(job).pictures
    assert (first.state, second.state, third.state) == ("done", "failed", "done")
    assert "no such scheduler" in second.error


def test_previews_come_between_and_not_when_the_class_is_busy(tiny_pipe):
    engine = Engine({"tiny": tiny_pipe}, max_rows=40, idle_seconds=SECONDS)
    job = engine.submit("ada", "tiny", cells(1, steps=12))
    seen = []
    while not engine.progress(job).finished:
        engine.turn()
        seen.append(engine.progress(job).pictures[0].preview)
    previews = {id(preview): preview for preview in seen if preview is not None}
    assert len(previews) == 2  # after 5 and 10 of 13 evaluations
    assert all(preview.size == (32, 32) for preview in previews.values())
    busy = engine.submit("ben", "tiny", cells(9, steps=12))
    turn_until(engine, lambda: engine.progress(busy).finished)
    assert all(picture.preview is None for picture in engine.progress(busy).pictures)


# Fair, bounded, told


def test_who_asks_for_one_picture_does_not_wait_for_who_asked_for_twenty(engine):
    many = engine.submit("ada", "tiny", cells(20))
    engine.turn()
    one = engine.submit("ben", "tiny", cells(1))
    assert engine.progress(one).place == 1
    turn_until(engine, lambda: engine.progress(one).finished)
    assert done(engine, many) <= 4


def test_the_place_that_is_told_is_the_order_in_which_pictures_start(engine):
    jobs = {
        "ada": engine.submit("ada", "tiny", cells(5)),
        "ben": engine.submit("ben", "tiny", cells(2)),
        "cy": engine.submit("cy", "tiny", cells(3)),
        "ada again": engine.submit("ada", "tiny", cells(1)),
    }
    places = {name: engine.progress(job).place for name, job in jobs.items()}
    assert places == {"ada": 1, "ben": 2, "cy": 3, "ada again": 11}
    told = {name: markup.sentence(engine.progress(job)) for name, job in jobs.items()}
    assert told["ada"] == "Waiting: 0 of 5 done, and you are next in line."
    assert told["ada again"] == "Waiting: 0 of 1 done, and you are number 11 in line."
    started = []
    while not all(engine.progress(job).finished for job in jobs.values()):
        engine.turn()
        for name, job in jobs.items():
            started += [name] * (len(job.trajectories) - started.count(name))
    assert started[:6] in (
        ["ada", "ben", "cy", "ada", "ben", "cy"],
        ["ada", "ben", "ada", "cy", "ben", "cy"],  # two start in one turn
    )
    assert started[-1] == "ada again"


def test_a_full_queue_is_refused_with_a_reason(engine):
    engine.submit("ada", "tiny", cells(30))
    with pytest.raises(
        EngineFull, match="You have 30 pictures waiting, and one person may have 30"
    ):
        engine.submit("ada", "tiny", cells(1))
    engine.submit("ben", "tiny", cells(10))
    with pytest.raises(EngineFull, match="The queue is full: 40 pictures are waiting"):
        engine.submit("cy", "tiny", cells(1))
    assert engine.load == (0, 40)


def test_an_unknown_model_is_refused(engine):
    with pytest.raises(LookupError, match="model must be one of tiny; got 'sd'"):
        engine.submit("ada", "sd", cells(1))


# Leaving


def test_stopping_frees_the_places_at_once(engine):
    job = engine.submit("ada", "tiny", cells(20))
    engine.turn()
    assert engine.load == (2, 18)
    engine.stop(job)
    engine.turn()
    assert engine.load == (0, 0)
    progress = engine.progress(job)
    assert (progress.finished, progress.stopped) == (True, True)
    assert progress.count("cancelled") == 20


def test_stopping_one_user_leaves_the_others(engine):
    gone, stays = engine.submit("ada", "tiny", cells(9)), engine.submit("ben", "tiny", cells(3))
    engine.turn()
    engine.stop_user("ada")
    turn_until(engine, lambda: engine.progress(stays).finished)
    assert done(engine, stays) == 3
    assert engine.progress(gone).stopped


def test_to_stop_a_finished_job_changes_nothing(engine):
    job = engine.submit("ada", "tiny", cells(1))
    turn_until(engine, lambda: engine.progress(job).finished)
    engine.stop(job)
    assert not engine.progress(job).stopped
    assert done(engine, job) == 1


def test_a_job_that_nobody_asks_about_is_given_up(tiny_pipe):
    engine = Engine({"tiny": tiny_pipe}, max_rows=4, idle_seconds=0.0)
    job = engine.submit("ada", "tiny", cells(5))
    engine.turn()
    engine.turn()
    assert engine.load == (0, 0)
    assert job.stopped


def test_who_stops_following_stops_the_job(engine):
    job = engine.submit("ada", "tiny", cells(5))

    async def look_once():
        followed = engine.follow(job)
        assert (await anext(followed)).place == 1
        await followed.aclose()

    asyncio.run(look_once())
    assert engine.load == (0, 0)


def test_following_tells_of_changes_up_to_the_end(served):
    job = served.submit("ada", "tiny", cells(2, steps=10))

    async def listen():
        return [progress.share async for progress in served.follow(job)]

    shares = asyncio.run(listen())
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert not job.stopped


def test_shutdown_ends_all_jobs_and_the_thread(tiny_pipe):
    engine = Engine({"tiny": tiny_pipe}, max_rows=2).start()
    job = engine.submit("ada", "tiny", cells(30, steps=50))
    engine.shutdown()
    assert engine.progress(job).finished
    assert not engine._thread.is_alive()
    with pytest.raises(RuntimeError, match="shut down"):
        engine.submit("ada", "tiny", cells(1))


def test_one_address_cannot_fill_the_queue_for_the_others(engine):
    for user in ("ada", "ben"):
        engine.submit(user, "tiny", cells(10), address="10.0.0.1")
    with pytest.raises(EngineFull, match="20 pictures are waiting for people at your network"):
        engine.submit("cy", "tiny", cells(1), address="10.0.0.1")
    engine.submit("dan", "tiny", cells(10), address="10.0.0.2")


def test_one_window_is_stopped_and_the_others_of_its_visitor_are_not(engine):
    first = engine.submit("ada", "tiny", cells(1), session="one")
    second = engine.submit("ada", "tiny", cells(1), session="two")
    engine.stop_user("ada", "one")
    assert (engine.progress(first).finished, engine.progress(second).finished) == (True, False)


def test_a_pause_ends_nothing_and_begins_nothing(engine):
    begun = engine.submit("ada", "tiny", cells(2))
    engine.turn()
    engine.pause()
    waits = engine.submit("ben", "tiny", cells(1))
    turn_until(engine, lambda: engine.progress(begun).finished)
    for _ in range(3):
        engine.turn()
    assert done(engine, begun) == 2 and engine.load == (0, 1)
    assert "paused by the teacher" in markup.sentence(engine.progress(waits))
    engine.pause(False)
    turn_until(engine, lambda: engine.progress(waits).finished)
    assert done(engine, waits) == 1


def test_a_paused_engine_rests_and_goes_on_when_it_is_told(served, monkeypatch):
    served.pause()
    turns, turn = [], served.turn
    monkeypatch.setattr(served, "turn", lambda: (turns.append(1), turn())[1])
    job = served.submit("ada", "tiny", cells(1))
    with pytest.raises(TimeoutError):
        served.wait(job, timeout=0.5)
    assert turns == []
    served.pause(False)
    assert served.wait(job, SECONDS).count("done") == 1


# Limits

GOOD = {
    "prompt": " a fox ",
    "negative_prompt": "",
    "guidance_scale": 7,
    "num_inference_steps": 25.0,
    "seed": 99998,
}
START = ("guidance_scale", "num_inference_steps")  # what a model of the catalogue brings along


def test_seeds_count_up_and_stay_in_range():
    made = limits.pictures(GOOD, 3.0)
    assert [cell.seed for cell in made] == [99998, 99999, 1]
    assert (made[0].prompt, made[0].negative_prompt, made[0].num_inference_steps) == (
        "a fox",
        None,
        25,
    )


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"prompt": ""}, "The prompt is empty"),
        ({"prompt": " \n "}, "The prompt is empty"),
        ({"prompt": "x" * 10_000}, "Prompt may have 500 characters; this one has 10000"),
        ({"prompt": None}, "Prompt must be a text"),
        ({"prompt": ["a fox"]}, "Prompt must be a text"),
        ({"prompt": "\ud800"}, "characters that are not text"),
        ({"negative_prompt": 3}, "Negative prompt must be a text"),
        ({"images": 11}, "Number of pictures must be from 1 to 10; got 11"),
        ({"images": 0}, "from 1 to 10"),
        ({"images": 2.5}, "must be a whole number; got 2.5"),
        ({"images": "4"}, "must be a number from 1 to 10"),
        ({"images": True}, "must be a number"),
        ({"guidance_scale": float("nan")}, "Guidance must be from 0 to 20; got nan"),
        ({"guidance_scale": 10**400}, "from 0 to 20; got 1000"),
        ({"guidance_scale": -0.1}, "from 0 to 20"),
        ({"num_inference_steps": 1000}, "Steps must be from 1 to 100; got 1000"),
        ({"num_inference_steps": 0}, "Steps must be from 1 to 100; got 0"),
        ({"seed": 0}, "Seed must be from 1 to 99999"),
        ({"seed": "one"}, "Seed must be a number"),
        ({"seed": "7.5"}, "Seed must be a number"),
        ({"seed": "9" * 30}, "Seed must be from 1 to 99999"),
        ({"seed": [7]}, "Seed must be a number"),
        ({"scheduler": "../ddim"}, "Scheduler must be one of"),
        ({"scheduler": {}}, "Scheduler must be one of"),
    ],
)
def test_what_is_out_of_bounds_is_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        limits.pictures(GOOD | wrong, wrong.get("images", 3))


@pytest.mark.parametrize("model", MODELS)
def test_the_settings_that_a_model_starts_with_are_within_bounds(model):
    start = {name: getattr(MODELS[model], name) for name in START}
    [cell] = limits.pictures(GOOD | start, 1)
    assert {name: getattr(cell, name) for name in START} == start


def test_axis_values_are_read_as_people_write_them():
    assert limits.axis_values("seed", "1, 2,\n3,2") == (1, 2, 3)
    assert limits.axis_values("guidance_scale", "1,7.5") == (1.0, 7.5)
    assert limits.axis_values("scheduler", "DDIM, dpm++") == ("ddim", "dpm++")
    assert limits.axis_values("prompt", "a fox, red\n\nan owl") == ("a fox, red", "an owl")
    assert limits.axis_values("negative_prompt", "None\nflat, red") == (None, "flat, red")


@pytest.mark.parametrize(
    "name, values, says",
    [
        ("seed", "", "has no values"),
        ("seed", "1, two", "must be numbers"),
        ("seed", "0", "Seed must be from 1"),
        ("seed", ",".join(map(str, range(1, 14))), "An axis may have 12 values; Seed has 13"),
        ("guidance_scale", "inf", "Guidance must be"),
        ("height", "64", "axis must be one of"),
        ("prompt", "x" * 501, "may have 500 characters"),
        (None, "1", "axis must be one of"),
        ("seed", 7, "must be a text"),
    ],
)
def test_axis_values_out_of_bounds_are_refused(name, values, says):
    with pytest.raises(ValueError, match=says):
        limits.axis_values(name, values)


def test_a_sweep_that_is_too_large_is_refused():
    axes = {"seed": tuple(range(1, 8)), "guidance_scale": (1.0, 2.0, 3.0, 4.0, 5.0, 6.0)}
    with pytest.raises(ValueError, match="may have 36 pictures; this one has 42"):
        limits.sweep(axes, {"prompt": "a fox"})


def png_that_claims_to_be(width: int, height: int) -> bytes:
    """A small file whose header promises hundreds of megapixels."""
    buffer = io.BytesIO()
    Image.new("1", (8, 8)).save(buffer, format="PNG")
    content = bytearray(buffer.getvalue())
    content[16:24] = struct.pack(">II", width, height)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


def test_an_upload_must_be_a_picture_of_sensible_size(tmp_path):
    text = tmp_path / "text.png"
    text.write_text("no picture", encoding="utf-8")
    svg = tmp_path / "drawing.png"
    svg.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", encoding="utf-8")
    cut = tmp_path / "cut.png"
    Image.effect_noise((64, 64), 50).save(cut)
    cut.write_bytes(cut.read_bytes()[:500])
    for path, says in (
        (text, "no PNG, JPEG or WebP"),
        (svg, "no PNG, JPEG or WebP"),
        (cut, "damaged picture"),
        (tmp_path / "missing.png", "not here any more"),
    ):
        with pytest.raises(limits.Invalid, match=says) as caught:
            limits.uploaded_image(path)
        assert caught.value.name == "upload"
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_that_claims_to_be(20_000, 20_000))
    with pytest.raises(ValueError, match="megapixels"):
        limits.uploaded_image(bomb)
    wide = tmp_path / "wide.png"
    Image.new("1", (2049, 8)).save(wide)
    with pytest.raises(ValueError, match="2048 pixels wide and high; it is 2049 x 8"):
        limits.uploaded_image(wide)
    with pytest.raises(ValueError, match="Choose a picture of your album, or upload one"):
        limits.uploaded_image(None)


# Every format that Pillow knows beside the three: it decodes some inside Image.open, and starts
# Ghostscript for one.
@pytest.mark.parametrize(
    "content",
    [
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
        b"qoif\x00\x00\x00\x08\x00\x00\x00\x08\x03\x00" + b"\xfe\x00\x00\x00" * 64,
        b"P6 8 8 255 " + bytes(192),
        b"farbfeld" + bytes(8),
        b"#define im_width 8\n#define im_height 8\nstatic char im_bits[] = {\n0x00};\n",
        b"/* XPM */\nstatic char *x[] = {\n",
    ],
)
def test_formats_that_pillow_knows_and_the_app_does_not_are_never_opened(
    tmp_path, content, monkeypatch
):
    def opened(*arguments, **options):
        pytest.fail("Ghostscript was started")

    monkeypatch.setattr("subprocess.check_call", opened)
    path = tmp_path / "face.png"
    path.write_bytes(content)
    with pytest.raises(limits.Invalid, match="no PNG, JPEG or WebP"):
        limits.uploaded_image(path)
    with pytest.raises(limits.Invalid, match="holds no settings"):
        limits.uploaded_settings(path)


@pytest.mark.parametrize("kind", ["GIF", "BMP", "TIFF", "PPM", "ICNS", "TGA"])
def test_other_formats_are_refused_whatever_they_are_called(tmp_path, kind):
    path = tmp_path / "face.png"
    Image.new("RGB", (16, 16)).save(path, format=kind)
    with pytest.raises(limits.Invalid, match="no PNG, JPEG or WebP"):
        limits.uploaded_image(path)


def test_settings_are_read_from_a_png_only(tmp_path):
    path = tmp_path / "fox.png"
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = "settings"
    Image.new("RGB", (8, 8)).save(path, format="JPEG", exif=exif)
    with pytest.raises(limits.Invalid, match="holds no settings"):
        limits.uploaded_settings(path)


def test_an_upload_is_upright(tmp_path):
    phone, exif = tmp_path / "phone.jpg", Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # a quarter turn to the right, please
    held = Image.new("RGB", (64, 32), "white")
    held.paste("black", (0, 0, 32, 32))
    held.save(phone, exif=exif)
    image = limits.uploaded_image(phone)
    assert image.size == (32, 64)
    top, bottom = image.getpixel((16, 8)), image.getpixel((16, 56))
    assert max(top) < 9 and min(bottom) > 246


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II+\0\x08\0\0\0\xff\xff"])
def test_an_upload_with_broken_exif_is_taken_as_it_is(tmp_path, exif):
    Image.new("RGB", (8, 4), "teal").save(tmp_path / "odd.png", exif=exif)
    image = limits.uploaded_image(tmp_path / "odd.png")
    assert (image.size, image.getpixel((0, 0))) == ((8, 4), (0, 128, 128))


def test_what_is_transparent_in_an_upload_is_white(tmp_path):
    Image.new("RGBA", (8, 8), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    image = limits.uploaded_image(tmp_path / "clear.png")
    assert (image.mode, image.getpixel((0, 0))) == ("RGB", (255, 255, 255))


def test_the_settings_of_an_upload_are_settings(tmp_path):
    paths = {name: tmp_path / f"{name}.png" for name in ("text", "plain", "list", "broken")}
    paths["text"].write_text("no picture", encoding="utf-8")
    for name, stored in {"plain": None, "list": "[1]", "broken": "[" * 100_000}.items():
        text = PngImagePlugin.PngInfo()
        if stored:
            text.add_text("settings", stored)
        Image.new("RGB", (8, 8)).save(paths[name], pnginfo=text)
    paths["bomb"] = tmp_path / "bomb.png"
    paths["bomb"].write_bytes(png_that_claims_to_be(20_000, 20_000))
    for path in paths.values():
        with pytest.raises(ValueError, match="This file holds no settings"):
            limits.uploaded_settings(path)


# Album


CELL = Cell("a fox", "blue", 7, 10, 3.0, "ddim")


@pytest.fixture
def kept():
    album = Album()
    yield album
    album.close()


def keep(album: Album, user: str = "ada"):
    return album.keep(user, Image.new("RGB", (8, 8)), CELL, "tiny", "v")


def test_the_album_keeps_settings_inside_and_goes_with_the_app():
    album = Album()
    made = keep(album)
    assert image_settings(made.path) == {
        "prompt": "a fox",
        "negative_prompt": "blue",
        "seed": 7,
        "num_inference_steps": 10,
        "guidance_scale": 3.0,
        "scheduler": "ddim",
        "eta": 0.0,
        "height": 8,
        "width": 8,
        "model": "tiny",
        "model_version": "v",
    }
    assert album.find("ada", made.id) is album.get(made.id) is made
    for user, id in (("ben", made.id), ("ada", "guess"), ("ada", None), ("ada", ["x"])):
        with pytest.raises(LookupError, match="not in your album"):
            album.find(user, id)
    album.close()
    assert not made.path.exists()


def test_a_full_album_forgets_the_oldest_that_is_no_favorite(kept, monkeypatch):
    monkeypatch.setattr(album_module, "USER_PICTURES", 3)
    made = [keep(kept) for _ in range(3)]
    made[0].is_favorite = True
    newest = keep(kept)
    assert kept.of("ada") == [newest, made[2], made[0]]
    assert not made[1].path.parent.exists() and kept.get(made[1].id) is None


def test_a_deleted_picture_is_gone_and_a_classmate_cannot_delete(kept):
    first, second = keep(kept), keep(kept)
    with pytest.raises(LookupError):
        kept.delete("ben", first.id)
    kept.delete("ada", first.id)
    assert kept.of("ada") == [second]
    assert not first.path.parent.exists() and kept.get(first.id) is None


@pytest.mark.parametrize("bound, value", [("USERS", 2), ("TOTAL_BYTES", 1)])
def test_who_came_longest_ago_makes_room(kept, monkeypatch, bound, value):
    monkeypatch.setattr(album_module, bound, value)
    made = {user: keep(kept, user) for user in ("ada", "ben", "cy")}
    assert kept.of("ada") == [] and kept.of("cy") == [made["cy"]]
    assert kept.get(made["ada"].id) is None


def test_what_is_improved_and_whole_sweeps_are_in_the_album_too(kept):
    image, original = Image.new("RGB", (16, 16)), keep(kept)
    improved = kept.keep_improved("ada", image, original, 2)
    assert (improved.kind, improved.settings["prompt"]) == ("improved", "a fox")
    assert improved.settings["improved_times"] == 2
    assert "upload" in kept.keep_improved("ada", image, None, 2).caption
    sweep = kept.keep_sweep("ada", image, {"axes": ["seed"], "prompt": "a fox"}, "tiny", "v")
    assert sweep.path.name == "sweep.png" and sweep.caption.startswith("a sweep over seed")
    with zipfile.ZipFile(kept.zip("ada")) as archive:
        assert len(archive.namelist()) == 4 and archive.testzip() is None


def test_a_picture_that_cannot_be_saved_leaves_nothing(kept, monkeypatch):
    def full(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr(album_module, "save_image", full)
    with pytest.raises(OSError):
        keep(kept)
    assert kept.of("ada") == [] and not list(Path(kept._folder.name).iterdir())


# Words


def test_a_prompt_is_counted_and_what_is_not_read_is_told(tiny_pipe):
    read, most, cut = words.tokens_of(tiny_pipe, "a fox")
    assert 0 < read <= most == tiny_pipe.tokenizer.model_max_length - 2 and cut == ""
    long = " ".join(f"fox{i}" for i in range(200))
    read, most, cut = words.tokens_of(tiny_pipe, long)
    ids = tiny_pipe.tokenizer(long, truncation=True).input_ids
    kept_text = long.removesuffix(cut)
    kept_ids = tiny_pipe.tokenizer(kept_text).input_ids
    # The last token that is read may be the middle of a word, which is another token at an end.
    assert read > most and len(kept_ids) == most + 2 and kept_ids[:most] == ids[:most]


def test_unknown_words_are_marked_for_the_models_that_come_with_the_course(tiny_pipe):
    told = words.note(tiny_pipe, "stickers", "a badger & a <fox>")
    assert "<mark>badger</mark>" in told and "<fox>" not in told
    assert "<mark>" not in words.note(tiny_pipe, "sd-v1-5", "a badger")
