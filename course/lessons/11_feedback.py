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
# # 11 · Collecting feedback: what do people like?
#
# Is a picture good? A computer can measure noise and compare colours, but whether somebody *likes*
# a picture only that somebody can say. In this lesson you ask people, store what they say with
# care, and look at it. The last step writes the set of pictures that lesson 12 trains on.
#
# **At the end you will be able to**
#
# - say what to store with a rating, and what never to store;
# - ask for consent, and keep to it when you use the data;
# - rate pictures in the notebook and in the app;
# - read a table of ratings with pandas: which prompts are liked, and at which guidance;
# - compare the people's word with CLIP's score;
# - export a set to train on, and delete a rating when its author asks.
#
# **Time:** about 60 minutes. **You need:** lessons 01 and 10; lesson 07 helps. No network.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/11_feedback.ipynb` four exercises have a gap, written `...`. Fill
#    the gap, run the cell, and run the check below it.
# 2. *With hints.* Remove the `#` in front of the hint line below the check. Each run gives one more
#    hint. Put the `#` back to see the check again.
# 3. *With the complete solution.* `solutions/11_feedback.ipynb` is this notebook with every gap
#    filled and every picture shown.

# %% [markdown]
# ## 1 · What to store, and what not
#
# Before you collect, ask what the data is for. Ours is for two questions: *which settings do people
# like?* and *on which pictures should the model be trained further?* That decides what belongs to a
# rating:
#
# - the **vote**, thumbs up or down. Two answers are quick to give and mean the same to everybody; a
#   scale from 1 to 10 does not;
# - the **picture**, and everything that made it: prompt, negative prompt, seed, steps, guidance;
# - the **model and its version**: tomorrow's weights draw something else from the same settings;
# - perhaps **tags** and a **comment**: they say why;
# - the **consent** of the person who rated.
#
# What does *not* belong there: a name, an e-mail address, the address of the computer. Neither of
# our questions needs them, and what is not stored cannot leak.

# %%
import tempfile
import textwrap
from pathlib import Path

import ipywidgets as widgets
import matplotlib.pyplot as plt
import pandas
from IPython.display import display

from helpers import (
    CONSENTS,
    Feedback,
    exercise,
    image_grid,
    load_pipeline,
    load_ranker,
    model_fingerprint,
    read_ratings,
    seeded_latents,
    to_png,
)

# %% [markdown]
# ### Consent
#
# People say yes to something definite. Ours can agree to one of three things, and each includes
# those before it. *No* is an answer too: then nothing is stored. And who has said yes may change
# their mind, so each rating gets a **receipt**, a random number with which it can be deleted.

# %%
for name, meaning in CONSENTS.items():
    print(f"{name:9} {meaning}")

# %% [markdown]
# ## 2 · Pictures to rate
#
# We draw three prompts at four guidance scales, all from one seed, so that only two things differ.
# `settings` notes for each picture what made it. Twelve pictures take some seconds.

# %% picture="11.pictures"
pipe = load_pipeline("stickers")
prompts = [
    "a 3d sticker of a fox on a teal background",
    "a flat sticker of a rose on a yellow background",
    "a rocket at night, flat style",
]
guidance_scales = [1.0, 5.0, 8.0, 15.0]

images, settings = [], []
for guidance_scale in guidance_scales:
    common = {"seed": 42, "num_inference_steps": 20, "guidance_scale": guidance_scale}
    output = pipe(
        prompts,
        num_inference_steps=20,
        guidance_scale=guidance_scale,
        latents=seeded_latents(pipe, [42] * len(prompts)),
    )
    images += output.images
    settings += [{"prompt": prompt} | common for prompt in prompts]

labels = [f"guidance {one['guidance_scale']:g}" for one in settings]
display(image_grid(images, cols=len(prompts), labels=labels))
print(len(images), "pictures")

