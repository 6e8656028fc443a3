"""The face restorer: its training on pairs of degraded pictures and ground truth, and its card."""

import json
import random
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from PIL import Image

from helpers.base.files import write_whole
from helpers.faces.quality import psnr, ssim
from helpers.faces.restorer import FACTORS, Restorer, RestorerNetwork, interpolated
from helpers.vocabulary import SKIN_TONES
from training.card import end_of, last_rows, made_on, table
from training.data import SIZE, Batches, Portrait, Prefetch
from training.evaluate import HEAD, median_seconds
from training.export import replaced
from training.loop import Loop
from training.pairs import Pair, Pairs, as_jpeg, ground_truth, shrunk, with_noise
from training.pixels import batch_psnr, to_pixels
from training.presets import Machine, RestorerSettings

DRAWN_NOISE = 0.15  # on the latents, for "drawn" in the card
HARM_SIDE = 8  # pixels
HARM_FLOOR = 4e-5  # squared, of pixels from -1 to 1: 50 dB
EXAMPLE_SIZE = 256  # pixels a side of the example portraits that ship beside the weights


# ------------------------------------------------------------------------------- training
@torch.no_grad()
def through_vae(
    vae: AutoencoderKL, pixels: torch.Tensor, noise: torch.Tensor, deviations: torch.Tensor
) -> torch.Tensor:
    """Pictures (n, 3, height, width) as the autoencoder gives them back.

    `noise`, (n, 4, height / 8, width / 8), times `deviations`, (n,), is added to the latents,
    because those that a denoiser makes are never quite those of a real picture.
    """
    latents = vae.encode(pixels).latent_dist.mean
    shift = noise * deviations[:, None, None, None] / vae.config.scaling_factor
    return vae.decode(latents + shift).sample.clamp(-1, 1)


def train_restorer(
    name: str,
    settings: RestorerSettings,
    vae: AutoencoderKL,
    folder: Path,
    machine: Machine,
    before: Path | None = None,
) -> Loop:
    """Trains to the end of the settings' steps; the loop's model holds the averaged weights.

    `before` is the folder of a restorer to go on from.
    """
    torch.manual_seed(settings.seed)
    network = RestorerNetwork(settings.channels, settings.looks)
    if before:
        network.load_state_dict(Restorer.from_pretrained(before).network.state_dict())
    network.to(machine.device, memory_format=torch.channels_last)
    vae.to(machine.device, memory_format=torch.channels_last).requires_grad_(False)
    pairs = Pairs(settings.seed, portrait_share=settings.portrait_share)
    samples_of = Prefetch(Batches(pairs, settings.batch_size), machine.workers)

    def loss_of(step: int):
        generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
        degraded, target, deviations = batch_of(samples_of(step), settings.crop, generator)
        drawn = [i for i, deviation in enumerate(deviations) if deviation is not None]
        degraded, target = (
            pixels.to(machine.device).contiguous(memory_format=torch.channels_last)
            for pixels in (degraded, target)
        )
        if drawn:
            side = degraded.shape[-1] // 8
            noise = torch.randn((len(drawn), 4, side, side), generator=generator)
            shares = torch.tensor([deviations[i] for i in drawn])
            degraded[drawn] = through_vae(
                vae, degraded[drawn], noise.to(machine.device), shares.to(machine.device)
            ).to(degraded.dtype)
        factor = target.shape[-1] // degraded.shape[-1]
        restored, plain = network(degraded, factor), interpolated(degraded, factor)
        reached = batch_psnr(restored, target)
        figures = {"psnr": reached, "gain": reached - batch_psnr(plain, target)}
        worse = harm(restored, plain, target)
        return F.mse_loss(restored, target) + settings.harm_weight * worse, figures

    more = {"weight_decay": 0.0, "report_every": 100}
    return Loop.of(name, network, loss_of, folder, machine, settings, **more).finish()


def batch_of(pairs: list[Pair], crop: int, generator: torch.Generator):
    """Degraded and target pixels, and the latent noise of each.

    Two parts of `crop` pixels a side, as the restorer gets them, are cut from each picture that is
    larger: they cost less, and edges are learned as well from parts.
    """
    degraded, target = (
        to_pixels([getattr(pair, name) for pair in pairs]) for name in ("degraded", "ground_truth")
    )
    noise = [pair.latent_noise for pair in pairs]
    side, factor = degraded.shape[-1], target.shape[-1] // degraded.shape[-1]
    if crop >= side:
        return degraded, target, noise
    small, large = [], []
    for one, other in zip(degraded.repeat(2, 1, 1, 1), target.repeat(2, 1, 1, 1), strict=True):
        y, x = torch.randint(0, side - crop + 1, (2,), generator=generator).tolist()
        small.append(one[:, y : y + crop, x : x + crop])
        end_y, end_x = (factor * (place + crop) for place in (y, x))
        large.append(other[:, factor * y : end_y, factor * x : end_x])
    return torch.stack(small), torch.stack(large), noise * 2


