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
# # 06 · Inside the pipeline
#
# So far you called `pipe(...)` and got a picture. In this lesson you take the pipeline apart, look
# at what goes in and out of each part, and then write the whole thing yourself. At the end, your
# own loop gives the same latents as `pipe(...)`.
#
# **At the end you will be able to**
#
# - turn a prompt into tokens, and tokens into the vectors that the U-Net is told;
# - encode a picture and decode it again, and say what was lost on the way;
# - read a scheduler's table of noise, and turn noise, velocity and clean latents into one another;
# - write classifier-free guidance and the denoising loop by hand;
# - see which word paints which pixels, and walk from one picture to another.
#
# **Time:** about 75 minutes. **You need:** lessons 01 to 05.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/06_inside.ipynb` four exercises have a gap, written `...`. Fill the
#    gap, run the cell, and run the check below it.
# 2. *With hints.* Stuck? Remove the `#` in front of the hint line below the check. Each run gives
#    one more hint. Put the `#` back to see the check again.
# 3. *With the complete solution.* `solutions/06_inside.ipynb` is this notebook with every gap
#    filled and every picture shown.

# %%
import matplotlib.pyplot as plt
import torch
from diffusers import DDPMScheduler
from IPython.display import display
from PIL import Image, ImageDraw

from helpers import (
    enlarge,
    exercise,
    heat_map,
    image_grid,
    interpolate,
    load_pipeline,
    seeded_latents,
    watch_attention,
)

# %% [markdown]
# This is the picture that you are going to rebuild. Everything that decides it stands in this cell:
# the prompt, the seed and two settings.
#
# The loop at the top is new. Whenever PyTorch computes with a network, it takes notes, in case you
# want to train it. We only look, so we tell the three networks that there is nothing to train.

# %% picture="06.first"
pipe = load_pipeline("stickers")
for network in (pipe.text_encoder, pipe.unet, pipe.vae):
    network.requires_grad_(False)

PROMPT = "a 3d sticker of a fox on a teal background"
SEED = 5
SETTINGS = {"num_inference_steps": 25, "guidance_scale": 5.0}

image = pipe(PROMPT, latents=seeded_latents(pipe, SEED), **SETTINGS).images[0]
display(enlarge(image))
print("size in pixels:", image.size)

# %% [markdown]
# ## 1 · The tokenizer: text becomes numbers
#
# In lesson 04 you saw how the tokenizer cuts a prompt into **tokens**, words or pieces of words.
# But a network computes with numbers. So each token is replaced by its place in the tokenizer's
# list, its **id**. Expect one id for each token of our prompt, and for the marks at both ends.

# %% tags=["nbval-ignore-output"]
ids = pipe.tokenizer(PROMPT).input_ids
tokens = pipe.tokenizer.convert_ids_to_tokens(ids)
print("  ".join(f"{token}={number}" for token, number in zip(tokens, ids, strict=True)))
unknown = pipe.tokenizer.tokenize("a hippopotamus")
print("\na word that no caption had:", unknown)
print("the longest prompt, in tokens:", pipe.tokenizer.model_max_length)

# %% [markdown]
# Every prompt is brought to this one length: a short one is filled up (**padding**), and a long one
# is cut off (**truncation**). At the end of lesson 04 a fox and a whale were lost in this way.
#
# ### Exercise 1 · From text to ids
#
# Complete the function. It returns the ids of one text as a tensor of shape `(1,
# pipe.tokenizer.model_max_length)`, for a short text as well as for a very long one. Besides the
# text, `pipe.tokenizer(...)` takes `padding="max_length"`, `truncation=True` and
# `return_tensors="pt"` (*pt* for PyTorch); the ids are in `.input_ids` of what it returns.


# %% exercise="06.tokens"
def to_ids(text):
    # BEGIN SOLUTION
    return pipe.tokenizer(
        text, padding="max_length", truncation=True, return_tensors="pt"
    ).input_ids
    # END SOLUTION


# %%
exercise("06.tokens").check(to_ids=to_ids, pipe=pipe)
# exercise("06.tokens").hint()

