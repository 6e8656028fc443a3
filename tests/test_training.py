"""The recipe itself, shrunk: the same code that made the shipped weights, in a few seconds."""

import json
import os
import random
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from PIL import Image, ImageDraw, ImageOps

from helpers.faces.quality import psnr as measured
from helpers.vocabulary import BACKGROUNDS, STYLES, SUBJECTS
from training import data, loop
from training.clip import ClipBatches
from training.export import WEIGHTS, replaced
from training.pixels import batch_psnr, psnr, to_pixels
from training.presets import CPU, GPU, TINY, changed, fast_optimizer, processor_dtype
from training.unet import (
    SCHEDULE,
    CleanEstimates,
    clean_estimate,
    new_unet,
    snr_weights,
    timestep_weights,
)
from training.vae import new_vae, reconstruction_loss, refine_decoder


# ------------------------------------------------------------------------------- data
def test_a_seed_gives_the_same_pictures_again():
    first, again = (data.Dataset(3).samples(10, 5) for _ in range(2))
    other = data.Dataset(4).samples(10, 5)
    for a, b in zip(first, again, strict=True):
        assert a.caption == b.caption and np.array_equal(a.picture, b.picture)
    assert [a.caption for a in first] != [b.caption for b in other]


def test_pictures_drawn_ahead_are_the_same_and_none_is_kept():
    batches = ClipBatches(TINY.clip)
    ahead = data.Prefetch(batches, workers=1)
    for step in range(7):
        captions = [sample.caption for sample in ahead(step)]
        assert captions == [sample.caption for sample in batches(step)]
        assert set(ahead.waiting) == {step + 1}
    ahead.pool.shutdown()


def test_clip_sees_mixed_pictures_then_portraits_then_one_subject():
    mixed, portraits, one = (
        [sample.about for sample in ClipBatches(changed(TINY, "clip", batch_size=40).clip)(step)]
        for step in range(3)
    )
    kinds = (data.Portrait, data.Sticker)
    assert {type(about) for about in mixed} == set(kinds)
    assert {type(about) for about in portraits} == {data.Portrait}
    assert {about.subject for about in one} == {SUBJECTS[0]}


def test_the_judge_learns_full_captions_and_clip_the_varied_ones(trained, tmp_path, monkeypatch):
    from training import clip
    from training.__main__ import Recipe
    from training.evaluate import prompt

    read, tokens = [], clip.tokens

    def noted(tokenizer, captions):
        read.append(captions)
        return tokens(tokenizer, captions)

    def drawn(settings):
        batches = ClipBatches(replace(settings, seed=settings.seed + 10))  # of the first run
        return [batches(step) for step in range(settings.steps)]

    monkeypatch.setattr(clip, "tokens", noted)
    shutil.copytree(trained.folder / "tokenizer", tmp_path / "checkpoints" / "tokenizer")
    recipe = Recipe(TINY, tmp_path / "checkpoints", tmp_path / "weights", records=tmp_path)
    recipe.train_judge()
    assert read == [[prompt(s.about) for s in batch] for batch in drawn(TINY.judge)]
    read.clear()
    recipe.clip()
    assert read == [[s.caption for s in batch] for batch in drawn(TINY.clip)]


@pytest.mark.parametrize("held_out", [False, True])
def test_held_out_combinations_are_never_drawn_in_training(held_out):
    stickers = [data.Dataset(0, held_out, 0.0).sample(i).about for i in range(200)]
    assert {about.held_out for about in stickers} == {held_out}


def test_about_a_tenth_of_the_combinations_is_held_out():
    combinations = [
        data.Sticker(subject, style, background).held_out
        for subject in SUBJECTS
        for style in STYLES
        for background in BACKGROUNDS
    ]
    assert 0.08 < np.mean(combinations) < 0.12


def test_every_sprite_is_drawn_and_every_part_of_a_portrait_exists():
    assert len(data.icons()) == len(SUBJECTS) * len(STYLES)
    assert all(icon.getbbox() for icon in data.icons().values())
    draw = random.Random(0)
    for _ in range(300):
        assert data.portrait_person(data.random_portrait(draw), draw).getbbox()


