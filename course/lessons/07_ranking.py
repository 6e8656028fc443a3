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
# Drawing is cheap, so people draw many pictures of one prompt and keep the best. But which one is
# the best? First you vote. Then a model votes, and you measure how far the two of you agree. The
# same model also measures how well a whole pipeline follows its prompts.

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

MODEL = "stickers"  # or "sd-v1-5", the real one, where there is a GPU and a network
pipe = load_pipeline(MODEL)

# %% picture="07.ten"
PROMPT = "an owl"
seeds = list(range(10))
settings = {"num_inference_steps": 25, "guidance_scale": 1.5}
images = pipe([PROMPT] * 10, latents=seeded_latents(pipe, seeds), **settings).images
print(len(images), "pictures for one prompt")
display(image_grid(images, rows=2, labels=seeds, min_width=256))

# %% [markdown]
# **At the end you will be able to**
#
# - draw ten pictures of a prompt in one call;
# - say what a CLIP score is, and compute one;
# - rank pictures by it and keep the best, with its settings;
# - measure how far a ranking agrees with your own taste;
# - explain and measure R-precision, and say what such numbers do not show.
#
# **Time:** 45 minutes for the core path, sections 1 to 6. The sections headed *More* take another
# 15. **You need:** lessons 01, 02 and 05.
#
# **Three ways through this lesson**
#
# 1. *On your own.* In `lessons/07_ranking.ipynb` four exercises have a gap, written `...`. Fill
#    the gap, run the cell, and run the check below it.
# 2. *With hints.* Stuck? Remove the `#` in front of the hint line below the check. Each run gives
#    one more hint.
# 3. *With the complete solution.* `solutions/07_ranking.ipynb` is this notebook with every gap
#    filled and every picture shown.
#
# ## 1 · Ten pictures, and your vote
#
# The cell above gave the pipeline a list of ten prompts and ten different latents in one call: a
# **batch**. The U-Net works on all of them together. (Not enough memory on a GPU? Ask for five at a
# time.) Two choices let the pictures differ: the prompt *an owl* leaves style and background open,
# and with so low a guidance scale some of them may show no owl at all.
#
# **Vote now**, before any model does. Which three do you like best, as pictures of this prompt?
# Write their numbers, the best one first.

# %%
my_vote = [3, 4, 2]  # your three favorites
print("You voted for", len(set(my_vote)), "pictures:", my_vote)

# %% [markdown]
# ## 2 · CLIP: one space for words and pictures
#
# You met CLIP in [lesson 05](05_guidance.ipynb). One half turns a text into a vector, the other
# half a picture, and a picture's vector points more in the direction of *its own* caption than of
# other captions. Such a vector, a list of numbers that represents something, is called an
# **embedding**.
#
# `load_ranker()` gives the same small CLIP as in lesson 05. It has seen stickers and portraits
# only; for the real Stable Diffusion we take a CLIP that was trained on pictures of the whole web.
# Expect two embeddings of the same length.

# %%
stickers_only = MODEL.startswith("stickers")
ranker = load_ranker("stickers-clip" if stickers_only else "openai/clip-vit-base-patch32")
text_embedding = ranker.embed_texts([PROMPT])[0]
picture_embedding = ranker.embed_images([images[0]])[0]
print("same length:", text_embedding.shape == picture_embedding.shape)

# %% [markdown]
# Do they point in the same direction? The **cosine** of the angle between two vectors says so: 1
# for the same direction, 0 for a right angle, −1 for opposite directions. This is the **CLIP
# score**. It does not depend on the lengths of the vectors:
#
# $$\mathrm{cosine} = \frac{\mathrm{first} \cdot \mathrm{second}}
# {\mathrm{length\ of\ first} \times \mathrm{length\ of\ second}}$$
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
# parentheses.


# %% wrong="07.cosine" says="lengths"
def cosine(first, second):
    return first @ second


# %% wrong="07.cosine" says="parentheses"
def cosine(first, second):
    return first @ second / first.norm() * second.norm()