# %% [markdown] hint="06.tokens"
# Begin with `pipe.tokenizer(text).input_ids` and look at what you get: what kind of thing is it,
# and how long?

# %% [markdown] hint="06.tokens"
# You need all three arguments at once: one for short texts, one for long texts, and one so that you
# get a tensor.


# %% wrong="06.tokens" says="padding"
def to_ids(text):
    return pipe.tokenizer(text, truncation=True, return_tensors="pt").input_ids


# %% wrong="06.tokens" says="truncation"
def to_ids(text):
    return pipe.tokenizer(text, padding="max_length", return_tensors="pt").input_ids


# %% wrong="06.tokens" says="return_tensors"
def to_ids(text):
    return pipe.tokenizer(text, padding="max_length", truncation=True).input_ids


# %% wrong="06.tokens" says="`.input_ids`"
def to_ids(text):
    return pipe.tokenizer(text, padding="max_length", truncation=True, return_tensors="pt")


# %% wrong="06.tokens" says="one dimension"
def to_ids(text):
    ids = pipe.tokenizer(text, padding="max_length", truncation=True, return_tensors="pt")
    return ids.input_ids[0]


# %% [markdown]
# ## 2 · The text encoder: numbers become meaning
#
# An id is only a place in a list: 512 means nothing *more* than 511 does. The text encoder turns
# each token into a vector that depends on the words before it. `encode_prompt` does tokenizing and
# encoding in one go. Its last two arguments say how many pictures each prompt is for, 1, and
# whether we want the empty prompt as well. Guidance needs that one later, so this time `True`.
#
# Expect the same shape twice: one text, so many tokens, and for each so many numbers.

# %%
told, untold = pipe.encode_prompt(PROMPT, pipe.device, 1, True)
print("what the prompt tells the U-Net:      ", tuple(told.shape))
print("what the empty prompt tells the U-Net:", tuple(untold.shape))

# %% [markdown]
# The empty prompt is not *nothing*: it is 32 tokens of padding, and they have vectors too. In
# Stable Diffusion 1.x the same tensors have the shape (1, 77, 768).
#
# ## 3 · The VAE: pixels become latents
#
# The VAE (*variational autoencoder*) is two networks. The **encoder** shrinks a picture to latents,
# the **decoder** makes a picture of latents. In between everything is multiplied by
# `scaling_factor`, so that the numbers are about as large as noise of strength 1. (The encoder
# names a range for each latent rather than one number. `mode()` takes the likeliest, its middle.)

# %%
scaling_factor = pipe.vae.config.scaling_factor


def encode(image):
    pixels = pipe.image_processor.preprocess(image).to(pipe.device, pipe.vae.dtype)
    return pipe.vae.encode(pixels).latent_dist.mode() * scaling_factor


def decode(latents):
    pixels = pipe.vae.decode(latents / scaling_factor).sample
    return pipe.image_processor.postprocess(pixels)


clean = encode(image)
pixels = pipe.image_processor.preprocess(image)
print("pixels: ", tuple(pixels.shape), "=", pixels.numel(), "numbers")
print("latents:", tuple(clean.shape), "=", clean.numel(), "numbers")
print(f"{pixels.numel() / clean.numel():.0f} times fewer")

# %% [markdown]
# So few numbers cannot hold every picture. What is lost? The VAE has learned from stickers, so it
# should know how to keep those. We compare our sticker with a test card of thin lines and letters,
# which it has never seen.
#
# To measure it, we take the mean distance between the colour values before and after. (Each value
# is a number from 0 to 255.) Guess first: how many times larger is it for the test card?

# %% picture="06.vae" tags=["nbval-ignore-output"]
card = Image.new("RGB", image.size, "white")
pen = ImageDraw.Draw(card)
for x in range(0, 128, 4):
    pen.line((x, 0, x, 50), fill="black")
pen.text((8, 60), "Can you read this?", fill="navy")
pen.text((8, 85), "0123456789", fill="darkred")

