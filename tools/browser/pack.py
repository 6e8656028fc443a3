"""One part of a model as one file that is small and exact.

The file is a gzip stream of: the length of the graph (4 bytes, little-endian), the ONNX graph, then
the weights in float16, first the upper byte of every number, then the lower byte of every number.
The upper bytes are alike, so gzip finds more to save when they are apart; `browser/src/parts.js`
puts them together again.
"""

import gzip
import hashlib
import struct
from pathlib import Path

import numpy
import onnx
from onnx import TensorProto, numpy_helper
from onnx.external_data_helper import set_external_data

WEIGHTS_FILE = "weights"
"""The name by which the graph knows the file that holds its weights."""

FEWEST_NUMBERS = 64
"""Smaller tensors stay in the graph, where they cost less than their place elsewhere."""


def packed(graph: onnx.ModelProto) -> bytes:
    """A part of a model, packed. `graph` is changed.

    Tensors are stored in float16 where that changes no number, as it is with weights that were
    saved in float16. All others stay in the graph as they are.
    """
    for node in graph.graph.node:  # where in the source each came from, longer than the graph
        del node.metadata_props[:]
        node.ClearField("doc_string")
    for value in (*graph.graph.value_info, *graph.graph.initializer):
        del value.metadata_props[:]
    del graph.graph.value_info[:]
    del graph.metadata_props[:]
    bits = numpy.concatenate(_weights_moved_out(graph)).view(numpy.uint16)
    serialized = graph.SerializeToString()
    planes = [(bits >> 8).astype(numpy.uint8), (bits & 255).astype(numpy.uint8)]
    content = b"".join(
        [struct.pack("<I", len(serialized)), serialized, *(plane.tobytes() for plane in planes)]
    )
    return compressed(content)


def _weights_moved_out(graph: onnx.ModelProto) -> list[numpy.ndarray]:
    """The weights in float16, in the order in which the graph now expects them in WEIGHTS_FILE."""
    moved, offset = [numpy.zeros(0, numpy.float16)], 0
    for tensor in graph.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        numbers = numpy_helper.to_array(tensor).ravel()
        with numpy.errstate(over="ignore"):  # a number beyond float16 becomes infinite, so unequal
            halves = numbers.astype(numpy.float16)
        if numbers.size < FEWEST_NUMBERS or not numpy.array_equal(halves, numbers):
            continue
        tensor.raw_data = numbers.tobytes()
        set_external_data(tensor, WEIGHTS_FILE, offset=offset, length=numbers.nbytes)
        tensor.ClearField("raw_data")
        moved.append(halves)
        offset += numbers.nbytes
    return moved


def compressed(content: bytes) -> bytes:
    """A gzip stream that is the same whenever it is made."""
    return gzip.compress(content, compresslevel=9, mtime=0)


def write_packed(folder: Path, name: str, content: bytes) -> dict[str, object]:
    """Write a file under a name with its checksum; return what `family.json` says of it."""
    checksum = hashlib.sha256(content).hexdigest()[:12]
    path = folder / f"{name}-{checksum}.bin"
    path.write_bytes(content)
    return {"file": f"{folder.name}/{path.name}", "bytes": len(content)}
