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
# # 03 · Steps and schedulers: how long is long enough?
#
# We have used 25 steps so far. diffusers takes [50 by
# default](https://huggingface.co/docs/diffusers/api/pipelines/stable_diffusion/text2img). Each step
# costs time. What does it buy? In this lesson you stop believing other people's numbers and measure
# your own.
#
# ![Nine states of one picture on its way through 24 steps, from pure noise to the finished
# sticker of a fox](../course/pictures/03_forming.png)
#
# **At the end you will be able to**
#
# - run an experiment in which exactly one setting changes;
# - measure what a step costs, and predict how long a picture takes;
# - measure how far a picture is from the finished one, and say when more steps no longer show;
# - compare schedulers fairly, by what they cost and not by the number on the label;
# - look into the pipeline while a picture forms;
# - show that more steps are not always better.
#
# **Time:** 45 minutes for the core path, sections 1 to 6. The sections headed *More* take another
# 30. **You need:** lessons 01 and 02. The complete solution is `solutions/03_steps.ipynb`.

# %% [markdown]
# ## 1 · One thing changes
#
# One prompt, one noise, and first 25 steps.

# %% picture="03.first"
import random
import time

import numpy
import torch
from diffusers import DDIMScheduler
from IPython.display import display

from helpers import enlarge, exercise, explorer, image_grid, load_pipeline, seeded_latents, sweep

MODEL = "stickers"
pipe = load_pipeline(MODEL)
pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)

prompt = "a 3d sticker of a fox on a teal background"
latents = seeded_latents(pipe, 11)
image = pipe(prompt, latents=latents, num_inference_steps=25, guidance_scale=5.0).images[0]
display(enlarge(image))
print("one picture of", image.size, "pixels from latents of shape", tuple(latents.shape))

# %% [markdown]
# Would you notice if there were fewer steps? To find out what a setting does, change it *and
# nothing else*. So we decide now on everything that stays: the prompt, the guidance scale, the
# noise at the start, and the scheduler. The scheduler is **DDIM**
# ([paper](https://arxiv.org/abs/2010.02502)). It is a simple one: one call of the U-Net per step,
# and with its usual `eta` of 0 no noise on the way. (`clip_sample=False` is right for all models
# that work on latents. It stops DDIM from cutting off large numbers, which only makes sense for
# pictures made of pixels.)
#
# ### Exercise 1 · An experiment with one variable
#
# Complete the function. It draws the `prompt` from the given `latents` in the given number of
# steps, with guidance scale 5.0, and returns the picture. Between two calls with the same
# `latents`, nothing may differ but the steps. The check looks at what your function passes to the
# pipeline.


# %% exercise="03.one_variable"
def draw_steps(pipe, latents, num_inference_steps):
    # BEGIN SOLUTION
    output = pipe(
        prompt,
        latents=latents,
        num_inference_steps=num_inference_steps,
        guidance_scale=5.0,
    )
    return output.images[0]
    # END SOLUTION


# %%
exercise("03.one_variable").check(draw_steps=draw_steps, pipe=pipe, prompt=prompt)
# exercise("03.one_variable").hint()

# %% [markdown] hint="03.one_variable"
# The cell above has the call for 25 steps. Which of its parts must the function take from outside?

# %% [markdown] hint="03.one_variable"
# Pass the `latents` and the `num_inference_steps` that the function is given, each by its name, as
# in `guidance_scale=5.0`. The picture is the first in `.images`.


# %% wrong="03.one_variable" says="no `latents`"
def draw_steps(pipe, latents, num_inference_steps):
    output = pipe(prompt, num_inference_steps=num_inference_steps, guidance_scale=5.0)
    return output.images[0]


# %% wrong="03.one_variable" says="the bookmark moves"
generator = torch.Generator().manual_seed(11)


def draw_steps(pipe, latents, num_inference_steps):
    settings = {"num_inference_steps": num_inference_steps, "guidance_scale": 5.0}
    return pipe(prompt, generator=generator, **settings).images[0]


# %% wrong="03.one_variable" says="of its own"
def draw_steps(pipe, latents, num_inference_steps):
    noise = seeded_latents(pipe, 11)
    settings = {"num_inference_steps": num_inference_steps, "guidance_scale": 5.0}
    return pipe(prompt, latents=noise, **settings).images[0]


# %% wrong="03.one_variable" says="the same number of steps"
def draw_steps(pipe, latents, num_inference_steps):
    return pipe(prompt, latents=latents, num_inference_steps=25, guidance_scale=5.0).images[0]


# %% wrong="03.one_variable" says="`guidance_scale` changes too"
def draw_steps(pipe, latents, num_inference_steps):
    settings = {
        "num_inference_steps": num_inference_steps,
        "guidance_scale": float(num_inference_steps),
    }
    return pipe(prompt, latents=latents, **settings).images[0]


