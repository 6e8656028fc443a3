"""The checks of lesson 14, a model from nothing: forward process, loss, sampling, label dropout."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel

from helpers import SMALL_SUBJECTS
from helpers.course.checks import Wrong, check, describe
from helpers.course.checks.answers import CLOSE, require_answer, require_close, require_tensor

SHAPE = (3, 3, 8, 8)
TIMESTEPS = (60, 400, 830)
LABELS = 3000  # so many that a share of them is close to its probability
CHANCE_TOLERANCE = 0.06  # six standard deviations of a share of 3,000 at a probability of a half


@check("14.forward")
def forward(add_noise: Callable) -> str:
    generator = torch.Generator().manual_seed(14)
    for kept, shape in ((0.9, SHAPE), (0.35, SHAPE[1:]), (0.02, SHAPE)):
        clean, noise = (torch.randn(shape, generator=generator) for _ in range(2))
        alpha_bar = torch.tensor(kept)
        answer = add_noise(clean.clone(), noise.clone(), alpha_bar.clone())
        require_answer(answer)
        require_tensor(answer, clean.shape, "noisy pictures")
        a, s = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
        slips = {
            "Both factors lack their square root.": alpha_bar * clean + (1 - alpha_bar) * noise,
            "The factors are swapped: `alpha_bar` says how much of the *picture* is left.": (
                s * clean + a * noise
            ),
            "The second factor is the root of `1 - alpha_bar`, not `1 - sqrt(alpha_bar)`.": (
                a * clean + (1 - a) * noise
            ),
            "The first factor lacks its square root.": alpha_bar * clean + s * noise,
            "The second factor lacks its square root.": a * clean + (1 - alpha_bar) * noise,
            "Only the picture is weakened. The noise has a factor, too.": a * clean + noise,
            "Only the noise is weakened. The picture has a factor, too.": clean + s * noise,
            "The two parts are added, not subtracted.": a * clean - s * noise,
        }
        require_close(
            answer,
            a * clean + s * noise,
            slips,
            f"For alpha_bar = {kept} this is not the noisy picture of the formula.",
        )
    return "Nearly the picture at 0.9, nearly the noise at 0.02."


def _tiny_network() -> UNet2DModel:
    """A random U-Net of the lesson's kind; it computes in milliseconds."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(14)
        return UNet2DModel(
            sample_size=SHAPE[-1],
            block_out_channels=(8, 8),
            layers_per_block=1,
            norm_num_groups=4,
            add_attention=False,
            down_block_types=("DownBlock2D",) * 2,
            up_block_types=("UpBlock2D",) * 2,
        ).eval()


@check("14.loss")
def loss(training_loss: Callable) -> str:
    network = _tiny_network()
    generator = torch.Generator().manual_seed(14)
    clean, noise = torch.randn(2, *SHAPE, generator=generator)
    timesteps = torch.tensor(TIMESTEPS)
    for kind in ("sample", "epsilon", "v_prediction"):
        scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type=kind)
        answer = training_loss(network, scheduler, clean.clone(), noise.clone(), timesteps.clone())
        require_answer(answer)
        _require_loss(answer)
        noisy = scheduler.add_noise(clean, noise, timesteps)
        velocity = scheduler.get_velocity(clean, noise, timesteps)
        target = {"sample": clean, "epsilon": noise, "v_prediction": velocity}[kind]
        _require_right_loss(answer, network, clean, noise, noisy, timesteps, target, kind)
        network.zero_grad()
        if answer.requires_grad:
            answer.sum().backward()
        if all(weights.grad is None for weights in network.parameters()):
            raise Wrong(
                "The number is right, but nothing can be learned from it: the way back to the "
                "network's parameters was cut. Return the tensor itself, without `detach`, `item` "
                "or `no_grad`."
            )
    return "Right for all three kinds of prediction, and the network can learn from it."


def _require_loss(answer: object) -> None:
    if isinstance(answer, float):
        raise Wrong(
            "It returns a plain number, so nothing can be learned from it: return the tensor, "
            "without `.item()`."
        )
    if not isinstance(answer, torch.Tensor):
        raise Wrong(f"It should return a tensor with one number; it returns {describe(answer)}.")
    if answer.numel() != 1:
        raise Wrong(
            f"The loss is one number for the whole batch; yours has the shape "
            f"{tuple(answer.shape)}. Take the mean, as `F.mse_loss` does."
        )


def _require_right_loss(
    answer: torch.Tensor,
    network: torch.nn.Module,
    clean: torch.Tensor,
    noise: torch.Tensor,
    noisy: torch.Tensor,
    timesteps: torch.Tensor,
    target: torch.Tensor,
    kind: str,
) -> None:
    with torch.no_grad():
        predicted = network(noisy, timesteps).sample
        slips = {
            "The network sees the clean pictures, so it has nothing to find out. Give it the noisy "
            "ones.": F.mse_loss(network(clean, timesteps).sample, target),
            "The network sees the noise alone. Give it the noisy pictures.": (
                F.mse_loss(network(noise, timesteps).sample, target)
            ),
            "The prediction is compared with the noisy pictures. Compare it with `target`.": (
                F.mse_loss(predicted, noisy)
            ),
            "It is always compared with the clean pictures. Compare it with `target`.": (
                F.mse_loss(predicted, clean)
            ),
            "It is always compared with the noise. Compare it with `target`.": (
                F.mse_loss(predicted, noise)
            ),
            "The noisy pictures are compared with `target`; the network plays no part.": (
                F.mse_loss(noisy, target)
            ),
            "All pictures get the same timestep. Give the network `timesteps`.": (
                F.mse_loss(network(noisy, 500).sample, target)
            ),
            "That is the sum of the squares. Take the mean.": (predicted - target).square().sum(),
            "That is the mean of the absolute differences. Take that of the squares.": (
                F.l1_loss(predicted, target)
            ),
            "That is the root of the mean square. Leave out the root.": (
                F.mse_loss(predicted, target).sqrt()
            ),
        }
        require_close(
            answer.detach().reshape(()),
            F.mse_loss(predicted, target),
            slips,
            f'For prediction_type="{kind}" this is not the mean squared error between what the '
            "network predicts for the noisy pictures and `target`.",
        )


