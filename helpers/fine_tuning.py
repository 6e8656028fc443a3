"""Fine-tuning a pipeline's U-Net with a LoRA on a folder of pictures with prompts.

    pipe = load_pipeline()
    add_lora(pipe)
    losses = fine_tune(pipe, TrainingSet(pipe, read_pictures(folder)), steps=200)
    save_lora(pipe, "my-lora")                      # load_pipeline("stickers", lora="my-lora")

Text encoder, VAE and the U-Net's own weights stay as they are (LoRA: Hu et al. 2021,
arXiv:2106.09685). The same code trains the sticker model on a CPU and Stable Diffusion 1.5 on a
GPU.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler
from diffusers.training_utils import cast_training_params
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from PIL import Image, ImageOps
from tqdm.auto import tqdm

from helpers.base.counts import checked_count
from helpers.base.files import write_whole
from helpers.base.quiet import quiet
from helpers.models.lora import STANDARD_NAME
from helpers.models.sizes import native_size, parameter_count
from helpers.models.switches import own_scale
from helpers.pictures.check import upright
from helpers.pictures.encoded import from_bytes

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline, UNet2DConditionModel

ATTENTION_LAYERS = ("to_q", "to_k", "to_v", "to_out.0")
"""The layers of attention: what diffusers' own training scripts put a LoRA on."""

LAYERS = (*ATTENTION_LAYERS, "conv1", "conv2")
"""With the convolutions of the residual blocks. The sticker model has no attention at its full
resolution, and learned more of a style with these (`LoraSettings` in training/presets.py)."""

VALIDATION_TIMESTEPS = (150, 350, 550, 750)

MAX_PIXELS = 100_000_000
"""Of a picture to learn from: more than a good camera takes."""


class Captioned(NamedTuple):
    """A picture and what it shows, in words."""

    image: Image.Image
    prompt: str


class Batch(NamedTuple):
    """What one step of training needs; `target` is what the U-Net should predict.

    Attributes:
        noisy: Latents with noise, (pictures, channels, height / 8, width / 8).
        timesteps: How noisy each is, (pictures).
        encoder_hidden_states: Of the prompts, (pictures, tokens, width).
        target: Noise or velocity, of the shape of `noisy`.
    """

    noisy: torch.Tensor
    timesteps: torch.Tensor
    encoder_hidden_states: torch.Tensor
    target: torch.Tensor


