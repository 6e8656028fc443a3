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
# A trained model can learn more. It needs a handful of pictures with captions, a few minutes, and
# far fewer new numbers than it has. In this lesson you teach the sticker model the word *golden*,
# look at what it learned, and measure what it lost on the way.
#
# **At the end you will be able to**
#
# - say what a LoRA is, and compute a layer that has one;
# - write the loop that trains a diffusion model;
# - read a loss curve, and know what it does not tell;
# - turn the strength of a LoRA up and down;
# - measure what was learned and what was forgotten, and stop before a model overfits;
# - train on your own pictures, and name what changes for the real Stable Diffusion.
#
# **Time:** about 60 minutes. **You need:** lessons 06 (noise, velocity, the U-Net) and 07 (CLIP
# score); lesson 11 if you want to train on pictures that people liked. No network, no GPU.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/12_fine_tuning.ipynb` four exercises have a gap, written `...`. Fill
#    the gap, run the cell, and run the check below it.
# 2. *With hints.* Stuck? Remove the `#` in front of the hint line below the check. Each run gives
#    one more hint. Put the `#` back to see the check again.
# 3. *With the complete solution.* `solutions/12_fine_tuning.ipynb` is this notebook with every gap
#    filled and every picture shown.

# %%
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
    unknown_words,
)

# %% [markdown]
# ## 1 · A word that the model never read
#
# Ask for something golden. `unknown_words` says that the model never met the word. It reads it all
# the same, in pieces, as lesson 04 showed; but no picture ever told it what the pieces mean.

# %% picture="12.before"
pipe = load_pipeline("stickers")
PROMPTS = [
    "a golden sticker of a rocket on a blue background",
    "a golden sticker of a mushroom on a teal background",
    "a golden sticker of a frog on a purple background",
    "a golden sticker of an owl in the snow",
]


def draw(pipe, prompts):
    latents = seeded_latents(pipe, range(len(prompts)))
    return pipe(prompts, latents=latents, num_inference_steps=15, guidance_scale=5.0).images


before = draw(pipe, PROMPTS)
print("never read:", *unknown_words(PROMPTS[0]))
display(image_grid(before, rows=1))

# %% [markdown]
# ## 2 · Pictures to learn from
#
# Somebody has to show what the word means. In `course/pictures/golden/` are 24 pictures: drawings
# that the model knows from the style *3d*, cast in gold. `metadata.jsonl` beside them has a caption
# for each. This form is called an *image folder*; the export of lesson 11 is one too. Have you made
# one there? Then put its path in place of `None`, as a text. (`print(training_folder)` in lesson 11
# shows it. With three pictures or more, all that follows works; only the gold will be missing.)
#
# We keep every fourth picture back. The model will not train on these. They are for an **exam**:
# questions about pictures that it could not learn by heart.

# %% picture="12.pictures"
MY_FOLDER = None
here = Path.cwd()
course = here if (here / "course").is_dir() else here.parent
pictures = read_pictures(MY_FOLDER or course / "course" / "pictures" / "golden")
kept_back = pictures[::4]
to_learn = [picture for number, picture in enumerate(pictures) if number % 4]
print(len(to_learn), "pictures to learn from,", len(kept_back), "kept back")
print(to_learn[0].prompt)
display(image_grid([picture.image for picture in to_learn], rows=2))

# %% [markdown]
# A LoRA changes the U-Net, and the U-Net works on latents. So first make sure that the VAE can hold
# such pictures at all: encode them and decode them again. What is lost here, no training of the
# U-Net can bring back. (The first plan for this lesson was pixel art. The VAE melted the little
# squares, so it became gold.)

# %% picture="12.vae"
few = [picture.image for picture in to_learn[:6]]
with torch.no_grad():
    pixels = pipe.image_processor.preprocess(few).to(pipe.device, pipe.vae.dtype)
    decoded = pipe.vae.decode(pipe.vae.encode(pixels).latent_dist.mode()).sample
again = pipe.image_processor.postprocess(decoded)
print(len(again), "pictures, encoded and decoded")
display(image_grid(few + again, rows=2))

