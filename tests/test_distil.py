"""Distillation, shrunk: a tiny student of a tiny teacher, trained by the code that made the real
one."""

import functools
import json

import pytest
import torch
from diffusers import UNet2DConditionModel

from helpers import load_pipeline
from training import distil
from training.__main__ import Recipe
from training.loop import Loop
from training.presets import TINY, changed
from training.unet import NoisyLatents


@pytest.fixture
def teacher():
    return random_unet((24, 48))


def random_unet(channels, seed=0):
    torch.manual_seed(seed)
    deeper = len(channels) - 1
    return UNet2DConditionModel(
        sample_size=16,
        block_out_channels=channels,
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=8,
        down_block_types=("DownBlock2D", *["CrossAttnDownBlock2D"] * deeper),
        up_block_types=(*["CrossAttnUpBlock2D"] * deeper, "UpBlock2D"),
    )


def inputs(seed=1):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(2, 4, 16, 16, generator=generator),
        torch.tensor([10, 900]),
        torch.randn(2, 32, 32, generator=generator),
    )


# ------------------------------------------------------------------------------- the student
@pytest.mark.parametrize("channels", [(24, 48), (16, 32), (8, 48)])
def test_a_student_is_narrower_lacks_the_middle_and_works(teacher, channels):
    student = distil.new_student(teacher, channels)
    assert student.mid_block is None
    assert student.config.block_out_channels == channels
    assert student.num_parameters() < teacher.num_parameters()
    assert student(*inputs()).sample.shape == (2, 4, 16, 16)


def test_a_student_starts_with_two_of_three_of_the_teachers_channels(teacher):
    theirs = teacher.state_dict()
    own = distil.new_student(teacher, (16, 32)).state_dict()
    assert distil.kept(6, 4).tolist() == [0, 1, 3, 4]
    name = "down_blocks.1.resnets.0.conv2.weight"
    two_of_three = [i for i in range(48) if i % 3 != 2]
    assert torch.equal(own[name], theirs[name][two_of_three][:, two_of_three])
    assert torch.equal(own["conv_in.weight"], theirs["conv_in.weight"][two_of_three[:16]])
    assert torch.equal(own["conv_out.bias"], theirs["conv_out.bias"])  # the latents have four
    # What comes from below stands before what the skip connection brings; both lose a third.
    name = "up_blocks.0.resnets.0.conv1.weight"
    both = [*two_of_three, *(48 + i for i in two_of_three)]
    assert torch.equal(own[name], theirs[name][two_of_three][:, both])


def test_a_student_as_wide_as_its_teacher_is_as_good():
    """Only the middle goes; where the middle adds nothing, both must agree."""
    teacher = random_unet((16, 32))
    with torch.no_grad():
        for name, weight in teacher.mid_block.named_parameters():
            if ".conv2." in name or ".proj_out." in name:  # what each layer adds
                weight.zero_()
    student = distil.new_student(teacher, (16, 32))
    with torch.no_grad():
        assert torch.allclose(student(*inputs()).sample, teacher(*inputs()).sample, atol=1e-6)


@pytest.mark.parametrize("channels", [(24,), (24, 48, 48), (24, 56), (0, 48)])
def test_a_student_that_does_not_fit_into_its_teacher_is_refused(teacher, channels):
    with pytest.raises(ValueError, match=r"channels must be .* at most \(24, 48\); got \("):
        distil.new_student(teacher, channels)


# ------------------------------------------------------------------------------- the losses
def test_the_same_blocks_are_watched_in_both(teacher):
    student = distil.new_student(teacher, (24, 48))
    seen_in_student, seen_in_teacher = distil.BlockFeatures(student), distil.BlockFeatures(teacher)
    student(*inputs()), teacher(*inputs())
    assert list(seen_in_student.features) == ["down 0", "down 1", "up 0", "up 1"]
    shapes = {name: tuple(value.shape) for name, value in seen_in_teacher.features.items()}
    assert shapes == {name: tuple(x.shape) for name, x in seen_in_student.features.items()}
    # On the way down nothing differs yet.
    for name in ("down 0", "down 1"):
        torch.testing.assert_close(seen_in_student.features[name], seen_in_teacher.features[name])
    assert not torch.allclose(seen_in_student.features["up 0"], seen_in_teacher.features["up 0"])


