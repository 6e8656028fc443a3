"""The engine against `pipe()` itself, and what it survives."""

import logging
import threading
import time
import weakref
from concurrent.futures import BrokenExecutor, CancelledError, as_completed
from dataclasses import replace

import numpy
import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

from helpers.models.causes import is_out_of_memory
from helpers.sampling import cpu_workers, stages
from helpers.sampling import denoiser as denoise
from helpers.sampling.cell import Cell
from helpers.sampling.cpu_workers import Workers
from helpers.sampling.denoiser import Denoiser
from helpers.sampling.schedulers import SHORT_NAMES, scheduler_class, scheduler_name
from helpers.sampling.stages import TRUNCATION_LOGGERS
from tests.pipelines import EVERY_SCHEDULER, plain_call, tiny_sd_pipeline, tiny_sdxl_pipeline

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:diffusers", "ignore::DeprecationWarning:numpy"
)

MAKERS = {"sd": tiny_sd_pipeline, "sdxl": tiny_sdxl_pipeline}


@pytest.fixture(scope="module", params=MAKERS)
def pipe(request):
    return MAKERS[request.param]()


def cells_of(scheduler) -> list[Cell]:
    """Guidance below and above 1, with and without a negative prompt; ancestral noise included."""
    return [
        Cell("a fox", "blue", 1, 4, 7.5, scheduler),
        Cell("an owl", None, 2, 3, 1.5, scheduler),
        Cell("a fox", "blue", 3, 5, 0.5, scheduler),
    ]


REFERENCES = weakref.WeakKeyDictionary()


def reference(pipe, cell: Cell):
    """(latents, pixels) of a plain `pipe()` call with the cell's settings, kept for later tests."""
    known = REFERENCES.setdefault(pipe, {})
    if cell not in known:
        known[cell] = plain_call(pipe, cell)
    return known[cell]


def finished(engine: Denoiser, cells: list[Cell]):
    trajectories = [engine.submit(cell) for cell in cells]
    assert set(engine.run()) == set(trajectories)
    return trajectories


def assert_identical(pipe, trajectory):
    latents, pixels = reference(pipe, trajectory.cell)
    assert numpy.array_equal(numpy.asarray(trajectory.result(0)), pixels)
    assert torch.equal(trajectory.latents, latents)


def assert_close(pipe, trajectory):
    """At most one of 256 levels away, and the pictures are not constant."""
    _, pixels = reference(pipe, trajectory.cell)
    ours = numpy.asarray(trajectory.result(0)).astype(int)
    assert pixels.std() > 1
    assert abs(ours - pixels).max() <= 1


# Equal to pipe()


def test_short_names_cover_every_compatible_scheduler(pipe):
    compatible = {kind.__name__ for kind in pipe.scheduler.compatibles}
    assert compatible <= set(SHORT_NAMES.values())


@pytest.mark.parametrize("scheduler", EVERY_SCHEDULER)
def test_exact_mode_equals_pipe_bit_by_bit(pipe, scheduler):
    for trajectory in finished(Denoiser(pipe, mode="exact"), cells_of(scheduler)):
        assert_identical(pipe, trajectory)


def test_batched_mode_is_at_most_one_level_away(pipe):
    cells = [cell for scheduler in sorted(SHORT_NAMES) for cell in cells_of(scheduler)]
    for trajectory in finished(Denoiser(pipe), cells):
        assert_close(pipe, trajectory)


def test_fast_mode_is_at_most_one_level_away(pipe, two_threads):
    cells = [cell for scheduler in ("ddim", "pndm", "heun", "lcm") for cell in cells_of(scheduler)]
    for trajectory in finished(Denoiser(pipe, fast=True), cells):
        assert_close(pipe, trajectory)


