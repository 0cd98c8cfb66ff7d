"""Finds where shots meet: hard cuts, fades and dissolves, from two small descriptions of every frame.

A frame is described by its soft colour histogram and by a coarse picture. Two frames differ as much as both say:
the geometric mean of the share of pixels that changed their colour and of the change of structure. An exposure that
jumps changes colours far more than structure, a hand that moves structure alone. A cut is a difference that stands out
from its neighbours and that lasts; a gradual transition is a stretch whose inner frames are mixtures of its two ends,
which motion never is (docs/methods.md 9.6, D9.6).
"""

from __future__ import annotations

import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np

from avx.core.arrays import EPSILON, ratio
from avx.core.errors import UserError, check_positive

START, CUT, FADE, DISSOLVE = "start", "cut", "fade", "dissolve"

# Variance of levels in [0, 1] below which a picture counts as flat: it has hardly a structure to compare.
FLAT_VARIANCE = 1e-3
# Standard deviation of the flat end of a fade; titles and watermarks on black stay below it.
FLAT_DEVIATION = 0.03
# Share of a mixture that is taken for rounding at the ends of a gradual transition.
NEGLIGIBLE_SHARE = 0.05
# Share of the change that is taken for noise in the outer quarters of a stretch.
NEGLIGIBLE_PROGRESS = 0.02
# Frames that are looked at together, beside a margin: memory does not grow with the video.
PIECE = 4000
SHORTEST = 64


@dataclasses.dataclass(frozen=True)
class TransitionConfig:
    """Constants of the detector, chosen on one half of the real clips (docs/keyframes.md); hashable.

    Attributes:
      contrast: by how much the difference across a cut exceeds those of its neighbours.
      neighbors: differences on each side that a cut stands out from.
      persistence: a cut must also separate the frames up to so many places before and after it: a flash does not.
      spans: lengths in frames of the stretches that are looked at for gradual transitions, in rising order.
      structure: least structural difference of the two ends of a gradual transition.
      residual: largest share of the change that the inner frames may deviate from a mixture of the ends.
      progress: least share of the change that each of the middle quarters of the stretch makes.
    """

    contrast: float = 0.22
    neighbors: int = 2
    persistence: int = 2
    spans: tuple[int, ...] = (6, 12, 24, 48)
    structure: float = 0.4
    residual: float = 0.05
    progress: float = 0.1

    def __post_init__(self):
        for name in ("contrast", "neighbors", "structure", "residual", "progress"):
            check_positive(f"transitions.{name}", getattr(self, name))
        if self.persistence < 0:
            raise UserError(f"transitions.persistence={self.persistence} cannot be; give 0 or more.")
        if list(self.spans) != sorted(self.spans) or min(self.spans, default=4) < 4:
            raise UserError(f"transitions.spans={self.spans} cannot be; give rising lengths of at least 4 frames.")


DEFAULT = TransitionConfig()


@dataclasses.dataclass(frozen=True)
class Transition:
    """Where one shot gives way to the next.

    Attributes:
      kind: "cut", "fade" or "dissolve".
      first: the last frame of the earlier shot alone.
      last: the first frame of the later shot alone; first + 1 for a cut.
    """

    kind: str
    first: int
    last: int

    @property
    def boundary(self) -> int:
        """The first frame that counts as the later shot's: the middle of a gradual transition."""
        return (self.first + self.last + 1) // 2


@dataclasses.dataclass(frozen=True)
class Scene:
    """Frames `first` to `last`, both included, and how the scene begins: "start", "cut", "fade" or "dissolve"."""

    first: int
    last: int
    transition: str


def structural_difference(first: jax.Array, second: jax.Array) -> jax.Array:
    """Computes 1 - SSIM of two coarse pictures (..., P) in [0, 1], each taken as one window; clipped to [0, 1].

    A somewhat brighter or darker copy differs little; a flat picture differs altogether from one with structure, and
    from another flat one by its brightness (Wang et al. 2004). P runs over the places and the channels of a picture,
    so that plain areas of different hues have a different structure.

    >>> picture = jnp.array([0.0, 1.0, 0.0, 1.0])
    >>> [round(float(structural_difference(picture, other)), 2) for other in (picture, 0.8 * picture, 1 - picture)]
    [0.0, 0.05, 1.0]
    """
    means = first.mean(-1), second.mean(-1)
    first, second = first - means[0][..., None], second - means[1][..., None]
    shared, both = (first * second).mean(-1), jnp.square(first).mean(-1) + jnp.square(second).mean(-1)
    structure = (2 * shared + FLAT_VARIANCE) / (both + FLAT_VARIANCE)
    brightness = (2 * means[0] * means[1] + FLAT_VARIANCE) / (
        jnp.square(means[0]) + jnp.square(means[1]) + FLAT_VARIANCE
    )
    return jnp.clip(1 - structure * brightness, 0, 1)