def test_a_narrow_block_is_compared_with_the_channels_that_it_keeps():
    wanted = {"block": torch.arange(6.0).view(1, 6, 1, 1)}
    own = wanted["block"][:, [0, 1, 3, 4]]
    assert distil.feature_loss({"block": own}, wanted) == 0
    assert distil.feature_loss({"block": wanted["block"][:, :4]}, wanted) > 0


def test_the_feature_loss_counts_every_block_alike():
    wanted = {"small": torch.ones(2, 3), "large": 100 * torch.ones(2, 3)}
    assert distil.feature_loss(wanted, wanted) == 0
    nothing = {name: torch.zeros(2, 3) for name in wanted}
    assert distil.feature_loss(nothing, wanted) == 1
    half = {"small": wanted["small"], "large": torch.zeros(2, 3)}
    assert distil.feature_loss(half, wanted) == 0.5


# ------------------------------------------------------------------------------- the training
def train(folder, teacher, latents, steps=40, stop_at=None, **settings):
    settings = {"steps": steps, "learning_rate": 3e-3, "ema": 0.0, **settings}
    settings = changed(TINY, "distil", **settings).distil
    student = distil.new_student(teacher, (16, 32))
    if stop_at is not None:
        batch = latents.batch

        def die(step):
            if step == stop_at:
                raise KeyboardInterrupt
            return batch(step)

        latents.batch = die
    return distil.train_student(settings, student, teacher, latents, folder, "distil", TINY.machine)


class Batches:
    """Batches as `NoisyLatents` gives them, of a task that the teacher misses by `error`."""

    def __init__(self, teacher, error=0.01):
        self.teacher, self.error = teacher, error

    @torch.no_grad()
    def batch(self, step):
        noisy, timesteps, told = inputs(step)
        return noisy, timesteps, told, self.teacher(noisy, timesteps, told).sample + self.error


def test_the_student_comes_nearer_to_its_teacher(tmp_path, teacher):
    loop = train(tmp_path, teacher, Batches(teacher), steps=75)
    first, last = loop.history[0], loop.history[-1]
    assert last["output"] < 0.8 * first["output"]
    assert last["features"] < 0.8 * first["features"]


def test_the_losses_add_up_with_their_weights(tmp_path, teacher):
    batches = Batches(teacher, error=10.0)
    loop = train(tmp_path, teacher, batches, steps=1, output_weight=2.0, feature_weight=0.5)
    row = loop.history[-1]
    assert row["task"] > 10 * row["output"]  # the teacher is far from the task's target
    expected = row["task"] + 2 * row["output"] + 0.5 * row["features"]
    assert row["loss"] == pytest.approx(expected, rel=1e-4)


def test_the_teacher_stays_as_it_is(tmp_path, teacher):
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    train(tmp_path, teacher, Batches(teacher), steps=2)
    for name, value in teacher.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_killed_run_goes_on_and_ends_where_an_unbroken_one_does(
    tmp_path, teacher, monkeypatch, capsys
):
    monkeypatch.setattr(Loop, "of", functools.partial(Loop.of, save_every=0.0))
    unbroken = train(tmp_path / "unbroken", teacher, Batches(teacher), steps=6)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "killed", teacher, Batches(teacher), steps=6, stop_at=4)
    resumed = train(tmp_path / "killed", teacher, Batches(teacher), steps=6)
    assert "goes on at step 4 of 6" in capsys.readouterr().out
    for one, other in zip(unbroken.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)


