"""What makes a sweep a fair experiment: only what should vary does, and the rest is as agreed.

The checks of several lessons share this. A sweep draws each picture's noise from its seed and size
alone, so cells that share both started from the same latents.
"""

from collections.abc import Iterable, Mapping

from helpers.course.checks import CannotCheck, Wrong
from helpers.sweeps.plan import value_label
from helpers.sweeps.result import Sweep


def control_prompt(experiment: Sweep) -> str | None:
    """The negative prompt of the control: `None`, or the empty one, which draws the same."""
    return "" if "" in experiment.axes.values.get("negative_prompt", ()) else None


def require_experiment(
    name: str,
    experiment: Sweep,
    varied: Mapping[str, Iterable | None],
    fixed: Mapping[str, object],
) -> None:
    """Raise Wrong unless the sweep varies what it should, over these values, and fixes the rest.

    Args:
        name: What the learner calls the sweep.
        experiment: The sweep.
        varied: The settings that should vary, each with its values, or None where any will do.
        fixed: The settings that must have one certain value. All others must only not vary.

    Raises:
        CannotCheck: The sweep was interrupted, or a picture failed.
    """
    axes = experiment.axes
    for setting, values in axes.values.items():
        if setting not in varied and len(values) == 1:
            raise Wrong(
                f"In `{name}`, `{setting}` is a list with one value. A list makes it an axis of "
                "the sweep, by which its pictures are then asked for: write the value alone."
            )
        if setting not in varied:
            raise Wrong(
                f"In `{name}`, `{setting}` varies as well ({_listed(values)}). When two things "
                "change at once, you can't tell which of them did it. Give it one value."
            )
    for setting in varied:
        if setting not in axes.values:
            raise Wrong(
                f"In `{name}`, `{setting}` should vary, and it is always "
                f"{value_label(axes.fixed[setting])!r}. Give it a list."
            )
    for setting, values in varied.items():
        if values is not None:
            _require_values(name, setting, axes.values[setting], tuple(values))
    for setting, value in fixed.items():
        if axes.fixed[setting] != value:
            raise Wrong(
                f"In `{name}`, `{setting}` is {axes.fixed[setting]!r}; the text asks for {value!r}."
            )
    for outcome in experiment:
        if outcome.image is None:
            raise CannotCheck(
                f"A picture of `{name}` is missing ({outcome.error or outcome.state}). Run the "
                "cell again and let it come to its end."
            )


def _require_values(name: str, setting: str, got: tuple, wanted: tuple) -> None:
    if got == wanted:
        return
    missing = [value for value in wanted if value not in got]
    spare = [value for value in got if value not in wanted]
    if missing:
        told = f"Missing: {_listed(missing)}."
    elif spare:
        told = f"Not asked for: {_listed(spare)}."
    else:
        told = "They are in another order."
    if None in missing and "None" in spare:
        told += " In quotes, 'None' is a text like any other: write `None` without them."
    raise Wrong(f"`{name}` does not have the `{setting}` values that the text asks for. {told}")


def _listed(values: Iterable) -> str:
    """The values as code: texts in quotes, so that 'None' and None differ."""
    return ", ".join(
        repr(value) if isinstance(value, str | None) else value_label(value) for value in values
    )
