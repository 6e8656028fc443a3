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
# # 08 · Distilled models: smaller, faster, and how much worse?
#
# A large model can teach a small one. The small one is faster, and may be nearly as good. In this
# lesson you take blocks out of a U-Net, meet the **student** that learned to do without them, and
# measure what was won and what was lost.
#
# **At the end you will be able to**
#
# - say what knowledge distillation is, and which three things a student learns from;
# - count what was removed;
# - compare two models fairly: same prompts, same noise, in turns;
# - work out how much faster a picture gets when one part gets faster;
# - read the figures of published distilled models, and check them yourself if you have a GPU.
#
# **Time:** about 60 minutes. **You need:** lessons 06 (the parts) and 07 (CLIP score and
# R-precision).
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/08_distilled.ipynb` three exercises have a gap, written `...`. Fill
#    the gap, run the cell, and run the check below it.
# 2. *With hints.* Stuck? Remove the `#` in front of the hint line below the check. Each run gives
#    one more hint. Put the `#` back to see the check again.
# 3. *With the complete solution.* `solutions/08_distilled.ipynb` is this notebook with every gap
#    filled and every picture shown.

# %%
import copy

import matplotlib.pyplot as plt
import torch
from IPython.display import display

from helpers import (
    PUBLISHED_QUALITY,
    PUBLISHED_TIMES,
    compare,
    exercise,
    image_grid,
    load_pipeline,
    load_ranker,
    reference_table,
    seeded_latents,
)

# %% [markdown]
# ## 1 · Two models
#
# `stickers` you know; it is the **teacher** here. `stickers-distilled` is its student. They share
# the tokenizer, the text encoder and the VAE; only the U-Net differs. It is made of blocks: they
# shrink the latents on the way down, work on them in the middle, and enlarge them again on the way
# up. We print the blocks of both with their numbers of parameters. Those with `CrossAttn` in their
# name listen to the prompt, as in lesson 06. What is missing in the student?

# %%
teacher = load_pipeline("stickers")
student = load_pipeline("stickers-distilled")


def list_blocks(unet):
    blocks = [*unet.down_blocks, unet.mid_block, *unet.up_blocks]
    for block in blocks:
        if block is not None:
            count = sum(weights.numel() for weights in block.parameters())
            print(f"  {type(block).__name__:24} {count:>10,}")


print("teacher")
list_blocks(teacher.unet)
print("student")
list_blocks(student.unet)

# %% [markdown]
# The U-Net of the teacher works at three resolutions, 16 × 16, 8 × 8 and 4 × 4 places, and has a
# block in the middle. The student has lost the middle and everything at 4 × 4. This is how
# [BK-SDM-Tiny](https://arxiv.org/abs/2305.15798) was cut from Stable Diffusion 1.4. (*BK* is for
# *block-removed, knowledge-distilled*.)
#
# ### Exercise 1 · How much was removed?
#
# Complete the function. It returns the share of the teacher's parameters that the student does not
# have, as a number from 0 to 1: if 3 of 4 parameters are gone, 0.75.


# %% exercise="08.removed"
def removed_share(teacher_unet, student_unet):
    # BEGIN SOLUTION
    before = sum(weights.numel() for weights in teacher_unet.parameters())
    after = sum(weights.numel() for weights in student_unet.parameters())
    return 1 - after / before
    # END SOLUTION


# %%
exercise("08.removed").check(removed_share=removed_share, teacher=teacher, student=student)
# exercise("08.removed").hint()

# %% [markdown] hint="08.removed"
# Count the parameters of both. In lesson 01 you wrote `sum(... for ... in network.parameters())`.

# %% [markdown] hint="08.removed"
# `after / before` is the share that is left. The rest of the whole, 1, was removed.


# %% wrong="08.removed" says="share that is left"
def removed_share(teacher_unet, student_unet):
    return student_unet.num_parameters() / teacher_unet.num_parameters()


# %% wrong="08.removed" says="counts the tensors"
def removed_share(teacher_unet, student_unet):
    return 1 - len(list(student_unet.parameters())) / len(list(teacher_unet.parameters()))


# %% wrong="08.removed" says="in percent"
def removed_share(teacher_unet, student_unet):
    return 100 * (1 - student_unet.num_parameters() / teacher_unet.num_parameters())


# %% wrong="08.removed" says="a number of parameters"
def removed_share(teacher_unet, student_unet):
    return teacher_unet.num_parameters() - student_unet.num_parameters()


