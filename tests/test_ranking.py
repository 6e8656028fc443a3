"""Ranking with the shipped sticker CLIP and with tiny random checkpoints of the real classes."""

import math
import shutil
from dataclasses import replace

import pytest
import torch
from PIL import ExifTags, Image
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel, CLIPVisionConfig

from helpers import load_ranker
from helpers.base.quiet import quiet
from helpers.models.hub import Repository
from helpers.ranking import sticker_clip
from helpers.ranking.ranker import STICKERS_CLIP, Scores, r_precision
from helpers.ranking.sticker_clip import StickerClip
from tests.pipelines import tiny_text_config, tiny_tokenizer

with quiet(progress_bars=False):  # it speaks of a missing torchvision
    from transformers import CLIPImageProcessor

COLOURS = ["red", "green", "blue", "yellow", "white"]


@pytest.fixture(scope="module")
def stickers_clip():
    return load_ranker(device="cpu")


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    """A random CLIP checkpoint as `openai/clip-vit-base-patch32` is laid out."""
    torch.manual_seed(0)
    text = tiny_text_config(tiny_tokenizer())
    vision = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=32,
        patch_size=16,
        projection_dim=32,
    )
    folder = tmp_path_factory.mktemp("models") / "clip"
    config = CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict())
    config.projection_dim = 32
    CLIPModel(config).save_pretrained(folder)
    tiny_tokenizer().save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size=32).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def clip(clip_folder):
    return load_ranker(clip_folder, device="cpu")


def pictures(*colours: str, size=(48, 48)) -> list[Image.Image]:
    return [Image.new("RGB", size, colour) for colour in colours]


@pytest.mark.parametrize("name", ["stickers_clip", "clip"])
def test_scores_have_one_row_a_picture_and_one_column_a_text(name, request):
    ranker = request.getfixturevalue(name)
    scores = ranker.scores(pictures("red", "blue", "white"), ["a fox", "a bee"])
    assert scores.cosine.shape == scores.logits.shape == (3, 2)
    assert scores.cosine.dtype == torch.float32 and not scores.cosine.is_inference()
    assert scores.cosine.abs().max() <= 1 + 1e-6
    torch.testing.assert_close(scores.logits, scores.cosine * ranker.logit_scale)
    assert ranker.logit_scale > 1


@pytest.mark.parametrize("name", ["stickers_clip", "clip"])
def test_scores_do_not_depend_on_the_batches_or_on_the_neighbours(name, request):
    ranker = request.getfixturevalue(name)
    images = pictures(*COLOURS) + pictures("red", size=(90, 40))
    prompts = ["a fox", "a bee on a red background", "the sea"]
    together = ranker.scores(images, prompts).cosine
    for batch_size in (1, 4):
        apart = ranker.scores(images, prompts, batch_size=batch_size).cosine
        torch.testing.assert_close(apart, together, atol=1e-5, rtol=0)
    alone = ranker.scores(images[2:3], prompts[1:2]).cosine
    torch.testing.assert_close(alone, together[2:3, 1:2], atol=1e-5, rtol=0)


def test_equal_texts_have_equal_scores(clip):
    cosine = clip.scores(pictures(*COLOURS), ["a fox", "a bee", "a fox"], batch_size=2).cosine
    assert torch.equal(cosine[:, 0], cosine[:, 2])
    assert not torch.equal(cosine[:, 0], cosine[:, 1])


def test_clip_scores_are_those_of_the_library(clip_folder, clip):
    model = CLIPModel.from_pretrained(clip_folder).eval()
    processor = CLIPImageProcessor.from_pretrained(clip_folder)
    images, prompts = pictures(*COLOURS, size=(64, 32)), ["a fox", "a bee"]
    tokens = tiny_tokenizer()(prompts, padding="max_length", return_tensors="pt")
    with torch.no_grad():
        wanted = model(**tokens, **processor(images, return_tensors="pt"))
    scores = clip.scores(images, prompts)
    torch.testing.assert_close(scores.logits, wanted.logits_per_image, atol=1e-4, rtol=1e-4)


def test_sticker_scores_see_what_the_model_was_trained_to_see(stickers_clip):
    red = torch.tensor([1.0, -1.0, -1.0]).view(1, 3, 1, 1).expand(1, 3, 128, 128)
    wanted = StickerClip.from_pretrained(STICKERS_CLIP).image_embeds(red)
    got = stickers_clip.embed_images(pictures("#ff0000", size=(128, 128)))
    torch.testing.assert_close(got, wanted, atol=1e-5, rtol=0)
    backgrounds = [f"a fox on a {colour} background" for colour in ("red", "green", "blue")]
    scores = stickers_clip.scores(pictures("red", "green", "blue"), backgrounds)
    assert scores.cosine.argmax(dim=1).tolist() == [0, 1, 2]


