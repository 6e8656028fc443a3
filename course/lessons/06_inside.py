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
# ![Above, one sticker under less and less noise; below, what the U-Net believes is behind the
# noise](../course/pictures/06_beliefs.png)
#
# **At the end you will be able to**
#
# - turn a prompt into tokens, and tokens into the vectors that condition the U-Net;
# - encode a picture and decode it again, and say what was lost on the way;
# - add noise as training does, and turn noise, velocity and clean latents into one another;
# - write the denoising loop with guidance by hand;
# - say what residual blocks and skip connections are, and what loss a VAE is trained with;
# - see which word paints which pixels, and walk from one picture to another.
#
# **Time:** 45 minutes for the core path, sections 1 to 6, if you know lesson 05 well. The sections
# headed *More* take another 40. **You need:** lessons 01 to 05. The complete solution is
# `solutions/06_inside.ipynb`.

# %% [markdown]
# This is the picture that you are going to rebuild. Everything that decides it is in this cell: the
# prompt, the seed and two settings. (The loop is new. Whenever PyTorch computes with a network, it
# keeps track, in case you want to train it. We only look, so we tell the three networks that there
# is nothing to train.)

# %% picture="06.first"
import matplotlib.pyplot as plt
import numpy
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

MODEL = "stickers"
pipe = load_pipeline(MODEL)
for network in (pipe.text_encoder, pipe.unet, pipe.vae):
    network.requires_grad_(False)

PROMPT = "a 3d sticker of a fox on a teal background"
SEED = 11
SETTINGS = {"num_inference_steps": 25, "guidance_scale": 5.0}

image = pipe(PROMPT, latents=seeded_latents(pipe, SEED), **SETTINGS).images[0]
display(enlarge(image))
print("size in pixels:", image.size)

# %% [markdown]
# ## 1 · The tokenizer: text becomes numbers
#
# In lesson 04 you saw how the tokenizer cuts a prompt into **tokens**. But a network computes with
# numbers. So each token is replaced by its place in the tokenizer's vocabulary, its **id**. Expect
# one id for each token of our prompt, and for the marks at both ends.

# %% tags=["nbval-ignore-output"]
limit = pipe.tokenizer.model_max_length
ids = pipe.tokenizer(PROMPT).input_ids
tokens = pipe.tokenizer.convert_ids_to_tokens(ids)
print("  ".join(f"{token}={number}" for token, number in zip(tokens, ids, strict=True)))
print("the longest prompt, in tokens:", limit)

# %% [markdown]
# Every prompt is brought to this one length: a short one is filled up (**padding**), and a long one
# is cut off (**truncation**). The networks want a **batch** of ids in a tensor, even for one text.
#
# ### Exercise 1 · From text to ids
#
# Complete the function. It returns the ids of one text as a tensor of shape `(1, limit)`, for a
# short text as well as for a very long one. Three arguments of `pipe.tokenizer(...)` do it:
# `padding`, `truncation` and `return_tensors`. Which values do they need? `help(type(pipe.tokenizer
# ).__call__)` tells you, and so does trying; the ids are in `.input_ids` of what comes back.


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
# `padding="max_length"` fills short texts up to the limit.

# %% [markdown] hint="06.tokens"
# `truncation=True` cuts long texts off, and `return_tensors="pt"` gives a tensor (*pt* for
# PyTorch).


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


# %% right="06.tokens"
def to_ids(text):
    encoded = pipe.tokenizer(
        [text],
        padding="max_length",
        max_length=pipe.tokenizer.model_max_length,
        truncation="longest_first",
        return_tensors="pt",
    )
    return encoded["input_ids"].to(pipe.device)


# %% right="06.tokens"
def to_ids(text):
    ids = pipe.tokenizer(text, truncation=True).input_ids
    ids += [pipe.tokenizer.pad_token_id] * (limit - len(ids))
    return torch.tensor([ids])


# %% right="06.tokens"
def to_ids(text):
    encoded = pipe.tokenizer(text, padding="max_length", truncation=True, return_tensors="np")
    return torch.from_numpy(encoded.input_ids)


# %% [markdown]
# ## 2 · The text encoder: numbers become meaning
#
# An id is only a place in a list: 512 means nothing *more* than 511 does. The text encoder turns
# each token into a vector that depends on the words before it. It takes the ids as your function
# makes them. `encode_prompt` does tokenizing and encoding in one call. Its last two arguments say
# how many pictures to draw per prompt, 1, and whether we want the empty prompt as well. Guidance
# needs that one, so this time `True`. The vectors of the prompt are the **condition**, those of the
# empty prompt the **unconditional** input.

