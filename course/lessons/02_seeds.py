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
# # 02 · Seeds and fixed latents: the same picture twice
#
# Stable Diffusion starts every picture from random noise. Is a picture that you liked and lost gone
# for good? No. With one number you get it back, and you can hand it to your neighbor. You can also
# change one word and see what that word alone does.
#
# ![Four pictures from one noise, each with one word changed: a 3d fox, cat, rabbit and penguin on
# teal](../course/pictures/02_only_word.png)
#
# **At the end you will be able to**
#
# - make random numbers that come out the same each time;
# - compute the shape of the noise from a model's own configuration;
# - draw the same picture twice, and one that was first drawn on another computer;
# - change only the seed, or only one word, and say what each of them decides;
# - draw several pictures at once so that each can be drawn again alone;
# - say when fixed noise is *not* enough, and why another device makes different noise.
#
# **Time:** 45 minutes for the core path, sections 1 to 6. The sections headed *More* take another
# 15. **You need:** lesson 01, which also explains the hints. The complete solution is
# `solutions/02_seeds.ipynb`.

# %% [markdown]
# ## 1 · One prompt, two pictures
#
# The same prompt and the same settings, twice. Are the pictures equal? `SETTINGS` holds what stays
# the same in this whole lesson.

# %% picture="02.chance"
import itertools

import numpy
import torch
from diffusers import DDIMScheduler
from IPython.display import display

from helpers import enlarge, exercise, image_grid, load_pipeline, seeded_latents

MODEL = "stickers"
pipe = load_pipeline(MODEL)
SETTINGS = {"num_inference_steps": 25, "guidance_scale": 5.0}
prompt = "a 3d sticker of a fox on a teal background"
by_chance = [pipe("a fox", **SETTINGS).images[0] for _ in range(2)]
display(image_grid(by_chance, rows=1, labels=["first run", "second run"], min_width=256))
print("equal:", by_chance[0].tobytes() == by_chance[1].tobytes())

# %% [markdown]
# They are not. Each call took new noise, and when you run the cell again, these two are gone. So
# let us get hold of the noise.
#
# ## 2 · Random numbers that come out the same
#
# A computer can't throw dice. It has a **generator**, which computes numbers by a fixed rule so
# that they *look* random. The next number follows from the generator's **state**, and the state
# changes with every number. The **seed** sets the first state. PyTorch's generator is a
# `torch.Generator`, and `torch.randn` takes numbers from it: *rand* for random, *n* for the
# **normal distribution**, the bell curve around 0 (so most numbers are between −2 and 2).
#
# We take three numbers twice from one generator. Will they be the same? `torch.equal` says whether
# two tensors have the same shape and the same number at each place. Decide before you run the cell.

# %%
generator = torch.Generator().manual_seed(42)
first = torch.randn(3, generator=generator)
second = torch.randn(3, generator=generator)
print("equal:", torch.equal(first, second))

# %% [markdown]
# They differ, because the state has moved on. A generator is like a long printed list of numbers
# with a bookmark: the seed says which list, and each draw moves the bookmark. To read the same
# numbers again, start the list again. A new generator with the same seed does that.

# %%
generator = torch.Generator().manual_seed(42)
again = torch.randn(3, generator=generator)
print("equal to the first:", torch.equal(first, again))

# %% [markdown]
# When you think *but I did set the seed!*, look first for a bookmark that has moved.
#
# ## 3 · How much noise does a picture need?
#
# Stable Diffusion does not work on pixels. Its U-Net works on **latents**, a small stack of number
# tables that the VAE can turn into a picture. The space of all latents is the **latent space**. So
# the noise must have the shape of the latents, and the model's configuration says which shape:
#
# - `pipe.unet.config.in_channels`: how many tables lie on top of one another, the **channels**;
# - `pipe.vae_scale_factor`: how many pixels, across and down, there are per latent;
# - `pipe.unet.config.sample_size`: the side of the latents that the model was trained with.

