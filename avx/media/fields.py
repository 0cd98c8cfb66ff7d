"""Interlaced pictures: the two fields of a frame, taken at different instants, become one picture of the first."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import av
import av.filter


def deinterlaced(shown: Iterable[Any]) -> Iterator[Any]:
    """Passes pictures on, those that are flagged as interlaced through libavfilter's yadif.

    The filter looks at the pictures before and after, so it is one picture late; times stay as they are.

    Args:
      shown: dataclasses whose `picture` is a decoded frame.
    """
    fields: _Yadif | None = None
    for item in shown:
        if fields is not None and not fields.fits(item.picture):
            yield from fields.finish()
            fields = None
        if fields is None and item.picture.interlaced_frame:
            fields = _Yadif(item.picture)
        if fields is None:
            yield item
        else:
            yield from fields.push(item)
    if fields is not None:
        yield from fields.finish()


class _Yadif:
    """One run of pictures of one size and format through the filter; those without the flag pass unchanged."""

    def __init__(self, frame: av.VideoFrame):
        self._like = _layout(frame)
        self._graph = av.filter.Graph()
        source = self._graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
        )
        filtered = self._graph.add("yadif", "mode=send_frame:parity=auto:deint=interlaced")
        sink = self._graph.add("buffersink")
        source.link_to(filtered)
        filtered.link_to(sink)
        self._graph.configure()
        self._waiting: list[Any] = []
        self._pushed = 0

    def fits(self, frame: av.VideoFrame) -> bool:
        """Whether the picture belongs to this run."""
        return _layout(frame) == self._like

    def push(self, item: Any) -> Iterator[Any]:
        """Takes a picture, gives those that are done."""
        self._waiting.append(item)
        item.picture.pts = self._pushed  # The filter wants times that increase; the true ones lie in `item`.
        self._pushed += 1
        self._graph.push(item.picture)
        yield from self._done()

    def finish(self) -> Iterator[Any]:
        """Gives what the filter holds back."""
        self._graph.push(None)
        yield from self._done()

    def _done(self) -> Iterator[Any]:
        while True:
            try:
                picture = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            yield dataclasses.replace(self._waiting.pop(0), picture=picture)


def _layout(frame: av.VideoFrame) -> tuple[int, int, str]:
    return frame.width, frame.height, frame.format.name
