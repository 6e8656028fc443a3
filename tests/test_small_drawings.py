"""The small pictures that lesson 14 trains on."""

import numpy as np
import pytest

from helpers import SMALL_SUBJECTS, small_drawings
from helpers.pictures.small import FILE


def test_shapes_types_and_subjects():
    pictures, subjects = small_drawings(60, size=24)
    assert pictures.shape == (60, 24, 24, 3) and pictures.dtype == np.uint8
    assert subjects.shape == (60,) and subjects.dtype == np.int64
    assert set(subjects) == set(range(len(SMALL_SUBJECTS)))


def test_a_seed_gives_the_same_pictures_and_another_one_others():
    (one, its_subjects), (again, same), (other, _) = (small_drawings(8, seed=s) for s in (1, 1, 2))
    assert np.array_equal(one, again) and np.array_equal(its_subjects, same)
    assert not np.array_equal(one, other)


def test_pictures_of_one_subject_differ_and_show_something_on_white():
    pictures, subjects = small_drawings(300)
    hearts = pictures[subjects == SMALL_SUBJECTS.index("heart")]
    assert len({heart.tobytes() for heart in hearts}) == len(hearts)
    red, green, blue = np.moveaxis(hearts.astype(int), -1, 0)
    assert ((red > 180) & (green < 110) & (blue < 130)).mean() > 0.15  # a good part of each is red
    assert (pictures[:, 0, 0].mean(axis=0) > 240).all()  # the corners are white
    assert (pictures.reshape(300, -1).std(axis=1) > 10).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0,), ValueError, "count must be at least 1; got 0"),
        ((2.5,), TypeError, "count must be a whole number; got 2.5"),
        ((3, 7), ValueError, "size must be at least 8 pixels; got 7"),
        ((3, "16"), TypeError, "size must be a whole number; got '16'"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        small_drawings(*arguments)


def test_the_stored_drawings_are_those_that_their_module_chooses():
    from training.small_drawings import drawings

    chosen = drawings().astype(int)
    with np.load(FILE) as stored:
        kept = stored["drawings"].astype(int)
    assert chosen.shape == kept.shape == (len(SMALL_SUBJECTS), 4, 48, 48, 4)
    assert np.abs(chosen - kept).mean() < 0.5  # other versions of Pillow round


def test_arrays_are_read_back_and_their_file_is_written_whole(tmp_path):
    from training.sprites import write_arrays

    file = tmp_path / "arrays.npz"
    for size in (3, 4):
        write_arrays(file, squares=np.arange(size) ** 2)
        with np.load(file) as stored:
            assert np.array_equal(stored["squares"], np.arange(size) ** 2)
    assert list(tmp_path.iterdir()) == [file]
