"""Sentences for a clip: the thing, what it does, its colour and tempo, and sometimes where."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SPEEDS = (
    ("slowly", "at a slow pace", "in no hurry"),
    ("steadily", "at a steady pace", "evenly"),
    ("quickly", "fast", "at a fast pace"),
)
PLACES = {
    "gradient": ("in front of a plain wall", ""),
    "stripes": ("in front of a striped wall", "before stripes"),
    "tiles": ("in front of tiles", "by a chequered wall"),
    "clouds": ("in a misty place", "under clouds"),
    "spots": ("in front of a spotted wall", ""),
    "horizon": ("out in the open", "on a plain"),
}
"""Backdrop -> what may be said of it."""


def captions(
    templates: Sequence[str], colour: str, tempo: float, backdrop: str, noisy: bool, rng: np.random.Generator
) -> tuple[str, ...]:
    """One sentence for each template, in random order.

    Args:
      templates: sentences with the fields {colour} and {speed}.
      colour: name of the thing's main colour.
      tempo: in [0, 1] from the slowest to the fastest clip of the class; thirds give the adverb.
      backdrop: key of `PLACES`, the first shot's.
      noisy: whether the surroundings are loud.
      rng: source of the choices.
    """
    speeds = SPEEDS[min(int(3 * tempo), 2)]
    sentences = []
    for index in rng.permutation(len(templates)):
        sentence = templates[index].format(colour=colour, speed=speeds[rng.integers(len(speeds))])
        sentence = sentence.replace("a orange", "an orange")
        tails = ("", PLACES[backdrop][rng.integers(2)], "with noise around" if noisy else "in a quiet place")
        sentences.append(f"{sentence} {tails[rng.integers(3)]}".strip())
    return tuple(sentences)