before = [image, card]
after = [decode(encode(picture))[0] for picture in before]
for name, one, other in zip(["sticker", "test card"], before, after, strict=True):
    one, other = (pipe.image_processor.pil_to_numpy(picture) for picture in (one, other))
    print(f"{name:10} mean distance {255 * abs(one - other).mean():5.1f} of 255")
labels = ["sticker", "sticker, after", "test card", "test card, after"]
pictures = [enlarge(picture, 2) for picture in (before[0], after[0], before[1], after[1])]
display(image_grid(pictures, rows=1, labels=labels))

# %% [markdown]
# What the decoder makes of the lines is its best guess. This is one reason why small letters and
# faraway faces go wrong in pictures by Stable Diffusion. The U-Net can be as good as it likes; the
# decoder has to draw what it gets. Our sticker had an easier exam: it came out of this very
# decoder.
#
# ## 4 · The scheduler: how much noise, and when
#
# Training goes like this: take a picture's latents, add noise, and let the U-Net find out what was
# added. How strong the noise is, is a matter of the **timestep**, a number from 0 to 999. Timestep
# 0 is nearly clean, 999 nearly pure noise. The scheduler holds the table.

# %%
for name in ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type"):
    print(f"{name:20} {pipe.scheduler.config[name]}")

# %% [markdown]
# The **betas** say how much noise each timestep adds to the one before. All betas up to a timestep
# together give what matters: how much of the picture is left there, and how much noise there is.
# The scheduler has worked this out: `alphas_cumprod[t]` is the product of all `1 - beta` up to
# timestep t.
#
#     noisy = a · clean + s · noise        where  a = sqrt(alphas_cumprod[t]),  s = sqrt(1 - a²)
#
# Other texts speak of **sigma**, the noise in units of what is left of the picture: s / a.

# %% picture="06.schedule"
left = pipe.scheduler.alphas_cumprod.sqrt()
noise_share = (1 - pipe.scheduler.alphas_cumprod).sqrt()
figure, axes = plt.subplots(1, 3, figsize=(12, 3))
axes[0].plot(pipe.scheduler.betas)
axes[0].set_title("betas: noise added")
axes[1].plot(left, label="a: of the picture")
axes[1].plot(noise_share, "--", label="s: of the noise")
axes[1].set_title("what noisy latents are made of")
axes[1].legend(loc="lower center", fontsize=8)
axes[2].semilogy(noise_share / left)
axes[2].set_title("sigma = s / a")
for panel in axes:
    panel.set_xlabel("timestep")
plt.show()

# %% [markdown]
# ### Forward diffusion, as a film
#
# `add_noise` puts the formula into practice. Mind which scheduler you ask. The pipeline's own knows
# only the 25 timesteps of the last picture, and takes the last of them, without a word, for any
# other. `DDPMScheduler`, with which diffusers trains, knows all 1000. So we make one, from the same
# configuration.
#
# The strip shows the same latents at six timesteps, each decoded. At which one can you no longer
# tell the subject?

# %% picture="06.film"
training_scheduler = DDPMScheduler.from_config(pipe.scheduler.config)
noise = seeded_latents(pipe, 1)
timesteps = [0, 150, 300, 500, 700, 999]
film = [
    decode(training_scheduler.add_noise(clean, noise, torch.tensor([timestep])))[0]
    for timestep in timesteps
]
print(len(film), "pictures, timesteps", timesteps)
display(image_grid(film, rows=1, labels=[f"timestep {timestep}" for timestep in timesteps]))

# %% [markdown]
# ## 5 · The U-Net: what it predicts
#
# The U-Net gets noisy latents, their timestep and the vectors of the prompt. What does it answer?
# There are three ways to ask the same question, and `prediction_type` says which one a model was
# trained with:
#
# - the **noise** (`epsilon`), as in Stable Diffusion 1.x;
# - the **clean** latents (`sample`);
# - the **velocity** (`v_prediction`), as in Stable Diffusion 2.1 and in our stickers: `velocity =
#   a · noise - s · clean` ([Salimans and Ho 2022](https://arxiv.org/abs/2202.00512)). Move along
#   the timesteps, and this is the direction in which the latents change.
#
# Since `noisy` is known and a² + s² = 1, each answer gives the other two. We need these:
#
# | from | clean | noise |
# | --- | --- | --- |
# | noise | (noisy - s · noise) / a | noise |
# | velocity | a · noisy - s · velocity | s · noisy + a · velocity |
#
# Compare the two formulas in the column *clean*: they show why one may prefer the velocity. Near
# timestep 999, a is small, and dividing by it makes every error in the noise much larger. The
# velocity needs no division.
#
# ### Exercise 2 · From the velocity to the clean latents
#
# Complete the function. `timestep` is a whole number; `pipe.scheduler.alphas_cumprod[timestep]` is
# a² at that timestep.


