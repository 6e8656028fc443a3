"""The checks of lesson 04, prompts: the plan of a sweep, lists of prompts, a function on words."""

from collections.abc import Callable

from helpers.course.checks import Wrong, check, describe
from helpers.course.checks.answers import require_answer
from helpers.course.checks.experiments import control_prompt, require_experiment
from helpers.sweeps.result import Sweep
from helpers.vocabulary import BACKGROUNDS, STYLES, SUBJECTS, unknown_words, words_of

USUAL = {"guidance_scale": 5.0, "num_inference_steps": 16}

# How a prompt may answer the three questions of the lesson, besides the words of the lists.
OTHER_WORDS = {"what": ("woman", "man"), "where": ("snowy",), "how": ()}

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
                f"The prompt of {title!r} has words that the sticker model has never read: "
                f"{', '.join(strangers)}. Take them from the lists above the exercise."
            )
    require_experiment("posters", posters, {"prompt": films.values()}, {"seed": 7} | USUAL)
    for title, prompt in films.items():
        if unanswered := _unanswered(prompt):
            raise Wrong(
                f"The prompt of {title!r}, {prompt!r}, does not say {', '.join(unanswered)}. Take "
                "one word per question from the lists above the exercise."
            )
    return "Five prompts, one seed: all five started from the same noise, so the words did it."


def _unanswered(prompt: str) -> list[str]:
    """Which of the questions what, where and how a prompt leaves open."""
    said = f" {' '.join(words_of(prompt))} "
    answers = {"what": SUBJECTS, "where": BACKGROUNDS, "how": STYLES}
    return [
        question
        for question, words in answers.items()
        if not any(f" {word} " in said for word in (*words, *OTHER_WORDS[question]))
    ]


@check("04.strangers")
def strangers(strangers: Callable) -> str:
    for prompt, expected in STRANGERS:
        answer = strangers(prompt)
        require_answer(answer, f"For {prompt!r} your function")
        if not isinstance(answer, list | tuple):
            raise Wrong(f"The function should return a list; it returns {describe(answer)}.")
        if [str(word).lower() for word in answer] != expected:
            raise Wrong(
                f"For {prompt!r} the answer should be {expected}; your function returns "
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
    if any(text != text.lower() and text.lower() in known for text in texts):
        return " `KNOWN_WORDS` has no capital letters: use `prompt.lower()`."
    wrongly_found = set(texts) & set(known)
    if wrongly_found and not wrongly_found & set(prompt.split()):
        return (
            " It looks a word up before it is clean: with its comma or its capital letter no word "
            "is in `KNOWN_WORDS`. Clean the prompt first."
        )
    if wrongly_found:
        return " Words such as *a* are known, too: compare with `KNOWN_WORDS`, not only subjects."
    return ""


@check("04.matrix")
def matrix(matrix: list | tuple, subjects: list | tuple) -> str:
    expected = [
        f"a {style} sticker of a {subject} on a blue background"
        for subject in subjects
        for style in STYLES
    ]
    # "of an owl" is better English, and as good an answer.
    got = [item.replace(" an ", " a ") if isinstance(item, str) else item for item in matrix]
    if got == expected:
        return f"{len(subjects)} subjects in {len(STYLES)} styles: {len(matrix)} prompts, in order."
    if any(isinstance(row, list | tuple) for row in matrix):
        raise Wrong(
            "`matrix` is a list of lists, and a sweep wants one list of texts. Use one pair of "
            "brackets around both `for`."
        )
    if any("{" in str(item) for item in matrix):
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
    if sorted(map(str, got)) == sorted(expected):
        raise Wrong(
            "All prompts are there, in another order: the subject changes too fast. Make it the "
            "outer loop, which is the first `for` in a list comprehension."
        )
    number = next(i for i, item in enumerate(got) if item != expected[i])
    told = f"`matrix[{number}]` should be {expected[number]!r}; it is {matrix[number]!r}."
    if matrix[number] in matrix[:number]:
        raise Wrong(f"{told} That prompt is repeated. Does each loop have its own variable in it?")
    raise Wrong(f"{told} Is every word there, in the pattern of the text?")


@check("04.negative")
def negative(proof: Sweep, seen: str, seeds: list | tuple) -> str:
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
            f"There is only one seed, {fixed['seed']}. One pair may be chance: take all three "
            "`seeds`."
        )
    control = control_prompt(proof)
    require_experiment(
        "proof",
        proof,
        varied={"negative_prompt": (control, seen), "seed": seeds},
        fixed={"prompt": "a house"} | USUAL,
    )
    if proof.axes.names != ("negative_prompt", "seed"):
        raise Wrong("Rows and columns have changed places. Name `negative_prompt` before `seed`.")
    moved = sum(proof[control, seed].tobytes() != proof[seen, seed].tobytes() for seed in seeds)
    return (
        "A control, one thing changed, and the same noise in each column. The negative prompt "
        f"changed {moved} of {len(seeds)} pictures; whether for the better, look and judge."
    )