# %%
conditional, unconditional = pipe.encode_prompt(PROMPT, pipe.device, 1, True)
print("vectors of the prompt:      ", tuple(conditional.shape))
print("vectors of the empty prompt:", tuple(unconditional.shape))
if to_ids(PROMPT) is not None:
    by_hand = pipe.text_encoder(to_ids(PROMPT).to(pipe.device)).last_hidden_state
    print("from your ids the same:", torch.allclose(by_hand, conditional, atol=1e-4))

# %% [markdown]
# The empty prompt is not *nothing*: it is a start mark, and then only end marks, which fill the
# row. They have vectors, too. In Stable Diffusion 1.x both tensors have the shape (1, 77, 768).
#
# ## 3 · The VAE: pixels become latents
#
# The VAE (**variational autoencoder**) is two networks. The **encoder** shrinks a picture to
# latents, the **decoder** makes a picture of latents. In between everything is multiplied by
# `scaling_factor`, so that the numbers are about as large as noise of strength 1. (The encoder
# gives a normal distribution for each latent rather than one number. `mode()` takes its middle.)

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
# So few numbers can't hold every picture. What is lost? We compare our sticker with a test card of
# thin lines and letters, which the VAE has never seen. To measure it, we take the mean distance
# between the color values before and after. (Each is a number from 0 to 255.) Guess first: how many
# times larger is it for the test card?

# %% picture="06.vae" tags=["nbval-ignore-output"]
width, height = image.size
card = Image.new("RGB", image.size, "white")
pen = ImageDraw.Draw(card)
for x in range(0, width, 4):
    pen.line((x, 0, x, 0.4 * height), fill="black")
pen.text((8, 0.47 * height), "Can you read this?", fill="navy")
pen.text((8, 0.66 * height), "0123456789", fill="darkred")

before = [image, card]
after = [decode(encode(picture))[0] for picture in before]
for name, one, other in zip(["sticker", "test card"], before, after, strict=True):
    one, other = (pipe.image_processor.pil_to_numpy(picture) for picture in (one, other))
    print(f"{name:10} mean distance {255 * abs(one - other).mean():5.1f} of 255")
labels = ["sticker", "sticker, after", "test card", "test card, after"]
pictures = [before[0], after[0], before[1], after[1]]
display(image_grid(pictures, rows=1, labels=labels, min_width=256))

# %% [markdown]
# What the decoder makes of the lines is its best guess. This is one reason why small letters and
# faraway faces go wrong in pictures by Stable Diffusion: the U-Net can be as good as it likes, the
# decoder has to draw what it gets. (Our sticker had it easier: it came out of this very decoder.)
#
# ## 4 · The scheduler: how much noise, and when
#
# Training goes like this: take a picture's latents, add noise, and let the U-Net find out what was
# added. How strong the noise is depends on the **timestep**, a number from 0 to 999. Timestep 0 is
# nearly clean, 999 nearly pure noise. The scheduler holds the table.

# %%
for name in ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "prediction_type"):
    print(f"{name:20} {pipe.scheduler.config[name]}")

# %% [markdown]
# The **betas** say how much noise each timestep adds to the one before. All betas up to a timestep
# together give what matters: how much of the picture is left there, and how much noise there is.
# The scheduler has computed this: `alphas_cumprod[t]` is the product of all `1 - beta` up to and
# including timestep t. This is **forward diffusion**:
#
#     noisy = a · clean + s · noise        where  a² = alphas_cumprod[t]  and  a² + s² = 1
#
# Many programs call the ratio of noise to picture, s / a, **sigma**. Papers use the letter for
# other things as well: in the [DDPM paper](https://arxiv.org/abs/2006.11239), σ is the noise that
# is added in a step *back*.

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
# ### Exercise 2 · Forward diffusion by hand
#
# Complete the function: the formula above. `timestep` is a whole number, and
# `pipe.scheduler.alphas_cumprod[timestep]` is **a²**, not a.


# %% exercise="06.noisy"
def add_noise(clean, noise, timestep):
    # BEGIN SOLUTION
    kept = pipe.scheduler.alphas_cumprod[timestep]
    return kept.sqrt() * clean + (1 - kept).sqrt() * noise
    # END SOLUTION


