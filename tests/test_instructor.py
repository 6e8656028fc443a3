"""The tables of the instructor's guide, made from a small course."""

import pytest

from tools.instructor import GUIDE as GUIDE_PATH
from tools.instructor import MISTAKES, main, mistakes_page, plan_table, with_table
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

# %% [markdown]
# ## More · Products

# %% exercise="07.product"
product = 1 * 2  # SOLUTION

# %% [markdown] hint="07.product"
# Multiply.

# %% wrong="07.product" says="added"
product = 1 + 2
"""

LIST = '[[lesson]]\nname = "07_sums"\ntitle = "Sums"\nminutes = 30\nweek = 4\n'

GUIDE = """\
# Guide

<!-- plan: begin -->
old plan
<!-- plan: end -->

<!-- times: begin -->
old times
<!-- times: end -->

The end.
"""


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


def test_times_are_measured_and_are_between_the_marks(root):
    assert main(["--times"], root=root) == 0
    guide = (root / GUIDE_PATH).read_text(encoding="utf-8")
    assert "| 07 Sums | 4 | 30 | sum | – | product |" in guide
    assert "| all but the demo | | 30 | 2 exercises |" in guide
    assert "| solution | runs in |\n|---|---|\n| 07 Sums | " in guide and "torch " in guide
    assert "old" not in guide
    assert guide.startswith("# Guide\n\n<!-- plan: begin -->\n| lesson ")
    assert guide.endswith("\n<!-- times: end -->\n\nThe end.\n")
    assert list((root / "solutions").iterdir()) == []


def test_without_times_the_measured_ones_stay(root):
    assert main([], root=root) == 0
    guide = (root / GUIDE_PATH).read_text(encoding="utf-8")
    assert "old plan" not in guide and "old times" in guide


def test_a_lesson_without_a_week_is_not_in_the_sum(root):
    with (root / "course/lessons.toml").open("a", encoding="utf-8") as file:
        file.write('[[lesson]]\nname = "08_more"\ntitle = "More"\nminutes = 90\n')
    (root / "course/lessons/08_more.py").write_text("# %% [markdown]\n# # 08 · More\n")
    scripts = [root / "course/lessons" / name for name in ("07_sums.py", "08_more.py")]
    table = plan_table([read_lesson(script) for script in scripts], Course(root))
    assert "| 08 More | – | 90 | – | – | – |" in table
    assert "| all but the demo | | 30 |" in table


def test_guide_needs_its_marks():
    assert with_table(GUIDE, "times", r"new \1") == GUIDE.replace("old times", r"new \1")
    with pytest.raises(ValueError, match="instructor-guide.md must have the marks `<!-- times"):
        with_table("# Guide\n", "times", "new")
    real = (ROOT / GUIDE_PATH).read_text(encoding="utf-8")
    assert "new table" in with_table(real, "times", "new table")


def test_the_plan_in_the_guide_is_that_of_the_lessons():
    course = Course(ROOT)
    scripts = [ROOT / "course" / "lessons" / f"{name}.py" for name in course.lesson_titles()]
    plan = plan_table([read_lesson(script) for script in scripts], course)
    guide = (ROOT / GUIDE_PATH).read_text(encoding="utf-8")
    assert with_table(guide, "plan", plan) == guide, "run `python -m tools.instructor`"


def test_the_page_of_common_mistakes_is_that_of_the_lessons():
    """`make guide` writes it."""
    course = Course(ROOT)
    titles = course.lesson_titles()
    lessons = [read_lesson(ROOT / "course" / "lessons" / f"{name}.py") for name in titles]
    assert (ROOT / MISTAKES).read_text(encoding="utf-8") == mistakes_page(lessons, titles)