# %% [markdown]
# ## 3 · A store
#
# `Feedback` of the course's `helpers` keeps ratings in a small database, one file, with the
# pictures in a folder beside it. It uses SQLite, which comes with Python. Why no simple text file?
# Because two people may rate in the same moment, and because the computer may crash in the middle
# of a line. A database was made for both.
#
# Here it lies in a temporary folder, which does not last. To keep your ratings, write
# `folder = Path("feedback")`.
#
# A rating also needs the model's version. Ours has no version number, so we take a **fingerprint**:
# `model_fingerprint` looks at some of the numbers in each part of the pipeline, and makes sixteen
# characters of them. Train the model further, and the characters change.

# %%
folder = Path(tempfile.mkdtemp())
feedback = Feedback(folder / "ratings.sqlite")
version = model_fingerprint(pipe)
print("ratings so far:", len(feedback.ratings()))

# %% [markdown]
# ### Exercise 1 · Store a rating
#
# Complete `store`. It calls `feedback.add` and returns what that returns, the stored rating. The
# call takes the image and its settings, and by name: `vote` (1 or -1), `model` (here "stickers"),
# `model_version` (our `version`) and `consent`. If `consent` is `None`, nobody agreed to anything:
# store nothing and return `None`.


# %% exercise="11.store"
def store(feedback, image, settings, vote, consent):
    # BEGIN SOLUTION
    if consent is None:
        return None
    return feedback.add(
        image, settings, vote=vote, model="stickers", model_version=version, consent=consent
    )
    # END SOLUTION


# %%
exercise("11.store").check(store=store)
# exercise("11.store").hint()

# %% [markdown] hint="11.store"
# The question comes first: `if consent is None:`, and then a `return None` that ends the function.

# %% [markdown] hint="11.store"
# Then `return feedback.add(image, settings, vote=vote, ...)`, with the three other values by name.


# %% wrong="11.store" says="without consent"
def store(feedback, image, settings, vote, consent):
    return feedback.add(
        image,
        settings,
        vote=vote,
        model="stickers",
        model_version=version,
        consent=consent or "class",
    )


# %% wrong="11.store" says="thumbs down"
def store(feedback, image, settings, vote, consent):
    if consent is None:
        return None
    return feedback.add(
        image, settings, vote=1, model="stickers", model_version=version, consent=consent
    )


# %% wrong="11.store" says="agreed to"
def store(feedback, image, settings, vote, consent):
    if consent is None:
        return None
    return feedback.add(
        image, settings, vote=vote, model="stickers", model_version=version, consent="public"
    )


# %% wrong="11.store" says="made again"
def store(feedback, image, settings, vote, consent):
    if consent is None:
        return None
    only_prompt = {"prompt": settings["prompt"]}
    return feedback.add(
        image, only_prompt, vote=vote, model="stickers", model_version=version, consent=consent
    )


# %% [markdown]
# ## 4 · Buttons to rate with
#
# Nobody wants to rate by typing code. **Widgets** (library `ipywidgets`) are buttons, lists and
# pictures in a notebook that call a Python function when something happens. The next cell builds a
# small panel: a picture, a list with the consents, two buttons, and a line that says what happened.
# Note that the list begins with *please choose*: a box that is ticked already asks nobody. The
# buttons call your `store`, so they store nothing before exercise 1 is solved.


# %%
def rating_panel(feedback):
    picture = widgets.Image(format="png", width=256)
    choices = [("please choose", None)] + [(text, name) for name, text in CONSENTS.items()]
    wide = {"width": "max-content"}
    consent = widgets.Dropdown(options=choices, description="It", layout=wide)
    like = widgets.Button(description="👍 I like it")
    dislike = widgets.Button(description="👎 I do not")
    told = widgets.Label()
    waiting = list(range(len(images)))

    def vote(value):
        rating = store(feedback, images[waiting[0]], settings[waiting[0]], value, consent.value)
        if rating is None:
            told.value = "Nothing was stored: first choose what may be done with your rating."
            return
        told.value = f"Thank you. Your receipt: {rating.id}"
        waiting.append(waiting.pop(0))  # to the end of the line
        picture.value = to_png(images[waiting[0]])

    like.on_click(lambda _: vote(1))
    dislike.on_click(lambda _: vote(-1))
    picture.value = to_png(images[0])
    panel = widgets.VBox([picture, consent, widgets.HBox([like, dislike]), told])
    return panel, consent, like, dislike


