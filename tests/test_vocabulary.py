"""The vocabulary is what the captions of the training data say, no more and no less."""

import random

import pytest

from helpers.vocabulary import (
    BACKGROUNDS,
    KNOWN_WORDS,
    STYLES,
    SUBJECTS,
    unknown_words,
    was_held_out,
    with_article,
    words_of,
)
from training.data import (
    Sticker,
    portrait_caption,
    random_portrait,
    random_sticker,
    sticker_caption,
)


def captions(count: int) -> list[str]:
    draw = random.Random(0)
    stickers = [sticker_caption(random_sticker(draw), draw) for _ in range(count)]
    return stickers + [portrait_caption(random_portrait(draw), draw) for _ in range(count)]


def test_known_words_are_those_of_the_captions():
    assert {word for caption in captions(4000) for word in words_of(caption)} == KNOWN_WORDS


@pytest.mark.parametrize(
    "prompt, unknown",
    [
        ("A 3D sticker of an ice cream, on a TEAL background.", []),
        ("a movie poster of a rocket; movie!", ["movie", "poster"]),
        ("two foxes", ["two", "foxes"]),
        ("a fox's blue-green hat", ["fox's", "hat"]),
        ("a portrait of a woman with none", ["none"]),
        ("…", []),
    ],
)
def test_unknown_words_are_found(prompt, unknown):
    assert unknown_words(prompt) == unknown


def test_a_list_of_prompts_is_refused():
    with pytest.raises(TypeError, match="prompt must be a text; got \\['a fox'\\]"):
        unknown_words(["a fox"])


def test_the_combinations_that_were_held_out_stay_the_same():
    """Weights that are shipped were trained without them."""
    combinations = [(s, t, b) for s in SUBJECTS for t in STYLES for b in BACKGROUNDS]
    held_out = [parts for parts in combinations if was_held_out(*parts)]
    assert len(held_out) == 397
    assert held_out[0] == ("airplane", "cartoon", "yellow")
    assert held_out[-1] == ("whale", "simple", "night")
    assert held_out == [parts for parts in combinations if Sticker(*parts).held_out]


@pytest.mark.parametrize("words", ["an owl", "a fox", "an ice cream", "a unicorn", "an Image"])
def test_article(words):
    assert with_article(words.partition(" ")[2]) == words
