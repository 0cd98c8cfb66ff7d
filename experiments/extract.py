"""Decodes a data set once and caches what training reads, by content hash; resumable, safe under several processes.

    python -m experiments.extract --config=configs/quickstart.py

Running it is optional: training extracts what is missing by itself.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags

from avx.core.errors import UserError
from avx.core.dataset import Clip
from avx.data.cache import FeatureCache, fingerprint, media_hash
from avx.data.records import Record, Source
from avx.extraction.front_end import Features, FrontEnd
from avx.media.decode import read_clip
from avx.media.quarantine import MediaProblem, Quarantine, Reason
from avx.core.progress import ProgressBar
from avx import registry, cluster, command

SILENCE = 1e-4  # largest absolute sample of a track that counts as silent, -80 dB


@dataclasses.dataclass(frozen=True)
class Corpus:
    """A data set whose features are cached.

    Attributes:
      source: all records, those that cannot be used included.
      usable: (n,) indices into `source` of the clips that have features.
      keys: cache key of every usable clip.
      cache: where the features lie.
      coverage: counts for the protocol card.
    """

    source: Source
    usable: np.ndarray
    keys: dict[int, str]
    cache: FeatureCache
    coverage: dict[str, int]

    def load(self, index: int) -> Features:
        """Features of one clip with its label, index into `source`."""
        arrays = self.cache.get(self.keys[index])
        if arrays is None:
            raise UserError(
                f"the cached features of {self.source[index].clip_id} have gone from {self.cache.root}; run again."
            )
        arrays["label"] = np.int32(self.source[index].label)  # type: ignore[assignment]
        return arrays


class Memoised:
    """A loader that keeps what it has read while it stays under `limit_bytes`; safe in threads."""

    def __init__(self, corpus: Corpus, limit_bytes: int = 4 << 30):
        self._corpus, self._room, self._lock = corpus, limit_bytes, threading.Lock()
        self._kept: dict[int, Features] = {}

    def __call__(self, index: int) -> Features:
        kept = self._kept.get(index)
        if kept is not None:
            return kept
        features = self._corpus.load(index)
        size = sum(array.nbytes for array in features.values())
        with self._lock:
            if size <= self._room:
                self._room -= size
                self._kept[index] = features
        return features


def extract(config: ConfigDict, source: Source, front_end: FrontEnd, quarantine: Quarantine) -> Corpus:
    """Makes sure that every clip of `source` has cached features, or an entry in the quarantine file.

    Each process works on its share of the clips and waits for the others; clips that are cached already cost a hash.
    A clip that cannot be decoded is recorded and left out; nothing else stops or shrinks the run.

    Args:
      config: its `decode` and `data` parts.
      source: the records.
      front_end: what is computed from a clip.
      quarantine: where problems are recorded.

    Raises:
      UserError: not one clip could be used.
    """
    import jax

    cache = FeatureCache(Path(config.data.cache_dir) / "features")
    cache.remove_leftovers()
    decode = config.decode.to_dict()
    workers = config.data.workers or os.cpu_count() or 1

    def key_of(index: int) -> str | None:
        record = source[index]
        try:
            sound = media_hash(record.audio) if record.audio is not None else ""
            return fingerprint(media_hash(record.media), sound, decode, front_end.description)
        except MediaProblem as problem:
            quarantine.add_problem(record.clip_id, problem)
            return None

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        found = list(pool.map(key_of, range(len(source))))
        keys = {index: key for index, key in enumerate(found) if key is not None}
        mine = [index for index in keys if index % jax.process_count() == jax.process_index()]
        missing = [index for index in mine if keys[index] not in cache]
        _fill(missing, keys, source, decode, front_end, cache, quarantine, pool)
    processes.barrier("features extracted")

    usable = np.array([index for index in keys if keys[index] in cache], np.int64)
    if not len(usable):
        raise UserError(f"not one of the {len(source)} clips of {source.name} could be used; see {quarantine.path}.")
    return Corpus(source, usable, keys, cache, _coverage(source, usable, keys, cache))


def _fill(
    missing: Sequence[int],
    keys: dict[int, str],
    source: Source,
    decode: dict,
    front_end: FrontEnd,
    cache: FeatureCache,
    quarantine: Quarantine,
    pool: concurrent.futures.Executor,
) -> None:
    """Decodes ahead in threads and computes features in order; a bounded number of clips is in memory."""

    def read(index: int) -> Clip | MediaProblem:
        try:
            return _decode(source[index], decode)
        except MediaProblem as problem:
            return problem

    ahead = 8
    with ProgressBar(len(missing), "features", visible=bool(missing) and processes.is_leader()) as bar:
        waiting = [pool.submit(read, index) for index in missing[:ahead]]
        for done, index in enumerate(missing):
            clip = waiting[done].result()
            if done + ahead < len(missing):
                waiting.append(pool.submit(read, missing[done + ahead]))
            waiting[done] = None  # type: ignore[call-overload]
            clip_id = source[index].clip_id
            if isinstance(clip, MediaProblem):
                quarantine.add_problem(clip_id, clip)
            else:
                if clip.has_audio and np.abs(clip.waveform).max() < SILENCE:
                    quarantine.add(clip_id, clip_id, Reason.SILENT_AUDIO, "the sound track is silent; the clip is used")
                cache.put(keys[index], front_end.extract(clip))
            bar.update(done + 1)


def _decode(record: Record, decode: dict) -> Clip:
    return read_clip(
        record.media,
        clip_id=record.clip_id,
        frame_rate=decode["frame_rate"],
        size=decode["short_side"] or (decode["height"], decode["width"]),
        sample_rate=decode["sample_rate"],
        max_seconds=decode["max_seconds"],
        audio_source=record.audio,
    )


def _coverage(source: Source, usable: np.ndarray, keys: dict[int, str], cache: FeatureCache) -> dict[str, int]:
    names = [set(cache.get(keys[index]) or ()) for index in usable.tolist()]
    return {
        "clips": len(source),
        "evaluated": 0,
        "quarantined": len(source) - len(usable),
        "without_audio": sum("audio" not in present for present in names),
        "without_video": sum("video" not in present for present in names),
    }


def main(argv: Sequence[str]) -> None:
    processes.initialize()
    config = _CONFIG.value
    source = registry.source(config)
    quarantine = Quarantine(Path(config.data.cache_dir) / "quarantine.jsonl")
    corpus = extract(config, source, registry.front_end(config), quarantine)
    if processes.is_leader():
        print(f"{len(corpus.usable)} of {len(source)} clips of {source.name} are in {corpus.cache.root}")
        for reason, count in quarantine.counts().items():
            print(f"  {reason}: {count}, see {quarantine.path}")


if __name__ == "__main__":
    _CONFIG = config_flags.DEFINE_config_file("config", None, "Path of the config file.", lock_config=True)
    flags.mark_flag_as_required("config")
    app.run(main)