# %% [markdown]
# Rate some pictures! (If you see a line of text instead of buttons, your notebook program shows no
# widgets. Then use the list of votes below.)

# %% tags=["nbval-ignore-output"]
panel, *_ = rating_panel(feedback)
display(panel)

# %% [markdown]
# Can we trust the panel? A program can press its buttons too, so we try it on a store of its own:
# once without consent, then with it. Expect 0, then 1 (and 0 again while `store` is blank).

# %%
trial = Feedback(Path(tempfile.mkdtemp()) / "trial.sqlite")
_, consent, like, dislike = rating_panel(trial)
like.click()
print("without consent:", len(trial.ratings()))
consent.value = "training"
dislike.click()
print("with consent:", len(trial.ratings()))

# %% [markdown]
# No widgets? Then write your votes into this list, one for each picture of section 2, row by row:
# 1, -1, or 0 if you do not want to say. Zeros store nothing.

# %%
my_votes = [0] * len(images)
my_consent = "training"
for image, made_by, my_vote in zip(images, settings, my_votes, strict=True):
    if my_vote:
        store(feedback, image, made_by, my_vote, my_consent)

# %% [markdown]
# ### In the app
#
# For a class, start the app, `python -m helpers app`, and open its page *Rate*. It asks for a vote,
# tags, a comment and consent, and shows the receipt. Its ratings go to `feedback/ratings.sqlite` in
# the folder where you started it; `Feedback("feedback/ratings.sqlite")` opens them here.
#
# ![The app's page Rate: a gallery with four pictures on the left; on the right the vote, tags, a
# comment, and the question what may be done with the rating](../course/pictures/11_rate.png)
#
# ## 5 · Looking at the data
#
# You may be alone, and twelve votes say little. So the course brings a sample. **Nobody gave these
# votes.** A program made them up, by a rule that stands in every row of the file; they are there so
# that you have something to practise on. Their `origin` is "rule"; that of a real vote is "person".
# The next cell reads the file into a `DataFrame`, which is what [pandas](https://pandas.pydata.org),
# Python's usual library for tables, calls a table. It prints the rule: keep it in mind.

# %%
here = Path.cwd()
course = here if (here / "course").is_dir() else here.parent
sample = pandas.DataFrame(read_ratings(course / "course" / "data" / "sample_ratings.csv"))
print(len(sample), "ratings of origin", *sample["origin"].unique())
print(textwrap.fill(sample["rule"].unique()[0], width=100))

# %% [markdown]
# Each row is one vote. Have a look at one row in a hundred.

# %%
print(sample[["prompt", "guidance_scale", "vote", "consent"]].iloc[::100].to_string(index=False))

# %% [markdown]
# ### Exercise 2 · The share of likes
#
# Complete the function. It gets a table of ratings and the name of a column, and returns for each
# value of that column the **share of votes that are likes**, from 0 to 1. In pandas,
# `table.groupby(column)` makes groups of rows, `["vote"]` takes the votes of each, and `.mean()`
# gives a mean for each group. But mind: the votes are 1 and -1.


# %% exercise="11.likes"
def like_share(table, column):
    # BEGIN SOLUTION
    liked = table["vote"] == 1
    return liked.groupby(table[column]).mean()
    # END SOLUTION


# %%
exercise("11.likes").check(like_share=like_share)
# exercise("11.likes").hint()

