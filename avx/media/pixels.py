"""From a decoded frame to pixels: upright, opaque, square, in the right colours, resized."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import cast

import av
import numpy as np
from av.sidedata.sidedata import SideData
from av.video.reformatter import Colorspace, Interpolation

Size = tuple[int, int] | int | None
"""(H, W) in pixels, the shorter side with the other in proportion, or the file's own."""

# Exact rounding, so that every processor gives the same pixels.
_EXACT = Interpolation.ACCURATE_RND | Interpolation.BITEXACT
_UNSPECIFIED = 2
# What players take for high definition, whose colours are those of BT.709 unless the file says otherwise.
_HD_WIDTH, _SD_HEIGHT = 1280, 576
# A pixel that is longer than this is a wrong entry.
_LONGEST_PIXEL = 10
# Rows of a picture with alpha that are blended at once, which needs eight bytes a pixel.
_BLENDED_ROWS = 256


@dataclasses.dataclass(frozen=True)
class Display:
    """How the stored pictures of a track are shown: `pixel_shape` first, then transposed, then flipped.

    Attributes:
      pixel_shape: width of a stored pixel over its height; None for square ones.
      transposed, flip_rows, flip_columns: what turns the stored picture upright.
    """

    pixel_shape: Fraction | None = None
    transposed: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    @property
    def rotation(self) -> int:
        """Clockwise quarter turns in degrees (0, 90, 180, 270); a mirror image counts as its turn."""
        if self.transposed:
            return 90 if self.flip_columns else 270
        return 180 if self.flip_rows and self.flip_columns else 0

    def square_size(self, height: int, width: int) -> tuple[int, int]:
        """(H, W) of a stored picture with square pixels, before it is turned; the height stays.

        Shapes that make less than a pixel's difference are the rounding of an encoder and are passed over, as are those
        that cannot be.
        """
        if self.pixel_shape is None or not 1 / _LONGEST_PIXEL <= self.pixel_shape <= _LONGEST_PIXEL:
            return height, width
        shown = width * self.pixel_shape
        return height, width if abs(shown - width) < 1 else max(1, round(shown))

    def upright_size(self, height: int, width: int) -> tuple[int, int]:
        """(H, W) of a stored picture as it is shown."""
        height, width = self.square_size(height, width)
        return (width, height) if self.transposed else (height, width)


def display_of(frame: av.VideoFrame, pixel_shape: Fraction | None) -> Display:
    """How a track is shown, by the display matrix of its first frame.

    The matrix maps a stored point (x right, y down) to (a x + c y, b x + d y); cameras write quarter turns and
    mirrors, for which each output axis is plus or minus one input axis.

    The side data of a frame refer back to it, so that it stays in memory until Python looks for cycles: this is asked
    once a track.
    """
    matrix = cast("SideData | None", frame.side_data.get("DISPLAYMATRIX"))
    if matrix is None:
        return Display(pixel_shape)
    a, b, _, c, d = (int(entry) for entry in np.frombuffer(bytes(matrix), np.int32)[:5])
    return Display(pixel_shape, True, b < 0, c < 0) if abs(b) > abs(a) else Display(pixel_shape, False, d < 0, a < 0)


def to_rgb(frame: av.VideoFrame, size: Size, display: Display) -> np.ndarray:
    """(H, W, 3) uint8 RGB of a decoded frame: alpha over black, resized to `size` or to square pixels, turned upright.

    Args:
      frame: as decoded. Without an entry on its colours it is read as BT.709 where it is of high definition.
      size: see `Size`.
      display: of its track.
    """
    if frame.colorspace == _UNSPECIFIED and _is_hd(frame):
        frame.colorspace = Colorspace.ITU709
    height, width = _scaled_size(frame, size, display)
    if any(component.is_alpha for component in frame.format.components):
        straight = frame.reformat(format="rgba", interpolation=Interpolation.BICUBIC | _EXACT, threads=1).to_ndarray()
        frame = av.VideoFrame.from_ndarray(over_black(straight), format="rgb24")
    # Area averaging is the antialiased way down; on the way up, cubic.
    shrinks = height < frame.height or width < frame.width
    kernel = Interpolation.AREA if shrinks else Interpolation.BICUBIC
    pixels = frame.reformat(width, height, "rgb24", interpolation=kernel | _EXACT, threads=1).to_ndarray()
    if display.transposed:
        pixels = pixels.transpose(1, 0, 2)
    return np.ascontiguousarray(pixels[:: -1 if display.flip_rows else 1, :: -1 if display.flip_columns else 1])


def over_black(straight: np.ndarray) -> np.ndarray:
    """(H, W, 4) uint8 RGBA, not premultiplied, over black as (H, W, 3) uint8."""
    opaque = np.empty((*straight.shape[:2], 3), np.uint8)
    for row in range(0, len(straight), _BLENDED_ROWS):
        rows = straight[row : row + _BLENDED_ROWS].astype(np.uint16)
        opaque[row : row + _BLENDED_ROWS] = (rows[..., :3] * rows[..., 3:] + 127) // 255
    return opaque


def _is_hd(frame: av.VideoFrame) -> bool:
    form = frame.format
    return (frame.width >= _HD_WIDTH or frame.height > _SD_HEIGHT) and not form.is_rgb and len(form.components) >= 3


def _scaled_size(frame: av.VideoFrame, size: Size, display: Display) -> tuple[int, int]:
    """(H, W) to scale the frame to as it is stored, before it is turned."""
    height, width = display.square_size(frame.height, frame.width)
    if size is None:
        return height, width
    if isinstance(size, int):
        scale = size / min(height, width)
        return round(scale * height), round(scale * width)
    return size[::-1] if display.transposed else size
