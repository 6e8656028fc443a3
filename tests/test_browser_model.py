"""A real model of the course in Chromium against the same model in PyTorch, and the pages with it.

The smallest of the family is exported once for all of these tests;
`python -m tools.browser.equality` compares them all.
"""

import os

import numpy
import pytest
import torch

from helpers import load_pipeline, seeded_latents
from helpers.sampling.attention import token_places, watch_attention
from helpers.sampling.schedulers import build_scheduler
from tests.browser_pages import call, need_packages, served_folder
from tools.browser.bundle import embedded_models, write_bundle
from tools.browser.card import SCHEDULERS

PROMPT = "a fox in a meadow, flat style"
NEGATIVE = "at night"
SETTINGS = {"num_inference_steps": 6, "guidance_scale": 4.0}

LOAD = """
if (!window.painter) {
  window.painter = new m.Painter(new URL("/", location));
  await window.painter.load({ model: value.model, provider: "wasm", threads: 1 }, () => {});
}
const { model } = window.painter;
const list = (array) => Array.from(array);
"""


def smallest_model() -> str:
    """The model of the family with the smallest U-Net on the disk."""
    models = embedded_models()
    return min(
        models,
        key=lambda name: sum(f.stat().st_size for f in (models[name].source / "unet").iterdir()),
    )


@pytest.fixture(scope="module")
def name():
    return smallest_model()


@pytest.fixture(scope="module")
def pipe(name):
    return load_pipeline(name)


@pytest.fixture(scope="module")
def bundle(name, pipe, tmp_path_factory):
    """The folder of the pages, with one model."""
    need_packages("CI" in os.environ)
    folder = tmp_path_factory.mktemp("bundle") / "browser"
    write_bundle(folder, {name: embedded_models()[name]}, load=lambda _: pipe)
    (folder / "blank.html").write_text("<!doctype html><title>Test</title>", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def page(browser, bundle):
    with served_folder(bundle) as address:
        page = browser.new_page()
        page.goto(f"{address}blank.html")
        yield page
        page.close()


def painter(page, name, body, **value):
    """Call the painter of a page, in which the model `name` is loaded."""
    return call(page, "painter.js", LOAD + body, {"model": name, **value})


@torch.no_grad()
def test_each_part_computes_what_pytorch_computes(page, name, pipe):
    read = painter(
        page, name, "const [s, d] = await model.read(value.prompt); return [list(s), list(d)];",
        prompt=PROMPT,
    )  # fmt: skip
    states = pipe.encode_prompt(PROMPT, "cpu", 1, False)[0]
    assert read[1] == list(states.shape)
    assert torch.tensor(read[0]) == pytest.approx(states.flatten(), abs=1e-4)

    latents = seeded_latents(pipe, 3)
    expected = pipe.unet(latents, 500, states).sample
    found = painter(
        page, name,
        "const p = await model.predict(Float32Array.from(value.latents), 500,"
        " await model.read(value.prompt), 1);"
        "return list(p.prediction);",
        prompt=PROMPT, latents=latents.flatten().tolist(),
    )  # fmt: skip
    assert torch.tensor(found) == pytest.approx(expected.flatten(), abs=1e-4)

    picture = painter(
        page, name,
        "const p = await model.decode(Float32Array.from(value.latents)); return list(p.rgba);",
        latents=latents.flatten().tolist(),
    )  # fmt: skip
    pixels = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    expected = pipe.image_processor.postprocess(pixels, output_type="pil")[0].convert("RGBA")
    assert levels_apart(picture, expected) <= 1


def levels_apart(rgba: list[int], image) -> int:
    """The largest difference of a pixel, of 256 levels."""
    found = numpy.array(rgba).reshape(image.height, image.width, 4)
    return int(abs(found - numpy.asarray(image.convert("RGBA")).astype(int)).max())


DRAW = """
const settings = { ...value.settings, preview_every: 3 };
if (value.latents) settings.latents = Float32Array.from(value.latents);
const drawn = await window.painter.draw(settings, () => {}, 1);
return list(drawn.picture.rgba);
"""


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("guidance_scale", [4.0, 1.0])
def test_pictures_are_those_of_the_pipeline(page, name, pipe, scheduler, guidance_scale):
    settings = SETTINGS | {
        "prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": guidance_scale
    }  # fmt: skip
    latents = seeded_latents(pipe, 42)
    page_settings = settings | {"scheduler": scheduler, "seed": 42}
    own = pipe.scheduler
    pipe.scheduler = build_scheduler(pipe, scheduler)
    try:
        expected = pipe(**settings, latents=latents).images[0]
    finally:
        pipe.scheduler = own
    given = painter(page, name, DRAW, settings=page_settings, latents=latents.flatten().tolist())
    assert levels_apart(given, expected) <= 2
    of_seed = painter(page, name, DRAW, settings=page_settings)
    assert levels_apart(of_seed, expected) <= 2


def test_attention_is_that_of_the_notebooks(page, name, pipe):
    words = PROMPT.replace(",", " ,").split()
    settings = SETTINGS | {"prompt": PROMPT, "scheduler": "dpm++", "seed": 7}
    attention, dims, places = painter(
        page, name,
        "const drawn = await window.painter.draw({ ...value.settings, preview_every: 9 },"
        " () => {}, 2);"
        "const { values, dims } = drawn.attention;"
        "return [list(values), list(dims), model.tokenizer.places(value.words)];",
        settings=settings, words=words,
    )  # fmt: skip
    pipe.scheduler = build_scheduler(pipe, "dpm++")
    with watch_attention(pipe) as watched:
        pipe(PROMPT, latents=seeded_latents(pipe, 7), **SETTINGS)
    maps = watched.of_tokens()
    assert dims == [1, *maps.shape]
    assert torch.tensor(attention) == pytest.approx(maps.flatten(), abs=1e-5)
    together = {}
    for word, of_word in zip(words, places, strict=True):
        together.setdefault(word, []).extend(of_word)
    assert together == {word: token_places(pipe.tokenizer, PROMPT, word) for word in words}
