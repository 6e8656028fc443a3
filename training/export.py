"""Writes the trained parts as folders that the real classes load, in half precision."""

import json
import shutil
from pathlib import Path

import diffusers
import torch
from diffusers import PNDMScheduler, StableDiffusionPipeline
from transformers import CLIPTextModel

from helpers.base.files import whole_folder, write_whole
from helpers.ranking.sticker_clip import StickerClip
from training.unet import SCHEDULE

WEIGHTS = Path(__file__).resolve().parents[1] / "helpers" / "weights"


def replaced(folder: Path, write) -> None:
    """Writes a model's folder whole, in the place of the old one.

    A card that was made from figures goes with them: they were those of the old weights.
    """
    with whole_folder(folder) as part:
        write(part)
        for file in part.rglob("config.json"):
            forget_origin(file)
        card = folder / "README.md"
        if card.exists() and not (folder / "figures.json").exists():
            shutil.copy(card, part)


def forget_origin(file: Path) -> None:
    """Takes out of a configuration which folder of this computer the model was loaded from."""
    config = json.loads(file.read_text(encoding="utf-8"))
    if config.pop("_name_or_path", None) is not None:
        write_whole(file, json.dumps(config, indent=2, sort_keys=True) + "\n")


def text_encoder(clip: StickerClip) -> CLIPTextModel:
    """The text tower without its projection: what a pipeline wants."""
    encoder = CLIPTextModel(clip.text.config)
    encoder.load_state_dict(clip.text.text_model.state_dict())
    return encoder


def default_scheduler(name: str, prediction_type: str):
    """A scheduler class by name, with the settings of Stable Diffusion 1.x."""
    as_in_sd = PNDMScheduler(
        **SCHEDULE,
        prediction_type=prediction_type,
        skip_prk_steps=True,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="leading",
    )
    as_in_sd.register_to_config(clip_sample=False)  # for DDIM, which would clip latents otherwise
    return getattr(diffusers, name).from_config(as_in_sd.config)


def assembled(clip: StickerClip, vae, unet, tokenizer, scheduler) -> StableDiffusionPipeline:
    """The parts as a pipeline."""
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=text_encoder(clip),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def export_pipeline(pipe: StableDiffusionPipeline, folder: Path) -> None:
    """The pipeline's folder, float16 safetensors."""
    replaced(folder, lambda part: pipe.to(torch.float16).save_pretrained(part))


def export_unet(unet, folder: Path, parts_from: str, scheduler=None) -> None:
    """A pipeline folder that holds the U-Net, and a scheduler if it needs one of its own.

    The folder `parts_from` beside it has the rest.
    """
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": diffusers.__version__,
        "_parts_from": parts_from,
        "unet": ["diffusers", "UNet2DConditionModel"],
    }

    if scheduler is not None:
        index["scheduler"] = ["diffusers", type(scheduler).__name__]

    def write(part: Path) -> None:
        unet.half().save_pretrained(part / "unet")
        unet.float()
        if scheduler is not None:
            scheduler.save_pretrained(part / "scheduler")
        write_whole(part / "model_index.json", json.dumps(index, indent=2) + "\n")

    replaced(folder, write)


def export_clip(clip: StickerClip, tokenizer, folder: Path) -> None:
    """Both towers and the tokenizer, as `StickerClip.from_pretrained` reads them."""

    def write(part: Path) -> None:
        clip.half().save_pretrained(part)
        clip.float()
        tokenizer.save_pretrained(part)

    replaced(folder, write)
