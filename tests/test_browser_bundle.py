"""What the pages get of a model: exported, packed, described, and refused where it must be."""

import copy
import gzip
import struct
import subprocess
from dataclasses import replace

import numpy
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler, LCMScheduler

from tests.browser_pages import BROWSER, need_browser_tools
from tests.pipelines import tiny_sd_pipeline, tiny_sdxl_pipeline

pytestmark = pytest.mark.slow

need_browser_tools()

import onnx  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from helpers.models.catalogue import MODELS  # noqa: E402
from helpers.sampling.schedulers import build_scheduler  # noqa: E402
from tools.browser import bundle  # noqa: E402
from tools.browser.__main__ import main  # noqa: E402
from tools.browser.card import model_card, vocabulary_card  # noqa: E402
from tools.browser.export import check_exportable, export_unet  # noqa: E402
from tools.browser.pack import WEIGHTS_FILE, packed  # noqa: E402

STICKERS = MODELS["stickers"]


def test_code_of_the_pages_is_formatted_and_checked():
    biome = BROWSER / "node_modules" / ".bin" / "biome"
    checked = subprocess.run([biome, "ci"], cwd=BROWSER, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr


# --- Export --------------------------------------------------------------------------------------


@torch.no_grad()
def test_unet_is_exported_as_its_configuration_says():
    """One with pooled text and a place for the guidance scale, as few-step students have."""
    pipe = tiny_sd_pipeline(
        addition_embed_type="text", addition_embed_type_num_heads=4, time_cond_proj_dim=8
    )
    own = dict(pipe.unet.attn_processors)
    graph = export_unet(pipe)
    assert pipe.unet.attn_processors == own
    names = [value.name for value in graph.graph.input]
    assert names == ["sample", "timestep", "encoder_hidden_states", "guidance_scale"]
    sample = torch.randn(1, 4, 16, 16)
    states = torch.randn(1, pipe.tokenizer.model_max_length, 32)
    inputs = {
        "sample": sample,
        "timestep": torch.tensor([321.0]),
        "encoder_hidden_states": states,
        "guidance_scale": torch.tensor([4.0]),
    }
    found, attention = ReferenceEvaluator(graph).run(
        None, {name: value.numpy() for name, value in inputs.items()}
    )
    condition = pipe.get_guidance_scale_embedding(torch.tensor([3.0]), embedding_dim=8)
    expected = pipe.unet(sample, 321, states, timestep_cond=condition).sample
    assert torch.allclose(torch.from_numpy(found), expected, rtol=0, atol=1e-4)
    assert attention.sum(1) == pytest.approx(1, abs=1e-5)  # each place shares out all it has


def test_pipelines_that_a_page_cannot_run_are_refused():
    with pytest.raises(TypeError, match="sdxl must be a StableDiffusionPipeline.*got StableD"):
        check_exportable("sdxl", tiny_sdxl_pipeline())
    pipe = tiny_sd_pipeline(
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=8,
    )
    with pytest.raises(ValueError, match="addition_embed_type of None or 'text'; got 'text_time'"):
        check_exportable("odd", pipe)


# --- Cards ---------------------------------------------------------------------------------------


def test_card_says_what_the_configuration_says(own_pipe):
    own_pipe.scheduler = EulerDiscreteScheduler.from_config(
        own_pipe.scheduler.config, timestep_spacing="trailing"
    )
    card = model_card("tiny", replace(STICKERS, num_inference_steps=4), own_pipe)
    assert (card["scheduler"], card["num_inference_steps"]) == ("euler", 4)
    assert card["latents"] == [4, 16, 16]
    assert {each["timestep_spacing"] for each in card["schedulers"].values()} == {"trailing"}
    assert card["alphas_cumprod"] == own_pipe.scheduler.alphas_cumprod.tolist()


def test_student_is_drawn_with_its_own_scheduler_or_the_others(own_pipe):
    own_pipe.scheduler = LCMScheduler.from_config(
        own_pipe.scheduler.config, original_inference_steps=40
    )
    card = model_card("tiny", STICKERS, own_pipe)
    assert card["scheduler"] == "lcm"
    assert list(card["schedulers"]) == ["lcm", "ddim", "euler", "dpm++"]
    assert card["schedulers"]["lcm"]["original_inference_steps"] == 40


def test_schedulers_that_a_page_does_not_have_are_refused(own_pipe):
    with pytest.raises(ValueError, match="scheduler of tiny must be one that a page has.*'pndm'"):
        model_card("tiny", STICKERS, own_pipe)
    own_pipe.scheduler = DPMSolverMultistepScheduler.from_config(
        own_pipe.scheduler.config, use_karras_sigmas=True
    )
    with pytest.raises(ValueError, match="use_karras_sigmas of tiny's .* must be False"):
        model_card("tiny", STICKERS, own_pipe)


def test_vocabulary_offers_known_words_only():
    card = vocabulary_card()
    known = set(card["words"])
    offered = [*card["phrases"], *card["subjects"], *card["styles"], *card["places"]]
    assert {word for phrase in offered for word in phrase.split()} <= known


# --- Packing -------------------------------------------------------------------------------------


def graph_with(**tensors: numpy.ndarray) -> onnx.ModelProto:
    initializers = [numpy_helper.from_array(array, name) for name, array in tensors.items()]
    graph = helper.make_graph([], "g", [], [], initializers)
    return helper.make_model(graph)


def test_packing_keeps_every_number():
    generator = numpy.random.default_rng(0)
    halves = generator.normal(size=(20, 20)).astype(numpy.float16)
    tensors = {
        "halves": halves.astype(numpy.float32),
        "finer": generator.normal(size=100).astype(numpy.float32),
        "large": numpy.full(100, 1e6, numpy.float32),
        "few": numpy.ones(3, numpy.float32),
        "whole": numpy.arange(100),
        "more": numpy.full(70, -0.5, numpy.float32),
    }
    content = packed(graph_with(**tensors))
    assert content == packed(graph_with(**tensors))  # the same model has the same name
    raw = gzip.decompress(content)
    (length,) = struct.unpack("<I", raw[:4])
    graph = onnx.load_model_from_string(raw[4 : 4 + length])
    planes = numpy.frombuffer(raw[4 + length :], numpy.uint8).astype(numpy.uint16)
    upper, lower = planes.reshape(2, -1)
    weights = ((upper << 8) | lower).view(numpy.float16).astype(numpy.float32)
    for tensor in graph.graph.initializer:
        expected = tensors[tensor.name]
        if tensor.data_location == TensorProto.EXTERNAL:
            where = {entry.key: entry.value for entry in tensor.external_data}
            assert where["location"] == WEIGHTS_FILE
            start, count = int(where["offset"]) // 4, int(where["length"]) // 4
            found = weights[start : start + count].reshape(expected.shape)
        else:
            found = numpy_helper.to_array(tensor)
        assert numpy.array_equal(found, expected), tensor.name
    outside = {t.name for t in graph.graph.initializer if t.data_location == TensorProto.EXTERNAL}
    assert outside == {"halves", "more"}


# --- The bundle ----------------------------------------------------------------------------------


def test_equal_parts_are_exported_once(tmp_path, monkeypatch, own_pipe):
    exported, other_pipe = [], copy.deepcopy(own_pipe)

    def export(pipe):
        exported.append(pipe)
        return graph_with(number=numpy.full(1, len(exported), numpy.float32))

    parts = {part: (own, export) for part, (own, _) in bundle.EXPORTS.items()}
    monkeypatch.setattr(bundle, "EXPORTS", parts)
    with torch.no_grad():
        other_pipe.unet.conv_in.bias.add_(1)
    pipes = {"one": own_pipe, "two": other_pipe}
    for pipe in pipes.values():
        monkeypatch.setattr(pipe, "scheduler", build_scheduler(pipe, "ddim"))
    family = bundle.write_bundle(tmp_path / "b", dict.fromkeys(pipes, STICKERS), pipes.get)
    one, two = (family["models"][name]["parts"] for name in pipes)
    assert one["text_encoder"] == two["text_encoder"] and one["decoder"] == two["decoder"]
    assert one["unet"] != two["unet"]
    assert len(exported) == 4
    for entry in (*one.values(), two["unet"]):
        assert (tmp_path / "b" / entry["file"]).stat().st_size == entry["bytes"]


def family_of(**unet_bytes: int) -> dict:
    def file(name, size):
        return {"file": name, "bytes": size}

    shared = {"text_encoder": file("text", 10), "decoder": file("decoder", 20)}
    models = {
        name: {"tokenizer": file("tokens", 1), "parts": {**shared, "unet": file(name, size)}}
        for name, size in unet_bytes.items()
    }
    return {"models": models, "runtimes": {"wasm": file("wasm", 100)}, "first": "small"}


def test_too_large_a_family_is_refused():
    family = family_of(small=1000, large=4000)
    assert bundle.first_bytes(family, "small") == 1131
    assert bundle.family_bytes(family) == 5131
    bundle.check_sizes(family)
    with pytest.raises(
        ValueError, match="first picture, by small, must take at most 15.5 MB.*15.5"
    ):
        bundle.check_sizes(family_of(small=15_500_000, large=20_000_000))
    with pytest.raises(ValueError, match="all models together must take at most 60 MB.*got 61.0"):
        bundle.check_sizes(family_of(small=1_000_000, large=60_000_000))


def test_models_that_ship_weights_of_their_own_are_in_the_bundle():
    models = bundle.embedded_models()
    assert "stickers" in models
    assert all(model.is_embedded and model.lora is None for model in models.values())


def test_a_folder_of_something_else_is_not_replaced(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("work of years")
    with pytest.raises(SystemExit):
        main([str(tmp_path)])
    assert "holds no such thing" in capsys.readouterr().err
    assert (tmp_path / "thesis.txt").exists()


def test_missing_packages_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(bundle, "PACKAGES", tmp_path)
    with pytest.raises(FileNotFoundError, match="onnxruntime-web and .*make browser-tools"):
        bundle.check_packages()
