"""The checks of lesson 06, inside the pipeline: tokens, noise, velocity, the whole loop."""

from collections.abc import Callable

import torch
from diffusers import DiffusionPipeline

from helpers import seeded_latents
from helpers.course.checks import Wrong, check, describe
from helpers.course.checks.answers import on_copies, require_answer, require_close, require_tensor

# Of a latent. A formula written another way rounds differently, and each step enlarges that a
# little: about 1e-5 in float32. Real slips differ by 1 and more.
LARGEST_DIFFERENCE = 1e-2
HALF_PRECISION_DIFFERENCE = 1e-1
TIMESTEPS = (50, 500, 900)


@check("06.tokens")
def tokens(to_ids: Callable, pipe: DiffusionPipeline) -> str:
    limit = pipe.tokenizer.model_max_length
    short, long = "a fox on a teal background", "a fox, an owl, " * limit
    answer = to_ids(short)
    if isinstance(answer, list):
        raise Wrong('Your function returns a list. `return_tensors="pt"` gives a tensor.')
    _check_ids(answer, limit, f"For the short text {short!r}", 'Add `padding="max_length"`.')
    _check_ids(to_ids(long), limit, "For a very long text", "Add `truncation=True`.")
    for text in (short, long):
        expected = pipe.tokenizer(
            text, padding="max_length", truncation=True, return_tensors="pt"
        ).input_ids
        if not torch.equal(to_ids(text).cpu().long(), expected):
            raise Wrong(
                f"The shape is right, but these are not the ids of {text[:40]!r}. Does your "
                "function use its argument `text`?"
            )
    return f"Every text becomes {limit} ids, as the text encoder wants them."


def _check_ids(ids: object, limit: int, asked: str, remedy: str) -> None:
    require_answer(ids)
    if hasattr(ids, "input_ids"):
        raise Wrong("Your function returns all that the tokenizer gives. The ids are `.input_ids`.")
    if not isinstance(ids, torch.Tensor):
        raise Wrong(f"{asked} your function returns {describe(ids)}, not a tensor of ids.")
    if ids.ndim == 1:
        raise Wrong(
            f"{asked} the ids have one dimension. The networks want a batch, even of one text: "
            f"the shape (1, {limit})."
        )
    if tuple(ids.shape) != (1, limit):
        raise Wrong(f"{asked} the shape is {tuple(ids.shape)}, not (1, {limit}). {remedy}")


NOT_ROOTED = "`alphas_cumprod[timestep]` is a², and you took it for a: its square root is missing."
"""The likeliest slip with the two factors."""

TOOK_A = (
    "s is the square root of 1 - a², and a² is `alphas_cumprod[timestep]` itself. You took 1 - a."
)


@check("06.noisy")
def noisy(add_noise: Callable, pipe: DiffusionPipeline) -> str:
    clean, noise = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    for timestep in TIMESTEPS:
        kept = pipe.scheduler.alphas_cumprod[timestep].cpu()
        a, s = kept.sqrt(), (1 - kept).sqrt()
        slips = {
            "a and s need a square root each: `alphas_cumprod` is a², and s² is what is missing "
            "to 1.": kept * clean + (1 - kept) * noise,
            NOT_ROOTED: kept * clean + (1 - kept**2).sqrt() * noise,
            "a and s have changed places: a belongs to the clean latents, s to the noise.": (
                s * clean + a * noise
            ),
            TOOK_A: a * clean + (1 - a).sqrt() * noise,
            "One of the two roots is missing.": a * clean + (1 - kept) * noise,
        }
        _check_latents(
            on_copies(add_noise, (clean, noise), timestep),
            a * clean + s * noise,
            slips,
            f"At timestep {timestep} these are not a · clean + s · noise. Do a and s belong to "
            "this `timestep`?",
        )
    return "This is forward diffusion, at every timestep."


