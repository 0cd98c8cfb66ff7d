"""How much one media file may ask for; checked against its header before anything is allocated."""

from __future__ import annotations

import dataclasses

from avx.core.errors import check_positive
from avx.media.quarantine import MediaProblem, Reason

# A picture beyond these is decoded in a process of its own: decoders keep up to seventeen of them, and a few bytes
# that claim millions of pixels are more often damage than art.
_LARGE_PICTURE = 16_000_000
_PIXELS_A_BYTE = 1_000
_SMALL_PICTURE = 1_000_000
# Silence packs best, 400 bytes of samples into one; a file of ten times as much states a false rate or false times.
_SOUND_ALWAYS = 256 << 20
_SOUND_A_BYTE = 4096


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a file may ask for before it is refused as too_large.

    Attributes:
      pixels: of one picture.
      channels: of sound.
      sample_rate: Hz of sound.
      seconds: of pictures or sound.
      clip_bytes: of a clip's pictures and sound together, decoded and in memory.
      memory_bytes: that decoding a suspicious file may take, in a process of its own.
      processor_seconds: as `memory_bytes`, beside twice as many seconds as are read of the file.
    """

    pixels: int = 8192 * 8192
    channels: int = 64
    sample_rate: int = 768_000
    seconds: float = 86_400.0
    clip_bytes: int = 4 << 30
    memory_bytes: int = 768 << 20
    processor_seconds: float = 10.0

    def __post_init__(self):
        for field in dataclasses.fields(self):
            check_positive(f"decode.limits.{field.name}", getattr(self, field.name))

    def check_picture(self, width: int, height: int, name: str) -> None:
        """Raises MediaProblem (too_large) for a picture of more pixels than are allowed."""
        if width * height > self.pixels:
            raise MediaProblem(
                Reason.TOO_LARGE, name, f"its pictures have {width} x {height} pixels; {self.pixels} are allowed"
            )

    def check_sound(self, sample_rate: int, channels: int, name: str) -> None:
        """Raises MediaProblem (too_large) for more channels or a higher sample rate than are allowed."""
        if sample_rate > self.sample_rate:
            raise MediaProblem(
                Reason.TOO_LARGE, name, f"its sound has {sample_rate} samples a second; {self.sample_rate} are allowed"
            )
        if channels > self.channels:
            raise MediaProblem(
                Reason.TOO_LARGE, name, f"its sound has {channels} channels; {self.channels} are allowed"
            )

    def check_seconds(self, seconds: float, name: str) -> None:
        """Raises MediaProblem (too_large) for a time that lies further in than is allowed."""
        if seconds > self.seconds:
            raise MediaProblem(
                Reason.TOO_LARGE, name, f"it is longer than {self.seconds:g} s; ask for its first seconds alone"
            )

    def check_clip(self, size: int, name: str) -> None:
        """Raises MediaProblem (too_large) for a decoded clip of more bytes than are allowed."""
        if size > self.clip_bytes:
            raise MediaProblem(
                Reason.TOO_LARGE,
                name,
                f"decoded it takes more than {self.clip_bytes} bytes; ask for smaller, fewer or the first pictures",
            )

    def check_samples(self, size: int, file_bytes: int, name: str) -> None:
        """Raises MediaProblem (too_large) for a waveform beyond `clip_bytes`, or out of all proportion to its file.

        Args:
          size: bytes of the waveform.
          file_bytes: of the file.
          name: of the file.
        """
        self.check_clip(size, name)
        if size > max(_SOUND_ALWAYS, _SOUND_A_BYTE * file_bytes):
            raise MediaProblem(
                Reason.TOO_LARGE,
                name,
                f"its {file_bytes} bytes give {size} bytes of sound; its rate or times are wrong",
            )


def is_suspicious(width: int, height: int, file_bytes: int) -> bool:
    """Whether pictures are so large, or so large for their file, that they are decoded in a process of their own."""
    pixels = width * height
    return pixels > _LARGE_PICTURE or pixels > max(_SMALL_PICTURE, _PIXELS_A_BYTE * file_bytes)
