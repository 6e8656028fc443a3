"""The shipped sample of ratings is what its script writes, and says in each row what it is."""

from helpers.feedback.export import read_csv
from tools.sample_ratings import FILE, RULE, TURNED, rows


def test_file_is_what_the_script_writes():
    assert read_csv(FILE) == rows()


def test_every_row_is_marked_as_made_up():
    assert {(row["origin"], row["rule"]) for row in rows()} == {("rule", RULE)}


def test_votes_follow_the_rule_up_to_chance():
    def follows(row):
        known = row["prompt"] not in ("a fox that reads a newspaper", "seven owls in a row")
        return (row["vote"] == 1) == (known and 3 <= row["guidance_scale"] <= 8)

    share = sum(map(follows, rows())) / len(rows())
    assert abs(share - (1 - TURNED)) < 0.1
