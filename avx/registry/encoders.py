"""Encoders with published weights by name: from a file of weights to a function of pictures, sound or clips."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError, check_positive, chosen
from avx.core.types import EncoderOutput
from avx.extraction.frame_features import salient_deep
from avx.extraction.frozen import ClipEncoder, Examples, FrozenEncoder
from avx.extraction.two_stream import Describe, clip_flow, two_stream_features, two_stream_windows
from avx.nn.encoders.i3d import I3D, TwoStreamI3D
from avx.nn.encoders.resnet import ResNet
from avx.nn.encoders.squeezenet import SqueezeNet
from avx.nn.encoders.vggish import VGGish
from avx.nn.encoders.yamnet import YAMNet
from avx.nn.pretrained import name_maps
from avx.nn.pretrained.i3d_weights import Stream, as_submodules, i3d_from_tensorflow, i3d_from_torch
from avx.nn.pretrained.name_maps import weights_hash
from avx.nn.pretrained.readers import read_weights
from avx.nn.pretrained.yamnet_weights import yamnet_from_tflite
from avx.signal import optical_flow
from avx.signal.i3d_input import centre_crop
from avx.signal.vggish_input import EXAMPLE_SECONDS, vggish_examples
from avx.signal.yamnet_input import HOP_SECONDS, yamnet_patches


@dataclasses.dataclass(frozen=True)
class Pretrained:
    """An encoder with published weights.

    Attributes:
      module: builds it.
      importer: tensors of a published file -> its parameters.
      feature_size: numbers in a feature vector.
      short_side, crop: pixels of the shorter side to which a frame is resized for it, and of the middle square that it
        then sees; 0 for encoders of sound.
      examples, hop_seconds: how an encoder of sound cuts a waveform, and seconds between its examples as released.
    """

    module: Callable[[], nn.Module]
    importer: Callable[[Mapping[str, np.ndarray]], Any]
    feature_size: int
    short_side: int = 0
    crop: int = 0
    examples: Examples = vggish_examples
    hop_seconds: float = EXAMPLE_SECONDS


def _vggish_importer(tensors: Mapping[str, np.ndarray]) -> Any:
    """VGGish of either release, told apart by the names of its tensors."""
    published = name_maps.vggish_from_tensorflow if any(name.startswith("vggish/") for name in tensors) else None
    return (published or name_maps.vggish_from_torch)(tensors)


FRAME_ENCODERS: dict[str, Pretrained] = {
    "squeezenet": Pretrained(SqueezeNet, name_maps.squeezenet_from_keras, 512, 256, 224),
    "resnet50": Pretrained(ResNet, name_maps.resnet_from_torch, 2048, 256, 224),
}
AUDIO_ENCODERS: dict[str, Pretrained] = {
    "vggish": Pretrained(VGGish, _vggish_importer, 128),
    "yamnet": Pretrained(YAMNet, yamnet_from_tflite, 1024, examples=yamnet_patches, hop_seconds=HOP_SECONDS),
}
I3D_SIZE = 2048  # of both streams
FLOWS = {"full": optical_flow.FULL, "fast": optical_flow.FAST}
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def imported(table: Mapping[str, Pretrained], name: str, weights: str, option: str) -> Any:
    """Reads the parameters of an encoder from a file of published weights.

    Args:
      table: `FRAME_ENCODERS` or `AUDIO_ENCODERS`.
      name: a key of it.
      weights: the file.
      option: the command-line option that gives the file, for messages.

    Raises:
      UserError: weights that are missing or of another network.
    """
    if not weights:
        raise UserError(f"{name} needs its weights; give the file as {option}=FILE.")
    return table[name].importer(read_weights(weights))


def frame_encoder(name: str, params: Any, saliency: str = "spectral_residual", region: str = "pool") -> FrozenEncoder:
    """Builds salient-region features of a pretrained backbone, (n, H, W, 3) uint8 -> (n, D).

    Args:
      name: a key of `FRAME_ENCODERS`.
      params: see `imported`.
      saliency: a key of `saliency_maps.SALIENCY`.
      region: "pool" or "crop".
    """
    encoder = FRAME_ENCODERS[name]
    module = encoder.module()

    def backbone(images: jax.Array) -> jax.Array:
        return jnp.asarray(module.apply({"params": params}, images))

    return salient_deep(f"{name}:{weights_hash(params)}", backbone, encoder.feature_size, saliency, region)


def audio_encoder(name: str, params: Any) -> FrozenEncoder:
    """Builds the embeddings of a pretrained audio network, (n, 96, 64) log-mel examples -> (n, D).

    Args:
      name: a key of `AUDIO_ENCODERS`.
      params: see `imported`.
    """
    encoder = AUDIO_ENCODERS[name]
    module = encoder.module()

    def apply(examples: jax.Array) -> jax.Array:
        mask = jnp.ones((1, len(examples)), bool)
        return cast(EncoderOutput, module.apply({"params": params}, examples[None], mask)).tokens[0]

    return FrozenEncoder(f"{name}:{weights_hash(params)}", apply, encoder.feature_size, encoder.examples)


def two_stream_variables(files: Mapping[str, str], kind: str = "i3d") -> Any:
    """Variables of `TwoStreamI3D` from weights of either release.

    Args:
      files: "video" and "flow" -> the file of that stream.
      kind: the `features.video` that asks for them, for messages.

    Raises:
      UserError: a file is missing, or holds another network.
    """
    streams = {}
    named: tuple[tuple[str, Stream], ...] = (("video", "RGB"), ("flow", "Flow"))
    for name, stream in named:
        if not files[name]:
            raise UserError(
                f"features.video = {kind!r} needs both streams; give --config.features.{name}_weights=FILE."
            )
        tensors = read_weights(files[name])
        published = any("inception_i3d/" in tensor for tensor in tensors)
        streams[stream] = (i3d_from_tensorflow if published else i3d_from_torch)(tensors, stream=stream)
    return as_submodules(rgb=streams["RGB"], flow=streams["Flow"])


@dataclasses.dataclass(frozen=True)
class Windows:
    """What two-stream I3D reads of a clip.

    Attributes:
      length, stride: of the windows, in frames.
      size: (H, W) of the middle that is read of larger frames; their flow is that of the whole.
      flow: a key of `FLOWS`.

    Raises:
      UserError: windows that cannot be, or an unknown flow.
    """

    length: int
    stride: int
    size: tuple[int, int]
    flow: str = "full"

    def __post_init__(self):
        check_positive("features.window_frames", self.length)
        check_positive("features.window_stride", self.stride)
        chosen(FLOWS, "features.flow", self.flow)

    @property
    def name(self) -> str:
        """For the cache."""
        return f"{self.length}/{self.stride}:{self.size[0]}x{self.size[1]}:{self.flow}"


def window_encoder(variables: Any, windows: Windows, dtype: str = "float32") -> ClipEncoder:
    """Builds features of windows of RGB and TV-L1 flow from two-stream I3D: frames (T, H, W, 3) uint8 -> (W, 2048).

    Args:
      variables: see `two_stream_variables`.
      windows: what it reads.
      dtype: as for `two_stream`.

    Raises:
      UserError: an unknown dtype.
    """
    module = two_stream(dtype)
    described = two_stream_features(
        lambda clips: cast(jax.Array, module.apply(variables, clips)), windows.length, windows.stride
    )
    return ClipEncoder(f"i3d:{weights_hash(variables)}:{dtype}:{windows.name}", _with_flow(described, windows))


def window_input(windows: Windows) -> ClipEncoder:
    """The bytes of windows of RGB and TV-L1 flow: frames (T, H, W, 3) uint8 -> (W, length, H, W, 5) uint8."""
    stored = two_stream_windows(windows.length, windows.stride)
    return ClipEncoder(f"i3d_input:{windows.name}", _with_flow(stored, windows))


def two_stream(dtype: str = "float32") -> TwoStreamI3D:
    """Both streams at their published size, for `two_stream_variables`.

    Args:
      dtype: a key of `DTYPES`, of the convolutions; parameters and features are float32.

    Raises:
      UserError: an unknown dtype.
    """
    precision = chosen(DTYPES, "features.i3d_dtype", dtype)
    return TwoStreamI3D(I3D(dtype=precision), I3D(dtype=precision))


def _with_flow(describe_windows: Describe, windows: Windows) -> Callable[[np.ndarray], np.ndarray]:
    """A function of frames from one of the middle of frames and of their flow."""
    flow, size = clip_flow(FLOWS[windows.flow]), windows.size

    def describe(frames: np.ndarray) -> np.ndarray:
        # A single picture stands still.
        shown = frames if len(frames) > 1 else np.repeat(frames, 2, axis=0)
        return describe_windows(centre_crop(shown, *size), centre_crop(flow(shown), *size))

    return describe
