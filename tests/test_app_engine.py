"""The app's engine without a page: fairness, places, bounds, leaving; and what may be asked for.

Most tests turn the engine by hand, so that nothing depends on how fast the computer is.
"""

import asyncio
import io
import struct
import zlib

import numpy
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from helpers.app import limits, markup
from helpers.app.album import SHEETS, USER_PICTURES, Album
from helpers.app.queue import Engine, EngineFull
from helpers.models.catalogue import MODELS
from helpers.pictures.files import image_settings
from helpers.sampling.cell import Cell
from tests.pipelines import plain_call, tiny_sd_pipeline

SECONDS = 300  # a computer that is busy with other things is no fault


@pytest.fixture
def engine(tiny_pipe):
    """Turned by hand; four U-Net rows a call are two pictures with guidance."""
    return Engine({"tiny": tiny_pipe}, max_rows=4, capacity=40, user_capacity=30, patience=SECONDS)


@pytest.fixture
def served(tiny_pipe):
    """At work in its thread, and patient: a test asks about one job after the other."""
    engine = Engine({"tiny": tiny_pipe}, patience=SECONDS).start()
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
    engine = Engine({"tiny": tiny_pipe, "other": other}, patience=SECONDS).start()
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
    engine = Engine({"tiny": tiny_pipe}, max_rows=40, patience=SECONDS)
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
    engine = Engine({"tiny": tiny_pipe}, max_rows=4, patience=0.0)
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


# Limits

GOOD = {
    "prompt_text": " a fox ",
    "negative_prompt": "",
    "images": 3.0,
    "guidance_scale": 7,
    "num_inference_steps": 25.0,
    "seed": 99998,
}
START = ("guidance_scale", "num_inference_steps")  # what a model of the catalogue brings along


def test_seeds_count_up_and_stay_in_range():
    made = limits.pictures(**GOOD)
    assert [cell.seed for cell in made] == [99998, 99999, 1]
    assert (made[0].prompt, made[0].negative_prompt, made[0].num_inference_steps) == (
        "a fox", None, 25,
    )  # fmt: skip


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"prompt_text": ""}, "The prompt is empty"),
        ({"prompt_text": " \n "}, "The prompt is empty"),
        ({"prompt_text": "x" * 10_000}, "Prompt may have 500 characters; this one has 10000"),
        ({"prompt_text": None}, "Prompt must be a text"),
        ({"prompt_text": ["a fox"]}, "Prompt must be a text"),
        ({"prompt_text": "\ud800"}, "characters that are no text"),
        ({"negative_prompt": 3}, "Negative prompt must be a text"),
        ({"images": 11}, "Number of images must be from 1 to 10; got 11"),
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
        ({"seed": None}, "Seed must be a number"),
        ({"scheduler": "../ddim"}, "Scheduler must be one of"),
        ({"scheduler": {}}, "Scheduler must be one of"),
    ],
)
def test_what_is_out_of_bounds_is_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        limits.pictures(**GOOD | wrong)


@pytest.mark.parametrize("model", MODELS)
def test_the_settings_that_a_model_starts_with_are_within_bounds(model):
    start = {name: getattr(MODELS[model], name) for name in START}
    [cell] = limits.pictures(**GOOD | start | {"images": 1})
    assert {name: getattr(cell, name) for name in START} == start


def test_axis_values_are_read_as_people_write_them():
    assert limits.axis_values("seed", "1, 2,\n3,2") == (1, 2, 3)
    assert limits.axis_values("guidance_scale", "1,7.5") == (1.0, 7.5)
    assert limits.axis_values("scheduler", "DDIM, dpm++") == ("ddim", "dpm++")
    assert limits.axis_values("prompt", "a fox, red\n\nan owl") == ("a fox, red", "an owl")


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
    for path in (text, svg, cut, tmp_path / "missing.png"):
        with pytest.raises(ValueError, match="no picture that can be read"):
            limits.uploaded_image(path)
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_that_claims_to_be(20_000, 20_000))
    with pytest.raises(ValueError, match="no picture that can be read"):
        limits.uploaded_image(bomb)
    wide = tmp_path / "wide.png"
    Image.new("1", (2049, 8)).save(wide)
    with pytest.raises(ValueError, match="2048 pixels wide and high; it is 2049 x 8"):
        limits.uploaded_image(wide)
    with pytest.raises(ValueError, match="no picture yet"):
        limits.uploaded_image(None)


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


def test_the_album_keeps_settings_inside_and_forgets_the_oldest():
    album = Album()
    cell = Cell("a fox", "blue", 7, 10, 3.0, "ddim")
    made = [
        album.keep("ada", Image.new("RGB", (8, 8)), cell, "tiny", "v")
        for _ in range(USER_PICTURES + 2)
    ]
    assert image_settings(made[-1].path) == {
        "prompt": "a fox", "negative_prompt": "blue", "seed": 7, "num_inference_steps": 10,
        "guidance_scale": 3.0, "scheduler": "ddim", "height": 8, "width": 8,
        "model": "tiny", "model_version": "v",
    }  # fmt: skip
    assert [one.number for one in album.of("ada")][:2] == [USER_PICTURES + 2, USER_PICTURES + 1]
    assert not made[0].path.exists()
    assert album.find("ada", 3) == made[2]
    for user, number in (("ada", 1), ("ben", 3), ("ada", None)):
        with pytest.raises(LookupError, match="no picture of this number"):
            album.find(user, number)
    album.close()
    assert not made[-1].path.exists()


def test_the_album_keeps_the_newest_sheets_alone():
    album = Album()
    sheet = Image.new("RGB", (8, 8))
    kept = [album.keep_sheet(sheet, {"prompt": "a fox"}) for _ in range(SHEETS + 2)]
    assert [path.exists() for path in kept] == [False, False] + [True] * SHEETS
    assert len(list(kept[-1].parent.parent.iterdir())) == SHEETS  # no empty folder is left
    assert {path.name for path in kept} == {"sweep.png"}
    assert image_settings(kept[-1]) == {"prompt": "a fox"}
    album.close()
    assert not kept[-1].exists()