def test_drawings_stand_in_steps_of_two_cells_and_none_is_mirrored(monkeypatch):
    """The icon itself is in each picture, at one of nine places."""
    monkeypatch.setattr(
        data, "background", lambda name, draw: Image.new("RGB", (128, 128), "white")
    )
    found, size = set(), data.SUBJECT_SIZE
    about = data.Sticker("airplane", "flat", "white")  # looks to one side
    icon = Image.new("RGB", (size, size), "white")
    icon.paste(
        data.icons()[about.subject, about.style], mask=data.icons()[about.subject, about.style]
    )
    for seed in range(80):
        pixels = np.asarray(data.sticker_picture(about, random.Random(seed)))
        places = [
            (x, y)
            for x in data.PLACES
            for y in data.PLACES
            if np.array_equal(pixels[y : y + size, x : x + size], icon)
        ]
        assert len(places) == 1
        found.update(places)
    assert len(found) == 9


def test_portraits_keep_their_height_and_move_in_the_same_steps(monkeypatch):
    monkeypatch.setattr(data, "background", lambda name, draw: Image.new("RGB", (128, 128), "lime"))
    monkeypatch.setattr(
        data, "portrait_person", lambda about, draw: Image.new("RGBA", (117, 144), "black")
    )
    lefts = set()
    for seed in range(30):
        draw = random.Random(seed)
        picture = data.portrait_picture(data.random_portrait(draw), draw)
        box = ImageOps.invert(picture.getchannel("G")).getbbox()
        assert box[1:] == (128 - data.PORTRAIT_HEIGHT, box[0] + 96, 128)
        lefts.add(box[0])
    assert lefts == set(data.PLACES)


@pytest.mark.parametrize("scene", sorted(data.PAINTERS))
def test_two_seeds_of_a_scene_differ(scene):
    first, second = (np.asarray(data.background(scene, random.Random(s)), float) for s in (1, 2))
    assert np.abs(first - second).mean() > 2


def test_a_small_disc_is_the_same_in_each_cell():
    picture, cells = Image.new("L", (128, 128)), data.cells(random.Random(0), 200, top=3)
    for cell in cells:
        data.dot(ImageDraw.Draw(picture), cell, 2, 255)
    assert len(set(cells)) == 200 and min(y for _, y in cells) == 3
    pixels = np.asarray(picture)
    discs = {pixels[8 * y : 8 * y + 8, 8 * x : 8 * x + 8].tobytes() for x, y in cells}
    assert len(discs) == 1 and pixels[:24].max() == 0


def test_captions_say_what_the_picture_shows():
    for sample in data.Dataset(1, portrait_share=0.0).samples(0, 100):
        assert sample.about.subject in sample.caption
    portraits = data.Dataset(1, portrait_share=1.0).samples(0, 200)
    tones = [s for s in portraits if f"{s.about.skin} skin" in s.caption]
    assert len(tones) > 100  # skin tone is captioned as often as hair and shirt
    for sample in portraits:
        assert sample.about.person in sample.caption
        assert ("a beard" in sample.caption) == sample.about.beard


def test_the_skin_tones_differ_in_the_picture():
    means = []
    for tone in data.SKIN_TONES:
        head = np.asarray(data.layers()[f"head/{tone}"][0]).astype(float)
        means.append(head[head[..., 3] == 255][:, :3].mean())
    assert means == sorted(means, reverse=True) and means[0] - means[-1] > 80


