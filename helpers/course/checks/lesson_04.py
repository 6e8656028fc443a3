"""The checks of lesson 04, prompts: the plan of a sweep, lists of prompts, a function on words."""

from collections.abc import Callable

from helpers.course.checks import Wrong, check, describe
from helpers.course.checks.answers import require_answer
from helpers.course.checks.experiments import control_prompt, require_experiment
from helpers.sweeps.result import Sweep
from helpers.vocabulary import STYLES, unknown_words, words_of

USUAL = {"guidance_scale": 5.0, "num_inference_steps": 16}

# Prompts for the learner's function, with what it should return.
STRANGERS = (
    ("a fox on a teal background", []),
    ("a movie poster of a fox", ["movie", "poster"]),
    ("a Dragon in the Snow", ["dragon"]),
    ("a cat, a wizard, flat style", ["wizard"]),
)


@check("04.posters")
def posters(films: dict, posters: Sweep) -> str:
    if len(films) != 5:
        raise Wrong(
            f"`films` has {len(films)} films; five posters are wanted. Add yours with a title of "
            'its own: `films["…"] = "…"`.'
        )
    for title, prompt in films.items():
        if not isinstance(prompt, str) or not prompt.strip():
            raise Wrong(f"The prompt of {title!r} should be a text; it is {describe(prompt)}.")
        if strangers := unknown_words(prompt):
            raise Wrong(
                f"The prompt of {title!r} has words that the model has never read: "
                f"{', '.join(strangers)}. Take them from the lists above the exercise."
            )
    require_experiment("posters", posters, {"prompt": films.values()}, {"seed": 7} | USUAL)
    return "Five prompts, one seed: all five started from the same noise, so the words did it."


@check("04.strangers")
def strangers(strangers: Callable) -> str:
    for prompt, expected in STRANGERS:
        answer = strangers(prompt)
        require_answer(answer)
        if not isinstance(answer, list):
            raise Wrong(f"The function should return a list; it returns {describe(answer)}.")
        if answer != expected:
            raise Wrong(
                f"For {prompt!r} the answer should be {expected}; your function says "
                f"{answer if len(answer) <= 8 else describe(answer)}.{_slip(prompt, answer)}"
            )
    return "Found them all. A real model keeps no such list, so there it takes experiments."


def _slip(prompt: str, answer: list) -> str:
    """The slip that most likely gave this answer, as a sentence, or nothing."""
    texts = [str(item) for item in answer]
    known = [word for word in words_of(prompt) if not unknown_words(word)]
    if texts == known:
        return " That is the other way round: these are the words that the model does know."
    if texts and all(len(text) == 1 for text in texts):
        return " It goes through the prompt letter by letter; `split()` cuts it into words."
    if any("," in text for text in texts):
        return " A comma still sticks to a word. Replace commas with spaces before `split()`."
    if any(text != text.lower() for text in texts):
        return " `KNOWN_WORDS` has no capital letters: use `prompt.lower()`."
    if set(texts) & set(known):
        return " Words such as *a* are known, too: compare with `KNOWN_WORDS`, not only subjects."
    return ""


@check("04.matrix")
def matrix(matrix: list, subjects: list) -> str:
    expected = [
        f"a {style} sticker of a {subject} on a yellow background"
        for subject in subjects
        for style in STYLES
    ]
    if matrix == expected:
        return f"{len(subjects)} subjects in {len(STYLES)} styles: {len(matrix)} prompts, in order."
    if any(isinstance(row, list | tuple) for row in matrix):
        raise Wrong(
            "`matrix` is a list of lists, and a sweep wants one list of texts. Use one pair of "
            "brackets around both `for`."
        )
    if any("{" in str(prompt) for prompt in matrix):
        raise Wrong(
            f"`matrix[0]` is {matrix[0]!r}: the braces are still there. Does the text lack the "
            "letter f before its quotes?"
        )
    if len(matrix) != len(expected):
        slip = " `zip` takes one partner each; you need all pairs." if len(matrix) < 5 else ""
        raise Wrong(
            f"`matrix` has {len(matrix)} prompts; {len(subjects)} subjects with {len(STYLES)} "
            f"styles make {len(expected)}.{slip}"
        )
    if sorted(map(str, matrix)) == sorted(expected):
        raise Wrong(
            "All prompts are there, in another order: the subject changes too fast. Make it the "
            "outer loop, which is the first `for` in a list comprehension."
        )
    number = next(i for i, prompt in enumerate(matrix) if prompt != expected[i])
    raise Wrong(
        f"`matrix[{number}]` should be {expected[number]!r}; it is {matrix[number]!r}. Is every "
        "word there, in the pattern of the text?"
    )


@check("04.negative")
def negative(proof: Sweep) -> str:
    fixed, axes = proof.axes.fixed, proof.axes.values
    if "negative_prompt" in fixed and fixed["negative_prompt"] is not None:
        raise Wrong(
            "All pictures have the negative prompt, so there is nothing to compare with. The "
            "control is missing: give a list, with `None` first."
        )
    texts = [text for text in axes.get("negative_prompt", ()) if text]
    if any("not" in text.lower().split() or "no" in text.lower().split() for text in texts):
        raise Wrong(
            f"The negative prompt {texts[0]!r} says *no* or *not*. It already means *away from*: "
            "name the thing itself."
        )
    if "seed" in fixed and "negative_prompt" in axes:
        raise Wrong(
            f"There is one seed only, {fixed['seed']}. One pair may be chance: take the seeds 1, 2 "
            "and 3."
        )
    control = control_prompt(proof)
    require_experiment(
        "proof",
        proof,
        varied={"negative_prompt": (control, "at night"), "seed": (1, 2, 3)},
        fixed={"prompt": "a house"} | USUAL,
    )
    if proof.axes.names != ("negative_prompt", "seed"):
        raise Wrong("Rows and columns have changed places. Name `negative_prompt` before `seed`.")
    moved = sum(
        proof[control, seed].tobytes() != proof["at night", seed].tobytes() for seed in (1, 2, 3)
    )
    return (
        "A control, one thing changed, and the same noise in each column. The negative prompt "
        f"changed {moved} of 3 pictures; whether for the better, look and judge."
    )