def test_fast_mode_deals_the_rows_of_a_call_over_one_thread_each(own_pipe, two_threads):
    parts, both = [], threading.Barrier(2)

    def note(unet, args):
        both.wait(60)  # for the part of the other worker, or fail
        parts.append((torch.get_num_threads(), len(args[0])))

    own_pipe.unet.register_forward_pre_hook(note)
    cells = [Cell("a fox", None, seed, 2, 5.0, "ddim") for seed in range(3)]
    trajectories = finished(Denoiser(own_pipe, fast=True), cells)
    assert [trajectory.state for trajectory in trajectories] == ["done"] * 3
    assert parts == [(1, 3)] * 4
    elsewhere = []
    thread = threading.Thread(target=lambda: elsewhere.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert elsewhere == [torch.get_num_threads()] == [2]
    assert Denoiser(own_pipe)._workers is None  # only where it was asked for


def test_workers_keep_the_order_and_hand_errors_on(two_threads):
    workers = Workers()
    assert workers.run(lambda some: [2 * item for item in some], list(range(7))) == [
        0,
        2,
        4,
        6,
        8,
        10,
        12,
    ]
    assert workers.run(list, [1]) == [1] and workers.run(list, []) == []
    ended = []

    def fail_or_take_time(some):
        1 / some[0]
        time.sleep(0.2)
        ended.append(some)

    with pytest.raises(ZeroDivisionError):
        workers.run(fail_or_take_time, [0, 1])
    assert ended == [[1]]  # nobody is at work any more


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("scheduler", ["ddim", "tcd"])
def test_eta_reaches_the_scheduler(tiny_pipe, scheduler):
    quiet, noisy = (Cell("a fox", None, 1, 4, 7.5, scheduler, eta=eta) for eta in (0.0, 0.8))
    for trajectory in finished(Denoiser(tiny_pipe, mode="exact"), [quiet, noisy]):
        assert_identical(tiny_pipe, trajectory)
    assert not numpy.array_equal(reference(tiny_pipe, quiet)[1], reference(tiny_pipe, noisy)[1])


@pytest.mark.parametrize("scheduler", ["euler ancestral", "dpm++ sde"])
def test_the_largest_seed(tiny_pipe, scheduler):
    [ours] = finished(
        Denoiser(tiny_pipe, mode="exact"), [Cell("a fox", None, 2**63 - 1, 2, 5.0, scheduler)]
    )
    assert_identical(tiny_pipe, ours)


def test_the_pipelines_own_scheduler_a_class_and_a_configured_one(tiny_pipe):
    karras = DPMSolverMultistepScheduler.from_config(
        tiny_pipe.scheduler.config, use_karras_sigmas=True
    )
    cells = [Cell("a fox", num_inference_steps=4, scheduler=s) for s in (None, DDIMScheduler)]
    cells.append(replace(cells[0], scheduler=karras))
    ours = finished(Denoiser(tiny_pipe, mode="exact"), cells)
    for trajectory in ours:
        assert_identical(tiny_pipe, trajectory)
    assert ours[2].cell.scheduler is karras and karras.num_inference_steps is None


def test_a_unet_that_is_told_the_guidance_scale():
    pipe = tiny_sd_pipeline(time_cond_proj_dim=8)
    cells = [Cell("a fox", None, 1, 3, guidance, "lcm") for guidance in (0.5, 3.0, 9.0)]
    for trajectory in finished(Denoiser(pipe, mode="exact"), cells):
        assert trajectory.rows == 1
        assert_identical(pipe, trajectory)
    for trajectory in finished(Denoiser(pipe), cells):
        assert_close(pipe, trajectory)


def test_sizes_do_not_mix(pipe):
    cells = [
        Cell("a fox", None, seed, 3, 5.0, "ddim", height=height, width=32)
        for seed, height in enumerate([32, 48, 32, 48])
    ]
    for trajectory in finished(Denoiser(pipe), cells):
        assert trajectory.result().size == (32, trajectory.cell.height)
        assert_close(pipe, trajectory)


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_half_precision_starts_from_the_same_float32_noise(make, dtype):
    pipe = make().to(dtype)
    [ours] = finished(Denoiser(pipe, mode="exact"), [Cell("a fox", None, 5, 3, 5.0, "ddim")])
    shape = (1, 4, 16, 16)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(5)).to(dtype)
    latents, pixels = plain_call(pipe, ours.cell, latents=noise)
    assert torch.equal(ours.latents, latents)
    assert numpy.array_equal(numpy.asarray(ours.result()), pixels)
    assert pipe.vae.dtype == dtype