def test_the_scale_of_the_logits_keeps_the_limit_of_the_training(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(STICKERS_CLIP, tmp_path / "clip")
    weights = load_file(folder / "vision.safetensors")
    weights["logit_scale"] = torch.full_like(weights["logit_scale"], 9.0)
    save_file(weights, folder / "vision.safetensors")
    assert load_ranker(folder, device="cpu").logit_scale == pytest.approx(math.exp(4.6), rel=0.01)


def test_only_the_middle_square_counts_and_transparent_is_white(stickers_clip):
    plain = pictures("blue", size=(60, 60))[0]
    wide = Image.new("RGB", (100, 60), "red")
    wide.paste(plain, (20, 0))
    clear = Image.new("RGBA", (60, 60), (255, 0, 0, 0))
    cosine = stickers_clip.scores([plain, wide, clear, *pictures("white")], ["a fox"]).cosine
    assert cosine[0] == cosine[1]
    torch.testing.assert_close(cosine[2], cosine[3])


def test_a_photo_is_looked_at_upright(stickers_clip):
    wanted = pictures("blue", size=(60, 60))[0]
    wanted.paste("white", (0, 0, 60, 20))
    photo = wanted.transpose(Image.Transpose.ROTATE_90)
    photo.getexif()[ExifTags.Base.Orientation] = 6  # a quarter turn back
    cosine = stickers_clip.scores([wanted, photo], ["a fox"]).cosine
    assert cosine[0].item() == pytest.approx(cosine[1].item(), abs=1e-5)


def test_rank_puts_the_best_first(clip):
    images = pictures(*COLOURS)
    ranked = clip.rank(images, "a fox")
    cosine = clip.scores(images, ["a fox"]).cosine[:, 0]
    assert [index for index, _ in ranked] == cosine.argsort(descending=True).tolist()
    assert [value for _, value in ranked] == cosine.sort(descending=True).values.tolist()


def test_a_long_prompt_is_cut_with_a_warning(clip):
    with pytest.warns(UserWarning, match=r"42 tokens.*first 32: 'a{40}'"):
        clip.scores(pictures("red"), ["a" * 40])


def scores_of(rows) -> Scores:
    cosine = torch.tensor(rows)
    return Scores(cosine=cosine, logits=10 * cosine)


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        ([[0.9, 0.1], [0.2, 0.3]], 1.0),
        ([[0.9, 0.1], [0.3, 0.2]], 0.5),
        ([[0.1, 0.9], [0.3, 0.2]], 0.0),
        ([[0.5, 0.5], [0.3, 0.2]], 0.5),  # no other text is better
        ([[float("nan"), 0.1], [0.2, 0.3]], 0.5),
    ],
)
def test_r_precision_counts_pictures_that_fit_their_own_text_best(rows, share):
    assert r_precision(scores_of(rows)) == share


def test_r_precision_wants_as_many_pictures_as_texts():
    with pytest.raises(ValueError, match="as many pictures as texts.*got 1 x 2"):
        r_precision(scores_of([[0.1, 0.2]]))


@pytest.mark.parametrize(
    ("images", "prompts", "options", "error", "words"),
    [
        (pictures("red")[0], ["a"], {}, TypeError, r"Write \[image\]"),
        ([], ["a"], {}, ValueError, "images must hold at least one"),
        (pictures("red"), "a", {}, TypeError, r"Write \[prompt\]"),
        (pictures("red"), [], {}, ValueError, "prompts must hold at least one"),
        (pictures("red"), ["a", None], {}, TypeError, r"prompts\[1\] must be a text; got None"),
        (pictures("red"), ["a"], {"batch_size": 0}, ValueError, "batch_size.*got 0"),
    ],
)
def test_wrong_arguments(clip, images, prompts, options, error, words):
    with pytest.raises(error, match=words):
        clip.scores(images, prompts, **options)


def test_rank_wants_one_text(clip):
    with pytest.raises(TypeError, match="prompt must be one text; got list"):
        clip.rank(pictures("red"), ["a fox"])


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        (3, TypeError, "name_or_path must be.*got 3"),
        ("clip", LookupError, "no CLIP model and no folder 'clip'.*'stickers-clip'"),
        ("", LookupError, "no folder ''"),
        ("~nobody", LookupError, "no folder '~nobody'"),
        ("a fox " * 60, LookupError, "no folder 'a fox a fox"),
        ("nobody/nothing", ConnectionError, "'nobody/nothing' is not on this computer.*no downl"),
    ],
)
def test_names_that_are_no_model(name, error, words, no_network):
    with pytest.raises(error, match=words):
        load_ranker(name)


def test_pickle_weights_are_read_only_on_request(clip_folder, clip, tmp_path):
    folder = shutil.copytree(clip_folder, tmp_path / "clip")
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"no safetensors weights.*allow_pickle=True"):
        load_ranker(folder)
    ranker = load_ranker(folder, device="cpu", allow_pickle=True)
    images = pictures(*COLOURS)
    cosines = [one.scores(images, ["a fox"]).cosine for one in (ranker, clip)]
    torch.testing.assert_close(*cosines, atol=1e-5, rtol=0)