# %% [markdown] hint="11.likes"
# `table["vote"] == 1` is a column of True and False. True counts as 1 and False as 0, so the mean
# of such a column is the share of True.

# %% [markdown] hint="11.likes"
# Group that column by another: `liked.groupby(table[column])`. Then take the mean.


# %% wrong="11.likes" says="from -1 to 1"
def like_share(table, column):
    return table.groupby(column)["vote"].mean()


# %% wrong="11.likes" says="how many likes"
def like_share(table, column):
    return (table["vote"] == 1).groupby(table[column]).sum()


# %% wrong="11.likes" says="group by it"
def like_share(table, column):
    return (table["vote"] == 1).mean()


# %% wrong="11.likes" says="no account of the column"
def like_share(table, column):
    return (table["vote"] == 1).groupby(table["prompt"]).mean()


# %% [markdown]
# Now the two questions. The bars are shares; the thin lines say how sure we may be. For a share *p*
# of *n* votes, its **standard error** is √(p·(1-p)/n): the size of the error that chance alone
# makes you expect. With four times as many votes it is half as large. (We count the votes of one
# picture as independent, which people who sit side by side are not.)


# %% picture="11.shares"
def shares(table, column):
    p = (table["vote"] == 1).groupby(table[column]).mean()
    n = table.groupby(column).size()
    return p, (p * (1 - p) / n) ** 0.5


figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for axis, column in zip(axes, ["guidance_scale", "prompt"], strict=True):
    share, error = shares(sample, column)
    axis.barh([str(value) for value in share.index], share, xerr=error, color="teal")
    axis.set(xlim=(0, 1), xlabel="share of likes", title=f"by {column}")
plt.show()

# %% [markdown]
# On the left: which guidance scales are liked? On the right: two prompts stand out. Find them, and
# say why, with the rule. (`helpers.vocabulary` may help: `unknown_words(prompt)` lists the words
# that the model never saw.)
#
# One more look, at both at once. A mean over all prompts can hide that a setting is good for one
# and bad for another.

# %%
both = (sample["vote"] == 1).groupby([sample["prompt"], sample["guidance_scale"]]).mean()
print(both.unstack().round(2).to_string())

# %% [markdown]
# With six votes a field, one changed mind moves a share by 0.17. Do not believe single fields.
#
# ## 6 · People and CLIP
#
# Lesson 07 ranked pictures with CLIP, which asks nobody: it scores how well a picture fits its
# prompt. Does it agree with people? If it did always, we could save ourselves the asking.
#
# ### Exercise 3 · Do they agree?
#
# Take all **pairs** of pictures. In a pair, people like one more than the other; CLIP agrees if it
# scores that one higher. Pairs that people like equally well are left out. Complete the function:
# it gets two lists, the like shares and the CLIP scores of the same pictures, and returns the share
# of the remaining pairs on which both agree. Guessing would reach about 0.5.


# %% exercise="11.agreement"
def agreement(likes, scores):
    # BEGIN SOLUTION
    agreed = []
    for i in range(len(likes)):
        for j in range(i):
            if likes[i] != likes[j]:
                agreed.append((likes[i] > likes[j]) == (scores[i] > scores[j]))
    return sum(agreed) / len(agreed)
    # END SOLUTION


# %%
exercise("11.agreement").check(agreement=agreement)
# exercise("11.agreement").hint()

# %% [markdown] hint="11.agreement"
# Two loops give the pairs: `for i in range(len(likes))`, and inside it `for j in range(i)`.

# %% [markdown] hint="11.agreement"
# Skip the pair if `likes[i] == likes[j]`. Otherwise both agree if `likes[i] > likes[j]` and
# `scores[i] > scores[j]` are both true or both false. Count how many pairs there were, too.


# %% wrong="11.agreement" says="equally well"
def agreement(likes, scores):
    pairs = [(i, j) for i in range(len(likes)) for j in range(i)]
    same = [(likes[i] > likes[j]) == (scores[i] > scores[j]) for i, j in pairs]
    return sum(same) / len(same)


