"""Proposal: goes to the end of helpers/vocabulary.py (the two imports to its top).

The tests after the line of dashes go to tests/test_vocabulary.py.
"""

import hashlib
import re

from helpers.vocabulary import (  # not needed once this stands in that file
    COLOURS,
    EXPRESSIONS,
    EYEWEAR,
    HAIR,
    HAIR_COLOURS,
    SCENES,
    SHIRT_COLOURS,
    SKIN_TONES,
    STYLES,
    SUBJECTS,
)

# The words that hold a caption together.
CAPTION_WORDS = (
    "a", "an", "and", "background", "beard", "front", "hair", "in", "of", "on", "portrait",
    "shirt", "skin", "sticker", "style", "wall", "with",
)  # fmt: skip

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


def words_of(prompt: str) -> list[str]:
    """The words of a prompt in their order, in lower case, without punctuation.

    Raises TypeError if `prompt` is no text.
    """
    if not isinstance(prompt, str):
        raise TypeError(f"prompt must be a text; got {prompt!r} ({type(prompt).__name__})")
    return WORD.findall(prompt.lower())


KNOWN_WORDS = frozenset(
    word
    for phrases in (
        CAPTION_WORDS, SUBJECTS, STYLES, COLOURS, *SCENES.values(), *HAIR.values(), HAIR,
        HAIR_COLOURS, EXPRESSIONS, EYEWEAR[1:], SKIN_TONES, SHIRT_COLOURS,
    )
    for phrase in phrases
    for word in words_of(phrase)
)  # fmt: skip
"""Every word that a caption can have; "ice cream" counts as two."""


def unknown_words(prompt: str) -> list[str]:
    """The words of a prompt that the sticker models have never read, each once, in their order.

    To know each word is not to know the sentence: "on the fox" has known words only.
    """
    return [word for word in dict.fromkeys(words_of(prompt)) if word not in KNOWN_WORDS]


def was_held_out(subject: str, style: str, background: str) -> bool:
    """Whether no picture of this combination was trained on: about one in ten, by a hash."""
    key = f"{subject}|{style}|{background}"
    return int(hashlib.md5(key.encode()).hexdigest(), 16) % 10 == 0


# ----------------------------------------------------------------- tests/test_vocabulary.py
'''
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
    with pytest.raises(TypeError, match="prompt must be a text; got \\\\['a fox'\\\\]"):
        unknown_words(["a fox"])


def test_held_out_combinations_are_those_of_the_training():
    combinations = [(s, t, b) for s in SUBJECTS for t in STYLES for b in BACKGROUNDS]
    held_out = [parts for parts in combinations if was_held_out(*parts)]
    assert held_out == [parts for parts in combinations if Sticker(*parts).held_out]
    assert 0.08 < len(held_out) / len(combinations) < 0.12
'''
