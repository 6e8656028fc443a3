"""The first page of the site: the README, with a card per lesson in place of its table."""

import base64
import json
import re
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from tools.notebooks.products import Course

CARD = (480, 300)  # width and height of a card's picture in pixels
ROW = re.compile(r"^\| \[(.+?)\]\((lessons/(\w+)\.ipynb)\) \| (.+?) \| \[.+?\]\((.+?)\) \|$", re.M)
TABLE = re.compile(r"^\| lesson \| .+\n\|[ -|]+\n(?:\| \[.+\n)+", re.M)
OPENING_PICTURE = re.compile(r"!\[([^\]]+)\]\(([^)\s]+)\)")


def with_cards(readme: str, root: Path, folder: Path) -> str:
    """The README with its table of lessons as cards, whose pictures are written into `folder`.

    Raises ValueError where the table lacks a lesson of `course/lessons.toml` or has another.
    """
    entries = Course(root).lesson_entries()
    rows = {row[3]: row for row in ROW.finditer(readme)}
    if rows.keys() != entries.keys():
        different = ", ".join(sorted(rows.keys() ^ entries.keys()))
        raise ValueError(f"README.md: its table and course/lessons.toml differ in: {different}")
    cards = []
    for name, row in rows.items():
        alt, picture = opening_picture(root, name)
        path = folder / "cards" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        ImageOps.fit(picture.convert("RGB"), CARD, Image.Resampling.LANCZOS).save(path)
        cards.append(card(row, alt, entries[name]["minutes"]))
    table = "\n".join(['<div class="cards">', *cards, "</div>", ""])
    return TABLE.sub(lambda found: table, readme)


def card(row: re.Match, alt: str, minutes: int) -> str:
    """One lesson as Markdown inside an element that the style sheet draws as a card."""
    title, lesson, name, goal, solution = row.groups()
    return (
        f'<div class="card">\n\n[![{alt}](cards/{name}.png)]({lesson})\n\n'
        f"**[{title}]({lesson})**\n\n{goal[0].upper()}{goal[1:]}.\n\n"
        f"{minutes} minutes in all · [solution]({solution})\n\n</div>"
    )


def opening_picture(root: Path, name: str) -> tuple[str, Image.Image]:
    """Alt text and picture of a lesson: that of its first cell, or the first one it draws.

    Raises ValueError for a lesson without any.
    """
    notebook = json.loads((root / "solutions" / f"{name}.ipynb").read_text(encoding="utf-8"))
    first = "".join(notebook["cells"][0]["source"])
    if found := OPENING_PICTURE.search(first):
        return " ".join(found[1].split()), Image.open(root / "solutions" / found[2])
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if png := output.get("data", {}).get("image/png"):
                title = first.partition("\n")[0].lstrip("# ")
                picture = Image.open(BytesIO(base64.b64decode("".join(png))))
                return f"The first picture of the lesson “{title}”", picture
    raise ValueError(f"solutions/{name}.ipynb has no picture for its card")
