"""From the arguments of a sweep to its cells: which settings are axes, and in which order.

Nothing here knows a model, so it imports neither torch nor diffusers.
"""

import itertools
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property

from helpers.base.values import is_iterable
from helpers.sampling.cell import DEFAULTS

Settings = dict[str, object]

OTHER_NAMES = {"steps": "num_inference_steps", "cfg": "guidance_scale"}
"""What other programs call them, too far from diffusers' names to be taken for a slip."""

MAX_AXES = 3
"""Rows, columns and pages."""


@dataclass(frozen=True)
class Axes:
    """The plan of a sweep: settings with several values, and settings that stay the same.

    The order is the one in which the learner wrote the arguments. A single axis lies side by
    side; of several, the first gives the rows, the second the columns, the third the pages.

    Attributes:
        values: The values of each axis, by name, in order.
        fixed: The other settings, defaults included.
        labels: What stands on the margin for values that `value_label` has too few words for.
    """

    values: dict[str, tuple]
    fixed: Settings
    labels: dict[object, str] = field(default_factory=dict)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The settings that are axes."""
        return tuple(self.values)

    @cached_property
    def positions(self) -> list[tuple]:
        """The axis values of each cell: rows, in them columns, in them pages."""
        return list(itertools.product(*self.values.values()))

    def label(self, value: object) -> str:
        """A value as text on the margin of a grid and in file names."""
        return self.labels.get(value) or value_label(value)

    def position_label(self, position: tuple) -> str:
        """A cell's values with their names, as text."""
        return " ".join(
            f"{name} {self.label(value)}" for name, value in zip(self.names, position, strict=True)
        )

    def settings(self, position: tuple) -> Settings:
        """All settings of the cell at `position`, in the order of `DEFAULTS`."""
        given = self.fixed | dict(zip(self.names, position, strict=True))
        return {name: given[name] for name in DEFAULTS}


def find_axes(arguments: Settings) -> Axes:
    """Sort `arguments` into axes (lists and other ordered iterables) and fixed values.

    Raises TypeError for an unknown or missing setting or an unordered collection, and ValueError
    for an empty axis, a value that comes twice, or more than three axes.
    """
    for name in arguments:
        if name not in DEFAULTS:
            raise TypeError(_unknown(name))
    if arguments.get("prompt") is None:
        raise TypeError('prompt must be given, such as prompt="a fox in a meadow"')
    values = {
        name: _axis(name, value)
        for name, value in arguments.items()
        if is_iterable(value) and not isinstance(value, str | bytes)
    }
    if len(values) > MAX_AXES:
        raise ValueError(
            f"a sweep can have up to {MAX_AXES} axes (rows, columns and pages); got "
            f"{len(values)}: {', '.join(values)}. Give one value for the others, or run two sweeps"
        )
    return Axes(values, {n: v for n, v in (DEFAULTS | arguments).items() if n not in values})


def value_label(value: object) -> str:
    """A value as text on the margin of a grid and in file names."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, type):
        return value.__name__
    if isinstance(value, str | int):
        return str(value) or '""'
    return type(value).__name__


def _axis(name: str, collection: Iterable) -> tuple:
    if isinstance(collection, Set | Mapping):
        raise TypeError(
            f"{name} must be a value or a list: a {type(collection).__name__} has no order for "
            f"the grid; got {collection!r}"
        )
    values = tuple(value.item() if hasattr(value, "item") else value for value in collection)
    if not values:
        raise ValueError(f"{name} must hold at least one value; got an empty collection")
    for i, value in enumerate(values):
        if value in values[:i]:
            raise ValueError(f"{name} must hold each value once; got {value!r} twice")
    return values


def _unknown(name: str) -> str:
    near = [OTHER_NAMES[name]] if name in OTHER_NAMES else get_close_matches(name, DEFAULTS, n=1)
    meant = f". Did you mean {near[0]}?" if near else ""
    return f"a sweep can set {', '.join(DEFAULTS)}; got {name}{meant}"
