"""Imports published weights of I3D, of the TensorFlow release and the widely used PyTorch port, name by name.

| ours | TensorFlow, under RGB/inception_i3d/ | PyTorch |
|---|---|---|
| Conv3d_1a_7x7/kernel | Conv3d_1a_7x7/conv_3d/w | Conv3d_1a_7x7.conv3d.weight |
| Mixed_3b/branch1/kernel | Mixed_3b/Branch_1/Conv3d_0b_3x3/conv_3d/w | Mixed_3b.b1b.conv3d.weight |
| X/norm/scale | none: it is 1 | X.bn.weight |
| X/norm/bias | X/batch_norm/beta | X.bn.bias |
| X/norm/mean, X/norm/var | X/batch_norm/moving_mean, .../moving_variance | X.bn.running_mean, X.bn.running_var |
| logits/kernel, logits/bias | Logits/Conv3d_0c_1x1/conv_3d/w, .../b | logits.conv3d.weight, logits.conv3d.bias |

The flow stream's scope in TensorFlow is Flow/inception_i3d/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from avx.nn.encoders.i3d import BRANCHES, FLOW_CHANNELS, I3D, MIXED, RGB_CHANNELS, STEM, I3DClassifier
from avx.nn.pretrained.name_maps import NameMap, Origin, import_variables, same

Stream = Literal["RGB", "Flow"]
CHANNELS: dict[str, int] = {"RGB": RGB_CHANNELS, "Flow": FLOW_CHANNELS}
TENSORFLOW_BRANCHES = (
    "Branch_0/Conv3d_0a_1x1",
    "Branch_1/Conv3d_0a_1x1",
    "Branch_1/Conv3d_0b_3x3",
    "Branch_2/Conv3d_0a_1x1",
    "Branch_2/Conv3d_0b_3x3",
    "Branch_3/Conv3d_0b_1x1",
)
TENSORFLOW_EXCEPTIONS = {"Mixed_5b/Branch_2/Conv3d_0b_3x3": "Mixed_5b/Branch_2/Conv3d_0a_3x3"}
"""One unit of the release has a name of its own."""
TORCH_BRANCHES = ("b0", "b1a", "b1b", "b2a", "b2b", "b3b")


def torch_convolution_3d(kernel: np.ndarray) -> np.ndarray:
    """PyTorch's (out, in, time, height, width) to (time, height, width, in, out)."""
    return kernel.transpose(2, 3, 4, 1, 0)


def torch_classifier(kernel: np.ndarray) -> np.ndarray:
    """PyTorch's 1x1x1 convolution (out, in, 1, 1, 1) to (in, out)."""
    return kernel.reshape(kernel.shape[:2]).T


def tensorflow_classifier(kernel: np.ndarray) -> np.ndarray:
    """TensorFlow's 1x1x1 convolution (1, 1, 1, in, out) to (in, out)."""
    return kernel.reshape(kernel.shape[-2:])


def per_channel(values: np.ndarray) -> np.ndarray:
    """TensorFlow's (1, 1, 1, 1, C) to (C,)."""
    return values.reshape(values.shape[-1])


def unit_gain(shifts: np.ndarray) -> np.ndarray:
    """Ones of the shifts' size: the release's normalisation has no gain."""
    return np.ones(shifts.shape[-1], np.float32)


def _units(blocks: tuple[str, ...], branches: tuple[str, ...], separator: str) -> dict[str, str]:
    """Our path of each unit of the stem and of some blocks -> its published name."""
    named = {unit: unit for unit in STEM}
    for block in blocks:
        for ours, theirs in zip(BRANCHES, branches, strict=True):
            named[f"{block}/{ours}"] = f"{block}{separator}{theirs}"
    return named


def _import(
    module: I3D | I3DClassifier,
    stream: Stream,
    tensors: Mapping[str, np.ndarray],
    units: Mapping[str, str],
    of_unit: Callable[[str], NameMap],
    classifier: NameMap,
    ignored: tuple[str, ...],
) -> Any:
    name_map: NameMap = dict(classifier) if isinstance(module, I3DClassifier) else {}
    trunk = "trunk/" if isinstance(module, I3DClassifier) else ""
    for ours, theirs in units.items():
        for path, origin in of_unit(theirs).items():
            collection, leaf = path.split("/", 1)
            name_map[f"{collection}/{trunk}{ours}/{leaf}"] = origin
    example = (jax.ShapeDtypeStruct((1, 8, 32, 32, CHANNELS[stream]), jnp.float32),)
    return import_variables(module, example, tensors, name_map, ignored)


