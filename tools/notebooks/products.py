"""What the build writes: the blank lesson, the executed solution, the catalogue of exercises."""

import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from helpers.base.files import write_whole
from helpers.course.checks import lesson_checks
from tools.notebooks.colab import FOLDED, repository, with_setup
from tools.notebooks.marks import Line, ScriptError
from tools.notebooks.pictures import cell_pictures
from tools.notebooks.rules import verify
from tools.notebooks.scripts import NOTEBOOK_OPTIONS, Cell, Lesson, read_lesson

WIDGET = "application/vnd.jupyter.widget-view+json"
CELL_TIMEOUT = 600  # seconds; a slow machine may need minutes for a cell with many pictures

METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


@dataclass(frozen=True)
class Course:
    """The folders of a course, and where the check functions of a lesson are found."""

    root: Path
    find_checks: Callable[[str], Mapping[str, Callable]] = lesson_checks

    @property
    def lessons(self) -> Path:
        return self.root / "lessons"

    @property
    def solutions(self) -> Path:
        return self.root / "solutions"

    @property
    def catalogue(self) -> Path:
        return self.root / "helpers" / "course" / "exercises.json"

    def lesson_entries(self) -> dict[str, dict]:
        """What `course/lessons.toml` says of each lesson, by name and in its order.

        Raises ValueError for an entry without name or title, and for a lesson that stands twice.
        """
        listed = tomllib.loads((self.root / "course/lessons.toml").read_text(encoding="utf-8"))
        entries: dict[str, dict] = {}
        for number, entry in enumerate(listed.get("lesson", []), start=1):
            place = f"course/lessons.toml, entry {number}"
            for key in ("name", "title"):
                if not isinstance(entry.get(key), str) or not entry[key].strip():
                    raise ValueError(f'{place}: a lesson needs a {key}, as {key} = "…"')
            if entry["name"] in entries:
                raise ValueError(f"{place}: lesson {entry['name']!r} stands twice")
            entries[entry["name"]] = entry
        return entries

    def lesson_titles(self) -> dict[str, str]:
        """Title by name of the lessons, in the order of `course/lessons.toml`.

        Raises ValueError as `lesson_entries` does.
        """
        return {name: entry["title"] for name, entry in self.lesson_entries().items()}

    def read(self, names: Iterable[str] = ()) -> list[Lesson]:
        """Read and verify the named lessons, or all.

        Raises ScriptError for a script that breaks a rule, and ValueError when a lesson is unknown
        or the scripts do not match the list.
        """
        titles = self.lesson_titles()
        scripts = {path.stem for path in (self.root / "course/lessons").glob("*.py")}
        wanted = set(names) or titles.keys() | scripts
        for name in sorted(wanted):
            if name not in titles:
                listed = ", ".join(titles)
                raise ValueError(f"no lesson {name!r} in course/lessons.toml, which has: {listed}")
            if name not in scripts:
                raise ValueError(f"course/lessons/{name}.py is missing")
            if not re.fullmatch(r"\d\d_[a-z0-9_]+", name):
                raise ValueError(f"lesson {name!r}: a name is NN_topic, as 02_seeds")
        lessons = []
        address = repository(self.root)
        for name in [name for name in titles if name in wanted]:
            lesson = read_lesson(self.root / "course/lessons" / f"{name}.py")
            verify(lesson, self.find_checks(lesson.number))
            _require_title(lesson, titles[name])
            lessons.append(with_setup(lesson, address) if address else lesson)
        return lessons


def build(
    course: Course,
    names: Iterable[str] = (),
    solve: Callable[[Lesson, Path], NotebookNode] | None = None,
) -> list[Path]:
    """Write the products of the named lessons, or of all; return the paths written.

    Nothing is written before every script is in order. `solve` gives a lesson's solution with its
    outputs, by executing or keeping them; without it the solutions stay as they are. Raises
    ScriptError where a script or a cell fails, ValueError for an unknown lesson.
    """
    lessons = course.read(names)
    # Solutions call `exercise(…)`, so the catalogue comes first.
    written = [write_whole(course.catalogue, _catalogue_text(course, lessons))]
    for lesson in lessons:
        path = course.lessons / f"{lesson.name}.ipynb"
        written.append(write_whole(path, notebook_text(make_notebook(lesson, "blank"))))
    for lesson in lessons if solve else []:
        notebook = solve(lesson, course.solutions)
        exports = _exported_pictures(lesson, notebook)
        path = course.solutions / f"{lesson.name}.ipynb"
        written.append(write_whole(path, notebook_text(notebook)))
        for name, picture in exports.items():
            written.append(write_whole(course.root / "course" / "pictures" / name, picture))
    return written


