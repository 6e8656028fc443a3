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
# Is a picture good? A computer can measure noise and compare colors, but whether somebody *likes* a
# picture only that person can say. In this lesson you ask people, store what they say with care,
# and look at it. We begin with something to rate: three prompts at four guidance scales, all from
# one seed, so that only two things differ.

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

MODEL = "stickers"  # or "sd-v1-5", the real one, where there is a GPU and a network
pipe = load_pipeline(MODEL)

# %% picture="11.pictures"
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
display(image_grid(images, cols=len(prompts), labels=labels, min_width=256))
print(len(images), "pictures")

# %% [markdown]
# `settings` notes for each picture what made it.
#
# **At the end you will be able to**
#
# - say what to store with a rating, and what never to store;
# - ask for consent, and respect it when you use the data;
# - rate pictures in the notebook and in the app;
# - read a table of ratings with pandas: which prompts are liked, and at which guidance;
# - compare people's votes with CLIP's score;
# - export a set to train on, and delete a rating when its author asks.
#
# **Time:** 45 minutes for the core path, sections 1 to 6. The sections headed *More* take another
# 15. **You need:** lessons 01 and 10; lesson 07 helps. No network.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/11_feedback.ipynb` four exercises have a gap, written `...`. Fill
#    the gap, run the cell, and run the check below it.
# 2. *With hints.* Remove the `#` in front of the hint line below the check. Each run gives one more
#    hint.
# 3. *With the complete solution.* `solutions/11_feedback.ipynb` is this notebook with every gap
#    filled and every picture shown.
#
# ## 1 · What to store, and what not
#
# Before you collect, ask what the data is for. Ours is for two questions: *which settings do people
# like?* and *on which pictures should the model be trained further?* That determines what belongs
# in a rating:
#
# - the **vote**, thumbs up or down. Two answers are quick to give and mean the same to everybody;
#   numbers from 1 to 10 do not;
# - the **picture**, and everything that made it: prompt, negative prompt, seed, steps, guidance;
# - the **model and its version**: tomorrow's weights draw something else from the same settings;
# - perhaps **tags** and a **comment**: they say why;
# - the **consent** of the person who rated.
#
# What does *not* belong there: a name, an e-mail address, the address of the computer. Neither of
# our questions needs them, and what is not stored cannot leak.
#
# ### Consent
#
# People agree to something definite: what is stored, what it is used for, who sees it, and **how
# long it is kept**. Ours can agree to one of three uses, and each includes those before it. *No* is
# an answer too: then nothing is stored. And people may change their mind, so each rating gets a
# **receipt**, a random number with which it can be deleted.
#
# One picture can have ratings from many people, and they may agree to different things. Whose
# consent counts? A picture belongs to the person who made it, so **the maker's consent is the limit
# for everyone**. If you share a picture with the class only, nobody else can release it: a
# classmate who rates it "public" agrees for their own rating, not for your picture. If several
# people made the same picture, the most restrictive of their consents counts. And when you delete
# your rating of a picture that you made, the picture disappears together with all ratings of it.
# The store below follows these rules by itself: `add` stores a maker's rating with the picture, and
# `rate` somebody else's rating of a picture that is there.

# %%
KEPT_UNTIL = "the end of the course"
for name, meaning in CONSENTS.items():
    print(f"{name:9} {meaning}")
print("kept until", KEPT_UNTIL)

# %% [markdown]
# ## 2 · A store
#
# `Feedback` of the course's `helpers` keeps ratings in a small database, one file, with the
# pictures in a folder next to it. It uses SQLite, which comes with Python. Why not a plain text
# file? Because two people may rate in the same moment, and because the computer may crash in the
# middle of a line. A database was made for both.
#
# Here it is in a temporary folder, which does not last. To keep your ratings, write
# `folder = Path("feedback")`.
#
# A rating also needs the model's version. Ours has no version number, so we take a **fingerprint**:
# `model_fingerprint` looks at some of the values in each part of the pipeline, and makes a text of
# sixteen characters from them. Train the model further, and the characters change.

# %%
folder = Path(tempfile.mkdtemp())
feedback = Feedback(folder / "ratings.sqlite")
version = model_fingerprint(pipe)
print("ratings so far:", len(feedback.ratings()))

# %% [markdown]
# ### Exercise 1 · Store a rating
#
# Complete `store`. It calls `feedback.add` and returns what that returns, the stored rating. The
# call takes the image and its settings, and by name: `vote` (1 or -1), `model` (our `MODEL`),
# `model_version` (our `version`) and `consent`. If `consent` is `None`, nobody agreed to anything:
# store nothing and return `None`.


