"""The autoencoder: a real `AutoencoderKL`, 128 x 128 x 3 pixels to 16 x 16 x 4 latents and back.

It starts as a linear autoencoder (averages and Haar differences down, a small blur up), because a
plain initialisation of so narrow a network hardly learns in the first minutes.
Method: Rombach et al. 2022, arXiv:2112.10752.
"""

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import nn

from training.data import SIZE, STEP, Batches, Dataset, Prefetch, Sample
from training.loop import Loop
from training.pixels import batch_psnr, to_pixels
from training.presets import Machine, VaeSettings

SCALING_FACTOR = 0.18215  # as in Stable Diffusion 1.x: latents times this have deviation 1
BRANCH_SCALE = 0.05  # how much the residual branches say at first
# The mean of 2 x 2 pixels, and the differences across, down, and of both diagonals.
HAAR = (((1, 1), (1, 1)), ((1, -1), (1, -1)), ((1, 1), (-1, -1)), ((1, -1), (-1, 1)))


def new_vae(settings: VaeSettings) -> AutoencoderKL:
    """An untrained autoencoder that begins as a linear one."""
    torch.manual_seed(settings.seed)
    stages = len(settings.channels)
    vae = AutoencoderKL(
        block_out_channels=settings.channels,
        latent_channels=4,
        layers_per_block=1,
        down_block_types=["DownEncoderBlock2D"] * stages,
        up_block_types=["UpDecoderBlock2D"] * stages,
        norm_num_groups=1,
        sample_size=SIZE,
        scaling_factor=SCALING_FACTOR,
    )
    with torch.no_grad():
        start_linear(vae)
    return vae


# ------------------------------------------------------------------------------- the start
def identity(conv: nn.Conv2d) -> None:
    """Copies channels: as many as there are, at the kernel's centre."""
    shared = min(conv.in_channels, conv.out_channels)
    middle = conv.kernel_size[0] // 2
    conv.weight.mul_(BRANCH_SCALE)
    conv.bias.zero_()
    conv.weight[:shared] = 0
    conv.weight[range(shared), range(shared), middle, middle] = 1


def halve(conv: nn.Conv2d, used: int) -> int:
    """Averages of 2 x 2 pixels of every channel, and Haar differences as far as channels go.

    Of the channels in, the first `used` hold something; the others are empty at first. Returns how
    many of those out do.
    """
    wanted = itertools.product(HAAR, range(min(conv.in_channels, used)))
    chosen = list(itertools.islice(wanted, conv.out_channels))
    conv.weight.mul_(BRANCH_SCALE)
    conv.bias.zero_()
    for out, (pattern, channel) in enumerate(chosen):
        conv.weight[out] = 0
        conv.weight[out, channel, :2, :2] = torch.tensor(pattern) / 4
    return len(chosen)


def blur(conv: nn.Conv2d) -> None:
    """After nearest-neighbour doubling: the small blur that makes it linear interpolation."""
    identity(conv)
    shared = min(conv.in_channels, conv.out_channels)
    taps = torch.tensor([0.25, 0.5, 0.25])
    conv.weight[range(shared), range(shared)] = torch.outer(taps, taps)


def in_pairs(conv: nn.Conv2d) -> None:
    """The first half of the channels in, and the same negated: SiLU(h) - SiLU(-h) = h."""
    half = conv.out_channels // 2
    conv.weight.mul_(BRANCH_SCALE)
    conv.bias.zero_()
    shared = min(half - 1, conv.in_channels)
    for sign, first in ((1.0, 0), (-1.0, half)):
        conv.weight[first : first + shared] = 0
        conv.weight[range(first, first + shared), range(shared), 0, 0] = sign
        # A large constant: the group normalisation that follows then divides by about 1 whatever
        # the picture, and does not throw its brightness and contrast away.
        conv.weight[first + half - 1] = 0
        conv.bias[first + half - 1] = sign * half**0.5


def from_pairs(conv: nn.Conv2d, outputs: int) -> None:
    half = conv.in_channels // 2
    conv.weight.mul_(BRANCH_SCALE)
    conv.bias.zero_()
    conv.weight[:outputs] = 0
    conv.weight[range(outputs), range(outputs), 1, 1] = 1
    conv.weight[range(outputs), range(half, half + outputs), 1, 1] = -1


