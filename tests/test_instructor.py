"""The tables of the instructor's guide, made from a small course."""

import pytest

from tools.instructor import main, mistakes_page, with_times
from tools.notebooks.__main__ import ROOT
from tools.notebooks.products import Course
from tools.notebooks.scripts import read_lesson

SCRIPT = """\
# %% [markdown]
# # 07 · Sums

# %% exercise="07.sum"
numbers = [1, 2]
total = sum(numbers)  # SOLUTION

# %% [markdown] hint="07.sum"
# Add them up.

# %% wrong="07.sum" says="longer than"
numbers = [1, 2]
total = len(numbers)
"""

LIST = '[[lesson]]\nname = "07_sums"\ntitle = "Sums"\nminutes = 30\nweek = 4\n'

GUIDE = "# Guide\n\n<!-- times: begin -->\nold\n<!-- times: end -->\n\nThe end.\n"


@pytest.fixture
def root(tmp_path):
    """A course of one lesson."""
    for folder in ("course/lessons", "course/reading", "solutions"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "course/lessons/07_sums.py").write_text(SCRIPT, encoding="utf-8")
    (tmp_path / "course/lessons.toml").write_text(LIST, encoding="utf-8")
    (tmp_path / "course/reading/instructor-guide.md").write_text(GUIDE, encoding="utf-8")
    return tmp_path


def test_mistakes_show_only_the_lines_that_are_wrong(root):
    lesson = read_lesson(root / "course/lessons/07_sums.py")
    page = mistakes_page([lesson], Course(root).lesson_titles())
    assert "## 07 Sums\n\n### 07.sum\n" in page
    assert "“… longer than …” to\n\n```python\ntotal = len(numbers)\n```\n" in page
    assert "numbers = [1, 2]" not in page and "sum(numbers)" not in page


def test_times_are_measured_and_stand_between_the_marks(root):
    assert main(["--times"], root=root) == 0
    guide = (root / "course/reading/instructor-guide.md").read_text(encoding="utf-8")
    assert "| 07 Sums | 4 | 30 | 1 |" in guide and "| all | | 30 | 1 |" in guide
    assert "old" not in guide and "torch " in guide
    assert guide.startswith("# Guide\n\n<!-- times: begin -->\n| lesson ")
    assert guide.endswith("\n<!-- times: end -->\n\nThe end.\n")
    assert list((root / "solutions").iterdir()) == []


def test_without_times_the_guide_stays(root):
    assert main([], root=root) == 0
    assert (root / "course/reading/instructor-guide.md").read_text(encoding="utf-8") == GUIDE


def test_guide_needs_its_marks():
    assert with_times(GUIDE, r"new \1") == GUIDE.replace("old", r"new \1")
    with pytest.raises(ValueError, match="instructor-guide.md must have the marks"):
        with_times("# Guide\n", "new")
    real = (ROOT / "course" / "reading" / "instructor-guide.md").read_text(encoding="utf-8")
    assert "new table" in with_times(real, "new table")
