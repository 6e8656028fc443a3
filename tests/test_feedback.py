"""The store of ratings: what many writers, a crash, a spreadsheet and a wish to delete do to it."""

import hashlib
import json
import re
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import pandas
import pytest
from PIL import Image, PngImagePlugin

from helpers.feedback import database, store
from helpers.feedback import export as feedback_export
from helpers.feedback.export import read_csv
from helpers.feedback.rating import COLUMNS
from helpers.feedback.store import CONSENTS, Feedback

ROOT = Path(__file__).parent.parent
SETTINGS = {"prompt": "a fox", "negative_prompt": None, "seed": 7, "guidance_scale": 7.5}
MODEL = {"model": "stickers", "model_version": "0123456789abcdef"}

# A process that rates until it is stopped and tells each receipt only after add() returned.
WRITER = """
import sys
from PIL import Image
from helpers.feedback.store import Feedback
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
feedback = Feedback(path)
for number in range(count):
    image = Image.new("RGB", (8, 8), (number % 256, len(name), 0))
    rating = feedback.add(image, {"prompt": f"{name} {number}"}, vote=1, model="m",
                          model_version="v", consent="class")
    print(rating.id, flush=True)
"""


@pytest.fixture
def feedback(tmp_path):
    return Feedback(tmp_path / "ratings.sqlite")


def picture(color="teal") -> Image.Image:
    return Image.new("RGB", (16, 16), color)


def rate(feedback: Feedback, image=None, settings=SETTINGS, vote=1, consent="class", **options):
    return feedback.add(
        image or picture(), settings, vote=vote, consent=consent, **{**MODEL, **options}
    )


def start_writer(path: Path, name: str, count: int) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


def stored_bytes(feedback: Feedback) -> bytes:
    """Everything in the database's files."""
    files = feedback.path.parent.glob(f"{feedback.path.name}*")
    return b"".join(path.read_bytes() for path in files if path.is_file())


# Whose a picture is


def others_rating(feedback, mine, consent="public", vote=1, **options):
    return feedback.rate(mine.picture_id, consent=consent, vote=vote, **options)


def ways_out(feedback, folder, consent):
    """How many pictures each way out gives."""
    exported = feedback.export_images(folder / f"{len(list(folder.iterdir()))}", consent)
    return [
        len(feedback.ratings(consent)),
        len(feedback.to_dataframe(consent)),
        len(read_csv(feedback.export_csv(folder / "ratings.csv", consent))),
        len(feedback.export_jsonl(folder / "ratings.jsonl", consent).read_text().splitlines()),
        len([path for path in exported.iterdir() if path.suffix == ".png"]),
    ]


def test_nobody_can_widen_what_the_maker_agreed_to(feedback, tmp_path):
    mine = rate(feedback, consent="class")
    others_rating(feedback, mine, consent="public")
    (tmp_path / "out").mkdir()
    for consent in ("training", "public"):
        assert ways_out(feedback, tmp_path / "out", consent) == [0] * 5
    assert [rating.by_maker for rating in feedback.ratings()] == [True, False]
    assert feedback.delete(mine.id)
    assert ways_out(feedback, tmp_path / "out", "class") == [0] * 5
    assert feedback.pictures() == [] and list(feedback.pictures_folder.iterdir()) == []
    assert b"a fox" not in stored_bytes(feedback)


def test_a_rating_is_used_no_further_than_who_gave_it_agreed_to(feedback):
    mine = rate(feedback, consent="public")
    others_rating(feedback, mine, consent="class", vote=-1)
    [public] = feedback.pictures("public")
    assert (public.ups, public.downs) == (1, 0)
    [shown] = feedback.pictures("class")
    assert (shown.ups, shown.downs) == (1, 1)


def test_of_several_makers_the_narrowest_consent_holds(feedback):
    first, second = rate(feedback, consent="public"), rate(feedback, consent="class")
    assert feedback.ratings("public") == []
    feedback.delete(second.id)
    assert [rating.id for rating in feedback.ratings("public")] == [first.id]


