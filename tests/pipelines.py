"""Tiny random pipelines of both kinds, built from configs: no files, no network, under a second.

Their pictures are noise, yet every part is the real class, so that what holds for them bit by bit
(the order of random draws, the arithmetic of a step) holds for the real ones.
"""

import copy
import string
from functools import lru_cache

import diffusers
import numpy
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    PNDMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.models.unets.unet_2d_condition import UNet2DConditionOutput
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPTokenizer,
)

from helpers.models.catalogue import MODELS
from helpers.sampling.cell import Cell
from helpers.sampling.schedulers import SHORT_NAMES

TEXT_WIDTH = 32
"""Width of one text encoder's states; an SDXL pipeline has two side by side."""

MAX_TOKENS = 32
"""The tokenizer's limit, start and end marks included."""

REAL_MAX_TOKENS = 77
"""The limit of Stable Diffusion 1.x and 2.x."""

QUICK_SCHEDULERS = {"ddim", "dpm++", "euler ancestral"}
"""One without memory, one that looks back, one that draws noise: what the quick part tries."""

EVERY_SCHEDULER = [
    name if name in QUICK_SCHEDULERS else pytest.param(name, marks=pytest.mark.slow)
    for name in sorted(SHORT_NAMES)
]


class QuickUnet(UNet2DConditionModel):
    """A U-Net that answers without computing where nobody can tell: its pictures are noise anyway.

    The prediction depends on the latents, the timestep and the text, as it must. Where gradients
    are asked for, attention is watched, or a LoRA or a ControlNet takes part, it is computed.
    """

    def forward(self, sample, timestep, encoder_hidden_states, *rest, return_dict=True, **more):
        usual = all(type(one) is AttnProcessor2_0 for one in self.attn_processors.values())
        alone = not rest and all(value is None for value in more.values())
        if torch.is_grad_enabled() or hasattr(self, "peft_config") or not (usual and alone):
            more["return_dict"] = return_dict
            return super().forward(sample, timestep, encoder_hidden_states, *rest, **more)
        channels = self.config.out_channels
        noise_level = torch.as_tensor(timestep).reshape(-1, 1, 1, 1) / 1000
        text = encoder_hidden_states[..., :channels].mean(1)[..., None, None]
        predicted = noise_level * sample[:, :channels] + text
        return UNet2DConditionOutput(predicted) if return_dict else (predicted,)


def tiny_sd_pipeline(seed: int = 0, **unet_options) -> StableDiffusionPipeline:
    """An SD 1.x pipeline of 16 × 16 latents and 32 × 32 pixels; `unet_options` go to its U-Net."""
    torch.manual_seed(seed)
    pipe = StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(tiny_text_config(tiny_tokenizer())),
        tokenizer=tiny_tokenizer(),
        unet=_unet(cross_attention_dim=TEXT_WIDTH, **unet_options),
        scheduler=_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _quiet(pipe)


def tiny_real_pipeline(generation: int, seed: int = 0) -> StableDiffusionPipeline:
    """A pipeline that differs from the stickers in what SD 1.x or 2.x (`generation` 1 or 2) does.

    Both read 77 tokens. SD 1.x predicts the noise and comes with PNDM. SD 2.1 predicts the
    velocity, comes with DDIM, has linear projections around its attention, and gives the heads of
    each stage.
    """
    torch.manual_seed(seed)
    second = generation == 2
    options = {"use_linear_projection": True, "attention_head_dim": (2, 4)} if second else {}
    scheduler = _scheduler()
    if second:
        scheduler = DDIMScheduler.from_config(
            scheduler.config, prediction_type="v_prediction", clip_sample=False
        )
    pipe = StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=CLIPTextModel(tiny_text_config(tiny_tokenizer(REAL_MAX_TOKENS))),
        tokenizer=tiny_tokenizer(REAL_MAX_TOKENS),
        unet=_unet(QuickUnet, cross_attention_dim=TEXT_WIDTH, **options),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return _quiet(pipe)


def stand_in(*name: str, **options: object) -> StableDiffusionPipeline:
    """`stickers` with parts so small that they compute nearly nothing, and with random weights.

    It takes the place of `load_pipeline`: sizes, shapes, words and scheduler are those that the
    lessons speak of. Its pictures are noise, yet each prompt, seed and setting has its own.
    """
    torch.manual_seed(0)
    shipped = MODELS["stickers"].source
    tokenizer = CLIPTokenizer.from_pretrained(shipped / "tokenizer")
    student = {"mid_block_type": None} if name == ("stickers-distilled",) else {}
    pipe = StableDiffusionPipeline(
        vae=_vae(size=128, channels=(4, 8, 8, 8)),
        text_encoder=CLIPTextModel(tiny_text_config(tokenizer)),
        tokenizer=tokenizer,
        unet=_unet(QuickUnet, cross_attention_dim=TEXT_WIDTH, **student),
        scheduler=DPMSolverMultistepScheduler.from_pretrained(shipped / "scheduler"),
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
        text_encoder=CLIPTextModel(tiny_text_config(tiny_tokenizer())),
        text_encoder_2=CLIPTextModelWithProjection(tiny_text_config(tiny_tokenizer())),
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


def _unet(kind=UNet2DConditionModel, **options) -> UNet2DConditionModel:
    usual = {"attention_head_dim": 4}
    return kind(
        sample_size=16,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=8,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        **(usual | options),
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


def tiny_tokenizer(max_tokens: int = MAX_TOKENS) -> CLIPTokenizer:
    """A tokenizer without merges: every letter is a token."""
    letters = string.ascii_lowercase + string.digits + string.punctuation
    tokens = [
        *letters,
        *(letter + "</w>" for letter in letters),
        "<|startoftext|>",
        "<|endoftext|>",
    ]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=max_tokens)


def tiny_text_config(tokenizer: CLIPTokenizer) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=TEXT_WIDTH,
        projection_dim=TEXT_WIDTH,
        intermediate_size=2 * TEXT_WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=tokenizer.model_max_length,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
