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
# Stable Diffusion starts every picture from random noise. Does that mean that a picture which you
# liked and lost is gone for good? No. With one number you get it back, and you can hand it to your
# neighbour. You can also change one word and see what that word alone does. This lesson shows how.
#
# **At the end you will be able to**
#
# - make random numbers that come out the same each time;
# - work out the shape of the noise from a model's own configuration;
# - draw the same picture twice, and one that was first drawn on another computer;
# - change only the seed, or only one word, and tell what each of them decides;
# - draw several pictures at once so that each can be repeated alone;
# - say when fixed noise is *not* enough, and why another device makes other noise.
#
# **Time:** about 45 minutes. **You need:** lesson 01.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/02_seeds.ipynb` four exercises have a gap, written `...`. Fill the
#    gap, run the cell, and run the check below it.
# 2. *With hints.* Remove the `#` in front of the hint line below the check. Each run gives one more
#    hint. Put the `#` back to see the check again.
# 3. *With the complete solution.* `solutions/02_seeds.ipynb` is this notebook with every gap filled
#    and every picture shown.

# %% [markdown]
# ## 1 · Random numbers that come out the same
#
# The tools are those of lesson 01, and `seeded_latents`, which section 6 explains. `SETTINGS` holds
# the knobs that stay the same all through this lesson.

# %%
import numpy
import torch
from diffusers import DDIMScheduler
from IPython.display import display

from helpers import enlarge, exercise, image_grid, load_pipeline, seeded_latents

pipe = load_pipeline("stickers")
SETTINGS = {"num_inference_steps": 25, "guidance_scale": 5.0}

# %% [markdown]
# A computer cannot throw dice. It has a **generator**, which works out numbers by a fixed rule and
# so that they *look* random. The next number follows from the generator's **state**, and the state
# changes with every number. The **seed** sets the state to begin with. PyTorch's generator is a
# `torch.Generator`, and `torch.randn` takes numbers from it: *rand* for random, *n* for the
# **normal distribution**, the bell curve around 0 (so most lie between −2 and 2).
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
# Keep the bookmark in mind. When you say *but I did set the seed!*, look first for a bookmark that
# has moved.
#
# ## 2 · How much noise does a picture need?
#
# Stable Diffusion does not work on pixels. Its U-Net works on **latents**, a small stack of number
# tables that the VAE can turn into a picture. So the noise must have the shape of the latents. We
# need not guess the shape: the model's configuration says it.
#
# - `pipe.unet.config.in_channels`: how many tables lie on top of one another, the **channels**;
# - `pipe.vae_scale_factor`: how many pixels, across and down, one latent stands for;
# - `pipe.unet.config.sample_size`: the side of the latents that the model was trained with.

# %%
channels = pipe.unet.config.in_channels
factor = pipe.vae_scale_factor
side = pipe.unet.config.sample_size
print(channels, "channels ·", factor, "pixels to a latent ·", side, "×", side, "latents")

# %% [markdown]
# The order in a tensor of pictures is always: how many pictures (the **batch**), channels, height,
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
# If one latent stands for 8 pixels across, how many latents does a row of 128 pixels need? Now
# write it with `width` and the pipeline's own factor instead of 128 and 8.

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


# %% [markdown]
# Why this detour over latents? Count: a pixel has three numbers (red, green, blue), and there are
# a great many pixels. We work out how many numbers the U-Net is spared. This is what the *latent*
# in *latent diffusion* buys.

# %%
shape = (1, channels, side, side)
numbers_in_latents = channels * side * side
numbers_in_pixels = 3 * (side * factor) * (side * factor)
print("shape of the noise:", shape)
print(f"{numbers_in_pixels:,} numbers in pixels, {numbers_in_latents:,} in latents:")
print(f"{numbers_in_pixels / numbers_in_latents:.0f} times fewer")

# %% [markdown]
# The real Stable Diffusion 1.x has the same ratio: 3 × 512 × 512 pixels' worth of numbers against
# 4 × 64 × 64 latents. It is a matter of the factor and the channels, not of the size.
#
# ### Exercise 2 · The same noise twice
#
# Draw noise of the `shape` above from the seed `same_seed`, twice, so that `torch.equal` says yes.
# Do draw it twice, since your neighbour has nothing to copy. (The check sees only the numbers: it
# cannot tell a second draw from a copy.)

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
# Section 1 has everything you need. There the shape was just `3`.

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

# %% [markdown]
# ## 3 · Two pictures from one noise
#
# A pipeline takes finished noise as `latents`. The function below saves us some typing. It also
# moves the noise to where the model is, and into the model's type of number; on a graphics card
# both can differ from ours.


# %% picture="02.first"
def draw_from(latents, prompt, **changes):
    latents = latents.to(pipe.device, pipe.dtype)
    return pipe(prompt, latents=latents, **(SETTINGS | changes)).images[0]


