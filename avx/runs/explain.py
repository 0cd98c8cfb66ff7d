"""Why a query found an item: the evidence that a method has for one pair."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from avx.core.dataset import Features
from avx.core.types import Embedded
from avx.data.batches import kept_steps

TOP = 3


@dataclasses.dataclass(frozen=True, eq=False)
class Explanation:
    """Evidence for one pair; what a method has not is empty.

    Attributes:
      score: of the pair, larger is better.
      key_frames: times in s of the key frames that stand for the video.
      heard: blocks of the sound as (first second, last second, weight, kept), in order of time.
      classes: (name, probability for the query, probability for the item) of the classes that both point to, the
        strongest first.
      bits_apart: bits in which the codes differ, of how many; None without codes.
      slots: (slot of the memory, cosine of the query, cosine of the item) that agree most.
    """

    score: float
    key_frames: Sequence[float] = ()
    heard: Sequence[tuple[float, float, float, bool]] = ()
    classes: Sequence[tuple[str, float, float]] = ()
    bits_apart: tuple[int, int] | None = None
    slots: Sequence[tuple[int, float, float]] = ()

    def __str__(self) -> str:
        lines = [f"score {self.score:.3f}"]
        if self.key_frames:
            lines.append("key frames at " + ", ".join(f"{time:.1f} s" for time in self.key_frames))
        for start, end, weight, kept in self.heard:
            lines.append(f"sound {start:.1f} to {end:.1f} s: weight {weight:.2f}{'' if kept else ', not kept'}")
        for name, query, item in self.classes:
            lines.append(f"class {name}: {query:.2f} and {item:.2f}")
        if self.bits_apart is not None:
            lines.append(f"{self.bits_apart[0]} of {self.bits_apart[1]} bits differ")
        for slot, query, item in self.slots:
            lines.append(f"memory slot {slot}: cosines {query:.2f} and {item:.2f}")
        return "\n".join(lines)


def block_times(starts: np.ndarray, step_seconds: float, length: int, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last second (t,) that each block covers of the steps that a batch keeps; 0 beyond the end.

    Args:
      starts: (T,) s at which each step of the sound begins.
      step_seconds: that a step lasts.
      length: steps that a batch holds; longer sequences are thinned.
      blocks: t.
    """
    begin, end = np.zeros((2, blocks))
    kept = starts[kept_steps(len(starts), length)]
    for block, part in enumerate(np.array_split(kept, blocks)):
        if len(part):
            begin[block], end[block] = part[0], part[-1] + step_seconds
    return begin, end


def evidence(
    score: float,
    query: Embedded,
    item: Embedded,
    features: Sequence[Features],
    lengths: Mapping[str, int],
    class_names: Sequence[str],
) -> Explanation:
    """Gathers the evidence for a pair.

    Args:
      score: of the pair.
      query, item: one embedded item each, arrays (1, ...).
      features: of the query and of the item, as the front end gives them.
      lengths: modality -> steps that a batch holds.
      class_names: of the training data.
    """
    found = Explanation(score)
    for one in features:
        if "keyframe_times" in one and not found.key_frames:
            found = dataclasses.replace(found, key_frames=one["keyframe_times"].tolist())
    for side, one in zip((query, item), features, strict=True):
        if side.attention is not None and "audio_starts" in one:
            weights, kept = np.asarray(side.attention.weights[0]), np.asarray(side.attention.kept[0])
            begin, end = block_times(
                one["audio_starts"], float(one["audio_step_seconds"]), lengths["audio"], len(weights)
            )
            heard = [
                (float(begin[block]), float(end[block]), float(weights[block]), bool(kept[block]))
                for block in range(len(weights))
                if end[block] > 0
            ]
            found = dataclasses.replace(found, heard=heard)
    if query.posterior is not None and item.posterior is not None:
        of_query, of_item = np.asarray(query.posterior[0]), np.asarray(item.posterior[0])
        best = np.argsort(-of_query * of_item, kind="stable")[:TOP].tolist()
        classes = [(class_names[place], float(of_query[place]), float(of_item[place])) for place in best]
        found = dataclasses.replace(found, classes=classes)
    if query.codes is not None and item.codes is not None:
        apart = int(np.bitwise_count(np.asarray(query.codes.words[0]) ^ np.asarray(item.codes.words[0])).sum())
        found = dataclasses.replace(found, bits_apart=(apart, query.codes.bits))
    cosines = [np.asarray(getattr(side.tokens, "cosines", np.zeros((1, 0))))[0] for side in (query, item)]
    if len(cosines[0]):
        best = np.argsort(-cosines[0] * cosines[1], kind="stable")[:TOP].tolist()
        slots = [(place, float(cosines[0][place]), float(cosines[1][place])) for place in best]
        found = dataclasses.replace(found, slots=slots)
    return found