# %% wrong="03.one_variable" says="wanted is 5.0"
def draw_steps(pipe, latents, num_inference_steps):
    return pipe(prompt, latents=latents, num_inference_steps=num_inference_steps).images[0]


# %% wrong="03.one_variable" says="`.images[0]`"
def draw_steps(pipe, latents, num_inference_steps):
    settings = {"num_inference_steps": num_inference_steps, "guidance_scale": 5.0}
    return pipe(prompt, latents=latents, **settings)


# %% wrong="03.one_variable" says="`[0]`"
def draw_steps(pipe, latents, num_inference_steps):
    settings = {"num_inference_steps": num_inference_steps, "guidance_scale": 5.0}
    return pipe(prompt, latents=latents, **settings).images


# %% wrong="03.one_variable" says="`return`"
def draw_steps(pipe, latents, num_inference_steps):
    pipe(
        prompt, latents=latents, num_inference_steps=num_inference_steps, guidance_scale=5.0
    ).images[0]


# %% wrong="03.one_variable" says="`eta` is 1.0"
def draw_steps(pipe, latents, num_inference_steps):
    settings = {"num_inference_steps": num_inference_steps, "guidance_scale": 5.0}
    return pipe(prompt, latents=latents, eta=1.0, **settings).images[0]


# %% wrong="03.one_variable" says="no setting named `steps`"
def draw_steps(pipe, latents, num_inference_steps):
    return pipe(prompt, latents=latents, steps=num_inference_steps, guidance_scale=5.0).images[0]


# %% wrong="03.one_variable" says="another prompt"
def draw_steps(pipe, latents, num_inference_steps):
    settings = {"num_inference_steps": num_inference_steps, "guidance_scale": 5.0}
    return pipe("a cat", latents=latents, **settings).images[0]


# %% right="03.one_variable"
def draw_steps(pipe, latents, num_inference_steps):
    settings = dict(num_inference_steps=num_inference_steps, guidance_scale=5, eta=0)
    return pipe([prompt], latents=latents.clone(), **settings).images[0]


# %% right="03.one_variable"
def draw_steps(pipe, latents, num_inference_steps):
    texts, empty = pipe.encode_prompt(prompt, pipe.device, 1, True)
    settings = {"num_inference_steps": num_inference_steps, "guidance_scale": 5.0}
    output = pipe(prompt_embeds=texts, negative_prompt_embeds=empty, latents=latents, **settings)
    return output.images[0]


# %% right="03.one_variable"
def draw_steps(pipe, latents, num_inference_steps):
    same_noise = seeded_latents(pipe, 11) * 0 + latents
    images, _ = pipe(
        prompt,
        None,
        None,
        num_inference_steps,
        None,
        None,
        5.0,
        latents=same_noise,
        return_dict=False,
    )
    return images[0]


# %% [markdown]
# ## 2 · What a step costs
#
# Now we time your function. `time.perf_counter()` returns the seconds since some moment in the
# past; the difference of two readings is the time between them. Four pictures, 34 steps in all.
# (The first call in a session is often slower than later ones, because some things are only
# prepared when they are needed. So never time a first call. Ours was the picture of section 1.)

# %% picture="03.by_hand"
few = [1, 6, 11, 16]
by_hand, seconds = [], []
for steps in few:
    start = time.perf_counter()
    by_hand.append(draw_steps(pipe, latents, steps))
    seconds.append(time.perf_counter() - start)
is_drawn = None not in by_hand
if is_drawn:
    print(len(by_hand), "pictures from the same latents, steps:", few)
    labels = [f"steps: {steps}" for steps in few]
    display(image_grid(by_hand, rows=1, labels=labels, min_width=256))
else:
    print("First solve exercise 1.")

# %% [markdown]
# **Why is one step only noise?** Each step has a **timestep**: how noisy the picture is supposed to
# be, from nearly 1000 (nothing but noise) down to 0 (clean). Our DDIM lays its steps out with
# `timestep_spacing="leading"`, as Stable Diffusion does, and with one step its only timestep is 1:
# it treats pure noise as a nearly finished picture. This says nothing about what one good step
# could do. *More · More is not always better* comes back to it.
#
# If each step costs the same, the times lie on a straight line: a fixed part, for reading the
# prompt and turning the latents into pixels, and then the same time per step.
# `numpy.polyfit(…, 1)` finds the straight line that fits best. A line is worth something if it
# *predicts*. So we write down, before we try, what it says about 96 steps, and about the twenty
# pictures of the next section.

# %% tags=["nbval-ignore-output"]
twenty = range(1, 97, 5)
per_step, fixed = numpy.polyfit(few, seconds, 1)
predicted = [fixed + steps * per_step for steps in twenty]
if is_drawn:
    print(f"per step: {per_step:.3f} s, the rest of a picture: {fixed:.3f} s")
    print(f"so 96 steps should take {predicted[-1]:.1f} s, and all twenty {sum(predicted):.0f} s")
