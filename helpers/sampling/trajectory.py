"""One picture on its way from noise to latents: its scheduler, its rows, its next step."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from diffusers import SchedulerMixin
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image

from helpers.sampling import stages
from helpers.sampling.beginning import Beginning
from helpers.sampling.cell import Cell
from helpers.sampling.latents import latent_shape, seeded_latents
from helpers.sampling.schedulers import fresh_copy, set_steps

if TYPE_CHECKING:
    from diffusers import DiffusionPipeline

FINITE_EVERY = 8
"""U-Net evaluations between two looks for NaN: each look makes a GPU wait."""


class Trajectory(Future):
    """One picture on its way, as `Denoiser.submit` returns it; `result()` is the picture.

    It is a standard `concurrent.futures.Future`, so `result(timeout)`, `exception()`, `cancel()`,
    `add_done_callback()`, `concurrent.futures.as_completed` and `asyncio.wrap_future` work.
    `cancel()` works until the picture is done, also half-way. `result()` waits: call it where
    another thread runs the engine, or after `run()` has yielded the trajectory.

    Attributes:
        cell: The settings.
        beginning: The picture that it begins from, if not from noise alone; None once it has ended.
        evaluations, total_evaluations: U-Net evaluations done, and needed in all (PNDM needs one
            more than `num_inference_steps`, Heun one less than twice as many).
        latents: (1, channels, height, width), as they are now; None before the start.
        seconds: The engine's time spent on it: of a shared call, its share of the rows.
    """

    def __init__(
        self,
        cell: Cell,
        pipe: stages.Pipeline,
        scheduler: SchedulerMixin,
        preview: Preview | None,
        preview_every: int,
        beginning: Beginning | None = None,
    ):
        super().__init__()
        self.cell = cell
        self.beginning = beginning
        self.preview = preview
        self.preview_every = preview_every
        self.seconds = 0.0
        self.evaluations = 0
        self.latents: torch.Tensor | None = None
        self.shape = torch.Size((1, *latent_shape(pipe, cell.height, cell.width)))
        self.rows = 2 if stages.is_guided(pipe, cell.guidance_scale) else 1
        self._scheduler = fresh_copy(scheduler, cell.seed)
        set_steps(self._scheduler, cell.num_inference_steps)
        skipped = beginning.steps_left_out(cell.num_inference_steps) if beginning else 0
        self._first_timestep = skipped * self._scheduler.order
        self._timesteps = self._scheduler.timesteps[self._first_timestep :]
        self.total_evaluations = len(self._timesteps)
        self._row_conditions: stages.Conditions = {}
        self._step_options: dict[str, Any] = {}

    @property
    def state(self) -> Literal["waiting", "running", "done", "failed", "cancelled"]:
        """Where it stands, in a word."""
        if self.cancelled():
            return "cancelled"
        if self.done():
            return "failed" if self.exception() else "done"
        return "waiting" if self.latents is None else "running"

    def _start(self, pipe: DiffusionPipeline, conditions: stages.Conditions) -> None:
        cell, scheduler = self.cell, self._scheduler
        self._row_conditions = conditions
        # A pipeline draws the latents and then each step's noise from one generator.
        generator = torch.Generator().manual_seed(cell.seed)
        self.latents = self._first_latents(pipe, generator)
        accepted = inspect.signature(scheduler.step).parameters
        options = {"eta": cell.eta, "generator": generator}
        self._step_options = {name: options[name] for name in options if name in accepted}

    def _first_latents(self, pipe: DiffusionPipeline, generator: torch.Generator) -> torch.Tensor:
        """Noise, or the picture that is begun from with the noise of the first timestep."""
        cell, scheduler = self.cell, self._scheduler
        is_sdxl = isinstance(pipe, stages.StableDiffusionXLPipeline)
        if (self.beginning or is_sdxl) and hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(self._first_timestep)
        if self.beginning is None:
            noise = seeded_latents(pipe, cell.seed, cell.height, cell.width)
            torch.randn(self.shape, generator=generator)
            return noise * scheduler.init_noise_sigma
        height, width = (size * pipe.vae_scale_factor for size in self.shape[-2:])
        image = stages.encode(pipe, self.beginning.image, height, width, generator)
        noise = randn_tensor(image.shape, generator, image.device, image.dtype)
        return scheduler.add_noise(image, noise, self._timesteps[:1])

    def _inputs(self) -> list[Row]:
        conditions = self._row_conditions.items()
        timestep = self._timesteps[self.evaluations]
        sample = self._scheduler.scale_model_input(self.latents, timestep)
        keys = [None] * self.rows if self.evaluations else self._first_keys(sample, timestep)
        return [
            Row(sample, float(timestep), {name: rows[i : i + 1] for name, rows in conditions}, key)
            for i, key in enumerate(keys)
        ]

    def _first_keys(self, sample: torch.Tensor, timestep: torch.Tensor) -> list[tuple]:
        """For each row of the first step all that its prediction depends on."""
        cell = self.cell
        noise = sample.to("cpu", torch.float32).numpy().tobytes()
        embedded_scale = cell.guidance_scale if "timestep_cond" in self._row_conditions else None
        common = (hashlib.sha256(noise).digest(), sample.shape, float(timestep), embedded_scale)
        texts = [("negative", cell.negative_prompt), ("positive", cell.prompt)]
        return [(*common, *text) for text in texts[-self.rows :]]

    def _step(self, prediction: torch.Tensor) -> None:
        if self.rows == 2:
            negative, positive = prediction.chunk(2)
            prediction = negative + self.cell.guidance_scale * (positive - negative)
        timestep = self._timesteps[self.evaluations]
        self.latents = self._scheduler.step(
            prediction, timestep, self.latents, **self._step_options, return_dict=False
        )[0]
        self.evaluations += 1
        if self._has_arrived() or self.evaluations % FINITE_EVERY == 0:
            self._check_finite()
        if self.preview and self.evaluations % self.preview_every == 0:
            self.preview(self, self.latents.clone())

    def _has_arrived(self) -> bool:
        return self.evaluations == self.total_evaluations

    def _check_finite(self) -> None:
        if not torch.isfinite(self.latents).all():
            raise FloatingPointError(
                f"the latents became NaN or infinite by U-Net evaluation {self.evaluations} of "
                f"{self.total_evaluations}, so there is no picture. In float16 this can be an "
                "overflow: load the model with dtype=torch.float32."
            )

    def _release(self) -> None:
        """Let go of what only a running trajectory needs."""
        self._scheduler, self._row_conditions, self._step_options = None, {}, {}
        self.beginning = None

    def _end(self, outcome: Image.Image | Exception) -> None:
        """Hand over the picture or the error, unless somebody cancelled first."""
        with suppress(InvalidStateError):
            if isinstance(outcome, Exception):
                self.set_exception(outcome)
            else:
                self.set_result(outcome)


Preview = Callable[[Trajectory, torch.Tensor], None]
"""Called with a trajectory and a copy of its latents; `stages.decode` makes a picture of them."""


@dataclass(frozen=True)
class Row:
    """One row of a U-Net call; rows with the same `key`, if they have one, are equal."""

    sample: torch.Tensor
    timestep: float
    conditions: stages.Conditions
    key: tuple | None
