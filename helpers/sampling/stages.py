"""The stages of a pipeline call, apart: text to conditions, a prediction, latents to pictures.

`StableDiffusionPipeline.__call__` and `StableDiffusionXLPipeline.__call__` (diffusers 0.42) run
them one after the other for one setting. Apart, they can be shared by many settings.
Conditions are a dictionary of tensors with one row each for what the U-Net is told: one row for
the prompt, or two, the negative prompt's first, where guidance is on.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from diffusers.configuration_utils import FrozenDict
from PIL import Image

from helpers.base.quiet import quiet

with quiet(progress_bars=False):  # the first import of a pipeline speaks of a missing torchvision
    from diffusers import AutoencoderKL, StableDiffusionPipeline, StableDiffusionXLPipeline

Pipeline = StableDiffusionPipeline | StableDiffusionXLPipeline
Conditions = dict[str, torch.Tensor]

TRUNCATION_LOGGERS = (
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
    "diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl",
    "transformers.tokenization_utils_base",
)
"""Who speaks up when a prompt is longer than the model reads."""


def check_pipeline(pipe: object) -> None:
    """Raise TypeError unless `pipe` makes pictures from text alone, as SD 1.x or SDXL does."""
    if not isinstance(pipe, Pipeline):
        raise TypeError(
            "pipe must be a StableDiffusionPipeline or a StableDiffusionXLPipeline; "
            f"got {type(pipe).__name__}."
        )


def is_guided(pipe: Pipeline, guidance_scale: float) -> bool:
    """Whether a step needs the negative prompt too: above 1, unless the U-Net is told the scale."""
    return guidance_scale > 1 and pipe.unet.config.time_cond_proj_dim is None


def text_conditions(
    pipe: Pipeline,
    prompt: str,
    negative_prompt: str | None,
    guided: bool,
    height: int,
    width: int,
) -> Conditions:
    """What the U-Net is told about the text, and in SDXL about the size in pixels.

    Silent about a text that is too long: who asked for it tells the learner which words are lost.
    """
    with _silent_about_truncation():
        positive, negative, *pooled = pipe.encode_prompt(
            prompt=prompt,
            device=pipe._execution_device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=guided,
            negative_prompt=negative_prompt,
        )

    def rows(negative: torch.Tensor, positive: torch.Tensor) -> torch.Tensor:
        return torch.cat([negative, positive] if guided else [positive])

    conditions = {"encoder_hidden_states": rows(negative, positive)}
    if pooled:
        positive_pooled, negative_pooled = pooled
        sizes = pipe._get_add_time_ids(
            (height, width),
            (0, 0),
            (height, width),
            dtype=positive.dtype,
            text_encoder_projection_dim=positive_pooled.shape[-1],
        ).to(positive.device)
        conditions["text_embeds"] = rows(negative_pooled, positive_pooled)
        conditions["time_ids"] = rows(sizes, sizes)
    return conditions


@contextmanager
def _silent_about_truncation() -> Iterator[None]:
    """Drop what the libraries log in this thread; what other threads do is still told."""
    here = threading.get_ident()

    def from_elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != here

    loggers = [logging.getLogger(name) for name in TRUNCATION_LOGGERS]
    for logger in loggers:
        logger.addFilter(from_elsewhere)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(from_elsewhere)


def guidance_conditions(pipe: Pipeline, guidance_scale: float) -> Conditions:
    """What a U-Net distilled for guidance (LCM) is told about the scale; for others nothing."""
    width = pipe.unet.config.time_cond_proj_dim
    if width is None:
        return {}
    scale = torch.tensor(guidance_scale - 1).repeat(1)
    embedding = pipe.get_guidance_scale_embedding(scale, embedding_dim=width)
    return {"timestep_cond": embedding.to(pipe._execution_device, pipe.unet.dtype)}


def predict(
    pipe: Pipeline, sample: torch.Tensor, timesteps: torch.Tensor, conditions: Conditions
) -> torch.Tensor:
    """One U-Net call: (rows, channels, height, width) and a timestep per row → the same shape."""
    added = {name: conditions[name] for name in ("text_embeds", "time_ids") if name in conditions}
    return pipe.unet(
        sample,
        timesteps,
        encoder_hidden_states=conditions["encoder_hidden_states"],
        timestep_cond=conditions.get("timestep_cond"),
        added_cond_kwargs=added or None,
        return_dict=False,
    )[0]


@torch.no_grad()
def encode(
    pipe: Pipeline, image: Image.Image, height: int, width: int, generator: torch.Generator
) -> torch.Tensor:
    """Latents (1, channels, height / 8, width / 8) of a picture, as image-to-image draws them.

    The VAE's encoder tells a mean and a deviation for each latent; `generator` draws from these.
    """
    vae, config = pipe.vae, pipe.vae.config
    pixels = pipe.image_processor.preprocess(image.convert("RGB"), height=height, width=width)
    dtype = vae.dtype
    is_sdxl = isinstance(pipe, StableDiffusionXLPipeline)
    with _in_float32_if_it_overflows(vae) if is_sdxl else nullcontext():
        pixels = pixels.to(pipe._execution_device, vae.dtype)
        latents = vae.encode(pixels).latent_dist.sample(generator).to(dtype)
    if is_sdxl and config.latents_mean is not None and config.latents_std is not None:
        mean, deviation = _mean_and_deviation(config, latents)
        return (latents - mean) * config.scaling_factor / deviation
    return latents * config.scaling_factor


@torch.no_grad()
def decode(pipe: Pipeline, latents: torch.Tensor) -> list[Image.Image]:
    """Pictures of latents (n, channels, height, width), finished or half-way, as `pipe()` decodes.

    The pipeline's safety checker is applied if it has one: a picture that it flags is black.
    """
    if isinstance(pipe, StableDiffusionXLPipeline):
        pixels = _decode_sdxl(pipe, latents)
        return pipe.image_processor.postprocess(pixels, output_type="pil")
    pixels = pipe.vae.decode(latents / pipe.vae.config.scaling_factor, return_dict=False)[0]
    pixels, flags = pipe.run_safety_checker(pixels, pixels.device, latents.dtype)
    normalized = [not flag for flag in flags or [False] * len(latents)]
    return pipe.image_processor.postprocess(pixels, output_type="pil", do_denormalize=normalized)


def _decode_sdxl(pipe: StableDiffusionXLPipeline, latents: torch.Tensor) -> torch.Tensor:
    vae, config = pipe.vae, pipe.vae.config
    with _in_float32_if_it_overflows(vae):
        latents = latents.to(vae.dtype)
        if config.latents_mean is None or config.latents_std is None:
            latents = latents / config.scaling_factor
        else:
            mean, deviation = _mean_and_deviation(config, latents)
            latents = latents * deviation / config.scaling_factor + mean
        pixels = vae.decode(latents, return_dict=False)[0]
    return pixels if pipe.watermark is None else pipe.watermark.apply_watermark(pixels)


def _mean_and_deviation(config: FrozenDict, latents: torch.Tensor) -> list[torch.Tensor]:
    """Those of a VAE's latents, one per channel, of the type and on the device of `latents`."""
    return [
        torch.tensor(values).view(1, -1, 1, 1).to(latents)
        for values in (config.latents_mean, config.latents_std)
    ]


@contextmanager
def _in_float32_if_it_overflows(vae: AutoencoderKL) -> Iterator[None]:
    """SDXL's VAE overflows in float16, so it decodes in float32 and is put back, whatever happens.

    Left in float32 by an error or Ctrl-C, it would make `pipe()` fail from then on.
    """
    overflows = vae.dtype == torch.float16 and vae.config.force_upcast
    try:
        if overflows:
            vae.to(torch.float32)
        yield
    finally:
        if overflows:
            vae.to(torch.float16)
