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
# You type *a 3d sticker of a fox on a teal background*, and a second later there it is: a picture
# that nobody drew. In this lesson you load the program that does this, look at what it is made
# of, and turn its main knobs.
#
# **At the end you will be able to**
#
# - load a Stable Diffusion pipeline and say what each of its parts is for;
# - make pictures from text and lay them out in a grid;
# - choose the prompt, the negative prompt, the number of steps, the guidance scale and the seed;
# - change the scheduler without breaking the model;
# - say where a model comes from and what its licence lets you do.
#
# **Time:** about 45 minutes. **You need:** a little Python (variables, lists, `for` loops,
# functions). No graphics card, and no network once the course is installed.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/01_loading.ipynb` four exercises have a gap, written `...`. Fill the
#    gap, run the cell, and run the check below it.
# 2. *With hints.* Stuck? Remove the `#` in front of the hint line below the check. Each run gives
#    one more hint, and none gives the whole answer away at once. Put the `#` back to see the check
#    again.
# 3. *With the complete solution.* `solutions/01_loading.ipynb` is this notebook with every gap
#    filled and every picture shown. Read it side by side, or afterwards.
#
# **On a phone, or with nothing installed yet?** [Try it](../course/try-it.md) runs the same model in
# a browser tab, and seed 42 there is seed 42 here.

# %% [markdown]
# ## 1 · One line to load
#
# A **model** is a large pile of numbers that was learned from examples. A **pipeline** is the
# program that puts several models together, so that you can give it a text and get a picture.
# Ours comes from [diffusers](https://huggingface.co/docs/diffusers), an open library for such
# models. `helpers` is the small package of this course. It saves you typing where the typing is not
# the lesson.

# %%
import torch
from diffusers import EulerDiscreteScheduler, UniPCMultistepScheduler
from IPython.display import display
from PIL import Image

from helpers import BACKGROUNDS, STYLES, SUBJECTS, enlarge, exercise, image_grid, load_pipeline

# %% [markdown]
# The next cell loads a model that comes with the course. We trained it ourselves on small
# pictures, *stickers*, so that it is small enough to run on any laptop. In its parts and in its
# controls it is a true Stable Diffusion, only smaller. What you learn about these holds for the big
# one too.
#
# **Would you rather use the big one?** Write `MODEL = "sd-v1-5"` and run the notebook from here.
# That model knows far more of the world. It needs a network for the first download (2.7 GB with an
# NVIDIA graphics card, 5.5 GB without) and should have such a card (a GPU): without one, a single
# picture takes minutes. The last section of this lesson tells where it comes from.

# %%
MODEL = "stickers"
pipe = load_pipeline(MODEL)
print(type(pipe).__name__)

# %% [markdown]
# `load_pipeline` is no magic. In the end it calls
# `StableDiffusionPipeline.from_pretrained(folder)`, which you will find in every tutorial, with
# settings that suit your computer.

# %% [markdown]
# ## 2 · What a pipeline is made of
#
# `pipe.components` is a dictionary: the name of each part, and the part itself. We print the
# **class** of each, that is, what kind of thing it is. Expect eight lines; some say `NoneType`,
# which means *not there*.

# %%
for name, part in pipe.components.items():
    print(f"{name:18} {type(part).__name__}")

# %% [markdown]
# Follow your prompt on its way through the parts:
#
# - The `tokenizer` cuts the prompt into **tokens**, words or bits of words, and numbers them.
# - The `text_encoder` turns each token into a vector, a list of numbers that carries its meaning
#   in this sentence.
# - The `unet`, a network of the kind **U-Net**, sees a noisy picture and the vectors of the prompt.
#   It estimates what in the noisy picture is noise and what is picture.
# - The `scheduler` decides how much of the noise is removed in each step. It is a formula, not a
#   learned model.
# - The `vae` turns the small, compressed picture on which the U-Net works, the **latents**, into
#   pixels.
#
# The pipeline starts from pure noise. The U-Net and the scheduler take turns, 25 times, say: the
# noise becomes less and the picture more. That is **diffusion** run backwards. Lesson 02 looks at
# the noise, and lesson 06 opens the loop itself.
#
# Three more names may stand in the list. `safety_checker` is a filter that the original Stable
# Diffusion uses to black out pictures that it finds offensive; `feature_extractor` prepares
# pictures for it; `image_encoder` takes pictures as prompts. The sticker model can draw nothing
# that needs a filter, and has none of the three.
#
# How large are the parts? The learned ones are neural networks, in PyTorch's words a
# `torch.nn.Module`. Their numbers are called **parameters** or **weights**. Guess first: which
# part has the most?

