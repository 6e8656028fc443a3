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
# # 04 · Prompts: say what you want to see
#
# A prompt is the only thing that you *tell* the model. On the web you find long lists of magic
# words for it. In this lesson you find out by experiment what a prompt does. You draw five film
# posters from one noise, change prompts word by word, and see where words are of no use at all.
#
# ![Five posters drawn from one noise: a rocket at night, a ghost in the city, a sailboat on the
# beach, a robot in the snow and a dinosaur in a meadow](../course/pictures/04_posters.png)
#
# **At the end you will be able to**
#
# - build a prompt from its parts, and say what the model decides where you say nothing;
# - compare prompts fairly, from one and the same noise;
# - find the words that a model has never read, and the words that it never gets to see;
# - try all combinations of some parts in a prompt matrix;
# - use a negative prompt, and prove that it did something;
# - say what a model can put together, and where it fails.
#
# **Time:** 45 minutes for the core path, sections 1 to 5. The sections headed *More* take another
# 30. **You need:** lessons 01 to 03. The complete solution is `solutions/04_prompts.ipynb`.

# %% [markdown]
# ## 1 · The parts of a prompt
#
# Most prompts answer three questions: *what* is in the picture, *where* is it, and *how* is it
# made? The next cell asks for a rocket three times and each time says a little more. All three
# pictures start from the noise of seed 7, so whatever differs between them comes from the words.
#
# Before you run it: what will the model do about the place and the style while you say nothing
# about them? (16 steps will do here, so that you wait less; `progress=False` hides the progress
# bar.)

# %% picture="04.parts"
import textwrap
import warnings

import diffusers
import transformers
from IPython.display import display

from helpers import (
    BACKGROUNDS,
    KNOWN_WORDS,
    STYLES,
    SUBJECTS,
    exercise,
    explorer,
    image_grid,
    load_pipeline,
    load_ranker,
    sweep,
    unknown_words,
    was_held_out,
    with_article,
)

MODEL = "stickers"
pipe = load_pipeline(MODEL)
SETTINGS = {"num_inference_steps": 16, "guidance_scale": 5.0, "progress": False}
sweep(
    pipe,
    prompt=[
        "a rocket",
        "a rocket under the night sky",
        "a 3d sticker of a rocket under the night sky",
    ],
    seed=7,
    **SETTINGS,
)

# %% [markdown]
# A picture always has a background and a style. What you leave open, the model fills in with
# something that it has often seen, and with another seed it fills in something else. A good prompt
# need not be long. It says what matters to you and leaves the rest open.
#
# For a large model the same three questions have richer answers. *How* can be a medium (oil
# painting, photograph), a light (soft morning light), a camera angle, or the manner of a painter.
# Each of these words works for one reason only: it was in the captions of pictures that looked like
# that.
#
# ## 2 · Five posters, one noise
#
# A small cinema shows five films this week, and each needs a poster. Four of them have a prompt.
#
# ### Exercise 1 · The fifth film, and a fair comparison
#
# Add a film of your own to the dictionary `films`, with `films["title"] = "prompt"`. The prompt
# says what, where and how. Use words that the sticker model knows (with another `MODEL` too, so
# that the check can read your prompt); the next cell prints them. The four prompts show the
# pattern. A color is written *on a red background*, a place *in the snow* or *in a meadow*. Then
# make `posters`: one sweep over all five prompts, with seed 7 and our `SETTINGS`. Nothing but the
# prompt may vary.

# %%
for question, words in [("what", SUBJECTS), ("where", BACKGROUNDS), ("how", STYLES)]:
    print(textwrap.fill(f"{question}: {', '.join(words)}", width=90))

# %% exercise="04.posters" picture="04.posters"
films = {
    "Last Rocket Home": "a 3d sticker of a rocket under the night sky",
    "The Ghost of Mill Street": "a cartoon sticker of a ghost in the city",
    "One Summer, One Sail": "a flat sticker of a sailboat on the beach",
    "Cold Circuits": "a 3d sticker of a robot in the snow",
}
my_title = "Giant of the Meadow"  # SOLUTION
films[my_title] = "a cartoon sticker of a dinosaur in a meadow"  # SOLUTION
# BEGIN SOLUTION
posters = sweep(pipe, prompt=list(films.values()), seed=7, **SETTINGS)
display(posters)
# END SOLUTION
# BEGIN STUB
# posters = ...  # a sweep; then show it with display(posters)
# END STUB

