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
# # 01 · Loading a model: words in, picture out
#
# You type *a 3d sticker of a fox on a teal background*, and a second later there is a picture that
# nobody drew. In this lesson you load the model that does this, look at its parts, and turn its
# main controls.
#
# ![Four small pictures in a grid, drawn by the model: a 3d fox on teal, a flat rose on yellow, a
# cartoon penguin in the snow and a simple octopus on the beach](../course/pictures/01_grid.png)
#
# **At the end you will be able to**
#
# - load a Stable Diffusion pipeline and say what each of its parts is for;
# - make pictures from text and lay them out in a grid;
# - choose the prompt, the number of steps, the guidance scale and the seed;
# - change the scheduler without breaking the model;
# - say where a model comes from and what its license lets you do.
#
# **Time:** 45 minutes for the core path, sections 1 to 6. The sections headed *More* take another
# 30. **You need:** a little Python (variables, lists, `for` loops, functions). You don't need a
# graphics card, nor a network once the course is installed.
#
# **On a phone, or with nothing installed yet?** [Try it](../course/try-it.md) runs the same model
# in a browser tab, and seed 42 there is seed 42 here.

# %% [markdown]
# ## 1 · The first picture
#
# Run the next cell: click into it and press Shift and Enter. It takes a few seconds the first time.

# %% picture="01.first"
import torch
from IPython.display import display

from helpers import enlarge, load_pipeline

MODEL = "stickers"
pipe = load_pipeline(MODEL)
prompt = "a 3d sticker of a fox on a teal background"
generator = torch.Generator().manual_seed(11)
image = pipe(prompt, num_inference_steps=25, guidance_scale=5.0, generator=generator).images[0]
display(enlarge(image))
print("size in pixels:", image.size, "· all black:", image.getbbox() is None)

# %% [markdown]
# What happened, line by line:
#
# - A **model** is a set of numbers that was learned from examples. A **pipeline** combines several
#   models, so that you can give it a text and get a picture. Ours comes from
#   [diffusers](https://huggingface.co/docs/diffusers), an open library. `helpers` is the small
#   package of this course.
# - The **prompt** is the text that says what you want. The other settings come in section 4.
# - The call returns an object whose `images` is a list, because a pipeline can draw several
#   pictures at once. We take the first, `[0]`. It is an ordinary picture (`PIL.Image`, from the
#   library Pillow): you can crop it, turn it, or save it with `image.save("fox.png")`.
# - `getbbox()` returns the box around everything that is not black, or `None`. A black picture is
#   the usual sign of trouble: a safety filter stepped in, or the arithmetic overflowed.
#
# **Why is it blurry, and perhaps not quite a fox?** The picture is small, and `enlarge` stretches
# it on your screen. The model is small, too, so that it runs on any laptop, and it learned from
# drawn icons only. Its parts and controls are those of Stable Diffusion. Don't like this fox?
# Change the 11 in `manual_seed(11)`, and run the cell again.
#
# **Would you rather use the real one?** Write `MODEL = "sd-v1-5"` and run the notebook from there.
# That model knows far more of the world. It needs a network for the first download (2.7 GB with an
# NVIDIA graphics card, 5.5 GB without), and such a card (a GPU): without one, a single picture
# takes minutes. All lessons work with both. Section *More · Half precision and memory* says how to
# make it fit.
#
# ### Three ways through a lesson
#
# 1. *On your own.* Each exercise has a gap, written `...`. Fill it, run the cell, and run the check
#    below it.
# 2. *With hints.* Remove the `#` in front of the hint line below a check. Each run gives one more
#    hint.
# 3. *With the complete solution.* `solutions/01_loading.ipynb` is this notebook with every gap
#    filled and every picture shown.

# %% [markdown]
# ## 2 · What a pipeline is made of
#
# `pipe.components` is a dictionary: the name of each part, and the part itself. We print the
# **class** of each, that is, what kind of thing it is. `NoneType` means that there is none. (The
# imports at the top are for the rest of the lesson.)

# %%
import inspect
import tempfile
from pathlib import Path

import diffusers
import huggingface_hub
import numpy
import transformers
from diffusers import (
    DDPMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    UniPCMultistepScheduler,
)
from PIL import Image

from helpers import BACKGROUNDS, MODELS, STYLES, SUBJECTS, exercise, image_grid

for name, part in pipe.components.items():
    print(f"{name:18} {type(part).__name__}")