def _unread(module: I3D | I3DClassifier, scope: str, separator: str, classifier: str) -> tuple[str, ...]:
    """Patterns of the published tensors of parts that the module leaves out."""
    parts = [block for block in MIXED if block not in _blocks(module)]
    if isinstance(module, I3D):
        parts.append(classifier)
    return tuple(f"{scope}{part}{separator}*" for part in parts)


def _blocks(module: I3D | I3DClassifier) -> tuple[str, ...]:
    return module.trunk.blocks if isinstance(module, I3DClassifier) else module.blocks


def i3d_from_tensorflow(
    tensors: Mapping[str, np.ndarray], module: I3D | I3DClassifier | None = None, stream: Stream = "RGB"
) -> Any:
    """Variables of a stream from the TensorFlow release.

    Args:
      tensors: variables of a checkpoint, see `avx.nn.pretrained.readers.read_weights`; the other stream's may stand
        beside them.
      module: the stream, or the stream with its classifier; the tensors of blocks and of the classifier that it leaves
        out stay unread.
      stream: "RGB" or "Flow".

    Returns:
      {"params": ..., "batch_stats": ...} as float32 arrays.

    Raises:
      UserError: tensors that lack, are surplus, or have another shape.
    """
    module = module or I3D()
    scope = f"{stream}/inception_i3d"
    other = next(name for name in CHANNELS if name != stream)

    def of_unit(name: str) -> NameMap:
        unit = f"{scope}/{TENSORFLOW_EXCEPTIONS.get(name, name)}"
        shift = f"{unit}/batch_norm/beta"
        return {
            "params/kernel": Origin((f"{unit}/conv_3d/w",), same),
            "params/norm/scale": Origin((shift,), unit_gain),
            "params/norm/bias": Origin((shift,), per_channel),
            "batch_stats/norm/mean": Origin((f"{unit}/batch_norm/moving_mean",), per_channel),
            "batch_stats/norm/var": Origin((f"{unit}/batch_norm/moving_variance",), per_channel),
        }

    classifier = {
        "params/logits/kernel": Origin((f"{scope}/Logits/Conv3d_0c_1x1/conv_3d/w",), tensorflow_classifier),
        "params/logits/bias": Origin((f"{scope}/Logits/Conv3d_0c_1x1/conv_3d/b",), same),
    }
    units = _units(_blocks(module), TENSORFLOW_BRANCHES, "/")
    ignored = (f"{other}/*", *_unread(module, f"{scope}/", "/", "Logits"))
    return _import(module, stream, tensors, units, of_unit, classifier, ignored)


def i3d_from_torch(
    tensors: Mapping[str, np.ndarray], module: I3D | I3DClassifier | None = None, stream: Stream = "RGB"
) -> Any:
    """Variables of a stream from a state dict of the PyTorch port; see `i3d_from_tensorflow`.

    The port's files hold one stream each and do not say which: weights of the other one differ in the shape of the
    first kernel.
    """
    module = module or I3D()

    def of_unit(name: str) -> NameMap:
        return {
            "params/kernel": Origin((f"{name}.conv3d.weight",), torch_convolution_3d),
            "params/norm/scale": Origin((f"{name}.bn.weight",), same),
            "params/norm/bias": Origin((f"{name}.bn.bias",), same),
            "batch_stats/norm/mean": Origin((f"{name}.bn.running_mean",), same),
            "batch_stats/norm/var": Origin((f"{name}.bn.running_var",), same),
        }

    classifier = {
        "params/logits/kernel": Origin(("logits.conv3d.weight",), torch_classifier),
        "params/logits/bias": Origin(("logits.conv3d.bias",), same),
    }
    units = _units(_blocks(module), TORCH_BRANCHES, ".")
    ignored = ("*.num_batches_tracked", *_unread(module, "", ".", "logits"))
    return _import(module, stream, tensors, units, of_unit, classifier, ignored)


def as_submodules(**variables: Any) -> Any:
    """Variables of an outer module from those of its named inner ones.

    `as_submodules(rgb=..., flow=...)` gives those of `TwoStreamI3D`; `as_submodules(network=...)` of the result gives
    those of `I3DWindows`.
    """
    collections = {collection for inner in variables.values() for collection in inner}
    return {
        collection: {name: inner[collection] for name, inner in variables.items() if collection in inner}
        for collection in sorted(collections)
    }
