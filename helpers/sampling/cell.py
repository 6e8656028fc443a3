"""The settings of one picture. What can be set anywhere in the course is a field of `Cell`.

Only who makes a cell waits for diffusers, so commands and plans know the names at once.
"""

import math
from dataclasses import MISSING, dataclass, fields
from numbers import Real
from typing import TYPE_CHECKING

from helpers.base.counts import checked_count
from helpers.base.seeds import checked_seed

if TYPE_CHECKING:
    from helpers.sampling.schedulers import SchedulerSetting


@dataclass(frozen=True)
class Cell:
    """All settings of one picture, under the names and with the defaults of diffusers.

    `scheduler` is a short name, a class, a configured scheduler (its settings are taken, its state
    is not), or None for the pipeline's own. `height` and `width` are in pixels; None is the
    model's own size.
    """

    prompt: str
    negative_prompt: str | None = None
    seed: int = 0
    num_inference_steps: int = 50
    guidance_scale: float = 7.5
    scheduler: "SchedulerSetting" = None
    height: int | None = None
    width: int | None = None
    eta: float = 0.0

    def __post_init__(self):
        """The size is checked on submission, where the model is known."""
        _check_text("prompt", self.prompt)
        if self.negative_prompt is not None:
            _check_text("negative_prompt", self.negative_prompt)
        checked = {
            "seed": checked_seed("seed", self.seed),
            "num_inference_steps": checked_count("num_inference_steps", self.num_inference_steps),
            "guidance_scale": _checked_number("guidance_scale", self.guidance_scale),
            "eta": _checked_number("eta", self.eta),
        }
        for name, number in checked.items():  # numpy's numbers become Python's
            object.__setattr__(self, name, number)
        if not 0 <= self.eta <= 1:
            raise ValueError(f"eta must be between 0 and 1; got {self.eta}.")
        from helpers.sampling.schedulers import check_scheduler  # diffusers is slow to import

        check_scheduler(self.scheduler)

    @property
    def settings(self) -> dict[str, object]:
        """All of them by name, in the order of the fields."""
        return dict(vars(self))


DEFAULTS = {each.name: None if each.default is MISSING else each.default for each in fields(Cell)}
"""What can be set of a picture, with diffusers' defaults; None means as the pipeline has it."""


def _check_text(name: str, text: str) -> None:
    if not isinstance(text, str):
        raise TypeError(
            f"{name} must be a text; got {text!r} of type {type(text).__name__}. "
            "For several prompts submit a Cell each."
        )


def _checked_number(name: str, number: float) -> float:
    if isinstance(number, bool) or not isinstance(number, Real):
        raise TypeError(f"{name} must be a number; got {number!r}.")
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite; got {number!r}.")
    return float(number)
