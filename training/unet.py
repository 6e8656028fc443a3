"""The denoiser: a real `UNet2DConditionModel` on 16 x 16 x 4 latents, conditioned on text.

It learns to predict the velocity (Salimans and Ho 2022, arXiv:2202.00512), as Stable Diffusion 2.1
does, with the noise schedule of Stable Diffusion 1.x. One caption in ten is left empty, so that it
learns the unconditional prediction too, which classifier-free guidance needs (Ho and Salimans 2022,
arXiv:2207.12598).
"""

import time
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import nn
from transformers import CLIPTextModelWithProjection, CLIPTokenizer

from helpers.base.files import write_whole
from helpers.fine_tuning import target_of
from training.clip import tokens
from training.data import Batches, Dataset, Prefetch
from training.loop import Loop
from training.pixels import to_pixels
from training.presets import Machine, UnetSettings
from training.vae import SCALING_FACTOR

SCHEDULE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}


def new_unet(settings: UnetSettings, text_width: int) -> UNet2DConditionModel:
    """An untrained U-Net whose residual branches and output start at zero."""
    torch.manual_seed(settings.seed)
    deeper = len(settings.channels) - 1
    unet = UNet2DConditionModel(
        sample_size=16,
        in_channels=4,
        out_channels=4,
        block_out_channels=settings.channels,
        layers_per_block=settings.layers_per_block,
        cross_attention_dim=text_width,
        attention_head_dim=4,
        resnet_time_scale_shift=settings.resnet_time_scale_shift,
        addition_embed_type=settings.addition_embed_type,
        addition_embed_type_num_heads=4,
        down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * deeper),
        up_block_types=(*["CrossAttnUpBlock2D"] * deeper, "UpBlock2D"),
        norm_num_groups=16,
    )
    for module in unet.modules():
        if hasattr(module, "conv_shortcut"):  # a residual block
            nn.init.zeros_(module.conv2.weight)
        if hasattr(module, "proj_out"):  # a transformer
            nn.init.zeros_(module.proj_out.weight)
    nn.init.zeros_(unet.conv_out.weight)
    return unet


