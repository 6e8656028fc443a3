"""Grids drawn by the shipped weights, for the README, the reading and everybody's own eyes.

Nothing is picked: the prompts and seeds are fixed below, whatever they give.
"""

import random
from functools import partial
from pathlib import Path

from PIL import Image

from helpers import enlarge, image_grid
from helpers.base.files import write_whole
from helpers.vocabulary import STYLES, SUBJECTS
from training.data import PLACES, Sticker, background, icons
from training.evaluate import draw, prompt, wanted

GRIDS = Path(__file__).resolve().parents[1] / "course" / "pictures"
SMALL = 72  # pixels of each picture on the sheet of all

HERO = """\
a 3d sticker of a fox in a meadow
a flat sticker of a rocket at night
a portrait of a smiling woman with brown skin, big curly black hair and a yellow shirt
a cartoon sticker of an owl in the snow
a 3d sticker of a strawberry on a pink background
a simple sticker of a sailboat at the beach
a 3d sticker of a castle in a meadow
a portrait of a surprised man with light skin, messy red hair and a green shirt
a 3d sticker of an avocado on an orange background
a cartoon sticker of a penguin in the snow
a flat sticker of a robot in the city
a 3d sticker of a panda on a green background
a portrait of a serious man with dark skin, short grey hair, glasses and a purple shirt
a cartoon sticker of a parrot in a meadow
a 3d sticker of a donut on a purple background
a flat sticker of a volcano at the beach
a 3d sticker of an octopus on a blue background
a portrait of a smiling woman with light skin, long straight blonde hair and sunglasses
""".splitlines()
THREE = HERO[:3]


def subjects_by_style(pipe) -> Image.Image:
    shown = SUBJECTS[::5]
    prompts = [f"a {style} sticker of a {name}" for style in STYLES for name in shown]
    prompts = [f"{text} on a white background" for text in prompts]
    labels = [f"{name}, {style}" for style in STYLES for name in shown]
    return image_grid(draw(pipe, prompts, [1] * len(prompts)), cols=len(shown), labels=labels)


def draw_all(pipe) -> dict[Sticker, Image.Image]:
    """Every subject in every style on white, once each."""
    abouts = [Sticker(name, style, "white") for name in SUBJECTS for style in STYLES]
    drawn = draw(pipe, [prompt(about) for about in abouts], [1] * len(abouts))
    return dict(zip(abouts, drawn, strict=True))


def all_stickers(drawn: dict[Sticker, Image.Image]) -> Image.Image:
    """All of them: left as drawn, right as they should be."""
    true = [sticker_in_the_middle(about) for about in drawn]
    small = [
        [image.resize((SMALL, SMALL), Image.LANCZOS) for image in half]
        for half in (drawn.values(), true)
    ]
    halves = [image_grid(half, cols=5 * len(STYLES)) for half in small]
    return image_grid(halves, cols=2, labels=["drawn by the model", "the drawings it learned from"])


def every_third(drawn: dict[Sticker, Image.Image]) -> Image.Image:
    """Every third subject, the styles in turn, for the README."""
    styles = {name: STYLES[i % len(STYLES)] for i, name in enumerate(SUBJECTS[::3])}
    shown = {
        about: image for about, image in drawn.items() if styles.get(about.subject) == about.style
    }
    labels = [f"{about.style} {about.subject}" for about in shown]
    # Enlarged before, so that the labels are large too: a page shows the sheet at half its size.
    return image_grid([enlarge(image, 2) for image in shown.values()], cols=6, labels=labels)


def sticker_in_the_middle(about: Sticker) -> Image.Image:
    picture = background(about.background, random.Random(1))
    icon = icons()[about.subject, about.style]
    picture.paste(icon, (PLACES[1], PLACES[1]), icon)
    return picture


def seeds(pipe) -> Image.Image:
    images = draw(pipe, [text for text in THREE for _ in range(8)], [*range(8)] * 3)
    return image_grid(images, cols=8, labels=[f"seed {seed}" for seed in range(8)] * 3)


def by_setting(pipe, name: str, values) -> Image.Image:
    columns = [draw(pipe, THREE, [1, 1, 1], **{name: value}) for value in values]
    images = [column[row] for row in range(3) for column in columns]
    return image_grid(images, cols=len(values), labels=[f"{name} {value}" for value in values] * 3)


def combinations(pipe, kind: str) -> Image.Image:
    """Sixteen combinations of a kind: "held out" or "portraits"."""
    abouts = [sample.about for sample in wanted(kind, 16, seed=77)]
    return image_grid(draw(pipe, [prompt(about) for about in abouts], [*range(16)]), cols=8)


def schedulers(pipe) -> Image.Image:
    """Every compatible scheduler at 25 steps, guidance 7.5."""
    own, images, labels = pipe.scheduler, [], []
    for kind in sorted(own.compatibles, key=lambda kind: kind.__name__):
        pipe.scheduler = kind.from_config(own.config)
        images += draw(pipe, THREE, [1, 1, 1], guidance_scale=7.5)
        labels += [kind.__name__.removesuffix("Scheduler")] * 3
    pipe.scheduler = own
    return image_grid(images, cols=9, labels=labels)


def write_pictures(pipe, folder: Path = GRIDS) -> None:
    """All grids, as PNG files in the folder."""
    drawn = draw_all(pipe)
    grids = {
        "stickers": lambda: image_grid(draw(pipe, HERO, [*range(len(HERO))]), cols=6),
        "subjects_by_style": lambda: subjects_by_style(pipe),
        "all_stickers": lambda: all_stickers(drawn),
        "drawings": lambda: every_third(drawn),
        "seeds": lambda: seeds(pipe),
        "steps": lambda: by_setting(pipe, "num_inference_steps", (1, 2, 4, 8, 16, 25, 50)),
        "guidance": lambda: by_setting(pipe, "guidance_scale", (1, 2, 3, 5, 7.5, 12, 20)),
        "held_out": lambda: combinations(pipe, "held out"),
        "portraits": lambda: combinations(pipe, "portraits"),
        "schedulers": lambda: schedulers(pipe),
    }
    for name, make in grids.items():
        write_whole(folder / f"{name}.png", partial(make().save, format="PNG", optimize=True))
        print(f"{name}.png", flush=True)
