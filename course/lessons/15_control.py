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
# # 15 · Control: a word of your own, and a second picture
#
# A prompt says only what words can say. In this lesson you control a finished model in a way for
# which there is no word: you show it a few pictures, and find the **embedding** that makes it draw
# such things. Not one parameter of the model changes. This is **textual inversion**. At the end you
# meet ControlNet, which listens to a second picture.
#
# **At the end you will be able to**
#
# - say where a word is stored in Stable Diffusion;
# - add a new word, and train nothing but its vector;
# - judge the result against two baselines: no knowledge, and the true word;
# - save the word, and give it to another pipeline;
# - say what a **ControlNet** adds to a U-Net, and why it starts without any effect.
#
# **Time:** sections 1 to 4 are the core path, about 40 minutes. Sections 5 and 6, marked *more*,
# take about 15 minutes. **You need:** lessons 06 (tokens, velocity) and 12 (the training loop). No
# network, no GPU.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/15_control.ipynb` three exercises have a gap, written `...`. Fill
#    the gap, run the cell, and run the check below it.
# 2. *With hints.* Stuck? Remove the `#` in front of the hint line below the check. Each run gives
#    one more hint. Put the `#` back to see the check again.
# 3. *With the complete solution.* `solutions/15_control.ipynb` is this notebook with every gap
#    filled and every picture shown.

# %%
import tempfile
import time
from pathlib import Path

import diffusers
import matplotlib.pyplot as plt
import numpy
import torch
import torch.nn.functional as F
import transformers
from IPython.display import display
from PIL import ImageFilter
from safetensors.torch import save_file

from helpers import exercise, image_grid, load_pipeline, load_ranker, seeded_latents

MODEL = "stickers"  # with a GPU and a network: "sd-v1-5"
pipe = load_pipeline(MODEL)

# %% [markdown]
# ## 1 · Pictures, and no word for them
#
# Imagine that somebody gives you these pictures and the model has no word for what they show. We
# play this game with a thing that it does know, so that we can compare at the end: the model draws
# the pictures itself, from a secret word. From then on, nobody may use that word. It becomes
# `<it>`. (The model errs, too. Does one of the pictures show something else? Then `<it>` learns a
# little of that as well.)

# %% picture="15.pictures"
SECRET = "mushroom"
TOKEN = "<it>"
COLORS = ["teal", "yellow", "purple", "white", "blue", "pink", "green", "grey"]
SETTINGS = {"num_inference_steps": 20, "guidance_scale": 5.0}


def captions(word):
    return [f"a 3d sticker of a {word} on a {color} background" for color in COLORS]


def draw(pipe, prompts):
    latents = seeded_latents(pipe, range(1, len(prompts) + 1))
    return pipe(list(prompts), latents=latents, **SETTINGS).images


def show(images, labels=None, cols=4):
    display(image_grid(images, cols=cols, labels=labels, min_width=256))


pictures = draw(pipe, captions(SECRET))
show(pictures)
print(f"{len(pictures)} pictures; the first six are to learn from, the last two are kept back")

# %% [markdown]
# ## 2 · Where a word lives
#
# The tokenizer turns a word into the numbers of its tokens. The text encoder looks each number up
# in a table, its **token embeddings**: one row of numbers, a vector, per token. Everything after
# that only works with vectors. So a new word needs a new row in this table, and nothing else.
#
# Each caption begins with a start token and ends with an end token. Between them are those of the
# words; a rare word may be cut into several.

# %%
table = pipe.text_encoder.get_input_embeddings().weight
ids = pipe.tokenizer("a heart").input_ids
print(ids, "->", pipe.tokenizer.convert_ids_to_tokens(ids))
print(f"the table has {table.shape[0]:,} rows of {table.shape[1]} numbers each")

# %% [markdown]
# ### Exercise 1 · A place to start
#
# The new row must begin somewhere. A good place is a word of the right *kind*, such as "heart" for
# a thing that is drawn as a sticker. Complete the function: it returns the vector of `word`, of the
# shape (width,). If `word` has several tokens, it is the **mean** of their rows. The start and end
# tokens do not belong to it.
#
# `tokenizer(word).input_ids` has the ids, with start and end.


# %% exercise="15.start"
def start_vector(word, tokenizer, table):
    ids = tokenizer(word).input_ids
    return table[ids[1:-1]].mean(dim=0)  # SOLUTION


# %%
exercise("15.start").check(start_vector=start_vector, pipe=pipe)
# exercise("15.start").hint()

