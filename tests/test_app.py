"""The app as its visitors meet it: in a real browser, at three sizes, in light and dark."""

import io
import json
import re
import sqlite3
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import numpy
import pytest
from PIL import Image
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from playwright.sync_api import expect

from helpers.app import limits
from helpers.app.pages.controls import EXAMPLES, PROMPT
from helpers.faces.service.server import start
from helpers.pictures.files import image_settings
from helpers.sampling.cell import Cell
from tests.app_server import served, tiny_studio
from tests.pipelines import plain_call

WAIT = 180_000  # milliseconds, for a computer that is busy with other things
AXE = Path(__file__).with_name("axe") / "axe.min.js"
HARMFUL = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "[x](javascript:alert(1)) ${alert(1)} {{alert(1)}}",
]
TABS = ("Generate", "Change", "Explore", "Faces", "Rate", "Album")
DESKTOP, PHONE, NARROW = (1280, 800), (390, 844), (320, 640)

# The texts that are seen, and how their colour stands out from what lies behind it, from 1 to 21
# (https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio). A canvas reads colours however they are
# written, and mixes those that are not opaque.
CONTRASTS = """() => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const mixed = colors => {
        for (const color of ["white", ...colors]) {
            canvas.fillStyle = color;
            canvas.fillRect(0, 0, 1, 1);
        }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = color => color
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


# The edges of fields and of the focus ring, against what is behind them.
EDGES = """() => {
    const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
    const mixed = colors => {
        for (const color of ["white", ...colors]) {
            canvas.fillStyle = color;
            canvas.fillRect(0, 0, 1, 1);
        }
        return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
    };
    const luminance = color => color
        .map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const found = [];
    const fields = document.querySelectorAll(
        "textarea, input[type=text], input[type=number], input[type=checkbox], input[type=radio]");
    for (const field of fields) {
        if (!field.checkVisibility() || field.getBoundingClientRect().width < 2) continue;
        const behind = [];
        for (let e = field.parentElement; e; e = e.parentElement)
            behind.unshift(getComputedStyle(e).backgroundColor);
        let edged = field;  // a slider's number has its edge around it and the reset button
        while (edged.parentElement && parseFloat(getComputedStyle(edged).borderTopWidth) < 1)
            edged = edged.parentElement;
        for (const [what, color] of [["edge", getComputedStyle(edged).borderTopColor]]) {
            const pair = [mixed(behind), mixed([...behind, color])].map(luminance);
            found.push([field.outerHTML.slice(0, 120) + " " + what,
                (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05)]);
        }
    }
    return found;
}"""


@pytest.fixture(autouse=True)
def patience():
    expect.set_options(timeout=WAIT)


@pytest.fixture
def opened(browser, address):
    """Call it to open the app in a new window, with Playwright's options for one.

    Whatever the app says in a dialog or asks of another computer fails the test, and so does an
    error in its own script.
    """
    pages, dialogs, abroad, errors = [], [], [], []

    def open_one(size=DESKTOP, url="", **options):
        options.setdefault("viewport", {"width": size[0], "height": size[1]})
        page = browser.new_page(**options)
        pages.append(page)
        page.set_default_timeout(WAIT)
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: _is_abroad(request.url) and abroad.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{address}{url}")
        page.get_by_role("button", name="Draw", exact=True).wait_for()
        return page

    yield open_one
    for page in pages:
        page.close()
    assert dialogs == []
    assert abroad == []
    assert errors == []


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


def open_more(page) -> None:
    more = page.get_by_role("button", name="More settings")
    if more.get_attribute("aria-expanded") == "false":
        more.press("Enter")  # a click would find the bar above it where the page is low


def fill_in(page, prompt: str, seed: int, images: int = 1, steps: int = 10) -> None:
    """Fill in the Generate page."""
    page.locator("#generate-prompt textarea").fill(prompt)
    open_more(page)
    page.locator("#generate-seed").locator("input, textarea").fill(str(seed))
    for field, value in (("generate-images", images), ("generate-num-inference-steps", steps)):
        number = page.locator(f"#{field} input[type=number]")
        number.fill(str(value))
        number.press("Tab")


def draw(page, prompt: str, seed: int, images: int = 1, steps: int = 10) -> None:
    """Fill in the Generate page and press the button."""
    fill_in(page, prompt, seed, images, steps)
    page.locator("#draw").click()


def wait_for_pictures(page, count: int) -> None:
    expect(page.locator("#generate-status")).to_contain_text(f"{count} of {count} done.")
    expect(page.locator("#generate-pictures img")).to_have_count(count)


def open_tab(page, name: str) -> None:
    """Where a page is narrow, the last tabs are in a menu; at first, all pages are laid out so."""
    tab = page.get_by_role("tab", name=name, exact=True)
    menu = page.get_by_role("button", name="More tabs")
    entry = page.get_by_role("button", name=name, exact=True).first
    end = time.monotonic() + WAIT / 1000
    while time.monotonic() < end:
        with suppress(PlaywrightTimeout):  # it has just found another place
            if tab.is_visible():
                return tab.click(timeout=1000)
            if menu.is_visible():
                menu.click(timeout=1000)
                return entry.click(timeout=1000)
        page.wait_for_timeout(50)
    raise AssertionError(f"the tab {name} was never in its place")


def choose_axis(page, place: str, name: str) -> None:
    page.locator(f"#explore-{place} input").click()
    page.get_by_role("option", name=name, exact=True).click()


def content_of(page, image) -> bytes:
    return page.request.get(image.evaluate("e => e.src")).body()


def pixels(content: bytes) -> numpy.ndarray:
    return numpy.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def stored(studio, query: str, *values) -> list[tuple]:
    with closing(sqlite3.connect(studio.feedback.path)) as connection:
        return connection.execute(query, values).fetchall()


def is_in_sight(page, locator) -> bool:
    """Whether all of it is inside the window, and nothing lies over its middle."""
    return locator.evaluate(
        """e => {
            const box = e.getBoundingClientRect();
            const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
            return box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight
                && box.right <= innerWidth && (e === top || e.contains(top));
        }"""
    )


# Generate


def test_a_prompt_becomes_the_picture_of_its_seed(page, tiny_pipe, tmp_path):
    draw(page, "a fox", seed=7, images=2)
    wait_for_pictures(page, 2)
    for index, image in enumerate(page.locator("#generate-pictures img").all()):
        content = content_of(page, image)
        path = tmp_path / f"{index}.png"
        path.write_bytes(content)
        _, expected = plain_call(tiny_pipe, Cell("a fox", None, 7 + index, 10, 7.5))
        assert pixels(content).std() > 1
        assert abs(pixels(content) - expected).max() <= 1
        settings = image_settings(path)
        assert (settings["prompt"], settings["seed"]) == ("a fox", 7 + index)
    told = page.locator("#generate-pictures")
    expect(told).to_contain_text("seed 7 · 10 steps · guidance 7.5 · tiny")


def test_a_picture_is_opened_downloaded_and_made_again_after_a_reload(page, tmp_path):
    draw(page, "an owl at night", seed=4711)
    wait_for_pictures(page, 1)
    page.reload()
    picture = page.locator("#generate-pictures button.open")
    expect(picture).to_have_count(1)  # the album is kept
    picture.click()
    with page.expect_download() as saved:
        page.get_by_role("dialog").get_by_role("link", name="Download").click()
    saved.value.save_as(tmp_path / "owl.png")
    assert image_settings(tmp_path / "owl.png")["seed"] == 4711
    page.keyboard.press("Escape")
    expect(picture).to_be_focused()
    page.get_by_role("button", name="Make a picture again").click()
    page.locator("#generate-again input[type=file]").set_input_files(tmp_path / "owl.png")
    expect(page.get_by_text("press Draw to make the picture again")).to_be_visible()
    expect(page.locator("#generate-prompt textarea")).to_have_value("an owl at night")
    page.locator("#draw").click()
    wait_for_pictures(page, 1)
    again = content_of(page, page.locator("#generate-pictures img"))
    assert (pixels(again) == pixels((tmp_path / "owl.png").read_bytes())).all()


def test_pictures_are_watched_as_they_form_and_stopped(page, studio, slow_engine):
    stop = page.locator("#stop")
    expect(stop).to_be_hidden()
    draw(page, "a fox", seed=1, images=8, steps=100)
    status = page.locator("#generate-status")
    expect(status).to_contain_text("Drawing: 0 of 8 done.")
    about = re.compile(r"The picture of seed 2 as it forms, step \d+ of 101")
    forming = page.get_by_alt_text(about)
    expect(forming).to_be_visible()
    preview = forming.get_attribute("src")
    bar = status.get_by_role("progressbar")
    done = float(bar.get_attribute("value"))
    expect(bar).not_to_have_attribute("value", f"{done:g}")
    assert done < float(bar.get_attribute("value")) < 100
    expect(forming).not_to_have_attribute("src", preview)
    stop.focus()
    page.keyboard.press("Enter")
    expect(status).to_contain_text("Stopped. 0 of 8 done.")
    expect(stop).to_be_hidden()
    expect(page.locator("#draw")).to_be_focused()  # not lost with the button
    assert studio.engine.load == (0, 0)


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
        open_tab(page, "Album")
        expect(page.locator("#album-pictures img")).to_have_count(images)
        expect(page.locator("#album-pictures")).to_contain_text(prompt)
    assert len(asked) == len(set(asked)) == 2


def test_a_stream_of_results_that_was_closed_too_early_is_opened_again(page):
    """Gradio's server closes it when nothing is awaited, just when the page asks for more."""
    closed = []

    def close_at_once(route):
        closed.append(route.request.url)
        route.fulfill(content_type="text/event-stream", body='data: {"msg": "close_stream"}\n\n')

    draw(page, "a fox", seed=1, images=1)
    wait_for_pictures(page, 1)
    fill_in(page, "a fox", seed=1, images=2)
    page.wait_for_timeout(500)  # until the fields have told what they tell
    page.route("**/queue/data*", close_at_once, times=1)
    page.locator("#draw").click()
    wait_for_pictures(page, 2)
    assert closed


