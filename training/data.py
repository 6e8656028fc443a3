"""Pictures and captions, composed on the fly from the sprites; deterministic from a seed.

`Dataset(seed).sample(i)` gives picture number i: always the same one, on every machine.
"""

import random
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from helpers.vocabulary import (
    BACKGROUNDS,
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
    was_held_out,
    with_article,
)
from training.sprites import FILE

SIZE = 128
PORTRAIT_SHARE = 0.15
SUBJECT_SIZE = 96
PORTRAIT_HEIGHT = 118  # and 96 wide
# A latent is a cell of 8 x 8 pixels, and the inner stage of the U-Net sees cells two by two. What
# is moved by whole steps of two cells is the same pattern to both, in another place, and the U-Net
# has to learn it only once. For the same reason no drawing is mirrored.
CELL = 8
CELLS = SIZE // CELL  # in a row
STEP = 2 * CELL
PLACES = (0, STEP, 2 * STEP)  # of a drawing's left and upper edge, in pixels

RGB = {
    "red": (214, 48, 49),
    "orange": (243, 146, 55),
    "yellow": (250, 214, 80),
    "green": (92, 184, 92),
    "teal": (32, 164, 160),
    "blue": (58, 110, 220),
    "purple": (134, 84, 200),
    "pink": (248, 164, 196),
    "white": (250, 250, 250),
    "grey": (150, 152, 158),
    "black": (28, 28, 32),
}


@dataclass(frozen=True)
class Sticker:
    """One subject in one style on one background."""

    subject: str
    style: str
    background: str

    @property
    def held_out(self) -> bool:
        """Whether this combination is never trained on: about one in ten, by a hash."""
        return was_held_out(self.subject, self.style, self.background)


@dataclass(frozen=True)
class Portrait:
    """A person, by what the caption may say."""

    person: str
    hair: str
    hair_colour: str
    expression: str
    eyewear: str
    beard: bool
    shirt: str
    skin: str
    background: str


class Sample(NamedTuple):
    picture: np.ndarray  # (128, 128, 3) uint8
    caption: str
    about: Sticker | Portrait


# ------------------------------------------------------------------------------- the sprites
@cache
def icons() -> dict[tuple[str, str], Image.Image]:
    """Every icon, (96, 96) RGBA, by subject and style."""
    stored = np.load(FILE)["icons"]
    pairs = [(subject, style) for subject in SUBJECTS for style in STYLES]
    size = (SUBJECT_SIZE, SUBJECT_SIZE)
    return {
        pair: Image.fromarray(pixels).resize(size, Image.LANCZOS)
        for pair, pixels in zip(pairs, stored, strict=True)
    }


@cache
def layers() -> dict[str, list[Image.Image]]:
    """The layers of portraits: name without its variant -> the variants."""
    stored = np.load(FILE)
    found: dict[str, list[Image.Image]] = {}
    for name, pixels in zip(stored["layer_names"], stored["layers"], strict=True):
        found.setdefault(str(name).rpartition("/")[0], []).append(Image.fromarray(pixels))
    return found


# ------------------------------------------------------------------------------- backgrounds
def vertical_gradient(top, bottom, height: int = SIZE) -> Image.Image:
    shares = np.linspace(0, 1, height)[:, None]
    column = np.asarray(top) * (1 - shares) + np.asarray(bottom) * shares
    pixels = np.broadcast_to(column[:, None], (height, SIZE, 3))
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def jittered(colour, draw: random.Random, amount: int = 7):
    shift = draw.randint(-amount, amount)
    return tuple(min(255, max(0, c + shift + draw.randint(-3, 3))) for c in colour)


def plain(colour: str, draw: random.Random) -> Image.Image:
    middle = jittered(RGB[colour], draw)
    tilt = draw.randint(-8, 8)
    return vertical_gradient([c + tilt for c in middle], [c - tilt for c in middle])


def dot(pen: ImageDraw.ImageDraw, cell: tuple[int, int], radius: float, colour) -> None:
    """A disc in the middle of a cell (column, row); a small one is the same latents in each."""
    x, y = (CELL * place + CELL // 2 - 0.5 for place in cell)
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)


def cells(draw: random.Random, count: int, top: int = 0) -> list[tuple[int, int]]:
    """So many different cells (column, row), from row `top` down."""
    return draw.sample([(x, y) for x in range(CELLS) for y in range(top, CELLS)], count)


def beach(draw: random.Random) -> Image.Image:
    picture = vertical_gradient(jittered((120, 196, 240), draw), jittered((205, 235, 250), draw))
    pen = ImageDraw.Draw(picture)
    sea, sand = draw.choice((3, 4)) * STEP, draw.choice((5, 6)) * STEP
    pen.rectangle((0, sea, SIZE, SIZE), fill=jittered((50, 150, 205), draw))
    pen.ellipse((-50, sand, SIZE + 50, sand + 130), fill=jittered((240, 214, 150), draw))
    return picture


