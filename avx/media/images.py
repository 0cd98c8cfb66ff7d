"""Still pictures: read upright and opaque, written whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from avx.core.errors import UserError
from avx.media.atomic import write_bytes
from avx.media.boundary import boundary
from avx.media.container import Source, check_there, name_of, size_of
from avx.media.limits import Limits
from avx.media.pixels import over_black
from avx.media.quarantine import MediaProblem, Reason

_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
IMAGE_SUFFIXES = frozenset(_FORMATS)
# Four channels of sixteen bits.
_BYTES_A_PIXEL = 8
_DEEP_GREY = ("I;16", "I;16B", "I;16L", "I")


def read_image(source: Source, limits: Limits | None = None) -> np.ndarray:
    """Reads a png or jpeg as (H, W, 3) uint8 RGB, turned as its EXIF orientation asks, alpha over black.

    Sixteen-bit grey keeps its high byte.

    Args:
      source: a path, or a whole file in memory.
      limits: of its pixels; None for the usual ones.

    Raises:
      MediaProblem: missing_file; too_large; unreadable for anything but a whole png or jpeg.
    """
    name, limits = name_of(source), limits or Limits()
    check_there(source)
    with boundary(name):
        if size_of(source) > _BYTES_A_PIXEL * limits.pixels:
            raise MediaProblem(Reason.TOO_LARGE, name, f"the file is larger than any picture of {limits.pixels} pixels")
        # From memory, since a read from a file asks for the whole length that a chunk states, however little follows.
        content = io.BytesIO(source if isinstance(source, bytes) else source.read_bytes())
        try:
            with Image.open(content, formats=sorted(set(_FORMATS.values()))) as stored:
                limits.check_picture(stored.width, stored.height, name)
                image: Image.Image = ImageOps.exif_transpose(stored)
        except UnidentifiedImageError as error:
            raise MediaProblem(Reason.UNREADABLE, name, "it is no whole png or jpeg picture") from error
        except Image.DecompressionBombError as error:
            raise MediaProblem(Reason.TOO_LARGE, name, f"decoding is refused: {error}") from error
        if image.mode in _DEEP_GREY:
            image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8))
        return over_black(np.asarray(image.convert("RGBA")))


def encode_image(pixels: np.ndarray, suffix: str) -> bytes:
    """Encodes (H, W, 3) RGB or (H, W) grey uint8 as .png, or as .jpg of quality 95 without chroma subsampling.

    Raises:
      UserError: another suffix, or pixels that are not uint8 of one of these shapes.
    """
    if suffix.lower() not in _FORMATS:
        raise UserError(f"Images are written as {', '.join(_FORMATS)}, got {suffix!r}: choose one of these suffixes.")
    if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)):
        raise UserError(f"An image is uint8 (H, W, 3) or (H, W), got {pixels.dtype} {pixels.shape}: convert it first.")
    content = io.BytesIO()
    # The jpeg options are ignored by the png writer.
    Image.fromarray(pixels).save(content, _FORMATS[suffix.lower()], quality=95, subsampling=0)
    return content.getvalue()


def write_image(target: Path, pixels: np.ndarray) -> None:
    """Writes `encode_image` of `pixels` to `target` by its suffix, atomically. Raises UserError as it does."""
    write_bytes(target, encode_image(pixels, target.suffix))
