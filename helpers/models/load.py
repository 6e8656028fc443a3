"""`load_pipeline`, which turns a name, a folder or a LoRA into a pipeline that is ready to draw.

A name of the catalogue (catalogue.py) becomes a folder on this computer (hub.py fetches it), the
folder is checked (folder.py), loaded, and put where there is memory for it (memory.py). Whatever
fails on the way ends in one message with one next step.
"""

# torch and diffusers are imported where they are used: the catalogue can be read without
# waiting for them.
import difflib
import json
import os
import re
import warnings
from pathlib import Path

from helpers.base.paths import usable_path
from helpers.base.quiet import quiet
from helpers.models.catalogue import GIB, MODELS, Model, Source
from helpers.models.folder import count_numbers, fault, weight_files
from helpers.models.hub import (
    HUB_ID,
    NoSafetensors,
    cached_folder,
    cached_folders,
    download_files,
    download_pipeline,
    first_line,
)
from helpers.models.lora import is_lora, lora_file, loras_in, put_on, text_width
from helpers.models.main_memory import main_memory
from helpers.models.shared_parts import own_unet, whole_folder

LORA_BASES = ("stickers", "sd-v1-5", "sdxl")
"""What a LoRA without a model is put on: the first whose text is as wide as the LoRA's."""

Found = tuple[Path, str | None]  # a whole folder, and the variant of its files to load


def load_pipeline(
    name_or_path: str | Path = "stickers",
    device=None,
    dtype=None,
    lora: str | Path | None = None,
    allow_pickle: bool = False,
):
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
        PermissionError: The model's owner asks for a login or a licence to be accepted first.
        ConnectionError: The hub cannot be reached.
        OSError: The disk is full, or a file cannot be read.
        MemoryError: There is not enough memory, or a limit allows no more.
        ImportError: A library is missing, or does not fit the others.
    """
    from helpers.models.devices import checked_device, checked_dtype

    device = checked_device(device)
    _check_type(name_or_path)
    alone = _lora_alone(name_or_path)
    if alone is not None and lora is None:
        name_or_path, lora = _base_of(alone), alone
    model = MODELS.get(name_or_path) if isinstance(name_or_path, str) else None
    dtype = checked_dtype(_default_dtype(model, device) if dtype is None else dtype, device)
    loras = [lora_file(lora, _instead())] if lora is not None else []
    folder, variant = _find(name_or_path, _is_half(dtype), allow_pickle)
    _check_main_memory(str(name_or_path), folder, variant, dtype)
    vae = _fp16_vae(model, dtype)
    pipe = _load_folder(folder, variant, dtype, allow_pickle, vae)
    if model is not None and model.lora is not None:
        loras.insert(0, lora_file(model.lora, _instead(name_or_path)))
    for extra in loras:
        put_on(pipe, extra)
    pipe = _place(pipe, device, str(name_or_path))
    pipe.set_progress_bar_config(disable=model is not None and model.is_embedded)
    return pipe


# --- From a name to a folder -------------------------------------------------------------------


def _find(name_or_path: str | Path, half: bool, allow_pickle: bool) -> Found:
    """The model's whole folder on this computer, downloaded if need be."""
    if name_or_path in MODELS:
        return _find_in_catalogue(name_or_path, half, allow_pickle)
    folder = usable_path(name_or_path)
    if folder is None:
        raise _unknown(str(name_or_path))
    if os.path.isdir(folder):
        return _whole(folder, _variants(half), allow_pickle)
    if os.path.isfile(folder):
        raise ValueError(
            "name_or_path must be a folder that holds model_index.json, or a LoRA file; got the "
            f"file {folder}"
        )
    if isinstance(name_or_path, Path) or re.match(r"[./~\\]|\w:", name_or_path):
        raise FileNotFoundError(
            f"name_or_path: there is no folder {str(name_or_path)!r} "
            f"(looked for {folder.absolute()})"
        )
    if HUB_ID.fullmatch(name_or_path):
        return _fetch(Source(name_or_path), _variants(half), None, allow_pickle)
    raise _unknown(name_or_path)


def _unknown(name: str) -> LookupError:
    near = difflib.get_close_matches(name.lower(), MODELS, n=1)
    return LookupError(
        f"name_or_path: no model is called {name!r:.80}."
        + (f" Did you mean {near[0]!r}?" if near else "")
        + f" The catalogue has {', '.join(map(repr, MODELS))}; a folder works too, and so does a "
        "name on the hub, written as 'owner/model'."
    )


