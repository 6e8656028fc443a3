"""The app past its page: what programs may ask of it, and how it is started."""

import errno
import html
import http.client
import io
import json
import os
import re
import socket
import sqlite3
import tempfile
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import gradio
import httpx
import numpy
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline
from diffusers.utils import convert_state_dict_to_diffusers
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from PIL import Image, PngImagePlugin

import helpers
from helpers.__main__ import main
from helpers.app import access, visitors
from helpers.app import server as app_server
from helpers.app.answers import UNKNOWN
from helpers.app.pages import chooser, faces, rate
from helpers.app.pages.controls import (
    NO_LORA,
    NO_STYLE,
    OWN_SCHEDULER,
    asked_for,
    model_chosen,
    values_of,
)
from helpers.app.pages.rate import CLASS, DOWN, MINE, UP
from helpers.app.server import AppServer, about
from helpers.app.studio import Studio
from helpers.base import web_guard
from helpers.commands.app import load_models
from helpers.faces.client import improve as face_client
from helpers.faces.client.errors import FaceServiceError
from helpers.faces.service import server as face_service
from helpers.feedback import database
from helpers.feedback import store as feedback
from helpers.models import catalogue
from helpers.models.lora import load_lora, lora_file
from helpers.pictures.files import image_settings, save_image
from helpers.sampling.cell import Cell
from tests.app_server import PATIENCE, served, tiny_studio
from tests.pipelines import plain_call, tiny_sd_pipeline, tiny_sdxl_pipeline

SETTINGS = ["a fox", "", NO_STYLE, "tiny", NO_LORA, 7.5, 10, 3, OWN_SCHEDULER]
GOOD = [*SETTINGS, 1]
CHANGE = ["a picture's id", None, 0.5, *GOOD]
SWEEP = ["seed", "1, 2", "guidance_scale", "1", *SETTINGS]
RATING = [MINE, "a picture's id", UP, [], "", "class"]

# Some break file names, some break text formats, some break tables.
HARD_PROMPTS = [
    "../x",
    "..\\x",
    "/etc/hostname",
    "con",
    "A Fox",
    "a fox",
    "fox.png",
    "two\nlines",
    "a\0b",
    "=1+1",
    "🦊 é",
    "é" * 500,
    "<b>bold</b>",
    "%s {} $x",
    "null",
]


@pytest.fixture(scope="module")
def client(address, tmp_path_factory):
    with closing(open_client(address, tmp_path_factory.mktemp("fetched"))) as client:
        yield client


def open_client(address, folder) -> Client:
    """A visitor who is patient: one whose connection times out has left, for the app."""
    return Client(
        address,
        verbose=False,
        analytics_enabled=False,
        download_files=str(folder),
        httpx_kwargs={"timeout": PATIENCE},
    )


# Pictures


def drawn(client, *asked) -> list[dict]:
    """The pictures that a program gets, with their files fetched."""
    *_, files = client.predict(*(asked or GOOD), api_name="/generate")
    for one in files:
        one["file"] = httpx.get(f"{client.src.rstrip('/')}{one['url']}").content
    return files


def test_a_program_gets_the_picture_of_its_settings(client, tiny_pipe):
    [one] = drawn(client)
    _, expected = plain_call(tiny_pipe, Cell("a fox", None, 3, 10, 7.5))
    found = numpy.asarray(Image.open(io.BytesIO(one["file"])).convert("RGB")).astype(int)
    assert abs(found - expected).max() <= 1
    assert one["settings"]["seed"] == 3


def changed(pipe, image, strength: float) -> numpy.ndarray:
    """What diffusers' image-to-image makes of a picture with the settings of GOOD."""
    other = StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
    other.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(3)
    options = {"num_inference_steps": 10, "guidance_scale": 7.5, "generator": generator}
    [drawn] = other("a fox", image, strength, **options).images
    return numpy.asarray(drawn).astype(int)


def test_a_program_changes_a_picture_of_the_album_and_an_upload(client, tiny_pipe, tmp_path):
    [one] = drawn(client, *GOOD[:7], 8, *GOOD[8:])
    beginning = Image.open(io.BytesIO(one["file"])).convert("RGB")
    wide = Image.new("RGB", (96, 32), "red")  # its middle is what fits
    wide.paste(beginning, (32, 0))
    wide.save(tmp_path / "wide.png")
    upload = handle_file(tmp_path / "wide.png")
    for source in ((one["id"], None), (None, upload)):
        *_, [made] = client.predict(*source, 0.5, *GOOD, api_name="/change")
        content = httpx.get(f"{client.src.rstrip('/')}{made['url']}").content
        found = numpy.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
        assert abs(found - changed(tiny_pipe, beginning, 0.5)).max() <= 1
        assert abs(found - changed(tiny_pipe, beginning, 0.9)).max() > 1
        assert made["settings"]["strength"] == 0.5
    (tmp_path / "changed.png").write_bytes(content)
    *_, note = client.predict(handle_file(tmp_path / "changed.png"), api_name="/settings_of_file")
    assert "It began from another picture" in note


