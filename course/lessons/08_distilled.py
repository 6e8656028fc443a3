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
# A large model, the **teacher**, can train a small one, the **student**. The student is faster. How
# much of the quality does it keep? You take blocks out of a U-Net, meet a student that learned to
# work without them, and measure what was gained and what was lost. Below: the teacher's pictures in
# the first row, the student's in the second, from the same noise.

# %%
import copy
from types import SimpleNamespace

import matplotlib.pyplot as plt
import torch
from IPython.display import display
from torch.utils.flop_counter import FlopCounterMode

from helpers import (
    PUBLISHED_QUALITY,
    PUBLISHED_TIMES,
    SUBJECTS,
    TrainingSet,
    compare,
    exercise,
    image_grid,
    load_pipeline,
    load_ranker,
    reference_table,
    seeded_latents,
)

MODEL = "stickers"  # or "sd-v1-5", the real one, where there is a GPU and a network
STUDENT = "stickers-distilled" if MODEL == "stickers" else "bk-sdm-small"
TURBO = "stickers-turbo" if MODEL == "stickers" else "sd-turbo"  # for a section near the end
teacher = load_pipeline(MODEL)
student = load_pipeline(STUDENT)

# %% picture="08.first"
FEW = [
    "a 3d sticker of a fox on a teal background",
    "a flat sticker of a rocket at night",
    "a cartoon sticker of a sunflower on a blue background",
    "a simple sticker of a whale at the beach",
]


def draw(pipe):
    latents = seeded_latents(pipe, range(len(FEW)))
    return pipe(FEW, latents=latents, num_inference_steps=25, guidance_scale=5.0).images


teachers_pictures, students_pictures = draw(teacher), draw(student)
print(len(teachers_pictures), "pictures of the teacher,", len(students_pictures), "of the student")
display(image_grid(teachers_pictures + students_pictures, rows=2, min_width=256))

# %% [markdown]
# **At the end you will be able to**
#
# - say what knowledge distillation is, and which three things a student learns from;
# - count what was removed;
# - compare two models fairly: same prompts, same noise, in turns;
# - work out how much faster a picture becomes when one part becomes faster;
# - read the figures of published distilled models, and check them yourself if you have a GPU.
#
# **Time:** 45 minutes for the core path, sections 1 to 5. The sections headed *More* take another
# 25. **You need:** lessons 06 (the parts) and 07 (CLIP score and R-precision).
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/08_distilled.ipynb` three exercises have a gap, written `...`. Fill
#    the gap, run the cell, and run the check below it.
# 2. *With hints.* Stuck? Remove the `#` in front of the hint line below the check. Each run gives
#    one more hint.
# 3. *With the complete solution.* `solutions/08_distilled.ipynb` is this notebook with every gap
#    filled and every picture shown.
#
# ## 1 · Two models
#
# The two share the tokenizer, the text encoder and the VAE; only the U-Net differs. It is made of
# blocks. They reduce the resolution of the latents on the way down, work on them in the middle, and
# restore the resolution on the way up. We print the blocks of both with their resolution, their
# **channels** (how many numbers they pass on for each place) and their numbers of parameters.
# Blocks with `CrossAttn` in their name read the prompt, as in lesson 06. What is missing in the
# student?


# %%
def list_blocks(unet):
    side, deepest = unet.config.sample_size, len(unet.down_blocks) - 1
    blocks = [(block, depth) for depth, block in enumerate(unet.down_blocks)]
    blocks += [(unet.mid_block, deepest)] if unet.mid_block else []
    blocks += [(block, deepest - step) for step, block in enumerate(unet.up_blocks)]
    for block, depth in blocks:
        place = f"{side // 2**depth} × {side // 2**depth}"
        channels = block.resnets[-1].out_channels
        count = sum(weights.numel() for weights in block.parameters())
        print(f"  {place:8} {type(block).__name__:24} {channels:5} channels {count:>12,}")


print("teacher")
list_blocks(teacher.unet)
print("student")
list_blocks(student.unet)

