"""The processes that `accelerate launch` started, and what each of them takes of the work.

Only words go between them (whose turn it is, what became of a picture), so they are connected
through the CPU, whatever device the models are on.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

PATIENCE = timedelta(days=7)
"""How long a process that has finished waits for the others."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class Processes:
    """This process and those beside it; without a launcher it is alone.

    Attributes:
        index: Which one this is, from 0.
        count: How many there are.
    """

    index: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        return self.index == 0

    def gather(self, value: Result) -> list[Result]:
        """Every process's value, in their order, in each of them. Waits for all."""
        if self.count == 1:
            return [value]
        from accelerate.utils import gather_object

        return gather_object([value])

    def first_alone(self, action: Callable[[], Result]) -> Result | None:
        """Let the first process do something while the others wait.

        Returns its result in the first process, None in the others; its error is raised in all.
        """
        result, error = None, None
        if self.is_first:
            try:
                result = action()
            except Exception as caught:
                error = caught
        error = self.gather(error)[0]
        if error is not None:
            raise error
        return result


def launched_processes() -> Processes:
    """The processes of this run, as torch's or accelerate's launcher tells them in WORLD_SIZE."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return Processes()
    from accelerate import PartialState

    state = PartialState(cpu=True, timeout=PATIENCE)
    return Processes(state.process_index, state.num_processes)


def partition(costs: Sequence[float], count: int) -> list[list[int]]:
    """Split work into `count` parts of about the same cost; the indices of each part.

    The most expensive piece comes first, and always goes to the part that costs least so far.
    """
    parts: list[list[int]] = [[] for _ in range(count)]
    sums = [0.0] * count
    for index in sorted(range(len(costs)), key=lambda i: -costs[i]):
        cheapest = sums.index(min(sums))
        parts[cheapest].append(index)
        sums[cheapest] += costs[index]
    return parts
