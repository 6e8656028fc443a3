"""Ratings of pictures: a small database that a whole class writes to at once.

    ratings.sqlite             SQLite, one row a rating
    ratings.sqlite pictures/   the pictures beside it, each named by the SHA-256 of its file

    feedback = Feedback("ratings.sqlite")
    rating = feedback.add(image, settings, vote=1, model="stickers", model_version=version,
                          tags=["colours"], consent="training")
    feedback.delete(rating.id)

The rules:
- What `add` has returned is on the disk: a crash, also of the computer, does not lose it.
- Any number of threads and processes write at once (not over a network drive: SQLite's WAL needs
  one computer).
- Nobody is named. A rating holds no name, address or mark of who gave it; its random id is the
  receipt with which the person can have it deleted. So that one person has one vote for a picture,
  a digest of the picture and of a random word that only their browser has is kept beside it: it
  tells neither who they are nor which ratings are by the same person. What people type into a
  prompt or a comment is theirs to keep free of names.
- A picture is kept as pixels alone; whatever else its file carried is left out.
- Nothing is stored without consent, and every way out takes only what consent allows.
- A picture is its maker's. What its maker agreed to holds for everything that shows it: another
  person's rating leaves no way that the maker has not opened. If several people made the same
  picture, the narrowest of their consents holds. When its last maker deletes their rating, the
  picture goes, with everybody's ratings of it.
- A picture is removed only if this database wrote it: a file that was put into the folder, or
  that belongs to an older copy of the database, stays.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from helpers.base.files import write_whole
from helpers.feedback import export as feedback_export
from helpers.feedback.database import connect, migrate, refuse_foreign_file, writing
from helpers.feedback.rating import (
    COLUMNS,
    CONSENTS,
    RatedPicture,
    Rating,
    checked_choice,
    checked_making,
    checked_word,
)
from helpers.pictures.check import check_image, upright
from helpers.pictures.encoded import from_bytes, to_png

if TYPE_CHECKING:
    import pandas

MAX_SIDE = 2048  # pixels of a picture


class Feedback:
    """Opens or makes a database of ratings.

    Args:
        path: The database's file, such as "ratings.sqlite"; its folder is made if need be.

    Raises ValueError if `path` is no such database or was made by a newer version of the course;
    then nothing is changed or made. Raises sqlite3.OperationalError, OSError if it cannot be read
    or written.

    Attributes:
        path: The database.
        pictures_folder: The folder of pictures beside it.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path).expanduser()
        # By the whole name: the folder of ratings.sqlite must not be that of ratings.db as well.
        self.pictures_folder = self.path.with_name(f"{self.path.name} pictures")
        refuse_foreign_file(self.path)
        self.pictures_folder.mkdir(parents=True, exist_ok=True)
        with closing(self._connect()) as connection:
            migrate(connection, self.path)
            self._remove_leftovers(connection)

    def add(
        self,
        image: Image.Image,
        settings: Mapping[str, object],
        *,
        vote: int,
        model: str,
        model_version: str,
        consent: str,
        tags: Iterable[str] = (),
        comment: str = "",
        origin: str = "person",
        voter: str | None = None,
    ) -> Rating:
        """Store a maker's rating with the picture; when this returns, both are on the disk.

        Args:
            image: The picture, at most 2048 pixels wide and high.
            settings: What made it, by diffusers' parameter names; `prompt` must be among them.
            vote: 1 for thumbs up, -1 for thumbs down.
            model: Its name, such as "stickers".
            model_version: What tells its weights apart, such as
                `helpers.models.fingerprint.model_fingerprint(pipe)`.
            consent: "class", "training" or "public", see `CONSENTS`. It has no default: ask.
            tags: Up to ten words or short phrases.
            comment: Free text.
            origin: "person", or "rule" for a rating that a program made up.
            voter: A random word that is this person's alone, and is not stored. With it, an
                earlier rating of theirs of the same picture is found, and goes.

        Raises:
            TypeError, ValueError: Something is wrong with a value; nothing was stored.
            sqlite3.OperationalError, OSError: It could not be written (disk full, or other
                writers held the database for a minute); nothing was stored.
        """
        content = _png(image)
        rating = Rating(
            picture=f"{hashlib.sha256(content).hexdigest()}.png",
            **checked_making(settings, model, model_version),
            **checked_word(vote, tags, comment, consent, origin),
        )
        with closing(self._connect()) as connection:
            with writing(connection):  # if we die below, the next opening removes the picture
                _note_leftover(connection, rating.picture)
            with writing(connection):
                rating = _replaced(connection, rating, voter)
                # Inside the transaction: nobody removes the picture before its row is there.
                self._keep_picture(rating.picture, content)
                _insert(connection, rating, voter)
                _forget_leftover(connection, rating.picture)
        return rating

    def rate(
        self,
        picture_id: str,
        *,
        vote: int,
        consent: str,
        tags: Iterable[str] = (),
        comment: str = "",
        origin: str = "person",
        voter: str | None = None,
    ) -> Rating:
        """Store a rating of a picture that somebody else made and shared here.

        Args:
            picture_id: As `Rating.picture_id` and `RatedPicture.id` have it.
            consent: What may be done with this rating. The picture stays what its maker allows.

        The others are those of `add`, and so are the errors; besides, LookupError says that the
        picture is not here, or not any more.
        """
        word = checked_word(vote, tags, comment, consent, origin)
        with closing(self._connect()) as connection, writing(connection):
            found = connection.execute(
                f"SELECT {', '.join(COLUMNS)}, by_maker FROM ratings WHERE picture_id = :id "
                "AND by_maker AND :id NOT IN (SELECT picture_id FROM hidden)",
                {"id": picture_id},
            ).fetchone()
            if found is None:
                raise LookupError("This picture is not shown any more: it was deleted or hidden.")
            rating = replace(_as_rating(found), by_maker=False, **word)
            rating = _replaced(connection, rating, voter)
            _insert(connection, rating, voter)
        return rating

    def delete(self, rating_id: str) -> bool:
        """Delete a rating; False if there was no such rating.

        Its picture goes if no other rating needs it. If this was the last rating by a maker of the
        picture, the others' ratings of it go as well: it is not theirs to show. The text is
        overwritten in the database's file. Exports made earlier still hold it.
        """
        with closing(self._connect()) as connection:
            with writing(connection):
                found = connection.execute(
                    "DELETE FROM ratings WHERE id = ? RETURNING picture, picture_id",
                    (str(rating_id),),
                ).fetchall()
                for picture, picture_id in found:
                    _note_leftover(connection, picture)
                    connection.execute(
                        "DELETE FROM ratings WHERE picture_id = :id AND NOT EXISTS "
                        "(SELECT 1 FROM ratings WHERE picture_id = :id AND by_maker)",
                        {"id": picture_id},
                    )
                _forget_votes(connection)
            self._remove_leftovers(connection)
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return bool(found)

    def ratings(self, consent: str = "class", hidden: bool = False) -> list[Rating]:
        """All ratings for which `consent` was given, by who rated and by who made the picture.

        The oldest is first. `hidden` gives those of the pictures that were hidden, and no others.
        """
        return self._ratings(consent, hidden, "1")

    def pictures(self, consent: str = "class", hidden: bool = False) -> list[RatedPicture]:
        """The rated pictures, each with its ratings, the one rated first at the front."""
        pictures: dict[str, RatedPicture] = {}
        for rating in self.ratings(consent, hidden):
            path = self.pictures_folder / rating.picture
            pictures.setdefault(rating.picture_id, RatedPicture(path)).ratings.append(rating)
        return list(pictures.values())

    def find(self, picture_id: str, hidden: bool = False) -> RatedPicture | None:
        """A picture that the class may see, or one that was hidden; None for another id."""
        ratings = self._ratings("class", hidden, "picture_id = ?", picture_id)
        return RatedPicture(self.pictures_folder / ratings[0].picture, ratings) if ratings else None

    def hide(self, picture_id: str, hidden: bool = True) -> None:
        """Take a picture out of everything that is shown and exported, or put it back."""
        with closing(self._connect()) as connection, writing(connection):
            connection.execute("DELETE FROM hidden WHERE picture_id = ?", (picture_id,))
            if hidden:
                connection.execute("INSERT INTO hidden VALUES (?)", (picture_id,))

    def rated_by(self, voter: str, picture_ids: Iterable[str]) -> set[str]:
        """Those of the pictures that this person has rated; `voter` is as in `add`."""
        marks = {_mark(voter, picture_id): picture_id for picture_id in picture_ids}
        asked = ", ".join("?" * len(marks))
        with closing(self._connect()) as connection:
            rows = connection.execute(f"SELECT mark FROM votes WHERE mark IN ({asked})", [*marks])
            return {marks[mark] for (mark,) in rows}

    def image(self, rating: Rating) -> Image.Image:
        """The picture of a rating, loaded."""
        path = self.pictures_folder / rating.picture
        try:
            return from_bytes(path.read_bytes(), MAX_SIDE * MAX_SIDE)
        except ValueError as error:  # a folder can come from elsewhere, with other files in it
            raise ValueError(f"{path} {error}") from error

    def to_dataframe(self, consent: str = "class") -> "pandas.DataFrame":
        """The ratings as a pandas DataFrame, one row each, the settings as columns."""
        import pandas

        rows = [rating.record() for rating in self.ratings(consent)]
        return pandas.DataFrame(rows, columns=None if rows else [*COLUMNS])

    def export_csv(self, path: str | Path, consent: str = "class") -> Path:
        """Write a table that is safe to open in a spreadsheet.

        A text that a spreadsheet could take for a formula is written as a JSON string with those
        characters as \\u codes; all others stand as they are. `helpers.feedback.export.read_csv`
        gives every value back unchanged.
        """
        return feedback_export.write_csv(path, [r.record() for r in self.ratings(consent)])

    def export_jsonl(self, path: str | Path, consent: str = "class") -> Path:
        """Write one JSON object a line, one line a rating."""
        return feedback_export.write_jsonl(path, [r.record() for r in self.ratings(consent)])

    def export_images(
        self, folder: str | Path, consent: str = "training", minimum_score: int | None = None
    ) -> Path:
        """Write an image folder: pictures, and `metadata.jsonl` with one line per picture.

        `datasets.load_dataset("imagefolder", data_dir=folder)` reads it. A line has file_name,
        prompt, the other settings, model, ups, downs, score and tags.

        Args:
            folder: A new or an empty folder.
            consent: What the pictures are wanted for; "training" by default.
            minimum_score: Take only pictures with this score (ups minus downs) or a better one.

        The folder is there whole or not at all. Pictures whose file is missing are left out, with
        a warning that says how many.

        Raises ValueError if the folder holds anything already.
        """
        chosen = [
            picture
            for picture in self.pictures(consent)
            if minimum_score is None or picture.score >= minimum_score
        ]
        return feedback_export.write_image_folder(folder, chosen)

    def _ratings(self, consent: str, hidden: bool, condition: str, *values) -> list[Rating]:
        allowed = ", ".join(f"'{name}'" for name in _allowing(consent))
        with closing(self._connect()) as connection:
            rows = connection.execute(
                f"SELECT {', '.join(COLUMNS)}, by_maker FROM ratings WHERE consent IN ({allowed}) "
                "AND picture_id NOT IN (SELECT picture_id FROM ratings "
                f"WHERE by_maker AND consent NOT IN ({allowed})) "
                f"AND picture_id {'' if hidden else 'NOT '}IN (SELECT picture_id FROM hidden) "
                f"AND {condition} ORDER BY number",
                values,
            ).fetchall()
        return [_as_rating(row) for row in rows]

    def _connect(self) -> sqlite3.Connection:
        return connect(self.path)

    def _keep_picture(self, name: str, content: bytes) -> None:
        path = self.pictures_folder / name
        if not path.exists() or path.stat().st_size != len(content):
            write_whole(path, content)

    def _remove_leftovers(self, connection: sqlite3.Connection) -> None:
        """Remove pictures that no rating has: of deleted ones, and of an `add` that died."""
        with writing(connection):  # no `add` is between its picture and its row
            unused = connection.execute(
                "SELECT picture FROM leftovers WHERE picture NOT IN (SELECT picture FROM ratings)"
            ).fetchall()
            for (name,) in unused:
                with suppress(OSError):  # open elsewhere, on Windows; the next opening removes it
                    (self.pictures_folder / name).unlink(missing_ok=True)
                    _forget_leftover(connection, name)


