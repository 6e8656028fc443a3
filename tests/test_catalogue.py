"""The models of the hub, loaded from caches that the tests make, with the hub off.

The files have the names and variants of the real repositories and tiny random weights. Where a
repository has two sets of files, they hold different numbers, so that a test can tell which were
read. Loading goes through the library's real `from_pretrained`.
"""

import errno
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import diffusers
import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from huggingface_hub import errors as hub_errors
from safetensors.torch import load_file
from transformers import CLIPConfig, CLIPVisionConfig

import helpers
from helpers import load_pipeline
from helpers.base.quiet import quiet
from helpers.models import hub
from helpers.models import load as models
from helpers.models.catalogue import Model
from tests.pipelines import (
    tiny_sd_pipeline,
    tiny_sdxl_pipeline,
    tiny_text_config,
    tiny_tokenizer,
)

with quiet(progress_bars=False):  # it speaks of a missing torchvision
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPImageProcessor

ON_HUB = {name: model for name, model in helpers.MODELS.items() if not model.is_embedded}
FULL, HALF = 0, 1  # the seeds of the two sets of files
OFFLINE = {"device": "cpu"}


# --- Repositories in small ----------------------------------------------------------------------


def save(make, folder: Path, both: bool) -> Path:
    """A pipeline in full precision and, if asked, another one in half precision beside it."""
    make(FULL).save_pretrained(folder)
    if both:
        make(HALF).to(torch.float16).save_pretrained(folder, variant="fp16")
    return folder


def with_safety_checker(seed: int, **unet_options):
    """An SD 1.x pipeline with the two parts that only the published ones have."""
    pipe = tiny_sd_pipeline(seed, **unet_options)
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        image_size=32,
        patch_size=16,
        projection_dim=32,
    )
    config = CLIPConfig(
        text_config=tiny_text_config(tiny_tokenizer()).to_dict(),
        vision_config=vision.to_dict(),
        projection_dim=32,
    )
    pipe.register_modules(
        safety_checker=StableDiffusionSafetyChecker(config),
        feature_extractor=CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32),
    )
    pipe.register_to_config(requires_safety_checker=True)
    return pipe


@pytest.fixture(scope="session")
def layouts(tmp_path_factory):
    """Folders as the repositories have them, by kind; tests copy them."""
    home = tmp_path_factory.mktemp("repositories")
    small = {"mid_block_type": None}
    folders = {
        "sd": save(with_safety_checker, home / "sd", both=True),
        "bk": save(lambda seed: with_safety_checker(seed, **small), home / "bk", both=True),
        "turbo": save(tiny_sd_pipeline, home / "turbo", both=True),
        "full only": save(tiny_sd_pipeline, home / "full", both=False),
        "xl": save(tiny_sdxl_pipeline, home / "xl", both=True),
    }
    folders["pickle"] = home / "pickle"
    tiny_sd_pipeline(FULL).save_pretrained(folders["pickle"], safe_serialization=False)
    for encoder in folders["pickle"].glob("text_encoder/*.safetensors"):  # transformers 5 insists
        torch.save(load_file(encoder), encoder.with_name("pytorch_model.bin"))
        encoder.unlink()
    folders["vae"] = home / "vae"
    tiny_sd_pipeline(seed=2).vae.save_pretrained(folders["vae"])
    return folders


KINDS = {
    "sd-v1-4": "sd",
    "sd-v1-5": "sd",
    "sdxl": "xl",
    "ssd-1b": "xl",
    "bk-sdm-small": "bk",
    "tiny-sd": "pickle",
    "sd-turbo": "turbo",
    "pokemon": "full only",
}


@pytest.fixture
def cached(hub_cache, layouts):
    """`cached(name)` puts a model's repository into the cache; returns the folder there."""

    def add(name: str, kind: str | None = None, source=None) -> Path:
        source = source or ON_HUB[name].source
        commit = {"commit": source.revision} if source.revision else {}
        return hub_cache(source.hub_id, layouts[kind or KINDS[name]], **commit)

    return add


