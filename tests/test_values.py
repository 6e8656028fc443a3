"""What values are, and how messages show them."""

import numpy
import pytest

from helpers.base.values import is_number, is_whole_number, shortened, shown


@pytest.mark.parametrize(
    ("value", "whole", "number"),
    [
        (3, True, True),
        (numpy.int64(3), True, True),
        (2.0, False, True),
        (numpy.float32(0.5), False, True),
        (True, False, False),
        ("3", False, False),
        (None, False, False),
        (1j, False, False),
    ],
)
def test_kinds_of_numbers(value, whole, number):
    assert is_whole_number(value) is whole and is_number(value) is number


def test_a_long_text_ends_in_dots_and_has_the_length():
    assert shortened("a fox in the snow", 17) == "a fox in the snow"
    assert shortened("a fox in the snow", 16) == "a fox in the..."
    assert shown("x" * 100) == "'" + "x" * 56 + "... (str)"