def differences(course: Course) -> list[str]:
    """What `build` would change, one sentence a product; outputs of solutions are not compared."""
    lessons = course.read()
    found = []
    for lesson in lessons:
        lesson_text = notebook_text(make_notebook(lesson, "blank"))
        found += _compare_text(course.lessons / f"{lesson.name}.ipynb", lesson_text, course)
        found += _compare_solution(course.solutions / f"{lesson.name}.ipynb", lesson, course)
        for cell in lesson.cells:
            export = cell.options.get("export")
            if export and not (course.root / "course/pictures" / export).exists():
                found.append(f"course/pictures/{export} is missing")
    found += _compare_text(course.catalogue, _catalogue_text(course, lessons), course)
    expected = {lesson.name for lesson in lessons}
    for folder in (course.lessons, course.solutions):
        for path in sorted(folder.glob("*.ipynb")):
            if path.stem not in expected:
                found.append(f"{_relative(path, course)} has no script: delete it")
    return found


def make_notebook(lesson: Lesson, form: str) -> NotebookNode:
    """The notebook of a lesson without outputs; `form` is "blank" or "complete"."""
    notebook = nbformat.v4.new_notebook(metadata=METADATA)
    taken: set[str] = set()
    for cell in lesson.cells:
        new_cell = {
            "code": nbformat.v4.new_code_cell,
            "markdown": nbformat.v4.new_markdown_cell,
        }[cell.kind]
        kept = (*NOTEBOOK_OPTIONS, *FOLDED)
        metadata = {key: cell.options[key] for key in kept if key in cell.options}
        cell_id = _cell_id(lesson, cell, taken)
        notebook.cells.append(new_cell(cell.source(form), id=cell_id, metadata=metadata))
    nbformat.validate(notebook)
    return notebook


def notebook_text(notebook: NotebookNode) -> str:
    """The notebook as it stands in its file: the same notebook, the same text."""
    return json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def execute_solution(lesson: Lesson, folder: Path) -> NotebookNode:
    """Run the complete notebook in `folder` and return it with its outputs.

    Raises ScriptError with the script's line for a cell that fails, for one that takes longer than
    `CELL_TIMEOUT`, and for one that writes to stderr, since learners would see that too.
    """
    notebook = make_notebook(lesson, "complete")
    folder.mkdir(parents=True, exist_ok=True)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_TIMEOUT,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    with client.setup_kernel():
        for index, cell in enumerate(lesson.cells):
            _execute_cell(client, index, cell)
    notebook.metadata = nbformat.from_dict(METADATA)  # without the version of this Python
    return notebook


def kept_solution(lesson: Lesson, folder: Path) -> NotebookNode:
    """The complete notebook with the outputs that the one in `folder` has.

    Raises ScriptError where the code is not the same, since its outputs could be others.
    """
    path = folder / f"{lesson.name}.ipynb"
    stored = nbformat.read(path, as_version=4).cells if path.exists() else []
    executed = [cell for cell in stored if cell.cell_type == "code"]
    notebook = make_notebook(lesson, "complete")
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if [cell.source for cell in code] != [cell.source for cell in executed]:
        message = f"solutions/{path.name} has other code, whose outputs may differ: execute it"
        raise ScriptError(lesson.cells[0].start, message)
    for new, old in zip(code, executed, strict=True):
        new.update(outputs=old.outputs, execution_count=old.execution_count)
    return notebook


def _require_title(lesson: Lesson, title: str) -> None:
    first = lesson.cells[0]
    heading = first.source("blank").partition("\n")[0]
    if first.kind != "markdown" or not heading.startswith("# ") or title not in heading:
        raise ScriptError(
            first.start,
            "the first cell must be text and begin with a heading that "
            f"has the title of course/lessons.toml, {title!r}",
        )


