"""Fixtures that several test modules share."""

import gc
import os
import shutil
from pathlib import Path

import psutil
import pytest

GIBIBYTES_A_WORKER = 3
"""A worker with real pipelines and a kernel or a browser beside it takes about 2."""

MOST_WORKERS = 8
"""Each loads the libraries anew, and the longest file takes as long as an eighth of them all."""

COSTLY_FIXTURES = {"address", "browser", "trained"}
"""They serve the app, open a browser or train a model."""


@pytest.hookimpl(optionalhook=True)  # only pytest-xdist asks, and not every environment has it
def pytest_xdist_auto_num_workers() -> int:
    """How many workers `pytest -n auto` starts; PYTEST_XDIST_AUTO_NUM_WORKERS names another."""
    if named := os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS"):
        return int(named)
    fitting = psutil.virtual_memory().available // (GIBIBYTES_A_WORKER * 2**30)
    return max(1, min(os.cpu_count() or 1, fitting, MOST_WORKERS))


@pytest.hookimpl(tryfirst=True)  # before `-m "not slow"` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks solutions and tests with a costly fixture as slow; other slow tests mark themselves."""
    for item in items:
        fixtures = getattr(item, "fixturenames", [])  # a notebook's cells have none
        if item.path.suffix == ".ipynb" or COSTLY_FIXTURES.intersection(fixtures):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Lets the garbage collector pass over what is imported by now.

    It went through the 700,000 objects of the libraries each time, for seconds, and whatever
    loads one model after another has it run often.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def own_uploads(tmp_path_factory):
    """Gradio keeps uploads in one folder for all of a computer's programs; here, one a worker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(tmp_path_factory.mktemp("uploads")))
        yield


@pytest.fixture(scope="session")
def tiny_pipe():
    """A random SD 1.x pipeline of 32 x 32 pixels. Tests share it, so they must not change it."""
    from tests.pipelines import tiny_sd_pipeline

    return tiny_sd_pipeline()


@pytest.fixture
def own_pipe():
    """A pipeline like `tiny_pipe` that the test may damage."""
    from tests.pipelines import tiny_sd_pipeline

    return tiny_sd_pipeline()


@pytest.fixture(scope="session")
def saved_model(tiny_pipe, tmp_path_factory):
    """The folder of `tiny_pipe`, saved. Tests share it, so they must only read it."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    tiny_pipe.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The whole training recipe with the tiny preset, exported; a module may go on with its copy.

    It is trained once for all modules, whichever workers run them.
    """
    from tests.recipes import tiny_recipe, trained_once

    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    root = tmp_path_factory.mktemp("training") / "recipe"
    shutil.copytree(trained_once(shared), root)
    return tiny_recipe(root)


@pytest.fixture(scope="module")
def studio(tiny_pipe, tmp_path_factory):
    """The engine, album and ratings of the course's app, at work with `tiny_pipe`."""
    from tests.app_server import tiny_studio

    with tiny_studio(tiny_pipe, tmp_path_factory.mktemp("class")) as studio:
        yield studio


@pytest.fixture(scope="module")
def address(studio):
    """Where the app of `studio` is served on this computer."""
    from tests.app_server import served

    with served(studio) as server:
        yield f"{server.url}/"


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium: the computer's own, or Playwright's."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        if not path and not os.path.exists(playwright.chromium.executable_path):
            message = "these tests need the browser Chromium"
            pytest.fail(message) if "CI" in os.environ else pytest.skip(message)
        # Without its sandbox, which does not work for root in a container.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def no_network(monkeypatch):
    """Make every attempt to reach another computer fail."""
    import socket

    def refuse(*args, **kwargs):
        raise OSError("the network is blocked in this test")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def hub_cache(tmp_path, monkeypatch, no_network):
    """An empty cache of downloads from the hub, with the hub off; call it to put a folder there.

    `hub_cache("owner/model", folder)` copies the folder in as the newest revision and returns
    the copy.
    """
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)

    def add(hub_id, folder, commit="0123456789abcdef0123456789abcdef01234567"):
        home = cache / f"models--{hub_id.replace('/', '--')}"
        (home / "refs").mkdir(parents=True)
        (home / "refs" / "main").write_text(commit, encoding="utf-8")
        return Path(shutil.copytree(folder, home / "snapshots" / commit))

    return add
