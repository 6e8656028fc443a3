"""Kinds of numbers that several commands take, for `type=` of argparse."""

from argparse import ArgumentTypeError


def port(text: str) -> int:
    """A port; 0 takes any that is free."""
    number = _whole_number(text)
    if not 0 <= number <= 65535:
        raise ArgumentTypeError(f"a port is 0 to 65535; got {number}")
    return number


def count(text: str) -> int:
    """A whole number from 1."""
    number = _whole_number(text)
    if number < 1:
        raise ArgumentTypeError(f"must be 1 or more; got {number}")
    return number


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ArgumentTypeError(f"must be a whole number; got {text!r}") from None
