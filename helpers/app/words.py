"""How a model reads a prompt: how many tokens it has, which words are new to it, what is cut."""

import html

from helpers.models.catalogue import MODELS
from helpers.models.tokens import prompt_tokens
from helpers.sampling.stages import Pipeline
from helpers.vocabulary import unknown_words


def note(pipe: Pipeline, model: str, prompt: str) -> str:
    """A line below the prompt: the count, and a sentence for what is not read as written."""
    read, most, cut = tokens_of(pipe, prompt)
    told = [f"{read} of {most} tokens"]
    known = MODELS.get(model)
    if known is not None and known.is_embedded and (unknown := unknown_words(prompt)):
        marked = ", ".join(f"<mark>{html.escape(word)}</mark>" for word in unknown)
        told.append(f"The model has never read: {marked}")
    if cut:
        told.append(f"Cut off, and not read: <del>{html.escape(cut)}</del>")
    return f'<p class="words">{". ".join(told)}</p>'


def tokens_of(pipe: Pipeline, prompt: str) -> tuple[int, int, str]:
    """Tokens of a prompt, tokens that the model reads, and the part that is beyond these.

    The start token and the end token are not counted.
    """
    count, limit, cut = prompt_tokens(pipe.tokenizer, prompt)
    return count - 2, limit - 2, cut
