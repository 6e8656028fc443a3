"""The pictures that the app made, as PNG files with their settings inside, and whose they are."""

import tempfile
import textwrap
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from helpers.pictures.files import save_image
from helpers.sampling.trajectory import Cell

USER_PICTURES = 60
"""Pictures kept of one visitor; older ones go."""

SHOWN_PROMPT = 100  # characters of it that a caption has

USERS = 300
"""Visitors whose pictures are kept; those who came longest ago go."""

SHEETS = 30
"""Sheets of sweeps kept, of all visitors together; gradio copies each as soon as it is shown."""


@dataclass(frozen=True)
class Made:
    """A picture that this app made.

    Attributes:
        number: Counts the pictures of one visitor from 1.
        path: A PNG file with the settings inside.
        settings: By diffusers' parameter names.
        model, model_version: Its name, and the fingerprint of its weights.
    """

    number: int
    path: Path
    settings: dict[str, object]
    model: str
    model_version: str

    @property
    def caption(self) -> str:
        """What made it, in a line: for the place under the picture, and read out as its text."""
        steps, guidance = self.settings["num_inference_steps"], self.settings["guidance_scale"]
        parts = [
            str(self.number),
            f"seed {self.settings['seed']}",
            f"{steps} steps",
            f"guidance {guidance:g}",
            self.settings.get("scheduler"),
            self.model,
            textwrap.shorten(self.settings["prompt"], SHOWN_PROMPT, placeholder=" …"),
        ]
        return " · ".join(part for part in parts if part)

    def image(self) -> Image.Image:
        with Image.open(self.path) as image:
            return image.convert("RGB")


class Album:
    """Keeps pictures in a temporary folder, which goes when the app ends."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="stickers-")
        self._made: OrderedDict[str, list[Made]] = OrderedDict()
        self._sheets: list[Path] = []
        self._lock = threading.Lock()

    def keep(
        self, user: str, image: Image.Image, cell: Cell, model: str, model_version: str
    ) -> Made:
        """Save a picture and note whose it is."""
        settings = {
            "prompt": cell.prompt,
            "negative_prompt": cell.negative_prompt,
            "seed": cell.seed,
            "num_inference_steps": cell.num_inference_steps,
            "guidance_scale": cell.guidance_scale,
            "scheduler": cell.scheduler,
            "height": image.height,
            "width": image.width,
        }
        settings = {name: value for name, value in settings.items() if value is not None}
        inside = settings | {"model": model, "model_version": model_version}
        path = save_image(image, self._new_folder(), inside)
        with self._lock:
            own = self._made.setdefault(user, [])
            made = Made(own[-1].number + 1 if own else 1, path, settings, model, model_version)
            own.append(made)
            self._made.move_to_end(user)
            gone = own[:-USER_PICTURES]
            del own[:-USER_PICTURES]
            if len(self._made) > USERS:
                gone += self._made.popitem(last=False)[1]
        for old in gone:
            _remove(old.path)
        return made

    def keep_sheet(self, image: Image.Image, settings: dict[str, object]) -> Path:
        """Save a whole sweep as one picture."""
        path = save_image(image, self._new_folder() / "sweep.png", settings)
        with self._lock:
            self._sheets.append(path)
            gone = self._sheets[:-SHEETS]
            del self._sheets[:-SHEETS]
        for old in gone:
            _remove(old)
        return path

    def of(self, user: str) -> list[Made]:
        """The pictures of a visitor, the newest first."""
        with self._lock:
            return self._made.get(user, [])[::-1]

    def find(self, user: str, number: object) -> Made:
        """A visitor's own picture by its number. Raises LookupError."""
        for made in self.of(user):
            if made.number == number:
                return made
        raise LookupError("You have no picture of this number. Draw one on the first page.")

    def close(self) -> None:
        self._folder.cleanup()

    def _new_folder(self) -> Path:
        """Each file has a folder of its own, so that none needs another name than it would have."""
        return Path(tempfile.mkdtemp(dir=self._folder.name))


def _remove(path: Path) -> None:
    """Remove a file and its folder."""
    path.unlink(missing_ok=True)
    path.parent.rmdir()
