"""The parts of a Stable Diffusion pipeline as ONNX graphs, by torch's own exporter.

Each part is exported for one picture at a time. The pipeline is not changed.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch
import torch.nn.functional as F
from diffusers import StableDiffusionPipeline

from helpers.sampling.latents import latent_shape


def check_exportable(name: str, pipe) -> None:
    """Raise TypeError or ValueError, which call the model `name`, if a page could not run it."""
    if not isinstance(pipe, StableDiffusionPipeline):
        raise TypeError(
            f"{name} must be a StableDiffusionPipeline to run in a page; got {type(pipe).__name__}"
        )
    added = pipe.unet.config.addition_embed_type
    if added not in (None, "text"):
        raise ValueError(
            f"the U-Net of {name} must be told the prompt's states alone, with an "
            f"addition_embed_type of None or 'text'; got {added!r}"
        )


def export_text_encoder(pipe: StableDiffusionPipeline) -> onnx.ModelProto:
    """`input_ids` (1, tokens), int64 → `states` (1, tokens, width)."""
    ids = torch.zeros(1, pipe.tokenizer.model_max_length, dtype=torch.int64)
    return _exported(_TextEncoder(pipe), {"input_ids": ids}, ["states"])


def export_unet(pipe: StableDiffusionPipeline) -> onnx.ModelProto:
    """`sample` (1, channels, height, width), `timestep` (1,), `encoder_hidden_states` (1, tokens,
    width), and `guidance_scale` (1,) for a U-Net that was distilled with guidance → `prediction`
    like `sample`, and `attention` (1, tokens, height, width).

    The attention is that of one call, as `helpers.watch_attention` records it: averaged over the
    cross-attention layers and their heads, in the size of the largest layer.
    """
    config = pipe.unet.config
    inputs = {
        "sample": torch.zeros(1, *latent_shape(pipe)),
        "timestep": torch.ones(1),
        "encoder_hidden_states": torch.zeros(
            1, pipe.tokenizer.model_max_length, pipe.text_encoder.config.hidden_size
        ),
    }
    if config.time_cond_proj_dim is not None:
        inputs["guidance_scale"] = torch.ones(1)
    return _exported(_UNet(pipe), inputs, ["prediction", "attention"])


def export_decoder(pipe: StableDiffusionPipeline) -> onnx.ModelProto:
    """`latents` (1, channels, height, width) → `pixels` (1, 3, height, width) from 0 to 1."""
    latents = torch.zeros(1, *latent_shape(pipe))
    return _exported(_Decoder(pipe), {"latents": latents}, ["pixels"])


class _TextEncoder(torch.nn.Module):
    def __init__(self, pipe: StableDiffusionPipeline) -> None:
        super().__init__()
        self.encoder = pipe.text_encoder

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.encoder(input_ids, return_dict=False)[0]


class _Decoder(torch.nn.Module):
    def __init__(self, pipe: StableDiffusionPipeline) -> None:
        super().__init__()
        self.vae = pipe.vae

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        latents = latents / self.vae.config.scaling_factor
        pixels = self.vae.decode(latents, return_dict=False)[0]
        return (pixels / 2 + 0.5).clamp(0, 1)


class _UNet(torch.nn.Module):
    def __init__(self, pipe: StableDiffusionPipeline) -> None:
        super().__init__()
        self.unet, self.pipe = pipe.unet, pipe

    def forward(self, sample, timestep, encoder_hidden_states, guidance_scale=None):
        condition = None
        if guidance_scale is not None:
            condition = self.pipe.get_guidance_scale_embedding(
                guidance_scale - 1, embedding_dim=self.unet.config.time_cond_proj_dim
            )
        with _visible_attention(self.unet) as shares:
            prediction = self.unet(
                sample,
                timestep,
                encoder_hidden_states,
                timestep_cond=condition,
                return_dict=False,
            )[0]
        height, width = sample.shape[-2:]
        return prediction, _mean_map(shares, height, width)


@contextmanager
def _visible_attention(unet) -> Iterator[list[torch.Tensor]]:
    """A list that each cross-attention layer adds its shares to, (1, places, tokens)."""
    shares: list[torch.Tensor] = []
    own = dict(unet.attn_processors)
    seen = {
        name: _Attention(shares) if ".attn2." in name else processor
        for name, processor in own.items()
    }
    unet.set_attn_processor(seen)
    try:
        yield shares
    finally:
        unet.set_attn_processor(own)


class _Attention:
    """Cross-attention step by step, so that its shares can be kept."""

    def __init__(self, shares: list[torch.Tensor]) -> None:
        self.shares = shares

    def __call__(self, attn, hidden_states, encoder_hidden_states, attention_mask=None, temb=None):
        query = attn.head_to_batch_dim(attn.to_q(hidden_states))
        key = attn.head_to_batch_dim(attn.to_k(encoder_hidden_states))
        value = attn.head_to_batch_dim(attn.to_v(encoder_hidden_states))
        shares = attn.get_attention_scores(query, key, attention_mask)
        self.shares.append(shares.mean(0, keepdim=True))
        hidden_states = attn.batch_to_head_dim(torch.bmm(shares, value))
        return attn.to_out[0](hidden_states) / attn.rescale_output_factor


def _mean_map(shares: list[torch.Tensor], height: int, width: int) -> torch.Tensor:
    """(1, tokens, height, width) in the size of the largest layer."""
    maps = []
    for layer in shares:
        rows, columns = height, width
        while rows * columns > layer.shape[1]:
            rows, columns = (rows + 1) // 2, (columns + 1) // 2
        maps.append(layer.transpose(1, 2).unflatten(2, (rows, columns)))
    size = max((layer.shape[2:] for layer in maps), key=lambda sides: sides[0] * sides[1])
    resized = [F.interpolate(layer, size=size, mode="bilinear") for layer in maps]
    return torch.stack(resized).mean(0)


def _exported(
    module: torch.nn.Module, inputs: dict[str, torch.Tensor], outputs: list[str]
) -> onnx.ModelProto:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", FutureWarning)  # torch's exporter about torch
        program = torch.onnx.export(
            module.eval(),
            kwargs=inputs,
            input_names=list(inputs),
            output_names=outputs,
            dynamo=True,
            verbose=False,
        )
    return program.model_proto
