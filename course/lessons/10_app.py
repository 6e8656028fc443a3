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
# # 10 · Building an app: your model on a web page
#
# So far, anyone who wanted a picture had to open your notebook. In this lesson the model gets a
# page with text fields, sliders and buttons, which anybody can use. It starts with six lines and
# ends with an app that several people can use at the same time, such as this one:
#
# ![The app with its wallpaper: controls on the left; on the right a gallery with four pictures,
# each with its seed in a corner, and below it the example](../course/pictures/10_studio.png)
#
# **At the end you will be able to**
#
# - turn a Python function into a web page with `gr.Interface`;
# - lay out a page of your own with `gr.Blocks`: rows, columns, controls, a gallery;
# - show the seed of every picture, so that each can be made again;
# - let people stop what they started, and let them wait in a queue;
# - give the page a look of its own;
# - say what you open to the world when you share an app;
# - call your app from another program.
#
# **Time:** 45 minutes for the core path, sections 1 to 6. The sections headed *More* take another
# 20. **You need:** lessons 01 and 02. No network: your own computer serves the page.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/10_app.ipynb` three exercises have a gap, written `...`. Fill the
#    gap, run the cell, and run the check below it.
# 2. *With hints.* Remove the `#` in front of the hint line below the check. Each run gives one more
#    hint.
# 3. *With the complete solution.* `solutions/10_app.ipynb` is this notebook with every gap filled
#    and every picture shown.
#
# ## 1 · First a function
#
# An app is a function with a page around it. So we begin with the function, and without any page.
# [Gradio](https://www.gradio.app) is the library that will build the page. We switch off two things
# that it does by itself, before we build the first page: it reports its use to its makers, and
# newer versions keep a **run history**, the inputs and outputs of each visitor's runs, in the
# visitor's browser. On a shared computer the next person could read them.

# %%
import os

import helpers  # before Gradio: it finds a place for Gradio's files, and a way past any proxy

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["GRADIO_RUN_HISTORY"] = "False"

import contextlib
import functools
import html
import io
import json
import random
import threading

import gradio as gr
import requests
import torch
from gradio_client import Client
from gradio_client.exceptions import AppError
from IPython.display import display
from PIL import Image

from helpers import (
    STYLES,
    enlarge,
    exercise,
    image_grid,
    load_pipeline,
    seeded_latents,
    shipped_models,
    to_data_url,
)

MODEL = "stickers"  # or "sd-v1-5", the real one, where there is a GPU and a network

# %% [markdown]
# `load` loads a model when it is first asked for; `functools.cache` remembers it, so that a second
# request for the same model takes no time. `draw` makes one picture. Everything that determines the
# picture is an argument, which is the habit of lesson 02: the same arguments, the same picture. The
# **lock** lets one drawing in at a time, and others wait at the `with`. (Section 5 explains why.)


# %% picture="10.function"
@functools.cache
def load(model):
    return load_pipeline(model)


lock = threading.Lock()


def draw(
    prompt,
    negative_prompt="",
    num_inference_steps=25,
    guidance_scale=5.0,
    seed=42,
    model=MODEL,
):
    pipe = load(model)
    with lock:
        return pipe(
            prompt,
            negative_prompt=negative_prompt,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            latents=seeded_latents(pipe, seed),
        ).images[0]


pipe = load(MODEL)
first = draw("a 3d sticker of a fox on a teal background")
display(enlarge(first))
print("one picture, of type", type(first).__name__)

# %% [markdown]
# ## 2 · Six lines
#
# `gr.Interface` looks at a function and builds a page: one control for each input, one place for
# the output, and two buttons, *Clear* and *Submit*. `format="png"` sends the picture as it is;
# Gradio's own choice makes a smaller file of it and changes pixels. `flagging_mode="never"` leaves
# out a third button, *Flag*, which would write the inputs into a file.

# %%
six_lines = gr.Interface(
    draw,
    inputs=[gr.Textbox(label="Prompt"), gr.Textbox(label="Negative prompt")],
    outputs=gr.Image(format="png", label="Picture"),
    flagging_mode="never",
)
print(type(six_lines).__name__)