# %% [markdown]
# (The resolution is the one at which a block's layers work. Lesson 06 printed it at the block's
# end, after the change.)
#
# Our student follows [BK-SDM](https://arxiv.org/abs/2305.15798) (*block-removed
# knowledge-distilled* Stable Diffusion models). Its authors cut Stable Diffusion 1.4 in three ways.
# *Base* keeps one of two layers in each block on the way down, and two of three on the way up.
# *Small* also loses the middle block, and *Tiny* the middle and the stage with the lowest
# resolution. Ours loses the middle, too. Our teacher has only one layer in each block on the way
# down, so none could be left out there. Instead all layers became narrower: of every three
# channels, two stay.
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


# %% wrong="08.removed" says="only the parameters that are trained"
def removed_share(teacher_unet, student_unet):
    before, after = (
        sum(p.numel() for p in unet.parameters() if p.requires_grad)
        for unet in (teacher_unet, student_unet)
    )
    return 1 - after / before


# %% right="08.removed"
def removed_share(teacher_unet, student_unet):
    before, after = teacher_unet.num_parameters(), student_unet.num_parameters()
    return (before - after) / before


# %% right="08.removed"
def removed_share(teacher_unet, student_unet):
    before, after = (
        torch.tensor([p.numel() for p in unet.parameters()], dtype=torch.float64).sum()
        for unet in (teacher_unet, student_unet)
    )
    return 1 - after / before


# %% right="08.removed"
def removed_share(teacher_unet, student_unet):
    from fractions import Fraction

    def size(unet):
        return sum(weights.nelement() for weights in unet.parameters())

    return 1 - Fraction(size(student_unet), size(teacher_unet))


# %% [markdown]
# ## 2 · Just take blocks out?
#
# Try it in two ways, without any training:
#
# - the teacher without its middle block;
# - the student's shape, with the teacher's weights in what is left. (Where a layer has fewer
#   channels, the cell takes some of the teacher's, evenly spread.) This is how a student starts.
#
# Decide first: which of the two will still draw? The last row is the trained student.

# %% picture="08.cut"
no_middle = copy.copy(teacher)
no_middle.unet = copy.deepcopy(teacher.unet)
no_middle.unet.mid_block = None

cut = copy.copy(teacher)
cut.unet = copy.deepcopy(student.unet)
weights_of_teacher = teacher.unet.state_dict()
for name, own in cut.unet.named_parameters():
    left = weights_of_teacher[name]
    for dimension, channels in enumerate(own.shape):
        evenly = torch.arange(channels, device=left.device) * left.shape[dimension] // channels
        left = left.index_select(dimension, evenly)
    own.data.copy_(left)

rows = {"teacher": teachers_pictures, "no middle": draw(no_middle), "cut": draw(cut)}
rows["student"] = students_pictures
labels = [label for label, pictures in rows.items() for _ in pictures]
print(len(rows), "rows of", len(FEW), "pictures")
display(image_grid(sum(rows.values(), []), rows=len(rows), labels=labels))

# %% [markdown]
# Parts differ in how much they matter. Compare the second row with the first to see how much the
# middle contributes. The U-Nets of the third and the fourth row have the same layers: the only
# difference is training.
#
# ## 3 · Learning from the teacher
#
# **Knowledge distillation** trains the small model with the large one as its example. For noisy
# latents of the training pictures, the student learns from three things at once:
#
# - **the task:** its prediction should be the true velocity (or noise), as in ordinary training;
# - **the output:** its prediction should be what the teacher predicts;
# - **the features:** at the end of each block, its values should be those of the teacher there.
#   (Ours has fewer channels. It is compared with those of the teacher's channels that it kept.)
#
# Why does the teacher help, if the true answer is known? Because the true answer for one training
# picture is a matter of chance: many pictures could hide behind these noisy latents, and it is only
# one of them. The teacher answers with what it has learned from all of them. The features also say
# what *each block* should do, not only the whole network.
#
# For each of the three, the distance is the **mean squared error**. The **loss**, which training
# reduces, is their weighted sum. (`training/distil.py` is the program that trained our student.)
#
# ### Exercise 2 · The loss
#
# Complete the function for the first two of the three: the task, plus `output_weight` times the
# output. `target` is the true velocity. All are tensors of one shape. Return a tensor with one
# number, so that PyTorch can compute gradients from it.


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


# %% wrong="08.loss" says="plain number"
def distillation_loss(student_says, teacher_says, target, output_weight):
    task = (student_says - target).square().mean()
    return (task + output_weight * (student_says - teacher_says).square().mean()).item()