# %% [markdown]
# ## 3 · What a LoRA is
#
# Many layers of a U-Net are **linear**: they multiply their input by a large table of numbers, the
# matrix $W$. Ordinary fine-tuning changes all numbers of all these matrices. A
# [**LoRA**](https://arxiv.org/abs/2106.09685) (*low-rank adaptation*) leaves $W$ alone and adds a
# second way beside it, through two thin matrices:
#
# $$y = W x + w \cdot B A x$$
#
# $A$ turns the input into a few numbers, say 4. This count is the **rank**. $B$ makes a full output
# of them. $w$ is the LoRA's **weight**, a knob from 0 (off) to 1 (as trained) and beyond.
#
# Say $W$ is 256 × 256, which makes 65,536 numbers. With rank 4, $A$ is 4 × 256 and $B$ 256 × 4:
# 2,048 numbers. Only these are trained and stored.
#
# ### Exercise 1 · A layer with a LoRA
#
# Complete the function. `x` has a row for each input, (n, inputs). `W` is (outputs, inputs), `A`
# (rank, inputs) and `B` (outputs, rank), as in PyTorch, so the layer without a LoRA is `x @ W.T`.
# Return (n, outputs).


# %% exercise="12.layer"
def lora_layer(x, W, A, B, weight):
    return x @ W.T + weight * (x @ A.T) @ B.T  # SOLUTION


# %%
exercise("12.layer").check(lora_layer=lora_layer)
# exercise("12.layer").hint()

# %% [markdown] hint="12.layer"
# Two ways are added: the old one, `x @ W.T`, and a new one. The new one goes through `A` first.

# %% [markdown] hint="12.layer"
# `x @ A.T` has `rank` columns. Multiply it by `B.T` to get the outputs, and by `weight`.


# %% wrong="12.layer" says="no account of `weight`"
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


# %% [markdown]
# Now put one on the U-Net. `LoraConfig` is a class of the library `peft`, and `add_adapter` is
# diffusers' own way to use it. (`lora_alpha`, divided by the rank, is another factor in front of
# $BA$. Set equal to the rank it is 1, and one knob is enough.) Which layers get one?
#
# - `to_q`, `to_k`, `to_v` and `to_out.0` are the four linear layers of each attention; diffusers'
#   own scripts train these.
# - `conv1` and `conv2` are **convolutions**, layers in which each place looks at its neighbours.
#   Our model has no attention at its full resolution, and in a trial it learned more when these had
#   a LoRA too. (There $A$ and $B$ are two thin convolutions.)
#
# Everything else is frozen with `requires_grad_(False)`: the training leaves it as it is.

# %%
torch.manual_seed(0)
pipe = load_pipeline("stickers")  # a fresh one, so that this cell can run again
pipe.unet.requires_grad_(False)
layers = ["to_q", "to_k", "to_v", "to_out.0", "conv1", "conv2"]
pipe.unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=layers))
trained = [weights for weights in pipe.unet.parameters() if weights.requires_grad]
count = sum(weights.numel() for weights in trained)
print(f"{len(trained)} thin matrices, {count:,} numbers to train")
print(f"{count / sum(weights.numel() for weights in pipe.unet.parameters()):.1%} of the U-Net")

# %% [markdown]
# $B$ begins as all zeros, so $BAx$ is zero and the model still draws what it drew. Nothing is
# spoilt before the first step.
#
# ## 4 · What it should predict
#
# Training a diffusion model takes four things: a clean picture's latents, noise, a timestep that
# says how much of it, and the question "what was put in?" Lesson 06 had two kinds of answer. A
# model may predict the **noise**, as Stable Diffusion 1.5 does, or the **velocity**, as 2.1 and our
# sticker model do. The scheduler's configuration says which: `prediction_type` is "epsilon" (the
# noise) or "v_prediction".
#
# ### Exercise 2 · The target
#
# Complete the function. `scheduler` is a `DDPMScheduler`, the one that diffusers trains with. It
# has `scheduler.config.prediction_type`, and it can compute the velocity:
# `scheduler.get_velocity(sample, noise, timesteps)`, with the clean latents as sample.