else:
    print("First solve exercise 1.")

# %% [markdown]
# ## 3 · Twenty pictures
#
# `range(1, 97, 5)` counts from 1 in fives and stays below 97: 1, 6, 11, … 96. These are twenty
# experiments, and for this there is a helper. `sweep` takes the settings of a pipeline by the same
# names. **A setting that is a list is varied, all others stay.** With `seed=11` it draws the very
# latents of section 1.
#
# It need not take as long as your line predicts, because `sweep` lets several pictures share a call
# of the U-Net. One look at one picture is called an **evaluation**; each picture still needs its
# own, here one per step. Expect to wait a minute or so. If you would rather see a progress bar,
# leave out `progress=False`.

# %% picture="03.by_steps"
by_steps = sweep(
    pipe,
    prompt=prompt,
    seed=11,
    guidance_scale=5.0,
    num_inference_steps=twenty,
    progress=False,
)
labels = [f"steps: {steps}" for steps in twenty]
display(image_grid(by_steps.images, cols=5, labels=labels, min_width=256))
print(len(by_steps.images), "pictures,", sum(by_steps.table["evaluations"]), "evaluations")

# %% [markdown]
# Go through them slowly, from the end backward. From where on would you say *this one is worse*?
#
# And the time? The dots are the seconds that `sweep` measured: of a call that several pictures
# share, each is given its part. The dashed line is yours.

# %% picture="03.time" tags=["nbval-ignore-output"]
axes = by_steps.plot("seconds")
if is_drawn:
    axes.plot(twenty, predicted, "--")
measured = by_steps.table["seconds"]
print(f"96 steps: predicted {predicted[-1]:.1f} s, measured {by_steps.outcome(96).seconds:.1f} s")
print(f"all twenty: predicted {sum(predicted):.0f} s, measured {sum(measured):.0f} s")

# %% [markdown]
# **Twice the steps, about twice the time.** If the dots are below the dashed line, that is what
# sharing the calls has saved. How straight the line is depends on what else your computer was
# doing; that is the trouble with clocks. The number of evaluations does not depend on it.
#
# ## 4 · When do more steps no longer show?
#
# The time grows evenly. Does the picture get better evenly, too? We measure how far each picture is
# from the one with 96 steps: the absolute difference of every pixel and every color, averaged. The
# result is in **levels**: black and white are 255 of them apart. (Pixels are whole numbers of 8
# bits, and in these 10 − 30 is 236, because there is nothing below zero. So `dtype=float` comes
# first.)


# %% tags=["nbval-ignore-output"]
def distance(one, other):
    difference = numpy.asarray(one, dtype=float) - numpy.asarray(other, dtype=float)
    return abs(difference).mean()


distances = [distance(by_steps[steps], by_steps[96]) for steps in twenty]
curve = by_steps.plot(distances, label="distance to 96 steps, in levels of 255")
curve.set_ylim(0, 1.3 * max(distances[1:]))  # the first point lies far above
print("first to last:", " ".join(f"{number:.1f}" for number in distances))

# %% [markdown]
# This is not a straight line. The first point lies beyond the upper edge (that is the timestep 1 of
# section 2). From 6 steps on the curve falls, and then flattens. There is a number of steps after
# which you pay and get nothing for it.
#
# ### Exercise 2 · Enough
#
# Complete the function. `steps` and `distances` are lists of the same length, in order, and the
# last distance is 0. Return the smallest number of steps **from which on** no distance is more than
# `limit`. The curve may dip and rise again (look at yours), so the first number below the limit is
# not always the answer. For example, `enough([1, 6, 11, 16], [40, 2, 9, 0], limit=5)` is 16, not 6.


# %% exercise="03.enough"
def enough(steps, distances, limit):
    # BEGIN SOLUTION
    too_far = [index for index, number in enumerate(distances) if number > limit]
    return steps[too_far[-1] + 1] if too_far else steps[0]
    # END SOLUTION


# %%
exercise("03.enough").check(enough=enough)
# exercise("03.enough").hint()

# %% [markdown] hint="03.enough"
# Turn the question around: which is the *last* number of steps whose distance is over the limit?
# The answer is the one after it.

# %% [markdown] hint="03.enough"
# `[i for i, number in enumerate(distances) if number > limit]` lists the places that are too far
# off; `[-1]` takes the last of a list. What if there is none?

# %% [markdown] hint="03.enough"
# Another way: walk backward with `for i in reversed(range(len(steps)))`, and stop as soon as a
# distance is over the limit.


# %% wrong="03.enough" says="rises again"
def enough(steps, distances, limit):
    return min(number for number, far in zip(steps, distances, strict=True) if far <= limit)