def test_the_safety_checker_is_applied_as_in_pipe(own_pipe):
    class Extracted:
        pixel_values = torch.zeros(1)

        def to(self, device):
            return self

    def refuse(images, clip_input):
        return torch.zeros_like(images), [True] * len(images)

    own_pipe.feature_extractor = lambda pictures, return_tensors: Extracted()
    own_pipe.safety_checker = refuse
    [ours] = finished(Denoiser(own_pipe), [Cell("a fox", num_inference_steps=2)])
    assert numpy.array_equal(numpy.asarray(ours.result()), plain_call(own_pipe, ours.cell)[1])
    assert ours.result().getextrema() == ((0, 0),) * 3


def test_the_pipeline_is_left_as_it_was(own_pipe):
    scheduler = own_pipe.scheduler
    scheduler.set_timesteps(9)
    timesteps = scheduler.timesteps.clone()
    finished(Denoiser(own_pipe), cells_of("euler") + cells_of(None))
    assert own_pipe.scheduler is scheduler
    assert torch.equal(scheduler.timesteps, timesteps)


# Sharing calls


@pytest.fixture
def calls(own_pipe):
    """Rows of each U-Net call of `own_pipe`, in order."""
    rows = []
    own_pipe.unet.register_forward_pre_hook(lambda unet, args: rows.append(len(args[0])))
    return rows


def test_rows_share_calls_up_to_max_rows(own_pipe, calls):
    guided, unguided = (
        [Cell("a fox", None, seed, 4, guidance, "ddim") for seed in seeds]
        for guidance, seeds in ((5.0, (1, 2, 3)), (1.0, (4, 5)))
    )
    finished(Denoiser(own_pipe, max_rows=6), guided[:2] + unguided)
    assert calls == [6] * 4
    calls.clear()
    finished(Denoiser(own_pipe, max_rows=5), guided)
    assert calls == [4] * 4 + [2] * 4
    calls.clear()
    finished(Denoiser(own_pipe, mode="exact"), [guided[0], unguided[0]])
    assert calls == [2] * 4 + [1] * 4


ALIKE = [Cell("a fox", "blue", 1, 3, guidance, "ddim") for guidance in (1.0, 4.0, 7.5)]


@pytest.mark.parametrize(
    "cells, rows",
    [
        (ALIKE, [2, 5, 5]),  # the prompt's row for three, the negative prompt's for two
        ([replace(ALIKE[1], prompt="an owl"), ALIKE[1]], [3, 4, 4]),  # one row of "blue"
        ([replace(ALIKE[1], negative_prompt=None), ALIKE[1]], [3, 4, 4]),
        ([replace(ALIKE[1], scheduler="lcm"), ALIKE[1]], [4, 4, 4]),  # starts at another timestep
        ([replace(ALIKE[1], scheduler="euler"), ALIKE[1]], [4, 4, 4]),  # other noise
        ([replace(ALIKE[1], seed=2), ALIKE[1]], [4, 4, 4]),
    ],
)
def test_what_begins_alike_is_computed_once(with_alike, calls, cells, rows):
    for trajectory in finished(Denoiser(with_alike), cells):
        assert_close(with_alike, trajectory)
    assert calls == rows


def test_what_begins_alike_stays_exact_in_exact_mode(with_alike, calls):
    for trajectory in finished(Denoiser(with_alike, mode="exact"), ALIKE):
        assert_identical(with_alike, trajectory)
    assert calls == [1] * 3 + [2] * 3 + [2] * 2


def test_first_predictions_do_not_pile_up(with_alike, calls, monkeypatch):
    monkeypatch.setattr(denoise, "FIRST_PREDICTIONS_KEPT", 2)
    engine = Denoiser(with_alike, max_rows=2)
    finished(engine, [replace(ALIKE[1], seed=seed) for seed in (1, 2)])
    calls.clear()
    for trajectory in finished(engine, [ALIKE[1]]):
        assert_close(with_alike, trajectory)
    assert calls == [2, 2, 2]  # seed 1 was forgotten for seed 2
    calls.clear()
    finished(engine, [ALIKE[2]])
    assert calls == [2, 2]