# %% [markdown]
# Follow your prompt through the parts:
#
# - The `tokenizer` cuts the prompt into **tokens**, words or pieces of words, and numbers them.
# - The `text_encoder` turns each token into a **vector**, a list of numbers that carries its
#   meaning in this sentence.
# - The `unet`, a network of the kind **U-Net**, gets noisy **latents** (a small, compressed
#   picture) and the vectors of the prompt. It estimates what is noise and what is picture.
# - The `scheduler` decides how much of the noise is removed in each step. It is a formula, not a
#   learned model.
# - The `vae` turns the finished latents into pixels.
#
# The pipeline starts from pure noise. The U-Net and the scheduler take turns, here 25 times: the
# noise becomes less and the picture more. That is **diffusion** run backward. Lesson 02 is about
# the noise, and lesson 06 opens the loop.
#
# Three more names may be in the list. `safety_checker` is a filter with which the original Stable
# Diffusion blacks out pictures that it finds offensive; `feature_extractor` prepares pictures for
# it; `image_encoder` takes pictures as prompts.
#
# ### Exercise 1 · Count the parameters
#
# The learned parts are neural networks, in PyTorch a `torch.nn.Module`. Their numbers are called
# **parameters** or **weights**, and a network keeps them in **tensors**, tables of numbers with any
# number of dimensions. `network.parameters()` gives these tensors one after the other, and
# `tensor.numel()` says how many numbers are in one (*number of elements*). Complete the function so
# that it returns how many parameters a network has, for any network of PyTorch.


# %% exercise="01.parameters"
def count_parameters(network):
    return sum(tensor.numel() for tensor in network.parameters())  # SOLUTION


# %%
exercise("01.parameters").check(count_parameters=count_parameters, pipe=pipe)
# exercise("01.parameters").hint()

# %% [markdown] hint="01.parameters"
# Start with one tensor: `next(pipe.unet.parameters()).numel()`. Now you need the same for each
# tensor, and the total of it.

# %% [markdown] hint="01.parameters"
# `sum(...)` adds up whatever a loop gives it: `sum(len(word) for word in ["fox", "owl"])` is 6.


# %% wrong="01.parameters" says="tensors, not the numbers in them"
def count_parameters(network):
    return len(list(network.parameters()))


# %% wrong="01.parameters" says="only the length of the first dimension"
def count_parameters(network):
    return sum(len(tensor) for tensor in network.parameters())


# %% wrong="01.parameters" says="only the models of diffusers and transformers have it"
def count_parameters(network):
    return network.num_parameters()


# %% wrong="01.parameters" says="`return`"
def count_parameters(network):
    sum(tensor.numel() for tensor in network.parameters())


# %% wrong="01.parameters" says="always counts the same network"
def count_parameters(network):
    return sum(tensor.numel() for tensor in pipe.unet.parameters())


# %% wrong="01.parameters" says="frozen"
def count_parameters(network):
    return sum(tensor.numel() for tensor in network.parameters() if tensor.requires_grad)


# %% wrong="01.parameters" says="buffers"
def count_parameters(network):
    return sum(tensor.numel() for tensor in network.state_dict().values())


# %% wrong="01.parameters" says="the text"
def count_parameters(network):
    return str(sum(tensor.numel() for tensor in network.parameters()))


# %% right="01.parameters"
def count_parameters(network):
    total = 0
    for _, tensor in network.named_parameters():
        total += tensor.nelement()
    return total


# %% right="01.parameters"
def count_parameters(network):
    return torch.nn.utils.parameters_to_vector(network.parameters()).numel()


# %% right="01.parameters"
def count_parameters(network):
    return sum(torch.tensor(tensor.shape).prod() for tensor in network.parameters())


# %% [markdown]
# Now use your function on each part. Guess first: which has the most?

# %%
networks = {
    name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)
}
for name, network in networks.items():
    count = count_parameters(network)
    print(f"{name:14}", "first solve exercise 1" if count is ... else f"{count:>13,} parameters")

# %% [markdown]
# The real Stable Diffusion 1.x has the same three networks, only larger: 860 million parameters in
# its U-Net and 123 million in its text encoder (source:
# [its authors' page](https://github.com/CompVis/stable-diffusion)).
#
# ## 3 · More pictures, and a grid
#
# A large model has read a great many captions from the web. Ours has read a short list of words,
# so it pays to know them.

# %%
print(len(SUBJECTS), "subjects, such as", ", ".join(SUBJECTS[::6]))
print(len(STYLES), "styles:", ", ".join(STYLES))
print(len(BACKGROUNDS), "backgrounds:", ", ".join(BACKGROUNDS))

# %% [markdown]
# Put them together in plain sentences: *a fox*, *a 3d sticker of a fox on a teal background*,
# *a fox in a meadow, flat style*, or *a portrait of a smiling woman with long straight red hair*.
# Places are written *on the beach*, *at night*, *in a meadow*, *in the city*, *in the snow*. A word
# outside the list gives no error, but the model can't know what it means. The model has only seen
# pictures with *one* subject, so two of them come out as one, or as a mixture. (With `"sd-v1-5"`,
# write what you like.)
#
# The model stays loaded; only the prompt changes. Change the prompts if you like!

