"""The pictures of the apps in lessons 10 and 11, for readers who have no browser tab at hand.

    python -m tools.app_pictures

It runs the cells of lesson 10's solution. As soon as one of its apps is served, it opens it in a
headless Chromium (one that is installed, or Playwright's own), presses the button, and photographs
the page. Then the course's own app. Run it again when an app or the weights have changed.
"""

import io
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect

from helpers.base.files import write_whole
from tools.browser.chromium import chromium
from tools.notebooks.rules import check_call
from tools.notebooks.scripts import read_lesson

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "course" / "pictures"
LESSON = ROOT / "course" / "lessons" / "10_app.py"
WAIT = 300_000  # milliseconds; a slow computer draws four pictures in that time
SERVED = "img[src*='/file=']"  # the pictures that an app's server hands out


def use_interface(page: Page) -> None:
    """Draw one picture on the page of six lines."""
    prompt = "a 3d sticker of a fox on a teal background"
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator(SERVED)).to_have_count(1, timeout=WAIT)


def use_studio(page: Page) -> None:
    """Draw four pictures, beside the example that is there."""
    page.get_by_role("button", name="Run").click()
    expect(page.locator(SERVED)).to_have_count(5, timeout=WAIT)


def draw_and_rate(page: Page) -> None:
    """Draw four pictures with the course's own app, rate one, and wait for the receipt."""
    page.locator("#generate-seed").locator("input, textarea").fill("42")
    page.locator("#draw").click()
    expect(page.locator("#generate-pictures img")).to_have_count(4, timeout=WAIT)
    page.get_by_role("tab", name="Rate", exact=True).click()
    expect(page.locator("#rate-pictures img")).to_have_count(4, timeout=WAIT)
    page.locator("#rate-vote input").first.check()
    page.locator("#rate-consent input").nth(1).check()


# The lesson's name for an app: the picture's file, the height of the window, what to do there.
SHOTS = {
    "six_lines": ("10_interface.png", 560, use_interface),
    "studio": ("10_studio.png", 1000, use_studio),
}


def main(folder: Path = PICTURES) -> list[Path]:
    """Photograph the apps of lesson 10 and the course's own; return the paths."""
    with chromium() as browser:
        return [*lesson_apps(browser, folder), course_app(browser, folder)]


def lesson_apps(browser: Browser, folder: Path) -> list[Path]:
    """Run the lesson, and photograph every app of `SHOTS` as soon as it is served."""
    names: dict[str, object] = {"__name__": "__main__"}
    written: dict[str, Path] = {}
    for cell in read_lesson(LESSON).cells:
        if cell.kind != "code" or check_call(cell) or len(written) == len(SHOTS):
            continue
        exec(compile(cell.source("complete"), str(LESSON), "exec"), names)
        for name, (file, height, use) in SHOTS.items():
            app = names.get(name)
            if name not in written and getattr(app, "is_running", False):
                written[name] = photograph(browser, app.local_url, height, use, folder / file)
    return list(written.values())


def course_app(browser: Browser, folder: Path) -> Path:
    """Photograph the Rate page of the course's own app, with an empty store of ratings."""
    from helpers import load_pipeline
    from helpers.app.queue import Engine
    from helpers.app.server import AppServer
    from helpers.app.studio import Studio
    from helpers.feedback.store import Feedback

    with tempfile.TemporaryDirectory() as store:
        engine = Engine({"stickers": load_pipeline("stickers")}).start()
        studio = Studio(engine, Feedback(Path(store) / "ratings.sqlite"))
        try:
            with AppServer(studio) as app:
                file = folder / "11_rate.png"
                return photograph(browser, app.url, 900, draw_and_rate, file)
        finally:
            studio.close()


def photograph(
    browser: Browser, address: str, height: int, use: Callable[[Page], None], path: Path
) -> Path:
    """Open a page, use it, and write what the whole page looks like."""
    page = browser.new_page(viewport={"width": 1100, "height": height}, color_scheme="light")
    page.goto(address)
    use(page)
    page.wait_for_timeout(1000)  # the pictures are there; let them be painted
    with Image.open(io.BytesIO(page.screenshot(full_page=True))) as shot:
        pixels = shot.convert("RGB")
    page.close()
    return write_whole(path, partial(pixels.save, format="PNG", optimize=True))


if __name__ == "__main__":
    print(*main(), sep="\n")
