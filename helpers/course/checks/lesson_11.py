"""The checks of lesson 11, feedback: ratings stored and read back, shares, pairs, an export."""

import json
import math
import tempfile
from collections.abc import Callable
from numbers import Real
from pathlib import Path

import pandas
from PIL import Image

from helpers.course.checks import Wrong, check, describe
from helpers.course.checks.answers import as_number, require_answer
from helpers.feedback.store import Feedback, RatedPicture, Rating

SETTINGS = {"prompt": "an owl", "seed": 5, "num_inference_steps": 12, "guidance_scale": 4.0}


@check("11.store")
def store(store: Callable, model: str, version: str) -> str:
    image = Image.new("RGB", (16, 16), "teal")
    with tempfile.TemporaryDirectory() as folder:
        feedback = Feedback(Path(folder) / "check.sqlite")
        try:
            answer = store(feedback, image, dict(SETTINGS), 1, None)
        except ValueError:
            raise Wrong(
                "When `consent` is `None`, your function still calls `feedback.add`, which refuses "
                "it. Ask first: `if consent is None:`."
            ) from None
        if feedback.ratings():
            raise Wrong("A rating was stored without consent. If it is `None`, store nothing.")
        if answer is not None:
            raise Wrong(f"Without consent it should return `None`; it returns {describe(answer)}.")
        for vote, consent in ((1, "training"), (-1, "class"), (-1, "public")):
            answer = store(feedback, image, dict(SETTINGS), vote, consent)
            stored = feedback.ratings()
            _check_stored(stored[-1] if stored else None, vote, consent)
            _check_model(stored[-1], model, version)
            if answer != stored[-1]:
                raise Wrong(
                    "It is stored, but the function does not return what `feedback.add` returns: "
                    f"it returns {describe(answer)}. The receipt is in there."
                )
        if len(stored) != 3:
            raise Wrong(f"Three votes were given, and {len(stored)} are stored.")
    return "Stored with all that made the picture, and only with consent."


def _check_stored(rating: Rating | None, vote: int, consent: str) -> None:
    if rating is None:
        raise Wrong(f"With the consent {consent!r}, nothing was stored. Is `feedback.add` called?")
    if rating.vote != vote:
        given = "thumbs up" if vote == 1 else "thumbs down"
        raise Wrong(f"The vote was {given}, and {rating.vote} is stored. Pass on `vote=vote`.")
    if rating.consent != consent:
        raise Wrong(
            f"The person agreed to {consent!r}, and {rating.consent!r} is stored. Use what they "
            "agreed to: `consent=consent`."
        )
    if {"prompt": rating.prompt} | rating.settings != SETTINGS:
        kept = ", ".join({"prompt": rating.prompt} | rating.settings)
        raise Wrong(
            f"Of the settings only this is stored: {kept}. From that the picture cannot be made "
            "again. Pass on all of `settings`."
        )


def _check_model(rating: Rating, model: str, version: str) -> None:
    if rating.model != model:
        raise Wrong(f"The model {rating.model!r} is stored; it should be {model!r}: `model=MODEL`.")
    if rating.model_version != version:
        raise Wrong(
            f"{rating.model_version!r} is stored as the model's version. It should be the "
            "fingerprint from the cell above: `model_version=version`."
        )


@check("11.likes")
def likes(like_share: Callable) -> str:
    table = pandas.DataFrame(
        {
            "prompt": ["an owl", "an owl", "an owl", "a fox", "a fox", "a bee"],
            "guidance_scale": [5.0, 5.0, 8.0, 8.0, 8.0, 1.0],
            "vote": [1, -1, 1, 1, 1, -1],
        }
    )
    for column, wanted in (
        ("guidance_scale", {1.0: 0.0, 5.0: 0.5, 8.0: 1.0}),
        ("prompt", {"a bee": 0.0, "a fox": 1.0, "an owl": 2 / 3}),
    ):
        given = table.copy()
        answer = like_share(given, column)
        if not given.equals(table):
            raise Wrong(
                "Your function changes the table that it is given, and a second call then counts "
                'wrong votes. Work with a new column of its own, such as `table["vote"] == 1`.'
            )
        _check_shares(answer, column, wanted)
    return "The mean of yes and no is a share."


def _check_shares(answer: object, column: str, wanted: dict) -> None:
    require_answer(answer)
    if isinstance(answer, Real):
        raise Wrong(
            "It returns one number for the whole table. There should be one for each value of the "
            "column: group by it."
        )
    if isinstance(answer, pandas.DataFrame) and answer.shape[1] == 1:
        answer = answer.iloc[:, 0]
    if not isinstance(answer, pandas.Series | dict):
        raise Wrong(f"It should return one number for each value; it returns {describe(answer)}.")
    found = {key: float(value) for key, value in dict(answer).items()}
    never_liked = {key for key, share in wanted.items() if share == 0}
    if set(found) == set(wanted) - never_liked or any(math.isnan(found[key]) for key in found):
        raise Wrong(
            "A group without any like has no number, or *not a number*. Its share is 0: count the "
            "likes among all rows of the group, instead of dividing two tables."
        )
    if set(found) != set(wanted):
        raise Wrong(
            f"Asked for the column {column}, it gives shares for {', '.join(map(str, found))}: it "
            "ignores the column that it was given."
        )
    if _same(found, {key: 2 * share - 1 for key, share in wanted.items()}):
        raise Wrong(
            "This is the mean of the votes, which goes from -1 to 1. A share goes from 0 to 1: "
            "count a dislike as 0."
        )
    if any(value > 1 for value in found.values()):
        raise Wrong("This says how many likes there are. A share divides them by all votes.")
    if not _same(found, wanted):
        raise Wrong(f"For {column} the shares should be {wanted}; yours are {found}.")


