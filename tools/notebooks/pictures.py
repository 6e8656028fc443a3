"""The pictures that a notebook's outputs hold."""

import base64
import re
from collections.abc import Mapping


def cell_pictures(cell: Mapping) -> list[bytes]:
    """The files of all pictures that an executed cell shows, in their order.

    Found are PNG and JPEG outputs, and pictures that HTML outputs embed as data.
    """
    found = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        # One picture often comes in both formats.
        encoded = [data[kind] for kind in ("image/png", "image/jpeg") if kind in data][:1]
        if not encoded:
            encoded = re.findall(
                r"data:image/(?:png|jpeg);base64,([A-Za-z0-9+/=\s]+)", _text(data.get("text/html"))
            )
        found.extend(base64.b64decode(_text(picture)) for picture in encoded)
    return found


def _text(value: str | list[str] | None) -> str:
    """Notebooks keep a text whole or as a list of its lines."""
    return value if isinstance(value, str) else "".join(value or [])