def test_hard_prompts_are_drawn_kept_and_rated_as_they_are(client, studio, tmp_path):
    jobs = [client.submit(prompt, *GOOD[1:], api_name="/generate") for prompt in HARD_PROMPTS]
    ids = {}
    for prompt, job in zip(HARD_PROMPTS, jobs, strict=True):
        [one] = job.result()[-1]
        made = studio.album.get(one["id"])
        assert image_settings(made.path)["prompt"] == one["settings"]["prompt"] == prompt
        ids[prompt] = one["id"]
    for prompt, id in ids.items():
        client.predict(MINE, id, *RATING[2:], api_name="/rate")
        assert studio.feedback.ratings()[-1].prompt == prompt


def test_a_style_is_added_to_the_prompt_and_a_seed_is_drawn_where_none_is_given(client):
    asked = ["a {prompt} fox", "", "flat", *GOOD[3:]]
    assert drawn(client, *asked)[0]["settings"]["prompt"] == "a {prompt} fox, flat style"
    seeds = set()
    for empty in (None, "", ""):
        [one] = drawn(client, *GOOD[:7], empty, *GOOD[8:])
        seeds.add(one["settings"]["seed"])
    assert len(seeds) > 1
    assert drawn(client, *GOOD[:7], "4711", *GOOD[8:])[0]["settings"]["seed"] == 4711


def test_a_sweep_over_negative_prompts_can_have_none(client, studio):
    asked = ["negative_prompt", "none\na flat sticker", "seed", "1", *SETTINGS]
    _, table, _ = client.predict(*asked, api_name="/explore")
    assert '<th scope="row">none</th>' in table
    ids = re.findall(r'data-open="([^"]+)"', table)
    found = [studio.album.get(id).settings.get("negative_prompt") for id in ids]
    assert found == [None, "a flat sticker"]


@pytest.mark.parametrize("negative_prompt, scheduler", [(None, None), ("red", "ddim")])
def test_the_controls_that_show_a_picture_ask_for_it_again(studio, negative_prompt, scheduler):
    cell = Cell("a fox", negative_prompt, 7, 10, 3.0, scheduler)
    assert asked_for(studio, values_of("tiny", cell)) == ("tiny", [cell])


# Limits


IMPROVE = ["a picture's id", None, 2]


@pytest.mark.parametrize(
    "name, good, place, value, says",
    [
        ("generate", GOOD, 0, "x" * 10_000, "Prompt may have 500 characters"),
        ("generate", GOOD, 0, "", "The prompt is empty"),
        ("generate", GOOD, 0, None, "Prompt must be a text"),
        ("generate", GOOD, 0, ["a fox"], "Prompt must be a text"),
        ("generate", GOOD, 1, "x" * 501, "Negative prompt may have 500 characters"),
        ("generate", GOOD, 2, "rococo", "The style must be one of"),
        ("generate", GOOD, 3, "../../etc", "The model must be one of: tiny"),
        ("generate", GOOD, 4, "../../etc", "The LoRA must be one of: none"),
        ("generate", GOOD, 5, 1e9, "Guidance must be from 0 to 20"),
        ("generate", GOOD, 5, "7.5", "Guidance must be a number from 0 to 20"),
        ("generate", GOOD, 5, None, "Guidance must be a number from 0 to 20"),
        ("generate", GOOD, 6, 100_000, "Steps must be from 1 to 100"),
        ("generate", GOOD, 6, 2.5, "Steps must be a whole number"),
        ("generate", GOOD, 7, -1, "Seed must be from 1 to 99999"),
        ("generate", GOOD, 7, "one", "Seed must be a number"),
        ("generate", GOOD, 8, "dpm++ sde", "Scheduler must be one of"),
        ("generate", GOOD, 9, 1000, "Number of pictures must be from 1 to 10"),
        ("generate", GOOD, 9, [4], "Number of pictures must be a number"),
        ("generate", GOOD, 9, {"path": "/etc/hostname"}, "Pictures is not a file"),
        ("explore", SWEEP, 1, "1, two", "must be numbers"),
        ("explore", SWEEP, 1, ",".join(map(str, range(1, 14))), "An axis may have 12 values"),
        ("explore", SWEEP, 1, "x" * 2001, "may have 2000 characters"),
        ("explore", SWEEP, 1, None, "must be a text"),
        ("explore", SWEEP, 2, "seed", "two different settings"),
        ("explore", SWEEP, 2, "height", "Columns must be one of"),
        ("explore", SWEEP, 10, 1000, "Steps must be from 1 to 100"),
        ("rate", RATING, 0, "all", "Which pictures must be one of"),
        ("rate", RATING, 1, 1, "not in your album"),
        ("rate", RATING, 1, None, "not in your album"),
        ("rate", RATING, 2, "👍", "Your vote must be one of"),
        ("rate", RATING, 3, ["my own tag"], "Each tag must be one of"),
        ("rate", RATING, 3, "well drawn", "Tags must be some of those on the page"),
        ("rate", RATING, 4, "x" * 501, "The comment may have 500 characters"),
        ("rate", RATING, 5, None, "Please say what may be done"),
        ("rate", RATING, 5, "all", "Please say what may be done"),
        ("change", CHANGE, 0, "another", "not in your album"),
        ("change", CHANGE, 0, None, "Choose a picture of your album"),
        ("change", CHANGE, 1, "face.png", "not of the right kind"),
        ("change", CHANGE, 2, 0, "Strength must be from 0.05 to 1; got 0"),
        ("change", CHANGE, 2, 1.5, "Strength must be from 0.05 to 1; got 1.5"),
        ("change", CHANGE, 2, "0.5", "Strength must be a number from 0.05 to 1"),
        ("change", CHANGE, 2, None, "Strength must be a number from 0.05 to 1"),
        ("change", CHANGE, 2, 0.05, "Strength 0.05 of 10 steps is less than one step"),
        ("change", CHANGE, 3, "", "The prompt is empty"),
        ("change", CHANGE, 9, 1000, "Steps must be from 1 to 100"),
        ("change", CHANGE, 12, 1000, "Number of pictures must be from 1 to 10"),
        ("improve", IMPROVE, 0, "another", "not in your album"),
        ("improve", IMPROVE, 2, 1000, "enlarged 1, 2 or 4 times"),
        ("improve", IMPROVE, 2, "2", "enlarged 1, 2 or 4 times"),
        ("improve", IMPROVE, 0, None, "Choose a picture of your album"),
        ("improve", IMPROVE, 1, "face.png", "not of the right kind"),
        ("improve", IMPROVE, 1, {"url": "x"}, "not of the right kind"),
        ("delete", ["x"], 0, None, "The receipt must be a text"),
        ("delete", ["x"], 0, 7, "The receipt must be a text"),
    ],
)
def test_programs_obey_the_limits_of_the_page(address, studio, name, good, place, value, says):
    before = len(studio.feedback.ratings())
    event, told = call(address, name, [*good[:place], value, *good[place + 1 :]])
    assert event == "error" and says in html.unescape(told["error"])
    assert studio.engine.load == (0, 0)
    assert len(studio.feedback.ratings()) == before


