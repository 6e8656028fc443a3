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
# # 07 · Ranking: ten pictures, one winner
#
# Drawing is cheap, so people draw many pictures of one prompt and keep the best. But who says which
# one is best? In this lesson you vote first. Then a model votes, and you see how far the two of you
# agree. The same model also tells how well a whole pipeline follows its prompts.
#
# **At the end you will be able to**
#
# - draw ten pictures of a prompt in one call;
# - say what a CLIP score is, and compute one;
# - rank pictures by it and keep the best, with its settings;
# - measure how far a ranking agrees with your own taste;
# - explain and measure R-precision, and say what such numbers do not tell.
#
# **Time:** about 60 minutes. **You need:** lessons 01, 02 and 05.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/07_ranking.ipynb` four exercises have a gap, written `...`. Fill
#    the gap, run the cell, and run the check below it.
# 2. *With hints.* Stuck? Remove the `#` in front of the hint line below the check. Each run gives
#    one more hint. Put the `#` back to see the check again.
# 3. *With the complete solution.* `solutions/07_ranking.ipynb` is this notebook with every gap
#    filled and every picture shown.

# %%
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import torch
from IPython.display import display

from helpers import (
    exercise,
    image_grid,
    image_settings,
    load_pipeline,
    load_ranker,
    save_image,
    seeded_latents,
)
from helpers import (
    r_precision as share_of_hits,
)

# %% [markdown]
# ## 1 · Ten pictures, and your vote
#
# Ten prompts and ten latents go into one call, so the U-Net works on all of them together. Ten
# pictures still take several times as long as one, so expect a wait. The guidance scale is low on
# purpose: the pictures follow the prompt less closely and differ more.

# %% picture="07.ten"
pipe = load_pipeline("stickers")
PROMPT = "a cartoon sticker of an owl in the snow"
seeds = list(range(10))
settings = {"num_inference_steps": 25, "guidance_scale": 2.5}
images = pipe([PROMPT] * 10, latents=seeded_latents(pipe, seeds), **settings).images
print(len(images), "pictures of", images[0].size, "pixels")
display(image_grid(images, rows=2, labels=seeds))

# %% [markdown]
# **Vote now**, before any model does, and before you know how it votes. Which three do you like
# best, as pictures of this prompt? Write their numbers, the best one first.

# %%
my_vote = [3, 0, 7]  # your three favourites
print("You voted for", len(set(my_vote)), "pictures:", my_vote)

# %% [markdown]
# ## 2 · CLIP: one space for words and pictures
#
# CLIP was the judge in [lesson 05](05_guidance.ipynb): one half turns a text into a vector, the
# other a picture, and a picture and *its own* caption point the same way. Such a vector, a list of
# numbers that stands for something, is called an **embedding**. There we only looked at scores.
# Here are the embeddings themselves.
#
# `load_ranker()` gives the same small CLIP as there. It has seen stickers and portraits only.
# Expect two embeddings of the same length.

# %%
ranker = load_ranker()
text_embedding = ranker.embed_texts([PROMPT])[0]
picture_embedding = ranker.embed_images([images[0]])[0]
print("text:   ", tuple(text_embedding.shape))
print("picture:", tuple(picture_embedding.shape))

# %% [markdown]
# Do they point the same way? The **cosine** of the angle between the two vectors tells, which is
# the CLIP score: 1 for the same direction, 0 for a right angle, −1 for opposite ones. It does not
# depend on how long the vectors are:
#
#     cosine = (first · second) / (length of first × length of second)
#
# ### Exercise 1 · The cosine
#
# Complete the function for two vectors. `first @ second` is the sum of the products, number by
# number, and `first.norm()` is the length of a vector.


# %% exercise="07.cosine"
def cosine(first, second):
    return first @ second / (first.norm() * second.norm())  # SOLUTION


# %%
exercise("07.cosine").check(cosine=cosine)
# exercise("07.cosine").hint()

# %% [markdown] hint="07.cosine"
# Above the line of the fraction is `first @ second`. Below it are two lengths.

# %% [markdown] hint="07.cosine"
# Python divides by what comes right after `/`, and only by that. Put the product of the lengths in
# brackets.


# %% wrong="07.cosine" says="lengths"
def cosine(first, second):
    return first @ second


# %% wrong="07.cosine" says="brackets"
def cosine(first, second):
    return first @ second / first.norm() * second.norm()


