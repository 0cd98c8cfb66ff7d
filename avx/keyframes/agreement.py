"""Compares key frames, summaries and cuts with those of people: CUS, F-score, precision and recall. Plain numpy.

Used by the table of agreement with people (`avx.tables.sun_agreement`) and by the benchmark of cuts.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from avx.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class UserAgreement:
    """Comparison with one user's key frames (CUS of de Avila et al. 2011).

    Attributes:
      accuracy: CUS_A, matched key frames / key frames of the user.
      error: CUS_E, automatic key frames without a match / key frames of the user.
    """

    accuracy: float
    error: float


def user_agreement(automatic: np.ndarray, user: np.ndarray, threshold: float = 0.5) -> UserAgreement:
    """Matches automatic key frames with a user's, one to one, by their colour histograms.

    Two key frames match where the Manhattan distance of their histograms is below `threshold`. The automatic ones
    are visited in order, and each takes the nearest free one of the user's.

    Args:
      automatic: (A, 16) hue histograms that sum to 1.
      user: (U, 16) hue histograms that sum to 1.
      threshold: largest distance of a match, exclusive.

    Returns:
      A `UserAgreement`.

    Raises:
      UserError: if the user has no key frame.

    >>> red, blue = np.eye(16)[0], np.eye(16)[10]
    >>> user_agreement(np.stack([red, blue]), np.stack([red]))
    UserAgreement(accuracy=1.0, error=1.0)
    """
    if len(user) == 0:
        raise UserError("the user summary has no key frame; leave that user out.")
    distances = np.abs(np.asarray(automatic)[:, None] - np.asarray(user)[None]).sum(-1)
    matched = 0
    for row in distances:
        nearest = int(row.argmin())
        if row[nearest] < threshold:
            matched += 1
            distances[:, nearest] = np.inf
    return UserAgreement(matched / len(user), (len(automatic) - matched) / len(user))


@dataclasses.dataclass(frozen=True)
class SummaryScore:
    """F-scores against the summaries of several users: the mean, the best, and each user's own (U,)."""

    mean: float
    best: float
    of_users: np.ndarray


def summary_f_score(selected: np.ndarray, user_selected: np.ndarray) -> SummaryScore:
    """Computes the F-score of a summary, 2 P R / (P + R) of the frames it shares with each user's summary.

    Args:
      selected: (T,) non-zero where the summary holds the frame.
      user_selected: (T, U) non-zero where the user's summary holds the frame; SumMe stores the number of the segment.

    Returns:
      A `SummaryScore`; an empty summary scores 0.

    Raises:
      UserError: if the lengths differ.

    >>> summary_f_score(np.array([1, 1, 0, 0]), np.array([[1], [0], [1], [0]])).mean
    0.5
    """
    if len(selected) != len(user_selected):
        raise UserError(f"the summary has {len(selected)} frames and the users' have {len(user_selected)}; align them.")
    chosen, wanted = np.asarray(selected) > 0, np.asarray(user_selected) > 0
    # 2 P R / (P + R) with P = shared / chosen and R = shared / wanted.
    sizes = chosen.sum() + wanted.sum(0)
    scores = 2 * (chosen[:, None] & wanted).sum(0) / np.maximum(sizes, 1)
    return SummaryScore(float(scores.mean()), float(scores.max()), scores)


@dataclasses.dataclass(frozen=True)
class CutScore:
    """Detected against annotated cuts: precision, recall and their harmonic mean, each 0 where undefined."""

    precision: float
    recall: float
    f_score: float


def cut_score(found: np.ndarray, annotated: np.ndarray, tolerance: int = 1) -> CutScore:
    """Matches detected with annotated cuts, one to one, at most `tolerance` frames apart.

    Taking both in temporal order and pairing whatever can be paired gives the largest number of pairs.

    Args:
      found: frame numbers of the detected cuts.
      annotated: frame numbers of the true cuts.
      tolerance: largest difference of a pair, in frames.

    Returns:
      A `CutScore`.

    >>> cut_score(np.array([10, 50]), np.array([11]))
    CutScore(precision=0.5, recall=1.0, f_score=0.6666666666666666)
    """
    found, annotated = np.sort(found), np.sort(annotated)
    left = right = pairs = 0
    while left < len(found) and right < len(annotated):
        gap = int(found[left]) - int(annotated[right])
        if abs(gap) <= tolerance:
            pairs, left, right = pairs + 1, left + 1, right + 1
        elif gap < 0:
            left += 1
        else:
            right += 1
    precision = pairs / len(found) if len(found) else 0.0
    recall = pairs / len(annotated) if len(annotated) else 0.0
    total = len(found) + len(annotated)
    return CutScore(precision, recall, 2 * pairs / total if total else 0.0)
