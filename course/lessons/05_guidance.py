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
# # 05 · Guidance: how hard the prompt pushes
#
# In lesson 04 you chose the words. This lesson is about a single number that says how much they
# count: `guidance_scale`. Too low, and the picture drifts away from the prompt. Too high, and the
# colours scream. You turn the knob through its range, open the formula behind it, which is one
# line, and measure what it costs.
#
# **At the end you will be able to**
#
# - say what the guidance scale does, and choose a value for it;
# - compute the guided prediction from two predictions of the U-Net, as the pipeline does;
# - say what a negative prompt is in this formula, and prove when it is switched off;
# - measure colours that are too strong instead of only feeling them;
# - measure with CLIP what guidance buys, and say what such a measure cannot see.
#
# **Time:** about 60 minutes. **You need:** lessons 01 to 04.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/05_guidance.ipynb` four exercises have a gap, written `...`. Fill
#    the gap, run the cell, and run the check below it.
# 2. *With hints.* Remove the `#` in front of the hint line below the check. Each run gives one more
#    hint. Put the `#` back to see the check again.
# 3. *With the complete solution.* `solutions/05_guidance.ipynb` is this notebook with every gap
#    filled and every picture shown.

# %% [markdown]
# ## 1 · One poster, seven scales
#
# The tools are known: `sweep` draws a picture for each value of the settings that are lists, and
# `seeded_latents` makes the noise of a seed. Only the number of steps stays fixed in `SETTINGS`
# this time, again at 16.

# %%
import numpy
import torch
from IPython.display import display

from helpers import (
    exercise,
    explorer,
    image_grid,
    load_pipeline,
    load_ranker,
    seeded_latents,
    sweep,
)

pipe = load_pipeline("stickers")
STEPS = 16
SETTINGS = {"num_inference_steps": STEPS, "progress": False}
poster = "a 3d sticker of a rocket under the night sky"

# %% [markdown]
# ### Exercise 1 · From 2 to 20
#
# Make the sweep `by_guidance` of the `poster` with seed 7 and the guidance scales 2, 5, 8 and so on
# up to 20. Python's `range(start, stop, step)` gives such numbers, and `sweep` takes it like a
# list. Mind where a `range` ends. Vary nothing else.
#
# Before you run it, guess: which of the seven will be the best poster?

# %% exercise="05.sweep" picture="05.sweep"
# BEGIN SOLUTION
by_guidance = sweep(pipe, prompt=poster, seed=7, guidance_scale=range(2, 21, 3), **SETTINGS)
display(by_guidance)
# END SOLUTION
# BEGIN STUB
# by_guidance = ...  # a sweep; then show it with display(by_guidance)
# END STUB

# %%
exercise("05.sweep").check(by_guidance=by_guidance, poster=poster)
# exercise("05.sweep").hint()

# %% [markdown] hint="05.sweep"
# Print `list(range(2, 20, 3))`. Is the 20 among them?

# %% [markdown] hint="05.sweep"
# `sweep(pipe, prompt=…, seed=…, guidance_scale=…, **SETTINGS)`: only `guidance_scale` gets more
# than one value.

# %% wrong="05.sweep" says="20 is missing"
by_guidance = sweep(
    pipe, prompt=poster, seed=7, guidance_scale=range(2, 20, 3), num_inference_steps=1
)

# %% wrong="05.sweep" says="5, 8, 14, 17 is missing"
by_guidance = sweep(pipe, prompt=poster, seed=7, guidance_scale=[2, 11, 20], num_inference_steps=1)

# %% wrong="05.sweep" says="`num_inference_steps` varies as well"
by_guidance = sweep(pipe, prompt=poster, seed=7, num_inference_steps=range(1, 4))

# %% wrong="05.sweep" says="`seed` varies as well"
by_guidance = sweep(
    pipe, prompt=poster, seed=range(2), guidance_scale=[2, 5], num_inference_steps=1
)

# %% wrong="05.sweep" says="`seed` is 0"
by_guidance = sweep(pipe, prompt=poster, guidance_scale=range(2, 21, 3), num_inference_steps=1)

