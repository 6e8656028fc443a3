"""The build of the notebooks, on small scripts: sound ones, and ones broken on purpose."""

import base64
import json
import re
import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import nbformat
import pytest
from PIL import Image

from tools.notebooks.__main__ import main
from tools.notebooks.marks import ScriptError
from tools.notebooks.pictures import cell_pictures
from tools.notebooks.products import (
    Course,
    build,
    differences,
    execute_solution,
    make_notebook,
)
from tools.notebooks.rules import verify
from tools.notebooks.scripts import read_lesson

pytestmark = pytest.mark.slow

SCRIPT = """\
# %% [markdown]
# # 07 · Tiny
#
# Some text.

# %%
from PIL import Image
from IPython.display import display

class Exercise:
    def check(self, **values):
        return sorted(values)

def exercise(name):
    return Exercise()

# %% [markdown]
# Add two numbers.

# %% exercise="07.total"
first, second = 3, 4
total = first + second + 0  # SOLUTION

# %%
exercise("07.total").check(total=total)

# %% [markdown] hint="07.total"
# Use a plus sign.

# %% [markdown] hint="07.total"
# Really.

# %% wrong="07.total" says="subtracted"
total = 3 - 4

# %% right="07.total"
total = sum((3, 4))

# %% exercise="07.loop"
squares = []
for number in (1, 2):
    # BEGIN SOLUTION
    square = number * number + 0
    squares.append(square)
    # END SOLUTION

# %%
exercise("07.loop").check(squares=squares)

# %% [markdown] hint="07.loop"
# Multiply.

# %% wrong="07.loop" says="doubled"
squares = [2, 4]

# %% exercise="07.stub"
# BEGIN SOLUTION
def halve(number):
    return (number + 0) / 2
# END SOLUTION

# BEGIN STUB
# def halve(number):
#     ...  # half of it
# END STUB
print(halve(4))

# %%
exercise("07.stub").check(halve=halve)

# %% [markdown] hint="07.stub"
# Divide.

# %% wrong="07.stub" says="double"
def halve(number):
    return number * 2

# %% picture="07.red" export="07_red.png" tags=["wide"]
display(Image.new("RGB", (8, 8), "red"))
"""

CHECKS = {
    "07.total": lambda total: None,
    "07.loop": lambda squares: None,
    "07.stub": lambda halve: None,
}


@pytest.fixture
def course(tmp_path):
    """A course with the one lesson 07_tiny, not built."""
    return make_course(tmp_path, SCRIPT)


@pytest.fixture(scope="module")
def built_once(tmp_path_factory):
    course = make_course(tmp_path_factory.mktemp("built"), SCRIPT)
    return course, build(course, solve=execute_solution)


@pytest.fixture
def built(built_once, tmp_path):
    """A course with the one lesson 07_tiny, built, for the test to spoil."""
    shutil.copytree(built_once[0].root, tmp_path, dirs_exist_ok=True)
    return replace(built_once[0], root=tmp_path)


def make_course(root: Path, script: str) -> Course:
    (root / "course" / "lessons").mkdir(parents=True)
    (root / "course" / "lessons.toml").write_text(
        '[[lesson]]\nname = "07_tiny"\ntitle = "Tiny"\n', encoding="utf-8"
    )
    write_script(root, script)
    return Course(root, lambda number: CHECKS if number == "07" else {})


def write_script(root: Path, text: str, name: str = "07_tiny") -> Path:
    path = root / "course" / "lessons" / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    return path


def changed(old: str, new: str) -> str:
    assert SCRIPT.count(old) == 1, old
    return SCRIPT.replace(old, new)


def line_of(text: str, script: str) -> int:
    """The number of the one line that has the text."""
    (number,) = [n for n, line in enumerate(script.splitlines(), start=1) if text in line]
    return number