def test_decibels_are_those_that_the_course_measures_pictures_by():
    pictures, noise = [s.picture for s in data.Dataset(5).samples(0, 2)], np.random.default_rng(0)
    degraded = [noise.integers(0, 256, one.shape, dtype=np.uint8) // 9 * 9 for one in pictures]
    expected = [
        measured(*map(Image.fromarray, pair)) for pair in zip(degraded, pictures, strict=True)
    ]
    pixels, target = to_pixels(degraded), to_pixels(pictures)
    assert psnr(pixels, target).tolist() == pytest.approx(expected, abs=1e-4)
    assert min(expected) < batch_psnr(pixels, target) < max(expected)
    assert psnr(target, target).tolist() == [60, 60] and batch_psnr(target, target) == 60


# ------------------------------------------------------------------------------- the machine
@pytest.mark.parametrize(
    ("flags", "dtype"),
    [
        ("fpu avx2 avx512_bf16", "bfloat16"),
        ("fp amx_bf16 amx_tile", "bfloat16"),
        ("asimd bf16", "bfloat16"),
        ("fpu avx2 avx512f", "float32"),
    ],
)
def test_bfloat16_is_for_processors_that_have_it(tmp_path, flags, dtype):
    about = tmp_path / "cpuinfo"
    about.write_text(f"processor: 0\nflags\t\t: {flags}\n", encoding="utf-8")
    assert processor_dtype(about) == dtype
    assert processor_dtype(tmp_path / "none") == "float32"
    assert fast_optimizer(dtype) == {"bfloat16": "muon", "float32": "adamw"}[dtype]


# ------------------------------------------------------------------------------- the loop
def quadratic(folder, steps, handed_over=None, optimizer_name="adamw"):
    """A loop that fits a line: small, and sensitive to any step lost or done twice."""
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 1)

    def loss_of(step):
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        return (model(x) - x.sum(1, keepdim=True)).square().mean(), {}

    return loop.Loop(
        "line",
        model,
        loss_of,
        folder,
        steps,
        0.05,
        ema=0.9,
        save_every=0.0,
        handed_over=handed_over,
        optimizer_name=optimizer_name,
    )


@pytest.mark.parametrize("optimizer_name", ["adamw", "muon"])
def test_a_killed_run_goes_on_and_ends_where_an_unbroken_one_does(tmp_path, optimizer_name):
    unbroken = quadratic(tmp_path / "unbroken", 60, optimizer_name=optimizer_name)
    unbroken.run()
    killed = quadratic(tmp_path / "killed", 60, optimizer_name=optimizer_name)
    advance = killed.advance

    def die_at_35():
        if killed.step == 35:
            raise KeyboardInterrupt
        return advance()

    killed.advance = die_at_35
    with pytest.raises(KeyboardInterrupt):
        killed.run()
    resumed = quadratic(tmp_path / "killed", 60, optimizer_name=optimizer_name)
    assert resumed.step == 35
    resumed.run()
    for one, other in zip(unbroken.model.parameters(), resumed.model.parameters(), strict=True):
        assert torch.equal(one, other)
    for name, value in unbroken.ema_weights.items():
        assert torch.equal(value, resumed.ema_weights[name])


def test_a_run_goes_on_elsewhere_from_what_was_handed_over(tmp_path):
    def stop():
        raise KeyboardInterrupt

    def distance(model):
        return max((value - 1).abs().max() for value in model.weight)

    first = quadratic(tmp_path / "here", 200)
    first.report_every, first.report = 60, lambda sums, count: stop()
    with pytest.raises(KeyboardInterrupt):
        first.run()
    first.save()
    loop.hand_over(first.file, tmp_path / "handed over")
    elsewhere = quadratic(tmp_path / "elsewhere", 200, tmp_path / "handed over")
    assert elsewhere.step == 60 and elsewhere.seconds == first.seconds
    for name, value in elsewhere.model.state_dict().items():
        assert torch.equal(value, first.ema_weights[name].half().float())
    began = distance(elsewhere.model)
    elsewhere.advance()
    full = 0.05 * loop.cosine(60, 200, 50)
    assert elsewhere.optimizer.param_groups[0]["lr"] == pytest.approx(full / 50)  # it warms up
    elsewhere.run()
    assert elsewhere.step == 200 and distance(elsewhere.model) < began
    again = quadratic(tmp_path / "elsewhere", 200, tmp_path / "handed over")
    assert again.step == 200  # its own checkpoint counts, not what was handed over


def test_what_is_handed_over_has_the_bytes_that_will_be_shipped(tmp_path):
    unet = new_unet(TINY.unet, TINY.clip.text_width)
    state = {"average": unet.state_dict(), "step": 1, "seconds": 1.0, "history": []}
    torch.save(state, tmp_path / "unet.pt")
    loop.hand_over(tmp_path / "unet.pt", tmp_path / "handed over")
    unet.half().save_pretrained(tmp_path / "shipped")
    shipped = tmp_path / "shipped" / "diffusion_pytorch_model.safetensors"
    assert (tmp_path / "handed over" / loop.WEIGHTS).read_bytes() == shipped.read_bytes()


