"""How much of the copying to a device a profile shows beside its computing."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax

COPY = ("memcpyh2d", "h2d", "hosttodevice")


def profiled(work: Callable[[], None]) -> list[dict[str, Any]]:
    """Runs `work` under JAX's profiler and returns the events of the trace."""
    with TemporaryDirectory() as folder:
        with jax.profiler.trace(folder, create_perfetto_trace=False):
            work()
        traces = sorted(Path(folder).rglob("*.trace.json.gz"))
        events = [json.loads(gzip.decompress(trace.read_bytes())).get("traceEvents", []) for trace in traces]
    return [event for found in events for event in found]


def copy_seconds(events: Iterable[Mapping[str, Any]]) -> tuple[float, float]:
    """(seconds of copies from host to device, seconds of them during which the device also computed).

    Args:
      events: of a trace in Chrome's format: "M" events name the processes, "X" events carry `ts` and `dur` in
        microseconds. Streams of a device are the threads of a process called "/device:..." ; one operation of a stream
        that copies has "MemcpyH2D" or the like in its name.
    """
    listed = list(events)
    devices = {
        event["pid"]
        for event in listed
        if event.get("name") == "process_name" and "/device:" in str(event.get("args", {}).get("name", ""))
    }
    copies, work = [], []
    for event in listed:
        if event.get("ph") == "X" and event.get("pid") in devices:
            span = float(event["ts"]), float(event["ts"]) + float(event.get("dur", 0))
            name = str(event.get("name", "")).lower()
            if any(word in name for word in COPY):
                copies.append(span)
            elif "memcpy" not in name and "memset" not in name:
                work.append(span)
    copied, computed = _union(copies), _union(work)
    both, place = 0.0, 0
    for begin, end in copied:
        while place < len(computed) and computed[place][1] <= begin:
            place += 1
        for first, last in itertools.takewhile(lambda span: span[0] < end, computed[place:]):
            both += min(end, last) - max(begin, first)
    return sum(end - begin for begin, end in copied) / 1e6, both / 1e6


def _union(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans that do not overlap and cover the same time."""
    merged: list[tuple[float, float]] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], end)
        else:
            merged.append((begin, end))
    return merged