def _cell_id(lesson: Lesson, cell: Cell, taken: set[str]) -> str:
    """An id made from the content, so that a new cell changes no other cell's id."""
    content = "\n".join([lesson.name, cell.kind, cell.source("blank"), cell.source("complete")])
    digest = hashlib.sha256(content.encode("utf-8")).hexdigest()[:10]
    cell_id, copy = digest, 1
    while cell_id in taken:
        copy += 1
        cell_id = f"{digest}-{copy}"
    taken.add(cell_id)
    return cell_id


def _execute_cell(client: NotebookClient, index: int, cell: Cell) -> None:
    notebook_cell = client.nb.cells[index]
    if cell.kind != "code":
        return
    try:
        client.execute_cell(notebook_cell, index)
    except CellExecutionError as error:
        line = _failing_line(cell, error.traceback)
        raise ScriptError(line, f"the solution fails: {error.ename}: {error.evalue}") from error
    except CellTimeoutError as error:
        raise ScriptError(cell.start, f"the cell takes longer than {CELL_TIMEOUT} s") from error
    except DeadKernelError as error:
        raise ScriptError(cell.start, "the kernel died in this cell") from error
    notebook_cell.metadata.pop("execution", None)
    for output in notebook_cell.outputs:
        if output.get("name") == "stderr":
            raise ScriptError(cell.start, f"the cell writes to stderr: {output['text'][:500]!r}")
        data = output.get("data", {})
        if "image/png" in data:
            data.pop("image/jpeg", None)  # Pillow gives every picture in both formats
        if "text/plain" in data:
            data.pop(WIDGET, None)  # names a widget of the kernel that has ended, each time another


def _failing_line(cell: Cell, traceback: str) -> Line:
    """The script's line of the error, read from the traceback, or the cell's first line."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", traceback)
    found = re.search(r"Cell In\s*\[\d+\], line (\d+)", plain)
    number = int(found[1]) if found else 1
    lines = cell.forms.complete
    return lines[number - 1] if number <= len(lines) else cell.start


def _catalogue_text(course: Course, lessons: list[Lesson]) -> str:
    """`exercises.json` with the given lessons anew and what it has of the others."""
    entries = {}
    if course.catalogue.exists() and len(lessons) < len(course.lesson_titles()):
        numbers = {lesson.number for lesson in lessons}
        before = json.loads(course.catalogue.read_text(encoding="utf-8"))
        entries = {key: value for key, value in before.items() if key[:2] not in numbers}
    for lesson in lessons:
        for exercise in lesson.exercises.values():
            entries[exercise.id] = {"hints": exercise.hints, "solution": exercise.solution}
    return json.dumps(entries, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def _exported_pictures(lesson: Lesson, notebook: NotebookNode) -> dict[str, bytes]:
    """The pictures to export, by file name. Raises ScriptError where a name has not one picture."""
    exports = {}
    for cell, executed in zip(lesson.cells, notebook.cells, strict=True):
        if "picture" not in cell.options:
            continue
        pictures = cell_pictures(executed)
        if len(pictures) != 1:
            raise ScriptError(
                cell.start,
                f"picture {cell.options['picture']!r}: the cell must show "
                f"one picture, it shows {len(pictures)}",
            )
        if "export" in cell.options:
            exports[cell.options["export"]] = pictures[0]
    return exports


def _compare_text(path: Path, expected: str, course: Course) -> list[str]:
    if not path.exists():
        return [f"{_relative(path, course)} is missing"]
    if path.read_text(encoding="utf-8") != expected:
        return [f"{_relative(path, course)} is not what the scripts give"]
    return []


def _compare_solution(path: Path, lesson: Lesson, course: Course) -> list[str]:
    if not path.exists():
        return [f"{_relative(path, course)} is missing"]
    stored = json.loads(path.read_text(encoding="utf-8"))
    code_cells = [cell for cell in stored["cells"] if cell["cell_type"] == "code"]
    if any(cell["execution_count"] is None for cell in code_cells):
        return [f"{_relative(path, course)} was not executed"]
    for cell in code_cells:
        cell.update(outputs=[], execution_count=None)
    if notebook_text(stored) != notebook_text(make_notebook(lesson, "complete")):
        return [f"{_relative(path, course)} is not what its script gives"]
    return []


def _relative(path: Path, course: Course) -> str:
    return path.relative_to(course.root).as_posix()
