"""Imports the published weights of YAMNet, from the TensorFlow Lite release or a safetensors file made of it.

| ours | TensorFlow Lite, see `tflite_file` |
|---|---|
| layer1/kernel | conv_2d/0/kernel |
| layerN_depthwise/kernel, N from 2 | depthwise_conv_2d/(N - 2)/kernel |
| layerN_pointwise/kernel | conv_2d/(N - 1)/kernel |
| classifier/kernel | kernel of the last fully connected layer |

Biases likewise. The release computes its spectrogram with the fully connected layers before, which stay unread:
`yamnet_patches` does that without rounding the Fourier transform to eight bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from avx.nn.encoders.yamnet import FIRST_BLOCK, YAMNet, YAMNetClassifier
from avx.nn.pretrained.name_maps import NameMap, Origin, import_weights, same
from avx.signal.vggish_input import EXAMPLE_FRAMES, NUM_MELS

DENSE = "fully_connected"


def tflite_convolution(kernel: np.ndarray) -> np.ndarray:
    """TensorFlow Lite's (out, height, width, in) to (height, width, in, out)."""
    return kernel.transpose(1, 2, 3, 0)


def tflite_depthwise(kernel: np.ndarray) -> np.ndarray:
    """TensorFlow Lite's (1, height, width, channels) to (height, width, 1, channels)."""
    return kernel.transpose(1, 2, 0, 3)


def tflite_dense(kernel: np.ndarray) -> np.ndarray:
    """TensorFlow Lite's (out, in) to (in, out)."""
    return kernel.T


def yamnet_from_tflite(tensors: Mapping[str, np.ndarray], module: YAMNet | YAMNetClassifier | None = None) -> Any:
    """Parameters of `YAMNet`, or of `YAMNetClassifier`, from the layers of the TensorFlow Lite release.

    Args:
      tensors: see `read_tflite`, or the same names in a safetensors file.
      module: the encoder by default.

    Returns:
      The module's "params" as float32 arrays.

    Raises:
      UserError: tensors that lack, are surplus, or have another shape.
    """
    module = module or YAMNet()
    trunk = module.trunk if isinstance(module, YAMNetClassifier) else module
    prefix = "trunk/" if isinstance(module, YAMNetClassifier) else ""
    layers = {"layer1": ("conv_2d/0", tflite_convolution)}
    for place in range(len(trunk.blocks)):
        number = place + FIRST_BLOCK
        layers[f"layer{number}_depthwise"] = (f"depthwise_conv_2d/{place}", tflite_depthwise)
        layers[f"layer{number}_pointwise"] = (f"conv_2d/{place + 1}", tflite_convolution)
    layers = {f"{prefix}{ours}": origin for ours, origin in layers.items()}
    if isinstance(module, YAMNetClassifier):
        places = [int(name.split("/")[1]) for name in tensors if name.startswith(f"{DENSE}/")]
        layers["classifier"] = (f"{DENSE}/{max(places, default=0)}", tflite_dense)
    name_map: NameMap = {}
    for ours, (theirs, make) in layers.items():
        name_map[f"{ours}/kernel"] = Origin((f"{theirs}/kernel",), make)
        name_map[f"{ours}/bias"] = Origin((f"{theirs}/bias",), same)
    example = (
        jax.ShapeDtypeStruct((1, 1, EXAMPLE_FRAMES, NUM_MELS), jnp.float32),
        jax.ShapeDtypeStruct((1, 1), jnp.bool_),
    )
    return import_weights(module, example, tensors, name_map, ignored=(f"{DENSE}/*",))
