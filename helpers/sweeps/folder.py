"""The folder of a sweep: pictures, a manifest, and what a killed run needs to go on.

    sweep.json        what the sweep is: the names of the axes, the settings that stay the same,
                      the model's fingerprint. Written first; a run that differs is refused.
    manifest.jsonl    one row of JSON for each finished picture, in the order of finishing
    manifest.N.jsonl  the rows of process N (from 1) while several work; gathered afterwards
    *.png             the pictures, with their settings inside
    contact sheet.png all of them at a glance, written at the end

A picture is written whole before its row is added, so a run can be killed at any moment. What it
leaves is mended on the next opening, with a warning that tells: a torn or foreign row is dropped,
of duplicate rows the last counts, a row whose picture is missing or broken is dropped (the
picture will be made again), a picture without a row gets one, without the measurements. Rows of
other processes go into the one manifest, without a warning.

Nothing here knows a model, so it imports neither torch nor diffusers.
"""

import hashlib
import json
import os
from pathlib import Path

from PIL import Image

from helpers.base.files import write_whole
from helpers.base.warn import warn_learner
from helpers.pictures.files import open_image, safe_name, save_image
from helpers.sweeps.plan import Settings
from helpers.sweeps.result import Sweep

HEADER_NAME = "sweep.json"
MANIFEST_NAME = "manifest.jsonl"
PART_NAME = "manifest.{}.jsonl"
SHEET_NAME = "contact sheet.png"

Row = dict[str, object]
"""A picture's settings and measurements, and in the manifest its "file" and "key"."""


def save_sweep(result: Sweep, folder: str | Path) -> Path:
    """Keep the pictures of a sweep that ran without a folder, as `sweep(..., folder=...)` does.

    Args:
        result: What `sweep` gave back.
        folder: Where: a PNG for each picture with its settings inside, a manifest, and a contact
            sheet. What the folder already has of this sweep stays.

    Returns:
        The folder.

    Raises ValueError if the folder holds another sweep.
    """
    store = SweepFolder(folder, result.header)
    for position in result.outcomes:
        store.keep(result, position)
    store.write_sheet(result)
    return store.path