def test_a_picture_that_is_gone_cannot_be_rated(feedback):
    gone = rate(feedback)
    feedback.delete(gone.id)
    with pytest.raises(LookupError, match="deleted or hidden"):
        others_rating(feedback, gone)
    with pytest.raises(ValueError, match="vote must be 1"):
        others_rating(feedback, rate(feedback), vote=2)
    assert len(feedback.ratings()) == 1


def test_a_second_rating_comes_instead_of_the_first(feedback):
    first = rate(feedback, vote=1, voter="ada")
    other = others_rating(feedback, first, voter="bo")
    assert not first.replaced and not other.replaced
    # The maker finds the own picture among the class's, after the store was opened again.
    feedback = Feedback(feedback.path)
    changed = others_rating(feedback, first, "training", vote=-1, voter="ada")
    assert changed.replaced and changed.by_maker  # who made the picture has still made it
    assert {rating.id for rating in feedback.ratings()} == {other.id, changed.id}
    assert not feedback.delete(first.id)
    again = others_rating(feedback, changed, vote=-1, voter="bo")
    [shown] = feedback.pictures()
    assert (shown.ups, shown.downs) == (0, 2) and not again.by_maker
    another = rate(feedback, settings=SETTINGS | {"seed": 8}, voter="bo")
    assert not another.replaced and len(feedback.ratings()) == 3


def test_what_a_person_rated_is_known_to_who_has_their_word_and_to_nobody_else(feedback):
    first = rate(feedback, voter="a secret word")
    second = rate(feedback, settings=SETTINGS | {"seed": 8}, voter="a secret word")
    ids = [first.picture_id, second.picture_id]
    assert feedback.rated_by("a secret word", ids) == set(ids)
    assert feedback.rated_by("another word", ids) == set()
    with closing(feedback._connect()) as connection:
        marks = [mark for (mark,) in connection.execute("SELECT mark FROM votes")]
    assert len(set(marks)) == 2  # nothing tells that both are by one person
    assert b"a secret word" not in feedback.path.read_bytes()
    feedback.delete(first.id)
    assert feedback.rated_by("a secret word", ids) == {second.picture_id}


def test_a_hidden_picture_is_nowhere_until_it_is_shown_again(feedback, tmp_path):
    rating = rate(feedback, consent="public")
    feedback.hide(rating.picture_id)
    (tmp_path / "out").mkdir()
    assert ways_out(feedback, tmp_path / "out", "class") == [0] * 5
    assert [picture.id for picture in feedback.pictures(hidden=True)] == [rating.picture_id]
    with pytest.raises(LookupError, match="deleted or hidden"):
        others_rating(feedback, rating)
    assert feedback.find(rating.picture_id) is None
    feedback.hide(rating.picture_id, hidden=False)
    assert feedback.ratings() == feedback.find(rating.picture_id).ratings == [rating]


def test_ratings_of_an_older_course_belong_to_whoever_rated_first(tmp_path):
    path = tmp_path / "ratings.sqlite"
    with closing(sqlite3.connect(path)) as old:
        for step in database.MIGRATIONS[:2]:
            old.executescript(step)
        old.execute("PRAGMA user_version = 2")
        for id, consent, settings in (
            ("a", "class", '{"seed": 7, "eta": 0}'),
            ("b", "public", '{"eta": 0, "seed": 7}'),
        ):
            row = (
                id,
                "2026-01-01T00:00:00+00:00",
                1,
                "a fox",
                None,
                settings,
                "m",
                "v",
                "x.png",
                "[]",
                "",
                consent,
                "person",
            )
            marks = ", ".join("?" * len(row))
            old.execute(f"INSERT INTO ratings ({', '.join(COLUMNS)}) VALUES ({marks})", row)
        old.commit()
    migrated = Feedback(path)
    assert [(rating.id, rating.by_maker) for rating in migrated.ratings()] == [
        ("a", True),
        ("b", False),
    ]
    assert migrated.ratings("public") == []
    assert migrated.delete("a") and migrated.ratings() == []


# What is kept