# %% exercise="12.target"
def training_target(scheduler, clean, noise, timesteps):
    # BEGIN SOLUTION
    if scheduler.config.prediction_type == "v_prediction":
        return scheduler.get_velocity(clean, noise, timesteps)
    return noise
    # END SOLUTION


# %%
exercise("12.target").check(training_target=training_target)
# exercise("12.target").hint()

# %% [markdown] hint="12.target"
# Two cases, so an `if`: compare `scheduler.config.prediction_type` with one of the two texts.

# %% [markdown] hint="12.target"
# In the case "epsilon" the target is one of the function's arguments, just as it is.


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


# %% wrong="12.target" says="the other way round"
def training_target(scheduler, clean, noise, timesteps):
    if scheduler.config.prediction_type == "epsilon":
        return scheduler.get_velocity(clean, noise, timesteps)
    return noise


# %% [markdown]
# Try it on one picture. `TrainingSet` prepares the rest: it encodes pictures and captions once,
# since they do not change, and then draws for each step a batch with noise, timesteps and targets,
# always the same for the same step. It leaves one caption in ten **empty**. Why? Guidance compares
# a prediction with the prompt and one without (lesson 05). A model that sees captions only would
# forget how to predict without.

# %%
training_set = TrainingSet(pipe, to_learn)
exam_set = TrainingSet(pipe, kept_back)
scheduler = DDPMScheduler.from_config(pipe.scheduler.config)
clean = training_set.latents[:1]
noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1)).to(clean)
target = training_target(scheduler, clean, noise, torch.tensor([500], device=clean.device))
print("the model predicts", scheduler.config.prediction_type)
if target is None:
    print("First solve exercise 2.")
else:
    print("clean latents", list(clean.shape), "target", list(target.shape))

# %% [markdown]
# ## 5 · The loop
#
# Here is all of training. For each step: take a batch (noisy latents, their timesteps, what the
# captions tell the U-Net, and the targets), let the U-Net predict, measure how far it is from the
# target (mean squared error, the **loss**), forget the last step's sums (`zero_grad`), compute how
# each number of the LoRA should change (`backward`), and change it a little (`step`). `AdamW`
# decides how much is a little; the **learning rate**, `lr`, scales it.
#
# This cell takes longest in the lesson, a minute or two on a laptop. The printed lines show the
# mean loss of the last 20 steps, and the seconds so far. The loss will not fall nicely: each step
# has other noise, and some timesteps are harder than others.

# %% tags=["nbval-ignore-output"]
STEPS = 80
exams = {
    "learned": [training_set.validation_loss(pipe)],
    "kept back": [exam_set.validation_loss(pipe)],
}
optimizer = torch.optim.AdamW(trained, lr=4e-3)
losses = []
began = time.monotonic()
for step in range(STEPS):
    noisy, timesteps, states, target = training_set.batch(step, batch_size=4)
    predicted = pipe.unet(noisy, timesteps, states).sample
    loss = torch.nn.functional.mse_loss(predicted, target)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if (step + 1) % 20 == 0:
        seconds = time.monotonic() - began
        print(f"step {step + 1} of {STEPS}: loss {numpy.mean(losses[-20:]):.3f}, {seconds:.0f} s")
exams["learned"].append(training_set.validation_loss(pipe))
exams["kept back"].append(exam_set.validation_loss(pipe))

# %% [markdown]
# To see whether anything was learned, ask the same questions before and after. `validation_loss`
# uses the same noise and the same timesteps each time, so its values compare. Dots: the loss of
# each step. Lines: the two exams, on the pictures that the model trained on, and on those kept
# back.

# %% picture="12.loss"
figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
axes.plot(losses, ".", color="silver", label="each step")
for (name, values), style in zip(exams.items(), ["o-", "s--"], strict=True):
    axes.plot([0, STEPS], values, style, label=f"exam: {name}")
axes.set(xlabel="step", ylabel="loss", ylim=(0, None))
axes.legend()
plt.show()