# %% wrong="07.cosine" says="squares of the lengths"
def cosine(first, second):
    return first @ second / ((first @ first) * (second @ second))


# %% wrong="07.cosine" says="distance"
def cosine(first, second):
    return (first - second).norm()


# %% [markdown]
# ## 3 · Scores, and a ranking
#
# `ranker.scores(images, texts)` does this for all pictures and texts: a table with one row a
# picture and one column a text. `.cosine` holds the cosines. `.logits` holds the **logits**: the
# cosines, multiplied by a number that the model has learned. We shall need them in section 5.

# %%
scores = ranker.scores(images, [PROMPT])
cosines = scores.cosine[:, 0].tolist()
print("shape of the table:", tuple(scores.cosine.shape), "· a list of", len(cosines), "cosines")

# %% [markdown]
# ### Exercise 2 · Rank
#
# Make `ranking`: the *numbers* of the ten pictures, 0 to 9, sorted by their cosine, the best fit
# first.

# %% exercise="07.ranking"
ranking = sorted(range(10), key=lambda number: cosines[number], reverse=True)  # SOLUTION

# %%
exercise("07.ranking").check(ranking=ranking, cosines=cosines)
# exercise("07.ranking").hint()

# %% [markdown] hint="07.ranking"
# `sorted` can sort one thing by another: `sorted(["fox", "bee", "cat"], key=len)` sorts words by
# their length. Here you sort numbers of pictures by their cosines.

# %% [markdown] hint="07.ranking"
# `sorted(range(10), key=...)`, where the key of picture `number` is `cosines[number]`. `sorted`
# begins with the smallest unless you write `reverse=True`.

# %% wrong="07.ranking" says="worst"
ranking = sorted(range(10), key=lambda number: cosines[number])

# %% wrong="07.ranking" says="cosines themselves"
ranking = sorted(cosines, reverse=True)

# %% wrong="07.ranking" says="is a pair"
ranking = sorted(enumerate(cosines), key=lambda pair: pair[1], reverse=True)

# %% wrong="07.ranking" says="not a number of a picture"
ranking = sorted(images, key=lambda image: cosines[images.index(image)], reverse=True)

# %% wrong="07.ranking" says="only one"
ranking = [max(range(10), key=lambda number: cosines[number])]

# %% wrong="07.ranking" says="each picture once"
ranking = [cosines.index(max(cosines))] * 10

# %% [markdown]
# Here they are in the order of CLIP, each with its number and its cosine. (`ranker.rank` does what
# you have just written.) Look at the first and at the last: can you see what CLIP liked?

# %% picture="07.ranked"
ranked = ranker.rank(images, PROMPT)
labels = [f"number {number}: {score:.3f}" for number, score in ranked]
print(len(labels), "pictures, best fit first")
display(image_grid([images[number] for number, score in ranked], rows=2, labels=labels))

# %% [markdown]
# Keep the winner, and with it everything that is needed to draw it again. `save_image` writes the
# settings into the file itself. (We save to a folder that is thrown away. Put your own there.)

# %%
best, best_score = ranked[0]
recipe = {"prompt": PROMPT, "seed": seeds[best], **settings}
with TemporaryDirectory() as folder:
    path = save_image(images[best], folder, settings=recipe)
    print("settings in the file are the recipe:", image_settings(path) == recipe)

# %% [markdown]
# ## 4 · Do you and CLIP agree?
#
# ### Exercise 3 · Agreement
#
# Complete the function. It says which share of your favourites is also among CLIP's favourites, if
# CLIP may name as many as you did. With `vote = [3, 0, 7]` and `ranking = [0, 5, 3, ...]` CLIP's
# three are 0, 5 and 3; two of yours are among them, so the agreement is 2/3. The order within the
# three does not matter.


# %% exercise="07.agreement"
def agreement(vote, ranking):
    # BEGIN SOLUTION
    favourites = ranking[: len(vote)]
    return len(set(vote) & set(favourites)) / len(vote)
    # END SOLUTION


# %%
exercise("07.agreement").check(agreement=agreement)
# exercise("07.agreement").hint()

# %% [markdown] hint="07.agreement"
# CLIP's favourites are the first `len(vote)` items of `ranking`.

# %% [markdown] hint="07.agreement"
# What two sets have in common is `set(a) & set(b)`, and `len` counts it.


# %% wrong="07.agreement" says="order"
def agreement(vote, ranking):
    return sum(mine == its for mine, its in zip(vote, ranking, strict=False)) / len(vote)


