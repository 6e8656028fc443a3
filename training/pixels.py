"""Pictures as the networks take them, and how near they are to others in decibels."""

import numpy as np
import torch


def to_pixels(pictures: list[np.ndarray]) -> torch.Tensor:
    """Pictures (height, width, 3) uint8 as a batch (n, 3, height, width) from -1 to 1."""
    stacked = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float()
    return stacked / 127.5 - 1


@torch.no_grad()
def psnr(pixels: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The PSNR of each picture in dB, (n,), at most 60, beyond what is seen."""
    return _decibels((pixels - target).square().mean((1, 2, 3)))


@torch.no_grad()
def batch_psnr(pixels: torch.Tensor, target: torch.Tensor) -> float:
    """The PSNR in dB of all pictures of a batch together, at most 60."""
    return _decibels((pixels - target).square().mean()).item()


def _decibels(error: torch.Tensor) -> torch.Tensor:
    """Of squared errors of pixels whose range, from -1 to 1, is 2."""
    return -10 * (error / 4).clamp(min=1e-6).log10()
