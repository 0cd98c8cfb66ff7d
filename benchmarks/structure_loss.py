"""Structure preservation over all triplets: the rank form against the triple sum, value and gradient.

The rival writes eq. 20-21 down as an array of B^3 triplets. Up to FULL items it holds that array at once; above it
visits the anchors one at a time, B^2 terms each, and computes them again for the gradient, as storing them would take
B^3 numbers.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from avx.losses.pairs import Pair, cosine_similarities, unit_rows
from avx.losses.structure import structure_preservation
from benchmarks.harness import Row, timed

SIZES = (64, 128, 256, 512, 1024, 2048)
FULL = 256
EMBEDDED, RAW = 512, 1024


def _anchor_sum(after: jax.Array, before: jax.Array, anchor: jax.Array) -> jax.Array:
    """Sum over j != k, both other than the anchor, of c_ijk (s_ij - s_ik) for one anchor's rows (B,)."""
    others = jnp.arange(after.shape[0]) != anchor
    gap = after[:, None] - after[None, :]
    c = jax.lax.stop_gradient(jnp.sign(gap) - jnp.sign(before[:, None] - before[None, :]))
    return jnp.where(others[:, None] & others[None, :], c * gap, 0).sum()


def triple_sum(embedded: jax.Array, raw: jax.Array, valid: jax.Array) -> Pair:
    """The loss as printed, for batches without masked rows: (sum, weight)."""
    size = embedded.shape[0]
    vectors = (unit_rows(embedded, valid), unit_rows(raw, valid))
    after, before = (cosine_similarities(x, x) for x in vectors)
    rows = (after, before, jnp.arange(size))
    if size <= FULL:
        total = jax.vmap(_anchor_sum)(*rows).sum()
    else:
        total = jax.lax.map(lambda row: jax.checkpoint(_anchor_sum)(*row), rows).sum()
    return total, jnp.float32(size * (size - 1) * (size - 2))


def _step(loss):
    """Jitted value and gradient of the mean."""

    def mean(embedded, raw, valid):
        total, weight = loss(embedded, raw, valid)
        return total / weight

    return jax.jit(jax.value_and_grad(mean))


def _compare(size: int) -> Row:
    rng = np.random.default_rng(size)
    embedded, raw = (jnp.asarray(rng.normal(size=(size, width)), jnp.float32) for width in (EMBEDDED, RAW))
    valid = jnp.ones(size, bool)
    name = f"structure loss, value and gradient, B={size}"
    ours = _step(structure_preservation)
    first_s, ours_s = timed(lambda: ours(embedded, raw, valid))
    rival = _step(triple_sum)
    peer_first_s, peer_s = timed(lambda: rival(embedded, raw, valid), repeats=5 if size < max(SIZES) else 1)
    gradient, peer_gradient = (loss(embedded, raw, valid)[1] for loss in (ours, rival))
    difference = float(jnp.abs(gradient - peer_gradient).max() / jnp.abs(peer_gradient).max())
    return Row(
        name,
        ours_s,
        peer="triple sum, whole" if size <= FULL else "triple sum, anchor by anchor",
        peer_s=peer_s,
        note=f"first call {first_s:.2f} s, rival {peer_first_s:.2f} s; "
        f"gradients differ by {difference:.0e} of the largest entry",
    )


def run() -> list[Row]:
    """Times every size; the ratio grows with B."""
    return [_compare(size) for size in SIZES]