@pytest.fixture
def with_alike(own_pipe):
    """`own_pipe`, with references taken before its calls are counted."""
    for guidance in (1.0, 4.0, 7.5):
        reference(own_pipe, replace(ALIKE[0], guidance_scale=guidance))
    for change in (
        {"prompt": "an owl"},
        {"negative_prompt": None},
        {"seed": 2},
        {"scheduler": "lcm"},
        {"scheduler": "euler"},
    ):
        reference(own_pipe, replace(ALIKE[1], **change))
    return own_pipe


def test_a_text_that_is_too_long_makes_the_engine_say_nothing(own_pipe):
    heard = []

    class Recorder(logging.Handler):
        def emit(self, record):
            heard.append(record.getMessage())

    recorder, cell = Recorder(), Cell("abcdefghij" * 5, num_inference_steps=1)
    loggers = [logging.getLogger(name) for name in TRUNCATION_LOGGERS]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.addHandler(recorder)
            logger.setLevel(logging.WARNING)  # whatever another test asked of the libraries
        finished(Denoiser(own_pipe), [cell])
        assert heard == []
        plain_call(own_pipe, cell)
        assert any("truncated" in message for message in heard)
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.removeHandler(recorder)
            logger.setLevel(level)


def test_evaluations_are_counted_truly(tiny_pipe):
    cells = [Cell("a fox", None, 1, 6, 5.0, scheduler) for scheduler in ("ddim", "pndm", "heun")]
    trajectories = finished(Denoiser(tiny_pipe), cells)
    assert [t.evaluations for t in trajectories] == [6, 7, 11]
    assert all(t.evaluations == t.total_evaluations for t in trajectories)
    assert all(t.seconds > 0 for t in trajectories)


@pytest.mark.parametrize("order, expected", [("longest", [5, 4, 3]), ("oldest", [3, 5, 4])])
def test_order(tiny_pipe, order, expected):
    engine = Denoiser(tiny_pipe, max_rows=2, order=order)
    for steps in (3, 5, 4):
        engine.submit(Cell("a fox", None, 1, steps, 5.0, "ddim"))
    assert [trajectory.total_evaluations for trajectory in engine.run()] == expected


def test_submitting_while_others_run(tiny_pipe):
    engine = Denoiser(tiny_pipe)
    first = engine.submit(Cell("a fox", None, 1, 5, 7.5, "ddim"))
    engine.tick()
    late = engine.submit(Cell("an owl", None, 2, 2, 7.5, "euler ancestral"))
    assert (first.state, late.state) == ("running", "waiting")
    assert list(engine.run()) == [late, first]
    assert_close(tiny_pipe, first)
    assert_close(tiny_pipe, late)


def test_preview_sees_the_picture_form(tiny_pipe):
    seen = []

    def preview(trajectory, latents):
        seen.append((trajectory.evaluations, latents.clone()))
        latents.zero_()  # a copy: it does no harm

    engine = Denoiser(tiny_pipe, mode="exact")
    trajectory = engine.submit(Cell("a fox", None, 1, 6, 7.5, "ddim"), preview, preview_every=2)
    list(engine.run())
    assert [evaluations for evaluations, _ in seen] == [2, 4, 6]
    assert_identical(tiny_pipe, trajectory)
    assert torch.equal(seen[-1][1], trajectory.latents)


# Failures stay alone


def poisoned(kwargs, prompt_embeds) -> torch.Tensor:
    """Which rows of a U-Net call carry the prompt of `prompt_embeds`."""
    return (kwargs["encoder_hidden_states"] == prompt_embeds).flatten(1).all(1)


@pytest.fixture
def poison(own_pipe):
    """The embedding of the prompt "poison"."""
    return own_pipe.encode_prompt("poison", "cpu", 1, False)[0]


HEALTHY = [Cell("a fox", None, 1, 4, 7.5, "ddim"), Cell("an owl", None, 2, 3, 1.0, "lcm")]
POISON = Cell("poison", None, 3, 12, 7.5, "ddim")


