"""The checks of lesson 07, ranking: the cosine, an order, agreement with a vote, R-precision."""

import math
from collections.abc import Callable, Iterable
from numbers import Real

import torch

from helpers.course.checks import Wrong, check, describe
from helpers.course.checks.answers import as_number, require_answer


@check("07.cosine")
def cosine(cosine: Callable) -> str:
    generator = torch.Generator().manual_seed(0)
    for length in (1.0, 3.0):
        first, second = torch.randn(2, 16, generator=generator)
        second = length * second
        given = first.clone(), second.clone()
        answer = as_number(cosine(*given), "one number")
        if not torch.equal(given[0], first) or not torch.equal(given[1], second):
            raise Wrong(
                "Your function changes the vectors that it is given (`/=` works in place). Write "
                "`first / first.norm()` instead, which makes a new vector."
            )
        _check_cosine(answer, first, second)
    return "The cosine does not change when a vector gets longer."


def _check_cosine(answer: float, first: torch.Tensor, second: torch.Tensor) -> None:
    wanted = torch.nn.functional.cosine_similarity(first, second, dim=0).item()
    if math.isclose(answer, wanted, abs_tol=1e-5):
        return
    product, lengths = (first @ second).item(), (first.norm().item(), second.norm().item())
    slips = {
        "This is only the sum of the products. Divide by the lengths of both vectors, or a "
        "long vector looks like a good fit.": product,
        "You divide by one length and multiply by the other: put the product of the two in "
        "parentheses.": product / lengths[0] * lengths[1],
        "You divide by the squares of the lengths. The length itself is `first.norm()`.": (
            product / (lengths[0] * lengths[1]) ** 2
        ),
        "This is the distance between the two vectors, not the cosine of their angle.": (
            (first - second).norm().item()
        ),
    }
    for message, slip in slips.items():
        if math.isclose(answer, slip, rel_tol=1e-4):
            raise Wrong(message)
    raise Wrong(f"For two test vectors the cosine is {wanted:.3f}; you have {answer:.3f}.")


@check("07.ranking")
def ranking(best_first: Callable) -> str:
    for cosines in ([0.31, 0.74, 0.12, 0.58], [0.9, -0.2, 0.4, 0.4, 0.1, 0.95, 0.3]):
        given = list(cosines)
        try:
            answer = best_first(given)
        except IndexError:
            raise Wrong(
                f"For a list of {_count(cosines)} cosines your function looks for one that is not "
                "there. Use `len(cosines)`, not the number of pictures in this notebook."
            ) from None
        if given != cosines:
            raise Wrong("After the call the list of cosines should be as it was. `sorted` copies.")
        _check_order(answer, cosines)
    return "Best fit first, for as many pictures as there are."


def _count(items: list) -> str:
    return {4: "four", 7: "seven"}[len(items)]


def _check_order(answer: object, cosines: list[float]) -> None:
    if answer is None:
        raise Wrong(
            "The function returns nothing (`None`). Is a `return` missing? The methods `sort` and "
            "`reverse` of a list change it and return nothing; `sorted(…)` returns a new list."
        )
    if hasattr(answer, "tolist"):
        answer = answer.tolist()
    if not isinstance(answer, Iterable) or isinstance(answer, str):
        raise Wrong(f"The function should return a list of numbers; it returns {describe(answer)}.")
    order = [item.item() if hasattr(item, "item") else item for item in answer]
    if len(order) == 1:
        raise Wrong(f"This is only one picture. Put all {len(cosines)} in order.")
    odd = next((item for item in order if not isinstance(item, Real)), None)
    if isinstance(odd, tuple | list):
        raise Wrong("Each item of your list is a pair. Keep only the number of the picture.")
    if odd is not None:
        raise Wrong(f"In your list is {describe(odd)}, not the number of a picture.")
    if sorted(order) == sorted(cosines):
        raise Wrong(
            "These are the cosines themselves. Return the numbers of the pictures, from 0 to "
            f"{len(cosines) - 1}, in the order of their cosines."
        )
    if sorted(order) != list(range(len(cosines))):
        raise Wrong(f"The list should have each picture once, 0 to {len(cosines) - 1}.")
    ordered = [cosines[int(number)] for number in order]
    if ordered == sorted(cosines):
        raise Wrong("The worst fit comes first. `sorted` begins with the smallest; reverse it.")
    if ordered != sorted(cosines, reverse=True):
        raise Wrong("Each picture is there once, but they are not in the order of their cosines.")