# %%
exercise("06.noisy").check(add_noise=add_noise, pipe=pipe)
# exercise("06.noisy").hint()

# %% [markdown] hint="06.noisy"
# First the two factors: a is the square root of `alphas_cumprod[timestep]`, and s is the square
# root of what is missing to 1.

# %% [markdown] hint="06.noisy"
# `number.sqrt()` gives the square root of a tensor. Multiply `clean` by a and `noise` by s.


# %% wrong="06.noisy" says="square root"
def add_noise(clean, noise, timestep):
    kept = pipe.scheduler.alphas_cumprod[timestep]
    return kept * clean + (1 - kept) * noise


# %% wrong="06.noisy" says="is a², and you took it for a"
def add_noise(clean, noise, timestep):
    a = pipe.scheduler.alphas_cumprod[timestep]
    return a * clean + (1 - a**2).sqrt() * noise


# %% wrong="06.noisy" says="changed places"
def add_noise(clean, noise, timestep):
    kept = pipe.scheduler.alphas_cumprod[timestep]
    return (1 - kept).sqrt() * clean + kept.sqrt() * noise


# %% wrong="06.noisy" says="You took 1 - a"
def add_noise(clean, noise, timestep):
    a = pipe.scheduler.alphas_cumprod[timestep].sqrt()
    return a * clean + (1 - a).sqrt() * noise


# %% wrong="06.noisy" says="in place"
def add_noise(clean, noise, timestep):
    kept = pipe.scheduler.alphas_cumprod[timestep]
    clean *= kept.sqrt()
    clean += (1 - kept).sqrt() * noise
    return clean


# %% right="06.noisy"
def add_noise(clean, noise, timestep):
    forward = DDPMScheduler.from_config(pipe.scheduler.config)
    return forward.add_noise(clean, noise, torch.tensor([timestep]))


# %% right="06.noisy"
def add_noise(clean, noise, timestep):
    kept = float(torch.prod(1 - pipe.scheduler.betas[: timestep + 1]))
    return kept**0.5 * clean + (1 - kept) ** 0.5 * noise


# %% right="06.noisy"
def add_noise(clean, noise, timestep):
    a = torch.sqrt(pipe.scheduler.alphas_cumprod)[timestep]
    return torch.addcmul(clean * a, noise, torch.sqrt(1 - a * a))


# %% [markdown]
# Now a strip of the same latents at six timesteps, each decoded. At which one can you no longer
# tell the subject? (Until the exercise is solved, `DDPMScheduler` adds the noise. It is the
# scheduler with which diffusers trains, and knows all 1000 timesteps. The pipeline's own knows only
# the 25 of the last picture.)

# %% picture="06.film"
training_scheduler = DDPMScheduler.from_config(pipe.scheduler.config)
noise = seeded_latents(pipe, 1)


def noised(timestep):
    yours = add_noise(clean, noise, timestep)
    if yours is None:
        return training_scheduler.add_noise(clean, noise, torch.tensor([timestep]))
    return yours


timesteps = [0, 150, 300, 500, 700, 999]
film = decode(torch.cat([noised(timestep) for timestep in timesteps]))
print(len(film), "pictures, timesteps", timesteps)
labels = [f"timestep {timestep}" for timestep in timesteps]
display(image_grid(film, cols=3, labels=labels, min_width=256))

# %% [markdown]
# ## 5 · The U-Net: what it predicts
#
# The U-Net gets noisy latents, their timestep and the vectors of the prompt. What does it predict?
# There are three ways to ask the same question, and `prediction_type` says which one a model was
# trained with:
#
# - the **noise** (`epsilon`), as in Stable Diffusion 1.x and in 2.1 for 512 pixels (*2.1-base*);
# - the **clean** latents (`sample`);
# - the **velocity** (`v_prediction`), as in Stable Diffusion 2.1 for 768 pixels and in our
#   stickers: `velocity = a · noise - s · clean` ([Salimans and Ho
#   2022](https://arxiv.org/abs/2202.00512)). Move along the timesteps, and this is the direction in
#   which the latents change.
#
# Since `noisy` is known and a² + s² = 1, each answer gives the others:
#
# | from | clean | noise | velocity |
# | --- | --- | --- | --- |
# | noise | (noisy - s · noise) / a | noise | (noise - s · noisy) / a |
# | velocity | a · noisy - s · velocity | s · noisy + a · velocity | velocity |
#
# Compare the two formulas in the column *clean*: near timestep 999, a is small, and dividing by it
# makes every error in the noise much larger. The velocity needs no division.
#
# ### Exercise 3 · From the velocity to the clean latents
#
# Complete the function.


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
# a and s are those of exercise 2, at this `timestep`.

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