# %% [markdown]
# All seven started from the same noise, so you should recognise one scene in most of them. From
# left to right the prompt pushes harder. What happens to the contrast and to the colours? Where
# does detail get lost?
#
# On the course's site the figure in [the chapter on
# guidance](../course/reading/guidance.md#what-it-costs) has a slider for the scale: the model runs
# in the page and draws as you move it.
#
# ## 2 · Is it the seed?
#
# One seed is one case, and a case may be chance. Here are three seeds, a row each, and six scales,
# this time from 1 on and further apart. Choose the best picture of the first row while your hand
# covers the other two. Then do the same with each of these. Is the best column the same?

# %% picture="05.seeds"
scales = [1, 2, 4, 7, 12, 20]
by_seed = sweep(pipe, prompt=poster, seed=[1, 2, 3], guidance_scale=scales, **SETTINGS)
display(by_seed)

# %% [markdown]
# Keep `by_seed`. We shall measure on it in sections 5 and 6.
#
# ## 3 · Two predictions, and a straight line through them
#
# In each step the U-Net looks at the noisy latents and predicts what to take away. Lesson 01 said
# that it does so twice: once with your prompt, once with an empty one. Now we look at both. We take
# the pure noise of seed 7, and the first of the scheduler's timesteps, at which a picture starts.
# Each text becomes vectors, as in lesson 04, and the U-Net gets one copy of the latents for each.
# (Leave the details to lesson 06: `scale_model_input` and `init_noise_sigma` fit the latents to the
# scheduler, and `chunk` cuts the U-Net's answer into one part a text.)


# %%
@torch.no_grad()
def predict(latents, timestep, *prompts):
    texts = [pipe.encode_prompt(prompt, pipe.device, 1, False)[0] for prompt in prompts]
    copies = torch.cat([latents] * len(prompts))
    copies = pipe.scheduler.scale_model_input(copies, timestep)
    return pipe.unet(copies, timestep, torch.cat(texts)).sample.chunk(len(prompts))


pipe.scheduler.set_timesteps(STEPS)
noise = seeded_latents(pipe, 7) * pipe.scheduler.init_noise_sigma
empty, prompted = predict(noise, pipe.scheduler.timesteps[0], "", poster)
print("shapes:", tuple(empty.shape), tuple(prompted.shape))
print("equal:", torch.equal(empty, prompted))

# %% [markdown]
# Two tensors of the shape of the latents, and they differ. The difference, `prompted - empty`, is
# an arrow: it points from *some picture* to *a picture of the prompt*. **Classifier-free guidance**
# ([Ho and Salimans](https://arxiv.org/abs/2207.12598)) walks along this arrow. It starts at the
# prediction without the prompt and goes `guidance_scale` times the length of the arrow. At 1 it
# arrives at the prediction with the prompt. At more than 1 it overshoots: *more like the prompt
# than the prompt itself*.
#
# ### Exercise 2 · The formula
#
# Complete the function. `without` and `with_prompt` are the two predictions, and it returns the
# guided one. Try it on plain numbers first: from 1 to 3 with a guidance scale of 2 leads to 5.


# %% exercise="05.formula"
def guided(without, with_prompt, guidance_scale):
    return without + guidance_scale * (with_prompt - without)  # SOLUTION


# %%
exercise("05.formula").check(guided=guided, empty=empty, prompted=prompted)
# exercise("05.formula").hint()

# %% [markdown] hint="05.formula"
# Draw a line with the points 1 and 3 on it. How long is the arrow from 1 to 3? Go twice that far,
# from where it begins.

# %% [markdown] hint="05.formula"
# Start + scale × arrow. The arrow is the difference of the two: where it ends, minus where it
# begins.


# %% wrong="05.formula" says="begins at the wrong end"
def guided(without, with_prompt, guidance_scale):
    return with_prompt + guidance_scale * (with_prompt - without)


# %% wrong="05.formula" says="points the other way"
def guided(without, with_prompt, guidance_scale):
    return without + guidance_scale * (without - with_prompt)


# %% wrong="05.formula" says="starting point"
def guided(without, with_prompt, guidance_scale):
    return guidance_scale * (with_prompt - without)


# %% wrong="05.formula" says="only the prediction with the prompt"
def guided(without, with_prompt, guidance_scale):
    return guidance_scale * with_prompt