def run_with_poison(pipe, **options):
    engine = Denoiser(pipe, **options)
    bad, *good = finished(engine, [POISON, *HEALTHY])
    assert bad.state == "failed" and [t.state for t in good] == ["done"] * 2
    for trajectory in good:
        (assert_identical if engine.mode == "exact" else assert_close)(pipe, trajectory)
    return bad


@pytest.fixture
def with_references(own_pipe):
    """`own_pipe`, with the healthy cells' references taken before it is damaged."""
    for cell in HEALTHY:
        reference(own_pipe, cell)
    return own_pipe


@pytest.mark.parametrize("mode", ["exact", "batched"])
def test_nan_stays_alone(with_references, poison, mode):
    def spoil(unet, args, kwargs, output):
        output[0][poisoned(kwargs, poison)] = float("nan")

    with_references.unet.register_forward_hook(spoil, with_kwargs=True)
    bad = run_with_poison(with_references, mode=mode)
    assert isinstance(bad.exception(), FloatingPointError)
    assert bad.evaluations == 8 and "evaluation 8 of 12" in str(bad.exception())


@pytest.mark.parametrize("mode", ["exact", "batched"])
def test_a_failing_call_stays_alone(with_references, poison, mode):
    fail_for(poison, with_references)
    bad = run_with_poison(with_references, mode=mode)
    with pytest.raises(ZeroDivisionError, match="a bad row"):
        bad.result()


def test_a_failing_part_of_a_fast_call_stays_alone(two_threads, with_references, poison):
    fail_for(poison, with_references)
    bad = run_with_poison(with_references, fast=True)
    with pytest.raises(ZeroDivisionError, match="a bad row"):
        bad.result()


def fail_for(poison, pipe):
    """Make every U-Net call fail that has a row with the embedding `poison`."""

    def fail(unet, args, kwargs):
        if poisoned(kwargs, poison).any():
            raise ZeroDivisionError("a bad row")

    pipe.unet.register_forward_pre_hook(fail, with_kwargs=True)


@pytest.mark.parametrize("place", ["encode_prompt", "preview", "decode"])
def test_failures_around_the_unet_stay_alone(with_references, monkeypatch, place):
    def fail(*args):
        raise ZeroDivisionError(place)

    encode, decode = with_references.encode_prompt, with_references.vae.decode
    marked = []

    def encode_unless_poison(prompt, **options):
        return fail() if prompt == "poison" else encode(prompt, **options)

    def decode_unless_poison(latents, **options):
        if any(torch.equal(row, marked[0].latents[0] / 0.18215) for row in latents):
            fail()
        return decode(latents, **options)

    if place == "encode_prompt":
        monkeypatch.setattr(with_references, "encode_prompt", encode_unless_poison)
    if place == "decode":
        monkeypatch.setattr(with_references.vae, "decode", decode_unless_poison)
    engine = Denoiser(with_references)
    cell = replace(POISON, num_inference_steps=4)
    marked.append(engine.submit(cell, fail if place == "preview" else None, preview_every=2))
    good = finished_besides(engine, marked[0])
    assert str(marked[0].exception()) == place
    for trajectory in good:
        assert_close(with_references, trajectory)


def finished_besides(engine, bad):
    good = [engine.submit(cell) for cell in HEALTHY]
    assert set(engine.run()) == {bad, *good}
    return good


@pytest.mark.parametrize("rows_that_fit", [1, 3])
def test_out_of_memory_halves_the_rows(with_references, rows_that_fit):
    calls = []

    def run_out(unet, args):
        calls.append(len(args[0]))
        if len(args[0]) > rows_that_fit:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with_references.unet.register_forward_pre_hook(run_out)
    cells = [replace(cell, seed=seed) for seed in range(4) for cell in HEALTHY]
    for trajectory in finished(Denoiser(with_references, max_rows=12), cells):
        if trajectory.cell in HEALTHY:
            assert_close(with_references, trajectory)
    assert calls[:2] == [12, 6] and calls.count(12) == calls.count(6) == 1
    assert max(calls[3:]) == rows_that_fit