def error_of(tmp_path: Path, script: str, checks=CHECKS) -> str:
    with pytest.raises(ScriptError) as caught:
        (tmp_path / "course" / "lessons").mkdir(parents=True, exist_ok=True)
        verify(read_lesson(write_script(tmp_path, script)), checks)
    return str(caught.value)


# --- what a sound script gives ------------------------------------------------------------------


def test_blank_and_complete(course):
    (lesson,) = course.read()
    blank = {cell.start.number: cell.source("blank") for cell in lesson.cells}
    complete = {cell.start.number: cell.source("complete") for cell in lesson.cells}
    total, loop, stub = (
        line_of(f'exercise="07.{name}"', SCRIPT) for name in ("total", "loop", "stub")
    )
    assert blank[total] == "first, second = 3, 4\ntotal = ..."
    assert complete[total] == "first, second = 3, 4\ntotal = first + second + 0"
    assert blank[loop] == ("squares = []\nfor number in (1, 2):\n    ...  # your code here")
    assert complete[loop].endswith("    square = number * number + 0\n    squares.append(square)")
    assert blank[stub] == "def halve(number):\n    ...  # half of it\nprint(halve(4))"
    assert complete[stub].splitlines()[:2] == ["def halve(number):", "    return (number + 0) / 2"]


@pytest.mark.parametrize(
    ("statement", "blank"),
    [
        ("x = f(1)", "x = ..."),
        ("x: int = f(1)", "x: int = ..."),
        ("a, b = f(1)", "a, b = ..., ..."),
        ("images[0] = f(1)", "images[0] = ..."),
        ("x = f(1)  # a comment that would give it away", "x = ..."),
        ("f(1)", "..."),
    ],
)
def test_one_line_blanks(tmp_path, statement, blank):
    script = f'# %% exercise="07.x"\nif True:\n    {statement}  # SOLUTION\n'
    path = tmp_path / "07_x.py"
    path.write_text(script, encoding="utf-8")
    (cell,) = read_lesson(path).cells
    assert cell.source("blank") == f"if True:\n    {blank}"
    assert cell.source("complete") == f"if True:\n    {statement}"


def test_hints_and_known_answers_reach_no_notebook(course):
    (lesson,) = course.read()
    for form in ("blank", "complete"):
        text = json.dumps(make_notebook(lesson, form))
        assert "Use a plus sign" not in text and "3 - 4" not in text and "subtracted" not in text
        assert "sum(" not in text
    assert lesson.exercises["07.total"].hints == ["Use a plus sign.", "Really."]
    assert [answer.says for answer in lesson.exercises["07.loop"].wrong_answers] == ["doubled"]
    right = [answer.source for answer in lesson.exercises["07.total"].right_answers]
    assert right == ["total = sum((3, 4))"]


def test_notebook_format(course):
    (lesson,) = course.read()
    notebook = make_notebook(lesson, "blank")
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.cells[-1].metadata == {
        "picture": "07.red",
        "export": "07_red.png",
        "tags": ["wide"],
    }


def test_cell_ids_are_stable_unique_and_shared(course):
    def ids(script, form="blank"):
        write_script(course.root, script)
        return [cell.id for cell in make_notebook(course.read()[0], form).cells]

    before = ids(SCRIPT)
    assert len(set(before)) == len(before)
    assert ids(SCRIPT) == before == ids(SCRIPT, "complete")
    twice = "# %%\nprint(1)\n\n# %%\nprint(1)\n\n"
    after = ids(changed("# %% [markdown]\n# Add two", twice + "# %% [markdown]\n# Add two"))
    assert len(set(after)) == len(after) == len(before) + 2
    assert [cell_id for cell_id in after if cell_id in before] == before  # only new cells are new