# %% wrong="05.formula" says="it should be 14"
def guided(without, with_prompt, guidance_scale):
    return guidance_scale * without + with_prompt


# %% wrong="05.formula" says="the function is given"
def guided(without, with_prompt, guidance_scale):
    return empty + 5.0 * (prompted - empty)


# %% wrong="05.formula" says="`return`"
def guided(without, with_prompt, guidance_scale):
    without + guidance_scale * (with_prompt - without)


# %% [markdown]
# Is your line really all there is to it? Let us draw a whole picture with it. The function below is
# a pipeline in small: in each step two predictions, your formula, and one step of the scheduler. At
# the end the VAE turns the latents into pixels. (Lesson 06 takes this loop apart. Here, look at the
# line with `guided`.) Beside it stands the picture of the pipeline itself.


# %% picture="05.by_hand"
@torch.no_grad()
def draw_by_hand(prompt, guidance_scale, negative_prompt="", seed=7):
    pipe.scheduler.set_timesteps(STEPS)
    latents = seeded_latents(pipe, seed) * pipe.scheduler.init_noise_sigma
    for timestep in pipe.scheduler.timesteps:
        without, with_prompt = predict(latents, timestep, negative_prompt, prompt)
        prediction = guided(without, with_prompt, guidance_scale)
        latents = pipe.scheduler.step(prediction, timestep, latents).prev_sample
    pixels = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    return pipe.image_processor.postprocess(pixels)[0]


def furthest(one, other):
    """How far apart two pictures are at the worst place, in levels of 255."""
    return int(abs(numpy.asarray(one, dtype=int) - numpy.asarray(other, dtype=int)).max())


is_solved = guided(1, 3, 2) == 5
if is_solved:
    by_hand = draw_by_hand(poster, guidance_scale=5.0)
    by_pipeline = sweep(pipe, prompt=poster, seed=7, guidance_scale=5.0, **SETTINGS).images[0]
    display(image_grid([by_hand, by_pipeline], rows=1, labels=["by hand", "by the pipeline"]))
    print("the same but for rounding:", furthest(by_hand, by_pipeline) <= 2)
else:
    print("First solve exercise 2.")

# %% [markdown]
# One line of arithmetic is the whole of guidance. Where does the empty prompt come from? During the
# training of such a model, the caption is left out now and then (ours: one time in ten, says
# `training/unet.py`). So the same U-Net also learns to draw without being told what. Without this,
# `empty` would mean nothing.
#
# The formula also says what a **negative prompt** is: a text that stands where the empty prompt
# stood. The arrow then begins at *a picture of what you do not want*, and to walk along it is to
# walk away from that.
#
# ## 4 · When the negative prompt is off
#
# Put the guidance scale 1 into the formula: `without` cancels out, and what is left is
# `with_prompt`. The negative prompt is then in the place of something that no longer counts. The
# pipeline knows this too, and saves the work. We look at how large the batch is that the U-Net gets
# in each call, at guidance 5 and at 1. (A **hook** is a function that PyTorch calls before the
# U-Net; two steps are enough.)

# %%
sizes = []
hook = pipe.unet.register_forward_pre_hook(lambda unet, inputs: sizes.append(len(inputs[0])))
try:
    for guidance_scale in [5.0, 1.0]:
        sizes.clear()
        pipe(poster, num_inference_steps=2, guidance_scale=guidance_scale)
        print(f"guidance {guidance_scale}: {len(sizes)} calls, batch sizes {sizes}")
finally:  # even if you stop the cell: a hook that stays would count every call twice
    hook.remove()

# %% [markdown]
# One picture, and with guidance a batch of two: guidance doubles the work of the U-Net.
#
# ### Exercise 3 · Prove it with pictures
#
# The claim: *at guidance 1, a negative prompt changes nothing; at guidance 5, it does.* Design the
# experiment. It needs four pictures of `"a house"`, all from seed 1: guidance 1 and 5, each without
# (`None`) and with the negative prompt `"at night"`. Make the sweep `off`, guidance in the rows.
# Give it `mode="exact"`, so that equal can mean equal to the last bit. The check then looks at the
# pixels.