def test_who_closes_the_page_frees_the_engine(browser, address, studio, slow_engine):
    page = browser.new_page()
    page.set_default_timeout(WAIT)
    page.goto(address)
    draw(page, "a fox", seed=1, images=10, steps=100)
    expect(page.locator("#generate-status")).to_contain_text("Drawing")
    assert sum(studio.engine.load) == 10
    page.close()
    deadline = time.monotonic() + WAIT / 1000
    while sum(studio.engine.load) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert studio.engine.load == (0, 0)


def test_seeds_examples_and_the_count_of_tokens(page):
    words = page.locator("#generate-words")
    page.locator("#generate-pictures").get_by_role("button", name=EXAMPLES[1]).click()
    prompt = page.locator("#generate-prompt textarea")
    expect(prompt).to_have_value(EXAMPLES[1])
    expect(words).to_contain_text(re.compile(r"[1-9]\d* of \d+ tokens"))
    prompt.fill("fox " * 100)
    expect(words).to_contain_text("Cut off, and not read: ")
    draw(page, "a fox", seed=11)
    wait_for_pictures(page, 1)
    seed = page.locator("#generate-seed").locator("input, textarea")
    page.locator("#generate-dice").click()
    expect(seed).to_have_value("")
    page.get_by_role("button", name=re.compile("^Use this seed")).click()
    expect(seed).to_have_value("11")