@pytest.mark.parametrize("name, given", [("generate", ["a fox"]), ("rate", []), ("improve", [1])])
def test_too_few_values_are_counted_and_named(address, name, given):
    event, told = call(address, name, given)
    assert event == "error"
    assert re.search(rf"/{name} takes \d+ values, and got {len(given)}. It lacks: ", told["error"])


def call(address: str, name: str, data: list, client=httpx) -> tuple[str, object]:
    """The last event of a call, and its data, as they come over the wire."""
    url = f"{address}gradio_api/call/{name}"
    event = client.post(url, json={"data": data}, timeout=PATIENCE).json()["event_id"]
    told = client.get(f"{url}/{event}", timeout=PATIENCE).text
    last = [part for part in told.split("\n\n") if "data: " in part][-1]
    name, _, content = last.partition("\ndata: ")
    return name.removeprefix("event: "), json.loads(content)


def test_there_is_no_way_around_the_queue(address):
    for path in ("gradio_api/run/generate", "gradio_api/api/predict", "run/generate", "api/x"):
        answer = httpx.post(f"{address}{path}", json={"data": GOOD, "fn_index": 0})
        assert answer.status_code in (404, 405)


def test_one_visitor_cannot_reach_the_pictures_of_another(client, address, tmp_path):
    [mine] = drawn(client)
    with closing(open_client(address, tmp_path)) as other:
        for name, asked in (
            ("rate", [MINE, mine["id"], *RATING[2:]]),
            ("improve", [mine["id"], None, 2]),
        ):
            with pytest.raises(AppError, match="not in your album"):
                other.predict(*asked, api_name=f"/{name}")


# Files


def test_nothing_of_the_host_can_be_read(address, studio, client):
    wanted = [studio.feedback.path, os.path.abspath("pyproject.toml"), "/etc/hostname"]
    for path in wanted:
        for prefix in ("gradio_api/file=", "file=", "gradio_api/file=../../../.."):
            assert httpx.get(f"{address}{prefix}{path}").status_code >= 400
    for path in ("/etc/hostname", str(studio.feedback.path), "../../etc/hostname"):
        event, told = call(address, "settings_of_file", [file_data(path)])
        assert event == "error" and "must be uploaded" in told["error"]
    event, told = call(address, "settings_of_file", [file_data("no\0path")])
    assert event == "error" and "not of the right kind" in told["error"]


def file_data(path: str) -> dict:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("place", range(3))
def test_no_address_is_fetched(address, monkeypatch, place):
    def fetch(*arguments, **options):
        pytest.fail("an address was fetched")

    for name in ("save_url_to_cache", "async_ssrf_protected_download", "ssrf_protected_download"):
        monkeypatch.setattr(gradio.processing_utils, name, fetch, raising=False)
    asked = ["a picture's id", None, 2]
    asked[place] = file_data("https://example.org/face.png")
    event, told = call(address, "improve", asked)
    assert event == "error" and re.search("not fetched|is not a file", told["error"])
    for way in ("file", "proxy", "FILE"):
        answer = httpx.get(f"{address}gradio_api/{way}=https://example.org/face.png")
        assert answer.status_code == 403


def class_pictures(client, studio) -> list[dict]:
    return client.predict(CLASS, api_name="/pictures")


def test_the_class_sees_its_pictures_wherever_the_ratings_lie(
    client, studio, monkeypatch, tmp_path
):
    away = feedback.Feedback(tmp_path / "ratings.sqlite")
    # As if the folder lay in a home folder: neither in the current folder nor in the temporary one.
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(studio, "feedback", away)
    settings, model = {"prompt": "a fox"}, {"model": "tiny", "model_version": "0"}
    lost, *rest = [
        away.add(Image.new("RGB", (8, 8), color), settings, vote=1, consent="class", **model)
        for color in ("navy", "red", "teal")
    ]
    (away.pictures_folder / lost.picture).unlink()
    shown = class_pictures(client, studio)
    files = [httpx.get(f"{client.src.rstrip('/')}{one['url']}").content for one in shown]
    colors = [Image.open(io.BytesIO(content)).getpixel((0, 0)) for content in files]
    assert colors == [(0, 128, 128), (255, 0, 0)]
    client.predict(CLASS, shown[1]["id"], *RATING[2:], api_name="/rate")
    assert away.ratings()[-1].picture == rest[0].picture


