"""Tiny random pipelines of both kinds, built from configs: no files, no network, under a second.

Their pictures are noise, yet every part is the real class, so that what holds for them bit by bit
(the order of random draws, the arithmetic of a step) holds for the real ones.
"""

import copy
import string
from functools import lru_cache

import diffusers
import numpy
import torch
from diffusers import (
    AutoencoderKL,
    DPMSolverMultistepScheduler,
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

from helpers.models.catalogue import MODELS
from helpers.sampling.schedulers import SHORT_NAMES
from helpers.sampling.trajectory import Cell

TEXT_WIDTH = 32
"""Width of one text encoder's states; an SDXL pipeline has two side by side."""

SHIPPED = MODELS["stickers"].source

MAX_TOKENS = 32
"""The tokenizer's limit, start and end marks included."""


def tiny_sd_pipeline(seed: int = 0, **unet_options) -> StableDiffusionPipeline:
    """An SD 1.x pipeline of 16 × 16 latents and 32 × 32 pixels; `unet_options` go to its U-Net."""
    torch.manual_seed(seed)
    pipe = StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(tiny_text_config()),
        tokenizer=tiny_tokenizer(),
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
        text_encoder=CLIPTextModel(tiny_text_config()),
        text_encoder_2=CLIPTextModelWithProjection(tiny_text_config()),
        tokenizer=tiny_tokenizer(),
        tokenizer_2=tiny_tokenizer(),
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


@lru_cache(32)
def _as_a_user_makes_it(pipe, scheduler):
    """The scheduler of a cell's setting, built by diffusers alone."""
    if scheduler is None:
        return pipe.scheduler
    if isinstance(scheduler, str):
        scheduler = getattr(diffusers, SHORT_NAMES[scheduler])
    if isinstance(scheduler, type):
        return scheduler.from_config(pipe.scheduler.config)
    return scheduler


def plain_call(pipe, cell: Cell, **options):
    """(latents, pixels) of a plain `pipe()` call with the settings of `cell`."""
    seen = []

    def remember(pipe, step, timestep, tensors):
        seen.append(tensors["latents"])
        return {}

    own, scheduler = pipe.scheduler, copy.deepcopy(_as_a_user_makes_it(pipe, cell.scheduler))
    if isinstance(scheduler, diffusers.DPMSolverSDEScheduler):
        scheduler.noise_sampler_seed = cell.seed  # it ignores the generator
    pipe.scheduler = scheduler
    options.setdefault("generator", torch.Generator().manual_seed(cell.seed))
    try:
        image = pipe(
            cell.prompt,
            negative_prompt=cell.negative_prompt,
            num_inference_steps=cell.num_inference_steps,
            guidance_scale=cell.guidance_scale,
            height=cell.height,
            width=cell.width,
            eta=cell.eta,
            callback_on_step_end=remember,
            **options,
        ).images[0]
    finally:
        pipe.scheduler = own
    return seen[-1], numpy.asarray(image)


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


def _vae(size: int = 32, channels: tuple[int, ...] = (8, 16)) -> AutoencoderKL:
    return AutoencoderKL(
        sample_size=size,
        block_out_channels=channels,
        norm_num_groups=4,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * len(channels),
        up_block_types=("UpDecoderBlock2D",) * len(channels),
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


def tiny_tokenizer() -> CLIPTokenizer:
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


def tiny_text_config(tokenizer: CLIPTokenizer | None = None) -> CLIPTextConfig:
    vocabulary_size = len(tokenizer or tiny_tokenizer())
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


def stand_in(name: str = "stickers", **options) -> StableDiffusionPipeline:
    """What `load_pipeline` gives, in the sizes and with the words of `stickers`, but random.

    Its pictures of 128 × 128 pixels are noise, yet each prompt, seed and setting has its own.
    """
    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(SHIPPED / "tokenizer")
    unet = _unet(
        cross_attention_dim=TEXT_WIDTH,
        mid_block_type=None if name == "stickers-distilled" else "UNetMidBlock2DCrossAttn",
    )
    pipe = StableDiffusionPipeline(
        vae=_vae(128, (4, 8, 8, 8)),
        text_encoder=CLIPTextModel(tiny_text_config(tokenizer)),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DPMSolverMultistepScheduler.from_pretrained(SHIPPED / "scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _quiet(pipe)