# %% wrong="06.clean" says="is a², and you took it for a"
def clean_from_velocity(noisy, velocity, timestep):
    a = pipe.scheduler.alphas_cumprod[timestep]
    return a * noisy - (1 - a**2).sqrt() * velocity


# %% wrong="06.clean" says="One of the two roots"
def clean_from_velocity(noisy, velocity, timestep):
    kept = pipe.scheduler.alphas_cumprod[timestep]
    return kept.sqrt() * noisy - (1 - kept) * velocity


# %% right="06.clean"
def clean_from_velocity(noisy, velocity, timestep):
    a = pipe.scheduler.alphas_cumprod[timestep] ** 0.5
    return a * noisy - (1 - a**2) ** 0.5 * velocity


# %% right="06.clean"
def clean_from_velocity(noisy, velocity, timestep):
    kept = pipe.scheduler.alphas_cumprod[timestep].item()
    return numpy.sqrt(kept) * noisy - numpy.sqrt(1 - kept) * velocity


# %% right="06.clean"
def clean_from_velocity(noisy, velocity, timestep):
    a, s = left[timestep], noise_share[timestep]
    noise = s * noisy + a * velocity
    return (noisy - s * noise) / a


# %% [markdown]
# Now look over the U-Net's shoulder. We add noise to the sticker, ask the U-Net once, and turn its
# answer into clean latents. Above is what it sees, below what it believes is behind the noise. It
# has to answer in one go, without a loop and without guidance: at high timesteps expect something
# blurred, the mean of all the pictures it could be. (`velocity_of` turns a predicted noise into a
# velocity, so that the cell works for every model.)


# %% picture="06.beliefs" export="06_beliefs.png"
def velocity_of(prediction, noisy, timestep):
    if pipe.scheduler.config.prediction_type == "v_prediction":
        return prediction
    return (prediction - noise_share[timestep] * noisy) / left[timestep]


timesteps = [950, 800, 600, 300]
seen, believed = [], []
for timestep in timesteps:
    noisy = noised(timestep)
    prediction = pipe.unet(noisy, timestep, conditional).sample
    velocity = velocity_of(prediction, noisy, timestep)
    seen.append(noisy)
    believed.append(clean_from_velocity(noisy, velocity, timestep))
if believed[0] is None:
    print("First solve exercise 3.")
else:
    labels = [f"{what}, {timestep}" for what in ("sees", "believes") for timestep in timesteps]
    print(len(seen), "noisy pictures and", len(believed), "beliefs")
    pictures = decode(torch.cat(seen + believed))
    display(image_grid(pictures, rows=2, labels=labels, min_width=256))

# %% [markdown]
# How can it find anything in what looks like pure noise? The prompt says what to look for, and a
# little of the picture is left, the share a. The noise differs from place to place and averages out
# over large shapes, so the U-Net finds outlines first and details later.
#
# ## 6 · The whole loop
#
# You have all the parts. The pipeline starts from noise and repeats: ask the U-Net with and without
# the prompt, guide as in lesson 05, and let the scheduler take a step to the next timestep.
#
# ### Exercise 4 · Write the loop
#
# The function below prepares everything. What is missing is the inside of the loop, four things:
#
# 1. Put two copies of `latents` into one batch, `torch.cat([latents] * 2)`, and give it to
#    `pipe.scheduler.scale_model_input(batch, timestep)`. (Some schedulers want the latents scaled
#    for the U-Net. With this, your loop works with every scheduler.)
# 2. Ask `pipe.unet(batch, timestep, texts).sample`, and cut the answer in two with `.chunk(2)`. The
#    order of the halves is that of `texts`: unconditional first.
# 3. Guide: start at the unconditional prediction and go `guidance_scale` times the way to the
#    conditional one.
# 4. `pipe.scheduler.step(guided, timestep, latents).prev_sample` are the new `latents`.


