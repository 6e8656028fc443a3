# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 14 · From nothing: train a diffusion model of your own
#
# Every model in this course was trained before you came. Not this one: you start with a network of
# random numbers and a few drawings, and a minute or two later it draws pictures of its own. Then
# you give it a label to listen to, and guidance appears.
#
# **At the end you will be able to**
#
# - add noise to a picture by hand, the **forward process**;
# - train a **U-Net** to remove it, and read the training and **validation loss**;
# - draw new pictures with **DDPM** and **DDIM**, and say how the two differ;
# - turn an **unconditional** model into a **conditional** one, and guide it;
# - test whether a model made something new or copied its training pictures.
#
# **Time:** sections 1 to 5 are the core path, about 45 minutes, of which the computer trains for
# one or two. Sections 6 and 7, marked *more*, take about 25 minutes. **You need:** lesson 06 (the
# loop). No network, no GPU.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/14_from_nothing.ipynb` four exercises have a gap, written `...`.
#    Fill the gap, run the cell, and run the check below it.
# 2. *With hints.* Stuck? Remove the `#` in front of the hint line below the check. Each run gives
#    one more hint. Put the `#` back to see the check again.
# 3. *With the complete solution.* `solutions/14_from_nothing.ipynb` is this notebook with every gap
#    filled and every picture shown.

# %%
import time
from types import SimpleNamespace

import diffusers
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from diffusers.optimization import get_cosine_schedule_with_warmup
from IPython.display import DisplayHandle, display
from PIL import Image

from helpers import SMALL_SUBJECTS, exercise, image_grid, load_pipeline, small_drawings

MODEL = "stickers"  # section 5 compares your model with this one; "sd-v1-5" works as well

# %% [markdown]
# ## 1 · Pictures to learn from
#
# `small_drawings` makes as many pictures as you like out of 24 drawings: six subjects in four
# styles, each time moved, mirrored and scaled a little. They have only 16 × 16 pixels, so there is
# no VAE in this lesson: the model works on the pixels themselves. Here are the first twelve,
# enlarged.
#
# A network likes numbers around zero, so we map the levels 0 to 255 to the range from −1 to 1. The
# second set is for **validation**: the model is never trained on it, only tested.

# %% picture="14.drawings"
SIZE = 16


