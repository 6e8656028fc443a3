"""Compare what a browser computes with what PyTorch computes, for every model that ships.

    python -m tools.browser.equality            the bundle in site/browser, or one made for this
    python -m tools.browser.equality --webgpu   on the graphics processor, where there is one

The last thing printed is a table of Markdown. The exit status is 1 if something differs by more
than it may: a part by 0.0001, a picture by 2 of 256 levels.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from helpers import MODELS, load_pipeline, seeded_latents
from helpers.sampling.schedulers import build_scheduler, scheduler_name
from tools.browser.bundle import embedded_models, write_bundle
from tools.browser.card import SCHEDULERS
from tools.browser.chromium import PageModel, chromium, levels_apart, served, write_blank
from tools.notebooks.__main__ import ROOT

PROMPT = "a 3d sticker of a rocket under the night sky"
NEGATIVE = "a green background"
SEED = 42
TIMESTEPS = (1, 250, 500, 750, 999)
PART_TOLERANCE = 1e-4
LEVELS = 2
GRAPHICS = (
    "--enable-unsafe-webgpu",
    "--enable-features=Vulkan",
    "--use-webgpu-adapter=swiftshader",
)

Row = tuple[str, str, float, float]  # model, what is compared, the largest difference, the limit


def main(arguments: list[str] | None = None) -> int:
    """Compare and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.browser.equality", description=__doc__)
    parser.add_argument("--bundle", type=Path, default=ROOT / "site" / "browser")
    parser.add_argument("--steps", type=int, default=25, help="of the pictures; default: 25")
    parser.add_argument("--webgpu", action="store_true", help="compute on the graphics processor")
    options = parser.parse_args(arguments)
    provider, flags = ("webgpu", GRAPHICS) if options.webgpu else ("wasm", ())
    rows: list[Row] = []
    with with_blank(options.bundle) as bundle, served(bundle) as address:
        with chromium(*flags) as browser:
            for name in embedded_models():
                page = browser.new_page()
                model = PageModel(page, address, name, provider)
                rows += compared(name, model, options.steps)
                page.close()
    print(table(rows))
    return 1 if any(difference > limit for *_, difference, limit in rows) else 0


@torch.no_grad()
def compared(name: str, model: PageModel, steps: int) -> list[Row]:
    """One row for each part, and one for a picture by each scheduler."""
    pipe = load_pipeline(name, device="cpu")
    latents = seeded_latents(pipe, SEED)
    states = pipe.encode_prompt(PROMPT, "cpu", 1, False)[0]
    predictions = max(
        _apart(model.predict(latents, t, PROMPT), pipe.unet(latents, t, states).sample)
        for t in TIMESTEPS
    )
    pixels = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    decoded = pipe.image_processor.postprocess(pixels)[0]
    rows: list[Row] = [
        (name, "text encoder", _apart(model.read(PROMPT), states), PART_TOLERANCE),
        (name, f"U-Net at {len(TIMESTEPS)} timesteps", predictions, PART_TOLERANCE),
        (name, "VAE decoder, levels", levels_apart(model.decode(latents), decoded), LEVELS),
    ]
    own = scheduler_name(type(pipe.scheduler))
    built = {each: build_scheduler(pipe, each) for each in dict.fromkeys((own, *SCHEDULERS))}
    for scheduler in built:
        settings = {
            "prompt": PROMPT,
            "negative_prompt": NEGATIVE,
            "num_inference_steps": steps,
            "guidance_scale": MODELS[name].guidance_scale,
        }
        drawn = model.draw(settings | {"scheduler": scheduler, "seed": SEED})
        pipe.scheduler = built[scheduler]
        expected = pipe(**settings, generator=torch.Generator().manual_seed(SEED)).images[0]
        levels = levels_apart(drawn.pixels, expected)
        rows.append((name, f"picture of seed {SEED} by {scheduler}, levels", levels, LEVELS))
    return rows


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| model | compared | largest difference | at most |", "| --- | --- | --- | --- |"]
    for name, what, difference, limit in rows:
        lines.append(f"| {name} | {what} | {difference:.2g} | {limit:g} |")
    return "\n".join(lines)


def _apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    return (found - expected).abs().max().item()


@contextmanager
def with_blank(folder: Path) -> Iterator[Path]:
    """A bundle with an empty page: `folder` if there is one, else one that is made for this."""
    with tempfile.TemporaryDirectory(prefix="browser-") as temporary:
        bundle = Path(temporary) / "browser"
        if (folder / "models" / "family.json").exists():
            bundle.mkdir()
            for path in folder.iterdir():
                (bundle / path.name).symlink_to(path.resolve(), target_is_directory=True)
        else:
            write_bundle(bundle)
        write_blank(bundle)
        yield bundle


if __name__ == "__main__":
    sys.exit(main())