# %%
for name, part in pipe.components.items():
    if isinstance(part, torch.nn.Module):
        print(f"{name:14} {type(part).__name__:22} {part.num_parameters():>13,} parameters")

# %% [markdown]
# The real Stable Diffusion 1.x has the same three networks, only larger: 860 million parameters in
# its U-Net and 123 million in its text encoder (says
# [its authors' page](https://github.com/CompVis/stable-diffusion)).
#
# ### Exercise 1 · Count them yourself
#
# `num_parameters()` is handy, but what does it count? A network keeps its numbers in **tensors**,
# which are tables of numbers with any number of dimensions. `network.parameters()` gives these
# tensors one after the other, and `tensor.numel()` says how many numbers are in one (*number of
# elements*). Complete the function so that it returns how many numbers there are in all, for any
# network of PyTorch: not every network has `num_parameters()`.


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


# %% [markdown]
# ## 3 · The first picture
#
# Now the moment. A call of the pipeline takes the **prompt**, the text that says what you want, and
# a few settings that you will meet one by one below. It returns an object whose `images` is a list,
# because a pipeline can draw several at once. We take the first, `[0]`.
#
# Expect a wait of a second or two, then a small picture, shown enlarged.

# %% picture="01.first"
prompt = "a 3d sticker of a fox on a teal background"
generator = torch.Generator().manual_seed(5)
image = pipe(prompt, num_inference_steps=25, guidance_scale=5.0, generator=generator).images[0]
display(enlarge(image))
print("size in pixels:", image.size, "· all black:", image.getbbox() is None)

# %% [markdown]
# It is an ordinary picture (`PIL.Image`, from the library Pillow), so you can crop it, turn it or
# save it with `image.save("fox.png")`. Why do we ask whether it is all black? `getbbox()` gives the
# box around everything that is not black, or `None` if there is nothing. A black picture is the
# usual sign that something went wrong: a safety filter stepped in, or the arithmetic overflowed.
#
# ### Which words does it know?
#
# The big model has read a great many captions from the web. Ours has seen a short list of words and
# nothing else, so it pays to know them.

# %%
print(len(SUBJECTS), "subjects, such as", ", ".join(SUBJECTS[::6]))
print(len(STYLES), "styles:", ", ".join(STYLES))
print(len(BACKGROUNDS), "backgrounds:", ", ".join(BACKGROUNDS))

# %% [markdown]
# Put them together in plain sentences, as in
#
# - `a 3d sticker of a fox on a teal background`
# - `a fox in a meadow, flat style`
# - `cartoon fox, pink background`
# - `a fox`: what you leave open, the model chooses
# - `a portrait of a smiling woman with long straight red hair and glasses on a yellow background`
#
# Scenes are said like this: *on the beach*, *at night*, *in a meadow*, *in the city*, *in the
# snow*. All the words are in `helpers/vocabulary.py`. A word outside the list gives no error:
# the model has no idea what it means, yet the word changes the picture in some way that nobody
# chose. It also has only ever seen *one* subject in a picture, so two of them come out as one, or
# as a mixture.
#
# ### Three more, in a loop
#
# The model stays loaded; only the prompt changes. Each pass takes a second or two. (Change the
# prompts as you like!)

# %% picture="01.more"
images = [image]
for prompt in [
    "a flat sticker of a rose on a yellow background",
    "a cartoon penguin in the snow",
    "an octopus on the beach, simple style",
]:
    generator = torch.Generator().manual_seed(5)
    output = pipe(prompt, num_inference_steps=25, guidance_scale=5.0, generator=generator)
    images.append(output.images[0])
print(len(images), "pictures, the last one of", images[-1].size, "pixels")
display(enlarge(images[-1]))

# %% [markdown]
# ## 4 · A grid
#
# To compare pictures you want them side by side. A grid is one large, empty picture into which the
# small ones are pasted.
#
# ### Exercise 2 · Paste a grid
#
# Build `sheet`, two rows of two pictures each: the first two on top, the others below, no gaps.
# `Image.new("RGB", (width, height))` makes an empty black picture.
# `sheet.paste(picture, (x, y))` pastes a picture with its upper left corner at `x` pixels from the
# left and `y` pixels from the top. `divmod(index, 2)` gives row and column of a picture: 0 is in
# row 0, column 0; 1 in row 0, column 1; 2 in row 1, column 0.

