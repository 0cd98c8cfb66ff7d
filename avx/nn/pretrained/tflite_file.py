"""Reads the constant weights of a TensorFlow Lite file, layer by layer, int8 and float16 ones as float32.

Layers are named by kind and place in the order of execution, because the names within such files differ from one
conversion to the next:

| operator | names | layout |
|---|---|---|
| CONV_2D | conv_2d/0/kernel, conv_2d/0/bias | (out, height, width, in) |
| DEPTHWISE_CONV_2D | depthwise_conv_2d/0/kernel, .../bias | (1, height, width, channels) |
| FULLY_CONNECTED | fully_connected/0/kernel, .../bias | (out, in) |

The file is a flat buffer that is looked at through its schema (package `tflite`, extra `[convert]`); nothing in it is
run.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np

from avx.core.errors import UserError

IDENTIFIER = b"TFL3"
LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
VALUES = {"FLOAT32": np.float32, "FLOAT16": np.float16, "INT8": np.int8, "UINT8": np.uint8}
"""Types of stored numbers that are read, by their name in the schema."""


def read_tflite(path: str | Path) -> dict[str, np.ndarray]:
    """Reads kernels and biases of a TensorFlow Lite file.

    Args:
      path: the .tflite file.

    Returns:
      Name -> float32 array, as the table above says. Layers whose kernel is computed at run time are left out, and
      count in the places.

    Raises:
      UserError: no such file, the package `tflite` is missing, or a file that is no intact TensorFlow Lite model.
    """
    path = Path(path)
    try:
        import tflite
    except ImportError as error:
        raise UserError(f"{path} is read with the package tflite: install avx[convert].") from error
    if not path.is_file():
        raise UserError(f"{path} does not exist; give the path of a downloaded .tflite file.")
    content = path.read_bytes()
    if content[4:8] != IDENTIFIER:
        raise UserError(f"{path} is no TensorFlow Lite file: its bytes 4 to 8 are not {IDENTIFIER.decode()}.")
    try:
        return _layers(tflite.Model.GetRootAsModel(content, 0), tflite)
    # What a damaged buffer leads to: offsets beyond its end, tables that are not there, sizes that do not fit.
    except (struct.error, IndexError, ValueError, TypeError, AttributeError, KeyError, OverflowError) as error:
        raise UserError(f"{path} is no intact TensorFlow Lite file ({error}); fetch it again.") from error


def dequantised(stored: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, axis: int) -> np.ndarray:
    """Real numbers (stored - zero_point) scale, float32.

    Args:
      stored: integers of any shape.
      scale: (1,) for the whole tensor, or one for each entry of `axis`.
      zero_point: as `scale`.
      axis: the axis that the scales belong to; it does not matter for one scale.

    Raises:
      ValueError: scales that are neither one nor one for each entry.
    """
    if len(scale) != len(zero_point) or len(scale) not in (1, stored.shape[axis]):
        raise ValueError(f"{len(scale)} scales and {len(zero_point)} zero points for an axis of {stored.shape[axis]}")
    shape = [1] * stored.ndim
    shape[axis] = len(scale)
    return (stored.astype(np.float32) - zero_point.reshape(shape).astype(np.float32)) * scale.reshape(shape)


def _layers(model: Any, schema: Any) -> dict[str, np.ndarray]:
    graph = model.Subgraphs(0)
    operators = [(graph.Operators(place), _kind(model, graph.Operators(place), schema)) for place in _range(graph)]
    # A layer in floats reads its int8 kernel through this operator.
    source = {op.Outputs(0): op.Inputs(0) for op, kind in operators if kind == "DEQUANTIZE"}
    tensors: dict[str, np.ndarray] = {}
    counts = dict.fromkeys(LAYERS, 0)
    for operator, kind in operators:
        if kind not in counts:
            continue
        name = f"{kind.lower()}/{counts[kind]}"
        counts[kind] += 1
        for part, place in (("kernel", 1), ("bias", 2)):
            index = operator.Inputs(place) if operator.InputsLength() > place else -1
            constant = _constant(model, graph.Tensors(source.get(index, index)), schema) if index >= 0 else None
            if constant is None:
                break
            tensors[f"{name}/{part}"] = constant
    return tensors


def _range(graph: Any) -> range:
    return range(graph.OperatorsLength())


def _kind(model: Any, operator: Any, schema: Any) -> str:
    code = model.OperatorCodes(operator.OpcodeIndex())
    # Files of before 2020 have the older field alone, which is one byte.
    number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    return names[number]


def _constant(model: Any, tensor: Any, schema: Any) -> np.ndarray | None:
    """The values of a stored tensor as float32; None for one that is computed at run time."""
    buffer = model.Buffers(tensor.Buffer())
    if not buffer.DataLength():
        return None
    types = {value: name for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
    kind = types[tensor.Type()]
    if kind not in VALUES:
        raise ValueError(f"the tensor {tensor.Name().decode()} is of type {kind}")
    values = np.frombuffer(buffer.DataAsNumpy().tobytes(), VALUES[kind]).reshape(tensor.ShapeAsNumpy())
    quantization = tensor.Quantization()
    if quantization is None or not quantization.ScaleLength():
        return values.astype(np.float32)
    return dequantised(
        values, quantization.ScaleAsNumpy(), quantization.ZeroPointAsNumpy(), quantization.QuantizedDimension()
    )
