"""LoRA files on tiny random models: found, put on top, and refused where they do not fit."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors
import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from safetensors.torch import save_file

import helpers
from helpers import load_pipeline
from helpers.commands import models as models_command
from helpers.course import doctor
from helpers.models import lora
from tests.pipelines import TEXT_WIDTH, tiny_sd_pipeline, tiny_sdxl_pipeline


def save_lora(pipe, folder, seed=7):
    """A LoRA with random weights, written as diffusers' training scripts do."""
    torch.manual_seed(seed)
    config = LoraConfig(r=2, lora_alpha=2, init_lora_weights=False, target_modules=["to_q", "to_k"])
    pipe.unet.add_adapter(config)
    layers = get_peft_model_state_dict(pipe.unet)
    type(pipe).save_lora_weights(folder, unet_lora_layers=layers)
    return folder / lora.STANDARD_NAME


@pytest.fixture(scope="module")
def lora_path(tmp_path_factory):
    return save_lora(tiny_sd_pipeline(), tmp_path_factory.mktemp("lora"))


@pytest.fixture
def as_stickers(monkeypatch, saved_model):
    """Let the tiny model be the first of the catalogue."""
    model = replace(helpers.MODELS["stickers"], source=saved_model)
    monkeypatch.setitem(helpers.MODELS, "stickers", model)


def prediction(pipe) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 16, 16, generator=generator)
    text = torch.randn(1, 5, TEXT_WIDTH, generator=generator)
    with torch.no_grad():
        return pipe.unet(latents, 500, encoder_hidden_states=text).sample


def test_a_lora_changes_the_model_by_what_was_trained(saved_model, lora_path, no_network, capfd):
    trained = tiny_sd_pipeline()
    save_lora(trained, lora_path.parent)  # leaves its adapter active
    plain = load_pipeline(saved_model, device="cpu")
    with_lora = load_pipeline(saved_model, device="cpu", lora=lora_path)
    assert not torch.allclose(prediction(plain), prediction(with_lora), atol=1e-3)
    torch.testing.assert_close(prediction(with_lora), prediction(trained), atol=1e-5, rtol=1e-4)
    assert capfd.readouterr() == ("", "")


def test_the_folder_does_as_well_as_the_file(saved_model, lora_path):
    pipe = load_pipeline(saved_model, device="cpu", lora=str(lora_path.parent))
    assert any(pipe.get_list_adapters().values())


@pytest.mark.parametrize("as_file", [True, False])
def test_a_lora_alone_goes_onto_the_model_that_it_fits(as_stickers, lora_path, as_file):
    path = lora_path if as_file else lora_path.parent
    with pytest.warns(UserWarning, match="is a LoRA.*'stickers'.*lora=") as warned:
        pipe = load_pipeline(path, device="cpu")
    assert warned[0].filename == __file__
    assert any(pipe.get_list_adapters().values())


@pytest.mark.parametrize("as_file", [True, False])
def test_the_header_of_a_lora_alone_is_read_once(as_stickers, lora_path, as_file, monkeypatch):
    opened, safe_open = [], safetensors.safe_open

    def counting(file, *arguments, **options):
        opened.append(Path(file))
        return safe_open(file, *arguments, **options)

    monkeypatch.setattr(safetensors, "safe_open", counting)
    with pytest.warns(UserWarning, match="is a LoRA"):
        load_pipeline(lora_path if as_file else lora_path.parent, device="cpu")
    assert opened.count(lora_path) == 1  # the weights themselves diffusers opens its own way


def test_the_file_with_diffusers_name_is_taken_before_others(lora_path, tmp_path):
    for name in ("a.safetensors", lora.STANDARD_NAME):
        shutil.copy(lora_path, tmp_path / name)
    assert lora.lora_in(tmp_path).path == tmp_path / lora.STANDARD_NAME


@pytest.fixture
def tuned(monkeypatch, saved_model, lora_path):
    """A model of the catalogue that is another one with a LoRA."""
    model = replace(helpers.MODELS["stickers"], source=saved_model, lora=lora_path.parent)
    monkeypatch.setitem(helpers.MODELS, "tuned", model)
    return model


def test_a_model_of_the_catalogue_may_be_another_with_a_lora(tuned, lora_path, saved_model):
    by_hand = load_pipeline(saved_model, device="cpu", lora=lora_path)
    assert torch.equal(prediction(load_pipeline("tuned", device="cpu")), prediction(by_hand))