# %% picture="01.more"
prompts = [
    prompt,
    "a flat sticker of a rose on a yellow background",
    "a cartoon penguin in the snow",
    "an octopus on the beach, simple style",
]
images = [image]
for text in prompts[1:]:
    generator = torch.Generator().manual_seed(5)
    output = pipe(text, num_inference_steps=25, guidance_scale=5.0, generator=generator)
    images.append(output.images[0])
print(len(images), "pictures, the last one of", images[-1].size, "pixels")
display(enlarge(images[-1]))

# %% [markdown]
# ### Exercise 2 · Paste a grid
#
# To compare pictures you want them side by side. Build `sheet`, two rows of two pictures each: the
# first two on top, the others below, no gaps. `Image.new("RGB", (width, height))` makes an empty
# black picture. `sheet.paste(picture, (x, y))` pastes a picture with its upper left corner at `x`
# pixels from the left and `y` pixels from the top. `divmod(index, 2)` gives the row and the column
# of a picture: 0 is in row 0, column 0; 1 in row 0, column 1; 2 in row 1, column 0.

# %% exercise="01.grid" picture="01.sheet"
width, height = images[0].size
sheet = Image.new("RGB", (2 * width, 2 * height))  # SOLUTION
for index, picture in enumerate(images):
    row, column = divmod(index, 2)
    # BEGIN SOLUTION
    sheet.paste(picture, (column * width, row * height))
    # END SOLUTION
if sheet is not ...:
    display(sheet)

# %%
exercise("01.grid").check(sheet=sheet, images=images)
# exercise("01.grid").hint()

# %% [markdown] hint="01.grid"
# How wide is the whole sheet when two pictures are next to each other? And how high, with two
# rows?

# %% [markdown] hint="01.grid"
# A picture in column 1 starts one picture's width from the left. In general, `x` is the column
# times the width of a picture.

# %% [markdown] hint="01.grid"
# `paste` wants `(x, y)`, the distance from the left first. The column gives `x`, the row gives `y`.

# %% wrong="01.grid" says="x comes first"
width, height = images[0].size
sheet = Image.new("RGB", (2 * width, 2 * height))
for index, picture in enumerate(images):
    row, column = divmod(index, 2)
    sheet.paste(picture, (row * height, column * width))

# %% wrong="01.grid" says="on top of one another"
width, height = images[0].size
sheet = Image.new("RGB", (2 * width, 2 * height))
for picture in images:
    sheet.paste(picture, (0, 0))

# %% wrong="01.grid" says="of mode 'L'"
width, height = images[0].size
sheet = Image.new("L", (2 * width, 2 * height))
for index, picture in enumerate(images):
    row, column = divmod(index, 2)
    sheet.paste(picture, (column * width, row * height))

# %% wrong="01.grid" says="one single picture"
width, height = images[0].size
sheet = Image.new("RGB", (width, height))
for index, picture in enumerate(images):
    row, column = divmod(index, 2)
    sheet.paste(picture, (column * width, row * height))

# %% wrong="01.grid" says="all in one row"
width, height = images[0].size
sheet = Image.new("RGB", (4 * width, height))
for index, picture in enumerate(images):
    sheet.paste(picture, (index * width, 0))

# %% wrong="01.grid" says="nothing was pasted"
width, height = images[0].size
sheet = Image.new("RGB", (2 * width, 2 * height))

