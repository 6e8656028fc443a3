"""Sweeps as one picture: values on the margins, one page below the other.

Nothing here knows a model, so it imports neither torch nor diffusers.
"""

import textwrap
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from helpers.sweeps.plan import Axes

GAP = 4  # pixels between pictures
COLUMNS = 10  # of a sweep with one axis, which goes on in the next line
SHOWN_WIDTH = 1000  # pixels: about the width at which a notebook shows a wide picture
READABLE = 12  # pixels: height of letters that can still be read at that width
LINES = 3  # of a label; longer ones are cut
LETTER = 0.6  # width of an average letter, in heights

Tile = Image.Image | str
"""A cell's picture, or the words that stand in its place."""


def contact_sheet(axes: Axes, tiles: dict[tuple, Tile]) -> Image.Image:
    """The pictures of a sweep with their settings on the margins.

    Args:
        axes: The sweep's plan.
        tiles: By position a picture, or words such as "failed: NaN". Pictures may differ in size:
            each stands in the middle of a cell that is as wide as the widest and as high as the
            highest.

    Returns:
        An RGB picture on white. Letters grow with its width, so that they stay readable where
        a notebook shrinks twenty columns to the width of the page.
    """
    sizes = [tile.size for tile in tiles.values() if not isinstance(tile, str)] or [(128, 128)]
    widths, heights = zip(*sizes, strict=True)
    size = (max(widths), max(heights))
    pages = [_page(lines, size) for lines in _pages(axes, tiles)]
    sheet = Image.new(
        "RGB",
        (max(page.width for page in pages), sum(page.height + GAP for page in pages)),
        "white",
    )
    top = 0
    for page in pages:
        sheet.paste(page, (0, top))
        top += page.height + GAP
    return sheet


@dataclass
class _Page:
    """A table of tiles with the labels of its columns and rows."""

    title: str
    columns: list[str]
    rows: list[str]
    tiles: list[list[Tile]]


def _pages(axes: Axes, tiles: dict[tuple, Tile]) -> list[_Page]:
    values = [axes.values[name] for name in axes.names]
    if not values:
        return [_Page("", [], [], [[tiles[()]]])]
    if len(values) == 1:
        lines = [values[0][i : i + COLUMNS] for i in range(0, len(values[0]), COLUMNS)]
        return [
            _Page(
                axes.names[0] if i == 0 else "",
                [axes.label(value) for value in line],
                [],
                [[tiles[(value,)] for value in line]],
            )
            for i, line in enumerate(lines)
        ]
    rows, columns, *pages = values
    heading = f"rows: {axes.names[0]}, columns: {axes.names[1]}"
    return [
        _Page(
            ", ".join([heading, *(f"{axes.names[2]}: {axes.label(value)}" for value in page)]),
            [axes.label(value) for value in columns],
            [axes.label(value) for value in rows],
            [[tiles[(row, column, *page)] for column in columns] for row in rows],
        )
        for page in ([(value,) for value in pages[0]] if pages else [()])
    ]


def _page(page: _Page, size: tuple[int, int]) -> Image.Image:
    width, height = size
    table_width = len(page.tiles[0]) * (width + GAP)
    letters = max(READABLE, round(READABLE * table_width / SHOWN_WIDTH))
    font = _font(letters)
    left = 0
    if page.rows:
        left = GAP + round(max(font.getlength(label) for label in page.rows))
        left = min(left, max(2 * width, 12 * letters))
    columns = [_wrapped(label, width, letters) for label in page.columns]
    rows = [_wrapped(label, left, letters) for label in page.rows]
    title = _wrapped(page.title, max(left + table_width, 40 * letters), letters)
    line = letters + GAP
    title_height = line * len(title) if page.title else 0
    top = title_height + line * max((len(label) for label in columns), default=0)

    title_width = max((round(font.getlength(text)) for text in title), default=0)
    sheet = Image.new(
        "RGB",
        (max(left + table_width, title_width), top + len(page.tiles) * (height + GAP)),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    draw.multiline_text((0, 0), "\n".join(title), "black", font, spacing=GAP)
    for i, label in enumerate(columns):
        middle = left + i * (width + GAP) + width / 2
        _write(draw, (middle, title_height), label, font, "ma")
    for j, tiles in enumerate(page.tiles):
        y = top + j * (height + GAP)
        if rows:
            _write(draw, (0, y), rows[j], font, "la")
        for i, tile in enumerate(tiles):
            drawn = _drawn(tile, size)
            aside, below = (width - drawn.width) // 2, (height - drawn.height) // 2
            sheet.paste(drawn, (left + i * (width + GAP) + aside, y + below))
    return sheet


def _drawn(tile: Tile, size: tuple[int, int]) -> Image.Image:
    if not isinstance(tile, str):
        return tile
    drawn = Image.new("RGB", size, "lightgrey")
    font = _font(READABLE)
    _write(ImageDraw.Draw(drawn), (GAP, GAP), _wrapped(tile, size[0] - GAP, READABLE), font, "la")
    return drawn


@lru_cache
def _font(height: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: Pillow's own font has ASCII only.

    It has Latin, Greek, Cyrillic, Arabic and many signs; another letter becomes a box.
    """
    return ImageFont.truetype(Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), height)


def _write(draw, position, lines: list[str], font, anchor: str) -> None:
    x, y = position
    for i, line in enumerate(lines):
        draw.text((x, y + i * (font.size + GAP)), line, "black", font, anchor=anchor)


def _wrapped(text: str, width: float, letters: int) -> list[str]:
    """`text` in up to LINES lines of about `width` pixels."""
    columns = max(len("...") + 1, int(width / (LETTER * letters)))
    return textwrap.wrap(text, columns, max_lines=LINES, placeholder="...")
