"""Fine-tuning on a tiny random pipeline: the pictures, the batches, the training, the file."""

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from accelerate import cpu_offload
from diffusers import DDPMScheduler
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from PIL import ExifTags, Image
from safetensors import safe_open

from helpers import fine_tuning, load_pipeline
from helpers.feedback.store import Feedback
from helpers.fine_tuning import (
    Captioned,
    TrainingSet,
    add_lora,
    fine_tune,
    read_pictures,
    save_lora,
)
from tests.pipelines import TEXT_WIDTH, tiny_sd_pipeline, tiny_sdxl_pipeline

PROMPTS = ("a red square", "a blue square", "a teal square")


def pictures():
    return [Captioned(Image.new("RGB", (48, 32), prompt.split()[1]), prompt) for prompt in PROMPTS]


def write_folder(folder, lines):
    for one in pictures():
        one.image.save(folder / f"{one.prompt.split()[1]}.png")
    text = "".join(line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines)
    (folder / "metadata.jsonl").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def pipe():
    return tiny_sd_pipeline()


def prediction(pipe):
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, 4, 16, 16, generator=generator)
    encoder_hidden_states = torch.randn(1, 5, TEXT_WIDTH, generator=generator)
    with torch.no_grad():
        return pipe.unet(latents, 500, encoder_hidden_states).sample


# ------------------------------------------------------------------------------- the pictures
@pytest.mark.parametrize("name", ["prompt", "text"])
def test_an_image_folder_is_read_in_the_order_of_its_lines(tmp_path, name):
    lines = [
        {"file_name": "teal.png", name: "a teal square"},
        "\n",
        {"file_name": "red.png", name: "a red square", "ups": 2},
    ]
    teal, red = read_pictures(write_folder(tmp_path, lines))
    assert (teal.prompt, red.prompt) == ("a teal square", "a red square")
    assert red.image.mode == "RGB" and red.image.getpixel((3, 3)) == (255, 0, 0)


def test_pictures_are_read_upright_and_on_white(tmp_path):
    lines = [{"file_name": f"{name}.png", "prompt": "a square"} for name in ("red", "blue")]
    folder = write_folder(tmp_path, lines)
    turned = Image.new("RGB", (48, 32), "red")
    exif = turned.getexif()
    exif[ExifTags.Base.Orientation] = 6  # as many phones write a picture taken upright
    turned.save(folder / "red.png", exif=exif)
    Image.new("RGBA", (48, 32), (0, 0, 255, 0)).save(folder / "blue.png")
    upright, transparent = (one.image for one in read_pictures(folder))
    assert upright.size == (32, 48)
    assert transparent == Image.new("RGB", (48, 32), "white")


def test_transparent_pictures_are_learned_on_white(pipe):
    clear, white = Image.new("RGBA", (32, 32), (0, 0, 255, 0)), Image.new("RGB", (32, 32), "white")
    assert torch.equal(*(fine_tuning.encode_pictures(pipe, [image]) for image in (clear, white)))


def test_the_export_of_ratings_is_such_a_folder(tmp_path):
    feedback = Feedback(tmp_path / "ratings.sqlite")
    for seed, one in enumerate(pictures()):
        feedback.add(
            one.image,
            {"prompt": one.prompt, "seed": seed},
            vote=1 if seed else -1,
            model="tiny",
            model_version="0",
            consent="training",
        )
    folder = feedback.export_images(tmp_path / "set", consent="training", minimum_score=1)
    found = read_pictures(folder)
    assert {one.prompt for one in found} == set(PROMPTS[1:])
    assert all(one.image == wanted.image for one, wanted in zip(found, pictures()[1:], strict=True))


@pytest.mark.parametrize(
    ("lines", "error", "words"),
    [
        (["\n"], ValueError, "at least one picture"),
        (["{"], ValueError, "line 1: must be a JSON object with .* got '{'"),
        (["[]\n"], ValueError, "line 1: must be a JSON object"),
        ([{"file_name": "red.png"}], ValueError, 'line 1: must be .*"prompt"'),
        ([{"file_name": "red.png", "prompt": 3}], ValueError, "line 1: must be"),
        ([{"file_name": "../red.png", "prompt": "a"}], ValueError, "must be a file of the folder"),
        ([{"file_name": "none.png", "prompt": "a"}], FileNotFoundError, "line 1: there is no"),
        ([{"file_name": "metadata.jsonl", "prompt": "a"}], ValueError, "is not a picture"),
    ],
)
def test_folders_that_cannot_be_learned_from(tmp_path, lines, error, words):
    with pytest.raises(error, match=words):
        read_pictures(write_folder(tmp_path, lines))


def test_a_folder_without_captions(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"pictures and a metadata\.jsonl"):
        read_pictures(tmp_path)