def test_a_sketch_follows_the_words_and_is_not_kept(browser, tiny_pipe, tmp_path):
    with tiny_studio(tiny_pipe, tmp_path, "stickers-turbo") as studio, served(studio) as server:
        page = browser.new_page(viewport=dict(zip(("width", "height"), DESKTOP, strict=True)))
        page.set_default_timeout(WAIT)
        page.goto(server.url)
        switch = page.get_by_label("Draw while I type")
        prompt = page.locator("#generate-prompt textarea")
        sketch = page.locator("#generate-sketch img")
        switch.check()
        expect(sketch).to_have_attribute("alt", re.compile(re.escape(PROMPT)))
        prompt.fill("a fox")
        expect(sketch).to_have_attribute("alt", re.compile('"a fox"'))
        first = sketch.get_attribute("src")
        prompt.press_sequentially(" at night")
        expect(sketch).to_have_attribute("alt", re.compile('"a fox at night"'))
        assert sketch.get_attribute("src") != first
        expect(page.locator("#generate-sketch")).to_contain_text("seed 1, 4 steps, stickers-turbo")
        open_more(page)
        seed = page.locator("#generate-seed").locator("input, textarea")
        seed.fill("0")
        problem = page.locator("#generate-sketch .problem")
        expect(problem).to_contain_text("Seed must be from 1 to 99999")
        told = problem.get_attribute("data-told")
        prompt.press_sequentially("!")
        expect(problem).not_to_have_attribute("data-told", told)
        assert prompt.evaluate("e => e === document.activeElement")  # it goes on where it was
        seed.fill("")
        prompt.fill("")
        expect(page.locator("#generate-sketch")).to_have_text("")
        prompt.fill("a fox")
        expect(sketch).to_have_attribute("src", first)
        switch.uncheck()
        expect(sketch).to_have_count(0)
        assert not page.locator("#generate-pictures img").count() and not studio.album._by_id
        page.close()


