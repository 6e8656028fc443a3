"""The face restorer: what it does to any picture, its two measures, its pairs and its recipe."""

import json
import math
import random

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from PIL import Image

from helpers.faces import restorer as module
from helpers.faces.examples import example_portrait
from helpers.faces.quality import psnr, ssim
from helpers.faces.restorer import FACTORS, Restorer, RestorerNetwork
from helpers.vocabulary import SKIN_TONES
from training import pairs
from training.data import Portrait, Sticker, portrait_picture, random_portrait
from training.export import WEIGHTS
from training.pixels import batch_psnr, to_pixels
from training.presets import TINY
from training.restorer import Degradation, held_out, share_made_worse

pytestmark = pytest.mark.slow


def some_picture(width: int = 40, height: int = 24, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def busy_network() -> RestorerNetwork:
    """Random weights in every layer, so that each pixel depends on all that it can see."""
    torch.manual_seed(0)
    network = RestorerNetwork(8, ((8, 1), (8, 4)))
    for value in network.parameters():
        torch.nn.init.normal_(value, std=0.15)
    return network


@pytest.fixture(scope="module")
def busy() -> Restorer:
    return Restorer(busy_network())


# ------------------------------------------------------------------------------- pictures
@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("size", [(40, 24), (37, 53), (1, 1)], ids=str)
def test_the_picture_comes_out_larger_by_the_factor(busy, size, factor):
    image = some_picture(*size)
    before = image.tobytes()
    improved = busy.improve(image, factor)
    assert improved.size == (size[0] * factor, size[1] * factor)
    assert improved.mode == "RGB"
    assert image.tobytes() == before


@pytest.mark.parametrize("factor", FACTORS)
def test_an_untrained_restorer_is_an_interpolation(factor):
    image = some_picture(6, 4).resize((48, 32), Image.BICUBIC)
    improved = Restorer(RestorerNetwork(8, ((8, 1), (8, 4)))).improve(image, factor)
    usual = image.resize(improved.size, Image.BICUBIC)
    assert psnr(improved, usual) > 30  # torch's cubic curve is a little steeper than Pillow's
    if factor == 1:
        assert improved.tobytes() == image.tobytes()


@pytest.mark.parametrize("factor", FACTORS)
def test_a_closed_gate_lets_nothing_through(factor):
    network = busy_network()
    torch.nn.init.zeros_(network.gate.score.weight)
    torch.nn.init.constant_(network.gate.score.bias, -3.0)
    pixels = torch.rand((1, 3, 16, 24)) * 2 - 1
    assert torch.equal(network(pixels, factor), module.interpolated(pixels, factor))
    torch.nn.init.constant_(network.gate.score.bias, 3.0)
    assert not torch.allclose(network(pixels, factor), module.interpolated(pixels, factor))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1", "LA"])
def test_every_mode_of_picture_is_taken(busy, mode):
    assert busy.improve(some_picture().convert(mode), 2).size == (80, 48)


def test_what_is_transparent_becomes_white():
    clear = Image.new("RGBA", (16, 16), (200, 0, 0, 0))
    improved = Restorer(RestorerNetwork(8, ((8, 1), (8, 4)))).improve(clear, 1)
    assert improved.getpixel((8, 8)) == (255, 255, 255)


def test_a_turned_photograph_is_made_upright(busy, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    some_picture(40, 24).save(tmp_path / "turned.jpg", exif=exif)
    with Image.open(tmp_path / "turned.jpg") as turned:
        assert busy.improve(turned, 1).size == (24, 40)


@pytest.mark.parametrize("size", [(432, 400), (399, 80)], ids=str)
def test_parts_give_the_same_picture_as_the_whole(busy, monkeypatch, size):
    image = some_picture(*size)
    whole = np.asarray(busy.improve(image, 2)).astype(int)
    monkeypatch.setattr(module, "TILE", 64)
    assert len(list(module.parts(size[0]))) > 5
    in_parts = np.asarray(busy.improve(image, 2)).astype(int)
    assert np.abs(whole - in_parts).max() <= 1  # sums in another order


@pytest.mark.parametrize(
    ("image", "factor", "error", "words"),
    [
        ("me.png", 2, TypeError, "image must be a PIL image; got str"),
        (None, 2, TypeError, "got NoneType"),
        (some_picture(), 0, ValueError, "factor must be 1, 2, 3 or 4; got 0"),
        (some_picture(), 2.0, ValueError, "factor must be 1, 2, 3 or 4; got 2.0"),
        (some_picture(), 5, ValueError, "got 5"),
        (some_picture(), 1.5, ValueError, "got 1.5"),
        (some_picture(), math.nan, ValueError, "got nan"),
        (some_picture(), True, ValueError, "got True"),
        (some_picture(), "2", ValueError, "got '2'. Write it without quotes"),
        (Image.new("RGB", (0, 4)), 2, ValueError, "must have pixels; got 0 x 4"),
        (Image.new("L", (4097, 4096)), 1, ValueError, "at most 16777216 pixels for factor 1"),
        (Image.new("L", (1025, 1024)), 4, ValueError, "at most 1048576 pixels for factor 4"),
    ],
)
def test_what_cannot_be_improved_is_one_clear_error(busy, image, factor, error, words):
    with pytest.raises(error, match=words.replace("(", r"\(")):
        busy.improve(image, factor)


# ------------------------------------------------------------------------------- files
def test_a_saved_restorer_comes_back(busy, tmp_path):
    busy.save_pretrained(tmp_path)
    again = Restorer.from_pretrained(tmp_path)
    assert again.network.config == busy.network.config
    one, other = (np.asarray(r.improve(some_picture(), 3)).astype(int) for r in (busy, again))
    assert np.abs(one - other).mean() < 2  # the file is in half precision


def test_a_save_that_fails_leaves_the_restorer_before_it(busy, tmp_path, monkeypatch):
    busy.save_pretrained(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def full(tensors, file):
        file.write_bytes(b"half of it")
        raise OSError("the disk is full")

    monkeypatch.setattr(module, "save_file", full)
    with pytest.raises(OSError, match="disk is full"):
        Restorer(RestorerNetwork(8, ((8, 1), (8, 4)))).save_pretrained(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_folder_without_a_restorer_is_one_clear_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="must hold config.json"):
        Restorer.from_pretrained(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_restorer_is_one_clear_error(busy, tmp_path, name):
    busy.save_pretrained(tmp_path)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="is damaged"):
        Restorer.from_pretrained(tmp_path)


# ------------------------------------------------------------------------------- measures
def test_psnr_of_known_errors():
    grey, lighter = (Image.new("RGB", (16, 16), (level,) * 3) for level in (100, 151))
    assert psnr(lighter, grey) == pytest.approx(20 * math.log10(255 / 51))
    assert psnr(grey, grey) == math.inf


def slow_ssim(image: Image.Image, truth: Image.Image) -> float:
    """The formula of the paper, window by window."""
    one, other = (np.asarray(picture, dtype=float) for picture in (image, truth))
    places = np.arange(11) - 5
    weights = np.exp(-(places[:, None] ** 2 + places**2) / (2 * 1.5**2))
    weights /= weights.sum()
    found = []
    for y in range(one.shape[0] - 10):
        for x in range(one.shape[1] - 10):
            for colour in range(3):
                a, b = (p[y : y + 11, x : x + 11, colour] for p in (one, other))
                mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
                var_a = (weights * (a - mean_a) ** 2).sum()
                var_b = (weights * (b - mean_b) ** 2).sum()
                both = (weights * (a - mean_a) * (b - mean_b)).sum()
                c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
                found.append(
                    (2 * mean_a * mean_b + c1)
                    * (2 * both + c2)
                    / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
                )
    return float(np.mean(found))


def test_ssim_agrees_with_the_formula_of_the_paper():
    image, truth = some_picture(18, 14, seed=1), some_picture(18, 14, seed=2)
    mixed = Image.blend(image, truth, 0.7)
    assert ssim(mixed, truth) == pytest.approx(slow_ssim(mixed, truth))
    assert ssim(truth, truth) == pytest.approx(1)


def test_measures_refuse_what_does_not_compare():
    with pytest.raises(ValueError, match="same size"):
        psnr(some_picture(40, 24), some_picture(24, 40))
    with pytest.raises(ValueError, match="at least 11 pixels"):
        ssim(some_picture(40, 10), some_picture(40, 10))


# ------------------------------------------------------------------------------- pairs
def test_a_seed_gives_the_same_pairs_again():
    first, again = (pairs.Pairs(3).samples(16, 3) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.degraded, other.degraded)
        assert np.array_equal(one.ground_truth, other.ground_truth)
        assert one.latent_noise == other.latent_noise


def test_a_batch_has_one_factor_and_all_factors_come():
    source = pairs.Pairs(5)
    factors = {source.factor(start) for start in range(0, 400, 8)}
    assert factors == set(FACTORS)
    for start in (0, 2, 4, 6):
        batch = source.samples(start, 2)
        for pair in batch:
            side = pair.degraded.shape[0]
            assert pair.ground_truth.shape == (side * source.factor(start),) * 2 + (3,)
            assert side % 16 == 0  # the network takes it as it is
        assert len({pair.degraded.shape for pair in batch}) == 1


@pytest.mark.parametrize("held_out", [False, True])
def test_held_out_faces_and_stickers_are_never_trained_on(held_out):
    draw, source = random.Random(0), pairs.Pairs(1, held_out, portrait_share=0.5)
    abouts = [source.about(draw) for _ in range(300)]
    assert {type(about) for about in abouts} == {Portrait, Sticker}
    for about in abouts:
        hidden = pairs.is_held_out(about) if isinstance(about, Portrait) else about.held_out
        assert hidden is held_out
    faces = [random_portrait(draw) for _ in range(1000)]
    assert 0.06 < np.mean([pairs.is_held_out(about) for about in faces]) < 0.15


def test_a_large_truth_is_the_small_one_with_real_detail():
    about = random_portrait(random.Random(2))
    small = portrait_picture(about, random.Random(7))
    large = pairs.ground_truth(about, random.Random(7), 4)
    assert large.size == (512, 512)
    assert psnr(large.resize((128, 128), Image.LANCZOS), small) > 25  # the same picture
    only_enlarged = small.resize((512, 512), Image.LANCZOS)

    def sharpness(picture):
        return np.abs(np.diff(np.asarray(picture.convert("L"), dtype=float), axis=1)).max()

    assert sharpness(large) > 1.5 * sharpness(only_enlarged)


def test_degraded_pictures_are_further_from_the_truth():
    gains = []
    for i in range(6):
        clean = Image.fromarray(pairs.Pairs(1).pair(i, 1, 1).ground_truth)
        gains.append(psnr(pairs.photographed(clean, random.Random(i)), clean))
    assert np.median(gains) < 35


# ------------------------------------------------------------------------------- the recipe
@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """The stage run whole with the tiny preset, beside a tiny autoencoder."""
    from training.__main__ import Recipe
    from training.vae import new_vae

    root = tmp_path_factory.mktemp("restorer")
    recipe = Recipe(TINY, root / "checkpoints", root / "weights", records=root / "records")
    new_vae(TINY.vae).save_pretrained(recipe.weights / "stickers" / "vae")
    recipe.restorer()
    return recipe


def test_the_stage_exports_what_it_trained(recipe):
    folder = recipe.weights / "stickers-faces"
    shipped = Restorer.from_pretrained(folder).network.state_dict()
    saved = torch.load(recipe.folder / "restorer-1.pt", weights_only=True)
    assert saved["step"] == TINY.restorer.steps
    for name, value in saved["average"].items():
        assert torch.allclose(shipped[name], value, atol=2e-3), name
    assert any(shipped[f"tails.{factor}.weight"].abs().max() > 0 for factor in FACTORS)
    for tone in SKIN_TONES:
        with Image.open(folder / "examples" / f"{tone}.png") as example:
            assert example.size == (256, 256)


def test_every_figure_of_the_card_is_measured(recipe):
    folder = recipe.weights / "stickers-faces"
    figures = json.loads((folder / "figures.json").read_text(encoding="utf-8"))
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert set(figures["faces"]) == set(SKIN_TONES)
    assert len(figures["portraits"]) == 12 and len(figures["stickers"]) == 6
    for part in ("portraits", "faces", "stickers"):
        for name, row in figures[part].items():
            for measure in ("psnr", "ssim"):
                assert set(row[measure]) == {"input", "bicubic", "Lanczos", "restorer"}
                line = " | ".join(f"{value:g}" for value in row[measure].values())
                assert f"| {name} | {line} |" in card
    assert f"| restorer-1 | {TINY.restorer.steps} |" in card
    # What comes in perfect has 60 dB, and the interpolations of factor 1 change nothing.
    perfect = figures["stickers"]["untouched, factor 1"]["psnr"]
    assert perfect["input"] == perfect["bicubic"] == perfect["Lanczos"] == 60


def test_parts_of_a_degraded_picture_lie_over_the_same_parts_of_the_truth():
    from training.restorer import batch_of

    source = pairs.Pairs(4)
    start = next(i for i in range(0, 100, 2) if source.factor(i) == 2)
    whole = source.samples(start, 2)
    degraded, clean, noise = batch_of(whole, 32, torch.Generator().manual_seed(0))
    assert degraded.shape == (4, 3, 32, 32) and clean.shape == (4, 3, 64, 64)
    assert noise == [pair.latent_noise for pair in whole] * 2
    shrunk = torch.nn.functional.avg_pool2d(clean, 2)
    near, moved = ((shrunk.roll(by, -1) - degraded).abs().mean() for by in (0, 5))
    assert near < moved
    assert len(batch_of(whole, 128, torch.Generator())[0]) == 2


def test_a_few_steps_bring_a_restorer_nearer_to_the_truth():
    """Nothing in the network keeps it from learning: one batch, a tiny network, a second."""
    batch = [pairs.Pairs(2, portrait_share=1.0).pair(i, 1, 1) for i in (0, 1)]
    clean = to_pixels([pair.ground_truth for pair in batch])
    blurred = torch.nn.functional.avg_pool2d(clean, 3, stride=1, padding=1)
    torch.manual_seed(0)
    network = RestorerNetwork(8, ((8, 1), (8, 4)))
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(40):
        loss = torch.nn.functional.mse_loss(network(blurred, 1), clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    restored = network(blurred, 1).detach()
    assert batch_psnr(restored, clean) > batch_psnr(blurred, clean) + 1


def test_only_what_got_worse_counts_as_harm_in_decibels():
    from training.restorer import harm

    clean = torch.zeros((1, 3, 16, 16))
    plain = torch.full_like(clean, 0.1)
    assert harm(0.5 * plain, plain, clean) == 0
    assert harm(10**0.5 * plain, plain, clean).item() == pytest.approx(10, abs=0.1)
    half_worse = torch.cat([10**0.5 * plain[..., :8], 0 * plain[..., 8:]], dim=-1)
    assert 1 < harm(half_worse, plain, clean).item() < 10  # the other half does not make up for it
    assert harm(clean + 1e-4, clean, clean).item() < 0.01  # less than anybody sees


# ------------------------------------------------------------------------------- what ships
@pytest.fixture(scope="module")
def shipped() -> Restorer:
    return Restorer.from_pretrained()


def as_thumbnail(portrait: Image.Image, side: int) -> Image.Image:
    """What is left of a portrait on a web page: small, and a JPEG."""
    return pairs.as_jpeg(portrait.resize((side, side), Image.BOX), 75)


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("tone", SKIN_TONES)
def test_the_shipped_restorer_beats_interpolation_on_faces_it_never_saw(shipped, tone, factor):
    portrait = example_portrait(tone)
    small = as_thumbnail(portrait, portrait.width // factor)
    restored = shipped.improve(small, factor)
    for usual in (Image.BICUBIC, Image.LANCZOS):
        enlarged = small.resize(portrait.size, usual)
        assert psnr(restored, portrait) > psnr(enlarged, portrait)
        assert ssim(restored, portrait) > ssim(enlarged, portrait)


def test_the_shipped_restorer_leaves_clean_pictures_as_they_are(shipped):
    clean = [
        pairs.ground_truth(about, random.Random(i), 1)
        for i, about in enumerate(held_out("stickers", 6, seed=1))
    ]
    clean.append(example_portrait("dark").resize((128, 128), Image.BOX))
    for picture in clean:
        assert psnr(shipped.improve(picture, 1), picture) > 45


def test_what_is_no_face_comes_out_no_worse_than_it_went_in(shipped):
    vae = AutoencoderKL.from_pretrained(WEIGHTS / "stickers" / "vae").float()
    stickers = held_out("stickers", 10, seed=2)
    assert share_made_worse(shipped, Degradation(vae), stickers, seed=2) <= 5  # percent, by 0.1 dB


def test_the_shipped_restorer_is_small():
    assert sum(file.stat().st_size for file in module.FOLDER.rglob("*")) < 10 * 2**20