# %% exercise="06.clean"
def clean_from_velocity(noisy, velocity, timestep):
    # BEGIN SOLUTION
    kept = pipe.scheduler.alphas_cumprod[timestep]
    a, s = kept.sqrt(), (1 - kept).sqrt()
    return a * noisy - s * velocity
    # END SOLUTION


# %%
exercise("06.clean").check(clean_from_velocity=clean_from_velocity, pipe=pipe)
# exercise("06.clean").hint()

# %% [markdown] hint="06.clean"
# First the two shares: a is the square root of `alphas_cumprod[timestep]`, and s is the square
# root of what is missing to 1.

# %% [markdown] hint="06.clean"
# The second line of the table has the formula. Mind the sign.


# %% wrong="06.clean" says="sign"
def clean_from_velocity(noisy, velocity, timestep):
    kept = pipe.scheduler.alphas_cumprod[timestep]
    return kept.sqrt() * noisy + (1 - kept).sqrt() * velocity


# %% wrong="06.clean" says="square root"
def clean_from_velocity(noisy, velocity, timestep):
    kept = pipe.scheduler.alphas_cumprod[timestep]
    return kept * noisy - (1 - kept) * velocity


# %% wrong="06.clean" says="You took 1 - a"
def clean_from_velocity(noisy, velocity, timestep):
    a = pipe.scheduler.alphas_cumprod[timestep].sqrt()
    return a * noisy - (1 - a).sqrt() * velocity


# %% wrong="06.clean" says="that is the noise"
def clean_from_velocity(noisy, velocity, timestep):
    kept = pipe.scheduler.alphas_cumprod[timestep]
    return (1 - kept).sqrt() * noisy + kept.sqrt() * velocity


# %% wrong="06.clean" says="as if the U-Net had predicted the noise"
def clean_from_velocity(noisy, velocity, timestep):
    kept = pipe.scheduler.alphas_cumprod[timestep]
    return (noisy - (1 - kept).sqrt() * velocity) / kept.sqrt()


# %% [markdown]
# Now look over the U-Net's shoulder. We noise the sticker, ask the U-Net once, and turn its answer
# into clean latents. Above is what it sees, below what it believes is behind the noise. Note that
# it has to answer in one go, without a loop: at high timesteps expect something blurred, the mean
# of all the pictures it could be.

# %% picture="06.beliefs"
timesteps = [950, 800, 600, 300]
seen, believed = [], []
for timestep in timesteps:
    noisy = training_scheduler.add_noise(clean, noise, torch.tensor([timestep]))
    velocity = pipe.unet(noisy, timestep, told).sample
    seen.append(noisy)
    believed.append(clean_from_velocity(noisy, velocity, timestep))
if believed[0] is None:
    print("First solve exercise 2.")
else:
    labels = [f"{what}, {timestep}" for what in ("sees", "believes") for timestep in timesteps]
    print(len(seen), "noisy pictures and", len(believed), "beliefs")
    display(image_grid(decode(torch.cat(seen + believed)), rows=2, labels=labels))

# %% [markdown]
# ## 6 · Guidance by hand
#
# You know **classifier-free guidance** from lesson 05: ask the U-Net with the prompt (`told`) and
# without it (`untold`), take the difference, which is what the prompt adds, and go further in that
# direction than the model would by itself.
#
# ### Exercise 3 · The guided prediction
#
# Your own loop needs that formula again; try to write it from memory. Complete the function so that
# it starts at the untold prediction and goes `guidance_scale` times the way to the told one. With a
# scale of 1 it arrives exactly there; with 0 the prompt has no effect.


