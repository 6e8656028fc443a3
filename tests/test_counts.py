"""Whole numbers from 1."""

import numpy
import pytest

from helpers.base.counts import checked_count


@pytest.mark.parametrize("count", [1, 16, numpy.int64(3)])
def test_a_count_comes_back_as_an_int(count):
    checked = checked_count("rows", count, most=16)
    assert checked == count and type(checked) is int


@pytest.mark.parametrize(
    ("count", "most", "error", "says"),
    [
        (2.0, None, TypeError, r"rows must be a whole number; got 2\.0 \(float\)"),
        (True, None, TypeError, "rows must be a whole number; got True"),
        ("3", None, TypeError, "rows must be a whole number; got '3'"),
        (None, 16, TypeError, "rows must be a whole number; got None"),
        (0, None, ValueError, "rows must be at least 1; got 0"),
        (-2, 16, ValueError, "rows must be between 1 and 16; got -2"),
        (17, 16, ValueError, "rows must be between 1 and 16; got 17"),
    ],
)
def test_what_is_no_count(count, most, error, says):
    with pytest.raises(error, match=f"^{says}"):
        checked_count("rows", count, most)