def harm(restored: torch.Tensor, plain: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """How many dB further from the target than plain interpolation the picture is, where it is.

    Errors are compared in squares of HARM_SIDE pixels: a repair may be wrong in a pixel, but not
    in what surrounds it. An error below HARM_FLOOR counts as none.
    """
    errors = [
        F.avg_pool2d((one - target).square().mean(1, keepdim=True), HARM_SIDE, HARM_SIDE // 2)
        for one in (restored, plain)
    ]
    worse = (errors[0] + HARM_FLOOR).log10() - (errors[1] + HARM_FLOOR).log10()
    return 10 * F.relu(worse).mean()


# ------------------------------------------------------------------------------- figures
def untouched(picture: Image.Image, draw: random.Random) -> Image.Image:
    return picture


def thumbnail(picture: Image.Image, draw: random.Random) -> Image.Image:
    """Half as wide, a little noise, JPEG of quality 60, and enlarged again."""
    small = as_jpeg(with_noise(shrunk(picture, 2, draw), 4, draw), 60)
    return small.resize(picture.size, Image.BICUBIC)


DEGRADING_WAYS = ("thumbnail", "drawn")


class Degradation:
    """Degrades a picture for a restorer that will enlarge it by `factor`.

    `way` is one of DEGRADING_WAYS, or "untouched".
    """

    def __init__(self, vae: AutoencoderKL) -> None:
        self.vae = vae

    def __call__(self, picture: Image.Image, factor: int, way: str, seed: int) -> Image.Image:
        draw = random.Random(f"{seed}/{way}")
        if factor > 1:
            side = picture.width // factor
            picture = picture.resize((side, side), Image.BICUBIC)
        if way == "drawn":
            return self.drawn(picture, seed)
        return {"untouched": untouched, "thumbnail": thumbnail}[way](picture, draw)

    def drawn(self, picture: Image.Image, seed: int) -> Image.Image:
        """As a sticker model draws: through the autoencoder, with a little noise on the latents."""
        pixels = to_pixels([np.asarray(picture)])
        side = picture.width // 8
        noise = torch.randn((1, 4, side, side), generator=torch.Generator().manual_seed(seed))
        restored = through_vae(self.vae, pixels, noise, torch.tensor([DRAWN_NOISE]))[0]
        levels = ((restored + 1) * 127.5).round().to(torch.uint8)
        return Image.fromarray(levels.permute(1, 2, 0).numpy())


def enlarged(picture: Image.Image, factor: int, filter: Image.Resampling) -> Image.Image:
    return picture.resize((picture.width * factor, picture.height * factor), filter)


def candidates(restorer: Restorer, degraded: Image.Image, factor: int) -> dict[str, Image.Image]:
    """What is compared with the ground truth; "input" repeats its pixels."""
    return {
        "input": enlarged(degraded, factor, Image.NEAREST),
        "bicubic": enlarged(degraded, factor, Image.BICUBIC),
        "Lanczos": enlarged(degraded, factor, Image.LANCZOS),
        "restorer": restorer.improve(degraded, factor),
    }


def mean(rows: list[dict[str, float]], digits: int) -> dict[str, float]:
    return {name: round(float(np.mean([row[name] for row in rows])), digits) for name in rows[0]}


def measured(restorer: Restorer, cases) -> dict[str, dict[str, float]]:
    """Mean PSNR in dB and SSIM of each candidate over (degraded, target, factor, rows) cases.

    `rows` are those of the target that count: a slice of a 128-pixel picture.
    """
    found: dict[str, list] = {"psnr": [], "ssim": []}
    for degraded, target, factor, (top, bottom) in cases:
        box = (0, target.height * top // SIZE, target.width, target.height * bottom // SIZE)
        shown = {
            name: picture.crop(box)
            for name, picture in candidates(restorer, degraded, factor).items()
        }
        goal = target.crop(box)
        # A picture that is not degraded has an infinite PSNR; 60 dB is beyond what anybody sees.
        found["psnr"].append({name: min(60.0, psnr(one, goal)) for name, one in shown.items()})
        found["ssim"].append({name: ssim(one, goal) for name, one in shown.items()})
    return {"psnr": mean(found["psnr"], 2), "ssim": mean(found["ssim"], 3)}


def held_out(kind: str, count: int, seed: int, tone: str | None = None) -> list:
    """`count` portraits (of one skin tone) or stickers that training never sees."""
    pairs = Pairs(seed, held_out=True, portrait_share=1.0 if kind == "portraits" else 0.0)
    draw = random.Random(f"{seed}/{kind}/{tone}")
    found: list = []
    while len(found) < count:
        about = pairs.about(draw)
        if tone is None or about.skin == tone:
            found.append(about)
    return found


def cases(
    abouts: list,
    degrade: Degradation,
    scale: int,
    factor: int,
    way: str,
    seed: int,
    rows: tuple[int, int] = (0, SIZE),
):
    for i, about in enumerate(abouts):
        target = ground_truth(about, random.Random(f"{seed}/{i}"), scale)
        yield degrade(target, factor, way, seed + i), target, factor, rows


def share_made_worse(restorer: Restorer, degrade: Degradation, abouts: list, seed: int) -> float:
    """Percent of degraded stickers that come out more than 0.1 dB further from the target."""
    worse = []
    for way in DEGRADING_WAYS:
        for degraded, target, factor, _ in cases(abouts, degrade, 1, 1, way, seed):
            gain = psnr(restorer.improve(degraded, factor), target) - psnr(degraded, target)
            worse.append(gain < -0.1)
    return round(100 * float(np.mean(worse)), 1)


def restorer_figures(restorer: Restorer, vae: AutoencoderKL, pictures: int, seed: int = 9_000):
    """Every figure of the card, on faces and stickers that training never sees."""
    degrade = Degradation(vae)
    portraits, stickers = (held_out(kind, pictures, seed) for kind in ("portraits", "stickers"))

    def measure(abouts: list, scale: int, factor: int, way: str, rows=(0, SIZE)) -> dict:
        return measured(restorer, cases(abouts, degrade, scale, factor, way, seed, rows))

    return {
        "portraits": {
            f"{way}, factor {factor}": measure(portraits, factor, factor, way)
            for way in (*DEGRADING_WAYS, "untouched")
            for factor in FACTORS
        },
        "faces": {
            tone: measure(held_out("portraits", pictures, seed, tone), 2, 2, "drawn", HEAD)
            for tone in SKIN_TONES
        },
        "stickers": {
            f"{way}, factor {factor}": measure(stickers, 1, factor, way)
            for way in ("untouched", *DEGRADING_WAYS)
            for factor in (1, 2)
        },
        "made worse": share_made_worse(restorer, degrade, stickers, seed),
        "seconds": seconds_a_picture(restorer, held_out("portraits", 1, seed)[0]),
    }


def seconds_a_picture(restorer: Restorer, about: Portrait) -> dict[str, float]:
    """Median over five rounds, for 128 x 128 pixels."""
    picture = ground_truth(about, random.Random(0), 1)
    return {
        f"factor {factor}": round(median_seconds(partial(restorer.improve, picture, factor), 5), 3)
        for factor in FACTORS
    }


# ------------------------------------------------------------------------------- export
def example(tone: str, seed: int = 9_500) -> Image.Image:
    """A clean portrait that training never sees, EXAMPLE_SIZE pixels a side."""
    about = held_out("portraits", 1, seed, tone)[0]
    return ground_truth(about, random.Random(f"{seed}/{tone}"), EXAMPLE_SIZE // SIZE)


def export_restorer(restorer: Restorer, folder: Path) -> None:
    """The weights, and beside them an example portrait of each skin tone."""

    def write(part: Path) -> None:
        restorer.save_pretrained(part)
        (part / "examples").mkdir()
        for tone in SKIN_TONES:
            example(tone).save(part / "examples" / f"{tone}.png", optimize=True)

    replaced(folder, write)


def evaluate_restorer(
    vae: AutoencoderKL, folder: Path, preset: str, settings: RestorerSettings, logs: Path
) -> None:
    """Measures the exported restorer; writes figures.json and the card README.md from it."""
    restorer = Restorer.from_pretrained(folder)
    figures = {
        **made_on(preset),
        "settings": asdict(settings),
        "runs": last_rows(logs, "restorer-"),
        "size": (folder / "model.safetensors").stat().st_size,
        "parameters": sum(value.numel() for value in restorer.network.parameters()),
        **restorer_figures(restorer, vae.cpu(), settings.evaluation_pictures),
    }
    write_whole(folder / "figures.json", json.dumps(figures, indent=2) + "\n")
    write_card(folder)


# ------------------------------------------------------------------------------- the card
HEADER = """\
---
license: mit
pipeline_tag: image-to-image
---

# Stickers, faces: a small face restorer

It takes a degraded portrait of the sticker family and gives it back clean, at 1, 2, 3 or 4 times
the size. `helpers.faces.restorer.Restorer.from_pretrained().improve(image, factor)` runs it; the
class's face service (`python -m helpers faces`) does the same for others.

## Data and licences
Portraits are composed by `training/data.py` and `training/pairs.py` from parts of "Personas" by
Draftbit (CC BY 4.0, changed: features enlarged, highlights flattened, eyebrows, a straight mouth
and three hair shapes added), rendered at up to four times the size of the sticker pictures;
stickers from Fluent emoji (MIT), Noto emoji (Apache-2.0) and Twemoji (CC-BY 4.0). Credits:
CREDITS.md. The code and the weights are MIT; the example portraits are CC BY 4.0, as Personas.

Each picture is degraded on purpose: shrunk with one of four filters; then either passed through
the sticker models' autoencoder with noise on the latents ("drawn"), or blurred, shrunk, made
noisy and saved as JPEG ("thumbnail" below is one such way), or left alone. Three in ten show
stickers, and one in five has words on it. One face in ten (by hair, its colour, expression, eyewear
and skin) and one sticker in ten are held out.

A picture should not come out worse than it went in, faces or no faces. So the network learns two
things: a change, and a gate that lets the change through where it is likely to help. In training,
each dB by which a square of 8 pixels became worse than plain interpolation costs extra. Where the
gate is closed, factor 1 gives back the very pixels that came in.

What "factor 4" means here: for faces the ground truth has real detail at four times the size,
drawn from vector graphics, and the network learns what such faces look like. The detail that it
adds is likely, not known. Backgrounds and stickers have no larger ground truth; there it
interpolates.
"""

LIMITS = """\
## Limits
- It makes plausible faces, not true ones. From a few pixels it may put a smile where there was
  none. Never use it to find out who is in a picture.
- It knows cartoon faces of one design only. A photograph comes out a little smoother, and its
  faces are not repaired.
- Four skin tones and nine kinds of hair are a toy world; the table gives the figures by tone.
"""


def both_tables(rows: dict[str, dict]) -> str:
    """PSNR and SSIM of the rows, each as a table."""
    psnrs, ssims = (
        table({name: row[measure] for name, row in rows.items()}) for measure in ("psnr", "ssim")
    )
    return f"PSNR in dB:\n\n{psnrs}\n\nSSIM:\n\n{ssims}"


def write_card(folder: Path) -> None:
    """README.md of the restorer's folder, from its figures.json."""
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    settings, seconds = figures["settings"], figures["seconds"]
    runs = {
        name: end_of(last) | {"PSNR at the end": last["psnr"], "PSNR over bicubic": last["gain"]}
        for name, last in figures["runs"].items()
    }
    seconds = ", ".join(f"{name} {value:g} s" for name, value in seconds.items())
    write_whole(
        folder / "README.md",
        f"""{HEADER}
## Training
`python -m training restorer`, then `--run 2` and so on, with the preset `{figures["preset"]}`,
on {figures["hardware"]}; {settings["batch_size"]} pictures a step. The network has
{figures["parameters"] / 1e6:.2g} million parameters, {figures["size"] / 2**20:.2g} MiB in half
precision.

{table(runs)}

## Figures
Written by `python -m training restorer`; torch {figures["torch"]}. Each line is the mean of
{settings["evaluation_pictures"]} pictures that training never saw. "Input" repeats the pixels of
what came in; at factor 1 the three are the same. Equal pictures, whose PSNR is infinite, count as
60 dB.

### Portraits
{both_tables(figures["portraits"])}

### The face alone, by skin tone
Rows {HEAD[0]} to {HEAD[1]} of 128, "drawn", factor 2.

{both_tables(figures["faces"])}

### No faces: stickers
The ground truth is 128 pixels wide; factor 2 begins with 64. "Untouched" at factor 1 comes in
perfect.

{both_tables(figures["stickers"])}

Of the degraded stickers at factor 1, {figures["made worse"]:g} percent came out more than 0.1 dB
worse than they went in.

### Time
One picture of 128 x 128 pixels on that machine: {seconds}.

{LIMITS}""",
    )