def test_out_of_memory_in_the_vae_halves_the_pictures(with_references, monkeypatch):
    decode, tried = with_references.vae.decode, []

    def run_out(latents, **options):
        tried.append(len(latents))
        if len(latents) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return decode(latents, **options)

    monkeypatch.setattr(with_references.vae, "decode", run_out)
    for trajectory in finished(Denoiser(with_references), HEALTHY[:1] * 5):
        assert_close(with_references, trajectory)
    assert tried == [4, 2, 1, 1, 1, 1, 1]  # once too many, twice too many, then one by one


def test_what_does_not_fit_even_alone_fails_alone(with_references):
    calls = []

    def run_out(unet, args):
        calls.append(len(args[0]))
        if args[0].shape[-2] > 16:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    with_references.unet.register_forward_pre_hook(run_out)
    engine = Denoiser(with_references)
    large = engine.submit(replace(POISON, height=64, width=64))
    good = finished_besides(engine, large)
    assert is_out_of_memory(large.exception())
    assert calls[:3] == [2, 1, 1] and calls[3:] == [3] * 3 + [2]  # the small ones share on
    for trajectory in good:
        assert_close(with_references, trajectory)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("MPS backend out of memory")])
def test_kinds_of_out_of_memory(error):
    assert is_out_of_memory(error)
    assert not is_out_of_memory(ValueError("out of memory"))


# Many submitters, one worker


def test_many_submitters_and_one_worker(tiny_pipe):
    engine = Denoiser(tiny_pipe, order="oldest")
    worker = threading.Thread(target=engine.serve)
    worker.start()
    results = {}

    def learner(number):
        cells = [replace(cell, seed=number) for cell in cells_of("euler ancestral")]
        trajectories = [engine.submit(cell) for cell in cells]
        results[number] = list(as_completed(trajectories, timeout=60))

    learners = [threading.Thread(target=learner, args=(number,)) for number in range(5)]
    for thread in learners:
        thread.start()
    for thread in learners:
        thread.join(60)
    engine.shutdown()
    worker.join(60)
    assert not worker.is_alive() and sorted(results) == list(range(5))
    for trajectories in results.values():
        assert len(trajectories) == 3
        for trajectory in trajectories:
            assert_close(tiny_pipe, trajectory)
    with pytest.raises(RuntimeError, match="shut down"):
        engine.submit(HEALTHY[0])


def test_shutdown_finishes_what_was_taken_in(tiny_pipe):
    engine = Denoiser(tiny_pipe)
    trajectory = engine.submit(HEALTHY[0])
    engine.shutdown()
    engine.serve()
    assert trajectory.state == "done"


def test_shutdown_can_cancel_what_was_taken_in(tiny_pipe):
    engine = Denoiser(tiny_pipe)
    trajectory = engine.submit(HEALTHY[0])
    engine.shutdown(cancel_futures=True)
    engine.serve()
    assert trajectory.state == "cancelled" and trajectory.evaluations == 0


def test_cancelling_while_it_waits_and_while_it_runs(own_pipe, calls):
    engine = Denoiser(own_pipe)
    waits, runs = engine.submit(POISON), engine.submit(POISON, lambda t, latents: t.cancel(), 3)
    healthy = engine.submit(HEALTHY[0])
    assert waits.cancel()
    assert set(engine.run()) == {waits, runs, healthy}
    assert (waits.state, runs.state, healthy.state) == ("cancelled", "cancelled", "done")
    assert (waits.evaluations, runs.evaluations) == (0, 3)
    assert calls == [4, 4, 4, 2]
    assert list(as_completed([waits, runs], timeout=1))  # they were told
    with pytest.raises(CancelledError):
        runs.result()
    assert not healthy.cancel()


def test_a_dying_worker_leaves_nobody_waiting(own_pipe):
    def die(unet, args):
        raise KeyboardInterrupt

    own_pipe.unet.register_forward_pre_hook(die)
    engine = Denoiser(own_pipe, max_rows=2)
    trajectories = [engine.submit(cell) for cell in HEALTHY]
    with pytest.raises(KeyboardInterrupt):
        engine.serve()
    assert all(trajectory.cancelled() for trajectory in as_completed(trajectories, timeout=1))


