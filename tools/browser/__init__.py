"""What the site's pages need to run a model in the browser.

    python -m tools.browser FOLDER    write it into FOLDER; `make site` does this by itself

`export` turns the parts of a pipeline into ONNX by torch's own exporter, `pack` makes each a small
file, `card` writes down what a page must know of a model, and `bundle` puts all that together with
ONNX Runtime Web and the modules of `browser/src/`. `equality` compares what a browser computes with
what PyTorch computes.
"""
