"""Several pictures as one, each above its label; and one picture enlarged."""

import math
from collections.abc import Iterable

from PIL import Image

from helpers.base.counts import checked_count
from helpers.pictures.check import check_image, checked_images, checked_labels, upright
from helpers.pictures.table import READABLE, Table

MAX_LETTERS = 28  # pixels: height of the letters of labels, however large the pictures are
SHOWN_WIDTH = 384  # pixels that a single picture is enlarged to


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
        labels: One for each picture. A long label is wrapped, then shortened.
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
    factor = math.ceil(checked_count("min_width", min_width) / width)
    images = [enlarge(image, factor) for image in images]
    tiles = [images[i : i + cols] for i in range(0, len(images), cols)]
    table = Table(tiles, captions=checked_labels(labels, len(images)), shape=(rows, cols))
    return table.draw(letters=min(max(width // 10, READABLE), MAX_LETTERS))


def enlarge(image: Image.Image, factor: int | None = None) -> Image.Image:
    """A picture `factor` times as wide and high, smoothly, to look at a small one closely.

    It is upright and in RGB, and what is transparent is white.

    `None` takes the factor that makes it about 384 pixels wide: 3 for the 128 pixels of a sticker,
    1 for the 512 of Stable Diffusion.

    Raises:
        TypeError: `image` is no PIL image, or `factor` no whole number.
        ValueError: `factor` is below 1, or the picture has numbers of no known range.
    """
    check_image("image", image)
    image = upright(image)
    if factor is None:
        factor = max(1, round(SHOWN_WIDTH / image.width))
    if checked_count("factor", factor) == 1:
        return image
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
