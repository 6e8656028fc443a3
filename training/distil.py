"""A smaller U-Net that learns from the shipped one: BK-SDM (Kim et al. 2023, arXiv:2305.15798).

Blocks are removed, what is left starts with the teacher's own weights, and three losses train it:

- task: predict the velocity of the noisy latents, as the teacher once learned to;
- output: predict what the teacher predicts;
- features: give at the end of every block what the teacher's block gives there.

As in BK-SDM-Tiny, the middle and the innermost stage go. Whole stages go here, since the sticker
U-Net has one layer a block and so no second layers that could be removed instead.
"""

import torch
import torch.nn.functional as F
from diffusers import UNet2DConditionModel
from torch import nn

from training.loop import Loop
from training.presets import DistilSettings, Machine
from training.unet import NoisyLatents, for_training


def new_student(teacher: UNet2DConditionModel, stages: int) -> UNet2DConditionModel:
    """The teacher's first `stages` stages down and its last ones up, with its weights.

    Raises ValueError if the teacher has fewer stages.
    """
    has = len(teacher.config.block_out_channels)
    if not 1 <= stages <= has:
        raise ValueError(f"stages must be between 1 and the teacher's {has}; got {stages}")
    student = UNet2DConditionModel.from_config(
        teacher.config,
        block_out_channels=teacher.config.block_out_channels[:stages],
        down_block_types=teacher.config.down_block_types[:stages],
        up_block_types=teacher.config.up_block_types[-stages:],
        mid_block_type=None,
    )
    weights = teacher.state_dict()
    student.load_state_dict(
        {
            name: fitted(own, weights[name_in_teacher(name, has - stages)])
            for name, own in student.state_dict().items()
        }
    )
    return student


def name_in_teacher(name: str, removed: int) -> str:
    """Where the teacher has this weight: its up blocks begin with those of the removed stages."""
    if not name.startswith("up_blocks."):
        return name
    blocks, number, rest = name.split(".", 2)
    return f"{blocks}.{int(number) + removed}.{rest}"


def fitted(own: torch.Tensor, teachers: torch.Tensor) -> torch.Tensor:
    """The teacher's weight in the shape of the student's, `own`.

    Only the first layer on the way up differs. Its input is what comes from below, then what the
    skip connection brings. The removed stage gave more channels than now come from below, so the
    part for the skip connection, the last channels, is kept and the rest starts without effect.
    """
    if own.shape == teachers.shape:
        return teachers.clone()
    kept = own.shape[0] if own.ndim == 1 else own.shape[1]
    kept //= 2  # as many from below as over the skip connection
    value = own.clone()
    if own.ndim == 1:  # a norm
        value[-kept:] = teachers[-kept:]
    else:  # a convolution
        value.zero_()
        value[:, -kept:] = teachers[:, -kept:]
    return value


class Watched:
    """Keeps what the last layer of each block gave in the latest call, (n, channels, h, w)."""

    def __init__(self, unet: UNet2DConditionModel, stages: int) -> None:
        self.features: dict[str, torch.Tensor] = {}
        blocks = {f"down {i}": block for i, block in enumerate(unet.down_blocks[:stages])}
        blocks |= {f"up {i}": block for i, block in enumerate(unet.up_blocks[-stages:])}
        for name, block in blocks.items():
            last_layer(block).register_forward_hook(self.keep(name))

    def keep(self, name: str):
        def hook(module, inputs, output) -> None:
            self.features[name] = output[0] if isinstance(output, tuple) else output

        return hook


def last_layer(block: nn.Module) -> nn.Module:
    """The attention or residual layer that ends a block, before it changes the resolution."""
    return (getattr(block, "attentions", None) or block.resnets)[-1]


def feature_loss(student: dict[str, torch.Tensor], teacher: dict[str, torch.Tensor]):
    """Mean over the blocks of the squared distance, in units of the teacher's own square.

    The paper adds the plain distances up; in units of its own size, each block counts alike.
    """
    losses = [
        F.mse_loss(student[name], wanted) / wanted.square().mean()
        for name, wanted in teacher.items()
    ]
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
    stages = len(student.down_blocks)
    device = machine.device
    for unet in (student, teacher):
        for_training(unet, device)
    teacher.eval().requires_grad_(False)
    students, teachers = Watched(student, stages), Watched(teacher, stages)

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
