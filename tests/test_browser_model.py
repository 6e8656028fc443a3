"""A real model of the course in Chromium against PyTorch, and the pages that show it.

The smallest of the family is exported once for all of these tests; the equality of all of them is
what `python -m tools.browser.equality` measures.
"""

import base64
import re
from urllib.parse import parse_qs, urlsplit

import pytest
import torch
from PIL import Image

from helpers import image_settings, load_pipeline, seeded_latents, watch_attention
from helpers.sampling.attention import token_places
from helpers.sampling.schedulers import build_scheduler
from tests.browser_pages import need_browser_tools

need_browser_tools()

from tools.browser.bundle import MOST_FIRST_BYTES, embedded_models, write_bundle  # noqa: E402
from tools.browser.card import SCHEDULERS, scheduler_card  # noqa: E402
from tools.browser.chromium import PageModel, levels_apart, served, write_blank  # noqa: E402
from tools.browser.equality import LEVELS, PART_TOLERANCE  # noqa: E402

PROMPT = "a fox in a meadow, flat style"
SETTINGS = {"negative_prompt": "at night", "num_inference_steps": 4, "guidance_scale": 4.0}
PATIENCE = 600_000  # milliseconds, for a computer with much else to do

PAGE = """<!doctype html><html lang="en"><title>Test</title>
<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="src/live.css">
<script defer src="src/start.js"></script><div data-live="{name}">A static picture</div>"""


@pytest.fixture(scope="module")
def name():
    """The model of the family with the smallest U-Net."""

    def size(model) -> int:
        return sum(file.stat().st_size for file in (model.source / "unet").iterdir())

    models = embedded_models()
    return min(models, key=lambda name: size(models[name]))


@pytest.fixture(scope="module")
def pipe(name):
    return load_pipeline(name)