# %% wrong="01.grid" says="another picture covers a part"
width, height = images[0].size
sheet = Image.new("RGB", (2 * width, 2 * height))
for index, picture in enumerate(images):
    row, column = divmod(index, 2)
    sheet.paste(picture, (column * width // 2, row * height))

# %% right="01.grid"
width, height = images[0].size
sheet = Image.new("RGBA", (2 * width, 2 * height), "white")
corners = [(0, 0), (width, 0), (0, height), (width, height)]
for corner, picture in zip(corners, images, strict=True):
    sheet.paste(picture, corner)

# %% right="01.grid"
arrays = [numpy.asarray(picture) for picture in images]
rows = [numpy.hstack(arrays[:2]), numpy.hstack(arrays[2:])]
sheet = Image.fromarray(numpy.vstack(rows))

# %% right="01.grid"
width, height = images[0].size
sheet = Image.new(mode="RGB", size=(width + width, height + height), color="red")
for index, picture in enumerate(images):
    left, top = width * (index % 2), height * (index // 2)
    sheet.paste(picture, (left, top, left + width, top + height))

# %% [markdown]
# Now that you know how it is done, let a helper do it: `image_grid` pastes any number of pictures
# of one size and writes a label under each. With `min_width=256` it enlarges small ones. (Did you
# solve the exercise? Then it shows the pictures from your own sheet.)

# %% picture="01.grid" export="01_grid.png"
labels = ["3d fox, teal", "flat rose, yellow", "cartoon penguin, snow", "simple octopus, beach"]
shown = images
if sheet is not ...:
    corners = [(0, 0), (width, 0), (0, height), (width, height)]
    shown = [sheet.crop((x, y, x + width, y + height)).convert("RGB") for x, y in corners]
grid = image_grid(shown, rows=2, cols=2, labels=labels, min_width=256)
print(len(shown), "pictures in one of", grid.size, "pixels")
display(grid)

# %% [markdown]
# ## 4 · The settings
#
# Every picture depends on a handful of settings. To try them without typing the same line again and
# again, we write a small function. It holds our usual settings; whatever you name in the call
# replaces them. (`|` merges two dictionaries, and the right one wins. `**changes` collects the
# settings that you name, and `**settings` passes them on by name.)
#
# Mind one trap: a pipeline **ignores a misspelled setting** without a word. `pipe(prompt, steps=2)`
# takes the default of 50 steps, because the name is `num_inference_steps`. So our function refuses
# a name that the pipeline doesn't know.

# %%
USUAL = {"num_inference_steps": 25, "guidance_scale": 5.0}
KNOWN = inspect.signature(pipe.__call__).parameters


def draw(prompt, seed=11, **changes):
    settings = USUAL | changes
    for name in settings:
        if name not in KNOWN:
            raise TypeError(f"the pipeline has no setting {name!r}; it has {', '.join(KNOWN)}")
    generator = torch.Generator().manual_seed(seed)
    return pipe(prompt, generator=generator, **settings).images[0]


# %% [markdown]
# ### The seed
#
# The noise at the start is random, but you control it. A `torch.Generator` makes random numbers,
# and its **seed** says which ones. Same seed, same noise, same picture.
#
# How much another seed changes depends on how much the prompt leaves open. The upper row leaves the
# style and the place open; the lower row fixes both. `[draw(text, seed=seed) for seed in seeds]` is
# a loop in one line: a list with one picture per seed.

# %% picture="01.seeds"
open_prompt, fixed_prompt = "a fox", "a cartoon sticker of a fox in a meadow"
seeds = [11, 12, 13, 14]
by_seed = [draw(text, seed=seed) for text in (open_prompt, fixed_prompt) for seed in seeds]
print("all different:", len({picture.tobytes() for picture in by_seed}) == len(by_seed))
labels = [f"{text}, seed {seed}" for text in ("open", "fixed") for seed in seeds]
display(image_grid(by_seed, rows=2, labels=labels, min_width=256))

# %% [markdown]
# Lesson 02 is about the seed. From here on we keep it, so that only one setting changes.
#
# ### `num_inference_steps`
#
# In each step the U-Net looks at the latents once, and the scheduler takes some of the noise away.
# With very few steps the picture isn't finished. With more it gets better, and then only slower:
# the time grows in proportion to the steps. Where would you stop?

# %% picture="01.steps"
prompt = fixed_prompt
steps = [1, 4, 8, 25]
by_steps = [draw(prompt, num_inference_steps=number) for number in steps]
labels = [f"steps: {number}" for number in steps]
display(image_grid(by_steps, rows=1, labels=labels, min_width=256))
print(len(by_steps), "pictures of", by_steps[0].size, "pixels")

# %% [markdown]
# ### `guidance_scale`
#
# In each step the U-Net answers twice: once with your prompt and once with an empty one. The
# difference points to *what the prompt adds*. The **guidance scale** says how far to go in that
# direction. (The method is called [classifier-free guidance](https://arxiv.org/abs/2207.12598);
# lesson 05 is about it.) At 1 there is no extra push: a large model then follows the prompt only
# loosely, while a small one with simple prompts may not need more. Start between 3 and 8. Far above
# that, expect colors that are too strong.
#
# ### Exercise 3 · See it with your own eyes
#
# Make the list `by_guidance`: one picture of `prompt` per number in `scales`, drawn with that
# `guidance_scale` and everything else as usual. Model it on the cell above. Which of the four do
# you like best?

# %% exercise="01.guidance"
scales = [1.0, 3.0, 7.5, 20.0]
by_guidance = [draw(prompt, guidance_scale=scale) for scale in scales]  # SOLUTION

# %%
exercise("01.guidance").check(by_guidance=by_guidance, scales=scales, prompt=prompt, draw=draw)
# exercise("01.guidance").hint()

# %% [markdown] hint="01.guidance"
# One picture first: `draw(prompt, num_inference_steps=8)` draws with 8 steps. How would you draw
# with a `guidance_scale` of 3.0?

# %% [markdown] hint="01.guidance"
# In the cell above, a loop runs over `steps`. Here it runs over `scales`, and another setting
# changes.

# %% wrong="01.guidance" says="are all the same"
scales = [1.0, 3.0, 7.5, 20.0]
by_guidance = [draw(prompt) for scale in scales]

# %% wrong="01.guidance" says="such as the seed or the prompt"
scales = [1.0, 3.0, 7.5, 20.0]
by_guidance = [draw(prompt, seed=int(scale)) for scale in scales]

# %% wrong="01.guidance" says="`by_guidance[1]` is not what"
scales = [1.0, 3.0, 7.5, 20.0]
by_guidance = [draw(prompt, guidance_scale=scale) for scale in [1.0, 7.5, 3.0, 20.0]]

# %% wrong="01.guidance" says="1 picture"
scales = [1.0, 3.0, 7.5, 20.0]
by_guidance = [draw(prompt, guidance_scale=7.5)]

# %% wrong="01.guidance" says="should be a list or a tuple"
scales = [1.0, 3.0, 7.5, 20.0]
by_guidance = draw(prompt, guidance_scale=7.5)

# %% wrong="01.guidance" says="such as the seed or the prompt"
scales = [1.0, 3.0, 7.5, 20.0]
by_guidance = [draw(open_prompt, guidance_scale=scale) for scale in scales]

# %% right="01.guidance"
scales = [1.0, 3.0, 7.5, 20.0]
by_guidance = tuple(draw(prompt, 11, guidance_scale=scale) for scale in scales)

# %% right="01.guidance"
scales = [1.0, 3.0, 7.5, 20.0]
by_guidance = []
for scale in scales:
    generator = torch.Generator().manual_seed(11)
    output = pipe(prompt, None, None, 25, guidance_scale=scale, generator=generator)
    by_guidance.append(output.images[0])

# %% right="01.guidance"
scales = (1.0, 3.0, 7.5, 20.0)
by_guidance = list(map(lambda scale: draw(prompt, guidance_scale=scale), scales))

# %% [markdown]
# Here they are in a row. (Until the exercise is solved, the cell only says so.)

# %% picture="01.guidance"
if by_guidance is ...:
    print("First solve exercise 3.")
else:
    print(len(by_guidance), "pictures of", by_guidance[0].size, "pixels")
    labels = [f"guidance {scale}" for scale in scales]
    display(image_grid(by_guidance, rows=1, labels=labels, min_width=256))

# %% [markdown]
# ## 5 · The scheduler
#
# The U-Net is learned and fixed. The **scheduler** can be swapped like a lens on a camera. It must
# know what the model was trained with, above all how much noise there was at each moment. This is
# in its **configuration**, so you always make a new scheduler *from the configuration of the old
# one*: `from_config(pipe.scheduler.config)`. Which classes fit? The scheduler itself knows:

# %% tags=["nbval-ignore-output"]
names = sorted(kind.__name__.removesuffix("Scheduler") for kind in pipe.scheduler.compatibles)
print("now:", type(pipe.scheduler).__name__)
print(len(names), "compatible:", ", ".join(names))

# %% [markdown]
# The next cell draws from one noise with the scheduler that came with the model, with **Euler**,
# the plainest of them, and with **DDPM**, the scheduler of the
# [paper](https://arxiv.org/abs/2006.11239) that began it all. DDPM was made for 1000 small steps
# and adds new noise in each. Afterwards `draw_with` puts the first scheduler back: what is under
# `finally` runs in any case, even after an error.


# %% picture="01.scheduler"
def draw_with(scheduler, prompt, **changes):
    original, pipe.scheduler = pipe.scheduler, scheduler
    try:
        return draw(prompt, **changes)
    finally:
        pipe.scheduler = original


euler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
ddpm = DDPMScheduler.from_config(pipe.scheduler.config)
schedulers = [pipe.scheduler, euler, ddpm]
by_scheduler = [draw_with(scheduler, prompt) for scheduler in schedulers]
labels = [type(scheduler).__name__.removesuffix("Scheduler") for scheduler in schedulers]
display(image_grid(by_scheduler, rows=1, labels=labels, min_width=256))
print("from the same noise:", ", ".join(labels))

# %% [markdown]
# The first two usually give nearly the same picture: both follow the same path from noise to
# picture, and only cut it into steps in different ways. DDPM takes a path of its own, because of
# its new noise.
#
# ### Exercise 4 · A scheduler in a hurry
#
# The authors of `UniPCMultistepScheduler` made it for few steps
# ([paper](https://arxiv.org/abs/2302.04867)). Make one that fits our model, `unipc`. Then draw
# `prompt` with it, using `draw_with`, in only 8 steps, and call the picture `quick`.

# %% exercise="01.scheduler" picture="01.unipc"
unipc = UniPCMultistepScheduler.from_config(pipe.scheduler.config)  # SOLUTION
quick = draw_with(unipc, prompt, num_inference_steps=8)  # SOLUTION
if quick is not ...:
    display(enlarge(quick))

# %%
exercise("01.scheduler").check(
    unipc=unipc, quick=quick, pipe=pipe, prompt=prompt, draw_with=draw_with
)
# exercise("01.scheduler").hint()

# %% [markdown] hint="01.scheduler"
# Look at how `euler` was made, in the cell that draws with three schedulers. Only the class is
# different.

# %% [markdown] hint="01.scheduler"
# For the picture, `draw_with(euler, prompt)` is nearly right. Which scheduler, and which setting
# must be named in addition? Section 4 has the name of the setting.

# %% wrong="01.scheduler" says="from_config"
unipc = UniPCMultistepScheduler()
quick = draw_with(unipc, prompt, num_inference_steps=8)

# %% wrong="01.scheduler" says="EulerDiscreteScheduler"
unipc = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
quick = draw_with(unipc, prompt, num_inference_steps=8)

# %% wrong="01.scheduler" says="num_inference_steps=8"
unipc = UniPCMultistepScheduler.from_config(pipe.scheduler.config)
quick = draw_with(unipc, prompt)

# %% wrong="01.scheduler" says="without parentheses"
unipc = UniPCMultistepScheduler
quick = draw_with(euler, prompt, num_inference_steps=8)

# %% right="01.scheduler"
unipc = UniPCMultistepScheduler.from_config(dict(pipe.scheduler.config))
quick = draw_with(unipc, prompt=prompt, num_inference_steps=8, guidance_scale=5.0)

# %% right="01.scheduler"
unipc = UniPCMultistepScheduler(
    **{
        name: value
        for name, value in pipe.scheduler.config.items()
        if name in inspect.signature(UniPCMultistepScheduler).parameters and name != "solver_type"
    }
)
quick = draw_with(unipc, prompt, seed=11, num_inference_steps=8)

# %% right="01.scheduler"
(unipc_class,) = (kind for kind in pipe.scheduler.compatibles if kind.__name__.startswith("UniPC"))
unipc = unipc_class.from_config(pipe.scheduler.config)
quick = draw_with(unipc, prompt, **(USUAL | {"num_inference_steps": 8}))

# %% [markdown]
# Its authors made it for few steps. Is it better here? We measure instead of believing: how far
# is each picture of 8 steps from the finished one of 25 steps, on average, in levels of 255? The
# finished one is that of the model's own scheduler.

# %% tags=["nbval-ignore-output"]
finished = numpy.asarray(by_scheduler[0], dtype=float)
in_eight = {
    name: draw_with(scheduler, prompt, num_inference_steps=8)
    for name, scheduler in zip(labels, schedulers, strict=True)
}
if quick is not ...:
    in_eight["UniPC, yours"] = quick
for name, picture in in_eight.items():
    print(f"{name:20} {abs(numpy.asarray(picture) - finished).mean():5.1f}")

# %% [markdown]
# The smallest number came closest. It need not be UniPC: what a paper reports holds for the models
# and prompts that its authors tried, and this is one prompt and one seed. Lesson 03 measures more
# carefully.
#
# ## 6 · Where models come from, and what you may do with them
#
# **Ours.** The sticker model was trained on drawn icons that their makers published under open
# licenses, composed into small pictures. `helpers/weights/stickers/README.md` is its **model
# card**: data, method, measurements, limits. `CREDITS.md` names everyone whose work is in it.
#
# **Stable Diffusion 1.x.** It was made in 2022 by the group CompVis in Munich with Runway,
# Stability AI and LAION, and it is described in
# [a paper by Rombach and others](https://arxiv.org/abs/2112.10752). It learned from parts of
# [LAION-5B](https://arxiv.org/abs/2210.08402), a list of billions of pictures that were found on
# the web together with their captions. The people who made them were not asked. The model repeats
# what is in that data, prejudice included, as its own
# [model card](https://huggingface.co/CompVis/stable-diffusion-v1-4) says.
#
# Its license is the **CreativeML OpenRAIL-M**. In plain words:
#
# - You may use the model, change it and pass it on, also for money.
# - Its makers claim no rights in the pictures that you make. You are responsible for them.
# - You must not use it in certain ways. The license lists them; among others: breaking the law,
#   harming minors, spreading false information in order to harm others, harassing or defaming
#   people, discriminating, deciding automatically about someone's rights, giving medical advice.
# - If you pass on the model, or one made from it, you must pass on the license and its limits.
# - There is no warranty.
#
# This is a summary, not legal advice. Read
# [the license itself](https://huggingface.co/spaces/CompVis/stable-diffusion-license): it is short,
# and the list of limits is at its end. Other models have other licenses, and some forbid any
# commercial use.

# %% [markdown]
# ## More · `negative_prompt`: what you don't want
#
# Guidance pushes away from the empty prompt. Put something else in its place, and the picture is
# pushed away from *that*. This is all that a **negative prompt** is. It only works against what the
# prompt leaves open, so the next cell asks for "a house" and says nothing about the background. Of
# eight seeds it keeps the three whose upper edge is bluest, and draws these again, away from blue.


# %% picture="01.negative" tags=["nbval-ignore-output"]
def blueness(picture):
    edge = numpy.asarray(picture, dtype=float)[:8]
    return edge[..., 2].mean() - edge[..., :2].mean()


houses = {seed: draw("a house", seed=seed) for seed in range(8)}
seeds = sorted(houses, key=lambda seed: blueness(houses[seed]))[-3:]
without = [houses[seed] for seed in seeds]
with_negative = [draw("a house", seed=seed, negative_prompt="a blue background") for seed in seeds]
labels = [f"seed {seed}" for seed in seeds] + [f"seed {seed}, away from blue" for seed in seeds]
display(image_grid(without + with_negative, rows=2, labels=labels, min_width=256))
for seed, one, other in zip(seeds, without, with_negative, strict=True):
    print(f"seed {seed}: blueness of the edge {blueness(one):4.0f}, then {blueness(other):4.0f}")

# %% [markdown]
# If the upper row is not blue, this model does not draw blue by itself: name what you see instead.
# A negative prompt is a push, not an order, and it also moves things that you did not name. Lesson
# 04 shows how to prove what it did, and lesson 05 when it is off.
#
# ## More · What `load_pipeline` does for you
#
# In the end `load_pipeline` calls diffusers' own `from_pretrained`, which you will find in every
# tutorial. Here it is for the folder of the sticker model. The weights are stored in **half
# precision** (16 bits per number, `float16` or *fp16*), and a processor computes in **single
# precision** (32 bits), so we convert. (The loop turns off the progress bars and notices of both
# libraries.)

# %%
for library in (diffusers, transformers):
    library.utils.logging.disable_progress_bar()
    library.utils.logging.set_verbosity_error()
folder = MODELS["stickers"].source
plain = StableDiffusionPipeline.from_pretrained(folder, use_safetensors=True).to(torch.float32)
plain.set_progress_bar_config(disable=True)
print(type(plain).__name__, "in", plain.unet.dtype, "on", plain.device)

# %% [markdown]
# `use_safetensors=True` refuses every other kind of file. **safetensors** files hold numbers only.
# Older files (`.ckpt`, `.bin`) can hide a program that runs when you load them: never load one
# that you don't trust.
#
# Instead of a folder, `from_pretrained` takes a name on the
# [Hugging Face hub](https://huggingface.co/models), such as
# `"stable-diffusion-v1-5/stable-diffusion-v1-5"`. The first time it downloads the files; afterward
# they stay on your disk. Some arguments that you will meet:
#
# | argument or call | what it does |
# | --- | --- |
# | `variant="fp16"` | takes the files named `….fp16.safetensors`: half the download |
# | `torch_dtype=torch.float16` | loads in half precision (`dtype=` since diffusers 0.42) |
# | `local_files_only=True` | never asks the network |
# | `.to("cuda")` | moves the pipeline to an NVIDIA GPU |
#
# The next cell shows what a variant is: it saves the pipeline once more, in half precision, and
# loads it back by its variant.

# %%
with tempfile.TemporaryDirectory() as other_folder:
    plain.to(torch.float16).save_pretrained(other_folder, variant="fp16")
    for file in sorted(Path(other_folder).rglob("*.safetensors")):
        print(file.relative_to(other_folder).as_posix())
    again = StableDiffusionPipeline.from_pretrained(
        other_folder, variant="fp16", use_safetensors=True, local_files_only=True
    )
print("loaded by its variant:", type(again.unet).__name__)

# %% [markdown]
# ### A login, a token, a gated model
#
# Most models can be fetched by anyone. Some are **gated**: you must have an account on the hub,
# accept the license on the model's page, and show a **token**, a kind of password for programs. One
# example is [Stable Diffusion
# 3.5](https://huggingface.co/stabilityai/stable-diffusion-3.5-medium). Make a token of the type
# *read* on [your settings page](https://huggingface.co/settings/tokens). Then run `hf auth login`
# in a terminal once, or `huggingface_hub.login()` in a notebook; both keep the token on your
# computer, and `from_pretrained` finds it there. Never write a token into a notebook that others
# will read. Without a token, `load_pipeline` tells you what is missing (a `PermissionError`). Has
# this computer a token?

# %% tags=["nbval-ignore-output"]
print("a token is stored here:", huggingface_hub.get_token() is not None)

# %% [markdown]
# ## More · Half precision and memory
#
# How much memory do the weights take? Four bytes per parameter in single precision, two in half
# precision. You have the function to count them. The number for Stable Diffusion 1.5 is from the
# course's catalog, and includes its safety checker.

# %% tags=["nbval-ignore-output"]
if count_parameters(pipe.unet) is ...:
    print("First solve exercise 1.")
else:
    counts = {MODEL: sum(map(count_parameters, networks.values()))}
    counts["sd-v1-5"] = MODELS["sd-v1-5"].parameters
    for name, count in counts.items():
        gigabytes = {bits: count * bits / 8 / 1e9 for bits in (32, 16)}
        print(
            f"{name:9} {gigabytes[32]:.2f} GB in single, {gigabytes[16]:.2f} GB in half precision"
        )

# %% [markdown]
# The weights are not all: the tensors on the way need room, too, above all in the decoder of the
# VAE. To stay under 10 GB with Stable Diffusion 1.5 at 512 × 512 pixels, half precision is enough.
# `load_pipeline` chooses it by itself on an NVIDIA GPU. On a processor half precision is very slow;
# there, **autocast** lets PyTorch choose per operation, with `bfloat16`, a 16-bit format with a
# wider range. The weights stay in single precision. The result is nearly the same:

# %% picture="01.autocast" tags=["nbval-ignore-output"]
with torch.autocast(pipe.device.type, dtype=torch.bfloat16):
    mixed = draw(prompt)
labels = ["single precision", "autocast"]
display(image_grid([by_scheduler[0], mixed], rows=1, labels=labels, min_width=256))
print(f"mean difference: {abs(numpy.asarray(mixed) - finished).mean():.1f} levels of 255")

# %% [markdown]
# Three calls save memory and cost time. None of them changes what the picture shows:
#
# - `pipe.vae.enable_slicing()` decodes the pictures of a batch one after the other;
#   `pipe.vae.enable_tiling()` decodes a large picture in tiles.
# - `pipe.enable_attention_slicing()` computes attention in parts.
# - `pipe.enable_model_cpu_offload()` (**offloading**) keeps the parts in main memory and moves each
#   to the GPU when it is needed. `load_pipeline` does this by itself where memory is short.

# %%
plain.to(torch.float32)
plain.vae.enable_slicing()
plain.enable_attention_slicing()
if torch.cuda.is_available():
    plain.enable_model_cpu_offload()
pair = plain(["a fox", "an owl"], num_inference_steps=8).images
print(len(pair), "pictures, decoded one after the other")

# %% [markdown]
# ## More · When a picture is black
#
# Half precision cannot hold a number above 65504. What is larger becomes infinite, infinite minus
# infinite is **NaN**, *not a number*, and from there on every sum with it is NaN, too. A picture of
# NaN is drawn as black. So is a picture that a **safety checker** hides, and the finished picture
# no longer says which of the two it was.
#
# We make one on purpose. Single precision ends near 3.4 · 10³⁸, so a guidance scale of 10³⁸ is too
# much even there. `why_black` takes the same call, draws once more, looks at the latents after
# every step, and says where the first NaN came from:

# %% tags=["nbval-ignore-output"]
import warnings

from helpers import why_black

extreme = {"num_inference_steps": 8, "guidance_scale": 1e38}
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # numpy says so, too, when it turns NaN into a color
    black = pipe(prompt, generator=torch.Generator().manual_seed(11), **extreme).images[0]
    print("all black:", black.getbbox() is None)
    print(why_black(pipe, prompt, generator=torch.Generator().manual_seed(11), **extreme))

# %% [markdown]
# The VAE of Stable Diffusion XL does this in half precision: [its values become too
# large](https://huggingface.co/madebyollin/sdxl-vae-fp16-fix). There the advice names the cure, a
# changed VAE, which `load_pipeline("sdxl")` takes by itself.
#
# ## What you learned
#
# - A Stable Diffusion **pipeline** is a tokenizer, a text encoder, a U-Net, a scheduler and a VAE.
#   Most of its parameters are in the U-Net.
# - `pipe(prompt, …).images[0]` is an ordinary picture, and a grid is a big picture with small ones
#   pasted into it.
# - The **seed** chooses the noise, **num_inference_steps** how often the U-Net looks, and
#   **guidance_scale** how strictly the prompt is followed. A misspelled setting is ignored.
# - You make a new **scheduler** with `from_config`, from the configuration of the old one.
# - A model has a card and a license. Read both before the first picture.
#
# **Try on your own:** your favorite subject in all four styles, as a grid. A word that is not in
# the list. A guidance scale of 0: is it different from 1? (No: at 1 and below, a pipeline switches
# guidance off. Lesson 05 shows it.)
#
# **Read on:** [How diffusion works](../course/reading/how-diffusion-works.md), and
# [models and their licenses](../course/reading/models-and-licences.md).
#
# Next: [lesson 02](02_seeds.ipynb), in which you and a neighbor make the same picture on two
# computers.
