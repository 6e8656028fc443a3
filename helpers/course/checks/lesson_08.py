"""The checks of lesson 08, distilled models: what was removed, the loss, the speed of the whole."""

import math
from collections.abc import Callable

import torch
from diffusers import DiffusionPipeline

from helpers.course.checks import Wrong, check
from helpers.course.checks.answers import as_number


@check("08.removed")
def removed(removed_share: Callable, teacher: DiffusionPipeline, student: DiffusionPipeline) -> str:
    # Two networks of a known size, then the real ones.
    cases = [(torch.nn.Linear(7, 10), torch.nn.Linear(4, 4)), (teacher.unet, student.unet)]
    for large, small in cases:
        before, after = (sum(w.numel() for w in net.parameters()) for net in (large, small))
        answer = as_number(_of_counted(removed_share, large, small), "one number")
        tensors = [len(list(network.parameters())) for network in (large, small)]
        told = f"From {before:,} parameters {after:,} are left. You say {answer:.4g}. "
        slips = {
            "That is the share that is left; asked is the share that is gone.": after / before,
            "That is a number of parameters; divide by those of the teacher.": before - after,
            "That is what is gone in units of the student's parameters; take the teacher's.": (
                (before - after) / after
            ),
            "That is in percent; asked is a number from 0 to 1.": 100 * (1 - after / before),
            "That counts the tensors, not the numbers in them: `tensor.numel()`.": (
                1 - tensors[1] / tensors[0]
            ),
        }
        if math.isclose(answer, 1 - after / before, abs_tol=1e-6):
            continue
        for message, slip in slips.items():
            if math.isclose(answer, slip, rel_tol=1e-6):
                raise Wrong(told + message)
        raise Wrong(f"{told}It should be {1 - after / before:.4f}.")
    return f"{1 - after / before:.0%} of the teacher's parameters are gone."


def _of_counted(removed_share: Callable, large: torch.nn.Module, small: torch.nn.Module) -> object:
    """The answer for two networks; those of plain torch learn to count as diffusers' do."""
    for network in (large, small):
        if not hasattr(network, "num_parameters"):
            count = sum(weights.numel() for weights in network.parameters())
            network.num_parameters = lambda count=count: count
    return removed_share(large, small)


@check("08.loss")
def loss(distillation_loss: Callable) -> str:
    student, teacher, target = torch.randn(
        3, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0)
    )
    teacher = teacher * 0.5
    mse = torch.nn.functional.mse_loss
    task, output = mse(student, target), mse(student, teacher)
    for weight in (0.5, 2.0):
        answer = as_number(distillation_loss(student, teacher, target, weight), "one number")
        wanted = (task + weight * output).item()
        if math.isclose(answer, wanted, rel_tol=1e-4):
            continue
        absolute = (student - target).abs().mean() + weight * (student - teacher).abs().mean()
        late = (student - target).mean() ** 2 + weight * (student - teacher).mean() ** 2
        slips = {
            "The second part is the teacher's own error. It should be the distance of the student "
            "from the teacher.": task + weight * mse(teacher, target),
            "Multiply the second part by `output_weight`.": task + output,
            "The differences should be squared, not made positive.": absolute,
            "That is the sum of the squares. Take their mean, or large tensors count for more.": (
                wanted * student.numel() * torch.ones(())
            ),
            "Square first, then take the mean. Otherwise plus and minus cancel out.": late,
            "The task is missing: the distance of the student from `target`.": weight * output,
        }
        for message, slip in slips.items():
            if math.isclose(answer, slip.item(), rel_tol=1e-4):
                raise Wrong(message)
        raise Wrong(
            f"For three test tensors and a weight of {weight} the loss is {wanted:.3f}; you have "
            f"{answer:.3f}."
        )
    return "The student is pulled to the truth and to its teacher at once."


@check("08.speed")
def speed(whole_speed: Callable) -> str:
    for share, unet_speed in ((0.8, 4.0), (0.5, 2.0), (1.0, 3.0)):
        answer = as_number(whole_speed(share, unet_speed), "one number")
        time = (1 - share) + share / unet_speed
        if math.isclose(answer, 1 / time, rel_tol=1e-6):
            continue
        slips = {
            "That is the new time, if the old one is 1. Speed is the old time divided by it.": time,
            "That is a mean of the speeds. Times add up, speeds do not: work out the new time "
            "first.": (1 - share) + share * unet_speed,
            "What about the rest of the time, which does not change? Add it.": unet_speed / share,
        }
        told = (
            f"With a share of {share:.0%} and {unet_speed:g} times as fast you get {answer:.3g}. "
        )
        for message, slip in slips.items():
            if math.isclose(answer, slip, rel_tol=1e-6):
                raise Wrong(told + message)
        raise Wrong(f"{told}The new time is {time:.3g} of the old one.")
    return "Right. Even an endlessly fast U-Net cannot make the rest faster."