# %% exercise="01.grid" picture="01.sheet"
width, height = images[0].size
sheet = Image.new("RGB", (2 * width, 2 * height))  # SOLUTION
for index, picture in enumerate(images):
    row, column = divmod(index, 2)
    # BEGIN SOLUTION
    sheet.paste(picture, (column * width, row * height))
    # END SOLUTION
display(sheet)

# %%
exercise("01.grid").check(sheet=sheet, images=images)
# exercise("01.grid").hint()

# %% [markdown] hint="01.grid"
# How wide is the whole sheet when two pictures stand next to each other? And how high, with two
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

# %% [markdown]
# Now that you know how it is done, let the helper do it: `image_grid` pastes any number of pictures
# of one size and writes a label under each.

# %% picture="01.grid"
labels = ["3d fox, teal", "flat rose, yellow", "cartoon penguin, snow", "simple octopus, beach"]
grid = image_grid(images, rows=2, cols=2, labels=labels)
print(len(images), "pictures in one of", grid.size, "pixels")
display(grid)

# %% [markdown]
# ## 5 · The knobs
#
# Every picture depends on a handful of settings. To try them without typing the same line again
# and again, we write a small function. It holds our usual settings; whatever you name in the call
# takes their place.
#
# Two marks in it may be new. `|` merges two dictionaries, and the right one wins. In the first line
# of the function, `**changes` makes a dictionary of the settings that you name. In the call, `**`
# hands the entries of a dictionary over, each by its name.

# %%
USUAL = {"num_inference_steps": 25, "guidance_scale": 5.0}


def draw(prompt, seed=5, **changes):
    generator = torch.Generator().manual_seed(seed)
    return pipe(prompt, generator=generator, **(USUAL | changes)).images[0]


# %% [markdown]
# ### The seed
#
# The noise at the start is random, but not beyond control. A `torch.Generator` makes random
# numbers, and its **seed** says which ones. Same seed, same noise, same picture; another seed,
# another picture of the same prompt. Expect three foxes, none like the others.
#
# (`[draw(prompt, seed=seed) for seed in seeds]` is a loop in one line: a list with one picture for
# each seed. In the line below it, the curly brackets make a *set*, in which equal things count
# once.)

# %% picture="01.seeds"
prompt = "a fox in a meadow, cartoon style"
seeds = [5, 6, 7]
by_seed = [draw(prompt, seed=seed) for seed in seeds]
print("all different:", len({picture.tobytes() for picture in by_seed}) == len(seeds))
display(image_grid(by_seed, rows=1, labels=[f"seed={seed}" for seed in seeds]))

# %% [markdown]
# The whole of lesson 02 is about this knob. From here on we keep the seed fixed, so that only the
# knob in question makes a difference.
#
# ### `num_inference_steps`: how often the U-Net looks
#
# In each step the U-Net looks at the latents once, and the scheduler takes some of the noise away.
# With very few steps the picture is not finished. With more it gets better, then only slower: the
# time grows in proportion to the steps. Where would you stop?

# %% picture="01.steps"
steps = [1, 4, 8, 25]
by_steps = [draw(prompt, num_inference_steps=number) for number in steps]
labels = [f"steps: {number}" for number in steps]
display(image_grid(by_steps, rows=1, labels=labels))
print(len(by_steps), "pictures of", by_steps[0].size, "pixels")

# %% [markdown]
# ### `guidance_scale`: how strictly the prompt is followed
#
# At each look the U-Net gives two answers: one with your prompt and one with an empty prompt. The
# difference between the two points to *what the prompt adds*. The **guidance scale** says how far
# to go in that direction. (The method is called
# [classifier-free guidance](https://arxiv.org/abs/2207.12598), and lesson 05 is about it.) At 1
# there is no extra push, and the picture is only loosely tied to the prompt. Start between 3 and 8.
# Far above that, expect colours that are too strong.
#
# ### Exercise 3 · See it with your own eyes
#
# Make the list `by_guidance`: for each number in `scales` one picture of `prompt`, drawn with that
# `guidance_scale`, everything else as usual. Model it on the cell above.

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
# `[draw(prompt, seed=seed) for seed in seeds]` made a list of one picture a seed. Here the loop
# runs over `scales`, and another setting changes.

