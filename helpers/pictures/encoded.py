"""Pictures as they travel: PNG bytes, base64, and the checks of what arrives.

Client and server both read pictures from a stranger, so both read them here.
"""

import base64
import binascii
import io
import re

from PIL import Image, UnidentifiedImageError

from helpers.pictures.check import upright

FORMATS = ("PNG", "JPEG", "WEBP")
DATA_URL = re.compile(r"data:(?P<type>[^;,]*)(?:;[\w=.-]+)*;base64,")
MEGAPIXEL = 1_000_000


def to_png(image: Image.Image) -> bytes:
    """The picture as an RGB PNG file, upright; what is transparent becomes white."""
    buffer = io.BytesIO()
    upright(image).save(buffer, format="PNG")
    return buffer.getvalue()


def to_data_url(image: Image.Image) -> str:
    """The picture as text: `data:image/png;base64,…`, the form of Gradio 3."""
    return "data:image/png;base64," + base64.b64encode(to_png(image)).decode("ascii")


def from_base64(text: str, max_pixels: int) -> Image.Image:
    """Read a data URL, or base64 alone; the opposite of `to_data_url`.

    Raises ValueError if it is neither, or holds no picture that `from_bytes` takes.
    """
    if text.startswith("data:"):
        head = DATA_URL.match(text)
        if not head:
            raise ValueError(f"is a data URL without base64: {text[:40]!r}")
        if not head["type"].startswith(("image/", "application/octet-stream")):
            raise ValueError(f"says that it is {head['type']!r}, not a picture")
        text = text[head.end() :]
    try:
        # Without validate, Python leaves out whatever is no base64 and decodes the rest.
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"is no base64 ({error}): {text[:40]!r}") from error
    return from_bytes(data, max_pixels)


def from_bytes(data: bytes, max_pixels: int) -> Image.Image:
    """Read a PNG, JPEG or WebP file as an RGB picture, upright.

    The size is checked before a pixel is decoded: a small file can unfold to gigabytes.

    Raises:
        ValueError: Another format, a damaged or cut file, or more than `max_pixels` pixels.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height <= max_pixels:
                return upright(image)
    except UnidentifiedImageError:
        raise ValueError(f"is no PNG, JPEG or WebP picture; it begins with {data[:16]!r}") from None
    except Image.DecompressionBombError:
        raise ValueError(f"has more than {max_pixels / MEGAPIXEL:g} megapixels") from None
    except Exception as error:  # a damaged file makes Pillow raise a dozen unrelated classes
        raise ValueError(f"is a damaged picture ({error})") from error
    raise ValueError(
        f"has {width} x {height} pixels, more than {max_pixels / MEGAPIXEL:g} megapixels"
    )
