"""Proposal: goes to the end of helpers/vocabulary.py (the two imports to its top).

Its tests are in test_vocabulary.py.
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
