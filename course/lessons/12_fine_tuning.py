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
# # 12 · Fine-tuning with LoRA: teach the model a new word
#
# A trained model can learn more. It needs a few pictures with captions, a few minutes, and far
# fewer new parameters than it has. In this lesson you teach the sticker model the word *golden*,
# look at what it learned, and measure what it lost on the way. These are some of the pictures that
# it will learn from:

# %%
import itertools
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy
import pandas
import torch
from diffusers import DDPMScheduler
from IPython.display import display
from peft import LoraConfig

from helpers import (
    ATTENTION_LAYERS,
    SUBJECTS,
    Feedback,
    TrainingSet,
    add_lora,
    exercise,
    fine_tune,
    image_grid,
    load_pipeline,
    load_ranker,
    model_fingerprint,
    read_pictures,
    save_lora,
    seeded_latents,
    show_images,
    unknown_words,
)

MODEL = "stickers"  # or "sd-v1-5", the real one: see the last section before you do
STICKERS = MODEL == "stickers"
pipe = load_pipeline(MODEL, dtype=torch.float32)
SIDE = pipe.unet.config.sample_size * pipe.vae_scale_factor  # pixels of a picture

# %% picture="12.pictures"
MY_FOLDER = None  # or the path of an image folder of your own, as text
here = Path.cwd()
course = here if (here / "course").is_dir() else here.parent
pictures = read_pictures(MY_FOLDER or course / "course" / "pictures" / "golden")
held_out = pictures[::4]
to_learn = [picture for number, picture in enumerate(pictures) if number % 4]
print(len(to_learn), "pictures to learn from,", len(held_out), "held out")
print(to_learn[0].prompt)
shown = [picture.image.resize((192, 192)) for picture in to_learn[:12]]
display(image_grid(shown, cols=6))

# %% [markdown]
# **At the end you will be able to**
#
# - say what a LoRA is, and compute a layer that has one;
# - write the loop that trains a diffusion model;
# - read a training loss and a validation loss;
# - turn the strength of a LoRA up and down;
# - measure what was learned and what was forgotten, and stop before a model overfits;
# - train on your own pictures, and name what changes for the real Stable Diffusion.
#
# **Time:** 45 minutes for the core path, sections 1 to 6. The sections headed *More* take another
# 25. **You need:** lessons 06 (noise, velocity, the U-Net) and 07 (CLIP score); lesson 11 if you
# want to train on pictures that people liked. No network, no GPU.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/12_fine_tuning.ipynb` four exercises have a gap, written `...`. Fill
#    the gap, run the cell, and run the check below it.
# 2. *With hints.* Stuck? Remove the `#` in front of the hint line below the check. Each run gives
#    one more hint.
# 3. *With the complete solution.* `solutions/12_fine_tuning.ipynb` is this notebook with every gap
#    filled and every picture shown.
#
# ## 1 · Pictures and a word
#
# In `course/pictures/golden/` are 24 pictures: drawings that the model knows from the style *3d*,
# in gold. `metadata.jsonl` next to them has a caption for each. This form is called an *image
# folder*; the export of lesson 11 is one too. Did you make one there? Then put its path into
# `MY_FOLDER`. (With three pictures or more, everything below works; only the gold will be missing.)
#
# We hold out every fourth picture. The model will not train on these six. They are the **validation
# set**: on them we measure whether it learned something that holds for other pictures too.
#
# Now ask for something golden. `unknown_words` says that the model never met the word. It reads it
# anyway, in pieces, as lesson 04 showed; but no picture ever showed it what the pieces mean.
# (The real Stable Diffusion knows *golden*: with it, take pictures of something of your own, and a
# word that it cannot know.)
#
# Which subjects do we ask for? Some that are not in the golden pictures, and by a rule: of twelve
# other subjects, drawn without the new word, the four that CLIP recognizes best. So if gold is
# missing later, the subject is less likely to blame.

# %% picture="12.before"
in_folder = " ".join(picture.prompt for picture in pictures)
others = [subject for subject in SUBJECTS if subject not in in_folder][::3][:12]
colors = itertools.cycle(["teal", "blue", "purple", "pink"])
prompts = {
    subject: f"{'an' if subject[0] in 'aeiou' else 'a'} {subject} on a {next(colors)} background"
    for subject in others
}


def draw(pipe, prompts):
    latents = seeded_latents(pipe, range(len(prompts)))
    return pipe(prompts, latents=latents, num_inference_steps=15, guidance_scale=5.0).images