def test_build_writes_everything_and_is_stable(built_once):
    course, paths = built_once
    assert [path.relative_to(course.root).as_posix() for path in paths] == [
        "helpers/course/exercises.json",
        "lessons/07_tiny.ipynb",
        "solutions/07_tiny.ipynb",
        "course/pictures/07_red.png",
    ]
    first = [path.read_bytes() for path in paths]
    lesson, solution = (nbformat.read(path, as_version=4) for path in paths[1:3])
    nbformat.validate(lesson)
    nbformat.validate(solution)
    assert not any(cell.get("outputs") for cell in lesson.cells)
    printed = [
        output.text
        for cell in solution.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    ]
    assert printed == ["2.0\n"]
    assert solution.cells[-1].outputs[0].data.keys() == {"image/png", "text/plain"}
    assert json.loads(first[0])["07.total"]["hints"] == ["Use a plus sign.", "Really."]
    with Image.open(paths[3]) as picture:
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 0, 0)
    build(course, solve=execute_solution)
    assert [path.read_bytes() for path in paths] == first
    assert differences(course) == []
    assert not [path for path in course.root.rglob(".*")]  # no temporary file stays


# --- what the check for differences sees --------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda root: (root / "lessons/07_tiny.ipynb").unlink(),
            "lessons/07_tiny.ipynb is missing",
        ),
        (
            lambda root: (root / "solutions/07_tiny.ipynb").unlink(),
            "solutions/07_tiny.ipynb is missing",
        ),
        (lambda root: (root / "course/pictures/07_red.png").unlink(), "07_red.png is missing"),
        (
            lambda root: (root / "lessons/08_old.ipynb").write_text("{}"),
            "lessons/08_old.ipynb has no sc",
        ),
        (
            lambda root: edit(root / "lessons/07_tiny.ipynb", "Some", "Any"),
            "lessons/07_tiny.ipynb is not",
        ),
        (
            lambda root: edit(root / "solutions/07_tiny.ipynb", "Some", "Any"),
            "solutions/07_tiny.ipynb is n",
        ),
        (
            lambda root: edit(root / "helpers/course/exercises.json", "plus", "minus"),
            "helpers/course/exercises.json is n",
        ),
        (
            lambda root: edit(root / "course/lessons/07_tiny.py", "a plus", "the plus"),
            "exercises.json is n",
        ),
        (
            lambda root: edit(
                root / "solutions/07_tiny.ipynb",
                r'"execution_count": \d',
                '"execution_count": null',
            ),
            "solutions/07_tiny.ipynb was not executed",
        ),
    ],
)
def test_difference_is_found(built, spoil, message):
    spoil(built.root)
    (found,) = differences(built)
    assert message in found


def edit(path: Path, old: str, new: str) -> None:
    before = path.read_text(encoding="utf-8")
    after = re.sub(old, new, before)
    assert after != before
    path.write_text(after, encoding="utf-8")


def test_outputs_of_a_solution_are_left_to_nbval(built):
    edit(built.root / "solutions/07_tiny.ipynb", r"2\.0", "2.1")
    assert differences(built) == []


def test_command_line(tmp_path, capsys):
    (tmp_path / "course" / "lessons").mkdir(parents=True)
    (tmp_path / "course/lessons.toml").write_text(
        '[[lesson]]\nname = "99_text"\ntitle = "Text"\n', encoding="utf-8"
    )
    write_script(tmp_path, "# %% [markdown]\n# # 99 · Text\n\n# %%\nprint(1)\n", "99_text")
    assert main(["--check"], tmp_path) == 1
    assert "lessons/99_text.ipynb is missing" in capsys.readouterr().err
    assert main(["--no-execute"], tmp_path) == 0
    assert not (tmp_path / "solutions").exists()
    assert main(["99_text"], tmp_path) == 0
    assert "solutions/99_text.ipynb" in capsys.readouterr().out
    assert main(["--check"], tmp_path) == 0

    write_script(tmp_path, "# %% [markdown]\n# # 99 · Text, more\n\n# %%\nprint(1)\n", "99_text")
    assert main(["--keep-outputs"], tmp_path) == 0
    text = (tmp_path / "solutions/99_text.ipynb").read_text(encoding="utf-8")
    assert "Text, more" in text and json.loads(text)["cells"][1]["outputs"][0]["text"] == "1\n"
    assert main(["--check"], tmp_path) == 0
    write_script(tmp_path, "# %% [markdown]\n# # 99 · Text\n\n# %%\nprint(2)\n", "99_text")
    capsys.readouterr()
    assert main(["--keep-outputs"], tmp_path) == 1
    assert "99_text.py:1: solutions/99_text.ipynb has other code" in capsys.readouterr().err
    assert main(["08_none"], tmp_path) == 1
    assert (
        "no lesson '08_none' in course/lessons.toml, which has: 99_text" in capsys.readouterr().err
    )


