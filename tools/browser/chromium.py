"""A model of a bundle, called in a headless Chromium from Python.

with served(folder) as address, chromium() as browser:
    model = PageModel(browser.new_page(), address, "stickers")
    pixels = model.draw({"prompt": "a fox", ...}).pixels
"""

import base64
import functools
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy
import torch
from playwright.sync_api import Browser, Page, sync_playwright

Answer = Callable[[SimpleHTTPRequestHandler], bool]

ISOLATION = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
"""What a server says of a page that may use threads."""


class _Handler(SimpleHTTPRequestHandler):
    """What `python -m http.server` answers, without a word on the terminal."""

    def __init__(self, *args, answer: Answer | None, isolated: bool, **kwargs) -> None:
        self.answer, self.isolated = answer, isolated
        super().__init__(*args, **kwargs)

    def do_GET(self) -> None:
        if self.answer is None or not self.answer(self):
            super().do_GET()

    def end_headers(self) -> None:
        for name, value in ISOLATION.items() if self.isolated else ():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *args) -> None:
        pass


@contextmanager
def served(folder: Path, answer: Answer | None = None, isolated: bool = False) -> Iterator[str]:
    """The address of `folder` while it is served on a free port of this computer.

    Args:
        folder: What to serve, with an empty page `blank.html` if a `PageModel` is to run there.
        answer: May answer a request itself, and then returns True.
        isolated: Whether the headers are sent that let a page use threads.
    """
    handler = functools.partial(_Handler, directory=folder, answer=answer, isolated=isolated)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def chromium(*arguments: str) -> Iterator[Browser]:
    """A headless Chromium: the computer's own, or Playwright's."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"),
            args=["--no-sandbox", *arguments],  # which does not work for root in a container
        )
        yield browser
        browser.close()


def call(page: Page, module: str, body: str, value=None):
    """What JavaScript returns that finds the exports of a module in `m` and `value` in `value`."""
    script = f"async (value) => {{ const m = await import('/src/{module}'); {body} }}"
    return page.evaluate(script, value)


# Numbers travel as the bytes of float32, in text: Playwright takes seconds for long lists.
_PACKED = """
const packed = (numbers) => {
  const bytes = new Uint8Array(Float32Array.from(numbers).buffer);
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
};
"""

_LOAD = """
window.painter = new m.Painter(new URL("/", location));
await window.painter.load(value, () => {});
"""


@dataclass(frozen=True)
class Drawn:
    """A picture that a page drew.

    Attributes:
        pixels: (height, width, 4), whole numbers from 0 to 255.
        attention: (tokens, height, width), the mean of all steps.
        words: The words of the prompt, each with the places of its tokens.
        seconds: What it took, from the prompt to the picture.
    """

    pixels: numpy.ndarray
    attention: torch.Tensor
    words: list[dict[str, object]]
    seconds: float


class PageModel:
    """A model that is loaded in a page; its methods compute there."""

    def __init__(
        self, page: Page, address: str, model: str, provider: str = "wasm", threads: int = 1
    ) -> None:
        self.page = page
        page.goto(f"{address}blank.html")
        call(page, "painter.js", _LOAD, {"model": model, "provider": provider, "threads": threads})

    def read(self, prompt: str) -> torch.Tensor:
        """The text encoder's states, (1, tokens, width)."""
        numbers, shape = self._call(
            "const [s, shape] = await model.read(value); return [packed(s), [...shape]];", prompt
        )
        return _unpacked(numbers).reshape(shape)

    def predict(self, latents: torch.Tensor, timestep: float, prompt: str) -> torch.Tensor:
        """The U-Net's prediction, of the shape of `latents`."""
        numbers = self._call(
            "const latents = Float32Array.from(value.latents);"
            "const states = await model.read(value.prompt);"
            "const { prediction } = await model.predict(latents, value.timestep, states, 1);"
            "return packed(prediction);",
            {"latents": latents.flatten().tolist(), "timestep": timestep, "prompt": prompt},
        )
        return _unpacked(numbers).reshape(latents.shape)

    def decode(self, latents: torch.Tensor) -> numpy.ndarray:
        """The picture of latents, (height, width, 4)."""
        numbers, width, height = self._call(
            "const p = await model.decode(Float32Array.from(value));"
            "return [packed(p.rgba), p.width, p.height];",
            latents.flatten().tolist(),
        )
        return _pixels(numbers, width, height)

    def draw(self, settings: dict[str, object], latents: torch.Tensor | None = None) -> Drawn:
        """A picture, from `latents` or from the noise of the seed in `settings`."""
        value = {"preview_every": settings["num_inference_steps"], **settings}
        if latents is not None:
            value["latents"] = latents.flatten().tolist()
        rgba, width, height, attention, shape, words, seconds = self._call(
            "if (value.latents) value.latents = Float32Array.from(value.latents);"
            "const drawn = await window.painter.draw(value, () => {}, 1);"
            "const { picture, attention, read, seconds } = drawn;"
            "return [packed(picture.rgba), picture.width, picture.height,"
            " packed(attention.values), [...attention.dims], read.words, seconds];",
            value,
        )
        maps = _unpacked(attention).reshape(shape[1:])
        return Drawn(_pixels(rgba, width, height), maps, words, seconds)

    def _call(self, body: str, value):
        return call(
            self.page, "painter.js", f"{_PACKED} const {{ model }} = window.painter; {body}", value
        )


def write_blank(folder: Path) -> None:
    """The empty page from which modules are called."""
    (folder / "blank.html").write_text("<!doctype html><title>Blank</title>", encoding="utf-8")


def levels_apart(pixels: numpy.ndarray, image) -> int:
    """The largest difference between a page's picture and a PIL image, of 256 levels."""
    return int(abs(pixels - numpy.asarray(image.convert("RGBA")).astype(int)).max())


def _unpacked(text: str) -> torch.Tensor:
    return torch.from_numpy(numpy.frombuffer(base64.b64decode(text), numpy.float32).copy())


def _pixels(numbers: str, width: int, height: int) -> numpy.ndarray:
    return _unpacked(numbers).reshape(height, width, 4).numpy().astype(int)