# %% wrong="07.agreement" says="as many as"
def agreement(vote, ranking):
    return len(set(vote) & set(ranking)) / len(vote)


# %% wrong="07.agreement" says="exactly three"
def agreement(vote, ranking):
    return len(set(vote) & set(ranking[:3])) / 3


# %% wrong="07.agreement" says="share"
def agreement(vote, ranking):
    return len(set(vote) & set(ranking[: len(vote)]))


# %% tags=["nbval-ignore-output"]
agreed = agreement(my_vote, [number for number, score in ranked])
if agreed is None:
    print("First solve exercise 3.")
else:
    print(f"You and CLIP agree on {agreed:.0%} of your favourites.")

# %% [markdown]
# What would chance give? If you and CLIP each picked three of ten blindly, each of your three
# would have three chances in ten to be among CLIP's. So 30% on average means *no agreement at
# all*, and one vote of three pictures is too little to tell. Vote on several prompts, or let a
# whole class vote.
#
# Where you disagree, who is right? You were asked different things. CLIP knows one question: *does
# this fit the caption?* It does not know whether a picture is beautiful, whether the eyes are
# straight, or whether you like owls. Ours also looks at 64 × 64 pixels only.
#
# ## 5 · Asking CLIP about words
#
# The table can also have one picture and many texts. The **softmax** of a row of *logits* turns the
# scores into shares that sum to 1: how strongly CLIP believes in each text, if one of them must be
# right. We ask about the winner: the first text is its own prompt, the others name another subject.

# %% picture="07.words"
subjects = ["an owl", "a parrot", "a penguin", "a fox", "a cat", "a ghost"]
texts = [f"a cartoon sticker of {subject} in the snow" for subject in subjects]
beliefs = ranker.scores([images[best]], texts).logits.softmax(dim=1)[0]
figure, (left, right) = plt.subplots(1, 2, width_ratios=[1, 2], layout="constrained")
figure.set_size_inches(8, 2.6)
left.imshow(images[best])
left.axis("off")
right.barh(subjects[::-1], beliefs.flip(0))
right.set_xlim(0, 1)
right.set_xlabel("share of CLIP's belief")
plt.show()

# %% [markdown]
# ## 6 · R-precision: judging the pipeline, not the picture
#
# A cosine alone says little: is 0.4 good? It depends on the CLIP, on the prompt and on the style.
# **R-precision** ([Xu et al. 2018](https://arxiv.org/abs/1711.10485)) asks a question with a plain
# answer instead. Shuffle the pictures and their prompts, and let CLIP put them together again:
# *for how many pictures does it find the right prompt first?* So it is the share of pictures that
# fit their own prompt better than all the other prompts. The paper takes 100 prompts for each
# picture; we take ten.
#
# We draw ten prompts, and score every picture with every prompt. The prompts differ in one word,
# on purpose: if each had a background of its own, the colour alone would give the answer away. In
# the table each row is a picture and each column a prompt. Where should the brightest square of
# each row be?

# %% picture="07.table"
animals = ["fox", "cat", "dog", "tiger", "lion", "rabbit", "monkey", "panda", "pig", "horse"]
prompts = [f"a 3d sticker of a {animal} on a teal background" for animal in animals]


def draw_all(guidance_scale):
    latents = seeded_latents(pipe, range(100, 110))
    return pipe(
        prompts, latents=latents, num_inference_steps=25, guidance_scale=guidance_scale
    ).images


drawn = draw_all(5.0)
table = ranker.scores(drawn, prompts)
plt.figure(figsize=(4.2, 3.4), layout="constrained")
plt.imshow(table.cosine)
plt.xticks(range(10), animals, rotation=90)
plt.yticks(range(10), animals)
plt.xlabel("prompt")
plt.ylabel("picture")
plt.colorbar(label="cosine")
plt.show()

# %% [markdown]
# The bright diagonal is what we hope for. A bright square beside it is an animal that CLIP takes
# for another.
#
# ### Exercise 4 · R-precision
#
# Complete the function. `cosines` is a square tensor: `cosines[i, j]` says how well picture i fits
# prompt j, and picture i was made from prompt i. Return the share of pictures whose own prompt has
# the highest cosine, as a plain number from 0 to 1.


# %% exercise="07.r_precision"
def r_precision(cosines):
    # BEGIN SOLUTION
    best_prompts = cosines.argmax(dim=1)
    own_prompts = torch.arange(len(cosines))
    return (best_prompts == own_prompts).float().mean().item()
    # END SOLUTION