def test_a_second_lora_works_beside_the_models_own(tuned, lora_path, tmp_path):
    other = tiny_sd_pipeline()
    other_path = save_lora(other, tmp_path, seed=8)
    both = load_pipeline("tuned", device="cpu", lora=other_path)
    (names,) = both.get_list_adapters().values()
    assert len(names) == 2 and sorted(both.get_active_adapters()) == sorted(names)
    own = prediction(load_pipeline("tuned", device="cpu"))
    assert not torch.allclose(prediction(both), own, atol=1e-3)
    assert not torch.allclose(prediction(both), prediction(other), atol=1e-3)


def test_a_model_whose_lora_is_missing(tuned, monkeypatch, tmp_path):
    gone = replace(tuned, lora=tmp_path / "gone")
    monkeypatch.setitem(helpers.MODELS, "tuned", gone)
    with pytest.raises(
        FileNotFoundError, match=r"weights of 'tuned' are missing.*gone\).*git pull"
    ):
        load_pipeline("tuned", device="cpu")
    assert "missing from this copy" in models_command.paragraph("tuned", gone)
    finding = doctor.models()
    assert finding.state == doctor.State.PROBLEM and "tuned: no weights in" in finding.message


def test_the_shipped_lora_fits_and_its_card_holds_the_measured_figures():
    model = helpers.MODELS["stickers-golden"]
    (adapters,) = load_pipeline("stickers-golden", device="cpu").get_list_adapters().values()
    assert len(adapters) == 1
    figures = json.loads((model.lora / "figures.json").read_text(encoding="utf-8"))
    card = (model.lora / "README.md").read_text(encoding="utf-8")
    for rows in (*figures["golden"].values(), figures["old"]):
        for row in rows.values():
            assert " | ".join(f"{value:g}" for value in row.values()) in card
    assert (model.lora / lora.STANDARD_NAME).stat().st_size < 2**20


def test_a_lora_of_an_unknown_model(lora_path, monkeypatch):
    monkeypatch.setattr(helpers.models.load, "LORA_BASES", ("sdxl",))
    with pytest.raises(ValueError, match=r"nothing in it tells which model.*lora=\.\.\."):
        load_pipeline(lora_path)


def test_the_width_tells_the_family(lora_path, tmp_path):
    assert lora.read_lora(lora_path).text_width == TEXT_WIDTH
    sdxl = save_lora(tiny_sdxl_pipeline(), tmp_path)
    assert lora.read_lora(sdxl).text_width == 2 * TEXT_WIDTH
    kohya = {
        "lora_unet_down_blocks_0_attentions_0_attn2_to_k.lora_down.weight": torch.zeros(4, 768)
    }
    save_file(kohya, tmp_path / "kohya.safetensors")
    assert lora.read_lora(tmp_path / "kohya.safetensors").text_width == 768


def test_a_lora_of_another_model_is_refused(saved_model, tmp_path):
    other = save_lora(tiny_sdxl_pipeline(), tmp_path)
    with pytest.raises(ValueError, match="does not fit on this StableDiffusionPipeline"):
        load_pipeline(saved_model, device="cpu", lora=other)


def test_a_lora_without_a_place_in_the_model_is_refused(saved_model, tmp_path):
    file = tmp_path / "strange.safetensors"
    save_file({"transformer.block.lora_A.weight": torch.zeros(2, 2)}, file)
    with pytest.raises(ValueError, match="does not fit on this StableDiffusionPipeline"):
        load_pipeline(saved_model, device="cpu", lora=file)


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (3, TypeError, r"lora must be a file or a folder; got 3 \(int\)"),
        ("nothing", FileNotFoundError, "lora: there is no file or folder 'nothing'"),
        ("", FileNotFoundError, "lora: there is no file or folder ''"),
        ("x" * 300, FileNotFoundError, "lora: there is no file or folder 'xxx"),
        ("~q/x", FileNotFoundError, "lora: there is no file or folder '~q/x'"),
        ("nobody/nothing", ConnectionError, "'nobody/nothing' is not on this computer"),
    ],
)
def test_what_is_no_lora(saved_model, value, error, words, no_network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=words):
        load_pipeline(saved_model, device="cpu", lora=value)


def test_files_and_folders_that_hold_no_single_lora(saved_model, lora_path, tmp_path):
    with pytest.raises(ValueError, match="it has none"):
        load_pipeline(saved_model, device="cpu", lora=tmp_path)
    with pytest.raises(ValueError, match="no safetensors file with LoRA weights"):
        load_pipeline(saved_model, device="cpu", lora=saved_model / "model_index.json")
    for name in ("one.safetensors", "two.safetensors"):
        shutil.copy(lora_path, tmp_path / name)
    with pytest.raises(ValueError, match="it has 2: give one of the files"):
        load_pipeline(saved_model, device="cpu", lora=tmp_path)
