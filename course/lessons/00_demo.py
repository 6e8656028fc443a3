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
# # 00 · Demo: one session with Stable Diffusion
#
# One notebook for one session of 90 minutes. Everybody runs the same cells, changes them, and takes
# a picture home. You need no lesson before it, and it runs from a fresh kernel, top to bottom.
#
# ![A grid of small pictures that the model drew: stickers of animals and things in several styles,
# and portraits](../course/pictures/stickers.png)
#
# **At the end you will be able to** draw a picture from a sentence, repeat it exactly, change one
# thing at a time, and say what the model does not know.
#
# Run a cell with Shift and Enter. The same notebook with every picture is
# `solutions/00_demo.ipynb`: if something breaks, read on there.

# %% [markdown]
# ## 1 · A picture that nobody drew
#
# A **prompt** is the text that says what you want. Run the cell: it draws the prompt that is
# written there, and prints lists of words. Then choose a subject and a background from the lists,
# change `prompt`, and run the cell again. A color is written *on a red background*, a place *at
# night*, *on the beach*, *in the snow*, *in a meadow* or *in the city*.

# %% picture="00.first"
import tempfile

import torch
from IPython.display import display

from helpers import (
    BACKGROUNDS,
    STYLES,
    SUBJECTS,
    enlarge,
    image_grid,
    image_settings,
    load_pipeline,
    save_image,
)

MODEL = "stickers"
pipe = load_pipeline(MODEL)
prompt = "a 3d sticker of a fox on a teal background"


def draw(prompt, seed=11, steps=25, guidance=5.0):
    generator = torch.Generator().manual_seed(seed)
    output = pipe(prompt, num_inference_steps=steps, guidance_scale=guidance, generator=generator)
    return output.images[0]


display(enlarge(draw(prompt)))
print("subjects:", ", ".join(SUBJECTS))
print("styles:", ", ".join(STYLES))
print("backgrounds:", ", ".join(BACKGROUNDS))

# %% [markdown]
# ## 2 · Another one, and the first one again
#
# The picture starts from noise. The **seed** is a number that says which noise. The prompt is short
# here, because a short prompt leaves more to the noise.
#
# *Before you run the cell:* what will the second picture look like? And the third?

# %% picture="00.seeds"
first, second, again = [draw("a fox", seed=number) for number in (11, 12, 11)]
labels = ["seed 11", "seed 12", "seed 11 again"]
display(image_grid([first, second, again], rows=1, labels=labels, min_width=256))
print("the third is the first:", again.tobytes() == first.tobytes())
print("the second is another:", second.tobytes() != first.tobytes())

# %% [markdown]
# **With your neighbor.** Draw a picture with a seed of your own, and tell your neighbor your prompt
# and *one number*. Do you both see the same picture?

# %%
my_prompt, my_seed = "a cartoon sticker of an owl under the night sky", 2026
mine = draw(my_prompt, seed=my_seed)
display(enlarge(mine))

# %% [markdown]
# ## 3 · Noise, then a picture
#
# A diffusion model removes noise in steps. Here is one prompt with 1, 2, 4, 8 and 25 steps.
#
# *Look:* what is there first, the large things or the small ones?

# %% picture="00.steps"
steps = [1, 2, 4, 8, 25]
by_steps = [draw(prompt, steps=number) for number in steps]
display(image_grid(by_steps, rows=1, labels=[f"steps: {n}" for n in steps], min_width=256))
print(len(by_steps), "pictures of", by_steps[0].size, "pixels")

# %% [markdown]
# ## 4 · How strictly should it follow the words?
#
# The **guidance scale** says how hard the prompt pushes. *Look:* at which value would you stop, and
# why?

# %% picture="00.guidance"
scales = [1.0, 3.0, 7.5, 20.0]
by_scale = [draw(prompt, guidance=scale) for scale in scales]
display(image_grid(by_scale, rows=1, labels=[f"guidance {s}" for s in scales], min_width=256))
print(len(by_scale), "pictures of", by_scale[0].size, "pixels")

# %% [markdown]
# ## 5 · A word that it does not know
#
# The cell asks for a word that nobody uses. Try another one, or a thing that is in no list above.
#
# *Look:* does it say that it doesn't know?

# %% picture="00.unknown"
unknown = [draw("a 3d sticker of a blorptangle on a teal background", seed=n) for n in (1, 2, 3)]
display(image_grid(unknown, rows=1, labels=["seed 1", "seed 2", "seed 3"], min_width=256))
print(len(unknown), "pictures, and no error")

# %% [markdown]
# It never says *I don't know*: it draws something, without an error and without a warning. Would a
# stranger notice that the word means nothing? Remember that when you see a picture with a claim.

# %% [markdown]
# ## 6 · Your picture to take home
#
# Change the prompt, the seed, the steps and the guidance until you like the picture. `save_image`
# writes the settings into the file, so that you, or anyone who has the same model, can draw it
# again.

# %%
settings = {"prompt": my_prompt, "seed": my_seed, "steps": 25, "guidance": 5.0}
poster = draw(**settings)
settings["model"] = MODEL
with tempfile.TemporaryDirectory() as folder:  # write "." instead of folder to keep the file
    path = save_image(poster, folder, settings=settings)
    print("the file says how it was made:", image_settings(path) == settings)
display(enlarge(poster))

# %% [markdown]
# ## 7 · Talk about it
#
# - Who made this picture: you, the model, those who built it, or those whose drawings it learned
#   from?
# - Would your answer change if you had tried a hundred prompts?
# - Where would a picture like this do harm? What would you want to see beside it?
#
# ## What you learned
#
# - A diffusion model turns **noise** into a picture, step by step, and words steer it.
# - **Same settings, same picture.** So you can change one thing and see what it does.
# - It knows what was in its training data, and draws something for everything else.
#
# Go on with [lesson 01](01_loading.ipynb), or [try it](../course/try-it.md) at home in a browser.