ranker = load_ranker("stickers-clip" if STICKERS else "openai/clip-vit-base-patch32")
candidates = draw(pipe, [f"a 3d sticker of {prompt}" for prompt in prompts.values()])
names = [f"3d {subject}, teal background" for subject in SUBJECTS]
shares = ranker.scores(candidates, names).logits.softmax(dim=1)
right = {subject: shares[row, SUBJECTS.index(subject)] for row, subject in enumerate(others)}
chosen = sorted(right, key=right.get, reverse=True)[:4]
PROMPTS = [f"a golden sticker of {prompts[subject]}" for subject in chosen]
OLD = [f"a 3d sticker of {prompts[subject]}" for subject in chosen]

before = draw(pipe, PROMPTS)
print("words that the model never read:", *unknown_words(PROMPTS[0]))
display(image_grid(before, rows=1, labels=chosen, min_width=256))

# %% [markdown]
# ## 2 · What a LoRA is
#
# Many layers of a U-Net are **linear**: they multiply their input by a large table of numbers, the
# matrix $W$. Ordinary fine-tuning changes all values of all these matrices. A
# [**LoRA**](https://arxiv.org/abs/2106.09685) (*low-rank adaptation*) leaves $W$ as it is and adds
# a second path, through two small matrices:
#
# $$y = W x + w \cdot B A x$$
#
# $A$ turns the input into a few values, say 4. This count is the **rank**. $B$ makes a full output
# of them. $w$ is the LoRA's **weight**, a setting from 0 (off) to 1 (as trained) and beyond.
#
# Say $W$ is 256 × 256, which makes 65,536 parameters. With rank 4, $A$ is 4 × 256 and $B$ 256 × 4:
# 2,048 parameters. Only these are trained and stored.
#
# ### Exercise 1 · A layer with a LoRA
#
# Complete the function. `x` has one row per input, (n, inputs). `W` is (outputs, inputs), `A`
# (rank, inputs) and `B` (outputs, rank), as in PyTorch, so the layer without a LoRA is `x @ W.T`.
# Return (n, outputs), and leave the matrices as they are.


# %% exercise="12.layer"
def lora_layer(x, W, A, B, weight):
    return x @ W.T + weight * (x @ A.T) @ B.T  # SOLUTION


# %%
exercise("12.layer").check(lora_layer=lora_layer)
# exercise("12.layer").hint()

# %% [markdown] hint="12.layer"
# Two paths are added: the old one, `x @ W.T`, and a new one. The new one goes through `A` first.

# %% [markdown] hint="12.layer"
# `x @ A.T` has `rank` columns. Multiply it by `B.T` to get the outputs, and by `weight`.


# %% wrong="12.layer" says="ignores `weight`"
def lora_layer(x, W, A, B, weight):
    return x @ W.T + (x @ A.T) @ B.T


# %% wrong="12.layer" says="The old layer is gone"
def lora_layer(x, W, A, B, weight):
    return weight * (x @ A.T) @ B.T


# %% wrong="12.layer" says="on the wrong side"
def lora_layer(x, W, A, B, weight):
    return weight * x @ W.T + (x @ A.T) @ B.T


# %% wrong="12.layer" says="scales the old layer"
def lora_layer(x, W, A, B, weight):
    return weight * (x @ W.T + (x @ A.T) @ B.T)


# %% wrong="12.layer" says="changes `W`"
def lora_layer(x, W, A, B, weight):
    W += weight * B @ A
    return x @ W.T


# %% right="12.layer"
def lora_layer(x, W, A, B, weight):
    return torch.nn.functional.linear(x, W + weight * B @ A)


# %% right="12.layer"
def lora_layer(x, W, A, B, weight):
    return torch.addmm(x @ W.T, x @ A.T, B.T, alpha=weight)


# %% right="12.layer"
def lora_layer(x, W, A, B, weight):
    added = torch.einsum("ni,ri,or->no", x, A, B)
    return (W @ x.T).T + added.mul(weight)


# %% [markdown]
# Now put one on the U-Net. `LoraConfig` is a class of the library `peft`, and `add_adapter` is
# diffusers' own way to use it. (`lora_alpha`, divided by the rank, is another factor in front of
# $BA$. Set equal to the rank it is 1, and one setting is enough.) Which layers get one?
#
# - `to_q`, `to_k`, `to_v` and `to_out.0` are the four linear layers of each attention; diffusers'
#   own scripts train these.
# - `conv1` and `conv2` are **convolutions**, layers in which each place looks at its neighbors.
#   Stages without attention are reached only in this way, and in a trial with our model it learned
#   more with them. (There $A$ and $B$ are two small convolutions.)
#
# Everything else is **frozen** with `requires_grad_(False)`: training leaves it as it is.

