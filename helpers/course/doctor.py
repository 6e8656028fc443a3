"""A look at this computer before the course begins: what is there, what is missing, one fix each.

    python -m helpers doctor

Nothing here touches the network unless `network=True` asks for it, and no secret is ever printed.
"""

import importlib
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from helpers.base.files import free_bytes
from helpers.models.catalogue import GIB

PACKAGE = "stable-diffusion-course"
TESTED_PYTHONS = ((3, 11), (3, 13))  # the first and the last that the course is tested with
NAMED_LIBRARIES = ("torch", "diffusers", "transformers", "gradio", "numpy")

REAL_MODEL = "sd-v1-5"  # what a learner tries next; its sizes are in the catalogue
# A kernel that has drawn stickers holds about 0.9 GiB; a second one and a browser want as much.
COURSE_MEMORY_BYTES = 2 * GIB
COURSE_DISK_BYTES = 0.5 * GIB  # pictures, sweeps and notebooks of the whole course

COURSE = Path(__file__).absolute().parents[2]
HUB = "https://huggingface.co"


class State(StrEnum):
    """How a finding is meant."""

    OK = "ok"
    NOTE = "note"  # the course works; something beyond it does not
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """What was found about one subject; `fix` is one thing to do, empty where nothing is to do."""

    subject: str
    state: State
    message: str
    fix: str = ""


def examine(network: bool = False) -> list[Finding]:
    """Examine this computer. Never raises: what cannot be examined is a problem of its own.

    Args:
        network: Also ask whether the Hugging Face hub answers. Without it nothing is sent.
    """
    examinations: dict[str, Callable[[], Finding]] = {
        "Python": python_version,
        "Libraries": libraries,
        "Jupyter": jupyter,
        "Models": models,
        "Device": device,
        "Memory": memory,
        "Disk": disk,
        "Progress": progress,
        "Token": token,
    }
    if network:
        examinations["Network"] = hub
    return [_guarded(subject, look) for subject, look in examinations.items()]


def report(findings: list[Finding]) -> str:
    """The findings as plain text, a line each and below it the fix, where it is new."""
    lines, fixes = [], {""}
    for finding in findings:
        lines.append(f"{finding.state:8} {finding.subject:10} {finding.message}")
        if finding.fix not in fixes:
            lines.append(f"{'':19} -> {finding.fix}")
            fixes.add(finding.fix)
    problems = sum(finding.state == State.PROBLEM for finding in findings)
    verdict = f"{problems} problem{'s' * (problems > 1)} to fix" if problems else "Ready to start"
    return "\n".join([*lines, "", f"{verdict}."])


