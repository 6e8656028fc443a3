"""Sizes of the four real U-Nets against figures that others published or computed."""

import pytest

from helpers.models import reference as reference_models
from helpers.models.reference import (
    PUBLISHED_QUALITY,
    PUBLISHED_TIMES,
    UNETS,
    count_macs,
    count_parameters,
    reference_table,
)

PARAMETERS = {
    "sdxl": 2_567_463_684,
    "ssd-1b": 1_331_334_404,
    "sd-v1-4": 859_520_964,
    "bk-sdm-small": 482_346_884,
}
GIGA_MACS = {"sdxl": 3380.6, "ssd-1b": 2103.9, "sd-v1-4": 401.6, "bk-sdm-small": 255.4}


@pytest.fixture(scope="module")
def table():
    return reference_table()


def test_parameters_are_those_of_the_real_models(table):
    assert table["parameters"].to_dict() == PARAMETERS


def test_work_of_one_call(table):
    for name, expected in GIGA_MACS.items():
        assert table.loc[name, "macs"] / 1e9 == pytest.approx(expected, abs=0.1)


def test_each_student_stands_against_its_teacher(table):
    assert table.loc[["sdxl", "sd-v1-4"], "parameters_ratio"].tolist() == [1.0, 1.0]
    assert table.loc["ssd-1b", "parameters_ratio"] == pytest.approx(1.928, abs=0.001)
    assert table.loc["bk-sdm-small", "macs_ratio"] == pytest.approx(1.572, abs=0.001)


def test_no_weights_are_made():
    unet = reference_models._meta_unet("bk-sdm-small")
    assert {weights.device.type for weights in unet.parameters()} == {"meta"}


@pytest.mark.parametrize("count", [count_parameters, count_macs])
def test_other_names(count):
    with pytest.raises(LookupError, match="name must be one of 'sdxl'.*got 'sd-v1-5'"):
        count("sd-v1-5")


@pytest.mark.parametrize("published", [PUBLISHED_TIMES, PUBLISHED_QUALITY])
def test_published_figures_name_their_source(published):
    assert "https://" in published.source and len(published.what) > 40
    assert {"sd-v1-4", "bk-sdm-small"} <= set(published.table.index)
    assert published.table.notna().all(axis=None)
    assert set(UNETS) == set(PARAMETERS)