# %%
exercise("04.posters").check(films=films, posters=posters)
# exercise("04.posters").hint()

# %% [markdown] hint="04.posters"
# A film is a line such as `films["Night of the Owl"] = "a simple sticker of an owl at night"`.

# %% [markdown] hint="04.posters"
# `list(films.values())` is the list of all prompts. The sweep of section 1 had a list of prompts,
# too.

# %% [markdown] hint="04.posters"
# In `sweep(pipe, prompt=…, seed=…, **SETTINGS)` only what is a list varies. One seed is a plain
# number.

# %% wrong="04.posters" says="`seed` varies as well"
films = {"Last Rocket Home": "a rocket at night", "Cold Circuits": "a robot in the snow"}
films["Meadow"] = "a dinosaur in a meadow"
films |= {"Sail": "a sailboat on the beach", "Mill Street": "a ghost in the city"}
posters = sweep(pipe, prompt=list(films.values()), seed=[7, 8], num_inference_steps=1)

# %% wrong="04.posters" says="seed"
films = {"Last Rocket Home": "a rocket at night", "Cold Circuits": "a robot in the snow"}
films["Meadow"] = "a dinosaur in a meadow"
films |= {"Sail": "a sailboat on the beach", "Mill Street": "a ghost in the city"}
posters = sweep(pipe, prompt=list(films.values()), num_inference_steps=1)

# %% wrong="04.posters" says="epic, superhero"
films = {"Last Rocket Home": "a rocket at night", "Cold Circuits": "a robot in the snow"}
films["Super"] = "an epic superhero in the city"
films |= {"Sail": "a sailboat on the beach", "Mill Street": "a ghost in the city"}
posters = sweep(pipe, prompt=list(films.values()), seed=7, num_inference_steps=1)

# %% wrong="04.posters" says="is always"
films = {"Last Rocket Home": "a rocket at night", "Cold Circuits": "a robot in the snow"}
films["Meadow"] = "a dinosaur in a meadow"
films |= {"Sail": "a sailboat on the beach", "Mill Street": "a ghost in the city"}
posters = sweep(pipe, prompt=", ".join(films), seed=7, num_inference_steps=1)

# %% wrong="04.posters" says="has 4 films"
films = {"Last Rocket Home": "a rocket at night", "Cold Circuits": "a robot in the snow"}
films |= {"Sail": "a sailboat on the beach", "Mill Street": "a ghost in the city"}
posters = sweep(pipe, prompt=list(films.values()), seed=7, num_inference_steps=1)

# %% wrong="04.posters" says="does not say where, how"
films = {
    "Last Rocket Home": "a 3d sticker of a rocket under the night sky",
    "The Ghost of Mill Street": "a cartoon sticker of a ghost in the city",
    "One Summer, One Sail": "a flat sticker of a sailboat on the beach",
    "Cold Circuits": "a 3d sticker of a robot in the snow",
    "Owl": "an owl",
}
posters = sweep(pipe, prompt=list(films.values()), seed=7, **SETTINGS)

# %% right="04.posters"
films = {
    "Last Rocket Home": "a 3d sticker of a rocket under the night sky",
    "The Ghost of Mill Street": "a cartoon sticker of a ghost in the city",
    "One Summer, One Sail": "a flat sticker of a sailboat on the beach",
    "Cold Circuits": "a 3d sticker of a robot in the snow",
    "Her Hair": "Cartoon ice cream, grey background",
}
posters = sweep(pipe, seed=7, prompt=tuple(films.values()), **SETTINGS)