def test_an_unknown_setting_is_an_error():
    with pytest.raises(TypeError, match="learning_speed"):
        changed(TINY, "unet", learning_speed=1.0)


# ------------------------------------------------------------------------------- the stages
def test_an_equivariant_autoencoder_is_told_of_half_the_size():
    vae = new_vae(TINY.vae)
    pixels = data.Dataset(3).samples(0, 4)
    pixels = to_pixels([sample.picture for sample in pixels])

    def loss(weight):
        settings = replace(TINY.vae, equivariance_weight=weight)
        return reconstruction_loss(vae, pixels, torch.Generator().manual_seed(0), settings)

    (plain, figures), (half, more), (whole, _) = loss(0.0), loss(0.5), loss(1.0)
    assert set(more) - set(figures) == {"half size"}
    assert (half - plain).item() == pytest.approx(0.5 * more["half size"], rel=1e-4)
    assert (whole - plain).item() == pytest.approx(more["half size"], rel=1e-4)


@pytest.mark.parametrize("prediction_type", ["v_prediction", "epsilon"])
def test_a_right_prediction_gives_the_clean_latents_back(prediction_type):
    schedule = DDPMScheduler(**SCHEDULE, prediction_type=prediction_type)
    clean, noise = torch.randn(2, 3, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    timesteps = torch.tensor([5, 400, 900])
    right = {"v_prediction": schedule.get_velocity(clean, noise, timesteps), "epsilon": noise}
    noisy = schedule.add_noise(clean, noise, timesteps)
    found = clean_estimate(schedule, noisy, timesteps, right[prediction_type])
    torch.testing.assert_close(found, clean, atol=1e-3, rtol=1e-3)


def test_the_decoder_learns_from_what_the_unet_predicts(trained, tmp_path):
    """Half of each batch; the encoder and so the latents stay as they are."""
    seen, vae = [], trained.vae()
    before = {name: value.clone() for name, value in vae.state_dict().items()}

    def estimate(latents, captions, generator):
        seen.append((len(latents), captions))
        return torch.zeros_like(latents)

    refine_decoder("decoder", vae, TINY.vae, tmp_path, TINY.machine, estimate)
    assert len(seen) == TINY.vae.decoder_steps
    assert all(count == len(captions) == 1 for count, captions in seen)  # of two pictures
    changed = {
        name.partition(".")[0]
        for name, value in vae.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed == {"decoder", "post_quant_conv"}


def test_estimates_are_latents_again_and_depend_on_the_caption(trained):
    estimates = CleanEstimates(trained.unet(), trained.clip().text, trained.tokenizer(), TINY.unet)
    latents = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    found = [
        estimates(latents, [subject, "a cat"], torch.Generator().manual_seed(2))
        for subject in ("a fox", "a fox", "a dog")
    ]
    assert found[0].shape == latents.shape and torch.equal(found[0], found[1])
    assert torch.equal(found[0][1], found[2][1]) and not torch.equal(found[0][0], found[2][0])


def test_new_latents_or_another_shape_need_a_unet_from_nothing(trained, tmp_path, monkeypatch):
    """A later run begins from the shipped U-Net only where that fits."""
    from training import __main__ as command

    begun = []

    def noted(unet, stored, folder, name, machine, handed_over):
        begun.append(unet.conv_in.weight.detach().clone())
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "train_unet", noted)

    def begin(preset=TINY, **options):
        recipe = command.Recipe(
            preset,
            tmp_path / str(len(begun)),
            trained.weights,
            2,
            tmp_path / "records",
            ("clip",),
            **options,
        )
        with pytest.raises(KeyboardInterrupt):
            recipe.unet()
        return begun[-1]

    shipped = trained.shipped().unet.conv_in.weight
    assert torch.equal(begin(), shipped)
    assert not torch.equal(begin(retrain_vae=True), shipped)
    assert begin(changed(TINY, "unet", channels=(32, 32))).shape != shipped.shape


def test_the_latents_fit_the_noise_schedule(trained):
    vae = trained.vae()
    measured = data.Dataset(TINY.vae.seed + 100, portrait_share=0.3)
    samples = measured.samples(0, TINY.vae.measured_pictures)
    with torch.no_grad():
        encoded = vae.encode(to_pixels([s.picture for s in samples])).latent_dist.mean
    latents = encoded * vae.config.scaling_factor
    assert latents.mean((0, 2, 3)).abs().max() < 0.02
    assert (latents.std((0, 2, 3)) - 1).abs().max() < 0.02


def test_the_decoder_is_refined_and_the_latents_stay(trained):
    first, refined = trained.vae(), trained.decoder()
    assert torch.equal(first.quant_conv.weight, refined.quant_conv.weight)
    for (name, one), other in zip(
        first.encoder.state_dict().items(), refined.encoder.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name
    assert not torch.equal(first.decoder.conv_in.weight, refined.decoder.conv_in.weight)


def test_an_untrained_autoencoder_already_passes_colours_through():
    vae = new_vae(CPU.vae)
    pixels = to_pixels([s.picture for s in data.Dataset(0).samples(0, 8)])
    with torch.no_grad():
        drawn = vae.decode(vae.encode(pixels).latent_dist.mean).sample
    assert batch_psnr(drawn, pixels) > 15  # a plain initialisation gives about 8


def test_the_exported_folder_is_a_stable_diffusion_pipeline(trained):
    from helpers import load_pipeline

    pipe = load_pipeline(trained.weights / "stickers", device="cpu")
    assert type(pipe).__name__ == "StableDiffusionPipeline"
    image = pipe("a fox", num_inference_steps=2, generator=torch.Generator().manual_seed(0))
    assert image.images[0].size == (128, 128)
    assert {file.suffix for file in trained.weights.rglob("*.*")} <= {".json", ".safetensors"}


def test_the_pipeline_holds_the_text_tower_that_was_trained(trained):
    from transformers import CLIPTextModel

    from training.clip import tokens

    shipped = CLIPTextModel.from_pretrained(trained.weights / "stickers" / "text_encoder").float()
    ids = tokens(trained.tokenizer(), ["a 3d sticker of a fox on a teal background"])
    with torch.no_grad():
        expected = trained.clip().text(input_ids=ids).last_hidden_state
        assert torch.allclose(shipped(ids).last_hidden_state, expected, atol=2e-2)


def test_the_tokenizer_knows_the_vocabulary_as_whole_words(trained):
    words = trained.tokenizer()
    for subject in SUBJECTS:
        assert len(words(subject).input_ids) == len(subject.split()) + 2, subject
    assert len(words) <= 1000


def test_what_is_shipped_names_no_folder_of_the_computer_that_trained_it(trained, tmp_path):
    from diffusers import AutoencoderKL

    loaded = AutoencoderKL.from_pretrained(trained.weights / "stickers" / "vae")
    assert loaded.config["_name_or_path"]  # diffusers would write it down again
    replaced(tmp_path / "again", lambda part: loaded.save_pretrained(part / "vae"))
    for folder in (tmp_path / "again", WEIGHTS):
        for file in folder.rglob("config.json"):
            assert "_name_or_path" not in file.read_text(encoding="utf-8"), file


@pytest.mark.parametrize("stage", ["clip", "judge", "vae", "unet"])
def test_a_gpu_goes_on_with_what_a_processor_trained(trained, stage):
    from training.clip import new_clip
    from training.vae import new_vae

    def shapes(preset):
        settings, tokenizer = getattr(preset, stage), trained.tokenizer()
        model = {
            "clip": lambda: new_clip(settings, tokenizer),
            "vae": lambda: new_vae(settings),
            "judge": lambda: new_clip(settings, tokenizer),
            "unet": lambda: new_unet(settings, preset.clip.text_width),
        }[stage]()
        return {name: value.shape for name, value in model.state_dict().items()}

    assert shapes(CPU) == shapes(GPU)


def test_a_kill_between_two_renames_loses_no_model(tmp_path, monkeypatch):
    from training.__main__ import Recipe

    model = tmp_path / "weights" / "stickers"

    def write(value):
        replaced(model, lambda part: (part / "weights").write_text(value, encoding="utf-8"))

    def killed(*_):
        raise KeyboardInterrupt

    write("old")
    rename = os.replace
    moves = iter([rename, killed])
    monkeypatch.setattr(os, "replace", lambda *names: next(moves)(*names))
    with pytest.raises(KeyboardInterrupt):
        write("new")
    monkeypatch.undo()
    assert not model.exists()
    Recipe(TINY, tmp_path / "checkpoints", tmp_path / "weights", records=tmp_path / "records")
    assert (model / "weights").read_text(encoding="utf-8") == "old"
    write("new")
    assert [folder.name for folder in model.parent.iterdir()] == ["stickers"]


def test_a_card_made_from_figures_goes_with_the_weights_that_they_measured(tmp_path):
    measured, described = tmp_path / "measured", tmp_path / "described"
    for folder in (measured, described):
        folder.mkdir()
        (folder / "README.md").write_text("a card", encoding="utf-8")
    (measured / "figures.json").write_text("{}", encoding="utf-8")
    for folder in (measured, described):
        replaced(folder, lambda part: (part / "weights").touch())
    assert {file.name for file in measured.iterdir()} == {"weights"}
    assert {file.name for file in described.iterdir()} == {"weights", "README.md"}


def test_another_folder_of_weights_keeps_everything_in_it(trained, tmp_path, monkeypatch):
    from training import __main__ as training

    def shipped():
        return {file for folder in (training.RECORDS, WEIGHTS) for file in folder.rglob("*")}

    drawn_into = []
    monkeypatch.setattr(training, "write_pictures", lambda pipe, folder: drawn_into.append(folder))
    before, new = shipped(), tmp_path / "new"
    shutil.copytree(trained.folder, new / "checkpoints" / "tiny")
    for stage in ("export", "pictures"):
        command = ["training", stage, "--preset", "tiny", "--weights", str(new)]
        monkeypatch.setattr("sys.argv", command)
        training.main()
    names = {folder.name for folder in new.iterdir()}
    assert names == {"stickers", "stickers-clip", "checkpoints", "records"}
    assert drawn_into == [new / "pictures"]
    assert shipped() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--run", "0"], "--run: must be 1 or more; got 0"),
        (["--run", "-3"], "--run: must be 1 or more; got -3"),
        ([], "have been trained already.*--run N.*--from-nothing"),
    ],
)
def test_a_run_that_cannot_be(options, words, monkeypatch, tmp_path, capsys):
    from training.__main__ import main

    command = ["training", "all", "--checkpoints", str(tmp_path), *options]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit):
        main()
    assert re.search(words, " ".join(capsys.readouterr().err.split()))


