"""Comparisons of tiny random pipelines: what is drawn, in which order, and what the table says."""

import gc
import weakref
from types import SimpleNamespace

import matplotlib
import numpy
import pytest
import torch

from helpers.ranking.compare import Comparison, Contender, Measurement, _timed, compare
from helpers.ranking.ranker import Ranker
from tests.pipelines import tiny_sd_pipeline

pytestmark = pytest.mark.slow

matplotlib.use("Agg")
QUICK = {"num_inference_steps": 2, "guidance_scale": 3.0, "device": "cpu", "progress": False}


class Garage:
    """Loads pipelines, and remembers which, and that no other was there."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.alive: list[weakref.ref] = []
        self.calls: list[tuple[str, int, int]] = []  # name, pictures, steps

    def loader(self, name: str, seed: int):
        def load():
            gc.collect()
            assert not any(reference() for reference in self.alive), "two models in memory"
            pipe = tiny_sd_pipeline(seed)
            self.loaded.append(name)
            self.alive = [weakref.ref(pipe.unet), weakref.ref(pipe.vae)]
            self._watch(pipe, name)
            return pipe

        return load

    def _watch(self, pipe, name: str) -> None:
        calls, scheduler = self.calls, pipe.scheduler
        set_timesteps = scheduler.set_timesteps
        encode_prompt = pipe.encode_prompt
        pictures = []

        def encode(prompt, *args, **kwargs):
            pictures.append(len(prompt))
            return encode_prompt(prompt, *args, **kwargs)

        def steps(count, *args, **kwargs):
            calls.append((name, pictures[-1], count))
            return set_timesteps(count, *args, **kwargs)

        pipe.encode_prompt, scheduler.set_timesteps = encode, steps


@pytest.fixture(scope="module")
def garage():
    return Garage()


@pytest.fixture(scope="module")
def comparison(garage):
    """Two models, three rounds, three prompts in calls of two; the whole of it runs once."""
    models = {"first": garage.loader("first", 0), "second": garage.loader("second", 1)}
    prompts = ["a fox", "a bee", "a cat"]
    red = Ranker("the mean of red", embed_by_length, embed_by_red, logit_scale=10.0)
    options = QUICK | {"num_inference_steps": 3}
    return compare(models, prompt=prompts, seed=5, batch_size=2, ranker=red, **options)


def embed_by_length(texts):
    return torch.nn.functional.normalize(torch.tensor([[len(t), 1.0] for t in texts]), dim=-1)


def embed_by_red(images):
    reds = [[numpy.asarray(image)[..., 0].mean() / 255, 0.5] for image in images]
    return torch.nn.functional.normalize(torch.tensor(reds), dim=-1).float()


def test_rounds_alternate_and_a_model_that_stays_is_not_loaded_again(comparison, garage):
    order = [(m.round, m.model) for m in comparison.measurements]
    assert order == [
        (0, "first"),
        (0, "second"),
        (1, "second"),
        (1, "first"),
        (2, "first"),
        (2, "second"),
    ]
    assert garage.loaded == ["first", "second", "first", "second"]


def test_each_loading_is_followed_by_a_short_call_of_the_same_width(comparison, garage):
    warm_up, timed = ("first", 2, 2), [("first", 2, 3), ("first", 1, 3)]
    assert garage.calls[:3] == [warm_up, *timed]
    assert garage.calls.count(warm_up) == garage.loaded.count("first")
    assert garage.calls.count(timed[0]) == 3


def test_pictures_are_those_of_a_plain_call_with_the_next_seed_each(comparison):
    pipe = tiny_sd_pipeline(1)
    noise = [torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(s)) for s in (5, 6, 7)]
    alone = [
        pipe(prompt, latents=latents[None], num_inference_steps=3, guidance_scale=3.0).images[0]
        for prompt, latents in zip(["a fox", "a bee", "a cat"], noise, strict=True)
    ]
    drawn = comparison.images["second"]
    assert len(drawn) == 3
    for one, other in zip(drawn, alone, strict=True):
        assert abs(numpy.asarray(one, float) - numpy.asarray(other, float)).max() <= 2
    assert drawn != comparison.images["first"]


def test_table_of_a_real_comparison(comparison):
    table = comparison.table
    unet = tiny_sd_pipeline(0).unet
    assert list(table.index) == ["first", "second"]
    assert set(table["unet_parameters"]) == {sum(w.numel() for w in unet.parameters())}
    assert (table["parameters"] > table["unet_parameters"]).all()
    assert set(table["num_inference_steps"]) == {3} and set(table["guidance_scale"]) == {3.0}
    assert (table["seconds_min"] > 0).all()
    assert "memory_gib" not in table  # there is no GPU to measure
    for name, images in comparison.images.items():
        scores = (embed_by_red(images) @ embed_by_length(["a fox"] * 3).T).diagonal()
        assert table.loc[name, "clip_score"] == pytest.approx(scores.mean().item(), abs=1e-5)
        assert 0 <= table.loc[name, "r_precision"] <= 1


def test_seconds_are_those_of_one_picture_and_leave_the_warm_up_out(monkeypatch):
    now = [0.0]  # by a clock on which each U-Net call takes a second, and nothing else any time

    def load():
        pipe = tiny_sd_pipeline()
        pipe.unet.register_forward_pre_hook(lambda *inputs: now.insert(0, now[0] + 1))
        return pipe

    clock = SimpleNamespace(perf_counter=lambda: now[0])
    monkeypatch.setattr("helpers.ranking.compare.time", clock)
    prompts = ["a fox", "a bee", "a cat"]
    timed = compare({"mine": load}, prompts, rounds=1, batch_size=3, **QUICK)
    assert timed.seconds("mine") == [1.0]  # PNDM asks three times in two steps, for all at once


def a_comparison(memory=None, clip_score=None) -> Comparison:
    seconds = {"teacher": [4.0, 2.0, 9.0], "student": [1.0, 2.5, 2.0]}
    measurements = [
        Measurement(name, number, seconds[name][number], memory)
        for number in range(3)
        for name in seconds
    ]
    contender = Contender(10, 20, 25, 7.5, [], clip_score)
    return Comparison({name: contender for name in seconds}, measurements)


def test_table_gives_the_median_and_the_speed_against_the_first():
    table = a_comparison(memory=3 * 2**30).table
    assert table["seconds"].tolist() == [4.0, 2.0]
    assert table["seconds_min"].tolist() == [2.0, 1.0]
    assert table["seconds_max"].tolist() == [9.0, 2.5]
    assert table["speed"].tolist() == [1.0, 2.0]
    assert table["memory_gib"].tolist() == [3.0, 3.0]
    assert "clip_score" not in table and "r_precision" not in table


def test_plot_of_seconds_alone():
    axes = a_comparison().plot()
    assert [bar.get_width() for bar in axes.patches] == [4.0, 2.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["teacher", "student"]
    assert axes.yaxis_inverted()  # the first on top
    assert sorted(axes.lines[0].get_xdata()) == [2.0, 4.0, 9.0]
    assert "seconds" in axes.get_xlabel()


def test_plot_of_quality_against_seconds():
    axes = a_comparison(clip_score=0.25).plot()
    assert axes.get_ylabel() == "clip_score"
    assert axes.lines[0].get_xdata().tolist() == [4.0, 2.0]
    assert [text.get_text() for text in axes.texts] == ["teacher", "student"]
    assert a_comparison().plot("parameters").get_ylabel() == "parameters"
    with pytest.raises(LookupError, match=r"y must be a column.*seconds.*got 'beauty'"):
        a_comparison().plot("beauty")


def test_own_settings_come_from_the_catalogue(monkeypatch):
    import helpers.ranking.compare

    monkeypatch.setattr(
        helpers.ranking.compare, "load_pipeline", lambda *args, **options: tiny_sd_pipeline()
    )
    turbo = compare(["sd-turbo"], "a fox", rounds=1, progress=False).contenders["sd-turbo"]
    assert (turbo.num_inference_steps, turbo.guidance_scale) == (1, 0.0)
    assert turbo.clip_score is None and len(turbo.images) == 1


def test_gpu_memory_is_the_peak_of_the_timed_call(monkeypatch):
    events = []
    for name in ("reset_peak_memory_stats", "synchronize"):
        monkeypatch.setattr(torch.cuda, name, lambda name=name: events.append(name))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 7)
    pipe = SimpleNamespace(_execution_device=torch.device("cuda"))
    images, seconds, memory = _timed(pipe, lambda pipe: events.append("drawn") or ["picture"])
    assert events == ["reset_peak_memory_stats", "synchronize", "drawn"]
    assert (images, memory) == (["picture"], 7) and seconds >= 0


def test_a_model_that_cannot_be_loaded_stops_the_comparison_and_frees_the_others(garage):
    def broken():
        raise ConnectionError("the hub is far away")

    with pytest.raises(ConnectionError, match="far away"):
        compare({"first": garage.loader("first", 0), "broken": broken}, "a fox", **QUICK)
    gc.collect()
    assert not any(reference() for reference in garage.alive)


@pytest.mark.parametrize(
    ("models", "options", "error", "words"),
    [
        ("stickers", {}, TypeError, r"Write \['stickers'\]"),
        ([], {}, ValueError, "at least one model"),
        (["stickers", "stickers"], {}, ValueError, "models must differ"),
        ({"mine": 3}, {}, TypeError, r"models\['mine'\] must be.*got int"),
        (["stickers"], {"rounds": 0}, ValueError, "rounds must be.*got 0"),
        (["stickers"], {"batch_size": 1.5}, TypeError, "batch_size must be.*got 1.5"),
        (["stickers"], {"prompt": []}, TypeError, r"prompt must be.*got \[\]"),
        (["stickers"], {"prompt": ["a", 1]}, TypeError, "prompt must be"),
    ],
)
def test_wrong_arguments(models, options, error, words):
    with pytest.raises(error, match=words):
        compare(models, **options)


def test_a_loaded_pipeline_is_refused(tiny_pipe):
    with pytest.raises(TypeError, match="only one model is in memory at a time"):
        compare({"mine": tiny_pipe})