# %% [markdown] hint="15.start"
# A list without its first and its last item is `numbers[1:-1]`.

# %% [markdown] hint="15.start"
# `table[[5, 8]]` gives the rows 5 and 8, of the shape (2, width). `.mean(dim=0)` is the mean over
# the rows.


# %% wrong="15.start" says="start and end"
def start_vector(word, tokenizer, table):
    ids = tokenizer(word).input_ids
    return table[ids].mean(dim=0)


# %% wrong="15.start" says="first token only"
def start_vector(word, tokenizer, table):
    ids = tokenizer(word).input_ids
    return table[ids[1]]


# %% wrong="15.start" says="sum"
def start_vector(word, tokenizer, table):
    ids = tokenizer(word).input_ids
    return table[ids[1:-1]].sum(dim=0)


# %% wrong="15.start" says="the shape"
def start_vector(word, tokenizer, table):
    ids = tokenizer(word).input_ids
    return table[ids[1:-1]]


# %% right="15.start"
def start_vector(word, tokenizer, table):
    ids = tokenizer(word, add_special_tokens=False).input_ids
    return torch.stack([table[number] for number in ids]).mean(0)


# %% right="15.start"
def start_vector(word, tokenizer, table):
    ids = tokenizer(word, return_tensors="pt").input_ids[0, 1:-1]
    return F.embedding(ids, table).mean(axis=0)


# %% right="15.start"
def start_vector(word, tokenizer, table):
    ids = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(word))
    return table[ids].detach().mean(dim=0, keepdim=True)[0]


# %% [markdown]
# Now the tokenizer gets the new word, and the table a new row. Before any training, `<it>` means
# what its first vector means. What does the model draw for it?

# %% picture="15.untrained"
START_WORD = "heart"
first_vector = start_vector(START_WORD, pipe.tokenizer, table)
if first_vector is ...:
    print("First solve exercise 1.")
    first_vector = table[0]
pipe.tokenizer.add_tokens(TOKEN)
pipe.text_encoder.resize_token_embeddings(len(pipe.tokenizer), mean_resizing=False)
row = pipe.tokenizer.convert_tokens_to_ids(TOKEN)
embeddings = pipe.text_encoder.get_input_embeddings()
# As a new parameter, since PyTorch expects gradients in the old size for the old one.
table = embeddings.weight = torch.nn.Parameter(embeddings.weight.detach().clone())
table.data[row] = first_vector.detach()
untrained = draw(pipe, captions(TOKEN)[:4])
show(untrained)
print(f"row {row} of {len(table)} is new")

# %% [markdown]
# ## 3 · Train one row
#
# The training is that of lesson 12: add noise to a picture, let the U-Net predict, compare with the
# noise or the velocity. But now the gradient runs further back, through the U-Net and the text
# encoder, to the table of embeddings. All else is frozen.
#
# PyTorch knows no "train this row only": the whole table gets a gradient. So before each step, the
# gradient of all other rows is set to zero.
#
# ### Exercise 2 · Only one row
#
# Complete the function. `gradient` has the shape (rows, width). Return a tensor of that shape which
# is 0 everywhere, except in the row number `row`: there it is `gradient`.


# %% exercise="15.row"
def only_row(gradient, row):
    # BEGIN SOLUTION
    kept = torch.zeros_like(gradient)
    kept[row] = gradient[row]
    return kept
    # END SOLUTION


# %%
exercise("15.row").check(only_row=only_row)
# exercise("15.row").hint()

# %% [markdown] hint="15.row"
# Begin with a tensor of zeros of the same shape: `torch.zeros_like(gradient)`.

# %% [markdown] hint="15.row"
# `tensor[row]` can be read, and it can be given a new value.


# %% wrong="15.row" says="the other way round"
def only_row(gradient, row):
    kept = gradient.clone()
    kept[row] = 0
    return kept


# %% wrong="15.row" says="the row alone"
def only_row(gradient, row):
    return gradient[row]


# %% wrong="15.row" says="column"
def only_row(gradient, row):
    kept = torch.zeros_like(gradient)
    kept[:, row] = gradient[:, row]
    return kept


# %% wrong="15.row" says="always the last row"
def only_row(gradient, row):
    kept = torch.zeros_like(gradient)
    kept[-1] = gradient[-1]
    return kept


# %% wrong="15.row" says="ones"
def only_row(gradient, row):
    kept = torch.zeros_like(gradient)
    kept[row] = 1
    return kept


