"""A byte-level BPE of our own captions, as a real `CLIPTokenizer`."""

import json
from pathlib import Path

from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from helpers.base.files import whole_folder
from training.data import Dataset

VOCABULARY_SIZE = 1000
MAX_LENGTH = 32  # tokens; the longest caption has 31 with both end marks
START, END = "<|startoftext|>", "<|endoftext|>"


def train_tokenizer(folder: Path, captions: int, seed: int = 0) -> CLIPTokenizer:
    """Learns the merges from captions and saves a CLIPTokenizer in the folder."""
    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY_SIZE - 2 - len(alphabet),
        initial_alphabet=alphabet,
        end_of_word_suffix="</w>",
        show_progress=False,
    )
    data = Dataset(seed)
    learner.train_from_iterator((data.sample(i).caption for i in range(captions)), trainer)
    words = learned_words(learner, alphabet)
    tokenizer = CLIPTokenizer(
        vocab={word: number for number, word in enumerate(words)},
        merges=[tuple(pair) for pair in merges(learner)],
        bos_token=START,
        eos_token=END,
        pad_token=END,
        unk_token=END,
        model_max_length=MAX_LENGTH,
    )
    with whole_folder(folder) as part:
        tokenizer.save_pretrained(part)
    return tokenizer


def merges(learner: Tokenizer) -> list[list[str]]:
    return json.loads(learner.to_str())["model"]["merges"]


def learned_words(learner: Tokenizer, alphabet: list[str]) -> list[str]:
    """CLIP's order: bytes, bytes that end a word, merged words, then the two marks."""
    first = alphabet + [letter + "</w>" for letter in alphabet]
    merged = ["".join(pair) for pair in merges(learner)]
    return [*first, *(word for word in merged if word not in set(first)), START, END]
