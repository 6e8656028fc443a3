"""What a learner has done, kept on their own computer beside the notebooks.

The checks add a line to `progress.jsonl` in the folder of the notebook: what was answered, which
hints were asked for, whether a solution was looked at. It is plain text, a JSON object a line:

    {"time": "2026-09-01T10:00:00+00:00", "exercise": "01.grid", "event": "wrong"}

`python -m helpers progress` prints it. A learner hands it in by sending that one file. It goes
nowhere by itself. Beside the notebooks and not in a home folder, because there a learner sees it in
JupyterLab's or Colab's list of files, can download it with a click, and can delete it.

`COURSE_PROGRESS` in the environment names another file, for a class whose notebooks lie in a
folder that cannot be written; `COURSE_PROGRESS=off` keeps none.
"""

from __future__ import annotations

import codecs
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from helpers.base.notebook import in_notebook, notebook_folder
from helpers.base.paths import printable

if TYPE_CHECKING:
    import pandas

FILE_NAME = "progress.jsonl"
VARIABLE = "COURSE_PROGRESS"
LESSONS = Path(__file__).parents[2] / "lessons"

# Besides these two, an event is what a check said: "right", "wrong", "not attempted", …
HINT = "hint"
SOLUTION = "solution"
TRIES = ("right", "wrong", "your code raised")


class Event(NamedTuple):
    """One line of a record; the time is empty where the line has none."""

    time: str
    exercise: str
    event: str


@dataclass
class Standing:
    """One learner's way through one exercise; `tries` are the answers up to the first right one."""

    is_right: bool = False
    tries: int = 0
    hints: int = 0
    saw_solution: bool = False

    def add(self, event: str) -> None:
        """Take account of one event. After the first right answer nothing counts any more."""
        if self.is_right:
            return
        self.tries += event in TRIES
        self.hints += event == HINT
        self.saw_solution |= event == SOLUTION
        self.is_right = event == "right"


@dataclass
class Progress:
    """One learner's file, read: the standings by exercise, and lines that made no sense."""

    learner: str
    standings: dict[str, Standing] = field(default_factory=dict)
    unreadable: int = 0


def record(exercise_id: str, event: str) -> None:
    """Add an event to the learner's file, in a notebook of the lessons; elsewhere do nothing.

    Never raises for a file that cannot be written: a check is worth more than its record.
    """
    path = _file_of_this_kernel()
    if path is None:
        return
    now = datetime.now(UTC).isoformat(timespec="seconds")
    line = json.dumps({"time": now, "exercise": exercise_id, "event": str(event)})
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
    except OSError:
        pass


def _file_of_this_kernel() -> Path | None:
    """Where this process keeps the record, or None when it is no learner's notebook."""
    named = os.environ.get(VARIABLE, "")
    if is_off() or not in_notebook():
        return None
    folder = notebook_folder()
    if folder.name == "solutions":  # a solution is read, not answered
        return None
    return Path(named).expanduser() if named else folder.absolute() / FILE_NAME


def is_off() -> bool:
    """Whether the environment says that no record is kept."""
    return os.environ.get(VARIABLE, "").lower() == "off"


def own_file() -> Path:
    """The learner's file: the one named in the environment, the one here, or that of lessons/."""
    named = os.environ.get(VARIABLE, "")
    if named and not is_off():
        return Path(named).expanduser()
    here = Path(FILE_NAME).absolute()
    return here if here.exists() or not LESSONS.is_dir() else LESSONS / FILE_NAME


