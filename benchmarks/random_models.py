"""SD 1.5 and SDXL at their real size, with random weights: as fast as the real ones, no download.

The sizes are those of the models' own config.json files on the Hugging Face hub,
stable-diffusion-v1-5/stable-diffusion-v1-5 and stabilityai/stable-diffusion-xl-base-1.0.
"""

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

from helpers.models.catalogue import WEIGHTS
from helpers.models.reference import UNETS

CLIP_L = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "projection_dim": 768,
}
CLIP_BIG_G = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "projection_dim": 1280,
    "hidden_act": "gelu",
}
SD15_UNET = UNETS["sd-v1-4"]  # 1.5 is 1.4, trained for longer
SDXL_UNET = UNETS["sdxl"]
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}


def random_sd15(device, dtype, unet=SD15_UNET, vae=VAE, text=CLIP_L) -> StableDiffusionPipeline:
    """A pipeline of SD 1.5's size: 512 x 512 pixels. Other sizes are for tests."""
    tokenizer = _tokenizer()
    with torch.device(device):
        pipe = StableDiffusionPipeline(
            vae=AutoencoderKL(**vae, scaling_factor=0.18215),
            text_encoder=CLIPTextModel(_text_config(text, tokenizer)),
            tokenizer=tokenizer,
            unet=UNet2DConditionModel(**unet),
            scheduler=_scheduler(),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    return _ready(pipe, dtype)


def random_sdxl(
    device, dtype, unet=SDXL_UNET, vae=VAE, text=CLIP_L, text_2=CLIP_BIG_G
) -> StableDiffusionXLPipeline:
    """A pipeline of SDXL's size: 1024 x 1024 pixels. Other sizes are for tests."""
    tokenizer = _tokenizer()
    with torch.device(device):
        pipe = StableDiffusionXLPipeline(
            vae=AutoencoderKL(**vae, scaling_factor=0.13025, force_upcast=True),
            text_encoder=CLIPTextModel(_text_config(text, tokenizer)),
            text_encoder_2=CLIPTextModelWithProjection(_text_config(text_2, tokenizer)),
            tokenizer=tokenizer,
            tokenizer_2=tokenizer,
            unet=UNet2DConditionModel(**unet),
            scheduler=_scheduler(),
            add_watermarker=False,
        )
    return _ready(pipe, dtype)


def _ready(pipe, dtype):
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.to(dtype).eval()
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _tokenizer() -> CLIPTokenizer:
    """The sticker model's words, at the length that SD 1.5 and SDXL read."""
    return CLIPTokenizer.from_pretrained(WEIGHTS / "stickers" / "tokenizer", model_max_length=77)


def _text_config(sizes: dict, tokenizer: CLIPTokenizer) -> CLIPTextConfig:
    return CLIPTextConfig(
        **sizes,
        vocab_size=49408,
        max_position_embeddings=77,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )


def _scheduler() -> PNDMScheduler:
    """SD 1.x's own; used for both, since it changes nothing in the time of a step."""
    return PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        skip_prk_steps=True,
        set_alpha_to_one=False,
        steps_offset=1,
    )