# %% exercise="11.store"
def store(feedback, image, settings, vote, consent):
    # BEGIN SOLUTION
    if consent is None:
        return None
    return feedback.add(
        image, settings, vote=vote, model=MODEL, model_version=version, consent=consent
    )
    # END SOLUTION


# %%
exercise("11.store").check(store=store, model=MODEL, version=version)
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
        model=MODEL,
        model_version=version,
        consent=consent or "class",
    )


# %% wrong="11.store" says="thumbs down"
def store(feedback, image, settings, vote, consent):
    if consent is None:
        return None
    return feedback.add(
        image, settings, vote=1, model=MODEL, model_version=version, consent=consent
    )


# %% wrong="11.store" says="agreed to"
def store(feedback, image, settings, vote, consent):
    if consent is None:
        return None
    return feedback.add(
        image, settings, vote=vote, model=MODEL, model_version=version, consent="public"
    )


# %% wrong="11.store" says="made again"
def store(feedback, image, settings, vote, consent):
    if consent is None:
        return None
    only_prompt = {"prompt": settings["prompt"]}
    return feedback.add(
        image, only_prompt, vote=vote, model=MODEL, model_version=version, consent=consent
    )


# %% wrong="11.store" says="model's version"
def store(feedback, image, settings, vote, consent):
    if consent is None:
        return None
    return feedback.add(image, settings, vote=vote, model=MODEL, model_version="1", consent=consent)


# %% wrong="11.store" says="`model=MODEL`"
def store(feedback, image, settings, vote, consent):
    if consent is None:
        return None
    return feedback.add(
        image, settings, vote=vote, model="model", model_version=version, consent=consent
    )


# %% wrong="11.store" says="does not return"
def store(feedback, image, settings, vote, consent):
    if consent is not None:
        feedback.add(
            image, settings, vote=vote, model=MODEL, model_version=version, consent=consent
        )


# %% right="11.store"
def store(feedback, image, settings, vote, consent):
    if consent is not None:
        said = dict(vote=vote, consent=consent, model=MODEL, model_version=version)
        return feedback.add(image=image, settings=dict(settings), **said)


# %% right="11.store"
def store(feedback, image, settings, vote, consent):
    known = {"model": MODEL, "model_version": model_fingerprint(pipe)}
    return consent and feedback.add(image, settings, vote=vote, consent=consent, **known)


# %% right="11.store"
def store(feedback, image, settings, vote, consent):
    try:
        return feedback.add(
            image, settings, vote=vote, model=MODEL, model_version=version, consent=consent, tags=[]
        )
    except ValueError:
        return None


# %% [markdown]
# ## 3 · Buttons to rate with
#
# Nobody wants to rate by typing code. **Widgets** (library `ipywidgets`) are buttons, lists and
# pictures in a notebook that call a Python function when something happens. The next cell builds a
# small panel: a picture, a list with the consents, two buttons, and the receipts of what was
# stored. Note that the list begins with *please choose*: a box that is checked beforehand does not
# ask. After the last picture the buttons are switched off. They call your `store`, so they store
# nothing before exercise 1 is solved.


# %%
def rating_panel(feedback):
    picture = widgets.Image(format="png", width=256)
    choices = [("please choose", None)] + [(text, name) for name, text in CONSENTS.items()]
    wide = {"width": "max-content"}
    consent = widgets.Dropdown(options=choices, description="It", layout=wide)
    like = widgets.Button(description="👍 I like it")
    dislike = widgets.Button(description="👎 I do not")
    message = widgets.Label(f"Ratings are kept until {KEPT_UNTIL}.")
    receipts = widgets.Textarea(description="Receipts", rows=4, disabled=True)
    waiting = list(range(len(images)))

    def show_next():
        like.disabled = dislike.disabled = not waiting
        if waiting:
            picture.value = to_png(images[waiting[0]])
        else:
            message.value = "Thank you, that was the last one. Note your receipts."

    def vote(value):
        rating = store(feedback, images[waiting[0]], settings[waiting[0]], value, consent.value)
        if rating is None:
            message.value = "Nothing was stored: first choose what may be done with your rating."
            return
        message.value = "Stored. With its receipt you can have it deleted."
        receipts.value += f"{rating.id}\n"
        waiting.pop(0)
        show_next()

    like.on_click(lambda _: vote(1))
    dislike.on_click(lambda _: vote(-1))
    show_next()
    panel = widgets.VBox([picture, consent, widgets.HBox([like, dislike]), message, receipts])
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
# No widgets? Then write your votes into this list, one for each picture at the top, row by row:
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
# ![The app's page Rate: on the left the picture that is rated and four small ones to choose from;
# on the right the vote, tags, a comment, and the question what may be done with
# it](../course/pictures/11_rate.png)
#
# ## 4 · Looking at the data
#
# You may be alone, and twelve votes say little. So the course includes a sample. **Nobody gave
# these votes.** A program invented them, by a rule that is written in every row of the file; they
# are there so that you have something to practice on. Their `origin` is "rule"; that of a real vote
# is "person". The next cell reads the file into a `DataFrame`, which is what
# [pandas](https://pandas.pydata.org), Python's usual library for tables, calls a table. It prints
# the rule: remember it.

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
# gives a mean for each group. But note: the votes are 1 and -1. Leave the table itself as it is.


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


