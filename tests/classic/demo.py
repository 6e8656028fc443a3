"""A demo as those of GFP-GAN were, for Gradio 3.50: `python demo.py PORT`.

It runs in an environment of its own and imports nothing of the course. A picture 13 pixels wide
makes it fail, as a picture that the network does not like did.
"""

import sys
import tempfile

import gradio
from PIL import Image

assert gradio.__version__.startswith("3."), gradio.__version__


def inference(path, version, scale):
    image = Image.open(path).convert("RGB")
    if image.width == 13:
        raise RuntimeError("no face")
    size = (int(image.width * scale), int(image.height * scale))
    result = image.resize(size, Image.Resampling.NEAREST)
    if version != "v1.4":
        raise gradio.Error(f"unknown version {version}")
    with tempfile.NamedTemporaryFile(suffix=".png", delete=False) as file:
        result.save(file)
    return result, file.name


demo = gradio.Interface(
    inference,
    [
        gradio.Image(type="filepath", label="Input"),
        gradio.Radio(["v1.2", "v1.3", "v1.4"], type="value", value="v1.4", label="version"),
        gradio.Number(label="Rescaling factor", value=2),
    ],
    [
        gradio.Image(type="pil", label="Output (The whole image)"),
        gradio.File(label="Download the output image"),
    ],
    allow_flagging="never",
    analytics_enabled=False,
)
demo.launch(server_name="127.0.0.1", server_port=int(sys.argv[1]), quiet=True)
