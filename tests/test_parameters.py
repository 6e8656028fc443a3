"""The settings of a picture as other programs write and read them."""

import pytest
from PIL import Image

from helpers.pictures.files import image_settings, save_image
from helpers.pictures.parameters import parameters_text, settings_of_parameters

SETTINGS = {
    "prompt": "a fox, red",
    "negative_prompt": "blurry, flat",
    "seed": 7,
    "num_inference_steps": 25,
    "guidance_scale": 7.5,
    "scheduler": "euler ancestral",
    "height": 128,
    "width": 96,
    "model": "stickers + golden, mine",
    "model_version": "0123456789abcdef",
}

# As Stable Diffusion web UI 1.10 writes it.
WEB_UI = (
    "a fox, red\nin two lines\nNegative prompt: blurry\nflat\n"
    "Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 123, "
    'Size: 512x768, Model hash: 6ce0161689, Model: v1-5, Lora hashes: "a: b1, c: d2", '
    "Version: v1.10.1"
)


def test_our_own_text_comes_back():
    assert settings_of_parameters(parameters_text(SETTINGS)) == SETTINGS


def test_the_text_of_the_web_ui_is_read():
    assert settings_of_parameters(WEB_UI) == {
        "prompt": "a fox, red\nin two lines",
        "negative_prompt": "blurry\nflat",
        "num_inference_steps": 20,
        "guidance_scale": 7.0,
        "seed": 123,
        "scheduler": "euler ancestral",
        "width": 512,
        "height": 768,
        "model": "v1-5",
        "model_version": "6ce0161689",
    }


def test_a_saved_picture_has_both_texts(tmp_path):
    path = save_image(Image.new("RGB", (96, 128)), tmp_path, SETTINGS)
    assert image_settings(path) == SETTINGS
    with Image.open(path) as image:
        first, second, last = image.info["parameters"].split("\n")
    assert (first, second) == ("a fox, red", "Negative prompt: blurry, flat")
    assert last.startswith("Steps: 25, CFG scale: 7.5, Seed: 7, ")
    assert "Sampler: Euler a" in last and "Size: 96x128" in last


def test_what_has_no_prompt_has_no_such_text(tmp_path):
    path = save_image(Image.new("RGB", (8, 8)), tmp_path / "sweep.png", {"axes": ["seed"]})
    with Image.open(path) as image:
        assert "parameters" not in image.info


@pytest.mark.parametrize("text", ["", "a fox", "a fox\nSteps: many", "a\nSteps: x, Seed: y"])
def test_another_text_is_refused(text):
    with pytest.raises(ValueError):
        settings_of_parameters(text)