def test_after_an_error_the_newest_words_are_drawn(browser, tiny_pipe, tmp_path, monkeypatch):
    """Of what is asked for meanwhile, gradio's page forgets the newest if an event fails."""
    right = limits.text

    def slow(name, value, *rest):
        time.sleep(0.5)
        return right(name, value, *rest)

    monkeypatch.setattr(limits, "text", slow)
    with tiny_studio(tiny_pipe, tmp_path, "stickers-turbo") as studio, served(studio) as server:
        page = browser.new_page(viewport=dict(zip(("width", "height"), DESKTOP, strict=True)))
        page.set_default_timeout(WAIT)
        page.goto(server.url)
        page.get_by_label("Draw while I type").check()
        expect(page.locator("#generate-sketch img")).to_have_count(1)
        open_more(page)
        seed = page.locator("#generate-seed").locator("input, textarea")
        seed.press_sequentially("0", delay=100)
        page.wait_for_timeout(200)  # the first is on its way
        seed.press_sequentially("7")
        expect(page.locator("#generate-sketch")).to_contain_text("seed 7, 4 steps")
        page.close()


def test_without_a_fast_model_there_is_no_switch_for_sketches(page):
    assert not page.get_by_label("Draw while I type").is_visible()


# The other pages


def test_a_sweep_fills_a_labelled_table_whose_pictures_can_be_rated(
    page, tiny_pipe, gate, tmp_path
):
    open_tab(page, "Explore")
    page.locator("#explore-row-values textarea").fill("3, 4")
    choose_axis(page, "columns", "Steps")
    values = page.locator("#explore-column-values textarea")
    expect(values).to_have_value(re.compile("20"))  # examples
    values.fill("10, 40")
    page.locator("#sweep").click()
    status, table = page.locator("#explore-status"), page.locator("#explore-table")
    expect(status).to_contain_text("Drawing: 2 of 4 done.")
    expect(table.locator("td:nth-child(2) img")).to_have_count(2)
    expect(table.locator("td:nth-child(3) .empty")).to_have_count(2)
    assert table.get_by_role("columnheader").all_inner_texts() == ["10", "40"]
    assert table.get_by_role("rowheader").all_inner_texts() == ["3", "4"]
    gate.set()
    expect(status).to_contain_text("4 of 4 done.")
    expect(table.locator("img")).to_have_count(4)
    settings = [(seed, steps) for seed in (3, 4) for steps in (10, 40)]
    for image, (seed, steps) in zip(table.locator("img").all(), settings, strict=True):
        _, expected = plain_call(tiny_pipe, Cell(PROMPT, None, seed, steps, 7.5))
        assert abs(pixels(content_of(page, image)) - expected).max() <= 1
        assert f"seed {seed}, num inference steps {steps}" in image.get_attribute("alt")
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download as one picture").click()
    saved.value.save_as(tmp_path / "sweep.png")
    assert image_settings(tmp_path / "sweep.png")["axes"] == ["seed", "num_inference_steps"]
    table.locator("button.open").last.click()
    page.get_by_role("dialog").get_by_role("button", name="Rate").click()
    expect(page.get_by_role("tab", name="Rate", exact=True)).to_have_attribute(
        "aria-selected", "true"
    )
    expect(page.locator("#rate-shown")).to_contain_text("seed 4 · 40 steps")