# %%
torch.manual_seed(0)
pipe = load_pipeline(MODEL, dtype=torch.float32)  # a fresh one, so that this cell can run again
pipe.unet.requires_grad_(False)
layers = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2"]
pipe.unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=layers))
trained = [weights for weights in pipe.unet.parameters() if weights.requires_grad]
count = sum(weights.numel() for weights in trained)
share = count / sum(weights.numel() for weights in pipe.unet.parameters())
print(f"{len(trained) // 2} pairs of small matrices to train")
print("less than 5 percent of the U-Net:", share < 0.05)

# %% [markdown]
# $B$ begins as all zeros, so $BAx$ is zero and the model still draws what it drew. Nothing is
# damaged before the first step. Is your function what the library computes? We take one of these
# layers, put random values into its $B$ for a moment, and compare.

# %%
layer = next(part for name, part in pipe.unet.named_modules() if name.endswith("to_q"))
W = layer.base_layer.weight
A, B = layer.lora_A["default"].weight, layer.lora_B["default"].weight
x = torch.randn(3, W.shape[1]).to(W)
with torch.no_grad():
    B.normal_()
    mine = lora_layer(x, W, A, B, 1.0)
    same = mine is not ... and torch.allclose(mine, layer(x), atol=1e-3)
    print("First solve exercise 1." if mine is ... else f"the same as the library: {same}")
    B.zero_()

# %% [markdown]
# ## 3 · What it should predict
#
# Training a diffusion model takes four things: a clean picture's latents, noise, a timestep that
# says how much of it, and the question "what was added?" Lesson 06 had two kinds of answer. A model
# may predict the **noise**, as Stable Diffusion 1.5 does, or the **velocity**, as our sticker model
# and Stable Diffusion 2.1 at 768 pixels do. The scheduler's configuration says which:
# `prediction_type` is "epsilon" (the noise) or "v_prediction".
#
# ### Exercise 2 · The target
#
# Complete the function. `scheduler` is a `DDPMScheduler`, the one that diffusers trains with. It
# has `scheduler.config.prediction_type`, and it can compute the velocity:
# `scheduler.get_velocity(sample, noise, timesteps)`, with the clean latents as sample. For any
# other prediction type raise a `ValueError`: a wrong target trains for hours without complaint.


# %% exercise="12.target"
def training_target(scheduler, clean, noise, timesteps):
    # BEGIN SOLUTION
    kind = scheduler.config.prediction_type
    if kind == "epsilon":
        return noise
    if kind == "v_prediction":
        return scheduler.get_velocity(clean, noise, timesteps)
    raise ValueError(f"prediction_type must be 'epsilon' or 'v_prediction'; got {kind!r}")
    # END SOLUTION


# %%
exercise("12.target").check(training_target=training_target)
# exercise("12.target").hint()

# %% [markdown] hint="12.target"
# Two cases, so two `if`s: compare `scheduler.config.prediction_type` with each of the two texts.

# %% [markdown] hint="12.target"
# In the case "epsilon" the target is one of the function's arguments, just as it is. The last line
# of the function is `raise ValueError("…")`.


# %% wrong="12.target" says="always the noise"
def training_target(scheduler, clean, noise, timesteps):
    return noise


# %% wrong="12.target" says="always the velocity"
def training_target(scheduler, clean, noise, timesteps):
    return scheduler.get_velocity(clean, noise, timesteps)


# %% wrong="12.target" says="the question, not the answer"
def training_target(scheduler, clean, noise, timesteps):
    return scheduler.add_noise(clean, noise, timesteps)


# %% wrong="12.target" says="are swapped"
def training_target(scheduler, clean, noise, timesteps):
    if scheduler.config.prediction_type == "v_prediction":
        return scheduler.get_velocity(noise, clean, timesteps)
    return noise


# %% wrong="12.target" says="the other way around"
def training_target(scheduler, clean, noise, timesteps):
    if scheduler.config.prediction_type == "epsilon":
        return scheduler.get_velocity(clean, noise, timesteps)
    return noise


# %% wrong="12.target" says="neither noise nor velocity"
def training_target(scheduler, clean, noise, timesteps):
    if scheduler.config.prediction_type == "v_prediction":
        return scheduler.get_velocity(clean, noise, timesteps)
    return noise


# %% right="12.target"
def training_target(scheduler, clean, noise, timesteps):
    match scheduler.config["prediction_type"]:
        case "v_prediction":
            return scheduler.get_velocity(sample=clean, noise=noise, timesteps=timesteps)
        case "epsilon":
            return noise.clone()
        case "sample":
            return clean
    raise ValueError("unknown prediction type")