def night(draw: random.Random) -> Image.Image:
    picture = vertical_gradient(jittered((14, 18, 52), draw), jittered((52, 50, 110), draw))
    pen = ImageDraw.Draw(picture)
    for cell in cells(draw, draw.randint(16, 24)):
        dot(pen, cell, draw.choice((2, 3)), (255, 246, 200))
    return picture


def meadow(draw: random.Random) -> Image.Image:
    picture = vertical_gradient(jittered((140, 208, 245), draw), jittered((220, 242, 250), draw))
    pen = ImageDraw.Draw(picture)
    hill, near = draw.randint(-2, 4) * STEP, draw.choice((5, 6))
    pen.ellipse((hill - 90, 64, hill + 130, 214), fill=jittered((118, 190, 90), draw))
    edge = near * STEP
    pen.ellipse((-70, edge, SIZE + 70, edge + 150), fill=jittered((86, 168, 74), draw))
    for cell in cells(draw, draw.randint(6, 10), top=edge // CELL + 2):
        petal = draw.choice(((255, 255, 255), (255, 220, 90), (250, 150, 180)))
        dot(pen, cell, 3, petal)
    return picture


def city(draw: random.Random) -> Image.Image:
    picture = vertical_gradient(jittered((180, 205, 230), draw), jittered((235, 225, 215), draw))
    pen = ImageDraw.Draw(picture)
    left, street = 0, 7 * STEP
    while left < SIZE:
        width, top = draw.choice((1, 2)) * STEP, draw.randint(1, 4) * STEP
        right, wall = left + width, jittered((112, 124, 148), draw, 18)
        pen.rectangle((left, top, right - 1, street), fill=wall)
        for x in range(left, right, CELL):
            for y in range(top + CELL, street, STEP):  # windows
                pen.rectangle((x + 2, y + 1, x + 5, y + 6), fill=(246, 224, 150))
        left = right
    pen.rectangle((0, street, SIZE, SIZE), fill=jittered((92, 94, 102), draw))
    return picture


def snow(draw: random.Random) -> Image.Image:
    picture = vertical_gradient(jittered((150, 176, 208), draw), jittered((205, 220, 236), draw))
    pen = ImageDraw.Draw(picture)
    ground = draw.choice((5, 6)) * STEP
    pen.ellipse((-60, ground, SIZE + 60, ground + 120), fill=jittered((244, 248, 252), draw, 3))
    for cell in cells(draw, draw.randint(18, 26)):
        dot(pen, cell, draw.choice((2, 3)), (255, 255, 255))
    return picture


PAINTERS = {"beach": beach, "night": night, "meadow": meadow, "city": city, "snow": snow}


def background(name: str, draw: random.Random) -> Image.Image:
    """A colour or a scene, (128, 128) RGB, never twice quite the same."""
    if name in COLOURS:
        return plain(name, draw)
    return PAINTERS[name](draw).filter(ImageFilter.GaussianBlur(0.5))


# ------------------------------------------------------------------------------- composition
def sticker_picture(about: Sticker, draw: random.Random) -> Image.Image:
    picture = background(about.background, draw)
    sprite = icons()[about.subject, about.style]
    picture.paste(sprite, (draw.choice(PLACES), draw.choice(PLACES)), sprite)
    return picture


def portrait_layers(about: Portrait) -> list[str]:
    """The names of the layers that make up a person, in painting order."""
    names = [
        f"head/{about.skin}",
        f"brows/{about.expression}",
        f"eyes/{about.eyewear}",
        f"hair/{about.person}/{about.hair}/{about.hair_colour}",
        f"shirt/{about.shirt}",
        f"mouth/{about.expression}",
        f"nose/{about.skin}",
    ]
    if about.beard:
        names.insert(5, f"beard/{about.hair_colour}")
    return names


def portrait_person(about: Portrait, draw: random.Random) -> Image.Image:
    """The person alone, (144, 117) RGBA."""
    chosen = [draw.choice(layers()[name]) for name in portrait_layers(about)]
    person = chosen[0].copy()
    for layer in chosen[1:]:
        person.alpha_composite(layer)
    return person


def portrait_picture(about: Portrait, draw: random.Random) -> Image.Image:
    person = portrait_person(about, draw)
    width = round(PORTRAIT_HEIGHT * person.width / person.height)
    person = person.resize((width, PORTRAIT_HEIGHT), Image.LANCZOS)
    picture = background(about.background, draw)
    picture.paste(person, (draw.choice(PLACES), SIZE - PORTRAIT_HEIGHT), person)
    return picture


# ------------------------------------------------------------------------------- captions
def place(name: str, draw: random.Random) -> str:
    """Where the subject is: `on a teal background`, `at the beach`."""
    if name in SCENES:
        return draw.choice(SCENES[name])
    return draw.choice(
        (f"on {with_article(name)} background", f"in front of {with_article(name)} wall")
    )


def sticker_caption(about: Sticker, draw: random.Random) -> str:
    subject, style = about.subject, about.style
    where = place(about.background, draw)
    short = f"{about.background} background"
    forms = (
        (4, lambda: f"{with_article(style)} sticker of {with_article(subject)} {where}"),
        (3, lambda: f"{with_article(subject)} {where}, {style} style"),
        (2, lambda: f"{style} {subject}, {short}"),
        (1, lambda: f"{with_article(subject)} {where}"),
        (1, lambda: f"{with_article(style)} {subject}"),
        (1, lambda: with_article(subject)),
        (1, lambda: f"{subject}, {short}, {style} style"),
    )
    weights, makers = zip(*forms, strict=True)
    return draw.choices(makers, weights)[0]()


def portrait_caption(about: Portrait, draw: random.Random) -> str:
    said = {name: draw.random() < 0.75 for name in ("hair", "skin", "expression", "shirt", "where")}
    who = f"{about.expression} {about.person}" if said["expression"] else about.person
    features = []
    if said["skin"]:
        features.append(f"{about.skin} skin")
    if said["hair"]:
        features.append(f"{about.hair} {about.hair_colour} hair")
    if about.beard:
        features.append("a beard")
    if about.eyewear != "none":
        features.append(about.eyewear)
    if said["shirt"]:
        features.append(f"{with_article(about.shirt)} shirt")
    caption = f"a portrait of {with_article(who)}"
    if features:
        listed = ", ".join(features[:-1]) + (" and " if len(features) > 1 else "") + features[-1]
        caption += f" with {listed}"
    return f"{caption} {place(about.background, draw)}" if said["where"] else caption


# ------------------------------------------------------------------------------- the data set
def random_sticker(
    draw: random.Random,
    subjects: tuple[str, ...] = SUBJECTS,
    backgrounds: tuple[str, ...] = BACKGROUNDS,
) -> Sticker:
    return Sticker(draw.choice(subjects), draw.choice(STYLES), draw.choice(backgrounds))


def random_portrait(draw: random.Random) -> Portrait:
    person = draw.choice(tuple(HAIR))
    return Portrait(
        person=person,
        hair=draw.choice(HAIR[person]),
        hair_colour=draw.choice(HAIR_COLOURS),
        expression=draw.choice(EXPRESSIONS),
        eyewear=draw.choices(EYEWEAR, (2, 1, 1))[0],
        beard=person == "man" and draw.random() < 0.35,
        shirt=draw.choice(SHIRT_COLOURS),
        skin=draw.choice(SKIN_TONES),
        background=draw.choice(BACKGROUNDS),
    )


@dataclass(frozen=True)
class Dataset:
    """Picture i of a seed. `held_out`: False gives only training combinations, True only others."""

    seed: int
    held_out: bool = False
    portrait_share: float = PORTRAIT_SHARE
    subjects: tuple[str, ...] = SUBJECTS
    backgrounds: tuple[str, ...] = BACKGROUNDS

    def sample(self, i: int) -> Sample:
        draw = random.Random(f"{self.seed}/{self.held_out}/{i}")
        if draw.random() < self.portrait_share:
            about = random_portrait(draw)
            picture, caption = portrait_picture(about, draw), portrait_caption(about, draw)
        else:
            about = random_sticker(draw, self.subjects, self.backgrounds)
            while about.held_out is not self.held_out:
                about = random_sticker(draw, self.subjects, self.backgrounds)
            picture, caption = sticker_picture(about, draw), sticker_caption(about, draw)
        return Sample(np.asarray(picture), caption, about)

    def samples(self, start: int, count: int) -> list[Sample]:
        return [self.sample(i) for i in range(start, start + count)]


@dataclass(frozen=True)
class Batches:
    """The pictures of a step: always the next `size` of a data set or of pairs."""

    data: Dataset
    size: int

    def __call__(self, step: int) -> list[Sample]:
        return self.data.samples(step * self.size, self.size)


class Prefetch:
    """`draw(step)`, called by other processes before it is asked for.

    They get `draw` pickled, so it is no function inside a function. The steps are asked for one
    after the other: what is drawn for a step that is passed over would be kept for ever.
    """

    def __init__(self, draw: Callable[[int], list[Sample]], workers: int) -> None:
        self.draw, self.workers = draw, workers
        self.pool = ProcessPoolExecutor(workers) if workers else None
        self.waiting: dict[int, Future] = {}

    def __call__(self, step: int) -> list[Sample]:
        if self.pool is None:
            return self.draw(step)
        for later in range(step, step + 2 * self.workers):
            if later not in self.waiting:
                self.waiting[later] = self.pool.submit(self.draw, later)
        return self.waiting.pop(step).result()
