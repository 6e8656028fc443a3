"""What a learner sees of the exercises and their checks: the five outcomes and more."""

import json
from html.parser import HTMLParser

import numpy
import pytest
import torch
from PIL import Image

from helpers.course import checks, exercises
from helpers.course.checks import CannotCheck, Wrong, check, judge, lesson_01, lesson_02
from helpers.course.exercises import Note, exercise
from tests.pipelines import tiny_sd_pipeline


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    """Two exercises of a lesson 99, and the checks that tests register for them."""
    path = tmp_path / "exercises.json"
    entry = {"hints": ["Look at `x`.", "Nearly there."], "solution": "x = 1\nif x < 2:\n    x = 3"}
    path.write_text(json.dumps({"99.numbers": entry, "99.pictures": entry}), encoding="utf-8")
    monkeypatch.setattr(exercises, "CATALOGUE", path)
    monkeypatch.setattr(checks, "_checks", {})
    exercise.cache_clear()
    yield path
    exercise.cache_clear()


@pytest.fixture
def numbers(catalogue):
    @check("99.numbers")
    def numbers(x, y):
        if x is None:
            raise CannotCheck("There is no x on this machine.")
        if callable(x):
            x = x()
        if x.shape != y.shape:
            raise Wrong("The shapes differ. Did you forget `[0]`?")
        return "Both have one shape."

    return exercise("99.numbers")


def in_notebook(source: str) -> dict:
    """Run code as a notebook would, and return its names."""
    names = {"__name__": "__main__"}
    exec(compile(source, "<cell>", "exec"), names)
    return names


def test_right(numbers):
    result = numbers.check(x=torch.zeros(2), y=numpy.zeros(2))
    assert result.outcome == "right"
    assert repr(result) == "✓ Right\n\nBoth have one shape."


def test_right_without_words_of_its_own(catalogue):
    check("99.numbers")(lambda x: None)
    assert exercise("99.numbers").check(x=1).message == "Well done."


def test_wrong_names_the_slip_and_raises_nothing(numbers):
    result = numbers.check(x=torch.zeros(2), y=torch.zeros(3))
    assert result.outcome == "wrong"
    assert result.message.startswith("The shapes differ. Did you forget `[0]`?")
    assert 'exercise("99.numbers").hint()' in result.message
    assert repr(result).startswith("✗ Not right yet\n")


@pytest.mark.parametrize("blank", [..., [1, ...], (...,), {"a": ...}], ids=str)
def test_not_attempted(numbers, blank):
    result = numbers.check(x=torch.zeros(2), y=blank)
    assert result.outcome == "not attempted"
    assert "`y` is still blank" in result.message


def test_not_attempted_when_a_value_is_missing(numbers):
    result = numbers.check(x=torch.zeros(2))
    assert result.outcome == "not attempted"
    assert "`y=y`" in result.message


@pytest.mark.parametrize("value", [torch.zeros(3), numpy.zeros((2, 2)), [numpy.zeros(3)]])
def test_tensors_and_arrays_are_no_blanks(numbers, value):
    assert numbers.check(x=torch.zeros(1), y=value).outcome == "wrong"


def blank_function(x):
    """A docstring is no answer."""
    ...  # your code here


def half_blank_function(x):
    y = ...
    return y


def full_function(x):
    return x[..., 0]


def test_function_with_a_blank_is_not_attempted():
    def takes(f):
        return "fine"

    assert judge(takes, (), {"f": blank_function})[0] == "not attempted"
    assert judge(takes, (), {"f": half_blank_function})[0] == "not attempted"
    assert judge(takes, (), {"f": full_function})[0] == "right"
    assert judge(takes, (), {"f": lambda: 1})[0] == "right"


def test_your_code_raised_says_what_and_where(numbers):
    names = in_notebook("def mine():\n    numbers = []\n    return numbers[3]\n")
    result = numbers.check(x=names["mine"], y=torch.zeros(2))
    assert result.outcome == "your code raised"
    assert "IndexError: list index out of range" in result.message
    assert "`mine`, line 3 of its cell" in result.message


def test_your_code_raised_within_a_library(numbers):
    names = in_notebook("import json\n\ndef mine():\n    return json.loads('{')\n")
    result = numbers.check(x=names["mine"], y=torch.zeros(2))
    assert result.outcome == "your code raised"
    assert "line 4 of its cell" in result.message


def test_cannot_be_checked_here(numbers):
    result = numbers.check(x=None, y=torch.zeros(2))
    assert result.outcome == "cannot be checked here"
    assert result.message == "There is no x on this machine."


@pytest.mark.parametrize(
    ("unnamed", "values", "words"),
    [
        ((), {"x": 1, "yy": 2}, "no value named `yy`. Did you mean `y`?"),
        ((1, 2), {}, "must be given by name"),
    ],
)
def test_edited_check_cell_is_told(numbers, unnamed, values, words):
    result = numbers.check(*unnamed, **values)
    assert result.outcome == "cannot be checked here"
    assert words in result.message
    assert ".check(x=x, y=y)" in result.message


