"""A rating: what it says of a picture, and what each of its values may be."""

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

CONSENTS = {
    "class": "may be seen by the class",
    "training": "may be seen by the class and used to train models",
    "public": "may be seen by the class, used to train models, and published",
}
"""What a person can agree to; each includes those before it."""

ORIGINS = ("person", "rule")
"""Who rated: a person, or a program by a rule (an example set, marked as such)."""

MAX_TEXT = 2000  # characters of a prompt, a negative prompt or a comment
MAX_TAGS = 10
MAX_TAG = 40  # characters
MAX_SETTINGS = 4000  # characters of JSON

COLUMNS = (
    "id",
    "time",
    "vote",
    "prompt",
    "negative_prompt",
    "settings",
    "model",
    "model_version",
    "picture",
    "tags",
    "comment",
    "consent",
    "origin",
)
"""Of a rating, as it is exported. Beside them the table has `picture_id` and `by_maker`."""


@dataclass(frozen=True)
class Rating:
    """One person's word on one picture.

    Attributes:
        id: Random; the receipt for `Feedback.delete`.
        time: UTC, in ISO 8601, to the second.
        vote: 1 for thumbs up, -1 for thumbs down.
        settings: The picture's other settings (seed, num_inference_steps, guidance_scale, …).
        model, model_version: Its name in the catalogue and its fingerprint.
        picture: The name of its file in the folder of pictures.
        consent: One of `CONSENTS`.
        origin: One of `ORIGINS`.
        by_maker: Whether it is the word of somebody who made the picture.
        replaced: Whether it came instead of this person's earlier one; told to them alone.
    """

    id: str
    time: str
    vote: int
    prompt: str
    negative_prompt: str | None
    settings: dict[str, object]
    model: str
    model_version: str
    picture: str
    tags: tuple[str, ...]
    comment: str
    consent: str
    origin: str
    by_maker: bool = True
    replaced: bool = field(default=False, compare=False)

    @property
    def picture_id(self) -> str:
        """What this picture, with what made it, has in common with no other: 32 characters."""
        settings = json.dumps(self.settings)
        return picture_digest(
            self.picture,
            self.prompt,
            self.negative_prompt,
            settings,
            self.model,
            self.model_version,
        )

    def record(self) -> dict[str, object]:
        """A flat row: the settings stand among the other columns."""
        row = {name: getattr(self, name) for name in COLUMNS if name != "settings"}
        row["tags"] = list(self.tags)
        return row | {name: value for name, value in self.settings.items() if name not in row}


@dataclass
class RatedPicture:
    """A picture with all its ratings, which have the same settings and model."""

    path: Path
    ratings: list[Rating] = field(default_factory=list)

    @property
    def id(self) -> str:
        return self.ratings[0].picture_id

    @property
    def ups(self) -> int:
        return sum(rating.vote == 1 for rating in self.ratings)

    @property
    def downs(self) -> int:
        return sum(rating.vote == -1 for rating in self.ratings)

    @property
    def score(self) -> int:
        """Thumbs up minus thumbs down."""
        return self.ups - self.downs


def picture_digest(
    picture: str,
    prompt: str,
    negative_prompt: str | None,
    settings: str,
    model: str,
    model_version: str,
) -> str:
    """A digest of a picture's file and of all that made it, whatever the settings' order."""
    settings = json.dumps(json.loads(settings), sort_keys=True)
    made = json.dumps([picture, prompt, negative_prompt, settings, model, model_version])
    return hashlib.sha256(made.encode()).hexdigest()[:32]


def checked_making(
    settings: Mapping[str, object], model: str, model_version: str
) -> dict[str, object]:
    """What made a picture: its prompt, its other settings, and the model."""
    settings = dict(settings)
    if "prompt" not in settings:
        raise ValueError(f"settings must hold the prompt; got {', '.join(settings) or 'none'}")
    prompt = _checked_text("settings['prompt']", settings.pop("prompt"))
    negative = settings.pop("negative_prompt", None)
    if negative is not None:
        negative = _checked_text("settings['negative_prompt']", negative)
    return {
        "prompt": prompt,
        "negative_prompt": negative,
        "settings": _checked_settings(settings),
        "model": _checked_text("model", model),
        "model_version": _checked_text("model_version", model_version),
    }


def checked_word(
    vote: int, tags: Iterable[str], comment: str, consent: str, origin: str
) -> dict[str, object]:
    """What a person says of a picture, with a new receipt and the time."""
    if isinstance(vote, bool) or vote not in (1, -1):
        raise ValueError(f"vote must be 1 (thumbs up) or -1 (thumbs down); got {vote!r}")
    return {
        "id": str(uuid.uuid4()),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "vote": int(vote),
        "tags": _checked_tags(tags),
        "comment": _checked_text("comment", comment),
        "consent": checked_choice("consent", consent, tuple(CONSENTS)),
        "origin": checked_choice("origin", origin, ORIGINS),
    }


def checked_choice(name: str, value: str, allowed: tuple[str, ...]) -> str:
    """`value`, if it is one of `allowed`; else a ValueError that calls it `name`."""
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}; got {value!r}")
    return value


def _checked_tags(tags: Iterable[str]) -> tuple[str, ...]:
    if isinstance(tags, str):
        raise TypeError(f"tags must be a list of texts; got the text {tags!r}. Write [{tags!r}]")
    tags = tuple(dict.fromkeys(_checked_text("each of tags", tag).strip() for tag in tags))
    if len(tags) > MAX_TAGS or any(not 0 < len(tag) <= MAX_TAG for tag in tags):
        raise ValueError(
            f"tags must be up to {MAX_TAGS} texts of 1 to {MAX_TAG} characters; got {tags!r}"
        )
    return tags


def _checked_settings(settings: dict) -> dict[str, object]:
    for name in settings:
        if not (isinstance(name, str) and name.isidentifier() and len(name) <= MAX_TAG):
            raise ValueError(f"settings must have names like guidance_scale; got {name!r}")
    taken = [name for name in settings if name in COLUMNS]
    if taken:
        raise ValueError(f"settings must not hold {', '.join(taken)}: a rating has its own")
    try:
        stored = json.dumps(settings, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"settings must be what JSON can hold; {error}") from error
    if len(stored) > MAX_SETTINGS:
        raise ValueError(
            f"settings must have at most {MAX_SETTINGS} characters as JSON; got {len(stored)}"
        )
    return json.loads(stored)


def _checked_text(name: str, text: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a text; got {text!r} ({type(text).__name__})")
    if len(text) > MAX_TEXT:
        raise ValueError(f"{name} must have at most {MAX_TEXT} characters; got {len(text)}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be text that UTF-8 can hold; got {text!r}") from None
    return text
