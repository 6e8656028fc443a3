"""Several pictures as one, under labels; and one picture larger."""

import math
import unicodedata
from collections.abc import Iterable

from PIL import Image, ImageDraw, ImageFont

from helpers.base.counts import checked_count
from helpers.pictures.check import check_image, checked_images, checked_labels, upright

GAP = 4  # pixels between the pictures of a grid
SHOWN_WIDTH = 384  # pixels that a single picture is enlarged to
MAX_LABEL_LINES = 3
MAX_GRID_MEGAPIXELS = 500  # 2 GB of memory; one slip in rows or cols asks for far more


def image_grid(
    images: Iterable[Image.Image],
    rows: int | None = None,
    cols: int | None = None,
    labels: Iterable[object] | None = None,
    min_width: int = 1,
) -> Image.Image:
    """Paste pictures of one size into one, row by row, each above its label.

    Args:
        images: PIL images, all of the same size.
        rows, cols: How many of each. With both, the pictures must fill the grid exactly; with
            one, the other follows and the last cells may stay empty; with none, the grid is
            about square.
        labels: One for each picture. A long label is wrapped, then shortened. Pillow's own font
            has the ASCII characters only: an accent is left out, a letter of another script
            becomes a question mark.
        min_width: In pixels. Narrower pictures are enlarged by the whole factor that makes them
            at least so wide; the labels stay small and sharp.

    Returns:
        An RGB picture on white.

    Raises:
        TypeError: Something in `images` is no PIL image, `rows`, `cols` or `min_width` no whole
            number, or `labels` no list.
        ValueError: No pictures, pictures of different sizes or with more than 8 bits a channel,
            counts that do not fit, a `min_width` below 1, or a grid of more than 500 megapixels.
    """
    images = [upright(image) for image in checked_images(images)]
    width, height = images[0].size
    for i, image in enumerate(images):
        if image.size != (width, height):
            raise ValueError(
                f"images must all have the same size; images[0] is {width} x {height} and "
                f"images[{i}] is {image.width} x {image.height} pixels"
            )
    rows, cols = _grid_shape(len(images), rows, cols)
    font = ImageFont.load_default(size=min(max(width // 9, 12), 28))
    factor = math.ceil(checked_count("min_width", min_width) / width)
    width, height = factor * width, factor * height
    label_texts = checked_labels(labels, len(images))
    wrapped = [_wrapped(as_ascii(text), width, font) for text in label_texts]
    line_height = sum(font.getmetrics())
    label_height = line_height * max(map(len, wrapped)) + GAP if wrapped else 0

    cell_width, cell_height = width + GAP, height + label_height + GAP
    grid = _blank_grid(cols * cell_width - GAP, rows * cell_height - GAP)
    draw = ImageDraw.Draw(grid)
    for i, image in enumerate(images):
        left, top = i % cols * cell_width, i // cols * cell_height
        grid.paste(enlarge(image, factor), (left, top))
        for line_number, line in enumerate(wrapped[i] if wrapped else []):
            position = (left + width / 2, top + height + line_number * line_height)
            draw.text(position, line, font=font, fill="black", anchor="ma")
    return grid


def enlarge(image: Image.Image, factor: int | None = None) -> Image.Image:
    """A picture `factor` times as wide and high, smoothly, to look at a small one closely.

    `None` takes the factor that makes it about 384 pixels wide: 3 for the 128 pixels of a sticker,
    1 for the 512 of Stable Diffusion.

    Raises:
        TypeError: `image` is no PIL image, or `factor` no whole number.
        ValueError: `factor` is below 1, or the picture has more than 8 bits a channel.
    """
    check_image("image", image)
    if factor is None:
        factor = max(1, round(SHOWN_WIDTH / image.width))
    if checked_count("factor", factor) == 1:
        return image.copy()
    return image.resize((image.width * factor, image.height * factor), Image.Resampling.LANCZOS)


def _grid_shape(count: int, rows: int | None, cols: int | None) -> tuple[int, int]:
    if rows is None and cols is None:
        cols = math.ceil(math.sqrt(count))
    if rows is None:
        cols = checked_count("cols", cols)
        return math.ceil(count / cols), cols
    rows = checked_count("rows", rows)
    if cols is None:
        return rows, math.ceil(count / rows)
    cols = checked_count("cols", cols)
    if rows * cols != count:
        raise ValueError(
            f"rows * cols must be the number of images; got {rows} * {cols} = {rows * cols} cells "
            f"for {count} images. Leave out rows or cols and it is worked out."
        )
    return rows, cols


def _blank_grid(width: int, height: int) -> Image.Image:
    if width * height > MAX_GRID_MEGAPIXELS * 1_000_000:
        raise ValueError(
            f"rows and cols must make a grid of at most {MAX_GRID_MEGAPIXELS} megapixels; got "
            f"{width} x {height} pixels"
        )
    return Image.new("RGB", (width, height), "white")


def _wrapped(text: str, width: int, font: ImageFont.FreeTypeFont) -> list[str]:
    """`text` in lines of at most `width` pixels; what does not fit ends in '...'."""
    lines, line = [], ""
    for word in text.split():
        if line and font.getlength(f"{line} {word}") > width:
            lines.append(line)
            line = ""
        line = f"{line} {word}" if line else word
        while font.getlength(line) > width and len(lines) < MAX_LABEL_LINES:
            fitting = _fitting_length(line, width, font)
            lines.append(line[:fitting])
            line = line[fitting:]
        if len(lines) >= MAX_LABEL_LINES:
            break
    lines.append(line)
    if len(lines) <= MAX_LABEL_LINES:
        return [line for line in lines if line]
    last = lines[MAX_LABEL_LINES - 1]
    last = last[: _fitting_length(last, width - font.getlength("..."), font)]
    return [*lines[: MAX_LABEL_LINES - 1], last + "..."]


def as_ascii(text: str) -> str:
    """The text in the letters of Pillow's own font; see `image_grid` for what becomes of others."""
    letters = unicodedata.normalize("NFKD", text)
    return "".join(c if c.isascii() else "?" for c in letters if not unicodedata.combining(c))


def _fitting_length(text: str, width: float, font: ImageFont.FreeTypeFont) -> int:
    """How many characters of `text`, at least one, fit into `width` pixels."""
    length = 1
    while length < len(text) and font.getlength(text[: length + 1]) <= width:
        length += 1
    return length