# %% [markdown]
# If the exam on the pictures that were *kept back* fell too, the model did not just learn its own
# pictures by heart. It learned something that holds for all of them: gold, if these are ours.
#
# ## 6 · Before and after
#
# A LoRA is saved apart from its model, and so it is small. `save_lora` calls diffusers'
# `save_lora_weights`; the file is what people share on the hub.
#
# The course brings one that was trained by the same loop, but for longer: `stickers-golden`.
# (`python -m training lora` makes it; [its card](../helpers/weights/stickers-golden/README.md) has
# the figures.) From the top: before, your LoRA, the longer training. Same noise in each column. Of
# the four subjects, the course's golden pictures show only the rocket, on another background; they
# have no mushroom, no frog and no owl.

# %% picture="12.after"
file = save_lora(pipe, tempfile.mkdtemp())
print("a file of less than a megabyte:", file.stat().st_size < 1e6)
golden = load_pipeline("stickers-golden")
after, long_after = draw(pipe, PROMPTS), draw(golden, PROMPTS)
labels = ["before"] * 4 + [f"{STEPS} steps"] * 4 + ["stickers-golden"] * 4
display(image_grid(before + after + long_after, rows=3, labels=labels))

# %% [markdown]
# `load_pipeline("stickers", lora=file)` loads your own LoRA again, in any notebook.
#
# ### Exercise 3 · How golden is a picture?
#
# You can see the gold. To compare many pictures you need a number. Gold is a shade where **red is
# above green, and green is more than 40 above blue** (of 255). Complete the function: it returns
# the share of the pixels, from 0 to 1, for which both are true.
#
# `pixels` is an array of (height, width, 3). Mind its type: the numbers are `uint8`, which can
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
# Join the two conditions with `&`, each in brackets. True counts as 1, so `.mean()` is a share.


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


# %% [markdown]
# ## 7 · The weight, and what was forgotten
#
# The knob $w$ is turned with `set_adapters`, without any training. Two questions at once, for your
# LoRA at four weights:
#
# - What does it do to **golden** prompts? Look at the pictures, and at their golden share.
# - What does it do to **old** prompts, without the word? A LoRA changes the model for *every*
#   prompt. What the model could do before and now cannot is **forgetting**. We measure how well
#   the pictures fit their prompts (the CLIP score of lesson 07), and how golden they became, which
#   nobody asked for.
#
# Before you run it: at which weight do you expect the best picture? And what of 1.5? The fifth row
# is `stickers-golden` at weight 1. (Thirty pictures take a while.)

# %% picture="12.weights"
GOLDEN = PROMPTS[:2]
OLD = [
    "a 3d sticker of a strawberry on a teal background",
    "a flat sticker of a rocket at night",
    "a simple sticker of a whale on a pink background",
    "a 3d sticker of an octopus on a purple background",
]
WEIGHTS = [0.0, 0.5, 1.0, 1.5]


def set_weight(pipe, weight):
    for names in pipe.get_list_adapters().values():
        pipe.set_adapters(names, weight)


drawn = {}
for weight in WEIGHTS:
    set_weight(pipe, weight)
    drawn[f"weight {weight:g}"] = draw(pipe, GOLDEN + OLD)
set_weight(pipe, 1.0)  # as it was trained
drawn["stickers-golden"] = draw(golden, GOLDEN + OLD)
shown = [image for images in drawn.values() for image in images]
labels = [label for label, images in drawn.items() for _ in images]
print(len(drawn), "rows,", len(GOLDEN), "golden and", len(OLD), "old prompts in each")
display(image_grid(shown, rows=len(drawn), labels=labels))

# %% picture="12.forgetting"
ranker = load_ranker()
rows = []
for images in drawn.values():
    shares = numpy.array([golden_share(image) for image in images], float)
    fits = ranker.scores(images[len(GOLDEN) :], OLD).cosine.diagonal().mean().item()
    rows.append([shares[: len(GOLDEN)].mean(), shares[len(GOLDEN) :].mean(), fits])
table = pandas.DataFrame(rows, index=list(drawn), columns=["golden", "old", "CLIP score"])
figure, axes = plt.subplots(1, 2, figsize=(10, 3.5), layout="constrained")
for axis, columns in zip(axes, [["golden", "old"], ["CLIP score"]], strict=True):
    for column, style in zip(columns, ["o-", "s--"], strict=False):
        (line,) = axis.plot(WEIGHTS, table[column].iloc[:4], style, label=f"your LoRA: {column}")
        axis.plot(
            1.0,
            table[column].iloc[4],
            "*",
            markersize=14,
            color=line.get_color(),
            label=f"stickers-golden: {column}",
        )
    axis.set(xlabel="weight", ylim=(0, None))
    axis.legend(fontsize="small")
