"""The explorer: what its controls do, what it shows, and that it leaves the notebook free."""

import base64
import io
import threading

import nbformat
import numpy
import pytest
from IPython.display import DisplayHandle
from nbclient import NotebookClient
from PIL import Image

from helpers.pictures.grid import enlarge
from helpers.sampling.cell import Cell
from helpers.widgets.explorer import Explorer, explorer
from helpers.widgets.notebook import WIDGET
from tests.pipelines import plain_call
from tools.notebooks.__main__ import ROOT

SETTINGS = {"prompt": "a fox", "num_inference_steps": 4, "scheduler": "ddim", "seed": 1}
WAIT = 60  # seconds, for a thread that takes a fraction of one


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, in order: dictionaries, and (picture, its alt text)."""
    seen = []

    def picture(handle, image, metadata):
        seen.append((image, metadata["image/png"]["alt"]))

    monkeypatch.setattr("IPython.display.display", lambda data, raw: seen.append(data))
    monkeypatch.setattr(DisplayHandle, "display", picture)
    monkeypatch.setattr(DisplayHandle, "update", picture)
    return seen


def expected(pipe, **changes) -> numpy.ndarray:
    """The pixels of a plain `pipe()` call, enlarged as the explorer does it."""
    pixels = plain_call(pipe, Cell(**SETTINGS | changes))[1]
    return numpy.asarray(enlarge(Image.fromarray(pixels), 384 // 32), dtype=int)


def assert_same(image: Image.Image, pixels: numpy.ndarray) -> None:
    """Batched, the engine may round a level up or down; enlarging adds one."""
    assert image.size == pixels.shape[1::-1]
    assert abs(numpy.asarray(image, dtype=int) - pixels).max() <= 2


def test_it_shows_controls_and_then_the_first_picture(tiny_pipe, shown):
    assert explorer(tiny_pipe, **SETTINGS) is None
    controls, (image, alt) = shown
    assert controls["text/plain"] == (
        "Controls for prompt, num_inference_steps, guidance_scale, seed. "
        "They work while the notebook runs: run this cell."
    )
    assert controls[WIDGET]["model_id"]
    assert_same(image, expected(tiny_pipe))
    assert alt == (
        'Generated picture for the prompt "a fox", seed 1, num inference steps 4, '
        "guidance scale 7.5"
    )


def test_no_thread_is_left_when_the_picture_is_done(tiny_pipe, shown):
    tool = Explorer(tiny_pipe, SETTINGS)
    tool.show()
    for _ in range(2):  # a second press begins a second thread
        tool.draw()
        worker = tool._worker
        assert worker.is_alive()
        worker.join(WAIT)
        assert not worker.is_alive()
        assert tool.trajectory.state == "done"


def test_draw_uses_the_controls_and_keeps_the_rest(tiny_pipe, shown):
    tool = Explorer(tiny_pipe, SETTINGS | {"negative_prompt": "blue"})
    tool.show()
    changes = {
        "prompt": "an owl",
        "negative_prompt": "red",
        "num_inference_steps": 6,
        "guidance_scale": 3.0,
        "seed": 5,
    }
    assert list(tool.controls) == list(changes)
    for name, value in changes.items():
        tool.controls[name].value = value
    tool.button.click()
    tool.trajectory.result(timeout=WAIT)
    assert tool.trajectory.cell == Cell(**changes, scheduler="ddim")
    tool._engine.shutdown()
    tool._worker.join(WAIT)
    assert len(shown) == 4  # the controls, the first picture, after 3 of 6 steps, the second
    assert_same(shown[-1][0], expected(tiny_pipe, **changes))
    assert 'prompt "an owl", negative prompt red, seed 5' in shown[-1][1]
    assert tool.status.value.startswith("6 of 6 U-Net evaluations, ")


def test_the_picture_is_seen_forming(tiny_pipe, shown):
    tool = Explorer(tiny_pipe, SETTINGS | {"num_inference_steps": 7})
    tool.show()
    tool.draw().result(timeout=WAIT)
    tool._engine.shutdown()
    tool._worker.join(WAIT)
    pictures = [image.tobytes() for image, _ in shown[1:]]
    assert len(pictures) == 4  # the first, after 3 and after 6 of 7 evaluations, the second
    assert len(set(pictures)) == 3 and pictures[0] == pictures[-1]


def test_the_notebook_stays_free_and_a_second_press_drops_the_first(own_pipe, shown):
    tool = Explorer(own_pipe, SETTINGS)
    tool.show()
    begun, go_on = threading.Event(), threading.Event()

    def hold(unet, args):
        begun.set()
        assert go_on.wait(WAIT)

    hook = own_pipe.unet.register_forward_pre_hook(hold)
    tool.controls["seed"].value = 2
    dropped = tool.draw()  # comes back while the thread is held
    assert begun.wait(WAIT) and not dropped.done()
    assert tool.status.value == "0 of 4 U-Net evaluations"
    tool.controls["seed"].value = 3
    kept = tool.draw()
    go_on.set()
    kept.result(timeout=WAIT)
    tool._engine.shutdown()
    tool._worker.join(WAIT)
    hook.remove()
    assert dropped.cancelled() and dropped.evaluations <= 1
    assert not any("seed 2" in alt for _, alt in shown[1:])
    assert_same(shown[-1][0], expected(own_pipe, seed=3))


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # the preview of NaN
def test_a_picture_that_fails_is_told_and_the_next_one_comes(own_pipe, shown):
    tool = Explorer(own_pipe, SETTINGS)
    tool.show()
    told = []
    tool.status.observe(lambda change: told.append(change["new"]), "value")
    hook = own_pipe.unet.register_forward_hook(
        lambda unet, args, output: (output[0] * float("nan"),)
    )
    with pytest.raises(FloatingPointError):
        tool.draw().result(timeout=WAIT)
    hook.remove()
    tool.draw().result(timeout=WAIT)
    tool._engine.shutdown()
    tool._worker.join(WAIT)
    assert sum(line.startswith("no picture: the latents became NaN") for line in told) == 1
    assert told[-1].startswith("4 of 4 U-Net evaluations, ")
    first, second = shown[1], shown[-1]
    assert first[0].tobytes() == second[0].tobytes()


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"steps": 3}, TypeError, "Did you mean num_inference_steps"),
        ({"seed": [1, 2]}, ValueError, r"seed must be one value; got \[1, 2\].*helpers.sweep"),
        ({"num_inference_steps": 0}, ValueError, "num_inference_steps must be at least 1; got 0"),
        ({"scheduler": "ddin"}, LookupError, "Did you mean 'ddim'"),
    ],
)
def test_wrong_settings_show_nothing(tiny_pipe, shown, settings, error, says):
    with pytest.raises(error, match=says):
        explorer(tiny_pipe, **{"prompt": "a fox"} | settings)
    assert shown == []


def test_values_beyond_the_usual_are_within_the_sliders(tiny_pipe):
    wide = {"num_inference_steps": 96, "guidance_scale": 30.0, "seed": 6421725739674010}
    tool = Explorer(tiny_pipe, SETTINGS | wide)
    assert {name: tool.controls[name].value for name in wide} == wide
    assert (
        Explorer(tiny_pipe, SETTINGS | {"guidance_scale": -1}).controls["guidance_scale"].value
        == -1
    )


KERNEL_CELLS = [
    """
