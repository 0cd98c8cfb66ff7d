"""Packets and frames of one track, past those that are damaged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import av.container

from avx.media.remarks import Remarks

# A demuxer that fails as often in a row finds nothing more.
_FAILURES_IN_A_ROW = 64


class Packets:
    """Reads and decodes the packets of a track one by one; what a demuxer or decoder refuses is skipped and counted.

    Attributes:
      last_is_cut: the last packet read has less content than its head states.
      lost: a packet was skipped since the flag was last cleared.
      decoded: frames so far.
      detail: what the last error said.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        stream: av.VideoStream | av.AudioStream,
        remarks: Remarks,
        decoder: av.VideoCodecContext | None = None,
    ):
        self._container, self._stream, self._remarks = container, stream, remarks
        self._decoder: av.VideoCodecContext | av.AudioCodecContext = decoder or stream.codec_context
        self.last_is_cut = self.lost = False
        self.decoded = 0
        self.detail = ""

    def __iter__(self) -> Iterator[av.Packet]:
        """The packets in the order of the file; the last one is empty and asks the decoder for what it holds back."""
        failures = 0
        while True:
            try:
                for packet in self._container.demux(self._stream):
                    failures = 0
                    if packet.size:
                        self.last_is_cut = packet.is_corrupt
                    yield packet
                return
            except IndexError:  # The first packet of a track that appears midway.
                failures += 1
            except MemoryError:
                raise
            except (av.FFmpegError, ValueError) as error:
                self._skip(error)
                failures += 1
            if failures >= _FAILURES_IN_A_ROW:
                return

    def decode(self, packet: av.Packet) -> list[Any]:
        """The frames that a packet completes; none for a damaged one, nor for one that repeats the picture before."""
        if not packet.size and packet.dts is not None:
            return []
        try:
            frames = self._decoder.decode(packet)
        except av.EOFError:
            return []
        except MemoryError:
            raise
        except av.FFmpegError as error:
            self._skip(error)
            return []
        self.decoded += len(frames)
        return frames

    def _skip(self, error: Exception) -> None:
        self._remarks.damaged_packets += 1
        self.lost = True
        self.detail = getattr(error, "strerror", None) or str(error)