def test_building_one_lesson_keeps_the_exercises_of_the_others(built):
    write_script(built.root, "# %% [markdown]\n# # 08 · More\n", "08_more")
    edit(
        built.root / "course/lessons.toml", r"\Z", '[[lesson]]\nname = "08_more"\ntitle = "More"\n'
    )
    build(built, ["08_more"])
    assert "07.total" in json.loads(built.catalogue.read_text(encoding="utf-8"))
    assert len(differences(built)) == 1  # the solution of 08


def test_list_and_scripts_must_match(course):
    write_script(course.root, "# %% [markdown]\n# # 08 · More\n", "08_more")
    with pytest.raises(ValueError, match="no lesson '08_more' in course/lessons.toml"):
        course.read()
    assert len(course.read(["07_tiny"])) == 1  # a half-written neighbour does not stop one lesson
    (course.root / "course/lessons/08_more.py").unlink()
    (course.root / "course/lessons/07_tiny.py").unlink()
    with pytest.raises(ValueError, match="course/lessons/07_tiny.py is missing"):
        course.read()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('title = "Tiny"', "entry 2: a lesson needs a name"),
        ('name = "08_more"', "entry 2: a lesson needs a title"),
        ('name = "08_more"\ntitle = " "', "entry 2: a lesson needs a title"),
        ('name = "07_tiny"\ntitle = "Tiny"', "entry 2: lesson '07_tiny' stands twice"),
    ],
)
def test_broken_list(course, entry, message):
    edit(course.root / "course/lessons.toml", r"\Z", f"[[lesson]]\n{entry}\n")
    with pytest.raises(ValueError, match=f"^course/lessons.toml, {message}"):
        course.lesson_entries()


def test_title_must_match(course):
    write_script(course.root, changed("# # 07 · Tiny", "# # 07 · Huge"))
    with pytest.raises(ScriptError, match="^course/lessons/07_tiny.py:1: .*'Tiny'"):
        course.read()


# --- scripts broken on purpose ------------------------------------------------------------------

LOOP = '"07.loop"'
TOTAL = "total = first + second + 0  # SOLUTION"


