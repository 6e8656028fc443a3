"""The sticker CLIP: a real CLIP text tower and a small convolutional picture tower.

Both give embeddings of one width; the cosine of a text's and a picture's embedding says how well
they fit (Radford et al. 2021, arXiv:2103.00020).
"""

import math
from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import CLIPTextModelWithProjection

from helpers.base.files import write_whole

SIDE = 64  # pixels: what the picture tower looks at


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions and a skip connection; (n, channels, height, width) in and out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(8, channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden + self.second(F.silu(self.first(F.silu(self.norm(hidden)))))


class StickerVision(nn.Module):
    """Pictures (n, 3, height, width) from -1 to 1 -> embeddings (n, width), not normalised."""

    def __init__(self, width: int, channels: tuple[int, ...] = (48, 96, 192)) -> None:
        super().__init__()
        steps: list[nn.Module] = [nn.Conv2d(3, channels[0], 6, stride=4, padding=1)]
        for wide, wider in zip(channels, (*channels[1:], None), strict=True):
            steps.append(ResidualBlock(wide))
            if wider:
                steps.append(nn.Conv2d(wide, wider, 4, stride=2, padding=1))
        self.features = nn.Sequential(*steps)
        self.project = nn.Linear(2 * channels[-1], width)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        if pixels.shape[-2:] != (SIDE, SIDE):
            pixels = F.interpolate(pixels, size=(SIDE, SIDE), mode="area")
        hidden = self.features(pixels)
        pooled = torch.cat([hidden.mean((2, 3)), hidden.amax((2, 3))], dim=1)
        return self.project(pooled)


class StickerClip(nn.Module):
    """Text and picture embeddings, both (n, width) and of length 1."""

    def __init__(self, text: CLIPTextModelWithProjection) -> None:
        super().__init__()
        self.text = text
        self.vision = StickerVision(text.config.projection_dim)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def text_embeds(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Token ids (n, tokens) int64 -> (n, width)."""
        return F.normalize(self.text(input_ids=input_ids).text_embeds, dim=-1)

    def image_embeds(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pictures (n, 3, height, width) from -1 to 1 -> (n, width)."""
        return F.normalize(self.vision(pixels), dim=-1)

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes the text tower as transformers does, and the rest beside it."""
        self.text.save_pretrained(Path(folder) / "text")
        rest = {k: v for k, v in self.state_dict().items() if not k.startswith("text.")}
        write_whole(Path(folder) / "vision.safetensors", lambda file: save_file(rest, file))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "StickerClip":
        """The model of a folder that `save_pretrained` wrote, in float32 and ready to use.

        Raises ValueError if the folder has no text tower, not all of the model's weights, or
        others. What a damaged or missing file makes the libraries raise is left as it is.
        """
        towers = Path(folder)
        if not (towers / "text").is_dir():  # the library would take it for a name on the hub
            raise ValueError(f"folder must hold a folder 'text'; {folder} has none")
        text, info = CLIPTextModelWithProjection.from_pretrained(
            towers / "text", local_files_only=True, output_loading_info=True
        )
        model = cls(text)
        rest = load_file(towers / "vision.safetensors")
        wanted = {name for name in model.state_dict() if not name.startswith("text.")}
        check_weights("text", info["missing_keys"], info["unexpected_keys"])
        check_weights("vision.safetensors", wanted - rest.keys(), rest.keys() - wanted)
        model.load_state_dict(rest, strict=False)  # the text tower has its weights already
        return model.float().eval().requires_grad_(False)


def check_weights(file: str, missing: Iterable[str], unexpected: Iterable[str] = ()) -> None:
    """Raise ValueError if names are missing, whose weights would stay random, or unexpected."""
    faults = [f"lacks {name}" for name in sorted(missing)]
    faults += [f"has {name}, which the model lacks" for name in sorted(unexpected)]
    if faults:
        raise ValueError(f"{file} {faults[0]} (the first of {len(faults)} such faults)")