def came_from(pipe) -> int:
    """The seed of the files that a pipeline was loaded from."""
    loaded = pipe.unet.conv_in.weight.float()
    for seed in (FULL, HALF):
        kind = tiny_sdxl_pipeline if "XL" in type(pipe).__name__ else tiny_sd_pipeline
        if torch.allclose(loaded, kind(seed).unet.conv_in.weight, atol=1e-2):
            return seed
    raise AssertionError("the weights are of neither set of files")


# --- Every model of the catalogue ----------------------------------------------------------------


def test_every_model_of_the_hub_is_tested_here():
    assert set(KINDS) == set(ON_HUB)


@pytest.mark.parametrize("name", [name for name in KINDS if KINDS[name] != "pickle"])
def test_a_model_loads_by_its_name_with_the_hub_off(name, cached, capfd):
    cached(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing is out of the ordinary, so nothing is said
        pipe = load_pipeline(name, **OFFLINE)
    assert type(pipe).__name__ == ON_HUB[name].pipeline_class
    assert (pipe.unet.dtype, came_from(pipe)) == (torch.float32, FULL)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["sd-v1-4", "sdxl", "sd-turbo"])
def test_half_precision_reads_the_smaller_files(name, cached):
    cached(name)
    pipe = load_pipeline(name, dtype=torch.bfloat16, **OFFLINE)
    assert (pipe.unet.dtype, came_from(pipe)) == (torch.bfloat16, HALF)


def test_a_loaded_model_draws(cached):
    cached("sd-v1-5")
    pipe = load_pipeline("sd-v1-5", **OFFLINE)
    pipe.set_progress_bar_config(disable=True)
    result = pipe("a fox", num_inference_steps=1)
    assert result.images[0].size == (32, 32)
    assert len(result.nsfw_content_detected) == 1  # the safety checker is there and looked


@pytest.mark.parametrize("name", helpers.MODELS)
def test_the_catalogue_is_complete(name):
    model = helpers.MODELS[name]
    assert isinstance(model, Model)
    assert model.about and model.licence and model.terms
    assert hasattr(diffusers, model.pipeline_class)
    assert model.size % 64 == 0 and model.num_inference_steps >= 1 and model.guidance_scale >= 0
    assert {model.dtype_on(kind) for kind in ("cuda", "mps", "cpu")} <= {"float16", "float32"}
    assert model.dtype_on("cpu") == "float32" and model.dtype_on("cuda") == "float16"
    for source in () if model.is_embedded else (model.source, *model.fallbacks):
        assert hub.HUB_ID.fullmatch(source.hub_id)
        assert source.revision is None or len(bytes.fromhex(source.revision)) == 20
        assert source is model.source or source.note  # how a stand-in differs


def test_sizes_follow_from_the_number_of_parameters():
    model = replace(ON_HUB["sd-v1-4"], parameters=1_000)
    assert [model.download_bytes(half) for half in (True, False)] == [2_000, 4_000]
    assert replace(model, variant=None).download_bytes(half=True) == 4_000
    pixels = 4 * 256 * 512 * 512
    assert model.memory_bytes(half=True) == 2_000 + 2 * pixels + 2**30
    assert ON_HUB["tiny-sd"].download_bytes(half=True) is None
    assert helpers.MODELS["stickers"].download_bytes(half=False) == 0


def test_an_embedded_model_that_is_missing(monkeypatch, tmp_path):
    gone = replace(helpers.MODELS["stickers-distilled"], source=tmp_path / "nothing")
    monkeypatch.setitem(helpers.MODELS, "stickers-distilled", gone)
    with pytest.raises(FileNotFoundError, match=r"missing from this copy.*git pull.*'stickers'"):
        load_pipeline("stickers-distilled")