from helpers.widgets.explorer import Explorer
from tests.pipelines import tiny_sd_pipeline

tool = Explorer(tiny_sd_pipeline(), {"prompt": "a fox", "num_inference_steps": 2, "seed": 1})
tool.show()
""",
    "print(tool.trajectory.state)",
    """
tool.controls["seed"].value = 2
tool.button.click()
tool.trajectory.result(60)
tool._engine.shutdown()
tool._worker.join(60)
print(tool.trajectory.state)
""",
]


@pytest.mark.slow
def test_in_a_notebook_the_thread_replaces_the_picture_of_the_cell():
    notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, KERNEL_CELLS)))
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}})
    with client.setup_kernel():
        client.execute_cell(notebook.cells[0], 0)
        client.execute_cell(notebook.cells[1], 1)
        first = picture_of(notebook.cells[0])
        client.execute_cell(notebook.cells[2], 2)
        second = picture_of(notebook.cells[0])
    for cell in notebook.cells[1:]:  # nothing of the thread's ends up in other cells
        assert [output.text for output in cell.outputs] == ["done\n"]
    assert first.size == second.size == (384, 384) and first.tobytes() != second.tobytes()


def picture_of(cell) -> Image.Image:
    """The picture of the explorer's cell, whose outputs are the controls and one picture."""
    controls, picture = (output for output in cell.outputs if "data" in output)
    assert WIDGET in controls.data and controls.data["text/plain"].startswith("Controls for ")
    assert picture.metadata["image/png"]["alt"].startswith("Generated picture")
    return Image.open(io.BytesIO(base64.b64decode(picture.data["image/png"]))).convert("RGB")
