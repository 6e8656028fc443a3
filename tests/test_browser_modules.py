"""The modules of the pages that need no model, in Chromium, against their Python origins."""

import base64
import itertools
import json

import numpy
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
)

from helpers.models.catalogue import WEIGHTS
from helpers.vocabulary import KNOWN_WORDS, unknown_words
from tests.browser_pages import need_browser_tools, write_modules

need_browser_tools()

from tools.browser.card import scheduler_card  # noqa: E402
from tools.browser.chromium import call, served  # noqa: E402

CLASSES = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "dpm++": DPMSolverMultistepScheduler,
    "lcm": LCMScheduler,
}


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    """A page from which every module can be imported."""
    with served(write_modules(tmp_path_factory.mktemp("modules") / "browser")) as address:
        page = browser.new_page()
        page.goto(f"{address}blank.html")
        yield page
        page.close()


# --- The noise of a seed -----------------------------------------------------------------------


DRAW_TWICE = """
return value.pairs.map(([size, seed]) => {
  const generator = new m.Generator(BigInt(seed));
  return [...generator.randn(size), ...generator.randn(value.again)];
});
"""


def test_noise_is_that_of_torch_whatever_the_size_and_the_seed(page):
    sizes = [1, 2, 5, 14, 15, 16, 17, 24, 31, 32, 33, 47, 100, 624, 1000, 1024]
    again = 5  # numbers that are drawn after the first ones, from the same generator
    seeds = [0, 1, 42, 2**31, 2**32 - 1, 2**32 + 42, 2**63 - 1]
    pairs = [(size, str(seed)) for size, seed in itertools.product(sizes, seeds)]
    drawn = call(page, "random.js", DRAW_TWICE, {"pairs": pairs, "again": again})
    for (size, seed), numbers in zip(pairs, drawn, strict=True):
        generator = torch.Generator().manual_seed(int(seed))
        first = torch.randn(size, generator=generator)
        expected = torch.cat([first, torch.randn(again, generator=generator)])
        assert torch.allclose(torch.tensor(numbers), expected, rtol=0, atol=2e-6), (size, seed)


# --- Schedulers --------------------------------------------------------------------------------

BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
OPTIONS = {
    "ddim": [{"clip_sample": False}, {"clip_sample": True}, {"set_alpha_to_one": False}],
    "euler": [{}, {"final_sigmas_type": "sigma_min"}],
    "dpm++": [
        {},
        {"solver_order": 1},
        {"solver_type": "heun"},
        {"lower_order_final": False},
        {"euler_at_final": True, "final_sigmas_type": "sigma_min"},
    ],
    "lcm": [{}, {"clip_sample": True}, {"original_inference_steps": 100, "timestep_scaling": 3.0}],
}
SPACINGS = ("leading", "trailing", "linspace")
PREDICTIONS = ("epsilon", "v_prediction", "sample")
SIZE = 6
SEED = 9


def every_scheduler():
    for name, kind in CLASSES.items():
        for options, spacing, prediction in itertools.product(OPTIONS[name], SPACINGS, PREDICTIONS):
            extra = {"timestep_spacing": spacing, "prediction_type": prediction, "steps_offset": 1}
            yield name, kind(**BETAS, **extra, **options)


def run_in_diffusers(scheduler, start, predictions):
    """Timesteps, and the latents after every step, from a list of predictions."""
    scheduler.set_timesteps(len(predictions))
    latents, path = start * scheduler.init_noise_sigma, []
    generator = torch.Generator().manual_seed(SEED)
    for timestep, prediction in zip(scheduler.timesteps, predictions, strict=True):
        seen = scheduler.scale_model_input(latents, timestep)
        noise = {"generator": generator} if isinstance(scheduler, LCMScheduler) else {}
        moved = scheduler.step(prediction * seen, timestep, latents, **noise)
        latents = moved.prev_sample
        path.append(latents.tolist())
    return scheduler.timesteps.tolist(), path


RUN = f"""
const {{ Generator }} = await import("/src/random.js");
return value.map(({{name, config, alphas, start, factors}}) => {{
  const generator = new Generator({SEED});
  const scheduler = m.makeScheduler(name, config, alphas, factors.length);
  let latents = Float32Array.from(start, (x) => x * scheduler.initNoiseSigma);
  const path = factors.map((factor, i) => {{
    const seen = scheduler.scaleInput(latents, i);
    const prediction = seen.map((x, k) => x * factor[k]);
    latents = scheduler.step(prediction, i, latents, (n) => generator.randn(n)).latents;
    return [...latents];
  }});
  return [scheduler.timesteps, path];
}});
"""


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 15, 20, 50])
def test_schedulers_walk_as_those_of_diffusers(page, steps):
    generator = torch.Generator().manual_seed(steps)
    start = torch.randn(SIZE, generator=generator)
    factors = torch.rand(steps, SIZE, generator=generator)
    schedulers = list(every_scheduler())
    cases = [
        {
            "name": name,
            "config": scheduler_card("model", scheduler),
            "alphas": scheduler.alphas_cumprod.tolist(),
            "start": start.tolist(),
            "factors": factors.tolist(),
        }
        for name, scheduler in schedulers
    ]
    for (name, scheduler), (timesteps, path) in zip(
        schedulers, call(page, "schedulers.js", RUN, cases), strict=True
    ):
        expected_timesteps, expected = run_in_diffusers(scheduler, start, factors)
        assert timesteps == pytest.approx(expected_timesteps, abs=1e-4), (name, scheduler.config)
        differences = numpy.abs(numpy.array(path) - numpy.array(expected))
        scale = 1 + numpy.abs(numpy.array(expected))
        assert (differences / scale).max() < 1e-4, (name, dict(scheduler.config))