# %% exercise="05.off" picture="05.off"
# BEGIN SOLUTION
off = sweep(
    pipe,
    prompt="a house",
    guidance_scale=[1, 5],
    negative_prompt=[None, "at night"],
    seed=1,
    mode="exact",
    **SETTINGS,
)
display(off)
# END SOLUTION
# BEGIN STUB
# off = ...  # a sweep; then show it with display(off)
# END STUB

# %%
exercise("05.off").check(off=off)
# exercise("05.off").hint()

# %% [markdown] hint="05.off"
# Two settings are lists of two values each. All others have one value.

# %% [markdown] hint="05.off"
# Lesson 04 had the list `[None, "at night"]` for the negative prompt. The rows come from the list
# that you name first.

# %% wrong="05.off" says="`guidance_scale` should vary"
off = sweep(
    pipe, prompt="a house", guidance_scale=5, negative_prompt=[None, "at night"], seed=1,
    num_inference_steps=1,
)  # fmt: skip

# %% wrong="05.off" says="`negative_prompt` should vary"
off = sweep(
    pipe, prompt="a house", guidance_scale=[1, 5], negative_prompt="at night", seed=1,
    num_inference_steps=1,
)  # fmt: skip

# %% wrong="05.off" says="`seed` varies as well"
off = sweep(
    pipe, prompt="a house", guidance_scale=[1, 5], negative_prompt=[None, "at night"], seed=[1, 2],
    num_inference_steps=1,
)  # fmt: skip

# %% wrong="05.off" says="1 is missing"
off = sweep(
    pipe, prompt="a house", guidance_scale=[2, 5], negative_prompt=[None, "at night"], seed=1,
    num_inference_steps=1,
)  # fmt: skip

# %% wrong="05.off" says="nothing was steered"
off = sweep(
    pipe, prompt="a house", guidance_scale=[1, 5], negative_prompt=[None, "at night"], seed=1,
    num_inference_steps=1,
)  # fmt: skip

# %% [markdown]
# Remember this when a negative prompt does not seem to work. It has one more consequence: a model
# that was made to work without guidance takes no negative prompt at all. One of these is [SDXL
# Turbo](https://huggingface.co/stabilityai/sdxl-turbo), which needs only one to four steps.
#
# And below 1? The formula has an answer: at 0 the prompt would cancel out, and the picture would be
# one of the *empty* prompt. But the pipeline has its rule: no more than 1 means no guidance. Do the
# two agree? First the pipeline, at 0 and at 1.

# %% picture="05.zero"
below = sweep(pipe, prompt=poster, seed=7, guidance_scale=[0.0, 1.0], mode="exact", **SETTINGS)
display(below)
print("equal:", below[0.0].tobytes() == below[1.0].tobytes())

# %% [markdown]
# So in the pipeline 0 is the same as 1. Our own loop keeps to the formula. What will it draw at 0?
# Beside it is what the pipeline makes of the empty prompt.

# %% picture="05.empty"
if is_solved:
    at_zero = draw_by_hand(poster, guidance_scale=0.0)
    nothing_said = sweep(pipe, prompt="", seed=7, guidance_scale=1.0, **SETTINGS).images[0]
    labels = ["by hand, at 0", "empty prompt"]
    display(image_grid([at_zero, nothing_said], rows=1, labels=labels))
    print("the same but for rounding:", furthest(at_zero, nothing_said) <= 2)
else:
    print("First solve exercise 2.")

# %% [markdown]
# ## 5 · Too much colour, measured
#
# *The colours scream* is a feeling. What could we measure? A pixel has three numbers from 0 to 255.
# If the latents lie far outside of what the VAE has seen, it wants to paint brighter than white or
# darker than black. It cannot, so the number stops at 255 or at 0. It is **clipped**, and whatever
# detail there was is gone. So we count the numbers that stand at one of the two ends.
#
# ### Exercise 4 · The share that is clipped
#
# Complete the function. `numbers` is the picture as an array of the shape (height, width, 3).
# Return the *share* of its numbers that are exactly 0 or exactly 255, between 0 and 1. With arrays,
# `numbers == 0` gives an array of True and False, `|` means *or*, and `.mean()` of True and False
# is the share of True.


