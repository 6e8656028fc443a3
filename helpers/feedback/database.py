"""The database's file: its schema, how it is opened, and a transaction."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from helpers.feedback.rating import COLUMNS, picture_digest

BUSY_SECONDS = 60.0
"""How long a writer waits for its turn."""

MIGRATIONS = (
    """
    CREATE TABLE ratings (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        time TEXT NOT NULL,
        vote INTEGER NOT NULL CHECK (vote IN (-1, 1)),
        prompt TEXT NOT NULL,
        negative_prompt TEXT,
        settings TEXT NOT NULL,
        model TEXT NOT NULL,
        model_version TEXT NOT NULL,
        picture TEXT NOT NULL,
        tags TEXT NOT NULL,
        comment TEXT NOT NULL,
        consent TEXT NOT NULL CHECK (consent IN ('class', 'training', 'public')),
        origin TEXT NOT NULL CHECK (origin IN ('person', 'rule'))
    );
    CREATE INDEX ratings_by_picture ON ratings (picture);
    """,
    # Pictures that an `add` or a `delete` may leave behind without a rating if it dies.
    """
    CREATE TABLE leftovers (picture TEXT PRIMARY KEY);
    """,
    # Who made a picture was not noted before: its first rating is taken for its maker's.
    """
    ALTER TABLE ratings ADD COLUMN picture_id TEXT NOT NULL DEFAULT '';
    UPDATE ratings SET picture_id =
        picture_id(picture, prompt, negative_prompt, settings, model, model_version);
    CREATE INDEX ratings_by_picture_id ON ratings (picture_id);
    ALTER TABLE ratings ADD COLUMN by_maker INTEGER NOT NULL DEFAULT 1;
    UPDATE ratings SET by_maker = 0
        WHERE number NOT IN (SELECT min(number) FROM ratings GROUP BY picture_id);
    CREATE TABLE hidden (picture_id TEXT PRIMARY KEY);
    """,
    # A mark is the digest of a person's secret word and a picture: it is no use without the word.
    """
    CREATE TABLE votes (mark TEXT PRIMARY KEY, rating TEXT NOT NULL);
    """,
)
"""Each leads from one schema version to the next. A step that was released never changes: what
must change later is a new step at the end."""


def connect(path: Path) -> sqlite3.Connection:
    """Open the file for many readers and writers, so that what is written is on the disk."""
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        _use_wal(connection)
        connection.execute("PRAGMA synchronous = FULL")  # WAL's default may lose the last rows
        connection.execute("PRAGMA secure_delete = ON")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def refuse_foreign_file(path: Path) -> None:
    """Look at what is there before anything in it or beside it is changed."""
    if path.is_dir():
        raise ValueError(f"path must be a database of ratings; {path} is a folder")
    if not path.exists():
        return
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN")  # one state of a file that others may just be making
            _version(connection, path)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError as error:
            raise ValueError(
                f"path must be a database of ratings; {path} is no database"
            ) from error


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The schema's version, 0 in a new file; to be read within a transaction.

    Raises ValueError if the database is another program's or a newer course's.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    columns = {row[1] for row in connection.execute("PRAGMA table_info(ratings)")}
    is_new = version == 0 and not tables
    if not is_new and (version == 0 or not columns.issuperset(COLUMNS)):
        raise ValueError(f"path must be a database of ratings; {path} is another")
    if version > len(MIGRATIONS):
        raise ValueError(
            f"{path} has schema version {version}, and this course knows up to "
            f"{len(MIGRATIONS)}: it was made by a newer version of the course"
        )
    return version


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema to the newest version, in one transaction."""
    connection.create_function("picture_id", 6, picture_digest, deterministic=True)
    with writing(connection):
        for step in MIGRATIONS[_version(connection, path) :]:
            for statement in step.split(";"):  # executescript would commit in between
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that waits for its turn to write, and is kept whole or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Readers and one writer at a time side by side.

    The first change to it needs the file for itself, and there SQLite does not wait by itself.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