# %% wrong="11.likes" says="ignores the column"
def like_share(table, column):
    return (table["vote"] == 1).groupby(table["prompt"]).mean()


# %% wrong="11.likes" says="without any like"
def like_share(table, column):
    return table[table["vote"] == 1].groupby(column).size() / table.groupby(column).size()


# %% wrong="11.likes" says="changes the table"
def like_share(table, column):
    table["vote"] = (table["vote"] + 1) / 2
    return table.groupby(column)["vote"].mean()


# %% right="11.likes"
def like_share(table, column):
    return (table.groupby(column)["vote"].mean() + 1) / 2


# %% right="11.likes"
def like_share(table, column):
    liked = table.assign(liked=table["vote"].gt(0).astype(int))
    return liked.pivot_table(index=column, values="liked", aggfunc="mean")


# %% right="11.likes"
def like_share(table, column):
    return {
        value: sum(vote > 0 for vote in group["vote"]) / len(group)
        for value, group in table.groupby(column)
    }


# %% [markdown]
# Now the two questions, with your function. The bars are shares; the thin lines say how sure we may
# be. For a share *p* of *n* votes, its **standard error** is √(p·(1-p)/n): the size of the error
# that chance alone makes you expect. With four times as many votes it is half as large. (We count
# the votes for one picture as independent, which people who sit side by side are not.)

# %% picture="11.shares"
figure, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
for axis, column in zip(axes, ["guidance_scale", "prompt"], strict=True):
    share = like_share(sample, column)
    if share is None:
        axis.set(title="first solve exercise 2")
        continue
    share = pandas.Series(share).squeeze() if isinstance(share, dict) else share.squeeze()
    votes = sample.groupby(column).size()[share.index]
    error = (share * (1 - share) / votes) ** 0.5
    axis.barh([str(value) for value in share.index], share, xerr=error, color="teal")
    axis.set(xlim=(0, 1), xlabel="share of likes", title=f"by {column}")
plt.show()

# %% [markdown]
# On the left: which guidance scales are liked? On the right: two prompts stand out. Find them, and
# explain them with the rule. (`unknown_words(prompt)` of our helpers lists the words that the model
# never saw.)
#
# One more look, at both at once. A mean over all prompts can hide that a setting is good for one
# and bad for another.

# %%
counted = sample.assign(liked=sample["vote"] == 1)
both = counted.groupby(["prompt", "guidance_scale"])["liked"].mean()
print(both.unstack().round(2).to_string())

# %% [markdown]
# With six votes per field, one changed vote moves a share by 0.17. Do not rely on single fields.
#
# ## 5 · Whose taste is it?
#
# A model trained on votes learns the taste of those who voted. Before you use votes, ask:
#
# - **Who voted, and who did not?** A class of one age, a few people with a lot of time, those who
#   were angry enough to click. We store no names, so we cannot give each person the same weight.
# - **What was shown?** Only pictures that somebody drew were rated, and people draw what they like.
# - **In which order?** The first picture in a row gets more attention than the thirtieth. Shuffle.
# - **Did one vote influence the next?** People who see `👍 12` tend to join in. Ask before you
#   show it.
# - **What becomes of rare tastes?** A mean hides them. What only a tenth of your class loves counts
#   as disliked.
#
# How much can one busy person do? Suppose somebody loves the least liked prompt and votes for it
# thirty times. We add these votes to a copy of the sample and compare its share before and after.

# %%
liked = sample.assign(liked=sample["vote"] == 1).groupby("prompt")["liked"].mean()
least = liked.idxmin()
busy = sample[sample["prompt"] == least].iloc[[0] * 30].assign(vote=1)
for name, votes in (("before", sample), ("after", pandas.concat([sample, busy]))):
    of_prompt = votes[votes["prompt"] == least]
    print(
        f"{name:7}", len(of_prompt), "votes, share of likes", round((of_prompt.vote > 0).mean(), 2)
    )
