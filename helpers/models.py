"""The catalogue of models, and `load_pipeline`, which turns a name into a pipeline."""

# torch, diffusers and transformers are imported where they are used: the catalogue can be read
# without waiting for them.
import difflib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from .quiet import quiet

WEIGHTS = Path(__file__).parent / "weights"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class Model:
    """One model of the catalogue.

    Attributes:
        source: A folder of this package, or the model's name on the Hugging Face hub.
        licence: What its weights are published under.
        about: One line for a learner who chooses.
    """

    source: Path | str
    licence: str
    about: str

    @property
    def is_embedded(self) -> bool:
        """Whether the weights come with this package, so that no network is needed."""
        return isinstance(self.source, Path)


MODELS = {
    "stickers": Model(
        source=WEIGHTS / "stickers",
        licence="MIT; drawings as listed in CREDITS.md",
        about="The course's own small model: 128 x 128 stickers and portraits, no GPU needed",
    ),
    "sd-v1-4": Model(
        source="CompVis/stable-diffusion-v1-4",
        licence="CreativeML OpenRAIL-M",
        about="Stable Diffusion 1.4: 512 x 512 pictures of anything; wants a GPU",
    ),
    "sd-v1-5": Model(
        source="stable-diffusion-v1-5/stable-diffusion-v1-5",
        licence="CreativeML OpenRAIL-M",
        about="Stable Diffusion 1.5: 1.4 trained for longer; wants a GPU",
    ),
}


def load_pipeline(name_or_path: str | Path = "stickers", device=None, dtype=None):
    """Load a text-to-image pipeline, ready to call.

    Only safetensors weights are read, never pickle files, which can run code. A model that comes
    with this package needs no network. Those draw in about a second, so their pipelines show no
    progress bar; others keep it.

    Args:
        name_or_path: A name of the catalogue `MODELS`, a folder in diffusers' layout, or a name
            on the Hugging Face hub such as "owner/model". A name of the catalogue comes first;
            write "./stickers" for a folder of that name.
        device: "cuda", "mps" or "cpu" (or a `torch.device`). `None` takes the first of these
            that the computer has.
        dtype: `torch.float32`, `torch.float16` or `torch.bfloat16`. `None` takes float16 on CUDA
            and float32 elsewhere.

    Returns:
        A `diffusers.DiffusionPipeline`, of the class that the model names.

    Raises:
        TypeError: `name_or_path` or `dtype` is of the wrong type.
        ValueError: The device or dtype cannot be used here, or the folder holds no whole model.
        LookupError: No model has this name.
        FileNotFoundError: There is no such folder.
        PermissionError: The model's owner asks for a login or a licence to be accepted first.
        ConnectionError: The hub cannot be reached.
    """
    from .devices import checked_device, checked_dtype

    device = checked_device(device)
    dtype = checked_dtype(dtype, device)
    folder, is_embedded = _find_folder(name_or_path)
    _check_folder(folder)
    pipe = _load_folder(folder, dtype).to(device)
    pipe.set_progress_bar_config(disable=is_embedded)
    return pipe


def _find_folder(name_or_path: str | Path) -> tuple[Path, bool]:
    """The model's folder on this computer, downloaded if need be, and whether it is ours."""
    if not isinstance(name_or_path, str | Path):
        raise TypeError(
            "name_or_path must be a model's name or a folder; "
            f"got {name_or_path!r} ({type(name_or_path).__name__})"
        )
    if name_or_path in MODELS:
        model = MODELS[name_or_path]
        return (model.source, True) if model.is_embedded else (_download(model.source), False)
    folder = Path(name_or_path).expanduser()
    if os.path.isdir(folder) and name_or_path:
        return folder, False
    if os.path.isfile(folder):
        raise ValueError(
            f"name_or_path must be a folder that holds model_index.json; got the file {folder}"
        )
    if isinstance(name_or_path, Path) or re.match(r"[./~\\]|\w:", name_or_path):
        raise FileNotFoundError(
            f"name_or_path: there is no folder {str(name_or_path)!r} "
            f"(looked for {folder.absolute()})"
        )
    if HUB_ID.fullmatch(name_or_path):
        return _download(name_or_path), False
    near = difflib.get_close_matches(name_or_path.lower(), MODELS, n=1)
    raise LookupError(
        f"name_or_path: no model is called {name_or_path!r}."
        + (f" Did you mean {near[0]!r}?" if near else "")
        + f" The catalogue has {_catalogue()}; a folder works too, and so does a name on the hub, "
        "written as 'owner/model'."
    )


