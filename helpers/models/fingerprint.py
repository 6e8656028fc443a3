"""Telling one model from another without reading all of it."""

import hashlib
import json

import torch
from diffusers import DiffusionPipeline

from helpers.models.switches import switches

SAMPLES = 64
"""Values read of each tensor. Training, or loading a LoRA into it, moves nearly all of them."""

NOISE = (
    "num_train_timesteps",
    "beta_start",
    "beta_end",
    "beta_schedule",
    "trained_betas",
    "prediction_type",
)
"""The options of a scheduler that belong to the model: the noise that it was trained with."""


@torch.no_grad()
def model_fingerprint(pipe: DiffusionPipeline) -> str:
    """Sixteen hexadecimal digits that change with the weights, their dtype or the noise.

    And with what is switched on, such as the weight of a LoRA (`helpers.models.switches`).
    """
    digest = hashlib.sha256()
    noise = {name: pipe.scheduler.config.get(name) for name in NOISE}
    digest.update(json.dumps([type(pipe).__name__, noise], default=str).encode())
    for name, part in sorted(pipe.components.items()):
        if isinstance(part, torch.nn.Module):
            for key, tensor in part.state_dict().items():
                digest.update(f"{name}.{key} {tuple(tensor.shape)} {tensor.dtype}".encode())
                flat = (_kept(part, key) if tensor.is_meta else tensor).flatten()
                samples = flat[:: max(1, len(flat) // SAMPLES)][:SAMPLES]
                digest.update(samples.to("cpu", torch.float32).numpy().tobytes())
    for switch in switches(pipe):
        digest.update(repr(switch).encode())
    return digest.hexdigest()[:16]


def _kept(part: torch.nn.Module, key: str) -> torch.Tensor:
    """The weights behind a placeholder on the device "meta".

    Where the layers take turns on a GPU (`helpers.models.memory.Plan.BY_LAYER`), accelerate's hooks
    keep the weights in main memory.
    """
    path, _, name = key.rpartition(".")
    hook = part.get_submodule(path)._hf_hook
    hooks = getattr(hook, "hooks", [hook])  # a module with several has one that holds them all
    return next(hook.weights_map[name] for hook in hooks if hook.weights_map is not None)