@pytest.fixture(scope="module")
def bundle(name, pipe, tmp_path_factory):
    """The folder of the pages, with one model."""
    folder = tmp_path_factory.mktemp("bundle") / "browser"
    write_bundle(folder, {name: embedded_models()[name]}, load=lambda _: pipe)
    write_blank(folder)
    for live in ("try-it", "guidance"):
        (folder / f"{live}.html").write_text(PAGE.format(name=live), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def address(bundle):
    with served(bundle) as address:
        yield address


@pytest.fixture(scope="module")
def model(browser, address, name):
    """The model in a page."""
    page = browser.new_page()
    yield PageModel(page, address, name)
    page.close()


# --- Equality with PyTorch -----------------------------------------------------------------------


@torch.no_grad()
def test_each_part_computes_what_pytorch_computes(model, pipe):
    states = pipe.encode_prompt(PROMPT, "cpu", 1, False)[0]
    assert torch.allclose(model.read(PROMPT), states, rtol=0, atol=PART_TOLERANCE)
    latents = seeded_latents(pipe, 3)
    for timestep in (1, 500, 999):
        expected = pipe.unet(latents, timestep, states).sample
        found = model.predict(latents, timestep, PROMPT)
        assert torch.allclose(found, expected, rtol=0, atol=PART_TOLERANCE), timestep
    pixels = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    expected = pipe.image_processor.postprocess(pixels)[0]
    assert levels_apart(model.decode(latents), expected) <= LEVELS


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_picture_and_attention_are_those_of_the_pipeline(model, pipe, monkeypatch, scheduler):
    latents = seeded_latents(pipe, 42)
    settings = SETTINGS | {"prompt": PROMPT}
    drawn = model.draw(settings | {"scheduler": scheduler, "seed": 42}, latents)
    monkeypatch.setattr(pipe, "scheduler", build_scheduler(pipe, scheduler))
    with watch_attention(pipe) as watched:
        expected = pipe(**settings, latents=latents).images[0]
    assert levels_apart(drawn.pixels, expected) <= LEVELS
    assert torch.allclose(drawn.attention, watched.of_tokens(), rtol=0, atol=PART_TOLERANCE)
    places = {}
    for entry in drawn.words:
        places.setdefault(entry["word"].strip(","), []).extend(entry["places"])
    for word in ("a", "fox", "style"):
        assert places[word] == token_places(pipe.tokenizer, PROMPT, word), word


@pytest.mark.parametrize("scheduler", ["dpm++", "lcm"])
def test_a_seed_gives_the_picture_of_that_seed(model, pipe, monkeypatch, scheduler):
    """Without guidance, and by a scheduler that draws fresh noise in every step but the last."""
    monkeypatch.setattr(pipe, "scheduler", build_scheduler(pipe, scheduler))
    settings = {"prompt": PROMPT, "num_inference_steps": 3, "guidance_scale": 1.0}
    config = scheduler_card("model", pipe.scheduler)
    drawn = model.draw(settings | {"scheduler": scheduler, "seed": 7}, config=config)
    expected = pipe(**settings, generator=torch.Generator().manual_seed(7)).images[0]
    assert levels_apart(drawn.pixels, expected) <= LEVELS


def test_threads_draw_the_same_picture_where_the_page_may_use_them(browser, bundle, model, name):
    settings = SETTINGS | {"prompt": PROMPT, "scheduler": "euler", "seed": 42}
    alone = model.draw(settings).pixels
    with served(bundle, isolated=True) as address:
        page = browser.new_page()
        together = PageModel(page, address, name, threads=2)
        assert page.evaluate("crossOriginIsolated")
        assert abs(together.draw(settings).pixels - alone).max() <= LEVELS
        page.close()


# --- The page ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def context(browser):
    """A visitor, whose browser keeps what it fetched."""
    context = browser.new_context(viewport={"width": 390, "height": 800})  # a phone
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


def open_page(context, address: str):
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    return page


def press(page, button: str, says: str) -> str:
    """Press a button and wait for a message; return all of it."""
    page.get_by_role("button", name=re.compile(button)).first.click()
    return message(page, says)


def message(page, says: str) -> str:
    line = page.locator(".live-progress", has_text=re.compile(says))
    line.wait_for(timeout=PATIENCE)
    return line.inner_text()


def picture_in(page) -> bytes:
    """The pixels of the page's picture."""
    script = """() => {
      const canvas = document.querySelector(".live-picture");
      const context = canvas.getContext("2d");
      const image = context.getImageData(0, 0, canvas.width, canvas.height);
      return btoa(image.data.reduce((text, byte) => text + String.fromCharCode(byte), ""));
    }"""
    return base64.b64decode(page.evaluate(script))


ASKED = "prompt=a+fox+and+a+dragon&seed=42&num_inference_steps=4&guidance_scale=2&scheduler=euler"


def test_a_visitor_draws_and_a_link_is_a_picture(context, address, name, tmp_path):
    fetched = []
    context.on("response", lambda response: fetched.append(response))
    page = open_page(context, f"{address}try-it.html#{ASKED}")
    page.get_by_role("button", name=re.compile(r"Fetch the model \(\d+\.\d MB\)")).wait_for()
    assert "dragon" in page.locator(".live-unknown").inner_text()
    press(page, "^Fetch the model", "Drawn in")
    assert {urlsplit(response.url).netloc for response in fetched} == {urlsplit(address).netloc}
    sizes = [int(response.headers.get("content-length", 0)) for response in fetched]
    assert 1_000_000 < sum(sizes) <= MOST_FIRST_BYTES
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    words = page.locator(".live-word figcaption").all_inner_texts()
    assert words == ["a", "fox", "and", "a", "dragon"]
    assert "fox" in page.locator(".live-picture").first.get_attribute("aria-label")

    with page.expect_download() as downloading:
        page.get_by_role("link", name="Download this picture").click()
    file = tmp_path / downloading.value.suggested_filename
    downloading.value.save_as(file)
    settings = image_settings(file)
    assert settings == {
        "model": name,
        "prompt": "a fox and a dragon",
        "negative_prompt": "",
        "seed": 42,
        "num_inference_steps": 4,
        "guidance_scale": 2,
        "scheduler": "euler",
    }
    with Image.open(file) as image:
        assert "a fox and a dragon" in image.info["Description"]
        assert image.convert("RGBA").tobytes() == picture_in(page)

    fetched.clear()
    assert parse_qs(urlsplit(page.url).fragment)["seed"] == ["42"]
    again = open_page(context, page.url)
    assert message(again, "Drawn in")  # by itself, because nothing has to be fetched
    assert picture_in(again) == picture_in(page)
    assert not [response.url for response in fetched if response.url.endswith(".bin")]
    page.close()
    again.close()


def test_stop_ends_a_long_run_and_the_page_draws_on(context, address):
    page = open_page(context, f"{address}try-it.html#{ASKED}&num_inference_steps=100")
    page.get_by_label("num_inference_steps").fill("100")
    page.get_by_role("button", name=re.compile("^(Draw|Fetch)")).click()
    message(page, r"step \d+ of 100")
    assert press(page, "^Stop$", "Stopped").strip() == "Stopped."
    page.get_by_label("num_inference_steps").fill("1")
    press(page, "^Draw$", "Drawn in")
    page.close()


def test_a_wrong_setting_gets_a_sentence_and_a_next_step(context, address):
    page = open_page(context, f"{address}try-it.html#model=no-such-model&{ASKED}")
    message(page, "asks for the model “no-such-model”, which is not here. Choose another")
    for label, value, says in (
        ("prompt", "  ", "The prompt is empty. Say what"),
        ("seed", "-1", "seed must be a whole number from 0"),
        ("seed", str(2**63), "seed must be a whole number from 0"),
        ("num_inference_steps", "0", "num_inference_steps must be a whole number from 1 to 100"),
        ("num_inference_steps", "2.5", "num_inference_steps must be a whole number"),
        ("guidance_scale", "31", "guidance_scale must be a number from 0 to 30"),
        ("guidance_scale", "", "guidance_scale must be a number"),
    ):
        control = page.get_by_label(label, exact=True)
        before = control.input_value()
        control.fill(value)
        press(page, "^(Draw|Fetch)", re.escape(says))
        control.fill(before)
    page.get_by_label("num_inference_steps").fill("1")
    page.get_by_label("prompt", exact=True).fill("a fox " * 40)
    said = press(page, "^(Draw|Fetch)", "too long")
    assert re.search(r"the last \d+ were not read. Shorten it", said)
    page.close()


def test_words_are_offered_while_one_writes_and_by_keyboard(context, address):
    page = open_page(context, f"{address}try-it.html")
    prompt = page.get_by_label("prompt", exact=True)
    prompt.fill("an ow")
    assert page.locator(".live-unknown").inner_text() == ""  # "ow" may still become "owl"
    prompt.press("Tab")
    page.keyboard.press("Enter")
    assert prompt.input_value() == "an owl "
    page.close()


def test_a_figure_lives_and_follows_its_slider(context, address):
    page = open_page(context, f"{address}guidance.html")
    assert "A static picture" in page.locator("[data-live]").inner_text()
    press(page, "^Let the model draw", "Drawn in")
    before = picture_in(page)
    page.get_by_role("slider", name="guidance_scale").fill("1")
    page.wait_for_function(
        """() => document.querySelector(".live-picture").ariaLabel.includes("guidance_scale 1")""",
        timeout=PATIENCE,
    )
    assert picture_in(page) != before
    page.close()


# --- What can go wrong ---------------------------------------------------------------------------


def missing(request) -> bool:
    request.send_error(404)
    return True


def cut(request) -> bool:
    """Half of the file, and the line goes dead."""
    body = open(request.translate_path(request.path), "rb").read()
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body[: len(body) // 2])
    request.close_connection = True
    return True


def damaged(request) -> bool:
    body = bytearray(open(request.translate_path(request.path), "rb").read())
    body[len(body) // 2] ^= 1
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
    return True


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (missing, r"is not where this page looks for it \(status 404\). Reload"),
        (cut, r"arrived cut, \d+\.\d of \d+\.\d MB of it. Press the button again"),
        (damaged, r"arrived damaged. Reload"),
    ],
)
def test_a_file_that_does_not_arrive_is_told_and_fetched_again(browser, bundle, fault, says):
    is_broken = [True]

    def answer(request) -> bool:
        return is_broken[0] and "text_encoder" in request.path and fault(request)

    with served(bundle, answer) as address:
        page = open_page(browser, f"{address}try-it.html#{ASKED}")
        press(page, "^Fetch the model", says)
        is_broken[0] = False
        page.get_by_label("num_inference_steps").fill("1")
        press(page, "^Fetch the model", "Drawn in")
        page.close()


def test_a_browser_without_webassembly_and_one_without_scripts(browser, address, bundle):
    page = browser.new_page()
    page.add_init_script("delete globalThis.WebAssembly")
    page.goto(f"{address}try-it.html")
    fault = page.locator(".live-fault")
    fault.wait_for()
    assert re.search("has no WebAssembly.* Open it in a current", fault.inner_text())
    page.goto((bundle / "try-it.html").as_uri())
    page.locator(".live-fault", has_text="python -m http.server").wait_for()
    page.close()
    context = browser.new_context(java_script_enabled=False)
    page = open_page(context, f"{address}try-it.html")
    assert page.locator("[data-live]").inner_text() == "A static picture"
    context.close()