prompt = "a 3d sticker of a fox on a teal background"
noise = torch.randn(shape, generator=torch.Generator().manual_seed(42))
picture = draw_from(noise, prompt)
display(enlarge(picture))

# %% [markdown]
# Two tensors that are equal should give two pictures that are equal. Not only alike: the same in
# every byte. We draw the noise once more, and the picture from it.

# %% picture="02.twin" same_as="02.first"
noise_again = torch.randn(shape, generator=torch.Generator().manual_seed(42))
twin = draw_from(noise_again, prompt)
display(enlarge(twin))
print("the same picture:", twin.tobytes() == picture.tobytes())

# %% [markdown]
# In lesson 01 we gave the pipeline a generator instead, and never saw the noise. What did it do
# with it? It drew the noise from the generator, in the shape that you now know. So this must give
# the same picture once more:

# %% picture="02.generator" same_as="02.first"
generator = torch.Generator().manual_seed(42)
third = pipe(prompt, generator=generator, **SETTINGS).images[0]
display(enlarge(third))
print("the same again:", third.tobytes() == picture.tobytes())

# %% [markdown]
# ## 4 · A picture for your neighbour
#
# A seed is a single whole number, so a picture fits into a short message: *prompt, seed, steps,
# guidance, model*. With the model's own scheduler and size, and no negative prompt, this is all
# that anyone needs to draw it again. Here is such a message.
#
# > a poodle and an astronaut on a purple background · seed 6421725739674010 · 25 steps ·
# > guidance 5.0 · model: stickers
#
# And this is the picture that it stands for:
#
# ![The picture that the message describes: what the sticker model draws for a poodle and an
# astronaut on a purple background with seed 6421725739674010](../course/pictures/02_neighbour.png)
#
# (Do not expect two figures. The model knows both words, but each picture that it learned from
# showed *one* subject, so it makes one of the two, or something in between. The large models have
# the same weakness, only later: ask one for five subjects.)
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
# Now section 3: `draw_from` takes the noise and the prompt, in this order, and knows the settings.

# %% wrong="02.neighbour" says="seed 42"
neighbour_prompt = "a poodle and an astronaut on a purple background"
neighbour_seed = 6421725739674010
neighbour_latents = torch.randn(shape, generator=torch.Generator().manual_seed(42))
neighbour = draw_from(neighbour_latents, neighbour_prompt)

# %% wrong="02.neighbour" says="another prompt"
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

# %% [markdown]
# ## 5 · Change one thing
#
# Now that nothing changes by itself, we can change one thing at a time. First **only the seed**:
# four noises, one prompt. Look at what stays and at what moves.

# %% picture="02.only_seed"
seeds = [1, 2, 3, 4]
by_seed = []
for seed in seeds:
    noise_of_seed = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    by_seed.append(draw_from(noise_of_seed, prompt))
display(image_grid(by_seed, rows=1, labels=[f"seed={seed}" for seed in seeds]))
print("different pictures:", len({picture.tobytes() for picture in by_seed}))

# %% [markdown]
# Then **only one word**: one noise, four prompts that differ in a single word.

# %% picture="02.only_word" differs_from="02.only_seed"
words = ["fox", "cat", "rabbit", "penguin"]
prompts = [f"a 3d sticker of a {word} on a teal background" for word in words]
by_word = [draw_from(noise, prompt_of_word) for prompt_of_word in prompts]
display(image_grid(by_word, rows=1, labels=words))
print("different pictures:", len({picture.tobytes() for picture in by_word}))

# %% [markdown]
# The prompt decides *what* is in the picture; the noise decides the rest, above all where things
# are and which way they lean. That is why you fix the noise when you look for the right words: if
# both changed at once, you would not know which of them did it.
#
# ## 6 · Several pictures at once
#
# A pipeline can draw a batch of pictures in one go: give it a list of prompts, and noise with as
# many layers. But how do you draw the noise of a batch? You could take it from *one* generator, all
# at once. The next cell compares this with three separate draws. Which layers will be the same?

# %%
one_generator = torch.Generator().manual_seed(1)
batch = torch.randn((3, channels, side, side), generator=one_generator)
for index, seed in enumerate([1, 2, 3]):
    alone = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    print(f"picture {index} is what seed {seed} gives alone:", torch.equal(batch[index], alone[0]))

# %% [markdown]
# Only the first, number 0. The others came from further on in the list of seed 1: no seed of their
# own would bring them back. If you like the last picture best, you must draw all three again. So
# the rule is: **one generator a picture**.
#
# ### Exercise 4 · A batch whose pictures can be repeated
#
# Make `batch_latents` for the three `batch_seeds`: a tensor with three layers, and in each the
# noise that its seed gives alone. `torch.cat(list_of_tensors)` puts tensors one behind the other
# along the first dimension.

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

# %% [markdown]
# Now you know what `seeded_latents` does. Give it the pipeline and a seed, or a list of seeds; it
# finds the shape, uses one generator a picture, and moves the noise to the model. We ask it for
# seeds 1, 2 and 3 and draw them in a single call. The second picture should be the one that seed 2
# gave alone in section 5.