# %% wrong="11.agreement" says="disagree"
def agreement(likes, scores):
    pairs = [(i, j) for i in range(len(likes)) for j in range(i) if likes[i] != likes[j]]
    return sum((likes[i] > likes[j]) != (scores[i] > scores[j]) for i, j in pairs) / len(pairs)


# %% wrong="11.agreement" says="the other picture of the pair"
def agreement(likes, scores):
    pairs = [(i, j) for i in range(len(likes)) for j in range(i) if likes[i] != likes[j]]
    both = [likes[i] > likes[j] and scores[i] > scores[j] for i, j in pairs]
    return sum(both) / len(pairs)


# %% wrong="11.agreement" says="how many pairs"
def agreement(likes, scores):
    pairs = [(i, j) for i in range(len(likes)) for j in range(i) if likes[i] != likes[j]]
    return sum((likes[i] > likes[j]) == (scores[i] > scores[j]) for i, j in pairs)


# %% [markdown]
# Now for our twelve pictures. The sample has six votes for each of these settings. We compare
# within a prompt, since CLIP's scores of different prompts do not compare. There are few pairs, so
# the numbers are rough. (Until exercise 3 is solved, the agreement is `None`.)

# %% tags=["nbval-ignore-output"]
scores = load_ranker().scores(images, prompts).cosine
for column, prompt in enumerate(prompts):
    rows = [row for row, one in enumerate(settings) if one["prompt"] == prompt]
    likes = [both[prompt, settings[row]["guidance_scale"]] for row in rows]
    cosines = [scores[row, column].item() for row in rows]
    print(prompt, "· agreement:", agreement(likes, cosines))
    for name, values in (("guidance", guidance_scales), ("likes", likes), ("CLIP", cosines)):
        print(f"    {name:9}", *[f"{value:6.2f}" for value in values])

# %% [markdown]
# Be careful with the conclusion. These votes come from a rule that saw no picture. What you
# measured is how CLIP relates to *the rule*. With votes of your class the same cell answers the
# real question. And where they differ, look at the picture: CLIP asks whether it fits the words,
# people also whether it is beautiful.
#
# ## 7 · Whose taste is it?
#
# A model trained on votes learns the taste of those who voted. Before you use votes, ask:
#
# - **Who voted, and who did not?** A class of one age, a few people with much time, those who were
#   angry enough to click. We store no names, so we cannot weigh people equally, and one person can
#   vote often: that is the price of knowing nobody.
# - **What was shown?** Only pictures that somebody drew were rated, and people draw what they like.
# - **In which order?** The first picture in a row gets more attention than the thirtieth. Shuffle.
# - **Did one vote sway the next?** Who sees `👍 12` tends to join in. Ask before you show.
# - **What becomes of rare tastes?** A mean hides them. What only a tenth of your class loves counts
#   as disliked.
#
# At the least, look how evenly the votes are spread over the prompts. Here a program spread them;
# with people, a few prompts may have most of the votes.

# %%
votes = sample.groupby("prompt").size()
print("votes for a prompt: from", votes.min(), "to", votes.max())

# %% [markdown]
# ## 8 · A set to train on
#
# Lesson 12 trains the model further, on pictures that people liked. We put the sample's votes for
# our twelve pictures into a store, and their `origin` with them: whoever opens this database later
# can see that no person said this. You would leave `origin` out with real ratings.

# %%
class_feedback = Feedback(Path(tempfile.mkdtemp()) / "class.sqlite")
for image, made_by in zip(images, settings, strict=True):
    of_picture = (sample["prompt"] == made_by["prompt"]) & (
        sample["guidance_scale"] == made_by["guidance_scale"]
    )
    for row in sample[of_picture].itertuples():
        class_feedback.add(
            image,
            made_by,
            vote=row.vote,
            model=row.model,
            model_version=version,
            consent=row.consent,
            origin=row.origin,
        )