def settings_key(settings: Settings) -> str:
    """Sixteen hexadecimal digits that stand for all settings of a picture."""
    canonical = json.dumps(settings, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


class SweepFolder:
    """Opens or makes the folder of a sweep and mends what a killed run left.

    Args:
        folder: Where; made if need be.
        header: What the sweep is, as JSON: every value must be what it was when the folder was
            made.
        process: The number of the process that opens it. All but 0 only read what process 0 has
            just mended, and write rows to a part of their own.

    Raises ValueError if the folder belongs to another sweep: the message names what differs.

    Attributes:
        rows: The finished pictures' rows, by key.
    """

    def __init__(self, folder: str | Path, header: dict, process: int = 0):
        self.path = Path(folder).expanduser()
        self._manifest = self.path / (PART_NAME.format(process) if process else MANIFEST_NAME)
        self.path.mkdir(parents=True, exist_ok=True)
        self._claim(header)
        self.rows: dict[str, Row] = {}
        self._pictures: dict[str, Image.Image] = {}
        faults, parts = self._read()
        if not process:
            self._mend(faults, parts)

    def add(self, settings: Settings, measured: Row, label: str, image: Image.Image) -> Row:
        """Write a finished picture and then its row; `label` begins the file's name."""
        key = settings_key(settings)
        path = self.path / f"{safe_name(label, key)}.png"
        file = save_image(image, path, settings).name
        row = {**settings, **measured, "key": key, "file": file}
        with open(self._manifest, "a", encoding="utf-8") as manifest:
            manifest.write(json.dumps(row) + "\n")
            manifest.flush()
            os.fsync(manifest.fileno())
        self.rows[key], self._pictures[key] = row, image
        return row

    def image(self, key: str) -> Image.Image:
        """The picture of a row."""
        return self._pictures[key]

    def restore(self, result: Sweep) -> None:
        """Put into a result what is here and not there."""
        for outcome in result:
            key = settings_key(outcome.settings)
            if key in self.rows and outcome.state != "done":
                row = self.rows[key]
                outcome.state, outcome.error, outcome.image = "done", "", self.image(key)
                outcome.seconds, outcome.evaluations = row.get("seconds"), row.get("evaluations")

    def keep(self, result: Sweep, position: tuple) -> None:
        """Write one picture of a result, if it is done and not yet here."""
        outcome = result.outcomes[position]
        if outcome.image is None or settings_key(outcome.settings) in self.rows:
            return
        measured = {n: getattr(outcome, n) for n in ("seconds", "evaluations", "black", "nan")}
        self.add(outcome.settings, measured, result.axes.position_label(position), outcome.image)

    def write_sheet(self, result: Sweep) -> None:
        """Write all pictures of a result as one."""
        write_whole(self.path / SHEET_NAME, result.png())

    def _claim(self, header: dict) -> None:
        path = self.path / HEADER_NAME
        if not path.exists():
            write_whole(path, json.dumps(header, indent=2) + "\n")
            return
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            raise ValueError(
                f"{path} is no JSON: the folder holds no sweep that can go on"
            ) from None
        for name in {**stored, **header}:
            if stored.get(name) != header.get(name):
                raise ValueError(
                    f"folder holds a sweep with another {name}: there {stored.get(name)!r}, here "
                    f"{header.get(name)!r}. Pictures of two sweeps are not mixed: choose another "
                    f"folder than {self.path}"
                )

    def _read(self) -> tuple[list[str], list[Path]]:
        """Fill `rows`; what is wrong in the folder, and the manifests of other processes."""
        faults = []
        parts = sorted(self.path.glob(PART_NAME.format("*")))
        for manifest in (self.path / MANIFEST_NAME, *parts):
            for number, line in enumerate(_lines(manifest), start=1):
                row = _row(line)
                fault = f"row {number} of {manifest.name} is torn" if row is None else None
                if fault := fault or self._fault(row):
                    faults.append(fault)
                    continue
                if row["key"] in self.rows:
                    faults.append(f"row {number} of {manifest.name} is a duplicate")
                self.rows[row["key"]] = row
        return faults + self._adopt_orphans(), parts

    def _mend(self, faults: list[str], parts: list[Path]) -> None:
        """Leave one manifest without fault, and tell what was wrong."""
        if faults or parts:
            lines = [json.dumps(row) + "\n" for row in self.rows.values()]
            write_whole(self.path / MANIFEST_NAME, "".join(lines))
        for part in parts:
            part.unlink()
        if faults:
            told = "; ".join(faults)
            warn_learner(f"mended the sweep in {self.path}: {told}")

    def _fault(self, row: Row) -> str | None:
        """What is wrong with a row's picture, if anything; one that is whole is kept."""
        found = _picture(self.path / row["file"])
        if found is None:
            return f"{row['file']} is missing or broken and will be made again"
        image, settings = found
        if settings_key(settings) != row["key"]:
            return f"{row['file']} has other settings than its row"
        self._pictures[row["key"]] = image
        return None

    def _adopt_orphans(self) -> list[str]:
        """Give pictures their rows back whose run was killed between picture and row."""
        faults = []
        named = {row["file"] for row in self.rows.values()}
        for path in sorted(self.path.glob("*.png")):
            found = None if path.name in named | {SHEET_NAME} else _picture(path)
            if found is None:
                continue
            image, settings = found
            key = settings_key(settings)
            if key in path.stem and key not in self.rows:
                self.rows[key] = {**settings, "key": key, "file": path.name}
                self._pictures[key] = image
                faults.append(f"{path.name} had no row in the manifest")
        return faults


def _lines(manifest: Path) -> list[str]:
    if not manifest.exists():
        return []
    return manifest.read_text(encoding="utf-8", errors="replace").splitlines()


def _row(line: str) -> Row | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    complete = isinstance(row, dict) and {"key", "file"} <= row.keys()
    # A file's name alone: a manifest from elsewhere must not lead out of the folder.
    return row if complete and Path(str(row["file"])).name == row["file"] else None


def _picture(path: Path) -> tuple[Image.Image, Settings] | None:
    """A picture and the settings inside it, or None if it is missing, broken or has none."""
    try:
        return open_image(path)
    except (OSError, ValueError, SyntaxError):  # what Pillow raises for broken files
        return None