# %% [markdown]
# It is built, but nobody can see it yet. `launch` starts a **server**, a program that waits for a
# browser to ask for the page. We give it six settings, here and for every app below:
#
# - `server_name="127.0.0.1"`: only this computer can reach it;
# - `share=False`: no public address. On Colab, Gradio makes one unless we say this;
# - `inline=False`: the page opens in a browser tab of its own, not inside this notebook;
# - `prevent_thread_lock=True`: the notebook goes on while the server runs;
# - `quiet=True`: no messages in the notebook;
# - `show_error=True`: when the function fails, the page says why, and not only *Error*.
#
# Run the cell and click the address that it prints. (On Colab, write `inline=True`, since your
# browser is not on Colab's computer.)

# %% tags=["nbval-ignore-output"]
LAUNCH = {
    "server_name": "127.0.0.1",
    "share": False,
    "inline": False,
    "prevent_thread_lock": True,
    "quiet": True,
    "show_error": True,
}
six_lines.launch(**LAUNCH)
print("open", six_lines.local_url)

# %% [markdown]
# This is what you should see there:
#
# ![A web page with two text fields, Prompt and Negative prompt, the buttons Clear and Submit, and
# on the right the picture that was drawn](../course/pictures/10_interface.png)
#
# A page for people is also an address for programs. `gradio_client.Client` does what a browser
# does: it fills in the fields and presses the button. It sends the values to the server and gets
# back the path of a file. `api_name` says which button: this one is named after its function,
# `/draw`. We use the client to press buttons from the notebook. (It too would report to Gradio's
# makers, so we switch that off as well.) When you are done, `close` stops the server.

# %% picture="10.called" same_as="10.function"
if not six_lines.is_running:  # if this cell ran before, it stopped the server
    six_lines.launch(**LAUNCH)
visitor = Client(six_lines.local_url, verbose=False, analytics_enabled=False)
path = visitor.predict("a 3d sticker of a fox on a teal background", "", api_name="/draw")
display(enlarge(Image.open(path)))
six_lines.close(verbose=False)

# %% [markdown]
# The same picture as above: the page adds nothing to the function.
#
# ### Exercise 1 · A third control
#
# Build `steps_app`, a `gr.Interface` with a third input: a slider from 10 to 100 for the number of
# steps, in whole numbers. `draw` takes `num_inference_steps` as its third argument already.
# `gr.Slider(minimum, maximum, value=…, step=…, label=…)` makes a slider.

# %% exercise="10.interface"
# BEGIN SOLUTION
steps_app = gr.Interface(
    draw,
    inputs=[
        gr.Textbox(label="Prompt"),
        gr.Textbox(label="Negative prompt"),
        gr.Slider(10, 100, value=25, step=1, label="Steps"),
    ],
    outputs=gr.Image(format="png", label="Picture"),
    flagging_mode="never",
)
# END SOLUTION
# BEGIN STUB
# steps_app = ...
# END STUB

# %%
exercise("10.interface").check(steps_app=steps_app, pipe=pipe)
# exercise("10.interface").hint()

# %% [markdown] hint="10.interface"
# Take the interface of section 2. The list `inputs` needs one more entry.

# %% [markdown] hint="10.interface"
# The inputs go to the arguments of `draw` in their order: the prompt, the negative prompt, the
# number of steps. So the slider comes last.

# %% wrong="10.interface" says="has 2 inputs"
steps_app = gr.Interface(
    draw, inputs=[gr.Textbox(), gr.Textbox()], outputs=gr.Image(), flagging_mode="never"
)

# %% wrong="10.interface" says="10 to 100"
steps_app = gr.Interface(
    draw,
    inputs=[gr.Textbox(), gr.Textbox(), gr.Slider(0, 20, value=10, step=1)],
    outputs=gr.Image(),
    flagging_mode="never",
)


# %% wrong="10.interface" says="makes no difference"
def always_25(prompt, negative_prompt, num_inference_steps):
    return draw(prompt, negative_prompt, 25)


steps_app = gr.Interface(
    always_25,
    inputs=[gr.Textbox(), gr.Textbox(), gr.Slider(10, 100, value=25, step=1)],
    outputs=gr.Image(),
    flagging_mode="never",
)

