"""Pictures that begin from a picture: the engine against diffusers' image-to-image pipelines."""

import diffusers
import numpy
import pytest
import torch
from PIL import Image

from helpers.sampling.beginning import Beginning
from helpers.sampling.cell import Cell
from helpers.sampling.denoiser import Denoiser
from helpers.sampling.schedulers import build_scheduler, fresh_copy
from tests.pipelines import EVERY_SCHEDULER, tiny_sd_pipeline, tiny_sdxl_pipeline

KINDS = {
    "sd": (tiny_sd_pipeline, diffusers.StableDiffusionImg2ImgPipeline),
    "sdxl": (tiny_sdxl_pipeline, diffusers.StableDiffusionXLImg2ImgPipeline),
}

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:diffusers",
    "ignore::DeprecationWarning:numpy",
    "ignore:Should have ta>=t0:UserWarning",
)


@pytest.fixture(scope="module", params=KINDS)
def pipes(request):
    """A pipeline, and the image-to-image pipeline of the same parts."""
    make, kind = KINDS[request.param]
    pipe = make()
    options = {"requires_safety_checker": False} if request.param == "sd" else {}
    other = kind(**pipe.components, **options)
    other.set_progress_bar_config(disable=True)
    return pipe, other


@pytest.fixture(scope="module")
def image():
    """A gradient, so that a picture that is mirrored or moved is another one."""
    across, down = numpy.meshgrid(numpy.arange(32) * 8, numpy.arange(32) * 4)
    return Image.fromarray(numpy.dstack([across, down, across // 2]).astype("uint8"))


@pytest.mark.parametrize("scheduler", EVERY_SCHEDULER)
def test_it_draws_what_image_to_image_draws(pipes, image, scheduler):
    pipe, other = pipes
    cell, strength = Cell("a fox", "blue", 5, 6, 4.0, scheduler), 0.5
    other.scheduler = fresh_copy(build_scheduler(pipe, scheduler), cell.seed)
    expected = other(
        prompt=cell.prompt,
        image=image,
        strength=strength,
        negative_prompt=cell.negative_prompt,
        num_inference_steps=cell.num_inference_steps,
        guidance_scale=cell.guidance_scale,
        generator=torch.Generator().manual_seed(cell.seed),
    ).images[0]
    engine = Denoiser(pipe, mode="exact")
    drawn = engine.submit(cell, beginning=Beginning(image, strength))
    list(engine.run())
    assert numpy.asarray(expected).std() > 1
    assert numpy.array_equal(numpy.asarray(drawn.result(0)), numpy.asarray(expected))


def test_it_shares_calls_with_pictures_from_noise_and_keeps_their_first_steps_apart(image):
    pipe = tiny_sd_pipeline()
    cell = Cell("a fox", seed=5, num_inference_steps=4)
    beginnings = [None, Beginning(image, 1.0), Beginning(image.rotate(90), 1.0)]

    def pictures(engines):
        jobs = [e.submit(cell, beginning=b) for e, b in zip(engines, beginnings, strict=True)]
        for engine in dict.fromkeys(engines):
            list(engine.run())
        return [numpy.asarray(job.result(0)).astype(int) for job in jobs]

    alone = pictures([Denoiser(pipe) for _ in beginnings])
    together = pictures([Denoiser(pipe)] * len(beginnings))
    assert all(abs(one - other).max() <= 1 for one, other in zip(alone, together, strict=True))
    assert abs(alone[1] - alone[2]).max() > 1


@pytest.mark.parametrize(
    "strength, kind, says",
    [
        (0, ValueError, "strength must be above 0 and at most 1; got 0."),
        (1.5, ValueError, "got 1.5."),
        (float("nan"), ValueError, "got nan."),
        ("0.5", TypeError, "strength must be a number; got '0.5'."),
        (True, TypeError, "got True."),
    ],
)
def test_a_strength_that_cannot_be_is_refused(image, strength, kind, says):
    with pytest.raises(kind, match=says):
        Beginning(image, strength)


def test_a_strength_that_leaves_no_step_is_refused_at_once(image, tiny_pipe):
    engine = Denoiser(tiny_pipe)
    with pytest.raises(ValueError, match="0.1 of 9 is less than one"):
        engine.submit(Cell("a fox", num_inference_steps=9), beginning=Beginning(image, 0.1))
    assert not engine.busy


def test_what_is_no_picture_is_refused():
    with pytest.raises(TypeError, match="image must be a PIL image"):
        Beginning("fox.png", 0.5)
