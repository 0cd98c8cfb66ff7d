"""Losses that teach binary codes (docs/methods.md 5.4 to 5.6).

Codes are real values, after tanh, that are to become signs. Pairs of rows carry a similarity; theta = <h_i, h_j> / 2.
"""

from __future__ import annotations

import chex
import jax
import jax.numpy as jnp

from avx.core.arrays import l2_normalize, product, ratio, weighted_sum
from avx.losses.pairs import Pair


def pairwise_likelihood(
    left: jax.Array, right: jax.Array, similar: jax.Array, left_mask: jax.Array, right_mask: jax.Array
) -> Pair:
    """Negative log-likelihood of the similarities, log(1 + exp(theta)) - S theta (Li et al. 2018, eq. 3).

    The likelihood is sigma(theta)^S (1 - sigma(theta))^(1 - S); softplus keeps it finite for codes of any length.

    Args:
      left: (A, b) codes or features of one modality.
      right: (G, b) of the same or another modality.
      similar: (A, G) similarity in [0, 1].
      left_mask: (A,) bool.
      right_mask: (G,) bool.

    Returns:
      (sum over pairs of real rows, number of such pairs).
    """
    theta, similar, mask = _half_products(left, right, similar, left_mask, right_mask)
    return weighted_sum(jax.nn.softplus(theta) - similar * theta, mask)


def pairwise_squared_likelihood(
    left: jax.Array,
    right: jax.Array,
    similar: jax.Array,
    left_mask: jax.Array,
    right_mask: jax.Array,
    largest_similarity: float = 0.999,
) -> Pair:
    """The pairwise term as the SSAH code computes it: (S theta - log(1 + exp(theta)))^2 / 2 with S at most 0.999.

    Erratum kept reachable: it squares the log-likelihood where the paper sums it. Arguments and results as in
    `pairwise_likelihood`; `largest_similarity` multiplies `similar`.
    """
    theta, similar, mask = _half_products(left, right, similar, left_mask, right_mask)
    return weighted_sum(jnp.square(largest_similarity * similar * theta - jax.nn.softplus(theta)) / 2, mask)


def code_similarity(
    left: jax.Array, right: jax.Array, similar: jax.Array, left_mask: jax.Array, right_mask: jax.Array
) -> Pair:
    """Squared error between <h_i, h_j> / b and 2 S - 1, for graded similarities S (docs/methods.md, D5.5).

    Arguments and results as in `pairwise_likelihood`.
    """
    theta, similar, mask = _half_products(left, right, similar, left_mask, right_mask)
    return weighted_sum(jnp.square(2 * theta / left.shape[1] - (2 * similar - 1)), mask)


def quantisation(codes: jax.Array, mask: jax.Array, target: jax.Array | None = None) -> Pair:
    """|h - sign(h)|^2 of each real row, signs constant and sign(0) = +1.

    Args:
      codes: (B, b).
      mask: (B,) bool.
      target: (B, b) codes in {-1, +1} that several modalities share; None takes each row's own signs.

    Returns:
      (sum over rows, number of rows).
    """
    chex.assert_rank([codes, mask], [2, 1])
    codes = jnp.where(mask[:, None], codes, 0)
    target = jnp.where(codes >= 0, 1, -1) if target is None else target
    chex.assert_equal_shape([codes, target])
    return weighted_sum(jnp.square(codes - jax.lax.stop_gradient(target)).sum(1), mask)


def bit_balance(codes: jax.Array, mask: jax.Array) -> Pair:
    """Squared norm of the mean code: 0 where each bit is +1 for half of the rows, b where all rows are equal.

    Args:
      codes: (B, b), of the global batch.
      mask: (B,) bool.

    Returns:
      (value times number of real rows, number of real rows).
    """
    chex.assert_rank([codes, mask], [2, 1])
    count = mask.astype(jnp.float32).sum()
    mean = ratio(jnp.where(mask[:, None], codes, 0).astype(jnp.float32).sum(0), count)
    return count * jnp.square(mean).sum(), count


def graded_similarity(
    left_labels: jax.Array,
    right_labels: jax.Array,
    left_views: tuple[jax.Array, ...],
    right_views: tuple[jax.Array, ...],
    label_share: float = 0.7,
) -> jax.Array:
    """Similarity that grades pairs with a common label by labels and features (docs/methods.md, D5.5).

    S = share * cos(labels) + (1 - share) * mean over views of max(0, cos(features)), and 0 where no label is common.

    Args:
      left_labels: (A, c) indicators.
      right_labels: (G, c) indicators.
      left_views: per modality (A, D_m) features.
      right_views: per modality (G, D_m).
      label_share: weight of the labels, in [0, 1].

    Returns:
      (A, G) float32 in [0, 1]. Rows that a mask leaves out may come as anything; leave them out of the loss too.
    """
    chex.assert_equal(len(left_views), len(right_views))
    by_label = _cosines(left_labels, right_labels)
    by_view = sum(jnp.maximum(_cosines(a, b), 0) for a, b in zip(left_views, right_views, strict=True))
    graded = label_share * by_label + (1 - label_share) * by_view / len(left_views)
    return jnp.where(by_label > 0, graded, 0)


def _cosines(left: jax.Array, right: jax.Array) -> jax.Array:
    left, right = (l2_normalize(side.astype(jnp.float32)) for side in (left, right))
    return product(left, right.T)


def _half_products(
    left: jax.Array, right: jax.Array, similar: jax.Array, left_mask: jax.Array, right_mask: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """theta, similarity and mask of the pairs, all (A, G); what is masked becomes zero before it meets a real row."""
    chex.assert_rank([left, right, similar, left_mask, right_mask], [2, 2, 2, 1, 1])
    chex.assert_equal_shape_suffix([left, right], 1)
    chex.assert_shape(similar, (len(left), len(right)))
    left, right = jnp.where(left_mask[:, None], left, 0), jnp.where(right_mask[:, None], right, 0)
    mask = left_mask[:, None] & right_mask
    theta = product(left, right.T) / 2
    return theta, jnp.where(mask, similar, 0), mask