# %% exercise="06.loop"
def denoise(latents, prompt, num_inference_steps, guidance_scale):
    conditional, unconditional = pipe.encode_prompt(prompt, pipe.device, 1, True)
    texts = torch.cat([unconditional, conditional])
    pipe.scheduler.set_timesteps(num_inference_steps, device=pipe.device)
    latents = latents * pipe.scheduler.init_noise_sigma
    for timestep in pipe.scheduler.timesteps:
        # BEGIN SOLUTION
        batch = pipe.scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
        without, with_prompt = pipe.unet(batch, timestep, texts).sample.chunk(2)
        guided = without + guidance_scale * (with_prompt - without)
        latents = pipe.scheduler.step(guided, timestep, latents).prev_sample
        # END SOLUTION
    return latents


# %%
exercise("06.loop").check(denoise=denoise, pipe=pipe)
# exercise("06.loop").hint()

# %% [markdown] hint="06.loop"
# Take it line by line, and print the shapes in the first round. The batch has two layers, and so
# has the U-Net's answer; each half has one.

# %% [markdown] hint="06.loop"
# The guidance is the line of exercise 2 in lesson 05: start + scale × arrow.

# %% [markdown] hint="06.loop"
# `step` changes nothing in place. It returns an object, and the `.prev_sample` of that are the new
# latents. If you don't store these as `latents`, the next round starts from the same noise again.


# %% wrong="06.loop" says="the noise that you began with"
def denoise(latents, prompt, num_inference_steps, guidance_scale):
    conditional, unconditional = pipe.encode_prompt(prompt, pipe.device, 1, True)
    texts = torch.cat([unconditional, conditional])
    pipe.scheduler.set_timesteps(num_inference_steps, device=pipe.device)
    latents = latents * pipe.scheduler.init_noise_sigma
    for timestep in pipe.scheduler.timesteps:
        batch = pipe.scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
        without, with_prompt = pipe.unet(batch, timestep, texts).sample.chunk(2)
        guided = without + guidance_scale * (with_prompt - without)
        pipe.scheduler.step(guided, timestep, latents)
    return latents


# %% wrong="06.loop" says="without guidance"
def denoise(latents, prompt, num_inference_steps, guidance_scale):
    conditional, unconditional = pipe.encode_prompt(prompt, pipe.device, 1, True)
    pipe.scheduler.set_timesteps(num_inference_steps, device=pipe.device)
    latents = latents * pipe.scheduler.init_noise_sigma
    for timestep in pipe.scheduler.timesteps:
        batch = pipe.scheduler.scale_model_input(latents, timestep)
        prediction = pipe.unet(batch, timestep, conditional).sample
        latents = pipe.scheduler.step(prediction, timestep, latents).prev_sample
    return latents


# %% wrong="06.loop" says="the halves are swapped"
def denoise(latents, prompt, num_inference_steps, guidance_scale):
    conditional, unconditional = pipe.encode_prompt(prompt, pipe.device, 1, True)
    texts = torch.cat([unconditional, conditional])
    pipe.scheduler.set_timesteps(num_inference_steps, device=pipe.device)
    latents = latents * pipe.scheduler.init_noise_sigma
    for timestep in pipe.scheduler.timesteps:
        batch = pipe.scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
        with_prompt, without = pipe.unet(batch, timestep, texts).sample.chunk(2)
        guided = without + guidance_scale * (with_prompt - without)
        latents = pipe.scheduler.step(guided, timestep, latents).prev_sample
    return latents


# %% wrong="06.loop" says="twice as many"
def denoise(latents, prompt, num_inference_steps, guidance_scale):
    conditional, unconditional = pipe.encode_prompt(prompt, pipe.device, 1, True)
    texts = torch.cat([unconditional, conditional])
    pipe.scheduler.set_timesteps(num_inference_steps, device=pipe.device)
    latents = latents * pipe.scheduler.init_noise_sigma
    latents = torch.cat([latents] * 2)
    for timestep in pipe.scheduler.timesteps:
        prediction = pipe.unet(latents, timestep, texts).sample
        latents = pipe.scheduler.step(prediction, timestep, latents).prev_sample
    return latents


# %% wrong="06.loop" says="differ from those of `pipe()`"
def denoise(latents, prompt, num_inference_steps, guidance_scale):
    conditional, unconditional = pipe.encode_prompt(prompt, pipe.device, 1, True)
    texts = torch.cat([unconditional, conditional])
    pipe.scheduler.set_timesteps(num_inference_steps, device=pipe.device)
    latents = latents * pipe.scheduler.init_noise_sigma
    for timestep in pipe.scheduler.timesteps:
        batch = pipe.scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
        without, with_prompt = pipe.unet(batch, timestep, texts).sample.chunk(2)
        guided = without + 5.0 * (with_prompt - without)
        latents = pipe.scheduler.step(guided, timestep, latents).prev_sample
    return latents


