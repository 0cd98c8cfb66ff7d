"""One sheet per clip: its key frames above a time line that shows their times and the true shot boundaries."""

from itertools import pairwise

import numpy as np
from matplotlib.patches import Rectangle

from avx.reports.arrays import KeyFrames
from avx.reports.breakdown import spread
from avx.reports.canvas import FAINT, INK, PALETTE, WRONG, drawing, new_figure, pixel_axes, png_bytes
from avx.reports.metric_names import shortened

_WIDTH, _MARGIN, _GAP = 1000.0, 24.0, 10.0
_WIDEST, _MOST_FRAMES = 168.0, 10


def keyframe_sheet(keyframes: KeyFrames, clip: int, title: str) -> bytes:
    """The key frames of clip number `clip` as PNG, in order of time.

    Each frame stands as near to its time as its neighbours allow; a line leads to that time on the scale below, where
    shots are shaded in turn and true boundaries are dashed. Of more than 10 key frames, 10 evenly spread ones are
    pictured, and all have their dot.
    """
    chosen = np.flatnonzero(keyframes.clip_index == clip)
    chosen = chosen[np.argsort(keyframes.times[chosen], kind="stable")]
    pictured = spread(chosen, _MOST_FRAMES)
    boundaries = np.sort(keyframes.boundaries[keyframes.boundary_clip == clip])
    duration = float(keyframes.durations[clip])

    columns = max(len(pictured), 1)
    span = _WIDTH - 2 * _MARGIN
    frame_height, frame_width = keyframes.images.shape[1:3]
    width = min(span / columns - _GAP, _WIDEST)
    height = width * frame_height / frame_width
    top, line = 36.0, 36.0 + height + 62.0

    with drawing():
        figure = new_figure(_WIDTH / 100, (line + 50) / 100)
        axes = pixel_axes(figure)
        axes.text(_MARGIN, 21, shortened(title, 110), fontsize=11, weight="bold", va="center")
        _draw_scale(axes, line, duration, boundaries)

        def to_x(seconds: np.ndarray) -> np.ndarray:
            return _MARGIN + span * np.clip(seconds / duration, 0, 1)

        for time in keyframes.times[chosen]:
            axes.plot(to_x(time), line, "o", color=PALETTE[0], markersize=6, zorder=4)
        places = spaced(to_x(keyframes.times[pictured]), width + _GAP, _MARGIN, _WIDTH - _MARGIN)
        for frame, centre in zip(pictured, places, strict=True):
            left = centre - width / 2
            axes.imshow(
                keyframes.images[frame],
                extent=(left, left + width, top + height, top),
                aspect="auto",
                interpolation="antialiased",
            )
            axes.text(
                centre, top + height + 14, f"{keyframes.times[frame]:.2f} s", fontsize=10, ha="center", va="center"
            )
            axes.plot(
                [centre, centre, to_x(keyframes.times[frame])],
                [top + height + 25, top + height + 30, line],
                color=PALETTE[0],
                linewidth=1.0,
                zorder=3,
            )
        # imshow rescales the axes to the picture: put the sheet's own units back.
        axes.set(xlim=(0, _WIDTH), ylim=(line + 50, 0))
        return png_bytes(figure)


def spaced(wanted: np.ndarray, pitch: float, low: float, high: float) -> np.ndarray:
    """Positions (n,) nearest to the rising `wanted` (n,) in least squares, `pitch` apart or more.

    All lie half a pitch or more inside [low, high], which must have room for them. After each position is moved left
    by its predecessors' pitches, this is isotonic regression: the largest, over starts, of the smallest, over ends, of
    the means of the runs that hold a place.
    """
    count = len(wanted)
    assert high - low >= count * pitch - 1e-6
    offsets = pitch * np.arange(count)
    moved = wanted - offsets
    fitted = [
        max(min(moved[start:end].mean() for end in range(place + 1, count + 1)) for start in range(place + 1))
        for place in range(count)
    ]
    return np.clip(np.array(fitted), low + pitch / 2, high + pitch / 2 - count * pitch) + offsets


def _draw_scale(axes, line: float, duration: float, boundaries: np.ndarray) -> None:
    """The time line at height `line`: shots shaded in turn, boundaries dashed, start and end written below."""
    span = _WIDTH - 2 * _MARGIN
    borders = np.clip(np.concatenate([[0.0], boundaries, [duration]]) / duration, 0, 1) * span + _MARGIN
    for shot, (start, end) in enumerate(pairwise(borders)):
        shade = "#E3E8EE" if shot % 2 == 0 else "#C9D3DE"
        axes.add_patch(Rectangle((start, line - 8), end - start, 16, facecolor=shade, linewidth=0, zorder=1))
    for border in borders[1:-1]:
        axes.plot(
            [border, border], [line - 15, line + 15], color=WRONG, linewidth=1.8, linestyle=(0, (3, 1.5)), zorder=2
        )
    axes.text(_MARGIN, line + 30, "0 s", fontsize=9.5, color=INK, va="center")
    axes.text(_WIDTH - _MARGIN, line + 30, f"{duration:.1f} s", fontsize=9.5, color=INK, va="center", ha="right")
    legend = "dot: key frame     dashed: true shot boundary" if len(boundaries) else "dot: key frame"
    axes.text(_WIDTH / 2, line + 30, legend, fontsize=9.5, color=FAINT, va="center", ha="center")
