"""Put together what the pages need: models, runtime, modules, and the list of it all."""

import functools
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from helpers.base.files import whole_folder
from helpers.models.catalogue import MODELS, Model, shipped_models
from helpers.models.load import load_pipeline
from tools.browser.card import model_card, tokenizer_card, vocabulary_card
from tools.browser.export import (
    check_exportable,
    export_decoder,
    export_text_encoder,
    export_unet,
)
from tools.browser.pack import compressed, packed, write_packed

BROWSER = Path(__file__).resolve().parents[2] / "browser"
PACKAGES = BROWSER / "node_modules"

MOST_BYTES = 60_000_000
"""Of all models together, with the runtime that computes on the processor."""

MOST_FIRST_BYTES = 15_500_000
"""Until the first picture."""

EXPORTS = {
    "text_encoder": ("text_encoder", export_text_encoder),
    "unet": ("unet", export_unet),
    "decoder": ("vae", export_decoder),
}
"""Name of a part in family.json → name in the pipeline, and what exports it."""

RUNTIMES = {
    "wasm": ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
}
"""Where the model computes → the module and the WebAssembly of ONNX Runtime Web."""

LICENCES = {
    "onnxruntime-web": "MIT, https://github.com/microsoft/onnxruntime",
    "@huggingface/tokenizers": "Apache-2.0, https://github.com/huggingface/tokenizers.js",
    "@fontsource/noto-sans-math": "OFL-1.1, https://github.com/notofonts/math",
}


def embedded_models() -> dict[str, Model]:
    """The models of the catalogue that come with the course and have weights of their own."""
    return {name: MODELS[name] for name in shipped_models() if MODELS[name].lora is None}


def write_bundle(
    folder: Path,
    models: Mapping[str, Model] | None = None,
    load: Callable[[str], object] = load_pipeline,
) -> dict[str, object]:
    """Write everything into `folder`, which is made or replaced; return what family.json says.

    Args:
        folder: Where to.
        models: Which models, by name; all embedded ones if `None`.
        load: Gives the pipeline of a name.

    Raises:
        FileNotFoundError: The packages of `browser/package.json` are not installed.
        ValueError: A model could not run in a page, or is too large for one.
    """
    check_packages()
    models = embedded_models() if models is None else models
    with whole_folder(folder) as built:
        (built / "models").mkdir()
        (built / "packages").mkdir()
        shutil.copytree(BROWSER / "src", built / "src")
        family = {"runtimes": _copy_packages(built), "vocabulary": vocabulary_card()}
        family["models"] = _write_models(built / "models", models, load)
        by_size = sorted(family["models"], key=lambda name: first_bytes(family, name))
        family["first"] = by_size[0]
        family["figures"] = next(filter(functools.partial(_is_guided, family), by_size), by_size[0])
        check_sizes(family)
        text = json.dumps(family, ensure_ascii=False)
        (built / "models" / "family.json").write_text(text, encoding="utf-8")
    return family


def check_packages() -> None:
    """Raise FileNotFoundError unless what the pages use of other projects is installed."""
    missing = [name for name in LICENCES if not (PACKAGES / name).is_dir()]
    if missing:
        raise FileNotFoundError(
            f"{' and '.join(missing)} must be in {PACKAGES}. Install them: make browser-tools"
        )


def first_bytes(family: Mapping, model: str) -> int:
    """Bytes that a visitor fetches before the first picture of a model, of models and runtime."""
    card = family["models"][model]
    files = [family["runtimes"]["wasm"], card["tokenizer"], *card["parts"].values()]
    return sum(file["bytes"] for file in files)


def family_bytes(family: Mapping) -> int:
    """Bytes of all models and of the runtime for the processor; shared files count once."""
    cards = family["models"].values()
    files = [part for card in cards for part in (card["tokenizer"], *card["parts"].values())]
    files.append(family["runtimes"]["wasm"])
    return sum({file["file"]: file["bytes"] for file in files}.values())


def check_sizes(family: Mapping) -> None:
    """Raise ValueError if a visitor would have to wait for too much."""
    sizes = {
        "all models together": (family_bytes(family), MOST_BYTES),
        f"the first picture, by {family['first']},": (
            first_bytes(family, family["first"]),
            MOST_FIRST_BYTES,
        ),
    }
    for what, (size, most) in sizes.items():
        if size > most:
            raise ValueError(
                f"{what} must take at most {most / 1e6:g} MB in a page; got {size / 1e6:.1f} MB"
            )


def _is_guided(family: Mapping, name: str) -> bool:
    """Whether a model is drawn with guidance, which the figures of the reading show."""
    return family["models"][name]["guidance_scale"] > 1


def _copy_packages(built: Path) -> dict[str, dict[str, object]]:
    """Copy what is used of other projects; return the runtimes of family.json."""
    packages = built / "packages"
    tokenizers = PACKAGES / "@huggingface" / "tokenizers" / "dist" / "tokenizers.min.mjs"
    shutil.copyfile(tokenizers, packages / tokenizers.name)
    credits = [f"{name}: {licence}" for name, licence in LICENCES.items()]
    (packages / "LICENCES.txt").write_text("\n".join(credits) + "\n", encoding="utf-8")
    runtimes = {}
    for provider, (module, binary) in RUNTIMES.items():
        source = PACKAGES / "onnxruntime-web" / "dist"
        shutil.copyfile(source / module, packages / module)
        file = write_packed(packages, binary, compressed((source / binary).read_bytes()))
        runtimes[provider] = {"module": f"packages/{module}", **file}
    return runtimes


def _write_models(
    folder: Path, models: Mapping[str, Model], load: Callable[[str], object]
) -> dict[str, dict[str, object]]:
    cards, exported = {}, {}
    for name, model in models.items():
        pipe = load(name)
        check_exportable(name, pipe)
        card = model_card(name, model, pipe)
        card["parts"] = {
            part: _write_part(folder, part, getattr(pipe, own), pipe, export, exported)
            for part, (own, export) in EXPORTS.items()
        }
        with tempfile.TemporaryDirectory() as temporary:
            tokenizer = compressed(tokenizer_card(pipe, Path(temporary)))
        card["tokenizer"] = write_packed(folder, "tokenizer", tokenizer)
        cards[name] = card
    return cards


def _write_part(folder, part, module, pipe, export, exported) -> dict[str, object]:
    """A part's entry in family.json; one that another model has too is exported once."""
    for known, file in exported.get(part, []):
        if _are_equal(known, module):
            return file
    file = write_packed(folder, part, packed(export(pipe)))
    exported.setdefault(part, []).append((module, file))
    return file


def _are_equal(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    """Whether two parts are the same, weights and configuration."""
    if dict(_configuration(one)) != dict(_configuration(other)):
        return False
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(
        torch.equal(tensor, theirs[name]) for name, tensor in ours.items()
    )


def _configuration(part: torch.nn.Module) -> Mapping:
    config = part.config
    return config.to_dict() if hasattr(config, "to_dict") else config