def start_linear(vae: AutoencoderKL) -> None:
    for module in vae.modules():
        if hasattr(module, "conv_shortcut"):  # a residual block
            module.conv2.weight.mul_(BRANCH_SCALE)
            if module.conv_shortcut is not None:
                identity(module.conv_shortcut)
        if hasattr(module, "to_out"):  # attention
            module.to_out[0].weight.mul_(BRANCH_SCALE)
    encoder, decoder = vae.encoder, vae.decoder
    identity(encoder.conv_in)
    used = 3
    for block in encoder.down_blocks:
        for down in block.downsamplers or ():
            used = halve(down.conv, used)
    in_pairs(encoder.down_blocks[-1].resnets[0].conv_shortcut)
    from_pairs(encoder.conv_out, 4)
    encoder.conv_out.bias[4:] = -4.0  # log-variance of the latents: little noise at first
    identity(vae.quant_conv)
    identity(vae.post_quant_conv)
    identity(decoder.conv_in)
    for block in decoder.up_blocks:
        for up in block.upsamplers or ():
            blur(up.conv)
    in_pairs(decoder.up_blocks[-1].resnets[0].conv_shortcut)
    from_pairs(decoder.conv_out, 3)


# ------------------------------------------------------------------------------- the loss
def edges(pixels: torch.Tensor) -> list[torch.Tensor]:
    """Differences of neighbours, across and down, at three sizes."""
    found = []
    for _ in range(3):
        found += [pixels.diff(dim=-1), pixels.diff(dim=-2)]
        pixels = F.avg_pool2d(pixels, 2)
    return found


def picture_loss(drawn: torch.Tensor, pixels: torch.Tensor, edge_weight: float) -> torch.Tensor:
    """L1 + squared error + edges, of pictures (n, 3, height, width) from -1 to 1."""
    error = drawn - pixels
    edge = sum(F.l1_loss(a, b) for a, b in zip(edges(drawn), edges(pixels), strict=True)) / 6
    return error.abs().mean() + 0.5 * error.square().mean() + edge_weight * edge


