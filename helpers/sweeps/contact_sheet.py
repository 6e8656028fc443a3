"""Sweeps as one picture: values on the margins, one page below the other.

Nothing here knows a model, so it imports neither torch nor diffusers.
"""

from PIL import Image

from helpers.pictures.table import GAP, READABLE, Table, Tile
from helpers.sweeps.plan import Axes

COLUMNS = 10  # of a sweep with one axis, which goes on in the next line
SHOWN_WIDTH = 1000  # pixels: about the width at which a notebook shows a wide picture


def contact_sheet(axes: Axes, tiles: dict[tuple, Tile]) -> Image.Image:
    """The pictures of a sweep with their settings on the margins.

    Args:
        axes: The sweep's plan.
        tiles: By position a picture, or words such as "failed: NaN". Pictures may differ in size.

    Returns:
        An RGB picture on white. Letters grow with its width, so that they stay readable where
        a notebook shrinks twenty columns to the width of the page.
    """
    tables = _pages(axes, tiles)
    letters = max(READABLE, round(READABLE * max(t.width for t in tables) / SHOWN_WIDTH))
    pages = [table.draw(letters) for table in tables]
    size = max(page.width for page in pages), sum(page.height + GAP for page in pages) - GAP
    sheet = Image.new("RGB", size, "white")
    top = 0
    for page in pages:
        sheet.paste(page, (0, top))
        top += page.height + GAP
    return sheet


def _pages(axes: Axes, tiles: dict[tuple, Tile]) -> list[Table]:
    values = [axes.values[name] for name in axes.names]
    if not values:
        return [Table([[tiles[()]]])]
    if len(values) == 1:
        lines = [values[0][i : i + COLUMNS] for i in range(0, len(values[0]), COLUMNS)]
        return [
            Table(
                [[tiles[(value,)] for value in line]],
                columns=[axes.label(value) for value in line],
                title=axes.names[0] if i == 0 else "",
            )
            for i, line in enumerate(lines)
        ]
    rows, columns, *pages = values
    heading = f"rows: {axes.names[0]}, columns: {axes.names[1]}"
    return [
        Table(
            [[tiles[(row, column, *page)] for column in columns] for row in rows],
            columns=[axes.label(value) for value in columns],
            rows=[axes.label(value) for value in rows],
            title=", ".join([heading, *(f"{axes.names[2]}: {axes.label(v)}" for v in page)]),
        )
        for page in ([(value,) for value in pages[0]] if pages else [()])
    ]