def test_a_second_run_starts_from_the_shipped_unet(trained):
    from diffusers import UNet2DConditionModel

    from training.__main__ import Recipe

    preset = changed(TINY, "unet", learning_rate=0.0)
    second = Recipe(preset, trained.folder, trained.weights, run=2, records=trained.logs.parent)
    after = second.unet().state_dict()
    before = UNet2DConditionModel.from_pretrained(trained.weights / "stickers" / "unet")
    for name, value in before.state_dict().items():
        assert torch.allclose(value.float(), after[name], atol=1e-3), name


def test_what_a_run_keeps_stays_as_it_is_shipped(trained):
    from helpers.ranking.sticker_clip import StickerClip
    from training.__main__ import Recipe

    records = trained.logs.parent
    third = Recipe(TINY, trained.folder, trained.weights, 3, records, keep=("clip", "decoder"))
    clip = StickerClip.from_pretrained(trained.weights / "stickers-clip")
    for kept, shipped in ((third.clip(), clip), (third.decoder(), third.vae())):
        expected = shipped.state_dict()
        for name, value in kept.state_dict().items():
            assert torch.equal(value, expected[name]), name
    assert not list(trained.folder.glob("*-3.pt"))  # nothing was trained


def test_a_clip_may_learn_to_see_while_it_reads_as_before(trained):
    """The U-Net knows what the text tower says, so that must stay; the pictures are other ones."""
    from helpers.ranking.sticker_clip import StickerClip
    from training.__main__ import Recipe

    records = trained.logs.parent
    fourth = Recipe(TINY, trained.folder, trained.weights, 4, records, keep=("text",))
    before = StickerClip.from_pretrained(trained.weights / "stickers-clip").state_dict()
    after = fourth.clip().state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert "vision.project.weight" in changed
    assert not [name for name in changed if name.startswith("text.")]


