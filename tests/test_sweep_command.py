"""`python -m helpers sweep`: what stands on the line, and that it makes the same folder."""

import json

import pytest
from PIL import Image

from helpers.__main__ import main
from helpers.commands.sweep import values_of
from helpers.models import load as models
from helpers.pictures.files import image_settings
from helpers.sweeps.folder import HEADER_NAME, MANIFEST_NAME, SHEET_NAME
from helpers.sweeps.run import sweep


def command(model, folder, *words) -> list[str]:
    common = ["--num-inference-steps", "2", "--scheduler", "ddim", "--model", str(model)]
    return ["sweep", *words, *common, "--device", "cpu", "--folder", str(folder)]


@pytest.mark.parametrize(
    "name, texts, values",
    [
        ("prompt", ["a fox: 3:1", "1:3"], ["a fox: 3:1", "1:3"]),
        ("seed", ["1", "2", "3"], [1, 2, 3]),
        ("seed", ["7", "0:3"], [7, 0, 1, 2]),
        ("num_inference_steps", ["1:97:5"], list(range(1, 97, 5))),
        ("num_inference_steps", ["20:5:-5"], [20, 15, 10]),
        ("guidance_scale", ["2:21:3"], [2.0, 5.0, 8.0, 11.0, 14.0, 17.0, 20.0]),
        ("eta", ["0:0.4:0.1"], [0.0, 0.1, 0.2, 0.3]),  # and not 0.30000000000000004
        ("guidance_scale", ["1e1", "-2"], [10.0, -2.0]),
    ],
)
def test_values(name, texts, values):
    got = values_of(name, texts)
    assert got == values
    assert [type(value) for value in got] == [type(value) for value in values]


@pytest.mark.parametrize(
    "name, text, says",
    [
        ("seed", "one", "--seed must be numbers or ranges start:stop:step; got 'one'"),
        ("seed", "1:2:3:4", "--seed must be numbers or ranges"),
        ("seed", "1:", "--seed must be numbers or ranges"),
        ("seed", "1.5", "--seed must be whole numbers; got '1.5'"),
        ("seed", "0:3:0.5", "--seed must be whole numbers"),
        ("seed", "1e400", "--seed must be finite numbers"),
        ("guidance_scale", "1:inf", "--guidance-scale must be finite numbers"),
        ("guidance_scale", "1:9:0", "--guidance-scale must have a step other than 0"),
        ("guidance_scale", "9:1", "--guidance-scale must hold a value, .* stop is left out"),
        ("guidance_scale", "0:10:0.001", "up to 1000 values; got '0:10:0.001', which has 10000"),
    ],
)
def test_bad_values(name, text, says):
    with pytest.raises(ValueError, match=says):
        values_of(name, [text])


def test_it_writes_the_folder_that_sweep_writes(tiny_pipe, saved_model, tmp_path, capsys):
    words = ["--guidance-scale", "1:8:3", "--prompt", "a fox", "--seed", "1", "2"]
    main(command(saved_model, tmp_path / "ours", *words))
    told = capsys.readouterr()
    assert f"pictures in {tmp_path / 'ours'}: 6;" in told.out
    sweep(
        tiny_pipe,
        guidance_scale=[1.0, 4.0, 7.0],
        prompt="a fox",
        seed=[1, 2],
        num_inference_steps=2,
        scheduler="ddim",
        folder=tmp_path / "theirs",
        progress=False,
    )
    ours, theirs = ({f.name: f for f in (tmp_path / n).iterdir()} for n in ("ours", "theirs"))
    assert ours.keys() == theirs.keys() and {HEADER_NAME, MANIFEST_NAME, SHEET_NAME} < ours.keys()
    header = json.loads(ours[HEADER_NAME].read_text(encoding="utf-8"))
    assert header == json.loads(theirs[HEADER_NAME].read_text(encoding="utf-8"))
    assert header["axes"] == ["guidance_scale", "seed"]  # in the order of the command line
    for name in ours:
        if name.endswith(".png"):
            assert Image.open(ours[name]).tobytes() == Image.open(theirs[name]).tobytes()
    one = next(path for name, path in ours.items() if name.startswith("guidance-scale-4-seed-2-"))
    assert image_settings(one)["guidance_scale"] == 4.0


@pytest.mark.parametrize(
    "words, says",
    [
        ([], "--prompt must be given"),
        (["--prompt", "a", "--seed", "x"], "--seed must be numbers"),
        (["--prompt", "a", "--seed", "3", "3"], "seed must hold each value once; got 3 twice"),
        (["--prompt", "a", "--mode", "quick"], 'mode must be "batched" or "exact"; got \'quick\''),
        (["--prompt", "a", "--guidance-scale", "nan"], "guidance_scale must be finite; got nan"),
        (["--prompt", "a", "--height", "33"], "height must be divisible by 2"),
    ],
)
def test_what_is_wrong_is_one_line_and_status_2(saved_model, tmp_path, capsys, words, says):
    with pytest.raises(SystemExit) as exit:
        main(command(saved_model, tmp_path / "out", *words))
    told = capsys.readouterr().err.splitlines()
    assert exit.value.code == 2 and len(told) == 1
    assert told[0].startswith("python -m helpers sweep: ") and says in told[0]
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_sweep_and_a_model_that_is_not_there(saved_model, tmp_path, capsys):
    main(command(saved_model, tmp_path / "out", "--prompt", "a fox"))
    for wrong in (
        command(saved_model, tmp_path / "out", "--prompt", "an owl"),
        command(tmp_path / "nowhere", tmp_path / "new", "--prompt", "a fox"),
    ):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit:
            main(wrong)
        assert exit.value.code == 2 and len(capsys.readouterr().err.splitlines()) == 1


def test_a_model_that_does_not_fit_into_memory_is_one_line(tmp_path, capsys, monkeypatch):
    def full(name, device):
        raise MemoryError(f"{name} takes 5.1 GiB")

    monkeypatch.setattr(models, "load_pipeline", full)
    with pytest.raises(SystemExit) as exit:
        main(command("sd-v1-5", tmp_path / "out", "--prompt", "a fox"))
    told = capsys.readouterr().err.splitlines()
    assert exit.value.code == 2
    assert told == ["python -m helpers sweep: sd-v1-5 takes 5.1 GiB"]


def test_a_failed_picture_is_told_and_is_status_1(
    own_pipe, saved_model, tmp_path, capsys, monkeypatch
):
    poison = own_pipe.encode_prompt("poison", "cpu", 1, False)[0]

    def spoil(unet, args, kwargs, output):
        output[0][(kwargs["encoder_hidden_states"] == poison).flatten(1).all(1)] = float("nan")

    own_pipe.unet.register_forward_hook(spoil, with_kwargs=True)
    monkeypatch.setattr(models, "load_pipeline", lambda name, device: own_pipe)
    with pytest.raises(SystemExit) as exit:
        main(command(saved_model, tmp_path / "out", "--prompt", "poison", "a fox"))
    told = capsys.readouterr()
    assert exit.value.code == 1
    assert f"pictures in {tmp_path / 'out'}: 1;" in told.out
    assert "NaN" in told.err and "'prompt': 'poison'" in told.err