def to_tensor(pictures):
    """(n, height, width, 3) levels from 0 to 255 -> (n, 3, height, width) from -1 to 1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2) / 127.5 - 1


def show(tensor, cols=12, labels=None):
    levels = ((tensor.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    size = (64, 64)
    images = [Image.fromarray(level).resize(size, Image.Resampling.NEAREST) for level in levels]
    return image_grid(images, cols=cols, labels=labels)


pictures, subjects = small_drawings(2000, size=SIZE, seed=1)
training, labels = to_tensor(pictures), torch.from_numpy(subjects)
pictures, subjects = small_drawings(200, size=SIZE, seed=2)
validation, validation_labels = to_tensor(pictures), torch.from_numpy(subjects)
display(show(training[:12], labels=[SMALL_SUBJECTS[label] for label in labels[:12]]))
print("training", list(training.shape), "· validation", list(validation.shape))

# %% [markdown]
# ## 2 · The forward process: add noise
#
# A diffusion model learns from a game: we hide a picture under noise, and the network has to say
# what it was. Hiding it needs no network. At **timestep** $t$, from 0 to 999, the noisy picture
# is a mixture of the clean picture $x_0$ and noise $\varepsilon$, drawn from a normal distribution:
#
# $$x_t = \sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \varepsilon$$
#
# $\bar\alpha_t$ (*alpha bar*) says how much of the picture is left: nearly 1 at $t = 0$, nearly 0
# at $t = 999$. A scheduler knows it for every timestep: `scheduler.alphas_cumprod`. This one has a
# *cosine* schedule, which suits [small pictures](https://arxiv.org/abs/2102.09672).
#
# ### Exercise 1 · Noise by hand
#
# Complete the function. `clean` and `noise` are tensors of one shape; `alpha_bar` is a tensor with
# one number. Return the noisy picture of the formula.


# %% exercise="14.forward"
def add_noise(clean, noise, alpha_bar):
    return alpha_bar**0.5 * clean + (1 - alpha_bar) ** 0.5 * noise  # SOLUTION


# %%
exercise("14.forward").check(add_noise=add_noise)
# exercise("14.forward").hint()

# %% [markdown] hint="14.forward"
# Two products are added: one with `clean`, one with `noise`.

# %% [markdown] hint="14.forward"
# The square root of a tensor `a` is `a.sqrt()`, or `a ** 0.5`. Both factors have one: that of
# `alpha_bar`, and that of what is missing to 1.


# %% wrong="14.forward" says="square root"
def add_noise(clean, noise, alpha_bar):
    return alpha_bar * clean + (1 - alpha_bar) * noise


# %% wrong="14.forward" says="swapped"
def add_noise(clean, noise, alpha_bar):
    return (1 - alpha_bar) ** 0.5 * clean + alpha_bar**0.5 * noise


# %% wrong="14.forward" says="`1 - sqrt(alpha_bar)`"
def add_noise(clean, noise, alpha_bar):
    return alpha_bar**0.5 * clean + (1 - alpha_bar**0.5) * noise


# %% wrong="14.forward" says="Only the picture is weakened"
def add_noise(clean, noise, alpha_bar):
    return alpha_bar**0.5 * clean + noise


# %% right="14.forward"
def add_noise(clean, noise, alpha_bar):
    return torch.sqrt(alpha_bar) * clean + torch.sqrt(1 - alpha_bar) * noise


# %% right="14.forward"
def add_noise(clean, noise, alpha_bar):
    kept = float(alpha_bar)
    return clean.mul_(kept**0.5).add_(noise, alpha=(1 - kept) ** 0.5)


# %% right="14.forward"
def add_noise(clean, noise, alpha_bar):
    factors = torch.stack([alpha_bar, 1 - alpha_bar]).sqrt()
    return torch.tensordot(factors, torch.stack([clean, noise]), dims=1)


# %% [markdown]
# Watch a picture drown, by your formula. The second row is what the scheduler's own `add_noise`
# makes of the same picture and noise. From which timestep on can *you* no longer tell what it is?

# %% picture="14.forward"
PREDICTION = "sample"  # what the network predicts; section 3 explains it
scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", prediction_type=PREDICTION)
timesteps = torch.tensor([0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 999])
clean = training[:1].expand(len(timesteps), -1, -1, -1)
noise = torch.randn(training[:1].shape, generator=torch.Generator().manual_seed(1)).expand_as(clean)
by_scheduler = scheduler.add_noise(clean, noise, timesteps)
by_hand = [add_noise(clean[0], noise[0], scheduler.alphas_cumprod[t]) for t in timesteps]
if by_hand[0] is ...:
    print("First solve exercise 1.")
else:
    names = [f"t={t}" for t in timesteps] * 2
    display(show(torch.cat([torch.stack(by_hand), by_scheduler]), cols=11, labels=names))
    print("the same:", torch.allclose(torch.stack(by_hand), by_scheduler, atol=1e-5))

# %% [markdown]
# ## 3 · The network, and what it learns
#
# `UNet2DModel` is diffusers' U-Net for pictures without a prompt. Its way down makes the picture
# smaller and finds out *what* is there; its way up makes it larger again. On each level a **skip
# connection** hands what was seen on the way down to the way up, so that no detail is lost. Each
# level consists of **residual blocks**: a block computes a change and *adds* it to its input, which
# makes deep networks trainable. The timestep goes into every block, since the network has to know
# how much noise to expect.
#
# The numbers below say how wide the levels are. (`norm_num_groups` must divide each of them.) The
# U-Net of the real Stable Diffusion has 860 million parameters. Guess how many this one has.

# %%
torch.manual_seed(0)
ARCHITECTURE = {
    "sample_size": SIZE,
    "block_out_channels": (16, 32, 64),
    "layers_per_block": 1,
    "norm_num_groups": 8,
    "add_attention": False,
    "down_block_types": ("DownBlock2D",) * 3,
    "up_block_types": ("UpBlock2D",) * 3,
}
network = UNet2DModel(**ARCHITECTURE)
print(f"{network.num_parameters():,} parameters")
print("in", list(training[:2].shape), "out", list(network(training[:2], 500).sample.shape))

# %% [markdown]
# What should the network predict, when it sees a noisy picture and the timestep? There are three
# answers in use. From each of them, the other two can be computed (lesson 06):
#
# | `prediction_type` | the network predicts | used by |
# | --- | --- | --- |
# | `"epsilon"` | the noise | [DDPM](https://arxiv.org/abs/2006.11239), Stable Diffusion 1.x |
# | `"v_prediction"` | the velocity, a mixture of noise and picture | our sticker model |
# | `"sample"` | the clean picture | this lesson |
#
# They learn at different speeds. A narrow network has to carry every grain of noise from its input
# to its output to predict the noise exactly; the clean picture has no grain and is easier to say.
# So in our trials of a minute, `"sample"` gave the cleanest pictures. Try the others afterward:
# change `PREDICTION`, and run all cells again. What the network *should* say, the target, follows
# from the kind of prediction:


# %%
def target_of(scheduler, clean, noise, timesteps):
    if scheduler.config.prediction_type == "sample":
        return clean
    if scheduler.config.prediction_type == "epsilon":
        return noise
    return scheduler.get_velocity(clean, noise, timesteps)


# %% [markdown]
# ### Exercise 2 · The loss
#
# Complete the function, which is the whole game for one batch. It has to
#
# 1. make the clean pictures noisy: `scheduler.add_noise(clean, noise, timesteps)`;
# 2. let the network predict: `network(noisy, timesteps).sample`;
# 3. return how far the prediction is from `target`: their mean squared error,
#    `F.mse_loss(predicted, target)`.


# %% exercise="14.loss"
def training_loss(network, scheduler, clean, noise, timesteps):
    target = target_of(scheduler, clean, noise, timesteps)
    # BEGIN SOLUTION
    noisy = scheduler.add_noise(clean, noise, timesteps)
    predicted = network(noisy, timesteps).sample
    return F.mse_loss(predicted, target)
    # END SOLUTION


# %%
exercise("14.loss").check(training_loss=training_loss)
# exercise("14.loss").hint()

# %% [markdown] hint="14.loss"
# Three lines, one for each point; the first two give names to what the next one needs.

# %% [markdown] hint="14.loss"
# The network must see the *noisy* pictures, and all `timesteps`. A `return` belongs in front of the
# last line.


# %% wrong="14.loss" says="sees the clean pictures"
def training_loss(network, scheduler, clean, noise, timesteps):
    target = target_of(scheduler, clean, noise, timesteps)
    predicted = network(clean, timesteps).sample
    return F.mse_loss(predicted, target)


# %% wrong="14.loss" says="is compared with the noisy pictures"
def training_loss(network, scheduler, clean, noise, timesteps):
    noisy = scheduler.add_noise(clean, noise, timesteps)
    return F.mse_loss(network(noisy, timesteps).sample, noisy)


# %% wrong="14.loss" says="nothing can be learned from it"
def training_loss(network, scheduler, clean, noise, timesteps):
    target = target_of(scheduler, clean, noise, timesteps)
    noisy = scheduler.add_noise(clean, noise, timesteps)
    return F.mse_loss(network(noisy, timesteps).sample.detach(), target)


# %% wrong="14.loss" says="the same timestep"
def training_loss(network, scheduler, clean, noise, timesteps):
    target = target_of(scheduler, clean, noise, timesteps)
    noisy = scheduler.add_noise(clean, noise, timesteps)
    return F.mse_loss(network(noisy, 500).sample, target)


# %% wrong="14.loss" says="one number"
def training_loss(network, scheduler, clean, noise, timesteps):
    target = target_of(scheduler, clean, noise, timesteps)
    noisy = scheduler.add_noise(clean, noise, timesteps)
    return (network(noisy, timesteps).sample - target) ** 2


# %% wrong="14.loss" says="always compared with the clean pictures"
def training_loss(network, scheduler, clean, noise, timesteps):
    noisy = scheduler.add_noise(clean, noise, timesteps)
    return F.mse_loss(network(noisy, timesteps).sample, clean)


# %% right="14.loss"
def training_loss(network, scheduler, clean, noise, timesteps):
    target = target_of(scheduler, clean, noise, timesteps)
    noisy = scheduler.add_noise(clean, noise, timesteps)
    return ((network(noisy, timesteps)[0] - target) ** 2).mean()


# %% right="14.loss"
def training_loss(network, scheduler, clean, noise, timesteps):
    noisy = scheduler.add_noise(original_samples=clean, noise=noise, timesteps=timesteps)
    (predicted,) = network(noisy, timesteps, return_dict=False)
    return torch.nn.MSELoss()(predicted, target_of(scheduler, clean, noise, timesteps))


# %% right="14.loss"
def training_loss(network, scheduler, clean, noise, timesteps):
    alpha_bar = scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    noisy = alpha_bar.sqrt() * clean + (1 - alpha_bar).sqrt() * noise
    difference = network(noisy, timesteps).sample - target_of(scheduler, clean, noise, timesteps)
    return difference.square().flatten(1).mean(dim=1).mean(dim=0, keepdim=True)


# %% [markdown]
# ## 4 · Draw, then train
#
# To watch the network learn, we need to be able to draw with it. Drawing is the loop of lesson 06,
# without prompt and without VAE: start from noise, let the network predict, let the scheduler take
# a step toward a little less noise.
#
# ### Exercise 3 · The sampling loop
#
# Complete the function. Inside the loop there are two lines: the network's prediction for `sample`
# at `timestep`, and the step, `scheduler.step(predicted, timestep, sample, generator=generator)`,
# whose result has the less noisy pictures in `.prev_sample`.


# %% exercise="14.sample"
@torch.no_grad()
def generate(network, scheduler, noise, num_inference_steps, generator=None):
    scheduler.set_timesteps(num_inference_steps)
    sample = noise
    for timestep in scheduler.timesteps:
        # BEGIN SOLUTION
        predicted = network(sample, timestep).sample
        step = scheduler.step(predicted, timestep, sample, generator=generator)
        sample = step.prev_sample
        # END SOLUTION
    return sample


# %%
exercise("14.sample").check(generate=generate)
# exercise("14.sample").hint()

# %% [markdown] hint="14.sample"
# `network(...)` takes the noisy pictures and the timestep; what it predicts is in `.sample`.

# %% [markdown] hint="14.sample"
# The last line of the loop stores the result under the name `sample`, so that the next round works
# on it.


# %% wrong="14.sample" says="the noise that you began with"
@torch.no_grad()
def generate(network, scheduler, noise, num_inference_steps, generator=None):
    scheduler.set_timesteps(num_inference_steps)
    sample = noise
    for timestep in scheduler.timesteps:
        predicted = network(sample, timestep).sample
        scheduler.step(predicted, timestep, sample, generator=generator)
    return sample


# %% wrong="14.sample" says="starts from the noise again"
@torch.no_grad()
def generate(network, scheduler, noise, num_inference_steps, generator=None):
    scheduler.set_timesteps(num_inference_steps)
    sample = noise
    for timestep in scheduler.timesteps:
        predicted = network(noise, timestep).sample
        sample = scheduler.step(predicted, timestep, noise, generator=generator).prev_sample
    return sample


# %% wrong="14.sample" says="the network's last prediction"
@torch.no_grad()
def generate(network, scheduler, noise, num_inference_steps, generator=None):
    scheduler.set_timesteps(num_inference_steps)
    sample = noise
    for timestep in scheduler.timesteps:
        sample = network(sample, timestep).sample
    return sample


# %% wrong="14.sample" says="`generator`"
@torch.no_grad()
def generate(network, scheduler, noise, num_inference_steps, generator=None):
    scheduler.set_timesteps(num_inference_steps)
    sample = noise
    for timestep in scheduler.timesteps:
        predicted = network(sample, timestep).sample
        sample = scheduler.step(predicted, timestep, sample).prev_sample
    return sample


# %% right="14.sample"
@torch.no_grad()
def generate(network, scheduler, noise, num_inference_steps, generator=None):
    scheduler.set_timesteps(num_inference_steps)
    sample = noise
    for timestep in scheduler.timesteps:
        predicted = network(scheduler.scale_model_input(sample, timestep), timestep)[0]
        sample = scheduler.step(predicted, timestep, sample, generator=generator)[0]
    return sample


# %% right="14.sample"
def generate(network, scheduler, noise, num_inference_steps, generator=None):
    scheduler.set_timesteps(num_inference_steps)
    for timestep in scheduler.timesteps:
        with torch.inference_mode():
            (predicted,) = network(sample=noise, timestep=timestep, return_dict=False)
            noise = scheduler.step(predicted, timestep, noise, generator=generator).prev_sample
    return noise


# %% right="14.sample"
def generate(network, scheduler, noise, num_inference_steps, generator=None):
    scheduler.set_timesteps(num_inference_steps)
    samples = [noise]
    for timestep in scheduler.timesteps:
        step = scheduler.step(
            network(samples[-1], timestep).sample, timestep, samples[-1], generator=generator
        )
        samples.append(step.prev_sample)
    return samples[-1]


# %% [markdown]
# Now the training. Each step takes 16 pictures, noise, and a timestep for each, asks for your loss,
# and lets the optimizer change the parameters a little. The learning rate falls to zero along a
# cosine, which makes the last pictures the cleanest. Six times on the way, `train` measures the
# validation loss (with the same noise and timesteps each time, so that the numbers compare) and
# draws eight pictures from always the same noise.


# %%
def validation_loss(loss_of):
    """The loss on pictures that are never trained on; the questions are always the same."""
    noise = torch.randn(validation.shape, generator=torch.Generator().manual_seed(4))
    timesteps = torch.arange(len(validation)) * 1000 // len(validation)
    with torch.no_grad():
        return loss_of(validation, noise, timesteps, validation_labels).item()


def train(network, loss_of, steps, draw, change_labels=lambda labels, generator: labels):
    """Train in place; return the loss of each step, and the validation losses by step."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3, betas=(0.9, 0.99))
    schedule = get_cosine_schedule_with_warmup(optimizer, steps // 20, steps)
    generator = torch.Generator().manual_seed(5)
    losses, validated, rows, shown = [], {}, [], DisplayHandle()
    began = time.monotonic()
    for step in range(steps + 1):
        if step % max(steps // 5, 1) == 0:
            validated[step] = validation_loss(loss_of)
            rows.append(draw())
            (shown.update if step else shown.display)(show(torch.cat(rows), cols=8))
            seconds = time.monotonic() - began
            print(f"step {step}: validation loss {validated[step]:.4f}, {seconds:.0f} s")
        chosen = torch.randint(len(training), (BATCH,), generator=generator)
        noise = torch.randn((BATCH, *training.shape[1:]), generator=generator)
        timesteps = torch.randint(1000, (BATCH,), generator=generator)
        loss = loss_of(training[chosen], noise, timesteps, change_labels(labels[chosen], generator))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses, validated


# %% [markdown]
# Start it, and watch: the first row is what the untrained network draws, each later row comes after
# another fifth of the training.
#
# `STEPS` is the setting to play with. The printed seconds tell you how long your computer takes;
# four minutes are well spent, so raise it as far as that allows. Run the cell again, and the
# training goes on from where it was.

# %% picture="14.training" tags=["nbval-ignore-output"]
STEPS = 800
BATCH = 16
ddim = DDIMScheduler.from_config(scheduler.config)
start = torch.randn((8, *training.shape[1:]), generator=torch.Generator().manual_seed(3))


def loss_of_network(clean, noise, timesteps, labels):
    return training_loss(network, scheduler, clean, noise, timesteps)


is_solved = training_loss(network, scheduler, training[:1], start[:1], timesteps[:1]) is not None
if is_solved:
    losses, validated = train(
        network, loss_of_network, STEPS, draw=lambda: generate(network, ddim, start, 20)
    )
else:
    print("First solve exercises 2 and 3.")

# %% [markdown]
# From colored noise to blobs, to shapes. Count those that you can name. The others are stuck
# between two subjects; they need more training.
#
# Now the curve. The gray dots are the losses of single steps. They jump, because each batch has
# other pictures and other timesteps, and a batch that is nearly all noise is hard. The line is the
# validation loss.

# %% picture="14.loss" tags=["nbval-ignore-output"]
if is_solved:
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    axes.plot(losses, ".", color="silver", label="training, each step")
    axes.plot(list(validated), list(validated.values()), "o-", label="validation")
    axes.set(xlabel="step", ylabel="loss", yscale="log")
    axes.legend()
    plt.show()
    print(f"validation loss {validated[0]:.3f} before, {min(validated.values()):.3f} at its lowest")

# %% [markdown]
# As long as the validation loss falls, more steps help. If it rises while the training loss goes on
# falling, the model **overfits**: it learns its training pictures by heart. But be careful with
# what it can tell: our validation pictures are other *placements* of the same 24 drawings. Whether
# the model could draw a heart that nobody drew, they do not say. Section 7 comes back to this.
#
# An **epoch** is one pass over all training pictures. How many epochs were 800 steps of 16
# pictures, with 2,000 pictures in all? (6.4.)
#
# ## 5 · DDPM and DDIM
#
# The same network can be used with different schedulers (lesson 03). The two classics:
#
# - **DDPM** steps to the most likely less noisy picture, then adds a little *fresh noise*. It was
#   made to take all 1,000 steps.
# - [**DDIM**](https://arxiv.org/abs/2010.02502) adds none. Its path is fixed by the first noise,
#   and it may skip most of the timesteps.
#
# Each row has the same four starting noises, left with DDPM, right with DDIM; the number of steps
# grows downward. Compare each row with the one below: on which side does the picture stay the same
# when steps are added? Why not on the other?

# %% picture="14.schedulers"
rows, names = [], []
for steps in [3, 10, 50]:
    for scheduler_of_row in [scheduler, ddim]:
        generator = torch.Generator().manual_seed(6)
        rows.append(generate(network, scheduler_of_row, start[:4], steps, generator))
        names += [f"{type(scheduler_of_row).__name__[:4]} {steps}"] * 4
display(show(torch.cat(rows), cols=8, labels=names))

for scheduler_of_row in [scheduler, ddim]:
    once, again = (
        generate(network, scheduler_of_row, start[:1], 10, torch.Generator().manual_seed(seed))
        for seed in [1, 2]
    )
    name = type(scheduler_of_row).__name__[:4]
    print(f"{name}, same start, other generator: the same picture is {torch.equal(once, again)}")

# %% [markdown]
# So in DDIM the first noise decides everything, which is what makes seeds so handy (lesson 02). In
# DDPM the generator has a say in every step.
#
# ### You have built a pipeline
#
# A network and a scheduler are all that the oldest pipeline of diffusers has. Below are its parts,
# and those of the model that you used in the other lessons. What does yours lack? A text encoder to
# be told what to draw, and a VAE to draw large pictures.

# %%
mine = diffusers.DDPMPipeline(unet=network, scheduler=scheduler)
for pipe in [mine, load_pipeline(MODEL)]:
    predicts = pipe.scheduler.config.prediction_type
    print(f"{type(pipe).__name__}: {', '.join(pipe.components)}")
    print(f"  the U-Net has {pipe.unet.num_parameters():,} parameters and predicts {predicts}")

# %% [markdown]
# *This is the end of the core path. The rest is for those who have time.*
#
# ## 6 · A label, and guidance (more)
#
# Your model draws what it likes: it is **unconditional**. Now it gets a label to listen to, the
# number of a subject, and becomes **conditional**. A table with one row of numbers for each label
# is added to what every block hears about the timestep. For guidance, the model must also know how
# to draw *without* a label (lesson 05). So one more label, `NO_LABEL`, means "no label was given",
# and in training, some labels are replaced by it: **label dropout**.
#
# ### Exercise 4 · Label dropout
#
# Complete the function. `labels` is a tensor of whole numbers. Return a *new* tensor in which each
# label is replaced by `NO_LABEL` with the probability `chance`, each independently of the others.
# `torch.rand(labels.shape, generator=generator)` gives one random number from 0 to 1 for each.

# %% exercise="14.dropout"
NO_LABEL = len(SMALL_SUBJECTS)


def drop_labels(labels, chance, generator=None):
    # BEGIN SOLUTION
    dropped = torch.rand(labels.shape, generator=generator) < chance
    return torch.where(dropped, NO_LABEL, labels)
    # END SOLUTION


# %%
exercise("14.dropout").check(drop_labels=drop_labels)
# exercise("14.dropout").hint()

# %% [markdown] hint="14.dropout"
# A random number from 0 to 1 is below `chance` with the probability `chance`. So a comparison with
# `<` gives a tensor of True and False: which labels to drop.

# %% [markdown] hint="14.dropout"
# `torch.where(condition, a, b)` takes from `a` where the condition is True, and from `b` elsewhere.
# `a` may be a single number.


# %% wrong="14.dropout" says="the share that is kept"
NO_LABEL = len(SMALL_SUBJECTS)


def drop_labels(labels, chance, generator=None):
    kept = torch.rand(labels.shape, generator=generator) < chance
    return torch.where(kept, labels, NO_LABEL)


# %% wrong="14.dropout" says="all or none"
NO_LABEL = len(SMALL_SUBJECTS)


def drop_labels(labels, chance, generator=None):
    if torch.rand(1, generator=generator) < chance:
        return torch.full_like(labels, NO_LABEL)
    return labels


# %% wrong="14.dropout" says="changes the tensor that it was given"
NO_LABEL = len(SMALL_SUBJECTS)


def drop_labels(labels, chance, generator=None):
    labels[torch.rand(labels.shape, generator=generator) < chance] = NO_LABEL
    return labels


# %% wrong="14.dropout" says="which is a subject"
NO_LABEL = len(SMALL_SUBJECTS)


def drop_labels(labels, chance, generator=None):
    return torch.where(torch.rand(labels.shape, generator=generator) < chance, 0, labels)


# %% wrong="14.dropout" says="the same labels every time"
NO_LABEL = len(SMALL_SUBJECTS)


def drop_labels(labels, chance, generator=None):
    dropped = torch.arange(len(labels)) < chance * len(labels)
    return torch.where(dropped, NO_LABEL, labels)


# %% right="14.dropout"
NO_LABEL = len(SMALL_SUBJECTS)


def drop_labels(labels, chance, generator=None):
    return labels.masked_fill(torch.rand(labels.shape, generator=generator) < chance, NO_LABEL)


# %% right="14.dropout"
NO_LABEL = len(SMALL_SUBJECTS)


def drop_labels(labels, chance, generator=None):
    labels = labels.clone()
    labels[torch.bernoulli(torch.full(labels.shape, chance), generator=generator).bool()] = NO_LABEL
    return labels


# %% right="14.dropout"
NO_LABEL = len(SMALL_SUBJECTS)


def drop_labels(labels, chance, generator=None):
    draws = torch.rand(len(labels), generator=generator).tolist()
    pairs = zip(labels.tolist(), draws, strict=True)
    return [label if draw >= chance else NO_LABEL for label, draw in pairs]


# %% [markdown]
# No need to start from nothing again. The conditional network takes over all parameters, and the
# new table begins with zeros, so at first it draws exactly as before. Then it is trained further,
# now with labels. The loss, the training and the sampling are yours from above; `with_labels` only
# hands the labels on. Expect one column for each of the six subjects, and two without a label.

# %% picture="14.labels" tags=["nbval-ignore-output"]
LABEL_STEPS = 400
conditional = UNet2DModel(**ARCHITECTURE, num_class_embeds=NO_LABEL + 1)
conditional.load_state_dict(network.state_dict(), strict=False)
torch.nn.init.zeros_(conditional.class_embedding.weight)
columns = torch.tensor([*range(NO_LABEL), NO_LABEL, NO_LABEL])


def with_labels(network, labels):
    return lambda sample, timesteps: network(sample, timesteps, class_labels=labels)


def loss_with_labels(clean, noise, timesteps, labels):
    network = with_labels(conditional, labels)
    return training_loss(network, scheduler, clean, noise, timesteps)


is_trained = is_solved and drop_labels(labels, 0.5) is not None
if is_trained:
    train(
        conditional,
        loss_with_labels,
        LABEL_STEPS,
        draw=lambda: generate(with_labels(conditional, columns), ddim, start, 20),
        change_labels=lambda labels, generator: drop_labels(labels, 0.2, generator),
    )
else:
    print("First solve exercises 2, 3 and 4.")

# %% [markdown]
# And **guidance** is the formula of lesson 05: predict without and with the label, and go
# `guidance_scale` times the way from the first to the second. At 0 the label plays no part, at 1
# the model simply obeys, above it exaggerates.
#
# To measure what it buys we need a judge. Ours is the simplest there is: it names the subject of
# the *nearest* training picture. First we judge the judge, on the validation pictures. Then it says
# how often eight pictures of each subject show what was asked for.


# %% picture="14.guidance" tags=["nbval-ignore-output"]
def guided(network, labels, guidance_scale):
    def predict(sample, timestep):
        nothing = torch.full_like(labels, NO_LABEL)
        without = network(sample, timestep, class_labels=nothing).sample
        with_label = network(sample, timestep, class_labels=labels).sample
        return SimpleNamespace(sample=without + guidance_scale * (with_label - without))

    return predict


def nearest(pictures):
    """Which training picture is nearest to each, and how far it is."""
    distances = torch.cdist(pictures.flatten(1), training.flatten(1))
    return distances.argmin(dim=1), distances.amin(dim=1)


def share_right(pictures, wanted):
    return (labels[nearest(pictures)[0]] == wanted).float().mean().item()


if is_trained:
    print(f"validation pictures: {share_right(validation, validation_labels):.0%} right")
    print(f"by chance: {1 / NO_LABEL:.0%}")
    wanted = torch.arange(NO_LABEL).repeat(8)
    generator = torch.Generator().manual_seed(7)
    noise = torch.randn((len(wanted), *training.shape[1:]), generator=generator)
    rows = []
    for guidance_scale in [0.0, 1.0, 3.0]:
        drawn = generate(guided(conditional, wanted, guidance_scale), ddim, noise, 20)
        rows.append(drawn[:12])
        print(f"guidance {guidance_scale}: {share_right(drawn, wanted):.0%} right")
    display(show(torch.cat(rows), labels=[SMALL_SUBJECTS[label] for label in wanted[:12]] * 3))

# %% [markdown]
# The rows have guidance 0, 1 and 3, from the same noise. Guidance 0 is the model without a label,
# so only chance makes it right. Each share is that of 48 pictures, with a standard error of about 6
# points (lesson 11): is the difference between guidance 1 and 3 larger than that? Look at the rows,
# too: what has guidance changed in the colors? Stable Diffusion does the same; its label is a whole
# sentence, which a text encoder has turned into vectors.
#
# ## 7 · New, or copied? (more)
#
# Does your model draw, or does it only remember? Below each of eight pictures that it made is the
# nearest picture of the 2,000 that it was trained on. The numbers compare how far away that is, for
# the model's pictures and for validation pictures. If the model copied *pictures*, its own would be
# nearer to the training set than the validation pictures are.

# %% picture="14.copies" tags=["nbval-ignore-output"]
drawn = generate(network, ddim, start, 20)
twins, distances = nearest(drawn)
display(show(torch.cat([drawn, training[twins]]), cols=8))
print(f"nearest training picture: {distances.mean():.1f} from the model's pictures,")
print(f"{nearest(validation)[1].mean():.1f} from validation pictures")

# %% [markdown]
# Where the model drew something with a name, the nearest picture often shows the same *drawing*:
# with 24 of them, there is little else to learn. What is new is the place and the size. A large
# distance alone does not prove invention: a picture that failed is far from everything. So look at
# both rows. To invent, a model needs many different examples. Large models copy, too: from Stable
# Diffusion [researchers got back](https://arxiv.org/abs/2301.13188) about a hundred of its training
# pictures, by asking for those that were in its data most often.
#
# ## What you learned
#
# - The **forward process** mixes a picture with noise; $\bar\alpha_t$ says how much of it is left.
# - **Training** is a game: hide a picture under noise, let the **U-Net** say what it was, and
#   change its parameters so that the **loss** falls. The **validation loss** shows whether it
#   learns more than its own pictures.
# - A network may predict the noise, the velocity or the clean picture; each tells the others.
# - **DDPM** adds fresh noise in each step, **DDIM** does not, and may skip most timesteps.
# - A label makes the model **conditional**. **Label dropout** teaches it to draw without one as
#   well, and that is what guidance needs.
#
# **Try on your own:** four times as many steps. `PREDICTION = "epsilon"`, with the same number of
# steps. Train on three of the six subjects (`labels < 3` finds them). `SIZE = 24`. A guidance scale
# of −1.
#
# **Read on:** [How diffusion works](../course/reading/how-diffusion-works.md).
#
# Next: [lesson 15](15_control.ipynb), in which you teach a finished model something of your own
# without touching its weights.
