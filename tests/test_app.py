"""The app as its visitors meet it: in a real browser, and past the page through the API."""

import io
import os
import re
import shutil
import sqlite3
import time
from contextlib import closing

import httpx
import numpy
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from helpers.app import faces
from helpers.app.engine import Engine
from helpers.app.page import serve
from helpers.app.studio import Studio
from helpers.denoise import Cell
from helpers.feedback import Feedback
from helpers.images import image_settings
from tests.pipelines import plain_call

WAIT = 60_000  # milliseconds, for a computer that is busy with other things
HARMFUL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "[x](javascript:alert(1)) ${alert(1)} {{alert(1)}}",
]


@pytest.fixture(scope="module")
def studio(tiny_pipe, tmp_path_factory):
    feedback = Feedback(tmp_path_factory.mktemp("class") / "ratings.sqlite")
    studio = Studio(Engine({"tiny": tiny_pipe}).start(), feedback)
    yield studio
    studio.close()


@pytest.fixture(scope="module")
def address(studio):
    blocks = serve(studio, block=False)
    yield blocks.local_url
    blocks.close()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        if not path and not os.path.exists(playwright.chromium.executable_path):
            message = "these tests need the browser Chromium"
            pytest.fail(message) if "CI" in os.environ else pytest.skip(message)
        # Without its sandbox, which does not work for root in a container.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser, address):
    """The opened app. Whatever it says in a dialog or asks of another computer fails the test."""
    page = browser.new_page()
    page.set_default_timeout(WAIT)
    dialogs, abroad = [], []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.on("request", lambda request: _is_abroad(request.url) and abroad.append(request.url))
    page.goto(address)
    page.get_by_role("button", name="Draw", exact=True).wait_for()
    yield page
    page.close()
    assert dialogs == []
    assert abroad == []


@pytest.fixture
def slow_engine(studio, monkeypatch):
    """Every U-Net call takes long enough to be interrupted."""
    denoiser = studio.engine._denoisers["tiny"]
    tick = denoiser.tick
    monkeypatch.setattr(denoiser, "tick", lambda: (time.sleep(0.05), tick())[1])


def _is_abroad(url: str) -> bool:
    return not url.startswith(("http://127.0.0.1", "data:", "blob:"))


def draw(page, prompt: str, seed: int, images: int = 1, steps: int = 10) -> None:
    """Fill in the Generate page and press the button."""
    page.locator("#generate-prompt textarea").fill(prompt)
    page.locator("#random input").uncheck()
    for field, value in (("generate-seed", seed), ("images", images), ("generate-steps", steps)):
        number = page.locator(f"#{field} input[type=number]")
        number.fill(str(value))
        number.press("Tab")
    page.locator("#draw").click()


def wait_for_pictures(page, count: int) -> None:
    expect(page.locator("#status")).to_contain_text(f"{count} of {count} done.", timeout=WAIT)
    expect(page.locator("#pictures img")).to_have_count(count, timeout=WAIT)


