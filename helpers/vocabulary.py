"""The words that the sticker models were trained on, and no others.

A prompt made of these words is understood; any other word is noise to the model. The lists are
used by `training/`, which draws a picture for each, and by the lessons, which point out words
that the model has never seen.
"""

import hashlib
import re


def _phrases(listed: str) -> tuple[str, ...]:
    return tuple(" ".join(phrase.split()) for phrase in listed.split(","))


SUBJECTS = _phrases(
    """
    airplane, alien, apple, astronaut, avocado, balloon, banana, bee, bicycle, bus, butterfly,
    cactus, cake, camera, car, castle, cat, clown, crown, dinosaur, dog, donut, elephant, fish,
    fox, frog, ghost, gift, guitar, hamburger, heart, horse, house, ice cream, lion, monkey,
    moon, mountain, mushroom, octopus, owl, palm tree, panda, parrot, penguin, pig, pizza,
    poodle, rabbit, rainbow, robot, rocket, rose, sailboat, snowman, soccer ball, star,
    strawberry, sun, sunflower, tiger, tokyo tower, train, tree, turtle, umbrella, unicorn,
    volcano, watermelon, whale
    """
)
STYLES = ("3d", "flat", "cartoon", "simple")
COLOURS = _phrases("red, orange, yellow, green, teal, blue, purple, pink, white, grey, black")
SCENES = {
    "beach": ("on the beach", "at the beach"),
    "night": ("under the night sky", "at night"),
    "meadow": ("in a meadow", "in a green meadow"),
    "city": ("in the city", "in the big city"),
    "snow": ("in the snow", "in a snowy landscape"),
}
BACKGROUNDS = COLOURS + tuple(SCENES)

# Portraits: what the caption may say of a person.
HAIR = {
    "woman": ("long straight", "short straight", "curly", "big curly", "tied up"),
    "man": ("short", "curly", "messy", "wavy"),
}
HAIR_COLOURS = ("black", "brown", "blonde", "red", "grey")
EXPRESSIONS = ("smiling", "sad", "surprised", "serious")
EYEWEAR = ("none", "glasses", "sunglasses")
SKIN_TONES = ("light", "tan", "brown", "dark")
SHIRT_COLOURS = COLOURS

# The words that hold a caption together.
CAPTION_WORDS = _phrases(
    """
    a, an, and, background, beard, front, hair, in, of, on, portrait, shirt, skin, sticker,
    style, wall, with
    """
)

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
        CAPTION_WORDS,
        SUBJECTS,
        STYLES,
        COLOURS,
        *SCENES.values(),
        *HAIR.values(),
        HAIR,
        HAIR_COLOURS,
        EXPRESSIONS,
        EYEWEAR[1:],
        SKIN_TONES,
        SHIRT_COLOURS,
    )
    for phrase in phrases
    for word in words_of(phrase)
)
"""Every word that a caption can have; "ice cream" counts as two."""


def unknown_words(prompt: str) -> list[str]:
    """The words of a prompt that the sticker models have never read, each once, in their order.

    To know each word is not to know the sentence: "on the fox" has known words only.
    """
    return [word for word in dict.fromkeys(words_of(prompt)) if word not in KNOWN_WORDS]


def with_article(words: str) -> str:
    """`an owl`, `a unicorn`: the words with the article that the captions have before them."""
    vowel = words[0].lower() in "aeiou" and not words.startswith(("uni", "one"))
    return f"{'an' if vowel else 'a'} {words}"


def was_held_out(subject: str, style: str, background: str) -> bool:
    """Whether no picture of this combination was trained on: about one in ten, by a hash."""
    return one_in_ten(f"{subject}|{style}|{background}")


def one_in_ten(key: str) -> bool:
    """Whether a text is among those that are kept back: always the same ones, about one in ten."""
    return int(hashlib.md5(key.encode()).hexdigest(), 16) % 10 == 0