class Enlarger:
    """The course's face service, with a stand-in for its network."""

    def improve(self, image, factor):
        return image.resize((image.width * factor, image.height * factor), 0)


def test_a_picture_is_changed_from_its_button(page, studio):
    draw(page, "a fox", seed=1)
    wait_for_pictures(page, 1)
    before = pixels(content_of(page, page.locator("#generate-pictures img")))
    page.locator("#generate-pictures").get_by_role("button", name=re.compile("^Change")).click()
    shown = page.locator("#change-shown img")
    assert (pixels(content_of(page, shown)) == before).all()
    page.locator("#change-prompt textarea").fill("")
    for field, value in (("change-images", 1), ("change-strength", 0.5)):
        number = page.locator(f"#{field} input[type=number]")
        number.fill(str(value))
        number.press("Tab")
    page.locator("#change-draw").click()
    expect(page.locator("#change-status")).to_contain_text("The prompt is empty")
    expect(page.locator("#change-prompt textarea")).to_be_focused()
    page.keyboard.type("an owl")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#change-status")).to_contain_text("1 of 1 done.")
    picture = page.locator("#change-pictures img")
    expect(picture).to_have_count(1)
    expect(page.locator("#change-pictures")).to_contain_text("strength 0.5")
    assert abs(pixels(content_of(page, picture)) - before).max() > 1


def test_a_picture_is_changed_from_an_upload(page, tmp_path):
    path = tmp_path / "wide.png"
    Image.new("RGB", (90, 40), "teal").save(path)
    open_tab(page, "Change")
    page.locator("#change-upload input[type=file]").set_input_files(path)
    expect(page.locator("#change-shown")).to_contain_text("your upload, 90 x 40 pixels")
    open_tab(page, "Album")
    open_tab(page, "Change")
    expect(page.locator("#change-shown")).to_contain_text("your upload, 90 x 40 pixels")
    page.locator("#change-draw").click()
    expect(page.locator("#change-status")).to_contain_text("4 of 4 done.")
    expect(page.locator("#change-pictures img")).to_have_count(4)


def test_a_face_before_and_after(page, studio, monkeypatch):
    with start(Enlarger(), port=0) as service:
        monkeypatch.setattr(studio, "faces_url", service.url)
        draw(page, "a portrait", seed=1, images=2)
        wait_for_pictures(page, 2)
        cards = page.locator("#generate-pictures .card")
        wanted = pixels(content_of(page, cards.first.locator("img")))
        cards.first.get_by_role("button", name=re.compile("^Improve")).click()
        page.locator("#improve").click()
        status = page.locator("#faces-status")
        expect(status).to_contain_text("32 x 32 pixels before, 64 x 64 after.")
        before, after = (page.locator(f"#faces-result img.{one}") for one in ("before", "after"))
        assert (pixels(content_of(page, before)) == wanted).all()
        assert (pixels(content_of(page, after)) == wanted.repeat(2, axis=0).repeat(2, axis=1)).all()
        sizes = [one.bounding_box() for one in (before, after)]
        assert sizes[0] == sizes[1]
        slider = page.get_by_role("slider", name=re.compile("picture before"))
        clips = []
        for key in ("Home", "End"):
            slider.press(key)
            clips.append(before.evaluate("e => getComputedStyle(e).clipPath"))
        assert clips[0] != clips[1]