# %% right="06.loop"
def denoise(latents, prompt, num_inference_steps, guidance_scale):
    conditional, unconditional = pipe.encode_prompt(prompt, pipe.device, 1, True)
    pipe.scheduler.set_timesteps(num_inference_steps, device=pipe.device)
    latents = latents * pipe.scheduler.init_noise_sigma
    for timestep in pipe.scheduler.timesteps:
        scaled = pipe.scheduler.scale_model_input(latents, timestep)
        without = pipe.unet(scaled, timestep, encoder_hidden_states=unconditional).sample
        with_prompt = pipe.unet(scaled, timestep, encoder_hidden_states=conditional).sample
        guided = guidance_scale * with_prompt + (1 - guidance_scale) * without
        latents = pipe.scheduler.step(guided, timestep, latents).prev_sample
    return latents


# %% right="06.loop"
def denoise(latents, prompt, num_inference_steps, guidance_scale):
    texts = torch.cat(pipe.encode_prompt(prompt, pipe.device, 1, True))
    pipe.scheduler.set_timesteps(num_inference_steps, device=pipe.device)
    latents = latents * pipe.scheduler.init_noise_sigma
    for timestep in pipe.scheduler.timesteps:
        batch = pipe.scheduler.scale_model_input(latents.repeat(2, 1, 1, 1), timestep)
        (answer,) = pipe.unet(batch, timestep, texts, return_dict=False)
        guided = torch.lerp(answer[1:], answer[:1], guidance_scale)
        (latents,) = pipe.scheduler.step(guided, timestep, latents, return_dict=False)[:1]
    return latents


# %% right="06.loop"
@torch.no_grad()
def denoise(latents, prompt, num_inference_steps, guidance_scale):
    conditional, unconditional = pipe.encode_prompt(prompt, pipe.device, 1, True)
    texts = torch.vstack([unconditional, conditional])
    pipe.scheduler.set_timesteps(num_inference_steps)
    latents = pipe.scheduler.init_noise_sigma * latents
    for timestep in pipe.scheduler.timesteps:
        batch = pipe.scheduler.scale_model_input(torch.stack([latents[0], latents[0]]), timestep)
        halves = pipe.unet(batch, timestep, texts)["sample"]
        arrow = halves[1:2] - halves[0:1]
        guided = halves[0:1].add(arrow, alpha=guidance_scale)
        latents = pipe.scheduler.step(guided, timestep, latents)["prev_sample"]
    return latents


# %% [markdown]
# Now the picture from the beginning, by your own loop. With `output_type="latent"` the pipeline
# returns its latents instead of a picture, so we can compare number by number.

# %% picture="06.mine" same_as="06.first"
my_noise = seeded_latents(pipe, SEED)
my_latents = denoise(my_noise, PROMPT, **SETTINGS)
if torch.equal(my_latents, my_noise * pipe.scheduler.init_noise_sigma):
    print("Nothing has changed in the noise. First solve exercise 4.")
else:
    its_latents = pipe(PROMPT, latents=my_noise, output_type="latent", **SETTINGS).images
    difference = (my_latents - its_latents).abs().max().item()
    print("largest difference below 0.01:", difference < 0.01)
    display(enlarge(decode(my_latents)[0]))

# %% [markdown]
# That is the heart of `pipe(...)`. Many tools that you will meet change only one of these few
# lines. A negative prompt, for example, takes the place of the empty text.

# %% [markdown]
# ## More · Inside the U-Net: residual blocks and skip connections
#
# Why is it called a U-Net? We watch the shapes on the way through, at the end of each block, by
# hooks.

# %% tags=["nbval-ignore-output"]
shapes = []
blocks = [*pipe.unet.down_blocks, pipe.unet.mid_block, *pipe.unet.up_blocks]


def note_shape(block, inputs, output):
    first = output[0] if isinstance(output, tuple) else output
    shapes.append((type(block).__name__, tuple(first.shape)))


hooks = [block.register_forward_hook(note_shape) for block in blocks if block is not None]
try:
    pipe.unet(noised(500), 500, conditional)
finally:  # also if that fails: hooks that stay would note every shape twice
    for hook in hooks:
        hook.remove()