@torch.no_grad()
def write_latents(
    file: Path,
    data: Dataset,
    pictures: int,
    vae: AutoencoderKL,
    tokenizer: CLIPTokenizer,
    workers: int = 0,
    batch_size: int = 50,
) -> None:
    """Encodes the pictures once: mean and deviation of their latents, and their captions' ids."""
    rows, began = [], time.monotonic()
    samples_of = Prefetch(Batches(data, batch_size), workers)
    for start in range(0, pictures, batch_size):
        samples = samples_of(start // batch_size)[: pictures - start]
        pixels = to_pixels([s.picture for s in samples]).to(vae.device)
        posterior = vae.encode(pixels.contiguous(memory_format=torch.channels_last)).latent_dist
        ids = tokens(tokenizer, [s.caption for s in samples])
        both = torch.cat([posterior.mean, posterior.std], dim=1) * SCALING_FACTOR
        rows.append((both.half().cpu(), ids))
        done = start + len(samples)
        if done % (20 * batch_size) == 0:
            left = (time.monotonic() - began) / done * (pictures - done) / 60
            print(f"latents {done}/{pictures}  {left:.1f} min left", flush=True)
    latents, ids = (torch.cat(column) for column in zip(*rows, strict=True))
    write_whole(file, lambda path: torch.save({"latents": latents, "input_ids": ids}, path))


@torch.no_grad()
def text_states(text: CLIPTextModelWithProjection, ids: torch.Tensor) -> torch.Tensor:
    """The text encoder's hidden states for each caption, (n, 32, text_width) float16."""
    chunks = ids.split(256)
    return torch.cat([text(input_ids=i).last_hidden_state.half() for i in chunks])


class NoisyLatents:
    """The stored pictures with noise on them; the batch is a function of seed and step."""

    def __init__(
        self,
        file: Path,
        text: CLIPTextModelWithProjection,
        tokenizer: CLIPTokenizer,
        settings: UnetSettings,
    ) -> None:
        stored = torch.load(file, weights_only=True)
        self.latents, self.states = stored["latents"], text_states(text, stored["input_ids"])
        self.empty = text_states(text, tokens(tokenizer, [""]))[0]
        self.use(settings)

    def use(self, settings: UnetSettings) -> None:
        """From here on the batches are those of other settings."""
        self.schedule = DDPMScheduler(**SCHEDULE, prediction_type=settings.prediction_type)
        self.settings = settings

    def clean_batch(
        self, step: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The pictures of a step: their latents, drawn from what is stored, and their captions'."""
        settings = self.settings
        chosen = batch_indices(len(self.latents), settings.batch_size, step, settings.seed)
        mean, deviation = self.latents[chosen].float().chunk(2, dim=1)
        clean = mean + deviation * torch.randn(mean.shape, generator=generator)
        return clean, self.states[chosen].float()

    def batch(self, step: int) -> tuple[torch.Tensor, ...]:
        """Noisy latents, their timesteps, the captions' states, and what should be predicted."""
        generator = torch.Generator().manual_seed(self.settings.seed * 1_000_003 + step)
        clean, states = self.clean_batch(step, generator)
        noise = torch.randn(clean.shape, generator=generator)
        timesteps = torch.randint(0, 1000, (len(clean),), generator=generator)
        empty = torch.rand(len(clean), generator=generator) < self.settings.caption_dropout
        states[empty] = self.empty.float()
        noisy = self.schedule.add_noise(clean, noise, timesteps)
        return noisy, timesteps, states, target_of(self.schedule, clean, noise, timesteps)

    def at(self, timestep: int) -> tuple[torch.Tensor, ...]:
        """All pictures at one timestep, always with the same noise.

        Noisy latents, timesteps, and what should be predicted.
        """
        clean = self.latents[:, :4].float()
        noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(timestep))
        timesteps = torch.full((len(clean),), timestep)
        noisy = self.schedule.add_noise(clean, noise, timesteps)
        return noisy, timesteps, target_of(self.schedule, clean, noise, timesteps)


def for_training(unet: UNet2DConditionModel, device: str) -> None:
    """Puts it there, in the layout and with the attention that is trained fastest."""
    unet.to(device)
    if device == "cpu":
        # One thread of a processor with AMX: 63 pictures a second so, 51 with channels last, and 49
        # with the fused attention too, whose way back is slow.
        unet.set_attn_processor(AttnProcessor())
    else:
        unet.to(memory_format=torch.channels_last)


def train_unet(
    unet: UNet2DConditionModel,
    stored: NoisyLatents,
    folder: Path,
    name: str,
    machine: Machine,
    handed_over: Path | None = None,
) -> Loop:
    """Trains for the settings' steps and returns the loop, the averaged weights in its model."""
    settings, device = stored.settings, machine.device
    for_training(unet, device)

    def loss_of(step: int):
        noisy, timesteps, states, target = stored.batch(step)
        noisy = noisy.to(device)
        predicted = unet(noisy, timesteps.to(device), states.to(device)).sample
        errors = (predicted - target.to(device)).square().mean((1, 2, 3))
        weights = timestep_weights(stored.schedule, timesteps, settings)
        return (errors * weights.to(device)).mean(), {}

    more = {"report_every": 25, "handed_over": handed_over}
    return Loop.of(name, unet, loss_of, folder, machine, settings, **more).finish()


def clean_estimate(
    schedule: DDPMScheduler, noisy: torch.Tensor, timesteps: torch.Tensor, prediction: torch.Tensor
) -> torch.Tensor:
    """The clean latents (n, 4, 16, 16) that a prediction stands for."""
    kept = schedule.alphas_cumprod.to(noisy.device)[timesteps].view(-1, 1, 1, 1)
    if schedule.config.prediction_type == "v_prediction":
        return kept.sqrt() * noisy - (1 - kept).sqrt() * prediction
    return (noisy - (1 - kept).sqrt() * prediction) / kept.sqrt()


class CleanEstimates:
    """What the U-Net predicts clean latents to be, after noise of an early timestep was added.

    Early ones only: at late ones it predicts another picture.
    """

    timesteps = (50, 400)

    def __init__(self, unet, text, tokenizer: CLIPTokenizer, settings: UnetSettings) -> None:
        self.unet, self.text, self.tokenizer = unet.eval().requires_grad_(False), text, tokenizer
        self.schedule = DDPMScheduler(**SCHEDULE, prediction_type=settings.prediction_type)

    @torch.no_grad()
    def __call__(
        self, latents: torch.Tensor, captions: list[str], generator: torch.Generator
    ) -> torch.Tensor:
        """`latents` are scaled, (n, 4, 16, 16); so is the result."""
        device = latents.device
        self.unet.to(device), self.text.to(device)
        timesteps = torch.randint(*self.timesteps, (len(latents),), generator=generator)
        noise = torch.randn(latents.shape, generator=generator).to(device)
        noisy = self.schedule.add_noise(latents, noise, timesteps.to(device))
        states = self.text(input_ids=tokens(self.tokenizer, captions).to(device)).last_hidden_state
        prediction = self.unet(noisy, timesteps.to(device), states).sample
        return clean_estimate(self.schedule, noisy, timesteps.to(device), prediction)


TIMESTEPS = tuple(range(50, 1000, 100))  # at which errors are measured


@torch.no_grad()
def velocity_errors(unet: UNet2DConditionModel, stored: NoisyLatents) -> list[float]:
    """Mean squared error of the prediction at each of TIMESTEPS, on all stored pictures."""
    found, device = [], unet.device
    for timestep in TIMESTEPS:
        noisy, timesteps, target = stored.at(timestep)
        rows = zip(*(t.split(32) for t in (noisy, timesteps, stored.states, target)), strict=True)
        errors = []
        for row in rows:
            x, t, states, wanted = (each.to(device) for each in row)
            errors.append((unet(x, t, states.float()).sample - wanted).square().mean((1, 2, 3)))
        found.append(torch.cat(errors).mean().item())
    return found


def timestep_weights(
    schedule: DDPMScheduler, timesteps: torch.Tensor, settings: UnetSettings
) -> torch.Tensor:
    """The weight of the loss at each timestep, (n,): min-SNR's, at least `least_weight`."""
    if not settings.snr_limit:
        return torch.ones(len(timesteps))
    return snr_weights(schedule, timesteps, settings.snr_limit).clamp(min=settings.least_weight)


def snr_weights(schedule: DDPMScheduler, timesteps: torch.Tensor, limit: float) -> torch.Tensor:
    """Min-SNR weights, (n,): Hang et al. 2023, arXiv:2303.09556.

    An error of the clean latents weighs as much as signal to noise, but at most `limit`.
    """
    kept = schedule.alphas_cumprod[timesteps]
    ratio = kept / (1 - kept)
    velocity = schedule.config.prediction_type == "v_prediction"
    return ratio.clamp(max=limit) / (ratio + velocity)


def batch_indices(count: int, batch_size: int, step: int, seed: int) -> torch.Tensor:
    """The pictures of one step: every picture once an epoch, in an order drawn for the epoch."""
    batches = max(1, count // batch_size)
    epoch, place = divmod(step, batches)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed + epoch))
    return order[place * batch_size : (place + 1) * batch_size]
