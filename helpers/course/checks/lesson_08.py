"""The checks of lesson 08, distilled models: what was removed, the loss, the speed of the whole."""

import math
from collections.abc import Callable
from numbers import Real

import torch
from diffusers import DiffusionPipeline

from helpers.course.checks import Wrong, check, describe
from helpers.course.checks.answers import as_number, require_answer


@check("08.removed")
def removed(removed_share: Callable, teacher: DiffusionPipeline, student: DiffusionPipeline) -> str:
    # Two networks of a known size, of which parts are frozen, then the real ones.
    large, small = torch.nn.Linear(7, 10), torch.nn.Linear(4, 4)
    large.bias.requires_grad_(False)
    small.weight.requires_grad_(False)
    for networks in ((large, small), (teacher.unet, student.unet)):
        _check_removed(removed_share, *networks)
    before, after = (_count(pipe.unet) for pipe in (teacher, student))
    return f"{1 - after / before:.0%} of the teacher's parameters are gone."


def _check_removed(removed_share: Callable, large: torch.nn.Module, small: torch.nn.Module) -> None:
    before, after = _count(large), _count(small)
    answer = as_number(_of_counted(removed_share, large, small), "one number")
    if math.isclose(answer, 1 - after / before, abs_tol=1e-6):
        return
    tensors = [len(list(network.parameters())) for network in (large, small)]
    trained = [_count(network, trained_only=True) for network in (large, small)]
    found = f"Of {before:,} parameters {after:,} are left. You have {answer:.4g}. "
    slips = {
        "That is the share that is left; the task asks for the share that is gone.": after / before,
        "That is a number of parameters; divide by those of the teacher.": before - after,
        "That is what is gone in units of the student's parameters; take the teacher's.": (
            (before - after) / after
        ),
        "That is in percent; the task asks for a number from 0 to 1.": 100 * (1 - after / before),
        "That counts the tensors, not the numbers in them: `tensor.numel()`.": (
            1 - tensors[1] / tensors[0]
        ),
    }
    if trained[0]:
        slips["That counts only the parameters that are trained, without the frozen ones."] = (
            1 - trained[1] / trained[0]
        )
    for message, slip in slips.items():
        if math.isclose(answer, slip, rel_tol=1e-6):
            raise Wrong(found + message)
    raise Wrong(f"{found}It should be {1 - after / before:.4f}.")


def _count(network: torch.nn.Module, trained_only: bool = False) -> int:
    return sum(
        weights.numel()
        for weights in network.parameters()
        if weights.requires_grad or not trained_only
    )


def _of_counted(removed_share: Callable, large: torch.nn.Module, small: torch.nn.Module) -> object:
    """The answer for two networks; those of plain torch learn to count as diffusers' do."""
    for network in (large, small):
        if not hasattr(network, "num_parameters"):
            count = _count(network)
            network.num_parameters = lambda count=count: count
    return removed_share(large, small)


@check("08.loss")
def loss(distillation_loss: Callable) -> str:
    student, teacher, target = torch.randn(
        3, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0)
    )
    teacher = teacher * 0.5
    for weight in (0.5, 2.0):
        given = student.clone().requires_grad_()
        answer = distillation_loss(given, teacher.clone(), target.clone(), weight)
        require_answer(answer)
        value = as_number(answer, "a tensor with one number")
        _check_loss(value, student, teacher, target, weight)
        _check_gradient(answer, given, teacher, target, weight)
    return "The student is pulled toward the true answer and toward its teacher at once."


def _check_loss(
    value: float,
    student: torch.Tensor,
    teacher: torch.Tensor,
    target: torch.Tensor,
    weight: float,
) -> None:
    mse = torch.nn.functional.mse_loss
    task, output = mse(student, target), mse(student, teacher)
    wanted = (task + weight * output).item()
    if math.isclose(value, wanted, rel_tol=1e-4):
        return
    absolute = (student - target).abs().mean() + weight * (student - teacher).abs().mean()
    late = (student - target).mean() ** 2 + weight * (student - teacher).mean() ** 2
    slips = {
        "The second part is the teacher's own error. It should be the distance of the student "
        "from the teacher.": task + weight * mse(teacher, target),
        "Multiply the second part by `output_weight`.": task + output,
        "The differences should be squared; yours are only made positive.": absolute,
        "That is the sum of the squares. Take their mean, or large tensors count for more.": (
            wanted * student.numel() * torch.ones(())
        ),
        "Square first, then take the mean. Otherwise plus and minus cancel out.": late,
        "The task is missing: the distance of the student from `target`.": weight * output,
    }
    for message, slip in slips.items():
        if math.isclose(value, slip.item(), rel_tol=1e-4):
            raise Wrong(message)
    raise Wrong(
        f"For three test tensors and a weight of {weight} the loss is {wanted:.3f}; you have "
        f"{value:.3f}."
    )


def _check_gradient(
    answer: object,
    given: torch.Tensor,
    teacher: torch.Tensor,
    target: torch.Tensor,
    weight: float,
) -> None:
    """Raise Wrong unless the loss can train the student: its gradient is that of both parts."""
    if not isinstance(answer, torch.Tensor):
        kind = "a plain number" if isinstance(answer, Real) else describe(answer)
        raise Wrong(
            f"The value is right, but it is {kind}, from which nothing can be trained. Return the "
            "tensor itself, without `.item()` or `float(…)`."
        )
    if not answer.requires_grad:
        raise Wrong(
            "The value is right, but there is no way back from it to the student, so nothing can "
            "be trained. Was the prediction cut off by `.detach()`, `.data` or `no_grad`?"
        )
    (gradient,) = torch.autograd.grad(answer.sum(), given)
    both = (given - target) + weight * (given - teacher)
    wanted = (2 * both / given.numel()).detach()
    if not torch.allclose(gradient, wanted, rtol=1e-3, atol=1e-6):
        raise Wrong(
            "The value is right, but the student is pulled by only a part of it: its prediction "
            "is detached in one of the two terms."
        )


@check("08.speed")
def speed(whole_speed: Callable) -> str:
    for share, unet_speed in ((0.8, 4.0), (0.5, 2.0), (1.0, 3.0)):
        answer = as_number(whole_speed(share, unet_speed), "one number")
        time = (1 - share) + share / unet_speed
        if math.isclose(answer, 1 / time, rel_tol=1e-5):
            continue
        slips = {
            "That is the new time, if the old one is 1. Speed is the old time divided by it.": time,
            "That is a mean of the speeds. Times add up, speeds do not: work out the new time "
            "first.": (1 - share) + share * unet_speed,
            "What about the rest of the time, which does not change? Add it.": unet_speed / share,
            "That is the speed only of the U-Net. The rest takes as long as before.": unet_speed,
        }
        found = (
            f"With a share of {share:.0%} and {unet_speed:g} times as fast you get {answer:.3g}. "
        )
        for message, slip in slips.items():
            if math.isclose(answer, slip, rel_tol=1e-6):
                raise Wrong(found + message)
        raise Wrong(f"{found}The new time is {time:.3g} of the old one.")
    return "Even an endlessly fast U-Net cannot make the rest faster."
