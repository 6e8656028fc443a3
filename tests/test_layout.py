"""Who may import whom: the arrows between the rooms of `helpers/` point one way."""

import ast
from pathlib import Path

import pytest

import helpers

HELPERS = Path(helpers.__file__).parent
LESSONS = sorted((HELPERS.parent / "course" / "lessons").glob("*.py"))

FLOORS = (
    {"base", "vocabulary"},
    {"pictures"},
    {"models"},
    {"sampling"},
    {"sweeps"},
    {"ranking", "fine_tuning", "feedback", "faces"},
    {"app", "course", "widgets"},
    {"commands"},
)
"""A room may import from the floors below its own, never from a neighbor on its floor."""

FORBIDDEN = {("faces", "sweeps")}
"""Face repair works without any of the machinery of diffusion."""


def floor(room: str) -> int:
    return next(i for i, rooms in enumerate(FLOORS) if room in rooms)


def modules() -> dict[str, ast.Module]:
    """Every module of `helpers` by its dotted name without "helpers."; a package by its own."""
    found = {}
    for path in HELPERS.rglob("*.py"):
        parts = path.relative_to(HELPERS).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules()
ROOMS = [name for name in MODULES if name and name != "__main__"]


def imported(statement: ast.stmt, importer: str) -> list[str]:
    """The modules that a statement imports: those of `helpers` by their name without "helpers."."""
    if isinstance(statement, ast.Import):
        return [alias.name.removeprefix("helpers.") for alias in statement.names]
    if not isinstance(statement, ast.ImportFrom):
        return []
    assert not statement.level, f"{importer} imports relatively: write the whole name"
    names = []
    for alias in statement.names:
        full = f"{statement.module}.{alias.name}".removeprefix("helpers.")
        if statement.module == "helpers" and alias.name in helpers._PLACE_OF:
            full = helpers._PLACE_OF[alias.name][0]
        names.append(full if full in MODULES else statement.module.removeprefix("helpers."))
    return names


@pytest.mark.parametrize("name", ROOMS)
def test_arrows_point_to_lower_floors_only(name):
    room = name.split(".")[0]
    for statement in ast.walk(MODULES[name]):
        for other in imported(statement, name):
            assert other.split(".")[0] not in ("training", "tools", "tests", "benchmarks")
            if other not in MODULES:
                continue
            other_room = other.split(".")[0]
            assert (room, other_room) not in FORBIDDEN, f"{name} imports {other}"
            assert other_room == room or floor(other_room) < floor(room), f"{name} imports {other}"


def test_no_module_imports_itself_by_a_detour():
    """Counted are the imports at the top; one within a function waits until it is called."""
    below = {
        name: {each for line in tree.body for each in imported(line, name) if each in MODULES}
        for name, tree in MODULES.items()
    }
    while below:
        free = [name for name, others in below.items() if not others & below.keys()]
        assert free, f"circles of imports among {sorted(below)}"
        for name in free:
            del below[name]


def test_what_a_sweep_gives_back_knows_nothing_of_its_folder():
    """Not within its functions either: the folder knows results, and nothing goes back."""
    names = [n for line in ast.walk(MODULES["sweeps.result"]) for n in imported(line, "result")]
    assert "sweeps.plan" in names and "sweeps.folder" not in names


def test_lessons_import_from_the_face_of_the_package_alone():
    """`from helpers import …`: what is behind it may move."""
    assert len(LESSONS) >= 15
    for path in LESSONS:
        for statement in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(statement, ast.ImportFrom):
                names = [statement.module]
            elif isinstance(statement, ast.Import):
                names = [alias.name for alias in statement.names]
            else:
                continue
            inside = [name for name in names if name.startswith("helpers.")]
            assert not inside, f"{path.name}, line {statement.lineno}: {', '.join(inside)}"


def test_every_room_says_what_it_is():
    for name in ROOMS:
        assert ast.get_docstring(MODULES[name]), f"helpers.{name} has no docstring"
