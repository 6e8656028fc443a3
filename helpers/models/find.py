"""From a model's name to its whole folder on this computer, fetched if need be."""

import difflib
import os
import re
from contextlib import suppress
from pathlib import Path

from helpers.base.paths import usable_path
from helpers.base.warn import warn_learner
from helpers.models.catalogue import MODELS, Model, Source
from helpers.models.folder import Fault, WholeModel, whole_model
from helpers.models.hub import HUB_ID, NoSafetensors, Repository, cached_folders

Variants = tuple[str | None, ...]
EITHER: Variants = (None, "fp16")


def find_model(name_or_path: str | Path, half: bool, allow_pickle: bool) -> WholeModel:
    """The model's whole folder on this computer, downloaded if need be.

    Args:
        name_or_path, allow_pickle: As in `load_pipeline`.
        half: Whether files in half precision are wanted.

    Raises the errors that `load_pipeline` names for a model that is not there or not whole.
    """
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


def _find_in_catalogue(name: str, half: bool, allow_pickle: bool) -> WholeModel:
    model = MODELS[name]
    if not model.is_embedded:
        return _from_sources(name, model, half, allow_pickle)
    for folder in model.folders:
        if not folder.is_dir():
            raise FileNotFoundError(
                f"The weights of {name!r} are missing from this copy of the course "
                f"({folder}). Fetch the newest course (git pull). {instead(name)}"
            )
    return _whole(model.source, (None,), allow_pickle)


def _from_sources(name: str, model: Model, half: bool, allow_pickle: bool) -> WholeModel:
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
                found = _here(source, variants, allow_pickle)
            else:
                found = _fetch(source, variants, model.download_bytes(half), allow_pickle)
        except (LookupError, PermissionError, ConnectionError, ValueError) as error:
            first_error = first_error or error
            hub_is_off = hub_is_off or _is_connection_error(error)
            continue
        if first_error is not None:
            warn_learner(
                f"{first_error} Instead of {model.source.hub_id!r}, {source.hub_id!r} is loaded"
                + (f" ({source.note})." if source.note else ".")
            )
        if found.variant != variants[0]:
            wanted = "half" if half else "full"
            warn_learner(
                f"{source.hub_id!r} has no files in {wanted} precision; {name!r} is loaded from "
                "its others and converted."
            )
        return found
    raise first_error


def _here(source: Source, variants: Variants, allow_pickle: bool) -> WholeModel:
    """What earlier downloads left of a repository, in any revision; LookupError if not whole."""
    for folder in cached_folders(source.hub_id):
        with suppress(Fault):
            return whole_model(folder, variants, allow_pickle)
    raise LookupError(f"{source.hub_id!r} is not on this computer.")


def _fetch(source: Source, variants: Variants, size: int | None, allow_pickle: bool) -> WholeModel:
    """A repository from the cache of earlier downloads if it is whole there, else from the hub."""
    repository = Repository(source.hub_id, source.revision, instead)
    cached, fault = repository.cached("model_index.json"), None
    if cached is not None:
        try:
            return whole_model(cached, variants, allow_pickle)
        except Fault as error:
            fault = error
    try:
        folder = repository.download_pipeline(variants[0], allow_pickle, size or 0)
    except ConnectionError as error:
        if cached is None:
            raise
        kind = NoSafetensors if not allow_pickle and _is_whole(cached, True) else ValueError
        raise kind(
            f"{source.hub_id!r} is on this computer, but not whole, and the hub cannot be reached "
            f"to complete it: {fault} {instead()}"
        ) from error
    return _whole(folder, variants, allow_pickle)


def _whole(folder: Path, variants: Variants, allow_pickle: bool) -> WholeModel:
    """The folder as `whole_model` finds it; its fault is one of the argument."""
    try:
        return whole_model(folder, variants, allow_pickle)
    except Fault as fault:
        raise ValueError(f"name_or_path: {fault}") from fault


def _is_whole(folder: Path, allow_pickle: bool = False) -> bool:
    try:
        whole_model(folder, EITHER, allow_pickle)
    except Fault:
        return False
    return True


def _variants(half: bool) -> Variants:
    """Which files to look for: those in half precision first, or last."""
    return ("fp16", None) if half else EITHER


def _is_connection_error(error: BaseException) -> bool:
    return isinstance(error, ConnectionError) or isinstance(error.__cause__, ConnectionError)


def instead(name: str | None = None) -> str:
    """A sentence on what can be loaded without any download, other than the model `name`."""
    here = [other for other, model in MODELS.items() if other != name and is_here(model)]
    return f"No download is needed for {' or '.join(map(repr, here))}." if here else ""


def is_here(model: Model) -> bool:
    """Whether a model of the catalogue is whole on this computer."""
    if not all(folder.is_dir() for folder in model.folders):
        return False
    folders = [model.source] if model.is_embedded else cached_folders(model.source.hub_id)
    return any(map(_is_whole, folders))