def test_a_folder_that_is_no_clip_model(clip_folder, tmp_path):
    folder = shutil.copytree(clip_folder, tmp_path / "clip")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ValueError, match="holds no whole CLIP model"):
        load_ranker(folder)
    with pytest.raises(ValueError, match="no safetensors weights"):
        load_ranker(tmp_path)


def test_a_checkpoint_without_all_its_weights(clip_folder, tmp_path):
    folder = shutil.copytree(clip_folder, tmp_path / "clip")
    weights = load_file(folder / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match="its weights file lacks visual_projection.weight"):
        load_ranker(folder)


def test_a_checkpoint_without_its_tokenizer(clip_folder, tmp_path):
    folder = shutil.copytree(clip_folder, tmp_path / "clip")
    for file in ("tokenizer.json", "vocab.json"):
        (folder / file).unlink(missing_ok=True)
    with pytest.raises(ValueError, match="lacks tokenizer.json or vocab.json"):
        load_ranker(folder)
    (folder / "vocab.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks tokenizer.json or vocab.json and merges.txt"):
        load_ranker(folder)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("missing", "vision.safetensors lacks logit_scale"),
        ("unexpected", "vision.safetensors has project.scale, which"),
        ("truncated", "SafetensorError"),
        ("missing in text", r"text lacks text_model.*of \d+ such"),
        ("no text", "must hold a folder 'text'"),
        ("no tokenizer", "lacks tokenizer.json or vocab.json"),
    ],
)
def test_a_folder_that_is_no_sticker_clip(tmp_path, damage, words):
    folder = shutil.copytree(STICKERS_CLIP, tmp_path / "clip")
    file = folder / ("text/model.safetensors" if "text" in damage else "vision.safetensors")
    weights = load_file(file)
    if damage == "missing":
        del weights["logit_scale"]
    if damage == "unexpected":
        weights["project.scale"] = torch.ones(1)
    if damage == "missing in text":
        weights = {name: some for name, some in weights.items() if "layers.0" not in name}
    save_file(weights, file, metadata={"format": "pt"})
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:1000])
    if damage == "no text":
        shutil.rmtree(folder / "text")
    if damage == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    with pytest.raises(ValueError, match=f"holds no whole CLIP model .*{words}"):
        load_ranker(folder, device="cpu")


def test_a_save_that_fails_leaves_the_weights_before_it(tmp_path, monkeypatch):
    model = StickerClip.from_pretrained(STICKERS_CLIP)
    model.save_pretrained(tmp_path)
    before = (tmp_path / "vision.safetensors").read_bytes()

    def full(tensors, file):
        file.write_bytes(b"half of it")
        raise OSError("the disk is full")

    monkeypatch.setattr(sticker_clip, "save_file", full)
    with pytest.raises(OSError, match="disk is full"):
        model.save_pretrained(tmp_path)
    assert (tmp_path / "vision.safetensors").read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["text", "vision.safetensors"]


def test_a_missing_folder_is_not_looked_for_on_the_hub(monkeypatch):
    asked = []

    def refuse(*address, **options):
        asked.append(address)
        raise OSError("the network is blocked in this test")

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    with pytest.raises(ValueError, match="stickers has none"):
        StickerClip.from_pretrained("stickers")  # "stickers/text" could be a model on the hub
    assert not asked


def test_a_checkpoint_comes_from_the_hub_s_cache(clip_folder, clip, hub_cache):
    hub_cache("openai/clip-vit-base-patch32", clip_folder)
    ranker = load_ranker("openai/clip-vit-base-patch32", device="cpu")
    assert ranker.name == "openai/clip-vit-base-patch32"
    images = pictures(*COLOURS)
    assert ranker.rank(images, "a fox") == clip.rank(images, "a fox")


def test_the_hubs_own_conversion_is_taken_instead_of_pickle(clip_folder, tmp_path, monkeypatch):
    asked, bare = [], tmp_path / "bare"
    bare.mkdir()  # what is left of a repository when its pickle weights are not fetched

    def download(repository, patterns):
        asked.append((repository.hub_id, repository.revision, "pytorch_model*.bin" in patterns))
        return clip_folder if repository.revision else bare

    def converted(repository):
        return replace(repository, revision="refs/pr/2")

    monkeypatch.setattr("helpers.ranking.ranker.cached_folders", lambda hub_id: [bare])
    monkeypatch.setattr(Repository, "download_files", download)
    monkeypatch.setattr(Repository, "converted", converted)
    load_ranker("o/clip", device="cpu")
    assert asked == [("o/clip", None, False), ("o/clip", "refs/pr/2", False)]
    monkeypatch.setattr(Repository, "converted", lambda repository: None)
    with pytest.raises(ValueError, match=r"'o/clip' has no safetensors weights.*allow_pickle"):
        load_ranker("o/clip", device="cpu")