# %% wrong="03.enough" says="place in the list"
def enough(steps, distances, limit):
    too_far = [index for index, number in enumerate(distances) if number > limit]
    return too_far[-1] + 1 if too_far else 0


# %% wrong="03.enough" says="one of the distances"
def enough(steps, distances, limit):
    return [far for far in distances if far <= limit][0]


# %% wrong="03.enough" says="still over the limit"
def enough(steps, distances, limit):
    return [number for number, far in zip(steps, distances, strict=True) if far > limit][-1]


# %% wrong="03.enough" says="exactly the limit"
def enough(steps, distances, limit):
    too_far = [index for index, number in enumerate(distances) if number >= limit]
    return steps[too_far[-1] + 1] if too_far else steps[0]


# %% wrong="03.enough" says="no distance is over the limit"
def enough(steps, distances, limit):
    too_far = [index for index, number in enumerate(distances) if number > limit]
    return steps[too_far[-1] + 1]


# %% wrong="03.enough" says="`limit`"
def enough(steps, distances, limit):
    too_far = [index for index, number in enumerate(distances) if number > 5]
    return steps[too_far[-1] + 1] if too_far else steps[0]


# %% wrong="03.enough" says="changes the lists"
def enough(steps, distances, limit):
    steps.reverse()
    distances.reverse()
    best = steps[0]
    for number, far in zip(steps, distances, strict=True):
        if far > limit:
            break
        best = number
    return best


# %% wrong="03.enough" says="returns `None`"
def enough(steps, distances, limit):
    too_far = [index for index, number in enumerate(distances) if number > limit]
    if too_far:
        return steps[too_far[-1] + 1]


# %% right="03.enough"
def enough(steps, distances, limit):
    best = steps[-1]
    for number, far in zip(reversed(steps), reversed(distances), strict=True):
        if far > limit:
            break
        best = number
    return best


# %% right="03.enough"
def enough(steps, distances, limit):
    is_near = numpy.array(distances) <= limit
    stays_near = numpy.logical_and.accumulate(is_near[::-1])[::-1]
    return numpy.array(steps)[stays_near].min()


# %% right="03.enough"
def enough(steps, distances, limit):
    return next(n for i, n in enumerate(steps) if max(distances[i:]) <= limit)


# %% [markdown]
# What does it say about our picture, for three limits? The answer holds for this prompt, this
# noise, this scheduler and this model. For another it must be measured again, and now you can.

# %% tags=["nbval-ignore-output"]
if enough(list(twenty), list(distances), limit=5) is None:
    print("First solve exercise 2.")
else:
    for limit in (2, 5, 10):
        print(
            f"within {limit:2} levels from {enough(list(twenty), list(distances), limit)} steps on"
        )

# %% [markdown]
# ### A blind test
#
# Numbers are one thing, eyes are the judge. Three of the twenty pictures, shuffled: they had 26, 51
# and 96 steps. Which is which? Decide, and only then remove the `#`. If you can't tell, you know
# what 96 steps are worth.

# %% picture="03.blind"
order = random.Random(2026).sample([26, 51, 96], 3)
pictures = [by_steps[steps] for steps in order]
display(image_grid(pictures, rows=1, labels=["A", "B", "C"], min_width=256))
print(len(order), "pictures")
# print(order)

# %% [markdown]
# ## 5 · Which scheduler is good in eight steps?
#
# The U-Net says which way is downhill; the scheduler decides how to walk. **DDIM** and **Euler**
# walk straight on for one stride. Others look at where they came from and bend the path: **DPM++**
# ([paper](https://arxiv.org/abs/2211.01095)), which our sticker model comes with, **UniPC**
# ([paper](https://arxiv.org/abs/2302.04867)), and **PNDM**
# ([paper](https://arxiv.org/abs/2202.09778)), the one that [comes with Stable Diffusion
# 1.5](https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5/tree/main/scheduler).
# **Heun** ([paper](https://arxiv.org/abs/2206.00364)) takes a stride, looks again where it landed,
# and takes the average. None of the six adds noise, and with many steps all come close to the same
# picture. With few they don't.
#
# ### Exercise 3 · The race
#
# Draw the same picture with all `schedulers` in 8 steps, with one call of `sweep`, and keep what it
# returns as `at_eight`. Besides the settings of a pipeline, `sweep` takes a `scheduler`, by the
# short names in the cell. Only this may vary, and everything else must be as in section 3, so that
# we may compare with the picture of 96 steps.

# %% exercise="03.eight_steps" picture="03.eight_steps"
schedulers = ["ddim", "euler", "pndm", "dpm++", "unipc", "heun"]
# BEGIN SOLUTION
at_eight = sweep(
    pipe,
    prompt=prompt,
    seed=11,
    guidance_scale=5.0,
    num_inference_steps=8,
    scheduler=schedulers,
    progress=False,
)
display(at_eight)
# END SOLUTION
# BEGIN STUB
# at_eight = ...  # a sweep; then show it with display(at_eight)
# END STUB

