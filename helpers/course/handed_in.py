"""A class's progress files as they really arrive: unpacked archives, folders in folders, copies.

    learners, faults = read_class([Path("handed_in")])

Every person is one learner, however many files they sent; what is no record is told and left out.
"""

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from helpers.base.paths import printable
from helpers.course.progress import (
    FILE_NAME,
    LESSONS,
    Event,
    Progress,
    read_events,
    standings_of,
)

LESSON = re.compile(
    r"lessons?[ _-]*\d*|(?:week|assignment|exercise|homework|hw|ps|unit)s?[ _-]*\d+", re.IGNORECASE
)
"""What a folder for the work of one lesson is called, besides the notebooks' own names."""


def read_class(paths: Iterable[Path]) -> tuple[list[Progress], list[str]]:
    """Read the files among `paths`, and those in folders among them.

    Returns:
        The learners, each once, in the order of their files; and a sentence for each file that is
        left out.

    Raises:
        FileNotFoundError: A path is not there, or there is no progress file at all.
        ValueError: None of the files is a progress file.
    """
    sent: dict[str, list[list[Event]]] = defaultdict(list)
    unreadable: Counter[str] = Counter()
    faults = []
    files = find_files(paths)
    for learner, path in zip(learner_names(files), files, strict=True):
        try:
            events, lines_left = read_events(path)
        except (OSError, ValueError) as error:
            faults.append(str(error))
            continue
        if lines_left and not events:
            faults.append(f"{printable(path)} is no progress file: it holds no line of a record")
            continue
        sent[learner].append(events)
        unreadable[learner] += lines_left
    if faults and not sent:
        raise ValueError("\n".join(faults))
    learners = [
        Progress(printable(learner), standings_of(merged(files)), unreadable[learner])
        for learner, files in sent.items()
    ]
    return learners, faults


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The progress files among `paths`: files as they are, folders with every .jsonl in them.

    What archives and programs add is passed over: the folder __MACOSX, and all names that begin
    with a dot, such as Jupyter's copies and the notes that macOS puts beside every file.

    Raises FileNotFoundError for a path that is not there, and for folders without any file.
    """
    found = []
    for path in paths:
        inside = _records(path) if path.is_dir() else [path] * path.is_file()
        if not inside:
            kind = "(*.jsonl) in " if path.is_dir() else ""
            raise FileNotFoundError(f"there is no progress file {kind}{printable(path)}")
        found += inside
    return list(dict.fromkeys(found))


def learner_names(files: Sequence[Path]) -> list[str]:
    """What each file's learner is called: by the file, or where it has kept its own name by folder.

    Folders that are called like a lesson, or are around every file, are nobody's. Of two levels of
    folders whose names cross, learners and assignments, the one with more names has the learners;
    where they are as many it is the outer one, as in nbgrader's folders.
    """
    folders = [
        tuple(name for name in path.absolute().parent.parts if not _is_lesson(name))
        for path in files
    ]
    shared = len(os.path.commonprefix(folders)) if len(set(folders)) > 1 else None
    folders = [each[-1:] if shared is None else each[shared:] for each in folders]
    stems = [_stem(path) for path in files]
    level = _learners_level([f for f, stem in zip(folders, stems, strict=True) if stem is None])
    places = defaultdict(set)
    for folder, stem in zip(folders, stems, strict=True):
        places[stem].add(folder)

    def name(path: Path, folder: tuple[str, ...], stem: str | None) -> str:
        if stem is not None:  # two people of one name, in different groups, are two
            return stem if len(places[stem]) == 1 else "/".join((*folder, stem))
        own = folder if level is None else folder[level : level + 1]
        return "/".join(own) or path.absolute().parent.name

    return list(map(name, files, folders, stems))


def merged(files: Sequence[list[Event]]) -> list[Event]:
    """The events of one learner's files, in the order of their times.

    The record goes on from lesson to lesson, so a later file repeats an earlier one: what is in
    both happened once.
    """
    if len(files) == 1:
        return files[0]
    happened: Counter[Event] = Counter()
    for events in files:
        happened |= Counter(events)
    return sorted(happened.elements(), key=lambda event: event.time)


def _records(folder: Path) -> list[Path]:
    def is_clutter(name: str) -> bool:
        return name.startswith(".") or name == "__MACOSX"

    return [
        path
        for path in sorted(folder.rglob("*.jsonl"))
        if path.is_file() and not any(map(is_clutter, path.relative_to(folder).parts))
    ]


def _stem(path: Path) -> str | None:
    """The learner in a file's name; None if it is called as all of them are, or as a lesson."""
    stem = path.stem
    kept = Path(FILE_NAME).stem
    is_kept = stem.startswith(kept) and not any(map(str.isalpha, stem.removeprefix(kept)))
    return None if is_kept or _is_lesson(stem) else stem


def _is_lesson(name: str) -> bool:
    return bool(LESSON.fullmatch(name)) or (LESSONS / f"{name}.ipynb").is_file()


def _learners_level(folders: list[tuple[str, ...]]) -> int | None:
    """Which of two levels names the learners, if names come again below several of the other."""
    if {len(each) for each in folders} != {2}:
        return None
    upper = {each[0] for each in folders}
    above: dict[str, set[str]] = defaultdict(set)
    for outer, inner in folders:
        above[inner].add(outer)
    again = sum(len(outer) > 1 for outer in above.values())
    if 2 * again < len(above):
        return None  # such as a group's folder with its learners, some of whom share a name
    return 0 if len(upper) >= len(above) else 1