# Whose a picture is


@pytest.fixture
def own_feedback(studio, monkeypatch, tmp_path):
    store = feedback.Feedback(tmp_path / "ratings.sqlite")
    monkeypatch.setattr(studio, "feedback", store)
    return store


@pytest.fixture
def classmate(address, tmp_path):
    with closing(open_client(address, tmp_path)) as client:
        yield client


def test_a_classmate_cannot_widen_the_consent_and_the_maker_can_take_a_picture_back(
    client, classmate, studio, own_feedback, tmp_path, address
):
    [mine] = drawn(client)
    told, *_ = client.predict(MINE, mine["id"], *RATING[2:5], "class", api_name="/rate")
    receipt = re.search('class="receipt">([^<]+)', told)[1]
    [shown] = class_pictures(classmate, studio)
    classmate.predict(CLASS, shown["id"], *RATING[2:5], "public", api_name="/rate")
    assert len(own_feedback.ratings()) == 2
    assert own_feedback.ratings("public") == own_feedback.ratings("training") == []
    client.predict(receipt, api_name="/delete")
    assert class_pictures(classmate, studio) == []
    assert httpx.get(f"{address}{shown['url'][1:]}").status_code == 404
    exported = own_feedback.export_images(tmp_path / "out", "class")
    assert not list(exported.glob("*.png"))
    with pytest.raises(AppError, match="deleted or hidden"):
        classmate.predict(CLASS, shown["id"], *RATING[2:], api_name="/rate")


def test_one_visitor_has_one_vote_for_a_picture(client, classmate, studio, own_feedback):
    [mine] = drawn(client)
    for vote in (UP, UP, DOWN):
        client.predict(MINE, mine["id"], vote, *RATING[3:], api_name="/rate")
    [shown] = class_pictures(classmate, studio)
    for vote in (DOWN, DOWN, UP):
        told, *_ = classmate.predict(CLASS, shown["id"], vote, *RATING[3:], api_name="/rate")
    assert "instead of your earlier one" in told
    client.predict(CLASS, shown["id"], DOWN, *RATING[3:], api_name="/rate")  # the maker again
    [picture] = own_feedback.pictures()
    assert (picture.ups, picture.downs) == (1, 1)
    assert sorted(rating.by_maker for rating in picture.ratings) == [False, True]


def test_a_vote_holds_after_the_server_was_started_again(tiny_pipe, own_feedback, tmp_path):
    settings, model = {"prompt": "a fox"}, {"model": "tiny", "model_version": "0"}
    red = Image.new("RGB", (8, 8), "red")
    shared = own_feedback.add(red, settings, vote=1, consent="class", **model)
    cookies, told = httpx.Cookies(), []
    for vote in (UP, DOWN):
        with tiny_studio(tiny_pipe, tmp_path) as studio, served(studio) as server:
            with httpx.Client(cookies=cookies) as visitor:
                visitor.get(server.url)
                rated = [CLASS, shared.picture_id, vote, *RATING[3:]]
                _, [answer, *_] = call(f"{server.url}/", "rate", rated, visitor)
                told.append(answer)
                cookies = visitor.cookies
    assert "It is stored." in told[0] and "instead of your earlier one" in told[1]
    [picture] = own_feedback.pictures()
    assert (picture.ups, picture.downs) == (1, 1)


@pytest.mark.parametrize("word", ["", "x", "a" * 42, "a" * 44, "a" * 42 + "é", "a b" * 15])
def test_a_cookie_for_votes_that_was_not_given_out_counts_for_nothing(word):
    known = visitors.Visitors()
    assert known.voter_in({"cookie": f"{visitors.VOTER_COOKIE}={word}"}) is None
    assert known.voter_in({"cookie": f"{visitors.VOTER_COOKIE}={'a' * 43}"}) == "a" * 43


def test_a_click_means_the_picture_that_was_shown(client, studio, own_feedback):
    [first] = drawn(client)
    drawn(client, "an owl", *GOOD[1:])  # a run that ends between the look and the click
    client.predict(MINE, first["id"], *RATING[2:], api_name="/rate")
    assert own_feedback.ratings()[-1].prompt == "a fox"


@pytest.mark.parametrize("page", ["rate", "faces and change"])
def test_a_click_on_a_small_picture_chooses_it_however_many_came_meanwhile(studio, page):
    image, request = (
        Image.new("RGB", (8, 8)),
        SimpleNamespace(headers={}, session_hash="a window", client=None),
    )
    user = studio.visitors.of(request).id
    cells = [Cell("a fox", seed=seed, num_inference_steps=1) for seed in range(3)]
    shown, *_ = [studio.album.keep(user, image, cell, "tiny", "0") for cell in cells]
    click = gradio.EventData(None, {"do": "choose", "id": shown.id})
    if page == "rate":
        chosen, large, thumbnails = rate.choose(studio, MINE, click, request)
    else:
        chosen, large, thumbnails = chooser.choose(studio, click, request)
    assert chosen == shown.id and shown.url in large
    assert re.findall(r'data-id="([^"]+)" aria-pressed="true"', thumbnails) == [shown.id]


