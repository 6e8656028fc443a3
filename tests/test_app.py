"""The app as its visitors meet it: in a real browser."""

import base64
import io
import re
import sqlite3
import threading
import time
from contextlib import closing

import numpy
import pytest
from PIL import Image
from playwright.sync_api import expect

from helpers.app.pages.controls import PROMPT
from helpers.faces.service.server import start
from helpers.pictures.files import image_settings
from helpers.sampling.cell import Cell
from tests.pipelines import plain_call

WAIT = 60_000  # milliseconds, for a computer that is busy with other things
HARMFUL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "[x](javascript:alert(1)) ${alert(1)} {{alert(1)}}",
]
TABS = ("Generate", "Explore", "Faces", "Rate")

# The texts that are seen, and how their colour stands out from what lies behind it, from 1 to 21
# (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio). A canvas reads colours however they are
# written, and mixes those that are not opaque.
CONTRASTS = """() => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const mixed = colours => {
        for (const colour of ["white", ...colours]) {
            canvas.fillStyle = colour;
            canvas.fillRect(0, 0, 1, 1);
        }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = colour => colour
        .map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const found = [];
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const element = texts.currentNode.parentElement, style = getComputedStyle(element);
        const seen = element.checkVisibility({opacityProperty: true, visibilityProperty: true});
        const box = element.getBoundingClientRect(), text = texts.currentNode.data.trim();
        if (!seen || !text || box.width < 2 || element.closest(":disabled")) continue;
        const behind = [];
        for (let e = element; e; e = e.parentElement)
            behind.unshift(getComputedStyle(e).backgroundColor);
        const pair = [mixed(behind), mixed([...behind, style.color])].map(luminance);
        found.push([text, (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)]);
    }
    return found;
}"""


@pytest.fixture(autouse=True)
def patience():
    expect.set_options(timeout=WAIT)


@pytest.fixture
def opened(browser, address):
    """Call it to open the app in a new window, with Playwright's options for one.

    Whatever the app says in a dialog or asks of another computer fails the test.
    """
    pages, dialogs, abroad = [], [], []

    def open_one(**options):
        page = browser.new_page(**options)
        pages.append(page)
        page.set_default_timeout(WAIT)
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: _is_abroad(request.url) and abroad.append(request.url))
        page.goto(address)
        page.get_by_role("button", name="Draw", exact=True).wait_for()
        return page

    yield open_one
    for page in pages:
        page.close()
    assert dialogs == []
    assert abroad == []


@pytest.fixture
def page(opened):
    return opened()


@pytest.fixture
def slow_engine(studio, monkeypatch):
    """Every U-Net call takes long enough to be interrupted."""
    denoiser = studio.engine._denoisers["tiny"]
    tick = denoiser.tick
    monkeypatch.setattr(denoiser, "tick", lambda: (time.sleep(0.05), tick())[1])


@pytest.fixture
def gate(studio, monkeypatch):
    """The engine stands still while two pictures are at work; `gate.set()` lets it go on."""
    denoiser, gate = studio.engine._denoisers["tiny"], threading.Event()
    tick = denoiser.tick

    def wait_and_tick():
        if studio.engine.load == (2, 0):
            assert gate.wait(WAIT / 1000)
        return tick()

    monkeypatch.setattr(denoiser, "tick", wait_and_tick)
    yield gate
    gate.set()


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


def choose_axis(page, place: str, name: str) -> None:
    page.locator(f"#{place} input").click()
    page.get_by_role("option", name=name, exact=True).click()


def download(page, source: str) -> bytes:
    return page.request.get(source).body()


def pixels(content: bytes) -> numpy.ndarray:
    return numpy.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def stored(studio, query: str, *values) -> list[tuple]:
    with closing(sqlite3.connect(studio.feedback.path)) as connection:
        return connection.execute(query, values).fetchall()


# Generate


def test_a_prompt_becomes_the_picture_of_its_seed(page, tiny_pipe, tmp_path):
    draw(page, "a fox", seed=7, images=2)
    wait_for_pictures(page, 2)
    for index, image in enumerate(page.locator("#pictures img").all()):
        content = download(page, image.get_attribute("src"))
        path = tmp_path / f"{index}.png"
        path.write_bytes(content)
        _, expected = plain_call(tiny_pipe, Cell("a fox", None, 7 + index, 10, 7.5))
        assert pixels(content).std() > 1
        assert abs(pixels(content) - expected).max() <= 1
        settings = image_settings(path)
        assert (settings["prompt"], settings["seed"]) == ("a fox", 7 + index)
    expect(page.locator("#pictures")).to_contain_text("seed 7 · 10 steps · guidance 7.5 · tiny")