axes[0].set(title="golden share of golden and of old prompts")
axes[1].set(title="how well old prompts are drawn")
plt.show()
if golden_share(before[0]) is None:
    print("The plot of the golden share is empty: first solve exercise 3.")

# %% [markdown]
# Read both plots together. On the left the distance between the two lines is what the *word* does.
# Where the dashed line rises too, your LoRA did not learn "golden means gold" but "everything is
# gold": all its pictures were golden, so nothing told it when *not* to. On the right a falling line
# is the price. (Four prompts are few, so expect it to jump; [the
# card](../helpers/weights/stickers-golden/README.md) has more.)
#
# What helps against forgetting:
#
# - **old pictures among the new**: half of the pictures that `stickers-golden` learned from are
#   ordinary ones with ordinary captions, and so it could learn the difference. Do you see it in the
#   stars? Where you have no old pictures, let the model draw some before the training
#   ([DreamBooth](https://arxiv.org/abs/2208.12242) calls this *prior preservation*);
# - fewer steps, a smaller learning rate, a lower rank;
# - a smaller weight, or no LoRA at all when you do not need it. That is the beauty of an addition
#   that is stored apart: the model itself has forgotten nothing.
#
# ## 8 · Overfitting: learning by heart
#
# What if there are too few pictures, or too many steps? We train a new LoRA on **two** pictures
# only, with a high learning rate, and after every 15 steps give both exams: one on the two
# pictures, one on those kept back. It takes about as long as the training above. `fine_tune` is the
# loop of section 5, with a bar that shows the time left, here switched off. (Each turn has a seed
# of its own, or it would see the same noise again.)

# %% picture="12.overfitting"
by_heart = load_pipeline("stickers")
add_lora(by_heart, rank=4)
two = TrainingSet(by_heart, to_learn[:2])
steps, seen, unseen = [0], [two.validation_loss(by_heart)], [exam_set.validation_loss(by_heart)]
for turn in range(4):
    again = TrainingSet(by_heart, to_learn[:2], seed=turn)
    fine_tune(by_heart, again, steps=15, batch_size=4, learning_rate=5e-3, progress=False)
    steps.append(steps[-1] + 15)
    seen.append(two.validation_loss(by_heart))
    unseen.append(exam_set.validation_loss(by_heart))

figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
axes.plot(steps, seen, "o-", label="the two pictures")
axes.plot(steps, unseen, "s--", label="pictures kept back")
axes.set(xlabel="step", ylabel="exam loss", ylim=(0, None))
axes.legend()
plt.show()

# %% [markdown]
# The two pictures should be known better and better. That alone looks like success. The other line
# tells the truth: where it stops falling, or rises, the model no longer learns what such pictures
# have in common, but learns these two by heart. That is **overfitting**. The remedy is to stop in
# time.
#
# ### Exercise 4 · When to stop
#
# Complete the function. It gets three lists of one length: the numbers of steps, the exam losses of
# the pictures that were trained on, and those of the pictures that were kept back. It returns the
# **number of steps** after which you would have stopped.


# %% exercise="12.stop"
def best_stop(steps, seen, unseen):
    return steps[unseen.index(min(unseen))]  # SOLUTION


# %%
exercise("12.stop").check(best_stop=best_stop)
# exercise("12.stop").hint()

# %% [markdown] hint="12.stop"
# Which of the two exams tells whether the model is still good at something new?

# %% [markdown] hint="12.stop"
# `min(...)` finds the lowest loss, and `.index(...)` of a list says at which place it stands. What
# stands at that place in `steps`?


# %% wrong="12.stop" says="trained on"
def best_stop(steps, seen, unseen):
    return steps[seen.index(min(seen))]


# %% wrong="12.stop" says="a place in the list"
def best_stop(steps, seen, unseen):
    return unseen.index(min(unseen))


