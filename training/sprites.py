"""Draws the sprites once from published icon sets and keeps them in one compressed file.

`sprites.npz` is committed, so that training needs neither Node nor these packages. To draw it anew:

    npm install @lobehub/fluent-emoji-3d@1.1.0 @iconify-json/fluent-emoji-flat@1.2.6 \
        @iconify-json/noto@1.2.9 @iconify-json/twemoji@1.2.5 \
        @dicebear/core@9.4.3 @dicebear/personas@9.4.3
    python -m training.sprites node_modules

The file holds `icons`, (280, 128, 128, 4) uint8 RGBA, subject by subject in the four styles, and
`layers`, (n, 144, 117, 4) uint8 RGBA, the parts of a portrait, with their names in `layer_names`.
`portraits_large.npz` holds the same layers four times as large, as `layers`: ground truth for the
face restorer, which enlarges. Licences and credits: CREDITS.md.
"""

import io
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from helpers.base.files import write_whole
from helpers.vocabulary import STYLES, SUBJECTS

FILE = Path(__file__).with_name("sprites.npz")
ICON_SIZE = 128
LAYER_SIZE = (117, 144)  # width, height in pixels
LARGE_FILE = FILE.with_name("portraits_large.npz")
LARGE = 4  # times LAYER_SIZE
LAYER_VIEW = "10 5 44 54"  # the part of the 64 x 64 drawing that is kept: head and shoulders

# One for each subject, in the order of SUBJECTS.
DRAWINGS = """
✈️ 👽 🍎 🧑‍🚀 🥑 🎈 🍌 🐝 🚲 🚌 🦋 🌵 🎂 📷 🚗 🏰 🐱 🤡 👑 🦕 🐶 🍩 🐘 🐟 🦊 🐸 👻 🎁
🎸 🍔 ❤️ 🐎 🏠 🍦 🦁 🐵 🌙 🏔️ 🍄 🐙 🦉 🌴 🐼 🦜 🐧 🐷 🍕 🐩 🐰 🌈 🤖 🚀 🌹 ⛵ ⛄ ⚽
⭐ 🍓 ☀️ 🌻 🐯 🗼 🚂 🌳 🐢 ☂️ 🦄 🌋 🍉 🐳
"""
EMOJI = dict(zip(SUBJECTS, DRAWINGS.split(), strict=True))
SETS = {"flat": "fluent-emoji-flat", "cartoon": "noto", "simple": "twemoji"}

SKIN_COLOURS = {"light": "eeb4a4", "tan": "d78f63", "brown": "92594b", "dark": "5c3a34"}
SHADES = {
    "black": "2b2a33",
    "brown": "6b4226",
    "blonde": "e3b04b",
    "red": "c4512d",
    "grey": "b9bcc4",
    "orange": "f28c28",
    "yellow": "f7d038",
    "green": "4caf50",
    "teal": "1fa7a0",
    "blue": "456dff",
    "purple": "7b4fd0",
    "pink": "f78fb3",
    "white": "f4f4f4",
}
SHIRTS = {**SHADES, "red": "d8343f", "grey": "8d929c"}
INK = "#1b0640"


def code_points(emoji: str) -> str:
    """The emoji's code points as the icon packages write them: `1f9d1-200d-1f680`."""
    return "-".join(f"{ord(character):x}" for character in emoji)


def rendered(svg: str, width: int, height: int) -> np.ndarray:
    """An SVG as RGBA pixels, (height, width, 4) uint8."""
    from resvg_py import svg_to_bytes

    png = bytes(svg_to_bytes(svg_string=svg, width=width, height=height))
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))


def fitted(pixels: np.ndarray) -> np.ndarray:
    """The drawing without its empty border, as large as fits in ICON_SIZE, centred."""
    image = Image.fromarray(pixels)
    image = image.crop(image.getbbox())
    scale = ICON_SIZE / max(image.size)
    image = image.resize([max(1, round(side * scale)) for side in image.size], Image.LANCZOS)
    square = Image.new("RGBA", (ICON_SIZE, ICON_SIZE))
    square.paste(image, [(ICON_SIZE - side) // 2 for side in image.size])
    return np.asarray(square)


def icon(packages: Path, subject: str, style: str, sets: dict) -> np.ndarray:
    """One subject in one style, (128, 128, 4) uint8 RGBA."""
    points = code_points(EMOJI[subject])
    if style == "3d":
        folder = packages / "@lobehub" / "fluent-emoji-3d" / "assets"
        names = [points, points.replace("-fe0f", "")]
        file = next(folder / f"{n}.webp" for n in names if (folder / f"{n}.webp").exists())
        return fitted(np.asarray(Image.open(file).convert("RGBA")))
    icons, characters = sets[style]
    name = characters.get(points) or characters[points.replace("-fe0f", "")]
    drawing = icons["icons"][name]
    width = drawing.get("width", icons.get("width", 16))
    height = drawing.get("height", icons.get("height", 16))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}">{drawing["body"]}</svg>'
    )
    return fitted(rendered(svg, 256, 256))