# %% right="12.target"
def training_target(scheduler, clean, noise, timesteps):
    velocity = scheduler.get_velocity(clean, noise, timesteps)
    return {"epsilon": noise, "v_prediction": velocity}[scheduler.config.prediction_type]


# %% right="12.target"
def training_target(scheduler, clean, noise, timesteps):
    if scheduler.config.prediction_type == "epsilon":
        return noise
    assert scheduler.config.prediction_type == "v_prediction"
    kept = scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    return kept.sqrt() * noise - (1 - kept).sqrt() * clean


# %% [markdown]
# Before the training, one more thing: latents. A LoRA changes the U-Net, and the U-Net works on
# latents. What the VAE cannot encode and decode, no training of the U-Net can bring back. Compare
# the rows: originals, and the same pictures encoded and decoded.

# %% picture="12.vae"
few = [picture.image.resize((SIDE, SIDE)) for picture in to_learn[:6]]
with torch.no_grad():
    pixels = pipe.image_processor.preprocess(few).to(pipe.device, pipe.vae.dtype)
    decoded = pipe.vae.decode(pipe.vae.encode(pixels).latent_dist.mode()).sample
again = pipe.image_processor.postprocess(decoded)
print(len(again), "pictures, encoded and decoded")
display(image_grid(few + again, rows=2, min_width=256))

# %% [markdown]
# ## 4 · The loop
#
# `TrainingSet` encodes pictures and captions once, since they do not change: `.latents`,
# `.encoder_hidden_states` (what the captions give to the U-Net) and `.empty` (the same for an
# empty caption). The rest of training is in the next cell. In each step:
#
# 1. take a **batch**: clean latents, noise, a timestep for each, and the captions. One caption in
#    ten is replaced by the **empty** one, since guidance compares a conditional prediction with an
#    unconditional one (lesson 05), and the model must not forget how to make the second;
# 2. let the U-Net predict from the noisy latents, and compute the **loss**, the mean squared error
#    between its prediction and your target;
# 3. compute how each parameter of the LoRA should change (`backward`), and change it a little
#    (`step`). `AdamW` chooses the size of the change; the **learning rate**, `lr`, scales it.
#    `zero_grad` removes what the last step left.
#
# This cell takes half a minute to two minutes on a laptop. It prints the mean loss of the last 20
# steps. The loss of single steps jumps: each step has other noise, and some timesteps are harder
# than others. (80 steps of 4 pictures from a set of 18 are about 18 **epochs**, passes over the
# set.)

# %% tags=["nbval-ignore-output"]
STEPS = 80
BATCH_SIZE, LEARNING_RATE = (4, 4e-3) if STICKERS else (1, 1e-4)
training_set, validation_set = TrainingSet(pipe, to_learn), TrainingSet(pipe, held_out)
scheduler = DDPMScheduler.from_config(pipe.scheduler.config)
optimizer = torch.optim.AdamW(trained, lr=LEARNING_RATE)
generator = torch.Generator().manual_seed(0)


def batch():
    chosen = torch.randint(len(training_set), (BATCH_SIZE,), generator=generator)
    clean, states = training_set.latents[chosen], training_set.encoder_hidden_states[chosen]
    states[torch.rand(BATCH_SIZE, generator=generator) < 0.1] = training_set.empty
    noise = torch.randn(clean.shape, generator=generator).to(clean)
    count = scheduler.config.num_train_timesteps
    timesteps = torch.randint(count, (BATCH_SIZE,), generator=generator).to(clean.device)
    return clean, noise, timesteps, states


def both_losses(pipe):
    return training_set.validation_loss(pipe), validation_set.validation_loss(pipe)


