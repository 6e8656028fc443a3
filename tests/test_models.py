import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import diffusers
import pytest
import torch
import transformers

import helpers
from helpers import load_pipeline, seeded_latents
from helpers.models import devices
from helpers.models.folder import Fault, whole_model
from tests.pipelines import tiny_sdxl_pipeline


@pytest.fixture
def model_folder(saved_model, tmp_path):
    """A copy of the model for a test to damage."""
    return Path(shutil.copytree(saved_model, tmp_path / "model"))


def picture(pipe):
    return pipe("a fox", latents=seeded_latents(pipe, 1), num_inference_steps=2).images[0]


def test_stickers_load_and_draw_without_network_and_in_silence():
    code = """
import socket
def refuse(*args, **kwargs):
    raise OSError("the network is blocked in this test")
socket.socket.connect = socket.getaddrinfo = refuse
import helpers
pipe = helpers.load_pipeline(device="cpu")
image = pipe("a fox", num_inference_steps=1).images[0]
assert type(pipe).__name__ == "StableDiffusionPipeline"
assert image.size == (128, 128), image.size
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_folder_gives_the_pipeline_that_was_saved(saved_model, tiny_pipe, no_network, capfd):
    pipe = load_pipeline(saved_model, device="cpu")
    assert (pipe.device.type, pipe.unet.dtype) == ("cpu", torch.float32)
    assert capfd.readouterr() == ("", "")
    assert picture(pipe) == picture(tiny_pipe)


def test_dtype_reaches_every_network(saved_model):
    pipe = load_pipeline(str(saved_model), device="cpu", dtype=torch.bfloat16)
    assert {pipe.unet.dtype, pipe.vae.dtype, pipe.text_encoder.dtype} == {torch.bfloat16}


def test_half_precision_files_are_loaded_in_full_precision_on_the_cpu(model_folder, tiny_pipe):
    import copy

    half = copy.deepcopy(tiny_pipe).to(torch.float16)
    half.save_pretrained(model_folder)
    pipe = load_pipeline(model_folder, device="cpu")
    assert {pipe.unet.dtype, pipe.vae.dtype, pipe.text_encoder.dtype} == {torch.float32}
    assert picture(pipe).size == (32, 32)


def test_loading_leaves_the_libraries_as_talkative_as_they_were(saved_model):
    logs = (diffusers.utils.logging, transformers.utils.logging)

    def state():
        return [(log.get_verbosity(), log.is_progress_bar_enabled()) for log in logs]

    transformers.utils.logging.enable_progress_bar()  # whatever ran before this test
    before = state()
    diffusers.utils.logging.set_verbosity_info()
    transformers.utils.logging.disable_progress_bar()
    try:
        changed = state()
        load_pipeline(saved_model, device="cpu")
        assert state() == changed != before
    finally:
        diffusers.utils.logging.set_verbosity(before[0][0])
        transformers.utils.logging.enable_progress_bar()
    assert state() == before


def test_unused_weights_in_a_file_cause_no_notice(model_folder, capfd):
    from safetensors.torch import load_file, save_file

    weights = model_folder / "text_encoder" / "model.safetensors"
    extra = {"text_projection.weight": torch.zeros(4, 4)}
    save_file(load_file(weights) | extra, weights, metadata={"format": "pt"})
    load_pipeline(model_folder, device="cpu")
    assert capfd.readouterr() == ("", "")


def test_progress_bars_are_off_for_our_models_only(monkeypatch, saved_model):
    ours = replace(helpers.MODELS["stickers"], source=saved_model)
    monkeypatch.setitem(helpers.MODELS, "tiny", ours)
    disabled = []
    for name in ("tiny", saved_model):
        with load_pipeline(name, device="cpu").progress_bar(total=1) as bar:
            disabled.append(bar.disable)
    assert disabled == [True, False]


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [
        (True, True, ("cuda", torch.float16)),
        (False, True, ("mps", torch.float32)),
        (False, False, ("cpu", torch.float32)),
    ],
)
def test_device_and_dtype_follow_the_computer(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: int(cuda))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    device = devices.checked_device(None)
    assert (device.type, devices.checked_dtype(None, device)) == expected
    assert devices.checked_device(torch.device(expected[0], 0)).index == 0  # as tensors say it


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_memory_kept_for_later_is_given_back_where_there_is_any(monkeypatch, kind):
    released = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: kind == "cuda")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: kind == "mps")
    for name in ("cuda", "mps"):
        monkeypatch.setattr(
            getattr(torch, name), "empty_cache", lambda name=name: released.append(name)
        )
    devices.release_cached_memory()
    assert released == [kind]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"device": "gpu"}, ValueError, r"device must be one.*\(.*cpu\); got 'gpu'"),
        ({"device": "cuda:99"}, ValueError, "device must be one.*'cuda:99'"),
        ({"dtype": "float32"}, TypeError, r"dtype must be torch.float32.*'float32' \(str\)"),
        ({"dtype": torch.int8}, ValueError, "dtype must be.*got torch.int8"),
        ({"dtype": torch.float16, "device": "cpu"}, ValueError, "on the CPU.*got torch.float16"),
    ],
)
def test_wrong_device_or_dtype(options, error, words):
    with pytest.raises(error, match=words):
        load_pipeline(**options)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("sticker", LookupError, "'sticker'.*Did you mean 'stickers'.*'sd-v1-4', 'sd-v1-5'"),
        ("SD-v1.5", LookupError, "Did you mean 'sd-v1-5'"),
        ("quetzal", LookupError, r"no model is called 'quetzal'\. The catalogue has 'stickers'"),
        ("", LookupError, "no model is called ''"),
        ("./nothing", FileNotFoundError, "no folder './nothing'"),
        ("~stickers", LookupError, "no model is called '~stickers'.*Did you mean 'stickers'"),
        ("a fox " * 50, LookupError, "no model is called 'a fox a fox.*The catalogue has"),
        ("x" * 300 + "/y", LookupError, "no model is called 'xxx"),
        (Path("~stickers"), LookupError, "no model is called '~stickers'"),
        ("a\0b", LookupError, "no model is called"),
        (Path("nothing"), FileNotFoundError, "no folder 'nothing'"),
        (7, TypeError, r"name_or_path must be.*got 7 \(int\)"),
        (None, TypeError, "name_or_path must be.*got None"),
    ],
)
def test_names_that_are_no_model(name, error, words, tmp_path, monkeypatch, no_network):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        load_pipeline(name)


def test_a_file_is_no_model(model_folder):
    with pytest.raises(ValueError, match="must be a folder.*got the file"):
        load_pipeline(model_folder / "model_index.json")


def test_a_folder_without_model_index(tmp_path):
    with pytest.raises(ValueError, match=r"name_or_path: .* has no model_index\.json"):
        load_pipeline(tmp_path)


def test_one_part_of_a_model(saved_model):
    with pytest.raises(ValueError, match="one part of a model: give the folder above"):
        load_pipeline(saved_model / "unet")


def test_a_folder_with_a_broken_model_index(model_folder):
    (model_folder / "model_index.json").write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="model_index.json is not valid JSON"):
        load_pipeline(model_folder)


@pytest.mark.parametrize("content", ["[]", "null", '"StableDiffusionPipeline"'])
def test_a_model_index_that_is_no_object(model_folder, content):
    (model_folder / "model_index.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="model_index.json must hold a JSON object.*; got "):
        load_pipeline(model_folder)


def test_a_folder_without_its_tokenizers_words(model_folder):
    tokenizer = model_folder / "tokenizer"
    (tokenizer / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match="tokenizer lacks tokenizer.json or vocab.json and merg"):
        load_pipeline(model_folder, device="cpu")
    for name in ("vocab.json", "merges.txt"):
        with pytest.raises(Fault):
            whole_model(model_folder)
        (tokenizer / name).write_text("", encoding="utf-8")
    assert whole_model(model_folder).base == model_folder  # as the models of the hub are


def test_the_second_tokenizer_must_be_whole_too(tmp_path):
    tiny_sdxl_pipeline().save_pretrained(tmp_path)
    assert whole_model(tmp_path).parameters["tokenizer_2"] == 0
    (tmp_path / "tokenizer_2" / "tokenizer.json").unlink()
    with pytest.raises(Fault, match="tokenizer_2 lacks tokenizer.json"):
        whole_model(tmp_path)


def test_a_tokenizer_in_the_folder_that_parts_are_taken_from(model_folder):
    student = model_folder.with_name("student")
    shutil.copytree(model_folder / "unet", student / "unet")
    entries = {"_parts_from": "model", "unet": ["diffusers", "UNet2DConditionModel"]}
    (student / "model_index.json").write_text(json.dumps(entries), encoding="utf-8")
    found = whole_model(student)
    assert (found.folder, found.base.name) == (student, "model") and found.parameters["vae"] > 0
    (model_folder / "tokenizer" / "tokenizer.json").unlink()
    with pytest.raises(Fault, match=r"model[/\\]tokenizer lacks"):
        whole_model(student)


def test_a_folder_without_weights(model_folder):
    (model_folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(ValueError, match="vae holds no weights"):
        load_pipeline(model_folder)


def test_a_folder_without_one_of_its_parts(model_folder):
    (model_folder / "unet").rename(model_folder / "old-unet")
    with pytest.raises(ValueError, match="names the part 'unet', but there is no folder"):
        load_pipeline(model_folder)


def test_pickle_weights_are_not_loaded(model_folder):
    weights = model_folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save({}, weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(ValueError, match="unet has only pickle weights.*allow_pickle=True"):
        load_pipeline(model_folder)


def test_weights_that_were_cut_short(model_folder):
    weights = model_folder / "text_encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged or cut short.*Delete it"):
        load_pipeline(model_folder, device="cpu")


def test_weights_of_another_model(model_folder, tmp_path):
    from safetensors.torch import save_file

    weights = model_folder / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({"conv_in.weight": torch.zeros(3)}, weights, metadata={"format": "pt"})
    with pytest.raises(ValueError, match="damaged or incomplete and cannot be loaded"):
        load_pipeline(model_folder, device="cpu")


def test_a_folder_with_half_precision_files_only(saved_model, tiny_pipe, tmp_path):
    import copy

    copy.deepcopy(tiny_pipe).to(torch.float16).save_pretrained(tmp_path, variant="fp16")
    pipe = load_pipeline(tmp_path, device="cpu")
    assert pipe.unet.dtype == torch.float32
    torch.testing.assert_close(
        pipe.unet.conv_in.weight, tiny_pipe.unet.conv_in.weight, atol=1e-3, rtol=1e-3
    )