def test_a_rating_comes_back_as_it_was_given(feedback):
    given = rate(feedback, tags=["colours", "my own"], comment="très joli 🦊\n\0", vote=-1)
    [found] = Feedback(feedback.path).ratings()
    assert found == given
    assert (found.prompt, found.negative_prompt, found.vote) == ("a fox", None, -1)
    assert found.settings == {"seed": 7, "guidance_scale": 7.5}
    assert found.comment == "très joli 🦊\n\0"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found.time)


def test_the_picture_lies_beside_the_database_named_by_its_content(feedback):
    image = picture()
    image.putpixel((3, 4), (1, 2, 3))
    rating = rate(feedback, image)
    path = feedback.path.parent / "ratings.sqlite pictures" / rating.picture
    assert path.stem == hashlib.sha256(path.read_bytes()).hexdigest()
    assert feedback.image(rating).tobytes() == image.tobytes()
    rate(feedback, image, vote=-1)
    assert [p.name for p in feedback.pictures_folder.iterdir()] == [rating.picture]


def test_a_file_that_somebody_put_in_a_pictures_place_is_not_opened(feedback):
    rating = rate(feedback)
    path = feedback.pictures_folder / rating.picture
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    with pytest.raises(ValueError, match=f"{path.name} is no PNG, JPEG or WebP picture"):
        feedback.image(rating)


def test_no_column_tells_who_rated_and_no_metadata_of_a_picture_is_kept(feedback, tmp_path):
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Author", "Ada Lovelace")
    picture().save(tmp_path / "signed.png", pnginfo=notes)
    with Image.open(tmp_path / "signed.png") as signed:
        rating = rate(feedback, signed)
    assert b"Lovelace" not in (feedback.pictures_folder / rating.picture).read_bytes()
    assert set(rating.record()) == {
        "id",
        "time",
        "vote",
        "prompt",
        "negative_prompt",
        "model",
        "model_version",
        "picture",
        "tags",
        "comment",
        "consent",
        "origin",
        "seed",
        "guidance_scale",
    }


def test_ratings_of_one_picture_are_counted_together(feedback):
    for vote in (1, 1, -1):
        rate(feedback, vote=vote)
    rate(feedback, settings=SETTINGS | {"seed": 8})  # other settings, by chance the same pixels
    first, second = feedback.pictures()
    assert (first.ups, first.downs, first.score) == (2, 1, 1)
    assert (second.ups, second.downs) == (1, 0)
    assert first.path == second.path


@pytest.mark.parametrize(
    "wrong, says",
    [
        ({"vote": 0}, "vote must be 1 .* or -1 .*; got 0"),
        ({"vote": True}, "vote must be 1"),
        ({"consent": "yes"}, "consent must be one of 'class', 'training', 'public'; got 'yes'"),
        ({"consent": None}, "consent must be one of"),
        ({"settings": {"seed": 1}}, "settings must hold the prompt; got seed"),
        ({"settings": SETTINGS | {"vote": 1}}, "settings must not hold vote"),
        ({"settings": SETTINGS | {"eta": float("nan")}}, "settings must be what JSON can hold"),
        ({"settings": SETTINGS | {"prompt": "x" * 2001}}, "at most 2000 characters; got 2001"),
        ({"settings": SETTINGS | {"note": "x" * 4000}}, "at most 4000 characters as JSON"),
        ({"settings": SETTINGS | {"=cmd": 1}}, "names like guidance_scale; got '=cmd'"),
        ({"comment": "\ud800"}, "comment must be text that UTF-8 can hold"),
        ({"tags": ["x" * 41]}, "tags must be up to 10 texts of 1 to 40 characters"),
        ({"tags": "colours"}, "tags must be a list of texts; got the text 'colours'"),
        ({"image": Image.new("RGB", (2049, 1))}, "at most 2048 pixels .*; got 2049 x 1"),
        ({"image": "fox.png"}, "image must be a PIL image; got str"),
        ({"origin": "robot"}, "origin must be one of 'person', 'rule'"),
    ],
)
def test_a_wrong_value_is_refused_and_nothing_is_stored(feedback, wrong, says):
    with pytest.raises((TypeError, ValueError), match=says):
        rate(feedback, **wrong)
    assert feedback.ratings() == []
    assert list(feedback.pictures_folder.iterdir()) == []


