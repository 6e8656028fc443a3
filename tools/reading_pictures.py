"""The pictures of `course/reading/`, drawn by the sticker model.

    python -m tools.reading_pictures

Run it again when the weights have changed (`make notebooks` does). Nothing in the text hangs on one
set of weights: the captions say what is done, not what the fox looks like.
"""

from pathlib import Path

import torch
from diffusers import DDPMScheduler
from PIL import Image

from helpers import image_grid, load_pipeline, save_image, seeded_latents
from helpers.sampling.stages import decode

PICTURES = Path(__file__).resolve().parents[1] / "course" / "pictures"

PROMPT = "a 3d sticker of a fox on a teal background"
SEED = 11
STEPS = 25
GUIDANCE_SCALE = 5.0

NOISE_TIMESTEPS = (0, 100, 250, 500, 750, 999)  # of 0 to 999, as in Stable Diffusion
SHOWN_STEPS = (0, 5, 10, 15, 20, 25)


def main(folder: Path = PICTURES, pipe=None, steps: int = STEPS) -> list[Path]:
    """Draw the three pictures into `folder`; return their paths."""
    pipe = pipe or load_pipeline("stickers")
    path = latents_on_the_way(pipe, steps)
    shown = [min(step, steps) for step in SHOWN_STEPS]
    strips = {
        "reading_forward": forward_strip(pipe, path[-1]),
        "reading_reverse": strip(pipe, [path[step] for step in shown], "after {} steps", shown),
        "reading_latents": latents_and_picture(pipe, path[-1]),
    }
    settings = {
        "prompt": PROMPT,
        "seed": SEED,
        "num_inference_steps": steps,
        "guidance_scale": GUIDANCE_SCALE,
    }
    return [replace(folder / f"{name}.png", image, settings) for name, image in strips.items()]


@torch.no_grad()
def latents_on_the_way(pipe, steps: int) -> list[torch.Tensor]:
    """The latents before the first step and after each, (1, 4, height, width) every one."""
    start = seeded_latents(pipe, SEED)
    path = [start * pipe.scheduler.init_noise_sigma]

    def keep(pipe, step, timestep, tensors):
        path.append(tensors["latents"].clone())
        return tensors

    pipe(
        PROMPT,
        latents=start,
        num_inference_steps=steps,
        guidance_scale=GUIDANCE_SCALE,
        callback_on_step_end=keep,
        output_type="latent",
    )
    return path


@torch.no_grad()
def forward_strip(pipe, clean: torch.Tensor) -> Image.Image:
    """The picture of `clean` latents with more and more noise added to them."""
    noise = seeded_latents(pipe, SEED + 1)
    schedule = DDPMScheduler.from_config(pipe.scheduler.config)  # knows every timestep
    noisy = [clean]
    for timestep in NOISE_TIMESTEPS[1:]:
        noisy.append(schedule.add_noise(clean, noise, torch.tensor([timestep])))
    return strip(pipe, noisy, "t = {}", NOISE_TIMESTEPS)


@torch.no_grad()
def strip(pipe, latents: list[torch.Tensor], label: str, values) -> Image.Image:
    """Decoded latents side by side, labelled with `values`."""
    images = decode(pipe, torch.cat(latents))
    return image_grid(images, rows=1, labels=[label.format(value) for value in values])


@torch.no_grad()
def latents_and_picture(pipe, latents: torch.Tensor) -> Image.Image:
    """The four channels of the latents as grey maps, and the picture that the VAE makes of them."""
    (picture,) = decode(pipe, latents)
    low, high = latents.min(), latents.max()
    greys = ((latents[0] - low) / (high - low) * 255).round().to(torch.uint8).cpu().numpy()
    maps = [
        Image.fromarray(grey).convert("RGB").resize(picture.size, Image.Resampling.NEAREST)
        for grey in greys
    ]
    labels = [*(f"channel {index}" for index in range(len(maps))), "decoded by the VAE"]
    return image_grid([*maps, picture], rows=1, labels=labels)


def replace(path: Path, image: Image.Image, settings: dict[str, object]) -> Path:
    """Write a picture in place of the last one of that name, which `save_image` would keep."""
    return save_image(image, path.with_name(f"new_{path.name}"), settings).replace(path)


if __name__ == "__main__":
    for written in main():
        print(written.name)