@pytest.mark.parametrize(
    ("old", "new", "at", "message"),
    [
        # Marks.
        ("    # END SOLUTION\n\n# %%", "\n# %%", "    # BEGIN SOLUTION", "is never closed"),
        ("    # BEGIN SOLUTION\n", "", "    # END SOLUTION", "closes nothing"),
        (
            "    squares.append(square)",
            "    # BEGIN SOLUTION  ",
            "    # BEGIN SOLUTION  ",
            "do not nest",
        ),
        (
            "    squares.append(square)",
            "    squares.append(1)  # SOLUTION",
            "append(1)",
            "do not nest",
        ),
        ("    squares.append(square)", "    # END STUB", None, "do not nest"),
        ("# END STUB\n", "", "# BEGIN STUB", "is never closed"),
        (
            "# END SOLUTION\n\n# BEGIN STUB",
            "# END SOLUTION\nx = 1\n# BEGIN STUB",
            "# BEGIN STUB",
            "directly after",
        ),
        ("#     ...  # half of it", "return 3", "return 3", "every line of a stub is a comment"),
        ("    # BEGIN SOLUTION", "    # Begin solution", "# Begin solution", "looks like a mark"),
        ("    # BEGIN SOLUTION", "    #BEGIN SOLUTION", "    #BEGIN SOLUTION", "looks like a mark"),
        (TOTAL, "total = first + second  # solution", "# solution", "looks like a mark"),
        (TOTAL, "total += 1  # SOLUTION", "total += 1", "one whole statement"),
        (TOTAL, "total = (1 +  # SOLUTION\n2)", "(1 +", "one whole statement"),
        (TOTAL, "for total in (1, 2):  # SOLUTION\n    pass", "for total", "one whole statement"),
        (TOTAL, "a, *b = 1, 2  # SOLUTION", "a, *b", "one whole statement"),
        (
            "    square = number * number + 0\n    squares.append(square)\n",
            "",
            "    # BEGIN SOLUTION",
            "opens an empty block",
        ),
        (TOTAL, "total = 7", 'exercise="07.total"', "has no solution mark"),
        ('# %% exercise="07.total"', "# %%", TOTAL, "a cell that is no exercise"),
        ("total = 3 - 4", "total = 3 - 4  # SOLUTION", 'wrong="07.total"', "within a wrong answer"),
        (TOTAL, "# BEGIN SOLUTION\n# seven\n# END SOLUTION", "# BEGIN SOLUTION", "only a comment"),
        ("# Add two numbers.", "# Add.\n# BEGIN SOLUTION\n# x = 1", None, "in a [markdown] cell"),
        (
            "# Add two numbers.",
            "# # BEGIN SOLUTION\nx = 1\n# # END SOLUTION",
            "# # BEGIN",
            "in a [markdown] cell",
        ),
        ("# Add two numbers.", "# total = 7  # SOLUTION", "total = 7", "in a [markdown] cell"),
        ("# Divide.", "# # END SOLUTION", "# # END", "in a [markdown] cell"),
        # Code.
        ("# def halve(number):", "# def halve(number:", "# def halve(number:", "does not parse"),
        (
            "#     ...  # half of it",
            "#",
            "print(halve(4))",
            "the blank, with its stub, does not parse",
        ),
        ("total = 3 - 4", "total = 3 -", "total = 3 -", "the wrong answer does not parse"),
        ("print(halve(4))", "%matplotlib inline", "%matplotlib", "the cell does not parse"),
        # Pieces.
        ('# %% [markdown] hint="07.loop"\n# Multiply.\n', "", 'exercise="07.loop"', "has no hint"),
        (
            '# %% wrong="07.loop" says="doubled"\nsquares = [2, 4]\n',
            "",
            'exercise="07.loop"',
            "has no known wrong answer",
        ),
        ("# Multiply.", "# ", 'hint="07.loop"', "this hint of '07.loop' is empty"),
        (
            "total = 3 - 4",
            "first, second = (3,  4)\ntotal = first+second + 0  # yes",
            'wrong="07.total"',
            "this known wrong answer is the solution of '07.total'",
        ),
        (' says="doubled"', "", 'wrong="07.loop"', "needs says="),
        (
            "total = sum((3, 4))",
            "total = sum((3, 4))  # SOLUTION",
            'right="07.total"',
            "within a right answer",
        ),
        ("total = sum((3, 4))", "total = sum(", "total = sum(", "the right answer does not parse"),
        (
            "total = sum((3, 4))",
            "first, second = (3,  4)\ntotal = first+second + 0",
            'right="07.total"',
            "this known right answer is the solution of '07.total'",
        ),
        ('right="07.total"', 'right="07.totl"', "07.totl", "no exercise '07.totl' in this lesson"),
        (
            'exercise("07.loop").check(squares=squares)',
            "print(squares)",
            'exercise="07.loop"',
            "is not checked",
        ),
        (
            'exercise("07.loop").check(squares=squares)',
            'x = exercise("07.loop").check(squares=squares)',
            'exercise="07.loop"',
            "is not checked",
        ),
        (
            'exercise("07.loop").check(',
            'exercise("07.total").check(',
            'exercise="07.loop"',
            "is not checked",
        ),
        ("check(squares=squares)", "check(square=squares)", None, "takes squares by name"),
        ("check(squares=squares)", "check(squares)", None, "takes squares by name"),
        ("squares = []\n", "", 'exercise="07.loop"', "never defines 'squares'"),
        # Ids and options.
        ('hint="07.loop"', 'hint="07.lop"', 'hint="07.lop"', "no exercise '07.lop' in this lesson"),
        (
            'wrong="07.loop"',
            'wrong="07.lop"',
            'wrong="07.lop"',
            "no exercise '07.lop' in this lesson",
        ),
        (
            "print(halve(4))",
            'exercise("07.lop").hint()',
            None,
            "no exercise '07.lop' in this lesson",
        ),
        ('exercise="07.loop"', 'exercise="07.total"', 'exercise="07.total"', "stands twice"),
        ("# %% picture=", "# %% pictre=", "pictre", "unknown option 'pictre'"),
        ('[markdown] hint="07.loop"', 'hint="07.loop"', 'hint="07.loop"', "a hint is a [markdown]"),
        ("# %% [markdown]\n# Add", "# %% [raw]\n# Add", "[raw]", "a cell is code or [markdown]"),
        ('tags=["wide"]', 'tags="wide"', 'tags="wide"', "tags are a list of texts"),
        ('tags=["wide"]', "tags=[1]", "tags=[1]", "tags are a list of texts"),
        (' says="doubled"', " says=2", "says=2", "'says' is a text in quotes; got 2"),
        (
            "# %% [markdown]\n# Add",
            '# %% [markdown] picture="07.a"\n# Add',
            "07.a",
            "belongs to a code",
        ),
        ('wrong="07.loop"', 'exercise="07.x" wrong="07.loop"', "07.x", "only one of them"),
        ("# %% [markdown]\n# Add two", "# %%\n\n# %% [markdown]\n# Add two", None, "cell is empty"),
        (
            "# %% [markdown]\n# # 07",
            "x = 1\n# %% [markdown]\n# # 07",
            "x = 1",
            "belongs to no cell",
        ),
        # Pictures.
        ('picture="07.red"', 'picture="red"', 'picture="red"', 'a name is "07.name"'),
        ('picture="07.red"', 'picture="07.red" same_as="07.blue"', "07.blue", "no earlier cell"),
        ('picture="07.red" export', "export", "07_red.png", "'export' needs picture="),
        ("07_red.png", "../red.png", "../red.png", "a plain file name"),
    ],
)
def test_broken_script(tmp_path, old, new, at, message):
    script = changed(old, new)
    error = error_of(tmp_path, script)
    assert message in error
    where = re.match(r"course/lessons/07_tiny\.py:(\d+): ", error)
    assert where
    if at:
        wanted = [n for n, line in enumerate(script.splitlines(), start=1) if at in line]
        assert int(where[1]) in wanted


