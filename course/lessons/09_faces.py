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
# # 09 · Face repair through an API
#
# Until now every model ran inside your notebook. Many models run somewhere else: on a computer with
# a large graphics card, behind an address. You send a picture, the model works on it there, and the
# result comes back. In this lesson you call such a model by hand, byte by byte, and let it repair
# the face on a film poster. Then you measure what it got right, and see what it invented.

# %%
import base64
import io
import socket

import numpy
import requests
import torch
from IPython.display import display
from PIL import Image, ImageDraw, ImageFont

from helpers import (
    FaceServiceError,
    before_after,
    enlarge,
    example_portrait,
    exercise,
    from_base64,
    image_grid,
    improve_face,
    improve_faces,
    load_pipeline,
    psnr,
    ssim,
    start_face_service,
    to_data_url,
)

MODEL = "stickers"  # draws a face of your own; "sd-v1-5" works too, where there is a GPU
service = start_face_service(port=0)  # 0: any port that is free


# %% picture="09.poster"
def thumbnail(image, side):
    file = io.BytesIO()
    image.resize((side, side), Image.Resampling.BOX).save(file, "JPEG", quality=85)
    return Image.open(file).convert("RGB")


def poster(face, title="THE LAST PIXEL"):
    sheet = Image.new("RGB", (256, 336), (24, 20, 44))
    sheet.paste(face.resize((256, 256), Image.Resampling.BICUBIC))
    pen = ImageDraw.Draw(sheet)
    pen.text((128, 296), title, anchor="mm", fill="white", font=ImageFont.load_default(28))
    return sheet


original = example_portrait("brown")
small = thumbnail(original, 64)
improved = improve_face(small, factor=4, url=service.url)
before_after(poster(small), poster(improved), labels=("thumbnail", "repaired"))

# %% [markdown]
# Move the slider to wipe from the thumbnail to the repaired face. (In the stored solution the
# slider does not move: run the cell.) The title is written *after* the repair, because letters are
# not faces.
#
# **At the end you will be able to**
#
# - say what an API is, and what travels in a request and in its response;
# - turn a picture into text and back, and send it with `requests`;
# - do the same in one line, and read the message when it fails;
# - measure a repaired picture against the **ground truth**, the picture as it really was;
# - say what a face restorer invents, and when not to use one;
# - point the same code at GFP-GAN, a restorer for photographs.
#
# **Time:** 45 minutes for the core path, sections 1 to 8. The sections headed *More* take another
# 15. **You need:** lesson 01. No network: the service that we call runs on your own computer.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/09_faces.ipynb` four exercises have a gap, written `...`. Fill the
#    gap, run the cell, and run the check below it.
# 2. *With hints.* Remove the `#` in front of the hint line below the check. Each run gives one more
#    hint.
# 3. *With the complete solution.* `solutions/09_faces.ipynb` is this notebook with every gap filled
#    and every picture shown.
#
# ## 1 · What an API is
#
# **API** means *application programming interface*: the way in which one program may ask another
# for something. A web page is made for people. An API is made for programs: it also has an address,
# but what goes in and out is data.
#
# - The **server** is the program that waits for requests. The **client** sends them.
# - The client sends a **request**: a method (`GET` fetches, `POST` sends data along), an address,
#   and perhaps a body with data.
# - The server sends a **response**: a **status code** and a body. 200 means that it worked, 4xx
#   that the request was wrong, 5xx that the server failed.
# - The data is usually **JSON**: text that looks like Python's dictionaries and lists.
#
# `requests` is the library with which most Python programs talk to servers. Our server is the
# class's own face service, which the first cell started inside the notebook. (For a whole class it
# runs on the instructor's computer, started with `python -m helpers faces`.) Its address begins
# with `127.0.0.1`, which always means *this computer*. The number after the colon is the **port**,
# the door at which the server listens. (Yours is a different one each time.)
#
# The simplest request is a `GET`. The service has an address that says who it is. `timeout` is how
# many seconds we are ready to wait. Never leave it out: without it, a program can wait forever.