# %%
exercise("03.eight_steps").check(at_eight=at_eight, by_steps=by_steps, schedulers=schedulers)
# exercise("03.eight_steps").hint()

# %% [markdown] hint="03.eight_steps"
# Start from the call in section 3. There the steps were a list and the scheduler was not named. Now
# it is the other way around.

# %% [markdown] hint="03.eight_steps"
# A setting that you leave out is not *as in section 3*: it takes its default. So name the prompt,
# the seed and the guidance scale again.

# %% wrong="03.eight_steps" says="`seed` is 0"
schedulers = ["ddim", "euler", "pndm", "dpm++", "unipc", "heun"]
at_eight = sweep(
    pipe,
    prompt=prompt,
    guidance_scale=5.0,
    num_inference_steps=1,
    scheduler=schedulers,
    progress=False,
)

# %% wrong="03.eight_steps" says="`guidance_scale` is 7.5"
schedulers = ["ddim", "euler", "pndm", "dpm++", "unipc", "heun"]
at_eight = sweep(
    pipe, prompt=prompt, seed=11, num_inference_steps=1, scheduler=schedulers, progress=False
)

# %% wrong="03.eight_steps" says="`num_inference_steps` is 1"
schedulers = ["ddim", "euler", "pndm", "dpm++", "unipc", "heun"]
at_eight = sweep(
    pipe,
    prompt=prompt,
    seed=11,
    guidance_scale=5.0,
    num_inference_steps=1,
    scheduler=schedulers,
    progress=False,
)

# %% wrong="03.eight_steps" says="varies as well"
schedulers = ["ddim", "euler", "pndm", "dpm++", "unipc", "heun"]
at_eight = sweep(
    pipe,
    prompt=prompt,
    seed=11,
    guidance_scale=5.0,
    num_inference_steps=[1, 2],
    scheduler="ddim",
    progress=False,
)

# %% wrong="03.eight_steps" says="should vary"
schedulers = ["ddim", "euler", "pndm", "dpm++", "unipc", "heun"]
at_eight = sweep(
    pipe, prompt=prompt, seed=11, guidance_scale=5.0, num_inference_steps=1, progress=False
)

# %% wrong="03.eight_steps" says="Missing: 'pndm', 'dpm++', 'unipc', 'heun'"
schedulers = ["ddim", "euler", "pndm", "dpm++", "unipc", "heun"]
at_eight = sweep(
    pipe,
    prompt=prompt,
    seed=11,
    guidance_scale=5.0,
    num_inference_steps=1,
    scheduler=schedulers[:2],
    progress=False,
)

# %% wrong="03.eight_steps" says="a list with one value"
schedulers = ["ddim", "euler", "pndm", "dpm++", "unipc", "heun"]
at_eight = sweep(
    pipe,
    prompt=prompt,
    seed=[11],
    guidance_scale=5.0,
    num_inference_steps=1,
    scheduler=schedulers,
    progress=False,
)

# %% right="03.eight_steps"
schedulers = ("ddim", "euler", "pndm", "dpm++", "unipc", "heun")
at_eight = sweep(
    pipe,
    scheduler=schedulers,
    prompt=prompt,
    seed=11,
    guidance_scale=5,
    num_inference_steps=8,
    progress=False,
)

# %% right="03.eight_steps"
schedulers = ["ddim", "euler", "pndm", "dpm++", "unipc", "heun"]
at_eight = sweep(
    pipe,
    scheduler=schedulers,
    progress=False,
    eta=0.0,
    **{"prompt": prompt, "seed": 11, "guidance_scale": 5.0, "num_inference_steps": 8},
)

# %% [markdown]
# Who won? The smaller the distance to the picture of 96 steps, the closer a scheduler came. Each
# line also says how many evaluations it took, that is, how often the U-Net looked at the picture.
# Schedulers that differ by less than a level are equally good here.

# %% tags=["nbval-ignore-output"]
if at_eight is ...:
    print("First solve exercise 3.")
else:
    for name in sorted(schedulers, key=lambda name: distance(at_eight[name], by_steps[96])):
        outcome = at_eight.outcome(name)
        far = distance(outcome.image, by_steps[96])
        print(f"{name:6} {far:5.1f} levels away after {outcome.evaluations} evaluations")

