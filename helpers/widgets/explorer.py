"""Sliders for one picture: move them, press "draw", and watch the picture form.

    explorer(pipe, prompt="a fox in a meadow", num_inference_steps=25)

The controls are widgets. The picture is an ordinary output below them, which is replaced while
the next one forms. So it is still there where widgets are not: in a saved notebook, in a browser
without a kernel, on paper.

The first picture is drawn at once. Later ones are drawn by a thread, so that the notebook goes on
working meanwhile; pressing "draw" again drops the picture that is not finished.
"""

import threading

import ipywidgets as widgets
import torch
from IPython.display import DisplayHandle
from PIL import Image

from helpers.pictures.files import alt_text
from helpers.pictures.grid import enlarge
from helpers.sampling import stages
from helpers.sampling.cell import Cell
from helpers.sampling.denoiser import Denoiser
from helpers.sampling.trajectory import Trajectory
from helpers.sweeps.plan import Settings, find_axes
from helpers.widgets.notebook import show_widget

PREVIEW_EVERY = 3
"""U-Net evaluations between two looks at the unfinished picture."""


def explorer(pipe: stages.Pipeline, *, prompt: str, **settings) -> None:
    """Show controls for the prompt, steps, guidance and seed, and the picture that they make.

    Args:
        pipe: A StableDiffusionPipeline or StableDiffusionXLPipeline.
        prompt: What the picture shows at first.
        **settings: The other settings to begin with, as in `helpers.sweep`, one value each. With a
            negative_prompt there is a control for it too; a scheduler, a size or an eta stays.

    Raises:
        TypeError, ValueError, LookupError: A setting is wrong; nothing is shown.
    """
    Explorer(pipe, {"prompt": prompt, **settings}).show()


class Explorer:
    """The controls, and what happens when "draw" is pressed.

    Attributes:
        controls: The widgets by the name of their setting.
        button: Draws with the values of the controls.
        status: A line of text below them.
        trajectory: The picture that is being drawn, or was drawn last.
    """

    def __init__(self, pipe: stages.Pipeline, settings: Settings):
        axes = find_axes(settings)
        if axes.names:
            raise ValueError(
                f"an explorer shows one picture, so {axes.names[0]} must be one value; got "
                f"{settings[axes.names[0]]!r}. helpers.sweep draws several values side by side."
            )
        self.pipe = pipe
        self._settings = axes.fixed
        self._engine = Denoiser(pipe, order="oldest")
        self.trajectory = self._engine.submit(Cell(**axes.fixed))  # raises for a wrong setting
        self.controls = _controls(axes.fixed)
        self.button = widgets.Button(description="draw", button_style="primary")
        self.button.on_click(lambda button: self.draw())
        self.status = widgets.Label()
        self._worker: threading.Thread | None = None
        self._working = False
        self._changing = threading.Lock()
        self._picture = DisplayHandle()

    def show(self) -> None:
        """Show the controls, then draw the first picture and show it below."""
        names = ", ".join(self.controls)
        box = widgets.VBox([*self.controls.values(), widgets.HBox([self.button, self.status])])
        show_widget(box, f"Controls for {names}. They work while the notebook runs: run this cell.")
        for _ in self._engine.run():
            pass
        first = self.trajectory
        self._picture.display(enlarge(first.result()), metadata=self._metadata(first.cell))
        self._tell(first)

    def draw(self) -> Trajectory:
        """Begin a picture with the values of the controls; drop the one that is not finished."""
        values = {name: control.value for name, control in self.controls.items()}
        dropped = self.trajectory
        with self._changing:
            self.trajectory = self._engine.submit(
                Cell(**self._settings | values), preview=self._preview, preview_every=PREVIEW_EVERY
            )
            dropped.cancel()
            self._tell(self.trajectory)
            self.trajectory.add_done_callback(self._finish)
            if not self._working:
                self._working = True
                self._worker = threading.Thread(target=self._work, daemon=True)
                self._worker.start()
        return self.trajectory

    def _work(self) -> None:
        """Draw until nothing is left. Then the thread ends: it would hold the pipeline."""
        try:
            while self._working:
                for _ in self._engine.run():
                    pass
                with self._changing:  # no picture comes in between the question and the end
                    self._working = self._engine.busy
        except BaseException:
            self._working = False  # the next press begins with a new thread
            raise

    def _preview(self, trajectory: Trajectory, latents: torch.Tensor) -> None:
        if trajectory is self.trajectory:
            self._tell(trajectory)
            if trajectory.evaluations < trajectory.total_evaluations:
                self._replace(stages.decode(self.pipe, latents)[0], trajectory)

    def _finish(self, trajectory: Trajectory) -> None:
        if trajectory is self.trajectory:
            self._tell(trajectory)
            if trajectory.state == "done":
                self._replace(trajectory.result(), trajectory)

    def _replace(self, image: Image.Image, trajectory: Trajectory) -> None:
        self._picture.update(enlarge(image), metadata=self._metadata(trajectory.cell))

    def _metadata(self, cell: Cell) -> dict:
        """What a screen reader says in place of the picture: the settings that have a control."""
        told = {name: value for name, value in cell.settings.items() if name in self.controls}
        return {"image/png": {"alt": alt_text(told)}}

    def _tell(self, trajectory: Trajectory) -> None:
        done, total = trajectory.evaluations, trajectory.total_evaluations
        told = f"{done} of {total} U-Net evaluations"
        if trajectory.state == "done":
            told += f", {trajectory.seconds:.1f} s"
        if trajectory.state == "failed":
            told = f"no picture: {trajectory.exception()}"
        self.status.value = told


def _controls(settings: Settings) -> dict[str, widgets.Widget]:
    """A control for each setting that one explores, at its value and with room around it."""
    steps, seed = int(settings["num_inference_steps"]), int(settings["seed"])
    guidance = float(settings["guidance_scale"])
    controls = {"prompt": widgets.Text(value=settings["prompt"])}
    if settings["negative_prompt"] is not None:
        controls["negative_prompt"] = widgets.Text(value=settings["negative_prompt"])
    controls |= {
        "num_inference_steps": widgets.IntSlider(value=steps, min=1, max=max(50, steps)),
        "guidance_scale": widgets.FloatSlider(
            value=guidance, min=min(0.0, guidance), max=max(20.0, guidance), step=0.5
        ),
        "seed": widgets.IntSlider(value=seed, min=0, max=max(100, seed)),
    }
    for name, control in controls.items():
        control.description = name
        control.style.description_width = "12em"
        control.layout.width = "min(100%, 45em)"
    return controls