# %% tags=["nbval-ignore-output"]
print("the service listens at", service.url)
answer = requests.get(f"{service.url}/about", timeout=10)
print(answer.status_code, answer.json())

# %% [markdown]
# Status 200, and a small piece of JSON. That is all an API is.
#
# ## 2 · A picture that needs help
#
# Imagine a film poster. The portrait for it once had 256 × 256 pixels. All that is left is a
# thumbnail from a web page: 64 × 64 pixels, saved as JPEG, which removes fine detail to make the
# file small. Such a picture is called **degraded**. The function `thumbnail` above made it from a
# portrait that we do have, so later we can compare with the ground truth. (The portrait is composed
# from drawings like those that the sticker model learned from. The **restorer**, the model that
# repairs faces, never saw this one.)

# %% picture="09.thumbnail"
display(
    image_grid([original, enlarge(small, 4)], labels=["the portrait", "its thumbnail, enlarged"])
)
print("portrait:", original.size, "· thumbnail:", small.size)

# %% [markdown]
# ## 3 · A picture as text
#
# JSON is text, and a picture file is **bytes**: numbers from 0 to 255, most of which are not
# letters. **Base64** solves this. It takes the bytes three at a time and writes each three as four
# of 64 characters: letters, digits, `+` and `/`. If bytes are missing at the end, `=` fills the
# gap. The text is a third longer than the file. (`+`, `/` and `=` mean something else inside a web
# address; there a variant with `-` and `_` is used.)

# %%
three_bytes = bytes([255, 0, 128])
print(base64.b64encode(three_bytes), "← these are bytes again")
print(base64.b64encode(three_bytes).decode(), "← and this is text")
print(base64.b64decode("/wCA") == three_bytes)

# %% [markdown]
# A few words in front of the base64 say what it is. The whole is called a **data URL**. Ours begin
# with `data:image/png;base64,`.
#
# ### Exercise 1 · Encode
#
# Complete the function: it gets a PIL image and returns its data URL, as text. Save the image as
# PNG, which loses nothing. `io.BytesIO()` is a file in memory: a picture's `save` writes into it as
# into any other file, if you also name the format, `"PNG"`. The method `getvalue()` of the file
# then gives its bytes.


# %% exercise="09.encode"
def as_text(image):
    # BEGIN SOLUTION
    file = io.BytesIO()
    image.save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
    # END SOLUTION


# %%
exercise("09.encode").check(as_text=as_text, small=small)
# exercise("09.encode").hint()

# %% [markdown] hint="09.encode"
# Three steps: the image into a file in memory, the file's bytes into base64, and the words in
# front. The cell with `three_bytes` has the second step.

# %% [markdown] hint="09.encode"
# `b64encode` gives bytes. Only after `.decode()` can you put them after the words with `+`.


# %% wrong="09.encode" says="JSON has no bytes"
def as_text(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue())


# %% wrong="09.encode" says="The `b'` comes from"
def as_text(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue())}"