@pytest.mark.parametrize("script", ["", "# ---\n# jupyter:\n# ---\n"])
def test_script_without_cells(tmp_path, script):
    assert error_of(tmp_path, script).startswith(
        "course/lessons/07_tiny.py:1: the script has no cell"
    )


def test_heading_is_no_mark(tmp_path):
    path = write_script(make_course(tmp_path, SCRIPT).root, changed("# Add two", "# ## Solution"))
    verify(read_lesson(path), CHECKS)


def test_picture_name_stands_once(tmp_path):
    script = SCRIPT + '\n# %% picture="07.red"\nprint(1)\n'
    assert "picture '07.red' stands twice" in error_of(tmp_path, script)


def test_exercise_without_check_function(tmp_path):
    checks = {key: value for key, value in CHECKS.items() if key != "07.loop"}
    error = error_of(tmp_path, SCRIPT, checks)
    assert error.startswith(f"course/lessons/07_tiny.py:{line_of(' exercise=' + LOOP, SCRIPT)}: ")
    assert "'07.loop' has no check" in error and "helpers/course/checks/lesson_07.py" in error


def test_check_function_without_exercise(tmp_path):
    error = error_of(tmp_path, SCRIPT, CHECKS | {"07.old": lambda x: None})
    assert "'07.old', which is no exercise here" in error


