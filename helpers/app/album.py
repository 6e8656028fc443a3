"""The pictures that the app made, as PNG files with their settings inside, and whose they are."""

import secrets
import tempfile
import textwrap
import threading
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from helpers.pictures.files import open_image, save_image
from helpers.sampling.cell import Cell

USER_PICTURES = 150
"""Pictures kept of one visitor; then older ones go, those that are no favorites first."""

USERS = 300
"""Visitors whose pictures are kept; those who came longest ago go."""

TOTAL_BYTES = 4_000_000_000
"""Of all pictures of all visitors; then those who came longest ago go."""

SHOWN_PROMPT = 100  # characters of it that a caption has


@dataclass
class AlbumPicture:
    """A picture that this app made.

    Attributes:
        id: Random and hard to guess: who knows it may see the picture.
        path: A PNG file with the settings inside.
        settings: By diffusers' parameter names.
        model, model_version: Its name, and the fingerprint of its weights.
        kind: "drawn"; "improved" by the face service; or "sweep", a whole sweep as one picture.
        is_favorite: Marked by its visitor, and kept longest.
        is_rated: By its visitor.
    """

    id: str
    path: Path
    settings: dict[str, object]
    model: str
    model_version: str
    kind: str = "drawn"
    is_favorite: bool = False
    is_rated: bool = False

    @property
    def caption(self) -> str:
        """What made it, in a line: for the place under the picture, and read out as its text."""
        if self.kind == "sweep":
            return f"a sweep over {' and '.join(self.settings['axes'])} · {self.model}"
        if "prompt" not in self.settings:
            return f"an upload, improved, {self.settings['improved_times']} times as wide and high"
        strength = self.settings.get("strength")
        steps, guidance = self.settings["num_inference_steps"], self.settings["guidance_scale"]
        parts = [
            "improved" if self.kind == "improved" else "",
            f"seed {self.settings['seed']}",
            f"{steps} steps",
            f"guidance {guidance:g}",
            self.settings.get("scheduler"),
            f"strength {strength:g}" if strength else "",
            self.model,
            textwrap.shorten(self.settings["prompt"], SHOWN_PROMPT, placeholder=" …"),
        ]
        return " · ".join(part for part in parts if part)

    @property
    def url(self) -> str:
        """Where the app serves it."""
        return f"/pictures/{self.id}.png"

    def image(self) -> Image.Image:
        """The picture, loaded."""
        return open_image(self.path)[0]


class Album:
    """Keeps pictures in a temporary folder, which goes when the app ends."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="stickers-")
        self._made: OrderedDict[str, list[AlbumPicture]] = OrderedDict()
        self._by_id: dict[str, AlbumPicture] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def keep(
        self,
        user: str,
        image: Image.Image,
        cell: Cell,
        model: str,
        model_version: str,
        strength: float | None = None,
    ) -> AlbumPicture:
        """Save a picture that was drawn, and note whose it is.

        `strength` is that of image-to-image; None for a picture from noise.
        """
        size = {"height": image.height, "width": image.width}
        settings = cell.settings | {"strength": strength} | size
        settings = {name: value for name, value in settings.items() if value is not None}
        return self._add(user, image, settings, model, model_version, "drawn")

    def keep_improved(
        self, user: str, image: Image.Image, original: AlbumPicture | None, factor: int
    ) -> AlbumPicture:
        """Save what the face service made of a picture; None stands for an uploaded one."""
        settings = original.settings if original else {}
        settings = settings | {
            "height": image.height,
            "width": image.width,
            "improved_times": factor,
        }
        model, version = (original.model, original.model_version) if original else ("", "")
        return self._add(user, image, settings, model, version, "improved")

    def keep_sweep(
        self, user: str, image: Image.Image, settings: dict[str, object], model: str, version: str
    ) -> AlbumPicture:
        """Save a whole sweep as one picture."""
        return self._add(user, image, settings, model, version, "sweep")

    def of(self, user: str) -> list[AlbumPicture]:
        """The pictures of a visitor, the newest first."""
        with self._lock:
            return self._made.get(user, [])[::-1]

    def find(self, user: str, id: object) -> AlbumPicture:
        """A visitor's own picture. Raises LookupError."""
        for made in self.of(user):
            if made.id == id:
                return made
        raise LookupError("This picture is not in your album. Choose one that is, or draw one.")

    def get(self, id: str) -> AlbumPicture | None:
        """Anybody's picture, for those who know its id."""
        return self._by_id.get(id)

    def delete(self, user: str, id: object) -> None:
        """Remove a visitor's own picture. Raises LookupError."""
        made = self.find(user, id)
        with self._lock:
            self._made[user] = [other for other in self._made[user] if other is not made]
            self._forget([made])

    def zip(self, user: str) -> Path:
        """All of a visitor's pictures in a new file, which the caller removes."""
        with (
            tempfile.NamedTemporaryFile(dir=self._folder.name, suffix=".zip", delete=False) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
        ):  # PNG is packed
            for number, made in enumerate(reversed(self.of(user)), start=1):
                archive.write(made.path, f"{number:03}-{made.path.name}")
        return Path(file.name)

    def close(self) -> None:
        self._folder.cleanup()

    def _add(
        self, user: str, image: Image.Image, settings: dict, model: str, version: str, kind: str
    ) -> AlbumPicture:
        # Each file has a folder of its own, so that none needs another name than it would have.
        folder = Path(tempfile.mkdtemp(dir=self._folder.name))
        target = folder / "sweep.png" if kind == "sweep" else folder
        try:
            path = save_image(image, target, settings | {"model": model, "model_version": version})
        except BaseException:
            folder.rmdir()
            raise
        made = AlbumPicture(secrets.token_urlsafe(16), path, settings, model, version, kind)
        with self._lock:
            self._made.setdefault(user, []).append(made)
            self._made.move_to_end(user)
            self._by_id[made.id] = made
            self._bytes += path.stat().st_size
            self._make_room(user)
        return made

    def _make_room(self, user: str) -> None:
        own = self._made[user]
        while len(own) > USER_PICTURES:
            oldest = next((made for made in own if not made.is_favorite), own[0])
            own.remove(oldest)
            self._forget([oldest])
        while len(self._made) > USERS or (self._bytes > TOTAL_BYTES and len(self._made) > 1):
            self._forget(self._made.popitem(last=False)[1])

    def _forget(self, gone: list[AlbumPicture]) -> None:
        for made in gone:
            del self._by_id[made.id]
            self._bytes -= made.path.stat().st_size
            made.path.unlink()
            made.path.parent.rmdir()