def frame_differences(histograms: jax.Array, tiles: jax.Array, lag: int = 1) -> jax.Array:
    """Computes how much each frame t differs from frame t + lag, in [0, 1].

    Args:
      histograms: (T, D) soft histograms with sum 1, T above `lag`.
      tiles: (T, P) levels of coarse pictures in [0, 1].
      lag: frames from one to the other.

    Returns:
      (T - lag,) geometric means of half the L1 distance of the histograms and the structural difference.

    >>> colours, structure = jnp.eye(2), jnp.array([[0.0, 1.0], [1.0, 0.0]])
    >>> frame_differences(colours, structure).tolist(), frame_differences(colours, structure[:1].repeat(2, 0)).tolist()
    ([1.0], [0.0])
    """
    colour = 0.5 * jnp.abs(histograms[lag:] - histograms[:-lag]).sum(-1)
    return jnp.sqrt(colour * structural_difference(tiles[:-lag], tiles[lag:]))


def cut_contrast(histograms: jax.Array, tiles: jax.Array, mask: jax.Array, config: TransitionConfig) -> jax.Array:
    """Computes how far each step stands out: (T - 1,), that from frame t to frame t + 1 at t.

    From the smallest difference of the frames t - j and t + 1 + j, j up to `persistence`, the largest of the
    `neighbors` differences on each side is taken away.

    Args:
      histograms: (T, D), T at least 2.
      tiles: (T, P).
      mask: (T,) bool, True for the real frames, which come first.
      config: constants.
    """
    steps = mask.shape[0] - 1
    real = mask[1:]
    single = jnp.where(real, frame_differences(histograms, tiles), 0)
    lasting = single
    for reach in range(1, min(config.persistence, (steps - 1) // 2) + 1):
        lag = 2 * reach + 1
        wide = jnp.where(mask[lag:], frame_differences(histograms, tiles, lag), jnp.inf)
        # Where a video begins or ends too soon for this reach, the shorter ones decide.
        lasting = jnp.minimum(lasting, jnp.pad(wide, reach, constant_values=jnp.inf))
    padded = jnp.pad(single, config.neighbors)
    around = [padded[offset : offset + steps] for offset in range(2 * config.neighbors + 1)]
    del around[config.neighbors]
    return jnp.where(real, lasting - jnp.stack(around).max(0), -1)


def mixtures(tiles: jax.Array, mask: jax.Array, span: int, config: TransitionConfig) -> jax.Array:
    """Marks the stretches of `span` steps that pass gradually from one picture to another: (T - span,) bool.

    Each of the frames at a quarter, at the middle and at three quarters is projected on the line between the two ends.
    In a dissolve and in a fade it lies on the line, and the shares rise.

    Args:
      tiles: (T, P) levels, T above `span`.
      mask: (T,) bool, True for the real frames, which come first.
      span: frames from one end to the other, at least 4.
      config: constants.
    """
    starts = tiles[:-span]
    change = tiles[span:] - starts
    size = jnp.square(change).sum(-1)
    shares, residuals = [jnp.zeros_like(size)], []
    for quarter in (1, 2, 3):
        place = quarter * span // 4
        way = tiles[place : place + starts.shape[0]] - starts
        share = ratio((way * change).sum(-1), size)
        residuals.append(ratio(jnp.square(way - share[:, None] * change).sum(-1), size))
        shares.append(share)
    progress = jnp.diff(jnp.stack([*shares, jnp.ones_like(size)]), axis=0)
    # Within a quarter a gradual transition covers some of the way, a cut nearly all of it.
    gradual = (
        (progress.min(0) > NEGLIGIBLE_PROGRESS) & (progress[1:3].min(0) > config.progress) & (progress.max(0) < 0.75)
    )
    differs = structural_difference(starts, tiles[span:]) > config.structure
    fits = jnp.stack(residuals).max(0) < config.residual
    return gradual & differs & fits & (size > EPSILON) & mask[span:]


@functools.partial(jax.jit, static_argnames="config")
def marks(
    histograms: jax.Array, tiles: jax.Array, mask: jax.Array, config: TransitionConfig = DEFAULT
) -> tuple[jax.Array, tuple[jax.Array, ...]]:
    """Marks cuts (T - 1,) bool, and for each span below T the stretches (T - span,) bool of gradual transitions.

    Args:
      histograms: (T, D) soft histograms of all frames, T at least 2; padded rows may hold anything.
      tiles: (T, P) levels of coarse pictures in [0, 1].
      mask: (T,) bool, True for the real frames, which come first.
      config: constants, static.
    """
    chex.assert_rank([histograms, tiles, mask], [2, 2, 1])
    chex.assert_equal_shape_prefix([histograms, tiles, mask], 1)
    histograms, tiles = jnp.where(mask[:, None], histograms, 0), jnp.where(mask[:, None], tiles, 0)
    cuts = cut_contrast(histograms, tiles, mask, config) > config.contrast
    spans = [span for span in config.spans if span < mask.shape[0]]
    return cuts, tuple(mixtures(tiles, mask, span, config) for span in spans)


def find_transitions(histograms: np.ndarray, tiles: np.ndarray, config: TransitionConfig = DEFAULT) -> list[Transition]:
    """Finds the transitions of a video, in order of time and apart from each other.

    Pieces of the video are padded to powers of two, so that few compilations serve any length. Stretches that overlap
    are one gradual transition, and no cut lies within one.

    Args:
      histograms: (T, D) soft histograms (`signal.colour.soft_hsv_histogram`) of all frames, T at least 1.
      tiles: (T, P) levels of coarse pictures in [0, 1].
      config: constants.

    >>> rng = np.random.default_rng(0)
    >>> colours, pictures = np.eye(2, dtype=np.float32), rng.random((2, 256), np.float32)
    >>> shots = np.repeat([0, 1], [20, 12])
    >>> find_transitions(colours[shots], pictures[shots])
    [Transition(kind='cut', first=19, last=20)]
    """
    cuts, stretches = _marked(histograms, tiles, config)
    runs: list[tuple[int, int]] = []
    for first, last in sorted(_changing(tiles, *stretch) for stretch in stretches):
        if runs and first < runs[-1][1]:
            runs[-1] = runs[-1][0], max(last, runs[-1][1])
        else:
            runs.append((first, last))
    gradual = [Transition(_kind(tiles[first : last + 1]), first, last) for first, last in runs]
    hard = [
        Transition(CUT, place, place + 1)
        for place in cuts
        if not any(run.first < place + 1 and place < run.last for run in gradual)
    ]
    return sorted(gradual + hard, key=lambda found: found.first)


def _marked(
    histograms: np.ndarray, tiles: np.ndarray, config: TransitionConfig
) -> tuple[list[int], list[tuple[int, int]]]:
    """Places of the cuts and (first, last) of the stretches in order, from pieces of the video of bounded length."""
    frames, before = len(tiles), 2 * max(config.neighbors, config.persistence) + 1
    after = before + max(config.spans, default=0)
    cuts: list[int] = []
    stretches: list[tuple[int, int]] = []
    for start in range(0, frames - 1, PIECE):
        begin, end = max(start - before, 0), min(start + PIECE + after, frames)
        length = end - begin
        padding = [(0, max(SHORTEST, 1 << (length - 1).bit_length()) - length), (0, 0)]
        mask = np.arange(length + padding[0][1]) < length
        piece = (np.pad(rows[begin:end].astype(np.float32), padding) for rows in (histograms, tiles))
        found, gradual = jax.device_get(marks(*piece, mask, config))
        own = range(start, start + PIECE)
        cuts += [begin + place for place in np.flatnonzero(found).tolist() if begin + place in own]
        stretches += [
            (begin + place, begin + place + span)
            for span, marked in zip(config.spans, gradual, strict=False)
            for place in np.flatnonzero(marked).tolist()
            if begin + place in own
        ]
    return cuts, sorted(stretches)


def _changing(tiles: np.ndarray, first: int, last: int) -> tuple[int, int]:
    """The part of a stretch within which the picture changes: without the ends that do not yet, or no more."""
    rows = tiles[first : last + 1].astype(np.float64)
    change = rows[-1] - rows[0]
    share = (rows - rows[0]) @ change / max(float(change @ change), EPSILON)
    moving = np.flatnonzero((share > NEGLIGIBLE_SHARE) & (share < 1 - NEGLIGIBLE_SHARE))
    return first + max(int(moving[0]) - 1, 0), first + min(int(moving[-1]) + 1, len(rows) - 1)


def _kind(tiles: np.ndarray) -> str:
    """ "fade" where the pictures of a gradual transition come from a flat one or go to one, else "dissolve"."""
    return FADE if tiles.astype(np.float64).std(1).min() < FLAT_DEVIATION else DISSOLVE


def scenes_between(transitions: list[Transition], num_frames: int) -> list[Scene]:
    """Lists the scenes of a video of `num_frames` >= 1, which follow each other without a gap.

    >>> scenes_between([Transition("cut", 3, 4), Transition("fade", 6, 9)], 12)[1:]
    [Scene(first=4, last=7, transition='cut'), Scene(first=8, last=11, transition='fade')]
    """
    begins = [0, *(found.boundary for found in transitions)]
    ends = [*(found.boundary - 1 for found in transitions), num_frames - 1]
    kinds = [START, *(found.kind for found in transitions)]
    return [Scene(*parts) for parts in zip(begins, ends, kinds, strict=True)]