def test_pictures_are_encoded_as_the_unet_meets_them(pipe):
    latents = fine_tuning.encode_pictures(pipe, [one.image for one in pictures()])
    assert latents.shape == (3, 4, 16, 16)
    square = pictures()[1].image.crop((8, 0, 40, 32))  # the middle of 48 x 32
    pixels = torch.tensor([-1.0, -1.0, 1.0]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    assert square.getpixel((0, 0)) == (0, 0, 255)
    with torch.no_grad():
        wanted = pipe.vae.encode(pixels).latent_dist.mean * pipe.vae.config.scaling_factor
    torch.testing.assert_close(latents[1:2], wanted)


# ------------------------------------------------------------------------------- the batches
def test_a_batch_is_a_function_of_seed_and_step(pipe):
    first, again = (TrainingSet(pipe, pictures(), seed=3).batch(5, 4) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    for other in (
        TrainingSet(pipe, pictures(), seed=3).batch(6, 4),
        TrainingSet(pipe, pictures(), seed=4).batch(5, 4),
    ):
        assert not torch.equal(first.noisy, other.noisy)
    assert first.noisy.shape == first.target.shape == (4, 4, 16, 16)
    assert first.timesteps.shape == (4,) and first.encoder_hidden_states.shape[0] == 4


def test_every_picture_comes_once_a_round(pipe):
    training_set = TrainingSet(pipe, pictures())
    numbers = [training_set._picture(number) for number in range(12)]
    rounds = [numbers[start : start + 3] for start in range(0, 12, 3)]
    assert all(sorted(one) == [0, 1, 2] for one in rounds)
    assert len({tuple(one) for one in rounds}) > 1


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_noisy_latents_and_target_give_the_picture_back(pipe, kind):
    own = pipe.scheduler
    pipe.scheduler = type(own).from_config(own.config, prediction_type=kind)
    training_set = TrainingSet(pipe, pictures()[:1])
    noisy, timesteps, _, target = training_set.batch(0, 2)
    kept = training_set.scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    clean = {
        "epsilon": lambda: (noisy - (1 - kept).sqrt() * target) / kept.sqrt(),
        "v_prediction": lambda: kept.sqrt() * noisy - (1 - kept).sqrt() * target,
        "sample": lambda: target,
    }[kind]()
    torch.testing.assert_close(clean, training_set.latents.expand(2, -1, -1, -1), atol=1e-3, rtol=0)


def test_another_prediction_type_is_refused():
    zeros = torch.zeros(1, 4, 2, 2)
    scheduler = DDPMScheduler()
    scheduler.register_to_config(prediction_type="flow")
    with pytest.raises(ValueError, match="prediction_type must be .*; got 'flow'"):
        fine_tuning.target_of(scheduler, zeros, zeros, torch.tensor([1]))


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_a_share_of_the_captions_is_empty(pipe, share):
    training_set = TrainingSet(pipe, pictures()[:1], empty_share=share)
    drawn = torch.cat([training_set.batch(step, 20).encoder_hidden_states for step in range(20)])
    empty = (drawn == training_set.empty).flatten(1).all(1)
    assert empty.float().mean().item() == pytest.approx(share, abs=0.07)
    own = fine_tuning.encode_prompts(pipe, [PROMPTS[0]])
    torch.testing.assert_close(drawn[~empty], own.expand_as(drawn[~empty]))


def test_a_validation_loss_can_be_repeated_and_counts_every_picture_alike(pipe):
    both = TrainingSet(pipe, pictures()[:1] * 20)  # more than one part
    assert both.validation_loss(pipe) == both.validation_loss(pipe)
    with torch.no_grad():
        for weights in pipe.unet.conv_out.parameters():
            weights.zero_()  # predicts zeros, so the loss is the mean square of the noise
    assert both.validation_loss(pipe) == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(
    ("chosen", "options", "words"),
    [
        ([], {}, "pictures must hold at least one picture"),
        (pictures(), {"empty_share": 1.5}, "empty_share must be between 0 and 1; got 1.5"),
    ],
)
def test_sets_that_cannot_be(pipe, chosen, options, words):
    with pytest.raises(ValueError, match=words):
        TrainingSet(pipe, chosen, **options)


# ------------------------------------------------------------------------------- the training
def test_a_new_lora_changes_nothing_and_is_all_that_is_trained(pipe):
    before = prediction(pipe)
    count = add_lora(pipe, rank=2)
    assert torch.equal(prediction(pipe), before)
    trained = [name for name, weights in pipe.unet.named_parameters() if weights.requires_grad]
    assert trained and all("lora_" in name for name in trained)
    assert count == sum(pipe.unet.get_parameter(name).numel() for name in trained)


def test_the_seed_of_a_lora(pipe):
    state = torch.get_rng_state()
    found = []
    for seed in (1, 1, 2):
        one = tiny_sd_pipeline()
        torch.set_rng_state(state)
        add_lora(one, rank=2, seed=seed)
        assert torch.equal(torch.get_rng_state(), state)  # nobody else's random numbers move
        weights = {n: w for n, w in one.unet.named_parameters() if "lora_A" in n}
        found.append(torch.cat([value.flatten() for value in weights.values()]))
    assert torch.equal(found[0], found[1]) and not torch.equal(found[0], found[2])


def test_training_learns_and_leaves_the_model_itself_alone(pipe):
    frozen = {name: value.clone() for name, value in pipe.unet.state_dict().items()}
    add_lora(pipe, rank=4)
    training_set = TrainingSet(pipe, pictures())
    before = training_set.validation_loss(pipe)
    losses = fine_tune(pipe, training_set, 40, learning_rate=2e-2, progress=False)
    assert len(losses) == 40 and training_set.validation_loss(pipe) < 0.97 * before
    assert not pipe.unet.training
    for name, value in pipe.unet.state_dict().items():
        if "lora_" not in name:
            assert torch.equal(value, frozen[name.replace(".base_layer", "")]), name


def test_a_training_can_be_repeated():
    runs = []
    for _ in range(2):
        pipe = tiny_sd_pipeline()
        add_lora(pipe, rank=2)
        runs.append(fine_tune(pipe, TrainingSet(pipe, pictures()), 3, progress=False))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_model_in_half_precision_is_trained_in_full(checkpointing):
    pipe = tiny_sd_pipeline()
    pipe.to(torch.bfloat16)
    if checkpointing:
        pipe.unet.enable_gradient_checkpointing()
    add_lora(pipe, rank=2)
    trained = [weights for weights in pipe.unet.parameters() if weights.requires_grad]
    assert {weights.dtype for weights in trained} == {torch.float32}
    assert pipe.unet.conv_in.weight.dtype == torch.bfloat16
    before = [weights.clone() for weights in trained]
    losses = fine_tune(pipe, TrainingSet(pipe, pictures()), 2, progress=False)
    assert all(loss < 10 for loss in losses)
    assert any(not torch.equal(one, other) for one, other in zip(before, trained, strict=True))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "steps must be at least 1; got 0"),
        ({"batch_size": -1}, "batch_size must be at least 1; got -1"),
        ({"learning_rate": 0.0}, "learning_rate must be greater than zero; got 0.0"),
        ({}, r"nothing to train: call add_lora\(pipe\) first"),
    ],
)
def test_trainings_that_cannot_be(pipe, options, words):
    training_set = TrainingSet(pipe, pictures())
    pipe.unet.requires_grad_(False)
    if options:
        add_lora(pipe, rank=2)
    with pytest.raises(ValueError, match=words):
        fine_tune(pipe, training_set, **{"steps": 1, "progress": False} | options)