# %% wrong="08.removed" says="of the student's"
def removed_share(teacher_unet, student_unet):
    before, after = teacher_unet.num_parameters(), student_unet.num_parameters()
    return (before - after) / after


# %% [markdown]
# ## 2 · Just take blocks out?
#
# Try it: we copy the teacher's U-Net and remove only its middle. The blocks around it are all
# there, but none of them has ever worked without it. Decide first: will it still draw?
#
# Above are the teacher's pictures, below those of the cut copy, from the same noise.

# %% picture="08.cut"
PROMPTS = [
    "a 3d sticker of a fox on a teal background",
    "a flat sticker of a rocket at night",
    "a cartoon sticker of a sunflower on a yellow background",
    "a simple sticker of a whale at the beach",
    "a cartoon sticker of a penguin in the snow",
    "a 3d sticker of a pizza on a purple background",
]
SETTINGS = {"num_inference_steps": 25, "guidance_scale": 5.0}

cut = copy.copy(teacher)
cut.unet = copy.deepcopy(teacher.unet)
cut.unet.mid_block = None
few = PROMPTS[:3]
with_middle, without_middle = (
    pipe(few, latents=seeded_latents(pipe, range(3)), **SETTINGS).images for pipe in (teacher, cut)
)
print(len(with_middle), "pictures with the middle,", len(without_middle), "without")
labels = [f"teacher {number}" for number in range(3)] + [f"cut {number}" for number in range(3)]
display(image_grid(with_middle + without_middle, rows=2, labels=labels))

# %% [markdown]
# Not all blocks matter alike: look whether the middle is missed here. The student lacks far more
# than the middle, and what it lacks it had to learn to do without.

# %% [markdown]
# ## 3 · Learning from the teacher
#
# **Knowledge distillation** trains the small model with the large one as its example. The student
# starts with the teacher's weights wherever it still has the same block. Then, for noisy latents
# of the training pictures, it learns from three things at once:
#
# - **the task:** its prediction should be the true velocity (or noise), as in ordinary training;
# - **the output:** its prediction should be what the teacher predicts;
# - **the features:** at the end of each block, its numbers should be what the teacher has there.
#
# Why does the teacher help, if the truth is known? The truth of one training picture is a matter of
# chance: of all the pictures that could hide behind these noisy latents it is only one. The teacher
# answers with what it has learned from all of them. And the features tell each block what *it*
# should do, not only the whole network.
#
# For each, the distance is the mean of the squared differences (the *mean squared error*). The
# **loss**, which training makes smaller, is their sum, each multiplied by a factor that says how
# much it counts. (`training/distil.py` is the program that trained our student.)
#
# ### Exercise 2 · The loss
#
# Complete the function for the first two of the three: the task, plus `output_weight` times the
# output. `target` is the true velocity. All are tensors of one shape; return one number as a
# tensor.


# %% exercise="08.loss"
def distillation_loss(student_says, teacher_says, target, output_weight):
    # BEGIN SOLUTION
    task = (student_says - target).square().mean()
    output = (student_says - teacher_says).square().mean()
    return task + output_weight * output
    # END SOLUTION


# %%
exercise("08.loss").check(distillation_loss=distillation_loss)
# exercise("08.loss").hint()

# %% [markdown] hint="08.loss"
# Both distances are *from the student's prediction*: one to `target`, the other to what the
# teacher says.

# %% [markdown] hint="08.loss"
# `(a - b).square().mean()` is the mean squared error of two tensors.


# %% wrong="08.loss" says="teacher's own error"
def distillation_loss(student_says, teacher_says, target, output_weight):
    task = (student_says - target).square().mean()
    return task + output_weight * (teacher_says - target).square().mean()


# %% wrong="08.loss" says="`output_weight`"
def distillation_loss(student_says, teacher_says, target, output_weight):
    task = (student_says - target).square().mean()
    return task + (student_says - teacher_says).square().mean()


# %% wrong="08.loss" says="squared"
def distillation_loss(student_says, teacher_says, target, output_weight):
    task = (student_says - target).abs().mean()
    return task + output_weight * (student_says - teacher_says).abs().mean()


# %% wrong="08.loss" says="the sum"
def distillation_loss(student_says, teacher_says, target, output_weight):
    task = (student_says - target).square().sum()
    return task + output_weight * (student_says - teacher_says).square().sum()


# %% wrong="08.loss" says="Square first"
def distillation_loss(student_says, teacher_says, target, output_weight):
    task = (student_says - target).mean().square()
    return task + output_weight * (student_says - teacher_says).mean().square()


