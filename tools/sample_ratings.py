"""Writes course/data/sample_ratings.csv, ratings that a rule made up, for those without a class.

    python -m tools.sample_ratings

No person rated anything and no picture was looked at. Each row says so (`origin`) and holds the
rule, so that the file cannot be taken for opinions.
"""

import random
from pathlib import Path

from helpers.feedback.export import write_csv
from helpers.vocabulary import unknown_words

FILE = Path(__file__).parents[1] / "course" / "data" / "sample_ratings.csv"

PROMPTS = (
    "a 3d sticker of a fox on a teal background",
    "a flat sticker of a rose on a yellow background",
    "a cartoon penguin in the snow",
    "an octopus on the beach, simple style",
    "a cat",
    "a rocket at night, flat style",
    "a fox that reads a newspaper",
    "seven owls in a row",
)
GUIDANCE_SCALES = (1.0, 3.0, 5.0, 8.0, 15.0)
LIKED_GUIDANCE = (3.0, 8.0)
VOTES = 6  # a picture
TURNED = 0.2  # the share of votes that chance turns round
SEED = 11
ONLY_CLASS = 3  # one rating in so many may be seen by the class and no more

RULE = (
    "Made up by tools/sample_ratings.py. No person rated and no picture was looked at. The vote "
    f"is 1 if guidance_scale is from {LIKED_GUIDANCE[0]:g} to {LIKED_GUIDANCE[1]:g} and the model "
    f"knows all words of the prompt, else -1. Then chance (seed {SEED}) turns a vote round with "
    f"probability {TURNED:g}. One rating in {ONLY_CLASS} has consent class, the others training."
)


def rows() -> list[dict[str, object]]:
    """The ratings: `VOTES` for each prompt and guidance scale."""
    chance = random.Random(SEED)
    made = []
    for prompt in PROMPTS:
        for guidance_scale in GUIDANCE_SCALES:
            in_range = LIKED_GUIDANCE[0] <= guidance_scale <= LIKED_GUIDANCE[1]
            liked = in_range and not unknown_words(prompt)
            for _ in range(VOTES):
                turned = chance.random() < TURNED
                made.append(
                    {
                        "prompt": prompt,
                        "seed": 42,
                        "num_inference_steps": 20,
                        "guidance_scale": guidance_scale,
                        "model": "stickers",
                        "vote": 1 if liked != turned else -1,
                        "consent": "training" if (len(made) + 1) % ONLY_CLASS else "class",
                        "origin": "rule",
                        "rule": RULE,
                    }
                )
    return made


if __name__ == "__main__":
    print(write_csv(FILE, rows()))