def test_a_loss_that_is_no_number_ends_the_training(pipe):
    add_lora(pipe, rank=2)
    training_set = TrainingSet(pipe, pictures())
    training_set.latents[:] = float("nan")
    with pytest.raises(
        FloatingPointError, match="loss of step 0 is nan.*learning_rate below 0.001"
    ):
        fine_tune(pipe, training_set, 3, progress=False)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rank": 0}, "rank must be at least 1; got 0"),
        ({"layers": ["nothing"]}, "nothing"),
    ],
)
def test_loras_that_cannot_be(pipe, options, words):
    with pytest.raises(ValueError, match=words):
        add_lora(pipe, **options)


def test_a_pipeline_of_another_family_is_refused():
    with pytest.raises(ValueError, match="family of .*got a StableDiffusionXLPipeline"):
        add_lora(tiny_sdxl_pipeline())


def test_a_unet_that_also_embeds_the_caption_can_be_trained():
    """It reads nothing that other U-Nets of the family do not read."""
    pipe = tiny_sd_pipeline(addition_embed_type="text", addition_embed_type_num_heads=4)
    add_lora(pipe, rank=2)
    before = prediction(pipe)
    fine_tune(pipe, TrainingSet(pipe, pictures()), 2, learning_rate=0.1, progress=False)
    assert (prediction(pipe) - before).abs().max() > 0.01


def test_a_pipeline_whose_layers_take_turns_cannot_be_trained(pipe):
    cpu_offload(pipe.unet, torch.device("cpu"))  # as `load_pipeline` does on a full GPU
    for begin in (lambda: add_lora(pipe), lambda: TrainingSet(pipe, pictures())):
        with pytest.raises(ValueError, match="its parts take turns"):
            begin()


def test_there_is_one_lora_at_a_time(pipe):
    add_lora(pipe, rank=2)
    with pytest.raises(ValueError, match="has a LoRA already"):
        add_lora(pipe, rank=2)