# %% wrong="07.cosine" says="squares of the lengths"
def cosine(first, second):
    return first @ second / ((first @ first) * (second @ second))


# %% wrong="07.cosine" says="distance"
def cosine(first, second):
    return (first - second).norm()


# %% wrong="07.cosine" says="changes the vectors"
def cosine(first, second):
    first /= first.norm()
    second /= second.norm()
    return first @ second


# %% right="07.cosine"
def cosine(first, second):
    return torch.nn.functional.cosine_similarity(first, second, dim=0)


# %% right="07.cosine"
def cosine(first, second):
    return torch.dot(first / first.norm(), second / second.norm()).item()


# %% right="07.cosine"
def cosine(first, second):
    return (first * second).sum() / (first.square().sum() * second.square().sum()) ** 0.5


# %% tags=["nbval-ignore-output"]
mine = cosine(text_embedding, picture_embedding)
if mine is ...:
    print("First solve exercise 1.")
else:
    print(f"your function: {mine:.4f}")
print(f"the ranker:    {ranker.scores([images[0]], [PROMPT]).cosine[0, 0]:.4f}")

# %% [markdown]
# ## 3 · Scores, and a ranking
#
# `ranker.scores(images, texts)` computes this for all pictures and texts: a table with one row per
# picture and one column per text. `.cosine` holds the cosines.

# %%
cosines = ranker.scores(images, [PROMPT]).cosine[:, 0].tolist()
print("a list of", len(cosines), "cosines")

# %% [markdown]
# ### Exercise 2 · Rank
#
# Complete the function. It gets a list of cosines and returns the *numbers* of the pictures (0
# for the first), the best fit first. For `[0.2, 0.9, 0.4]` this is `[1, 2, 0]`.


# %% exercise="07.ranking"
def best_first(cosines):
    return sorted(range(len(cosines)), key=lambda number: -cosines[number])  # SOLUTION


# %%
exercise("07.ranking").check(best_first=best_first)
# exercise("07.ranking").hint()

# %% [markdown] hint="07.ranking"
# `sorted` can sort one thing by another: `sorted(["fox", "bee", "cat"], key=len)` sorts words by
# their length. Here you sort the numbers of the pictures by their cosines.

# %% [markdown] hint="07.ranking"
# `sorted(range(len(cosines)), key=…)`, where the key of picture `number` is its cosine. `sorted`
# begins with the smallest unless you write `reverse=True`.


# %% wrong="07.ranking" says="worst"
def best_first(cosines):
    return sorted(range(len(cosines)), key=lambda number: cosines[number])


# %% wrong="07.ranking" says="cosines themselves"
def best_first(cosines):
    return sorted(cosines, reverse=True)


# %% wrong="07.ranking" says="is a pair"
def best_first(cosines):
    return sorted(enumerate(cosines), key=lambda pair: pair[1], reverse=True)


# %% wrong="07.ranking" says="not the number of a picture"
def best_first(cosines):
    return [images[number] for number in sorted(range(len(cosines)), key=lambda n: -cosines[n])]


# %% wrong="07.ranking" says="only one"
def best_first(cosines):
    return [max(range(len(cosines)), key=lambda number: cosines[number])]


# %% wrong="07.ranking" says="each picture once"
def best_first(cosines):
    return [cosines.index(max(cosines))] * len(cosines)


# %% wrong="07.ranking" says="four cosines"
def best_first(cosines):
    return sorted(range(10), key=lambda number: cosines[number], reverse=True)


# %% wrong="07.ranking" says="`sort` and `reverse`"
def best_first(cosines):
    return list(range(len(cosines))).sort(key=lambda number: cosines[number])


# %% wrong="07.ranking" says="as it was"
def best_first(cosines):
    order = sorted(range(len(cosines)), key=lambda number: -cosines[number])
    cosines.sort(reverse=True)
    return order


# %% right="07.ranking"
def best_first(cosines):
    return torch.tensor(cosines).argsort(descending=True)