# Consent and deletion


def test_what_leaves_the_database_is_what_consent_allows(feedback, tmp_path):
    for consent in CONSENTS:
        rate(feedback, picture("red"), SETTINGS | {"prompt": consent}, consent=consent)
    for wanted, expected in {
        "class": ["class", "training", "public"],
        "training": ["training", "public"],
        "public": ["public"],
    }.items():
        assert [r.prompt for r in feedback.ratings(wanted)] == expected
        assert list(feedback.to_dataframe(wanted)["prompt"]) == expected
        csv = read_csv(feedback.export_csv(tmp_path / f"{wanted}.csv", wanted))
        assert [row["prompt"] for row in csv] == expected
    folder = feedback.export_images(tmp_path / "images")  # for training unless told otherwise
    lines = (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["prompt"] for line in lines] == ["training", "public"]


def test_deleting_leaves_neither_row_nor_picture_nor_text(feedback):
    mine = rate(feedback, settings={"prompt": "a secret narwhal"}, comment="between us")
    other = rate(feedback, picture("red"))
    with closing(feedback._connect()):  # somebody else has the database open
        assert b"narwhal" in stored_bytes(feedback)
        assert feedback.delete(mine.id)
        assert b"narwhal" not in stored_bytes(feedback)
    assert [r.id for r in feedback.ratings()] == [other.id]
    assert [p.name for p in feedback.pictures_folder.iterdir()] == [other.picture]
    assert not feedback.delete(mine.id)


def test_a_picture_stays_while_somebody_elses_rating_needs_it(feedback):
    mine, other = rate(feedback), rate(feedback)
    feedback.delete(mine.id)
    assert feedback.image(other).size == (16, 16)


def test_opening_removes_the_picture_of_an_add_that_died_and_nothing_else(feedback, monkeypatch):
    kept = rate(feedback)

    def die(connection, rating, voter):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store, "_insert", die)  # the picture is written, its row is not
        with pytest.raises(KeyboardInterrupt):
            rate(feedback, picture("red"))
    [orphan] = set(feedback.pictures_folder.iterdir()) - {feedback.pictures_folder / kept.picture}
    note = feedback.pictures_folder / "my notes.txt"
    note.write_bytes(b"x")
    Feedback(feedback.path)
    assert not orphan.exists()
    assert note.exists()
    assert feedback.image(kept).size == (16, 16)


@pytest.mark.parametrize("name", ["ratings.db", "ratings.bak", "ratings"])
def test_databases_of_one_stem_do_not_touch_each_others_pictures(feedback, name):
    mine = rate(feedback)
    other = Feedback(feedback.path.with_name(name))
    others = rate(other, picture("red"))
    Feedback(feedback.path)
    assert feedback.image(mine).getpixel((0, 0)) == (0, 128, 128)
    assert other.image(others).getpixel((0, 0)) == (255, 0, 0)


def test_a_new_database_in_the_place_of_one_that_was_moved_leaves_its_pictures(feedback):
    mine = rate(feedback)
    moved = feedback.path.rename(feedback.path.with_name("last year.sqlite"))
    Feedback(feedback.path)
    moved.replace(feedback.path)
    assert feedback.image(mine).size == (16, 16)


def test_a_picture_that_could_not_be_removed_goes_at_the_next_opening(feedback, monkeypatch):
    mine = rate(feedback)

    def in_use(path, missing_ok=False):
        raise PermissionError("another program has the file open")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", in_use)
        assert feedback.delete(mine.id)
    assert (feedback.pictures_folder / mine.picture).exists()
    Feedback(feedback.path)
    assert not (feedback.pictures_folder / mine.picture).exists()


# Many writers, crashes