# %% [markdown]
# Are some far off, with false colors? They are often among those that continue the path from
# earlier predictions; *More · When a scheduler overshoots* finds out why.
#
# ## 6 · A fair race
#
# The setting was eight steps, but not all of them took eight evaluations:
#
# - **PNDM** takes one more than it has steps: it tries its first stride, and then takes it again,
#   now that it knows how the path bends.
# - **Heun** looks twice in each step, except in the last, where it has arrived: 2 × 8 − 1 = 15.
# - The others look once per step.
#
# The evaluations are what takes the time. So Heun had almost twice the time of the others.
#
# ### Exercise 4 · Steps for a budget
#
# Complete the function. It gets the name of one of our six schedulers and a number of
# `evaluations`, 2 or more. It returns the **largest** number of steps for which this scheduler
# needs no more evaluations than that. For example, `steps_for("pndm", 26)` is 25.


# %% exercise="03.fair"
def steps_for(scheduler, evaluations):
    # BEGIN SOLUTION
    if scheduler == "pndm":
        return evaluations - 1
    if scheduler == "heun":
        return (evaluations + 1) // 2
    return evaluations
    # END SOLUTION


# %%
exercise("03.fair").check(steps_for=steps_for, pipe=pipe, schedulers=schedulers)
# exercise("03.fair").hint()

# %% [markdown] hint="03.fair"
# Three cases: `"pndm"`, `"heun"`, and all the others. What does each need for n steps?

# %% [markdown] hint="03.fair"
# Heun needs 2n − 1 evaluations. If you have 15, then 2n is 16. And if you have 16? A step that
# doesn't fit is not taken: divide with `//`.


# %% wrong="03.fair" says="takes 3 evaluations"
def steps_for(scheduler, evaluations):
    return evaluations


# %% wrong="03.fair" says="one more step"
def steps_for(scheduler, evaluations):
    if scheduler == "pndm":
        return evaluations - 1
    if scheduler == "heun":
        return evaluations // 2
    return evaluations


# %% wrong="03.fair" says="is not a whole number"
def steps_for(scheduler, evaluations):
    if scheduler == "pndm":
        return evaluations - 1
    if scheduler == "heun":
        return (evaluations + 1) / 2
    return evaluations


# %% wrong="03.fair" says="`steps_for('ddim', 2)` returns `None`"
def steps_for(scheduler, evaluations):
    if scheduler == "pndm":
        return evaluations - 1
    if scheduler == "heun":
        return (evaluations + 1) // 2


# %% right="03.fair"
def steps_for(scheduler, evaluations):
    costs = {"pndm": lambda steps: steps + 1, "heun": lambda steps: 2 * steps - 1}
    cost = costs.get(scheduler, lambda steps: steps)
    return max(steps for steps in range(1, evaluations + 1) if cost(steps) <= evaluations)


