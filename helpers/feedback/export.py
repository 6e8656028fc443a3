"""Ratings as files: a table for spreadsheets, JSON lines, a folder of pictures for training."""

import csv
import io
import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.base.files import whole_folder, write_whole
from helpers.base.warn import warn_learner

if TYPE_CHECKING:
    from helpers.feedback.rating import RatedPicture

Record = dict[str, object]

# A spreadsheet takes a cell that begins like this for a formula; and where commas or semicolons
# separate cells, a place inside a text can become the beginning of a cell. The last four are the
# full-width forms of the first four.
FORMULA = re.compile("(?:^|[,;])[\\s'\"]*[=+\\-@\uff1d\uff0b\uff0d\uff20]")
JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
JSON_LIKE = re.compile(
    r'\s*(?:["\[{]|(?:-?\d[\d.eE+-]*|true|false|null|NaN|-?Infinity)\s*$)', re.ASCII
)


def write_csv(path: str | Path, records: list[Record]) -> Path:
    """Write records as CSV; the columns are all names that occur, in the order of occurring.

    A text stands as it is, unless a spreadsheet could take it for something else (a formula, a
    number) or it has characters that do not print; then it is a JSON string, with \\u codes for
    the characters that begin a formula. Everything that is no text is JSON. `read_csv` turns
    both back.
    """
    columns = list(dict.fromkeys(name for record in records for name in record))
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    writer.writerows([csv_cell(record.get(name)) for name in columns] for record in records)
    return _write(path, text.getvalue().encode("utf-8-sig"))  # Excel needs the mark


def read_csv(path: str | Path) -> list[Record]:
    """The records that `write_csv` wrote, every value unchanged; None where one had no value."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        return [{name: _value(cell) for name, cell in row.items()} for row in csv.DictReader(file)]


def write_jsonl(path: str | Path, records: Iterable[Record]) -> Path:
    """Write a JSON object a line; in ASCII, so that all readers agree where a line ends."""
    return _write(path, _lines(records))


def write_image_folder(folder: str | Path, pictures: Iterable) -> Path:
    """Write `RatedPicture`s and a metadata.jsonl, as `datasets` reads an "imagefolder".

    The folder is there whole or not at all. Pictures whose file is missing are left out, with a
    warning that says how many.

    Raises ValueError unless `folder` is new or empty.
    """
    folder = Path(folder).expanduser()
    target = folder.resolve()  # if `folder` is a link, what it leads to
    if target.exists() and any(target.iterdir()):
        raise ValueError(
            f"folder must be new or empty, so that no picture of another export is taken for one "
            f"of this; {folder} holds files"
        )
    with whole_folder(target, replaces=False) as part:
        if target.exists():
            shutil.copymode(target, part)  # what only its owner may read stays so
        missing = _fill(part, pictures)
        if target.exists():
            target.rmdir()  # Windows renames to no name that is taken
    if missing:
        warn_learner(f"{folder} lacks {missing} of the pictures: their files are missing")
    return folder


def _fill(folder: Path, pictures: Iterable["RatedPicture"]) -> int:
    """Copy the pictures and write metadata.jsonl; returns how many pictures have no file."""
    records, taken, missing = [], set(), 0
    for picture in pictures:
        name = _free_name(picture.path, taken)
        try:
            shutil.copyfile(picture.path, folder / name)
        except FileNotFoundError:  # deleted meanwhile, or by hand
            missing += 1
            continue
        taken.add(name)
        records.append({"file_name": name} | _picture_record(picture))
    write_whole(folder / "metadata.jsonl", _lines(records))
    return missing


def _picture_record(picture: "RatedPicture") -> Record:
    """What all ratings of a picture have in common, and what they say together."""
    first = picture.ratings[0]
    tags = dict.fromkeys(tag for rating in picture.ratings for tag in rating.tags)
    common = {
        "prompt": first.prompt,
        "negative_prompt": first.negative_prompt,
        **first.settings,
        "model": first.model,
        "model_version": first.model_version,
        "origin": "person" if any(r.origin == "person" for r in picture.ratings) else "rule",
    }
    return common | {
        "ups": picture.ups,
        "downs": picture.downs,
        "score": picture.score,
        "tags": list(tags),
    }


def _free_name(path: Path, taken: set[str]) -> str:
    """Equal pixels made by different settings (black pictures) need a file each."""
    name, number = path.name, 1
    while name in taken:
        number += 1
        name = f"{path.stem}-{number}{path.suffix}"
    return name


def csv_cell(value: object) -> str:
    """A value as it can stand in a CSV file that a spreadsheet opens; see `write_csv`."""
    if not isinstance(value, str):
        return _harmless(json.dumps(value))
    if FORMULA.search(value) or JSON_LIKE.match(value) or not value.isprintable():
        return _harmless(json.dumps(value))
    return value


def _harmless(text: str) -> str:
    """JSON without the characters that begin a formula in its strings."""
    return JSON_TEXT.sub(
        lambda found: re.sub(r"[=+\-@]", lambda c: f"\\u{ord(c[0]):04x}", found[0]), text
    )


def _value(cell: str) -> object:
    return json.loads(cell) if JSON_LIKE.match(cell) else cell


def _lines(records: Iterable[Record]) -> bytes:
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def _write(path: str | Path, content: bytes) -> Path:
    path = Path(path).expanduser()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
    return path