# %% wrong="08.loss" says="task is missing"
def distillation_loss(student_says, teacher_says, target, output_weight):
    return output_weight * (student_says - teacher_says).square().mean()


# %% [markdown]
# ## 4 · Side by side
#
# A fair comparison gives both the same prompts and the same noise, and lets them take turns, since
# a computer that is warm or busy would otherwise slow down whoever comes last. `compare` does
# that. It loads one model at a time, lets each warm up, and takes the median of the rounds. With a
# ranker it also gives the mean CLIP score and R-precision (lesson 07).
#
# Before you run it: how many times as fast do you expect the student to be? And how much of its
# CLIP score will it lose? You have time to think: both models draw six pictures in each of two
# rounds, so wait a minute or so. (If you would rather see a progress bar, leave out
# `progress=False`.)

# %% tags=["nbval-ignore-output"]
MODELS = ["stickers", "stickers-distilled"]
ranker = load_ranker()


def measure(num_inference_steps, rounds):
    return compare(
        MODELS,
        prompt=PROMPTS,
        seed=20,
        rounds=rounds,
        batch_size=len(PROMPTS),
        ranker=ranker,
        guidance_scale=5.0,
        num_inference_steps=num_inference_steps,
        progress=False,
    )


comparison = measure(num_inference_steps=25, rounds=2)
table = comparison.table
columns = ["unet_parameters", "parameters", "seconds", "speed", "clip_score", "r_precision"]
display(table[columns].round(3))

# %% [markdown]
# The column `seconds` is for one picture, and `speed` says how many times as fast as the first
# model. R-precision is an easy exam here: these prompts differ in more than one word, so that the
# background alone may give the answer away.
#
# Now the pictures: above the teacher, below the student, same noise. Do they even show the same
# composition? Where does the student lose: in the subject, in the colours, in the small things?

# %% picture="08.side_by_side"
pictures = comparison.images["stickers"] + comparison.images["stickers-distilled"]
labels = ["teacher"] * len(PROMPTS) + ["student"] * len(PROMPTS)
print(len(pictures), "pictures, two of each prompt")
display(image_grid(pictures, rows=2, labels=labels))

# %% [markdown]
# Six pictures are enough to see something, and too few for a judgement. The [card of the distilled
# model](../helpers/weights/stickers-distilled/README.md) has R-precision on more prompts, marked by
# a CLIP that took no part in the training.
#
# ## 5 · Speed against quality
#
# There is another way to be faster: take fewer steps. So a student is worth it only if it is
# better than its teacher *in the same time*. We measure both with fewer steps too; expect another
# wait. Each point is a model with a number of steps: left is fast, up is good. Mind the numbers on
# the upright axis: it does not begin at 0, so a small difference looks large. And the CLIP scores
# of six pictures jump a little; look at the trend.

# %% picture="08.speed_quality"
measured = {steps: measure(steps, rounds=1).table for steps in (6, 12)} | {25: table}
figure, axes = plt.subplots(figsize=(6, 3.6))
for model, marker in zip(MODELS, ["o-", "s--"], strict=True):
    rows = [one.loc[model] for one in measured.values()]
    axes.plot(
        [row["seconds"] for row in rows], [row["clip_score"] for row in rows], marker, label=model
    )
    for steps, row in zip(measured, rows, strict=True):
        axes.annotate(
            f"{steps} steps",
            (row["seconds"], row["clip_score"]),
            (4, -12),
            textcoords="offset points",
        )
axes.margins(x=0.25, y=0.15)
axes.set_xlim(left=0)
axes.set_xlabel("seconds a picture")
axes.set_ylabel("mean CLIP score")
axes.legend()
plt.show()

# %% [markdown]
# ## 6 · Why is it not as much faster as it is smaller?
#
# Not everything in a picture's time is U-Net. Text encoder and VAE take as long as before. And
# small tensors leave a processor waiting: at 4 × 4 places there is little to compute, but each
# layer has to be started.
#
# ### Exercise 3 · How much faster is the whole?
#
# Complete the function. The U-Net takes `unet_share` of a picture's time, a number from 0 to 1,
# and becomes `unet_speed` times as fast. The rest stays. How many times as fast is the whole
# picture? (This is known as [Amdahl's law](https://doi.org/10.1145/1465482.1465560).)


# %% exercise="08.speed"
def whole_speed(unet_share, unet_speed):
    return 1 / ((1 - unet_share) + unet_share / unet_speed)  # SOLUTION