# --- Files that are not as they should be --------------------------------------------------------


def test_pickle_only_is_refused_and_can_be_allowed(cached):
    cached("tiny-sd")
    with pytest.raises(ValueError, match=r"pickle weights.*allow_pickle=True.*'stickers'"):
        load_pipeline("tiny-sd", **OFFLINE)
    assert came_from(load_pipeline("tiny-sd", allow_pickle=True, **OFFLINE)) == FULL


def test_pickle_only_falls_back_to_safetensors_and_says_so(cached):
    cached("tiny-sd")
    cached("tiny-sd", "turbo", source=ON_HUB["tiny-sd"].fallbacks[0])
    with pytest.warns(UserWarning, match=r"pickle.*'nota-ai/bk-sdm-tiny' is loaded") as warned:
        pipe = load_pipeline("tiny-sd", **OFFLINE)
    assert warned[0].filename == __file__
    assert came_from(pipe) == FULL


def test_a_missing_variant_is_told(cached):
    cached("sd-turbo", "full only")
    with pytest.warns(UserWarning, match="no files in half precision"):
        pipe = load_pipeline("sd-turbo", dtype=torch.bfloat16, **OFFLINE)
    assert (pipe.unet.dtype, came_from(pipe)) == (torch.bfloat16, FULL)


def test_a_part_without_the_variant_comes_from_its_ordinary_file(cached):
    folder = cached("sd-turbo")
    (folder / "vae" / "diffusion_pytorch_model.fp16.safetensors").unlink()
    pipe = load_pipeline("sd-turbo", dtype=torch.bfloat16, **OFFLINE)
    assert came_from(pipe) == HALF
    assert pipe.vae.dtype == torch.bfloat16


def test_safetensors_that_were_cut_short(cached):
    folder = cached("sd-turbo", "full only")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"not whole.*diffusion_pytorch_model\.safetensors is dam"):
        load_pipeline("sd-turbo", **OFFLINE)


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("unet/diffusion_pytorch_model.safetensors", "unet holds no weights"),
        ("vae", "the part 'vae', but there is no folder"),
    ],
)
def test_a_download_that_was_interrupted(cached, gone, words):
    folder = cached("pokemon")
    path = folder / gone
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ValueError, match=f"not whole, and the hub cannot be reached.*{words}"):
        load_pipeline("pokemon", **OFFLINE)


def test_another_revision_is_better_than_none(hub_cache, layouts):
    hub_cache("CompVis/stable-diffusion-v1-4", layouts["sd"])  # not the pinned one
    with pytest.warns(UserWarning, match="its newest revision"):
        assert came_from(load_pipeline("sd-v1-4", **OFFLINE)) == FULL


# --- What the hub answers ---------------------------------------------------------------------


def answer(kind: str, status: int = 401) -> Exception:
    """An error of the hub's client, as diffusers wraps it."""
    cause = getattr(hub_errors, kind)
    error = cause.__new__(cause)
    error.response = SimpleNamespace(status_code=status)
    wrapper = OSError("Cannot load model")
    wrapper.__cause__ = error
    return wrapper


@pytest.mark.parametrize(
    ("error", "token", "kind", "words"),
    [
        (answer("GatedRepoError"), None, PermissionError, "no token.*huggingface.co/o/m.*auth log"),
        (answer("GatedRepoError"), "t", PermissionError, "has not. Accept it on .*/o/m, then run"),
        (answer("RepositoryNotFoundError"), None, LookupError, "no public model 'o/m'.*deleted"),
        (answer("RevisionNotFoundError"), None, LookupError, "without the revision"),
        (answer("DisabledRepoError"), None, LookupError, "has closed 'o/m'"),
        (answer("HfHubHTTPError"), "t", PermissionError, "does not accept the token.*auth login"),
        (answer("HfHubHTTPError", 503), None, ConnectionError, "the hub cannot be reached"),
        (answer("OfflineModeIsEnabled"), None, ConnectionError, "HF_HUB_OFFLINE forbids"),
        (TimeoutError("timed out"), None, ConnectionError, r"TimeoutError: timed out.*network"),
        (OSError(errno.ENOSPC, "x"), None, OSError, r"disk is full.*hf cache rm.*HF_HOME"),
        (RuntimeError("No space left on device (os error 28)"), None, OSError, "disk is full"),
    ],
)
def test_what_the_hub_answers_becomes_one_message(monkeypatch, error, token, kind, words):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: token)
    found = hub.Repository("o/m", instead=lambda: "Load 'stickers'.").explained(error)
    assert type(found) is kind
    with pytest.raises(kind, match=words):
        raise found
    assert str(found).rstrip("'\"").endswith("Load 'stickers'.")