# %% picture="02.batch"
batch = seeded_latents(pipe, [1, 2, 3])
pictures = pipe([prompt] * 3, latents=batch, **SETTINGS).images
display(image_grid(pictures, rows=1, labels=["seed=1", "seed=2", "seed=3"]))
print("shape:", tuple(batch.shape))
print("the noise of seed 2:", torch.equal(batch[1:2], seeded_latents(pipe, 2)))

# %% [markdown]
# Compare with section 5: the same foxes. To the eye, that is. The noise is equal bit by bit, but
# with three pictures at a time a processor may add up long sums in another order, and rounding
# then differs in the last digits. A pixel may come out a shade lighter or darker.
#
# ## 7 · When fixed noise is not enough
#
# So far the noise at the start decided everything. There is a trap here, and many fall into it.
# Some schedulers throw **fresh noise** into the picture at each step. Then there are two sources of
# chance: the noise at the start, and the noise on the way. Passing `latents` fixes only the first.
#
# The scheduler *DDIM* ([paper](https://arxiv.org/abs/2010.02502)) has a control for it, named
# **`eta`**: 0 adds no noise on the way, 1 adds a lot. The next cell makes a second pipeline from
# the same parts, with this scheduler (nothing is loaded again). Its last line hides the progress
# bar. (Lesson 03 says what `clip_sample=False` is for.)

# %%
ddim = DDIMScheduler.from_config(pipe.scheduler.config, clip_sample=False)
parts = pipe.components | {"scheduler": ddim}
ddim_pipe = type(pipe)(**parts, requires_safety_checker=False)
ddim_pipe.set_progress_bar_config(disable=True)

# %% [markdown]
# And we need a function that draws a picture twice from *the same latents*. If it gets a seed, it
# also makes a new generator for each of the two.


# %%
def draw_pair(eta, seed=None):
    pair = []
    for _ in range(2):
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        start = seeded_latents(pipe, 42)
        output = ddim_pipe(prompt, latents=start, generator=generator, eta=eta, **SETTINGS)
        pair.append(output.images[0])
    print("equal:", pair[0].tobytes() == pair[1].tobytes())
    return image_grid(pair, rows=1)


# %% [markdown]
# First `eta=0`. There is no other noise than that of the latents, so the pair should be equal.

# %% picture="02.eta_zero"
display(draw_pair(eta=0.0))

# %% [markdown]
# Now `eta=1`, with the very same latents and still no generator. What do you expect? (The first
# line fixes the noise that PyTorch takes when nobody gives it a generator. It is here only so that
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
# start, then that of the way. This works as well, so in other people's code you will see both.
#
# Schedulers with *ancestral* in their name (*Euler a*) always add noise on the way, and so does
# *DDPM* ([paper](https://arxiv.org/abs/2006.11239)). If a picture with fixed latents still will not
# hold still, look at the scheduler.
#
# ## 8 · Another device, another noise
#
# A seed says which list of numbers to read, and that is of use only if both readers have the same
# lists. Other libraries, and other devices, work out their numbers by other rules. We ask NumPy,
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
# numbers, and then moves it to wherever the model is. (`torch.Generator()` without a device is a
# CPU generator.) It takes no time worth mentioning, and you and your neighbour get the same noise,
# whether you have a graphics card or not. The pictures are then the same to the eye, though not to
# the last bit, since each device rounds in its own way.
#
# And a seed fixes nothing else. With another model, other steps, another guidance scale, another
# scheduler or another size, the same seed gives another picture. So note them all; `save_image` of
# our `helpers` can write them into the picture's file.

# %% [markdown]
# ## What you learned
#
# - A **generator** with a **seed** gives a fixed row of numbers, and each draw moves on in it. Same
#   numbers again means a *new* generator with the same seed.
# - The **latents** have the shape (pictures, channels, height / factor, width / factor), all of it
#   from the pipeline's own configuration, and 48 times fewer numbers than the pixels.
# - Equal latents and equal settings give the same picture: on your computer to the last bit, on
#   your neighbour's to the eye.
# - The prompt decides what is drawn, the noise the rest. Change one thing at a time.
# - In a batch: **one generator a picture**. `seeded_latents` does it.
# - Schedulers that add noise on the way need a `generator` besides the `latents`.
# - Noise is drawn on the CPU, because each kind of device has its own.
#
# **Try on your own:** hunt for the seed of the finest unicorn between 0 and 20, and send the
# message to someone. Mix the noise of two seeds, `0.7 * a + 0.7 * b`, and draw it. Why 0.7 and not
# 0.5? (Print `.std()`, the spread of the numbers.) Draw noise from
# `neighbour_seed % 2**32`: on the CPU, PyTorch looks at no more of a seed than this remainder.
#
# Next: [lesson 03](03_steps.ipynb), in which you measure how many steps a picture needs.
