"""The face restorer: a small convolutional network that cleans and enlarges cartoon portraits.

It was trained by `training/restorer.py` on portraits of the sticker family that were degraded on
purpose, beside the portraits before that. It keeps the picture at its full size and adds what it
finds to it, looking at single pixels and, to see more of a face, at blocks of 4 x 4. Residual
blocks: He et al. 2016, arXiv:1512.03385; sub-pixel output: Shi et al. 2016, arXiv:1609.05158;
several factors on one body: Lim et al. 2017, arXiv:1707.02921. A gate, learned as well, lets what
it adds through only where that is likely to help, so that the rest stays exactly as it is.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from helpers.base.files import write_whole
from helpers.faces.contract import FACTORS, checked_factor
from helpers.models.catalogue import WEIGHTS
from helpers.models.causes import other_cause
from helpers.models.folder import pointer_fault
from helpers.pictures.check import upright

FOLDER = WEIGHTS / "stickers-faces"
MAX_PIXELS = 2**24
"""Of the output: 4096 x 4096. More would need gigabytes of memory."""

ALIGNMENT = 4
"""Pixels: the coarser residual blocks take 4 x 4 pixels for one."""

TILE = 704
"""Side of the part of a large picture that is done at once, in pixels; a multiple of ALIGNMENT."""

MARGIN = 64
"""Pixels around a tile that are looked at too. No output pixel depends on more than these."""

SURROUNDINGS = 17
"""Pixels: side of the square whose mean is taken from each pixel before the network sees it."""

DETAIL_GAIN = 6.0
"""Of the difference to that mean. Flat areas fill most of a cartoon; without this their colour is
nearly all that a layer sees, and the network learns many times more slowly."""


def convolution(inputs: int, outputs: int, size: int, gain: float = 2**0.5, **options) -> nn.Conv2d:
    """A convolution; after ReLU, `gain` of sqrt(2) keeps the size of what comes in."""
    layer = nn.Conv2d(inputs, outputs, size, **options)
    nn.init.normal_(layer.weight, std=gain / layer.weight[0].numel() ** 0.5)
    nn.init.zeros_(layer.bias)
    return layer


class ResidualBlock(nn.Module):
    """A residual block that looks at `scale` x `scale` pixels at once.

    (n, channels, height, width) in and out.
    """

    def __init__(self, channels: int, wide: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        if scale == 1:
            self.found = nn.Sequential(convolution(channels, wide, 3, padding=1), nn.ReLU())
        else:
            self.found = nn.Sequential(
                convolution(channels, wide, scale, stride=scale),
                nn.ReLU(),
                convolution(wide, wide, 3, padding=1),
                nn.ReLU(),
            )
        # The block begins without effect, so that many of them learn as fast as one.
        self.add = convolution(wide, channels * scale**2, 3, gain=0, padding=1)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + F.pixel_shuffle(self.add(self.found(hidden)), self.scale)


class Gate(nn.Module):
    """How much of the change to let through, from 0 to 1: (n, channels, h, w) -> (n, 1, h, w).

    The ends are a little beyond what the sigmoid reaches, so that the gate can close completely.
    """

    BEYOND = 0.1

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = convolution(channels, 1, 3, gain=0, padding=1)
        nn.init.constant_(self.score.bias, 2.0)  # nearly open, and still able to learn

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        open_by = self.score(hidden).sigmoid() * (1 + 2 * self.BEYOND) - self.BEYOND
        return open_by.clamp(0, 1)


class RestorerNetwork(nn.Module):
    """Pictures (n, 3, height, width) from -1 to 1, sides multiples of 4, and a factor of FACTORS
    -> (n, 3, factor * height, factor * width).

    `looks` are the channels and the scale, 1 or 4, of each residual block. Before training it
    enlarges by bicubic interpolation.
    """

    def __init__(
        self,
        channels: int = 32,
        looks: tuple[tuple[int, int], ...] = ((32, 1), (64, 4), (32, 1), (64, 4), (32, 1)),
    ) -> None:
        super().__init__()
        self.config = {"channels": channels, "looks": [list(look) for look in looks]}
        self.first = nn.Sequential(
            convolution(6, channels, 3, padding=1),
            nn.ReLU(),
            convolution(channels, channels, 3, padding=1),
            nn.ReLU(),
        )
        self.looks = nn.Sequential(*[ResidualBlock(channels, wide, scale) for wide, scale in looks])
        self.last = nn.Sequential(convolution(channels, channels, 3, padding=1), nn.ReLU())
        self.gate = Gate(channels)
        self.tails = nn.ModuleDict(
            {str(f): convolution(channels, 3 * f**2, 3, gain=0, padding=1) for f in FACTORS}
        )

    def forward(self, pixels: torch.Tensor, factor: int) -> torch.Tensor:
        reach = SURROUNDINGS // 2
        mean = F.avg_pool2d(pixels, SURROUNDINGS, 1, reach, count_include_pad=False)
        hidden = self.first(torch.cat([mean, DETAIL_GAIN * (pixels - mean)], 1))
        hidden = self.last(self.looks(hidden))
        found = F.pixel_shuffle(self.tails[str(factor)](hidden), factor)
        gate = self.gate(hidden)
        if factor > 1:
            gate = F.interpolate(gate, scale_factor=factor, mode="bilinear")
        return interpolated(pixels, factor) + gate * found


def interpolated(pixels: torch.Tensor, factor: int) -> torch.Tensor:
    """Pictures (n, 3, height, width) by bicubic interpolation; at factor 1 themselves."""
    if factor == 1:
        return pixels
    return F.interpolate(pixels, scale_factor=factor, mode="bicubic")


class Restorer:
    """Repairs and enlarges portraits.

    It draws what is likely, not what was there: detail that the picture lost is made up. It was
    trained on the cartoon faces of the sticker family only, and is no tool for photographs.
    """

    def __init__(self, network: RestorerNetwork, device: torch.device | str = "cpu") -> None:
        self.device = torch.device(device)
        network = network.to(self.device, memory_format=torch.channels_last)
        self.network = network.eval().requires_grad_(False)

    @classmethod
    def from_pretrained(
        cls, folder: str | Path = FOLDER, device: torch.device | str = "cpu"
    ) -> "Restorer":
        """The restorer of a folder that `save_pretrained` wrote; without one, the course's own.

        Raises:
            FileNotFoundError: The folder holds no restorer.
            ValueError: Its files are damaged or do not fit one another.
        """
        config, weights = (Path(folder) / name for name in ("config.json", "model.safetensors"))
        for file in (config, weights):
            if not file.is_file():
                raise FileNotFoundError(f"folder must hold {file.name}; {file.parent} has none")
        try:
            network = RestorerNetwork(**json.loads(config.read_text(encoding="utf-8")))
            tensors = load_file(weights)
            network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
        except Exception as error:  # whatever a damaged file makes json, safetensors or torch raise
            if other := other_cause(error, f"the restorer in {folder}"):
                raise other from error
            if found := pointer_fault([config, weights]):
                raise ValueError(f"folder: {found}") from error
            raise ValueError(f"folder: the restorer in {folder} is damaged ({error})") from error
        return cls(network, device)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write config.json and, in half precision, model.safetensors into a folder."""
        folder = Path(folder)
        write_whole(folder / "config.json", json.dumps(self.network.config, indent=2) + "\n")
        tensors = {name: t.half().contiguous() for name, t in self.network.state_dict().items()}
        write_whole(folder / "model.safetensors", lambda file: save_file(tensors, file))

    @torch.inference_mode()
    def improve(
        self, image: Image.Image, factor: int = 1, go_on: Callable[[], None] = lambda: None
    ) -> Image.Image:
        """The picture repaired and `factor` times as wide and high; the input stays as it is.

        A picture that is turned by its EXIF note is made upright; what is transparent becomes
        white. A large picture is done in parts, with the same result.

        Args:
            image: A PIL image of any mode.
            factor: 1, 2, 3 or 4.
            go_on: Called before each part. Who wants to end the work early lets it raise.

        Returns:
            An RGB picture.

        Raises:
            TypeError: `image` is no PIL image.
            ValueError: Another factor, an empty picture, or more than MAX_PIXELS in the output.
        """
        check_request(image, factor)
        pixels = to_pixels(upright(image)).to(self.device)
        height, width = pixels.shape[2:]
        output = torch.empty((3, height * factor, width * factor), dtype=torch.uint8)
        for top, bottom in parts(height):
            for left, right in parts(width):
                go_on()
                restored = self._tile(pixels, top, bottom, left, right, factor)
                output[:, top * factor : bottom * factor, left * factor : right * factor] = restored
        return Image.fromarray(output.permute(1, 2, 0).contiguous().numpy())

    def _tile(
        self, pixels: torch.Tensor, top: int, bottom: int, left: int, right: int, factor: int
    ):
        """One part of the output, (3, height, width) uint8, restored with its surroundings."""
        height, width = pixels.shape[2:]
        above, before = max(0, top - MARGIN), max(0, left - MARGIN)
        seen = pixels[
            :, :, above : min(height, bottom + MARGIN), before : min(width, right + MARGIN)
        ]
        missing = [-side % ALIGNMENT for side in seen.shape[2:]]
        padded = F.pad(seen, (0, missing[1], 0, missing[0]), mode="replicate")
        padded = padded.contiguous(memory_format=torch.channels_last)
        restored = self.network(padded, factor)[0]
        rows = slice((top - above) * factor, (bottom - above) * factor)
        columns = slice((left - before) * factor, (right - before) * factor)
        return to_bytes(restored[:, rows, columns]).cpu()