# %% wrong="08.loss" says="no way back"
def distillation_loss(student_says, teacher_says, target, output_weight):
    student_says = student_says.detach()
    task = (student_says - target).square().mean()
    return task + output_weight * (student_says - teacher_says).square().mean()


# %% wrong="08.loss" says="pulled by only a part"
def distillation_loss(student_says, teacher_says, target, output_weight):
    task = (student_says.detach() - target).square().mean()
    return task + output_weight * (student_says - teacher_says).square().mean()


# %% right="08.loss"
def distillation_loss(student_says, teacher_says, target, output_weight):
    mse = torch.nn.functional.mse_loss
    return mse(student_says, target) + output_weight * mse(student_says, teacher_says.detach())


# %% right="08.loss"
def distillation_loss(student_says, teacher_says, target, output_weight):
    both = torch.stack([student_says - target, student_says - teacher_says]).flatten(1)
    return (both**2).mean(dim=1) @ torch.tensor([1.0, output_weight])


# %% right="08.loss"
def distillation_loss(student_says, teacher_says, target, output_weight):
    loss = torch.nn.MSELoss()
    return torch.add(
        loss(student_says, target), loss(student_says, teacher_says), alpha=output_weight
    )


# %% [markdown]
# Your loss can now measure what training did. We add noise to the teacher's pictures from above,
# let the cut U-Net and the trained student predict, and compute the loss of both. (`TrainingSet`
# prepares the noisy latents; lesson 12 explains it.) Expect the trained one to be far lower.

# %% tags=["nbval-ignore-output"]
pairs = [
    SimpleNamespace(image=image, prompt=prompt)
    for image, prompt in zip(teachers_pictures, FEW, strict=True)
]
noisy, timesteps, states, target = TrainingSet(teacher, pairs).batch(step=0, batch_size=4)
with torch.no_grad():
    teacher_says = teacher.unet(noisy, timesteps, states).sample
    for name, unet in (("cut", cut.unet), ("trained", student.unet)):
        student_says = unet(noisy, timesteps, states).sample
        print(name, distillation_loss(student_says, teacher_says, target, 1.0))

# %% [markdown]
# ## 4 · Side by side
#
# A fair comparison gives both models the same prompts and the same noise, and lets them take turns,
# since a computer that is warm or busy would otherwise slow down the model that comes last.
# `compare` does that. It loads one model at a time, lets each warm up, and takes the median of the
# rounds. With a ranker it also gives the mean CLIP score and R-precision (lesson 07).
#
# For the quality we need a test that is hard enough to show a difference. Twelve prompts name every
# sixth of the 70 subjects. For each picture, CLIP says how probable each of the *70* subjects is.
# **Recognized** is the mean probability of the right one. A mean of probabilities varies less than
# a count of hits.
#
# Before you run the cell: how many times as fast do you expect the student to be? Both models draw
# twelve pictures in each of two rounds, so wait a minute or two.

# %% tags=["nbval-ignore-output"]
ranker = load_ranker("stickers-clip" if MODEL == "stickers" else "openai/clip-vit-base-patch32")
captions = [f"3d {subject}, teal background" for subject in SUBJECTS]
PROMPTS = captions[::6]


def recognized(pictures):
    shares = ranker.scores(pictures, captions).logits.softmax(dim=1)
    return shares[:, ::6].diagonal().mean().item()


def measure(models, num_inference_steps, guidance_scale=5.0, rounds=1):
    return compare(
        models,
        prompt=PROMPTS,
        seed=20,
        rounds=rounds,
        batch_size=len(PROMPTS),
        ranker=ranker,
        guidance_scale=guidance_scale,
        num_inference_steps=num_inference_steps,
        progress=False,
    )


comparison = measure([MODEL, STUDENT], 25, rounds=2)
table = comparison.table
table["recognized"] = [recognized(pictures) for pictures in comparison.images.values()]
columns = ["unet_parameters", "seconds", "speed", "clip_score", "r_precision", "recognized"]
display(table[columns].round(3))

# %% [markdown]
# `seconds` is the time per picture, and `speed` says how many times as fast as the first model each
# is. Now the pictures: the teacher's above, the student's below, from the same noise. Do they show
# the same composition? Where does the student lose: in the subject, in the colors, in the details?

