"""The app past its page: what programs may ask of it, and how it is started."""

import html
import os
import socket
import sqlite3
import tempfile
from contextlib import closing
from dataclasses import replace

import httpx
import numpy
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from helpers.__main__ import main
from helpers.app import server as page
from helpers.app.pages import faces
from helpers.app.pages.rate import CLASS, MINE, UP
from helpers.commands import app
from helpers.feedback import store as feedback
from helpers.models import catalogue
from helpers.pictures.files import image_settings, save_image
from helpers.sampling.cell import Cell
from tests.app_server import PATIENCE, served
from tests.pipelines import plain_call

GOOD = ["a fox", "", "tiny", 1, 7.5, 10, 3, False, "the model's own"]
SWEEP = ["seed", "1, 2", "guidance_scale", "1", "a fox", "", "tiny", 7.5, 10, 3]
RATING = [MINE, 1, f"👍 {UP}", [], "", "class"]

# Some break file names, some break text formats, some break tables.
HARD_PROMPTS = [
    "../x", "..\\x", "/etc/hostname", "con", "A Fox", "a fox", "fox.png", "two\nlines", "a\0b",
    "=1+1", "🦊 é", "é" * 500, "<b>bold</b>", "%s {} $x", "null",
]  # fmt: skip


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


def test_a_program_gets_the_picture_of_its_settings(client, tiny_pipe):
    _, gallery, seed = client.predict(*GOOD, api_name="/generate")
    [entry] = gallery
    _, expected = plain_call(tiny_pipe, Cell("a fox", None, 3, 10, 7.5))
    assert abs(numpy.asarray(Image.open(entry["image"])).astype(int) - expected).max() <= 1
    assert seed == 3


def test_hard_prompts_are_drawn_kept_and_rated_as_they_are(client, studio):
    jobs = [client.submit(prompt, *GOOD[1:], api_name="/generate") for prompt in HARD_PROMPTS]
    numbers = {}
    for prompt, job in zip(HARD_PROMPTS, jobs, strict=True):
        [entry] = job.result()[1]
        assert image_settings(entry["image"])["prompt"] == prompt
        numbers[prompt] = int(entry["caption"].partition(" ")[0])
    for prompt, number in numbers.items():
        client.predict(MINE, number, *RATING[2:], api_name="/rate")
        assert studio.feedback.ratings()[-1].prompt == prompt


# Limits


@pytest.mark.parametrize(
    "name, good, place, value, says",
    [
        ("generate", GOOD, 0, "x" * 10_000, "Prompt may have 500 characters"),
        ("generate", GOOD, 0, "", "The prompt is empty"),
        ("generate", GOOD, 1, "x" * 501, "Negative prompt may have 500 characters"),
        ("generate", GOOD, 2, "../../etc", "not in the list"),
        ("generate", GOOD, 3, 1000, "greater than maximum"),
        ("generate", GOOD, 4, 1e9, "greater than maximum"),
        ("generate", GOOD, 5, 100_000, "greater than maximum"),
        ("generate", GOOD, 6, -1, "less than minimum"),
        ("generate", GOOD, 8, "dpm++ sde", "not in the list"),
        ("explore", SWEEP, 1, "1, two", "must be numbers"),
        ("explore", SWEEP, 1, ",".join(map(str, range(1, 14))), "An axis may have 12 values"),
        ("explore", SWEEP, 1, "x" * 2001, "may have 2000 characters"),
        ("explore", SWEEP, 2, "seed", "two different settings"),
        ("explore", SWEEP, 2, "height", "not in the list"),
        ("explore", SWEEP, 8, 1000, "greater than maximum"),
        ("rate", RATING, 1, 99, "no picture of this number"),
        ("rate", RATING, 2, "👍", "not in the list"),
        ("rate", RATING, 3, ["my own tag"], "not in the list"),
        ("rate", RATING, 4, "x" * 501, "The comment may have 500 characters"),
        ("rate", RATING, 5, None, "Please say what may be done"),
        ("rate", RATING, 5, "all", "not in the list"),
        ("improve", [faces.MINE, 1, None, 2], 1, 99, "no picture of this number"),
        ("improve", [faces.MINE, 1, None, 2], 3, 1000, "not in the list"),
        ("improve", [faces.UPLOADED, 1, None, 2], 2, None, "There is no picture yet"),
    ],
)
def test_programs_obey_the_limits_of_the_page(client, studio, name, good, place, value, says):
    before = len(studio.feedback.ratings())
    asked = [*good[:place], value, *good[place + 1 :]]
    with pytest.raises((AppError, ValueError), match=says):
        client.predict(*asked, api_name=f"/{name}")
    assert studio.engine.load == (0, 0)
    assert len(studio.feedback.ratings()) == before


def test_there_is_no_way_around_the_queue(address):
    for path in ("gradio_api/run/generate", "gradio_api/run/predict", "run/generate"):
        answer = httpx.post(f"{address}{path}", json={"data": GOOD, "fn_index": 0})
        assert answer.status_code in (404, 405)


