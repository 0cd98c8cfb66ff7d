"""Imports published tensors as parameters by an explicit map for each encoder, checked name by name.

A map names for each parameter the tensors that it comes from and how. Whatever does not fit (a missing tensor, one that
nothing reads, another shape) ends in one sentence that names it.
"""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from avx.core.errors import UserError
from avx.nn.encoders.resnet import ResNet
from avx.nn.encoders.squeezenet import FIRST_FIRE, SqueezeNet
from avx.nn.encoders.vggish import VGGish

NORMALISATION_EPSILON = 1e-5


class Origin(NamedTuple):
    """Where a parameter comes from: names of tensors, and the function that makes it of them."""

    names: tuple[str, ...]
    make: Callable[..., np.ndarray]


NameMap = dict[str, Origin]


def same(tensor: np.ndarray) -> np.ndarray:
    """The tensor as it is."""
    return tensor


def torch_convolution(kernel: np.ndarray) -> np.ndarray:
    """PyTorch's (out, in, height, width) to (height, width, in, out)."""
    return kernel.transpose(2, 3, 1, 0)


def torch_linear(kernel: np.ndarray) -> np.ndarray:
    """PyTorch's (out, in) to (in, out)."""
    return kernel.T


def folded_kernel(kernel: np.ndarray, scale: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """A PyTorch convolution kernel with the gain of the batch normalisation behind it."""
    gain = scale / np.sqrt(variance.astype(np.float64) + NORMALISATION_EPSILON)
    return torch_convolution(kernel) * gain


def folded_bias(scale: np.ndarray, shift: np.ndarray, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """The bias that a batch normalisation adds to a convolution without one."""
    return shift - mean * scale / np.sqrt(variance.astype(np.float64) + NORMALISATION_EPSILON)


def import_weights(
    module: nn.Module,
    example: Iterable[jax.ShapeDtypeStruct],
    tensors: Mapping[str, np.ndarray],
    name_map: NameMap,
    ignored: tuple[str, ...] = (),
) -> Any:
    """Parameters of a module without other variables, from published tensors.

    Args:
      module: whose parameters they become.
      example: shapes of the inputs of its call; nothing is computed.
      tensors: published name -> array.
      name_map: our path ("conv1/kernel") -> its origin, for every parameter of the module.
      ignored: patterns of published names that may stay unread, such as "fc.*".

    Returns:
      The module's "params" as float32 arrays.

    Raises:
      UserError: tensors that lack, are surplus, or have another shape.
    """
    prefixed = {f"params/{path}": origin for path, origin in name_map.items()}
    return import_variables(module, example, tensors, prefixed, ignored)["params"]


def import_variables(
    module: nn.Module,
    example: Iterable[jax.ShapeDtypeStruct],
    tensors: Mapping[str, np.ndarray],
    name_map: NameMap,
    ignored: tuple[str, ...] = (),
) -> Any:
    """All variables of a module from published tensors: `import_weights` for modules with running statistics.

    Its paths begin with the collection ("params/conv1/kernel", "batch_stats/norm/mean"), and so does the result.
    """
    shapes = flatten_dict(jax.eval_shape(module.init, jax.random.key(0), *example), sep="/")
    if set(shapes) != set(name_map):
        raise ValueError(f"the map does not cover the module: {sorted(set(shapes) ^ set(name_map))}")
    kind = type(module).__name__
    read = {name for origin in name_map.values() for name in origin.names}
    missing = sorted(read - set(tensors))
    if missing:
        raise UserError(f"The weights lack {_some(missing)}, which {kind} needs; are they of another network?")
    surplus = sorted(
        name for name in set(tensors) - read if not any(fnmatch.fnmatchcase(name, pattern) for pattern in ignored)
    )
    if surplus:
        raise UserError(
            f"The weights hold {_some(surplus)}, which {kind} has no place for; are they of another network?"
        )
    variables = {}
    for path, origin in name_map.items():
        given = [np.asarray(tensors[name]) for name in origin.names]
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                array = np.asarray(origin.make(*given), np.float32)
        except (ValueError, IndexError, TypeError) as error:
            raise UserError(
                f"The weights' {_some(list(origin.names))} of shape {', '.join(str(tensor.shape) for tensor in given)} "
                f"cannot become {path.removeprefix('params/')} of {kind}; are they of another network?"
            ) from error
        if array.shape != shapes[path].shape:
            raise UserError(
                f"The weights' {_some(list(origin.names))} give {path.removeprefix('params/')} the shape "
                f"{array.shape}, but {kind} needs {shapes[path].shape}; are the module's sizes those of the published "
                "network?"
            )
        if not np.isfinite(array).all():
            raise UserError(
                f"The weights' {_some(list(origin.names))} give {path.removeprefix('params/')} NaN or infinity; they "
                "are damaged: fetch them again."
            )
        variables[path] = jnp.asarray(array)
    return unflatten_dict(variables, sep="/")


def _some(names: list[str], limit: int = 5) -> str:
    rest = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + rest


def _images(size: int) -> tuple[jax.ShapeDtypeStruct]:
    return (jax.ShapeDtypeStruct((1, size, size, 3), jnp.float32),)


def squeezenet_from_keras(tensors: Mapping[str, np.ndarray], module: SqueezeNet | None = None) -> Any:
    """Parameters of `SqueezeNet` from the Keras release without classifier (layers conv1, fire2/squeeze1x1, ...)."""
    module = module or SqueezeNet()
    fires = range(FIRST_FIRE, FIRST_FIRE + len(module.fires))
    layers = [f"fire{number}/{part}" for number in fires for part in ("squeeze1x1", "expand1x1", "expand3x3")]
    name_map: NameMap = {}
    for layer in ("conv1", *layers):
        name_map[f"{layer}/kernel"] = Origin((f"{layer}/0",), same)
        name_map[f"{layer}/bias"] = Origin((f"{layer}/1",), same)
    return import_weights(module, _images(227), tensors, name_map)


def _vggish_layers(module: VGGish) -> tuple[list[str], list[str]]:
    convolutions = [
        f"conv{stage}_{place}"
        for stage, widths in enumerate(module.widths, start=1)
        for place in range(1, len(widths) + 1)
    ]
    return convolutions, [f"fc{place}" for place in range(1, len(module.fully_connected) + 1)]


def _vggish_example() -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    return jax.ShapeDtypeStruct((1, 1, 96, 64), jnp.float32), jax.ShapeDtypeStruct((1, 1), jnp.bool_)


def vggish_from_torch(tensors: Mapping[str, np.ndarray], module: VGGish | None = None) -> Any:
    """Parameters of `VGGish` from the PyTorch port: features.N for convolutions, embeddings.N for the rest.

    N counts the members of a sequence in which ReLUs (and, after each stage, the maximum) stand between the layers.
    The PCA that some copies carry along (pproc.*) stays unread.
    """
    module = module or VGGish()
    convolutions, linears = _vggish_layers(module)
    name_map: NameMap = {}
    index = 0
    for layer, following in zip(convolutions, [*convolutions[1:], None], strict=True):
        name_map[f"{layer}/kernel"] = Origin((f"features.{index}.weight",), torch_convolution)
        name_map[f"{layer}/bias"] = Origin((f"features.{index}.bias",), same)
        same_stage = following is not None and following.split("_")[0] == layer.split("_")[0]
        index += 2 if same_stage else 3
    for place, layer in enumerate(linears):
        name_map[f"{layer}/kernel"] = Origin((f"embeddings.{2 * place}.weight",), torch_linear)
        name_map[f"{layer}/bias"] = Origin((f"embeddings.{2 * place}.bias",), same)
    return import_weights(module, _vggish_example(), tensors, name_map, ignored=("pproc.*",))


def vggish_from_tensorflow(tensors: Mapping[str, np.ndarray], module: VGGish | None = None) -> Any:
    """Parameters of `VGGish` from the TensorFlow release: vggish/conv3/conv3_1/weights, vggish/fc1/fc1_1/biases, ...

    A stage or group of one layer has no inner name: vggish/conv1/weights, vggish/fc2/weights.
    """
    module = module or VGGish()
    convolutions, linears = _vggish_layers(module)
    scopes = []
    for layer in convolutions:
        stage = layer.split("_")[0]
        alone = len(module.widths[int(stage.removeprefix("conv")) - 1]) == 1
        scopes.append(f"vggish/{stage}" if alone else f"vggish/{stage}/{layer}")
    scopes += [f"vggish/fc1/fc1_{place}" for place in range(1, len(linears))] + ["vggish/fc2"]
    name_map: NameMap = {}
    for layer, scope in zip([*convolutions, *linears], scopes, strict=True):
        name_map[f"{layer}/kernel"] = Origin((f"{scope}/weights",), same)
        name_map[f"{layer}/bias"] = Origin((f"{scope}/biases",), same)
    return import_weights(module, _vggish_example(), tensors, name_map)


def resnet_from_torch(tensors: Mapping[str, np.ndarray], module: ResNet | None = None) -> Any:
    """Parameters of `ResNet` from a torchvision state dict, its batch normalisation folded; the classifier is left."""
    module = module or ResNet()
    layers = {"conv1": ("conv1", "bn1")}
    for stage, blocks in enumerate(module.stages, start=1):
        for block in range(blocks):
            ours, theirs = f"layer{stage}_{block}", f"layer{stage}.{block}"
            for place in (1, 2, 3):
                layers[f"{ours}/conv{place}"] = (f"{theirs}.conv{place}", f"{theirs}.bn{place}")
            if block == 0:
                layers[f"{ours}/downsample"] = (f"{theirs}.downsample.0", f"{theirs}.downsample.1")
    name_map: NameMap = {}
    for layer, (convolution, norm) in layers.items():
        scale, shift = f"{norm}.weight", f"{norm}.bias"
        mean, variance = f"{norm}.running_mean", f"{norm}.running_var"
        name_map[f"{layer}/kernel"] = Origin((f"{convolution}.weight", scale, variance), folded_kernel)
        name_map[f"{layer}/bias"] = Origin((scale, shift, mean, variance), folded_bias)
    return import_weights(module, _images(224), tensors, name_map, ignored=("fc.*", "*.num_batches_tracked"))


def weights_hash(params: Any) -> str:
    """SHA-256 (hexadecimal) over names, types, shapes and values; part of every cached feature's fingerprint."""
    digest = hashlib.sha256()
    for path, leaf in sorted(
        jax.tree_util.tree_leaves_with_path(params), key=lambda pair: jax.tree_util.keystr(pair[0])
    ):
        array = np.ascontiguousarray(leaf)
        digest.update(f"{jax.tree_util.keystr(path)} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