def test_odd_value_is_wrong_and_not_a_traceback(numbers):
    result = numbers.check(x="a fox", y=torch.zeros(2, 3))
    assert result.outcome == "wrong"
    assert "`x` is the text 'a fox'" in result.message
    assert "`y` is a Tensor of shape (2, 3)" in result.message
    assert "AttributeError: 'str' object has no attribute 'shape'" in result.message
    assert "please report it" in result.message  # the check itself may be at fault


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "it is `None`. Is a `return` missing"),
        (full_function, "Did you forget the parentheses"),
        ([Image.new("RGB", (2, 2))], "it is a list with 1 item. Did you forget the `[0]`"),
        (type("Output", (), {"images": []})(), "are in `.images`"),
        (3, "it is the int 3."),
        ("", "it is an empty text."),
    ],
)
def test_type_of_a_value_is_verified_first(value, words):
    def takes(picture: Image.Image) -> str:
        return f"It is {picture.width} wide."

    outcome, message = judge(takes, (), {"picture": value})
    assert outcome == "wrong"
    assert "should be a picture, but it is" in message
    assert words in message


def test_types_may_be_unions_and_generics():
    def takes(x: int | float, y: list[int]) -> str:
        return "fine"

    assert judge(takes, (), {"x": 1.5, "y": []})[0] == "right"
    assert judge(takes, (), {"x": "1", "y": []})[0] == "wrong"
    assert judge(takes, (), {"x": 1, "y": ()})[0] == "wrong"


def test_a_hint_in_the_same_cell_does_not_hide_what_the_check_said(numbers):
    result = exercise("99.numbers").check(x="many")
    hint = exercise("99.numbers").hint()
    assert hint._repr_html_().startswith(result._repr_html_())
    assert repr(hint).startswith(f"{result!r}\n\n→ Hint 1 of 2")
    assert "Not right yet" not in repr(exercise("99.numbers").hint())


def test_hints_come_one_after_the_other(numbers):
    first, second, again = (exercise("99.numbers").hint() for _ in range(3))
    assert (first.title, second.title, again.title) == ("Hint 1 of 2", "Hint 2 of 2", "Hint 1 of 2")
    assert first.message == "Look at `x`.\n\n1 more hint: run this again."
    assert "Nearly there." in second.message and ".solution()" in second.message


def test_solution_shows_the_code(numbers):
    assert "x = 1\nif x < 2:\n    x = 3" in repr(numbers.solution())
    assert (
        "<pre><code>x = 1\nif x &lt; 2:\n    x = 3</code></pre>" in numbers.solution()._repr_html_()
    )


def test_unknown_exercise_lists_near_ids(catalogue):
    with pytest.raises(LookupError, match="'99.number'; did you mean: 99.numbers"):
        exercise("99.number")
    with pytest.raises(LookupError, match="the exercises are: 99.numbers, 99.pictures"):
        exercise("z")


def test_catalogue_that_was_never_built(catalogue):
    catalogue.unlink()
    with pytest.raises(FileNotFoundError, match="make notebooks"):
        exercise("99.numbers")


def test_two_checks_for_one_exercise(catalogue):
    check("99.numbers")(blank_function)
    check("99.numbers")(blank_function)  # its module was reloaded
    with pytest.raises(ValueError, match="'99.numbers' has two checks"):
        check("99.numbers")(full_function)


