"""Which frame of its file a picture is, from the packets' time stamps alone: nothing is decoded."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from avx.media.container import Source, clock_origin, name_of, open_media, video_stream
from avx.media.joins import Joins
from avx.media.packets import Packets
from avx.media.quarantine import MediaProblem, Reason
from avx.media.remarks import Remarks


def frame_numbers(source: Source, times: np.ndarray) -> np.ndarray:
    """Numbers of the frames that are presented at given times: how many frames are presented before.

    One packet holds one frame in every container that is read here; packets that are never shown (discarded by an edit
    list, or before the clock's origin) do not count. Where a packet has no presentation time, or as in AVI a guessed
    one, its decoding time stands for it; where it has none either, frames are counted. Recordings joined in one file
    are shifted as `avx.media.joins` shifts them.

    Args:
      source: a path, or a whole file in memory.
      times: (n,) s, presentation times as `avx.media.decode.stream_frames` gives them.

    Returns:
      (n,) int64, from 0.

    Raises:
      MediaProblem: missing_file, unreadable; no_video; bad_timestamps where the track has no clock.
    """
    with open_media(source) as container:
        stream = video_stream(container)
        if stream is None:
            raise MediaProblem(Reason.NO_VIDEO, name_of(source), "the file carries no picture track")
        if stream.time_base is None:
            raise MediaProblem(Reason.BAD_TIMESTAMPS, name_of(source), "the picture track has no clock")
        tick, rate = stream.time_base, stream.average_rate or stream.guessed_rate
        first = round(clock_origin(container) / tick)
        by_decoding = container.format.name == "avi"
        joins = Joins(source, container.format.name)
        recordings: list[list[int]] = [[]]
        started = decoded = Fraction(0)
        for packet in Packets(container, stream, Remarks()):
            stamp = packet.dts if by_decoding or packet.pts is None else packet.pts
            if not packet.size or packet.is_discard or stamp is None:
                continue
            # Times of decoding rise, where those of presentation are reordered.
            sent = (stamp if packet.dts is None else packet.dts) * tick
            if not recordings[0]:
                started = sent
            elif joins.begins(sent, decoded, started):
                recordings.append([])
            decoded = sent
            recordings[-1].append(stamp - first)
    if not recordings[0]:
        return np.round(np.asarray(times, np.float64) * float(rate or 1)).astype(np.int64)
    shown = np.unique(recordings[0])
    for recording in recordings[1:]:
        shift = joins.following(min(recording) * tick, int(shown[-1]) * tick)
        shown = np.concatenate([shown, np.unique(recording) + round(shift / tick)])
    # Times are whole ticks, so rounding undoes nothing but the last bits of the division.
    return np.searchsorted(shown[shown >= 0], np.round(np.asarray(times, np.float64) / float(tick)))