# %% right="04.posters"
films = {
    "Last Rocket Home": "a 3d sticker of a rocket under the night sky",
    "The Ghost of Mill Street": "a cartoon sticker of a ghost in the city",
    "One Summer, One Sail": "a flat sticker of a sailboat on the beach",
    "Cold Circuits": "a 3d sticker of a robot in the snow",
}
films |= {"Peak": "a mountain in a snowy landscape, simple style"}
posters = sweep(
    pipe,
    prompt=[*films.values()],
    seed=7,
    num_inference_steps=16,
    guidance_scale=5,
    negative_prompt=None,
    progress=False,
)

# %% [markdown]
# With their titles they can go up on the wall. (Until the exercise is solved, the cell only says
# so.) All five start from the same noise. Compare the large shapes and the small lights: is
# anything in the same place in two of the posters?

# %% picture="04.titles" export="04_posters.png"
if posters is ...:
    print("First solve exercise 1.")
else:
    display(image_grid(posters.images, cols=3, labels=films, min_width=256))
    print(len(posters), "posters of", posters.images[0].size, "pixels")

# %% [markdown]
# ## 3 · Words that the model has never read
#
# We wanted film posters, and yet never wrote *movie poster*. See what becomes of a prompt. The
# **tokenizer** cuts it into tokens and looks each of them up in its list, the **vocabulary**. Words
# that were often in the captions are one token, and `</w>` marks the end of a word. What happens to
# *movie* and *poster*?

# %%
poster_prompt = "a movie poster of a rocket under the night sky"
print(" · ".join(pipe.tokenizer.tokenize(poster_prompt)))
print("tokens in its vocabulary:", len(pipe.tokenizer))

# %% [markdown]
# A word that is not in the vocabulary falls into pieces, down to single letters if need be. So no
# prompt is ever refused. But the model never learned what these pieces mean in this order, and no
# error tells you so.
#
# ### Exercise 2 · Find the strangers
#
# `KNOWN_WORDS` holds all the words that the sticker model has read, in lower case. Complete the
# function: it gets a prompt and returns the list of those of its words that are *not* in
# `KNOWN_WORDS`, in their order. Capital letters and commas must not matter.


# %% exercise="04.strangers"
def strangers(prompt):
    # BEGIN SOLUTION
    words = prompt.lower().replace(",", " ").split()
    return [word for word in words if word not in KNOWN_WORDS]
    # END SOLUTION


# %%
exercise("04.strangers").check(strangers=strangers)
# exercise("04.strangers").hint()

# %% [markdown] hint="04.strangers"
# `prompt.split()` gives the list of the words. What does it give for `"a fox, a cat"`? Print it.

# %% [markdown] hint="04.strangers"
# `text.lower()` gives small letters, and `text.replace(",", " ")` puts a space where a comma was.
# Both before `split()`.

# %% [markdown] hint="04.strangers"
# `[word for word in words if len(word) > 3]` makes a list of the long words. Your condition is
# `word not in …`.


# %% wrong="04.strangers" says="letter by letter"
def strangers(prompt):
    return [word for word in prompt.lower() if word not in KNOWN_WORDS]


# %% wrong="04.strangers" says="comma"
def strangers(prompt):
    return [word for word in prompt.lower().split() if word not in KNOWN_WORDS]


# %% wrong="04.strangers" says="capital"
def strangers(prompt):
    return [word for word in prompt.replace(",", " ").split() if word not in KNOWN_WORDS]


# %% wrong="04.strangers" says="the other way round"
def strangers(prompt):
    words = prompt.lower().replace(",", " ").split()
    return [word for word in words if word in KNOWN_WORDS]


# %% wrong="04.strangers" says="only subjects"
def strangers(prompt):
    words = prompt.lower().replace(",", " ").split()
    return [word for word in words if word not in SUBJECTS]


# %% wrong="04.strangers" says="before it is clean"
def strangers(prompt):
    return [word.strip(",").lower() for word in prompt.split() if word not in KNOWN_WORDS]


# %% wrong="04.strangers" says="returns `None`"
def strangers(prompt):
    words = prompt.lower().replace(",", " ").split()
    unknown = [word for word in words if word not in KNOWN_WORDS]
    if unknown:
        return unknown


# %% right="04.strangers"
def strangers(prompt):
    words = prompt.replace(",", "").split(" ")
    return [word for word in words if word.lower() not in KNOWN_WORDS]


