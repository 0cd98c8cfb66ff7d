"""Decodes a set of clips once and caches what training reads, by content hash; resumable, safe under several processes.

Each process works on its share of the clips, on all of its devices, and waits for the others. Clips that are cached
already cost a hash of their file.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import queue
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from avx.core import processes
from avx.core.dataset import Clip, Features
from avx.core.errors import UserError, check_not_negative, check_positive
from avx.core.progress import ProgressBar
from avx.data.cache import FeatureCache, fingerprint, media_hash
from avx.data.records import Clips, Record
from avx.extraction.front_end import FrontEnd
from avx.media.boundary import boundary
from avx.media.decode import SILENCE, VERSION, read_clip
from avx.media.limits import Limits
from avx.media.pixels import Size
from avx.media.quarantine import MediaProblem, Quarantine, Reason

DAMAGED = "damaged_packets"
"""Name of the number of packets that were skipped, among the features of a clip that has such."""
CLIPS_AT_ONCE = 4
"""Clips that share the batches of the encoders."""
MEMORY_BYTES = 4 << 30


@dataclasses.dataclass(frozen=True)
class Decoding:
    """How media files are decoded; every field but the limits is part of the cache's fingerprint.

    Attributes:
      frame_rate: pictures per second.
      size: (H, W) of the pictures, or their shorter side, the other in proportion.
      sample_rate: Hz.
      max_seconds: longer clips are cut here.
      frames_per_second: rate of a clip that is a folder of pictures; 0 where there are none.
      limits: of what a file may ask for; no part of the fingerprint, since they change no clip that is read.
    """

    frame_rate: float
    size: Size
    sample_rate: int
    max_seconds: float
    frames_per_second: float = 0.0
    limits: Limits = dataclasses.field(default_factory=Limits)

    def __post_init__(self):
        for field in ("frame_rate", "sample_rate", "max_seconds"):
            check_positive(f"decode.{field}", getattr(self, field))
        check_not_negative("data.frames_per_second", self.frames_per_second)

    def read(self, record: Record, clip_id: str) -> Clip:
        """Decodes a record. Raises MediaProblem."""
        return read_clip(
            record.media,
            clip_id=clip_id,
            frame_rate=self.frame_rate,
            size=self.size,
            sample_rate=self.sample_rate,
            max_seconds=self.max_seconds,
            audio_source=record.audio,
            frames_per_second=self.frames_per_second,
            limits=self.limits,
        )

    @property
    def description(self) -> dict[str, Any]:
        """What decides the pictures and the sound, for a fingerprint."""
        fields = {name: value for name, value in vars(self).items() if name != "limits"}
        return fields | {"size": repr(self.size), "version": VERSION}


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A set of clips whose features are cached.

    Attributes:
      clips: all of them, those that cannot be used included.
      usable: (n,) rows of `clips` that have features.
      keys: cache key of every usable row.
      cache: where the features lie.
      shapes: shapes of the features of every usable row.
      coverage: counts for the protocol card.
    """

    clips: Clips
    usable: np.ndarray
    keys: Mapping[int, str]
    cache: FeatureCache
    shapes: Mapping[int, Mapping[str, tuple[int, ...]]]
    coverage: dict[str, int]

    def load(self, row: int) -> Features:
        """Features of a usable row.

        Raises:
          UserError: the cache has lost them.
        """
        arrays = self.cache.get(self.keys[row])
        if arrays is None:
            raise UserError(
                f"the cached features of {self.clips.ids[row]} have gone from {self.cache.root}; run again."
            )
        return arrays


class Memoised:
    """A loader that keeps what it has read while it stays under `limit_bytes`; safe in threads."""

    def __init__(self, load: Any, limit_bytes: int = MEMORY_BYTES):
        self._load, self._room, self._lock = load, limit_bytes, threading.Lock()
        self._kept: dict[int, Features] = {}

    def __call__(self, row: int) -> Features:
        kept = self._kept.get(row)
        if kept is not None:
            return kept
        features = self._load(row)
        size = sum(array.nbytes for array in features.values())
        with self._lock:
            if size <= self._room:
                self._room -= size
                self._kept[row] = features
        return features


