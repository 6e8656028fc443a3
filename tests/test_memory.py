"""Where pipelines go when memory is short, decided on numbers and on a GPU that is made up."""

import warnings
from types import SimpleNamespace

import pytest
import torch
from accelerate import cpu_offload

from helpers import load_pipeline, seeded_latents
from helpers.models import devices, memory
from helpers.models import load as models
from helpers.models.catalogue import GIB
from helpers.models.fingerprint import model_fingerprint
from helpers.models.main_memory import Room
from helpers.models.memory import Need, Plan, need_of, place, plan
from helpers.sampling.cell import Cell
from helpers.sampling.denoiser import Denoiser
from tests.pipelines import tiny_sd_pipeline

SDXL = Need(weights=int(6.5 * GIB), largest=int(4.8 * GIB), decoding=2 * GIB)


@pytest.mark.parametrize(
    ("free", "expected"),
    [(15, Plan.WHOLE), (9.5, Plan.WHOLE), (9, Plan.SLICED), (7, Plan.BY_PART), (4, Plan.BY_LAYER)],
)
def test_the_plan_gives_up_speed_only_when_it_must(free, expected):
    assert plan(int(free * GIB), SDXL) is expected


def test_the_need_counts_weights_and_the_decoder(tiny_pipe):
    need = need_of(tiny_pipe)
    networks = (tiny_pipe.unet, tiny_pipe.vae, tiny_pipe.text_encoder)
    sizes = [4 * sum(w.numel() for w in network.parameters()) for network in networks]
    assert (need.weights, need.largest) == (sum(sizes), max(sizes))
    assert need.decoding == 4 * 16 * 32 * 32 * 4  # 16 channels at full size, 4 bytes each
    assert need.total == need.weights + need.decoding + GIB


@pytest.fixture
def gpu(monkeypatch):
    """A GPU with as much free memory as a test says, and pipelines that note where they go."""
    pipe, went = tiny_sd_pipeline(), []
    for name in ("to", "enable_model_cpu_offload", "enable_sequential_cpu_offload"):
        monkeypatch.setattr(
            pipe, name, lambda device, name=name: went.append((name, str(device))), raising=False
        )
    monkeypatch.setattr(pipe, "enable_attention_slicing", lambda: went.append("attention"))

    def put(free: float, kind: str = "cuda"):
        monkeypatch.setattr(memory, "free_bytes", lambda device: int(free * GIB))
        monkeypatch.setattr(memory, "need_of", lambda pipe: SDXL)
        place(pipe, torch.device(kind), "sdxl")
        return pipe, went

    return put


def test_with_memory_enough_nothing_is_said(gpu):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pipe, went = gpu(free=15)
    assert went == [("to", "cuda")]
    assert not pipe.vae.use_tiling


@pytest.mark.parametrize(
    ("free", "call"),
    [
        (9, "to"),
        (7, "enable_model_cpu_offload"),
        (4, "enable_sequential_cpu_offload"),
    ],
)
def test_what_is_slower_is_told(gpu, free, call):
    with pytest.warns(UserWarning, match=rf"'sdxl' wants about 9\.5 GiB on cuda, and {free}\.0 Gi"):
        pipe, went = gpu(free)
    assert went == [(call, "cuda")]
    assert pipe.vae.use_slicing and pipe.vae.use_tiling
    assert (pipe.vae.tile_sample_min_size, pipe.vae.tile_latent_min_size) == (16, 8)


def test_on_a_mac_the_parts_stay(gpu):
    with pytest.warns(UserWarning, match="on mps.*all parts stay"):
        _, went = gpu(free=4, kind="mps")
    assert went == ["attention", ("to", "mps")]


@pytest.fixture
def by_layer():
    """A pipeline whose layers take turns, on the CPU: its weights are on "meta" all the same."""
    pipe = offloaded(tiny_sd_pipeline())
    assert pipe.device.type == "meta"
    return pipe


def offloaded(pipe):
    """What `pipe.enable_sequential_cpu_offload` does, which wants the number of a GPU."""
    for part in (pipe.unet, pipe.vae, pipe.text_encoder):
        cpu_offload(part, torch.device("cpu"))
    return pipe


def test_where_layers_take_turns_the_pictures_stay_the_same(by_layer, tiny_pipe):
    latents = seeded_latents(by_layer, 3)
    assert latents.device.type == "cpu" and torch.equal(latents, seeded_latents(tiny_pipe, 3))
    pictures = []
    for pipe in (by_layer, tiny_pipe):
        engine = Denoiser(pipe, mode="exact")
        engine.submit(Cell("a fox", seed=3, num_inference_steps=2))
        pictures += [trajectory.result() for trajectory in engine.run()]
    assert pictures[0] == pictures[1]


def test_where_layers_take_turns_the_fingerprint_is_of_the_weights(by_layer, tiny_pipe):
    assert model_fingerprint(by_layer) == model_fingerprint(tiny_pipe)
    other = offloaded(tiny_sd_pipeline(seed=1))
    assert model_fingerprint(other) != model_fingerprint(tiny_pipe)


def test_weights_of_a_module_with_several_hooks_are_found(tiny_pipe):
    def with_layer():
        torch.manual_seed(0)
        return SimpleNamespace(
            scheduler=tiny_pipe.scheduler, components={"a": torch.nn.Linear(2, 2)}
        )

    whole, offloaded = with_layer(), with_layer()
    cpu_offload(offloaded.components["a"], torch.device("cpu"))
    assert model_fingerprint(offloaded) == model_fingerprint(whole)


def test_tiles_give_a_picture_of_the_same_size():
    pipe = tiny_sd_pipeline()
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = pipe.vae.decode(latents).sample
        memory._decode_in_tiles(pipe)
        tiled = pipe.vae.decode(latents).sample
    assert whole.shape == tiled.shape and tiled.isfinite().all()
    assert not torch.equal(whole, tiled)  # tiles were used


def test_too_little_main_memory_is_seen_before_the_load(monkeypatch, no_network):
    monkeypatch.setattr(models, "main_memory", lambda: Room(10**6, "a limit", "Ask for more."))
    monkeypatch.setattr(models, "_load_folder", lambda *args: pytest.fail("it was loaded"))
    says = r"'stickers' take \d.*float32; there are 0\.0 GiB free under a limit\. Ask for more\."
    with pytest.raises(MemoryError, match=says):
        load_pipeline(device="cpu")


def test_a_full_gpu(monkeypatch, tiny_pipe):
    def full(*args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(memory, "place", full)
    with pytest.raises(MemoryError, match=r"cuda has not enough.*'sdxl'.*kernel.*'stickers'"):
        models._place(tiny_pipe, torch.device("cuda"), "sdxl")


@pytest.mark.parametrize(("capability", "has_it"), [((7, 5), False), ((8, 0), True)])
def test_bfloat16_is_refused_where_it_is_only_emulated(monkeypatch, capability, has_it):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "Tesla T4")
    cuda = torch.device("cuda")
    assert devices.checked_dtype(None, cuda) == torch.float16
    if has_it:
        assert devices.checked_dtype(torch.bfloat16, cuda) == torch.bfloat16
    else:
        with pytest.raises(ValueError, match="float16 or torch.float32 on a Tesla T4.*bfloat16"):
            devices.checked_dtype(torch.bfloat16, cuda)


def test_free_memory_of_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (5, 9))
    assert memory.free_bytes(torch.device("cuda")) == 5
    mps = SimpleNamespace(recommended_max_memory=lambda: 9, driver_allocated_memory=lambda: 2)
    monkeypatch.setattr(torch, "mps", mps)
    assert memory.free_bytes(torch.device("mps")) == 7