def _same(one: dict, other: dict) -> bool:
    return all(math.isclose(one[key], other[key], abs_tol=1e-9) for key in other)


@check("11.agreement")
def agreement(agreement: Callable) -> str:
    for likes, scores in (
        ([0.1, 0.4, 0.9], [1.0, 2.0, 3.0]),
        ([0.9, 0.2, 0.5], [3.0, 1.0, 2.0]),
        ([0.1, 0.4, 0.9], [2.0, 1.0, 3.0]),
        ([0.5, 0.5, 0.9, 0.2], [3.0, 1.0, 2.0, 0.5]),  # two equal likes
        ([0.2, 0.9, 0.5, 0.4], [1.0, 1.0, 3.0, 0.5]),  # two equal scores
        ([0.9, 0.2, 0.5, 0.4], [1.0, 1.0, 3.0, 0.5]),  # the same two, the other way around
        ([0.5, 0.5, 0.5], [3.0, 1.0, 2.0]),  # no pair remains
    ):
        try:
            answer = agreement(list(likes), list(scores))
        except ZeroDivisionError:
            raise Wrong(
                f"For likes {likes} no pair remains, and nothing can be divided by 0. Return "
                '`float("nan")` then.'
            ) from None
        _check_agreement(answer, likes, scores)
    return "Pair by pair, and only where both have a preference."


def _check_agreement(answer: object, likes: list, scores: list) -> None:
    require_answer(answer)
    answer = as_number(answer, "one number")
    pairs = [(i, j) for i in range(len(likes)) for j in range(i)]
    products = [(likes[i] - likes[j]) * (scores[i] - scores[j]) for i, j in pairs]
    counted = sum(product != 0 for product in products)
    wanted = sum(product > 0 for product in products) / counted if counted else math.nan
    if math.isclose(answer, wanted, abs_tol=1e-6) or (math.isnan(answer) and not counted):
        return
    expected = (
        f"For likes {likes} and scores {scores} it should be {wanted:.2f}; yours is {answer:.2f}"
    )
    same = sum((likes[i] > likes[j]) == (scores[i] > scores[j]) for i, j in pairs)
    one_way = sum(likes[i] > likes[j] and scores[i] > scores[j] for i, j in pairs)
    unequal = sum(likes[i] != likes[j] for i, j in pairs)
    if len(set(likes)) < len(likes) and math.isclose(answer, same / len(pairs), abs_tol=1e-6):
        raise Wrong(
            f"{expected}. Two of the pictures are liked equally well: leave such pairs out."
        )
    if unequal and math.isclose(answer, one_way / unequal, abs_tol=1e-6):
        raise Wrong(f"{expected}. Both also agree where both prefer the other picture of the pair.")
    if math.isclose(answer, 1 - wanted, abs_tol=1e-6):
        raise Wrong(f"{expected}. That is the share of pairs on which they disagree.")
    if answer > 1:
        raise Wrong(f"{expected}. Divide by how many pairs there were.")
    if len(set(scores)) < len(scores):
        raise Wrong(f"{expected}. CLIP scores both the same in one pair: leave it out as well.")
    raise Wrong(f"{expected}. Each pair counts once, and both must prefer the same picture.")


@check("11.export")
def export(training_folder: Path | str, class_feedback: Feedback) -> str:
    metadata = Path(training_folder) / "metadata.jsonl"
    if not metadata.is_file():
        raise Wrong(
            "There is no `metadata.jsonl` in this folder. `training_folder` should be what "
            "`class_feedback.export_images(…)` returns."
        )
    lines = metadata.read_text(encoding="utf-8").splitlines()
    exported = {_key(line): line["ups"] + line["downs"] for line in map(json.loads, lines)}
    allowed = {_key(_made_by(p)): p for p in class_feedback.pictures("training")}
    for key, votes in exported.items():
        if key not in allowed or votes != len(allowed[key].ratings):
            raise Wrong(
                "Ratings were used whose authors did not agree to training. Say what it is for: "
                '`consent="training"`.'
            )
    wanted = {key for key, picture in allowed.items() if picture.score >= 1}
    if not exported:
        raise Wrong(
            "The folder holds no picture. It should have those of score 1 and more whose raters "
            "agreed to training."
        )
    if set(exported) - wanted:
        raise Wrong(
            f"{len(set(exported) - wanted)} of the {len(exported)} pictures have a score below 1."
            " Give a `minimum_score`."
        )
    if wanted - set(exported):
        raise Wrong(
            f"{len(wanted - set(exported))} pictures are missing: those of score 1 and more belong "
            "to the set."
        )
    return f"{len(wanted)} pictures, liked by those who agreed that they may be used."


def _made_by(picture: RatedPicture) -> dict[str, object]:
    first = picture.ratings[0]
    return {"prompt": first.prompt} | first.settings


def _key(settings: dict[str, object]) -> tuple:
    return settings["prompt"], settings["seed"], settings["guidance_scale"]