# %% exercise="06.guidance"
def guide(untold_prediction, told_prediction, guidance_scale):
    # BEGIN SOLUTION
    difference = told_prediction - untold_prediction
    return untold_prediction + guidance_scale * difference
    # END SOLUTION


# %%
exercise("06.guidance").check(guide=guide)
# exercise("06.guidance").hint()

# %% [markdown] hint="06.guidance"
# What is *the way from untold to told*, written as a subtraction?

# %% [markdown] hint="06.guidance"
# On a line of numbers: from 2 to 3, five times the way, starting at 2. Where do you arrive, and
# how did you compute it?


# %% wrong="06.guidance" says="starts at the told"
def guide(untold_prediction, told_prediction, guidance_scale):
    return told_prediction + guidance_scale * (told_prediction - untold_prediction)


# %% wrong="06.guidance" says="away from the prompt"
def guide(untold_prediction, told_prediction, guidance_scale):
    return untold_prediction + guidance_scale * (untold_prediction - told_prediction)


# %% wrong="06.guidance" says="`return`"
def guide(untold_prediction, told_prediction, guidance_scale):
    untold_prediction + guidance_scale * (told_prediction - untold_prediction)


# %% wrong="06.guidance" says="only the way"
def guide(untold_prediction, told_prediction, guidance_scale):
    return guidance_scale * (told_prediction - untold_prediction)


# %% [markdown]
# The four pictures below are beliefs at timestep 800: untold, told, and two guided ones. What does
# a larger scale do to the subject, and what to the colours?

# %% picture="06.guided"
timestep = 800
noisy = training_scheduler.add_noise(clean, noise, torch.tensor([timestep]))
predictions = pipe.unet(torch.cat([noisy] * 2), timestep, torch.cat([untold, told])).sample
untold_prediction, told_prediction = predictions.chunk(2)
guided = [guide(untold_prediction, told_prediction, scale) for scale in (0.0, 1.0, 4.0, 10.0)]
if guided[0] is None:
    print("First solve exercise 3.")
else:
    a, s = left[timestep], noise_share[timestep]
    beliefs = decode(torch.cat([a * noisy - s * velocity for velocity in guided]))
    labels = ["scale 0: untold", "scale 1: told", "scale 4", "scale 10"]
    print(len(beliefs), "beliefs at timestep", timestep)
    display(image_grid(beliefs, rows=1, labels=labels))

# %% [markdown]
# ## 7 · The whole loop
#
# You have all the parts. The pipeline starts from noise and repeats: ask the U-Net, guide, and let
# the scheduler take a step to the next, smaller timestep.
#
# ### Exercise 4 · Write the loop
#
# The function below prepares everything. What is missing is the inside of the loop, four things:
#
# 1. Put two copies of `latents` into one batch, `torch.cat([latents] * 2)`, and give it to
#    `pipe.scheduler.scale_model_input(batch, timestep)`. (Some schedulers want the latents scaled
#    for the U-Net. Ours returns them as they are, but then your loop works with every scheduler.)
# 2. Ask `pipe.unet(batch, timestep, texts).sample`, and cut the answer in two with `.chunk(2)`. The
#    order of the halves is that of `texts`: untold first.
# 3. Guide.
# 4. `pipe.scheduler.step(guided, timestep, latents).prev_sample` are the new `latents`.


# %% exercise="06.loop"
def denoise(latents, prompt, num_inference_steps, guidance_scale):
    told, untold = pipe.encode_prompt(prompt, pipe.device, 1, True)
    texts = torch.cat([untold, told])
    pipe.scheduler.set_timesteps(num_inference_steps, device=pipe.device)
    latents = latents * pipe.scheduler.init_noise_sigma
    for timestep in pipe.scheduler.timesteps:
        # BEGIN SOLUTION
        batch = pipe.scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
        untold_prediction, told_prediction = pipe.unet(batch, timestep, texts).sample.chunk(2)
        guided = untold_prediction + guidance_scale * (told_prediction - untold_prediction)
        latents = pipe.scheduler.step(guided, timestep, latents).prev_sample
        # END SOLUTION
    return latents