# %% picture="08.side_by_side"
half = len(PROMPTS) // 2
pictures = comparison.images[MODEL][:half] + comparison.images[STUDENT][:half]
labels = [
    f"{who}: {subject}" for who in ("teacher", "student") for subject in SUBJECTS[: 6 * half : 6]
]
print(half, "of", len(PROMPTS), "prompts")
display(image_grid(pictures, rows=2, labels=labels, min_width=256))

# %% [markdown]
# Twelve pictures are enough to see something, and too few for a judgment. The [card of the
# distilled model](../helpers/weights/stickers-distilled/README.md) has figures for more prompts,
# from a CLIP that took no part in the training.
#
# ## 5 · The published models
#
# Two pairs of teacher and student are well known: *SDXL base* and *SSD-1B*
# ([paper](https://arxiv.org/abs/2401.02677)), and *Stable Diffusion 1.4* and *bk-sdm-small*. Their
# sizes need no download: the U-Nets can be built from their configurations on PyTorch's `meta`
# device, where a tensor has a shape but no values. `reference_table` counts their parameters, and
# the work of one call in **MACs** (one multiplication and one addition). The columns with `ratio`
# say how many times as much the teacher has.
#
# The column `seconds` has the times that a tutorial printed for one picture with each of the four
# models. We know neither its computer nor its settings, so only `seconds_ratio`, the ratio within a
# pair, is of use.

# %% tags=["nbval-ignore-output"]
reference = reference_table()
reference["parameters"] = reference["parameters"] / 1e6
reference["macs"] = reference["macs"] / 1e9
TUTORIAL = {"sdxl": 82.2, "ssd-1b": 59.4, "sd-v1-4": 15.4, "bk-sdm-small": 10.0}  # seconds
TEACHERS = {"ssd-1b": "sdxl", "bk-sdm-small": "sd-v1-4"}
reference["seconds"] = [TUTORIAL[name] for name in reference.index]
reference["seconds_ratio"] = [
    TUTORIAL[TEACHERS.get(name, name)] / TUTORIAL[name] for name in reference.index
]
display(reference.round(2))

# %% [markdown]
# Parameters are in millions, MACs in billions. Compare the three ratios of SSD-1B and of
# bk-sdm-small: the time shrinks less than the number of parameters does. A section below
# explains why.
#
# And what did the makers publish? Before you trust a number, look at its source and at what exactly
# was measured.


# %% tags=["nbval-ignore-output"]
def show_published(published):
    print(published.what)
    print("Source:", published.source)
    display(published.table)


show_published(PUBLISHED_TIMES)
show_published(PUBLISHED_QUALITY)

# %% [markdown]
# **FID** (*Fréchet inception distance*) says how far a set of generated pictures is from a set of
# real ones. **IS** (*inception score*) says how clear and how varied the pictures are.
#
# - diffusers' [documentation](https://huggingface.co/docs/diffusers/using-diffusers/distilled_sd)
#   says of such a student that it is 51 percent smaller and that its latency is 43 percent better.
#   The makers say [36 percent](https://huggingface.co/spaces/nota-ai/compressed-stable-diffusion)
#   for both figures of bk-sdm-small. Which model, which part and which computer: ask before you
#   quote.
# - The training was cheap: 13 days of one A100 GPU and 0.22 million pairs of picture and text, less
#   than 0.1 percent of the teacher's data (source: the paper).
# - For SDXL and SSD-1B a [published
#   measurement](https://huggingface.co/datasets/sayakpaul/sample-datasets/commit/fa3951592c72eee8b1dd127337edfeeb2be789f6)
#   gives 7.362 and 4.813 seconds: one picture, 30 steps, a GPU with 80 GB, nothing optimized.
#
# ## More · Distilling the steps
#
# A smaller U-Net makes each step cheaper. **Step distillation** makes the steps fewer. The student
# keeps the teacher's size and learns to do in one step what the teacher does in many. A good
# scheduler reaches about ten to twenty steps without any training; a distilled model draws in one
# to four. Guidance is learned along with it, so that each step needs one U-Net call instead of two.
#
# - **Progressive distillation** ([paper](https://arxiv.org/abs/2202.00512)): one step of the
#   student learns to do two of the teacher's; then the student becomes the teacher, and so on.
# - **Latent consistency models**, LCM ([paper](https://arxiv.org/abs/2310.04378)): from every point
#   of the way, the student predicts the end. *LCM-LoRA* does it as a small addition
#   (lesson 12 shows what a LoRA is).
# - **Adversarial distillation** ([paper](https://arxiv.org/abs/2311.17042)): a second network
#   decides whether the picture looks real. SD-Turbo and SDXL-Turbo come from it; *SDXL-Lightning*
#   ([paper](https://arxiv.org/abs/2402.13929)) combines it with the progressive kind.
#
# Ours, `stickers-turbo`, is a latent consistency model (`training/turbo.py` is the program that
# trained it). Its scheduler, LCM, adds new noise after each step but the last, as *Euler a* and
# DDPM of lesson 03 do in their own way. So the picture depends on a generator as well as on the
# latents.
#
# Below are the teacher with 25 and with 4 steps, then the turbo with 1, 2 and 4, and finally the
# turbo with guidance. After how many steps does a picture of the turbo look finished to you?