for name, shape in shapes:
    print(f"{name:24} channels {shape[1]:4}, height and width {shape[2]:3}")

# %% [markdown]
# Read the list as a U: down its left arm there are fewer places and more channels, up its right arm
# the reverse. A block with *CrossAttn* in its name listens to the prompt. Two ideas make such a
# deep network trainable:
#
# - A **residual block** returns its input plus a correction, `x + f(x)`. It only has to learn what
#   should change, and where `f` is zero it does no harm. In PyTorch's list it is a `ResnetBlock2D`.
# - A **skip connection** carries the result of each step down directly across to the step up of the
#   same size, where it is joined to the channels. Otherwise all the detail would have to pass
#   through the few places at the bottom.
#
# Both can be seen. The residual block: we take its output minus its input, and it is exactly what
# its layers computed. The skip connections: each layer on the way up takes more channels than the
# layer before it gives, and the rest comes across.

# %% tags=["nbval-ignore-output"]
residual_blocks = [part for part in pipe.unet.modules() if type(part).__name__ == "ResnetBlock2D"]
plain = next(block for block in residual_blocks if block.conv_shortcut is None)
given = torch.randn(1, plain.in_channels, 8, 8, device=pipe.device, dtype=pipe.unet.dtype)
time = torch.randn(1, plain.time_emb_proj.in_features, device=pipe.device, dtype=pipe.unet.dtype)
corrections = []
hook = plain.conv2.register_forward_hook(lambda part, inputs, output: corrections.append(output))
returned = plain(given, time)
hook.remove()
is_sum = torch.allclose(returned, given + corrections[0], atol=1e-3)
print(len(residual_blocks), "residual blocks; output = input + correction:", is_sum)
for block in pipe.unet.up_blocks:
    for layer in block.resnets:
        print(f"{type(block).__name__}: {layer.in_channels} channels in, {layer.out_channels} out")

# %% [markdown]
# ## More · The loss of the VAE
#
# What was the VAE trained for? Its loss is in essence a sum of two terms:
#
# - **reconstruction**: how far is the decoded picture from the original?
# - the **Kullback-Leibler divergence** (KL): how far is the distribution that the encoder gives for
#   each latent, with its mean μ and variance σ², from the standard normal distribution? Per latent
#   it is ½ (μ² + σ² − 1 − log σ²), which is 0 only for μ = 0 and σ = 1.
#
# The first term alone would let the encoder scatter its latents anywhere; the second keeps them
# together, so that points in between mean something, too. The KL term has a tiny weight: about one
# millionth in the autoencoders of [the paper](https://arxiv.org/abs/2112.10752) (section 3.1 calls
# it a slight penalty), 0.0005 in ours, which takes the mean over all latents. Otherwise blur would
# be the cheapest way to please it. We compute both for the sticker. (Ours has one more term, for
# edges; large ones have a perceptual and an adversarial one, for sharpness.)

# %% tags=["nbval-ignore-output"]
pixels = pipe.image_processor.preprocess(image).to(pipe.device, pipe.vae.dtype)
posterior = pipe.vae.encode(pixels).latent_dist
decoded = pipe.vae.decode(posterior.sample(generator=torch.Generator().manual_seed(0))).sample
reconstruction = (decoded - pixels).abs().mean().item()
per_latent = (posterior.mean**2 + posterior.var - 1 - posterior.logvar) / 2
print(f"reconstruction: {reconstruction:.4f} per number, of a range from -1 to 1")
print(f"KL: {per_latent.mean().item():.2f} per latent, {per_latent.sum().item():.0f} in all")
print("diffusers agrees:", torch.allclose(per_latent.sum(), posterior.kl().sum(), rtol=1e-3))

# %% [markdown]
# ## More · Which word paints which pixels?
#
# How do the words get into the picture? Through **cross-attention**: in many layers of the U-Net
# each place of the latents looks at all tokens of the prompt and divides its attention among them.
# We can record these shares while the picture is being drawn, one map per layer and step, and
# average them ([Tang et al. 2022](https://arxiv.org/abs/2210.04885)). (The sticker model has a
# second, smaller way in, as Stable Diffusion XL has: a summary of the whole prompt goes in together
# with the timestep, to all places alike. The maps do not show it.)
#
# From most to least attention, the colors are yellow, orange, violet and black. They are stretched
# for each word, so compare places, not strengths. The sizes of the maps say how sharp an outline
# you may expect.

