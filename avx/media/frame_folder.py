"""Folders of numbered pictures, read as the frames of a video whose rate is stated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from avx.core.errors import UserError
from avx.media.images import IMAGE_SUFFIXES, read_image
from avx.media.limits import Limits
from avx.media.pictures import Shown, sample_by_time
from avx.media.pixels import Display, Size, to_rgb
from avx.media.quarantine import MediaProblem, Reason

_TOLERANCE = 1e-6  # s; k / 25 * 25 is not always k.


def natural_order(name: str) -> tuple[list[tuple[int, int | str]], str]:
    """Sorts names as people count: "frame2" before "frame10"."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part)) if number % 2 else (1, part.lower()) for number, part in enumerate(parts)], name


def pictures_in(folder: Path) -> list[Path]:
    """Lists the jpg and png files right in a folder, in natural order; hidden files are left out.

    Raises:
      MediaProblem: missing_file, unreadable, or zero_frames where there is no picture.
    """
    try:
        names = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError as error:
        raise MediaProblem(Reason.MISSING_FILE, str(folder), "there is no such folder") from error
    except OSError as error:
        raise MediaProblem(Reason.UNREADABLE, str(folder), f"reading fails: {error.strerror}") from error
    pictures = [path for path in names if path.suffix.lower() in IMAGE_SUFFIXES]
    if not pictures:
        raise MediaProblem(Reason.ZERO_FRAMES, str(folder), "the folder holds no jpg or png picture")
    return sorted(pictures, key=lambda path: natural_order(path.name))


def iterate_frame_folder(
    folder: Path,
    frames_per_second: float,
    frame_rate: float | None,
    size: Size,
    max_seconds: float | None = None,
    limits: Limits | None = None,
) -> Iterator[tuple[float, np.ndarray]]:
    """Yields (time s, (H, W, 3) uint8 RGB) of a folder's pictures as `iterate_pictures` does of a file's.

    Args:
      folder: of the pictures, shown one after the other from 0 s.
      frames_per_second: how fast.
      frame_rate: pictures per second that are kept, as in `sample_by_time`; None for all.
      size: (H, W), or the shorter side; None keeps that of the first picture. Later ones are brought to its size.
      max_seconds: pictures that start at or after this time are left out.
      limits: of what a picture may ask for; None for the usual ones.

    Raises:
      UserError: no rate is stated.
      MediaProblem: as `pictures_in`, unreadable for a damaged picture, too_large.
    """
    pictures = pictures_in(folder)
    if frames_per_second <= 0:
        raise UserError(f"{folder} is a folder of pictures: state their rate as data.frames_per_second.")
    shown = (
        Shown(number / frames_per_second, (number + 1) / frames_per_second, path)
        for number, path in enumerate(pictures)
        if max_seconds is None or number / frames_per_second < max_seconds
    )
    for item in shown if frame_rate is None else sample_by_time(shown, frame_rate, _TOLERANCE):
        pixels = to_rgb(av.VideoFrame.from_ndarray(read_image(item.picture, limits), format="rgb24"), size, Display())
        size = pixels.shape[:2]
        yield item.start, pixels
