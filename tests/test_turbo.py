"""The distillation of a few-step student, shrunk, and its parts against diffusers' own."""

import json

import pytest
import torch
from diffusers import DDIMScheduler, LCMScheduler

from helpers import load_pipeline
from training import turbo
from training.presets import TINY, TurboSettings
from training.unet import SCHEDULE

SCHEDULER = DDIMScheduler(
    **SCHEDULE, prediction_type="v_prediction", clip_sample=False, set_alpha_to_one=False
)
STEPS = turbo.LongSteps(50, SCHEDULER)


def noise(seed, count=3):
    return torch.randn(count, 4, 16, 16, generator=torch.Generator().manual_seed(seed))


def test_a_long_step_is_one_of_diffusers_ddim():
    noisy, prediction = noise(1), noise(2)
    starts = torch.tensor([999, 499, 39])
    found = STEPS.step(noisy, prediction, starts, starts - 20)
    SCHEDULER.set_timesteps(50)
    for i, start in enumerate(starts):
        wanted = SCHEDULER.step(prediction[i], start, noisy[i]).prev_sample
        torch.testing.assert_close(found[i], wanted, atol=1e-4, rtol=1e-4)


def test_steps_begin_where_the_scheduler_of_the_student_does():
    scheduler = turbo.turbo_scheduler(TurboSettings())
    starts, ends = STEPS.drawn(2000, torch.Generator().manual_seed(0))
    assert starts.unique().tolist() == list(range(19, 1000, 20))
    assert ((starts - ends == 20) | (ends == 0)).all() and ends.min() == 0
    for count in (1, 2, 4):
        scheduler.set_timesteps(count)
        assert set(scheduler.timesteps.tolist()) <= set(starts.tolist())


def test_a_student_leaves_what_has_no_noise_as_it_is():
    noisy = noise(1)
    last = turbo.consistent(SCHEDULER, noisy, torch.zeros(3, dtype=torch.int64), noise(2))
    assert torch.equal(last, noisy)


def test_the_student_sees_what_its_scheduler_makes_of_its_prediction():
    """LCMScheduler's last step gives the picture as it was taken to be, and adds no noise."""
    scheduler = turbo.turbo_scheduler(TurboSettings())
    scheduler.set_timesteps(1)
    [start] = scheduler.timesteps
    noisy, prediction = noise(1, count=1), noise(2, count=1)
    wanted = scheduler.step(prediction, start, noisy).denoised
    found = turbo.consistent(SCHEDULER, noisy, start.view(1), prediction)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_huber_is_square_near_zero_and_absolute_further_away():
    assert turbo.huber(torch.tensor([1e-4])) == pytest.approx(5e-6, rel=0.01)
    assert turbo.huber(torch.tensor([-3.0])) == pytest.approx(3.0, rel=0.01)


def test_a_tiny_turbo_is_trained_exported_and_draws_in_two_steps(trained):
    trained.turbo()
    before = load_pipeline(trained.weights / "stickers", device="cpu")
    pipe = load_pipeline(trained.weights / "stickers-turbo", device="cpu")
    assert isinstance(pipe.scheduler, LCMScheduler)
    assert not isinstance(before.scheduler, LCMScheduler)
    changed = [
        not torch.equal(new, old)
        for new, old in zip(pipe.unet.parameters(), before.unet.parameters(), strict=True)
    ]
    assert any(changed)
    calls = []
    pipe.unet.register_forward_hook(lambda module, inputs, output: calls.append(len(inputs[0])))
    result = pipe("a fox", num_inference_steps=2, guidance_scale=1.0)
    assert calls == [1, 1]  # one prediction a step, without guidance
    assert result.images[0].size == (128, 128)
    assert (trained.student_logs / "turbo-1.jsonl").exists()


def test_a_turbo_is_compared_with_its_teacher_at_few_steps(trained):
    trained.turbo()
    trained.evaluate_turbo()
    folder = trained.weights / "stickers-turbo"
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    ways = {name: (row["steps"], row["guidance"]) for name, row in figures["entries"].items()}
    assert ways == {
        f"stickers, {TINY.evaluation_steps} steps": (TINY.evaluation_steps, 5.0),
        "stickers, 4 steps": (4, 5.0),
        "stickers-turbo, 1 step": (1, 1.0),
        "stickers-turbo, 2 steps": (2, 1.0),
        "stickers-turbo, 4 steps": (4, 1.0),
    }
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "# Stickers, turbo" in card and "`python -m training turbo`" in card
    assert "| turbo-1 | 3 |" in card and "distil" not in card.split("## Training")[1].split("##")[0]