@pytest.mark.parametrize(
    ("exercise_id", "message"),
    [
        ("06.total", 'must begin with "07."'),
        ("07.Total", 'an id is "NN.name"'),
        ("total", "an id is"),
    ],
)
def test_id_of_an_exercise(tmp_path, exercise_id, message):
    script = SCRIPT.replace("07.total", exercise_id)
    error = error_of(tmp_path, script)
    assert message in error
    line = line_of(f' exercise="{exercise_id}"', script)
    assert error.startswith(f"course/lessons/07_tiny.py:{line}: ")


@pytest.mark.parametrize(
    "leak",
    [
        "# %%\nother = 1\ntotal = first + second + 0\n",
        "# %%\ntotal = (first\n         + second + 0)\n",
        "# %%\n# total = first+second+0\n",
        '# %% tags=["hide-input"]\nif True:\n    total = first + second + 0  # see?\n',
        "# %% [markdown]\n# Write `total = first + second + 0` and be done.\n",
    ],
)
def test_leak(tmp_path, leak):
    script = SCRIPT + "\n" + leak
    error = error_of(tmp_path, script)
    assert error.startswith(f"course/lessons/07_tiny.py:{line_of(TOTAL, script)}: ")
    assert "leaks" in error and f"the cell of line {len(SCRIPT.splitlines()) + 2}" in error


SPLIT = "total = sum((first, second, 0), start=0)"


@pytest.mark.parametrize(
    "leak",
    [
        "# %%\n# total = sum((first, second, 0),\n#             start=0)\n",
        "# %%\n# Thus\n# total = sum(\n#     (first, second, 0),\n#     start=0,\n# )\n# is\n",
        "# %%\nif True:\n    # total = sum((first, second, 0),\n    # start=0)\n    pass\n",
        "# %% [markdown]\n# ```python\n# total = sum((first, second, 0),\n# start=0)\n# ```\n",
    ],
)
def test_leak_over_several_lines(tmp_path, leak):
    script = changed(TOTAL, f"{SPLIT}  # SOLUTION") + "\n" + leak
    error = error_of(tmp_path, script)
    assert error.startswith(f"course/lessons/07_tiny.py:{line_of(SPLIT + '  #', script)}: ")
    assert "leaks" in error


@pytest.mark.parametrize(
    ("header", "leak"),
    [
        ("for x in range(first, 42, 7):", "for x in range(first, 42, 7):\n    print(x)"),
        ("for x in range(first, 42, 7):", "# for x in range(first, 42, 7): print(x)"),
        ("while first + second < 7 - 1:", "while first + second < 7 - 1: break"),
        (
            "if first + second == 7 - 1:",
            "if first:\n    x = 1\nelif first + second == 7 - 1:\n    x = 2",
        ),
        (
            "with open(first, 'w') as x:",
            'if False:\n    with open(first, "w") as x:\n        x = 1',
        ),
    ],
)
def test_leak_of_a_header(tmp_path, header, leak):
    solution = f"# BEGIN SOLUTION\n{header}\n    total = first\n# END SOLUTION\n"
    stub = "# BEGIN STUB\n# total = ...\n# END STUB"
    script = changed(TOTAL, solution + stub) + f"\n# %%\n{leak}\n"
    error = error_of(tmp_path, script)
    line = script.splitlines().index(header) + 1
    assert error.startswith(f"course/lessons/07_tiny.py:{line}: ") and "leaks" in error