# %% right="04.strangers"
def strangers(prompt):
    found = []
    for word in prompt.split():
        word = word.strip(",.").casefold()
        if word not in KNOWN_WORDS:
            found += [word]
    return tuple(found)


# %% right="04.strangers"
def strangers(prompt):
    return unknown_words(prompt)


# %% [markdown]
# Does a stranger change the picture? Three prompts, one noise. The first is all known words; what
# your function finds in the others is printed above the pictures. (`unknown_words` of our helpers
# does the same and copes with all other punctuation, too.)

# %% picture="04.strangers"
with_strangers = [
    "a rocket under the night sky",
    poster_prompt,
    "a breathtaking rocket under the night sky, trending masterpiece",
]
for prompt in with_strangers:
    print(f"{prompt!r}: yours {strangers(prompt)}, the helper's {unknown_words(prompt)}")
sweep(pipe, prompt=with_strangers, seed=7, **SETTINGS)

# %% [markdown]
# Is it still a rocket? The pieces of unknown words are not ignored. They reach the U-Net as vectors
# like all others, they change the vectors of the words after them, and they push the picture in a
# direction that nobody chose. That may cost you the subject itself. It is also why a magic word may
# seem to work: *something* changed. Whether it changed for the better, you only know after several
# seeds.
#
# A large model has read *movie poster* many times and knows what one looks like. It has its own
# strangers: your name, this year's fashion, your town. The question is the same for each model: was
# this word in its captions?
#
# ## 4 · A prompt matrix
#
# *What does each subject look like in each style?* That is a question for a table: subjects down,
# styles across. A **prompt matrix** is the list of all its prompts.
#
# ### Exercise 3 · All combinations
#
# Make the list `matrix` of prompts of the form `a flat sticker of a cat on a blue background`,
# for each of the `subjects` with each of the `STYLES`. The order is that of reading: all styles of
# the first subject, then all styles of the second.

# %% exercise="04.matrix"
subjects = ["cat", "rose"]
# BEGIN SOLUTION
matrix = [
    f"a {style} sticker of a {subject} on a blue background"
    for subject in subjects
    for style in STYLES
]
# END SOLUTION
# BEGIN STUB
# matrix = ...
# END STUB

# %%
exercise("04.matrix").check(matrix=matrix, subjects=subjects)
# exercise("04.matrix").hint()

# %% [markdown] hint="04.matrix"
# One prompt first. In an f-string, `f"a {style} sticker"`, the name in braces is replaced by its
# value.

# %% [markdown] hint="04.matrix"
# You need a loop within a loop. The outer one changes slowly: it is the row of the table.

# %% [markdown] hint="04.matrix"
# Either two `for` lines with `matrix.append(…)` in the inner one, or `[… for subject in subjects
# for style in STYLES]`, where the first `for` is the outer loop.

# %% wrong="04.matrix" says="`zip`"
subjects = ["cat", "rose"]
matrix = [
    f"a {style} sticker of a {subject} on a blue background"
    for subject, style in zip(subjects, STYLES, strict=False)
]

# %% wrong="04.matrix" says="changes too fast"
subjects = ["cat", "rose"]
matrix = [
    f"a {style} sticker of a {subject} on a blue background"
    for style in STYLES
    for subject in subjects
]

# %% wrong="04.matrix" says="the letter f"
subjects = ["cat", "rose"]
matrix = ["a {style} sticker of a {subject} on a blue background" for _ in range(8)]

# %% wrong="04.matrix" says="list of lists"
subjects = ["cat", "rose"]
matrix = [
    [f"a {style} sticker of a {subject} on a blue background" for style in STYLES]
    for subject in subjects
]

# %% wrong="04.matrix" says="`matrix[0]`"
subjects = ["cat", "rose"]
matrix = [f"{style} {subject}" for subject in subjects for style in STYLES]

# %% wrong="04.matrix" says="is repeated"
subjects = ["cat", "rose"]
matrix = [f"a {style} sticker of a cat on a blue background" for style in STYLES] * 2

