"""Pictures in rows and columns with words around them: every grid of the course is drawn here."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

GAP = 4  # pixels between pictures, and between lines of text
MAX_LINES = 3  # of a label; what does not fit ends in "..."
MAX_MEGAPIXELS = 500  # 2 GB of memory; one slip in rows or cols asks for far more
READABLE = 12  # pixels: the smallest letters, unless a word would not fit whole
SMALLEST = 8  # then a word is broken

# After a sign, or where a new word begins within a name such as EulerAncestralDiscreteScheduler.
PART_END = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_/=:,-](?=\w)")

Tile = Image.Image | str
"""A picture, or the words that take its place."""


@lru_cache
def label_font(letters: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib, with letters of that height in pixels.

    It has Latin, Greek, Cyrillic, Arabic and many signs; another letter becomes a box.
    """
    file = Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf")
    return ImageFont.truetype(file, letters)


def wrapped(text: str, width: float, font: ImageFont.FreeTypeFont) -> list[str]:
    """`text` in up to MAX_LINES lines of at most `width` pixels; a longer one ends in "...".

    A word that is too wide ends its line after one of its parts: num_inference_ steps.
    """
    lines, line = [], ""
    for word in text.split():
        if line and font.getlength(f"{line} {word}") > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        while font.getlength(line) > width and len(lines) < MAX_LINES:
            fitting = _part_length(line, _fitting_length(line, width, font))
            lines.append(line[:fitting])
            line = line[fitting:]
        if len(lines) >= MAX_LINES:
            break
    lines.append(line)
    if len(lines) <= MAX_LINES:
        return [line for line in lines if line]
    last = lines[MAX_LINES - 1]
    last = last[: _fitting_length(last, width - font.getlength("..."), font)]
    return [*lines[: MAX_LINES - 1], last + "..."]


def _fitting_length(text: str, width: float, font: ImageFont.FreeTypeFont) -> int:
    """How many characters of `text`, at least one, fit into `width` pixels."""
    length = 1
    while length < len(text) and font.getlength(text[: length + 1]) <= width:
        length += 1
    return length


def _part_length(word: str, most: int) -> int:
    """Up to `most` characters of `word`, if possible to the end of one of its parts."""
    ends = [part.end() for part in PART_END.finditer(word, 0, most + 1) if part.end() <= most]
    return ends[-1] if ends else most


def fitting_letters(texts: Iterable[str], width: float, letters: int) -> int:
    """Height of letters, at most `letters` pixels, with which no part of a word is too wide."""
    words = {PART_END.sub(r"\g<0> ", word) for text in texts for word in text.split()}
    parts = {part for word in words for part in word.split()}
    while letters > SMALLEST:
        if all(label_font(letters).getlength(part) <= width for part in parts):
            break
        letters -= 1
    return letters


@dataclass(frozen=True)
class Table:
    """Tiles in rows, and the words around them. What has no words takes no room.

    Attributes:
        tiles: Rows of tiles; the last one may be shorter. Pictures may differ in size: each is in
            the middle of a cell that is as wide as the widest and as high as the highest.
        columns, rows: Labels above the columns and to the left of the rows.
        captions: Labels below the tiles, in their order.
        title: Above everything.
        shape: Rows and columns, if there is to be room for more tiles than there are.
    """

    tiles: Sequence[Sequence[Tile]]
    columns: Sequence[str] = ()
    rows: Sequence[str] = ()
    captions: Sequence[str] = ()
    title: str = ""
    shape: tuple[int, int] = (0, 0)

    @property
    def cell(self) -> tuple[int, int]:
        """Width and height of the room for a picture."""
        sizes = [tile.size for row in self.tiles for tile in row if not isinstance(tile, str)]
        return tuple(map(max, zip(*sizes, strict=True))) if sizes else (128, 128)

    @property
    def width(self) -> int:
        """Of all columns together, in pixels."""
        return max(len(self.tiles[0]), self.shape[1]) * (self.cell[0] + GAP) - GAP

    def draw(self, letters: int) -> Image.Image:
        """An RGB picture on white with labels of that height in pixels.

        Raises ValueError for a picture of more than MAX_MEGAPIXELS.
        """
        width, height = self.cell
        letters = fitting_letters([*self.columns, *self.captions], width, letters)
        font, line = label_font(letters), letters + GAP
        row_width = min(
            max((round(font.getlength(label)) for label in self.rows), default=0),
            max(2 * width, 12 * letters),
        )
        left = row_width + GAP if self.rows else 0
        title = wrapped(self.title, max(left + self.width, 40 * letters), font)
        columns = [wrapped(label, width, font) for label in self.columns]
        captions = [wrapped(label, width, font) for label in self.captions]
        table_top = line * (len(title) + max(map(len, columns), default=0))
        row_height = height + GAP + (line * max(map(len, captions)) + GAP if captions else 0)

        title_width = max((round(font.getlength(text)) for text in title), default=0)
        row_count = max(len(self.tiles), self.shape[0])
        sheet = _blank(
            max(left + self.width, title_width), table_top + row_count * row_height - GAP
        )
        pen = ImageDraw.Draw(sheet)
        _write(pen, (0, 0), title, font, "la")
        for i, label in enumerate(columns):
            middle = left + i * (width + GAP) + width / 2
            _write(pen, (middle, line * len(title)), label, font, "ma")
        captions = iter(captions)
        for j, tiles in enumerate(self.tiles):
            top = table_top + j * row_height
            if self.rows:
                _write(pen, (0, top), wrapped(self.rows[j], row_width, font), font, "la")
            for i, tile in enumerate(tiles):
                x = left + i * (width + GAP)
                drawn = _drawn(tile, self.cell)
                aside, below = (width - drawn.width) // 2, (height - drawn.height) // 2
                sheet.paste(drawn, (x + aside, top + below))
                caption = next(captions, [])
                _write(pen, (x + width / 2, top + height), caption, font, "ma")
        return sheet


def _blank(width: int, height: int) -> Image.Image:
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        raise ValueError(
            f"rows and cols must make a grid of at most {MAX_MEGAPIXELS} megapixels; got "
            f"{width} x {height} pixels"
        )
    return Image.new("RGB", (width, height), "white")


def _drawn(tile: Tile, size: tuple[int, int]) -> Image.Image:
    if not isinstance(tile, str):
        return tile
    drawn = Image.new("RGB", size, "lightgrey")
    font = label_font(READABLE)
    _write(ImageDraw.Draw(drawn), (GAP, GAP), wrapped(tile, size[0] - GAP, font), font, "la")
    return drawn


def _write(
    pen: ImageDraw.ImageDraw,
    position: tuple[float, float],
    lines: list[str],
    font: ImageFont.FreeTypeFont,
    anchor: str,
) -> None:
    x, y = position
    for i, text in enumerate(lines):
        pen.text((x, y + i * (font.size + GAP)), text, "black", font, anchor=anchor)