def _note_leftover(connection: sqlite3.Connection, picture: str) -> None:
    connection.execute("INSERT OR IGNORE INTO leftovers VALUES (?)", (picture,))


def _forget_leftover(connection: sqlite3.Connection, picture: str) -> None:
    connection.execute("DELETE FROM leftovers WHERE picture = ?", (picture,))


def _replaced(connection: sqlite3.Connection, rating: Rating, voter: str | None) -> Rating:
    """Remove the rating that `rating` comes instead of; who made the picture has still made it."""
    if voter is None:
        return rating
    old = connection.execute(
        "DELETE FROM ratings WHERE id = (SELECT rating FROM votes WHERE mark = ?) "
        "RETURNING by_maker",
        (_mark(voter, rating.picture_id),),
    ).fetchone()
    if old is None:  # there was none, or it was deleted meanwhile
        return rating
    return replace(rating, by_maker=rating.by_maker or bool(old[0]), replaced=True)


def _insert(connection: sqlite3.Connection, rating: Rating, voter: str | None) -> None:
    packed = {"settings": json.dumps(rating.settings), "tags": json.dumps(rating.tags)}
    row = {name: packed.get(name, getattr(rating, name)) for name in COLUMNS}
    row |= {"picture_id": rating.picture_id, "by_maker": rating.by_maker}
    marks = ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO ratings ({', '.join(row)}) VALUES ({marks})", row)
    if voter is not None:
        vote = (_mark(voter, rating.picture_id), rating.id)
        connection.execute("INSERT OR REPLACE INTO votes VALUES (?, ?)", vote)
    _forget_votes(connection)


