"""Label prediction on the common space (Sun 2024, eq. 12)."""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

from avx.core.arrays import weighted_sum
from avx.losses.labels import known, shares
from avx.losses.pairs import Pair


def cross_entropy(logits: jax.Array, labels: jax.Array, valid: jax.Array, *, smoothing: float = 0.0) -> Pair:
    """Softmax cross entropy as (sum, weight) over the valid examples with a known label.

    Args:
      logits: (B, C); masked rows may hold NaN.
      labels: (B,) int; below 0 is unknown and left out, C or above gives NaN, never a silent 0. Or (B, C) bool, the
        classes of each example, which share the target equally; a row without a class is left out.
      valid: (B,) bool.
      smoothing: share of the target spread evenly over all classes, in [0, 1).
    """
    chex.assert_rank([logits, labels, valid], [2, {1, 2}, 1])
    chex.assert_equal_shape_prefix([logits, labels, valid], 1)
    used = valid & known(labels)
    log_probabilities = jax.nn.log_softmax(jnp.where(used[:, None], logits, 0).astype(jnp.float32))
    if labels.ndim == 2:
        own = (shares(labels, logits.shape[1]) * log_probabilities).sum(1)
    else:
        index = jnp.where(used, labels, 0)[:, None]
        own = jnp.take_along_axis(log_probabilities, index, axis=1, mode="fill", fill_value=jnp.nan)[:, 0]
    return weighted_sum(-(1 - smoothing) * own - smoothing * log_probabilities.mean(1), used)


def label_prediction(
    first_logits: jax.Array,
    second_logits: jax.Array,
    labels: jax.Array,
    first_valid: jax.Array,
    second_valid: jax.Array,
    *,
    smoothing: float = 0.0,
) -> Pair:
    """Cross entropy of both modalities under one shared classifier (Sun 2024, eq. 12), summed over modalities.

    Erratum: eq. 12 prints y_i (log p(v) + log p(m)); the sum over classes of the one-hot label is meant.

    Args:
      first_logits: (B, C) of one modality.
      second_logits: (B, C) of the other.
      labels: (B,) int class indices, below 0 where unknown, or (B, C) bool as in `cross_entropy`.
      first_valid: (B,) bool, False for padding and for a missing modality.
      second_valid: (B,) bool.
      smoothing: label smoothing.

    Returns:
      (sum, weight): the ratio is -(1/B) sum_i [log p(v_i) + log p(m_i)] where both modalities are present
      everywhere; an example with one of them weighs one half.
    """
    chex.assert_equal_shape([first_logits, second_logits])
    first_sum, first_weight = cross_entropy(first_logits, labels, first_valid, smoothing=smoothing)
    second_sum, second_weight = cross_entropy(second_logits, labels, second_valid, smoothing=smoothing)
    return first_sum + second_sum, (first_weight + second_weight) / 2