# %% wrong="01.guidance" says="are all the same"
scales = [1.0, 3.0, 7.5, 20.0]
by_guidance = [draw(prompt) for scale in scales]

# %% wrong="01.guidance" says="seed"
scales = [1.0, 3.0, 7.5, 20.0]
by_guidance = [draw(prompt, seed=int(scale)) for scale in scales]

# %% wrong="01.guidance" says="`by_guidance[1]` is not what"
scales = [1.0, 3.0, 7.5, 20.0]
by_guidance = [draw(prompt, guidance_scale=scale) for scale in [1.0, 7.5, 3.0, 20.0]]

# %% wrong="01.guidance" says="1 picture"
scales = [1.0, 3.0, 7.5, 20.0]
by_guidance = [draw(prompt, guidance_scale=7.5)]

# %% wrong="01.guidance" says="of type `list`"
scales = [1.0, 3.0, 7.5, 20.0]
by_guidance = draw(prompt, guidance_scale=7.5)

# %% [markdown]
# Here they are in a row. (Until the exercise is solved, the cell only says so.)

# %% picture="01.guidance"
if by_guidance is ...:
    print("First solve exercise 3.")
else:
    print(len(by_guidance), "pictures of", by_guidance[0].size, "pixels")
    labels = [f"guidance {scale}" for scale in scales]
    display(image_grid(by_guidance, rows=1, labels=labels))

# %% [markdown]
# ### `negative_prompt`: what you do not want
#
# Guidance pushes away from the empty prompt. Put something else in its place, and the picture is
# pushed away from *that*. This is all there is to a **negative prompt**. In the next cell the
# prompt leaves the background open. The upper row is what the model chooses. The lower row is what
# it draws with the same seeds when we add `negative_prompt="a red background"`. If a house stood in
# front of red, where is it now? And what else was red before?

# %% picture="01.negative"
seeds = [1, 2, 3]
without = [draw("a house", seed=seed) for seed in seeds]
with_negative = [draw("a house", seed=seed, negative_prompt="a red background") for seed in seeds]
labels = [f"seed={seed}" for seed in seeds] + [f"seed={seed}, no red" for seed in seeds]
display(image_grid(without + with_negative, rows=2, labels=labels))
print(len(without), "pictures without and", len(with_negative), "with a negative prompt")

# %% [markdown]
# A negative prompt is a push, not an order. It also moves things that you did not name: look for
# them.
#
# ## 6 · The scheduler
#
# The U-Net is learned and fixed. The **scheduler**, the formula that takes the steps, can be
# swapped like a lens on a camera. It must know what the model was trained with, above all how much
# noise there was at each moment. This is in its **configuration**, so a new scheduler is always
# made *from the configuration of the old one*: `from_config(pipe.scheduler.config)`.
#
# The next cell draws the same noise with the scheduler that came with the model and with *Euler*,
# the plainest of them. Afterwards it puts the first one back, so that the rest of the notebook is
# not affected; what stands under `finally` is done in any case, even after an error.


# %% picture="01.scheduler"
def draw_with(scheduler, prompt, **changes):
    original, pipe.scheduler = pipe.scheduler, scheduler
    try:
        return draw(prompt, **changes)
    finally:
        pipe.scheduler = original


euler = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
schedulers = [pipe.scheduler, euler]
by_scheduler = [draw_with(scheduler, prompt) for scheduler in schedulers]
labels = [type(scheduler).__name__.removesuffix("Scheduler") for scheduler in schedulers]
display(image_grid(by_scheduler, rows=1, labels=labels))
print("from the same noise:", " and ".join(labels))

# %% [markdown]
# Usually the two are siblings: the same fox in the same place, with small differences. Both follow
# the same path from noise to picture, and only cut it into steps in different ways. To see which
# schedulers fit a model, look at `pipe.scheduler.compatibles`.
#
# ### Exercise 4 · A scheduler in a hurry
#
# `UniPCMultistepScheduler` was made for few steps ([paper](https://arxiv.org/abs/2302.04867)). Make
# one that fits our model, `unipc`. Then draw `prompt` with it, using `draw_with`, in only 8 steps,
# and call the picture `quick`. Compare it with the 8 steps of section 5.

# %% exercise="01.scheduler" picture="01.unipc"
unipc = UniPCMultistepScheduler.from_config(pipe.scheduler.config)  # SOLUTION
quick = draw_with(unipc, prompt, num_inference_steps=8)  # SOLUTION
display(quick)