# %% right="07.ranking"
def best_first(cosines):
    import numpy

    return numpy.argsort(cosines)[::-1]


# %% right="07.ranking"
def best_first(cosines):
    pairs = sorted(zip(cosines, range(len(cosines)), strict=True), reverse=True)
    return tuple(number for score, number in pairs)


# %% [markdown]
# Below are the pictures in CLIP's order, each with its number and its cosine. Look at the first
# and at the last: can you see what CLIP preferred? Then change `QUESTION`, for instance to "an owl
# in the snow", and run the cell again. The pictures stay the same, and the order follows the
# words. Image search works like this.

# %% picture="07.ranked"
QUESTION = PROMPT
answers = ranker.scores(images, [QUESTION]).cosine[:, 0].tolist()
order = best_first(answers)
if order is ...:
    print("Not ranked yet: first solve exercise 2.")
    order = seeds
ranking = [int(number) for number in order]
labels = [f"number {number}: {answers[number]:.3f}" for number in ranking]
display(image_grid([images[number] for number in ranking], rows=2, labels=labels, min_width=256))

# %% [markdown]
# Keep the winner, and with it everything that is needed to draw it again. `save_image` writes the
# settings into the file itself. (This folder is temporary. Put your own there.)

# %%
best = ranking[0]
recipe = {"prompt": PROMPT, "seed": seeds[best], "model": MODEL, **settings}
with TemporaryDirectory() as folder:
    path = save_image(images[best], folder, settings=recipe)
    print("the settings in the file are complete:", image_settings(path) == recipe)

# %% [markdown]
# ## 4 · Do you and CLIP agree?
#
# ### Exercise 3 · Agreement
#
# Complete the function. It returns the share of your favorites that are also among CLIP's
# favorites, if CLIP may name as many as you did. With `vote = [3, 0, 7]` and `ranking = [0, 5, 3,
# …]`, CLIP's three are 0, 5 and 3. Two of yours are among them, so the agreement is 2/3. The order
# within the three does not matter.


# %% exercise="07.agreement"
def agreement(vote, ranking):
    # BEGIN SOLUTION
    favorites = ranking[: len(vote)]
    return len(set(vote) & set(favorites)) / len(vote)
    # END SOLUTION


# %%
exercise("07.agreement").check(agreement=agreement)
# exercise("07.agreement").hint()

# %% [markdown] hint="07.agreement"
# CLIP's favorites are the first `len(vote)` items of `ranking`.

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


# %% wrong="07.agreement" says="percent"
def agreement(vote, ranking):
    return 100 * len(set(vote) & set(ranking[: len(vote)])) / len(vote)


# %% wrong="07.agreement" says="nothing in common"
def agreement(vote, ranking):
    common = set(vote) & set(ranking[: len(vote)])
    if common:
        return len(common) / len(vote)


# %% right="07.agreement"
def agreement(vote, ranking):
    return sum(number in ranking[: len(vote)] for number in vote) / len(vote)


# %% right="07.agreement"
def agreement(vote, ranking):
    hits = torch.isin(torch.tensor(vote), torch.tensor(ranking[: len(vote)]))
    return hits.float().mean()


# %% right="07.agreement"
def agreement(vote, ranking):
    places = [ranking.index(number) for number in vote]
    return len([place for place in places if place < len(vote)]) / len(vote)


# %% tags=["nbval-ignore-output"]
agreed = agreement(my_vote, ranking)
if agreed is None:
    print("First solve exercise 3.")
else:
    print(f"You and CLIP agree on {agreed:.0%} of your favorites.")

