"""What every function that takes pictures asks of them first."""

import struct
from collections.abc import Iterable
from contextlib import suppress

import numpy
from PIL import Image, ImageOps

from helpers.base.values import shown


def checked_images(images: Iterable[Image.Image]) -> list[Image.Image]:
    """The pictures as a list; TypeError or ValueError if `check_image` refuses one of them."""
    if isinstance(images, Image.Image):
        raise TypeError("images must be a list of PIL images; got one image. Write [image]")
    try:
        images = list(images)
    except TypeError:
        raise TypeError(
            f"images must be a list of PIL images; got {type(images).__name__}"
        ) from None
    if not images:
        raise ValueError("images must hold at least one picture; got an empty list")
    for i, image in enumerate(images):
        check_image(f"images[{i}]", image)
    return images


def check_image(name: str, image: object) -> None:
    """Raise an error that calls it `name` unless `image` is a PIL image that `upright` can read.

    Raises:
        TypeError: It is no PIL image.
        ValueError: It does not say which number is white, and Pillow would cut off those over 255.
    """
    if isinstance(image, Image.Image):
        if image.mode in ("I", "F"):
            raise ValueError(
                f"{name} must have 8 or 16 bits a channel; got a picture of mode {image.mode!r}. "
                "Scale its numbers to 0 to 255 and convert it first: "
                "Image.fromarray(numbers.astype('uint8'))"
            )
        return
    slip = ""
    if hasattr(image, "images"):
        slip = ". A pipeline's answer holds a list: take its .images"
    elif hasattr(image, "shape"):
        slip = ". Image.fromarray() makes a picture from an array of numbers from 0 to 255"
    raise TypeError(f"{name} must be a PIL image; got {type(image).__name__}{slip}")


def checked_labels(labels: object, count: int) -> list[str]:
    """The labels as text, an empty list for `None`."""
    if labels is None:
        return []
    if isinstance(labels, str):
        raise TypeError(f"labels must be a list, one label a picture; got the text {labels!r}")
    try:
        labels = list(labels)
    except TypeError:
        raise TypeError(
            f"labels must be a list, one label a picture; got {shown(labels)}"
        ) from None
    if len(labels) != count:
        raise ValueError(
            f"labels must be as many as images; got {len(labels)} labels for {count} images"
        )
    return [str(label) for label in labels]


def upright(image: Image.Image) -> Image.Image:
    """An RGB copy, turned as its EXIF note says; what is transparent becomes white.

    This is how every picture is read that comes in. Phones store a picture as the camera lay, with
    a note of how. Where the note is broken, the picture stays as it is. Of 16 bits a channel the
    upper 8 are kept; Pillow alone would make nearly everything white.
    """
    with suppress(SyntaxError, ValueError, TypeError, struct.error):
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I;16"):
        image = Image.fromarray((numpy.asarray(image) >> 8).astype("uint8"))
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")