# %% wrong="10.interface" says="whole numbers"
steps_app = gr.Interface(
    draw,
    inputs=[gr.Textbox(), gr.Textbox(), gr.Slider(10, 100, value=25, step=0.5)],
    outputs=gr.Image(),
    flagging_mode="never",
)

# %% wrong="10.interface" says="no place for the picture"
steps_app = gr.Interface(
    draw,
    inputs=[gr.Textbox(), gr.Textbox(), gr.Slider(10, 100, value=25, step=1)],
    outputs=gr.Textbox(),
    flagging_mode="never",
)

# %% right="10.interface"
steps_app = gr.Interface(draw, ["text", "text", gr.Slider(10, 100, 30, step=1)], "image")


# %% right="10.interface"
def with_steps(prompt, negative_prompt, steps):
    return [draw(prompt, negative_prompt, num_inference_steps=int(steps))]


slider = gr.Slider(minimum=10, maximum=100, step=1.0)
steps_app = gr.Interface(
    fn=with_steps, inputs=(gr.Textbox(), gr.Textbox(), slider), outputs=[gr.Gallery()]
)

# %% right="10.interface"
with gr.Blocks():
    slider = gr.Slider(10, 100, step=1)
steps_app = gr.Interface(
    lambda prompt, negative, steps: draw(prompt, negative, steps),
    inputs=["textbox", gr.Text(), slider],
    outputs=gr.Image(type="pil"),
)

# %% [markdown]
# Try your slider: open the page, and draw with 10 and with 100 steps.

# %% tags=["nbval-ignore-output"]
if steps_app is ...:
    print("First solve exercise 1.")
else:
    steps_app.launch(**LAUNCH)
    print("open", steps_app.local_url)

# %% [markdown]
# ## 3 · A page of your own: Blocks
#
# `gr.Interface` decides what the page looks like. With `gr.Blocks` you decide. It takes two steps:
#
# 1. **Lay out.** Everything on a page, such as a text field, a button or a picture, is a
#    **component**. It appears where it is made. Inside `with gr.Row():` components are side by
#    side, inside `with gr.Column():` one below the other.
# 2. **Connect.** `button.click(function, inputs, outputs)` says what a click does: take the values
#    of the `inputs`, call the function with them in this order, put what it returns into the
#    `outputs`.
#
# Each run of the app should be able to draw several pictures. For the page we need each with a
# caption.
#
# ### Exercise 2 · Say which seed
#
# Many apps of this kind show ten pictures and forget how they were made. You like the seventh, and
# nobody can make it again. Ours will show the seed of each. Complete the function: it gets a list
# of pictures and a list of their seeds, and returns what `gr.Gallery` shows, a list of pairs
# *(picture, caption)*. The caption is the text `seed 42` for seed 42.


# %% exercise="10.captions"
def with_captions(images, seeds):
    return [(image, f"seed {seed}") for image, seed in zip(images, seeds, strict=True)]  # SOLUTION


# %%
exercise("10.captions").check(with_captions=with_captions)
# exercise("10.captions").hint()

# %% [markdown] hint="10.captions"
# `zip(images, seeds, strict=True)` goes through both lists at once and gives the first picture with
# the first seed, the second with the second, and so on.

# %% [markdown] hint="10.captions"
# An f-string builds the text: `f"seed {seed}"`. A pair is written in parentheses.


# %% wrong="10.captions" says="picture first"
def with_captions(images, seeds):
    return [(f"seed {seed}", image) for image, seed in zip(images, seeds, strict=True)]


# %% wrong="10.captions" says="its own seed"
def with_captions(images, seeds):
    return [(image, f"seed {seeds[0]}") for image in images]


# %% wrong="10.captions" says="a text"
def with_captions(images, seeds):
    return [(image, seed) for image, seed in zip(images, seeds, strict=True)]


# %% wrong="10.captions" says="as they were"
def with_captions(images, seeds):
    shown = []
    while images:
        shown.append((images.pop(0), f"seed {seeds.pop(0)}"))
    return shown


# %% right="10.captions"
def with_captions(images, seeds):
    return [[images[i], "seed " + str(seeds[i])] for i in range(len(images))]


# %% right="10.captions"
def with_captions(images, seeds):
    return tuple(zip(images, map("seed {}".format, seeds), strict=True))