def _mark(voter: str, picture_id: str) -> str:
    """What tells that a person has rated a picture, to nobody but who knows their word."""
    return hashlib.sha256(f"{voter} {picture_id}".encode()).hexdigest()


def _forget_votes(connection: sqlite3.Connection) -> None:
    connection.execute("DELETE FROM votes WHERE rating NOT IN (SELECT id FROM ratings)")


def _as_rating(row: tuple) -> Rating:
    values = dict(zip((*COLUMNS, "by_maker"), row, strict=True))
    values["settings"] = json.loads(values["settings"])
    values["tags"] = tuple(json.loads(values["tags"]))
    values["by_maker"] = bool(values["by_maker"])
    return Rating(**values)


def _allowing(consent: str) -> list[str]:
    """The consents that allow `consent`: it and the wider ones."""
    names = list(CONSENTS)
    return names[names.index(checked_choice("consent", consent, tuple(names))) :]


def _png(image: Image.Image) -> bytes:
    """The picture's pixels as a PNG file, with nothing else inside."""
    check_image("image", image)
    if not 0 < max(image.size) <= MAX_SIDE:
        raise ValueError(
            f"image must be at most {MAX_SIDE} pixels wide and high; "
            f"got {image.width} x {image.height}"
        )
    pixels = upright(image)
    pixels.info.clear()
    return to_png(pixels)