# %% picture="06.attention" tags=["nbval-ignore-output"]
words = ["fox", "3d", "teal", "background"]
with watch_attention(pipe) as attention:
    watched = pipe(PROMPT, latents=seeded_latents(pipe, SEED), **SETTINGS).images[0]
maps = [heat_map(watched, attention.of_word(PROMPT, word)) for word in words]
sizes = sorted({tuple(one.shape[1:]) for one in attention.maps})
print(len(attention.maps), "maps recorded for each token, of the sizes", sizes)
labels = ["the picture", *words]
display(image_grid([watched, *maps], cols=3, labels=labels, min_width=256))

# %% [markdown]
# A map shows where the U-Net *looked*, which is not quite the same as what it *did*: later layers
# mix the places again. In large models the maps are sharp enough to cut a word's object out of its
# picture (source: the paper above), and editing tools steer them ([Hertz et al.
# 2022](https://arxiv.org/abs/2208.01626)).
#
# ## More · From one picture to another
#
# Each seed is a point in the space of all noises. What is between two of them? The plain way is a
# mean, but the mean of two noises is weaker than either, and the U-Net knows only noise of full
# strength. All noises of one strength lie on a sphere around zero, and `interpolate` goes along it
# ([White 2016](https://arxiv.org/abs/1609.04468)). The **standard deviation**, `.std()`, measures
# the strength.
#
# A walk is only worth watching if its ends differ. So we draw eight seeds of a prompt that leaves
# much open, quickly in 8 steps, and take the two whose pictures are furthest apart.

# %% tags=["nbval-ignore-output"]
OPEN_PROMPT = "a fox"
seeds = list(range(8))
quick = {"num_inference_steps": 8, "guidance_scale": 5.0}
drafts = pipe([OPEN_PROMPT] * 8, latents=seeded_latents(pipe, seeds), **quick).images
numbers = [numpy.asarray(draft, dtype=float) for draft in drafts]
pairs = [(one, other) for one in seeds for other in seeds if one < other]
first, last = max(pairs, key=lambda pair: abs(numbers[pair[0]] - numbers[pair[1]]).mean())
start, end = seeded_latents(pipe, first), seeded_latents(pipe, last)
print("from seed", first, "to seed", last)
print(f"strength at the start and at the end: {start.std():.2f} and {end.std():.2f}")
print(f"in the middle of the plain way:       {((start + end) / 2).std():.2f}")
print(f"in the middle along the sphere:       {interpolate(start, end, 0.5).std():.2f}")

# %% picture="06.between"
shares = [0, 0.2, 0.4, 0.6, 0.8, 1]
between = torch.cat([interpolate(start, end, share) for share in shares])
strip = pipe([OPEN_PROMPT] * len(shares), latents=between, **SETTINGS).images
print(len(strip), "pictures on the way")
display(image_grid(strip, cols=3, labels=[f"{share:.0%}" for share in shares], min_width=256))

# %% [markdown]
# Every point on the way gives a picture. Do they change evenly, or do they jump? Near the border
# between two backgrounds, or two shapes, a small change of the noise decides. With smaller steps
# you find the borders, and the strip becomes a film.
#
# ## What you learned
#
# - The **tokenizer** cuts text into numbered tokens, pads and truncates; the **text encoder**
#   gives each a vector that knows what comes before it.
# - The **VAE** keeps a picture in 48 times fewer numbers. What it can't keep, no U-Net can bring
#   back. Its loss is reconstruction plus a little KL.
# - The **scheduler** is a table: how much picture, how much noise at each timestep. **Forward
#   diffusion** is one line.
# - The **U-Net**, residual blocks joined by skip connections, predicts noise or velocity. Each can
#   be turned into the other and into clean latents.
# - The **loop** is: predict twice, guide, step. Yours equals the pipeline's.
# - Cross-attention maps show where words act; spherical interpolation walks between seeds.
#
# **Try on your own:** let your loop use guidance only while the timestep is above 300. Show the
# belief at every step of the loop as a picture (`clean_from_velocity`, then decode): when does the
# subject appear? Swap the prompt halfway through
# the steps, from a fox to an owl. Encode a photo of your own, and look at what the VAE loses.
#
# **Read on:** [Latent diffusion](../course/reading/latent-diffusion.md), and
# [the mathematics](../course/reading/mathematics.md) behind the formulas.
#
# Next: [lesson 07](07_ranking.ipynb), in which a model chooses among your pictures, and you see
# whether you agree with it.