# %% [markdown]
# What would chance give? If you and CLIP each picked three of ten blindly, each of your three
# would have three chances in ten to be among CLIP's. So 30 percent on average means *no agreement
# at all*, and one vote for three pictures is not enough to decide. Vote on several prompts, or let
# a whole class vote.
#
# Where you disagree, who is right? You answered different questions. CLIP knows one only: *does
# this fit the caption?* It does not know whether a picture is beautiful, whether the eyes are
# straight, or whether you like owls. Ours also looks at only 64 × 64 pixels.
#
# ## 5 · R-precision: evaluating the pipeline, not the picture
#
# A cosine alone says little: is 0.4 good? It depends on the CLIP, on the prompt and on the style.
# **R-precision** ([Xu et al. 2018](https://arxiv.org/abs/1711.10485)) answers a plainer question.
# Shuffle the pictures and their prompts, and let CLIP match them again: *for how many pictures
# does it rank the picture's own prompt first?* The paper takes 100 prompts per picture; we take
# ten.
#
# The ten prompts differ in one word, on purpose. If each had a background of its own, the color
# alone would give the answer away. In the table each row is a picture and each column a prompt.
# Where should the brightest square of each row be?

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
plt.figure(figsize=(5.5, 4.5), layout="constrained")
plt.imshow(table.cosine)
plt.scatter(table.cosine.argmax(dim=1), range(10), marker="x", color="red")
plt.xticks(range(10), animals, rotation=90)
plt.yticks(range(10), animals)
plt.xlabel("prompt")
plt.ylabel("picture")
plt.colorbar(label="cosine")
plt.show()

# %% [markdown]
# The × marks the brightest square of each row. A picture that fits its own prompt best has it on
# the diagonal. An × in another column is the animal that CLIP takes the picture for.
#
# ### Exercise 4 · R-precision
#
# Complete the function. `cosines` is a square tensor: `cosines[i, j]` says how well picture i fits
# prompt j, and picture i was made from prompt i. Return the share of pictures whose own prompt has
# the highest cosine, a number from 0 to 1.


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


# %% wrong="07.r_precision" says="ten pictures"
def r_precision(cosines):
    hits = sum(int(row.argmax() == number) for number, row in enumerate(cosines))
    return hits / 10


# %% right="07.r_precision"
def r_precision(cosines):
    return (cosines.diagonal() >= cosines.max(dim=1).values).float().mean()


# %% right="07.r_precision"
def r_precision(cosines):
    rows = cosines.tolist()
    return sum(row[i] == max(row) for i, row in enumerate(rows)) / len(rows)


# %% right="07.r_precision"
def r_precision(cosines):
    import numpy

    return numpy.mean(cosines.numpy().argmax(axis=1) == numpy.arange(len(cosines)))


# %% [markdown]
# Now measure. Does guidance make pictures follow the prompt, and can it be too much? We compare the
# pictures above with pictures from the same noise at two other guidance scales: at 1, that is,
# without guidance, and at 20. Guessing would reach 10 percent, one prompt in ten. Below are the
# first five of each.

# %% picture="07.guidance" tags=["nbval-ignore-output"]
by_scale = {1: draw_all(1.0), 5: drawn, 20: draw_all(20.0)}
for scale, pictures in by_scale.items():
    cosine = ranker.scores(pictures, prompts).cosine
    share = r_precision(cosine)
    found = "First solve exercise 4." if share is None else f"R-precision {share:.0%}"
    answers = zip(animals, cosine.argmax(dim=1), strict=True)
    others = [f"{a} → {animals[b]}" for a, b in answers if a != animals[b]]
    print(f"guidance {scale}: {found}, taken for others: {', '.join(others) or 'none'}")
shown = [picture for pictures in by_scale.values() for picture in pictures[:5]]
labels = [f"{animal}, guidance {scale}" for scale in by_scale for animal in animals[:5]]
display(image_grid(shown, rows=3, labels=labels, min_width=256))