# %% exercise="05.clipped"
def clipped_share(image):
    numbers = numpy.asarray(image)
    return ((numbers == 0) | (numbers == 255)).mean()  # SOLUTION


# %%
exercise("05.clipped").check(clipped_share=clipped_share)
# exercise("05.clipped").hint()

# %% [markdown] hint="05.clipped"
# Start with one end: `(numbers == 255).mean()` is the share of numbers that are 255.

# %% [markdown] hint="05.clipped"
# For both ends: `(… == …) | (… == …)`. The brackets are needed, since `|` binds more tightly than
# `==`.


# %% wrong="05.clipped" says="only one of the two ends"
def clipped_share(image):
    numbers = numpy.asarray(image)
    return (numbers == 255).mean()


# %% wrong="05.clipped" says="at the same time"
def clipped_share(image):
    numbers = numpy.asarray(image)
    return ((numbers == 0) & (numbers == 255)).mean()


# %% wrong="05.clipped" says="how many"
def clipped_share(image):
    numbers = numpy.asarray(image)
    return ((numbers == 0) | (numbers == 255)).sum()


# %% wrong="05.clipped" says="pixels"
def clipped_share(image):
    numbers = numpy.asarray(image)
    return ((numbers == 0) | (numbers == 255)).any(axis=2).mean()


# %% wrong="05.clipped" says="percent"
def clipped_share(image):
    numbers = numpy.asarray(image)
    return 100 * ((numbers == 0) | (numbers == 255)).mean()


# %% [markdown]
# A second measure is the **saturation**: how far a colour is from grey. Pillow works it out for
# each pixel, in the colour system HSV (hue, saturation, value). Grey has 0, a pure red 1.
#
# Now both measures, over all the pictures of section 2. `by_seed.table` has a row for each picture;
# we add two columns and take the mean over the seeds. Do you expect straight lines?


# %% picture="05.colour" tags=["nbval-ignore-output"]
def saturation(image):
    return numpy.asarray(image.convert("HSV"))[..., 1].mean() / 255


if clipped_share(by_seed.images[0]) is ...:
    print("First solve exercise 4.")
else:
    table = by_seed.table
    table["saturation"] = [saturation(image) for image in by_seed.images]
    table["clipped share"] = [clipped_share(image) for image in by_seed.images]
    means = table.groupby("guidance_scale")[["saturation", "clipped share"]].mean()
    means.plot(marker="o", ylim=(0, None))
    print(means.round(3))

# %% [markdown]
# Why does it happen? Each step overshoots. Far along the arrow the U-Net's prediction describes
# pictures such as never were in the training data, and the next step starts from there. The makers
# of [Imagen](https://arxiv.org/abs/2205.11487) describe it for large models (section 2.3), and cure
# it by pulling the numbers back in each step. diffusers has another cure from a [later
# paper](https://arxiv.org/abs/2305.08891) (section 3.4): the argument `guidance_rescale` shrinks
# the guided prediction until its numbers spread no wider than those of the plain one. Both of these
# pictures have guidance 14 and the same noise.

# %% picture="05.rescale"
strong = {"num_inference_steps": STEPS, "guidance_scale": 14.0}
rescales = [0.0, 0.7]
rescaled = [
    pipe(poster, latents=seeded_latents(pipe, 7), guidance_rescale=rescale, **strong).images[0]
    for rescale in rescales
]
labels = [f"guidance_rescale {rescale}" for rescale in rescales]
display(image_grid(rescaled, rows=1, labels=labels))
print(len(rescaled), "pictures, different:", rescaled[0].tobytes() != rescaled[1].tobytes())

# %% [markdown]
# ## 6 · What does it buy?
#
# Up to here we measured only what guidance costs. Does it make the picture fit the prompt better?
# For this we need a judge. [CLIP](https://arxiv.org/abs/2103.00020) is a model with two halves: one
# turns a text into a vector, the other a picture. They were trained together, so that a picture and
# its own caption point the same way. The cosine of the angle between the two vectors is the **CLIP
# score**: 1 means the same direction, 0 a right angle. `load_ranker` loads a small CLIP for
# stickers. Lesson 07 looks at it closely, and ranks pictures with it.
#
# A score alone says little. So we ask the judge twice about each picture of section 2. How well
# does it fit the prompt? And how well does it fit a prompt that *nobody* gave, with another
# subject? The second is the control.