# What goes wrong on the host


class Full(feedback.Feedback):
    """A store that fails as its disk does."""

    def __init__(self, error):
        self.error = error

    def add(self, *arguments, **options):
        raise self.error


@pytest.mark.parametrize(
    "error, says",
    [
        (OSError(errno.ENOSPC, "No space left on device", "/home/me/x"), "the disk is full"),
        (OSError(errno.EROFS, "Read-only file system", "/home/me/x"), "cannot be written to"),
        (PermissionError(errno.EACCES, "Permission denied", "/home/me/x"), "cannot be written to"),
        (sqlite3.OperationalError("database or disk is full"), "the disk is full"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "cannot be written"),
        (sqlite3.OperationalError("database is locked"), "by somebody else for a long time"),
        (RuntimeError("a secret: /home/me"), UNKNOWN),
        (KeyError("secret"), UNKNOWN),
    ],
)
def test_what_fails_on_the_host_is_a_sentence_and_the_rest_is_in_the_log(
    client, address, studio, monkeypatch, caplog, error, says
):
    [mine] = drawn(client)
    monkeypatch.setattr(studio, "feedback", Full(error))
    with pytest.raises(AppError) as caught:
        client.predict(MINE, mine["id"], *RATING[2:], api_name="/rate")
    told = html.unescape(str(caught.value))
    assert says in told and "/home/me" not in told and "Traceback" not in told
    assert any(record.exc_info and record.exc_info[1] is error for record in caplog.records)