def test_short_header_tells_nothing(tmp_path):
    script = changed(
        "    squares.append(square)",
        "    squares.append(square)\n    for x in squares:\n        x = 1",
    )
    path = write_script(
        make_course(tmp_path, SCRIPT).root, script + "\n# %%\nfor x in squares:\n    pass\n"
    )
    verify(read_lesson(path), CHECKS)


@pytest.mark.parametrize(
    "harmless",
    [
        "# %%\nsubtotal = first + second + 0.5\n",
        "# %%\nsquares.append(square)\n",  # too short to give anything away
    ],
)
def test_no_leak(tmp_path, harmless):
    (tmp_path / "course" / "lessons").mkdir(parents=True)
    verify(read_lesson(write_script(tmp_path, SCRIPT + "\n" + harmless)), CHECKS)


# --- running a solution -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "line", "message"),
    [
        ("x = 1\n\ny = x / 0", 6, "the solution fails: ZeroDivisionError: division by zero"),
        ("import sys\nprint('oh', file=sys.stderr)", 3, "writes to stderr: 'oh"),
        ("import os\nos._exit(1)", 3, "the kernel died"),
    ],
)
def test_solution_that_fails(tmp_path, code, line, message):
    fails_to_build(tmp_path, code, line, message)


def test_a_widget_is_kept_as_its_words(tmp_path):
    """A page without the kernel could only say that it has no such widget."""
    course = make_course(
        tmp_path,
        "# %% [markdown]\n# # 07 · Tiny\n# %%\nfrom ipywidgets import IntSlider\n"
        "# %%\nIntSlider(value=3)\n",
    )
    build(replace(course, find_checks=lambda number: {}), solve=execute_solution)
    solution = json.loads((course.solutions / "07_tiny.ipynb").read_text(encoding="utf-8"))
    ((output,),) = (cell["outputs"] for cell in solution["cells"] if cell.get("outputs"))
    assert list(output["data"]) == ["text/plain"] and "IntSlider" in str(output["data"])


def test_solution_that_takes_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr("tools.notebooks.products.CELL_TIMEOUT", 2)
    fails_to_build(tmp_path, "import time\ntime.sleep(600)", 3, "takes longer than 2 s")


def fails_to_build(root: Path, code: str, line: int, message: str) -> None:
    """Build a lesson of one code cell and see it fail at that line, with nothing written of it."""
    course = make_course(root, f"# %% [markdown]\n# # 07 · Tiny\n# %%\n{code}\n")
    with pytest.raises(ScriptError) as caught:
        build(replace(course, find_checks=lambda number: {}), solve=execute_solution)
    assert str(caught.value).startswith(f"course/lessons/07_tiny.py:{line}: ")
    assert message in str(caught.value)
    assert not (course.solutions / "07_tiny.ipynb").exists()


def test_named_cell_shows_one_picture(course):
    write_script(course.root, changed('display(Image.new("RGB", (8, 8), "red"))', "print(1)"))
    with pytest.raises(ScriptError, match="'07.red': the cell must show one picture, it shows 0"):
        build(course, solve=execute_solution)
    assert not (course.solutions / "07_tiny.ipynb").exists()


def test_pictures_of_a_cell():
    file = BytesIO()
    Image.new("RGB", (2, 2)).save(file, "PNG")
    encoded = base64.b64encode(file.getvalue()).decode()
    cell = {
        "outputs": [
            {"output_type": "stream", "name": "stdout", "text": "hello"},
            {"output_type": "display_data", "data": {"image/png": encoded, "text/html": "<img>"}},
            {
                "output_type": "display_data",
                "data": {
                    "text/html": [
                        f'<img src="data:image/png;base64,{encoded}">',
                        f"<img src='data:image/png;base64,{encoded}'>",
                    ]
                },
            },
        ]
    }
    assert cell_pictures(cell) == [file.getvalue()] * 3