def parts(length: int) -> Iterator[tuple[int, int]]:
    """(start, end) of the parts that a side of `length` pixels is done in: all of it if it can."""
    if length <= TILE + 2 * MARGIN:
        yield 0, length
        return
    for start in range(0, length, TILE):
        yield start, min(start + TILE, length)


def check_request(image: Image.Image, factor: int) -> None:
    """Raise TypeError or ValueError for what `Restorer.improve` does not take."""
    if not isinstance(image, Image.Image):
        raise TypeError(f"image must be a PIL image; got {type(image).__name__}")
    factor = checked_factor(factor)
    if not image.width * image.height:
        raise ValueError(f"image must have pixels; got {image.width} x {image.height}")
    if image.width * image.height * factor**2 > MAX_PIXELS:
        raise ValueError(
            f"image must have at most {MAX_PIXELS // factor**2} pixels for factor {factor}; "
            f"got {image.width} x {image.height} = {image.width * image.height}"
        )


def to_pixels(image: Image.Image) -> torch.Tensor:
    """An RGB picture as (1, 3, height, width) from -1 to 1."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 127.5 - 1


def to_bytes(pixels: torch.Tensor) -> torch.Tensor:
    """Pixels from -1 to 1 as uint8, rounded; what is out of range is cut off."""
    return ((pixels + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
