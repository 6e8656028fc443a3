"""How near a picture is to the ground truth: two measures that papers on restoration give."""

import math

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from helpers.pictures.check import upright

WINDOW = 11  # pixels across, with DEVIATION and the two constants as in the paper of SSIM
DEVIATION = 1.5
STABILISERS = (0.01**2, 0.03**2)


def psnr(image: Image.Image, truth: Image.Image) -> float:
    """Peak signal-to-noise ratio in decibels: higher is nearer, infinite for equal pictures.

    Six decibels more is half the error (root mean square, over all pixels and colours).

    Raises ValueError when the sizes differ.
    """
    one, other = _arrays(image, truth)
    error = np.square(one - other).mean()
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(image: Image.Image, truth: Image.Image) -> float:
    """Structural similarity: 1 for equal pictures, about 0 where no structure agrees.

    The mean over pixels and colours, from windows that lie wholly inside (Wang et al. 2004,
    doi:10.1109/TIP.2003.819861).

    Raises ValueError when the sizes differ or a side is shorter than the window, 11 pixels.
    """
    one, other = _arrays(image, truth)
    if min(one.shape[:2]) < WINDOW:
        raise ValueError(f"image must be at least {WINDOW} pixels wide and high; got {image.size}")
    mean_one, mean_other = _blurred(one), _blurred(other)
    variance_one = _blurred(one * one) - mean_one**2
    variance_other = _blurred(other * other) - mean_other**2
    covariance = _blurred(one * other) - mean_one * mean_other
    light, contrast = STABILISERS
    likeness = (2 * mean_one * mean_other + light) * (2 * covariance + contrast)
    scale = (mean_one**2 + mean_other**2 + light) * (variance_one + variance_other + contrast)
    return float((likeness / scale).mean())


def _arrays(image: Image.Image, truth: Image.Image) -> tuple[np.ndarray, np.ndarray]:
    """Both as (height, width, 3) from 0 to 1."""
    image, truth = upright(image), upright(truth)
    if image.size != truth.size:
        raise ValueError(
            f"image and truth must have the same size; got {image.size} and {truth.size}"
        )
    return tuple(np.asarray(picture, dtype=float) / 255 for picture in (image, truth))


def _blurred(pixels: np.ndarray) -> np.ndarray:
    """Gaussian means of the windows: (height, width, 3), each side shorter by WINDOW - 1."""
    reach = WINDOW // 2
    means = gaussian_filter(pixels, DEVIATION, axes=(0, 1), radius=reach)
    return means[reach:-reach, reach:-reach]