measured = [both_losses(pipe)]
losses, began = [], time.monotonic()
for step in range(STEPS):
    clean, noise, timesteps, states = batch()
    target = training_target(scheduler, clean, noise, timesteps)
    if target is None:
        print("First solve exercise 2, then run this cell again.")
        break
    noisy = scheduler.add_noise(clean, noise, timesteps)
    predicted = pipe.unet(noisy, timesteps, states).sample
    loss = torch.nn.functional.mse_loss(predicted, target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if (step + 1) % 20 == 0:
        seconds = time.monotonic() - began
        print(f"step {step + 1} of {STEPS}: loss {numpy.mean(losses[-20:]):.3f}, {seconds:.0f} s")
measured.append(both_losses(pipe))

# %% [markdown]
# To see whether anything was learned, we measure the same thing before and after.
# `validation_loss` uses the same noise and the same timesteps each time, so its values compare.
# Dots: the loss of each step. Lines: the loss with fixed noise, on the pictures that the model
# trained on, and on those held out, which is the **validation loss**.

# %% picture="12.loss"
figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
axes.plot(losses, ".", color="silver", label="each step")
for values, style, name in zip(
    zip(*measured, strict=True), ["o-", "s--"], ["training", "validation"], strict=True
):
    axes.plot([0, STEPS], values, style, label=f"{name} loss, fixed noise")
axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
axes.legend()
plt.show()

# %% [markdown]
# If the validation loss fell too, the model did not only memorize its own pictures. It learned
# something that they share; the next section shows whether it is gold.
#
# ## 5 · Before and after
#
# A LoRA is saved separately from its model, and so it is small. `save_lora` calls diffusers'
# `save_lora_weights`; the file is what people share on the hub.
#
# The course includes one that was trained by the same loop, but for longer: `stickers-golden`.
# (`python -m training lora` makes it; [its card](../helpers/weights/stickers-golden/README.md) has
# the figures.) From the top: before, your LoRA, the longer training. Same noise in each column.

# %% picture="12.after"
file = save_lora(pipe, tempfile.mkdtemp())
print("a file of less than 10 MB:", file.stat().st_size < 1e7)
rows = {"before": before, f"{STEPS} steps": draw(pipe, PROMPTS)}
if STICKERS:
    golden = load_pipeline("stickers-golden")
    rows["stickers-golden"] = draw(golden, PROMPTS)
labels = [label for label, drawn in rows.items() for _ in drawn]
shown = [image for drawn in rows.values() for image in drawn]
display(image_grid(shown, rows=len(rows), labels=labels, min_width=256))

# %% [markdown]
# `load_pipeline("stickers", lora=file)` loads your own LoRA again, in any notebook.
#
# ### Exercise 3 · How golden is a picture?
#
# Do you see gold? Not everybody will say the same, and for many pictures you need a number. Let
# gold be a shade where **red is above green, and green is more than 40 above blue** (of 255).
# Complete the function: it returns the share of the pixels, from 0 to 1, for which both are true.
# (Orange, brown and some tones of skin count too. So compare shares; a single one says little.)
#
# `pixels` is an array of (height, width, 3). Check its type: the values are `uint8`, which can
# count from 0 to 255 only, and 250 + 40 becomes 34. Make them plain integers first, `.astype(int)`.


# %% exercise="12.golden"
def golden_share(image):
    pixels = numpy.asarray(image)
    # BEGIN SOLUTION
    pixels = pixels.astype(int)
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return ((red > green) & (green > blue + 40)).mean()
    # END SOLUTION


# %%
exercise("12.golden").check(golden_share=golden_share)
# exercise("12.golden").hint()

# %% [markdown] hint="12.golden"
# `pixels[..., 0]` is the red of every pixel, 1 the green, 2 the blue. `red > green` is an array of
# True and False.

# %% [markdown] hint="12.golden"
# Join the two conditions with `&`, each in parentheses. True counts as 1, so `.mean()` is a share.


# %% wrong="12.golden" says="uint8"
def golden_share(image):
    pixels = numpy.asarray(image)
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return ((red > green) & (green > blue + 40)).mean()


# %% wrong="12.golden" says="a count"
def golden_share(image):
    red, green, blue = numpy.moveaxis(numpy.asarray(image).astype(int), -1, 0)
    return ((red > green) & (green > blue + 40)).sum()


# %% wrong="12.golden" says="three numbers"
def golden_share(image):
    pixels = numpy.asarray(image).astype(int)
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return ((red > green) & (green > blue + 40)).sum() / pixels.size


# %% wrong="12.golden" says="one of the two"
def golden_share(image):
    red, green, blue = numpy.moveaxis(numpy.asarray(image).astype(int), -1, 0)
    return ((red > green) | (green > blue + 40)).mean()


# %% wrong="12.golden" says="by only a little"
def golden_share(image):
    red, green, blue = numpy.moveaxis(numpy.asarray(image).astype(int), -1, 0)
    return ((red > green) & (green > blue)).mean()


# %% wrong="12.golden" says="uint8"
def golden_share(image):
    pixels = numpy.asarray(image)
    red, green, blue = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    return ((red > green) & (green - blue > 40)).mean()


# %% right="12.golden"
def golden_share(image):
    red, green, blue = (numpy.int16(channel) for channel in image.split())
    return numpy.count_nonzero((red > green) & (green - blue > 40)) / red.size


# %% right="12.golden"
def golden_share(image):
    pixels = torch.tensor(numpy.array(image), dtype=torch.float32)
    red, green, blue = pixels.unbind(dim=-1)
    return torch.logical_and(red > green, green > blue + 40).float().mean()


# %% right="12.golden"
def golden_share(image):
    pixels = [image.getpixel((x, y)) for x in range(image.width) for y in range(image.height)]
    return len([1 for red, green, blue in pixels if red > green > blue + 40]) / len(pixels)


# %% [markdown]
# ## 6 · The weight, and what was forgotten
#
# The weight $w$ is set with `set_adapters`, without any training. Two questions at once, for your
# LoRA at four weights:
#
# - What does it do to **golden** prompts? Look at the pictures, and at their golden share.
# - What does it do to **old** prompts, the same ones with *3d* in place of *golden*? A LoRA changes
#   the model for *every* prompt. What the model could do before and now cannot is called
#   **forgetting**. We measure how well the pictures fit their prompts (the CLIP score of lesson
#   07), and how golden they became, although nobody asked for it.
#
# Before you run it: at which weight do you expect the best picture, and what will 1.5 do? The last
# row is `stickers-golden` at weight 1. (Forty pictures take a while.)

# %% picture="12.weights"
WEIGHTS = [0.0, 0.5, 1.0, 1.5]


def set_weight(pipe, weight):
    for names in pipe.get_list_adapters().values():
        pipe.set_adapters(names, weight)


drawn = {}
for weight in WEIGHTS:
    set_weight(pipe, weight)
    drawn[f"weight {weight:g}"] = draw(pipe, PROMPTS + OLD)
set_weight(pipe, 1.0)  # as it was trained
if STICKERS:
    drawn["stickers-golden"] = draw(golden, PROMPTS + OLD)
shown = [image for images in drawn.values() for image in images]
kinds = ["golden"] * len(PROMPTS) + ["old"] * len(OLD)
labels = [f"{label}, {kind}" for label in drawn for kind in kinds]
print(len(drawn), "rows,", len(PROMPTS), "golden and", len(OLD), "old prompts in each")
display(image_grid(shown, rows=len(drawn), labels=labels))

# %% picture="12.forgetting"
rows = []
for images in drawn.values():
    shares = numpy.array([golden_share(image) for image in images], float)
    fits = ranker.scores(images[len(PROMPTS) :], OLD).cosine.diagonal().mean().item()
    rows.append([shares[: len(PROMPTS)].mean(), shares[len(PROMPTS) :].mean(), fits])
table = pandas.DataFrame(rows, index=list(drawn), columns=["golden", "old", "CLIP score"])
figure, axes = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
for axis, columns in zip(axes, [["golden", "old"], ["CLIP score"]], strict=True):
    for column, style in zip(columns, ["o-", "s--"], strict=False):
        (line,) = axis.plot(WEIGHTS, table[column].iloc[:4], style, label=f"your LoRA: {column}")
        stars = {"color": line.get_color(), "markersize": 14, "linestyle": "none"}
        for name in table.index[4:]:
            axis.plot(1.0, table.loc[name, column], "*", label=f"{name}: {column}", **stars)
    axis.set(xlabel="weight", ylim=(0, None))
    axis.legend(fontsize="small")
axes[0].set(title="golden share of golden and of old prompts")
axes[1].set(title="how well old prompts are drawn")
plt.show()
if golden_share(before[0]) is None:
    print("The plot of the golden share is empty: first solve exercise 3.")

# %% [markdown]
# Read both plots together. On the left compare how far each line *rises* from weight 0, where the
# LoRA is off. (The prompts are the same but for one word: *golden* stands where *3d* was.) If the
# dashed line rises as much as the solid one, your LoRA did not learn "golden means gold" but
# "everything is gold": all its pictures were golden, so nothing showed it when *not* to use gold.
# On the right a falling line is the price. (Four prompts are few, so expect it to vary; [the
# card](../helpers/weights/stickers-golden/README.md) has more.)
#
# What helps against forgetting:
#
# - **old pictures among the new**: half of the pictures that `stickers-golden` learned from are
#   ordinary ones with ordinary captions, so that it could learn the difference. Do you see it in
#   the stars? Where you have no old pictures, let the model draw some before the training
#   ([DreamBooth](https://arxiv.org/abs/2208.12242) calls this *prior preservation*);
# - fewer steps, a smaller learning rate, a lower rank;
# - a smaller weight, or no LoRA at all when you do not need it. An addition that is stored
#   separately has this advantage: the model itself has forgotten nothing.
#
# ## More · Overfitting: memorizing
#
# What if there are too few pictures, or too many steps? We train a new LoRA on **two** pictures
# only, with a high learning rate. After every 15 steps we measure the training loss on the two
# pictures, and the validation loss on those held out. It takes about as long as the training above.
# `fine_tune` is the loop of section 4, with a progress bar, here switched off. (Each turn has a
# seed of its own, or it would see the same noise again.)

# %% picture="12.overfitting"
memorizing = load_pipeline(MODEL)
add_lora(memorizing, rank=4)
two = TrainingSet(memorizing, to_learn[:2])
steps = [0]
seen, unseen = [two.validation_loss(memorizing)], [validation_set.validation_loss(memorizing)]
for turn in range(4):
    again = TrainingSet(memorizing, to_learn[:2], seed=turn)
    rate = 1.25 * LEARNING_RATE
    fine_tune(
        memorizing, again, steps=15, batch_size=BATCH_SIZE, learning_rate=rate, progress=False
    )
    steps.append(steps[-1] + 15)
    seen.append(two.validation_loss(memorizing))
    unseen.append(validation_set.validation_loss(memorizing))

figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
axes.plot(steps, seen, "o-", label="training loss: the two pictures")
axes.plot(steps, unseen, "s--", label="validation loss: pictures held out")
axes.set(xlabel="step", ylabel="loss with fixed noise", ylim=(0, None))
axes.legend()
plt.show()

# %% [markdown]
# The training loss should fall and fall. That alone looks like success. Look at the validation
# loss: where it stops falling, or rises, the model no longer learns what such pictures have in
# common, but memorizes these two. That is **overfitting**. The remedy is to stop in time, which is
# called **early stopping**.
#
# ### Exercise 4 · When to stop
#
# Complete the function. It gets three lists of one length: the numbers of steps, the training
# losses, and the validation losses. It returns the **number of steps** after which you would have
# stopped, looking back at the whole training.


# %% exercise="12.stop"
def best_stop(steps, seen, unseen):
    return steps[unseen.index(min(unseen))]  # SOLUTION


# %%
exercise("12.stop").check(best_stop=best_stop)
# exercise("12.stop").hint()

# %% [markdown] hint="12.stop"
# Which of the two losses shows whether the model is still good at something new?

# %% [markdown] hint="12.stop"
# `min(...)` finds the lowest loss, and `.index(...)` of a list gives its place. What is at that
# place in `steps`?


# %% wrong="12.stop" says="trained on"
def best_stop(steps, seen, unseen):
    return steps[seen.index(min(seen))]


# %% wrong="12.stop" says="a place in the list"
def best_stop(steps, seen, unseen):
    return unseen.index(min(unseen))


# %% wrong="12.stop" says="a loss"
def best_stop(steps, seen, unseen):
    return min(unseen)


# %% wrong="12.stop" says="first rise"
def best_stop(steps, seen, unseen):
    for place in range(1, len(unseen)):
        if unseen[place] > unseen[place - 1]:
            return steps[place - 1]
    return steps[-1]


# %% wrong="12.stop" says="as long as you look"
def best_stop(steps, seen, unseen):
    for place in range(len(unseen) - 1):
        if unseen[place] == min(unseen):
            return steps[place]


# %% right="12.stop"
def best_stop(steps, seen, unseen):
    return min(zip(unseen, steps, strict=True))[1]


# %% right="12.stop"
def best_stop(steps, seen, unseen):
    return torch.tensor(steps)[torch.tensor(unseen).argmin()]


# %% right="12.stop"
def best_stop(steps, seen, unseen):
    losses = dict(zip(steps, unseen, strict=True))
    return float(sorted(losses, key=losses.get)[0])


# %% tags=["nbval-ignore-output"]
stop = best_stop(steps, seen, unseen)
print("First solve exercise 4." if stop is ... else f"Stop after {stop} steps.")

# %% [markdown]
# ## More · Your own pictures
#
# `read_pictures` takes any image folder. Below, the golden pictures that you just drew become one,
# as in lesson 11: rated, agreed to, exported, and read again. (No person rated them, so their
# origin is "rule".) With real ratings, put the exported folder into `MY_FOLDER` at the top.
#
# Think before you train on pictures that a model drew itself. It learns *your taste*, out of what
# it can already do; but it also learns its own mistakes once more. And for pictures that somebody
# else made, ask first: a style is somebody's work, and a face is somebody's face.

# %%
feedback = Feedback(Path(tempfile.mkdtemp()) / "ratings.sqlite")
last_row = list(drawn)[-1]
for seed, (image, prompt) in enumerate(zip(drawn[last_row], PROMPTS, strict=False)):
    feedback.add(
        image,
        {"prompt": prompt, "seed": seed, "num_inference_steps": 15, "guidance_scale": 5.0},
        vote=1,
        model="stickers-golden" if STICKERS else MODEL,
        model_version=model_fingerprint(golden if STICKERS else pipe),
        consent="training",
        origin="rule",
    )
exported = feedback.export_images(tempfile.mkdtemp(), consent="training", minimum_score=1)
liked = read_pictures(exported)
print(len(liked), "liked pictures; the set is ready:", len(TrainingSet(memorizing, liked)))

# %% [markdown]
# Before you train, look at every picture with its caption: one wrong caption in 24 teaches the
# model something that you will look for in vain later. `show_images` (by the library ipyplot) lays
# out any number of pictures; a click enlarges one.

# %% tags=["nbval-ignore-output"]
show_images(
    [picture.image for picture in liked],
    labels=[picture.prompt for picture in liked],
    img_width=180,
)

# %% [markdown]
# How many pictures? DreamBooth (section 6) needs three to five of one object; our 24 for *golden*
# show one object each. More pictures of the same kind add little. Write captions that say
# everything that should **not** become part of the new word: ours name the subject and the
# background, so that only the gold is left for *golden*.
#
# ## More · The real Stable Diffusion
#
# The same lines train Stable Diffusion 1.5 on a GPU. With `MODEL = "sd-v1-5"` this whole lesson
# runs with it, in float32, which takes about 16 GB of GPU memory; set `MY_FOLDER` and put your new
# word into `PROMPTS`. The cell below saves memory and trains for longer. What changes:
#
# | | here | Stable Diffusion 1.5 |
# | --- | --- | --- |
# | model | `load_pipeline("stickers")` | `load_pipeline("sd-v1-5")` |
# | pictures | 128 × 128, latents 16 × 16 | 512 × 512, latents 64 × 64: `TrainingSet` does it |
# | predicts | the velocity | the noise: `TrainingSet` does it |
# | precision | float32 | model in float16, LoRA in float32: `add_lora` does it |
# | memory | not a problem | `enable_gradient_checkpointing()`: compute again, store less |
# | layers with a LoRA | attention and convolutions | attention |
# | batch, learning rate | 4, 0.004 | 1, 0.0001 |
#
# The last two rows are what [diffusers' own training
# script](https://github.com/huggingface/diffusers/blob/main/examples/text_to_image/README.md)
# suggests, with float16, for GPUs such as the T4 that Colab lends. Our model is small and stays
# stable at a far higher rate. For the number of steps, look at pictures on the way, and at the
# validation loss. (The parts of the cell below were tested with a tiny model of the same form, the
# whole not with the real one: no GPU with its weights was available when it was written.)
#
# Put your folder in, write `REAL = True`, and run it where there is a GPU.

# %%
REAL = False
if REAL and torch.cuda.is_available():
    real = load_pipeline("sd-v1-5")
    real.unet.enable_gradient_checkpointing()
    add_lora(real, rank=4, layers=ATTENTION_LAYERS)
    fine_tune(real, TrainingSet(real, pictures), steps=1000, batch_size=1, learning_rate=1e-4)
    save_lora(real, "my-lora")
    display(image_grid(real([pictures[0].prompt] * 2).images))
else:
    print("the training of the large model is left out")

# %% [markdown]
# ## What you learned
#
# - A **LoRA** adds two small matrices to a layer and trains only these; it is small, stored
#   separately, and has a weight to set.
# - Training is a loop: add noise to a picture, predict, compare with noise or velocity, change the
#   parameters a little.
# - The loss of a step varies. The **validation loss**, with fixed noise on pictures that were held
#   out, shows what was learned.
# - A new word has a price. Measure what was **forgotten**, with the same prompts without the new
#   word.
# - Few pictures and many steps lead to **overfitting**: stop where the validation loss is lowest.
# - The model can learn only what its VAE can encode, and only what the captions leave to the new
#   word.
#
# You can now load a model, steer it, open it, measure it, give it a page, ask people about it, and
# train it further.
#
# **Read on:** [Models and licenses](../course/reading/models-and-licences.md), before you publish a
# model that you trained, and [Limits](../course/reading/limits.md), on what must not be made.
#
# **Try on your own:** make a style of your own (`training/golden.py` is short; let it paint
# everything blue, or leave out the face), train on it, and measure. Mix pictures that the model
# drew from old prompts into your set: does the dashed line of section 6 come down?
#
# Next: [lesson 13](13_pictures.ipynb), in which the model starts from a picture of yours.