def read_progress(path: Path) -> Progress:
    """Read one learner's file; a line that is no event is counted and left out.

    The learner is called by the file's name, or by its folder's where the file has kept its own.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is no text.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no progress file {path}")
    learner = path.absolute().parent.name if path.name == FILE_NAME else path.stem
    events, unreadable = read_events(path)
    return Progress(learner, standings_of(events), unreadable)


def read_events(path: Path) -> tuple[list[Event], int]:
    """The events in a file, and how many of its lines hold no event.

    Editors of Windows begin a text with a mark, or write two bytes a letter; both are read.
    Raises ValueError for a file that is no text.
    """
    raw = path.read_bytes()
    encoding = "utf-16" if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else ""
    try:
        lines = raw.decode(encoding or "utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        reason = f"it is not text ({error.reason})"
        raise ValueError(f"{printable(path)} is no progress file: {reason}") from error
    events, unreadable = [], 0
    for line in filter(str.strip, lines):
        try:
            entry = json.loads(line)
            time = str(entry.get("time", ""))
            events.append(Event(time, str(entry["exercise"]), str(entry["event"])))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            unreadable += 1
    return events, unreadable


def standings_of(events: Iterable[Event]) -> dict[str, Standing]:
    """How far a learner is, by exercise."""
    standings: dict[str, Standing] = {}
    for event in events:
        standings.setdefault(event.exercise, Standing()).add(event.event)
    return standings


def learner_report(progress: Progress, exercise_ids: Sequence[str]) -> str:
    """One learner's progress as text, a line an exercise, lesson by lesson."""
    lines = []
    for lesson in sorted({exercise_id[:2] for exercise_id in exercise_ids}):
        members = [exercise_id for exercise_id in exercise_ids if exercise_id[:2] == lesson]
        done = sum(_standing(progress, exercise_id).is_right for exercise_id in members)
        lines.append(f"lesson {lesson}: {done} of {len(members)} exercises right")
        lines += [f"    {_exercise_line(progress, exercise_id)}" for exercise_id in members]
    if progress.unreadable:
        lines.append(f"({_counted(progress.unreadable, 'line')} of the file could not be read)")
    return "\n".join(lines)


def _standing(progress: Progress, exercise_id: str) -> Standing:
    return progress.standings.get(exercise_id, Standing())


def _exercise_line(progress: Progress, exercise_id: str) -> str:
    standing = _standing(progress, exercise_id)
    state = "right" if standing.is_right else "open" if standing.tries else "not tried"
    details = []
    if standing.tries:
        details.append("1 try" if standing.tries == 1 else f"{standing.tries} tries")
    if standing.hints:
        details.append(_counted(standing.hints, "hint"))
    if standing.saw_solution:
        details.append("solution seen")
    return f"{exercise_id:20} {state:10} {', '.join(details)}".rstrip()


def _counted(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def class_table(learners: Sequence[Progress], exercise_ids: Sequence[str]) -> pandas.DataFrame:
    """One row a learner: right answers by lesson and in all, tries, hints, solutions seen.

    Returns a pandas DataFrame with the learners as its index. "alone" counts the right answers
    that needed neither a hint nor the solution.
    """
    import pandas

    lessons = sorted({exercise_id[:2] for exercise_id in exercise_ids})
    rows = []
    for learner in learners:
        standings = {each: _standing(learner, each) for each in exercise_ids}
        right = Counter(each[:2] for each, standing in standings.items() if standing.is_right)
        every = standings.values()
        rows.append(
            {f"lesson {lesson}": right[lesson] for lesson in lessons}
            | {
                "right": right.total(),
                "of": len(exercise_ids),
                "alone": sum(x.is_right and not x.hints and not x.saw_solution for x in every),
                "tries": sum(x.tries for x in every),
                "hints": sum(x.hints for x in every),
                "solutions seen": sum(x.saw_solution for x in every),
            }
        )
    return pandas.DataFrame(rows, index=pandas.Index([x.learner for x in learners], name="learner"))


def exercise_table(learners: Sequence[Progress], exercise_ids: Sequence[str]) -> pandas.DataFrame:
    """One row an exercise, for a class: who tried, who got it right, how hard it was.

    Returns a pandas DataFrame with the exercises as its index; the hardest come first.
    """
    import pandas

    rows = {}
    for each in exercise_ids:
        tried = [_standing(learner, each) for learner in learners]
        tried = [standing for standing in tried if standing.tries]
        rows[each] = {
            "tried": len(tried),
            "right": sum(standing.is_right for standing in tried),
            "tries each": sum(x.tries for x in tried) / len(tried) if tried else float("nan"),
            "took hints": sum(standing.hints > 0 for standing in tried),
            "saw solution": sum(standing.saw_solution for standing in tried),
        }
    table = pandas.DataFrame.from_dict(rows, orient="index").rename_axis("exercise")
    return table.sort_values("tries each", ascending=False, kind="stable")
