"""A U-Net that draws in 1 to 4 steps: latent consistency distillation (Luo et al. 2023,
arXiv:2310.04378).

The teacher takes one long step of DDIM towards the picture, with guidance. The student learns to
predict from where that step begins what the running average of its weights predicts from where it
ends: so from any point of the way it learns to predict the picture at the end of it. Guidance is
distilled into the weights, at one scale; the student is drawn with `LCMScheduler` and without
guidance.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import DDIMScheduler, LCMScheduler, UNet2DConditionModel

from training.loop import Loop
from training.presets import Machine, TurboSettings
from training.unet import SCHEDULE, NoisyLatents, clean_estimate, for_training

SIGMA_DATA = 0.5  # as in LCMScheduler, with which the student is drawn
TIMESTEP_SCALING = 10.0


def turbo_scheduler(settings: TurboSettings) -> LCMScheduler:
    """What draws with the student."""
    return LCMScheduler(
        **SCHEDULE,
        prediction_type="v_prediction",
        set_alpha_to_one=False,
        original_inference_steps=settings.long_steps,
    )


@dataclass(frozen=True)
class LongSteps:
    """The teacher's steps from one of `count` timesteps to the next lower one."""

    count: int
    schedule: DDIMScheduler

    @property
    def length(self) -> int:
        return 1000 // self.count

    def drawn(self, size: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Where `size` steps begin and where they end, (size,) int64 each; 0 is the last end."""
        number = torch.randint(1, self.count + 1, (size,), generator=generator)
        starts = number * self.length - 1
        return starts, (starts - self.length).clamp(min=0)

    def step(
        self,
        noisy: torch.Tensor,
        prediction: torch.Tensor,
        starts: torch.Tensor,
        ends: torch.Tensor,
    ) -> torch.Tensor:
        """DDIM without added noise, for starts and ends of each picture's own."""
        clean = clean_estimate(self.schedule, noisy, starts, prediction)
        kept = self.schedule.alphas_cumprod.to(noisy.device)
        at_start, at_end = (kept[t].view(-1, 1, 1, 1) for t in (starts, ends))
        noise = (noisy - at_start.sqrt() * clean) / (1 - at_start).sqrt()
        return at_end.sqrt() * clean + (1 - at_end).sqrt() * noise


def consistent(
    schedule: DDIMScheduler, noisy: torch.Tensor, timesteps: torch.Tensor, prediction: torch.Tensor
) -> torch.Tensor:
    """The clean latents that the student predicts: at timestep 0, what it was given."""
    scaled = TIMESTEP_SCALING * timesteps.view(-1, 1, 1, 1)
    skip = SIGMA_DATA**2 / (scaled**2 + SIGMA_DATA**2)
    out = scaled / (scaled**2 + SIGMA_DATA**2) ** 0.5
    return skip * noisy + out * clean_estimate(schedule, noisy, timesteps, prediction)


def huber(difference: torch.Tensor, width: float = 1e-3) -> torch.Tensor:
    """Squared near zero, absolute further away."""
    return ((difference**2 + width**2).sqrt() - width).mean()


def train_turbo(
    settings: TurboSettings,
    teacher: UNet2DConditionModel,
    latents: NoisyLatents,
    folder: Path,
    name: str,
    machine: Machine,
) -> Loop:
    """Trains for the settings' steps and returns the loop, the averaged weights in its model."""
    schedule = DDIMScheduler(**SCHEDULE, prediction_type=latents.settings.prediction_type)
    steps = LongSteps(settings.long_steps, schedule)
    student, target = (copy.deepcopy(teacher).requires_grad_(True) for _ in range(2))
    target.requires_grad_(False)
    for unet in (teacher.eval().requires_grad_(False), student, target):
        for_training(unet, machine.device)
    empty = latents.empty.float().to(machine.device)

    def loss_of(step: int):
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
        clean, states = (x.to(machine.device) for x in latents.clean_batch(step, generator))
        starts, ends = (x.to(clean.device) for x in steps.drawn(len(clean), generator))
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        noisy = schedule.add_noise(clean, noise, starts)
        prediction = student(noisy, starts, states).sample
        found = consistent(schedule, noisy, starts, prediction)
        with torch.no_grad():
            conditional = teacher(noisy, starts, states).sample
            unconditional = teacher(noisy, starts, empty.expand_as(states)).sample
            guided = unconditional + settings.guidance_scale * (conditional - unconditional)
            nearer = steps.step(noisy, guided, starts, ends)
            copy_average(target, loop.ema_weights)
            wanted = consistent(schedule, nearer, ends, target(nearer, ends, states).sample)
        return huber(found - wanted), {}

    loop = Loop.of(name, student, loss_of, folder, machine, settings, report_every=25)
    return loop.finish()


@torch.no_grad()
def copy_average(target: UNet2DConditionModel, average: dict[str, torch.Tensor]) -> None:
    """Gives the target the student's averaged weights, which a checkpoint keeps."""
    for name, value in target.state_dict().items():
        value.copy_(average[name])