def test_a_rating_becomes_a_row_the_next_picture_comes_and_it_goes_on_request(page, studio):
    draw(page, "a badger to rate", seed=11, images=2)
    wait_for_pictures(page, 2)
    page.get_by_role("button", name=re.compile("^Rate: seed 11")).click()
    shown = page.locator("#rate-shown")
    expect(shown).to_contain_text("seed 11")
    page.locator("#rate-vote input").first.check()
    page.locator("#rate-tags input").nth(3).check()
    page.locator("#rate-comment textarea").fill("=1+1")
    page.locator("#rate").click()
    at_field = page.locator("#rate-consent .at-field")
    expect(at_field).to_contain_text("Please say what may be done")
    expect(page.locator("#rate-consent input").first).to_be_focused()
    count = "SELECT count(*) FROM ratings WHERE prompt = 'a badger to rate'"
    assert stored(studio, count) == [(0,)]  # nothing without consent
    page.locator("#rate-consent input").nth(1).check()
    expect(at_field).to_have_count(0)
    page.locator("#rate").click()
    receipt = page.locator(".receipt").inner_text()
    row = "SELECT prompt, vote, tags, comment, consent, origin FROM ratings WHERE id = ?"
    assert stored(studio, row, receipt) == [
        ("a badger to rate", 1, '["well drawn"]', "=1+1", "training", "person")
    ]
    [rating] = [r for r in studio.feedback.ratings() if r.id == receipt]
    assert rating.settings["seed"] == 11
    assert rating.model_version == studio.engine.versions["tiny"]
    expect(shown).to_contain_text("seed 12")  # the next picture, and the same consent
    expect(page.locator("#rate-consent input").nth(1)).to_be_checked()
    expect(page.locator("#rate-vote input").first).not_to_be_checked()
    page.locator("#rate-which input").nth(1).check()
    expect(shown).to_contain_text("1 up, 0 down · a badger to rate")
    page.get_by_role("button", name="Delete a rating").click()
    page.locator("#rate-receipt").locator("textarea, input").fill(receipt)
    page.locator("#delete").click()
    expect(page.locator("#delete-note")).to_contain_text("It is deleted.")
    assert stored(studio, count) == [(0,)]


def test_the_album_keeps_favorites_and_deletes_after_a_second_press(page):
    draw(page, "a fox", seed=21, images=2)
    wait_for_pictures(page, 2)
    open_tab(page, "Album")
    cards = page.locator("#album-pictures .card")
    expect(cards).to_have_count(2)
    favorite = cards.first.get_by_role("button", name=re.compile("^Favorite"))
    favorite.click()
    expect(favorite).to_have_attribute("aria-pressed", "true")
    page.locator("#album-only input").check()
    expect(cards).to_have_count(1)
    page.locator("#album-only input").uncheck()
    expect(cards).to_have_count(2)
    delete = cards.last.locator('[data-do="delete"]')
    delete.click()
    expect(delete).to_have_text("Really delete?")
    expect(cards).to_have_count(2)
    delete.click()
    expect(cards).to_have_count(1)
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download all").click()
    assert saved.value.suggested_filename == "stickers.zip"


def test_the_teacher_pauses_drawing_and_hides_a_picture(opened, studio, address):
    pupil = opened()
    expect(pupil.get_by_role("tab", name="Teacher")).to_be_hidden()
    rating = studio.feedback.add(
        Image.new("RGB", (8, 8), "teal"),
        {"prompt": "an unkind word"},
        vote=1,
        model="tiny",
        model_version="0",
        consent="class",
    )
    teacher = opened(url=f"teacher?key={studio.visitors.teacher_key}")
    open_tab(teacher, "Teacher")
    try:
        teacher.get_by_role("button", name="Pause drawing").click()
        expect(teacher.locator("#teacher-load")).to_contain_text("Drawing is paused")
        draw(pupil, "a fox", seed=1)
        expect(pupil.locator("#generate-status")).to_contain_text("paused by the teacher")
        teacher.get_by_role("button", name="Go on drawing").click()
        wait_for_pictures(pupil, 1)
    finally:
        studio.engine.pause(False)
    hide = teacher.locator("#teacher-pictures").get_by_role(
        "button", name=re.compile("^Hide.*an unkind word")
    )
    hide.click()
    expect(teacher.locator("#teacher-hidden")).to_contain_text("an unkind word")
    assert studio.feedback.find(rating.picture_id) is None
    open_tab(pupil, "Rate")
    pupil.locator("#rate-which input").nth(1).check()
    expect(pupil.locator("#rate-pictures")).not_to_contain_text("an unkind word")
    assert studio.feedback.delete(rating.id)


# What must not work