def test_a_picture_is_made_again_from_its_file(page, tmp_path):
    draw(page, "an owl at night", seed=4711)
    wait_for_pictures(page, 1)
    page.locator("#pictures img").click()  # large, with the button
    with page.expect_download() as saved:
        page.locator("#pictures").get_by_role("button", name="Download").click()
    saved.value.save_as(tmp_path / "owl.png")
    page.reload()
    page.get_by_role("button", name="Make a picture again").click()
    page.locator("#again input[type=file]").set_input_files(tmp_path / "owl.png")
    expect(page.get_by_text("press Draw to make the picture again")).to_be_visible()
    expect(page.locator("#generate-prompt textarea")).to_have_value("an owl at night")
    page.locator("#draw").click()
    wait_for_pictures(page, 1)
    again = download(page, page.locator("#pictures img").get_attribute("src"))
    assert (pixels(again) == pixels((tmp_path / "owl.png").read_bytes())).all()


def test_pictures_are_watched_as_they_form_and_stopped(page, studio, slow_engine):
    draw(page, "a fox", seed=1, images=8, steps=100)
    status = page.locator("#status")
    expect(status).to_contain_text("Drawing: 0 of 8 done.", timeout=WAIT)
    forming = page.get_by_alt_text(
        re.compile(r"The picture of seed 2 as it forms, step \d+ of 101")
    )
    expect(forming).to_be_visible(timeout=WAIT)
    preview = forming.get_attribute("src")
    assert pixels(base64.b64decode(preview.partition(",")[2])).std() > 1
    bar = status.get_by_role("progressbar")
    done = float(bar.get_attribute("value"))
    expect(bar).not_to_have_attribute("value", f"{done:g}", timeout=WAIT)
    assert done < float(bar.get_attribute("value")) < 100
    expect(forming).not_to_have_attribute("src", preview, timeout=WAIT)
    page.locator("#stop").click()
    expect(status).to_contain_text("Stopped. 0 of 8 done.", timeout=WAIT)
    assert studio.engine.load == (0, 0)


def test_what_was_done_before_stop_stays_and_the_places_are_free(page, studio, gate):
    draw(page, "a fox", seed=1, images=10)
    expect(page.locator("#status")).to_contain_text("Drawing: 8 of 10 done.", timeout=WAIT)
    expect(page.locator("#pictures img")).to_have_count(8)
    page.locator("#stop").click()
    expect(page.locator("#status")).to_contain_text("Stopped. 8 of 10 done.", timeout=WAIT)
    expect(page.locator("#pictures img")).to_have_count(8)
    assert studio.engine.load == (0, 0)
    gate.set()
    draw(page, "an owl", seed=1)
    wait_for_pictures(page, 1)


def test_two_visitors_at_once_have_their_own_pictures_and_a_second_click_does_nothing(
    opened, gate, studio, monkeypatch
):
    submit, asked = studio.engine.submit, []
    monkeypatch.setattr(
        studio.engine, "submit", lambda user, *rest: (asked.append(user), submit(user, *rest))[1]
    )
    wanted = [("a fox", 2, opened()), ("an owl", 1, opened())]
    for prompt, images, page in wanted:
        draw(page, prompt, seed=5, images=images)
        page.locator("#draw").click()
    gate.set()
    for prompt, images, page in wanted:
        wait_for_pictures(page, images)
        open_tab(page, "Rate")
        expect(page.locator("#rate-pictures img")).to_have_count(images)
        expect(page.locator("#rate-pictures")).to_contain_text(prompt)
    assert len(asked) == len(set(asked)) == 2


def test_who_closes_the_page_frees_the_engine(browser, address, studio, slow_engine):
    page = browser.new_page()
    page.goto(address)
    draw(page, "a fox", seed=1, images=10, steps=100)
    expect(page.locator("#status")).to_contain_text("Drawing", timeout=WAIT)
    assert sum(studio.engine.load) == 10
    page.close()
    deadline = time.monotonic() + WAIT / 1000
    while sum(studio.engine.load) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert studio.engine.load == (0, 0)


# The other pages