print("the prompt:", least)

# %% [markdown]
# Thirty clicks of one person outweigh a whole class. That is the price of storing no names. A limit
# on how often one browser may vote helps, and so does looking at the counts before the shares.
#
# ## 6 · A set to train on
#
# Lesson 12 trains the model further. It can do that on pictures that people liked. We put the
# sample's votes for our twelve pictures into a store, and their `origin` with them: anyone who
# opens this database later can see that no person gave these votes. You would leave `origin` out
# with real ratings. The first vote on each picture plays the part of its maker: its consent is the
# limit for the others.

# %%
class_feedback = Feedback(Path(tempfile.mkdtemp()) / "class.sqlite")
for image, made_by in zip(images, settings, strict=True):
    of_picture = (sample["prompt"] == made_by["prompt"]) & (
        sample["guidance_scale"] == made_by["guidance_scale"]
    )
    first = None
    for row in sample[of_picture].itertuples():
        said = {"vote": row.vote, "consent": row.consent, "origin": row.origin}
        if first is None:
            first = class_feedback.add(image, made_by, model=MODEL, model_version=version, **said)
        else:
            class_feedback.rate(first.picture_id, **said)
print(len(class_feedback.ratings()), "ratings of", len(class_feedback.pictures()), "pictures")

# %% [markdown]
# ### Exercise 3 · Export what may be used
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

# %% right="11.export"
training_folder = str(
    class_feedback.export_images(Path(tempfile.mkdtemp()) / "liked", "training", 1)
)

# %% right="11.export"
training_folder = Path(tempfile.mkdtemp())
class_feedback.export_images(training_folder, minimum_score=1)

# %% right="11.export"
wanted = {"minimum_score": 1, "consent": "training"}
training_folder = class_feedback.export_images(folder=tempfile.mkdtemp(), **wanted)

# %% [markdown]
# Such a folder is a common form. The library `datasets` reads it with
# `load_dataset("imagefolder", data_dir=folder)`, and so does lesson 12, if you put its path into
# `MY_FOLDER` there. Note the path that the next cell prints. For other programs there are
# `export_csv` and `export_jsonl`. A word on CSV: a spreadsheet takes a cell that begins with `=`
# for a formula and runs it, and a prompt may begin with anything. `export_csv` writes such cells so
# that they stay text.

# %% tags=["nbval-ignore-output"]
print("the set:", "first solve exercise 3" if training_folder is ... else training_folder)
table = class_feedback.export_csv(folder / "ratings.csv")
print(table.name, "holds", len(read_ratings(table)), "ratings")

# %% [markdown]
# ### Delete on request
#
# Somebody brings a receipt and wants the rating deleted. No reason is needed. It disappears from
# the database; from files that you exported or gave away before, you must delete it yourself. We
# try the receipt of a rater, and then that of the picture's maker, who takes the picture and all
# six ratings of it along.

# %%
maker, rater = class_feedback.ratings()[:2]
print("a rater's deleted:", class_feedback.delete(rater.id))
print("a second time:", class_feedback.delete(rater.id))
print("ratings left:", len(class_feedback.ratings()))
print("the maker's deleted:", class_feedback.delete(maker.id))
print("ratings left:", len(class_feedback.ratings()))

# %% [markdown]
# ## More · People and CLIP
#
# Lesson 07 ranked pictures with CLIP, which needs no people: it scores how well a picture fits its
# prompt. Does it agree with people? If it always did, we would not have to ask.
#
# ### Exercise 4 · Do they agree?
#
# Take all **pairs** of pictures. In a pair, people like one more than the other; CLIP agrees if it
# scores that one higher. Leave out the pairs in which the likes are equal or the scores are equal.
# Complete the function: it gets two lists, the like shares and the CLIP scores of the same
# pictures, and returns the share of the remaining pairs on which both agree. If no pair remains,
# return `float("nan")`, *not a number*. Guessing would reach about 0.5.


# %% exercise="11.agreement"
def agreement(likes, scores):
    # BEGIN SOLUTION
    agreed = []
    for i in range(len(likes)):
        for j in range(i):
            if likes[i] != likes[j] and scores[i] != scores[j]:
                agreed.append((likes[i] > likes[j]) == (scores[i] > scores[j]))
    return sum(agreed) / len(agreed) if agreed else float("nan")
    # END SOLUTION


# %%
exercise("11.agreement").check(agreement=agreement)
# exercise("11.agreement").hint()

