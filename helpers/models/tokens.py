"""How many tokens a prompt has, and what a text encoder leaves unread of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from transformers import CLIPTokenizer


class PromptTokens(NamedTuple):
    """A prompt as a text encoder meets it.

    Attributes:
        count: Tokens of the whole prompt, the start token and the end token included.
        limit: Tokens that the text encoder reads, with these two: 77 in Stable Diffusion.
        cut: The end of the prompt, which it does not read; "" if it reads all.
    """

    count: int
    limit: int
    cut: str


def prompt_tokens(tokenizer: CLIPTokenizer, prompt: str) -> PromptTokens:
    """Count a prompt's tokens, and find the words beyond the limit."""
    encoded = tokenizer(prompt, return_offsets_mapping=True, verbose=False)
    count, limit = len(encoded.input_ids), tokenizer.model_max_length
    # The last place that is read goes to the end token.
    cut = prompt[encoded.offset_mapping[limit - 1][0] :] if count > limit else ""
    return PromptTokens(count, limit, cut)