class Words(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.words = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


def test_box_says_everything_in_words_and_escapes():
    note = Note("✗", "Not right yet", "a <b> & `<script>`\n\n- one\n- two", "#d1495b")
    box = Words(note._repr_html_())
    assert box.open == []
    assert box.words == "✗ Not right yeta <b> & <script>one\ntwo"
    assert "<code>&lt;script&gt;</code>" in note._repr_html_()
    # The page's own colours for text and paper: legible on light and dark.
    assert " color:" not in note._repr_html_()


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_colours_stand_out_on_light_and_dark(page):
    for _, colour in [look[1:] for look in exercises.OUTCOME_LOOKS.values()] + [
        exercises.HINT_LOOKS
    ]:
        high, low = sorted([luminance(page), luminance(colour)], reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 3, colour  # WCAG 2.2, 1.4.11


def test_a_note_shows_stress_outside_of_code_only():
    note = Note("→", "Hint", "It comes *before* it: `2 * a * b`, `**more`, 2 * 3*4*5.", "#000")
    shown = note._repr_html_()
    assert "comes <em>before</em> it" in shown
    assert "<code>2 * a * b</code>, <code>**more</code>, 2 * 3*4*5." in shown


# --- lessons 01 and 02: answers that no learner's cell in the scripts gives ----------------------


def sheet_of(images: list[Image.Image], order=(0, 1, 2, 3), mode: str = "RGB") -> Image.Image:
    sheet = Image.new(mode, (16, 16))
    for place, index in enumerate(order):
        row, column = divmod(place, 2)
        sheet.paste(images[index], (column * 8, row * 8))
    return sheet


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_grid_of_equal_pictures_is_right(mode):
    images = [Image.new("RGB", (8, 8), colour) for colour in ("red", "red", "blue", "red")]
    values = {"sheet": sheet_of(images, mode=mode), "images": images}
    assert judge(lesson_01.grid, (), values)[0] == "right"


def test_a_grid_with_two_places_swapped_is_told_among_equal_pictures_too():
    images = [Image.new("RGB", (8, 8), colour) for colour in ("red", "red", "blue", "red")]
    values = {"sheet": sheet_of(images, order=(0, 2, 1, 3)), "images": images}
    outcome, message = judge(lesson_01.grid, (), values)
    assert outcome == "wrong" and "have changed places" in message


@pytest.mark.parametrize("mode", ["1", "L"])
def test_a_grid_without_colours_is_wrong(mode):
    images = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue", "white")]
    values = {"sheet": sheet_of(images, mode=mode), "images": images}
    outcome, message = judge(lesson_01.grid, (), values)
    assert outcome == "wrong" and f"of mode {mode!r}" in message


@pytest.mark.parametrize(
    ("used", "outcome"),
    [
        ((1, 3, 7.5, 20), "right"),
        ((1, 7.5, 3, 20), "wrong"),
        ((1, 9, 9, 20), "wrong"),
        ((1, 9, 7.5, 20), "wrong"),
        ((1, 3, 9, 20), "wrong"),
    ],
)
def test_every_picture_by_guidance_is_looked_at(used, outcome):
    def draw(prompt, guidance_scale):
        return Image.new("RGB", (8, 8), (0, int(10 * guidance_scale), 0))

    by_guidance = [draw("a fox", guidance_scale=scale) for scale in used]
    scales = [1, 3, 7.5, 20]
    values = {"by_guidance": by_guidance, "scales": scales, "prompt": "a fox", "draw": draw}
    assert judge(lesson_01.guidance, (), values)[0] == outcome


@pytest.mark.parametrize("name", ["num_parameters", "number_of_parameters"])
def test_only_num_parameters_is_a_known_slip(name):
    names = in_notebook(f"def count_parameters(network):\n    return network.{name}()\n")
    values = {"count_parameters": names["count_parameters"], "pipe": tiny_sd_pipeline()}
    outcome, message = judge(lesson_01.parameters, (), values)
    assert outcome == ("wrong" if name == "num_parameters" else "your code raised")
    assert name in message


@pytest.mark.parametrize(
    "channels",
    [
        "pipe.unet.config['in_channels']",
        "pipe.unet.config.get('in_channels')",
        "pipe.vae.config['latent_channels']",
    ],
)
def test_the_configuration_of_the_other_model_is_read_as_a_real_one(channels):
    names = in_notebook(
        "def latents_shape(pipe, height, width):\n"
        "    factor = pipe.vae_scale_factor\n"
        f"    return (1, {channels}, height // factor, width // factor)\n"
    )
    values = {"latents_shape": names["latents_shape"], "pipe": tiny_sd_pipeline()}
    assert judge(lesson_02.shape, (), values)[0] == "right"


SHAPE = (1, 4, 8, 8)


def noise_in(dtype: torch.dtype, seed: int = 42) -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(seed)).to(dtype)


def judged_noise(latents: torch.Tensor, latents_again: torch.Tensor) -> tuple[str, str]:
    values = {"latents": latents, "latents_again": latents_again, "seed": 42, "shape": SHAPE}
    return judge(lesson_02.same_noise, (), values)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_right_noise_is_right_in_every_type_of_number(dtype):
    assert judged_noise(noise_in(dtype), noise_in(dtype))[0] == "right"
    layers = torch.cat([noise_in(dtype, seed) for seed in (1, 2)])
    values = {"batch_latents": layers, "batch_seeds": [1, 2], "shape": SHAPE}
    assert judge(lesson_02.batch, (), values)[0] == "right"


def test_noise_that_was_cut_to_whole_numbers_is_wrong():
    outcome, message = judged_noise(noise_in(torch.int32), noise_in(torch.int32))
    assert outcome == "wrong" and "not the noise of seed 42" in message


def test_wrong_noise_is_wrong_in_half_precision_too():
    outcome, message = judged_noise(noise_in(torch.float16, 7), noise_in(torch.float16, 7))
    assert outcome == "wrong" and "not the noise of seed 42" in message


def test_two_types_of_number_are_told():
    outcome, message = judged_noise(noise_in(torch.float32), noise_in(torch.float16))
    assert outcome == "wrong"
    assert "type torch.float32" in message and "type torch.float16" in message