def test_the_evaluation_writes_every_figure_and_the_card(trained):
    from training.evaluate import GUIDANCE_SCALES

    trained.evaluate()
    folder = trained.weights / "stickers"
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    assert set(figures["verdicts"]) == {"trained", "held out", "portraits"}
    assert figures["steps"] == TINY.evaluation_steps
    assert set(figures["vae"]["faces"]) == set(data.SKIN_TONES)
    for kind in figures["verdicts"].values():
        assert set(kind) == {"real", *(f"guidance {g:g}" for g in GUIDANCE_SCALES)}
    card = (folder / "README.md").read_text(encoding="utf-8")
    for number in (figures["vae"]["portraits"], figures["seconds"]):
        assert str(number) in card
    assert f"{TINY.evaluation_steps} steps, guidance 7.5:" in card
    assert "| unet-1 | 3 |" in card  # the log of the run


def test_the_curve_measures_each_kept_average(trained):
    trained.curve()
    rows = (trained.logs / "curve-1.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row)["step"] for row in rows] == [2, TINY.unet.steps]
    last = json.loads(rows[-1])
    assert last["minutes"] is not None and len(last["velocity errors"]) == 10
    assert last["mean error"] == pytest.approx(sum(last["velocity errors"]) / 10, abs=1e-3)


def test_recipes_are_compared_and_one_that_is_there_is_not_tried_again(trained, monkeypatch):
    from training import __main__ as command

    names = list(command.RECIPES)[:2]
    monkeypatch.setattr(command, "RECIPES", {name: command.RECIPES[name] for name in names})
    folder = trained.logs.with_name("recipes")
    folder.mkdir()
    (folder / f"{names[0]}.json").write_text('{"steps": 7}', encoding="utf-8")
    trained.recipes()
    there, new = (json.loads((folder / f"{n}.json").read_text(encoding="utf-8")) for n in names)
    assert there == {"steps": 7}
    assert new["pictures"] == new["steps"] * TINY.recipe_batch_size
    assert len(new["velocity_errors"]) == len(new["one_step_psnr"]) == len(new["timesteps"])
    assert new["mean"] == pytest.approx(sum(new["velocity_errors"]) / 10, abs=1e-3)
    assert {"subject", "background", "style", "distance"} <= set(new)


def test_the_small_world_has_its_subjects_and_backgrounds_only():
    from training import recipes

    abouts = [sample.about for sample in recipes.small_world(3).samples(0, 60)]
    assert {about.subject for about in abouts} <= set(recipes.SUBJECTS)
    assert {about.background for about in abouts} == set(recipes.BACKGROUNDS)
    assert not any(about.held_out for about in abouts)


def test_min_snr_weights_are_those_of_the_paper():
    schedule = DDPMScheduler(**SCHEDULE, prediction_type="epsilon")
    timesteps = torch.tensor([0, 999])
    kept = schedule.alphas_cumprod[timesteps]
    clean, noisy = (kept / (1 - kept)).tolist()
    assert clean > 5 > noisy
    weights = snr_weights(schedule, timesteps, 5.0)
    torch.testing.assert_close(weights, torch.tensor([5 / clean, 1.0]))
    schedule.register_to_config(prediction_type="v_prediction")
    weights = snr_weights(schedule, timesteps, 5.0)
    torch.testing.assert_close(weights, torch.tensor([5 / (clean + 1), noisy / (noisy + 1)]))


def test_no_timestep_counts_less_than_the_settings_say():
    schedule = DDPMScheduler(**SCHEDULE, prediction_type="v_prediction")
    timesteps = torch.tensor([150, 999])

    def weights(limit: float) -> torch.Tensor:
        settings = changed(TINY, "unet", snr_limit=limit, least_weight=0.2).unet
        return timestep_weights(schedule, timesteps, settings)

    assert weights(limit=0).tolist() == [1.0, 1.0]
    usual, least = weights(limit=5)
    assert usual == snr_weights(schedule, timesteps, 5.0)[0] > least
    assert least == torch.tensor(0.2)


def test_the_lora_is_trained_measured_and_described(trained):
    from helpers import load_pipeline

    trained.lora()
    folder = trained.weights / "stickers-golden"
    names = {file.name for file in folder.iterdir()}
    assert names == {"README.md", "figures.json", "pytorch_lora_weights.safetensors"}
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    models = {"stickers", "stickers-golden"}
    assert figures["pictures"] == 24 and figures["steps"] == TINY.lora.steps
    assert set(figures["golden"]) == {"subjects of the pictures", "other subjects"}
    for rows in (*figures["golden"].values(), figures["old"]):
        assert set(rows) == models
        assert all(0 <= value <= 100 for row in rows.values() for value in row.values())
    card = (folder / "README.md").read_text(encoding="utf-8")
    for row in figures["old"].values():
        assert " | ".join(f"{value:g}" for value in row.values()) in card
    pipe = load_pipeline(trained.weights / "stickers", device="cpu", lora=folder)
    assert any(pipe.get_list_adapters().values())


def test_golden_prompts_have_subjects_of_the_pictures_and_others():
    from training.golden import abouts
    from training.lora import asked_for

    known = {about.subject for about in abouts()}
    assert len(known) == 24
    seen, unseen = asked_for(12).values()
    assert len(seen) == len(unseen) == 12
    assert {about.subject for about in seen} <= known
    assert not {about.subject for about in unseen} & known


def test_the_golden_pictures_are_what_their_module_draws(tmp_path):
    from PIL import Image

    from training.golden import GOLDEN, golden_share, write_golden

    write_golden(tmp_path)
    names = sorted(file.name for file in tmp_path.iterdir())
    assert names == sorted(file.name for file in GOLDEN.iterdir()) and len(names) == 25
    captions = [
        (folder / "metadata.jsonl").read_text(encoding="utf-8") for folder in (tmp_path, GOLDEN)
    ]
    assert captions[0] == captions[1]
    for name in names:
        if name != "metadata.jsonl":
            drawn, kept = (
                np.asarray(Image.open(folder / name)).astype(int) for folder in (tmp_path, GOLDEN)
            )
            assert np.abs(drawn - kept).mean() < 0.5, name  # other versions of Pillow round
            assert golden_share(kept.astype(np.uint8)) > 0.1, name


def test_gold_is_a_shade_and_not_a_brightness():
    from training.golden import golden_share

    colours = [(214, 160, 32), (252, 250, 250), (230, 210, 185), (90, 200, 40)]
    assert golden_share(np.array([colours], np.uint8)) == 0.25


def test_the_judge_finds_the_picture_that_was_described():
    """With embeddings that are known, the verdict is right exactly when they agree."""
    from training.evaluate import Judge, prompt

    about = data.Sticker("fox", "flat", "teal")
    texts = {}

    class Known(Judge):
        def texts(self, captions):
            rows = [texts.setdefault(c, torch.randn(64)) for c in captions]
            return torch.nn.functional.normalize(torch.stack(rows), dim=-1)

    torch.manual_seed(0)
    judge = Known(clip=None, tokenizer=None)
    right = judge.texts([prompt(about)])[0]
    assert all(judge.verdicts(right, about).values())
    other = judge.texts([prompt(data.Sticker("owl", "flat", "teal"))])[0]
    assert judge.verdicts(other, about)["subject"] is False


def test_the_distance_of_equal_clouds_is_zero_and_grows_with_a_shift():
    from training.evaluate import frechet_distance

    cloud = torch.randn(500, 8, generator=torch.Generator().manual_seed(0))
    assert abs(frechet_distance(cloud, cloud)) < 0.01
    assert frechet_distance(cloud, cloud + 1) == pytest.approx(800, rel=0.01)