def extract(
    clips: Clips,
    decoding: Decoding,
    front_end: FrontEnd,
    cache: FeatureCache,
    quarantine: Quarantine,
    workers: int = 0,
) -> Corpus:
    """Makes sure that every clip has cached features, or an entry in the quarantine file.

    A clip that cannot be decoded is recorded and left out; nothing else stops or shrinks the run.

    Args:
      clips: what is decoded.
      decoding: how.
      front_end: what is computed from a clip.
      cache: where features are kept.
      quarantine: where problems are recorded.
      workers: decoding threads; 0 for one per core.

    Raises:
      UserError: not one clip could be used.
    """
    cache.remove_leftovers()
    if processes.is_leader():
        for entry in clips.problems:
            quarantine.add(*entry)

    def key_of(row: int) -> str | None:
        try:
            with boundary(clips.ids[row]):
                record = clips.record(row)
                sound = media_hash(record.audio) if record.audio is not None else ""
                return fingerprint(media_hash(record.media), sound, decoding.description, front_end.description)
        except MediaProblem as problem:
            quarantine.add_problem(clips.ids[row], problem)
            return None

    with concurrent.futures.ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        found = list(pool.map(key_of, range(len(clips))))
        keys = {row: key for row, key in enumerate(found) if key is not None}
        mine = [row for row in keys if row % jax.process_count() == jax.process_index()]
        missing = [row for row in mine if keys[row] not in cache]
        if missing:
            _fill(missing, keys, clips, decoding, front_end, cache, quarantine, pool)
    processes.barrier("features extracted")

    shapes = {row: known for row, key in keys.items() if (known := cache.shapes(key)) is not None}
    usable = np.array(sorted(shapes), np.int64)
    if not len(usable):
        raise UserError(f"not one of the {len(clips)} clips of {clips.name} could be used; see {quarantine.path}.")
    coverage = {
        "clips": len(clips),
        "quarantined": len(clips) - len(usable),
        "without_audio": sum("audio" not in known for known in shapes.values()),
        "without_video": sum("video" not in known for known in shapes.values()),
        "damaged_packets": sum(
            int((cache.get(keys[row], (DAMAGED,)) or {}).get(DAMAGED, 0))
            for row, known in shapes.items()
            if DAMAGED in known
        ),
        **clips.passed_over,
        "key_frames_cut": sum(_cut(known, front_end.most_key_frames) for known in shapes.values()),
    }
    return Corpus(clips, usable, keys, cache, shapes, coverage)


def _cut(known: Mapping[str, tuple[int, ...]], bound: int) -> bool:
    """Whether the bound on the number of key frames cut it, by the shapes of a clip's features."""
    (wanted,) = known.get("keyframes_wanted", (0,))
    return wanted > bound


def _fill(
    missing: Sequence[int],
    keys: Mapping[int, str],
    clips: Clips,
    decoding: Decoding,
    front_end: FrontEnd,
    cache: FeatureCache,
    quarantine: Quarantine,
    pool: concurrent.futures.Executor,
) -> None:
    """Decodes ahead in threads and computes features, a few clips at a time on each device.

    A bounded number of clips is in memory.
    """
    devices: queue.SimpleQueue[jax.Device] = queue.SimpleQueue()
    for device in jax.local_devices():
        devices.put(device)

    def read(row: int) -> Clip | MediaProblem:
        try:
            with boundary(clips.ids[row]):
                return decoding.read(clips.record(row), clips.ids[row])
        except MediaProblem as problem:
            return problem

    def compute(rows: Sequence[int], decoded: Sequence[concurrent.futures.Future]) -> int:
        whole: list[tuple[int, Clip]] = []
        for row, future in zip(rows, decoded, strict=True):
            clip = future.result()
            if isinstance(clip, MediaProblem):
                quarantine.add_problem(clips.ids[row], clip)
                continue
            for reason, detail in clip.remarks:
                quarantine.add(clips.ids[row], clips.ids[row], Reason(reason), f"{detail}; the clip is used")
            if clip.has_audio and np.abs(clip.waveform).max() < SILENCE:
                quarantine.add(
                    clips.ids[row], clips.ids[row], Reason.SILENT_AUDIO, "the sound track is silent; the clip is used"
                )
            whole.append((row, clip))
        device = devices.get()
        try:
            with jax.default_device(device):
                features = front_end.extract([clip for _, clip in whole]) if whole else []
        finally:
            devices.put(device)
        for (row, clip), arrays in zip(whole, features, strict=True):
            if not arrays.keys() & {"video", "audio"}:
                quarantine.add(clips.ids[row], clips.ids[row], Reason.TOO_SHORT, "its sound is too short for one step")
                continue
            if clip.damaged_packets:
                arrays = {**arrays, DAMAGED: np.asarray(clip.damaged_packets, np.int32)}
            cache.put(keys[row], arrays)
        return len(rows)

    groups = [missing[begin : begin + CLIPS_AT_ONCE] for begin in range(0, len(missing), CLIPS_AT_ONCE)]
    at_once = len(jax.local_devices())
    with (
        ProgressBar(len(missing), "features", visible=processes.is_leader()) as bar,
        concurrent.futures.ThreadPoolExecutor(at_once) as computing,
    ):
        running: list[concurrent.futures.Future] = []
        done = 0
        decoded = {0: [pool.submit(read, row) for row in groups[0]]}
        for number, group in enumerate(groups):
            for ahead in range(number + 1, min(number + 1 + at_once, len(groups))):
                if ahead not in decoded:
                    decoded[ahead] = [pool.submit(read, row) for row in groups[ahead]]
            running.append(computing.submit(compute, group, decoded.pop(number)))
            if len(running) > at_once:
                done += running.pop(0).result()
                bar.update(done)
        for future in running:
            done += future.result()
            bar.update(done)