def _download(hub_id: str) -> Path:
    """Fetch a model from the hub, or find it in the cache of earlier downloads."""
    # The bars stay: a download of gigabytes should show its progress.
    with quiet(progress_bars=True):
        import diffusers

        try:
            return Path(diffusers.DiffusionPipeline.download(hub_id, use_safetensors=True))
        except Exception as error:  # the libraries below raise some ten unrelated classes
            raise _download_error(hub_id, error) from error


def _download_error(hub_id: str, error: Exception) -> Exception:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    root = error.__cause__ or error  # diffusers wraps what the hub said
    if isinstance(root, GatedRepoError):
        return PermissionError(
            f"{hub_id!r} wants its licence accepted first: log in on its page "
            f"https://huggingface.co/{hub_id}, accept, then run `hf auth login` on this computer"
        )
    if isinstance(root, RepositoryNotFoundError):
        return LookupError(
            f"name_or_path: there is neither a folder {hub_id!r} here nor a public model of this "
            f"name on the hub. The catalogue has {_catalogue()}."
        )
    if "safetensors" in str(error):
        return ValueError(
            f"{hub_id!r} has no safetensors weights; pickle files can run code and are not loaded"
        )
    return ConnectionError(
        f"{hub_id!r} is not on this computer and could not be downloaded from the hub "
        f"({_first_line(root)}). Check the network; load_pipeline('stickers') needs none."
    )


def _check_folder(folder: Path) -> None:
    """Refuse a folder that holds no whole model, before the libraries trip over it."""
    index = folder / "model_index.json"
    if not index.is_file():
        raise ValueError(
            f"name_or_path must be a folder that holds model_index.json; {folder} has none"
            + (
                ". It looks like one part of a model: give the folder above it"
                if (folder / "config.json").is_file()
                else ""
            )
        )
    try:
        parts = json.loads(index.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"name_or_path: {index} is no valid JSON ({error})") from error
    for name, origin in parts.items():
        is_part = isinstance(origin, list) and all(isinstance(word, str) for word in origin)
        if is_part and not name.startswith("_"):
            _check_part(folder / name)


def _check_part(part: Path) -> None:
    """A part is there, and has weights if it is a network (only those have a config.json)."""
    if not part.is_dir():
        raise ValueError(
            f"name_or_path: model_index.json names the part {part.name!r}, but "
            f"there is no folder {part}"
        )
    if not (part / "config.json").is_file() or any(part.glob("*.safetensors")):
        return
    if any(part.glob("*.bin")):
        raise ValueError(
            f"name_or_path: {part} holds only pickle weights (.bin), which can run code and are "
            "not loaded; save the model again as safetensors"
        )
    raise ValueError(f"name_or_path: {part} holds no weights (no .safetensors file)")


def _load_folder(folder: Path, dtype):
    """The pipeline in `folder`, in main memory. Nothing is looked up on the network."""
    with quiet(progress_bars=False):
        import diffusers
        from packaging.version import Version

        # 0.42 renamed the argument and warns about the old name.
        dtype_name = "dtype" if Version(diffusers.__version__) >= Version("0.42") else "torch_dtype"
        try:
            return diffusers.DiffusionPipeline.from_pretrained(
                folder, use_safetensors=True, local_files_only=True, **{dtype_name: dtype}
            )
        except Exception as error:  # whatever a damaged file makes the libraries raise
            raise ValueError(
                f"name_or_path: the model in {folder} is damaged or incomplete and cannot be "
                f"loaded ({_first_line(error)})"
            ) from error


def _catalogue() -> str:
    return ", ".join(map(repr, MODELS))


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
