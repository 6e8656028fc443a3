"""The U-Nets of the well-known comparison of distilled models, without their weights.

SDXL base and SSD-1B, which was distilled from it; Stable Diffusion 1.4 and bk-sdm-small, which
was distilled from that. Their sizes follow from their configurations alone: diffusers builds the
real classes on torch's "meta" device, where a tensor has a shape and no values, so that neither
a download nor memory is needed.

    count_parameters("sdxl")       # 2567463684
    reference_table()              # all four: parameters, and the work of one call
"""

from dataclasses import dataclass

import pandas
import torch
from torch.utils.flop_counter import FlopCounterMode

from helpers.base.quiet import quiet
from helpers.models.catalogue import MODELS
from helpers.models.sizes import parameter_count

SD = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
XL = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
UNETS = {
    "sdxl": XL | {"transformer_layers_per_block": (1, 2, 10)},
    "ssd-1b": XL
    | {
        "transformer_layers_per_block": (1, (2, 2), (4, 4)),
        "reverse_transformer_layers_per_block": ((4, 4, 10), (2, 1, 1), 1),
        "mid_block_type": "UNetMidBlock2D",
    },
    "sd-v1-4": SD,
    "bk-sdm-small": SD | {"layers_per_block": 1, "mid_block_type": None},
}
"""Arguments of `UNet2DConditionModel` where they differ from its defaults: from the file
unet/config.json in the repository of each on the hub (their names there are in `MODELS`)."""

TOKENS = 77  # that the text encoders of all four give
POOLED_WIDTH = 1280  # of SDXL's pooled text


@dataclass(frozen=True)
class Published:
    """A table of figures that others measured, with where it stands.

    Attributes:
        what: What was measured, and how.
        source: Where it was published.
        rows: Figures by model.
    """

    what: str
    source: str
    rows: dict[str, dict[str, float]]

    @property
    def table(self) -> pandas.DataFrame:
        """A row a model."""
        table = pandas.DataFrame.from_dict(self.rows, orient="index")
        return table.rename_axis("model")


PUBLISHED_TIMES = Published(
    what=(
        "Milliseconds for 3 calls of 4 pictures each, 25 steps, 512 x 512, float16, one prompt, on "
        "a GPU that is not named"
    ),
    source=(
        "diffusers' documentation, https://github.com/huggingface/diffusers/blob/"
        "475809da56018c9bb55027ab640fdd48dc4e9473/docs/source/en/using-diffusers/distilled_sd.md"
    ),
    rows={"sd-v1-4": {"milliseconds": 45781.5}, "bk-sdm-small": {"milliseconds": 29884.2}},
)

PUBLISHED_QUALITY = Published(
    what=(
        "30,000 captions of MS-COCO's validation split, PNDM with 25 steps, 512 x 512 made smaller "
        "to 256 x 256: FID (lower is better), Inception Score and CLIP score (higher is better)"
    ),
    source="Kim et al. 2023, arXiv:2305.15798; https://huggingface.co/nota-ai/bk-sdm-small",
    rows={
        "sd-v1-4": {"FID": 13.05, "IS": 36.76, "CLIP score": 0.2958},
        "bk-sdm-base": {"FID": 15.76, "IS": 33.79, "CLIP score": 0.2878},
        "bk-sdm-small": {"FID": 16.98, "IS": 31.68, "CLIP score": 0.2677},
        "bk-sdm-tiny": {"FID": 17.12, "IS": 30.09, "CLIP score": 0.2653},
    },
)


def count_parameters(name: str) -> int:
    """How many parameters the U-Net of one of the four models has. Raises LookupError."""
    return parameter_count(_meta_unet(name).parameters())


def count_macs(name: str) -> int:
    """Multiplications followed by an addition in one call of a U-Net, for one picture.

    The picture has the size that the model was trained on. With guidance each step calls the
    U-Net for two, once with the prompt and once with the negative prompt. The matrix products
    inside attention are counted. Raises LookupError.
    """
    unet = _meta_unet(name)
    config = unet.config

    def empty(*shape: int) -> torch.Tensor:
        return torch.empty(shape, device="meta")

    extra = {}
    if config.addition_embed_type == "text_time":
        sizes = 6  # original, crop and target size, two numbers each
        extra["added_cond_kwargs"] = {
            "text_embeds": empty(1, POOLED_WIDTH),
            "time_ids": empty(1, sizes),
        }
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        unet(
            empty(1, config.in_channels, config.sample_size, config.sample_size),
            empty(1),
            encoder_hidden_states=empty(1, TOKENS, config.cross_attention_dim),
            **extra,
        )
    return counter.get_total_flops() // 2  # it counts a multiplication and an addition as two


def reference_table() -> pandas.DataFrame:
    """The four models: parameters of the U-Net, work of one call, and each against its teacher.

    `parameters_ratio` and `macs_ratio` say how many times as large the teacher is; they are 1 for
    the teachers themselves.
    """
    teachers = {"ssd-1b": "sdxl", "bk-sdm-small": "sd-v1-4"}
    rows = {
        name: {
            "size": MODELS[name].size,
            "parameters": count_parameters(name),
            "macs": count_macs(name),
        }
        for name in UNETS
    }
    table = pandas.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    teacher_of_each = [teachers.get(name, name) for name in table.index]
    for column in ("parameters", "macs"):
        of_teachers = table.loc[teacher_of_each, column].to_numpy()
        table[f"{column}_ratio"] = of_teachers / table[column]
    return table


def _meta_unet(name: str):
    if name not in UNETS:
        raise LookupError(f"name must be one of {', '.join(map(repr, UNETS))}; got {name!r}")
    with quiet(progress_bars=False):
        from diffusers import UNet2DConditionModel
        from diffusers.models.attention_processor import AttnProcessor

        with torch.device("meta"):
            unet = UNet2DConditionModel(**UNETS[name])
    # Attention as plain matrix products: torch's fused one has other names on other devices,
    # and not all of them are counted.
    unet.set_attn_processor(AttnProcessor())
    return unet.eval()