def test_a_sweep_fills_a_labelled_table(page, tiny_pipe, gate, tmp_path):
    open_tab(page, "Explore")
    page.locator("#rows-values textarea").fill("3, 4")
    choose_axis(page, "columns", "Steps")
    expect(page.locator("#columns-values textarea")).to_have_value(re.compile("20"))  # examples
    page.locator("#columns-values textarea").fill("10, 40")
    page.locator("#sweep").click()
    expect(page.locator("#sweep-status")).to_contain_text("Drawing: 2 of 4 done.", timeout=WAIT)
    table = page.locator("#sweep-table")
    expect(table.locator("td:nth-child(2) img")).to_have_count(2)
    expect(table.locator("td:nth-child(3) .empty")).to_have_count(2)
    assert table.get_by_role("columnheader").all_inner_texts() == ["10", "40"]
    assert table.get_by_role("rowheader").all_inner_texts() == ["3", "4"]
    gate.set()
    expect(page.locator("#sweep-status")).to_contain_text("4 of 4 done.", timeout=WAIT)
    expect(table.locator("img")).to_have_count(4)
    settings = [(seed, steps) for seed in (3, 4) for steps in (10, 40)]
    for image, (seed, steps) in zip(table.locator("img").all(), settings, strict=True):
        found = pixels(base64.b64decode(image.get_attribute("src").partition(",")[2]))
        far = {
            other: abs(
                found - plain_call(tiny_pipe, Cell(PROMPT, None, other, steps, 7.5))[1]
            ).mean()
            for other in (3, 4)
        }
        assert min(far, key=far.get) == seed
        assert f"seed {seed}, num inference steps {steps}" in image.get_attribute("alt")
    button = page.locator("#sweep-download")
    expect(button).to_be_enabled(timeout=WAIT)
    with page.expect_download() as saved:
        button.click()
    saved.value.save_as(tmp_path / "sweep.png")
    assert image_settings(tmp_path / "sweep.png")["axes"] == ["seed", "num_inference_steps"]


def test_a_face_before_and_after(page, studio, monkeypatch):
    class Enlarger:
        """The course's face service, with a stand-in for its network."""

        def improve(self, image, factor):
            return image.resize((image.width * factor, image.height * factor), 0)

    with start(Enlarger(), port=0) as service:
        monkeypatch.setattr(studio, "faces_url", service.url)
        draw(page, "a portrait", seed=1, images=2)
        wait_for_pictures(page, 2)
        open_tab(page, "Faces")
        gallery = page.locator("#face-pictures")
        expect(gallery.locator("img")).to_have_count(2)
        gallery.locator("button").last.click()  # the older one
        number = page.get_by_role("spinbutton", name="Number of the picture")
        expect(number).to_have_value("1")
        page.locator("#improve").click()
        status = page.locator("#face-status")
        expect(status).to_contain_text("32 x 32 pixels before, 64 x 64 after.", timeout=WAIT)
        before, after = (
            pixels(download(page, page.locator(f"#{name} img").get_attribute("src")))
            for name in ("face-before", "face-after")
        )
        older = pixels(download(page, gallery.locator("img").last.get_attribute("src")))
        assert (before == older).all()
        assert (after == older.repeat(2, axis=0).repeat(2, axis=1)).all()


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


# What must not work


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
    choose_axis(page, "rows", "Prompt")
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


# For everybody


@pytest.mark.parametrize("scheme, width", [("light", 1200), ("dark", 390)])
def test_every_text_is_legible_and_nothing_is_wider_than_the_window(opened, scheme, width):
    page = opened(color_scheme=scheme, viewport={"width": width, "height": 850})
    draw(page, "a fox", seed=5, images=2)
    wait_for_pictures(page, 2)
    open_tab(page, "Explore")
    page.locator("#sweep").click()
    expect(page.locator("#sweep-status")).to_contain_text("9 of 9 done.", timeout=WAIT)
    for tab in TABS:
        open_tab(page, tab)
        page.wait_for_timeout(300)  # colours change over some tenths of a second
        found = page.evaluate(CONTRASTS)
        assert len(found) > 10
        # 4.5 is what WCAG 2.2 asks for (success criterion 1.4.3).
        assert [(text, round(ratio, 1)) for text, ratio in found if ratio < 4.5] == []
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_every_control_has_a_name_and_every_picture_a_text(page):
    draw(page, "a fox", seed=5)
    wait_for_pictures(page, 1)
    for tab in TABS:
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


def test_a_picture_is_drawn_and_rated_by_keyboard_alone(page, studio):
    def tab_to(target):
        for _ in range(80):
            page.keyboard.press("Tab")
            if target.evaluate("e => e === document.activeElement"):
                return
        raise AssertionError(f"the key Tab does not lead to {target}")

    tab_to(page.locator("#generate-prompt textarea"))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("a stork by keyboard")
    tab_to(page.locator("#generate-steps input[type=number]"))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("10")
    tab_to(page.locator("#draw"))
    page.keyboard.press("Enter")
    wait_for_pictures(page, 4)
    tab_to(page.get_by_role("tab", name="Rate", exact=True))
    page.keyboard.press("Enter")
    expect(page.locator("#rate-pictures img")).to_have_count(4)
    tab_to(page.locator("#vote input").first)
    page.keyboard.press("Space")
    tab_to(page.locator("#consent input").first)
    page.keyboard.press("Space")
    tab_to(page.locator("#rate"))
    page.keyboard.press("Enter")
    expect(page.locator("#rate-note")).to_contain_text("Thank you, it is stored.")
    row = "SELECT vote, consent FROM ratings WHERE prompt = 'a stork by keyboard'"
    assert stored(studio, row) == [(1, "class")]