# %%
exercise("08.speed").check(whole_speed=whole_speed)
# exercise("08.speed").hint()

# %% [markdown] hint="08.speed"
# Say a picture took 1 second before. How long does the rest take, and how long does the faster
# U-Net take?

# %% [markdown] hint="08.speed"
# The new time is the rest, `1 - unet_share`, plus `unet_share / unet_speed`. Speed is old time
# divided by new time.


# %% wrong="08.speed" says="new time"
def whole_speed(unet_share, unet_speed):
    return (1 - unet_share) + unet_share / unet_speed


# %% wrong="08.speed" says="mean of the speeds"
def whole_speed(unet_share, unet_speed):
    return (1 - unet_share) * 1 + unet_share * unet_speed


# %% wrong="08.speed" says="the rest"
def whole_speed(unet_share, unet_speed):
    return unet_speed / unet_share


# %% tags=["nbval-ignore-output"]
for share in (0.5, 0.8, 0.95):
    speed = whole_speed(share, 3)
    if speed is ...:
        print("First solve exercise 3.")
        break
    print(f"U-Net {share:.0%} of the time, 3 times as fast: the picture {speed:.2f} times as fast")

# %% [markdown]
# ## 7 · The published models
#
# Two pairs of teacher and student are well known: *SDXL base* and *SSD-1B*, and *Stable Diffusion
# 1.4* and *bk-sdm-small*. How large they are needs no download: their U-Nets can be built from
# their configurations on PyTorch's `meta` device, where a tensor has a shape but no numbers.
# `reference_table` counts their parameters, and the work of one call (in *MACs*, a multiplication
# with an addition). We show the parameters in millions and the MACs in billions. The columns with
# `ratio` say how many times as large the teacher is.

# %% tags=["nbval-ignore-output"]
reference = reference_table()
reference["parameters"] = reference["parameters"] / 1e6
reference["macs"] = reference["macs"] / 1e9
display(reference.round(2))

# %% [markdown]
# And what others measured. Look at the sources before you trust a number, and at what exactly was
# measured. First the times.


# %% tags=["nbval-ignore-output"]
def show_published(published):
    print(published.what)
    print("Source:", published.source)
    display(published.table)


show_published(PUBLISHED_TIMES)

# %% [markdown]
# Then the quality, by three measures. CLIP score you know, here that of a large CLIP. **FID** says
# how far a set of generated pictures is from a set of real ones, and **IS** how clear and how
# varied the pictures are.

# %% tags=["nbval-ignore-output"]
show_published(PUBLISHED_QUALITY)

# %% [markdown]
# For the pair of SDXL a [published
# measurement](https://huggingface.co/datasets/sayakpaul/sample-datasets/commit/fa3951592c72eee8b1dd127337edfeeb2be789f6)
# gives 7.362 seconds for SDXL base and 4.813 for SSD-1B: one picture, 30 steps, on a GPU with 80
# GB, nothing optimised.
#
# Compare the ratio of the times with the ratio of the MACs in the table above. Times and work do
# not shrink alike, for the reasons of section 6.
#
# ### The real comparison
#
# With a GPU and a network you can measure them yourself. The next cell downloads two models the
# first time; add `"sdxl"` and `"ssd-1b"` if your GPU is large enough. (`python -m helpers models`
# says how much each needs.) Write `REAL = True`.

# %%
REAL = False
if REAL and torch.cuda.is_available():
    real = compare(
        ["sd-v1-4", "bk-sdm-small"],
        prompt="a fox in the snow, oil painting",
        rounds=3,
        num_inference_steps=25,
        guidance_scale=7.5,
    )
    display(real.table)
    real.plot()
    plt.show()
    display(
        image_grid([pictures[0] for pictures in real.images.values()], rows=1, labels=real.images)
    )
else:
    print("the comparison of the large models is left out")

# %% [markdown]
# ## What you learned
#
# - **Distillation** lets a small model learn from a large one: from the task, from its output and
#   from its features.
# - Not all blocks matter alike. What the missing ones did must be learned by those that are left.
# - A fair comparison has the same prompts and noise, warm-up, turns and a median.
# - A faster part makes the whole faster only as far as that part's share goes.
# - Fewer blocks and fewer steps are two ways to be fast; compare them in the same time.
# - Published times belong to one machine. Ratios travel better, and your own measurement best.
#
# **Read on:** [Distillation](../course/reading/distillation.md).
#
# Next: [lesson 09](09_faces.ipynb), in which you call a model that runs outside your notebook.
