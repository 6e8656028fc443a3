import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import helpers
from helpers.__main__ import OLDEST_PYTHON, main
from helpers.course.doctor import TESTED_PYTHONS
from tools.lock import LINE, closure, declared, pinned

ROOT = Path(__file__).parent.parent


def run_python(code: str) -> str:
    """Run code in a fresh interpreter and return what it printed."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    return done.stdout


def test_import_loads_none_of_the_heavy_libraries():
    heavy = ("torch", "diffusers", "transformers", "gradio", "numpy", "PIL", "pandas", "IPython")
    printed = run_python(f"import sys, helpers; print([m for m in {heavy} if m in sys.modules])")
    assert printed.strip() == "[]"


def test_gradios_forgotten_await_is_not_told_and_others_are():
    printed = run_python("""
import helpers, sys
sys.stderr = sys.stdout  # where warnings go
async def get_current_user(): ...
async def somebody_else(): ...
get_current_user()
somebody_else()
""")
    assert "somebody_else" in printed and "get_current_user' was never" not in printed


def test_the_catalogue_can_be_read_without_torch():
    printed = run_python("import sys, helpers; print(*helpers.MODELS, 'torch' in sys.modules)")
    assert printed.split()[0] == "stickers"
    assert printed.split()[-1] == "False"


@pytest.mark.parametrize("name", helpers.__all__)
def test_public_names_exist_and_explain_themselves(name):
    value = getattr(helpers, name)
    assert name in dir(helpers)
    if callable(value):
        assert value.__doc__


def test_unknown_name():
    with pytest.raises(AttributeError, match="'helpers' has no attribute 'load_pipelin'"):
        helpers.load_pipelin  # noqa: B018


def test_models_command_lists_every_model_with_its_licence(capsys):
    main(["models"])
    printed = capsys.readouterr().out
    for name, model in helpers.MODELS.items():
        assert re.search(rf"^{re.escape(name)}\n.*\n.*{re.escape(model.licence)}", printed, re.M)


def credited_models() -> dict[str, str]:
    """The rows of the table of models in CREDITS.md, by the name of the model."""
    text = (ROOT / "CREDITS.md").read_text(encoding="utf-8")
    table = text.partition("## Models that the course can load")[2].partition("\n## ")[0]
    return {found[1]: found[0] for found in re.finditer(r"^\| `([\w.-]+)` \|.*$", table, re.M)}


def test_credits_name_every_model_that_can_be_loaded():
    assert credited_models().keys() == helpers.MODELS.keys()


@pytest.mark.parametrize("name", helpers.MODELS)
def test_credits_say_source_and_license_of_a_model(name):
    model, row = helpers.MODELS[name], credited_models()[name]
    own = model.lora or model.source  # what a LoRA is put on has a row of its own
    for source in filter(None, (own, *model.fallbacks, model.fp16_vae)):
        if isinstance(source, Path):
            assert f"]({source.relative_to(ROOT).as_posix()}/README.md)" in row
        else:
            assert f"[{source.hub_id}](https://huggingface.co/{source.hub_id})" in row
    assert f"| {model.licence.partition(';')[0]}" in row


def test_supported_versions_of_python_are_the_same_everywhere():
    (oldest, newest) = TESTED_PYTHONS
    first, last = (f"{major}.{minor}" for major, minor in (oldest, newest))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == f">={first}" and oldest == OLDEST_PYTHON
    conda = (ROOT / "environment.yml").read_text(encoding="utf-8")
    assert f"  - python>={first},<{newest[0]}.{newest[1] + 1}  " in conda
    said = f"Python {first} or newer (tested with {first} to {last})"
    reading = sorted((ROOT / "course" / "reading").glob("*.md"))
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *reading):
        text = page.read_text(encoding="utf-8")
        for found in re.finditer(r"Python 3\.\d+", text):
            assert text[found.start() :].startswith(said), f"{page}: {found[0]}"
    assert said in (ROOT / "README.md").read_text(encoding="utf-8")


CONSTRAINTS, COLAB = (
    (ROOT / file).read_text(encoding="utf-8")
    for file in ("constraints.txt", "tests/colab/constraints.txt")
)


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def test_all_that_the_course_needs_has_one_tested_version():
    """Also what its libraries bring along; `make lock` and `make lock-colab` write those."""
    for_colab = f"\ndiffusers=={importlib.metadata.version('diffusers')}\n" in COLAB
    assert closure(declared()).keys() <= pinned(COLAB if for_colab else CONSTRAINTS)


def test_the_locks_name_what_the_course_declares_and_each_library_once():
    assert names(declared()) <= pinned(CONSTRAINTS.partition(LINE)[0])
    assert names(declared(["test"])) <= pinned(COLAB)
    for text in (CONSTRAINTS, COLAB):
        assert text.count("==") == len(pinned(text)) and text.count(LINE) == 1


@pytest.mark.parametrize(
    "folder, extras",
    [
        ("helpers", []),
        ("training", ["train"]),
        ("benchmarks", ["test"]),
        ("tools", None),
        ("tests", None),
    ],
)
def test_everything_that_is_imported_is_declared(folder, extras):
    """A library that only comes along with another one may stop doing so.

    Those of the training and of the site need not be installed here; they are imported by the name
    that they are installed by.
    """
    known = names(declared(extras))
    origins = importlib.metadata.packages_distributions()
    for name, file in imported_packages(ROOT / folder):
        declared_by = {canonicalize_name(origin) for origin in origins.get(name, [name])}
        assert declared_by & known, f"{file} imports {name}, which pyproject.toml does not name"


def imported_packages(folder: Path) -> set[tuple[str, str]]:
    """The libraries that the modules in a folder import, each with one of these modules."""
    own = {"helpers", "training", "tools", "tests", "benchmarks", *sys.stdlib_module_names}
    found = {}
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            found |= {name.partition(".")[0]: file.name for name in names}
    return {(name, file) for name, file in found.items() if name not in own}


def test_conda_brings_every_dependency():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["lab"], *extras["test"]]
    text = (ROOT / "environment.yml").read_text(encoding="utf-8")
    listed = set(re.findall(r"^ +- ([\w-]+)", text, flags=re.MULTILINE))
    conda_name = {"torch": "pytorch"}
    names = {re.match(r"[\w-]+", line)[0] for line in wanted}
    assert {conda_name.get(name, name) for name in names} <= listed
    from_pip = text.partition("- pip:\n")[2]
    assert "ipyplot" in from_pip and "-e .[lab,test]" in from_pip
