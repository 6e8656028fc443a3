"""How well pictures fit texts: CLIP scores, ranking and R-precision.

CLIP (Radford et al. 2021, arXiv:2103.00020) has two networks, one for texts and one for pictures.
Both end in an embedding, a list of numbers, and they were trained together so that a picture and
its own caption point the same way. The cosine of the angle between the two is the CLIP score.

    ranker = load_ranker()                     # the course's own small CLIP
    ranker.rank(images, "a 3d sticker of a fox on a teal background")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from PIL import Image

from helpers.base.counts import checked_count
from helpers.base.paths import usable_path
from helpers.base.quiet import quiet
from helpers.base.warn import warn_learner
from helpers.models.catalogue import WEIGHTS
from helpers.models.causes import other_cause
from helpers.models.devices import checked_device
from helpers.models.folder import pointer_fault, tokenizer_fault
from helpers.models.hub import HUB_ID, Repository, cached_folders, first_line
from helpers.models.tokens import prompt_tokens
from helpers.pictures.check import checked_images, upright
from helpers.ranking.sticker_clip import SIDE, StickerClip, check_weights

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

STICKERS_CLIP = WEIGHTS / "stickers-clip"
NAMES = {"stickers-clip": STICKERS_CLIP}
HUB_FILES = ["*.json", "*.txt", "model*.safetensors"]  # configs, tokenizer, weights
INSTEAD = "load_ranker() gives the course's own CLIP, which needs no download."
MAX_STICKER_LOGIT_SCALE = 4.6  # a logarithm; the limit that its training kept


@dataclass(frozen=True)
class Scores:
    """How well each of m pictures fits each of n texts.

    Attributes:
        cosine: (m, n) float32 on the CPU: the cosine of the two embeddings, from -1 to 1.
        logits: (m, n), the cosine times the model's learned scale. The softmax of a row is the
            model's belief about which of the n texts belongs to the picture.
    """

    cosine: torch.Tensor
    logits: torch.Tensor


@dataclass(frozen=True)
class Ranker:
    """A CLIP model that scores pictures against texts. `load_ranker` makes one.

    Attributes:
        name: What it was loaded as.
        embed_texts: Texts -> embeddings (n, width) of length 1.
        embed_images: RGB pictures of any size -> embeddings (m, width) of length 1.
        logit_scale: What a cosine is multiplied by to give a logit.
    """

    name: str
    embed_texts: Callable[[list[str]], torch.Tensor]
    embed_images: Callable[[list[Image.Image]], torch.Tensor]
    logit_scale: float

    def scores(
        self, images: Iterable[Image.Image], prompts: Sequence[str], batch_size: int = 32
    ) -> Scores:
        """Score every picture against every text.

        Args:
            images: PIL images; they may differ in size, and are looked at upright.
            prompts: Texts.
            batch_size: How many pictures, or texts, the model looks at in one go. It changes the
                time and the memory that this takes, not the scores.

        Returns:
            `Scores`, one row a picture and one column a text.

        Raises:
            TypeError: `images` is no list of PIL images, or `prompts` no list of texts, or
                `batch_size` no whole number.
            ValueError: One of the lists is empty, or `batch_size` is below 1.
        """
        images = [upright(image) for image in checked_images(images)]
        prompts = _checked_prompts(prompts)
        batch_size = checked_count("batch_size", batch_size)
        with torch.inference_mode():
            # Equal texts are embedded once, so that their scores are equal to the last bit.
            different = list(dict.fromkeys(prompts))
            texts = _in_batches(self.embed_texts, different, batch_size)
            texts = texts[[different.index(prompt) for prompt in prompts]]
            cosine = _in_batches(self.embed_images, images, batch_size) @ texts.T
        cosine = cosine.clone()  # outside of inference mode, so that it is an ordinary tensor
        return Scores(cosine=cosine, logits=cosine * self.logit_scale)

    def rank(self, images: Iterable[Image.Image], prompt: str) -> list[tuple[int, float]]:
        """(index, cosine) of each picture, the best fit to `prompt` first."""
        if not isinstance(prompt, str):
            raise TypeError(f"prompt must be one text; got {type(prompt).__name__}")
        cosines = self.scores(images, [prompt]).cosine[:, 0].tolist()
        return sorted(enumerate(cosines), key=lambda pair: -pair[1])


def load_ranker(
    name_or_path: str | Path = "stickers-clip",
    device: str | torch.device | None = None,
    allow_pickle: bool = False,
) -> Ranker:
    """Load a CLIP model to rank pictures with.

    Args:
        name_or_path: "stickers-clip", the course's own, which knows stickers and portraits; a
            folder; or a CLIP checkpoint on the hub such as "openai/clip-vit-base-patch32".
        device: "cuda", "mps" or "cpu"; `None` takes the first of these that the computer has.
        allow_pickle: Whether pickle weights (.bin) may be read where there are no safetensors.
            They can run code: allow it only for a source that you trust.

    Returns:
        A `Ranker`. All of them work the same way, but their cosines do not compare: each CLIP
        has its own range.

    Raises:
        TypeError: `name_or_path` is neither a text nor a path.
        ValueError: `device` is not here, or the folder holds no CLIP model that can be loaded.
        LookupError: There is no such name, folder or model on the hub.
        PermissionError, ConnectionError, OSError: The hub refuses or cannot be reached, or the
            disk is full.
    """
    device = checked_device(device)
    name, folder = _find(name_or_path, allow_pickle)
    if (folder / "vision.safetensors").is_file():
        return _sticker_ranker(name, folder, device)
    return _clip_ranker(name, folder, device, allow_pickle)


def r_precision(scores: Scores) -> float:
    """The share of pictures that fit their own text best, from 0 to 1.

    Picture i was made from text i, so `scores` is square. A picture counts when no other text
    has a higher score; with n texts, guessing reaches 1 / n.
    """
    cosine = scores.cosine
    if cosine.ndim != 2 or cosine.shape[0] != cosine.shape[1]:
        raise ValueError(
            "scores must have as many pictures as texts, picture i made from text i; "
            f"got {' x '.join(map(str, cosine.shape))}"
        )
    return (cosine.diagonal() >= cosine.amax(dim=1)).float().mean().item()


def _find(name_or_path: str | Path, allow_pickle: bool) -> tuple[str, Path]:
    if not isinstance(name_or_path, str | Path):
        raise TypeError(
            "name_or_path must be a model's name or a folder; "
            f"got {name_or_path!r} ({type(name_or_path).__name__})"
        )
    name = str(name_or_path)
    if name in NAMES:
        return name, NAMES[name]
    folder = usable_path(name_or_path)
    if folder and folder.is_dir():
        return name, folder
    if isinstance(name_or_path, str) and HUB_ID.fullmatch(name):
        return name, _hub_folder(name, allow_pickle)
    raise LookupError(
        f"name_or_path: there is no CLIP model and no folder {name!r:.80}. It may be "
        f"{', '.join(map(repr, NAMES))}, a folder, or a name on the hub, written 'owner/model'."
    )


def _hub_folder(hub_id: str, allow_pickle: bool) -> Path:
    """A CLIP checkpoint of the hub: what is here already, else its newest revision.

    Where that has pickle weights only, the hub's own conversion to safetensors is taken if there
    is one, as transformers itself does.
    """
    for folder in cached_folders(hub_id):
        if (folder / "preprocessor_config.json").is_file() and _has_weights(folder, allow_pickle):
            return folder
    patterns = [*HUB_FILES, "pytorch_model*.bin"] if allow_pickle else HUB_FILES
    repository = Repository(hub_id, instead=lambda: INSTEAD)
    folder = repository.download_files(patterns)
    if not _has_weights(folder, allow_pickle) and (converted := repository.converted()):
        return converted.download_files(patterns)
    return folder


def _has_weights(folder: Path, allow_pickle: bool) -> bool:
    pickles = allow_pickle and any(folder.glob("pytorch_model*.bin"))
    return pickles or any(folder.glob("*.safetensors"))


def _tokenizer(folder: Path):
    from transformers import CLIPTokenizer

    if found := tokenizer_fault(folder):
        raise FileNotFoundError(found)
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def _sticker_ranker(name: str, folder: Path, device: torch.device) -> Ranker:
    with _reading(folder):
        model = StickerClip.from_pretrained(folder)
        tokenizer = _tokenizer(folder)
    model.to(device)

    def embed_texts(texts: list[str]) -> torch.Tensor:
        return model.text_embeds(_tokens(tokenizer, texts)["input_ids"].to(device))

    def embed_images(images: list[Image.Image]) -> torch.Tensor:
        return model.image_embeds(torch.cat([_sticker_pixels(i) for i in images]).to(device))

    scale = model.logit_scale.clamp(max=MAX_STICKER_LOGIT_SCALE).exp().item()
    return Ranker(name, embed_texts, embed_images, scale)


def _sticker_pixels(image: Image.Image) -> torch.Tensor:
    """The middle square of an RGB picture as (1, 3, 64, 64), from -1 to 1."""
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.crop((left, top, left + side, top + side))
    pixels = torch.frombuffer(bytearray(square.tobytes()), dtype=torch.uint8)
    pixels = pixels.view(1, side, side, 3).permute(0, 3, 1, 2).float() / 127.5 - 1
    return F.interpolate(pixels, size=(SIDE, SIDE), mode="area")


def _clip_ranker(name: str, folder: Path, device: torch.device, allow_pickle: bool) -> Ranker:
    model, tokenizer, processor = _load_clip(name, folder, allow_pickle)
    model.to(device).requires_grad_(False)

    def embed_texts(texts: list[str]) -> torch.Tensor:
        tokens = _tokens(tokenizer, texts).to(device)
        pooled = model.text_model(**tokens).pooler_output
        return F.normalize(model.text_projection(pooled), dim=-1)

    def embed_images(images: list[Image.Image]) -> torch.Tensor:
        pixels = processor(images=images, return_tensors="pt").pixel_values.to(device)
        pooled = model.vision_model(pixel_values=pixels).pooler_output
        return F.normalize(model.visual_projection(pooled), dim=-1)

    return Ranker(name, embed_texts, embed_images, model.logit_scale.exp().item())


def _load_clip(name: str, folder: Path, allow_pickle: bool):
    """The model in float32, its tokenizer and its preparation of pictures."""
    from transformers import CLIPImageProcessor, CLIPModel

    if not allow_pickle and not _has_weights(folder, allow_pickle):
        raise ValueError(
            f"name_or_path: {name!r} has no safetensors weights. Pickle weights (.bin) can run "
            "code and are not loaded; if it has those and you trust their source, add "
            "allow_pickle=True."
        )
    with _reading(folder):
        options = {"local_files_only": True}
        model, info = CLIPModel.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, **options
        )
        check_weights("its weights file", info["missing_keys"])
        tokenizer = _tokenizer(folder)
        processor = CLIPImageProcessor.from_pretrained(folder, **options)
    return model.eval(), tokenizer, processor


@contextmanager
def _reading(folder: Path) -> Iterator[None]:
    """Silence, and one ValueError for whatever a damaged folder makes the libraries raise."""
    with quiet(progress_bars=False):
        try:
            yield
        except Exception as error:
            if other := other_cause(error, f"the CLIP model in {folder}"):
                raise other from error
            if found := pointer_fault(file for file in folder.rglob("*") if file.is_file()):
                raise ValueError(f"name_or_path: {found}") from error
            raise ValueError(
                f"name_or_path: {folder} holds no whole CLIP model ({first_line(error)})"
            ) from error


def _tokens(tokenizer: CLIPTokenizer, texts: list[str]):
    """Token ids and mask, padded to the tokenizer's limit; warns of words beyond it."""
    for text in texts:
        count, limit, cut = prompt_tokens(tokenizer, text)
        if cut:
            warn_learner(
                f"a prompt has {count} tokens, and this CLIP reads the first {limit}: {text!r}"
            )
    return tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")


def _in_batches(embed: Callable[[list], torch.Tensor], items: list, size: int) -> torch.Tensor:
    parts = [embed(items[start : start + size]) for start in range(0, len(items), size)]
    return torch.cat(parts).float().cpu()


def _checked_prompts(prompts: Sequence[str]) -> list[str]:
    if isinstance(prompts, str):
        raise TypeError("prompts must be a list of texts; got one text. Write [prompt]")
    prompts = list(prompts)
    if not prompts:
        raise ValueError("prompts must hold at least one text; got an empty list")
    for i, prompt in enumerate(prompts):
        if not isinstance(prompt, str):
            raise TypeError(f"prompts[{i}] must be a text; got {prompt!r}")
    return prompts