def draw_icons(packages: Path) -> np.ndarray:
    """Every subject in every style, (280, 128, 128, 4) uint8 RGBA."""
    sets = {}
    for style, name in SETS.items():
        folder = packages / "@iconify-json" / name
        read = [json.loads((folder / f).read_text("utf-8")) for f in ("icons.json", "chars.json")]
        sets[style] = tuple(read)
    return np.stack([icon(packages, s, style, sets) for s in SUBJECTS for style in STYLES])


# ------------------------------------------------------------------------------- portraits
def lighter(colour: str, share: float) -> str:
    """White laid over a colour in "overlay" mode, as Personas draws its highlights."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    mixed = [c + share * (min(2 * c, 1) - c) for c in channels]
    return "#" + "".join(f"{round(255 * c):02x}" for c in mixed)


def groups(svg: str) -> list[str]:
    """The top-level parts of a Personas drawing, in painting order (head first)."""
    body = svg[svg.index('<g mask="url(#viewboxMask)">') + 28 : svg.rindex("</g>")]
    found, depth, start = [], 0, 0
    for tag in re.finditer(r"<(/?)(\w+)[^>]*?(/?)>", body):
        depth += 0 if tag[3] else (-1 if tag[1] else 1)
        if depth == 0:
            found.append(body[start : tag.end()])
            start = tag.end()
    return found


def part(drawings: dict, name: str) -> str:
    """One part of the portrait as an SVG fragment, without the highlights of its blend modes."""
    order = {"eyes": 3, "hair": 4, "body": 5, "mouth": 6, "nose": 7, "facialHair": 8}
    return groups(drawings[name])[order[name.split("/")[0]]]


def coloured(fragment: str, old: str, new: str) -> str:
    """The fragment in a new colour; highlights become an opaque lighter shade of it."""
    fragment = re.sub(
        r'fill="#fff" style="mix-blend-mode:overlay"( opacity="([.\d]+)")?',
        lambda match: f'fill="{lighter(new, float(match[2] or 1))}"',
        fragment,
    )
    return fragment.replace(f"#{old}", f"#{new}")


def enlarged(fragment: str, x: float, y: float, factor: float) -> str:
    """The fragment scaled about a point, so that small features survive at 128 pixels."""
    return f'<g transform="translate({x} {y}) scale({factor}) translate({-x} {-y})">{fragment}</g>'


def strokes(*paths: str, width: float = 1.4, colour: str = INK) -> str:
    return "".join(
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{width}" '
        f'stroke-linecap="round"/>'
        for path in paths
    )


def bumps(points, radius: float, colour: str) -> str:
    return "".join(f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{colour}"/>' for x, y in points)


# Drawn for this course: eyebrows, a straight mouth, and three hair shapes that Personas lacks.
BROWS = {
    "smiling": ("M24 24.4q2.2-1.6 4.4 0", "M35.6 24.4q2.2-1.6 4.4 0"),
    "sad": ("M23.8 25.4L28.2 23", "M35.8 23L40.2 25.4"),
    "surprised": ("M23.6 23.2q2.4-2.6 4.8 0", "M35.6 23.2q2.4-2.6 4.8 0"),
    "serious": ("M23.6 24.2h5", "M35.4 24.2h5"),
}
STRAIGHT_MOUTH = strokes("M28.6 41h6.8", width=1.8)


def messy_hair(colour: str) -> str:
    spikes = (
        "M17.4 27L15 19.5l3.4.6-1-6 4 2.4.8-6 4 3.6 3-5.6 3.2 5 4.6-4.2.4 5.8 5-2.4-1 5.8 4.2-.4"
    )
    fringe = "L46.6 27q-2-5-5.6-7.2q-8 3.4-17.6 0q-4.4 2.2-6 7.2z"
    return f'<path d="{spikes}{fringe}" fill="#{colour}"/>'


def wavy_hair(colour: str) -> str:
    outside = (
        "M17 31q-3.4-3 -1.4-6.4q-2.6-4 1.4-7q.6-5 6-5.4q3.4-4.4 8.6-2q5.4-2.6 8.8 2q5.4.6 6 5.6"
    )
    side = "q3.8 3 1.2 7q1.8 3.4-1.6 6.2"
    inside = "q-.2-6-3.8-9.6q-3.8 3.6-8.4 1.6q-4.4 2.4-8.8-.4q-3.4 3-5 3q-2.4 3-3 5.4z"
    return f'<path d="{outside}{side}{inside}" fill="#{colour}"/>'


def curly_long_hair(colour: str) -> str:
    shade = f"#{colour}"
    crown = [(32 + 14.2 * math.cos(a), 25 - 13.4 * math.sin(a)) for a in np.linspace(0.25, 2.89, 9)]
    sides = [
        (x + out * (y % 8 == 2), y)
        for x, out in ((17.2, -1.2), (46.8, 1.2))
        for y in range(22, 50, 4)
    ]
    return bumps(crown, 4.2, shade) + bumps(sides, 3.6, shade)


HAIR_SHAPES = {
    "woman/long straight": ("hair/long", "hair/extraLong"),
    "woman/short straight": ("hair/bobCut", "hair/bobBangs"),
    "woman/curly": (curly_long_hair,),
    "woman/big curly": ("hair/curly",),
    "woman/tied up": ("hair/straightBun", "hair/curlyBun"),
    "man/short": ("hair/shortCombover", "hair/fade"),
    "man/curly": ("hair/curlyHighTop",),
    "man/messy": (messy_hair,),
    "man/wavy": (wavy_hair,),
}
MOUTHS = {
    "smiling": (("mouth/bigSmile", 1.7), ("mouth/smile", 1.5)),
    "sad": (("mouth/frown", 1.5),),
    "surprised": (("mouth/surprise", 1.9),),
}
BEARDS = ("facialHair/beardMustache", "facialHair/goatee")
EYES = {"none": "eyes/open", "glasses": "eyes/glasses", "sunglasses": "eyes/sunglasses"}


def hair_fragments(drawings: dict, shapes, colour: str):
    for shape in shapes:
        if callable(shape):
            yield shape(colour)
        else:
            yield coloured(part(drawings, shape), "6c4545", colour)


def portrait_fragments(drawings: dict):
    """(name, SVG fragment) of every layer; names are `kind/attribute/…/variant`."""
    head = "".join(groups(drawings["eyes/open"])[:3])
    for tone, skin in SKIN_COLOURS.items():
        yield f"head/{tone}/0", coloured(head, "e5a07e", skin)
        yield f"nose/{tone}/0", coloured(part(drawings, "nose/mediumRound"), "e5a07e", skin)
    for expression, brows in BROWS.items():
        yield f"brows/{expression}/0", strokes(*brows)
    for eyewear, name in EYES.items():
        yield f"eyes/{eyewear}/0", enlarged(part(drawings, name), 32, 28.5, 1.25)
    for name, shapes in HAIR_SHAPES.items():
        for shade in ("black", "brown", "blonde", "red", "grey"):
            for variant, svg in enumerate(hair_fragments(drawings, shapes, SHADES[shade])):
                yield f"hair/{name}/{shade}/{variant}", svg
    for colour, shirt in SHIRTS.items():
        for variant, name in enumerate(("body/rounded", "body/squared")):
            yield f"shirt/{colour}/{variant}", coloured(part(drawings, name), "456dff", shirt)
    for expression, mouths in MOUTHS.items():
        for variant, (name, factor) in enumerate(mouths):
            yield f"mouth/{expression}/{variant}", enlarged(part(drawings, name), 32, 41, factor)
    yield "mouth/serious/0", STRAIGHT_MOUTH
    for shade in ("black", "brown", "blonde", "red", "grey"):
        for variant, svg in enumerate(hair_fragments(drawings, BEARDS, SHADES[shade])):
            yield f"beard/{shade}/{variant}", svg


def draw_layers(packages: Path, scale: int = 1) -> tuple[list[str], np.ndarray]:
    """Names and pixels, (n, 144 scale, 117 scale, 4) uint8 RGBA, of the layers of a portrait."""
    script = Path(__file__).with_name("portraits.mjs").read_text("utf-8")
    command = ["node", "--input-type=module", "-e", script]
    output = subprocess.run(command, cwd=packages.parent, check=True, capture_output=True).stdout
    names, pixels = [], []
    for name, fragment in portrait_fragments(json.loads(output)):
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{LAYER_VIEW}">{fragment}</svg>'
        names.append(name)
        pixels.append(rendered(svg, *(side * scale for side in LAYER_SIZE)))
    return names, np.stack(pixels)


def write_arrays(file: Path, **arrays: np.ndarray) -> None:
    """Arrays by name as one compressed file, which `np.load` reads."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    write_whole(file, buffer.getvalue())


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m training.sprites NODE_MODULES")
    packages = Path(sys.argv[1]).resolve()
    names, layers = draw_layers(packages)
    write_arrays(FILE, icons=draw_icons(packages), layers=layers, layer_names=names)
    write_arrays(LARGE_FILE, layers=draw_layers(packages, LARGE)[1])
    for file in (FILE, LARGE_FILE):
        print(f"{file.name}: {file.stat().st_size / 2**20:.1f} MiB, {len(names)} portrait layers")


if __name__ == "__main__":
    main()