def reconstruction_loss(vae, pixels, generator, settings: VaeSettings):
    """The loss of the drawn pictures, and a little KL; pixels (n, 3, height, width) from -1 to 1.

    With an `equivariance_weight`, half of the pictures are also drawn from their latents at half
    the size, and compared with the pictures at half the size: latents then mean the same at both,
    and have less in them that changes from cell to cell, which a U-Net finds hard to learn (EQ-VAE:
    Kouzelis et al. 2025, arXiv:2502.09509; Skorokhodov et al. 2025, arXiv:2502.14831).
    """
    posterior = vae.encode(pixels).latent_dist
    noise = torch.randn(posterior.mean.shape, generator=generator).to(pixels.device)
    drawn = vae.decode(posterior.mean + posterior.std * noise).sample
    kl = posterior.kl().mean() / posterior.mean[0].numel()
    loss = picture_loss(drawn, pixels, settings.edge_weight) + settings.kl_weight * kl
    figures = {"psnr": batch_psnr(drawn, pixels), "kl": kl.item()}
    if settings.equivariance_weight:
        half = slice(len(pixels) // 2)
        smaller = vae.decode(F.avg_pool2d(posterior.mean[half], 2)).sample
        same = picture_loss(smaller, F.avg_pool2d(pixels[half], 2), settings.edge_weight)
        loss = loss + settings.equivariance_weight * same
        figures["half size"] = same.item()
    return loss, figures


def cropped(pixels: torch.Tensor, size: int, generator: torch.Generator) -> torch.Tensor:
    """Parts of the pictures, each from a place of its own, by whole steps of the drawings."""
    steps = torch.randint(0, (SIZE - size) // STEP + 1, (len(pixels), 2), generator=generator)
    places = (STEP * steps).tolist()
    pairs = zip(pixels, places, strict=True)
    return torch.stack([picture[:, y : y + size, x : x + size] for picture, (y, x) in pairs])


def pictures(seed: int) -> Dataset:
    """What the autoencoder is trained on; faces often, because they have the smallest features."""
    return Dataset(seed, portrait_share=0.3)


def prepared(samples: list[Sample], machine: Machine) -> torch.Tensor:
    pixels = to_pixels([sample.picture for sample in samples]).to(machine.device)
    return pixels.contiguous(memory_format=torch.channels_last)


def train_vae(
    name: str,
    settings: VaeSettings,
    folder: Path,
    machine: Machine,
    before: AutoencoderKL | None = None,
    handed_over: Path | None = None,
) -> tuple[AutoencoderKL, Loop]:
    """Trains to the end of the settings' steps; the model is averaged and standardised.

    It goes on from `before`, whose latents then change, or begins as a linear autoencoder. Most
    steps see parts of pictures, the last ones whole pictures.
    """
    vae = new_vae(settings) if before is None else before.float().requires_grad_(True)
    vae.to(machine.device, memory_format=torch.channels_last)
    samples_of = Prefetch(Batches(pictures(settings.seed), settings.batch_size), machine.workers)

    def loss_of(step: int):
        size = SIZE if step >= settings.whole_from * settings.steps else settings.crop
        count = max(2, settings.batch_size * settings.crop**2 // size**2)
        generator = torch.Generator().manual_seed(step)
        pixels = cropped(prepared(samples_of(step)[:count], machine), size, generator)
        return reconstruction_loss(vae, pixels, generator, settings)

    more = {"weight_decay": 0.0, "report_every": 50, "handed_over": handed_over}
    loop = Loop.of(name, vae, loss_of, folder, machine, settings, **more).finish()
    standardise(vae, pictures(settings.seed), settings.measured_pictures)
    return vae, loop


Estimate = Callable[[torch.Tensor, list[str], torch.Generator], torch.Tensor]


def refine_decoder(
    name: str,
    vae: AutoencoderKL,
    settings: VaeSettings,
    folder: Path,
    machine: Machine,
    estimate: Estimate,
) -> Loop:
    """Trains the decoder further. The latents stay as they are, and so the U-Net stays good.

    `estimate(latents, captions, generator)` gives what the U-Net predicts clean latents to be from
    noisy ones. Half of each batch is decoded from such estimates, since that is what the decoder
    will get: it learns to draw a clean edge from latents that are a little off in just the way in
    which the U-Net's are (the idea: arXiv:2509.12474).
    """
    vae.to(machine.device, memory_format=torch.channels_last).requires_grad_(True)
    for fixed in (vae.encoder, vae.quant_conv):
        fixed.requires_grad_(False)
    count = max(2, settings.batch_size * settings.crop**2 // SIZE**2)
    samples_of = Prefetch(Batches(pictures(settings.seed), count), machine.workers)

    def loss_of(step: int):
        generator, samples = torch.Generator().manual_seed(step), samples_of(step)
        pixels = prepared(samples, machine)
        with torch.no_grad():
            latents = vae.encode(pixels).latent_dist.mean * SCALING_FACTOR
            estimated = estimate(latents[::2], [s.caption for s in samples[::2]], generator)
            latents = latents.clone()
            latents[::2] = estimated.to(latents.dtype)
        drawn = vae.decode(latents / SCALING_FACTOR).sample
        figures = {"psnr": batch_psnr(drawn, pixels)}
        return picture_loss(drawn, pixels, settings.edge_weight), figures

    rate = settings.decoder_learning_rate
    settings = replace(settings, steps=settings.decoder_steps, learning_rate=rate)
    more = {"weight_decay": 0.0, "report_every": 50}
    return Loop.of(name, vae, loss_of, folder, machine, settings, **more).finish()


@torch.no_grad()
def standardise(vae: AutoencoderKL, data: Dataset, count: int) -> None:
    """Folds the latents' mean and deviation into the two 1 x 1 convolutions.

    Afterwards latents times `scaling_factor` have mean 0 and deviation 1 in each channel, so that
    the noise schedule of Stable Diffusion fits, and nothing else changes.
    """
    device = vae.device
    batches = [data.samples(i, 32) for i in range(0, count, 32)]
    latents = torch.cat(
        [vae.encode(to_pixels([s.picture for s in b]).to(device)).latent_dist.mean for b in batches]
    )
    mean = latents.mean((0, 2, 3))
    scale = 1 / (latents.std((0, 2, 3)) * SCALING_FACTOR)
    quant, post = vae.quant_conv, vae.post_quant_conv
    post.bias += (post.weight[:, :, 0, 0] * mean).sum(1)
    post.weight /= scale[None, :, None, None]
    quant.bias[:4] = (quant.bias[:4] - mean) * scale
    quant.weight[:4] *= scale[:, None, None, None]
    quant.bias[4:] += 2 * scale.log()
