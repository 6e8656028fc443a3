import numpy as np
import pytest
import torch

from helpers import seeded_latents
from helpers.sampling.latents import interpolate
from tests.pipelines import tiny_sdxl_pipeline


def test_a_seed_gives_the_noise_that_the_pipeline_draws_itself(tiny_pipe):
    options = {"prompt": "a fox", "num_inference_steps": 2, "output_type": "np"}
    own = tiny_pipe(generator=torch.Generator().manual_seed(42), **options).images
    given = tiny_pipe(latents=seeded_latents(tiny_pipe, 42), **options).images
    other = tiny_pipe(latents=seeded_latents(tiny_pipe, 43), **options).images
    assert np.array_equal(own, given)
    assert not np.array_equal(own, other)


def test_noise_of_an_image_does_not_depend_on_its_neighbours(tiny_pipe):
    batch = seeded_latents(tiny_pipe, [5, 6, 7])
    assert batch.shape == (3, 4, 16, 16)
    assert torch.equal(batch[1:2], seeded_latents(tiny_pipe, 6))
    assert torch.equal(batch.flip(0), seeded_latents(tiny_pipe, [7, 6, 5]))


def test_noise_is_not_scaled_for_the_scheduler(tiny_pipe):
    drawn = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(3))
    assert torch.equal(seeded_latents(tiny_pipe, 3), drawn)


def test_size_follows_height_and_width(tiny_pipe):
    factor = tiny_pipe.vae_scale_factor
    assert seeded_latents(tiny_pipe, 1, height=4 * factor).shape == (1, 4, 4, 16)
    assert seeded_latents(tiny_pipe, 1, width=6 * factor).shape == (1, 4, 16, 6)


def test_it_is_drawn_in_float32_and_then_turned_into_the_dtype_of_the_pipeline():
    pipe = tiny_sdxl_pipeline()
    expected = seeded_latents(pipe, 9).to(torch.bfloat16)
    pipe.to(torch.bfloat16)
    assert torch.equal(seeded_latents(pipe, 9), expected)


@pytest.mark.parametrize("seeds", [(1, 2), range(1, 3), np.array([1, 2]), np.int64(1)])
def test_all_sorts_of_whole_numbers_are_seeds(tiny_pipe, seeds):
    latents = seeded_latents(tiny_pipe, seeds)
    assert torch.equal(latents[:1], seeded_latents(tiny_pipe, 1))


def test_largest_seed_is_allowed(tiny_pipe):
    assert seeded_latents(tiny_pipe, 2**63 - 1).isfinite().all()


def test_cpu_generator_uses_the_lowest_32_bits_as_the_docstring_says(tiny_pipe):
    assert torch.equal(seeded_latents(tiny_pipe, 7), seeded_latents(tiny_pipe, 7 + 2**32))


@pytest.mark.parametrize(
    ("seeds", "error", "words"),
    [
        ("42", TypeError, "seed_or_seeds must be a whole number.*'42'.*without quotes: 42"),
        (42.0, TypeError, "seed_or_seeds must be.*42.0.*without a decimal point: 42"),
        (True, TypeError, "seed_or_seeds.*True"),
        (None, TypeError, "seed_or_seeds.*None"),
        ({1, 2}, TypeError, "seed_or_seeds.*set"),
        (torch.tensor(3), TypeError, "seed_or_seeds.*tensor"),
        (torch.Generator(), TypeError, "Give the seed itself"),
        ([1, 2.5], TypeError, r"seed_or_seeds\[1\] must be a whole number.*2\.5"),
        ([False], TypeError, r"seed_or_seeds\[0\].*False"),
        ([], ValueError, "at least one seed.*empty"),
        (-1, ValueError, "between 0 and.*got -1"),
        (2**63, ValueError, f"between 0 and.*got {2**63}"),
    ],
)
def test_bad_seeds(tiny_pipe, seeds, error, words):
    with pytest.raises(error, match=words):
        seeded_latents(tiny_pipe, seeds)


@pytest.mark.parametrize(
    ("size", "error", "words"),
    [
        ({"height": 33}, ValueError, "height must be divisible by 2.*got 33.*32 or 34"),
        ({"width": 1}, ValueError, "width must be divisible by 2.*got 1.*are 2"),
        ({"height": 0}, ValueError, "height must be greater than zero; got 0"),
        ({"width": -8}, ValueError, "width must be greater than zero; got -8"),
        ({"width": 32.0}, TypeError, "width must be a whole number of pixels; got 32.0"),
        ({"height": True}, TypeError, "height must be a whole number"),
    ],
)
def test_bad_sizes(tiny_pipe, size, error, words):
    assert tiny_pipe.vae_scale_factor == 2
    with pytest.raises(error, match=words):
        seeded_latents(tiny_pipe, 1, **size)


def test_something_that_is_no_pipeline():
    with pytest.raises(TypeError, match="pipe must be a pipeline.*got int"):
        seeded_latents(42, 42)


# --- Interpolation -------------------------------------------------------------------------------


def test_the_way_between_two_noises_begins_and_ends_at_them():
    first, second = torch.randn(2, 3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(interpolate(first, second, 0), first)
    torch.testing.assert_close(interpolate(first, second, 1), second)


def test_the_middle_is_as_strong_as_the_ends_and_as_near_to_both():
    first, second = torch.randn(2, 1, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    middle = interpolate(first, second, 0.5)
    assert middle.std().item() == pytest.approx(1, abs=0.02)  # a plain mean has 0.71
    to_first, to_second = ((middle * end).sum().item() for end in (first, second))
    assert to_first == pytest.approx(to_second, rel=0.02)


def test_a_quarter_turn_is_cut_into_equal_angles():
    first, second = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    third = interpolate(first, second, 1 / 3)
    expected = torch.tensor([[3**0.5 / 2, 2 * 0.5]])  # cosine and sine of 30 degrees
    torch.testing.assert_close(third, expected)


def test_each_image_of_a_batch_goes_its_own_way():
    first, second = torch.randn(2, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    both = interpolate(first, second, 0.3)
    torch.testing.assert_close(both[1:], interpolate(first[1:], second[1:], 0.3))


def test_equal_noises_stay_as_they_are():
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(interpolate(noise, noise.clone(), 0.4), noise)


@pytest.mark.parametrize(
    ("shape", "share", "says"), [((1, 4, 8, 9), 0.5, "one shape"), ((1, 4, 8, 8), 1.5, "got 1.5")]
)
def test_what_cannot_be_interpolated_is_an_error(shape, share, says):
    with pytest.raises(ValueError, match=says):
        interpolate(torch.zeros(1, 4, 8, 8), torch.zeros(shape), share)