def _find_in_catalogue(name: str, half: bool, allow_pickle: bool) -> Found:
    model = MODELS[name]
    if not model.is_embedded:
        return _from_sources(name, model, half, allow_pickle)
    for folder in model.folders:
        if not folder.is_dir():
            raise FileNotFoundError(
                f"The weights of {name!r} are missing from this copy of the course "
                f"({folder}). Fetch the newest course (git pull). {_instead(name)}"
            )
    return _whole(model.source, (None,), allow_pickle)


def _from_sources(name: str, model: Model, half: bool, allow_pickle: bool) -> Found:
    """The model from its repository, or else from the first fallback that works, with a word."""
    variants = _variants(half) if model.variant else (None,)
    sources = [model.source, *model.fallbacks]
    if model.source.revision:
        sources.insert(1, Source(model.source.hub_id, note="its newest revision"))
    first_error = None
    hub_is_off = False
    for source in sources:
        try:
            if hub_is_off:
                folder, variant = _here(source, variants, allow_pickle)
            else:
                size = model.download_bytes(half)
                folder, variant = _fetch(source, variants, size, allow_pickle)
        except (LookupError, PermissionError, ConnectionError, ValueError) as error:
            first_error = first_error or error
            hub_is_off = hub_is_off or _is_connection_error(error)
            continue
        if first_error is not None:
            warnings.warn(
                f"{first_error} Instead of {model.source.hub_id!r}, {source.hub_id!r} is loaded"
                + (f" ({source.note})." if source.note else "."),
                stacklevel=5,
            )
        if variant != variants[0]:
            wanted = "half" if half else "full"
            warnings.warn(
                f"{source.hub_id!r} has no files in {wanted} precision; {name!r} is loaded from "
                "its others and converted.",
                stacklevel=5,
            )
        return folder, variant
    raise first_error


def _here(source: Source, variants: tuple[str | None, ...], allow_pickle: bool) -> Found:
    """What earlier downloads left of a repository, in any revision; LookupError if not whole."""
    for folder in cached_folders(source.hub_id):
        for variant in variants:
            if fault(folder, variant, allow_pickle) is None:
                return folder, variant
    raise LookupError(f"{source.hub_id!r} is not on this computer.")


def _fetch(
    source: Source, variants: tuple[str | None, ...], size: int | None, allow_pickle: bool
) -> Found:
    """A repository from the cache of earlier downloads if it is whole there, else from the hub."""
    cached = cached_folder(source.hub_id, "model_index.json", source.revision)
    if cached is not None:
        for variant in variants:
            if fault(cached, variant, allow_pickle) is None:
                return cached, variant
    instead = _instead()
    try:
        folder = download_pipeline(
            source.hub_id, instead, source.revision, variants[0], allow_pickle, size or 0
        )
        return _whole(folder, variants, allow_pickle)
    except ConnectionError as error:
        if cached is None:
            raise
        kind = NoSafetensors if fault(cached, None, True) is None else ValueError
        raise kind(
            f"{source.hub_id!r} is on this computer, but not whole, and the hub cannot be reached "
            f"to complete it: {fault(cached, None, allow_pickle)} {instead}"
        ) from error


def _whole(folder: Path, variants: tuple[str | None, ...], allow_pickle: bool) -> Found:
    """The folder and the first variant in which it is whole; ValueError if there is none."""
    for variant in variants:
        if fault(folder, variant, allow_pickle) is None:
            return folder, variant
    raise ValueError(f"name_or_path: {fault(folder, None, allow_pickle)}")


def _variants(half: bool) -> tuple[str | None, ...]:
    """Which files to look for: those in half precision first, or last."""
    return ("fp16", None) if half else (None, "fp16")


def _is_connection_error(error: BaseException) -> bool:
    return isinstance(error, ConnectionError) or isinstance(error.__cause__, ConnectionError)


def _instead(name: str | None = None) -> str:
    """A sentence on what can be loaded without any download."""
    here = [other for other, model in MODELS.items() if other != name and _is_here(model)]
    return f"No download is needed for {' or '.join(map(repr, here))}." if here else ""


def _is_here(model: Model) -> bool:
    if not all(folder.is_dir() for folder in model.folders):
        return False
    folders = [model.source] if model.is_embedded else cached_folders(model.source.hub_id)
    return any(fault(folder, variant) is None for folder in folders for variant in (None, "fp16"))