# ------------------------------------------------------------------------------- the recipe
def test_a_batch_is_what_the_scheduler_says(trained):
    latents = NoisyLatents(trained.latents(), trained.clip().text, trained.tokenizer(), TINY.unet)
    noisy, timesteps, told, target = latents.batch(0)
    assert noisy.shape == target.shape == (2, 4, 16, 16) and told.shape[:2] == (2, 32)
    again = latents.batch(0)
    assert all(
        torch.equal(a, b) for a, b in zip((noisy, timesteps, told, target), again, strict=True)
    )
    assert not torch.equal(latents.batch(1)[0], noisy)
    # Without the VAE's deviation the clean latents, which follow from noisy ones and velocity, are
    # those of the stored pictures.
    latents.latents[:, 4:] = 0
    noisy, timesteps, _, target = latents.batch(0)
    kept = latents.schedule.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    for clean in kept.sqrt() * noisy - (1 - kept).sqrt() * target:
        assert any(
            torch.allclose(clean, stored[:4].float(), atol=1e-3) for stored in latents.latents
        )


def test_the_recipe_ships_a_student_that_borrows_the_other_parts(trained):
    trained.distil()
    folder = trained.weights / "stickers-distilled"
    assert {path.name for path in folder.iterdir()} == {"model_index.json", "unet"}
    pipe = load_pipeline(folder, device="cpu")
    assert type(pipe).__name__ == "StableDiffusionPipeline"
    assert pipe.unet.mid_block is None and pipe.unet.dtype == torch.float32
    whole = load_pipeline(trained.weights / "stickers", device="cpu")
    assert torch.equal(whole.vae.decoder.conv_in.weight, pipe.vae.decoder.conv_in.weight)
    average = torch.load(trained.folder / "distil-1.pt", weights_only=True)["average"]
    for name, value in pipe.unet.state_dict().items():
        assert torch.allclose(value, average[name], atol=1e-3), name


def test_a_student_of_the_shipped_teacher_learns_in_the_shipped_latents(
    trained, monkeypatch, tmp_path
):
    fresh = Recipe(TINY, tmp_path / "checkpoints", trained.weights, records=tmp_path / "records")
    for part in ("vae", "clip", "tokenizer"):  # in a first run, these train new ones
        monkeypatch.setattr(fresh, part, lambda part=part: pytest.fail(f"trains {part}"))
    fresh.distil()
    stored = torch.load(fresh.folder / "latents-1.pt", weights_only=True)
    known = torch.load(trained.folder / "latents-1.pt", weights_only=True)
    assert torch.equal(stored["input_ids"], known["input_ids"])
    assert torch.allclose(stored["latents"], known["latents"], atol=0.02)  # weights kept as float16


def test_the_comparison_writes_every_figure_and_the_card(trained):
    trained.distil()
    trained.evaluate_distilled()
    folder = trained.weights / "stickers-distilled"
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    models = {"stickers", "stickers-distilled"}
    assert set(figures["entries"]) == models
    for rows in figures["verdicts"].values():
        assert set(rows) == {"real", *models}
        assert all(0 <= row["R-precision"] <= 100 for row in rows.values())
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "| distil-1 | 3 |" in card
    key = "million parameters in the U-Net"
    sizes = {name: row[key] for name, row in figures["entries"].items()}
    assert sizes["stickers-distilled"] < sizes["stickers"]
    steps = TINY.evaluation_steps
    assert all(f"| {name} | {size:g} | {steps} | 5 |" in card for name, size in sizes.items())


def test_compared_prompts_all_differ():
    from training.compare import KINDS, different
    from training.evaluate import prompt

    for kind in KINDS:
        prompts = [prompt(sample.about) for sample in different(kind, 100, seed=7_000)]
        assert len(set(prompts)) == len(prompts) == 100


@pytest.mark.parametrize("name", ["../stickers", "nowhere"])
def test_a_folder_borrows_only_from_one_beside_it(trained, tmp_path, name):
    trained.distil()
    source = trained.weights / "stickers-distilled"
    folder = tmp_path / "student"
    (folder / "unet").mkdir(parents=True)
    for file in (source / "unet").iterdir():
        (folder / "unet" / file.name).write_bytes(file.read_bytes())
    index = json.loads((source / "model_index.json").read_text(encoding="utf-8"))
    index["_parts_from"] = name
    (folder / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    with pytest.raises(ValueError, match="a folder beside it"):
        load_pipeline(folder, device="cpu")