def test_nothing_here_and_the_hub_off(hub_cache):
    words = r"'CompVis.*HF_HUB_OFFLINE forbids.*No download is needed for 'stickers'"
    with pytest.raises(ConnectionError, match=words):
        load_pipeline("sd-v1-4")


def test_the_message_names_what_is_on_this_computer(cached):
    cached("sd-turbo")
    with pytest.raises(ConnectionError, match="No download is needed for 'stickers'.*'sd-turbo'"):
        load_pipeline("sdxl")


def test_no_network_and_no_cache(tmp_path, monkeypatch, no_network):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ConnectionError, match=r"'nobody/nothing' is not on.*cannot be reached"):
        load_pipeline("nobody/nothing")


@pytest.fixture
def fake_hub(monkeypatch, tmp_path):
    """A hub of repositories that a test names: what it holds is a folder or an error to raise."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    asked, holds = [], {}

    def download(hub_id, revision=None, variant=None, use_safetensors=None):
        asked.append((hub_id, revision, variant, use_safetensors))
        found = holds.get((hub_id, revision), answer("RepositoryNotFoundError"))
        found = found(variant) if callable(found) else found
        if isinstance(found, Exception):
            raise found
        return str(found)

    monkeypatch.setattr(diffusers.DiffusionPipeline, "download", download)
    monkeypatch.setattr(huggingface_hub, "model_info", lambda *args, **options: None)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**12))
    monkeypatch.setattr(huggingface_hub, "get_repo_discussions", lambda *args, **options: [])
    return SimpleNamespace(asked=asked, holds=holds)


def test_a_download_asks_for_the_pinned_revision_and_safetensors(fake_hub, layouts):
    source = ON_HUB["sd-v1-4"].source
    fake_hub.holds[source.hub_id, source.revision] = layouts["sd"]
    load_pipeline("sd-v1-4", dtype=torch.bfloat16, **OFFLINE)
    assert fake_hub.asked == [(source.hub_id, source.revision, "fp16", True)]


def test_a_deleted_model_falls_back_in_order_and_says_so(fake_hub, layouts):
    fake_hub.holds["CompVis/stable-diffusion-v1-4", None] = layouts["sd"]
    with pytest.warns(UserWarning, match=r"deleted.*Instead of .*v1-4' is loaded \(version 1\.4"):
        pipe = load_pipeline("sd-v1-5", **OFFLINE)
    assert came_from(pipe) == FULL
    assert [hub_id for hub_id, *_ in fake_hub.asked] == [
        "stable-diffusion-v1-5/stable-diffusion-v1-5",
        "stable-diffusion-v1-5/stable-diffusion-v1-5",  # its newest revision
        "sd-legacy/stable-diffusion-v1-5",
        "benjamin-paine/stable-diffusion-v1-5",
        "CompVis/stable-diffusion-v1-4",
    ]


def test_when_all_are_gone_the_first_answer_is_told(fake_hub):
    with pytest.raises(LookupError, match="no public model 'stable-diffusion-v1-5/stable"):
        load_pipeline("sd-v1-5", **OFFLINE)


def test_a_full_disk_stops_at_once(fake_hub):
    source = ON_HUB["sd-v1-5"].source
    fake_hub.holds[source.hub_id, source.revision] = OSError(errno.ENOSPC, "No space left")
    with pytest.raises(OSError, match="disk is full"):
        load_pipeline("sd-v1-5", **OFFLINE)
    assert len(fake_hub.asked) == 1


def test_too_little_space_is_seen_before_the_download(fake_hub, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=10**9))
    with pytest.raises(OSError, match=r"disk is full.*5\.5 GB are needed and 1\.0 GB are free"):
        load_pipeline("sd-v1-4", **OFFLINE)
    assert fake_hub.asked == []


def test_the_hubs_own_conversion_is_taken_instead_of_pickle(fake_hub, layouts, monkeypatch):
    refusal = OSError("Could not find the necessary `safetensors` weights in {'unet/x.bin'}")
    fake_hub.holds["o/m", None] = refusal
    with pytest.raises(ValueError, match="'o/m' has only pickle weights"):
        load_pipeline("o/m", **OFFLINE)
    requests = [
        SimpleNamespace(title="Something else", git_reference="refs/pr/1"),
        SimpleNamespace(title=hub.CONVERSION_TITLE, git_reference="refs/pr/2"),
    ]

    def discussions(hub_id, author, discussion_type):
        assert (hub_id, author, discussion_type) == ("o/m", "SFconvertbot", "pull_request")
        return requests

    monkeypatch.setattr(huggingface_hub, "get_repo_discussions", discussions)
    fake_hub.holds["o/m", "refs/pr/2"] = layouts["full only"]
    assert came_from(load_pipeline("o/m", **OFFLINE)) == FULL


def test_a_repository_without_the_variant_is_asked_again_without(fake_hub, layouts):
    missing = ValueError("`variant=fp16`, but no such modeling files are available.")
    fake_hub.holds["o/m", None] = lambda variant: missing if variant else layouts["full only"]
    pipe = load_pipeline("o/m", dtype=torch.bfloat16, **OFFLINE)
    assert [variant for _, _, variant, _ in fake_hub.asked] == ["fp16", None]
    assert (pipe.unet.dtype, came_from(pipe)) == (torch.bfloat16, FULL)


# --- SDXL in float16 -------------------------------------------------------------------------


@pytest.fixture
def float16(monkeypatch):
    """Let load_pipeline take float16 on the CPU, where only loading is tested."""
    monkeypatch.setattr("helpers.models.devices.checked_dtype", lambda dtype, device: torch.float16)


def test_sdxl_in_float16_gets_the_vae_that_survives_it(cached, hub_cache, layouts, float16):
    cached("sdxl")
    source = ON_HUB["sdxl"].fp16_vae
    hub_cache(source.hub_id, layouts["vae"], commit=source.revision)
    pipe = load_pipeline("sdxl", **OFFLINE)
    wanted = tiny_sd_pipeline(seed=2).vae.to(torch.float16)
    assert pipe.vae.dtype == torch.float16
    assert torch.equal(pipe.vae.encoder.conv_in.weight, wanted.encoder.conv_in.weight)
    assert came_from(pipe) == HALF


def test_sdxl_without_that_vae_keeps_its_own_and_says_so(cached, float16):
    cached("ssd-1b")
    with pytest.warns(UserWarning, match="VAE that works in float16 could not be fetched.*float32"):
        pipe = load_pipeline("ssd-1b", **OFFLINE)
    own = tiny_sdxl_pipeline(HALF).vae.to(torch.float16)
    assert torch.equal(pipe.vae.encoder.conv_in.weight, own.encoder.conv_in.weight)


def test_other_precisions_and_models_need_no_other_vae():
    assert models._fp16_vae(ON_HUB["sdxl"], torch.float32) is None
    assert models._fp16_vae(ON_HUB["sd-v1-5"], torch.float16) is None