def test_a_real_lock_and_a_real_folder_that_cannot_be_written_are_told(
    client, studio, own_feedback, monkeypatch
):
    [mine] = drawn(client)
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    with closing(sqlite3.connect(own_feedback.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(AppError, match="by somebody else for a long time"):
            client.predict(MINE, mine["id"], *RATING[2:], api_name="/rate")
    client.predict(MINE, mine["id"], *RATING[2:], api_name="/rate")
    assert len(own_feedback.ratings()) == 1


def test_an_album_that_cannot_be_written_is_told(client, studio, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(studio.album, "keep", full)
    with pytest.raises(AppError, match="could not be stored: the disk is full"):
        drawn(client)
    assert studio.engine.load == (0, 0)


# Faces


class Enlarger:
    """The course's face service, with a stand-in for its network."""

    def improve(self, image, factor):
        return image.resize((image.width * factor, image.height * factor), 0)


def test_without_a_face_service_the_app_starts_one(client, monkeypatch):
    """As the README starts the app: nothing names a service and none runs."""
    begin = face_service.start
    monkeypatch.setattr(face_client, "CLASS_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(face_client, "_own_service", None)
    monkeypatch.delenv(face_client.URL_VARIABLE, raising=False)
    monkeypatch.setattr(face_service, "start", lambda **options: begin(Enlarger(), **options))
    [mine] = drawn(client)
    try:
        for _ in range(2):
            told, shown, one = client.predict(mine["id"], None, 2, api_name="/improve")
            assert "32 x 32 pixels before, 64 x 64 after" in told
        content = httpx.get(f"{client.src.rstrip('/')}{one['url']}").content
        assert Image.open(io.BytesIO(content)).size == (64, 64)
    finally:
        face_client._own_service.stop()


@pytest.mark.parametrize(
    "status, side, says",
    [
        (None, "yours", "It is not your doing"),
        (503, "server", "It is not your doing"),
        (413, "yours", "<b>too large</b>"),
    ],
)
def test_a_face_service_that_fails_is_no_fault_of_the_visitor(
    client, monkeypatch, caplog, status, side, says
):
    def fail(image, factor, url):
        raise FaceServiceError("<b>too large</b>", side, "Read its log.", status)

    [mine] = drawn(client)
    monkeypatch.setattr(faces, "_improve", fail)
    with pytest.raises(AppError) as caught:
        client.predict(mine["id"], None, 2, api_name="/improve")
    assert says in html.unescape(str(caught.value)) and "yours" not in str(caught.value)
    assert ("Read its log" in caplog.text) == (status != 413)


# The bounds of a visitor


def test_one_visitor_cannot_ask_for_everything_at_once(client, address, studio, monkeypatch):
    gate, begun = threading.Event(), threading.Semaphore(0)

    def slow(*arguments):
        begun.release()
        assert gate.wait(PATIENCE)
        raise LookupError("done")

    monkeypatch.setattr(chooser, "wanted", slow)
    jobs = [client.submit("x", None, 2, api_name="/improve") for _ in range(visitors.AT_ONCE)]
    try:
        for _ in jobs:
            assert begun.acquire(timeout=PATIENCE)
        for name, asked in (("improve", ["x", None, 2]), ("delete", ["x"]), ("generate", GOOD)):
            with pytest.raises(AppError, match="20 things at once"):
                client.predict(*asked, api_name=f"/{name}")
        event, _ = call(address, "generate", GOOD)  # another visitor
        assert event == "complete"
    finally:
        gate.set()
    for job in jobs:
        with pytest.raises(AppError, match="done"):
            job.result()
    assert drawn(client)


def test_uploads_have_a_bound_for_a_visitor_and_for_all():
    quota = access.UploadQuota(of_one=10, of_all=25)
    assert quota.allows("ada", 10) and not quota.allows("ada", 1)
    assert quota.allows("bob", 10) and not quota.allows("cy", 6) and quota.allows("cy", 5)
    quota._taken = access.deque((when - access.HOUR - 1, *rest) for when, *rest in quota._taken)
    assert quota.allows("ada", 10)


def test_uploads_beyond_the_bound_and_bodies_that_never_end_are_refused(studio, monkeypatch):
    monkeypatch.setattr(web_guard, "BODY_SECONDS", 0.3)
    monkeypatch.setattr(access.UploadQuota.__init__, "__defaults__", (2000, 10_000))
    with served(studio) as server:
        files = {"files": ("a.png", b"0" * 1500)}
        answers = [httpx.post(f"{server.url}/gradio_api/upload", files=files) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 413]
        assert "in an hour" in answers[1].json()["detail"]
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        connection.putrequest("POST", "/gradio_api/upload")
        connection.putheader("Content-Length", "100")
        connection.endheaders(b"{")
        assert connection.getresponse().status == 408
        connection.close()
        large = httpx.post(f"{server.url}/gradio_api/call/generate", content=b"0" * 300_000)
        assert large.status_code == 413


def test_an_upload_that_is_too_large_is_refused(address):
    files = {"files": ("large.png", b"0" * 6_000_000)}
    assert httpx.post(f"{address}gradio_api/upload", files=files).status_code == 413


@pytest.mark.parametrize("name", ["page.html", "drawing.svg"])
def test_an_uploaded_page_is_never_shown_as_one(address, name):
    files = {"files": (name, b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")}
    [path] = httpx.post(f"{address}gradio_api/upload", files=files).json()
    answer = httpx.get(f"{address}gradio_api/file={path}")
    assert answer.headers["content-disposition"].startswith("attachment")


def test_the_settings_of_a_file_are_bounded_like_any_others(client, tmp_path):
    [one] = drawn(client)
    path = tmp_path / "fox.png"
    path.write_bytes(one["file"])
    *values, told = client.predict(handle_file(path), api_name="/settings_of_file")
    assert "press Draw to make the picture again" in told
    assert values[:5] == ["a fox", "", NO_STYLE, "tiny", NO_LORA] and values[7] == "3"
    settings = image_settings(path)
    for name, value, says in (
        ("num_inference_steps", 1000, "Steps must be from 1 to 100"),
        ("prompt", "x" * 501, "Prompt may have 500 characters"),
        ("scheduler", "dpm++ sde", "Scheduler must be one of"),
    ):
        changed = save_image(Image.new("RGB", (8, 8)), tmp_path, settings | {name: value})
        with pytest.raises(AppError, match=html.escape(says)):
            client.predict(handle_file(changed), api_name="/settings_of_file")


def test_a_picture_of_another_program_sets_the_controls_too(client, tmp_path):
    text = PngImagePlugin.PngInfo()
    line = "Steps: 20, Sampler: DDIM, CFG scale: 7, Seed: 123, Model: x"
    text.add_text("parameters", f"an owl\n{line}")
    Image.new("RGB", (8, 8)).save(tmp_path / "web-ui.png", pnginfo=text)
    values = client.predict(handle_file(tmp_path / "web-ui.png"), api_name="/settings_of_file")
    assert list(values[:-1]) == ["an owl", "", NO_STYLE, "tiny", NO_LORA, 7, 20, "123", "ddim", 1]
    assert "a model that is not offered here" in values[-1]


def test_a_visitor_downloads_the_whole_album(address, studio):
    with httpx.Client() as browser:
        browser.get(address)
        assert browser.get(f"{address}album.zip").status_code == 404
        for seed in (3, 4):
            event, files = call(address, "generate", [*GOOD[:7], seed, *GOOD[8:]], browser)
            assert event == "complete"
        with zipfile.ZipFile(io.BytesIO(browser.get(f"{address}album.zip").content)) as archive:
            assert archive.testzip() is None
            seeds = []
            for name in archive.namelist():
                with archive.open(name) as file, Image.open(file) as image:
                    seeds.append(json.loads(image.info["settings"])["seed"])
        assert seeds == [3, 4]
        picture = browser.get(f"{address}{files[-1][0]['url'][1:]}?download")
        assert picture.headers["content-disposition"].startswith('attachment; filename="a-fox')
    assert httpx.get(f"{address}album.zip").status_code == 404
    assert httpx.get(f"{address}pictures/{'0' * 22}.png").status_code == 404


# How it is started


def test_it_listens_on_this_computer_alone_and_sends_nothing(address):
    assert address.startswith("http://127.0.0.1")
    config = httpx.get(f"{address}config").json()
    assert not config["analytics_enabled"]
    assert not config.get("run_history", False)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"},
    ],
)
def test_a_foreign_web_page_cannot_use_the_app(address, headers):
    for path in ("gradio_api/call/pictures", "gradio_api/upload", "gradio_api/queue/join"):
        answer = httpx.post(f"{address}{path}", json={"data": [CLASS]}, headers=headers)
        assert answer.status_code in (403, 421)
        assert "access-control-allow-origin" not in answer.headers
    assert httpx.get(f"{address}config", headers=headers).status_code >= 400


def test_a_link_and_names_of_ones_own_are_let_in(studio, address):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert httpx.get(address, headers=link).status_code == 200
    named = {"Host": "app.school.example"}
    assert httpx.get(address, headers=named).status_code == 421
    with served(studio, names=("app.school.example",)) as server:
        assert httpx.get(server.url, headers=named).status_code == 200


OPEN_SESAME = {"username": "class", "password": "open sesame"}


@pytest.fixture(scope="module")
def locked(studio):
    """The app behind a password."""
    with served(studio, password="open sesame") as server:
        yield server.url


def test_a_password_keeps_strangers_out(locked, studio, monkeypatch):
    monkeypatch.setattr(access, "WRONG_SECONDS", 0.01)
    paths = [
        "config",
        "",
        "gradio_api/info",
        "gradio_api/openapi.json",
        "openapi.json",
        "docs",
        "gradio_api/startup-events",
        "theme.css",
        "album.zip",
        f"class/{'0' * 32}.png",
        "gradio_api/call/generate/1",
        "gradio_api/queue/data?session_hash=1",
    ]
    assert [httpx.get(f"{locked}/{path}").status_code for path in paths] == [401] * len(paths)
    wrong = OPEN_SESAME | {"password": "open barley"}
    assert httpx.post(f"{locked}/login", data=wrong).status_code == 400
    with httpx.Client(base_url=locked) as friend:
        assert friend.post("/login", data=OPEN_SESAME).status_code == 200
        assert friend.get("/config").status_code == 200
    forged = {studio.visitors.cookie: "0" * 32}
    assert httpx.get(f"{locked}/config", cookies=forged).status_code == 401


def test_the_log_out_of_one_is_not_that_of_all(locked):
    with httpx.Client(base_url=locked) as ada, httpx.Client(base_url=locked) as bob:
        for one in (ada, bob):
            one.post("/login", data=OPEN_SESAME)
        ada.get("/logout")
        assert [one.get("/config").status_code for one in (ada, bob)] == [401, 200]


def test_wrong_passwords_are_slow_one_after_the_other_and_do_not_stop_the_class(
    locked, monkeypatch
):
    monkeypatch.setattr(access, "WRONG_SECONDS", 0.25)
    with ThreadPoolExecutor(8) as pool, httpx.Client(base_url=locked) as friend:
        friend.post("/login", data=OPEN_SESAME)
        began = time.monotonic()
        tries = [
            pool.submit(httpx.post, f"{locked}/login", data={"password": str(i)}, timeout=60)
            for i in range(8)
        ]
        assert friend.get("/config").status_code == 200
        assert {one.result().status_code for one in tries} == {400}
    assert time.monotonic() - began >= 8 * 0.25


def test_gradios_own_client_logs_in(locked, tmp_path):
    with closing(
        Client(locked, auth=("class", "open sesame"), verbose=False, analytics_enabled=False)
    ) as client:
        assert drawn_ids(client)


def drawn_ids(client) -> list[str]:
    return [one["id"] for one in client.predict(*GOOD, api_name="/generate")[-1]]


def test_only_the_teacher_pauses_and_hides(studio, address, own_feedback, monkeypatch):
    monkeypatch.setattr(access, "WRONG_SECONDS", 0.01)
    rating = own_feedback.add(
        Image.new("RGB", (8, 8)),
        {"prompt": "a fox"},
        vote=1,
        model="tiny",
        model_version="0",
        consent="class",
    )
    with httpx.Client() as pupil, httpx.Client() as teacher:
        pupil.get(address)
        assert pupil.get(f"{address}teacher?key=guess").status_code == 403
        key = studio.visitors.teacher_key
        assert teacher.get(f"{address}teacher?key={key}").status_code == 303
        known = {
            name: studio.visitors.session(client.cookies[studio.visitors.cookie]).is_teacher
            for name, client in (("pupil", pupil), ("teacher", teacher))
        }
        assert known == {"pupil": False, "teacher": True}
        own_feedback.hide(rating.picture_id)
        url = f"{address}class/{rating.picture_id}.png"
        assert (pupil.get(url).status_code, teacher.get(url).status_code) == (404, 200)


def test_sharing_without_a_network_leaves_the_app_on_this_computer(studio, monkeypatch, capsys):
    look_up = socket.getaddrinfo

    def nobody(host, *args, **kwargs):
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror("the network is blocked in this test")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with served(studio, share=True) as server:
        assert server.share_url is None
        assert httpx.get(f"{server.url}/config").status_code == 200
    assert "No public address" in capsys.readouterr().out


def test_the_app_offers_every_model_whose_weights_come_with_the_course(monkeypatch, tmp_path):
    ships = replace(catalogue.MODELS["stickers"], source=tmp_path)
    models = {
        "ships": ships,
        "ships with a LoRA": replace(ships, lora=tmp_path),
        "its LoRA is missing": replace(ships, lora=tmp_path / "nowhere"),
        "is missing": replace(ships, source=tmp_path / "nowhere"),
        "sd-v1-5": catalogue.MODELS["sd-v1-5"],
    }
    monkeypatch.setattr(catalogue, "MODELS", models)
    assert catalogue.shipped_models() == ["ships", "ships with a LoRA"]


@pytest.fixture
def command(tiny_pipe, tmp_path, monkeypatch):
    """`python -m helpers app`, with the tiny model; call it with further arguments."""
    monkeypatch.setattr("helpers.models.load.load_pipeline", lambda name, **more: tiny_pipe)
    return lambda *more: main(["app", "--ratings", str(tmp_path / "ratings.sqlite"), *more])


def test_a_file_that_holds_no_ratings_is_told_and_left_alone(command, tmp_path):
    text, folder = tmp_path / "README.md", tmp_path / "a folder"
    text.write_text("no database", encoding="utf-8")
    folder.mkdir()
    for path, says in (
        (text, "path must be a database of ratings; .*README.md is no database"),
        (folder, "path must be a database of ratings; .*a folder is a folder"),
        (text / "ratings.sqlite", "README.md"),
    ):
        with pytest.raises(SystemExit, match=f"The app cannot start: .*{says}"):
            command("--ratings", str(path))
    assert sorted(tmp_path.iterdir()) == [text, folder]


def test_ratings_that_sqlite_cannot_open_are_told(command, monkeypatch):
    def fail(path):
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setattr(feedback, "Feedback", fail)
    says = r"The app cannot start: .*ratings\.sqlite: unable to open database file"
    with pytest.raises(SystemExit, match=says):
        command()


def test_a_port_that_is_taken_is_told(command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        says = f"The app cannot start: .*the app cannot have port {port} of 127.0.0.1"
        with pytest.raises(SystemExit, match=f"{says}.*choose another port") as caught:
            command("--port", port)
    assert "radio" not in str(caught.value)  # gradio has other words for it


def test_a_model_that_there_is_not_leaves_nothing_behind(command, tmp_path, monkeypatch):
    def unknown(name, **more):
        raise LookupError(f"there is no model {name!r}")

    monkeypatch.setattr("helpers.models.load.load_pipeline", unknown)
    with pytest.raises(SystemExit, match="The app cannot start: there is no model 'stikcers'"):
        command("--models", "stikcers")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "port, says",
    [("70000", "a port is 0 to 65535; got 70000"), ("x", "must be a whole number; got 'x'")],
)
@pytest.mark.parametrize("name", ["app", "faces"])
def test_what_is_no_port_is_told(name, port, says, capsys):
    with pytest.raises(SystemExit):
        main([name, "--port", port])
    assert f"argument --port: {says}" in capsys.readouterr().err


def test_a_model_that_does_not_fit_into_memory_is_told(command, monkeypatch):
    def full(name):
        raise MemoryError(f"{name} takes 5.1 GiB")

    monkeypatch.setattr("helpers.models.load.load_pipeline", full)
    with pytest.raises(SystemExit, match="The app cannot start: sd-v1-5 takes 5.1 GiB"):
        command("--models", "sd-v1-5")


def test_the_command_offers_what_ships_to_this_computer_alone(command, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(
        app_server, "serve", lambda studio, **options: asked.append((studio, options))
    )
    alone = {"host": "127.0.0.1", "port": None, "share": False, "password": None, "names": ()}
    command()
    command("--models", "stickers", "--share", "--lora", "somewhere/golden")
    (first, shown), (second, shared) = asked
    assert (shown, shared) == (alone, alone | {"share": True})
    assert "stickers" in first.models and first.models == catalogue.shipped_models()
    assert second.models == ["stickers"] and second.loras("stickers") == ["golden"]
    assert capsys.readouterr().out.count("Everybody who knows the address can come in") == 1


def test_a_lora_is_offered_for_every_model_that_it_fits(monkeypatch, tiny_pipe, tmp_path):
    """The LoRA is of the first kind of pipeline; the third reads a text of another width."""
    makers = {"sd": tiny_sd_pipeline, "twin": tiny_sd_pipeline, "sdxl": tiny_sdxl_pipeline}

    def load(name, lora=None):
        pipe = makers[name]()
        if lora is not None:
            load_lora(pipe, lora_file(lora))
        return pipe

    monkeypatch.setattr("helpers.models.load.load_pipeline", load)
    source = tiny_sd_pipeline()
    source.unet.add_adapter(LoraConfig(r=2, target_modules=["to_q", "to_k"]))
    folder = tmp_path / "golden"
    layers = convert_state_dict_to_diffusers(get_peft_model_state_dict(source.unet))
    type(source).save_lora_weights(folder, layers)
    pipes = load_models([*makers], [folder])
    assert [*pipes] == ["sd", "twin", "sdxl", "sd + golden", "twin + golden"]
    for page_model, loras in (("sd", ["golden"]), ("twin", ["golden"]), ("sdxl", [])):
        offered = model_chosen(Studio(SimpleNamespace(pipes=pipes), None), page_model)[2]
        assert [value for _, value in offered.choices] == [NO_LORA, *loras]
    with pytest.raises(ValueError, match="does not fit"):
        load_models(["sdxl"], [folder])


def test_each_model_begins_with_settings_of_its_own():
    studio = Studio(SimpleNamespace(pipes=dict.fromkeys(["stickers", "sd-turbo", "mine"])), None)
    for model in ("stickers", "sd-turbo"):
        known = helpers.MODELS[model]
        begins_with = model_chosen(studio, model)[:2]
        assert begins_with == (known.guidance_scale, known.num_inference_steps)
    assert model_chosen(studio, "sd-turbo")[:2] != model_chosen(studio, "mine")[:2] == (7.5, 25)


def test_the_teachers_address_is_printed_for_a_class_only(studio):
    for host, is_printed in (("127.0.0.1", False), ("0.0.0.0", True)):
        with AppServer(studio, host, port=0) as server:
            assert (server.teacher_url in about(server)) == is_printed