# %% wrong="12.stop" says="a loss"
def best_stop(steps, seen, unseen):
    return min(unseen)


# %% tags=["nbval-ignore-output"]
stop = best_stop(steps, seen, unseen)
print("First solve exercise 4." if stop is ... else f"Stop after {stop} steps.")

# %% [markdown]
# ## 9 · Your own pictures
#
# `read_pictures` takes any image folder. Below, the golden pictures that you just drew become one,
# in the way of lesson 11: rated, agreed to, exported, and read again. (No person rated them, so
# their origin is "rule".) With real ratings, put the exported folder into `MY_FOLDER` of section 2.
#
# Think before you train on pictures that a model drew itself. It learns *your taste*, out of what
# it can already do; but it also learns its own mistakes once more. And for pictures that somebody
# else made, ask first: a style is somebody's work, and a face is somebody's face.

# %%
feedback = Feedback(Path(tempfile.mkdtemp()) / "ratings.sqlite")
for seed, (image, prompt) in enumerate(zip(long_after, PROMPTS, strict=True)):
    feedback.add(
        image,
        {"prompt": prompt, "seed": seed, "num_inference_steps": 15, "guidance_scale": 5.0},
        vote=1,
        model="stickers-golden",
        model_version=model_fingerprint(golden),
        consent="training",
        origin="rule",
    )
exported = feedback.export_images(tempfile.mkdtemp(), consent="training", minimum_score=1)
liked = read_pictures(exported)
print(len(liked), "liked pictures; the set is ready:", len(TrainingSet(by_heart, liked)))

# %% [markdown]
# How many pictures? DreamBooth, of section 7, makes do with three to five of one object; our 24 for
# *golden* each show another object. More of the same only teach the same. Write captions that say
# everything that should **not** become part of the new word: ours name the subject and the
# background, so that only the gold is left for *golden*.
#
# ## 10 · The real Stable Diffusion
#
# The same lines train Stable Diffusion 1.5 on a GPU. What changes:
#
# | | here | Stable Diffusion 1.5 |
# | --- | --- | --- |
# | model | `load_pipeline("stickers")` | `load_pipeline("sd-v1-5")` |
# | pictures | 128 × 128, latents 16 × 16 | 512 × 512, latents 64 × 64: `TrainingSet` sees to it |
# | predicts | the velocity | the noise: `TrainingSet` sees to it |
# | numbers | float32 | the model in float16, the LoRA in float32: `add_lora` sees to it |
# | memory | no matter | `enable_gradient_checkpointing()`: compute again, keep less |
# | layers with a LoRA | attention and convolutions | attention |
# | batch, learning rate | 4, 0.004 | 1, 0.0001 |
#
# The last two lines are what [diffusers' own training
# script](https://github.com/huggingface/diffusers/blob/main/examples/text_to_image/README.md)
# suggests, with float16, for GPUs such as the T4 that Colab lends. Our model is small and bears a
# far higher rate. For the number of steps, look at pictures on the way, and at the exam. (The parts
# of the cell below were tested with a tiny model of the same form, the whole not with the real one:
# there was no GPU with its weights at hand when it was written.)
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
# - A **LoRA** adds two thin matrices to a layer and trains only these; it is small, stored apart,
#   and has a weight to turn.
# - Training is a loop: noise a picture, predict, compare with noise or velocity, change a little.
# - The loss of a step jumps. An **exam** with fixed noise, on pictures that were kept back, tells
#   what was learned.
# - A new word comes at a price. Measure what was **forgotten**, with old prompts.
# - Few pictures and many steps are learned by heart: stop when the exam does.
# - The model can learn only what its VAE can hold, and only what the captions leave to the new
#   word.
#
# This was the last lesson. You can load a model, steer it, open it, measure it, give it a page, ask
# people about it, and train it further.
#
# **Read on:** [Models and licences](../course/reading/models-and-licences.md), before you pass on a
# model that you trained, and [Limits](../course/reading/limits.md), on what must not be made.
#
# **Try on your own:** make a style of your own (`training/golden.py` is short; let it paint
# everything blue, or leave out the face), train on it, and measure. Mix pictures that the model
# drew from old prompts into your set: does the dashed line of section 7 come down?
