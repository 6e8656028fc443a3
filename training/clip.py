"""The contrastive model: a real CLIP text tower and a small convolutional picture tower.

Its text tower conditions the U-Net, as in Stable Diffusion; trained again from another seed it is
the judge of evaluate.py. Method: Radford et al. 2021, arXiv:2103.00020.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from helpers.ranking.sticker_clip import StickerClip
from training.data import PORTRAIT_SHARE, SUBJECTS, Batches, Dataset, Prefetch, Sample
from training.loop import Loop
from training.pixels import to_pixels
from training.presets import ClipSettings, Machine


def new_clip(settings: ClipSettings, tokenizer: CLIPTokenizer) -> StickerClip:
    """An untrained model in the size of the settings."""
    torch.manual_seed(settings.seed)
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.text_width,
        projection_dim=settings.text_width,
        intermediate_size=4 * settings.text_width,
        num_hidden_layers=settings.text_layers,
        num_attention_heads=settings.text_heads,
        max_position_embeddings=tokenizer.model_max_length,
        hidden_act="quick_gelu",
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return StickerClip(CLIPTextModelWithProjection(config))


def shifted(pixels: torch.Tensor, generator: torch.Generator, reach: int = 6) -> torch.Tensor:
    """Each picture moved a few pixels, so that places do not give the picture away."""
    padded = F.pad(pixels, (reach,) * 4, mode="reflect")
    moves = torch.randint(0, 2 * reach + 1, (len(pixels), 2), generator=generator).tolist()
    size = pixels.shape[-1]
    return torch.stack(
        [p[:, y : y + size, x : x + size] for p, (y, x) in zip(padded, moves, strict=True)]
    )


def tokens(tokenizer: CLIPTokenizer, captions: list[str]) -> torch.Tensor:
    """Token ids, (n, 32) int64, padded to the tokenizer's limit as in the pipeline."""
    return tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids


def contrastive_loss(model: StickerClip, pixels: torch.Tensor, ids: torch.Tensor):
    """Every picture must find its caption among the batch's and every caption its picture."""
    text, image = model.text_embeds(ids), model.image_embeds(pixels)
    logits = model.logit_scale.clamp(max=4.6).exp() * image @ text.T
    same = (ids[:, None] == ids[None]).all(-1)  # equal captions are no mistake
    targets = same.float() / same.sum(1, keepdim=True)
    loss = (F.cross_entropy(logits, targets) + F.cross_entropy(logits.T, targets)) / 2
    right = same[torch.arange(len(ids)), logits.argmax(1)].float().mean()
    return loss, {"right": right.item()}


@dataclass(frozen=True)
class ClipBatches:
    """The samples of a step: in turn mixed ones, portraits only, and one subject only.

    In a batch of one subject the captions differ in style and background alone, in one of
    portraits in the words for faces alone: so the model cannot do without these words.
    """

    settings: ClipSettings

    def __call__(self, step: int) -> list[Sample]:
        one = (SUBJECTS[step // 3 % len(SUBJECTS)],)
        portrait_share, subjects = ((PORTRAIT_SHARE, SUBJECTS), (1.0, SUBJECTS), (0.0, one))[
            step % 3
        ]
        data = Dataset(self.settings.seed, portrait_share=portrait_share, subjects=subjects)
        return Batches(data, self.settings.batch_size)(step)


def train_clip(
    name: str,
    settings: ClipSettings,
    model: StickerClip,
    tokenizer: CLIPTokenizer,
    folder: Path,
    machine: Machine,
    caption_of: Callable[[Sample], str],
) -> Loop:
    """Trains the model for the settings' steps; goes on where a killed run was.

    `caption_of` gives what it reads for a sample.
    """
    model.to(machine.device)
    samples_of = Prefetch(ClipBatches(settings), machine.workers)

    def loss_of(step: int):
        samples = samples_of(step)
        generator = torch.Generator().manual_seed(step)
        pixels = shifted(to_pixels([s.picture for s in samples]), generator)
        pixels = F.interpolate(pixels, size=64, mode="area").to(machine.device)
        ids = tokens(tokenizer, [caption_of(sample) for sample in samples])
        longest = int((ids != tokenizer.eos_token_id).sum(1).max()) + 1  # no time for padding
        return contrastive_loss(model, pixels, ids[:, :longest].to(machine.device))

    return Loop.of(name, model, loss_of, folder, machine, settings).finish()