# %% right="04.matrix"
subjects = ["owl", "rose"]
matrix = []
for subject in subjects:
    article = "an" if subject[0] in "aeiou" else "a"
    for style in STYLES:
        matrix.append(f"a {style} sticker of {article} {subject} on a blue background")

# %% right="04.matrix"
subjects = ("cat", "rose")
pattern = "a {} sticker of a {} on a blue background"
matrix = tuple(pattern.format(style, subject) for subject in subjects for style in STYLES)

# %% right="04.matrix"
subjects = ["cat", "rose"]
matrix = sum(
    (
        [f"a {style} sticker of a {subject} on a blue background" for style in STYLES]
        for subject in subjects
    ),
    [],
)

# %% [markdown]
# For the sweep this is one long list of prompts; we lay the pictures out as the table that they
# are. Read it both ways. Down a column: is it the same style? Along a row: is it the same subject?

# %% picture="04.matrix"
if matrix is ...:
    print("First solve exercise 3.")
else:
    pictures = sweep(pipe, prompt=matrix, seed=7, **SETTINGS).images
    labels = [f"{style} {subject}" for subject in subjects for style in STYLES]
    display(image_grid(pictures, rows=len(subjects), labels=labels, min_width=256))
    print(len(pictures), "pictures,", len({picture.tobytes() for picture in pictures}), "different")

# %% [markdown]
# The number of pictures is the product of the parts: three styles, five subjects, four places and
# ten seeds are already 600. So vary only what you ask about.
#
# ## 5 · What you do not want
#
# You want a house by day. Can you simply say so, *not at night*? Watch what that does. Above the
# plain prompt, below the one with *not*, for three seeds.

# %% picture="04.negation"
negation = sweep(pipe, prompt=["a house", "a house, not at night"], seed=[1, 2, 3], **SETTINGS)
display(negation)

# %% [markdown]
# A caption says what *is* in a picture. *Not* was in none of ours, so to this model it is a
# stranger, and *night* is night. Larger models have read *not*, and still are bad at it: a [study
# of models that relate texts and pictures](https://arxiv.org/abs/2501.09425), CLIP among them,
# found that they often do no better than chance. Words in a prompt attract, whatever comes before
# them.
#
# The right place is the **negative prompt**: a text of its own, from which the picture is pushed
# *away*. There you name the thing itself, without any *not*.
#
# **When does it work?** It pushes away from what the model adds by itself. It can't take away what
# the prompt asks for: with the prompt *a house at night* and the negative prompt *at night*, both
# ask for a night, and a night remains. So first see what the model adds. The next cell draws houses
# and asks a judge, the small CLIP of lesson 07, which place each of them shows, until it has seen
# one place three times. That place becomes `seen`, and those three seeds are `seeds`. (With another
# `MODEL` this CLIP is a poor judge: look for yourself, and set `seen` and `seeds` by hand.)

# %% picture="04.seen" tags=["nbval-ignore-output"]
SAID = {"beach": "on the beach", "night": "at night", "meadow": "in a meadow"}
SAID |= {"city": "in the city", "snow": "in the snow"}
places = [SAID.get(name, f"on {with_article(name)} background") for name in BACKGROUNDS]
ranker = load_ranker()


def places_in(images):
    captions = [f"a house {place}" for place in places]
    return [places[best] for best in ranker.scores(images, captions).cosine.argmax(1)]


houses, found = [], []
while not found or max(found.count(place) for place in found) < 3:
    drawn = sweep(pipe, prompt="a house", seed=range(len(found), len(found) + 8), **SETTINGS)
    houses += drawn.images
    found += places_in(drawn.images)
seen = max(places, key=found.count)
seeds = [seed for seed, place in enumerate(found) if place == seen][:3]
display(image_grid(houses, cols=4, labels=found, min_width=256))
print(f"seen most often: {seen}, {found.count(seen)} times; seeds: {seeds}")

