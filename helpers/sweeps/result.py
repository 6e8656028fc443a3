"""What a sweep gives back: labelled pictures, a table, plots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy
import pandas
from PIL import Image

from helpers.base.values import is_number, shortened
from helpers.pictures.encoded import to_png
from helpers.pictures.files import MAX_ALT_TEXT
from helpers.pictures.grid import enlarge
from helpers.pictures.table import GAP
from helpers.sampling.diagnose import BLACK_LEVEL
from helpers.sweeps.contact_sheet import COLUMNS, contact_sheet
from helpers.sweeps.plan import Axes, Settings

if TYPE_CHECKING:
    from matplotlib.axes import Axes as MatplotlibAxes

PAGE_WIDTH = 1100  # pixels of a notebook's page; up to it, small pictures are shown enlarged,
LARGEST_FACTOR = 3  # but not further than this


@dataclass
class Outcome:
    """What became of one cell.

    Attributes:
        settings: All that makes the picture, as it is recorded: the scheduler by its name with its
            options, the size in pixels, LoRAs and FreeU where they are on, the model's fingerprint.
        state: "done", "failed", or "not run" after an interruption.
        image: The picture, if it is done.
        error: Why it failed, else "".
        seconds: The engine's time for it (of a shared call, its share), None if it was not
            measured in full.
        evaluations: U-Net evaluations that it took, or None.
    """

    settings: Settings
    state: str = "not run"
    image: Image.Image | None = None
    error: str = ""
    seconds: float | None = None
    evaluations: int | None = None

    @property
    def black(self) -> bool:
        """Whether the picture is there and black all over."""
        return self.image is not None and bool(numpy.asarray(self.image).max() <= BLACK_LEVEL)

    @property
    def nan(self) -> bool:
        """Whether the latents became NaN or infinite."""
        return self.error.startswith(FloatingPointError.__name__)


class Sweep:
    """The pictures of a sweep. In a notebook it shows itself, with the values on the margins.

    `result[7.5]` is the picture at a value of the only axis, `result[1, 7.5]` at values of two, in
    the order of the axes; `for outcome in result` gives every cell's `Outcome`. `header` tells
    what all pictures have in common, the model included.
    """

    def __init__(self, axes: Axes, outcomes: dict[tuple, Outcome], header: Settings):
        self.axes = axes
        self.outcomes = outcomes
        self.header = header

    def __len__(self) -> int:
        return len(self.outcomes)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes.values())

    def __getitem__(self, values: object) -> Image.Image:
        outcome = self.outcome(values)
        if outcome.image is None:
            raise LookupError(f"there is no picture for {values!r}: {_words(outcome)}")
        return outcome.image

    def outcome(self, values: object) -> Outcome:
        """What became of the cell at `values`: one value an axis, in the order of the axes."""
        position = values if isinstance(values, tuple) else (values,)
        if position not in self.outcomes:
            known = self._axes_in_words()
            raise LookupError(f"the sweep has one value of each axis ({known}); got {values!r}")
        return self.outcomes[position]

    @property
    def images(self) -> list[Image.Image]:
        """The pictures that are done, in the order of the cells."""
        return [outcome.image for outcome in self if outcome.image is not None]

    @property
    def table(self) -> pandas.DataFrame:
        """A row a cell: its settings, state, seconds, U-Net evaluations, black, nan, error."""
        measured = ("state", "seconds", "evaluations", "black", "nan", "error")
        rows = [
            outcome.settings | {name: getattr(outcome, name) for name in measured}
            for outcome in self
        ]
        return pandas.DataFrame(rows)

    def grid(self, factor: int = 1) -> Image.Image:
        """All pictures as one, with the settings on the margins; words where one failed.

        Each picture is drawn `factor` times as wide and high.
        """
        tiles = {
            position: _words(o) if o.image is None else enlarge(o.image, factor)
            for position, o in self.outcomes.items()
        }
        return contact_sheet(self.axes, tiles)

    def distances(self, to: object) -> list[float]:
        """How far each picture is from the one at `to`: the mean difference of their pixels.

        In levels of 255; NaN for a cell without picture.

        Raises:
            LookupError: There is no picture at `to`.
            ValueError: The pictures differ in size.
        """
        target = self[to]
        for position, outcome in self.outcomes.items():
            if outcome.image is not None and outcome.image.size != target.size:
                (width, height), (other_width, other_height) = target.size, outcome.image.size
                raise ValueError(
                    "distances are between pictures of one size; the one at "
                    f"{', '.join(map(self.axes.label, position))} is {other_width} x "
                    f"{other_height} pixels, and the one at to={to!r} is {width} x {height}"
                )
        pixels = numpy.asarray(target, dtype=float)
        return [
            float("nan") if o.image is None else float(abs(numpy.asarray(o.image) - pixels).mean())
            for o in self
        ]

    def plot(
        self,
        y: str | Iterable[float] = "seconds",
        label: str | None = None,
        *,
        x: str | None = None,
    ) -> MatplotlibAxes:
        """Draw a column of the table, or one number a cell, against an axis or another column.

        Args:
            y: A column such as "seconds", or one number for each cell in their order.
            label: What stands beside the vertical axis; without it the column's name.
            x: An axis of numbers, or a column of numbers such as "evaluations"; without it the
                first axis of numbers.

        Returns:
            matplotlib's Axes. A line runs along the axis of numbers; other axes give a line for
            each combination of their values. A cell without the number is left out.

        Raises:
            LookupError: No axis has numbers, or there is no such column.
            ValueError: `y` has another number of numbers than there are cells.
        """
        import matplotlib.pyplot as plt

        along = self._axis_of_numbers(x)
        place = self.axes.names.index(along)
        x = x or along
        across, heights = self._numbers(x), self._numbers(y)
        lines: dict[tuple, list] = {}
        for position, point in zip(self.outcomes, zip(across, heights, strict=True), strict=True):
            others = position[:place] + position[place + 1 :]
            if not numpy.isnan(point).any():
                lines.setdefault(others, []).append(point)
        figure, drawn = plt.subplots()
        for others, points in lines.items():
            told = ", ".join(map(self.axes.label, others))
            drawn.plot(*zip(*sorted(points), strict=True), "o-", label=told)
        drawn.set(xlabel=x, ylabel=label or (y if isinstance(y, str) else ""))
        if len(lines) > 1:
            drawn.legend()
        return drawn

    def _axis_of_numbers(self, name: str | None) -> str:
        """The axis that a line of a plot runs along: `name` if it is one, else the first."""
        numbers = [n for n, values in self.axes.values.items() if all(map(is_number, values))]
        if not numbers:
            raise LookupError("a plot needs an axis of numbers, such as num_inference_steps")
        return name if name in numbers else numbers[0]

    def _numbers(self, column: str | Iterable[float]) -> list[float]:
        """A column of the table, or what is a list already, with NaN where there is no number."""
        if not isinstance(column, str):
            numbers = [float(number) for number in column]
            if len(numbers) != len(self):
                raise ValueError(
                    f"y must have a number for each of the {len(self)} cells; got {len(numbers)}"
                )
            return numbers
        table = self.table
        numeric = [n for n in table if pandas.to_numeric(table[n], errors="coerce").notna().any()]
        if column not in numeric:
            raise LookupError(
                f"a plot needs a column of numbers, one of {', '.join(numeric)}; got {column!r}"
            )
        return [float(number) for number in pandas.to_numeric(table[column], errors="coerce")]

    def alt_text(self) -> str:
        """What the grid shows, in a sentence of at most MAX_ALT_TEXT characters."""
        swept = self._axes_in_words()
        prompt = self.axes.fixed.get("prompt")
        about = f' for the prompt "{shortened(prompt, MAX_ALT_TEXT // 2)}"' if prompt else ""
        sentence = f"{len(self.images)} generated pictures{about}"
        return shortened(f"{sentence}; {swept}" if swept else sentence, MAX_ALT_TEXT)

    def _axes_in_words(self) -> str:
        return "; ".join(
            f"{name}: {', '.join(map(self.axes.label, values))}"
            for name, values in self.axes.values.items()
        )

    def __repr__(self) -> str:
        axes = " x ".join(f"{name} ({len(values)})" for name, values in self.axes.values.items())
        missing = len(self) - len(self.images)
        lacking = f", {missing} without picture" if missing else ""
        return f"Sweep of {len(self)} cells: {axes or 'no axis'}{lacking}"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None):
        bundle = {"image/png": self.png(self._shown_factor()), "text/plain": repr(self)}
        return bundle, {"image/png": {"alt": self.alt_text()}}

    def png(self, factor: int = 1) -> bytes:
        """The grid as a PNG file."""
        return to_png(self.grid(factor))

    def _shown_factor(self) -> int:
        """How many times as wide a row of pictures may be drawn, so that it fits on a page."""
        counts = [len(values) for values in self.axes.values.values()] or [1]
        columns = counts[1] if len(counts) > 1 else min(counts[0], COLUMNS)
        widest = max((image.width for image in self.images), default=PAGE_WIDTH)
        return min(max(1, PAGE_WIDTH // (columns * (widest + GAP))), LARGEST_FACTOR)


def _words(outcome: Outcome) -> str:
    return f"{outcome.state}: {outcome.error}" if outcome.error else outcome.state