# %%
exercise("01.scheduler").check(
    unipc=unipc, quick=quick, pipe=pipe, prompt=prompt, draw_with=draw_with
)
# exercise("01.scheduler").hint()

# %% [markdown] hint="01.scheduler"
# Look at how `euler` was made, two cells further up. Only the class is another.

# %% [markdown] hint="01.scheduler"
# For the picture, `draw_with(euler, prompt)` is nearly right. Which scheduler, and which setting
# must be named in addition? Section 5 has the name of the setting.

# %% wrong="01.scheduler" says="from_config"
unipc = UniPCMultistepScheduler()
quick = draw_with(unipc, prompt, num_inference_steps=8)

# %% wrong="01.scheduler" says="EulerDiscreteScheduler"
unipc = EulerDiscreteScheduler.from_config(pipe.scheduler.config)
quick = draw_with(unipc, prompt, num_inference_steps=8)

# %% wrong="01.scheduler" says="num_inference_steps=8"
unipc = UniPCMultistepScheduler.from_config(pipe.scheduler.config)
quick = draw_with(unipc, prompt)

# %% wrong="01.scheduler" says="without brackets"
unipc = UniPCMultistepScheduler
quick = draw_with(euler, prompt, num_inference_steps=8)

# %% [markdown]
# ## 7 · Where models come from, and what you may do with them
#
# **Ours.** The sticker model was trained on drawn icons that their makers published under open
# licences, composed into small pictures. `helpers/weights/stickers/README.md` is its **model
# card**: data, method, measurements, limits. `CREDITS.md` names everyone whose work is in it, with
# the licences. You can make it again with what is in `training/`.
#
# **Stable Diffusion 1.x.** It was made in 2022 by the group CompVis in Munich with Runway,
# Stability AI and LAION, and it is described in
# [a paper by Rombach and others](https://arxiv.org/abs/2112.10752). It learned from parts of
# [LAION-5B](https://arxiv.org/abs/2210.08402), a list of billions of pictures that were found on
# the web together with their captions. Nobody asked the people who made them. The model repeats
# what is in that data, prejudice included, and its own
# [model card](https://huggingface.co/CompVis/stable-diffusion-v1-4) says so.
#
# Its licence is the **CreativeML OpenRAIL-M**. In plain words:
#
# - You may use the model, change it and pass it on, also for money.
# - Its makers claim no rights in the pictures that you make. You are responsible for them.
# - You must not use it in certain ways. The licence lists them; among others: breaking the law,
#   harming minors, spreading false information in order to harm others, harassing or defaming
#   people, discriminating, deciding automatically about someone's rights, giving medical advice.
# - If you pass on the model, or one made from it, you must hand on the licence and bind the next
#   person by the same limits.
# - There is no warranty.
#
# This is a summary, not legal advice. Read
# [the licence itself](https://huggingface.co/spaces/CompVis/stable-diffusion-license): it is short,
# and the list of limits is at its end. Other models have other licences, and some forbid any
# commercial use. So look before you build on one.
#
# **Loading a real one.** Go back to section 1, write `MODEL = "sd-v1-5"`, and choose *Restart
# kernel and run all*. The first time, the weights come from the Hugging Face hub; afterwards they
# stay on your disk. The files are in the format **safetensors**, which holds numbers only. Older
# files (`.ckpt`, `.bin`) can hide a program that runs when you load them: never load one that you
# do not trust.

# %% [markdown]
# ## What you learned
#
# - A Stable Diffusion **pipeline** is a tokenizer, a text encoder, a U-Net, a scheduler and a VAE.
#   Most of its parameters are in the U-Net.
# - `pipe(prompt, …).images[0]` is an ordinary picture, and a grid is a big picture with small
#   ones pasted into it.
# - The **seed** chooses the noise, **num_inference_steps** the number of looks, **guidance_scale**
#   the obedience, the **negative prompt** what to keep away from.
# - A new **scheduler** is made with `from_config` from the configuration of the old one.
# - A model has a card and a licence, and both are worth reading before the first picture.
#
# **Try on your own:** your favourite subject in all four styles, as a grid. A word that is not in
# the list. A guidance scale of 0.
#
# **Read on:** [How diffusion works](../course/reading/how-diffusion-works.md), and
# [models and their licences](../course/reading/models-and-licences.md).
#
# Next: [lesson 02](02_seeds.ipynb), in which you and a neighbour make the same picture on two
# computers.
