"""The model in a browser tab: how long a visitor waits.

    python -m benchmarks.browser

It needs the site's bundle, which `make site` makes. Chromium runs headless on this computer, and so
does the server, so no time goes into a network. Each figure is the median of several fresh visits.
The last thing printed is a table of Markdown.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser

from tools.browser.bundle import embedded_models
from tools.browser.chromium import PageModel, chromium, served
from tools.browser.equality import with_blank
from tools.notebooks.__main__ import ROOT

PROMPT = "a fox in a meadow, flat style"


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.browser", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=ROOT / "site" / "browser")
    parser.add_argument("--visits", type=int, default=3, help="for each figure; default: 3")
    options = parser.parse_args(arguments)
    print("| model | threads | first picture | each further picture | steps |")
    print("| --- | --- | --- | --- | --- |")
    for threads in sorted({1, min(4, os.cpu_count() or 1)}):
        with (
            with_blank(options.bundle) as bundle,
            served(bundle, isolated=threads > 1) as address,
            chromium() as browser,
        ):
            for name, model in embedded_models().items():
                visits = [
                    visit(browser, address, name, model, threads) for _ in range(options.visits)
                ]
                first, further = (statistics.median(times) for times in zip(*visits, strict=True))
                print(
                    f"| {name} | {threads} | {first:.1f} s | {further:.1f} s "
                    f"| {model.num_inference_steps} |",
                    flush=True,
                )
    return 0


def visit(browser: Browser, address: str, name: str, model, threads: int) -> tuple[float, float]:
    """Seconds from an empty browser to the first picture, and for the next one."""
    page = browser.new_page()  # with a store of its own, so everything is fetched
    settings = {
        "prompt": PROMPT, "negative_prompt": "", "seed": 42, "scheduler": "dpm++",
        "num_inference_steps": model.num_inference_steps, "guidance_scale": model.guidance_scale,
    }  # fmt: skip
    begin = time.perf_counter()
    loaded = PageModel(page, address, name, threads=threads)
    if threads > 1 and not page.evaluate("crossOriginIsolated"):
        raise RuntimeError("the page may not use threads, so there is nothing to measure")
    loaded.draw(settings)
    first = time.perf_counter() - begin
    further = loaded.draw(settings).seconds
    page.close()
    return first, further


if __name__ == "__main__":
    sys.exit(main())