@check("14.sample")
def sample(generate: Callable) -> str:
    network = _tiny_network()
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(14))
    for steps in (4, 7):
        scheduler = DDIMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="sample")
        answer = generate(network, scheduler, noise.clone(), steps)
        require_answer(answer)
        require_tensor(answer, noise.shape, "pictures")
        _require_samples(answer.detach(), network, scheduler, noise, steps)
    scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type="sample")
    answers = [
        generate(network, scheduler, noise.clone(), 4, torch.Generator().manual_seed(1))
        for _ in range(2)
    ]
    if not torch.allclose(*answers, atol=CLOSE):
        raise Wrong(
            "Two runs of DDPM with the same seed differ, so its noise comes from somewhere else: "
            "hand `generator` on to `scheduler.step`."
        )
    expected = _generated(network, scheduler, noise, 4, torch.Generator().manual_seed(1))
    if not torch.allclose(answers[0], expected, atol=CLOSE):
        raise Wrong(
            "With DDIM it is right, with DDPM it is not: does every step get the same `generator`, "
            "and is it used for nothing else?"
        )
    return "Your loop gives what the scheduler's own steps give, with DDIM and with DDPM."


@torch.no_grad()
def _generated(
    network: torch.nn.Module,
    scheduler: DDIMScheduler | DDPMScheduler,
    noise: torch.Tensor,
    steps: int,
    generator: torch.Generator | None = None,
) -> torch.Tensor:
    scheduler.set_timesteps(steps)
    pictures = noise
    for timestep in scheduler.timesteps:
        predicted = network(pictures, timestep).sample
        pictures = scheduler.step(predicted, timestep, pictures, generator=generator).prev_sample
    return pictures


@torch.no_grad()
def _require_samples(
    answer: torch.Tensor,
    network: torch.nn.Module,
    scheduler: DDIMScheduler | DDPMScheduler,
    noise: torch.Tensor,
    steps: int,
) -> None:
    scheduler.set_timesteps(steps)
    last = scheduler.timesteps[-1]
    predicted = network(noise, last).sample
    only_predicted = noise
    for timestep in scheduler.timesteps:
        only_predicted = network(only_predicted, timestep).sample
    slips = {
        "This is the noise that you began with. Store what `step(...).prev_sample` gives as "
        "`sample`.": noise,
        "Each round starts from the noise again. Give the network and `step` the current "
        "`sample`.": scheduler.step(predicted, last, noise).prev_sample,
        "This is the network's last prediction. Let `scheduler.step` take the step.": (
            only_predicted
        ),
    }
    require_close(
        answer,
        _generated(network, scheduler, noise, steps),
        slips,
        f"After {steps} steps of DDIM these are not the pictures that network and scheduler give. "
        "Predict for `sample` at `timestep`, then step, and keep `.prev_sample`.",
    )


@check("14.dropout")
def dropout(drop_labels: Callable) -> str:
    no_label = len(SMALL_SUBJECTS)
    labels = torch.arange(LABELS) % no_label
    for chance in (0.2, 0.7):
        first, again, other = (
            _dropped(drop_labels, labels, chance, seed, no_label) for seed in (1, 1, 2)
        )
        share = first.float().mean().item()
        _require_share(share, chance)
        if torch.equal(first, other):
            raise Wrong(
                "It drops the same labels every time. Draw random numbers with `generator`."
            )
        if not torch.equal(first, again):
            raise Wrong(
                "Two generators with one seed should drop the same labels. Hand `generator` on to "
                "`torch.rand`."
            )
    return "About the asked share is dropped, each time another one."


def _dropped(
    drop_labels: Callable, labels: torch.Tensor, chance: float, seed: int, no_label: int
) -> torch.Tensor:
    """Which labels the learner's function dropped: True or False for each."""
    given = labels.clone()
    answer = drop_labels(given, chance, torch.Generator().manual_seed(seed))
    require_answer(answer)
    if not torch.equal(given, labels):
        raise Wrong("It changes the tensor that it was given. Return a new one: `torch.where`.")
    if isinstance(answer, list | tuple):
        answer = torch.as_tensor(answer)
    require_tensor(answer, labels.shape, "one label for each")
    if answer.is_floating_point() or answer.dtype == torch.bool:
        raise Wrong(f"Labels are whole numbers; yours are of the type {answer.dtype}.")
    changed = answer != labels
    strange = answer[changed & (answer != no_label)].tolist()
    if strange:
        name = f", which is a subject: {SMALL_SUBJECTS[strange[0]]}" * (0 <= strange[0] < no_label)
        raise Wrong(
            f"A dropped label became {strange[0]}{name}. It should be NO_LABEL, {no_label}."
        )
    return changed


def _require_share(share: float, chance: float) -> None:
    if abs(share - chance) <= CHANCE_TOLERANCE:
        return
    told = f"With chance={chance}, {share:.0%} of {LABELS:,} labels were dropped. "
    if share in (0, 1):
        raise Wrong(told + "It is all or none: draw one random number for each label.")
    if abs(share - (1 - chance)) <= CHANCE_TOLERANCE:
        raise Wrong(told + "`chance` became the share that is kept.")
    raise Wrong(told + "Drop where a random number from 0 to 1 is below `chance`.")
