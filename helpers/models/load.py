"""`load_pipeline`, which turns a name, a folder or a LoRA into a pipeline that is ready to draw.

A name of the catalogue (catalogue.py) becomes a whole folder on this computer (find.py, which asks
hub.py to fetch it and folder.py to look into it); the folder is loaded, and the pipeline put where
there is memory for it (memory.py). Whatever fails on the way ends in one message with one next
step.
"""

from __future__ import annotations

# torch and diffusers are imported where they are used: the catalogue can be read without
# waiting for them.
import json
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.base.paths import usable_path
from helpers.base.quiet import quiet
from helpers.base.warn import warn_learner
from helpers.models.catalogue import GIB, MODELS, Model
from helpers.models.find import find_model, instead, is_here
from helpers.models.folder import WholeModel, weight_files
from helpers.models.hub import Repository, first_line
from helpers.models.lora import LoraFile, load_lora, lora_file, lora_in, read_lora
from helpers.models.main_memory import main_memory
from helpers.models.shared_parts import own_parts

if TYPE_CHECKING:
    import torch
    from diffusers import DiffusionPipeline

LORA_BASES = ("stickers", "sd-v1-5", "sdxl")
"""What a LoRA without a model is put on: the first whose text is as wide as the LoRA's."""


def load_pipeline(
    name_or_path: str | Path = "stickers",
    device: str | torch.device | None = None,
    dtype: torch.dtype | None = None,
    lora: str | Path | None = None,
    allow_pickle: bool = False,
) -> DiffusionPipeline:
    """Load a text-to-image pipeline, ready to call.

    Only safetensors weights are read unless you allow otherwise: pickle files can run code. A
    model that comes with this package needs no network; others are fetched once. Where memory is
    short, the parts of a model take turns on the GPU, and a warning says so. Those that come with
    this package draw in seconds, so their pipelines show no progress bar; others keep it.

    Args:
        name_or_path: A name of the catalogue `MODELS`, a folder in diffusers' layout, a LoRA file
            or its folder, or a name on the Hugging Face hub such as "owner/model". A name of the
            catalogue comes first; write "./stickers" for a folder of that name.
        device: "cuda", "mps" or "cpu" (or a `torch.device`). `None` takes the first of these
            that the computer has.
        dtype: `torch.float32`, `torch.float16` or `torch.bfloat16`. `None` takes what the
            catalogue says, as a rule float16 on CUDA and float32 elsewhere.
        lora: A LoRA file, its folder, or its name on the hub, to be put on top of the model.
        allow_pickle: Whether pickle weights (.bin) may be read where there are no safetensors.
            Allow it only for a source that you trust.

    Returns:
        A `diffusers.DiffusionPipeline`, of the class that the model names.

    Raises:
        TypeError: `name_or_path`, `dtype` or `lora` is of the wrong type.
        ValueError: The device or dtype cannot be used here, the folder holds no whole model, it
            has pickle weights only, or the LoRA does not fit.
        LookupError: No model has this name, here or on the hub.
        FileNotFoundError: There is no such folder.
        PermissionError: The model's owner asks for a login or a license to be accepted first.
        ConnectionError: The hub cannot be reached.
        OSError: The disk is full, or a file cannot be read.
        MemoryError: There is not enough memory, or a limit allows no more.
        ImportError: A library is missing, or does not fit the others.
    """
    from helpers.models.devices import checked_device, checked_dtype

    device = checked_device(device)
    _check_type(name_or_path)
    extra = _lora_alone(name_or_path) if lora is None else None
    if extra is not None:
        name_or_path = _base_of(extra)
    model = MODELS.get(name_or_path) if isinstance(name_or_path, str) else None
    dtype = checked_dtype(_default_dtype(model, device) if dtype is None else dtype, device)
    if lora is not None:
        extra = lora_file(lora, instead)
    found = find_model(name_or_path, dtype.itemsize == 2, allow_pickle)
    _check_main_memory(str(name_or_path), found, dtype)
    vae = _fp16_vae(model, dtype)
    pipe = _load_folder(found, dtype, allow_pickle, vae)
    if model is not None and model.lora is not None:
        load_lora(pipe, lora_file(model.lora))
    if extra is not None:
        load_lora(pipe, extra)
    pipe = _place(pipe, device, str(name_or_path))
    pipe.set_progress_bar_config(disable=model is not None and model.is_embedded)
    return pipe


# --- A LoRA ----------------------------------------------------------------------------------


def _lora_alone(name_or_path: str | Path) -> LoraFile | None:
    """The LoRA that was given in the place of a model, if one was."""
    place = usable_path(name_or_path)
    if name_or_path in MODELS or place is None or not place.exists():
        return None
    if place.is_file():
        return read_lora(place)
    is_model = (place / "model_index.json").exists() or (place / "config.json").exists()
    return None if is_model else lora_in(place)