def test_harmful_prompts_do_no_harm(page):
    for number, prompt in enumerate(HARMFUL, start=1):
        draw(page, prompt, seed=number)
        expect(page.locator("#generate-pictures")).to_contain_text(prompt)
    page.locator("#generate-pictures button.open").click()
    expect(page.get_by_role("dialog")).to_contain_text(HARMFUL[-1])
    page.get_by_role("dialog").get_by_role("button", name="Rate").click()
    page.locator("#rate-vote input").first.check()
    page.locator("#rate-consent input").first.check()
    page.locator("#rate-comment textarea").fill(HARMFUL[0])
    page.locator("#rate").click()
    page.locator(".receipt").wait_for()
    page.locator("#rate-which input").nth(1).check()
    expect(page.locator("#rate-shown")).to_contain_text(HARMFUL[-1])
    page.get_by_role("button", name="Delete a rating").click()
    page.locator("#rate-receipt").locator("textarea, input").fill("<img src=x onerror=alert(1)>")
    page.locator("#delete").click()
    expect(page.locator("#delete-note")).to_contain_text("no rating of this receipt")
    open_tab(page, "Explore")
    choose_axis(page, "rows", "Prompt")
    expect(page.locator("#explore-row-values textarea")).to_have_value(re.compile("fox"))
    page.locator("#explore-row-values textarea").fill("\n".join(HARMFUL))
    page.locator("#explore-column-values textarea").fill("1")
    page.locator("#sweep").click()
    expect(page.locator("#explore-status")).to_contain_text("4 of 4 done.")
    assert page.locator("#explore-table th[scope=row]").all_inner_texts() == HARMFUL
    assert page.locator("td script, th script, td svg, th svg, img[src=x]").count() == 0


def test_what_is_wrong_is_told_at_its_field_and_the_cursor_goes_there(page):
    field = page.locator("#generate-prompt textarea")
    field.fill(" ")
    page.locator("#draw").click()
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    told = page.locator(f"#{field.get_attribute('aria-describedby')}")
    expect(told).to_contain_text("The prompt is empty")
    field.fill("a fox")
    expect(told).to_have_count(0)
    more = page.get_by_role("button", name="More settings")
    seed = page.locator("#generate-seed").locator("input, textarea")
    seed.fill("one")
    more.click()
    expect(more).to_have_attribute("aria-expanded", "false")
    page.locator("#draw").click()
    expect(seed).to_be_focused()  # the section was opened for it
    expect(page.locator("#generate-seed .at-field")).to_contain_text("Seed must be a number")


def test_an_upload_that_is_no_image_is_told(page, tmp_path):
    fake, plain = tmp_path / "fake.png", tmp_path / "plain.png"
    fake.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", encoding="utf-8")
    Image.new("RGB", (8, 8)).save(plain)
    page.get_by_role("button", name="Make a picture again").click()
    page.locator("#generate-again input[type=file]").set_input_files(fake)
    expect(page.get_by_text("This file holds no settings").first).to_be_visible()
    open_tab(page, "Faces")
    page.locator("#faces-upload input[type=file]").set_input_files(fake)
    expect(page.get_by_text("no PNG, JPEG or WebP picture").first).to_be_visible()


# For everybody


@pytest.mark.parametrize(
    "scheme, size", [("light", DESKTOP), ("dark", DESKTOP), ("dark", PHONE), ("light", NARROW)]
)
def test_every_page_is_legible_fits_and_has_no_barrier(opened, scheme, size):
    page = opened(size, color_scheme=scheme)
    draw(page, "a fox with averyveryverylongwordthatdoesnotendatall", seed=5, images=2)
    wait_for_pictures(page, 2)
    page.add_script_tag(path=AXE)
    for tab in TABS:
        open_tab(page, tab)
        if tab == "Explore":
            page.locator("#explore-row-values textarea").fill("1")
            choose_axis(page, "columns", "Steps")
            page.locator("#explore-column-values textarea").fill("2, 3")
            page.locator("#sweep").click()
            expect(page.locator("#explore-status")).to_contain_text(
                re.compile(r"(\d+) of \1 done\.")
            )
        page.wait_for_timeout(300)  # colors change over some tenths of a second
        assert page.evaluate("document.scrollingElement.scrollWidth") <= size[0]
        found = page.evaluate(CONTRASTS)
        assert len(found) > 5
        # 4.5 for texts and 3 for the edges of fields are what WCAG 2.2 asks for (1.4.3, 1.4.11).
        assert [(text, round(ratio, 1)) for text, ratio in found if ratio < 4.5] == []
        edges = page.evaluate(EDGES)
        assert [(what, round(ratio, 1)) for what, ratio in edges if ratio < 3] == []
        assert barriers(page) == []


