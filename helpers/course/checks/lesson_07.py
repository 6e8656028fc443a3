"""The checks of lesson 07, ranking: the cosine, an order, agreement with a vote, R-precision."""

import math
from collections.abc import Callable
from numbers import Real

import torch

from helpers.course.checks import Wrong, check, describe
from helpers.course.checks.answers import as_number


@check("07.cosine")
def cosine(cosine: Callable) -> str:
    generator = torch.Generator().manual_seed(0)
    for length in (1.0, 3.0):
        first, second = torch.randn(2, 16, generator=generator)
        second = length * second
        wanted = torch.nn.functional.cosine_similarity(first, second, dim=0).item()
        answer = as_number(cosine(first, second), "one number")
        if math.isclose(answer, wanted, abs_tol=1e-5):
            continue
        product, lengths = (first @ second).item(), (first.norm().item(), second.norm().item())
        slips = {
            "This is only the sum of the products. Divide by the lengths of both vectors, or a "
            "long vector looks like a good fit.": product,
            "You divide by one length and multiply by the other: put the product of the two in "
            "brackets.": product / lengths[0] * lengths[1],
            "You divide by the squares of the lengths. The length itself is `first.norm()`.": (
                product / (lengths[0] * lengths[1]) ** 2
            ),
            "This is the distance of the two vectors, not the cosine of their angle.": (
                (first - second).norm().item()
            ),
        }
        for message, slip in slips.items():
            if math.isclose(answer, slip, rel_tol=1e-4):
                raise Wrong(message)
        raise Wrong(f"For two test vectors the cosine is {wanted:.3f}; you have {answer:.3f}.")
    return "Right, and it does not change when a vector gets longer."


@check("07.ranking")
def ranking(ranking: list, cosines: list) -> str:
    numbers = range(len(cosines))
    if len(ranking) == 1:
        raise Wrong(f"This is only one picture. Put all {len(cosines)} in order.")
    odd = next((item for item in ranking if not isinstance(item, Real)), None)
    if isinstance(odd, tuple | list):
        raise Wrong("Each item of your list is a pair. Keep only the number of the picture.")
    if odd is not None:
        raise Wrong(f"In your list is {describe(odd)}, not a number of a picture.")
    if sorted(ranking) == sorted(cosines):
        raise Wrong(
            "These are the cosines themselves. Wanted are the numbers of the pictures, from 0 to "
            f"{len(cosines) - 1}, in the order of their cosines."
        )
    if sorted(ranking) != list(numbers):
        raise Wrong(f"The list should have each picture once, 0 to {len(cosines) - 1}.")
    ordered = [cosines[number] for number in ranking]
    if ordered == sorted(cosines, reverse=True):
        return f"Picture {ranking[0]} fits best, says CLIP."
    if ordered == sorted(cosines):
        raise Wrong("The worst fit comes first. `sorted` begins with the smallest; turn it round.")
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
        answer = as_number(agreement(list(vote), list(order)), "one number")
        if math.isclose(answer, wanted, abs_tol=1e-6):
            continue
        told = f"For the vote {vote} and the ranking {order[:4]}… it should be {wanted:.2f}; "
        if math.isclose(answer, wanted * len(vote)) and len(vote) > 1:
            raise Wrong(f"{told}you have {answer:g}. That is a count; a share is wanted.")
        if math.isclose(answer, 1.0) and wanted < 1:
            raise Wrong(
                f"{told}you have 1. The whole ranking has every picture. CLIP may name only as "
                "many as you did: the first `len(vote)`."
            )
        in_place = sum(mine == its for mine, its in zip(vote, order, strict=False)) / len(vote)
        if math.isclose(answer, in_place, abs_tol=1e-6):
            raise Wrong(
                f"{told}you have {answer:.2f}. You compare place by place, but the order within "
                "the favourites does not matter."
            )
        first_three = len(set(vote) & set(order[:3]))
        if len(vote) != 3 and (
            math.isclose(answer, first_three / 3, abs_tol=1e-6)
            or math.isclose(answer, first_three / len(vote), abs_tol=1e-6)
        ):
            raise Wrong(
                f"{told}you have {answer:.2f}. Does your function count on exactly three votes? "
                "Use `len(vote)`."
            )
        raise Wrong(f"{told}you have {answer:.2f}.")
    return "Right: from 0, no favourite in common, to 1."


@check("07.r_precision")
def r_precision(r_precision: Callable) -> str:
    cosines = 0.9 * torch.eye(8) + 0.01 * torch.rand(
        8, 8, generator=torch.Generator().manual_seed(0)
    )
    cosines[2, 5] = cosines[3, 5] = cosines[7, 5] = 1.0  # three pictures prefer another prompt
    wanted = 5 / 8
    answer = as_number(r_precision(cosines.clone()), "one number")
    if math.isclose(answer, wanted, abs_tol=1e-6):
        return "Right. With eight prompts guessing would reach 1/8."
    told = f"In a test table of eight pictures five are hits, so it should be {wanted}; "
    slips = {
        "Here you look for each prompt the best picture. Asked is for each picture the best "
        "prompt: the largest value of each row.": (
            (cosines.argmax(dim=0) == torch.arange(8)).float().mean().item()
        ),
        "This is the mean of the diagonal, so it says how high the cosines are, not how many are "
        "the highest of their row.": cosines.diagonal().mean().item(),
        "This should be a share, not a count: divide by the number of pictures.": 5.0,
    }
    for message, slip in slips.items():
        if math.isclose(answer, slip, abs_tol=1e-6):
            raise Wrong(f"{told}you have {answer:.3g}. {message}")
    raise Wrong(f"{told}you have {answer:.3g}.")