def test_a_second_worker_is_refused(tiny_pipe):
    engine = Denoiser(tiny_pipe)
    refused = []

    def preview(trajectory, latents):
        with pytest.raises(RuntimeError, match="already at work") as caught:
            engine.tick()
        refused.append(caught)

    engine.submit(HEALTHY[0], preview, preview_every=4)
    [trajectory] = engine.run()
    assert refused and trajectory.state == "done"


# Bad input


@pytest.mark.parametrize(
    "options, error, says",
    [
        ({"prompt": ["a fox"]}, TypeError, "prompt must be a text"),
        ({"negative_prompt": 3}, TypeError, "negative_prompt must be a text"),
        ({"num_inference_steps": 0}, ValueError, "num_inference_steps must be at least 1; got 0"),
        ({"num_inference_steps": 2.5}, TypeError, "num_inference_steps must be a whole number"),
        ({"num_inference_steps": 5000}, ValueError, "5000|num_train_timesteps"),
        ({"guidance_scale": float("nan")}, ValueError, "guidance_scale must be finite"),
        ({"guidance_scale": "7"}, TypeError, "guidance_scale must be a number"),
        ({"eta": 2}, ValueError, "eta must be between 0 and 1"),
        ({"seed": -1}, ValueError, "^seed must be between 0"),
        ({"seed": True}, TypeError, "^seed must be a whole number"),
        ({"seed": [1, 2]}, TypeError, "^seed must be a whole number"),
        ({"height": 33}, ValueError, "height must be divisible"),
        ({"scheduler": "dimm"}, LookupError, "Did you mean 'ddim'"),
        ({"scheduler": torch.nn.Linear}, ValueError, "scheduler must be .*Linear"),
        ({"scheduler": ["ddim"]}, TypeError, "scheduler must be a name"),
    ],
)
def test_bad_settings_are_refused_on_submission(tiny_pipe, options, error, says):
    with pytest.raises(error, match=says):
        Denoiser(tiny_pipe).submit(Cell(**{"prompt": "a fox", "scheduler": "ddim"} | options))


@pytest.mark.parametrize(
    "options",
    [
        {"mode": "fast"},
        {"order": "shortest"},
        {"max_rows": 0},
        {"fast": True, "mode": "exact"},
    ],
)
def test_bad_engine_options(tiny_pipe, options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} must be"):
        Denoiser(tiny_pipe, **options)


def test_other_pipelines_are_refused():
    with pytest.raises(TypeError, match="StableDiffusionXLPipeline; got str"):
        Denoiser("stickers")


def test_preview_every_must_be_positive(tiny_pipe):
    with pytest.raises(ValueError, match="preview_every must be 1 or more; got 0"):
        Denoiser(tiny_pipe).submit(HEALTHY[0], print, preview_every=0)


def test_scheduler_names_go_both_ways():
    for name, class_name in SHORT_NAMES.items():
        kind = scheduler_class(name)
        assert kind.__name__ == class_name and scheduler_name(kind) == name
        assert scheduler_class(class_name) is kind


def test_a_worker_that_does_not_begin_is_an_error_and_no_endless_wait(monkeypatch, two_threads):
    """As where the system allows no further thread."""
    pool = cpu_workers.ThreadPoolExecutor
    monkeypatch.setattr(cpu_workers, "START_TIMEOUT", 0.1)
    monkeypatch.setattr(cpu_workers, "ThreadPoolExecutor", lambda count, *rest: pool(1, *rest))
    with pytest.raises(BrokenExecutor):
        Workers()


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), KeyboardInterrupt()]
)
def test_the_vae_of_sdxl_is_back_in_float16_after_a_decoding_that_failed(monkeypatch, error):
    pipe = tiny_sdxl_pipeline()
    pipe.vae.to(torch.float16)
    pipe.vae.register_to_config(force_upcast=True)
    seen = []

    def fail(latents, **options):
        seen.append(pipe.vae.dtype)
        raise error

    monkeypatch.setattr(pipe.vae, "decode", fail)
    with pytest.raises(type(error)):
        stages.decode(pipe, torch.zeros(1, 4, 8, 8, dtype=torch.float16))
    assert (seen, pipe.vae.dtype) == ([torch.float32], torch.float16)
