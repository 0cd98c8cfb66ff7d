"""TV-L1 optical flow: 16 frame pairs of 224 x 224 beside OpenCV, both with every core, and how far they differ.

`python -m benchmarks.optical_flow` runs it. The frames are an analytic texture that moves by several pixels under
noise, so that no file is needed. The rival stops each warp by the same rule.
"""

from __future__ import annotations

import functools
import time

import jax
import numpy as np

from avx.signal.optical_flow import FAST, FULL, optical_flow
from benchmarks.harness import Row, table, timed

PAIRS = 16
SIDE = 224


def moving_pairs(count: int = PAIRS, side: int = SIDE, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """previous and following (count, side, side) uint8: a texture that shifts and turns, noise of two grey levels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side].astype(np.float64)
    pairs = []
    for _ in range(count):
        frequencies, phases = rng.normal(0, 0.25, (40, 2)), rng.uniform(0, 2 * np.pi, 40)
        shift, angle = rng.uniform(-4, 4, 2), rng.uniform(-0.03, 0.03)
        to_x = x - shift[0] + angle * (y - side / 2)
        to_y = y - shift[1] - angle * (x - side / 2)
        for at_x, at_y in ((x, y), (to_x, to_y)):
            waves = sum(np.sin(a * at_x + b * at_y + phase) for (a, b), phase in zip(frequencies, phases, strict=True))
            pairs.append(np.clip(128 + 9 * waves + rng.normal(0, 2, (side, side)), 0, 255).astype(np.uint8))
    return np.stack(pairs[::2]), np.stack(pairs[1::2])


def run(count: int = PAIRS, side: int = SIDE, repeats: int = 3) -> list[Row]:
    """Rows of the full flow and the fast one, each with the mean distance in pixels to the rival's flow."""
    import cv2

    previous, following = moving_pairs(count, side)
    peer = cv2.optflow.DualTVL1OpticalFlow_create()  # type: ignore[attr-defined]

    def opencv() -> np.ndarray:
        return np.stack([peer.calc(*pair, None) for pair in zip(previous, following, strict=True)])

    _, peer_s = timed(opencv, repeats)
    expected = opencv()
    rows = []
    first_frames, second_frames = jax.device_put((previous, following))
    for name, options in (("full", FULL), ("fast", FAST)):
        start = time.perf_counter()
        flow = np.asarray(optical_flow(first_frames, second_frames, options))
        first = time.perf_counter() - start
        _, ours_s = timed(functools.partial(optical_flow, first_frames, second_frames, options), repeats)
        distance = np.linalg.norm(flow - expected, axis=-1)
        rows.append(
            Row(
                f"TV-L1 flow, {name}, {count} pairs of {side} x {side}",
                ours_s,
                f"OpenCV {cv2.__version__}, {cv2.getNumThreads()} threads",
                peer_s,
                f"mean distance {distance.mean():.3f} of {np.linalg.norm(expected, axis=-1).mean():.2f} pixels, "
                f"compilation {max(first - ours_s, 0):.1f} s",
            )
        )
    return rows


if __name__ == "__main__":
    print(table(run()))
