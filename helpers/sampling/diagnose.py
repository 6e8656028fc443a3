"""Why is this picture black? Three causes look the same; their cures differ."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline

BLACK_LEVEL = 2  # of 255: no pixel of a black picture is brighter


class Reason(Enum):
    """What made a picture black."""

    NOT_BLACK = "not black"
    SAFETY_CHECKER = "the safety checker"
    NAN_IN_UNET = "NaN from the U-Net"
    NAN_IN_VAE = "NaN from the VAE"
    REALLY_BLACK = "really black"


@dataclass(frozen=True)
class Diagnosis:
    """Why a picture is black, and what to do. Printed, it is a sentence or two.

    Attributes:
        reason: What made it black.
        advice: What happened and the next step.
    """

    reason: Reason
    advice: str

    def __str__(self) -> str:
        return self.advice


def why_black(pipe: DiffusionPipeline, prompt: str, **settings) -> Diagnosis:
    """Draw a picture once more, with an eye on every step, and say why it is black.

    In a finished picture the cause cannot be seen any more: "not a number" (NaN), which float16
    yields when a value passes 65504, is drawn as black, and so is what the safety checker hides.

    Args:
        pipe: The pipeline that drew it.
        prompt, settings: The same arguments as in the call that gave the black picture, with the
            same `latents` or a generator of the same seed.

    Returns:
        A `Diagnosis` of the first picture that is black, or that none is.
    """
    import numpy

    broken_steps: dict[int, int] = {}  # picture -> the first step after which it had a NaN

    def watch(pipe: DiffusionPipeline, step: int, timestep: torch.Tensor, tensors: dict) -> dict:
        for i, latents in enumerate(tensors["latents"]):
            if not latents.isfinite().all():
                broken_steps.setdefault(i, step)
        return {}

    result = pipe(prompt, **(settings | {"output_type": "np", "callback_on_step_end": watch}))
    flagged = getattr(result, "nsfw_content_detected", None) or [False] * len(result.images)
    for i, pixels in enumerate(result.images):
        if i in broken_steps:
            return _nan(pipe, "U-Net", pipe.unet.dtype, f"after step {broken_steps[i] + 1}")
        if not numpy.isfinite(pixels).all():
            return _nan(pipe, "VAE", pipe.vae.dtype, "while it decoded the latents")
        if flagged[i]:
            return Diagnosis(
                Reason.SAFETY_CHECKER,
                "The safety checker took the picture for unfit and painted it black. It also errs "
                "on harmless ones: try another seed or other words.",
            )
        if pixels.max() * 255 <= BLACK_LEVEL:
            return Diagnosis(
                Reason.REALLY_BLACK,
                "The model drew a black picture: all its numbers are in order and no safety "
                "checker stepped in. Ask for something bright, or lower guidance_scale.",
            )
    return Diagnosis(Reason.NOT_BLACK, "The picture is not black when it is drawn again.")


def _nan(pipe: DiffusionPipeline, part: str, dtype: torch.dtype, where: str) -> Diagnosis:
    reason = Reason.NAN_IN_UNET if part == "U-Net" else Reason.NAN_IN_VAE
    name = str(dtype).removeprefix("torch.")
    cure = (
        "Load the model with dtype=torch.float32, which needs twice the memory."
        if name == "float16"
        else "It is not a matter of float16: the weights are damaged, or a setting is extreme."
    )
    if part == "VAE" and name == "float16" and "XL" in type(pipe).__name__:
        cure = "Take the VAE that survives float16: load_pipeline('sdxl') does."
    return Diagnosis(
        reason,
        f"The {part} gave NaN, which is not a number, in {name} {where}; that is drawn as black. "
        + cure,
    )