def test_processes_that_write_at_once_lose_nothing(tmp_path):
    path = tmp_path / "new" / "ratings.sqlite"
    writers = [start_writer(path, f"writer {i}", 12) for i in range(6)]
    told = [line for writer in writers for line in writer.communicate()[0].split()]
    assert [writer.returncode for writer in writers] == [0] * 6
    stored = Feedback(path).ratings()
    assert len(told) == 72
    assert sorted(told) == sorted(rating.id for rating in stored)


def test_threads_that_write_and_delete_at_once(feedback):
    kept, errors = [], []

    def work(number: int):
        try:
            for color in ("red", "green", "blue"):  # all threads share the three pictures
                kept.append(rate(feedback, picture(color)).id)
                assert feedback.delete(rate(feedback, picture(color)).id)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    stored = feedback.ratings()
    assert sorted(rating.id for rating in stored) == sorted(kept)
    assert all(feedback.image(rating).size == (16, 16) for rating in stored)


def test_a_killed_process_loses_nothing_that_was_confirmed(tmp_path):
    path = tmp_path / "ratings.sqlite"
    told = []
    for round_number in range(2):
        writer = start_writer(path, f"round {round_number}", 100_000)
        told += [writer.stdout.readline().strip() for _ in range(10)]
        writer.kill()
        rest = writer.communicate()[0]
        told += [line for line in rest.split("\n")[:-1] if line]  # what it said before it died
    feedback = Feedback(path)
    stored = {rating.id: rating for rating in feedback.ratings()}
    assert len(told) >= 20
    assert set(told) <= set(stored)
    assert all(feedback.image(rating).size == (8, 8) for rating in stored.values())
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_full_disk_stores_nothing(feedback, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "write_whole", full)
    with pytest.raises(OSError, match="No space left"):
        rate(feedback)
    monkeypatch.undo()
    assert feedback.ratings() == []
    rate(feedback)  # and the database is not left locked


# Schema


def test_the_database_is_in_wal_mode_with_full_synchronisation(feedback):
    with closing(feedback._connect()) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        version = connection.execute("PRAGMA user_version").fetchone()[0]
    assert version == len(database.MIGRATIONS)


def test_an_older_schema_is_brought_up_to_date_with_its_ratings(feedback, monkeypatch):
    old = rate(feedback)
    step = "ALTER TABLE ratings ADD COLUMN seconds REAL; UPDATE ratings SET seconds = 1.5;"
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, step))
    reopened = Feedback(feedback.path)
    assert reopened.ratings() == [old]
    with closing(reopened._connect()) as connection:
        assert connection.execute("SELECT seconds FROM ratings").fetchall() == [(1.5,)]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        assert version == len(database.MIGRATIONS)


def test_a_database_from_before_the_leftovers_is_opened_with_its_ratings(tmp_path, monkeypatch):
    path = tmp_path / "ratings.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(database.MIGRATIONS[0] + "PRAGMA user_version = 1;")
        marks = ", ".join("?" * len(COLUMNS))
        row = ["id", "2026-01-01T00:00:00+00:00", 1, "a fox", None, "{}", "m", "v", "p.png"]
        row += ["[]", "", "class", "person"]
        connection.execute(f"INSERT INTO ratings ({', '.join(COLUMNS)}) VALUES ({marks})", row)
        connection.commit()
    feedback = Feedback(path)
    assert [rating.prompt for rating in feedback.ratings()] == ["a fox"]
    rate(feedback)
    assert len(feedback.ratings()) == 2


def test_a_migration_that_fails_changes_nothing(feedback, monkeypatch):
    old = rate(feedback)
    step = "ALTER TABLE ratings ADD COLUMN seconds REAL; UPDATE no_such_table SET x = 1;"
    monkeypatch.setattr(database, "MIGRATIONS", (*database.MIGRATIONS, step))
    with pytest.raises(sqlite3.OperationalError, match="no_such_table"):
        Feedback(feedback.path)
    monkeypatch.undo()
    reopened = Feedback(feedback.path)
    assert reopened.ratings() == [old]
    with closing(reopened._connect()) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(ratings)")]
    assert "seconds" not in columns