def _guarded(subject: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except ModuleNotFoundError as error:
        reason = f"{error.name} is not installed for {sys.executable}"
        return Finding(subject, State.PROBLEM, reason, install_fix())
    except Exception as error:  # a broken library fails in ways of its own; the others go on
        reason = f"could not be examined ({type(error).__name__}: {str(error)[:200]})"
        return Finding(subject, State.PROBLEM, reason, install_fix())


def install_fix(extra: str = "", own: Path = COURSE / ".venv") -> str:
    """How to install the course, with an extra of it or without, for whoever asks with this Python.

    Where the course is installed in its folder `own` already, it is enough to ask with that Python.
    """
    inside = Path("Scripts", "python.exe") if os.name == "nt" else Path("bin", "python")
    mine = (own / inside).relative_to(own.parent)
    if Path(sys.prefix) == own:
        python = mine
    elif (own / inside).exists():
        return f"The course is installed in {own.name}; ask there: {mine} -m helpers doctor"
    else:
        python = "python"
    course = f'".[{extra}]"' if extra else "."
    return f"In the course's folder: {python} -m pip install -c constraints.txt -e {course}"


def python_version(version: tuple[int, int] = sys.version_info[:2]) -> Finding:
    """Is this Python one of those that the course is tested with?"""
    first, last = TESTED_PYTHONS
    shown = f"{'.'.join(map(str, version))} on {platform.system()} ({platform.machine()})"
    tested = f"{'.'.join(map(str, first))} to {'.'.join(map(str, last))}"
    if version > last:
        fix = f"If a library refuses to install, use Python {tested}."
        return Finding("Python", State.NOTE, f"{shown}; tested are {tested}", fix)
    return Finding("Python", State.OK, shown)


def libraries() -> Finding:
    """Is each library installed, and new enough?"""
    from packaging.requirements import Requirement

    required = [Requirement(line) for line in importlib.metadata.requires(PACKAGE) or []]
    needed = [item for item in required if not item.marker or item.marker.evaluate({"extra": ""})]
    versions = {item.name: _installed(item.name) for item in needed}
    wrong = [
        f"{item.name} {versions[item.name] or 'is missing'} (needs {item.specifier})"
        for item in needed
        if not versions[item.name] or not item.specifier.contains(versions[item.name], True)
    ]
    if wrong:
        return Finding("Libraries", State.PROBLEM, "; ".join(wrong), install_fix())
    if _installed("torchvision") and (error := _import_error("torchvision")):
        from helpers.models.causes import torchvision_fault

        reason, _, fix = torchvision_fault(error).partition(". ")
        return Finding("Libraries", State.PROBLEM, reason, f"{fix}.")
    named = ", ".join(f"{name} {_installed(name)}" for name in NAMED_LIBRARIES)
    return Finding("Libraries", State.OK, named)


def _import_error(name: str) -> Exception | None:
    """What goes wrong when a library that is installed is imported."""
    try:
        importlib.import_module(name)
    except Exception as error:  # an operator that torch does not know is a RuntimeError
        return error
    return None


def _installed(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def jupyter() -> Finding:
    """Is there a program that opens notebooks?"""
    lab = _installed("jupyterlab")
    if lab:
        return Finding("Jupyter", State.OK, f"JupyterLab {lab}")
    if _installed("ipykernel"):
        return Finding("Jupyter", State.OK, "a kernel for an editor, Colab or another Jupyter")
    return Finding("Jupyter", State.PROBLEM, "nothing here opens a notebook", install_fix("lab"))


def models() -> Finding:
    """Are the models that come with the course whole, those for ranking and for faces too?"""
    from helpers.models.catalogue import MODELS, WEIGHTS

    embedded = {name: model.folders for name, model in MODELS.items() if model.is_embedded}
    known = {folder for folders in embedded.values() for folder in folders}
    embedded |= {each.name: (each,) for each in sorted(WEIGHTS.glob("*/")) if each not in known}
    faults = {
        name: fault
        for name, folders in embedded.items()
        for folder in folders
        if (fault := _fault(folder))
    }
    if faults:
        message = "; ".join(f"{name}: {fault}" for name, fault in faults.items())
        fix = "Fetch the course anew, and keep helpers/weights/ as it comes."
        return Finding("Models", State.PROBLEM, message, fix)
    return Finding("Models", State.OK, f"whole: {', '.join(embedded)}")


def _fault(folder: Path) -> str:
    """What is wrong with a model's folder, or nothing. Only the heads of the files are read."""
    from helpers.models.folder import Fault, count_parameters

    files = sorted(folder.glob("**/*.safetensors"))
    try:
        for file in files:
            count_parameters(file)
    except Fault as fault:
        return str(fault)
    return "" if files else f"no weights in {folder}"


def device() -> Finding:
    """What will draw the pictures?"""
    import torch

    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        shown = f"{card.name} with {_gib(card.total_memory)}, as torch's device cuda"
        return Finding("Device", State.OK, shown)
    if torch.backends.mps.is_available():
        return Finding("Device", State.OK, "the GPU of this Mac, as torch's device mps")
    threads = torch.get_num_threads()
    shown = f"the CPU, with {threads} thread{'s' * (threads > 1)}"
    if shutil.which("nvidia-smi"):
        fix = "Choose your system and CUDA at https://pytorch.org and run the command it gives."
        reason = f"{shown}; there is an NVIDIA card, but this PyTorch cannot use it"
        return Finding("Device", State.NOTE, reason, fix)
    return Finding("Device", State.OK, f"{shown}: enough for the sticker model")


def memory(available: int | None = None) -> Finding:
    """Is there enough memory for this process? `available` is in bytes; `None` asks the system."""
    from helpers.models.main_memory import Room, main_memory

    room = main_memory() if available is None else Room(available)
    shown = str(room)
    if room.free < COURSE_MEMORY_BYTES:
        reason = f"{shown}; {_gib(COURSE_MEMORY_BYTES)} wanted"
        return Finding("Memory", State.PROBLEM, reason, room.remedy)
    if room.free < _real_model().memory_bytes(half=False):
        fix = "Stay with the sticker model here, or use Colab for the real one."
        reason = f"{shown}: enough for the course, too little for Stable Diffusion 1.5 on a CPU"
        return Finding("Memory", State.NOTE, reason, fix)
    return Finding("Memory", State.OK, shown)


def disk(here: int | None = None, downloads: int | None = None) -> Finding:
    """Is there enough free disk? In bytes: in this folder, and where downloads go."""
    from huggingface_hub.constants import HF_HUB_CACHE

    here = free_bytes(Path.cwd()) if here is None else here
    downloads = free_bytes(Path(HF_HUB_CACHE)) if downloads is None else downloads
    shown = f"{_gib(here)} free here, {_gib(downloads)} for downloads"
    if here < COURSE_DISK_BYTES:
        return Finding("Disk", State.PROBLEM, shown, "Delete what you do not need.")
    needed = _real_model().download_bytes(half=False)
    if downloads < needed:
        fix = "For the real model, set HF_HOME to a folder on a larger disk."
        reason = f"{shown}: too little for Stable Diffusion 1.5 ({_gib(needed)})"
        return Finding("Disk", State.NOTE, reason, fix)
    return Finding("Disk", State.OK, shown)


def _real_model():
    from helpers.models.catalogue import MODELS

    return MODELS[REAL_MODEL]


def progress() -> Finding:
    """Can the checks keep a record of your progress?"""
    from helpers.course.progress import VARIABLE, is_off, own_file

    if is_off():
        fix = f"To keep one, unset {VARIABLE} and restart the notebook."
        return Finding("Progress", State.NOTE, f"no record is kept: {VARIABLE} is off", fix)
    path = own_file()
    place = path if path.exists() else path.parent
    if os.access(place, os.W_OK):
        return Finding("Progress", State.OK, f"kept in {path}")
    fix = "Copy the folder lessons/ to a place of your own and work there."
    return Finding("Progress", State.NOTE, f"{path} cannot be written; checks work", fix)


def token(environment: Mapping[str, str] = os.environ, file: Path | None = None) -> Finding:
    """Is there a token of the Hugging Face hub? It is neither shown nor sent anywhere."""
    from huggingface_hub.constants import HF_TOKEN_PATH

    file = Path(HF_TOKEN_PATH) if file is None else file
    found = environment.get("HF_TOKEN") or environment.get("HUGGING_FACE_HUB_TOKEN")
    origin = "in the environment"
    if not found and file.is_file():
        found, origin = file.read_text(encoding="utf-8"), f"in {file}"
    if not found or not found.strip():
        fix = "For a model whose owner wants a login: `hf auth login`."
        return Finding("Token", State.OK, "none, and the course needs none", fix)
    if not found.strip().startswith("hf_"):
        reason = f"what stands {origin} is no token of the hub, which begins with hf_"
        fix = f"Make one at {HUB}/settings/tokens, then `hf auth login`."
        return Finding("Token", State.NOTE, reason, fix)
    return Finding("Token", State.OK, f"there is one {origin}")


def hub(address: str = HUB) -> Finding:
    """Does the Hugging Face hub answer? The one examination that uses the network."""
    import requests

    try:
        requests.head(address, timeout=10).raise_for_status()
    except requests.RequestException as error:
        fix = "Check the network or its proxy; the sticker model works without."
        reason = f"{address} does not answer ({type(error).__name__})"
        return Finding("Network", State.NOTE, reason, fix)
    return Finding("Network", State.OK, f"{address} answers")


def _gib(size: float) -> str:
    return f"{size / GIB:.1f} GiB"