# %%
exercise("06.loop").check(denoise=denoise, pipe=pipe)
# exercise("06.loop").hint()

# %% [markdown] hint="06.loop"
# Take it line by line, and print the shapes in the first round. The batch has the shape
# (2, 4, 16, 16), and so has the U-Net's answer; each half has (1, 4, 16, 16).

# %% [markdown] hint="06.loop"
# The guidance is the line of exercise 3. You may call `guide(...)`.

# %% [markdown] hint="06.loop"
# `step` changes nothing in place. It returns an object, and the `.prev_sample` of that are the new
# latents. If you do not store these as `latents`, the next round starts from the same noise again.


# %% wrong="06.loop" says="the noise that you began with"
def denoise(latents, prompt, num_inference_steps, guidance_scale):
    told, untold = pipe.encode_prompt(prompt, pipe.device, 1, True)
    texts = torch.cat([untold, told])
    pipe.scheduler.set_timesteps(num_inference_steps, device=pipe.device)
    latents = latents * pipe.scheduler.init_noise_sigma
    for timestep in pipe.scheduler.timesteps:
        batch = pipe.scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
        untold_prediction, told_prediction = pipe.unet(batch, timestep, texts).sample.chunk(2)
        guided = untold_prediction + guidance_scale * (told_prediction - untold_prediction)
        pipe.scheduler.step(guided, timestep, latents)
    return latents


# %% wrong="06.loop" says="without guidance"
def denoise(latents, prompt, num_inference_steps, guidance_scale):
    told, untold = pipe.encode_prompt(prompt, pipe.device, 1, True)
    pipe.scheduler.set_timesteps(num_inference_steps, device=pipe.device)
    latents = latents * pipe.scheduler.init_noise_sigma
    for timestep in pipe.scheduler.timesteps:
        prediction = pipe.unet(latents, timestep, told).sample
        latents = pipe.scheduler.step(prediction, timestep, latents).prev_sample
    return latents


# %% wrong="06.loop" says="the halves are swapped"
def denoise(latents, prompt, num_inference_steps, guidance_scale):
    told, untold = pipe.encode_prompt(prompt, pipe.device, 1, True)
    texts = torch.cat([untold, told])
    pipe.scheduler.set_timesteps(num_inference_steps, device=pipe.device)
    latents = latents * pipe.scheduler.init_noise_sigma
    for timestep in pipe.scheduler.timesteps:
        batch = pipe.scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
        told_prediction, untold_prediction = pipe.unet(batch, timestep, texts).sample.chunk(2)
        guided = untold_prediction + guidance_scale * (told_prediction - untold_prediction)
        latents = pipe.scheduler.step(guided, timestep, latents).prev_sample
    return latents


# %% wrong="06.loop" says="twice as many"
def denoise(latents, prompt, num_inference_steps, guidance_scale):
    told, untold = pipe.encode_prompt(prompt, pipe.device, 1, True)
    texts = torch.cat([untold, told])
    pipe.scheduler.set_timesteps(num_inference_steps, device=pipe.device)
    latents = latents * pipe.scheduler.init_noise_sigma
    latents = torch.cat([latents] * 2)
    for timestep in pipe.scheduler.timesteps:
        prediction = pipe.unet(latents, timestep, texts).sample
        latents = pipe.scheduler.step(prediction, timestep, latents).prev_sample
    return latents


# %% [markdown]
# Now the picture from the beginning, by your own loop. With `output_type="latent"` the pipeline
# returns its latents instead of a picture, so we can compare number by number.

# %% picture="06.mine" same_as="06.first"
my_noise = seeded_latents(pipe, SEED)
my_latents = denoise(my_noise, PROMPT, **SETTINGS)
if torch.equal(my_latents, my_noise):
    print("Nothing has changed in the noise. First solve exercise 4.")
