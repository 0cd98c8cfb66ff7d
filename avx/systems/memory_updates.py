"""A memory that goes on learning while it is asked, without labels (Li 2022, section 3.3; docs/methods.md 8.5).

Each query is scored under the memory as it stands; then the pair that it forms with its best item is offered to the
memory. Results depend on the order of the queries and on the gallery, and are reported apart from those of the frozen
memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from avx.core.arrays import l2_normalize, product
from avx.core.types import Array, MemoryBank
from avx.memory import bank as memory
from avx.memory.bank import MemoryOptions, cosines

Corrected = Callable[[Array, MemoryBank, Array, Array], Array]


class Side(NamedTuple):
    """Items of one modality as the memory sees them: its name, raw features (N, R) and presence (N,) bool."""

    modality: str
    raw: Array
    present: Array


def scores_with_updates(
    chance: Array,
    bank: MemoryBank,
    queries: Side,
    gallery: Side,
    order: Array,
    corrected: Corrected,
    options: MemoryOptions,
) -> tuple[Array, MemoryBank]:
    """Scores of all pairs, each query's under a memory that has learned from those before it.

    Args:
      chance: (Q, G) probability S1 of each pair, on which the memory has no influence.
      bank: the memory that the first query meets; it is not changed.
      queries: Q items that ask; those that lack the modality are scored but offer nothing.
      gallery: G items that are offered; those that lack the modality are nobody's best.
      order: (Q,) a permutation, first asked first.
      corrected: (S1 (G,), bank, query's cosines (1, X), gallery's cosines (G, X)) -> S (G,).
      options: thresholds and policies of the memory; labels play no part.

    Returns:
      Scores (Q, G), rows as in `chance`, and the memory after the last query. Of equally good items the lowest is the
      best one.
    """
    chex.assert_shape(chance, (queries.raw.shape[0], gallery.raw.shape[0]))
    chex.assert_shape([order, queries.present], (chance.shape[0],))
    units = l2_normalize(gallery.raw)
    answerable = gallery.present.any()

    def ask(
        state: tuple[MemoryBank, Array], query: tuple[Array, Array, Array]
    ) -> tuple[tuple[MemoryBank, Array], Array]:
        bank, known = state
        match, raw, present = query
        scores = corrected(match, bank, cosines(bank, queries.modality, raw[None]), known)
        best = jnp.argmax(jnp.where(gallery.present, scores, -jnp.inf))
        after = memory.write(
            bank,
            {queries.modality: raw[None], gallery.modality: gallery.raw[best][None]},
            match[best][None],
            jnp.ones(1, bool),
            (present & answerable)[None],
            options,
            train=False,
        )
        return (after, _known_after(known, units, bank, after.keys[gallery.modality], after.stamp)), scores

    rows = (chance[order], queries.raw[order], queries.present[order])
    known = cosines(bank, gallery.modality, gallery.raw)
    (bank, _), scores = jax.lax.scan(ask, (bank, known), rows)
    return jnp.zeros_like(scores).at[order].set(scores), bank


def _known_after(known: Array, units: Array, before: MemoryBank, keys: Array, stamp: Array) -> Array:
    """The gallery's cosines (G, X) after a write, which touches one slot at most: G products of length R, not G X."""
    written = stamp != before.stamp
    slot = jnp.argmax(written)
    return jax.lax.cond(
        written.any(),
        lambda: known.at[:, slot].set(product(units, keys[slot])),
        lambda: known,
    )