@check("07.agreement")
def agreement(agreement: Callable) -> str:
    order = [0, 5, 3, 8, 1, 9, 2, 4, 6, 7]
    cases = [
        ([3, 0, 7], 2 / 3),
        ([3, 0, 5], 1.0),
        ([6, 7], 0.0),
        ([5, 9], 0.5),
        ([8, 3, 5, 0], 1.0),
    ]
    for vote, wanted in cases:
        answer = agreement(list(vote), list(order))
        if answer is None and wanted == 0:
            raise Wrong(
                f"For the vote {vote} and the ranking {order[:4]}… your function returns nothing "
                "(`None`). Where the two have nothing in common, it should return 0."
            )
        require_answer(answer)
        _check_agreement(as_number(answer, "one number"), wanted, vote, order)
    return "From 0, no favorite in common, to 1."


def _check_agreement(answer: float, wanted: float, vote: list, order: list) -> None:
    if math.isclose(answer, wanted, abs_tol=1e-6):
        return
    expected = f"For the vote {vote} and the ranking {order[:4]}… it should be {wanted:.2f}; "
    if math.isclose(answer, wanted * len(vote)) and len(vote) > 1:
        raise Wrong(f"{expected}you have {answer:g}. That is a count; a share is wanted.")
    if math.isclose(answer, 100 * wanted):
        raise Wrong(f"{expected}you have {answer:.4g}. That is in percent; a share is wanted.")
    if math.isclose(answer, 1.0) and wanted < 1:
        raise Wrong(
            f"{expected}you have 1. The whole ranking has every picture. CLIP may name only as "
            "many as you did: the first `len(vote)`."
        )
    in_place = sum(mine == its for mine, its in zip(vote, order, strict=False)) / len(vote)
    if math.isclose(answer, in_place, abs_tol=1e-6):
        raise Wrong(
            f"{expected}you have {answer:.2f}. You compare place by place, but the order within "
            "the favorites does not matter."
        )
    first_three = len(set(vote) & set(order[:3]))
    if len(vote) != 3 and (
        math.isclose(answer, first_three / 3, abs_tol=1e-6)
        or math.isclose(answer, first_three / len(vote), abs_tol=1e-6)
    ):
        raise Wrong(
            f"{expected}you have {answer:.2f}. Does your function count on exactly three votes? "
            "Use `len(vote)`."
        )
    raise Wrong(f"{expected}you have {answer:.2f}.")


@check("07.r_precision")
def r_precision(r_precision: Callable) -> str:
    generator = torch.Generator().manual_seed(0)
    # Rows are pictures: some prefer another prompt than their own.
    for size, misses in ((8, (2, 3, 7)), (5, (0,))):
        cosines = 0.9 * torch.eye(size) + 0.01 * torch.rand(size, size, generator=generator)
        for row in misses:
            cosines[row, (5 if size == 8 else 4)] = 1.0
        given = cosines.clone()
        answer = as_number(r_precision(given), "one number")
        if not torch.equal(given, cosines):
            raise Wrong("Your function changes the table that it is given. Work on a copy.")
        _check_r_precision(answer, cosines, hits=size - len(misses))
    return "With n prompts, guessing would reach 1/n."


def _check_r_precision(answer: float, cosines: torch.Tensor, hits: int) -> None:
    size = len(cosines)
    if math.isclose(answer, hits / size, abs_tol=1e-6):
        return
    expected = (
        f"In a test table of {size} pictures, {hits} are hits, so it should be {hits / size:g}; "
    )
    slips = {
        "Here you look up for each prompt the best picture. The question is the best prompt for "
        "each picture: the largest value of each row.": (
            (cosines.argmax(dim=0) == torch.arange(size)).float().mean().item()
        ),
        "This is the mean of the diagonal, so it says how high the cosines are, not how many are "
        "the highest of their row.": cosines.diagonal().mean().item(),
        "This should be a share, not a count: divide by the number of pictures.": float(hits),
        "Does your function count on ten pictures? Divide by `len(cosines)`.": hits / 10,
    }
    for message, slip in slips.items():
        if math.isclose(answer, slip, abs_tol=1e-6):
            raise Wrong(f"{expected}you have {answer:.3g}. {message}")
    raise Wrong(f"{expected}you have {answer:.3g}.")