# %%
exercise("07.r_precision").check(r_precision=r_precision)
# exercise("07.r_precision").hint()

# %% [markdown] hint="07.r_precision"
# `cosines[i].argmax()` is the number of the prompt that fits picture i best. When is it a hit?

# %% [markdown] hint="07.r_precision"
# For all pictures at once, `cosines.argmax(dim=1)`. Compare it with `torch.arange(len(cosines))`,
# which is 0, 1, 2, … A comparison gives `True` and `False`; `.float().mean()` makes a share of
# them.


# %% wrong="07.r_precision" says="for each prompt the best picture"
def r_precision(cosines):
    hits = cosines.argmax(dim=0) == torch.arange(len(cosines))
    return hits.float().mean().item()


# %% wrong="07.r_precision" says="mean of the diagonal"
def r_precision(cosines):
    return cosines.diagonal().mean().item()


# %% wrong="07.r_precision" says="share, not a count"
def r_precision(cosines):
    return (cosines.argmax(dim=1) == torch.arange(len(cosines))).sum().item()


# %% [markdown]
# Now measure. Guidance is said to make pictures follow the prompt, so we compare the pictures
# above with pictures from the same noise at a guidance scale of 1, that is, without guidance.
# Guessing would reach 10%, one prompt in ten. (`share_of_hits` is the course's own version of what
# you have just written.) Below are the first five of each.

# %% picture="07.guidance" tags=["nbval-ignore-output"]
unguided = draw_all(1.0)
for name, pictures in [("guidance 1", unguided), ("guidance 5", drawn)]:
    hits = share_of_hits(ranker.scores(pictures, prompts))
    print(f"{name}: R-precision {hits:.0%}")
labels = [f"{animal}, guidance {scale}" for scale in (1, 5) for animal in animals[:5]]
display(image_grid(unguided[:5] + drawn[:5], rows=2, labels=labels))

# %% [markdown]
# Would *you* have recognised them all? If CLIP is sure where you are not, read the next section.
# Also, ten pictures are few: one picture more or less is ten points. The [model
# card](../helpers/weights/stickers/README.md) has the figures of a larger measurement.
#
# ## 7 · What the score does not tell
#
# - **Whoever sits the exam should not mark it.** The text half of our CLIP is also what tells the
#   U-Net the prompt, so the two share their mistakes. This is a known fault of R-precision in
#   published work ([Dinh et al. 2021](https://arxiv.org/abs/2112.01398)). The figures in the model
#   card come from another CLIP, trained from another seed.
# - **What is measured gets optimised.** Draw a thousand pictures, keep the one with the highest
#   score, and you get the picture that this CLIP likes best, with all its blind spots.
# - **A cosine belongs to its CLIP.** Two CLIP models have different ranges. Compare scores of one
#   model only.
# - **It has seen what it has seen.** Ours knows 70 subjects. Ask it about a hippopotamus and it
#   answers, without knowing.
#
# ### A large CLIP, if you like
#
# `load_ranker` takes any CLIP checkpoint of the Hugging Face hub, and everything above works the
# same way. This one was trained on photographs and drawings from the whole web. Write `LARGE =
# True` if you have a network; the download is a few hundred megabytes.

# %%
LARGE = False
if LARGE:
    large = load_ranker("openai/clip-vit-base-patch32")
    print("the order of the large CLIP:", [number for number, score in large.rank(images, PROMPT)])
    print(f"its R-precision: {share_of_hits(large.scores(drawn, prompts)):.0%}")
else:
    print("the large CLIP is left out")

# %% [markdown]
# ## What you learned
#
# - A batch draws many pictures of one prompt in one call.
# - **CLIP** puts texts and pictures into one space; the **cosine** of their embeddings is the CLIP
#   score.
# - Sorting by the score gives a ranking: good at *does it fit?*, blind for *is it beautiful?*.
# - Agreement with your own vote can be measured, but compare it with what chance would give.
# - **Softmax** turns a row of logits into shares: what CLIP believes, if one of the texts is right.
# - **R-precision** is the share of pictures that find their own prompt again. It judges a pipeline.
# - A judge that took part in the training flatters.
#
# Next: [lesson 08](08_distilled.ipynb), in which these measures decide a real question: how much
# quality does a model lose when it is made smaller and faster?
