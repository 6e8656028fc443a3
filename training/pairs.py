"""Pairs for the face restorer: a degraded picture, and the same picture before that.

Pair i of a seed is always the same one. The ground truth is drawn at one to four times the size of
the sticker pictures: the person from layers that are rendered at that size, so that there is real
detail to learn; the background enlarged smoothly, as if it were out of focus. Stickers have no
larger drawings, so their enlarged ground truth has no more detail than an interpolation gives, and
the restorer learns to leave what is no face alone.
"""

import io
import random
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from helpers.vocabulary import SUBJECTS, one_in_ten
from training.data import (
    PLACES,
    PORTRAIT_HEIGHT,
    SIZE,
    Portrait,
    Sticker,
    background,
    portrait_layers,
    portrait_picture,
    random_portrait,
    random_sticker,
    sticker_picture,
)
from training.sprites import FILE, LARGE, LARGE_FILE

FILTERS = (Image.BOX, Image.BILINEAR, Image.BICUBIC, Image.LANCZOS)
ENLARGING = (Image.NEAREST, Image.BILINEAR, Image.BICUBIC, Image.LANCZOS)
# By the factor of the output: how many times 128 pixels the ground truth is wide. Usually the
# factor, so that the restorer gets 128 pixels; less gives it a small picture, more a part of a
# large one.
SCALES = {1: (1, 1, 1, 2), 2: (2, 2, 1, 3), 3: (3, 3, 4), 4: (4, 4, 2, 1)}
FACTOR_WEIGHTS = {1: 0.35, 2: 0.35, 3: 0.1, 4: 0.2}
WORDS = "LOVE NIGHT THE LAST DREAM OF SUMMER HERO MOON 2049 CITY Secret Story Part II".split()


class Pair(NamedTuple):
    """What the restorer gets and what it should give, both (height, width, 3) uint8.

    `latent_noise` says that the autoencoder still has to be passed, and with how much noise on
    the latents (in deviations); None says not.
    """

    degraded: np.ndarray
    ground_truth: np.ndarray
    about: Portrait | Sticker
    latent_noise: float | None


def is_held_out(about: Portrait) -> bool:
    """Whether the restorer never sees this face in training: about one in ten, by a hash."""
    key = f"{about.hair}|{about.hair_colour}|{about.expression}|{about.eyewear}|{about.skin}"
    return one_in_ten(key)


# ------------------------------------------------------------------------------- ground truth
@cache
def large_layers() -> dict[str, list[tuple[Image.Image, tuple[int, int]]]]:
    """The layers of portraits at LARGE times their size, cut to what is drawn, with its place."""
    found: dict[str, list] = {}
    names, layers = np.load(FILE)["layer_names"], np.load(LARGE_FILE)["layers"]
    for name, pixels in zip(names, layers, strict=True):
        layer = Image.fromarray(pixels)
        box = layer.getbbox()
        found.setdefault(str(name).rpartition("/")[0], []).append((layer.crop(box), box[:2]))
    return found


def large_person(about: Portrait, draw: random.Random) -> Image.Image:
    """The person alone, (576, 468) RGBA."""
    height, width = (LARGE * side for side in (144, 117))
    person = Image.new("RGBA", (width, height))
    for name in portrait_layers(about):
        layer, place = draw.choice(large_layers()[name])
        person.alpha_composite(layer, place)
    return person


def large_portrait(about: Portrait, draw: random.Random, scale: int) -> Image.Image:
    """A portrait of scale * 128 pixels a side: what `portrait_picture` draws, with more detail."""
    person = resized(large_person(about, draw), scale * PORTRAIT_HEIGHT)
    picture = scene(about, draw, scale)
    left = scale * draw.choice(PLACES)
    picture.paste(person, (left, picture.height - person.height), person)
    return picture


def smaller_portrait(about: Portrait, draw: random.Random, scale: int) -> Image.Image:
    """The same with a smaller person anywhere, who may look to the other side."""
    person = resized(large_person(about, draw), scale * draw.randint(56, 110))
    if draw.random() < 0.5:
        person = person.transpose(Image.FLIP_LEFT_RIGHT)
    picture = scene(about, draw, scale)
    room = picture.width - person.width, picture.height - person.height
    picture.paste(person, tuple(draw.randint(0, side) for side in room), person)
    return picture


def resized(person: Image.Image, height: int) -> Image.Image:
    return person.resize((round(height * person.width / person.height), height), Image.LANCZOS)


def scene(about: Portrait, draw: random.Random, scale: int) -> Image.Image:
    side = scale * SIZE
    return background(about.background, draw).resize((side, side), Image.BICUBIC)