# ------------------------------------------------------------------------------- the file
@pytest.mark.parametrize("first", ["attention", "convolution"])
def test_a_saved_lora_loads_again_and_its_weight_can_be_turned(pipe, tmp_path, first):
    if first == "convolution":  # as in the sticker U-Net, whose outermost block has no attention
        blocks = {
            name: pipe.unet.config[name][::-1] for name in ("down_block_types", "up_block_types")
        }
        pipe.unet = type(pipe.unet).from_config(pipe.unet.config, **blocks)
    plain = prediction(pipe)
    pipe.save_pretrained(tmp_path / "model")
    add_lora(pipe, rank=2)
    fine_tune(pipe, TrainingSet(pipe, pictures()), 8, learning_rate=0.1, progress=False)
    file = save_lora(pipe, tmp_path / "lora")
    tuned = load_pipeline(tmp_path / "model", device="cpu", lora=file)
    layers = [{name for name in each.unet.state_dict() if "lora" in name} for each in (pipe, tuned)]
    assert len(layers[0]) == len(layers[1]) > 0
    assert (prediction(tuned) - plain).abs().max() > 0.01
    torch.testing.assert_close(prediction(tuned), prediction(pipe), atol=2e-3, rtol=1e-2)
    ((name,),) = tuned.get_list_adapters().values()
    tuned.set_adapters(name, 0.0)
    torch.testing.assert_close(prediction(tuned), plain, atol=1e-5, rtol=1e-4)


def test_without_a_lora_there_is_nothing_to_save(pipe, tmp_path):
    with pytest.raises(ValueError, match="no LoRA to save"):
        save_lora(pipe, tmp_path)


def test_a_save_that_fails_leaves_the_file_before_it(pipe, tmp_path, monkeypatch):
    add_lora(pipe)
    file = save_lora(pipe, tmp_path)
    before = file.read_bytes()

    def full(weights, path, metadata):
        Path(path).write_bytes(b"half of it")
        raise OSError("the disk is full")

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(OSError, match="disk is full"):
        save_lora(pipe, tmp_path)
    assert file.read_bytes() == before and list(tmp_path.iterdir()) == [file]


def foreign_lora(pipe, folder, layers):
    """A LoRA as others publish it: of rank 4 with alpha 1 in the U-Net and the text encoder."""
    config = LoraConfig(r=4, lora_alpha=1, target_modules=layers, init_lora_weights=False)
    saved = {}
    for name, part in (("unet", pipe.unet), ("text_encoder", pipe.text_encoder)):
        part.add_adapter(config)
        saved[f"{name}_lora_layers"] = get_peft_model_state_dict(part, adapter_name="default")
        saved[f"{name}_lora_adapter_metadata"] = part.peft_config["default"].to_dict()
    type(pipe).save_lora_weights(folder, **saved)
    return folder


def text_states(pipe):
    with torch.no_grad():
        return pipe.text_encoder(torch.arange(6)[None]).last_hidden_state


def test_a_loaded_lora_can_be_trained_further_and_saved(pipe, tmp_path):
    pipe.save_pretrained(tmp_path / "model")
    torch.manual_seed(3)
    folder = foreign_lora(tiny_sd_pipeline(), tmp_path / "foreign", ["to_q", "q_proj"])
    loaded = load_pipeline(tmp_path / "model", device="cpu", lora=folder)
    ((name,),) = {tuple(names) for names in loaded.get_list_adapters().values()}
    assert name != "default"
    before, words = prediction(loaded), text_states(loaded)
    assert (words - text_states(pipe)).abs().max() > 0.01
    fine_tune(loaded, TrainingSet(loaded, pictures()), 4, learning_rate=0.1, progress=False)
    trained = prediction(loaded)
    assert (trained - before).abs().max() > 0.01
    loaded.set_adapters(name, 0.3)  # a knob, which is not written
    again = load_pipeline(
        tmp_path / "model", device="cpu", lora=save_lora(loaded, tmp_path / "further")
    )
    torch.testing.assert_close(prediction(again), trained, atol=2e-3, rtol=1e-2)
    torch.testing.assert_close(text_states(again), words, atol=2e-3, rtol=1e-2)


def test_of_several_loras_one_is_named(pipe, tmp_path):
    add_lora(pipe, rank=2)
    pipe.unet.add_adapter(LoraConfig(r=2, target_modules=["to_k"]), adapter_name="other")
    with pytest.raises(ValueError, match=r"adapter_name must be given .*\(default, other\)"):
        save_lora(pipe, tmp_path)
    with pytest.raises(ValueError, match="adapter_name must be one of default, other; got 'o'"):
        save_lora(pipe, tmp_path, adapter_name="o")
    with safe_open(save_lora(pipe, tmp_path, adapter_name="other"), "numpy") as file:
        assert all("to_k" in key for key in file.keys())
