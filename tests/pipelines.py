"""Tiny random pipelines of both kinds, built from configs: no files, no network, under a second.

Their pictures are noise, yet every part is the real class, so that what holds for them bit by bit
(the order of random draws, the arithmetic of a step) holds for the real ones.
"""

import string

import torch
from diffusers import (
    AutoencoderKL,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

TEXT_WIDTH = 32
"""Width of one text encoder's states; an SDXL pipeline has two side by side."""

MAX_TOKENS = 32
"""The tokenizer's limit, start and end marks included."""


def tiny_sd_pipeline(seed: int = 0, **unet_options) -> StableDiffusionPipeline:
    """An SD 1.x pipeline of 16 × 16 latents and 32 × 32 pixels; `unet_options` go to its U-Net."""
    torch.manual_seed(seed)
    pipe = StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text_config()),
        tokenizer=_tokenizer(),
        unet=_unet(cross_attention_dim=TEXT_WIDTH, **unet_options),
        scheduler=_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _quiet(pipe)


def tiny_sdxl_pipeline(seed: int = 0) -> StableDiffusionXLPipeline:
    """An SDXL pipeline of the same size: two text encoders, pooled text and sizes as conditions."""
    torch.manual_seed(seed)
    size_width, sizes = 8, 6
    pipe = StableDiffusionXLPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(_text_config()),
        text_encoder_2=CLIPTextModelWithProjection(_text_config()),
        tokenizer=_tokenizer(),
        tokenizer_2=_tokenizer(),
        unet=_unet(
            cross_attention_dim=2 * TEXT_WIDTH,
            addition_embed_type="text_time",
            addition_time_embed_dim=size_width,
            projection_class_embeddings_input_dim=TEXT_WIDTH + sizes * size_width,
        ),
        scheduler=_scheduler(),
        add_watermarker=False,
    )
    return _quiet(pipe)


def _quiet(pipe):
    pipe.set_progress_bar_config(disable=True)
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
    return pipe


def _unet(**options) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=8,
        attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        **options,
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        sample_size=32,
        block_out_channels=(8, 16),
        norm_num_groups=4,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )


def _scheduler() -> PNDMScheduler:
    """The scheduler of SD 1.x, with its betas."""
    return PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def _tokenizer() -> CLIPTokenizer:
    """A tokenizer without merges: every letter is a token."""
    letters = string.ascii_lowercase + string.digits + string.punctuation
    tokens = [
        *letters,
        *(letter + "</w>" for letter in letters),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=MAX_TOKENS)


def _text_config() -> CLIPTextConfig:
    vocabulary_size = len(_tokenizer())
    return CLIPTextConfig(
        vocab_size=vocabulary_size,
        hidden_size=TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        bos_token_id=vocabulary_size - 2,
        eos_token_id=vocabulary_size - 1,
        pad_token_id=vocabulary_size - 1,
    )
