"""Seeds: the numbers that pictures start from."""

from collections.abc import Iterable, Mapping, Set
from numbers import Integral

from helpers.base.values import is_iterable, is_whole_number, shown

LARGEST_SEED = 2**63 - 1  # the largest whole number that tables, databases and torch all hold


def checked_seeds(seed_or_seeds: int | Iterable[int]) -> list[int]:
    """The seed, or the seeds, as a list; TypeError or ValueError if one of them is no seed."""
    if isinstance(seed_or_seeds, Integral):
        return [checked_seed("seed_or_seeds", seed_or_seeds)]
    unordered_or_text = (str, bytes, Mapping, Set)
    if isinstance(seed_or_seeds, unordered_or_text) or not is_iterable(seed_or_seeds):
        raise TypeError(
            "seed_or_seeds must be a whole number such as 42, or a list of them; "
            f"got {shown(seed_or_seeds)}{_slip(seed_or_seeds)}"
        )
    seeds = list(seed_or_seeds)
    if not seeds:
        raise ValueError("seed_or_seeds must hold at least one seed; got an empty list")
    return [checked_seed(f"seed_or_seeds[{i}]", seed) for i, seed in enumerate(seeds)]


def checked_seed(name: str, seed: object) -> int:
    """`seed` as an int; TypeError or ValueError, which call it `name`, if it is no seed."""
    if not is_whole_number(seed):
        raise TypeError(f"{name} must be a whole number such as 42; got {shown(seed)}{_slip(seed)}")
    if not 0 <= seed <= LARGEST_SEED:
        raise ValueError(f"{name} must be between 0 and 2**63 - 1 ({LARGEST_SEED}); got {seed}")
    return int(seed)


def _slip(seed: object) -> str:
    """The likely slip behind a seed of the wrong type."""
    if isinstance(seed, bool):
        return ". True and False are no seeds"
    if isinstance(seed, str) and seed.strip().isdecimal():
        return f". Write it without quotes: {seed.strip()}"
    if isinstance(seed, float) and seed.is_integer():
        return f". Write it without a decimal point: {int(seed)}"
    if type(seed).__name__ == "Generator":  # torch's or numpy's
        return ". Give the seed itself; the generator is made from it here"
    return ""