# %% picture="08.turbo"
turbo = load_pipeline(TURBO)


def draw_quickly(pipe, num_inference_steps, guidance_scale):
    return pipe(
        FEW,
        latents=seeded_latents(pipe, range(len(FEW))),
        generator=[torch.Generator().manual_seed(seed) for seed in range(len(FEW))],
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
    ).images


rows = {"teacher, 25 steps": teachers_pictures, "teacher, 4 steps": draw_quickly(teacher, 4, 5.0)}
for steps in (1, 2, 4):
    rows[f"turbo, {steps} step{'s' * (steps > 1)}"] = draw_quickly(turbo, steps, 1.0)
rows["turbo, 4 steps, guidance 5"] = draw_quickly(turbo, 4, 5.0)
labels = [label for label, pictures in rows.items() for _ in pictures]
print(len(rows), "rows of", len(FEW), "pictures")
display(image_grid(sum(rows.values(), []), rows=len(rows), labels=labels))

# %% [markdown]
# A perfect student would reach the end of the teacher's path in one step. Ours has learned that
# only roughly: where it is unsure it draws an average of several ends, which looks soft. Each
# further step may correct the one before.
#
# The work can be counted. In each of 25 steps the teacher's U-Net computes two predictions, with
# the prompt and without: 50 for a picture. The turbo needs 4.
#
# What you give up is control. A `guidance_scale` of 1 leaves guidance out, so a negative prompt has
# no effect (lesson 05). A larger scale applies guidance a second time, since it is already in the
# weights. The last row shows the effect: compare its colors with those of the row above.
#
# What you gain is a picture before you have typed the next word. In a terminal, start
# `python -m helpers app`, tick *Draw while I type* on its first page, and change the prompt.
#
# ## More · Speed against quality
#
# So there are two ways to be faster: a smaller U-Net, and fewer steps. A student is worth using
# only if it is better than its teacher *in the same time*. We measure all three models with few
# steps too. Each point is a model with a number of steps: left is fast, up is good. Note that the
# vertical axis does not begin at 0.

# %% picture="08.speed_quality" tags=["nbval-ignore-output"]
runs = {
    25: [comparison],
    8: [measure([MODEL, STUDENT], 8)],
    4: [measure([MODEL, STUDENT], 4), measure([TURBO], 4, guidance_scale=1.0)],
    2: [measure([TURBO], 2, guidance_scale=1.0)],
    1: [measure([TURBO], 1, guidance_scale=1.0)],
}
points = {}
for steps in sorted(runs):
    for run in runs[steps]:
        for name, pictures in run.images.items():
            points[name, steps] = (run.table.loc[name, "seconds"], recognized(pictures))

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
for name, marker in ((MODEL, "o-"), (STUDENT, "s--"), (TURBO, "^:")):
    own = [(steps, point) for (model, steps), point in points.items() if model == name]
    axes.plot(*zip(*[point for _, point in own], strict=True), marker, label=name)
    for steps, point in own:
        axes.annotate(steps, point, (5, -12), textcoords="offset points")
axes.margins(x=0.2, y=0.15)
axes.set(xlabel="seconds per picture", ylabel="recognized", title="Steps beside each point")
axes.set_xlim(left=0)
axes.legend()
plt.show()

# %% [markdown]
# A verdict by a rule: a point is worth choosing if no other is faster *and* at least as good. Such
# points form the **Pareto front**. With twelve pictures, differences of a few hundredths are
# chance, so the cell takes 0.03 for equal. Does each model have a point there?

