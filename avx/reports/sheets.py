"""Draws the key frames of a video on one sheet, under a time line that shows where they lie and what they miss."""

import dataclasses
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

from avx.reports.drawing import FAINT, INK, PALETTE, WRONG, drawing, new_figure, pixel_axes, png_bytes
from avx.reports.examples import spread
from avx.reports.metric_names import shortened

_WIDTH, _MARGIN, _GAP = 1000.0, 24.0, 12.0
_COLUMNS, _TALLEST, _CAPTION = 5, 240.0, 26.0
_TOP, _LINE = 92.0, 66.0
MOST_FRAMES = 60


def pictured(count: int) -> np.ndarray:
    """Which of `count` key frames a sheet pictures: of more than 60, 60 evenly spread ones."""
    return spread(np.arange(count), MOST_FRAMES)


def clock(seconds: float) -> str:
    """A time for people: "7.25 s" below a minute, "2:07.25" below an hour, "1:02:07.25" above."""
    hundredths = round(100 * float(seconds))
    if hundredths < 6000:
        return f"{hundredths / 100:.2f} s"
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    lead = f"{hours}:{minutes:02d}" if hours else f"{minutes}"
    return f"{lead}:{rest / 100:05.2f}"


@dataclasses.dataclass(frozen=True, eq=False)
class TimeLine:
    """`times` (K,) of key frames in a video of `duration` s, and true shot `boundaries` (b,), empty if not known."""

    times: np.ndarray
    duration: float
    boundaries: np.ndarray = dataclasses.field(default_factory=lambda: np.zeros(0))

    def shots(self) -> list[tuple[float, float]]:
        """(start, end) of the shots; none where there are no boundaries."""
        inside = np.unique(self.boundaries[(self.boundaries > 0) & (self.boundaries < self.duration)]).tolist()
        return list(pairwise([0.0, *inside, self.duration])) if inside else []

    def missed(self) -> list[int]:
        """Numbers, from 0, of the shots without a key frame; one on a boundary belongs to the shot after it."""
        ends = [end for _, end in self.shots()[:-1]]
        found = set(np.searchsorted(ends, self.times, side="right").tolist())
        return [number for number in range(len(self.shots())) if number not in found]

    def coverage(self) -> str:
        """Which shots are missed, in words; "" where the shots are not known."""
        known = self.shots()
        listed = [f"{number + 1} ({known[number][0]:.1f} to {known[number][1]:.1f} s)" for number in self.missed()]
        if known and not listed:
            return f"all {len(known)} shots have a key frame"
        return f"no key frame in shot {', '.join(listed)} of {len(known)}" if listed else ""


def contact_sheet(
    images: Mapping[int, np.ndarray], times: np.ndarray, duration: float, title: str, subtitle: str
) -> bytes:
    """`sheet` of a video whose shots are not known."""
    return sheet(images, TimeLine(times, duration), title, subtitle)


def sheet(images: Mapping[int, np.ndarray], line: TimeLine, title: str, subtitle: str) -> bytes:
    """A sheet of key frames as PNG, in order of time; all have their mark on the time line.

    Args:
      images: number of each of the `pictured` key frames, from 0, to its picture (h, w, 3) uint8.
      line: where they lie; its times ascend, its duration is 0 where the video has a single frame.
      title: first line.
      subtitle: second line.
    """
    frames = sorted(images)
    pitch = (_WIDTH - 2 * _MARGIN + _GAP) / _COLUMNS
    aspects = [images[frame].shape[1] / images[frame].shape[0] for frame in frames]
    heights = [min(_TALLEST, (pitch - _GAP) / aspect) for aspect in aspects]
    step = max(heights, default=0.0) + _CAPTION + _GAP
    bottom = _TOP + -(-len(frames) // _COLUMNS) * step + 6
    if len(frames) < len(line.times):
        subtitle = f"{subtitle}; {len(frames)} of {len(line.times)} shown"

    with drawing():
        figure = new_figure(_WIDTH / 100, bottom / 100)
        axes = pixel_axes(figure)
        axes.text(_MARGIN, 20, shortened(title, 100), fontsize=11, weight="bold", va="center")
        axes.text(_MARGIN, 41, shortened(subtitle, 130), fontsize=9.5, color=FAINT, va="center")
        _draw_time_line(axes, line)
        for place, (frame, aspect, height) in enumerate(zip(frames, aspects, heights, strict=True)):
            left, top = _MARGIN + pitch * (place % _COLUMNS), _TOP + step * (place // _COLUMNS)
            right, below = left + height * aspect, top + height + 13
            box = (left, right, top + height, top)
            axes.imshow(images[frame], extent=box, aspect="auto", interpolation="antialiased")
            axes.text(right, below, clock(line.times[frame]), fontsize=9.5, ha="right", va="center")
            axes.text(left, below, f"{frame + 1}", fontsize=9.5, color=FAINT, va="center")
        # imshow rescales the axes to the picture: put the sheet's own units back.
        axes.set(xlim=(0, _WIDTH), ylim=(bottom, 0))
        return png_bytes(figure)


def _draw_time_line(axes, line: TimeLine) -> None:
    """A bar from the first to the last moment, ticks at key frames, shots shaded in turn and hatched where missed."""
    left, right = _MARGIN + 42, _WIDTH - _MARGIN - 78

    def place(seconds: float) -> float:
        return left + (right - left) * (min(max(seconds / line.duration, 0.0), 1.0) if line.duration else 0.0)

    axes.add_patch(Rectangle((left, _LINE - 5), right - left, 10, facecolor="#DDE4EB", linewidth=0))
    for number, (start, end) in enumerate(line.shots()):
        missed: dict[str, Any] = {"facecolor": "white", "edgecolor": WRONG, "hatch": "////"}
        look = missed if number in line.missed() else {"facecolor": "#C9D3DE" if number % 2 else "#DDE4EB"}
        axes.add_patch(Rectangle((place(start), _LINE - 5), place(end) - place(start), 10, linewidth=0, **look))
        if number:
            dashed: dict[str, Any] = {"color": WRONG, "linewidth": 1.6, "linestyle": (0, (3, 1.5))}
            axes.plot([place(start)] * 2, [_LINE - 10, _LINE + 10], **dashed)
    axes.text(_MARGIN, _LINE, "0 s", fontsize=9.5, color=INK, va="center")
    axes.text(_WIDTH - _MARGIN, _LINE, clock(line.duration), fontsize=9.5, color=INK, va="center", ha="right")
    for time in line.times:
        axes.plot([place(time)] * 2, [_LINE - 8, _LINE + 8], color=PALETTE[0], linewidth=2, solid_capstyle="butt")