# %% [markdown]
# Would *you* have recognized those that CLIP took for others, and those that it recognized? Where
# the two of you disagree, read the next section. And what if two lines have the same share although
# you like the pictures of one better? R-precision asks *which of these ten*, and says nothing about
# how well it is drawn. It also becomes blind at the top: where all are right, no setting can be
# better. Then it takes a harder exam, with more pictures and with wrong prompts that are nearer to
# the right one. The [model card](../helpers/weights/stickers/README.md) has one: is there a
# difference between its lines *guidance 1* and *guidance 5*?
#
# ## 6 · What the score does not show
#
# - **A model should not evaluate what it helped to make.** The text half of our CLIP also gives the
#   U-Net the prompt, so the two share their mistakes. This is a known weakness of R-precision in
#   published work ([Dinh et al. 2021](https://arxiv.org/abs/2112.01398)). The figures in the model
#   card come from another CLIP, trained from another seed.
# - **A measure that becomes the goal stops measuring.** Draw a thousand pictures, keep the one with
#   the highest score, and you get the picture that this CLIP prefers, with all its blind spots.
# - **A cosine belongs to its CLIP.** Two CLIP models have different ranges. Compare scores of one
#   model only.
# - **A CLIP knows what it has seen.** Ours knows 70 subjects. Ask it about a hippopotamus and it
#   gives a number anyway.
#
# ## More · Asking CLIP about words
#
# The table can also have one picture and several texts. `.logits` holds the **logits**: the
# cosines, multiplied by a number that CLIP has learned. The **softmax** of a row of logits turns
# them into shares that sum to 1: how probable each text is according to CLIP, if one of them must
# be right. This is called **zero-shot classification**: CLIP was not trained as a classifier, and
# you may write any classes you like. (Our small CLIP did read these four words in its captions.)
#
# We ask for the style of our ten owls. The prompt did not name one. The cell shows two of them,
# chosen by a rule: the picture that CLIP is surest about, and the one that it is least sure about.
# Do you agree with both?

# %% picture="07.words"
styles = ["3d", "flat", "cartoon", "simple"]
texts = [f"a {style} sticker of an owl" for style in styles]
shares = ranker.scores(images, texts).logits.softmax(dim=1)
certainty = shares.max(dim=1).values
figure, axes = plt.subplots(1, 4, width_ratios=[1, 1.3, 1, 1.3], layout="constrained")
figure.set_size_inches(10, 2.4)
for column, number in ((0, certainty.argmax()), (2, certainty.argmin())):
    axes[column].imshow(images[number])
    axes[column].axis("off")
    axes[column].set_title(f"number {number}")
    axes[column + 1].barh(styles, shares[number])
    axes[column + 1].set(xlim=(0, 1), xlabel="share")
plt.show()

# %% [markdown]
# ## More · A large CLIP
#
# `load_ranker` takes any CLIP checkpoint of the Hugging Face hub, and everything above works the
# same way. This one was trained on photographs and drawings from the whole web. Write `LARGE =
# True` if you have a network; the download is about 600 MB.

# %%
LARGE = False
if LARGE:
    large = load_ranker("openai/clip-vit-base-patch32")
    print("the order of the large CLIP:", [number for number, score in large.rank(images, PROMPT)])
    print("its R-precision:", r_precision(large.scores(drawn, prompts).cosine))
else:
    print("the large CLIP is left out")

# %% [markdown]
# ## What you learned
#
# - A **batch** draws many pictures in one call.
# - **CLIP** puts texts and pictures into one space. The **cosine** of their **embeddings** is the
#   CLIP score.
# - Sorting by the score gives a ranking. It answers *does it fit?*, not *is it beautiful?*
# - Agreement with your own vote can be measured, but compare it with chance.
# - **R-precision** is the share of pictures for which their own prompt scores highest. It evaluates
#   a pipeline.
# - A CLIP that took part in the training gives figures that are too good.
# - **Softmax** turns a row of **logits** into shares: how probable each text is, if one is right.
#
# **Try on your own:** vote on ten pictures of a prompt of yours. In section 5 keep one animal and
# let ten backgrounds differ: does R-precision rise, and why? Let somebody else vote and measure how
# far the two of you agree.
#
# Next: [lesson 08](08_distilled.ipynb), where these measures answer a real question: how much
# quality does a model lose when it becomes smaller and faster?