def add_title(picture: Image.Image, draw: random.Random) -> None:
    """A few words across the picture, as on a poster: sharp, and to be left sharp."""
    size = round(picture.width * draw.uniform(0.07, 0.2))
    text = " ".join(draw.choices(WORDS, k=draw.randint(1, 3)))
    colour = tuple(draw.choice((draw.randint(0, 60), draw.randint(190, 255))) for _ in range(3))
    place = [round(picture.width * draw.uniform(0, top)) for top in (0.3, 0.85)]
    ImageDraw.Draw(picture).text(place, text, fill=colour, font=font(size))


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def ground_truth(about: Portrait | Sticker, draw: random.Random, scale: int) -> Image.Image:
    """A picture before it is degraded, scale * 128 pixels a side."""
    if isinstance(about, Sticker):
        picture = sticker_picture(about, draw)
        return picture.resize((scale * SIZE, scale * SIZE), Image.BICUBIC)
    return portrait_picture(about, draw) if scale == 1 else large_portrait(about, draw, scale)


# ------------------------------------------------------------------------------- degradation
def shrunk(picture: Image.Image, factor: float, draw: random.Random) -> Image.Image:
    side = max(8, round(picture.width / factor))
    return picture.resize((side, side), draw.choice(FILTERS))


def with_noise(picture: Image.Image, deviation: float, draw: random.Random) -> Image.Image:
    noise = np.random.default_rng(draw.getrandbits(32)).normal(0, deviation, (*picture.size, 3))
    return Image.fromarray((np.asarray(picture) + noise).round().clip(0, 255).astype(np.uint8))


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    """What is left after saving as JPEG."""
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=quality)
    return Image.open(buffer).convert("RGB")


def photographed(picture: Image.Image, draw: random.Random) -> Image.Image:
    """Blurred, shrunk, noisy, saved as JPEG and enlarged again: each a little, or not at all."""
    side = picture.width
    if draw.random() < 0.5:
        picture = picture.filter(ImageFilter.GaussianBlur(draw.uniform(0.2, 1.3)))
    if draw.random() < 0.7:
        picture = shrunk(picture, draw.uniform(1, 3.2), draw)
    if draw.random() < 0.6:
        picture = with_noise(picture, draw.uniform(1, 14), draw)
    if draw.random() < 0.7:
        picture = as_jpeg(picture, draw.randint(30, 95))
    if picture.width != side:
        picture = picture.resize((side, side), draw.choice(ENLARGING))
    return picture


# ------------------------------------------------------------------------------- pairs
@dataclass(frozen=True)
class Pairs:
    """Pair i of a seed. `held_out`: False gives only training faces and stickers, True others."""

    seed: int
    held_out: bool = False
    portrait_share: float = 0.7

    def about(self, draw: random.Random) -> Portrait | Sticker:
        if draw.random() < self.portrait_share:
            chosen = random_portrait(draw)
            while is_held_out(chosen) is not self.held_out:
                chosen = random_portrait(draw)
        else:
            chosen = random_sticker(draw, SUBJECTS)
            while chosen.held_out is not self.held_out:
                chosen = random_sticker(draw, SUBJECTS)
        return chosen

    def factor(self, start: int) -> int:
        """The factor of the batch that begins with pair `start`."""
        draw = random.Random(f"{self.seed}/{self.held_out}/factor/{start}")
        return draw.choices(list(FACTOR_WEIGHTS), list(FACTOR_WEIGHTS.values()))[0]

    def pair(self, i: int, factor: int, scale: int) -> Pair:
        draw = random.Random(f"{self.seed}/{self.held_out}/{i}")
        about = self.about(draw)
        if isinstance(about, Portrait) and draw.random() < 0.25:
            picture = smaller_portrait(about, draw, scale)
        else:
            picture = ground_truth(about, draw, scale)
        if draw.random() < 0.2:
            add_title(picture, draw)
        side = min(SIZE * scale, SIZE * factor)
        if side < picture.width:  # a part of it, so that the restorer gets 128 pixels
            left, top = (draw.randint(0, picture.width - side) for _ in range(2))
            picture = picture.crop((left, top, left + side, top + side))
        degraded = shrunk(picture, factor, draw) if factor > 1 else picture
        way, latent_noise = draw.random(), None
        if way < 0.45:
            latent_noise = draw.uniform(0, 0.35)
        elif way < 0.85:
            degraded = photographed(degraded, draw)
        return Pair(np.asarray(degraded), np.asarray(picture), about, latent_noise)

    def samples(self, start: int, count: int) -> list[Pair]:
        """The pairs of one batch; they share factor and size."""
        factor = self.factor(start)
        scale = random.Random(f"{self.seed}/{self.held_out}/scale/{start}").choice(SCALES[factor])
        return [self.pair(i, factor, scale) for i in range(start, start + count)]