def test_a_newer_or_foreign_database_is_refused(feedback, tmp_path, monkeypatch):
    monkeypatch.setattr(database, "MIGRATIONS", ())
    with pytest.raises(ValueError, match=r"schema version \d+, and this course knows up to 0"):
        Feedback(feedback.path)
    monkeypatch.undo()
    folder = tmp_path / "foreign"
    folder.mkdir()
    (folder / "README.md").write_text("no database", encoding="utf-8")
    make_database(folder / "songs.db", "CREATE TABLE songs (title TEXT)")
    make_database(folder / "films.db", "CREATE TABLE ratings (film TEXT); PRAGMA user_version = 1")
    (folder / "folder.db").mkdir()
    before = {path: path.is_file() and path.read_bytes() for path in folder.iterdir()}
    for name, says in (
        ("README.md", r"must be a database of ratings; .*README\.md is no database"),
        ("songs.db", r"must be a database of ratings; .*songs\.db is another"),
        ("films.db", r"must be a database of ratings; .*films\.db is another"),
        ("folder.db", r"must be a database of ratings; .*folder\.db is a folder"),
    ):
        with pytest.raises(ValueError, match=says):
            Feedback(folder / name)
    # Nothing was made, and no file changed: a switch to WAL is a change.
    assert {path: path.is_file() and path.read_bytes() for path in folder.iterdir()} == before