# %% [markdown]
# ### Exercise 4 · Prove that it works
#
# A picture with a negative prompt that lacks the place proves nothing: perhaps it would have lacked
# it anyway. You need a **control**, the same picture without the negative prompt, and the control
# must show the place. Make the sweep `proof` for the prompt `"a house"`: without negative prompt
# (`None`) and with `seen`, in this order, for the three `seeds`. The first list that you name gives
# the rows, so name `negative_prompt` before `seed`. Everything else as in `SETTINGS`.

# %% exercise="04.negative" picture="04.negative"
# BEGIN SOLUTION
proof = sweep(pipe, prompt="a house", negative_prompt=[None, seen], seed=seeds, **SETTINGS)
display(proof)
# END SOLUTION
# BEGIN STUB
# proof = ...  # a sweep; then show it with display(proof)
# END STUB

# %%
exercise("04.negative").check(proof=proof, seen=seen, seeds=seeds)
# exercise("04.negative").hint()

# %% [markdown] hint="04.negative"
# Look at the sweep with *not*: two lists, so rows and columns. Now the prompt is one text, and
# another setting is a list of two.

# %% [markdown] hint="04.negative"
# `negative_prompt=[None, …]`: the first row is the control.

# %% wrong="04.negative" says="control"
proof = sweep(pipe, prompt="a house", negative_prompt=seen, seed=seeds, num_inference_steps=1)

# %% wrong="04.negative" says="`prompt` varies as well"
proof = sweep(pipe, prompt=["a house", f"a house, not {seen}"], seed=seeds, num_inference_steps=1)

# %% wrong="04.negative" says="the thing itself"
proof = sweep(
    pipe,
    prompt="a house",
    negative_prompt=[None, f"not {seen}"],
    seed=seeds,
    num_inference_steps=1,
)

# %% wrong="04.negative" says="take all three"
proof = sweep(
    pipe, prompt="a house", negative_prompt=[None, seen], seed=seeds[0], num_inference_steps=1
)

# %% wrong="04.negative" says="guidance"
proof = sweep(
    pipe,
    prompt="a house",
    negative_prompt=[None, seen],
    seed=seeds,
    guidance_scale=1.0,
    num_inference_steps=1,
)

# %% wrong="04.negative" says="without them"
proof = sweep(
    pipe, prompt="a house", negative_prompt=["None", seen], seed=seeds, num_inference_steps=1
)

# %% wrong="04.negative" says="the text asks for 'a house'"
proof = sweep(
    pipe, prompt=f"a house {seen}", negative_prompt=[None, seen], seed=seeds, num_inference_steps=1
)

# %% right="04.negative"
proof = sweep(pipe, prompt="a house", negative_prompt=["", seen], seed=tuple(seeds), **SETTINGS)

# %% right="04.negative"
proof = sweep(
    pipe,
    negative_prompt=(None, seen),
    seed=list(seeds),
    prompt="a house",
    num_inference_steps=16,
    guidance_scale=5,
    progress=False,
    mode="exact",
)

# %% [markdown]
# Go through the columns. Only those count whose control shows the place: has it gone there? And
# what does the judge say?

# %% tags=["nbval-ignore-output"]
if proof is ...:
    print("First solve exercise 4.")
else:
    judged = places_in(proof.images)
    for seed, control, pushed in zip(seeds, judged[:3], judged[3:], strict=True):
        print(f"seed {seed}: control {control}, away from {seen!r}: {pushed}")
    shown = [
        pushed for control, pushed in zip(judged[:3], judged[3:], strict=True) if control == seen
    ]
    print(f"shown by {len(shown)} controls, gone in {len(shown) - shown.count(seen)} of them")

# %% [markdown]
# If it is gone in all of them, you have your proof, for this model and these seeds. The push acts
# on every picture, and it also moves things that you never named. So a negative prompt is for what
# you *saw* and want to get rid of. The long lists that are passed around (*bad anatomy, extra
# limbs, worst quality* …) push in all directions at once, and our model does not even know
# the words. How strong the push is, and when it is off altogether, is the subject of lesson 05.

# %% [markdown]
# ## More · Order
#
# Does the order of the words matter? The first two prompts below are written like the captions. In
# the third the parts are shuffled, in the fourth the words. It is the same bag of words each time,
# or nearly so. Decide which pictures will still show a 3d parrot on pink. (The prompt that looks
# worst to you need not be worst for the model: try `seed=[7, 8, 9]` before you believe one
# picture.)

