"""Which word paints which pixels: the cross-attention of a U-Net, recorded while it draws.

    with watch_attention(pipe) as attention:
        image = pipe(prompt, num_inference_steps=25).images[0]
    heat = attention.of_word(prompt, "fox")
    heat_map(image, heat)

In every cross-attention layer each place of the latents shares its attention out among the tokens
of the prompt. Averaged over layers, heads and steps, a token's shares make a map (Tang et al.
2022, arXiv:2210.04885).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy
import torch
import torch.nn.functional as F
from matplotlib import colormaps
from PIL import Image

from helpers.models.sizes import latent_size
from helpers.pictures.check import upright

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline
    from transformers import CLIPTokenizer


@dataclass
class Attention:
    """What was recorded.

    Attributes:
        tokenizer: The pipeline's own; it knows which tokens a word became.
        maps: One tensor a U-Net call and layer, (tokens, height, width): the share of attention
            that each place gave to each token, averaged over the heads. For one image.
    """

    tokenizer: object
    maps: list[torch.Tensor] = field(default_factory=list)

    def of_tokens(self) -> torch.Tensor:
        """(tokens, height, width) in the size of the largest map, averaged over all calls.

        Raises ValueError if nothing was recorded.
        """
        if not self.maps:
            raise ValueError("nothing was recorded: call the pipeline inside the `with` block")
        size = max((tuple(m.shape[1:]) for m in self.maps), key=lambda sides: sides[0] * sides[1])
        resized = [
            F.interpolate(m[None], size=size, mode="bilinear", align_corners=False)[0]
            for m in self.maps
        ]
        return torch.stack(resized).mean(0)

    def of_word(self, prompt: str, word: str) -> torch.Tensor:
        """(height, width), from 0 to 1: where the attention to a word of the prompt is strong.

        Several words, such as "palm tree", have the mean of their tokens. The map is stretched to
        the full range, so the maps of two words compare in their places, not in their strength.

        Raises LookupError if the prompt has no such word.
        """
        heat = self.of_tokens()[token_places(self.tokenizer, prompt, word)].mean(0)
        lowest, highest = heat.min(), heat.max()
        return (heat - lowest) / (highest - lowest).clamp(min=1e-12)


def token_places(tokenizer: CLIPTokenizer, prompt: str, word: str) -> list[int]:
    """Where the tokens of a word stand among those of the prompt, wherever the word occurs.

    Raises LookupError if it does not, or only beyond the tokenizer's limit.
    """
    limit = tokenizer.model_max_length
    ids = tokenizer(prompt, truncation=True, max_length=limit).input_ids
    wanted = [i for i in tokenizer(word).input_ids if i not in tokenizer.all_special_ids]
    length = len(wanted)
    starts = [start for start in range(len(ids)) if ids[start : start + length] == wanted]
    if not starts or not wanted:
        raise LookupError(f"word must be one of the prompt {prompt!r}; got {word!r}")
    return [start + offset for start in starts for offset in range(length)]


@contextmanager
def watch_attention(pipe: DiffusionPipeline) -> Iterator[Attention]:
    """Record the cross-attention of `pipe` until the block ends; the pictures stay the same.

    Args:
        pipe: A StableDiffusionPipeline. Call it inside the block, for one image. With guidance
            only the half of the batch that is told the prompt is recorded.

    Raises:
        ValueError: The pipeline draws several images at once.
    """
    attention = Attention(pipe.tokenizer)
    call = _Call(pipe)
    own = dict(pipe.unet.attn_processors)
    watched = {
        name: _Recorder(processor, call, attention) if ".attn2." in name else processor
        for name, processor in own.items()
    }
    hook = pipe.unet.register_forward_pre_hook(call.begin, with_kwargs=True)
    pipe.unet.set_attn_processor(watched)
    try:
        yield attention
    finally:
        hook.remove()
        pipe.unet.set_attn_processor(own)


class _Call:
    """The call of the U-Net that is under way.

    Attributes:
        size: Height and width of its latents, whatever size of picture was asked for.
    """

    def __init__(self, pipe: DiffusionPipeline) -> None:
        self.pipe = pipe
        self.size = latent_size(pipe)

    def begin(self, unet: torch.nn.Module, arguments: tuple, named: dict) -> None:
        sample = arguments[0] if arguments else named["sample"]
        rows = 2 if self.pipe.do_classifier_free_guidance else 1
        if len(sample) != rows:
            raise ValueError(
                f"watch_attention records one image at a time; got a batch of "
                f"{len(sample) // rows} images"
            )
        self.size = tuple(sample.shape[-2:])

    def map_size(self, places: int) -> tuple[int, int]:
        """Height and width of a layer that sees so many places; its sides halve together."""
        height, width = self.size
        while height * width > places:
            height, width = (height + 1) // 2, (width + 1) // 2
        return height, width


class _Recorder:
    """Looks at a cross-attention layer, then lets its own processor do the work."""

    def __init__(self, own: object, call: _Call, attention: Attention) -> None:
        self.own, self.call, self.attention = own, call, attention

    def __call__(
        self,
        attn: torch.nn.Module,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        *args,
        **options,
    ):
        self.record(attn, hidden_states, encoder_hidden_states)
        return self.own(attn, hidden_states, encoder_hidden_states, *args, **options)

    @torch.no_grad()
    def record(
        self,
        attn: torch.nn.Module,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
    ) -> None:
        query = attn.head_to_batch_dim(attn.to_q(hidden_states[-1:]))
        key = attn.head_to_batch_dim(attn.to_k(encoder_hidden_states[-1:]))
        shares = attn.get_attention_scores(query, key).mean(0)  # (places, tokens)
        size = self.call.map_size(len(shares))
        self.attention.maps.append(shares.T.unflatten(1, size).float().cpu())


def heat_map(image: Image.Image, heat: torch.Tensor, strength: float = 0.6) -> Image.Image:
    """A picture in grey with a map, (height, width) from 0 to 1, laid over it in colour.

    Black is 0 and yellow is 1, with violet and orange between them. `strength` from 0 to 1 says how
    much the map covers.
    """
    if heat.ndim != 2:
        raise ValueError(f"heat must have two dimensions; got shape {tuple(heat.shape)}")
    colours = colormaps["inferno"](heat.clamp(0, 1).cpu().numpy())[..., :3]
    image = upright(image)
    layer = Image.fromarray((255 * colours).round().astype(numpy.uint8))
    layer = layer.resize(image.size, Image.Resampling.BICUBIC)
    return Image.blend(image.convert("L").convert("RGB"), layer, strength)
