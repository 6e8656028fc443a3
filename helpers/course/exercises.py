"""What a learner calls in a lesson: check an answer, ask for a hint, see the solution.

    exercise("02.same_noise").check(latents=latents, latents_again=latents_again)
    exercise("02.same_noise").hint()
    exercise("02.same_noise").solution()

Each call returns a `Note`, which a notebook shows as a box and everything else as plain text. The
hints and solutions come from `exercises.json`, which `make notebooks` writes; the check functions
are in `helpers.course.checks`.
"""

import difflib
import functools
import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

from helpers.course import progress
from helpers.course.checks import Outcome, judge, lesson_checks

CATALOGUE = Path(__file__).with_name("exercises.json")

# A sign and a title say the outcome; the colour of the edge only repeats it. Each colour has a
# contrast of at least 3 with a white and with a nearly black page.
OUTCOME_LOOKS = {
    Outcome.RIGHT: ("✓", "Right", "#2e8b57"),
    Outcome.WRONG: ("✗", "Not right yet", "#d1495b"),
    Outcome.NOT_ATTEMPTED: ("○", "Not attempted yet", "#7a7f87"),
    Outcome.RAISED: ("⚠", "Your code raised an error", "#c2700a"),
    Outcome.CANNOT_CHECK: ("?", "Cannot be checked here", "#8066c0"),
}
HELPED = (Outcome.NOT_ATTEMPTED, Outcome.WRONG, Outcome.RAISED)  # their texts offer a hint
HINT_LOOKS = ("→", "#3f7fbf")


@dataclass(frozen=True, repr=False)
class Note:
    """A sign, a title and a text; `repr` is plain text, and a notebook shows a box."""

    sign: str
    title: str
    message: str
    colour: str

    def __repr__(self) -> str:
        return f"{self.sign} {self.title}\n\n{self.message}"

    def _repr_html_(self) -> str:
        # The text keeps the page's own colours, so that the box is legible on light and dark.
        return (
            f'<div role="note" style="border-left: 6px solid {self.colour}; padding: 0.2em 1em; '
            'margin: 0.4em 0; background: rgba(128, 128, 128, 0.1)">'
            f'<p><span aria-hidden="true">{html.escape(self.sign)}</span> '
            f"<strong>{html.escape(self.title)}</strong></p>{_to_html(self.message)}</div>"
        )


@dataclass(frozen=True, repr=False)
class Result(Note):
    """What a check says: the note, and the outcome as a word (`outcome == "right"`)."""

    outcome: Outcome


@dataclass(frozen=True, repr=False)
class Hint(Note):
    """A hint, below what the check just said.

    A notebook shows only the last value of a cell, and in a lesson both calls are in one.
    """

    checked: Result | None

    def __repr__(self) -> str:
        above = f"{self.checked!r}\n\n" if self.checked else ""
        return above + super().__repr__()

    def _repr_html_(self) -> str:
        above = self.checked._repr_html_() if self.checked else ""
        return above + super()._repr_html_()


class Exercise:
    """One exercise of a lesson, by its id. Use `exercise(id)` to get it."""

    def __init__(self, exercise_id: str, hints: list[str], solution: str) -> None:
        self.id = exercise_id
        self._hints = hints
        self._solution = solution
        self._hints_given = 0
        self._checked: Result | None = None  # what the check said since the last hint

    def __repr__(self) -> str:
        return f'exercise("{self.id}"): .check(…), .hint() or .solution()'

    def check(self, *unnamed: object, **values: object) -> Result:
        """Judge an answer. Values are given by name, as the lesson's cell does.

        A wrong answer raises nothing: it is told in the result's `outcome` and `message`.
        """
        function = lesson_checks(self.id[:2])[self.id]
        outcome, message = judge(function, unnamed, values)
        progress.record(self.id, outcome)
        if outcome in HELPED and self._hints_given == 0:
            message += f'\n\nStuck? Run `exercise("{self.id}").hint()`.'
        sign, title, colour = OUTCOME_LOOKS[outcome]
        self._checked = Result(sign, title, message, colour, outcome)
        return self._checked

    def hint(self) -> Hint:
        """Give the next hint, and say how many are left; after the last one the first again."""
        sign, colour = HINT_LOOKS
        total = len(self._hints)
        index = self._hints_given % total
        self._hints_given += 1
        progress.record(self.id, progress.HINT)
        left = total - index - 1
        if left:
            rest = f"{left} more hint{'s' * (left > 1)}: run this again."
        else:
            rest = f'That was the last one. `exercise("{self.id}").solution()` shows a solution.'
        message = f"{self._hints[index]}\n\n{rest}"
        checked, self._checked = self._checked, None
        return Hint(sign, f"Hint {index + 1} of {total}", message, colour, checked)

    def solution(self) -> Note:
        """Show the code of one solution."""
        progress.record(self.id, progress.SOLUTION)
        sign, colour = HINT_LOOKS
        message = f"```\n{self._solution}\n```\n\nAnother way can be right too: the check decides."
        return Note(sign, "One solution", message, colour)


@functools.cache
def exercise(exercise_id: str) -> Exercise:
    """The exercise with that id, for instance "02.same_noise".

    The same object comes back each time, so that it knows which hints it gave. Raises LookupError
    for an id that no lesson has, and FileNotFoundError before the lessons are built.
    """
    catalogue = _read_catalogue()
    if exercise_id not in catalogue:
        near = difflib.get_close_matches(str(exercise_id), catalogue, n=3, cutoff=0.5)
        listed = ", ".join(near or sorted(catalogue)) or "none yet"
        raise LookupError(
            f"no exercise has the id {exercise_id!r}; "
            f"{'did you mean' if near else 'the exercises are'}: {listed}"
        )
    entry = catalogue[exercise_id]
    return Exercise(exercise_id, entry["hints"], entry["solution"])


def exercise_ids() -> list[str]:
    """The ids of all exercises of the course, in order."""
    return sorted(_read_catalogue())


def _read_catalogue() -> dict[str, dict]:
    if not CATALOGUE.exists():
        raise FileNotFoundError(
            f"{CATALOGUE.name} is missing beside the package; `make notebooks` writes it"
        )
    return json.loads(CATALOGUE.read_text(encoding="utf-8"))


def _to_html(text: str) -> str:
    """Paragraphs, lists, `code`, *stress* and fenced blocks as HTML; all else is escaped."""
    parts = re.split(r"^```\w*\n(.*?)\n```$", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(
        f"<pre><code>{html.escape(part)}</code></pre>" if position % 2 else _prose_to_html(part)
        for position, part in enumerate(parts)
    )


def _prose_to_html(text: str) -> str:
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        words = _marks_to_html(html.escape(paragraph, quote=False))
        if words.startswith("- "):
            items = re.split(r"^- ", words, flags=re.MULTILINE)[1:]
            paragraphs.append("<ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul>")
        elif words:
            paragraphs.append(f"<p>{words}</p>")
    return "".join(paragraphs)


def _marks_to_html(text: str) -> str:
    """`code`, and *stress* outside of it."""
    stress = r"(?<!\w)\*(\w[^*]*)\*(?!\w)"
    parts = re.split(r"`([^`]+)`", text)
    return "".join(
        f"<code>{part}</code>" if position % 2 else re.sub(stress, r"<em>\1</em>", part)
        for position, part in enumerate(parts)
    )
