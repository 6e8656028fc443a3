"""Two pictures of one thing, before and after, with a slider for the border between them.

    before_after(small, improved)

The slider is a widget. The picture is an ordinary output below it, so that it is still there where
widgets are not: in a saved notebook, in a browser without a kernel, on paper.
"""

import ipywidgets as widgets
from IPython.display import DisplayHandle
from PIL import Image, ImageDraw

from helpers.pictures.check import check_image, upright
from helpers.pictures.table import READABLE, label_font
from helpers.widgets.notebook import show_widget

LINE = 2  # pixels: half the width of the border


def before_after(
    before: Image.Image, after: Image.Image, labels: tuple[str, str] = ("before", "after")
) -> None:
    """Show `before` to the left of a border and `after` to the right of it; a slider moves it.

    Args:
        before: A PIL image. If it is smaller or larger than `after` it is resized smoothly, as a
            program that shows pictures would.
        after: A PIL image; its size is that of the picture shown.
        labels: What to call the two.

    Raises:
        TypeError: One of them is no PIL image.
    """
    check_image("before", before)
    check_image("after", after)
    BeforeAfter(before, after, labels).show()


class BeforeAfter:
    """The slider and the picture that it changes.

    Attributes:
        slider: Where the border stands, in percent of the width.
    """

    def __init__(self, before: Image.Image, after: Image.Image, labels: tuple[str, str]):
        self._before, self._after, self._labels = before, after, labels
        self.slider = widgets.IntSlider(value=50, min=0, max=100, description="border")
        self.slider.layout.width = f"min(100%, {after.width + 120}px)"
        self.slider.observe(lambda change: self._replace(), names="value")
        self._picture = DisplayHandle()

    def show(self) -> None:
        show_widget(
            self.slider,
            "A slider for the border. It works while the notebook runs: run this cell.",
        )
        self._picture.display(self.picture(), metadata=self._metadata())

    def picture(self) -> Image.Image:
        """Both pictures with the border where the slider has it."""
        return joined(self._before, self._after, self.slider.value / 100, self._labels)

    def _replace(self) -> None:
        self._picture.update(self.picture(), metadata=self._metadata())

    def _metadata(self) -> dict:
        """What a screen reader says in place of the picture."""
        left, right = self._labels
        return {"image/png": {"alt": f"One picture: {left} on the left, {right} on the right"}}


def joined(
    before: Image.Image, after: Image.Image, share: float, labels: tuple[str, str]
) -> Image.Image:
    """The left `share` of `before` beside the rest of `after`, RGB, of the size of `after`."""
    # A photo that lies on its side says so in a note, which the one who improved it has followed.
    picture, other = (upright(image) for image in (after, before))
    if other.size != picture.size:
        other = other.resize(picture.size, Image.Resampling.BICUBIC)
    border = round(share * picture.width)
    picture.paste(other.crop((0, 0, border, picture.height)))
    pen = ImageDraw.Draw(picture)
    if 0 < border < picture.width:
        pen.rectangle((border - LINE, 0, border + LINE - 1, picture.height), fill="white")
    font = label_font(max(READABLE, picture.width // 20))
    for text, x, anchor, shown in (
        (labels[0], 4, "ls", border > 0),
        (labels[1], picture.width - 4, "rs", border < picture.width),
    ):
        if shown:
            place = (x, picture.height - 5)
            pen.text(
                place,
                text,
                font=font,
                fill="white",
                anchor=anchor,
                stroke_width=2,
                stroke_fill="black",
            )
    return picture
