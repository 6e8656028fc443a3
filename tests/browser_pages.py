"""What the tests of the pages share: whether their tools are there, and a folder of modules."""

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

BROWSER = Path(__file__).resolve().parents[1] / "browser"


def need_browser_tools() -> None:
    """Skip a test module where `make browser-tools` did not run; fail it in CI."""
    if importlib.util.find_spec("onnx") and (BROWSER / "node_modules").is_dir():
        return
    message = "these tests need what `make browser-tools` installs"
    if "CI" in os.environ:
        pytest.fail(message)
    pytest.skip(message, allow_module_level=True)


def write_modules(folder: Path) -> Path:
    """A folder as the site has it, with the modules and their packages, without any model."""
    from tools.browser.chromium import write_blank

    shutil.copytree(BROWSER / "src", folder / "src")
    (folder / "packages").mkdir()
    tokenizers = BROWSER / "node_modules" / "@huggingface" / "tokenizers" / "dist"
    shutil.copy(tokenizers / "tokenizers.min.mjs", folder / "packages")
    write_blank(folder)
    return folder
