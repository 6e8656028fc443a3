"""Pictures side by side in a notebook."""

import html
import re
from collections.abc import Iterable

from PIL import Image

from helpers.base.counts import checked_count
from helpers.base.notebook import in_notebook
from helpers.pictures.check import checked_images, checked_labels, upright
from helpers.pictures.files import ALT_TEXT_KEY


def show_images(
    images: Iterable[Image.Image], labels: Iterable[object] | None = None, img_width: int = 150
) -> None:
    """Show pictures side by side in a notebook; a click on one enlarges it (by ipyplot).

    Every picture is shown, however many, under its label and with an alt text: the label, else
    the text that `save_image` stored, else its number. The HTML holds the pixels, so under nbval
    a cell that calls this needs the tag `nbval-ignore-output`. Outside a notebook a line of text is
    printed for each picture.

    Args:
        images: PIL images of any size.
        labels: One for each picture; without labels they are numbered from 0.
        img_width: Width of each on the screen, in pixels.

    Raises:
        TypeError: Something in `images` is no PIL image, `labels` no list, or `img_width` no
            whole number.
        ValueError: No pictures, pictures with more than 8 bits a channel, or another number of
            labels than pictures.
    """
    images = checked_images(images)
    texts = checked_labels(labels, len(images))
    img_width = checked_count("img_width", img_width)
    if texts:
        alt_texts = texts
    else:
        texts = [str(i) for i in range(len(images))]
        alt_texts = [image.info.get(ALT_TEXT_KEY, f"Picture {i}") for i, image in enumerate(images)]
    if not in_notebook():
        for image, text, alt in zip(images, texts, alt_texts, strict=True):
            described = text if text == alt else f"{text}: {alt}"
            print(f"{described} ({image.width} x {image.height} pixels)")
        return
    from IPython.display import HTML, display

    display(HTML(_ipyplot_html(images, texts, alt_texts, img_width)))


def _ipyplot_html(
    images: list[Image.Image], labels: list[str], alt_texts: list[str], img_width: int
) -> str:
    """What `ipyplot.plot_images` would show, once, with its faults of version 1.1.2 mended."""
    import ipyplot
    import numpy as np
    from IPython.utils.capture import capture_output

    array = np.empty(len(images), dtype=object)
    for i, image in enumerate(images):  # numpy would turn a list into pixels, which ipyplot refuses
        array[i] = upright(image)
    with capture_output() as captured:  # it shows its HTML twice, first as source
        ipyplot.plot_images(
            array,
            labels=[html.escape(label) for label in labels],
            max_images=len(images),
            img_width=img_width,
        )
    shown = captured.outputs[-1].data["text/html"]
    alts = iter(alt_texts)
    return re.sub(r"<img ", lambda _: f'<img alt="{html.escape(next(alts))}" ', shown)