# %% right="15.row"
def only_row(gradient, row):
    places = torch.arange(len(gradient)) == row
    return gradient * places[:, None]


# %% right="15.row"
def only_row(gradient, row):
    gradient[:row], gradient[row + 1 :] = 0, 0
    return gradient


# %% right="15.row"
def only_row(gradient, row):
    selected = F.one_hot(torch.tensor(row), len(gradient)).to(gradient)
    return torch.einsum("r,rw->rw", selected, gradient)


# %% [markdown]
# Before training, two baselines for the loss, on the same noise and timesteps: captions with the
# start word, which know nothing of the pictures, and captions with the secret word, the best that
# an ordinary word does. The two pictures that were kept back are for **validation**. The closer the
# validation loss comes to that of the secret word, the better `<it>` is. It may even fall below: a
# free vector can also say which kind of it these pictures show.
#
# (`get_velocity` or the noise: the target of lesson 12. The learning rate is measured by the size
# of the numbers in the table, so that it suits any model.)

# %% tags=["nbval-ignore-output"]
scheduler = diffusers.DDPMScheduler.from_config(pipe.scheduler.config)
for part in (pipe.unet, pipe.vae, pipe.text_encoder):
    part.requires_grad_(False)
device, dtype = pipe._execution_device, pipe.unet.dtype
with torch.no_grad():
    pixels = pipe.image_processor.preprocess(pictures).to(device, pipe.vae.dtype)
    clean_latents = pipe.vae.encode(pixels).latent_dist.mode() * pipe.vae.config.scaling_factor


def text_states(texts):
    limit = pipe.tokenizer.model_max_length
    ids = pipe.tokenizer(texts, padding="max_length", max_length=limit, truncation=True)
    return pipe.text_encoder(torch.tensor(ids.input_ids, device=device))[0]


def loss_of(chosen, word, noise, timesteps):
    """How well the U-Net predicts for the chosen pictures when their captions have this word."""
    clean = clean_latents[chosen]
    noise, timesteps = noise.to(clean), timesteps.to(device)
    noisy = scheduler.add_noise(clean, noise, timesteps)
    states = text_states([captions(word)[number] for number in chosen])
    predicted = pipe.unet(noisy, timesteps, states).sample
    is_velocity = scheduler.config.prediction_type == "v_prediction"
    target = scheduler.get_velocity(clean, noise, timesteps) if is_velocity else noise
    return F.mse_loss(predicted.float(), target.float())


@torch.no_grad()
def validation_loss(word):
    chosen = [6, 7] * 16
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((len(chosen), *clean_latents.shape[1:]), generator=generator)
    timesteps = torch.linspace(100, 900, len(chosen)).long()
    return loss_of(chosen, word, noise, timesteps).item()


baselines = {word: validation_loss(word) for word in (START_WORD, SECRET)}
for word, loss in baselines.items():
    print(f"baseline, {word}: {loss:.4f}")

# %% [markdown]
# And the training. It takes about as long as that of lesson 12. Every fifth of it, the validation
# loss is measured.