# --- Words -------------------------------------------------------------------------------------

ODD = [
    "",
    " ",
    "A FOX",
    "a fox,a cat",
    "fox's ear",
    "it's 3d, 12 apples!",
    "über Füchse",
    "a\tfox\n in  a meadow",
    "naïve café",
    "日本語 fox",
    "🦊 fox 🦊🦊",
    "e\u0301 é",
    "½ ² ⅷ ٣",
    "a_b-c…d",
    "<|endoftext|> fox <|startoftext|>",
    "don't can't we've I'll I'd",
    "\u00a0fox\u2003\u3000cat",
    "İstanbul ẞ Σς",
    "!!! ... ?!",
    "fox" * 40,
    "a fox " * 30,
    "(a fox:1.2) [cat]",
    "\u200bfox\u200d",
    "ﬁne",
    "x" * 500,
    "'s 's's",
    '<fox> & "cat"',
    "\x00fox\x07",
    "A\u030a",
]


def test_tokens_are_those_of_clip_tokenizer(page):
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(WEIGHTS / "stickers" / "tokenizer")
    vocabulary = [token.replace("</w>", "") for token in tokenizer.get_vocab()]
    texts = [*vocabulary, *KNOWN_WORDS, *ODD]
    folder = WEIGHTS / "stickers" / "tokenizer"
    files = [
        (folder / name).read_text(encoding="utf-8")
        for name in ("tokenizer.json", "tokenizer_config.json")
    ]
    body = """
    const tokenizer = new m.PromptTokenizer(...value.files.map((text) => JSON.parse(text)));
    return value.texts.map((text) => tokenizer.encode(text));
    """
    read = call(page, "tokens.js", body, {"files": files, "texts": texts})
    limit = tokenizer.model_max_length
    for text, found in zip(texts, read, strict=True):
        whole = tokenizer(text).input_ids
        expected = tokenizer(text, padding="max_length", truncation=True, max_length=limit)
        assert found["ids"] == expected.input_ids, repr(text)
        assert found["dropped"] == max(0, len(whole) - limit), repr(text)


def test_unknown_words_are_those_of_the_course(page):
    prompts = [*ODD, "a dragon in a meadow", "Don’t draw a dragon, a dragon!", "ice cream"]
    body = "return value.prompts.map((prompt) => m.unknownWords(prompt, {words: value.words}));"
    found = call(page, "vocabulary.js", body, {"prompts": prompts, "words": sorted(KNOWN_WORDS)})
    assert found == [unknown_words(prompt) for prompt in prompts]


# --- Files -------------------------------------------------------------------------------------


def test_every_float16_is_unpacked(page):
    bits = numpy.arange(2**16, dtype=numpy.uint16)
    planes = [(bits >> 8).astype(numpy.uint8), (bits & 255).astype(numpy.uint8)]
    content = b"\x03\0\0\0abc" + b"".join(plane.tobytes() for plane in planes)
    body = """
    const bytes = Uint8Array.from(atob(value), (c) => c.charCodeAt(0));
    const { graph, weights } = m.unpackPart(bytes);
    const raw = new Uint8Array(weights.buffer);
    return [[...graph], btoa(raw.reduce((text, byte) => text + String.fromCharCode(byte), ""))];
    """
    graph, weights = call(page, "parts.js", body, base64.b64encode(content).decode())
    assert bytes(graph) == b"abc"
    found = numpy.frombuffer(base64.b64decode(weights), numpy.float32)
    assert numpy.array_equal(found, bits.view(numpy.float16).astype(numpy.float32), equal_nan=True)


def test_settings_are_json_and_survive_the_address(page):
    settings = {
        "model": "stickers",
        "prompt": 'naïve "fox" 🦊 & cat #1 + 2%\n',
        "negative_prompt": "",
        "seed": str(2**63 - 1),
        "num_inference_steps": "7",
        "guidance_scale": "2.5",
        "scheduler": "dpm++",
    }
    card = {"num_inference_steps": 25, "guidance_scale": 5, "scheduler": "ddim"}
    card["schedulers"] = {"ddim": {}, "dpm++": {}}
    family = {"first": "stickers", "models": {"stickers": card}}
    body = """
    const back = m.fromAddress(m.toAddress(value.settings), value.family);
    const strange = m.fromAddress("#model=none&scheduler=pndm&colour=red&seed=3", value.family);
    return [back, m.toJson(m.checked(back.settings, value.family)), strange];
    """
    back, text, strange = call(page, "settings.js", body, {"settings": settings, "family": family})
    assert back == {"settings": settings, "unknown": []}
    assert strange["unknown"] == ["model “none”", "scheduler “pndm”"]
    assert (strange["settings"]["seed"], strange["settings"]["scheduler"]) == ("3", "ddim")
    assert "colour" not in strange["settings"]
    assert text.isascii()
    assert json.loads(text) == settings | {
        "seed": 2**63 - 1,
        "num_inference_steps": 7,
        "guidance_scale": 2.5,
    }
