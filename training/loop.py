"""One training loop for every stage: resumable at any moment, with progress and time left."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from helpers.base.files import write_whole
from training.optimizers import MuonAndAdamW
from training.presets import Machine

FROM_SETTINGS = (
    "steps",
    "learning_rate",
    "warm_up",
    "hold",
    "ema",
    "snapshot_every",
    "optimizer_name",
)
WEIGHTS, STATE = "average.safetensors", "state.json"  # of a training that was handed over


def hand_over(checkpoint: Path, folder: Path) -> None:
    """Writes what is needed to go on elsewhere, in a tenth of a checkpoint's bytes.

    That is the averaged weights in half precision, and the step. The optimizer's state is not in
    it; its running averages are back after a warm-up.
    """
    saved = torch.load(checkpoint, map_location="cpu", weights_only=True)
    weights = {name: value.half().contiguous() for name, value in saved["average"].items()}
    state = {name: saved[name] for name in ("step", "seconds", "history")}
    # With diffusers' own note the bytes are those that will be shipped, and git keeps them once.
    write_whole(folder / WEIGHTS, lambda path: save_file(weights, path, {"format": "pt"}))
    write_whole(folder / STATE, json.dumps(state) + "\n")


def cosine(step: int, steps: int, warm_up: int, hold: float = 0.0) -> float:
    """Share of the learning rate after the warm-up: half a cosine, down to a fiftieth.

    It begins to fall after the share `hold` of the steps: a run whose end is not settled yet holds
    the rate, so that a shorter or longer one is the same up to there.
    """
    full = max(warm_up, round(hold * steps))
    progress = max(0, step - full) / max(1, steps - full)
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress))


@dataclass
class Loop:
    """Trains `model` for `steps` steps; `loss_of(step)` draws the batch of that step.

    The batch is a function of the step, so a resumed run gets the batches that the killed one
    would have.
    """

    name: str
    model: nn.Module
    loss_of: Callable[[int], tuple[torch.Tensor, dict[str, float]]]
    folder: Path
    steps: int
    learning_rate: float
    warm_up: int = 50
    machine: Machine = Machine()
    ema: float = 0.0  # decay of the running average of the weights; 0 keeps none
    hold: float = 0.0  # the share of the steps at the full rate, before it falls
    weight_decay: float = 0.01
    optimizer_name: str = "adamw"  # or "muon"
    save_every: float = 120.0  # seconds
    report_every: int = 20  # steps
    snapshot_every: int = 0  # steps; 0 keeps no averages on the way
    handed_over: Path | None = None  # a folder that `hand_over` wrote, perhaps on another machine
    step: int = 0
    seconds: float = 0.0
    history: list[dict] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.optimizer = self.new_optimizer()
        self.ema_weights = (
            {name: value.detach().clone() for name, value in self.model.state_dict().items()}
            if self.ema
            else {}
        )
        self.began_at = 0  # the step at which the optimizer knew nothing yet
        if self.file.exists():
            self.load()
        elif self.handed_over and (self.handed_over / STATE).exists():
            self.take_over(self.handed_over)

    @classmethod
    def of(
        cls,
        name: str,
        model: nn.Module,
        loss_of: Callable[[int], tuple[torch.Tensor, dict[str, float]]],
        folder: Path,
        machine: Machine,
        settings: object,
        **more: object,
    ) -> "Loop":
        """A loop with what the settings of a stage say of it."""
        own = {each: getattr(settings, each) for each in FROM_SETTINGS if hasattr(settings, each)}
        return cls(name, model, loss_of, folder, machine=machine, **own, **more)

    def new_optimizer(self) -> torch.optim.Optimizer | MuonAndAdamW:
        if self.optimizer_name == "muon":
            return MuonAndAdamW(self.model, self.learning_rate, self.weight_decay)
        return torch.optim.AdamW(
            [value for value in self.model.parameters() if value.requires_grad],
            lr=self.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=self.weight_decay,
            fused=True,
        )

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.pt"

    def state(self) -> dict:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.ema_weights,
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "began_at": self.began_at,
        }

    def save(self) -> None:
        write_whole(self.file, lambda path: torch.save(self.state(), path))

    def load(self) -> None:
        saved = torch.load(self.file, map_location=self.machine.device, weights_only=True)
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.ema_weights, self.step = saved["average"], saved["step"]
        self.seconds, self.history = saved["seconds"], saved["history"]
        self.began_at = saved["began_at"]
        print(f"{self.name}: goes on at step {self.step} of {self.steps}", flush=True)

    def take_over(self, folder: Path) -> None:
        weights = {name: value.float() for name, value in load_file(folder / WEIGHTS).items()}
        self.model.load_state_dict(weights)
        self.ema_weights = {name: value.to(self.machine.device) for name, value in weights.items()}
        state = json.loads((folder / STATE).read_text(encoding="utf-8"))
        self.step, self.seconds, self.history = state["step"], state["seconds"], state["history"]
        self.began_at = self.step
        print(f"{self.name}: takes over at step {self.step} of {self.steps}", flush=True)

    def advance(self) -> dict[str, float]:
        """One step of the optimiser; returns the figures to report."""
        share = cosine(self.step, self.steps, self.warm_up, self.hold)
        share *= min(1, (self.step - self.began_at + 1) / self.warm_up)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * share
        dtype = getattr(torch, self.machine.dtype)
        with torch.autocast(self.machine.device, dtype, enabled=dtype != torch.float32):
            loss, figures = self.loss_of(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        if self.ema:
            self.update_ema()
        return {"loss": loss.item(), **figures}

    @torch.no_grad()
    def update_ema(self) -> None:
        """The running average of the weights; it starts fast, so that early steps are forgotten."""
        decay = min(self.ema, (1 + self.step) / (10 + self.step))
        for name, value in self.model.state_dict().items():
            if value.is_floating_point():
                self.ema_weights[name].lerp_(value, 1 - decay)
            else:
                self.ema_weights[name].copy_(value)

    def report(self, sums: dict[str, float], count: int) -> None:
        left = self.seconds / self.step * (self.steps - self.step)
        means = {name: round(total / count, 5) for name, total in sums.items()}
        self.history.append({"step": self.step, "seconds": round(self.seconds), **means})
        figures = "  ".join(f"{name} {value:.4f}" for name, value in means.items())
        print(
            f"{self.name} {self.step}/{self.steps}  {figures}  "
            f"{self.seconds / 60:.1f} min, {left / 60:.1f} min left",
            flush=True,
        )

    def run(self) -> None:
        saved_at, sums, count = time.monotonic(), {}, 0
        while self.step < self.steps:
            began = time.monotonic()
            figures = self.advance()
            self.seconds += time.monotonic() - began
            sums = {name: sums.get(name, 0.0) + value for name, value in figures.items()}
            count += 1
            if self.step % self.report_every == 0 or self.step == self.steps:
                self.report(sums, count)
                sums, count = {}, 0
            if self.snapshot_every and self.step % self.snapshot_every == 0:
                snapshot = self.folder / f"{self.name}-step{self.step}.pt"
                write_whole(snapshot, lambda path: torch.save(self.ema_weights, path))
            if time.monotonic() - saved_at > self.save_every or self.step == self.steps:
                self.save()
                saved_at = time.monotonic()

    def finish(self) -> "Loop":
        """Runs to the last step; then the averaged weights are in the model."""
        self.run()
        self.use_ema()
        return self

    def use_ema(self) -> None:
        """Puts the running average into the model, for evaluation and export."""
        if self.ema:
            self.model.load_state_dict(self.ema_weights)

    def log(self, path: Path) -> None:
        text = "".join(json.dumps(row) + "\n" for row in self.history)
        write_whole(path, text)