# %% picture="15.training" tags=["nbval-ignore-output"]
STEPS = 100
BATCH = 4
is_solved = only_row(torch.ones(2, 2), 0) is not None
losses, validated = [], {0: validation_loss(TOKEN)}
if is_solved:
    table.requires_grad_(True)
    rate = 0.1 * table.detach().float().std().item()
    optimizer = torch.optim.AdamW([table], lr=rate, weight_decay=0.0)
    generator = torch.Generator().manual_seed(1)
    began = time.monotonic()
    for step in range(1, STEPS + 1):
        chosen = torch.randint(6, (BATCH,), generator=generator).tolist()
        noise = torch.randn((BATCH, *clean_latents.shape[1:]), generator=generator)
        timesteps = torch.randint(1000, (BATCH,), generator=generator)
        loss = loss_of(chosen, TOKEN, noise, timesteps)
        optimizer.zero_grad()
        loss.backward()
        table.grad = only_row(table.grad, row)
        optimizer.step()
        losses.append(loss.item())
        if step % max(STEPS // 5, 1) == 0:
            validated[step] = validation_loss(TOKEN)
            print(f"step {step}: {validated[step]:.4f}, {time.monotonic() - began:.0f} s")
    table.requires_grad_(False)
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    axes.plot(list(validated), list(validated.values()), "o-", label=f"captions with {TOKEN}")
    for (word, value), style in zip(baselines.items(), ["--", ":"], strict=True):
        axes.axhline(value, color="gray", linestyle=style, label=f"captions with {word}")
    axes.set(xlabel="step", ylabel="validation loss")
    axes.legend()
    plt.show()
else:
    print("First solve exercise 2.")

# %% [markdown]
# ## 4 · Use the word
#
# Now `<it>` is a word like any other: you can use it in any prompt, also in scenes that none of the
# pictures showed. The rows: the start word, `<it>`, and the secret word, all from the same noise.

# %% picture="15.used"
PLACES = ["in a meadow", "at night", "on the beach", "on a red background"]
rows = {
    word: draw(pipe, [f"a {word} {place}" for place in PLACES])
    for word in (START_WORD, TOKEN, SECRET)
}
show([image for images in rows.values() for image in images], PLACES * len(rows))
print("rows:", ", ".join(rows))

# %% [markdown]
# Does the second row look more like the first, or like the third? A judge who knows the secret can
# count it: the **CLIP score** of lesson 07, of each row, with "a mushroom".

# %% tags=["nbval-ignore-output"]
ranker = load_ranker("stickers-clip" if MODEL == "stickers" else "openai/clip-vit-base-patch32")
for word, images in rows.items():
    cosine = ranker.scores(images, [f"a {START_WORD}", f"a {SECRET}"]).cosine.mean(dim=0)
    print(f"{word:10} fits 'a {START_WORD}' {cosine[0]:.2f}, 'a {SECRET}' {cosine[1]:.2f}")

# %% [markdown]
# The word can be saved, and given to others. It is one vector, so the file is small. In the
# format of diffusers it is a dictionary with one entry, and `load_textual_inversion` gives it to
# another pipeline.

# %% picture="15.loaded"
file = Path(tempfile.mkdtemp()) / "it.safetensors"
save_file({TOKEN: table[row].detach().float().cpu().clone()}, file)
other = load_pipeline(MODEL)
for library in (diffusers, transformers):  # show errors only
    library.utils.logging.set_verbosity_error()
other.load_textual_inversion(str(file))
loaded = draw(other, [f"a {TOKEN} {place}" for place in PLACES])
show(loaded, PLACES)
same = all(one.tobytes() == two.tobytes() for one, two in zip(loaded, rows[TOKEN], strict=True))
print(f"a file of {file.stat().st_size:,} bytes; it draws the same pictures: {same}")

# %% [markdown]
# Compare with lesson 12: a LoRA changes how the model draws, and can teach it what it never saw. A
# vector can only *point* at what the model can already draw. For a thing between its words, a mood,
# a mixture of styles, this may be exactly enough.
#
# *This is the end of the core path. The rest is for those who have time.*
#
# ## 5 · Which word did it find? (more)
#
# The vectors of the table have directions. Which words point in the direction of `<it>`?
#
# ### Exercise 3 · Cosines
#
# Complete the function. `vector` has the shape (width,), `table` (rows, width). Return the cosine
# of the angle between the vector and *each* row, of the shape (rows,): their dot product, divided
# by the lengths of both.


# %% exercise="15.cosine"
def cosines(vector, table):
    return F.cosine_similarity(vector[None], table)  # SOLUTION


# %%
exercise("15.cosine").check(cosines=cosines)
# exercise("15.cosine").hint()

# %% [markdown] hint="15.cosine"
# `table @ vector` is the dot product of each row with the vector. Lengths are
# `table.norm(dim=1)` and `vector.norm()`.

# %% [markdown] hint="15.cosine"
# PyTorch has the whole formula: look for `cosine_similarity` in `torch.nn.functional`.


# %% wrong="15.cosine" says="dot product"
def cosines(vector, table):
    return table @ vector


# %% wrong="15.cosine" says="length of the vector"
def cosines(vector, table):
    return table @ vector / table.norm(dim=1)


# %% wrong="15.cosine" says="lengths of the rows"
def cosines(vector, table):
    return table @ vector / vector.norm()


# %% wrong="15.cosine" says="distance"
def cosines(vector, table):
    return (table - vector).norm(dim=1)


# %% right="15.cosine"
def cosines(vector, table):
    return (table @ vector) / (table.norm(dim=1) * vector.norm())


# %% right="15.cosine"
def cosines(vector, table):
    return F.normalize(table, dim=1) @ F.normalize(vector, dim=0)


# %% right="15.cosine"
def cosines(vector, table):
    rows, one = table.numpy(), vector.numpy()
    return rows @ one / numpy.linalg.norm(rows, axis=1) / numpy.linalg.norm(one)


# %% tags=["nbval-ignore-output"]
vectors = table.detach().float().cpu()
found = cosines(vectors[row], vectors)
if found is ...:
    print("First solve exercise 3.")
else:
    found = torch.as_tensor(found)
    for number in found.argsort(descending=True)[1:8].tolist():
        print(f"{pipe.tokenizer.decode([number]):15} {found[number]:.2f}")
    print(f"the start word {found[pipe.tokenizer(START_WORD).input_ids[1]]:.2f}, ", end="")
    print(f"the secret word {found[pipe.tokenizer(SECRET).input_ids[1]]:.2f}")

# %% [markdown]
# Is the secret word the first? And how near is the start word still? Many different vectors have
# the same effect on the pictures, and the training stops at a good one that is not far from where
# it began. So a vector that works need not be the vector of the word.
#
# ## 6 · ControlNet: a second picture (more)
#
# A word says *what*. It does not say *where*: at which edge the roof ends, how an arm is bent. For
# this, a [**ControlNet**](https://arxiv.org/abs/2302.05543) reads a second picture, such as edges,
# a pose, or a map of depth. It is a copy of the way down and of the middle of the U-Net, with a
# small network in front that reads the control picture, and it adds what it finds to the skip
# connections and to the middle. The U-Net stays as it is.
#
# The copy is joined by **zero convolutions**, whose weights begin as zeros. So an untrained
# ControlNet has no effect at all, and the first steps of training cannot harm the model. See for
# yourself: this is a real one, of diffusers' class, made for the model at hand. It reads the edges
# of a picture from section 1.

# %% picture="15.controlnet"
controlnet = diffusers.ControlNetModel.from_unet(pipe.unet)
edges = pictures[0].convert("L").filter(ImageFilter.FIND_EDGES).convert("RGB")
height, width = (8 * size for size in clean_latents.shape[2:])  # it reads eight pixels per latent
plain = draw(pipe, ["a house in a meadow"])
controlled_pipe = diffusers.StableDiffusionControlNetPipeline(
    **pipe.components, controlnet=controlnet.to(device, dtype), requires_safety_checker=False
)
controlled_pipe.set_progress_bar_config(disable=True)
controlled = controlled_pipe(
    "a house in a meadow",
    image=edges.resize((width, height)),
    latents=seeded_latents(pipe, [1]),
    **SETTINGS,
).images
distance = numpy.abs(numpy.asarray(plain[0], int) - numpy.asarray(controlled[0], int)).max()
labels = ["U-Net alone", "a control picture", "with an untrained ControlNet"]
show([*plain, edges, *controlled], labels, cols=3)
share = controlnet.num_parameters() / pipe.unet.num_parameters()
print(f"a ControlNet of {share:.0%} of the U-Net's size; equal but for rounding: {distance <= 2}")

# %% [markdown]
# To train one takes many pairs of control picture and picture: its paper calls fewer than 50,000 a
# small set (in the abstract). That is more than a lesson can do on two cores, so this one
# trains a vector and leaves the ControlNet at its start. With a GPU and a network, use a trained
# one: write `MODEL = "sd-v1-5"`, and, instead of `from_unet(…)` in the cell above,
# `diffusers.ControlNetModel.from_pretrained("lllyasviel/sd-controlnet-canny")`.
#
# ## What you learned
#
# - A word is a row in the table of **token embeddings**. **Textual inversion** adds a row and
#   trains only that.
# - Two **baselines** say what a validation loss is worth: that of a word which knows nothing, and
#   that of the true word.
# - The result is one vector in a small file; `load_textual_inversion` gives it to a pipeline.
# - A vector points at what the model can draw already; a LoRA can add to it.
# - A **ControlNet** is a trained copy of half a U-Net that reads a second picture. It begins
#   without effect, thanks to its **zero convolutions**.
#
# **Try on your own:** another secret, another start word: does the start matter? Put the pictures
# of `course/pictures/golden/` in the place of ours: how near does a vector come to what the LoRA of
# lesson 12 learned? Use `<it>` as a negative prompt.
#
# **Read on:** the paper on [textual inversion](https://arxiv.org/abs/2208.01618).
#
# This was the last lesson. You can load a model, steer it, open it, measure it, give it a page, ask
# people about it, train it further, and train one from nothing.