# %%
channels = pipe.unet.config.in_channels
factor = pipe.vae_scale_factor
side = pipe.unet.config.sample_size
print(channels, "channels ·", factor, "pixels per latent ·", side, "×", side, "latents")

# %% [markdown]
# The order in a tensor of pictures is always: number of pictures (the **batch**), channels, height,
# width.
#
# ### Exercise 1 · The shape of the noise
#
# Complete the function. It gets a pipeline and the size of *one* picture in pixels, and returns the
# shape of the noise for it as four whole numbers, for example `(1, 4, 16, 24)`. Take what you need
# from the configuration, so that your function works for other models as well. Division with `//`
# gives a whole number.


# %% exercise="02.shape"
def latents_shape(pipe, height, width):
    # BEGIN SOLUTION
    factor = pipe.vae_scale_factor
    return (1, pipe.unet.config.in_channels, height // factor, width // factor)
    # END SOLUTION


# %%
exercise("02.shape").check(latents_shape=latents_shape, pipe=pipe)
# exercise("02.shape").hint()

# %% [markdown] hint="02.shape"
# One picture, so the first number is 1. The second is the number of channels, which you have just
# printed.

# %% [markdown] hint="02.shape"
# If there are 8 pixels per latent, how many latents does a row of 128 pixels need? Now write it
# with `width` and the pipeline's own factor instead of 128 and 8.

# %% [markdown] hint="02.shape"
# In a tensor the height comes *before* the width.


# %% wrong="02.shape" says="pixels"
def latents_shape(pipe, height, width):
    return (1, pipe.unet.config.in_channels, height, width)


# %% wrong="02.shape" says="height comes before the width"
def latents_shape(pipe, height, width):
    factor = pipe.vae_scale_factor
    return (1, pipe.unet.config.in_channels, width // factor, height // factor)


# %% wrong="02.shape" says="whole numbers"
def latents_shape(pipe, height, width):
    factor = pipe.vae_scale_factor
    return (1, pipe.unet.config.in_channels, height / factor, width / factor)


# %% wrong="02.shape" says="instead of multiplying"
def latents_shape(pipe, height, width):
    factor = pipe.vae_scale_factor
    return (1, pipe.unet.config.in_channels, height * factor, width * factor)


# %% wrong="02.shape" says="how many channels the latents have"
def latents_shape(pipe, height, width):
    factor = pipe.vae_scale_factor
    return (1, 3, height // factor, width // factor)


# %% wrong="02.shape" says="it says the same"
def latents_shape(pipe, height, width):
    return (1, channels, side, side)


# %% wrong="02.shape" says="another model"
def latents_shape(pipe, height, width):
    return (1, 4, height // 8, width // 8)


# %% wrong="02.shape" says="four numbers"
def latents_shape(pipe, height, width):
    factor = pipe.vae_scale_factor
    return (pipe.unet.config.in_channels, height // factor, width // factor)


# %% wrong="02.shape" says="returns `None`"
def latents_shape(pipe, height, width):
    factor = pipe.vae_scale_factor
    if height == width:
        return (1, pipe.unet.config.in_channels, height // factor, width // factor)


# %% right="02.shape"
def latents_shape(pipe, height, width):
    return seeded_latents(pipe, 0, height, width).shape


# %% right="02.shape"
def latents_shape(pipe, height, width):
    with torch.no_grad():
        pixels = torch.zeros(1, 3, height, width, device=pipe.device, dtype=pipe.vae.dtype)
        return list(pipe.vae.encode(pixels).latent_dist.mean.shape)


# %% right="02.shape"
def latents_shape(pipe, height, width):
    latents = torch.tensor([height, width]) // (2 ** (len(pipe.vae.config.block_out_channels) - 1))
    return torch.Size([1, pipe.vae.config.latent_channels, *latents.tolist()])


# %% [markdown]
# Why this detour over latents? Count: a pixel has three numbers (red, green, blue), and there are
# many pixels. How much work is the U-Net spared? Your function says how large the latents are.

# %%
shape = (1, channels, side, side)
pixels_side = side * factor
numbers_in_latents = channels * side * side
numbers_in_pixels = 3 * pixels_side * pixels_side
print("shape of the noise:", shape)
yours = latents_shape(pipe, pixels_side, pixels_side)
print("your function agrees:", yours is not None and tuple(yours) == shape)
print(f"{numbers_in_pixels:,} numbers in pixels, {numbers_in_latents:,} in latents:")
print(f"{numbers_in_pixels / numbers_in_latents:.0f} times fewer")

# %% [markdown]
# The real Stable Diffusion 1.x has the same ratio, 3 × 512 × 512 numbers in pixels to 4 × 64 × 64
# in latents. It depends on the factor and the channels, not on the size.
#
# ### Exercise 2 · The same noise twice
#
# Draw noise of the `shape` above from the seed `same_seed`, twice, so that `torch.equal` says yes.
# (Do draw it twice. The check only sees the numbers, so it can't tell a second draw from a copy,
# but your neighbor has nothing to copy.)

# %% exercise="02.same_noise"
same_seed = 42
latents = torch.randn(shape, generator=torch.Generator().manual_seed(same_seed))  # SOLUTION
latents_again = torch.randn(shape, generator=torch.Generator().manual_seed(same_seed))  # SOLUTION

# %%
exercise("02.same_noise").check(
    latents=latents, latents_again=latents_again, seed=same_seed, shape=shape
)
# exercise("02.same_noise").hint()

# %% [markdown] hint="02.same_noise"
# Section 2 has everything you need. There the shape was just `3`.

# %% [markdown] hint="02.same_noise"
# How many generators do you need? Think of the bookmark: after the first draw it has moved.

# %% wrong="02.same_noise" says="bookmark"
same_seed = 42
generator = torch.Generator().manual_seed(same_seed)
latents = torch.randn(shape, generator=generator)
latents_again = torch.randn(shape, generator=generator)

# %% wrong="02.same_noise" says="no generator"
same_seed = 42
latents = torch.randn(shape)
latents_again = torch.randn(shape)

# %% wrong="02.same_noise" says="two names"
same_seed = 42
latents = torch.randn(shape, generator=torch.Generator().manual_seed(same_seed))
latents_again = latents

# %% wrong="02.same_noise" says="`torch.rand`"
same_seed = 42
latents = torch.rand(shape, generator=torch.Generator().manual_seed(same_seed))
latents_again = torch.rand(shape, generator=torch.Generator().manual_seed(same_seed))

# %% wrong="02.same_noise" says="shape"
same_seed = 42
latents = torch.randn(3, generator=torch.Generator().manual_seed(same_seed))
latents_again = torch.randn(3, generator=torch.Generator().manual_seed(same_seed))

# %% right="02.same_noise"
same_seed = 42
generator = torch.Generator().manual_seed(same_seed)
latents = torch.randn(*shape, generator=generator)
latents_again = torch.randn(*shape, generator=generator.manual_seed(same_seed))

# %% right="02.same_noise"
same_seed = 42
latents, latents_again = seeded_latents(pipe, same_seed), seeded_latents(pipe, [same_seed])

# %% right="02.same_noise"
same_seed = 42
torch.manual_seed(same_seed)
latents = torch.randn(list(shape))
generator = torch.Generator("cpu")
generator.manual_seed(same_seed)
latents_again = torch.empty(shape).normal_(generator=generator)

# %% [markdown]
# ## 4 · Two pictures from one noise
#
# A pipeline takes finished noise as `latents`. The function below saves us some typing. It also
# moves the noise to the model's device and into its type of number. Now the first picture, from
# *your* noise; until exercise 2 is solved, from ours.


# %% picture="02.first"
def draw_from(latents, prompt, **changes):
    latents = latents.to(pipe.device, pipe.dtype)
    return pipe(prompt, latents=latents, **(SETTINGS | changes)).images[0]


noise = torch.randn(shape, generator=torch.Generator().manual_seed(42))
picture = draw_from(noise if latents is ... else latents, prompt)
display(enlarge(picture))

# %% [markdown]
# Two tensors that are equal should give two pictures that are equal: not only alike, but the same
# in every byte. We draw from the second tensor.

# %% picture="02.twin" same_as="02.first"
twin = draw_from(noise if latents_again is ... else latents_again, prompt)
display(enlarge(twin))
print("the same picture:", twin.tobytes() == picture.tobytes())

# %% [markdown]
# In lesson 01 we gave the pipeline a generator instead, and never saw the noise. The pipeline then
# draws the noise from the generator, in the shape that you now know. So this must give the same
# picture once more:

# %% picture="02.generator" same_as="02.first"
generator = torch.Generator().manual_seed(42)
third = pipe(prompt, generator=generator, **SETTINGS).images[0]
display(enlarge(third))
print("the same again:", third.tobytes() == picture.tobytes())

# %% [markdown]
# ### A picture for your neighbor
#
# A seed is a single whole number, so a picture fits into a short message: *prompt, seed, steps,
# guidance, model*. With the model's own scheduler and size, no negative prompt, and the same
# version of the model (one that was trained further draws another picture), this is all that anyone
# needs to draw it again. Here is such a message.
#
# > a poodle and an astronaut on a purple background · seed 6421725739674010 · 25 steps ·
# > guidance 5.0 · model: stickers
#
# And this is the picture that it describes:
#
# ![The picture that the message describes: what the sticker model draws for a poodle and an
# astronaut on a purple background with seed 6421725739674010](../course/pictures/02_neighbour.png)
#
# (Don't expect two figures. The model knows both words, but each picture that it learned from
# showed *one* subject. Lesson 04 looks into this. With another `MODEL`, the message describes
# another picture: then compare with a neighbor who has the same one.)
#
# ### Exercise 3 · Repeat it
#
# First draw `neighbour_latents` for this seed with `torch.randn`. Then draw the picture,
# `neighbour`, with `draw_from`, and show it with `display(enlarge(neighbour))`. It should look
# exactly like the one above. If someone sits next to you, compare your screens.

# %% exercise="02.neighbour" picture="02.neighbour" export="02_neighbour.png"
neighbour_prompt = "a poodle and an astronaut on a purple background"
neighbour_seed = 6421725739674010
# BEGIN SOLUTION
generator = torch.Generator().manual_seed(neighbour_seed)
neighbour_latents = torch.randn(shape, generator=generator)
neighbour = draw_from(neighbour_latents, neighbour_prompt)
display(enlarge(neighbour))
# END SOLUTION
# BEGIN STUB
# neighbour_latents = ...
# neighbour = ...
# END STUB

# %%
exercise("02.neighbour").check(
    neighbour_latents=neighbour_latents, neighbour=neighbour, draw_from=draw_from, shape=shape
)
# exercise("02.neighbour").hint()

# %% [markdown] hint="02.neighbour"
# The noise first: as in exercise 2, with another seed.

# %% [markdown] hint="02.neighbour"
# Now the picture: `draw_from` takes the noise and the prompt, in this order, and knows the
# settings.

# %% wrong="02.neighbour" says="seed 42"
neighbour_prompt = "a poodle and an astronaut on a purple background"
neighbour_seed = 6421725739674010
neighbour_latents = torch.randn(shape, generator=torch.Generator().manual_seed(42))
neighbour = draw_from(neighbour_latents, neighbour_prompt)

# %% wrong="02.neighbour" says="another prompt, or other settings"
neighbour_prompt = "a poodle and an astronaut on a purple background"
neighbour_seed = 6421725739674010
neighbour_latents = torch.randn(shape, generator=torch.Generator().manual_seed(neighbour_seed))
neighbour = draw_from(neighbour_latents, prompt)

# %% wrong="02.neighbour" says="only to show it"
neighbour_prompt = "a poodle and an astronaut on a purple background"
neighbour_seed = 6421725739674010
neighbour_latents = torch.randn(shape, generator=torch.Generator().manual_seed(neighbour_seed))
neighbour = enlarge(draw_from(neighbour_latents, neighbour_prompt))

# %% wrong="02.neighbour" says="not the noise of seed 6421725739674010"
neighbour_prompt = "a poodle and an astronaut on a purple background"
neighbour_seed = 6421725739674010
neighbour_latents = torch.randn(shape)
neighbour = draw_from(neighbour_latents, neighbour_prompt)

# %% wrong="02.neighbour" says=".images"
neighbour_prompt = "a poodle and an astronaut on a purple background"
neighbour_seed = 6421725739674010
neighbour_latents = torch.randn(shape, generator=torch.Generator().manual_seed(neighbour_seed))
neighbour = pipe(neighbour_prompt, latents=neighbour_latents, **SETTINGS)

# %% wrong="02.neighbour" says="another prompt, or other settings"
neighbour_prompt = "a poodle and an astronaut on a purple background"
neighbour_seed = 6421725739674010
neighbour_latents = torch.randn(shape, generator=torch.Generator().manual_seed(neighbour_seed))
neighbour = draw_from(neighbour_latents, neighbour_prompt, num_inference_steps=20)

# %% right="02.neighbour"
neighbour_prompt = "a poodle and an astronaut on a purple background"
neighbour_seed = 6421725739674010
neighbour_latents = seeded_latents(pipe, neighbour_seed)
neighbour = pipe(neighbour_prompt, latents=neighbour_latents, **SETTINGS).images[0]

# %% right="02.neighbour"
neighbour_prompt = "a poodle and an astronaut on a purple background"
neighbour_seed = 6421725739674010
torch.manual_seed(neighbour_seed)
neighbour_latents = torch.randn(shape)
generator = torch.Generator().manual_seed(neighbour_seed)
neighbour = pipe([neighbour_prompt], generator=[generator], **SETTINGS).images[0]

# %% right="02.neighbour"
neighbour_prompt = "a poodle and an astronaut on a purple background"
neighbour_seed = 6421725739674010
generator = torch.Generator()
neighbour_latents = torch.randn(shape, generator=generator.manual_seed(neighbour_seed))
output = pipe(
    prompt=neighbour_prompt,
    latents=neighbour_latents.to(pipe.device, pipe.dtype),
    num_inference_steps=25,
    guidance_scale=5.0,
    output_type="np",
)
neighbour = pipe.numpy_to_pil(output.images)[0]

# %% [markdown]
# ## 5 · Change one thing
#
# Now that nothing changes by itself, we can change one thing at a time. First **only the seed**:
# four noises, one prompt. The prompt leaves a lot open, so that the noise has something to decide.

# %% picture="02.only_seed"
seeds = [1, 2, 3, 4]
by_seed = []
for seed in seeds:
    noise_of_seed = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    by_seed.append(draw_from(noise_of_seed, "a fox"))
display(image_grid(by_seed, rows=1, labels=[f"seed {seed}" for seed in seeds], min_width=256))
print("different pictures:", len({picture.tobytes() for picture in by_seed}))

# %% [markdown]
# Now the same four noises with a prompt that leaves little open. And a measure: how much do two
# pictures differ, on average over all pixels and all pairs? It is counted in **levels**: a pixel's
# red, green and blue are numbers from 0 to 255. Which prompt will differ more from seed to seed?

# %% picture="02.full_prompt" differs_from="02.only_seed" tags=["nbval-ignore-output"]
FULL_PROMPT = "a 3d sticker of a fox on a teal background"
by_seed_in_full = []
for seed in seeds:
    noise_of_seed = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    by_seed_in_full.append(draw_from(noise_of_seed, FULL_PROMPT))
labels = [f"seed {seed}" for seed in seeds]
display(image_grid(by_seed_in_full, rows=1, labels=labels, min_width=256))


def levels_apart(pictures):
    numbers = [numpy.asarray(picture, dtype=float) for picture in pictures]
    pairs = itertools.combinations(numbers, 2)
    return numpy.mean([abs(one - other).mean() for one, other in pairs])


print(f"a fox: {levels_apart(by_seed):.0f} levels apart")
print(f"{FULL_PROMPT}: {levels_apart(by_seed_in_full):.0f} levels apart")

# %% [markdown]
# Then **only one word**: one noise, four prompts that differ in a single word.

# %% picture="02.only_word" differs_from="02.only_seed" export="02_only_word.png"
words = ["fox", "cat", "rabbit", "penguin"]
prompts = [f"a 3d sticker of a {word} on a teal background" for word in words]
by_word = [draw_from(noise, prompt_of_word) for prompt_of_word in prompts]
display(image_grid(by_word, rows=1, labels=words, min_width=256))
print("different pictures:", len({picture.tobytes() for picture in by_word}))

# %% [markdown]
# The prompt decides *what* is in the picture. The noise decides what the prompt leaves open: often
# the place, the pose and the colors. The more a prompt says, the less is left for the seed. So fix
# the noise when you look for the right words: if both changed at once, you wouldn't know which of
# them did it.
#
# ## 6 · Several pictures at once
#
# A pipeline can draw a batch of pictures in one call. But where does the noise of a batch come
# from? You could draw it from *one* generator, all at once. The next cell compares this with three
# separate draws. Which layers will be the same?

# %%
one_generator = torch.Generator().manual_seed(1)
batch = torch.randn((3, channels, side, side), generator=one_generator)
for index, seed in enumerate([1, 2, 3]):
    alone = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    print(f"picture {index} is what seed {seed} gives alone:", torch.equal(batch[index], alone[0]))

# %% [markdown]
# Only the first, number 0. The others came from further on in the list of seed 1: no seed of their
# own would bring them back. So the rule is **one generator per picture**.
#
# ### Exercise 4 · A batch whose pictures can be repeated
#
# Make `batch_latents` for the three `batch_seeds`: a tensor with three layers, and in each the
# noise that its seed gives alone. `torch.cat(list_of_tensors)` joins tensors along the first
# dimension.

# %% exercise="02.batch"
batch_seeds = [11, 12, 13]
# BEGIN SOLUTION
noises = []
for batch_seed in batch_seeds:
    generator = torch.Generator().manual_seed(batch_seed)
    noises.append(torch.randn(shape, generator=generator))
batch_latents = torch.cat(noises)
# END SOLUTION
# BEGIN STUB
# batch_latents = ...
# END STUB

# %%
exercise("02.batch").check(batch_latents=batch_latents, batch_seeds=batch_seeds, shape=shape)
# exercise("02.batch").hint()

# %% [markdown] hint="02.batch"
# A loop over the seeds: in each pass a new generator and one noise of the usual `shape`. Collect
# the noises in a list.

# %% [markdown] hint="02.batch"
# Each noise has the shape (1, channels, height, width). `torch.cat` joins three of them to
# (3, channels, height, width).

# %% wrong="02.batch" says="one generator for the whole batch"
batch_seeds = [11, 12, 13]
generator = torch.Generator().manual_seed(11)
batch_latents = torch.randn((3, *shape[1:]), generator=generator)

# %% wrong="02.batch" says="torch.stack"
batch_seeds = [11, 12, 13]
batch_latents = torch.stack(
    [torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in batch_seeds]
)

# %% wrong="02.batch" says="the same noise"
batch_seeds = [11, 12, 13]
batch_latents = torch.cat(
    [torch.randn(shape, generator=torch.Generator().manual_seed(11)) for seed in batch_seeds]
)

# %% wrong="02.batch" says="torch.cat"
batch_seeds = [11, 12, 13]
batch_latents = [
    torch.randn(shape, generator=torch.Generator().manual_seed(seed)) for seed in batch_seeds
]

# %% right="02.batch"
batch_seeds = [11, 12, 13]
batch_latents = seeded_latents(pipe, batch_seeds)

# %% right="02.batch"
batch_seeds = (11, 12, 13)
batch_latents = torch.stack(
    [torch.randn(shape[1:], generator=torch.Generator().manual_seed(seed)) for seed in batch_seeds]
)

# %% right="02.batch"
batch_seeds = range(11, 14)
batch_latents = torch.empty(len(batch_seeds), *shape[1:])
for layer, seed in zip(batch_latents, batch_seeds, strict=True):
    layer.copy_(torch.randn(shape, generator=torch.Generator().manual_seed(seed))[0])

# %% [markdown]
# `seeded_latents` of our helpers does the same: give it the pipeline and a seed, or a list of
# seeds, and it finds the shape, uses one generator per picture, and moves the noise to the model.
# Now we draw three pictures of one prompt in one call, in two ways. Above, from **your** batch
# (until it is there, from `seeded_latents`). Below, the pipeline makes the noise itself:
# `num_images_per_prompt` says how many pictures to draw, and `generator` takes one per picture.

# %% picture="02.batch"
if batch_latents is ...:
    batch_latents = seeded_latents(pipe, batch_seeds)
batch = batch_latents.to(pipe.device, pipe.dtype)
above = pipe([prompt] * 3, latents=batch, **SETTINGS).images
generators = [torch.Generator().manual_seed(seed) for seed in batch_seeds]
below = pipe(prompt, num_images_per_prompt=3, generator=generators, **SETTINGS).images
labels = [f"{name}, seed {seed}" for name in ("latents", "generator") for seed in batch_seeds]
display(image_grid(above + below, rows=2, labels=labels, min_width=256))
print(
    "equal:", all(one.tobytes() == other.tobytes() for one, other in zip(above, below, strict=True))
)

# %% [markdown]
# Each of them can be drawn again alone, from its seed. The noise is then equal bit by bit. The
# picture is equal to the eye: with three pictures at a time a processor may add up long sums in
# another order, and rounding then differs in the last digits.

# %% [markdown]
# ## More · When fixed noise is not enough
#
# So far the noise at the start decided everything. Some schedulers add **new noise** in each step.
# Then there are two sources of chance, and passing `latents` fixes only the first.
#
# The scheduler **DDIM** ([paper](https://arxiv.org/abs/2010.02502)) has a control for it, named
# **`eta`**: 0 adds no noise on the way, 1 adds a lot. The next cell makes a second pipeline from
# the same parts with this scheduler (nothing is loaded again). Its function draws twice from *the
# same latents*. If it gets a seed, it also makes a new generator for each picture. (Lesson 03
# explains `clip_sample=False`.)


# %%
ddim = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
parts = pipe.components | {"scheduler": ddim}
ddim_pipe = type(pipe)(**parts, requires_safety_checker=False)
ddim_pipe.set_progress_bar_config(disable=True)


def draw_pair(eta, seed=None):
    pair = []
    for _ in range(2):
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        start = seeded_latents(pipe, 42)
        output = ddim_pipe("a fox", latents=start, generator=generator, eta=eta, **SETTINGS)
        pair.append(output.images[0])
    print("equal:", pair[0].tobytes() == pair[1].tobytes())
    return image_grid(pair, rows=1, labels=["first", "second"], min_width=256)


# %% [markdown]
# First `eta=0`. There is no other noise than that of the latents, so the pair should be equal.

# %% picture="02.eta_zero"
display(draw_pair(eta=0.0))

# %% [markdown]
# Now `eta=1`, with the very same latents and still no generator. What do you expect? (The first
# line fixes the noise that PyTorch takes when nobody gives it a generator. It is only here so that
# this page stays the same each time we build it.)

# %% picture="02.eta_one" differs_from="02.eta_zero"
torch.manual_seed(2026)
display(draw_pair(eta=1.0))

# %% [markdown]
# The same start, and yet two pictures. The cure is a generator *in addition to* the latents: it
# fixes the noise on the way.

# %% picture="02.eta_seeded" differs_from="02.eta_zero, 02.eta_one"
display(draw_pair(eta=1.0, seed=7))

# %% [markdown]
# With `generator` alone, and no latents, the pipeline draws all noise from it: first that of the
# start, then that of the steps. This works as well, so in other people's code you will see both.
#
# Schedulers with *ancestral* in their name (*Euler a*) always add noise in each step, and so does
# **DDPM**, which you met in lesson 01. If a picture with fixed latents still changes from run to
# run, look at the scheduler.
#
# ## More · Another device, different noise
#
# A seed says which list of numbers to read, and that is of use only if both readers have the same
# lists. Other libraries, and other devices, compute their numbers by other rules. We ask NumPy,
# another library for numbers, for the noise of seed 42, and then a graphics card if there is one.

# %% tags=["nbval-ignore-output"]
numpy_noise = torch.from_numpy(numpy.random.default_rng(42).standard_normal(shape)).float()
print("NumPy and PyTorch, seed 42, equal:", torch.equal(numpy_noise, noise))
if torch.cuda.is_available():
    on_gpu = torch.randn(shape, generator=torch.Generator("cuda").manual_seed(42), device="cuda")
    print("GPU and CPU, seed 42, equal:", torch.equal(on_gpu.cpu(), noise))
else:
    print("GPU and CPU: no CUDA GPU here. With one, the answer is also False.")

# %% [markdown]
# This is why the course always draws noise on the **CPU** (the ordinary processor), in 32-bit
# numbers, and then moves it to the model. (`torch.Generator()` without a device is a CPU
# generator.) You and your neighbor get the same noise, with or without a graphics card. The
# pictures are then the same to the eye, though not to the last bit, since each device rounds in its
# own way.
#
# And a seed fixes nothing else. With another model, other steps, another guidance scale, another
# scheduler or another size, the same seed gives another picture. So note them all; `save_image` of
# our `helpers` can write them into the picture's file.

# %% [markdown]
# ## What you learned
#
# - A **generator** with a **seed** gives a fixed sequence of numbers, and each draw moves on in it.
#   Same numbers again means a *new* generator with the same seed.
# - The **latents** have the shape (pictures, channels, height / factor, width / factor), all of it
#   from the pipeline's own configuration, and 48 times fewer numbers than the pixels.
# - Equal latents and equal settings give the same picture: on your computer to the last bit, on
#   your neighbor's to the eye.
# - The prompt decides what is drawn, the noise what the prompt leaves open. Change one thing at a
#   time.
# - In a batch: **one generator per picture**, by `seeded_latents`, or as a list of generators.
# - Schedulers that add noise in each step need a `generator` besides the `latents`.
# - Noise is drawn on the CPU, because each kind of device has its own.
#
# **Try on your own:** find the seed of the finest unicorn between 0 and 20, and send the message to
# someone. Mix the noise of two seeds, `0.7 * a + 0.7 * b`, and draw it. Why 0.7 and not 0.5? (Print
# `.std()`, the spread of the numbers.) Draw noise from `neighbour_seed % 2**32`: on the CPU,
# PyTorch uses no more of a seed than this remainder.
#
# Next: [lesson 03](03_steps.ipynb), in which you measure how many steps a picture needs.
