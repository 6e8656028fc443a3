"""Calls of a model with as many items as memory allows."""

import traceback
from collections.abc import Callable, Iterable

import torch

from helpers.models.causes import is_out_of_memory
from helpers.models.devices import release_cached_memory


class GuardedCalls:
    """Calls of a model with a limited number of items, halved when memory runs out.

    Each shape has a limit of its own, so that one large picture does not slow the small ones.
    """

    def __init__(self, limit: int):
        self._limit = limit
        self._lowered: dict[torch.Size, int] = {}

    def limit(self, shape: torch.Size) -> int:
        """Items of this shape that a call takes at most."""
        return self._lowered.get(shape, self._limit)

    def run(self, call: Callable[[list], Iterable], items: list, shape: torch.Size) -> list:
        """`call(some items)` gives one value an item; an item that fails alone, its Exception."""
        outcomes: list = []
        while len(outcomes) < len(items):
            end = len(outcomes) + self.limit(shape)
            outcomes += self._attempt(call, items[len(outcomes) : end], shape)
        return outcomes

    def _attempt(self, call: Callable[[list], Iterable], items: list, shape: torch.Size) -> list:
        try:
            return list(call(items))
        except Exception as caught:
            error = caught
            traceback.clear_frames(error.__traceback__)  # they hold the tensors of the failed call
        half = len(items) // 2
        if not half:
            return [error]
        if is_out_of_memory(error):
            self._lowered[shape] = half
            release_cached_memory()
            return self.run(call, items, shape)
        halves = items[:half], items[half:]
        return [outcome for some in halves for outcome in self._attempt(call, some, shape)]