# %% picture="04.order"
orders = [
    "a 3d sticker of a parrot on a pink background",
    "a parrot on a pink background, 3d style",
    "on a pink background a parrot, a sticker of 3d",
    "pink a background a 3d on of sticker parrot a",
]
sweep(pipe, prompt=orders, seed=7, **SETTINGS)

# %% [markdown]
# To see why the order counts, look at what the U-Net is given: not tokens, but one **vector** per
# token, made by the text encoder. We compare the vectors of two prompts that differ in a single
# word near the end. `encode_prompt` gives them. It is told where to compute (`pipe.device`), how
# many pictures to draw per prompt (`1`), and that it need not care about the negative prompt
# (`False`). Of what it returns, the first `[0]` takes the prompts, and the second the first prompt.
# For each place in the row we ask whether both prompts have the same vector there: `=` says yes,
# `x` says no. Which ones will differ? Only one?


# %%
def vectors(prompt):
    return pipe.encode_prompt(prompt, pipe.device, 1, False)[0][0]


on_pink = vectors("a 3d sticker of a parrot on a pink background")
on_blue = vectors("a 3d sticker of a parrot on a blue background")
equal = [one.allclose(other, atol=1e-3) for one, other in zip(on_pink, on_blue, strict=True)]
print("shape:", tuple(on_pink.shape))
print("equal:", "".join("=" if same else "x" for same in equal))

# %% [markdown]
# From the word that changed on, *all* vectors differ, up to the padding at the end; before it,
# none. The text encoder is **causal**: it reads from left to right, and each token sees itself and
# what comes before it, and nothing after it ([CLIP](https://arxiv.org/abs/2103.00020) was built
# like this). A word at the front changes the vectors of all that follows. A word at the end changes
# only the end. So write as captions are written: then the vectors are of the kind that the U-Net
# learned from.
#
# ## More · The end of the page
#
# The text encoder has room for a fixed number of tokens, the marks for start and end included. What
# is beyond that is cut off. How much room is there? The next cell piles up adjectives, of the kind
# that one finds on the web, until they need more.

# %%
limit = pipe.tokenizer.model_max_length
wordy = "a breathtaking masterpiece"
while len(pipe.tokenizer(wordy, verbose=False).input_ids) <= limit:
    wordy += ", ultra detailed, award winning"
print("room for", limit, "tokens")
print(textwrap.fill(wordy, width=90))

# %% [markdown]
# There is no room left for the subject. Now two prompts that begin with these words: one ends in a
# fox, the other in a whale. We catch the warnings that `sweep` gives and print them. (The libraries
# print similar notices, which are easily lost among others; the loop turns them off.) The mode
# `"exact"` draws the pictures one after the other, so that equal means equal in every bit.

# %% picture="04.limit"
for library in (diffusers, transformers):
    library.utils.logging.set_verbosity_error()
endings = [f"{wordy}, a fox on a red background", f"{wordy}, a whale in the snow"]
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", UserWarning)
    cut_off = sweep(pipe, prompt=endings, seed=7, mode="exact", **SETTINGS)
print(len(caught), "warnings, the first:", textwrap.shorten(str(caught[0].message), 90))
print("the same picture:", cut_off.images[0].tobytes() == cut_off.images[1].tobytes())
display(image_grid(cut_off.images, rows=1, labels=["… a fox", "… a whale"], min_width=256))

# %% [markdown]
# The model never saw the fox or the whale: both are beyond the end. Stable Diffusion 1.x has room
# for 77 tokens (`model_max_length` in [its
# tokenizer](https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5/tree/main/tokenizer)),
# and each of its prompts is cut in the same way. Some programs read longer prompts in several
# pieces and join the vectors; that is a trick of the program, and the model was never trained for
# it. The better cure is a shorter prompt with the subject first.
#
# ## More · Putting things together, and where it fails
#
# About one in ten combinations of subject, style and background was kept out of the training of the
# sticker model on purpose. `was_held_out` knows which. The model has seen cats, it has seen flat
# stickers, it has seen purple; but if *a flat cat on purple* is on the list, it has never seen
# that. Can it draw it? We take eight at equal distances from the list, so that nobody picks the
# good ones. Count: in how many are the subject, the style and the place all right?