def make_database(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


# Exports

HARD_TEXTS = [
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2",
    "@SUM(A1)",
    " =1+1",
    "'=1",
    '"=1+1"',
    "\t=1",
    "\r=1",
    "a fox,=1+1",
    "a fox; @x",
    "a fox\n=1+1",
    "＝1+1",
    "",
    " ",
    "null",
    "None",
    "true",
    "NaN",
    "12",
    "1e5",
    "007",
    "2026-11-21",
    "[1]",
    "[" * 1999,
    "{}",
    '"',
    '""',
    "\\u003d",
    '"\\u003d"',
    "a 3d sticker, no text",
    "../x",
    "\0",
    "<script>alert(1)</script>",
    "🦊",
    "\u2028",
    "\ufeff=1",
    "a - b",
    "well-known",
]


@pytest.fixture(scope="module")
def hard(tmp_path_factory):
    """A database whose texts are hard to write down."""
    feedback = Feedback(tmp_path_factory.mktemp("hard") / "ratings.sqlite")
    for text in HARD_TEXTS:
        settings = {"prompt": text, "negative_prompt": text, "note": text[:1000]}
        rate(feedback, settings=settings, comment=text, tags=["x", text[:40].strip() or "y"])
    rate(feedback, tags=["=1", "a, =b"], vote=-1, settings=SETTINGS | {"note": ["-1", -1, {}]})
    return feedback


def test_csv_holds_every_value_unchanged(hard, tmp_path):
    found = read_csv(hard.export_csv(tmp_path / "ratings.csv"))
    assert [row["prompt"] for row in found] == [*HARD_TEXTS, "a fox"]
    columns = list(found[0])
    expected = [rating.record() for rating in hard.ratings()]
    assert found == [{name: row.get(name) for name in columns} for row in expected]


def test_no_cell_of_the_csv_can_be_taken_for_a_formula(hard, tmp_path):
    text = hard.export_csv(tmp_path / "ratings.csv").read_text(encoding="utf-8-sig")
    for separator in ",;\t":  # as spreadsheets of different countries cut it
        for line in text.splitlines():
            for cell in line.split(separator):
                bare = cell.strip().strip("\"' \ufeff")
                assert not re.match(r"[=+@＝＋－＠]|-(?!1$)", bare), cell


def test_an_ordinary_csv_needs_no_reader_of_ours(feedback, tmp_path):
    rate(feedback, settings=SETTINGS | {"prompt": "a 3d sticker of a fox, smiling 🦊"}, vote=-1)
    [row] = pandas.read_csv(feedback.export_csv(tmp_path / "r.csv")).to_dict("records")
    assert row["prompt"] == "a 3d sticker of a fox, smiling 🦊"
    assert (row["vote"], row["seed"], row["guidance_scale"]) == (-1, 7, 7.5)


def test_jsonl_is_a_rating_a_line(hard, tmp_path):
    lines = hard.export_jsonl(tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["comment"] for line in lines] == [*HARD_TEXTS, ""]


def test_image_folder_has_one_line_and_one_file_a_picture(feedback, tmp_path):
    for vote in (1, 1):
        rate(feedback, vote=vote, consent="training", tags=["colours"])
    rate(feedback, vote=-1, consent="training", settings=SETTINGS | {"seed": 8})  # equal pixels
    rate(feedback, picture("red"), vote=-1, consent="training", origin="rule")
    folder = feedback.export_images(tmp_path / "set")
    records = [json.loads(line) for line in open(folder / "metadata.jsonl", encoding="utf-8")]
    assert [(r["seed"], r["ups"], r["downs"], r["score"], r["tags"]) for r in records] == [
        (7, 2, 0, 2, ["colours"]),
        (8, 0, 1, -1, []),
        (7, 0, 1, -1, []),
    ]
    assert [r["origin"] for r in records] == ["person", "person", "rule"]
    files = {path.name for path in folder.iterdir()} - {"metadata.jsonl"}
    assert files == {r["file_name"] for r in records}
    assert len(files) == 3
    liked = feedback.export_images(tmp_path / "liked", minimum_score=1)
    assert len(list(liked.glob("*.png"))) == 1


def test_image_folder_does_not_mix_with_another_export(feedback, tmp_path):
    rate(feedback, consent="training")
    folder = feedback.export_images(tmp_path / "set")
    with pytest.raises(ValueError, match="folder must be new or empty"):
        feedback.export_images(folder)


def test_image_folder_may_be_an_empty_one_and_keeps_its_mode(feedback, tmp_path):
    rate(feedback, consent="training")
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    mode = folder.stat().st_mode
    assert feedback.export_images(folder) == folder
    assert len(list(folder.iterdir())) == 2
    assert folder.stat().st_mode == mode


def test_image_folder_that_fails_halfway_can_be_written_again(feedback, tmp_path, monkeypatch):
    for color in ("teal", "red"):
        rate(feedback, picture(color), consent="training")
    empty = tmp_path / "empty"
    empty.mkdir()
    copied, copy = [], feedback_export.shutil.copyfile

    def killed_at_the_second(source, target):
        copied.append(source)
        if len(copied) == 2:
            raise KeyboardInterrupt
        return copy(source, target)

    before = sorted(tmp_path.iterdir())
    for folder in (empty, tmp_path / "new"):
        with monkeypatch.context() as patch:
            patch.setattr(feedback_export.shutil, "copyfile", killed_at_the_second)
            with pytest.raises(KeyboardInterrupt):
                feedback.export_images(folder)
        copied.clear()
        assert sorted(tmp_path.iterdir()) == before
        assert list(empty.iterdir()) == []
    assert len(list(feedback.export_images(empty).glob("*.png"))) == 2


def test_a_picture_without_its_file_is_left_out_of_the_image_folder(feedback, tmp_path):
    gone = rate(feedback, consent="training")
    kept = rate(feedback, picture("red"), consent="training")
    (feedback.pictures_folder / gone.picture).unlink()
    with pytest.warns(
        UserWarning, match="set lacks 1 of the pictures: their files are missing"
    ) as told:
        folder = feedback.export_images(tmp_path / "set")
    assert told[0].filename == __file__
    lines = (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["file_name"] for line in lines] == [kept.picture]
    assert {path.name for path in folder.iterdir()} == {kept.picture, "metadata.jsonl"}


def test_an_empty_database_exports_empty_files(feedback, tmp_path):
    assert read_csv(feedback.export_csv(tmp_path / "r.csv")) == []
    assert feedback.export_jsonl(tmp_path / "r.jsonl").read_bytes() == b""
    assert len(feedback.to_dataframe()) == 0