def test_one_visitor_cannot_reach_the_pictures_of_another(client, address, tmp_path):
    client.predict(*GOOD, api_name="/generate")
    with closing(open_client(address, tmp_path)) as other:
        for name, asked in (("rate", RATING), ("improve", [faces.MINE, 1, None, 2])):
            with pytest.raises(AppError, match="You have no picture of this number"):
                other.predict(*asked, api_name=f"/{name}")


def test_a_face_service_that_fails_is_told_in_its_own_words(client, monkeypatch):
    def away(image, factor, url):
        raise ConnectionError("the service <b>sleeps</b>")

    client.predict(*GOOD, api_name="/generate")
    monkeypatch.setattr(faces, "_improve", away)
    told, before, after = client.predict(faces.MINE, 1, None, 2, api_name="/improve")
    assert "could not do it. the service &lt;b&gt;sleeps" in told
    assert before and after is None


# Files


def test_nothing_of_the_host_can_be_read(address, studio, client):
    wanted = [studio.feedback.path, os.path.abspath("pyproject.toml"), "/etc/hostname"]
    for path in wanted:
        for prefix in ("gradio_api/file=", "file=", "gradio_api/file=../../../.."):
            assert httpx.get(f"{address}{prefix}{path}").status_code >= 400
    with pytest.raises((AppError, ValueError)):  # a path that was never uploaded
        client.predict(
            {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}},
            api_name="/settings_of_file",
        )


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
        away.add(Image.new("RGB", (8, 8), colour), settings, vote=1, consent="class", **model)
        for colour in ("navy", "red", "teal")
    ]
    (away.pictures_folder / lost.picture).unlink()
    gallery, number = client.predict(CLASS, api_name="/pictures")
    colours = [Image.open(entry["image"]).getpixel((0, 0)) for entry in gallery]
    assert colours == [(0, 128, 128), (255, 0, 0)]
    assert number == 1
    client.predict(CLASS, 2, *RATING[2:], api_name="/rate")  # the numbers count what is shown
    assert away.ratings()[-1].picture == rest[0].picture


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
    [entry] = client.predict(*GOOD, api_name="/generate")[1]
    *_, told = client.predict(handle_file(entry["image"]), api_name="/settings_of_file")
    assert "press Draw to make the picture again" in told
    settings = image_settings(entry["image"])
    for name, value, says in (
        ("num_inference_steps", 1000, "Steps must be from 1 to 100"),
        ("prompt", "x" * 501, "Prompt may have 500 characters"),
        ("model", "../../etc", "The picture's model must be one of"),
        ("scheduler", "dpm++ sde", "Scheduler must be one of"),
    ):
        changed = save_image(Image.new("RGB", (8, 8)), tmp_path, settings | {name: value})
        with pytest.raises(AppError, match=html.escape(says)):
            client.predict(handle_file(changed), api_name="/settings_of_file")


# How it is started


def test_it_listens_on_this_computer_alone_and_sends_nothing(address):
    assert address.startswith("http://127.0.0.1")
    config = httpx.get(f"{address}config").json()
    assert not config["analytics_enabled"]
    assert not config.get("run_history", False)


def test_a_password_keeps_strangers_out(studio):
    with served(studio, password="open sesame") as blocks:
        assert httpx.get(f"{blocks.local_url}config").status_code == 401
        wrong = {"username": "class", "password": "open barley"}
        assert httpx.post(f"{blocks.local_url}login", data=wrong).status_code == 400
        right = wrong | {"password": "open sesame"}
        assert httpx.post(f"{blocks.local_url}login", data=right).status_code == 200


def test_sharing_without_a_network_leaves_the_app_on_this_computer(studio, monkeypatch, capsys):
    look_up = socket.getaddrinfo

    def nobody(host, *args, **kwargs):
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror("the network is blocked in this test")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    with served(studio, share=True) as blocks:
        assert blocks.share_url is None
        assert httpx.get(f"{blocks.local_url}config").status_code == 200
    assert "Could not create share link" in capsys.readouterr().out


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
    assert app.shipped_models() == ["ships", "ships with a LoRA"]


@pytest.fixture
def command(tiny_pipe, tmp_path, monkeypatch):
    """`python -m helpers app`, with the tiny model; call it with further arguments."""
    monkeypatch.setattr("helpers.models.load.load_pipeline", lambda name: tiny_pipe)
    return lambda *more: main(["app", "--ratings", str(tmp_path / "ratings.sqlite"), *more])


def test_a_file_that_holds_no_ratings_is_told_and_left_alone(command, tmp_path):
    text, folder = tmp_path / "README.md", tmp_path / "a folder"
    text.write_text("no database", encoding="utf-8")
    folder.mkdir()
    for path, says in (
        (text, "path must be a database of ratings; .*README.md is none"),
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
        with pytest.raises(SystemExit, match=f"The app cannot start: .*{port}"):
            command("--port", port)


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
    monkeypatch.setattr(page, "serve", lambda *options: asked.append(options))
    command()
    command("--models", "stickers", "--share")
    (first, *shown), (second, *shared) = asked
    assert (shown, shared) == (
        ["127.0.0.1", None, False, None],
        ["127.0.0.1", None, True, None],
    )
    assert "stickers" in first.models and first.models == app.shipped_models()
    assert second.models == ["stickers"]
    assert capsys.readouterr().out.count("Everybody who knows the address can come in") == 1