# %% picture="04.held_out"
held_out = [
    (subject, style, background)
    for subject in SUBJECTS
    for style in STYLES
    for background in BACKGROUNDS
    if was_held_out(subject, style, background)
]
chosen = held_out[:: len(held_out) // 8][:8]
never_seen = [f"{style} {subject}, {place} background" for subject, style, place in chosen]
print(len(held_out), "combinations were held out")
pictures = sweep(pipe, prompt=never_seen, seed=7, **SETTINGS).images
labels = [", ".join(parts) for parts in chosen]
display(image_grid(pictures, rows=2, labels=labels, min_width=256))

# %% [markdown]
# When a model draws what it never saw together, it **composes**: what it learned about a style
# holds for subjects that it never saw in that style. How often does ours succeed? Eight pictures
# are too few to say. The [model card](../helpers/weights/stickers/README.md) reports a measurement
# over many more, with combinations that were trained on beside those that were held out.
#
# And now two subjects in one picture, with four seeds. Count: in how many do you see both, and in
# how many one, or a mixture?

# %% picture="04.two"
two = "a cat and a rocket on a teal background"
print("unknown words:", unknown_words(two))
sweep(pipe, prompt=two, seed=[1, 2, 3, 4], **SETTINGS)

# %% [markdown]
# Did you count both four times? Hardly, although every word is known. There are two reasons, and
# better words help against neither.
#
# - *The data.* Each picture that the sticker model learned from shows one subject. It has read
#   *and* in captions of portraits (*red hair and glasses*), and never between two subjects.
# - *The architecture.* Each place in the latents looks at all words of the prompt at once and takes
#   from them what fits. Nothing tells it which place belongs to which word. So both subjects
#   compete for the middle of the picture.
#
# The large models have seen pictures with many things, and do better. But the second reason holds
# for them as well. A [study of Stable Diffusion](https://arxiv.org/abs/2301.13826) calls it
# *catastrophic neglect* when one of the subjects is left out. It also shows that colors land on the
# wrong thing: ask for *a blue cat and a red bowl*, and look closely. Counting (*five apples*) and
# places (*left of*) are hard for the same reason. Magic words don't help, but other tools do: draw
# the parts apart and put them together, or give the model a sketch.

# %% [markdown]
# ## More · Your own prompts
#
# Play. Type a prompt, or a negative one, press *draw*, and compare with another seed. (The controls
# need a running notebook. Where you only read, you see the first picture.)

# %% picture="04.explorer"
explorer(
    pipe,
    prompt="a 3d sticker of a rocket under the night sky",
    negative_prompt="",
    seed=7,
    num_inference_steps=16,
    guidance_scale=5.0,
)

# %% [markdown]
# ## What you learned
#
# - A prompt says **what, where and how**; what you leave open, the model fills in.
# - Compare prompts **from one seed** and vary nothing else. Believe it after several seeds.
# - A word works if it was in the **captions**. Others fall into pieces and push the picture
#   somewhere; no error tells you.
# - A **prompt matrix** has all combinations of some parts.
# - *Not* does not work in a prompt. The **negative prompt** pushes away from what it names, and
#   only a control that shows the thing proves it.
# - The text encoder reads from left to right, and has a **limit**: what matters goes first, and
#   what is beyond the limit is never seen.
# - Models **compose** subject, style and place in ways that they never saw. Two subjects, counts
#   and positions often fail.
#
# **Try on your own:** a portrait, such as *a portrait of a sad man with short grey hair and a red
# shirt on a blue background*. Does the red stay on the shirt? Which of the words can be left out
# before the picture changes? And what does the empty prompt, `""`, draw?
#
# **Read on:** [Prompt writing](../course/reading/prompt-writing.md).
#
# Next: [lesson 05](05_guidance.ipynb), about the number that says how hard the prompt pushes.