else:
    its_latents = pipe(PROMPT, latents=my_noise, output_type="latent", **SETTINGS).images
    difference = (my_latents - its_latents).abs().max().item()
    print("largest difference below 0.00001:", difference < 1e-5)
    display(enlarge(decode(my_latents)[0]))

# %% [markdown]
# That is the heart of `pipe(...)`. Many tools that you will meet change only one of these few
# lines. A negative prompt, for example, takes the place of the empty text.
#
# ## 8 · Which word paints which pixels?
#
# How do the words get into the picture? Through **cross-attention**: in many layers of the U-Net
# each place of the latents looks at all tokens of the prompt and shares its attention out among
# them. We can record these shares while the picture is being drawn, one map for each layer and
# step, and average them ([Tang et al. 2022](https://arxiv.org/abs/2210.04885)).
#
# Yellow is where a word got most of its attention, dark violet where it got least. The colours are
# spread anew for each word, so compare places, not strengths. And do not expect sharp outlines: the
# layers that listen to the prompt work on 8 × 8 places and fewer.

# %% picture="06.attention"
words = ["fox", "3d", "teal", "background"]
with watch_attention(pipe) as attention:
    watched = pipe(PROMPT, latents=seeded_latents(pipe, SEED), **SETTINGS).images[0]
maps = [heat_map(watched, attention.of_word(PROMPT, word)) for word in words]
print("maps recorded for each token:", len(attention.maps))
display(image_grid([watched, *maps], rows=1, labels=["the picture", *words]))

# %% [markdown]
# A map shows where the U-Net *looked*, which is not quite the same as what it *did*: later layers
# mix the places again. In large models the maps are sharp enough to cut a word's object out of its
# picture (says the paper above), and editing tools steer them ([Hertz et al.
# 2022](https://arxiv.org/abs/2208.01626)).
#
# ## 9 · From one picture to another
#
# Each seed is a point in the space of all noises. What lies between two of them? The plain way is
# a mean, but the mean of two noises is weaker than either, and the U-Net knows only noise of full
# strength. All noises of one strength lie on a sphere around zero, and `interpolate` goes along it
# ([White 2016](https://arxiv.org/abs/1609.04468)). The **standard deviation**, `.std()`, measures
# the strength.

# %% tags=["nbval-ignore-output"]
start, end = seeded_latents(pipe, 7), seeded_latents(pipe, 11)
print(f"strength at the start and at the end: {start.std():.2f} and {end.std():.2f}")
print(f"in the middle of the plain way:       {((start + end) / 2).std():.2f}")
print(f"in the middle along the sphere:       {interpolate(start, end, 0.5).std():.2f}")

# %% picture="06.between"
shares = [0, 0.2, 0.4, 0.6, 0.8, 1]
between = torch.cat([interpolate(start, end, share) for share in shares])
strip = pipe([PROMPT] * len(shares), latents=between, **SETTINGS).images
print(len(strip), "pictures on the way from seed 7 to seed 11")
display(image_grid(strip, rows=1, labels=[f"{share:.0%}" for share in shares]))

# %% [markdown]
# Neighbours in the noise mostly give pictures that are alike, and every point on the way gives a
# picture. With many small steps such strips become films.
#
# ## What you learned
#
# - The **tokenizer** cuts text into numbered tokens, pads and truncates; the **text encoder**
#   gives each a vector that knows its context.
# - The **VAE** keeps a picture in 48 times fewer numbers. What it cannot keep, no U-Net can bring
#   back.
# - The **scheduler** is a table: how much picture, how much noise at each timestep. Forward
#   diffusion is one line, `add_noise`.
# - The **U-Net** predicts noise or velocity. Each can be turned into the other and into clean
#   latents.
# - **Guidance** goes further along the difference between told and untold.
# - The **loop** is: predict, guide, step. Yours equals the pipeline's.
# - Cross-attention maps show where words act; spherical interpolation walks between seeds.
#
# **Read on:** [Latent diffusion](../course/reading/latent-diffusion.md), and
# [the mathematics](../course/reading/mathematics.md) behind the formulas.
#
# Next: [lesson 07](07_ranking.ipynb), in which a model chooses among your pictures, and you see
# whether you agree with it.
