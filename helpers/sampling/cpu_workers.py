"""Threads that share a U-Net call on the CPU, for `fast=True`.

By itself torch splits every single operation over its threads, which then wait for one another
hundreds of times in a U-Net call. Here each thread takes some rows through the whole U-Net, and
they wait once.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import torch

MOST = 4
"""More workers would have too few rows each, and wait for Python's one lock."""

START_TIMEOUT = 60
"""Seconds until a worker that does not begin is an error."""


class Workers:
    """As many threads as torch uses, up to `MOST`, to which the parts of a call are dealt."""

    def __init__(self):
        threads = torch.get_num_threads()
        self.count = min(MOST, threads)
        everybody = threading.Barrier(self.count, timeout=START_TIMEOUT)

        def begin() -> None:
            torch.get_num_threads()  # torch sets a thread up when it is first asked; then we may
            torch.set_num_threads(threads // self.count)
            everybody.wait()  # so that nobody is set up after the line below

        self._pool = ThreadPoolExecutor(self.count, "unet-worker", begin)
        list(self._pool.map(lambda _: None, range(self.count)))
        torch.set_num_threads(threads)  # the workers' number would hold for later threads too

    def run(self, call: Callable[[list], Sequence], items: list) -> list:
        """`call(some items)` gives one value an item; the values of all, in their order.

        Raises what a call raises.
        """
        size = max(1, -(-len(items) // self.count))
        parts = [items[i : i + size] for i in range(0, len(items), size)]

        def call_one(part: list) -> Sequence:
            with torch.no_grad():  # which holds for one thread only
                return call(part)

        calls = [self._pool.submit(call_one, part) for part in parts]
        wait(calls)  # after an error too: what comes next should find the cores free
        return [value for call_of_part in calls for value in call_of_part.result()]
