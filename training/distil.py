"""A smaller U-Net that learns from the shipped one, in the way of BK-SDM (Kim et al. 2023,
arXiv:2305.15798).

What is left of the teacher starts with its weights, and three losses train it:

- task: predict the velocity of the noisy latents, as the teacher once learned to;
- output: predict what the teacher predicts;
- features: give at the end of every block what the teacher's block gives there.

As in BK-SDM, the middle block goes. Its authors then remove layers of the other blocks. The sticker
U-Net has no second layers to remove, so its layers become narrower instead: of the teacher's
channels the student keeps some, evenly spread.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import nn

from training.loop import Loop
from training.presets import DistilSettings, Machine
from training.unet import NoisyLatents, for_training


def new_student(teacher: UNet2DConditionModel, channels: Sequence[int]) -> UNet2DConditionModel:
    """The teacher without its middle, with so many channels in each stage, and with its weights.

    Raises ValueError if the teacher has another number of stages, or fewer channels in one.
    """
    has = tuple(teacher.config.block_out_channels)
    if len(channels) != len(has) or not all(
        1 <= own <= most for own, most in zip(channels, has, strict=True)
    ):
        raise ValueError(
            f"channels must be one number for each of the teacher's stages, at most {has}; got "
            f"{tuple(channels)}"
        )
    student = UNet2DConditionModel.from_config(
        teacher.config, block_out_channels=tuple(channels), mid_block_type=None
    )
    weights = teacher.state_dict()
    student.load_state_dict(
        {name: narrowed(weights[name], own.shape) for name, own in student.state_dict().items()}
    )
    return student


def kept(teachers: int, own: int) -> torch.Tensor:
    """Which of the teacher's channels a narrower layer keeps, evenly spread: (own,) int64."""
    return torch.arange(own) * teachers // own


def narrowed(weight: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """The teacher's weight in the shape of the student's."""
    for dimension, own in enumerate(shape):
        chosen = kept(weight.shape[dimension], own).to(weight.device)
        weight = weight.index_select(dimension, chosen)
    return weight


class BlockFeatures:
    """The output of the last layer of each block in the latest call, (n, channels, h, w)."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self.features: dict[str, torch.Tensor] = {}
        blocks = {f"down {i}": block for i, block in enumerate(unet.down_blocks)}
        blocks |= {f"up {i}": block for i, block in enumerate(unet.up_blocks)}
        for name, block in blocks.items():
            last_layer(block).register_forward_hook(self.keep(name))

    def keep(self, name: str):
        def hook(module, inputs, output) -> None:
            self.features[name] = output[0] if isinstance(output, tuple) else output

        return hook


def last_layer(block: nn.Module) -> nn.Module:
    """The attention or residual layer that ends a block, before it changes the resolution."""
    return (getattr(block, "attentions", None) or block.resnets)[-1]


def feature_loss(
    student: dict[str, torch.Tensor], teacher: dict[str, torch.Tensor]
) -> torch.Tensor:
    """Mean over the blocks of the squared distance, in units of the teacher's own square.

    A narrower block is compared with the channels that it keeps. The paper adds the plain distances
    up; in units of its own size, each block counts alike.
    """
    losses = []
    for name, whole in teacher.items():
        own = student[name]
        wanted = whole[:, kept(whole.shape[1], own.shape[1]).to(whole.device)]
        losses.append(F.mse_loss(own, wanted) / wanted.square().mean())
    return torch.stack(losses).mean()


def train_student(
    settings: DistilSettings,
    student: UNet2DConditionModel,
    teacher: UNet2DConditionModel,
    latents: NoisyLatents,
    folder,
    name: str,
    machine: Machine,
) -> Loop:
    """Trains for the settings' steps and returns the loop, the averaged weights in its model."""
    device = machine.device
    for unet in (student, teacher):
        for_training(unet, device)
    teacher.eval().requires_grad_(False)
    students, teachers = BlockFeatures(student), BlockFeatures(teacher)

    def loss_of(step: int):
        noisy, timesteps, states, target = (x.to(device) for x in latents.batch(step))
        predicted = student(noisy, timesteps, states).sample
        with torch.no_grad():
            wanted = teacher(noisy, timesteps, states).sample
        losses = {
            "task": F.mse_loss(predicted, target),
            "output": F.mse_loss(predicted, wanted),
            "features": feature_loss(students.features, teachers.features),
        }
        loss = (
            losses["task"]
            + settings.output_weight * losses["output"]
            + settings.feature_weight * losses["features"]
        )
        return loss, {kind: value.item() for kind, value in losses.items()}

    return Loop.of(name, student, loss_of, folder, machine, settings, report_every=25).finish()
