"""The checks of lesson 15, a word of one's own: a vector to start from, one row, cosines."""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DiffusionPipeline

from helpers.course.checks import Wrong, check
from helpers.course.checks.answers import require_answer, require_close, require_tensor

WIDTH = 12


@check("15.start")
def start(start_vector: Callable, pipe: DiffusionPipeline) -> str:
    tokenizer = pipe.tokenizer
    table = torch.randn(len(tokenizer), WIDTH, generator=torch.Generator().manual_seed(15))
    # The last one is a word that no tokenizer has in one piece.
    for word in ("heart", "a house", "qzxvkj"):
        answer = start_vector(word, tokenizer, table.clone())
        require_answer(answer)
        ids = tokenizer(word).input_ids
        require_tensor(answer, (WIDTH,), "one vector")
        rows = table[ids[1:-1]]
        slips = {
            "The start and end tokens do not belong to the word: take `ids[1:-1]`.": (
                table[ids].mean(dim=0)
            ),
            "The end token does not belong to the word.": table[ids[1:]].mean(dim=0),
            "The start token does not belong to the word.": table[ids[:-1]].mean(dim=0),
            "That is the row of the start token.": table[ids[0]],
            "That is the sum of the rows. Take their mean.": rows.sum(dim=0),
            "That is the row of its first token only. Take the mean over all of its tokens.": (
                rows[0]
            ),
            "That is the row of its last token only. Take the mean over all of its tokens.": (
                rows[-1]
            ),
        }
        require_close(
            answer.detach(),
            rows.mean(dim=0),
            slips,
            f"For {word!r} this is not the mean of the rows of its tokens, {ids[1:-1]}.",
        )
    return "The mean of a word's rows, without start and end."


@check("15.row")
def row(only_row: Callable) -> str:
    generator = torch.Generator().manual_seed(15)
    for rows, number in ((9, 4), (6, 5), (7, 0)):
        gradient = torch.randn(rows, WIDTH, generator=generator)
        answer = only_row(gradient.clone(), number)
        require_answer(answer)
        if isinstance(answer, torch.Tensor) and answer.shape == gradient[number].shape:
            raise Wrong("That is the row alone. Return zeros around it, in the full shape.")
        require_tensor(answer, (rows, WIDTH), "a tensor like `gradient`")
        wanted, inverted, column, last, ones = (torch.zeros_like(gradient) for _ in range(5))
        wanted[number] = gradient[number]
        inverted[:] = gradient
        inverted[number] = 0
        column[:, number] = gradient[:, number]
        last[-1] = gradient[-1]
        ones[number] = 1
        slips = {
            "It is the other way round: only this row may stay.": inverted,
            "That is a column. Rows come first: `gradient[row]`.": column,
            "That is always the last row. Use the argument `row`.": last,
            "There are ones in the row. Copy the row of `gradient`.": ones,
            "That is the gradient, unchanged.": gradient,
        }
        require_close(
            answer,
            wanted,
            slips,
            f"For row {number} of {rows} it should be 0 everywhere, and `gradient` in this row.",
        )
    return "All other rows stay what they are."


@check("15.cosine")
def cosine(cosines: Callable) -> str:
    generator = torch.Generator().manual_seed(15)
    for rows in (8, 5):
        table = torch.randn(rows, WIDTH, generator=generator)
        vector = 3 * torch.randn(WIDTH, generator=generator)
        answer = cosines(vector.clone(), table.clone())
        require_answer(answer)
        if isinstance(answer, list | tuple | np.ndarray):
            answer = torch.as_tensor(answer)
        require_tensor(answer, (rows,), "one number per row")
        dots, lengths = table @ vector, table.norm(dim=1)
        slips = {
            "That is the dot product. Divide by the lengths of both.": dots,
            "The length of the vector is missing: divide by `vector.norm()`, too.": dots / lengths,
            "The lengths of the rows are missing: divide by `table.norm(dim=1)`, too.": (
                dots / vector.norm()
            ),
            "That is the distance. The cosine compares directions.": (table - vector).norm(dim=1),
        }
        require_close(
            answer.float(),
            F.cosine_similarity(vector[None], table),
            slips,
            "For test vectors these are not the cosines: dot product, divided by both lengths.",
        )
    return "1 for the same direction, 0 for a right angle, whatever the lengths."