# %% [markdown] hint="11.agreement"
# Two loops give the pairs: `for i in range(len(likes))`, and inside it `for j in range(i)`.

# %% [markdown] hint="11.agreement"
# Skip the pair if the likes or the scores are equal. Otherwise both agree if `likes[i] > likes[j]`
# and `scores[i] > scores[j]` are both true or both false. Count how many pairs there were, too.


# %% wrong="11.agreement" says="liked equally well"
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


# %% wrong="11.agreement" says="scores both the same"
def agreement(likes, scores):
    pairs = [(i, j) for i in range(len(likes)) for j in range(i) if likes[i] != likes[j]]
    same = [(likes[i] > likes[j]) == (scores[i] > scores[j]) for i, j in pairs]
    return sum(same) / len(same) if same else float("nan")


# %% wrong="11.agreement" says="no pair remains"
def agreement(likes, scores):
    agreed = []
    for i in range(len(likes)):
        for j in range(i):
            product = (likes[i] - likes[j]) * (scores[i] - scores[j])
            if product != 0:
                agreed.append(product > 0)
    return sum(agreed) / len(agreed)


# %% right="11.agreement"
def agreement(likes, scores):
    from itertools import combinations

    products = [
        (a - b) * (c - d) for (a, c), (b, d) in combinations(zip(likes, scores, strict=True), 2)
    ]
    counted = [product > 0 for product in products if product]
    return sum(counted) / len(counted) if counted else float("nan")


# %% right="11.agreement"
def agreement(likes, scores):
    import numpy

    a, b = (numpy.subtract.outer(values, values) for values in (likes, scores))
    counted = numpy.triu(a * b != 0)
    with numpy.errstate(invalid="ignore"):
        return numpy.float64((a * b > 0)[counted].sum()) / counted.sum()


# %% right="11.agreement"
def agreement(likes, scores):
    same = other = 0
    for i, like in enumerate(likes):
        for j, unlike in enumerate(likes):
            if like > unlike:
                same += scores[i] > scores[j]
                other += scores[i] < scores[j]
    return same / (same + other) if same + other else float("nan")


# %% [markdown]
# Now for our twelve pictures. The sample has six votes for each of these settings. We compare
# within a prompt, since CLIP's scores of different prompts do not compare. There are few pairs, so
# the numbers are rough. (Until exercise 4 is solved, the agreement is `None`.)

# %% tags=["nbval-ignore-output"]
stickers_only = MODEL.startswith("stickers")
ranker = load_ranker("stickers-clip" if stickers_only else "openai/clip-vit-base-patch32")
scores = ranker.scores(images, prompts).cosine
for column, prompt in enumerate(prompts):
    rows = [row for row, one in enumerate(settings) if one["prompt"] == prompt]
    likes = [both[prompt, settings[row]["guidance_scale"]] for row in rows]
    cosines = [scores[row, column].item() for row in rows]
    print(prompt, "· agreement:", agreement(likes, cosines))
    for name, values in (("guidance", guidance_scales), ("likes", likes), ("CLIP", cosines)):
        print(f"    {name:9}", *[f"{value:8.4f}" for value in values])

# %% [markdown]
# Be careful with the conclusion. These votes come from a rule that saw no picture. What you
# measured is how CLIP relates to *the rule*. With votes of your class the same cell answers the
# real question. And where they differ, look at the picture: CLIP asks whether it fits the words,
# people also whether it is beautiful.
#
# ## More · Votes of your class
#
# Collect votes of five people on your own prompts with the app. Then read them with
# `Feedback("feedback/ratings.sqlite").to_dataframe()`, which gives the same kind of table as
# `sample`, and draw the plots of section 4 for them.
#
# ## What you learned
#
# - Decide what the data is for, and store what that needs: vote, picture, settings, model and
#   version, consent. No names.
# - Consent is definite, given beforehand, has an end date, and can be withdrawn. Without it nothing
#   is stored, and every export respects it. The maker of a picture sets the limit for all.
# - A share of few votes is uncertain; its **standard error** says how much.
# - Votes show the taste of those who voted on what they were shown, and one busy person can
#   outweigh many.
# - CLIP scores how well a picture fits; people vote by taste. Compare them pair by pair.
# - Invented data is fine for practice if it says so, in every row.
#
# **Try on your own:** change the rule in `tools/sample_ratings.py` (let it like every third
# prompt), make the sample again with `python -m tools.sample_ratings`, and show a friend the plots:
# can they find the rule?
#
# **Read on:** [Limits, bias, consent and copyright](../course/reading/limits.md).
#
# Next: [lesson 12](12_fine_tuning.ipynb), in which the model learns from such a set.