# %% right="10.captions"
def with_captions(images, seeds):
    for image, seed in zip(images, seeds, strict=True):
        yield image, f"seed {seed}"


# %% [markdown]
# Now the function behind the page. It has `yield` where you would expect `return`: it gives out
# what it has so far and then goes on. So the first picture is on the page while the second is still
# being drawn. The captions come from your function.
#
# With `use_random` the app chooses the first seed itself, from 1 to 99999. The other pictures get
# the next numbers, and after 99999 comes 1 again.


# %% picture="10.series"
def draw_series(
    model, prompt, negative_prompt, images, guidance_scale, num_inference_steps, seed, use_random
):
    first_seed = random.randint(1, 99999) if use_random else seed
    pictures, seeds = [], []
    for number in range(images):
        seeds.append((first_seed - 1 + number) % 99999 + 1)
        settings = (num_inference_steps, guidance_scale, seeds[-1], model)
        pictures.append(draw(prompt, negative_prompt, *settings))
        captioned = with_captions(list(pictures), list(seeds))
        # Until exercise 2 is solved, the pictures come without captions.
        yield list(pictures) if captioned is ... else list(captioned), first_seed


prompt = "an owl at night, flat style"
for shown, first_seed in draw_series(MODEL, prompt, "", 3, 5.0, 15, 99998, False):
    print(len(shown), "so far, beginning with seed", first_seed)
captioned = not isinstance(shown[0], Image.Image)
labels = [item[1] if captioned else "no caption" for item in shown]
pictures = [item[0] if captioned else item for item in shown]
display(image_grid(pictures, rows=1, labels=labels, min_width=256))

# %% [markdown]
# The controls of the page come next. Each has an initial value, so that a visitor can press the
# button at once. The list that `controls` returns has the order of the arguments of `draw_series`.
# The negative prompt begins with *a portrait*: our model has learned stickers and portraits, and
# this is a page for stickers. Visitors who want a face empty the field. The models in the list are
# those that came with the course; the real Stable Diffusion joins them where there is a graphics
# card that can run it.
#
# A detail about ranges: Gradio checks the limits of sliders and of lists also on the server, so
# that they hold for programs as well. The `max_length` of a text field holds on the page only.

# %%
models = list(dict.fromkeys([MODEL, *shipped_models()]))
if torch.cuda.is_available() and "sd-v1-5" not in models:
    models.append("sd-v1-5")
painting = draw("a flat sticker of a rose on a yellow background", seed=5)


def controls():
    model = gr.Dropdown(models, value=MODEL, label="Model")
    prompt = gr.Textbox("a 3d sticker of a fox on a teal background", label="Prompt", lines=2)
    negative_prompt = gr.Textbox("a portrait", label="Negative prompt")
    images = gr.Slider(1, 10, value=4, step=1, label="Number of images")
    guidance_scale = gr.Slider(0, 20, value=5, step=0.5, label="Guidance")
    num_inference_steps = gr.Slider(10, 100, value=25, step=1, label="Steps")
    seed = gr.Slider(1, 99999, value=42, step=1, label="Seed")
    use_random = gr.Checkbox(False, label="Random seed")
    settings = [guidance_scale, num_inference_steps, seed, use_random]
    return [model, prompt, negative_prompt, images, *settings]


# %% [markdown]
# Now the page. At the top is a title: `gr.HTML` puts HTML, the language of web pages, on the page
# just as you write it. (So never give it what a visitor typed: `html.escape(text)` makes such a
# text harmless first.) On the left are the controls and two buttons; on the right the gallery, and
# below it one picture as an example. Then two connections:
#
# - *Run* calls `draw_series`. Its second output goes back into the seed slider, `inputs[6]`, so
#   that after a random run you can read the first seed there. By default a page ignores a second
#   click while the first run lasts; `trigger_mode="multiple"` accepts it, so that *Run* works right
#   after *Stop*.
# - *Stop* calls nothing. It `cancels` the run, between one picture and the next.

