"""The record of a picture says all that makes it: scheduler options, LoRAs, FreeU, the weights."""

import numpy
import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

from helpers.fine_tuning import add_lora
from helpers.models.fingerprint import model_fingerprint
from helpers.models.switches import switched_on
from helpers.pictures.files import image_settings
from helpers.sampling.cell import Cell
from helpers.sampling.denoiser import Denoiser
from helpers.sweeps.run import sweep

SETTINGS = {"prompt": "a fox", "seed": [1, 2], "num_inference_steps": 6, "progress": False}


@pytest.fixture
def pipe(own_pipe):
    """With DPM++ 2M, as most learners have it, and a LoRA that does something."""
    own_pipe.scheduler = DPMSolverMultistepScheduler.from_config(own_pipe.scheduler.config)
    add_lora(own_pipe, rank=2)
    with torch.no_grad():
        for weights in own_pipe.unet.parameters():
            if weights.requires_grad:
                weights.normal_(generator=torch.Generator().manual_seed(len(weights)), std=0.3)
    return own_pipe


def options(**changed):
    def change(pipe):
        pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, **changed)

    return change


CHANGES = {
    "use_karras_sigmas=True": options(use_karras_sigmas=True),
    "algorithm_type='sde-dpmsolver++'": options(algorithm_type="sde-dpmsolver++"),
    "rescale_betas_zero_snr=True": options(rescale_betas_zero_snr=True),
    "final_sigmas_type='sigma_min'": options(final_sigmas_type="sigma_min"),
    "timestep_spacing='trailing'": options(timestep_spacing="trailing"),
    "{'default': 0.2}": lambda pipe: pipe.set_adapters("default", 0.2),
    "'scheduler': 'DPM": lambda pipe: pipe.disable_lora(),
    "'b1': 1.5": lambda pipe: pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.5, b2=1.6),
}
"""What the record says then, and what makes it so."""


@pytest.mark.parametrize("says", CHANGES)
def test_a_folder_of_another_pipeline_is_refused_and_its_record_says_what_differs(
    pipe, tmp_path, says
):
    before = sweep(pipe, folder=tmp_path / "before", **SETTINGS)
    CHANGES[says](pipe)
    with pytest.raises(ValueError, match="folder holds a sweep with another"):
        sweep(pipe, folder=tmp_path / "before", **SETTINGS)
    after = sweep(pipe, folder=tmp_path / "after", **SETTINGS)
    assert after[1].tobytes() != before[1].tobytes()
    for folder, result in (("before", before), ("after", after)):
        inside = [image_settings(path) for path in (tmp_path / folder).glob("seed-*.png")]
        assert sorted(inside, key=lambda one: one["seed"]) == [o.settings for o in result]
        assert (says in str(inside[0])) == (folder == "after" or "'scheduler'" in says)
    assert ("adapters" in inside[0]) == ("'scheduler'" not in says)  # only disable_lora()


def test_a_named_scheduler_takes_the_options_of_the_pipelines_own_and_says_so(own_pipe, tmp_path):
    arguments = {"scheduler": ["ddim", "euler"], "prompt": "a fox", "progress": False}
    before = sweep(own_pipe, folder=tmp_path, num_inference_steps=4, **arguments)
    own_pipe.scheduler = DDIMScheduler.from_config(
        own_pipe.scheduler.config, rescale_betas_zero_snr=True, timestep_spacing="trailing"
    )
    after = sweep(own_pipe, folder=tmp_path, num_inference_steps=4, **arguments)
    assert after["ddim"].tobytes() != before["ddim"].tobytes()
    assert "rescale_betas_zero_snr=True" in after.table["scheduler"][0]
    assert len(list(tmp_path.glob("scheduler-*.png"))) == 4  # nothing is overwritten


def test_the_record_is_the_same_as_long_as_the_pictures_are(pipe, tmp_path):
    first = sweep(pipe, folder=tmp_path, **SETTINGS)
    pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.5, b2=1.6)
    pipe.disable_freeu()
    pipe.set_adapters("default", 0.2)
    pipe.set_adapters("default", 1.0)
    pipe.scheduler.set_timesteps(9)
    calls = []
    pipe.unet.register_forward_pre_hook(lambda unet, args: calls.append(len(args[0])))
    again = sweep(pipe, folder=tmp_path, **SETTINGS)
    assert calls == [] and again.header == first.header


def test_switches_are_told_in_words_and_tell_two_versions_of_a_model_apart(pipe):
    seen = {model_fingerprint(pipe)}
    assert switched_on(pipe) == {"adapters": {"default": 1.0}}
    pipe.set_adapters("default", {"unet": {"down": 0.5, "mid": 1.0, "up": 0.25}})
    assert switched_on(pipe) == {"adapters": {"default": [0.25, 0.5, 1.0]}}
    seen.add(model_fingerprint(pipe))
    pipe.set_adapters("default", {"unet": {"down": 0.25, "mid": 1.0, "up": 0.5}})
    assert switched_on(pipe) == {"adapters": {"default": [0.25, 0.5, 1.0]}}
    seen.add(model_fingerprint(pipe))
    pipe.disable_lora()
    assert switched_on(pipe) == {}
    seen.add(model_fingerprint(pipe))
    pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.2, b2=1.4)
    assert switched_on(pipe) == {"freeu": {"s1": 0.9, "s2": 0.2, "b1": 1.2, "b2": 1.4}}
    seen.add(model_fingerprint(pipe))
    assert len(seen) == 5


@pytest.mark.parametrize("says", ["{'default': 0.2}", "'scheduler': 'DPM", "'b1': 1.5"])
def test_an_engine_that_lives_on_forgets_what_it_drew_before(pipe, says):
    """The explorer's: without this, the first step would be the one of the old model."""
    cell = Cell("a fox", seed=1, num_inference_steps=3)
    engine = Denoiser(pipe)

    def drawn(engine):
        trajectory = engine.submit(cell)
        list(engine.run())
        return numpy.asarray(trajectory.result(0)).astype(int)

    before = drawn(engine)
    CHANGES[says](pipe)
    assert abs(drawn(engine) - drawn(Denoiser(pipe))).max() <= 1
    assert abs(drawn(engine) - before).max() > 1
