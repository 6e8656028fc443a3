"""Black pictures whose cause the tests know."""

from types import SimpleNamespace

import torch

from helpers import seeded_latents, why_black
from helpers.sampling.diagnose import Reason

SETTINGS = {"num_inference_steps": 3, "guidance_scale": 3.0}


def diagnosis(pipe, seeds=1, prompt="a fox"):
    return why_black(pipe, prompt, latents=seeded_latents(pipe, seeds), **SETTINGS)


def test_a_picture_that_is_not_black(own_pipe):
    found = diagnosis(own_pipe)
    assert found.reason is Reason.NOT_BLACK
    assert str(found) == found.advice != ""


def test_nan_in_the_unet_is_found_with_its_step(own_pipe):
    forward, calls = own_pipe.unet.forward, []

    def broken(*args, **kwargs):
        calls.append(1)
        (predicted,) = forward(*args, **kwargs)
        return (predicted * float("nan") if len(calls) >= 2 else predicted,)

    own_pipe.unet.forward = broken
    found = diagnosis(own_pipe)
    assert found.reason is Reason.NAN_IN_UNET
    assert "after step 2" in found.advice and "float32" in found.advice


def test_nan_in_the_vae(own_pipe):
    with torch.no_grad():
        own_pipe.vae.decoder.conv_out.weight.fill_(float("nan"))
    assert diagnosis(own_pipe).reason is Reason.NAN_IN_VAE


def test_the_advice_follows_the_precision(own_pipe):
    from helpers.sampling.diagnose import _nan

    assert "dtype=torch.float32" in _nan(own_pipe, "U-Net", torch.float16, "after step 1").advice
    xl = type("StableDiffusionXLPipeline", (), {})()
    assert "load_pipeline('sdxl')" in _nan(xl, "VAE", torch.float16, "while").advice
    assert (
        "not a matter of float16" in _nan(own_pipe, "U-Net", torch.float32, "after step 1").advice
    )


def test_a_picture_that_is_really_black(own_pipe):
    with torch.no_grad():
        own_pipe.vae.decoder.conv_out.weight.zero_()
        own_pipe.vae.decoder.conv_out.bias.fill_(-1.0)
    found = diagnosis(own_pipe)
    assert found.reason is Reason.REALLY_BLACK


def test_the_safety_checker(own_pipe):
    def hides_the_second(images, clip_input):
        images[1] = 0
        return images, [False, True]

    own_pipe.register_modules(
        safety_checker=hides_the_second,
        feature_extractor=lambda images, return_tensors: FakeFeatures(),
    )
    found = diagnosis(own_pipe, seeds=[1, 2], prompt=["a fox", "a bee"])
    assert found.reason is Reason.SAFETY_CHECKER


class FakeFeatures(SimpleNamespace):
    """What a feature extractor gives: pixels that can be moved to a device."""

    pixel_values = torch.zeros(2, 3, 4, 4)

    def to(self, device):
        return self