# %%
TITLE = "My sticker studio"
with gr.Blocks(title=TITLE, analytics_enabled=False) as studio:
    gr.HTML(f"<h1>{html.escape(TITLE)}</h1>")
    with gr.Row():
        with gr.Column(scale=2):
            inputs = controls()
            with gr.Row():
                run = gr.Button("Run", variant="primary")
                stop = gr.Button("Stop", variant="stop")
        with gr.Column(scale=3):
            gallery = gr.Gallery(label="Pictures", show_label=False, format="png", columns=2)
            gr.Image(painting, label="An example", interactive=False, height=300)
    drawing = run.click(
        draw_series, inputs, [gallery, inputs[6]], api_name="draw", trigger_mode="multiple"
    )
    stop.click(None, cancels=[drawing])
print("controls:", len(inputs))

# %% [markdown]
# ## 4 · A look
#
# A **theme** sets colors, fonts and corners for all components; Gradio includes several. **CSS** is
# the language in which web pages say how they look, and does the rest. In Gradio 6 both are given
# to `launch`. (Many older tutorials give them to `gr.Blocks`, where they still work, with a
# warning.) `footer_links=[]` removes the links to Gradio and its settings at the bottom.
#
# For the background we let the model draw a wallpaper: four stickers, faded with a lot of white, so
# that one can read what is in front.

