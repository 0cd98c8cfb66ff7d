"""What a media file holds, from its header and its first frame."""

from __future__ import annotations

import dataclasses

import av

from avx.media.container import Source, audio_stream, name_of, open_media, video_stream
from avx.media.packets import Packets
from avx.media.pixels import Display, display_of
from avx.media.quarantine import MediaProblem, Reason
from avx.media.remarks import Remarks


@dataclasses.dataclass(frozen=True)
class MediaInfo:
    """The tracks of a media file.

    Attributes:
      duration: seconds as the header states them, None where it states nothing (some WebM files).
      has_video: there is a picture track other than cover art.
      has_audio: there is a sound track.
      frame_rate: mean pictures per second by the header, None without pictures or where unknown.
      height: of the upright picture in square pixels, 0 without pictures.
      width: as `height`.
      rotation: clockwise degrees (0, 90, 180, 270) by which the stored picture is turned for display.
      video_codec: libav's name of the picture codec, None without pictures.
      sample_rate: Hz as the header states them, None without sound.
      channels: number of sound channels, 0 without sound.
      audio_codec: libav's name of the sound codec, None without sound.
    """

    duration: float | None
    has_video: bool
    has_audio: bool
    frame_rate: float | None
    height: int
    width: int
    rotation: int
    video_codec: str | None
    sample_rate: int | None
    channels: int
    audio_codec: str | None


def probe(source: Source) -> MediaInfo:
    """Describes a file; decodes at most one frame, since cameras note the rotation there.

    Raises:
      MediaProblem: missing_file, unreadable; no_video where there are neither pictures nor sound.
    """
    with open_media(source) as container:
        video, audio = video_stream(container), audio_stream(container)
        if video is None and audio is None:
            raise MediaProblem(Reason.NO_VIDEO, name_of(source), "the file carries neither pictures nor sound")
        duration = None if container.duration is None else container.duration / av.time_base
        frame_rate, height, width, rotation = None, 0, 0, 0
        if video is not None:
            rate = video.average_rate or video.guessed_rate
            frame_rate = float(rate) if rate else None
            stored, packets = video.codec_context, Packets(container, video, Remarks())
            first = next((frame for packet in packets for frame in packets.decode(packet)), None)
            shape = video.sample_aspect_ratio
            display = display_of(first, shape) if first is not None else Display(shape)
            rotation = display.rotation
            height, width = display.upright_size(stored.height, stored.width)
        return MediaInfo(
            duration=duration,
            has_video=video is not None,
            has_audio=audio is not None,
            frame_rate=frame_rate,
            height=height,
            width=width,
            rotation=rotation,
            video_codec=video.codec_context.codec.canonical_name if video is not None else None,
            sample_rate=audio.codec_context.sample_rate if audio is not None else None,
            channels=audio.codec_context.channels if audio is not None else 0,
            audio_codec=audio.codec_context.codec.canonical_name if audio is not None else None,
        )