def _base_of(lora: LoraFile) -> str:
    """The model of the catalogue that a LoRA seems to belong to, with a word to the learner."""
    widths = {name: _text_width(MODELS[name]) for name in LORA_BASES}
    base = next((name for name, width in widths.items() if width == lora.text_width), None)
    if base is None:
        raise ValueError(
            f"name_or_path: {lora.path} is a LoRA, and nothing in it tells which model it belongs "
            "to. Name that model: load_pipeline('sd-v1-5', lora=...)"
        )
    warn_learner(
        f"{lora.path} is a LoRA, so it is put on a model that it fits: {base!r}. Was it trained "
        "with another one? Then write load_pipeline(that_one, lora=...)."
    )
    return base


def _text_width(model: Model) -> int | None:
    if not model.is_embedded:
        return model.text_width
    config = json.loads((model.source / "unet" / "config.json").read_text(encoding="utf-8"))
    return config["cross_attention_dim"]


# --- From a folder to a pipeline -----------------------------------------------------------------


def _load_folder(found: WholeModel, dtype: torch.dtype, allow_pickle: bool, vae: Path | None):
    """The pipeline in main memory. Nothing is looked up on the network."""
    with quiet(progress_bars=False):
        import diffusers
        from packaging.version import Version

        # 0.42 renamed the argument and warns about the old name.
        dtype_name = "dtype" if Version(diffusers.__version__) >= Version("0.42") else "torch_dtype"
        options = {
            "use_safetensors": None if allow_pickle else True,
            "local_files_only": True,
            dtype_name: dtype,
        }
        try:
            own = {} if found.base == found.folder else own_parts(found.folder, **options)
            if vae is not None:
                own["vae"] = diffusers.AutoencoderKL.from_pretrained(vae, **options)
            return diffusers.DiffusionPipeline.from_pretrained(
                found.base, variant=found.variant, **own, **options
            )
        except Exception as error:  # whatever a damaged file makes the libraries raise
            from helpers.models.causes import other_cause

            if other := other_cause(error, f"the model in {found.folder}", _smaller()):
                raise other from error
            raise ValueError(
                f"name_or_path: the model in {found.folder} is damaged or incomplete and cannot be "
                f"loaded ({first_line(error)})"
            ) from error


def _fp16_vae(model: Model | None, dtype: torch.dtype) -> Path | None:
    """The folder of a VAE that survives float16, where the model's own does not.

    SDXL's own VAE overflows in float16. diffusers therefore runs it in float32, which takes twice
    the memory, and that is what remains if the other one cannot be had.
    """
    if model is None or model.fp16_vae is None or str(dtype) != "torch.float16":
        return None
    file = "diffusion_pytorch_model.safetensors"
    repository = Repository(model.fp16_vae.hub_id, model.fp16_vae.revision)
    folder = repository.cached(file)
    if folder is not None and weight_files(folder):
        return folder
    try:
        return repository.download_files(["config.json", file])
    except (OSError, LookupError) as error:
        warn_learner(
            f"The VAE that works in float16 could not be fetched ({error}). The model's own is "
            "used; it decodes in float32 and takes more memory."
        )
        return None


def _place(pipe: DiffusionPipeline, device: torch.device, name: str):
    """The pipeline on its device, as far as memory allows."""
    import torch

    from helpers.models.memory import place

    try:
        return place(pipe, device, name)
    except torch.OutOfMemoryError as error:
        raise MemoryError(
            f"{device} has not enough free memory for {name!r}. Restart the notebook's kernel, "
            f"which frees what earlier models hold. {_smaller()}"
        ) from error


def _check_main_memory(name: str, found: WholeModel, dtype: torch.dtype) -> None:
    """Raise MemoryError before a load that cannot end well: weights pass through main memory."""
    room = main_memory()
    needed = sum(found.parameters.values()) * dtype.itemsize
    if needed > room.free:
        raise MemoryError(
            f"The weights of {name!r} take {needed / GIB:.1f} GiB of main memory in "
            f"{str(dtype).removeprefix('torch.')}; there are {room}. {room.remedy} "
            f"{_smaller(room.free)}"
        )


def _smaller(free: int = 0) -> str:
    """A sentence on what would run instead."""
    fitting = [
        name
        for name, model in MODELS.items()
        if (
            is_here(model) if model.is_embedded else (model.memory_bytes(half=False) or free) < free
        )
    ]
    return f"These need less: {', '.join(map(repr, fitting))}."


def _default_dtype(model: Model | None, device: torch.device) -> torch.dtype | None:
    """What the catalogue says for this kind of device; `None` leaves it to the device."""
    import torch

    return None if model is None else getattr(torch, model.dtype_on(device.type))


def _check_type(name_or_path: object) -> None:
    if not isinstance(name_or_path, str | Path):
        raise TypeError(
            "name_or_path must be a model's name or a folder; "
            f"got {name_or_path!r} ({type(name_or_path).__name__})"
        )
