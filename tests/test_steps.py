"""How many steps a scheduler can take: one clear error before anything is drawn."""

import pytest
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler

from helpers.ranking.compare import compare
from helpers.sampling.cell import Cell
from helpers.sampling.denoiser import Denoiser
from helpers.sampling.schedulers import SHORT_NAMES, build_scheduler, fresh_copy, set_steps
from helpers.sweeps.run import sweep

TRAINED = 1000  # timesteps of the training, as in Stable Diffusion


@pytest.mark.parametrize("scheduler", SHORT_NAMES)
def test_more_steps_than_the_training_had(tiny_pipe, scheduler):
    for steps in (TRAINED + 1, 10**9):
        cell = Cell("a fox", num_inference_steps=steps, scheduler=scheduler)
        says = f"num_inference_steps must be at most 1000, .*; got {steps}"
        with pytest.raises(ValueError, match=says):
            Denoiser(tiny_pipe).submit(cell)


def test_models_are_not_compared_at_steps_that_one_cannot_take(tiny_pipe):
    models, says = {"tiny": lambda: tiny_pipe}, "num_inference_steps must be at most 1000, .*1001"
    with pytest.raises(ValueError, match=says):
        compare(models, num_inference_steps=TRAINED + 1, device="cpu", progress=False)
    with pytest.raises(TypeError, match="guidance_scale must be a number; got '5'"):
        compare(models, guidance_scale="5", device="cpu", progress=False)


@pytest.mark.parametrize("kind", [DDIMScheduler, EulerDiscreteScheduler])
def test_as_many_steps_as_the_training_and_an_offset(tiny_pipe, tmp_path, kind):
    assert tiny_pipe.scheduler.config.steps_offset == 1  # as in Stable Diffusion
    says = r"lower than 1000 for a \w+ with timestep_spacing='leading' and steps_offset=1: .*1000"
    with pytest.raises(ValueError, match=says):
        own = kind.from_config(tiny_pipe.scheduler.config, timestep_spacing="leading")
        sweep(tiny_pipe, prompt="a fox", num_inference_steps=1000, scheduler=own, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_steps_that_would_stand_still(tiny_pipe):
    """Its own formula divides 1000 by 1001, so that every step would be at timestep 1."""
    leading = DPMSolverMultistepScheduler.from_config(
        tiny_pipe.scheduler.config, timestep_spacing="leading"
    )
    with pytest.raises(ValueError, match="would go from 1 to 1, and the model knows 0 to 999"):
        Denoiser(tiny_pipe).cost(Cell("a fox", num_inference_steps=1000, scheduler=leading))


@pytest.mark.parametrize("scheduler", sorted(set(SHORT_NAMES) - {"lcm", "tcd"}))
def test_usual_numbers_of_steps_are_left_alone(tiny_pipe, scheduler):
    for steps in (1, 2, 3, 50, 200, 499):
        built = fresh_copy(build_scheduler(tiny_pipe, scheduler), seed=1)
        set_steps(built, steps)
        assert len(built.timesteps) >= steps


@pytest.mark.parametrize("scheduler", ["lcm", "tcd"])
def test_schedulers_of_few_steps_say_how_many_they_have(tiny_pipe, scheduler):
    with pytest.raises(ValueError, match="num_inference_steps.*51.*50"):
        Denoiser(tiny_pipe).submit(Cell("a fox", num_inference_steps=51, scheduler=scheduler))


def test_every_timestep_of_the_training_can_be_taken_without_an_offset(tiny_pipe):
    whole = DDIMScheduler.from_config(tiny_pipe.scheduler.config, steps_offset=0)
    set_steps(whole, TRAINED)
    assert whole.timesteps.tolist() == list(reversed(range(TRAINED)))
