"""Silence for the libraries' notices."""

# The libraries are imported where they are used: who imports this need not wait for them.
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet(progress_bars: bool) -> Iterator[None]:
    """Silence the libraries' notices, and their progress bars if asked, until the block ends.

    They speak of things that a learner neither did nor can change: a missing torchvision, unused
    numbers in a weights file, arguments renamed between versions. Errors still come through.
    """
    from diffusers.utils import logging as diffusers_log
    from huggingface_hub.utils import logging as hub_log
    from transformers.utils import logging as transformers_log

    levels = [(log, log.get_verbosity()) for log in (diffusers_log, hub_log, transformers_log)]
    barred = (
        []
        if progress_bars
        else [log for log in (diffusers_log, transformers_log) if log.is_progress_bar_enabled()]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for log, _ in levels:
                log.set_verbosity(logging.ERROR)
            for log in barred:
                log.disable_progress_bar()
            yield
        finally:
            for log, level in levels:
                log.set_verbosity(level)
            for log in barred:
                log.enable_progress_bar()