# --- A LoRA ----------------------------------------------------------------------------------


def _lora_alone(name_or_path: str | Path) -> Path | None:
    """The LoRA file that was given in the place of a model, if one was."""
    place = usable_path(name_or_path)
    if name_or_path in MODELS or place is None or not place.exists():
        return None
    is_model = (place / "model_index.json").exists() or (place / "config.json").exists()
    if is_lora(place):
        return place
    return None if is_model or not loras_in(place) else lora_file(place, "")


def _base_of(file: Path) -> str:
    """The model of the catalogue that a LoRA seems to belong to, with a word to the learner."""
    width = text_width(file)
    base = next((name for name in LORA_BASES if width == _text_width(MODELS[name])), None)
    if base is None:
        raise ValueError(
            f"name_or_path: {file} is a LoRA, and nothing in it tells which model it belongs to. "
            "Name that model: load_pipeline('sd-v1-5', lora=...)"
        )
    warnings.warn(
        f"{file} is a LoRA, so it is put on a model that it fits: {base!r}. Was it trained with "
        "another one? Then write load_pipeline(that_one, lora=...).",
        stacklevel=3,
    )
    return base


def _text_width(model: Model) -> int | None:
    if not model.is_embedded:
        return model.text_width
    config = json.loads((model.source / "unet" / "config.json").read_text(encoding="utf-8"))
    return config["cross_attention_dim"]


# --- From a folder to a pipeline -----------------------------------------------------------------


def _load_folder(folder: Path, variant: str | None, dtype, allow_pickle: bool, vae: Path | None):
    """The pipeline in `folder`, in main memory. Nothing is looked up on the network."""
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
            whole = whole_folder(folder)
            own = {} if whole == folder else own_unet(folder, **options)
            if vae is not None:
                own["vae"] = diffusers.AutoencoderKL.from_pretrained(vae, **options)
            return diffusers.DiffusionPipeline.from_pretrained(
                whole, variant=variant, **own, **options
            )
        except Exception as error:  # whatever a damaged file makes the libraries raise
            from helpers.models.causes import other_cause

            if other := other_cause(error, f"the model in {folder}", _smaller()):
                raise other from error
            raise ValueError(
                f"name_or_path: the model in {folder} is damaged or incomplete and cannot be "
                f"loaded ({first_line(error)})"
            ) from error


def _fp16_vae(model: Model | None, dtype) -> Path | None:
    """The folder of a VAE that survives float16, where the model's own does not.

    SDXL's own VAE overflows in float16. diffusers therefore runs it in float32, which takes twice
    the memory, and that is what remains if the other one cannot be had.
    """
    if model is None or model.fp16_vae is None or str(dtype) != "torch.float16":
        return None
    source, file = model.fp16_vae, "diffusion_pytorch_model.safetensors"
    folder = cached_folder(source.hub_id, file, source.revision)
    if folder is not None and weight_files(folder):
        return folder
    try:
        return download_files(source.hub_id, ["config.json", file], "", source.revision)
    except (OSError, LookupError) as error:
        warnings.warn(
            f"The VAE that works in float16 could not be fetched ({error}). The model's own is "
            "used; it decodes in float32 and takes more memory.",
            stacklevel=3,
        )
        return None


def _place(pipe, device, name: str):
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


def _check_main_memory(name: str, folder: Path, variant: str | None, dtype) -> None:
    """Raise MemoryError before a load that cannot end well: weights pass through main memory."""
    room = main_memory()
    needed = count_numbers(folder, variant) * dtype.itemsize
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
            _is_here(model)
            if model.is_embedded
            else (model.memory_bytes(half=False) or free) < free
        )
    ]
    return f"These need less: {', '.join(map(repr, fitting))}."


def _default_dtype(model: Model | None, device):
    """What the catalogue says for this kind of device; `None` leaves it to the device."""
    import torch

    return None if model is None else getattr(torch, model.dtype_on(device.type))


def _is_half(dtype) -> bool:
    return dtype.itemsize == 2


def _check_type(name_or_path) -> None:
    if not isinstance(name_or_path, str | Path):
        raise TypeError(
            "name_or_path must be a model's name or a folder; "
            f"got {name_or_path!r} ({type(name_or_path).__name__})"
        )
