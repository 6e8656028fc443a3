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
# # 13 · Start from a picture: change, repair, extend, enlarge
#
# Up to now every picture began as pure noise. In this lesson you give the model a picture to begin
# with. You change it as a whole, repaint a part of it, continue it beyond its edges, and enlarge
# it. All of this works with the model that you know, without any training. (The prompts are plain
# English, so the real model understands them, too.)
#
# **At the end you will be able to**
#
# - turn one picture into another with **image-to-image**, and say what `strength` does;
# - measure how much of the first picture is left;
# - repaint a region with **inpainting**, and write its core in one line;
# - continue a picture beyond its edges with **outpainting**;
# - say what the VAE loses, and compare three ways to enlarge a picture.
#
# **Time:** sections 1 to 4 are the core path, about 45 minutes. Sections 5 and 6, marked *more*,
# take about 20 minutes. **You need:** lesson 06 (latents, the VAE, the loop). No network, no GPU.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/13_pictures.ipynb` four exercises have a gap, written `...`. Fill
#    the gap, run the cell, and run the check below it.
# 2. *With hints.* Stuck? Remove the `#` in front of the hint line below the check. Each run gives
#    one more hint. Put the `#` back to see the check again.
# 3. *With the complete solution.* `solutions/13_pictures.ipynb` is this notebook with every gap
#    filled and every picture shown.

# %%
import diffusers
import matplotlib.pyplot as plt
import numpy
import pandas
import torch
from IPython.display import display
from PIL import Image, ImageDraw

from helpers import (
    Restorer,
    example_portrait,
    exercise,
    image_grid,
    load_pipeline,
    load_ranker,
    psnr,
    seeded_latents,
)

# %% [markdown]
# ## 1 · A picture and a sentence
#
# First the result. The model draws a house, as usual. Then it gets that house *and* a new prompt, a
# castle at night. Expect a castle that has kept something of the first picture: its place, its
# outline, or a color.
#
# The pipeline for this, `StableDiffusionImg2ImgPipeline`, has the same parts as the one you know.
# So it is made from them, `**pipe.components`, and takes no more memory.

# %% picture="13.first"
MODEL = "stickers"  # with a GPU and a network: "sd-v1-5"
pipe = load_pipeline(MODEL)
img2img = diffusers.StableDiffusionImg2ImgPipeline(**pipe.components, requires_safety_checker=False)
img2img.set_progress_bar_config(disable=True)

SETTINGS = {"num_inference_steps": 25, "guidance_scale": 5.0}
OLD_PROMPT = "a 3d sticker of a house on a teal background"
NEW_PROMPT = "a cartoon castle at night"


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def show(images, labels=None, cols=None):
    display(image_grid(images, cols=cols, labels=labels, min_width=256))


house = pipe(OLD_PROMPT, generator=seeded(3), **SETTINGS).images[0]
castle = img2img(NEW_PROMPT, image=house, strength=0.4, generator=seeded(1), **SETTINGS).images[0]
show([house, castle], ["given", "strength 0.4"])
print("same size:", house.size == castle.size)

# %% [markdown]
# (diffusers can also choose the class for you: `AutoPipelineForImage2Image.from_pipe(pipe)`. A
# third way, `StableDiffusionImg2ImgPipeline.from_pipe(pipe)`, has a trap: it converts the shared
# parts to float32 unless you name another dtype, which doubles the memory of a model that was
# loaded in half precision.)
#
# ## 2 · Strength
#
# What happened to the house? Image-to-image is the idea of
# [SDEdit](https://arxiv.org/abs/2108.01073), in three steps:
#
# 1. the VAE **encodes** the picture into latents;
# 2. noise is added, as much as there would be *somewhere in the middle* of an ordinary run;
# 3. from there, the usual loop removes the noise, with the new prompt.
#
# `strength` says where to start, as a share of the run. At 1 the loop starts at its beginning, from
# (nearly) pure noise, and little or nothing of the picture is left. At 0.2 only the last fifth of
# the steps is done, so colors and large areas tend to stay.
#
# ### Exercise 1 · How many steps are left?
#
# Complete the function: how many steps does image-to-image really take? It is
# `num_inference_steps` times `strength`, **rounded down** to a whole number, and never more than
# `num_inference_steps`.