# %% tags=["nbval-ignore-output"]
for (name, steps), (seconds, quality) in points.items():
    beaten = any(other[0] < seconds and other[1] >= quality - 0.03 for other in points.values())
    verdict = "another is faster and as good" if beaten else "worth choosing"
    print(f"{name:20} {steps:2} steps {seconds:6.2f} s  recognized {quality:.2f}  {verdict}")

# %% [markdown]
# The rule knows one measure only: whether a small CLIP recognizes the subject. It does not see
# smears or broken outlines. Compare its verdict with the pictures of section 4 and with the table
# of the student's card, where another CLIP judged. Would you choose the same points?
#
# ## More · Why is it not as much faster as it is smaller?
#
# First compare three ratios of our own pair: parameters, work and time; and the first two for the
# teacher without its middle. `FlopCounterMode` counts the operations of one U-Net call.


# %% tags=["nbval-ignore-output"]
def work(unet):
    with FlopCounterMode(display=False) as counter:
        unet(noisy[:1], timesteps[:1], states[:1])
    return counter.get_total_flops()


for name, unet in {"without its middle": no_middle.unet, "student": student.unet}.items():
    parameters = teacher.unet.num_parameters() / unet.num_parameters()
    ratio = work(teacher.unet) / work(unet)
    print(f"{name:20} parameters {parameters:.2f}  work {ratio:.2f}")
print(f"time of a picture, teacher by student: {table.loc[STUDENT, 'speed']:.2f}")

# %% [markdown]
# How can the two be so different in the table of section 5, and so alike here? **A convolution uses
# each weight once per place**: at 8 × 8 places 64 times, at 16 × 16 places 256 times. The blocks of
# a large U-Net that have the most parameters work at the lowest resolution, so removing *blocks*
# saves much memory and less work. Fewer *channels* save both alike, in all blocks.
#
# Time shrinks less than work. Small layers do not keep a processor busy: each has to be started,
# and its numbers fetched, however few they are. Also, a picture's time is not all U-Net. Text
# encoder and VAE take as long as before.
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


# %% wrong="08.speed" says="only of the U-Net"
def whole_speed(unet_share, unet_speed):
    return unet_speed


# %% right="08.speed"
def whole_speed(unet_share, unet_speed):
    return unet_speed / (unet_speed * (1 - unet_share) + unet_share)


# %% right="08.speed"
def whole_speed(unet_share, unet_speed):
    saved = unet_share * (1 - 1 / unet_speed)
    return (1 - saved) ** -1


# %% right="08.speed"
def whole_speed(unet_share, unet_speed):
    rest, unet = torch.tensor(1 - unet_share), torch.tensor(unet_share) / unet_speed
    return (rest + unet).reciprocal()


# %% tags=["nbval-ignore-output"]
unet_speed = work(teacher.unet) / work(student.unet)
for share in (0.5, 0.8, 0.95):
    speed = whole_speed(share, unet_speed)
    if speed is ...:
        print("First solve exercise 3.")
        break
    print(f"U-Net {share:.0%} of the time: the whole picture is {speed:.2f} times as fast")

# %% [markdown]
# ## More · The real comparison
#
# With a GPU and a network you can measure the large models yourself. The cell downloads two models
# the first time; add `"sdxl"` and `"ssd-1b"` if your GPU is large enough. (`python -m helpers
# models` says how much memory each needs.) Write `REAL = True`.

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
    turbo = load_pipeline("sd-turbo")
    display(turbo("a fox in the snow", num_inference_steps=1, guidance_scale=0.0).images[0])
else:
    print("the comparison of the large models is left out")

# %% [markdown]
# ## What you learned
#
# - **Distillation** lets a small model learn from a large one: from the task, from its output and
#   from its features.
# - Parts differ in how much they matter. What is left must learn what the others did.
# - A fair comparison has the same prompts and noise, warm-up, turns, and a median.
# - Published times belong to one computer. Ratios transfer better; your own measurement is best.
# - Time follows work more than the number of parameters, and a faster part speeds up the whole only
#   as far as that part's share goes.
# - A smaller U-Net and fewer steps are two ways to be fast. Compare them in the same time.
#
# **Try on your own:** run the test of section 4 with another seed. Which differences between the
# two models remain?
#
# **Read on:** [Distillation](../course/reading/distillation.md).
#
# Next: [lesson 09](09_faces.ipynb), in which you call a model that runs outside your notebook.
