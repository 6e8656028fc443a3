import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import helpers
from helpers.__main__ import main

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


def test_every_dependency_has_one_tested_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *extras["lab"], *extras["test"], *extras["train"]]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {line.split("==")[0].replace("_", "-") for line in lines if "==" in line}
    assert {re.match(r"[\w-]+", line)[0].replace("_", "-") for line in wanted} <= pinned


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
