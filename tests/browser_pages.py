"""A folder served on this computer, and JavaScript modules called in Chromium from Python."""

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tools.browser.bundle import BROWSER, check_packages

Answer = Callable[[SimpleHTTPRequestHandler], bool]


class Handler(SimpleHTTPRequestHandler):
    """What `python -m http.server` answers, without a word on the terminal.

    `answer_instead` may answer a request itself and return True.
    """

    def __init__(self, *args, answer_instead: Answer | None = None, **kwargs) -> None:
        self.answer_instead = answer_instead
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        if self.answer_instead is None or not self.answer_instead(self):
            super().do_GET()

    def log_message(self, *args) -> None:
        pass


@contextmanager
def served_folder(folder: Path, answer_instead: Answer | None = None) -> Iterator[str]:
    """The address of `folder` while it is served on a free port."""
    handler = functools.partial(Handler, directory=folder, answer_instead=answer_instead)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def need_packages(ci: bool) -> None:
    """Skip the test where the packages of `browser/` are not installed; fail where `ci`."""
    try:
        check_packages()
    except FileNotFoundError as error:
        pytest.fail(str(error)) if ci else pytest.skip(str(error))


def write_modules(folder: Path) -> Path:
    """A folder as the site has it, with the modules and their packages, without any model."""
    import shutil

    shutil.copytree(BROWSER / "src", folder / "src")
    (folder / "packages").mkdir()
    tokenizers = BROWSER / "node_modules" / "@huggingface" / "tokenizers" / "dist"
    shutil.copy(tokenizers / "tokenizers.min.mjs", folder / "packages")
    (folder / "blank.html").write_text("<!doctype html><title>Test</title>", encoding="utf-8")
    return folder


def call(page, module: str, body: str, value=None):
    """What `body` returns, with a module's exports in `m` and `value` in `value`."""
    script = f"async (value) => {{ const m = await import('/src/{module}'); {body} }}"
    return page.evaluate(script, value)