# %% wrong="09.encode" says="it must begin with"
def as_text(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


# %% wrong="09.encode" says="there is no picture in base64"
def as_text(image):
    return "data:image/png;base64," + base64.b64encode(image.tobytes()).decode()


# %% wrong="09.encode" says="saved as JPEG"
def as_text(image):
    file = io.BytesIO()
    image.save(file, "JPEG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


# %% right="09.encode"
def as_text(image):
    return to_data_url(image)


# %% right="09.encode"
def as_text(image):
    with io.BytesIO() as file:
        image.convert("RGB").save(file, format="png", optimize=True)
        return f"data:image/png;base64,{str(base64.standard_b64encode(file.getvalue()), 'ascii')}"


# %% right="09.encode"
def as_text(image):
    file = io.BytesIO()
    image.save(file, "PNG")
    file.seek(0)
    return "data:image/png;base64," + base64.encodebytes(file.read()).decode()


# %% [markdown]
# ## 4 · The request, by hand
#
# Our service understands the protocol that web demos of GFP-GAN (last section) used in 2022: `POST`
# to `/api/predict`, with a JSON body `{"data": [picture, factor]}`. The factor says how many times
# as wide and as high the result should be: 1, 2, 3 or 4. The picture is what your function makes.
#
# `requests` turns the dictionary into JSON for us (`json=`). The response looks like the request: a
# dictionary with `"data"`, and in it a list with one picture as text.

# %%
picture_as_text = as_text(small) or to_data_url(small)  # the latter until exercise 1 is solved
body = {"data": [picture_as_text, 4]}
answer = requests.post(f"{service.url}/api/predict", json=body, timeout=60)
received = answer.json()["data"][0]
print("status:", answer.status_code)
print("the answer begins with:", received[:22])

# %% [markdown]
# ### Exercise 2 · Decode
#
# The way back: the function gets a data URL and returns the PIL image that is in it. The base64
# begins after the first comma. Go through the steps of exercise 1 in the opposite order.
# (`io.BytesIO` also makes a file of bytes that you have, and `Image.open` reads a file.)


# %% exercise="09.decode"
def from_text(text):
    # BEGIN SOLUTION
    encoded = text.split(",", 1)[1]
    return Image.open(io.BytesIO(base64.b64decode(encoded)))
    # END SOLUTION


# %%
exercise("09.decode").check(from_text=from_text)
# exercise("09.decode").hint()

# %% [markdown] hint="09.decode"
# `text.split(",", 1)` cuts a text at its first comma, into a list of two: the words in front are
# item 0, the base64 is item 1.

# %% [markdown] hint="09.decode"
# From base64 to bytes with `base64.b64decode`, from bytes to a file with `io.BytesIO`, from a file
# to a picture with `Image.open`. Each step takes what the one before gave.


# %% wrong="09.decode" says="a PNG file, but no picture yet"
def from_text(text):
    return base64.b64decode(text.split(",", 1)[1])


# %% wrong="09.decode" says="a file in memory"
def from_text(text):
    return io.BytesIO(base64.b64decode(text.split(",", 1)[1]))


# %% wrong="09.decode" says="for the name of a file"
def from_text(text):
    return Image.open(base64.b64decode(text.split(",", 1)[1]))


# %% wrong="09.decode" says="after the first"
def from_text(text):
    return Image.open(io.BytesIO(base64.b64decode(text)))


# %% wrong="09.decode" says="Cut at the comma"
def from_text(text):
    return Image.open(io.BytesIO(base64.b64decode(text[22:])))


# %% wrong="09.decode" says="not the one in the text"
def from_text(text):
    return small


# %% right="09.decode"
def from_text(text):
    return from_base64(text, max_pixels=1_000_000)


# %% right="09.decode"
def from_text(text):
    head, comma, encoded = text.partition(",")
    image = Image.open(io.BytesIO(base64.decodebytes(encoded.encode())))
    image.load()
    return image


# %% right="09.decode"
def from_text(text):
    from urllib.request import urlopen

    return Image.open(io.BytesIO(urlopen(text).read()))


# %% [markdown]
# Now decode what the service sent, and compare it with the picture from the top of this lesson.

# %% picture="09.repaired"
repaired = from_text(received) or from_base64(received, max_pixels=1_000_000)
display(image_grid([enlarge(small, 4), repaired], labels=["sent", "received"]))
print("the same picture as above:", repaired.convert("RGB").tobytes() == improved.tobytes())

# %% [markdown]
# ## 5 · The same in one line
#
# You have now done by hand what every client library does. `improve_face(small, factor=4,
# url=service.url)` made the poster above with the same steps, and does what you left out: it
# examines what comes back before it uses it, tries again where that is safe, and explains what went
# wrong. (`from_base64` has a limit, `max_pixels`, because a small file can unfold into a gigantic
# picture.) Without `url`, `improve_face` looks for the class's service by itself.
#
# ## 6 · Better? Measure it
#
# Does it look better to you? And is it closer to the ground truth? A common measure is the
# **PSNR**, the *peak signal-to-noise ratio*:
#
# $$\mathrm{PSNR} = 10 \cdot \log_{10} \frac{255^2}{\text{mean of the squared differences}}$$
#
# 255 is the largest value of a pixel. The unit is the decibel (dB), and more is better. Where the
# differences are half as large, the PSNR is about 6 dB higher. For equal pictures it is infinite.
#
# ### Exercise 3 · PSNR
#
# Complete the function. It gets two PIL images of the same size and returns one number, `numpy.inf`
# for equal pictures. `numpy.asarray(image, dtype=float)` gives the pixels as decimal numbers, and
# arrays have a `.mean()`.


# %% exercise="09.psnr"
def my_psnr(image, truth):
    # BEGIN SOLUTION
    one = numpy.asarray(image, dtype=float)
    other = numpy.asarray(truth, dtype=float)
    error = numpy.square(one - other).mean()
    return 10 * numpy.log10(255**2 / error) if error else numpy.inf
    # END SOLUTION


# %%
exercise("09.psnr").check(my_psnr=my_psnr)
# exercise("09.psnr").hint()

# %% [markdown] hint="09.psnr"
# Both pictures as arrays; the difference of the arrays; its square, `** 2`; the mean of that. Then
# the formula, with `numpy.log10`. If the mean is 0, the pictures are equal.

# %% [markdown] hint="09.psnr"
# If your number is far off, look at the type: without `dtype=float` the pixels are whole numbers
# from 0 to 255, and 20 − 200 cannot be written in that type.


# %% wrong="09.psnr" says="wraps around"
def my_psnr(image, truth):
    difference = numpy.asarray(image) - numpy.asarray(truth)
    return 10 * numpy.log10(255**2 / (difference**2).mean())


# %% wrong="09.psnr" says="natural logarithm"
def my_psnr(image, truth):
    difference = numpy.asarray(image, dtype=float) - numpy.asarray(truth, dtype=float)
    return 10 * numpy.log(255**2 / (difference**2).mean())


# %% wrong="09.psnr" says="must be squared"
def my_psnr(image, truth):
    difference = numpy.asarray(image, dtype=float) - numpy.asarray(truth, dtype=float)
    return 10 * numpy.log10(255**2 / numpy.abs(difference).mean())


# %% wrong="09.psnr" says="255², not 255"
def my_psnr(image, truth):
    difference = numpy.asarray(image, dtype=float) - numpy.asarray(truth, dtype=float)
    return 10 * numpy.log10(255 / (difference**2).mean())


# %% wrong="09.psnr" says="cancel each other out"
def my_psnr(image, truth):
    difference = numpy.asarray(image, dtype=float) - numpy.asarray(truth, dtype=float)
    return 10 * numpy.log10(255**2 / difference.mean() ** 2)


# %% wrong="09.psnr" says="not 1"
def my_psnr(image, truth):
    difference = numpy.asarray(image, dtype=float) - numpy.asarray(truth, dtype=float)
    return 10 * numpy.log10(1 / (difference**2).mean())


# %% wrong="09.psnr" says="Only the sign"
def my_psnr(image, truth):
    difference = numpy.asarray(image, dtype=float) - numpy.asarray(truth, dtype=float)
    return 10 * numpy.log10((difference**2).mean() / 255**2)


# %% wrong="09.psnr" says="two equal pictures"
def my_psnr(image, truth):
    import math

    difference = numpy.asarray(image, dtype=float) - numpy.asarray(truth, dtype=float)
    return 10 * math.log10(255**2 / float((difference**2).mean()))


# %% right="09.psnr"
def my_psnr(image, truth):
    return psnr(image, truth)


# %% right="09.psnr"
def my_psnr(image, truth):
    one, other = (torch.tensor(numpy.array(picture), dtype=float) for picture in (image, truth))
    return 20 * torch.log10(255 / torch.nn.functional.mse_loss(one, other).sqrt())


# %% right="09.psnr"
def my_psnr(image, truth):
    if image.tobytes() == truth.tobytes():
        return float("inf")
    error = (numpy.float32(image) - numpy.float32(truth)) ** 2
    return 20 * numpy.log10(255) - 10 * numpy.log10(error.mean())


# %% [markdown]
# A restorer must beat the simple ways to enlarge a picture, or it is of no use. The simplest
# repeats the pixels; *bicubic* and *Lanczos* draw smooth curves through them. We print a second
# measure too, **SSIM** (*structural similarity*), which compares structure in small windows. It is
# 1 for equal pictures, and near 0 for two that have nothing in common
# ([paper](https://doi.org/10.1109/TIP.2003.819861)).

# %% tags=["nbval-ignore-output"]
measure = my_psnr if my_psnr(small, small) else psnr  # the latter until exercise 3 is solved
ways = {
    "repeated pixels": small.resize(original.size, Image.Resampling.NEAREST),
    "bicubic": small.resize(original.size, Image.Resampling.BICUBIC),
    "Lanczos": small.resize(original.size, Image.Resampling.LANCZOS),
    "restorer": improved,
}
for name, candidate in ways.items():
    decibels = measure(candidate, original)
    print(f"{name:16} {decibels:5.2f} dB   SSIM {ssim(candidate, original):.3f}")

# %% [markdown]
# This is one picture. The restorer's card, `helpers/weights/stickers-faces/README.md`, has such
# tables for 16 portraits, by skin tone, and for pictures without a face.
#
# Be careful with such numbers. PSNR compares pixel by pixel. It does not know that an eye matters
# more than a wall, and between a sharp face that is slightly off and a blurred one it often prefers
# the blur. Measure, and look.
#
# ## 7 · What no restorer can know
#
# A thumbnail of 64 × 64 pixels has 16 times fewer pixels than the portrait. Where does the rest
# come from? From what the network saw in training. It draws what is *likely*. The smaller the
# thumbnail, the less it fixes, and in the end a sad and a smiling face have the same one. Here are
# two. The second face is the first with a piece of 64 × 32 pixels turned upside down. The piece
# covers whole squares of 32 × 32 pixels, so each pixel of the 8 × 8 thumbnail, the mean of such a
# square, stays what it was.

# %% picture="09.twins"
face = example_portrait("tan")
twin = face.copy()
mouth = (96, 160, 160, 192)  # left, top, right, bottom: two whole squares
twin.paste(face.crop(mouth).transpose(Image.Transpose.FLIP_TOP_BOTTOM), mouth[:2])
tiny, twins_tiny = thumbnail(face, 8), thumbnail(twin, 8)
guess = improve_face(tiny, factor=4, url=service.url)
shown = {
    "one face": face,
    "another": twin,
    "the thumbnail of both": tiny.resize((256, 256), Image.Resampling.NEAREST),
    "repaired": guess.resize((256, 256), Image.Resampling.BICUBIC),
    "bicubic": tiny.resize((256, 256), Image.Resampling.BICUBIC),
}
display(image_grid(shown.values(), rows=1, labels=shown))
print("the same face:", face.tobytes() == twin.tobytes())
print("the same thumbnail:", tiny.tobytes() == twins_tiny.tobytes())

# %% [markdown]
# One thumbnail, so one repair, and at most one of the two faces can be right. No restorer, however
# large, can know which. A small one like ours stays vague, hardly better than bicubic. A large one
# such as GFP-GAN draws a sharp face anyway, and you cannot see that it is a guess. Sharp does
# not mean true.
#
# With more pixels left, more is certain. The next cell repairs portraits from 64, 32 and 16 pixels.
# Compare each column with the top row: from which size on could you not tell the expression?

# %% picture="09.invented"
people = [example_portrait(skin) for skin in ("light", "tan", "brown", "dark")]
rows = list(people)
labels = ["ground truth"] * 4
for side in (64, 32, 16):
    for person in people:
        guess = improve_face(thumbnail(person, side), factor=4, url=service.url)
        rows.append(guess.resize((256, 256), Image.Resampling.BICUBIC))
    labels += [f"from {side} pixels"] * 4
display(image_grid(rows, cols=4, labels=labels))
print("repaired:", len(rows) - len(people))

# %% [markdown]
# **When repairing a face is wrong**
#
# - *To find out who somebody is.* The result is a face that fits, not the face that was there. When
#   PULSE, a restorer for photographs ([paper](https://arxiv.org/abs/2003.03808)), was used on
#   tiny pictures of well-known people, it drew other people, and
#   [white ones far more often](https://github.com/adamian98/pulse) than others. Its authors
#   answered that it "makes imaginary faces of people who do not exist, which should not be
#   confused for real people".
# - *As evidence or news*, or wherever a reader takes a picture for a record of what happened.
# - *Where it changes a person.* A scar, a wrinkle, an unusual feature: what was rare in the
#   training data is "repaired" away. Measure for different groups of people separately, as the card
#   does.
# - *Without asking.* A photo of a person belongs to that person. Do not send it to somebody else's
#   server.
#
# Repairing a face is fine where everybody knows that it is a drawing: on your poster.
#
# ## 8 · When it fails
#
# A model inside your notebook either works or raises an error. A model somewhere else can also be
# switched off, busy, slow, moved, or answer something odd. A program must expect it. We now break
# things on purpose. First **a wrong factor**: by hand, and then with `improve_face`. Everything
# that can go wrong there ends in one kind of error, `FaceServiceError`.

# %%
body = {"data": [to_data_url(small), 9]}
answer = requests.post(f"{service.url}/api/predict", json=body, timeout=60)
print(answer.status_code, answer.json(), "\n")
try:
    improve_face(small, factor=9, url=service.url)
except FaceServiceError as error:
    print(error)

# %% [markdown]
# 422 begins with a 4: the request was wrong, and the message says how. `improve_face` noticed that
# before it sent anything. *Whose side* says who can fix it: you, or the people who run the server.
# (For a server that is off it says *yours*: the address, and a server of your own, are what you can
# check first.)
#
# Next, **a slow server**. The cell opens a port that takes calls and never answers. With
# `timeout=2`, the client gives up after two seconds, whatever the server does. Then **a server that
# is off**: we close that port and call again.

# %% tags=["nbval-ignore-output"]
silent = socket.create_server(("127.0.0.1", 0))
silent_url = f"http://127.0.0.1:{silent.getsockname()[1]}"
for state in ("slow", "off"):
    try:
        improve_face(small, url=silent_url, timeout=2)
    except FaceServiceError as error:
        print(f"{state}: {error}\n")
    silent.close()

# %% [markdown]
# Every message says what happened, whose side it is on, and what to do next. Read it from the top,
# and do what follows *What to do* before you change your code.
#
# ### Exercise 4 · Lose nothing
#
# Complete the function. It returns the picture improved by the service at `url`, with factor 2. If
# the service fails, however it fails, it returns the picture that it was given. So a program that
# repairs a hundred posters continues when one of them fails.


# %% exercise="09.fallback"
def improve_or_keep(image, url):
    # BEGIN SOLUTION
    try:
        return improve_face(image, factor=2, url=url, timeout=10)
    except FaceServiceError:
        return image
    # END SOLUTION


# %%
exercise("09.fallback").check(improve_or_keep=improve_or_keep, service=service)
# exercise("09.fallback").hint()

# %% [markdown] hint="09.fallback"
# The cells above have the shape: `try:` with the call, and `except FaceServiceError:` with what to
# do instead.

# %% [markdown] hint="09.fallback"
# Both branches need a `return`: one of what the service gives, one of `image`.


# %% wrong="09.fallback" says="The picture that you had should come back"
def improve_or_keep(image, url):
    try:
        return improve_face(image, factor=2, url=url)
    except FaceServiceError as error:
        print(error.what)


# %% wrong="09.fallback" says="comes back as it went in"
def improve_or_keep(image, url):
    try:
        improve_face(image, factor=2, url=url)
    except FaceServiceError:
        pass
    return image


# %% wrong="09.fallback" says="call the service at `url`"
def improve_or_keep(image, url):
    try:
        return improve_face(image, factor=2, url=service.url)
    except FaceServiceError:
        return image


# %% wrong="09.fallback" says="something else comes back"
def improve_or_keep(image, url):
    try:
        return improve_face(image, factor=2, url=url)
    except FaceServiceError:
        return Image.new("RGB", image.size)


# %% wrong="09.fallback" says="in front of the call"
def improve_or_keep(image, url):
    try:
        improve_face(image, factor=2, url=url)
    except FaceServiceError:
        return image


# %% wrong="09.fallback" says="let the error through"
def improve_or_keep(image, url):
    return improve_face(image, factor=2, url=url)


# %% wrong="09.fallback" says="of another kind"
def improve_or_keep(image, url):
    try:
        return improve_face(image, factor=2, url=url)
    except ConnectionError:
        return image


# %% wrong="09.fallback" says="answers that there is no such page"
def improve_or_keep(image, url):
    try:
        return improve_face(image, factor=2, url=url)
    except FaceServiceError as error:
        if "No connection" in error.what:
            return image


# %% right="09.fallback"
def improve_or_keep(image, url):
    result = image
    try:
        result = improve_face(image, url=url)
    except FaceServiceError as error:
        print(error.what)
    return result


# %% right="09.fallback"
def improve_or_keep(image, url):
    import contextlib

    with contextlib.suppress(FaceServiceError):
        return improve_face(image, 2, url)
    return image.copy()


# %% right="09.fallback"
def improve_or_keep(image, url):
    try:
        body = {"data": [to_data_url(image), 2]}
        answer = requests.post(f"{url}/api/predict", json=body, timeout=20)
        answer.raise_for_status()
        return from_base64(answer.json()["data"][0], max_pixels=10_000_000)
    except Exception:
        return image


# %% [markdown]
# Your function can now repair a series in which one call fails: the middle one goes to the port
# that we closed. Expect two pictures of twice the size, and one as it was.

# %%
for url in (service.url, silent_url, service.url):
    kept = improve_or_keep(small, url)
    print("First solve exercise 4." if kept is None else f"{kept.width} pixels wide")

# %% [markdown]
# ## More · Your own poster
#
# Generated faces are often soft around eyes and mouths, because the VAE keeps only a few numbers
# for each. That is a different kind of degradation. The restorer met it in training too, but it is
# harder to undo than that of a JPEG: what the VAE left out is gone. Our restorer has learned to
# leave a picture as it is where it would rather damage it than help, so expect little. The next
# cell draws a portrait and has it repaired. There is no ground truth here, since nobody ever sat
# for this portrait, so we can only look, and measure how much was changed: the higher the PSNR
# between a plain enlargement and the repaired portrait, the less. Change the prompt, and make the
# poster yours. (With `MODEL = "sd-v1-5"` the portrait is a photograph, of a kind that our restorer
# has never seen: see the next section.)

# %% picture="09.own" tags=["nbval-ignore-output"]
pipe = load_pipeline(MODEL)
prompt = "a portrait of a smiling woman with curly red hair and glasses at night"
settings = {"num_inference_steps": 25, "guidance_scale": 5.0}
generator = torch.Generator().manual_seed(7)
portrait = pipe(prompt, generator=generator, **settings).images[0]
star = improve_face(portrait, factor=2, url=service.url)
enlarged = portrait.resize(star.size, Image.Resampling.BICUBIC)
print(f"PSNR between the enlarged and the repaired portrait: {psnr(star, enlarged):.1f} dB")
before_after(poster(portrait, "MIDNIGHT RED"), poster(star, "MIDNIGHT RED"))

# %% [markdown]
# ## More · Many pictures at once
#
# A hundred faces one after the other take a hundred times as long as one, and most of that time
# your program waits. `improve_faces` sends a few at the same time (`at_once`), notes what became
# of each, and goes on where one fails, as your function of exercise 4 did. It takes a list of
# pictures, or a whole `sweep` of lesson 03. Here are the four people of section 7, small:

# %% picture="09.many" tags=["nbval-ignore-output"]
small_ones = [thumbnail(person, 64) for person in people]
many = improve_faces(small_ones, factor=2, url=service.url, at_once=2, progress=False)
display(many.table)
print("failed:", len(many.failed))
done = [one for one in many if one.state == "done"]
given = [enlarge(one.original, 2) for one in done]
display(image_grid(given + [one.improved for one in done], rows=2, min_width=256))

# %% [markdown]
# The upper row is what the service was given, only enlarged, the lower one its answers. The table
# says how long each call took, and `failed` would list what to send again.
#
# Stop every server that you start:

# %%
service.stop()
print("running:", service.running)

# %% [markdown]
# ## More · GFP-GAN, the same for photographs
#
# Our restorer knows cartoon faces of one design. **GFP-GAN**
# ([paper](https://arxiv.org/abs/2101.04061), [code](https://github.com/TencentARC/GFPGAN)) knows
# photographs. It makes the missing detail with a face generator (a StyleGAN2) that was trained on
# 70,000 portraits ([FFHQ](https://github.com/NVlabs/ffhq-dataset)). So it invents faces with much
# more skill, and all of section 7 holds for it.
#
# - **Public demo.** [Xintao/GFPGAN](https://huggingface.co/spaces/Xintao/GFPGAN), by the paper's
#   first author. It is a **Space**: an app that runs on the Hugging Face hub. It takes picture,
#   version and scale.
# - **Service with an account.** [tencentarc/gfpgan](https://replicate.com/tencentarc/gfpgan) on
#   Replicate. It wants an access token, which is a password for programs, and has a protocol of its
#   own, which `improve_face` does not support.
# - **On your own computer.** The [code](https://github.com/TencentARC/GFPGAN) and its weights. The
#   packages [`gfpgan` 1.3.8](https://pypi.org/project/gfpgan/) and
#   [`basicsr` 1.4.2](https://pypi.org/project/basicsr/) date from 2022, and do not install on
#   Python 3.13.
# - **License.** Apache 2.0, with exceptions that
#   [the license file](https://github.com/TencentARC/GFPGAN/blob/master/LICENSE) lists: parts from
#   others keep their own terms, and those of StyleGAN2 and DFDNet do not allow commercial use.
# - **Cost.** The Space is free of charge. A Space on free hardware
#   [goes to sleep after 48 hours](https://huggingface.co/docs/hub/spaces-gpus#sleep-time) without a
#   visitor; then the next call fails or waits. Replicate's price is on the page above; it changes.
#
# To point this lesson at it you need a network, a picture that you may give away, and one line:
#
# ```python
# improve_face(photo, factor=2, url="Xintao/GFPGAN", timeout=120)
# ```
#
# Or set the environment variable `FACE_API_URL` to the address before you start Jupyter; then every
# `improve_face(photo)` goes there. We do not run it in class, because nobody can promise that it is
# running today. That is why the course has a service of its own, and why a program should be ready
# for every failure of section 8.
#
# Your instructor's computer can serve the whole class: `python -m helpers faces --host 0.0.0.0`
# there (0.0.0.0 lets other computers in), and `improve_face(image, url="http://…:7870")` with its
# address here.
#
# ## What you learned
#
# - An **API** is an address that programs can ask. A **request** goes out; a **response** with a
#   **status code** and a body comes back.
# - Bytes travel as **base64** in a **data URL** inside JSON: encode, `POST`, decode.
# - Always give a **timeout**, expect failure, keep the original.
# - **PSNR** and **SSIM** measure how close a picture is to the **ground truth**, where it is known.
# - Different faces can have the same thumbnail. A restorer draws **plausible** detail; never use it
#   to find out who somebody is.
#
# **Try on your own:** save the thumbnail with `quality=20` instead of 85 and repair it again: what
# does `my_psnr` say? Then send a picture without a face, such as a sticker of a fox. (If no service
# is running, `improve_face` without `url` starts one.)
#
# **Read on:** [Limits, bias, consent and copyright](../course/reading/limits.md).
#
# Next: [lesson 10](10_app.ipynb), in which your own model gets a page.