def barriers(page) -> list[str]:
    """What axe-core finds that is serious or critical."""
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']}: {json.dumps(one['nodes'][0]['target'])} {one['nodes'][0]['html'][:150]}"
        for one in found
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_draw_is_always_in_sight(opened, size):
    page = opened(size)
    run = page.locator("#draw")
    assert is_in_sight(page, run)
    draw(page, "a fox", seed=5, images=4)
    wait_for_pictures(page, 4)
    widths = {page.locator("main").bounding_box()["width"]}
    for place in (0, 600, 10_000):
        page.evaluate(f"scrollTo(0, {place})")
        assert is_in_sight(page, run)
    for tab in TABS[1:]:
        open_tab(page, tab)
        widths.add(page.locator("main").bounding_box()["width"])
    assert len(widths) == 1


def test_on_a_phone_the_picture_is_first_and_most_settings_are_closed(opened):
    page = opened(PHONE)
    more = page.get_by_role("button", name="More settings")
    expect(more).to_have_attribute("aria-expanded", "false")
    assert is_in_sight(page, page.locator("#generate-prompt textarea"))
    expect(page.locator("#generate-model")).to_be_hidden()
    top = {
        name: page.locator(name).bounding_box()["y"]
        for name in ("#generate-pictures", "#generate-prompt")
    }
    assert top["#generate-pictures"] < top["#generate-prompt"]


def test_a_picture_is_drawn_and_rated_by_keyboard_alone(page, studio):
    def tab_to(target):
        for _ in range(90):
            page.keyboard.press("Tab")
            if target.evaluate("e => e === document.activeElement"):
                return
        raise AssertionError(f"the key Tab does not lead to {target}")

    tab_to(page.locator("#generate-prompt textarea"))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("a stork by keyboard")
    tab_to(page.locator("#generate-num-inference-steps input[type=number]"))
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("10")
    page.keyboard.press("Control+Enter")  # draws, wherever the cursor is
    wait_for_pictures(page, 4)
    first = page.locator("#generate-pictures button.open").first
    tab_to(first)
    outline = first.evaluate("e => getComputedStyle(e).outlineWidth")
    assert outline == "3px"
    tabs = page.get_by_role("tab")
    tabs.first.focus()
    for name in TABS[1:5]:
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name=name, exact=True)).to_be_focused()
    expect(page.locator("#rate-shown img")).to_be_visible()
    tab_to(page.locator("#rate-vote input").first)
    page.keyboard.press("Space")
    tab_to(page.locator("#rate-consent input").first)
    page.keyboard.press("Space")
    tab_to(page.locator("#rate"))
    page.keyboard.press("Enter")
    expect(page.locator("#rate-note")).to_contain_text("Thank you. It is stored.")
    row = "SELECT vote, consent FROM ratings WHERE prompt = 'a stork by keyboard'"
    assert stored(studio, row) == [(1, "class")]


def test_groups_have_names_and_pages_have_headings(page):
    for name in ("What may be done with the picture and your rating?", "Your vote"):
        open_tab(page, "Rate")
        expect(page.get_by_role("radiogroup", name=re.compile(re.escape(name)))).to_be_visible()
    for tab in TABS:
        open_tab(page, tab)
        expect(page.get_by_role("heading", level=2).locator("visible=true").first).to_be_visible()


def test_the_log_in_page_lets_in_and_tells_a_wrong_password(browser, studio):
    with served(studio, password="open sesame") as server:
        page = browser.new_page()
        page.set_default_timeout(WAIT)
        page.goto(server.url)
        page.add_script_tag(path=AXE)
        assert barriers(page) == []
        for word in ("open barley", "open sesame"):
            page.get_by_label("The password of your class").fill(word)
            page.get_by_role("button", name="Come in").click()
            if word == "open barley":
                expect(page.get_by_role("alert")).to_contain_text("The password is wrong.")
        page.get_by_role("button", name="Draw", exact=True).wait_for()
        page.close()