print(len(class_feedback.ratings()), "ratings of", len(class_feedback.pictures()), "pictures")

# %% [markdown]
# ### Exercise 4 · Export what may be used
#
# `class_feedback.export_images(folder, consent=…, minimum_score=…)` writes pictures into an empty
# folder, with a file `metadata.jsonl` that holds their prompts. It returns the folder. The *score*
# of a picture is its thumbs up minus its thumbs down. Export into `tempfile.mkdtemp()`, a new
# temporary folder, what may be used for **training**, and of that the pictures with a score of **at
# least 1**.

# %% exercise="11.export"
# BEGIN SOLUTION
training_folder = class_feedback.export_images(
    tempfile.mkdtemp(), consent="training", minimum_score=1
)
# END SOLUTION
# BEGIN STUB
# training_folder = ...
# END STUB

# %%
exercise("11.export").check(training_folder=training_folder, class_feedback=class_feedback)
# exercise("11.export").hint()

# %% [markdown] hint="11.export"
# Three values: the folder `tempfile.mkdtemp()`, `consent="training"`, and the lowest score.

# %% [markdown] hint="11.export"
# The call gives back the folder: `training_folder = class_feedback.export_images(...)`.

# %% wrong="11.export" says="did not agree"
training_folder = class_feedback.export_images(tempfile.mkdtemp(), "class", minimum_score=1)

# %% wrong="11.export" says="score below 1"
training_folder = class_feedback.export_images(tempfile.mkdtemp(), consent="training")

# %% wrong="11.export" says="agreed to training"
training_folder = class_feedback.export_images(tempfile.mkdtemp(), "public", minimum_score=1)

# %% wrong="11.export" says="of score 1"
training_folder = class_feedback.export_images(tempfile.mkdtemp(), "training", minimum_score=3)

# %% [markdown]
# Such a folder is a common form. The library `datasets` reads it with
# `load_dataset("imagefolder", data_dir=folder)`, and lesson 12 as well. For other programs there
# are `export_csv` and `export_jsonl`. A word on CSV: a spreadsheet takes a cell that begins with
# `=` for a formula and runs it, and a prompt may begin with anything. `export_csv` writes such
# cells so that they stay text.

# %%
table = class_feedback.export_csv(folder / "ratings.csv")
print(table.name, "holds", len(read_ratings(table)), "ratings")

# %% [markdown]
# ### Delete on request
#
# Somebody brings a receipt and wants the rating deleted. No reason is needed. It goes from the
# database; from files that you exported or passed on before, you must delete it yourself.

# %%
receipt = class_feedback.ratings()[0].id
print("deleted:", class_feedback.delete(receipt))
print("a second time:", class_feedback.delete(receipt))
print("ratings left:", len(class_feedback.ratings()))

# %% [markdown]
# ## What you learned
#
# - Decide what the data is for, and store what that needs: vote, picture, settings, model and
#   version, consent. No names.
# - Consent is definite, given beforehand, and can be taken back. Without it nothing is stored, and
#   every export keeps to it.
# - A share of few votes is unsure; its standard error says how much.
# - CLIP scores fit, people vote taste. Compare them pair by pair.
# - Votes have the taste of those who voted on what they were shown.
# - Made-up data is fine for practice if it says so, in every row.
#
# **Try on your own:** collect votes of five people on your own prompts with the app, and draw the
# plots of section 5 for them. Change the rule in `tools/sample_ratings.py` (let it like every third
# prompt), make the sample again with `python -m tools.sample_ratings`, and show a friend the plots:
# can they find the rule?
#
# **Read on:** [Limits, bias, consent and copyright](../course/reading/limits.md).
#
# Next: [lesson 12](12_fine_tuning.ipynb), in which the model learns from such a set.