def open_tab(page, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def download(page, source: str) -> bytes:
    return page.request.get(source).body()


def stored(studio, query: str, *values) -> list[tuple]:
    with closing(sqlite3.connect(studio.feedback.path)) as connection:
        return connection.execute(query, values).fetchall()


# In the browser


def test_a_prompt_becomes_the_picture_of_its_seed(page, tiny_pipe, tmp_path):
    draw(page, "a fox", seed=7, images=2)
    wait_for_pictures(page, 2)
    for index, image in enumerate(page.locator("#pictures img").all()):
        content = download(page, image.get_attribute("src"))
        path = tmp_path / f"{index}.png"
        path.write_bytes(content)
        _, expected = plain_call(tiny_pipe, Cell("a fox", None, 7 + index, 10, 7.5))
        found = numpy.asarray(Image.open(io.BytesIO(content))).astype(int)
        assert found.std() > 1
        assert abs(found - expected).max() <= 1
        settings = image_settings(path)
        assert (settings["prompt"], settings["seed"]) == ("a fox", 7 + index)
    expect(page.locator("#pictures")).to_contain_text("seed 7 · 10 steps · guidance 7.5 · tiny")


def test_a_picture_is_made_again_from_its_file(page, tmp_path):
    draw(page, "an owl at night", seed=4711)
    wait_for_pictures(page, 1)
    first = download(page, page.locator("#pictures img").get_attribute("src"))
    (tmp_path / "owl.png").write_bytes(first)
    page.reload()
    page.get_by_role("button", name="Make a picture again").click()
    page.locator("#again input[type=file]").set_input_files(tmp_path / "owl.png")
    expect(page.get_by_text("press Draw to make the picture again")).to_be_visible()
    expect(page.locator("#generate-prompt textarea")).to_have_value("an owl at night")
    page.locator("#draw").click()
    wait_for_pictures(page, 1)
    again = download(page, page.locator("#pictures img").get_attribute("src"))
    assert Image.open(io.BytesIO(again)).tobytes() == Image.open(io.BytesIO(first)).tobytes()


def test_stop(page, studio, slow_engine):
    draw(page, "a fox", seed=1, images=10, steps=100)
    expect(page.locator("#status")).to_contain_text("Drawing: 0 of 10 done.", timeout=WAIT)
    expect(page.locator("#status .cards")).to_contain_text("seed 1, step")
    page.locator("#stop").click()
    expect(page.locator("#status")).to_contain_text("Stopped. 0 of 10 done.", timeout=WAIT)
    assert studio.engine.load == (0, 0)


def test_who_closes_the_page_frees_the_engine(browser, address, studio, slow_engine):
    page = browser.new_page()
    page.goto(address)
    draw(page, "a fox", seed=1, images=10, steps=100)
    expect(page.locator("#status")).to_contain_text("Drawing", timeout=WAIT)
    assert sum(studio.engine.load) == 10
    page.close()
    deadline = time.monotonic() + 10
    while sum(studio.engine.load) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert studio.engine.load == (0, 0)


def test_a_sweep_fills_a_labelled_table(page, tmp_path):
    open_tab(page, "Explore")
    page.locator("#rows-values textarea").fill("3, 4")
    page.locator("#columns-values textarea").fill("1, 7.5, 12")
    page.locator("#sweep").click()
    expect(page.locator("#sweep-status")).to_contain_text("6 of 6 done.", timeout=WAIT)
    table = page.locator("#sweep-table")
    assert table.get_by_role("columnheader").all_inner_texts() == ["1", "7.5", "12"]
    assert table.get_by_role("rowheader").all_inner_texts() == ["3", "4"]
    sources = [image.get_attribute("src") for image in table.locator("img").all()]
    assert len(set(sources)) == 6
    assert "seed 4, guidance scale 12" in table.locator("img").last.get_attribute("alt")
    button = page.locator("#sweep-download")
    expect(button).to_be_enabled(timeout=WAIT)
    with page.expect_download() as saved:
        button.click()
    saved.value.save_as(tmp_path / "sweep.png")
    assert image_settings(tmp_path / "sweep.png")["axes"] == ["seed", "guidance_scale"]


def test_a_rating_becomes_a_row_and_goes_on_request(page, studio):
    draw(page, "a badger to rate", seed=11)
    wait_for_pictures(page, 1)
    open_tab(page, "Rate")
    expect(page.locator("#rate-pictures img")).to_have_count(1)
    page.locator("#vote input").first.check()
    page.locator("#tags input").nth(3).check()
    page.locator("#comment textarea").fill("=1+1")
    page.locator("#rate").click()
    expect(page.get_by_text("Please say what may be done")).to_be_visible()
    count = "SELECT count(*) FROM ratings WHERE prompt = 'a badger to rate'"
    assert stored(studio, count) == [(0,)]  # nothing without consent
    page.locator("#consent input").nth(1).check()
    page.locator("#rate").click()
    receipt = page.locator(".receipt").inner_text()
    row = "SELECT prompt, vote, tags, comment, consent, origin FROM ratings WHERE id = ?"
    assert stored(studio, row, receipt) == [
        ("a badger to rate", 1, '["well drawn"]', "=1+1", "training", "person")
    ]
    [rating] = [r for r in studio.feedback.ratings() if r.id == receipt]
    assert rating.settings["seed"] == 11
    assert rating.model_version == studio.engine.versions["tiny"]
    page.locator("#which input").nth(1).check()
    expect(page.locator("#rate-pictures")).to_contain_text("1 up, 0 down · a badger to rate")
    page.get_by_role("button", name="Delete a rating").click()
    page.locator("#receipt textarea, #receipt input").fill(receipt)
    page.locator("#delete").click()
    expect(page.locator("#rate-note")).to_contain_text("It is deleted.")
    assert stored(studio, count) == [(0,)]


def test_harmful_prompts_do_no_harm(page):
    for number, prompt in enumerate(HARMFUL, start=1):
        draw(page, prompt, seed=number)
        expect(page.locator("#pictures")).to_contain_text(prompt, timeout=WAIT)
    open_tab(page, "Rate")
    page.locator("#vote input").first.check()
    page.locator("#consent input").first.check()
    page.locator("#comment textarea").fill(HARMFUL[0])
    page.locator("#rate").click()
    page.locator(".receipt").wait_for()
    page.locator("#which input").nth(1).check()
    expect(page.locator("#rate-pictures")).to_contain_text(HARMFUL[-1])
    page.get_by_role("button", name="Delete a rating").click()
    page.locator("#receipt textarea, #receipt input").fill("<img src=x onerror=alert(1)>")
    page.locator("#delete").click()
    expect(page.locator("#rate-note")).to_contain_text("no rating of this receipt")
    open_tab(page, "Explore")
    page.locator("#rows input").click()
    page.get_by_role("option", name="Prompt", exact=True).click()
    expect(page.locator("#rows-values textarea")).to_have_value(re.compile("fox"))  # examples
    page.locator("#rows-values textarea").fill("\n".join(HARMFUL))
    page.locator("#columns-values textarea").fill("1")
    page.locator("#sweep").click()
    expect(page.locator("#sweep-status")).to_contain_text("4 of 4 done.", timeout=WAIT)
    assert page.locator("#sweep-table th[scope=row]").all_inner_texts() == HARMFUL
    page.locator("#rows-values textarea").fill("<img src=x onerror=alert(1)>" * 30)
    page.locator("#sweep").click()
    expect(page.get_by_text("may have 500 characters")).to_be_visible()
    assert page.locator("td script, th script, td svg, th svg, img[src=x]").count() == 0


def test_an_upload_that_is_no_image_is_told(page, tmp_path):
    fake = tmp_path / "fake.png"
    fake.write_text("<script>alert(1)</script>", encoding="utf-8")
    plain = tmp_path / "plain.png"
    Image.new("RGB", (8, 8)).save(plain)
    page.get_by_role("button", name="Make a picture again").click()
    page.locator("#again input[type=file]").set_input_files(fake)
    expect(page.get_by_text("This file holds no settings")).to_be_visible()
    page.reload()
    page.get_by_role("button", name="Make a picture again").click()
    page.locator("#again input[type=file]").set_input_files(plain)
    expect(page.get_by_text("This file holds no settings")).to_be_visible()
    open_tab(page, "Faces")
    page.locator("#face-source input").nth(1).check()
    page.locator("#face-upload input[type=file]").set_input_files(fake)
    page.locator("#improve").click()
    expect(page.get_by_text("no picture that can be read")).to_be_visible()


def test_every_control_has_a_name_and_every_picture_a_text(page):
    draw(page, "a fox", seed=5)
    wait_for_pictures(page, 1)
    for tab in ("Generate", "Explore", "Faces", "Rate"):
        open_tab(page, tab)
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll("input, textarea, select, button")]
                .filter(e => e.offsetParent !== null && e.type !== "file")
                .filter(e => !(e.labels?.length || e.innerText?.trim() || e.title
                    || e.getAttribute("aria-label") || e.getAttribute("aria-labelledby")))
                .map(e => e.outerHTML.slice(0, 200))"""
        )
        assert unnamed == []
        missing = page.evaluate(
            """() => [...document.querySelectorAll("img")]
                .filter(e => e.offsetParent !== null && !e.alt)
                .map(e => e.outerHTML.slice(0, 200))"""
        )
        assert missing == []


# Past the page


@pytest.fixture
def client(address):
    client = Client(address, verbose=False, analytics_enabled=False)
    yield client
    client.close()


GOOD = ["a fox", "", "tiny", 1, 7.5, 10, 3, False, "the model's own"]


@pytest.mark.parametrize(
    "place, value",
    [(0, "x" * 10_000), (0, ""), (2, "../../etc"), (3, 1000), (4, 1e9), (5, 100_000), (6, -1)],
)
def test_the_api_obeys_the_limits_of_the_page(client, place, value):
    asked = GOOD.copy()
    asked[place] = value
    with pytest.raises((AppError, ValueError)):
        client.predict(*asked, api_name="/generate")


def test_the_api_gives_pictures_within_the_limits(client, tiny_pipe):
    _, gallery, seed = client.predict(*GOOD, api_name="/generate")
    [entry] = gallery
    _, expected = plain_call(tiny_pipe, Cell("a fox", None, 3, 10, 7.5))
    assert abs(numpy.asarray(Image.open(entry["image"])).astype(int) - expected).max() <= 1
    assert seed == 3


def test_a_face_before_and_after(client, monkeypatch):
    client.predict(*GOOD, api_name="/generate")
    sent = []

    def enlarged(image, factor, url):
        sent.append((image.size, factor, url))
        return image.resize((64, 64))

    monkeypatch.setattr(faces, "_improve", enlarged)
    told, before, after = client.predict(faces.MINE, 1, None, 2, api_name="/improve")
    assert sent == [((32, 32), 2, None)]
    assert "32 x 32 pixels before, 64 x 64 after" in told
    assert (Image.open(before).size, Image.open(after).size) == ((32, 32), (64, 64))


def test_a_face_service_that_fails_is_told_in_its_own_words(client, monkeypatch):
    def away(image, factor, url):
        raise ConnectionError("the service <b>sleeps</b>")

    client.predict(*GOOD, api_name="/generate")
    monkeypatch.setattr(faces, "_improve", away)
    told, before, after = client.predict(faces.MINE, 1, None, 2, api_name="/improve")
    assert "could not do it. the service &lt;b&gt;sleeps" in told
    assert before and after is None
    for wrong in (
        [faces.MINE, 99, None, 2],
        [faces.MINE, 1, None, 1000],
        ["the class's", 1, None, 2],
    ):
        with pytest.raises((AppError, ValueError)):
            client.predict(*wrong, api_name="/improve")


def test_there_is_no_way_around_the_queue(address):
    for path in ("gradio_api/run/generate", "gradio_api/run/predict", "run/generate"):
        answer = httpx.post(f"{address}{path}", json={"data": GOOD, "fn_index": 0})
        assert answer.status_code in (404, 405)


def test_nothing_of_the_host_can_be_read(address, studio):
    wanted = [studio.feedback.path, os.path.abspath("pyproject.toml"), "/etc/hostname"]
    for path in wanted:
        for prefix in ("gradio_api/file=", "file=", "gradio_api/file=../../../.."):
            assert httpx.get(f"{address}{prefix}{path}").status_code >= 400
    with pytest.raises((AppError, ValueError)):  # a path that was never uploaded
        Client(address, verbose=False, analytics_enabled=False).predict(
            {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}},
            api_name="/settings_of_file",
        )


def test_an_upload_that_is_too_large_is_refused(address):
    files = {"files": ("large.png", b"0" * 6_000_000)}
    assert httpx.post(f"{address}gradio_api/upload", files=files).status_code == 413


def test_a_password_keeps_strangers_out(studio, monkeypatch):
    blocks = serve(studio, password="open sesame", block=False)
    try:
        assert httpx.get(f"{blocks.local_url}config").status_code == 401
        wrong = {"username": "class", "password": "open barley"}
        assert httpx.post(f"{blocks.local_url}login", data=wrong).status_code == 400
        right = wrong | {"password": "open sesame"}
        assert httpx.post(f"{blocks.local_url}login", data=right).status_code == 200
    finally:
        blocks.close()


def test_it_listens_on_this_computer_alone_and_sends_nothing(address):
    assert address.startswith("http://127.0.0.1")
    config = httpx.get(f"{address}config").json()
    assert not config["analytics_enabled"]
    assert not config.get("run_history", False)
