"""One clip of the embedded dataset from (clip number, seed) alone: pictures, sound, captions and ground truth."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from avx.media.encode import write_clip
from avx.studio.canvas import Colour
from avx.studio.captions import captions
from avx.studio.catalogue import KINDS
from avx.studio.scenes import Look
from avx.studio.shots import FRAME_RATE, pictures, plan_shots
from avx.studio.soundtrack import SAMPLE_RATE, soundtrack

COLOURS: dict[str, Colour] = {
    "red": (214, 57, 52),
    "orange": (240, 140, 40),
    "yellow": (244, 208, 62),
    "green": (76, 164, 80),
    "turquoise": (58, 186, 180),
    "blue": (58, 104, 206),
    "purple": (140, 82, 184),
    "pink": (236, 130, 176),
    "brown": (142, 94, 60),
    "white": (238, 236, 228),
}


@dataclasses.dataclass(frozen=True)
class RenderedClip:
    """A clip before encoding, with its ground truth.

    Attributes:
      clip_id: "<class>_<number within the class, four digits>".
      frames: (T, 112, 112, 3) uint8 RGB; frame i shows time i / frame_rate.
      frame_rate: frames per second.
      waveform: (N,) float32 mono, magnitudes at most `avx.studio.soundtrack.PEAK`.
      sample_rate: Hz.
      label: index into `avx.studio.catalogue.NAMES`.
      captions: sentences, all true of the clip.
      boundary_frames: (S - 1,) int64, the first frame of each shot but the first.
      shot_boundaries: (S - 1,) float32, the same in seconds.
      event_times: (E,) float32 seconds at which something sounds.
      event_strengths: (E,) float32 in (0, 1].
    """

    clip_id: str
    frames: np.ndarray
    frame_rate: int
    waveform: np.ndarray
    sample_rate: int
    label: int
    captions: tuple[str, ...]
    boundary_frames: np.ndarray
    shot_boundaries: np.ndarray
    event_times: np.ndarray
    event_strengths: np.ndarray


def _look(rng: np.random.Generator) -> tuple[str, Look]:
    names = rng.permutation(list(COLOURS))[:3]
    main, second, accent = (
        tuple(int(v) for v in np.clip(np.array(COLOURS[name]) + rng.integers(-14, 15, 3), 0, 255)) for name in names
    )
    return str(names[0]), Look(main, second, accent)


def render_clip(clip_number: int, seed: int) -> RenderedClip:
    """Renders one clip; every number in it depends on (seed, clip_number) alone.

    Args:
      clip_number: 0 and up; the class is clip_number modulo the number of classes.
      seed: the dataset's seed.
    """
    choose, draw, hear, say = np.random.default_rng([seed, clip_number]).spawn(4)
    label = clip_number % len(KINDS)
    kind = KINDS[label]
    total = int(choose.integers(5 * FRAME_RATE, 6 * FRAME_RATE + 1))
    plan = kind.plan(choose, total / FRAME_RATE)
    colour, look = _look(choose)
    shots = plan_shots(draw, total, look)
    waveform, noisy = soundtrack(kind, plan, hear)
    boundaries = np.array([shot.start for shot in shots[1:]], np.int64)
    return RenderedClip(
        clip_id=f"{kind.name}_{clip_number // len(KINDS):04d}",
        frames=pictures(kind, plan, look, shots, draw),
        frame_rate=FRAME_RATE,
        waveform=waveform,
        sample_rate=SAMPLE_RATE,
        label=label,
        captions=captions(kind.captions, colour, plan.tempo, shots[0].kind, noisy, say),
        boundary_frames=boundaries,
        shot_boundaries=(boundaries / FRAME_RATE).astype(np.float32),
        event_times=plan.times.astype(np.float32),
        event_strengths=plan.strengths.astype(np.float32),
    )


def example(clip_number: int, seed: int) -> dict[str, Any]:
    """Renders and encodes one clip: clip_id, media (mp4 bytes), label, captions and the ground truth in seconds."""
    clip = render_clip(clip_number, seed)
    return {
        "clip_id": clip.clip_id,
        "media": write_clip(None, clip.frames, clip.frame_rate, clip.waveform, clip.sample_rate),
        "label": clip.label,
        "caption": clip.captions[0],
        "captions": list(clip.captions),
        "shot_boundaries": clip.shot_boundaries,
        "event_times": clip.event_times,
        "event_strengths": clip.event_strengths,
        "frame_rate": float(clip.frame_rate),
    }