# %% exercise="13.steps"
def steps_taken(num_inference_steps, strength):
    return min(int(num_inference_steps * strength), num_inference_steps)  # SOLUTION


# %%
exercise("13.steps").check(steps_taken=steps_taken)
# exercise("13.steps").hint()

# %% [markdown] hint="13.steps"
# `int(7.9)` is 7: it drops what comes after the point.

# %% [markdown] hint="13.steps"
# `min(a, b)` is the smaller of two numbers. One of them is `num_inference_steps`, the other is the
# product, rounded down.


# %% wrong="13.steps" says="not a whole number"
def steps_taken(num_inference_steps, strength):
    return num_inference_steps * strength


# %% wrong="13.steps" says="rounded to the nearest"
def steps_taken(num_inference_steps, strength):
    return round(num_inference_steps * strength)


# %% wrong="13.steps" says="rounded up"
def steps_taken(num_inference_steps, strength):
    return min(-int(-num_inference_steps * strength // 1), num_inference_steps)


# %% wrong="13.steps" says="the steps that are skipped"
def steps_taken(num_inference_steps, strength):
    return num_inference_steps - int(num_inference_steps * strength)


# %% wrong="13.steps" says="always 25 steps"
def steps_taken(num_inference_steps, strength):
    return int(25 * strength)


# %% wrong="13.steps" says="the number of steps itself"
def steps_taken(num_inference_steps, strength):
    return num_inference_steps


# %% right="13.steps"
def steps_taken(num_inference_steps, strength):
    return min(numpy.floor(num_inference_steps * strength), num_inference_steps)


# %% right="13.steps"
def steps_taken(num_inference_steps, strength):
    return int(min(num_inference_steps * strength // 1, num_inference_steps))


# %% right="13.steps"
def steps_taken(num_inference_steps, strength):
    return torch.tensor(num_inference_steps * min(strength, 1)).floor()


# %% [markdown]
# Is that so? The pipeline calls `callback_on_step_end` after each step, so we can count. The next
# cell draws the castle at five strengths, and prints your number beside the count. (A few
# schedulers, such as the PNDM that comes with Stable Diffusion 1.5, take one step more.)

# %% picture="13.strengths" tags=["nbval-ignore-output"]
STRENGTHS = [0.2, 0.4, 0.6, 0.8, 1.0]


def draw_and_count(strength):
    calls = []

    def after_step(pipe, step, timestep, tensors):
        calls.append(step)
        return tensors

    output = img2img(
        NEW_PROMPT,
        image=house,
        strength=strength,
        generator=seeded(1),
        callback_on_step_end=after_step,
        **SETTINGS,
    )
    return output.images[0], len(calls)


changed = []
for strength in STRENGTHS:
    image, count = draw_and_count(strength)
    changed.append(image)
    expected = steps_taken(SETTINGS["num_inference_steps"], strength)
    print(f"strength {strength}: {count} steps, your function says {expected}")
labels = ["given", *(f"strength {strength}" for strength in STRENGTHS)]
show([house, *changed], labels, cols=3)

# %% [markdown]
# A low strength is also cheap: fewer steps, less time. But a few steps can only do so much. Which
# is the lowest strength at which you see a castle? Which is the lowest at which it is night?
#
# ## 3 · Strength, measured
#
# "Where is the house gone?" is a question that numbers can answer.
#
# ### Exercise 2 · How far apart are two pictures?
#
# Complete the function. `one` and `other` are pictures of the same size. Return how far apart they
# are on average, in levels from 0 to 255: the mean of the **absolute** differences over all pixels
# and colors. 0 means equal; black and white are 255 apart.


# %% exercise="13.distance"
def distance(one, other):
    # BEGIN SOLUTION
    first, second = (numpy.asarray(picture, dtype=float) for picture in (one, other))
    return abs(first - second).mean()
    # END SOLUTION


# %%
exercise("13.distance").check(distance=distance)
# exercise("13.distance").hint()

# %% [markdown] hint="13.distance"
# `numpy.asarray(picture)` gives the numbers of a picture. They are of the type `uint8`, which has
# no negative numbers: 3 - 5 is 254 there. So convert them first.

# %% [markdown] hint="13.distance"
# `numpy.asarray(picture, dtype=float)` converts. Subtract, take `abs(...)`, then `.mean()`.


# %% wrong="13.distance" says="uint8"
def distance(one, other):
    return abs(numpy.asarray(one) - numpy.asarray(other)).mean()


# %% wrong="13.distance" says="cancel out"
def distance(one, other):
    return (numpy.asarray(one, dtype=float) - numpy.asarray(other, dtype=float)).mean()


# %% wrong="13.distance" says="largest difference"
def distance(one, other):
    return abs(numpy.asarray(one, dtype=float) - numpy.asarray(other, dtype=float)).max()


# %% wrong="13.distance" says="square"
def distance(one, other):
    return ((numpy.asarray(one, dtype=float) - numpy.asarray(other, dtype=float)) ** 2).mean()


# %% wrong="13.distance" says="from 0 to 1"
def distance(one, other):
    return abs(numpy.asarray(one, dtype=float) - numpy.asarray(other, dtype=float)).mean() / 255


# %% right="13.distance"
from PIL import ImageChops, ImageStat  # noqa: E402


def distance(one, other):
    return numpy.mean(ImageStat.Stat(ImageChops.difference(one, other)).mean)


# %% right="13.distance"
def distance(one, other):
    first, second = (torch.tensor(numpy.array(picture)).float() for picture in (one, other))
    return torch.nn.functional.l1_loss(first, second)


# %% right="13.distance"
def distance(one, other):
    difference = numpy.asarray(one).astype("int16") - numpy.asarray(other).astype("int16")
    return float(numpy.abs(difference).mean())


# %% [markdown]
# Now the experiment. For each strength we draw three castles, from the noise of three seeds. On the
# left: how far they are from the house. On the right: how well they fit the old and the new prompt,
# by the **CLIP score** of lesson 07. At strength 0 there is the house itself. Which of the curves
# do you expect to rise, which to fall? And will they be straight?

# %% picture="13.measured" tags=["nbval-ignore-output"]
SEEDS = [1, 2, 3]
ranker = load_ranker("stickers-clip" if MODEL == "stickers" else "openai/clip-vit-base-patch32")
rows = []
for strength in [0.1, 0.15, *STRENGTHS] if distance(house, castle) is not None else []:
    generators = [seeded(seed) for seed in SEEDS]
    images = img2img(
        [NEW_PROMPT] * len(SEEDS),
        image=[house] * len(SEEDS),
        strength=strength,
        generator=generators,
        **SETTINGS,
    ).images
    cosine = ranker.scores(images, [OLD_PROMPT, NEW_PROMPT]).cosine.mean(dim=0)
    far = numpy.mean([distance(image, house) for image in images])
    rows.append([strength, far, *cosine.tolist()])
if rows:
    rows.insert(0, [0.0, 0.0, *ranker.scores([house], [OLD_PROMPT, NEW_PROMPT]).cosine[0].tolist()])
    table = pandas.DataFrame(rows, columns=["strength", "distance", "old prompt", "new prompt"])
    table = table.set_index("strength")
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    table["distance"].plot(ax=left, marker="o", ylim=(0, None), ylabel="distance from the house")
    table[["old prompt", "new prompt"]].plot(ax=right, marker="o", ylabel="CLIP score")
    plt.show()
    print(table.round(2))
else:
    print("First solve exercise 2.")

# %% [markdown]
# Look for the strength at which the two lines on the right cross: that is where the picture becomes
# more castle than house for CLIP. If the curves are flat from some strength on, more strength
# changes nothing. Where it is depends on the model, the scheduler, and on how far apart the two
# prompts are: try `NEW_PROMPT = "a flat sticker of a house on a teal background"`.
#
# ### What the encoder loses
#
# One thing is lost at every strength, even before any noise is added: the VAE squeezes the picture
# into few numbers, and gives back a slightly different one. The next cell takes a portrait to the
# latents and back. It also shows the difference, multiplied by four, on gray.


# %% picture="13.encoder" tags=["nbval-ignore-output"]
@torch.no_grad()
def encode(image):
    pixels = pipe.image_processor.preprocess(image).to(pipe._execution_device, pipe.vae.dtype)
    return pipe.vae.encode(pixels).latent_dist.mode() * pipe.vae.config.scaling_factor


@torch.no_grad()
def decode(latents):
    pixels = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    return pipe.image_processor.postprocess(pixels)[0]


portrait = example_portrait().resize(house.size, Image.Resampling.LANCZOS)
latents = encode(portrait)
again = decode(latents)
difference = numpy.asarray(again, dtype=float) - numpy.asarray(portrait, dtype=float)
shown = Image.fromarray((128 + 4 * difference).clip(0, 255).astype(numpy.uint8))
labels = ["given", "to latents and back", "difference x 4"]
show([portrait, again, shown], labels, cols=3)
print(f"{3 * portrait.width * portrait.height:,} numbers in the picture, {latents.numel():,} in")
print(f"the latents; PSNR {psnr(again, portrait):.1f} dB")

# %% [markdown]
# What changes most? Usually edges and small features: eyes, a mouth, letters. Each place of the
# latents, four numbers, describes a square of 8 × 8 pixels. So whatever you do to a picture in
# latent space, it loses some of its details. (**PSNR** is a measure of nearness from lesson 09:
# higher is nearer, and 6 dB more is half the error.)

# %% [markdown]
# ## 4 · Inpainting: repaint a part
#
# **Inpainting** changes only a region of a picture. A **mask** says which: a second picture of the
# same size, white where something new is wanted and black where the old picture stays.
#
# How do you make a model, which always draws whole pictures, leave a part alone? You let it draw
# everything, and after each step you put the old picture back outside of the mask, *with as much
# noise as belongs to that step*. So the model always sees the true surroundings and fits the new
# part to them. This blending is described in [RePaint](https://arxiv.org/abs/2201.09865) and, for
# latents, in [Blended Latent Diffusion](https://arxiv.org/abs/2206.02779).
#
# ### Exercise 3 · Keep what is outside
#
# Complete the function, the one line that does it. `latents` and `original` have the shape (images,
# channels, height, width). `mask` has one channel, and so fits all channels at once. It is 1 where
# the new `latents` are wanted, and 0 where `original` is to be kept. Return the mixture.


# %% exercise="13.blend"
def keep_outside(latents, original, mask):
    return mask * latents + (1 - mask) * original  # SOLUTION


# %%
exercise("13.blend").check(keep_outside=keep_outside)
# exercise("13.blend").hint()

# %% [markdown] hint="13.blend"
# `mask * latents` keeps the new latents where the mask is 1, and makes everything else 0. What is
# still missing are the old ones, where the mask is 0.

# %% [markdown] hint="13.blend"
# `1 - mask` is 1 exactly where `mask` is 0. Multiply each of the two tensors with one of the two
# masks, and add.


# %% wrong="13.blend" says="the wrong way round"
def keep_outside(latents, original, mask):
    return mask * original + (1 - mask) * latents


# %% wrong="13.blend" says="Outside of the mask there are zeros"
def keep_outside(latents, original, mask):
    return mask * latents


# %% wrong="13.blend" says="everywhere"
def keep_outside(latents, original, mask):
    return latents + (1 - mask) * original


# %% wrong="13.blend" says="the mean of both"
def keep_outside(latents, original, mask):
    return (latents + original) / 2


# %% right="13.blend"
def keep_outside(latents, original, mask):
    return torch.where(mask.bool(), latents, original)


# %% right="13.blend"
def keep_outside(latents, original, mask):
    return torch.lerp(original, latents, mask)


# %% right="13.blend"
def keep_outside(latents, original, mask):
    outside = (mask == 0).expand_as(latents)
    latents[outside] = original[outside]
    return latents


# %% [markdown]
# Now let your line work inside the ordinary pipeline. After each step, `callback_on_step_end` may
# replace the latents. `scheduler.add_noise` gives the old picture the noise of the next timestep;
# after the last step there is none. The mask is a rectangle over most of the picture, made as small
# as the latents. What of the house lies outside of it stays.

# %% picture="13.by_hand"
width, height = house.size
mask = Image.new("L", house.size, "black")
left, top, right, bottom = width // 8, height // 8, width * 7 // 8 - 1, height * 7 // 8 - 1
ImageDraw.Draw(mask).rectangle([left, top, right, bottom], 255)  # on the borders of latents


def inpaint_by_hand(prompt, picture, mask, seed):
    original, noise = encode(picture), seeded_latents(pipe, seed)
    small = mask.resize(noise.shape[:1:-1], Image.Resampling.BOX)  # (width, height) of the latents
    small = torch.from_numpy(numpy.asarray(small) > 127)[None, None].to(noise)

    def after_step(pipe, step, timestep, tensors):
        following = pipe.scheduler.timesteps[step + 1 : step + 2]
        noisy = pipe.scheduler.add_noise(original, noise, following) if len(following) else original
        return {"latents": keep_outside(tensors["latents"], noisy, small)}

    return pipe(prompt, latents=noise, callback_on_step_end=after_step, **SETTINGS).images[0]


INSIDE = "a 3d sticker of a fox on a teal background"
repainted = {"given": house}
if keep_outside(torch.ones(1), torch.zeros(1), torch.ones(1)) is ...:
    print("First solve exercise 3.")
else:
    repainted["by hand"] = inpaint_by_hand(INSIDE, house, mask, seed=1)
    labels = ["given", "mask", "by hand"]
    show([house, mask.convert("RGB"), repainted["by hand"]], labels, cols=3)
    print("repainted, same size:", repainted["by hand"].size == house.size)

# %% [markdown]
# diffusers has a pipeline that does the same: `StableDiffusionInpaintPipeline`. Let us give it the
# same noise. The two pictures are close, not equal: the pipeline *samples* the latents of the old
# picture from what the VAE says of them, where ours takes the most likely ones.
#
# There are also models that were *trained* to inpaint. Their U-Net reads 9 channels instead of 4:
# the noisy latents, the latents of the masked picture (4 more), and the mask. They see the
# surroundings from the first step on, and usually blend in better. With a GPU and a network, put
# one in place of `None`: `"stable-diffusion-v1-5/stable-diffusion-inpainting"`. The same call works
# with both kinds.

# %% picture="13.pipeline"
TRAINED_TO_INPAINT = None
if TRAINED_TO_INPAINT:
    inpaint = load_pipeline(TRAINED_TO_INPAINT)
else:
    inpaint = diffusers.StableDiffusionInpaintPipeline(
        **pipe.components, requires_safety_checker=False
    )
inpaint.set_progress_bar_config(disable=True)


def inpaint_with(prompt, picture, mask, seed=1):
    width, height = picture.size
    return inpaint(
        prompt,
        image=picture,
        mask_image=mask,
        width=width,
        height=height,
        strength=1.0,
        latents=seeded_latents(pipe, seed, height, width),
        generator=seeded(seed),
        **SETTINGS,
    ).images[0]


repainted["by the pipeline"] = inpaint_with(INSIDE, house, mask)
show(list(repainted.values()), repainted, cols=3)
print("channels that the U-Net reads:", inpaint.unet.config.in_channels)

# %% [markdown]
# `strength` means here what it meant in section 2: below 1, the masked region starts from the old
# content instead of pure noise.
#
# A mask need not be drawn by hand. Here every pixel counts as background that is similar to the
# upper left corner. Now the mask is everything *but* the house, so the house stays and the world
# around it changes. (With a photograph, no simple rule finds the background; there one uses a model
# for segmentation, or draws the mask.)

# %% picture="13.background"
numbers = numpy.asarray(house, dtype=float)
background = abs(numbers - numbers[2, 2]).max(axis=2) < 60
outside = Image.fromarray(background.astype(numpy.uint8) * 255)
scenes = ["a house in the snow", "a house at night", "a house on a yellow background"]
moved = [inpaint_with(scene, house, outside) for scene in scenes]
pictures = [house, outside.convert("RGB"), *moved]
display(image_grid(pictures, rows=1, labels=["given", "mask", *scenes]))
print(f"{len(moved)} new backgrounds")

# %% [markdown]
# Look at the border of the mask. The latents are coarse, so it cannot be followed exactly: an edge
# may fray, and a little of the old background may stay around the house. And is the house itself
# unchanged? It went through the VAE. Where every pixel outside of the mask must stay, paste the old
# picture back at the end: `Image.composite(new, old, mask)`.
#
# *This is the end of the core path. The rest is for those who have time.*
#
# ## 5 · Outpainting: beyond the edge (more)
#
# **Outpainting** is inpainting on a larger canvas: the picture lies in the middle, and the mask is
# everything around it.
#
# ### Exercise 4 · A wider canvas
#
# Complete the function. `picture` should get `extra` more pixels on the left *and* on the right.
# Return two pictures of that new size: a canvas (mode "RGB") with `picture` in the middle, of any
# color elsewhere; and the mask (mode "L"), which is 255 where something new is wanted and 0 where
# `picture` lies. `Image.new(mode, (width, height), color)` and `canvas.paste(picture, (x, y))` are
# all you need; `paste` also takes a color, with a box: `mask.paste(0, (left, top, right, bottom))`.


# %% exercise="13.canvas"
def widen(picture, extra):
    width, height = picture.size
    # BEGIN SOLUTION
    canvas = Image.new("RGB", (width + 2 * extra, height), "gray")
    canvas.paste(picture, (extra, 0))
    mask = Image.new("L", canvas.size, 255)
    mask.paste(0, (extra, 0, extra + width, height))
    # END SOLUTION
    # BEGIN STUB
    # canvas = ...
    # mask = ...
    # END STUB
    return canvas, mask


# %%
exercise("13.canvas").check(widen=widen)
# exercise("13.canvas").hint()

# %% [markdown] hint="13.canvas"
# `extra` pixels on each side: how wide is the canvas? The height stays as it is.

# %% [markdown] hint="13.canvas"
# The picture begins `extra` pixels from the left, so it ends at `extra + width`. The mask begins
# as all 255, and gets a 0 in just that box.


# %% wrong="13.canvas" says="on both sides"
def widen(picture, extra):
    width, height = picture.size
    canvas = Image.new("RGB", (width + extra, height), "gray")
    canvas.paste(picture, (extra, 0))
    mask = Image.new("L", canvas.size, 255)
    mask.paste(0, (extra, 0, extra + width, height))
    return canvas, mask


# %% wrong="13.canvas" says="not in the middle"
def widen(picture, extra):
    width, height = picture.size
    canvas = Image.new("RGB", (width + 2 * extra, height), "gray")
    canvas.paste(picture, (0, 0))
    mask = Image.new("L", canvas.size, 255)
    mask.paste(0, (extra, 0, extra + width, height))
    return canvas, mask


# %% wrong="13.canvas" says="the wrong way round"
def widen(picture, extra):
    width, height = picture.size
    canvas = Image.new("RGB", (width + 2 * extra, height), "gray")
    canvas.paste(picture, (extra, 0))
    mask = Image.new("L", canvas.size, 0)
    mask.paste(255, (extra, 0, extra + width, height))
    return canvas, mask


# %% wrong="13.canvas" says="whole canvas"
def widen(picture, extra):
    width, height = picture.size
    canvas = Image.new("RGB", (width + 2 * extra, height), "gray")
    canvas.paste(picture, (extra, 0))
    mask = Image.new("L", canvas.size, 255)
    return canvas, mask


# %% right="13.canvas"
from PIL import ImageOps  # noqa: E402


def widen(picture, extra):
    canvas = ImageOps.expand(picture, (extra, 0), "teal")
    mask = ImageOps.expand(Image.new("L", picture.size, 0), (extra, 0), 255)
    return [canvas, mask]


# %% right="13.canvas"
def widen(picture, extra):
    pixels = numpy.pad(numpy.asarray(picture), ((0, 0), (extra, extra), (0, 0)), mode="edge")
    mask = numpy.full(pixels.shape[:2], 255, dtype=numpy.uint8)
    mask[:, extra:-extra] = 0
    return Image.fromarray(pixels), Image.fromarray(mask)


# %% right="13.canvas"
def widen(picture, extra):
    width, height = picture.size
    canvas = Image.new("RGB", (extra + width + extra, height))
    canvas.paste(picture, (extra, 0))
    mask = Image.new("1", canvas.size, 1)
    ImageDraw.Draw(mask).rectangle([extra, 0, extra + width - 1, height], 0)
    return canvas, mask


# %% [markdown]
# Three pictures with a scene, each made half as wide again. A scene is easy to continue; watch what
# becomes of the horizon, and whether the model puts a second subject beside the first.

# %% picture="13.wide"
PROMPTS = ["a sailboat on the beach", "a snowman in the snow", "a tree in a meadow"]
if widen(house, 8)[0] is ...:
    print("First solve exercise 4.")
else:
    wide = []
    for seed, prompt in enumerate(PROMPTS, start=1):
        narrow = pipe(prompt, generator=seeded(seed), **SETTINGS).images[0]
        canvas, around = widen(narrow, width // 4)
        wide += [canvas, inpaint_with(prompt, canvas, around)]
    show(wide, cols=2)
    print(len(wide) // 2, "pictures, made half as wide again:", wide[-1].width == width * 3 // 2)

# %% [markdown]
# The model was trained on square pictures of one size, each with one subject. At other sizes it
# works with what it learned there. Look at the seams: does the horizon go on, do the colors match?
# Then draw a wide picture from nothing, `pipe(prompt, width=192, height=128)`. A model that learned
# one subject in each square picture tends to put a second one there; if you get twins, name only
# the scene in the prompt.
#
# ## 6 · Enlarging (more)
#
# There are three ways to make a picture twice as large:
#
# - **in pixels**, by interpolation: nothing is added, and the result is soft;
# - **in latent space**: enlarge the latents, or the picture, then let image-to-image add detail at
#   a low strength;
# - **with a model trained for it**: lesson 09's restorer, GFP-GAN, or diffusers' upscaling
#   pipelines (`StableDiffusionUpscalePipeline`, `StableDiffusionLatentUpscalePipeline`).
#
# To judge them we need the **ground truth**: a large picture, which we make small ourselves. Then
# we measure how near each method comes to it. Guess first: which is nearest, and which has the most
# detail?

# %% picture="13.enlarged" tags=["nbval-ignore-output"]
truth = example_portrait().resize((2 * width, 2 * height), Image.Resampling.LANCZOS)
small = truth.resize(house.size, Image.Resampling.LANCZOS)
bicubic = small.resize(truth.size, Image.Resampling.BICUBIC)
stretched = torch.nn.functional.interpolate(encode(small), scale_factor=2, mode="bicubic")
enlarged = {"ground truth": truth, "bicubic": bicubic, "latents, stretched": decode(stretched)}
for strength in [0.1, 0.4]:
    enlarged[f"image-to-image {strength}"] = img2img(
        "a portrait of a woman", image=bicubic, strength=strength, generator=seeded(1), **SETTINGS
    ).images[0]
enlarged["restorer"] = Restorer.from_pretrained().improve(small, factor=2)
show(list(enlarged.values()), enlarged, cols=3)
for name, image in list(enlarged.items())[1:]:
    print(f"{name:20} PSNR {psnr(image, truth):.1f} dB")

# %% [markdown]
# Three things to see:
#
# - *Stretched latents* are not the latents of a large picture. The VAE has never seen such smooth
#   ones, and what it makes of them is blurred or has a pattern.
# - *Image-to-image* replaces detail by its own. Even at a low strength everything went through the
#   VAE, and the model draws at a size that it never learned: it may draw several small faces in
#   place of a large one. Real workflows use a low strength, and repeat it on overlapping tiles of
#   the trained size.
# - The *restorer* was trained on pairs of small and large portraits, so on portraits it is nearest.
#   On other pictures it does little more than clean up and interpolate.
#
# A picture can look sharp and be wrong. Whoever enlarges a face does not find out what it looked
# like; the model makes up what is likely.
#
# ## What you learned
#
# - **Image-to-image** encodes a picture, adds noise, and runs the rest of the loop. **strength** is
#   the share of the steps that is run.
# - The distance to the first picture, and the CLIP scores with both prompts, show where a picture
#   turns from one thing into another.
# - The **VAE** loses details on each trip, at any strength.
# - **Inpainting** with an ordinary model puts the noisy original back outside of the **mask** after
#   each step. Models trained for it read the mask as well, in 9 channels.
# - **Outpainting** is inpainting on a larger canvas.
# - Enlarging makes up details; only a comparison with the ground truth says how good they are.
#
# **Try on your own:** take a photograph of your own, crop it to a square, `resize(house.size)`, and
# turn it into a sticker. Send a picture through the VAE ten times. Inpaint with a mask that has
# soft edges. Give `inpaint_by_hand` noise-free surroundings (`original` instead of `noisy`) and see
# why the noise has to match.
#
# **Read on:** [Latent diffusion](../course/reading/latent-diffusion.md).
#
# Next: [lesson 14](14_from_nothing.ipynb), in which you train a diffusion model of your own, from
# nothing.
