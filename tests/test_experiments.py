"""A sweep that is no fair experiment is told so, with the setting and the slip."""

import pytest

from helpers import sweep
from helpers.course.checks import CannotCheck, Wrong, lesson_04, lesson_05
from helpers.course.checks.experiments import require_experiment

SCALES = [1.0, 2.0, 3.0]
WANTED = {"varied": {"guidance_scale": SCALES}, "fixed": {"prompt": "a fox", "seed": 7}}


@pytest.fixture
def drawn(tiny_pipe):
    """A sweep of one step with the right settings, but for those that a test names."""

    def draw(**settings):
        right = {"prompt": "a fox", "seed": 7, "guidance_scale": SCALES, "num_inference_steps": 1}
        return sweep(tiny_pipe, progress=False, **right | settings)

    return draw


def test_a_fair_experiment_passes(drawn):
    require_experiment("fair", drawn(), **WANTED)
    any_scales = {"varied": {"guidance_scale": None}, "fixed": {}}
    require_experiment("fair", drawn(guidance_scale=[4, 5]), **any_scales)


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"seed": [7, 8]}, "`seed` varies as well (7, 8)"),
        ({"guidance_scale": 3.0}, "`guidance_scale` should vary, and it is always '3'"),
        ({"seed": [7]}, "`seed` is a list with one value"),
        ({"guidance_scale": SCALES[:2]}, "Missing: 3."),
        ({"guidance_scale": [*SCALES, 4.0]}, "Not asked for: 4."),
        ({"guidance_scale": SCALES[::-1]}, "in another order"),
        ({"seed": 0}, "`seed` is 0; the text asks for 7"),
        ({"prompt": "an owl"}, "`prompt` is 'an owl'; the text asks for 'a fox'"),
    ],
)
def test_an_unfair_one_is_told_why(drawn, settings, says):
    with pytest.raises(Wrong) as caught:
        require_experiment("unfair", drawn(**settings), **WANTED)
    assert "`unfair`" in str(caught.value) and says in str(caught.value)


@pytest.mark.parametrize("control", [None, ""])
def test_a_control_has_no_negative_prompt_or_an_empty_one(tiny_pipe, control):
    pair = {"prompt": "a house", "negative_prompt": [control, "at night"]}
    proof = sweep(tiny_pipe, **pair, seed=[1, 2, 3], **lesson_04.USUAL, progress=False)
    assert "A control" in lesson_04.negative(proof, "at night", [1, 2, 3])
    scales = {"guidance_scale": [1, 5], "num_inference_steps": 5}
    off = sweep(tiny_pipe, **scales, **pair, seed=1, progress=False)
    assert "Proved" in lesson_05.off(off)


def test_the_text_none_is_told_from_no_negative_prompt(tiny_pipe):
    proof = sweep(
        tiny_pipe,
        prompt="a house",
        negative_prompt=["None", "at night"],
        seed=[1, 2, 3],
        num_inference_steps=1,
        progress=False,
    )
    with pytest.raises(Wrong, match=r"Missing: None\. In quotes, 'None' is a text"):
        lesson_04.negative(proof, "at night", [1, 2, 3])


def test_a_missing_picture_cannot_be_judged(drawn):
    experiment = drawn()
    outcome = next(iter(experiment))
    outcome.image, outcome.state = None, "not run"
    with pytest.raises(CannotCheck, match="missing \\(not run\\)"):
        require_experiment("cut", experiment, **WANTED)