# %% right="03.fair"
def steps_for(scheduler, evaluations):
    match scheduler:
        case "pndm":
            return numpy.int64(evaluations - 1)
        case "heun":
            return -(-evaluations // 2)
        case _:
            return evaluations


# %% right="03.fair"
def steps_for(scheduler, evaluations):
    return {"pndm": evaluations - 1, "heun": int((evaluations + 1) / 2)}.get(scheduler, evaluations)


# %% [markdown]
# The race once more, and everybody gets 9 evaluations. That is what PNDM had in 8 steps, so it is
# mainly Heun that must make do with less. `sweep` gets one scheduler at a time here, since the
# steps differ.

# %% tags=["nbval-ignore-output"]
if steps_for("ddim", 9) is None:
    print("First solve exercise 4.")
else:
    fair = {}
    for name in schedulers:
        plan = {"num_inference_steps": steps_for(name, 9), "scheduler": name}
        alone = sweep(pipe, prompt=prompt, seed=11, guidance_scale=5.0, progress=False, **plan)
        fair[name] = alone.images[0]
    display(image_grid(fair.values(), cols=3, labels=fair, min_width=256))
    for name in sorted(fair, key=lambda name: distance(fair[name], by_steps[96])):
        print(f"{name:6} {distance(fair[name], by_steps[96]):5.1f} levels away")

# %% [markdown]
# Compare the two tables. Who has moved? Then be careful with the result. One prompt and one seed
# don't make a rule. And *close to 96 steps* is not the same as *good*: the picture of 96 steps is
# the answer of one scheduler, DDIM, not the **ground truth**. Before you choose, repeat the race
# with other prompts and seeds, and look at the pictures.

# %% [markdown]
# ## More · Watching a picture form
#
# A pipeline can report to you after every step. You give it a function as `callback_on_step_end`,
# and it calls this function with four things: itself, the number of the step, the timestep, and a
# dictionary of tensors. In the dictionary are the `latents` as they are now. The function must
# return the dictionary. (A function that another program calls at certain moments is a
# **callback**.) Ours keeps each state of the latents in a list, after the noise of the start.

# %%
states = [latents]


def remember(pipe, step, timestep, tensors):
    states.append(tensors["latents"])
    return tensors


settings = {"num_inference_steps": 24, "guidance_scale": 5.0}
image = pipe(prompt, latents=latents, callback_on_step_end=remember, **settings).images[0]
print(len(states), "states of shape", tuple(states[-1].shape))

# %% [markdown]
# To look at them we need pixels, and for this the pipeline has its VAE. It wants the latents in its
# own scale, so we divide by `scaling_factor` first. `torch.no_grad()` says that we are not
# training, which saves memory. The last state must give the finished picture itself.


# %% picture="03.forming" export="03_forming.png"
def decode(latents):
    with torch.no_grad():
        pixels = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    return pipe.image_processor.postprocess(pixels)[0]


moments = [0, 3, 6, 9, 12, 15, 18, 21, 24]
forming = [decode(states[moment]) for moment in moments]
display(image_grid(forming, cols=5, labels=[f"after step {moment}" for moment in moments]))
print("the last is the finished picture:", forming[-1].tobytes() == image.tobytes())

# %% [markdown]
# First the noise hides everything; then large areas and colors show through, then the outlines, and
# last the small things. It is like fog that lifts, not like a drawing that grows line by line.
#
# Now a trap. After 6 of 24 steps there is still a lot of noise. Is this the picture that you get
# with `num_inference_steps=6`? Compare.

# %% picture="03.six"
six_of_24, six_of_6 = decode(states[6]), by_steps[6]
labels = ["6 of 24 steps", "6 of 6 steps"]
display(image_grid([six_of_24, six_of_6], rows=1, labels=labels, min_width=256))
for steps in (24, 6):
    pipe.scheduler.set_timesteps(steps)
    print(steps, "steps, the first six timesteps:", pipe.scheduler.timesteps[:6].tolist())

# %% [markdown]
# It is not. The scheduler lays its steps out over *the whole way*. With 6 steps they are long
# strides that arrive; the first 6 of 24 are short ones, and you are still on the road. So the
# number of steps is a plan that is made beforehand, not a moment at which you stop.
#
# ## More · When a scheduler overshoots
#
# PNDM, DPM++ and UniPC **extrapolate**: they continue the curve of the last predictions, PNDM that
# of up to four. If the predictions change evenly, this makes a long stride more exact. If they
# change abruptly, the curve leads astray, and the next step starts from there. What makes them
# change abruptly? Long strides do, and so does strong guidance, which enlarges every change. Then
# either cure should help: more steps, or less guidance. We test both. Each picture is compared with
# the one that the same scheduler draws in 50 steps with the same guidance.

# %% picture="03.overshoot" tags=["nbval-ignore-output"]
overshoot = sweep(
    pipe,
    prompt=prompt,
    seed=11,
    scheduler=["pndm", "ddim"],
    guidance_scale=[1.0, 5.0],
    num_inference_steps=[8, 16, 50],
    progress=False,
)
for name in ("pndm", "ddim"):
    for scale in (1.0, 5.0):
        finished = overshoot[name, scale, 50]
        far = [distance(overshoot[name, scale, steps], finished) for steps in (8, 16)]
        print(f"{name} at guidance {scale:g}: {far[0]:5.1f} levels in 8, {far[1]:5.1f} in 16 steps")
apart = distance(overshoot["pndm", 5.0, 50], overshoot["ddim", 5.0, 50])
print(f"pndm and ddim after 50 steps at guidance 5: {apart:.1f} levels apart")
cells = [(name, scale, n) for name in ("pndm", "ddim") for scale in (1.0, 5.0) for n in (8, 16, 50)]
labels = [f"{name}, guidance {scale:g}, {n} steps" for name, scale, n in cells]
pictures = [overshoot[cell] for cell in cells]
display(image_grid(pictures, cols=3, labels=labels, min_width=256))

# %% [markdown]
# If the first number of *pndm at guidance 5* is by far the largest, the explanation holds for this
# model. At guidance 1 the same scheduler should be harmless. How many more steps cure it at
# guidance 5? See whether 16 are enough, and whether it has arrived where DDIM arrives after 50.
# That is why Stable Diffusion can ship with PNDM: its default is 50 steps.
#
# ## More · More is not always better
#
# You have seen that late steps change next to nothing. There are three more ways in which more is
# not better.
#
# **Some schedulers never arrive.** *Euler a* (ancestral) adds new noise in each step, as does DDPM.
# More steps are then not more accuracy, but different noise. Above DDIM, below *Euler a*, from the
# same latents: each time the steps are about doubled. You may not see the difference; the cell
# after it measures it.

# %% picture="03.ancestral"
doubled = [11, 21, 41]
restless = sweep(
    pipe,
    prompt=prompt,
    seed=11,
    guidance_scale=5.0,
    num_inference_steps=doubled,
    scheduler="euler ancestral",
    progress=False,
)
pictures = [by_steps[steps] for steps in doubled] + restless.images
labels = [f"{name}, {steps}" for name in ("ddim", "euler a") for steps in doubled]
display(image_grid(pictures, rows=2, labels=labels, min_width=256))
print(len(pictures), "pictures from the same latents")

# %% [markdown]
# How much does each doubling still change? For a scheduler that arrives, the second number is
# clearly smaller than the first. Does *Euler a* look like that?

# %% tags=["nbval-ignore-output"]
for name, drawn in [("ddim", by_steps), ("euler a", restless)]:
    first, second = distance(drawn[11], drawn[21]), distance(drawn[21], drawn[41])
    print(f"{name:8} 11 to 21 steps: {first:4.1f} levels, 21 to 41 steps: {second:4.1f} levels")

# %% [markdown]
# **A larger number can mean a worse plan.** Your curve of section 4 may be a little jagged toward
# its end, where it should be smooth. With `"leading"` spacing, DDIM divides the 1000 timesteps by
# the number of steps, *in whole numbers*, and counts up from 1. For 91 steps, 1000 // 91 is 10, and
# ninety strides of 10 end far short of 1000. The pipeline then starts from pure noise and tells the
# U-Net that it is less noisy than it is. With one step, this mistake is at its largest.

# %%
for steps in (1, 71, 76, 91, 96):
    pipe.scheduler.set_timesteps(steps)
    stride = pipe.scheduler.config.num_train_timesteps // steps
    print(f"{steps} steps, stride {stride}, start at timestep {int(pipe.scheduler.timesteps[0])}")

# %% [markdown]
# 71 steps start nearer to pure noise than 91. The spacing `"trailing"` begins at the very end
# instead ([paper](https://arxiv.org/abs/2305.08891) on this and related mistakes). What becomes of
# few steps then?

# %% picture="03.trailing"
leading = pipe.scheduler
pipe.scheduler = DDIMScheduler.from_config(leading.config, timestep_spacing="trailing")
try:
    trailing = [draw_steps(pipe, latents, steps) for steps in (1, 2, 6)]
finally:  # also if you stop the cell
    pipe.scheduler = leading
if is_drawn:
    labels = [f"trailing, steps: {steps}" for steps in (1, 2, 6)]
    display(image_grid(trailing, rows=1, labels=labels, min_width=256))
    print(len(trailing), "pictures")
else:
    print("First solve exercise 1.")

# %% [markdown]
# One step now gives a blurred guess instead of noise: roughly the mean of many pictures that fit
# the prompt, with stronger colors because of guidance. Are two steps better?
#
# **And the time could have gone elsewhere.** For one picture of 46 steps you can have four seeds
# with 11 steps each. Which would you rather have: the last polish on one picture, or a choice? We
# ask for "a fox", which leaves open what the seeds may then decide.

# %% picture="03.choice"
choice = sweep(
    pipe,
    prompt="a fox",
    seed=range(11, 15),
    guidance_scale=5.0,
    num_inference_steps=11,
    progress=False,
)
labels = [f"seed {seed}, 11 steps" for seed in range(11, 15)] + ["seed 11, 46 steps"]
display(image_grid([*choice.images, by_steps[46]], cols=3, labels=labels, min_width=256))
print("the choice:", sum(choice.table["evaluations"]), "evaluations,", end=" ")
print("the one of 46 steps:", by_steps.outcome(46).evaluations)

# %% [markdown]
# ## More · Explore
#
# The cell below shows sliders. Move them, press *draw*, and watch the picture form; the notebook
# stays free meanwhile, and pressing again drops the picture that is not finished. Begin with the
# steps: leave the seed, and take fewer and fewer steps until you see the difference. (Sliders need
# a running notebook. Where you only read, you see the first picture.)

# %% picture="03.explorer"
explorer(pipe, prompt=prompt, seed=11, num_inference_steps=12, guidance_scale=5.0)

# %% [markdown]
# ## What you learned
#
# - An experiment changes **one setting**. The latents are shared, the rest is written down. `sweep`
#   does that: lists are varied, everything else stays.
# - Time is a **straight line**: a fixed part, and the same time per evaluation of the U-Net.
# - Quality is not. There is a point of **enough**, which you can measure with a distance.
# - Schedulers differ where steps are few. Compare them by their **evaluations**: for n steps PNDM
#   needs n + 1, Heun 2n − 1. Those that extrapolate can overshoot.
# - A **callback** shows the latents after each step, and the VAE turns them into pixels. The number
#   of steps is a plan for the whole way, not a moment to stop.
# - More steps can be wasted, can lead elsewhere (ancestral schedulers), and can even start worse.
#
# **Try on your own:** the race of section 5 with `num_inference_steps=4`, or with another prompt. A
# race between seeds: is *enough* the same number for each? Repeat section 4 with
# `timestep_spacing="trailing"`: what has become of the curve's first points?
#
# Next: [lesson 04](04_prompts.ipynb), in which the words change and everything else stays.