# %% picture="05.clip" tags=["nbval-ignore-output"]
control = "a 3d sticker of a rose under the night sky"
cosine = load_ranker().scores(by_seed.images, [poster, control]).cosine
scores = by_seed.table
scores["poster"], scores["control"] = cosine[:, 0].tolist(), cosine[:, 1].tolist()
means = scores.groupby("guidance_scale")[["poster", "control"]].mean()
means.plot(marker="o", ylabel="CLIP score, mean of three seeds")
print(means.round(2))

# %% [markdown]
# Go along the curve of the poster. Does more guidance raise the score, and up to where? It may even
# fall from the start: this judge has learned from pictures whose colours do not scream. So look at
# the gap between the two curves as well. It says how much better the pictures fit their own prompt
# than another one. Where neither the score nor the gap grows any more, you pay with colour (section
# 5) and get nothing for it. That point is worth more than any advice. The makers of
# [Imagen](https://arxiv.org/abs/2205.11487) judge their large models by curves of this kind: what
# becomes of the CLIP score and of the pictures' quality while the guidance grows.
#
# How far do the three seeds lie apart? One line for each:

# %% picture="05.clip_seeds"
by_seed.plot(scores["poster"], "CLIP score with the prompt", x="guidance_scale")
print("lines:", len(by_seed.axes.values["seed"]))

# %% [markdown]
# If the lines lie further apart than the mean rises or falls, then three seeds are too few to say
# much. That is how it often is, and it is better to know.
#
# What can this measure *not* see? Whether the picture is beautiful, and whether anything in it is
# wrong that no caption speaks of. And this judge knows the artist well: the text half of our small
# CLIP is the very text encoder of the pipeline. A measure answers exactly one question, and seldom
# quite the one that you had.
#
# ## 7 · Which value, then?
#
# - **Start in the middle of the usual range**, about 3 to 8. diffusers' default for Stable
#   Diffusion is 7.5; for our small model we took 5.
# - **Lower** if the colours are too strong or the pictures too much alike.
# - **Higher** if the prompt is not followed. But go no further than where your curves of section 6
#   stop getting better: from there on, only better words help.
# - **1** when the model was made for it, or when you want half the work and the greatest variety.
# - A value that is right for one model, scheduler or number of steps may be wrong for the next:
#   sweep.
#
# Find your own value with the sliders: first without, then with a negative prompt, such as *at
# night*. (The controls need a running notebook. Where you only read, you see the first picture.)

# %% picture="05.explorer"
explorer(
    pipe,
    prompt=poster,
    negative_prompt="",
    seed=7,
    num_inference_steps=STEPS,
    guidance_scale=5.0,
)

# %% [markdown]
# ## What you learned
#
# - The U-Net predicts twice, without and with the prompt. Guidance starts at the first prediction
#   and goes **guidance_scale** times the way to the second.
# - A **negative prompt** stands in the place of the empty prompt. At guidance 1 its prediction
#   cancels out, the pipeline does not even compute it, and the negative prompt is **off**.
# - In diffusers no more than 1 means no guidance, also at 0.
# - Guidance **doubles** the work of the U-Net.
# - Too much of it drives colours to the ends of their range; the **clipped share** shows it.
# - The **CLIP score** measures how well pictures fit the prompt; a control says how much the number
#   is worth. Against guidance it shows from where on you pay and get nothing for it.
#
# **Try on your own:** `draw_by_hand(poster, guidance_scale=-3.0)`: what is the opposite of a
# rocket? Let `draw_by_hand` use guidance only in the first half of the steps, or only in the
# second; a [study](https://arxiv.org/abs/2404.07724) found that it helps only in the middle. And
# draw the curves of section 5 for a poster on a white background: what does the clipped share
# measure there?
#
# **Read on:** [Guidance](../course/reading/guidance.md).
#
# Next: [lesson 06](06_inside.ipynb), in which you write the whole pipeline yourself.
