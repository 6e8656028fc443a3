"""The pictures of the apps that lesson 10 builds, for readers who have no browser tab at hand.

    python -m tools.app_pictures

It runs the cells of the lesson's solution. As soon as one of its apps is served, it opens it in a
headless Chromium (Playwright's own, or one that is installed), presses the button, and photographs
the page. Run it again when the lesson's apps or the weights have changed.
"""

import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from tools.notebooks.scripts import read_lesson

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "course" / "pictures"
LESSON = ROOT / "course" / "lessons" / "10_app.py"
WAIT = 300_000  # milliseconds; a slow computer draws four pictures in that time
SERVED = "img[src*='/file=']"  # the pictures that the app's server hands out


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
    expect(page.get_by_text("seed 45")).to_be_visible(timeout=WAIT)


# The lesson's name for an app: the picture's file, the height of the window, what to do there.
SHOTS = {
    "six_lines": ("10_interface.png", 560, use_interface),
    "studio": ("10_studio.png", 1000, use_studio),
}


def main(folder: Path = PICTURES) -> list[Path]:
    """Photograph every app in `SHOTS`; return the paths."""
    names: dict[str, object] = {"__name__": "__main__"}
    written: dict[str, Path] = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        for cell in read_lesson(LESSON).cells:
            if cell.kind != "code" or len(written) == len(SHOTS):
                continue
            exec(compile(cell.source("complete"), str(LESSON), "exec"), names)
            for name, (file, height, use) in SHOTS.items():
                app = names.get(name)
                if name not in written and getattr(app, "is_running", False):
                    written[name] = folder / file
                    photograph(browser, app.local_url, height, use, written[name])
                    app.close()
        browser.close()
    return list(written.values())


def photograph(browser, address: str, height: int, use, path: Path) -> None:
    """Open a page, use it, and write what it looks like, in 256 colours to keep the file small."""
    page = browser.new_page(viewport={"width": 1100, "height": height}, color_scheme="light")
    page.goto(address)
    use(page)
    page.wait_for_timeout(1000)  # the pictures are there; let them be painted
    with Image.open(io.BytesIO(page.screenshot())) as shot:
        shot.convert("RGB").quantize(256).save(path, optimize=True)
    page.close()


if __name__ == "__main__":
    print(*main(), sep="\n")