@check("06.clean")
def clean(clean_from_velocity: Callable, pipe: DiffusionPipeline) -> str:
    generator = torch.Generator().manual_seed(0)
    wanted, noise = torch.randn(2, 1, 4, 8, 8, generator=generator)
    for timestep in TIMESTEPS:
        kept = pipe.scheduler.alphas_cumprod[timestep].cpu()
        a, s = kept.sqrt(), (1 - kept).sqrt()
        noisy, velocity = a * wanted + s * noise, a * noise - s * wanted
        answer = on_copies(clean_from_velocity, (noisy, velocity), timestep)
        slips = {
            NOT_ROOTED: kept * noisy - (1 - kept**2).sqrt() * velocity,
            "One of the two roots is missing: both a and s are square roots.": (
                a * noisy - (1 - kept) * velocity
            ),
            "Check the sign: what the velocity says must be taken away from `noisy`.": (
                a * noisy + s * velocity
            ),
            "a and s need a square root each: `alphas_cumprod` is a², and s² is what is missing "
            "to 1.": kept * noisy - (1 - kept) * velocity,
            TOOK_A: a * noisy - (1 - a).sqrt() * velocity,
            "a and s are swapped and added: that is the noise, not the clean latents.": noise,
            "This is the first line of the table, as if the U-Net had predicted the noise. Take "
            "the line of the velocity.": (noisy - s * velocity) / a,
        }
        _check_latents(
            answer,
            wanted,
            slips,
            f"At timestep {timestep} these are not the clean latents. Compare with the line "
            "*velocity* of the table, and look whether a and s belong to this `timestep`.",
        )
    return "Right at every timestep, and without a division."


def _check_latents(
    answer: object, wanted: torch.Tensor, slips: dict[str, torch.Tensor], otherwise: str
) -> None:
    """`require_close`, for an answer that may be anything."""
    require_tensor(answer, wanted.shape, "latents")
    require_close(answer, wanted, slips, otherwise)


@check("06.loop")
def loop(denoise: Callable, pipe: DiffusionPipeline) -> str:
    prompt, steps, scale = "an owl in the snow, flat style", 6, 4.0
    noise = seeded_latents(pipe, 3)
    expected = pipe(
        prompt,
        latents=noise.clone(),
        num_inference_steps=steps,
        guidance_scale=scale,
        output_type="latent",
    ).images
    with torch.no_grad():  # as in `pipe()`
        answer = denoise(noise.clone(), prompt, steps, scale)
    if not isinstance(answer, torch.Tensor):
        raise Wrong(f"Your function should return latents; it returns {describe(answer)}.")
    if answer.shape[0] == 2 * expected.shape[0]:
        raise Wrong(
            "You get twice as many latents as went in. The batch of two is for the U-Net only: "
            "after the guidance one is left, and `step` gets that one and `latents`."
        )
    if answer.shape != expected.shape:
        raise Wrong(f"The shape is {tuple(answer.shape)}; wanted is {tuple(expected.shape)}.")
    in_full = answer.dtype == torch.float32
    allowed = LARGEST_DIFFERENCE if in_full else HALF_PRECISION_DIFFERENCE
    difference = (answer - expected).abs().max().item()
    if difference <= allowed:
        return f"Your loop and `pipe()` agree in every latent to {allowed:g}."
    if torch.equal(answer, noise * pipe.scheduler.init_noise_sigma):
        raise Wrong(
            "This is still the noise that you began with. Is what `step(...).prev_sample` returns "
            "stored as `latents`?"
        )
    slips = {
        "This is what the loop gives without guidance. Ask for both texts, and guide.": 1.0,
        "It runs away from the prompt: the halves are swapped. In `texts` the unconditional input "
        "comes first.": 1 - scale,
    }
    for message, other_scale in slips.items():
        other = _denoised(pipe, noise, prompt, steps, other_scale)
        if (answer - other).abs().max().item() <= allowed * other.abs().max().item():
            raise Wrong(message)
    raise Wrong(
        f"Your latents differ from those of `pipe()` by up to {difference:.2g}. Go through the "
        "four points again: the batch of two, the order of the halves, guidance with the "
        "function's own `guidance_scale`, and `step` with `latents`."
    )


def _denoised(
    pipe: DiffusionPipeline, latents: torch.Tensor, prompt: str, steps: int, scale: float
) -> torch.Tensor:
    """The loop with any guidance scale, also below 1, where the pipeline would not guide."""
    conditional, unconditional = pipe.encode_prompt(prompt, pipe.device, 1, True)
    texts = torch.cat([unconditional, conditional])
    pipe.scheduler.set_timesteps(steps, device=pipe.device)
    latents = latents * pipe.scheduler.init_noise_sigma
    with torch.no_grad():
        for timestep in pipe.scheduler.timesteps:
            batch = pipe.scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
            without, with_prompt = pipe.unet(batch, timestep, texts).sample.chunk(2)
            guided = without + scale * (with_prompt - without)
            latents = pipe.scheduler.step(guided, timestep, latents).prev_sample
    return latents
