"""The models that have a name in this course: where they are, what they need, what they allow."""

# Nothing heavy is imported: the catalogue can be read without waiting for torch.
from dataclasses import dataclass, replace
from pathlib import Path

WEIGHTS = Path(__file__).parents[1] / "weights"
GIB = 2**30

OPENRAIL = "CreativeML OpenRAIL-M"
OPENRAIL_TERMS = (
    "Use is free, also commercially, except for what the license's list forbids; whoever passes "
    "the model on passes the list on. https://huggingface.co/spaces/CompVis/stable-diffusion-license"
)


@dataclass(frozen=True)
class Source:
    """A repository on the hub.

    Attributes:
        hub_id: Such as "owner/model".
        revision: A commit that is known to work; `None` takes the newest.
        note: How it differs from the model it stands in for.
    """

    hub_id: str
    revision: str | None = None
    note: str = ""


@dataclass(frozen=True)
class Model:
    """One model of the catalogue.

    Attributes:
        source: A folder of this package, or a repository on the hub.
        about: One line for a learner who chooses.
        licence: What its weights are published under.
        terms: What that means, in a sentence, and where to read more.
        pipeline_class: The class of diffusers that it loads as.
        size: Width and height in pixels of the pictures that it was trained on.
        num_inference_steps, guidance_scale: Where to begin.
        fallbacks: Repositories that are tried, in this order, when `source` is gone, refused, or
            has no safetensors weights.
        variant: "fp16" if the repository has files in half precision, of half the size.
        parameters: In all parts, rounded to a million; `None` if that could not be found out.
            From the public configurations, or from the sizes that the hub lists for the files.
        dtypes: The dtype on a kind of device, by name; float32 where nothing stands.
        fp16_vae: A VAE that survives float16, for a model whose own does not.
        text_width: Width of the encoder hidden states that its cross-attention reads. A LoRA tells
            by it which family it belongs to.
        lora: The folder of this package with a LoRA to put on top of `source`.
    """

    source: Path | Source
    about: str
    licence: str
    terms: str
    pipeline_class: str
    size: int
    num_inference_steps: int
    guidance_scale: float
    fallbacks: tuple[Source, ...] = ()
    variant: str | None = None
    parameters: int | None = None
    dtypes: tuple[tuple[str, str], ...] = (("cuda", "float16"),)
    fp16_vae: Source | None = None
    text_width: int | None = None
    lora: Path | None = None

    @property
    def is_embedded(self) -> bool:
        """Whether the weights come with this package, so that no network is needed."""
        return isinstance(self.source, Path)

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders of this package that hold its weights; none for a model of the hub."""
        found = (self.source, self.lora)
        return tuple(folder for folder in found if isinstance(folder, Path))

    def dtype_on(self, device_type: str) -> str:
        """The name of the dtype for "cuda", "mps" or "cpu"."""
        return dict(self.dtypes).get(device_type, "float32")

    def download_bytes(self, half: bool) -> int | None:
        """Size of the weights that are fetched: in half precision if asked and there are such."""
        if self.is_embedded:
            return 0
        if self.parameters is None:
            return None
        return self.parameters * (2 if half and self.variant else 4)

    def memory_bytes(self, half: bool) -> int | None:
        """An estimate of the memory that a picture of the native size takes."""
        if self.parameters is None:
            return None
        itemsize = 2 if half else 4
        decoding = decoding_bytes(self.size, self.size, itemsize)
        return self.parameters * itemsize + decoding + SPARE


SPARE = GIB
"""Bytes left for the device's own needs and the U-Net's passing values."""

DECODER_CHANNELS = 256
"""Channels of the widest layer that works at full size in the VAE of Stable Diffusion."""


def decoding_bytes(height: int, width: int, itemsize: int, channels: int = DECODER_CHANNELS) -> int:
    """Estimate of what the VAE takes while it decodes a picture.

    Four tensors of its widest layer at full size are alive at once: a residual block's input, its
    normalised copy, the convolution's output and its working space. `itemsize` is the size of one
    value in bytes.
    """
    return 4 * channels * height * width * itemsize


STICKERS = Model(
    source=WEIGHTS / "stickers",
    about="The course's own small model: stickers and portraits in seconds, no GPU needed",
    licence="MIT; drawings as listed in CREDITS.md",
    terms="Use it as you like; name the drawings' authors as CREDITS.md does.",
    pipeline_class="StableDiffusionPipeline",
    size=128,
    num_inference_steps=25,
    guidance_scale=5.0,
)
SDXL_VAE_FOR_FLOAT16 = Source(
    "madebyollin/sdxl-vae-fp16-fix", "207b116dae70ace3637169f1ddd2434b91b3a8cd"
)
FLOAT16_ON_GPUS = (("cuda", "float16"), ("mps", "float16"))

MODELS = {
    "stickers": STICKERS,
    "stickers-distilled": replace(
        STICKERS,
        source=WEIGHTS / "stickers-distilled",
        about="stickers with a smaller U-Net that learned from the large one: faster (lesson 08)",
    ),
    "stickers-turbo": replace(
        STICKERS,
        source=WEIGHTS / "stickers-turbo",
        about="stickers distilled to 1 to 4 steps, drawn without guidance (lesson 08)",
        num_inference_steps=4,
        guidance_scale=1.0,
    ),
    "stickers-golden": replace(
        STICKERS,
        lora=WEIGHTS / "stickers-golden",
        about='stickers fine-tuned with a LoRA: "a golden sticker of a fox" (lesson 12)',
    ),
    "sd-v1-4": Model(
        source=Source("CompVis/stable-diffusion-v1-4", "133a221b8aa7292a167afc5127cb63fb5005638b"),
        about="Stable Diffusion 1.4: 512 x 512 pictures of anything; wants a GPU",
        licence=OPENRAIL,
        terms=OPENRAIL_TERMS,
        pipeline_class="StableDiffusionPipeline",
        size=512,
        num_inference_steps=50,
        guidance_scale=7.5,
        variant="fp16",
        parameters=1_370_000_000,
        text_width=768,
    ),
    "sd-v1-5": Model(
        source=Source(
            "stable-diffusion-v1-5/stable-diffusion-v1-5",
            "451f4fe16113bff5a5d2269ed5ad43b0592e9a14",
        ),
        about="Stable Diffusion 1.5: from 1.2, trained longer than 1.4; wants a GPU",
        licence=OPENRAIL,
        terms=OPENRAIL_TERMS
        + " This is a copy: the first publisher, runwayml, deleted the original in August 2024.",
        pipeline_class="StableDiffusionPipeline",
        size=512,
        num_inference_steps=50,
        guidance_scale=7.5,
        fallbacks=(
            Source("sd-legacy/stable-diffusion-v1-5", note="another copy of the same weights"),
            Source("benjamin-paine/stable-diffusion-v1-5", note="another copy of the same weights"),
            Source("CompVis/stable-diffusion-v1-4", note="version 1.4, trained for less long"),
        ),
        variant="fp16",
        parameters=1_370_000_000,
        text_width=768,
    ),
    "sdxl": Model(
        source=Source(
            "stabilityai/stable-diffusion-xl-base-1.0", "462165984030d82259a11f4367a4eed129e94a7b"
        ),
        about="Stable Diffusion XL: 1024 x 1024, finer and three times as large; wants a good GPU",
        licence="CreativeML Open RAIL++-M",
        terms=(
            "Use is free, also commercially, except for what the license's list forbids. "
            "https://huggingface.co/stabilityai/stable-diffusion-xl-base-1.0/blob/main/LICENSE.md"
        ),
        pipeline_class="StableDiffusionXLPipeline",
        size=1024,
        num_inference_steps=50,
        guidance_scale=5.0,
        variant="fp16",
        parameters=3_469_000_000,
        dtypes=FLOAT16_ON_GPUS,  # float32 would take 14 GB
        fp16_vae=SDXL_VAE_FOR_FLOAT16,
        text_width=2048,
    ),
    "ssd-1b": Model(
        source=Source("segmind/SSD-1B"),
        about="SDXL distilled to half its U-Net: 1024 x 1024; wants a GPU",
        licence="Apache-2.0",
        terms="Use it as you like, also commercially; keep the license with copies.",
        pipeline_class="StableDiffusionXLPipeline",
        size=1024,
        num_inference_steps=50,
        guidance_scale=9.0,  # "around 9.0" on its model card
        variant="fp16",
        parameters=2_233_000_000,
        dtypes=FLOAT16_ON_GPUS,
        fp16_vae=SDXL_VAE_FOR_FLOAT16,
        text_width=2048,
    ),
    "bk-sdm-small": Model(
        source=Source("nota-ai/bk-sdm-small", "103ac4e97c80f8b807eb6a17547d650d86381102"),
        about="Stable Diffusion 1.4 distilled to just over half its U-Net; wants a GPU",
        licence=OPENRAIL,
        terms=OPENRAIL_TERMS,
        pipeline_class="StableDiffusionPipeline",
        size=512,
        num_inference_steps=50,
        guidance_scale=7.5,
        variant="fp16",
        parameters=993_000_000,
        text_width=768,
    ),
    "tiny-sd": Model(
        source=Source("segmind/tiny-sd"),
        about="A relative of Stable Diffusion 1.5 with under two fifths of its U-Net; wants a GPU",
        licence="not stated where we could look: see https://huggingface.co/segmind/tiny-sd",
        terms="Its base, Stable Diffusion 1.5, comes under " + OPENRAIL + ".",
        pipeline_class="StableDiffusionPipeline",
        size=512,
        num_inference_steps=50,
        guidance_scale=7.5,
        fallbacks=(
            Source(
                "nota-ai/bk-sdm-tiny",
                "7024e97ae06df5bee8930c84f7814475de5692df",
                note="its U-Net has the same form; it learned from version 1.4",
            ),
        ),
        text_width=768,
    ),
    "sd-turbo": Model(
        source=Source("stabilityai/sd-turbo", "b261bac6fd2cf515557d5d0707481eafa0485ec2"),
        about="Stable Diffusion 2.1 distilled to a single step: 512 x 512; wants a GPU",
        licence="Stability AI's own, with conditions for commercial use",
        terms="For study and research; for commercial use see https://stability.ai/license",
        pipeline_class="StableDiffusionPipeline",
        size=512,
        num_inference_steps=1,
        guidance_scale=0.0,
        variant="fp16",
        parameters=1_290_000_000,
        text_width=1024,
    ),
    "pokemon": Model(
        # The main branch has pickle weights only; this commit of the pull request "Adding
        # `safetensors` variant of this model" (number 8) has both.
        source=Source(
            "lambdalabs/sd-pokemon-diffusers", "b62b7d5fe37862f30a88297fbc89da8ec754cb5b"
        ),
        about="Stable Diffusion 1.4 trained further on Pokémon drawings; wants a GPU",
        licence="none stated in its repository",
        terms="For study. Its base comes under " + OPENRAIL + "; the characters have owners.",
        pipeline_class="StableDiffusionPipeline",
        size=512,
        num_inference_steps=50,
        guidance_scale=7.5,
        parameters=1_370_000_000,
        text_width=768,
    ),
}


def starting_values(name: object) -> dict[str, float]:
    """Steps and guidance to begin with: the model's own, or usual ones for an unknown model."""
    model = MODELS.get(name) if isinstance(name, str) else None
    if model is None:
        return {"num_inference_steps": 25, "guidance_scale": 7.5}
    return {
        "num_inference_steps": model.num_inference_steps,
        "guidance_scale": model.guidance_scale,
    }


def shipped_models() -> list[str]:
    """The models that come with the course and make pictures from text."""
    return [
        name
        for name, model in MODELS.items()
        if model.is_embedded and all(folder.is_dir() for folder in model.folders)
    ]