def read_pictures(folder: str | Path) -> list[Captioned]:
    """Read an "imagefolder": pictures, and a metadata.jsonl that says what they show.

    Each line of metadata.jsonl is a JSON object with "file_name" and "prompt", as
    `Feedback.export_images` writes it, or "text", as published data sets often have it.

    Returns:
        RGB pictures with their prompts, in the order of the lines. One that is turned by its
        EXIF note, as many of a phone are, is upright; what is transparent is white.

    Raises:
        FileNotFoundError: There is no metadata.jsonl, or a picture that it names is missing.
        ValueError: It names no picture, a line is no such object, a name leads out of the
            folder, or a file is no picture.
    """
    folder = Path(folder).expanduser()
    metadata = folder / "metadata.jsonl"
    if not metadata.is_file():
        raise FileNotFoundError(
            f"folder must hold pictures and a metadata.jsonl; there is no {metadata}"
        )
    lines = metadata.read_text(encoding="utf-8").splitlines()
    numbered = [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
    if not numbered:
        raise ValueError(f"folder must hold at least one picture; {metadata} names none")
    return [_captioned(folder, f"{metadata}, line {number}", line) for number, line in numbered]


def add_lora(
    pipe: DiffusionPipeline, rank: int = 4, seed: int = 0, layers: Sequence[str] = LAYERS
) -> int:
    """Freeze a pipeline's U-Net and put a LoRA on it, which does nothing until it is trained.

    Args:
        pipe: A pipeline of the family of Stable Diffusion 1 and 2.
        rank: Width of the two thin matrices of each layer.
        seed: Of their first values.
        layers: The ends of the names of the layers that get one; `ATTENTION_LAYERS` takes fewer.

    Returns:
        How many parameters there are to train.

    Raises:
        TypeError: `rank` is no whole number.
        ValueError: `rank` is below 1, the U-Net has a LoRA already, no layer has such a name, the
            pipeline is of another family, such as SDXL, or its parts take turns on a GPU.
    """
    checked_count("rank", rank)
    _check_whole(pipe)
    if getattr(pipe.unet, "peft_config", None):
        raise ValueError("pipe has a LoRA already. Load the pipeline anew")
    if pipe.unet.config.addition_embed_type not in (None, "text"):  # "text" reads nothing more
        raise ValueError(
            "pipe must be of the family of Stable Diffusion 1 and 2, with one text encoder; "
            f"got a {type(pipe).__name__}. diffusers' own scripts train others"
        )
    pipe.unet.requires_grad_(False)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        # At lora_alpha = rank the product of the matrices is added as it is, and loaders that
        # find no alpha in a file take it for that.
        config = LoraConfig(r=rank, lora_alpha=rank, target_modules=list(layers))
        pipe.unet.add_adapter(config)
    cast_training_params(pipe.unet, torch.float32)  # small steps would be lost in float16
    return parameter_count(_trained(pipe.unet))


class TrainingSet:
    """Pictures that are encoded once, and noisy batches of them.

    A batch is a function of the seed and the step, so that a training can be repeated.
    """

    def __init__(
        self,
        pipe: DiffusionPipeline,
        pictures: Sequence[Captioned],
        empty_share: float = 0.1,
        seed: int = 0,
    ) -> None:
        """
        Args:
            pipe: The pipeline whose VAE and text encoder encode them.
            pictures: Of any size; they are cropped to a square in the middle.
            empty_share: Share of the prompts that are left empty, from 0 to 1, so that the model
                keeps its prediction without a prompt, which guidance needs (Ho and Salimans 2022,
                arXiv:2207.12598).
            seed: Of noise, timesteps and the order of the pictures.

        Raises:
            ValueError: There is no picture, `empty_share` is out of range, or the pipeline's
                parts take turns on a GPU.
        """
        if not pictures:
            raise ValueError("pictures must hold at least one picture; got none")
        if not 0 <= empty_share <= 1:
            raise ValueError(f"empty_share must be between 0 and 1; got {empty_share}")
        _check_whole(pipe)
        self.seed, self.empty_share = seed, empty_share
        with quiet(progress_bars=False):
            self.scheduler = DDPMScheduler.from_config(pipe.scheduler.config)
        self.latents = encode_pictures(pipe, [one.image for one in pictures])
        self.encoder_hidden_states = encode_prompts(pipe, [one.prompt for one in pictures])
        self.empty = encode_prompts(pipe, [""])

    def __len__(self) -> int:
        return len(self.latents)

    def batch(self, step: int, batch_size: int) -> Batch:
        """The pictures of one step, each with a noise and a timestep of its own."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        chosen = torch.tensor([self._picture(step * batch_size + i) for i in range(batch_size)])
        unconditional = torch.rand(batch_size, generator=generator) < self.empty_share
        encoder_hidden_states = self.encoder_hidden_states[chosen]
        encoder_hidden_states[unconditional] = self.empty
        count = self.scheduler.config.num_train_timesteps
        timesteps = torch.randint(0, count, (batch_size,), generator=generator)
        return self._noisy(self.latents[chosen], timesteps, encoder_hidden_states, generator)

    @torch.no_grad()
    def validation_loss(self, pipe: DiffusionPipeline) -> float:
        """Mean loss over all pictures with their prompts, at four timesteps with fixed noise.

        The loss of a step jumps with its noise and timesteps. This one has the same noise each
        time, so two of its values compare.
        """
        losses = []
        for timestep in VALIDATION_TIMESTEPS:
            generator = torch.Generator().manual_seed(timestep)
            timesteps = torch.full((len(self),), timestep)
            noisy = self._noisy(self.latents, timesteps, self.encoder_hidden_states, generator)
            for part in zip(*(tensor.split(16) for tensor in noisy), strict=True):
                losses.append(_loss(pipe.unet, Batch(*part)) * len(part[0]))
        return (torch.stack(losses).sum() / len(self) / len(VALIDATION_TIMESTEPS)).item()

    def _picture(self, number: int) -> int:
        """The picture that comes at this place: all of them once a round, each round shuffled."""
        turn, place = divmod(number, len(self))
        order = torch.Generator().manual_seed(self.seed + turn)
        return int(torch.randperm(len(self), generator=order)[place])

    def _noisy(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        encoder_hidden_states: torch.Tensor,
        generator: torch.Generator,
    ) -> Batch:
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        timesteps = timesteps.to(latents.device)
        noisy = self.scheduler.add_noise(latents, noise, timesteps)
        target = target_of(self.scheduler, latents, noise, timesteps)
        return Batch(noisy, timesteps, encoder_hidden_states, target)


def target_of(
    scheduler: DDPMScheduler,
    latents: torch.Tensor,
    noise: torch.Tensor,
    timesteps: torch.Tensor,
) -> torch.Tensor:
    """What the U-Net should predict, by the scheduler's `prediction_type`.

    Raises ValueError for a type other than "epsilon", "v_prediction" and "sample".
    """
    kind = scheduler.config.prediction_type
    if kind == "epsilon":
        return noise
    if kind == "v_prediction":
        return scheduler.get_velocity(latents, noise, timesteps)
    if kind == "sample":
        return latents
    raise ValueError(
        "the scheduler's prediction_type must be 'epsilon', 'v_prediction' or 'sample'; "
        f"got {kind!r}"
    )


def fine_tune(
    pipe: DiffusionPipeline,
    training_set: TrainingSet,
    steps: int,
    batch_size: int = 4,
    learning_rate: float = 1e-3,
    progress: bool = True,
) -> list[float]:
    """Train what `add_lora` put on a pipeline's U-Net.

    AdamW; the learning rate falls evenly to zero. In half precision on a GPU the loss is scaled,
    so that small gradients are not lost.

    Args:
        pipe: The pipeline, on the device to compute on.
        training_set: What it learns from.
        steps: How many times the weights are changed.
        batch_size: Pictures a step.
        learning_rate: Of the first step.
        progress: Whether a bar shows loss and time left.

    Returns:
        The loss of each step.

    Raises:
        TypeError: `steps` or `batch_size` is no whole number.
        ValueError: One of them is below 1, `learning_rate` is not above zero, or there is nothing
            to train.
        FloatingPointError: The loss is no number any more; the U-Net's LoRA is spoilt.
    """
    checked_count("steps", steps)
    checked_count("batch_size", batch_size)
    if not learning_rate > 0:
        raise ValueError(f"learning_rate must be greater than zero; got {learning_rate!r}")
    weights = _trained(pipe.unet)
    if not weights:
        raise ValueError("pipe has nothing to train: call add_lora(pipe) first")
    optimizer = torch.optim.AdamW(weights, lr=learning_rate)
    fading = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1 / steps, total_iters=steps)
    kind, dtype = pipe.unet.device.type, pipe.unet.dtype
    scaler = torch.amp.GradScaler(kind, enabled=dtype == torch.float16)
    losses = []
    pipe.unet.train()  # gradient checkpointing, where it is on, works in this mode only
    with tqdm(range(steps), disable=not progress) as bar:
        for step in bar:
            loss = _loss(pipe.unet, training_set.batch(step, batch_size))
            losses.append(loss.item())
            if not losses[-1] < float("inf"):
                raise FloatingPointError(
                    f"the loss of step {step} is {losses[-1]}: load the pipeline anew, and train "
                    f"with a learning_rate below {learning_rate:g}"
                )
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            fading.step()
            bar.set_postfix(loss=f"{sum(losses[-20:]) / len(losses[-20:]):.3f}")
    pipe.unet.eval()
    return losses


def save_lora(pipe: DiffusionPipeline, folder: str | Path, adapter_name: str | None = None) -> Path:
    """Write a pipeline's LoRA in float16, as diffusers loads it; return the file.

    It may be one of `add_lora` or one that was loaded, trained further or not. What it changes in
    a text encoder is written too.

    Args:
        pipe: The pipeline.
        folder: Where; made if need be.
        adapter_name: Which LoRA, where the pipeline has several (`pipe.get_list_adapters()`).

    Raises:
        ValueError: The pipeline has none, several and no `adapter_name`, or none of this name.
    """
    name = _adapter_to_save(pipe, adapter_name)
    parts = {"unet": pipe.unet}
    parts |= {n: pipe.components.get(n) for n in ("text_encoder", "text_encoder_2")}
    layers = {
        f"{part_name}_lora_layers": _lora_layers(part, name)
        for part_name, part in parts.items()
        if name in (getattr(part, "peft_config", None) or {})
    }

    def write(file: Path) -> None:
        type(pipe).save_lora_weights(file.parent, weight_name=file.name, **layers)

    return write_whole(Path(folder).expanduser() / STANDARD_NAME, write)


def _adapter_to_save(pipe: DiffusionPipeline, wanted: str | None) -> str:
    names = list(getattr(pipe.unet, "peft_config", None) or {})
    if not names:
        raise ValueError("pipe has no LoRA to save: call add_lora(pipe) and train it first")
    if wanted is None and len(names) > 1:
        raise ValueError(
            f"adapter_name must be given where pipe has several LoRAs ({', '.join(names)}); a "
            "file holds one"
        )
    if wanted is not None and wanted not in names:
        raise ValueError(f"adapter_name must be one of {', '.join(names)}; got {wanted!r}")
    return wanted or names[0]


@torch.no_grad()
def _lora_layers(part: torch.nn.Module, name: str) -> dict[str, torch.Tensor]:
    """A LoRA's matrices in one part of a pipeline, under the names that peft has for them.

    diffusers has other names too, for the layers of attention only. It tells by the first name of a
    file which ones it holds, and leaves out what has the others.

    The file says nothing of alpha, and who finds none takes it for the rank. So the factor goes
    into the second matrix, and the LoRA is as strong as before.
    """
    weights = get_peft_model_state_dict(part, adapter_name=name)
    for path, layer in part.named_modules():
        second = f"{path}.lora_B.weight"
        if second in weights and (scale := own_scale(layer, name)) != 1:
            weights[second] = weights[second] * scale
    return {key: w.half() for key, w in weights.items()}


@torch.no_grad()
def encode_pictures(pipe: DiffusionPipeline, images: Sequence[Image.Image]) -> torch.Tensor:
    """The latents of pictures, as the U-Net meets them, on the pipeline's device.

    Of each picture the middle is kept, in the shape and size that the model was trained on.
    """
    height, width = native_size(pipe)
    latents = []
    for image in images:
        fitted = ImageOps.fit(upright(image), (width, height), Image.Resampling.LANCZOS)
        pixels = pipe.image_processor.preprocess(fitted).to(pipe.vae.device, pipe.vae.dtype)
        latents.append(pipe.vae.encode(pixels).latent_dist.mean * pipe.vae.config.scaling_factor)
    return torch.cat(latents)


@torch.no_grad()
def encode_prompts(pipe: DiffusionPipeline, prompts: Sequence[str]) -> torch.Tensor:
    """The encoder hidden states of each prompt, (prompts, tokens, width)."""
    encoder_hidden_states = [
        pipe.encode_prompt(prompt, pipe.device, 1, do_classifier_free_guidance=False)[0]
        for prompt in prompts
    ]
    return torch.cat(encoder_hidden_states)


def _loss(unet: UNet2DConditionModel, batch: Batch) -> torch.Tensor:
    half = unet.dtype != torch.float32
    with torch.autocast(unet.device.type, unet.dtype if half else None, enabled=half):
        predicted = unet(batch.noisy, batch.timesteps, batch.encoder_hidden_states).sample
    return F.mse_loss(predicted.float(), batch.target.float())


def _check_whole(pipe: DiffusionPipeline) -> None:
    """Raise ValueError if accelerate's hooks bring the U-Net to the GPU and take it away again."""
    if any(hasattr(module, "_hf_hook") for module in pipe.unet.modules()):
        raise ValueError(
            "pipe must be on its device as a whole to be trained; its parts take turns there, "
            "because they do not fit together. Load a smaller model, or free memory on the GPU"
        )


def _trained(unet: UNet2DConditionModel) -> list[torch.nn.Parameter]:
    return [weights for weights in unet.parameters() if weights.requires_grad]


def _captioned(folder: Path, where: str, line: str) -> Captioned:
    try:
        entry = json.loads(line)
        name, prompt = entry["file_name"], entry.get("prompt", entry.get("text"))
    except (ValueError, TypeError, KeyError, AttributeError):
        name = prompt = None
    if not isinstance(name, str) or not isinstance(prompt, str):
        raise ValueError(
            f'{where}: must be a JSON object with "file_name" and "prompt"; got {line[:80]!r}'
        )
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{where}: file_name must be a file of the folder; got {name!r}")
    if not file.is_file():
        raise FileNotFoundError(f"{where}: there is no {file}")
    try:
        return Captioned(from_bytes(file.read_bytes(), MAX_PIXELS), prompt)
    except (OSError, ValueError) as error:
        raise ValueError(f"{where}: {name!r} is not a picture: it {error}") from error
