"""Writes small ONNX files without a library: a few fields of protobuf's wire format are all that takes."""

import math
import struct


def _varint(number):
    data = b""
    number &= (1 << 64) - 1
    while number > 127:
        data += bytes([number & 127 | 128])
        number >>= 7
    return data + bytes([number])


def _field(number, value):
    """An integer, or bytes, text or a message."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _tensor(name, dims):
    """Values between -s and s that differ, s after He et al. 2015, so that what goes through keeps its size."""
    count = math.prod(dims)
    scale = math.sqrt(6 * dims[0] / count) if len(dims) > 1 else 0.1
    values = [scale * math.sin(12.9898 * (i + 1) + 78.233 * len(name)) for i in range(count)]
    return (b"".join(_field(1, d) for d in dims) + _field(2, 1) + _field(8, name) +
            _field(9, struct.pack(f"<{count}f", *values)))


def _node(op, inputs, output, **attributes):
    data = b"".join(_field(1, name) for name in inputs) + _field(2, output) + _field(3, output) + _field(4, op)
    for name, value in attributes.items():
        if isinstance(value, int):
            data += _field(5, _field(1, name) + _field(3, value) + _field(20, 2))
        else:
            data += _field(5, _field(1, name) + b"".join(_field(8, v) for v in value) + _field(20, 7))
    return data


def _value(name, dims):
    shape = b"".join(_field(1, _field(1, d) if d > 0 else _field(2, "N")) for d in dims)
    return _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, shape)))


def write(path, channels=1, side=28, classes=10, foreign=()):
    """Three convolutions with ReLUs, the mean over the image, a linear layer; `foreign` are operators that nobody
    knows, put between."""
    widths = [channels, 8, 8, 16]
    weights, nodes, last = [], [], "image"
    for i in range(3):
        weights += [_tensor(f"conv{i}.weight", [widths[i + 1], widths[i], 3, 3]), _tensor(f"conv{i}.bias", [widths[i + 1]])]
        nodes.append(_node("Conv", [last, f"conv{i}.weight", f"conv{i}.bias"], f"conv{i}", pads=[1, 1, 1, 1],
                           strides=[2, 2]))
        nodes.append(_node("Relu", [f"conv{i}"], f"relu{i}"))
        last = f"relu{i}"
    for i, op in enumerate(foreign):
        nodes.append(_node(op, [last], f"foreign{i}"))
        last = f"foreign{i}"
    weights += [_tensor("classifier.weight", [classes, 16]), _tensor("classifier.bias", [classes])]
    nodes += [_node("GlobalAveragePool", [last], "pool"), _node("Flatten", ["pool"], "flat", axis=1),
              _node("Gemm", ["flat", "classifier.weight", "classifier.bias"], "logits", transB=1)]
    graph = (b"".join(_field(1, node) for node in nodes) + _field(2, "small") +
             b"".join(_field(5, weight) for weight in weights) +
             _field(11, _value("image", [0, channels, side, side])) + _field(12, _value("logits", [0, classes])))
    path.write_bytes(_field(1, 8) + _field(2, "tests") + _field(7, graph) + _field(8, _field(2, 13)))
    return path