# %% picture="10.background" export="10_background.png"
subjects = ["butterfly", "rose", "rocket", "octopus"]
prompts = [f"a simple sticker of a {subject} on a white background" for subject in subjects]
latents = seeded_latents(pipe, [1, 2, 3, 4])
tiles = pipe(prompts, num_inference_steps=15, guidance_scale=5.0, latents=latents).images
side = 128
wallpaper = Image.new("RGB", (2 * side, 2 * side))
for index, tile in enumerate(tiles):
    wallpaper.paste(tile.resize((side, side)), (side * (index % 2), side * (index // 2)))
wallpaper = Image.blend(wallpaper, Image.new("RGB", wallpaper.size, "white"), 0.75)
display(wallpaper)

# %% [markdown]
# How does the picture get to the browser? A server hands out only the files that it may hand out,
# and we would rather allow none. So we put the picture into the CSS itself, as text: as a **data
# URL**, which lesson 09 explains. Then the app opens with everything on. In dark mode the wallpaper
# is left out, since nobody can read white letters in front of pale pictures. (`queue` says who has
# to wait; section 5 is about it.)

# %% tags=["nbval-ignore-output"]
theme = gr.themes.Soft(primary_hue="teal")
css = f"""
.gradio-container {{ background-image: url({to_data_url(wallpaper)}); }}
.dark .gradio-container {{ background-image: none; }}
h1 {{ letter-spacing: 0.04em; }}
"""
studio.close(verbose=False)  # if this cell ran before: a running app takes no new queue
studio.queue(max_size=20, default_concurrency_limit=1)
studio.launch(theme=theme, css=css, footer_links=[], **LAUNCH)
print("open", studio.local_url)

# %% [markdown]
# You should see the page from the top of this lesson. Start a long run, and press *Stop* in the
# middle of it. Then make a picture again: switch *Random seed* on and press *Run*, note the seed of
# a picture, switch *Random seed* off, set the slider to that seed, and press *Run* once more. It
# comes first.
#
# Other looks: `gr.themes.builder()` opens a page to design your own theme. The [theme
# gallery](https://huggingface.co/spaces/gradio/theme-gallery) shows those of other people; with a
# network, `theme="owner/name"` loads one. Gradio changes often: its
# [changelog](https://www.gradio.app/changelog) says in which version an argument came or went.
#
# The notebook can press the buttons too. A job that yields several times can be watched: a loop
# over the job gives what comes in, as it comes. We ask for three pictures.

# %%
visitor = Client(studio.local_url, verbose=False, analytics_enabled=False)
settings = [MODEL, "a cartoon penguin in the snow", "a portrait", 3, 5.0, 10, 42, False]
job = visitor.submit(*settings, api_name="/draw")
for pictures, _ in job:
    print(len(pictures), "so far, the last with the caption", pictures[-1]["caption"])

# %% [markdown]
# ### Exercise 3 · Add a control that works
#
# A control that is only *laid out* does nothing: it must be among the inputs, in the right place.
# The function below draws a prompt in a style. Build `style_app`, a `gr.Blocks` with a text field,
# a `gr.Radio` (or a `gr.Dropdown`) that offers all `STYLES`, a button and a picture, such that a
# click draws the prompt in the chosen style. `gr.Textbox`, `gr.Button` and `gr.Image` make the
# other three.


# %%
def draw_styled(prompt, style):
    return draw(f"{prompt}, {style} style", num_inference_steps=10)


print("styles:", STYLES)

# %% exercise="10.control"
# BEGIN SOLUTION
with gr.Blocks() as style_app:
    prompt_field = gr.Textbox("a fox in a meadow", label="Prompt")
    style_field = gr.Radio(list(STYLES), value=STYLES[0], label="Style")
    button = gr.Button("Draw")
    result = gr.Image(format="png", label="Picture")
    button.click(draw_styled, [prompt_field, style_field], result)
# END SOLUTION
# BEGIN STUB
# style_app = ...  # replace this line: with gr.Blocks() as style_app:
# END STUB

# %%
exercise("10.control").check(style_app=style_app, pipe=pipe)
# exercise("10.control").hint()

# %% [markdown] hint="10.control"
# Two things are missing: the control, `gr.Radio(choices, value=…, label=…)`, and the connection,
# `button.click(function, inputs, outputs)`. Both belong inside the `with`.

# %% [markdown] hint="10.control"
# The inputs are a list in the order of the function's arguments: first the field with the prompt,
# then the one with the style.

# %% wrong="10.control" says="not among the inputs"
with gr.Blocks() as style_app:
    prompt_field = gr.Textbox("a fox in a meadow")
    style_field = gr.Radio(list(STYLES), value=STYLES[0])
    button = gr.Button("Draw")
    result = gr.Image()
    button.click(draw, prompt_field, result)

# %% wrong="10.control" says="the other way around"
with gr.Blocks() as style_app:
    prompt_field = gr.Textbox("a fox in a meadow")
    style_field = gr.Radio(list(STYLES), value=STYLES[0])
    button = gr.Button("Draw")
    result = gr.Image()
    button.click(draw_styled, [style_field, prompt_field], result)

# %% wrong="10.control" says="No click"
with gr.Blocks() as style_app:
    prompt_field = gr.Textbox("a fox in a meadow")
    style_field = gr.Radio(list(STYLES), value=STYLES[0])
    button = gr.Button("Draw")
    result = gr.Image()

# %% wrong="10.control" says="should offer"
with gr.Blocks() as style_app:
    prompt_field = gr.Textbox("a fox in a meadow")
    style_field = gr.Dropdown(["3d", "flat"], value="3d")
    button = gr.Button("Draw")
    result = gr.Image()
    button.click(draw_styled, [prompt_field, style_field], result)

# %% wrong="10.control" says="no `gr.Radio`"
with gr.Blocks() as style_app:
    prompt_field = gr.Textbox("a fox in a meadow")
    button = gr.Button("Draw")
    result = gr.Image()
    button.click(draw, prompt_field, result)

# %% wrong="10.control" says="shows nothing"
with gr.Blocks() as style_app:
    prompt_field = gr.Textbox("a fox in a meadow")
    style_field = gr.Radio(list(STYLES), value=STYLES[0])
    button = gr.Button("Draw")
    result = gr.Image()
    button.click(draw_styled, [prompt_field, style_field])

# %% wrong="10.control" says="goes into a `Textbox`"
with gr.Blocks() as style_app:
    prompt_field = gr.Textbox("a fox in a meadow")
    style_field = gr.Radio(list(STYLES), value=STYLES[0])
    button = gr.Button("Draw")
    result = gr.Image()
    button.click(draw_styled, [prompt_field, style_field], prompt_field)


# %% wrong="10.control" says="nothing comes back"
def draw_and_forget(prompt, style):
    draw_styled(prompt, style)


with gr.Blocks() as style_app:
    prompt_field = gr.Textbox("a fox in a meadow")
    style_field = gr.Radio(list(STYLES), value=STYLES[0])
    button = gr.Button("Draw")
    result = gr.Image()
    button.click(draw_and_forget, [prompt_field, style_field], result)

# %% right="10.control"
with gr.Blocks() as style_app:
    with gr.Row():
        style_field = gr.Dropdown(choices=sorted(STYLES), label="Style")
        prompt_field = gr.Textbox(label="Prompt")
    result = gr.Image()
    gr.Button("Draw").click(fn=draw_styled, inputs=(prompt_field, style_field), outputs=[result])


# %% right="10.control"
def as_list(style, prompt):
    return [draw_styled(prompt, style)]


with gr.Blocks() as style_app:
    prompt_field, style_field = gr.Textbox(), gr.Radio(STYLES)
    gallery_field, button = gr.Gallery(), gr.Button()
    button.click(as_list, [style_field, prompt_field], gallery_field)

# %% right="10.control"
with gr.Blocks() as style_app:
    prompt_field = gr.Textbox()
    style_field = gr.Radio([(style.title(), style) for style in STYLES])
    button, result = gr.Button("Draw"), gr.Image()

    @button.click(inputs=[prompt_field, style_field], outputs=result)
    def press(prompt, style):
        return draw_styled(prompt, style)


# %% [markdown]
# ## 5 · Two people at once: the queue
#
# What happens when two browser tabs press *Run* at the same time? Above we wrote
# `studio.queue(max_size=20, default_concurrency_limit=1)`. So there is a **queue**: one request is
# worked on, up to 20 wait, and visitors who come when it is full are told so.
#
# There is a reason for one at a time. Our function uses one pipeline, and a pipeline has a
# scheduler that remembers how far it is. If two requests used it at once, each would get pictures
# from the steps of the other, or an error.
#
# The queue alone does not prevent that. *Stop* ends a run for the queue, which lets the next one in
# at once. But a picture that was begun is drawn to its end, and the next run would start in the
# middle of it. This is what the lock in `draw` is for.
#
# Let us see it. The app below writes down when a drawing starts and when it ends, and two visitors
# ask at the same moment. (With your own eyes: open the studio in two tabs and press *Run* in both.
# The second shows its place in the queue.)

# %%
diary = []


def noted(who):
    diary.append("start")
    picture = draw(f"a {who}, flat style", num_inference_steps=10)
    diary.append("end")
    return picture


with gr.Blocks() as two_tabs:
    who, picture = gr.Textbox("fox", label="Who"), gr.Image(format="png")
    gr.Button("Draw").click(noted, who, picture, api_name="draw")
two_tabs.queue(default_concurrency_limit=1).launch(**LAUNCH)
tabs = [Client(two_tabs.local_url, verbose=False, analytics_enabled=False) for _ in range(2)]
jobs = [tab.submit(who, api_name="/draw") for tab, who in zip(tabs, ["fox", "owl"], strict=True)]
pictures = [Image.open(job.result()) for job in jobs]
print(" · ".join(diary))

# %% [markdown]
# Start, end, start, end: the second drawing began only when the first had ended. Nobody was turned
# away, and each visitor got their own picture. For a class of thirty that becomes a long wait;
# the course's own app, below, has a better way.
#
# ## 6 · Sharing, and what it exposes
#
# `launch(share=True)` gives your app a public address for up to a week (source: [Gradio's
# guide](https://www.gradio.app/guides/sharing-your-app)). The page is then reached through a server
# of Gradio's makers; the model still runs on *your* computer. Before you do that, know what you
# open. Everybody with the address can press your buttons, and programs can do the same: each
# connection is an **endpoint** that has a name. We ask the server for the list.

# %%
endpoints = visitor.view_api(print_info=False, return_format="dict")["named_endpoints"]
print("endpoints:", *endpoints)
too_many = settings[:5] + [100_000] + settings[6:]
with contextlib.redirect_stderr(io.StringIO()):  # where the server writes its own report
    try:
        visitor.predict(*too_many, api_name="/draw")
        print("it drew 100000 steps")
    except AppError:
        print("100000 steps are refused")
secret = helpers.__file__  # any file of this computer
answer = requests.get(f"{studio.local_url}gradio_api/file={secret}", timeout=10)
print("asked for a file of this computer, the server says", answer.status_code)

# %% [markdown]
# The slider's limit held for the program, and the server answered 403, *forbidden*, when we asked
# for a file. That stays so unless somebody writes `launch(allowed_paths=["."])`, which opens the
# whole folder, with your passwords and data if they are there. The rules:
#
# - Check every value on the server. A limit on the page alone protects nothing.
# - Never allow a folder. Give out pictures, not paths.
# - `launch(auth=("class", "a good password"))` asks for a name and a password first.
# - Prompts reveal a lot about people. Do not keep what you do not need; this is why we switched the
#   run history off.
# - An app that others can use can draw what you would not. Lesson 01 says what the license of a
#   real model asks of you.
#
# ## More · Your app, called by a program
#
# Lesson 09 called a model with `requests`. Your own app can be called in the same way, in any
# language that can send a request. It takes two: a `POST` puts the values into the queue and gets
# back the number of the job, and a `GET` with that number receives what happens to it, line by
# line. Each event has a name and a line of JSON: `generating` for each `yield`, and finally
# `complete`.

# %% picture="10.requested"
address = f"{studio.local_url}gradio_api/call/draw"
posted = requests.post(address, json={"data": settings}, timeout=10)
number = posted.json()["event_id"]
answer = requests.get(f"{address}/{number}", timeout=60)
events = [block.splitlines() for block in answer.text.strip().split("\n\n")]
print("the last event:", events[-1][0])
shown, first_seed = json.loads(events[-1][1].removeprefix("data: "))
file = requests.get(shown[0]["image"]["url"], timeout=10).content
print(len(shown), "pictures, beginning with seed", first_seed)
display(enlarge(Image.open(io.BytesIO(file))))

# %% [markdown]
# There is a second way in: one `POST` to `gradio_api/run/draw`, which answers when the work is
# done. It **skips the queue**, and a long answer may never arrive, because servers in between give
# up on a silent connection (nginx, a common one, [after 60
# seconds](https://nginx.org/en/docs/http/ngx_http_proxy_module.html#proxy_read_timeout)). That is
# why pages use the queue, which sends a short message about every 15 seconds. See what our list of
# starts and ends says when two visitors come this way. Then close it: `queue(api_open=False)` turns
# it off.

# %% tags=["nbval-ignore-output"]
diary.clear()


def post_directly():
    body = {"data": ["fox"]}
    return requests.post(f"{two_tabs.local_url}gradio_api/run/draw", json=body, timeout=60)


threads = [threading.Thread(target=post_directly) for _ in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(" · ".join(diary))

# %% [markdown]
# Start, start: both were let in at once. Only the lock kept them from using one pipeline together.
#
# ## More · The course's own app
#
# The course includes a larger app, made of the same parts: `python -m helpers app` in a terminal,
# or `make app`. It shows each picture as it forms, repairs faces (lesson 09), draws grids of two
# settings, and collects ratings (lesson 11). Its controls are in `helpers/app/pages/controls.py`
# and its limits in `helpers/app/limits.py`, and you now know enough to read both. What is new is
# its engine: the pictures of all visitors are drawn *together*, in shared calls of the U-Net, so
# that nobody waits for somebody else's whole run.
#
# ## Close what you opened
#
# `close` stops the server of one app. `gr.close_all()` stops all that are still running in this
# notebook, also those that you have forgotten.

# %%
gr.close_all(verbose=False)
print("the studio is running:", studio.is_running)

# %% [markdown]
# ## What you learned
#
# - An app is a function with a page around it. `gr.Interface` builds the page; with `gr.Blocks` you
#   lay it out yourself and connect it: function, inputs in their order, outputs.
# - A function with `yield` shows what it has so far, and can be stopped.
# - A picture without its seed and settings cannot be made again, so show them.
# - Theme and CSS go to `launch`.
# - The queue lets requests wait their turn. One pipeline works on one call at a time.
# - A page for people is an endpoint for programs. Limits belong on the server, files stay closed,
#   and a public address deserves a password.
#
# **Try on your own:** add a scheduler list to the studio (lesson 03 names some). Let a click on a
# picture of the gallery set the seed slider: `gallery.select(function, ...)` with an argument of
# type `gr.SelectData`. Give the app to someone who has never seen it, say nothing, and watch where
# they hesitate.
#
# **Read on:** [Limits, bias, consent and copyright](../course/reading/limits.md), before you share
# an app.
#
# Next: [lesson 11](11_feedback.ipynb), in which people's votes become data.
