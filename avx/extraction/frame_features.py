"""Frame features of a video of any length in one decoding pass, for SKM and for every method it is compared with.

The pictures of a film pass by in small batches and are forgotten: what stays is a few kilobytes a frame.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError
from avx.extraction.frozen import FrozenEncoder
from avx.media.container import Source
from avx.media.decode import stream_frames
from avx.nn.pooling import crop_to_salient, saliency_pool
from avx.signal.colour import as_unit, hsv_histogram, to_grey
from avx.signal.hog import HANDCRAFTED_SIZE, handcrafted_features
from avx.signal.saliency_maps import SALIENCY

POOL, CROP = "pool", "crop"
REGIONS = (POOL, CROP)

SIDE = 224
"""Pictures are read at this height and width, so that the measures of a video do not depend on its features."""
BINS = (16, 4, 4)
GREY_SIDE = 32
FRAMES_AT_ONCE = 32

Backbone = Callable[[jax.Array], jax.Array]
Report = Callable[[float], None]


@dataclasses.dataclass(frozen=True)
class FrameFeatures:
    """What key frames are chosen by and judged by; T frames.

    Attributes:
      features: (T, D) float32 of the encoder.
      handcrafted: (T, 504) float32 colour and edges of the salient region, whatever the encoder is.
      histograms: (T, 256) float32 joint histograms of hue, saturation and value, each with sum 1.
      grey: (T, 1024) float32 grey levels in [0, 1], means over the 32 x 32 tiles of a picture.
      times: (T,) float64 s, the container's presentation times.
    """

    features: np.ndarray
    handcrafted: np.ndarray
    histograms: np.ndarray
    grey: np.ndarray
    times: np.ndarray

    def rows(self, kept: np.ndarray) -> FrameFeatures:
        """Those of some frames, by number or by (T,) bool."""
        return FrameFeatures(**{field.name: getattr(self, field.name)[kept] for field in dataclasses.fields(self)})

    @property
    def hues(self) -> np.ndarray:
        """(T, 16) float32 histograms of hue alone, each with sum 1."""
        return self.histograms.reshape(len(self.histograms), BINS[0], -1).sum(-1)


def _saliency(name: str) -> Callable[[jax.Array], jax.Array]:
    if name not in SALIENCY:
        raise UserError(f"saliency = {name!r} is unknown; choose one of {', '.join(sorted(SALIENCY))}.")
    return SALIENCY[name]


def _check_region(region: str) -> None:
    if region not in REGIONS:
        raise UserError(f"region = {region!r} is unknown; choose one of {', '.join(REGIONS)}.")


def handcrafted(saliency: str = "spectral_residual", region: str = POOL) -> FrozenEncoder:
    """Colour and edges of the salient region, without any weights (docs/methods.md 10).

    Args:
      saliency: a key of `SALIENCY`.
      region: "pool" weights the cells by saliency, "crop" describes the salient box alone.

    Returns:
      An encoder (n, H, W, 3) uint8 -> (n, 504), non-negative, unit norm.

    Raises:
      UserError: an unknown name.
    """
    salient = _saliency(saliency)
    _check_region(region)

    def apply(frames: jax.Array) -> jax.Array:
        if region == CROP:
            return handcrafted_features(crop_to_salient(as_unit(frames), salient(frames)))
        return handcrafted_features(frames, salient(frames))

    return FrozenEncoder(f"handcrafted:{saliency}:{region}", apply, HANDCRAFTED_SIZE)


def colour_histogram() -> FrozenEncoder:
    """Histograms of hue, saturation and value: (n, H, W, 3) uint8 -> (n, 256)."""
    return FrozenEncoder("histogram", lambda frames: hsv_histogram(frames, BINS), int(np.prod(BINS)))


def salient_deep(
    name: str,
    backbone: Backbone,
    feature_size: int,
    saliency: str = "spectral_residual",
    region: str = POOL,
) -> FrozenEncoder:
    """Salient-region deep features X_i (Sun 2024, section II.B; docs/methods.md 10).

    Args:
      name: which backbone with which weights.
      backbone: images (n, H, W, 3) float32 in [0, 1] -> feature maps (n, h, w, D).
      feature_size: D.
      saliency: a key of `SALIENCY`.
      region: "pool" averages the map weighted by saliency, "crop" stretches the salient box to the whole picture
        before the backbone and averages its map evenly.

    Returns:
      An encoder (n, H, W, 3) uint8 -> (n, D).

    Raises:
      UserError: an unknown name.
    """
    salient = _saliency(saliency)
    _check_region(region)

    def apply(frames: jax.Array) -> jax.Array:
        images, maps = as_unit(frames), salient(frames)
        if region == CROP:
            return backbone(crop_to_salient(images, maps)).mean((1, 2))
        return saliency_pool(backbone(images), maps)

    return FrozenEncoder(f"{name}:{saliency}:{region}", apply, feature_size)


def grey_tiles(frames: jax.Array, side: int = GREY_SIDE) -> jax.Array:
    """Mean grey level of side x side tiles: (n, H, W, 3) -> (n, side * side) in [0, 1]; side divides H and W."""
    grey = to_grey(frames)
    rows, columns = (jnp.repeat(jnp.eye(side), size // side, axis=1) / (size // side) for size in grey.shape[1:])
    # Sums along both axes as products are twice as fast on a CPU as a mean over axes of seven.
    tiles = jnp.einsum("ih,nhw,jw->nij", rows, grey, columns, precision="highest")
    return tiles.reshape(len(frames), side * side)


class FrameDescriber:
    """Reads videos into `FrameFeatures`, all of them in one decoding pass; compiled once for all videos.

    Memory is that of the features and of two batches of pictures, however long the film is; the next batch is decoded
    while one is computed.
    """

    def __init__(self, encoder: FrozenEncoder, frames_at_once: int = FRAMES_AT_ONCE):
        self.encoder = encoder
        self._frames_at_once = frames_at_once
        judged = handcrafted()
        self._computed_once = encoder.name == judged.name
        columns = [judged.apply, lambda frames: hsv_histogram(frames, BINS), grey_tiles]
        if not self._computed_once:
            columns.append(lambda frames: encoder.apply(frames).astype(jnp.float32))
        # One program each: a single one would keep the floating pictures that they share, which costs more on a CPU.
        self._columns = [jax.jit(column) for column in columns]

    def _measure(self, frames: np.ndarray) -> tuple[jax.Array, ...]:
        """All columns of a batch of pictures: hand-crafted features, histograms, grey tiles, the encoder's own."""
        pictures = jnp.asarray(frames)
        return tuple(column(pictures) for column in self._columns)

    def __call__(self, source: Source, frame_rate: float | None, report: Report = lambda _: None) -> FrameFeatures:
        """Describes the frames of one video as `described` does those of a stream.

        Args:
          source: a path, or a whole file in memory.
          frame_rate: pictures per second as in `avx.media.decode.stream_frames`; None takes every frame.
          report: told the time in s of the last frame read, batch by batch.

        Returns:
          `FrameFeatures` of T >= 1 frames; those of a frame do not depend on the others.

        Raises:
          MediaProblem: missing_file, unreadable, truncated, no_video, zero_frames, bad_timestamps.
          UserError: the encoder gives features that are not finite.
        """
        return self.described(stream_frames(source, frame_rate, (SIDE, SIDE)), report)

    def described(self, pictures: Iterable[tuple[float, np.ndarray]], report: Report = lambda _: None) -> FrameFeatures:
        """Describes (time s, (224, 224, 3) uint8) pictures as they come.

        Args:
          pictures: at least one.
          report: told the time in s of the last picture, batch by batch.

        Raises:
          UserError: the encoder gives features that are not finite.
        """
        columns: list[list[np.ndarray]] = [[] for _ in self._columns]
        times: list[float] = []

        def collect(results: tuple[jax.Array, ...], count: int) -> None:
            for column, rows in zip(columns, results, strict=True):
                column.append(np.asarray(rows)[:count])

        running = None
        for frames, batch_times in self._batches(pictures):
            following = self._measure(frames), len(batch_times)
            if running is not None:
                collect(*running)
            running = following
            times += batch_times
            report(times[-1])
        assert running is not None, "a stream without frames raises zero_frames"
        collect(*running)
        judged, histograms, grey, *own = (np.concatenate(column) for column in columns)
        features = own[0] if own else judged
        if not np.isfinite(features).all():
            raise UserError(f"the features {self.encoder.name} are not finite; check the weights.")
        return FrameFeatures(features, judged, histograms, grey, np.array(times, np.float64))

    def _batches(self, pictures: Iterable[tuple[float, np.ndarray]]) -> Iterator[tuple[np.ndarray, list[float]]]:
        """Batches of exactly `frames_at_once` pictures, the last one filled up with black, and the real ones' times."""
        shape = (self._frames_at_once, SIDE, SIDE, 3)
        frames = np.zeros(shape, np.uint8)
        times: list[float] = []
        for time, pixels in pictures:
            frames[len(times)] = pixels
            times.append(time)
            if len(times) == self._frames_at_once:
                yield frames, times
                # A fresh array: the one given away may still be read by the computation.
                frames, times = np.zeros(shape, np.uint8), []
        if times:
            yield frames, times
