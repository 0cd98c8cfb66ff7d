"""What the closed-form systems share: pairs read from passes over a split, and fitted maps as arrays for a device.

A method is fitted in float64 on the host by `avx.classic` and applied in float32 on a device. Maps are therefore
centred before they are rounded: with c the mean rounded to float32,

  (value - mean) W - shift = (value - c) W + bias,  bias = (c - mean) W - shift,

where the bias is taken in float64. The difference value - c loses no digits for features that vary little about a large
offset. Unit rows then agree with the float64 transform to about 1e-5; a bit of a code may differ where its real value
is within that of zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import jax.numpy as jnp
import numpy as np

from avx.classic.covariance import CovarianceSums
from avx.classic.projection import LinearMap, PairedMap
from avx.core.arrays import l2_normalize, product
from avx.core.errors import UserError
from avx.core.types import Array, Batch, Batches, Embedded, ModelState, Params
from avx.systems.hash_codes import feature_rows

Sides = tuple[str, str]
Apply = Callable[[dict[str, Array], Array], Array]
"""(parameters of one side, values (B, p)) -> (B, k)."""
Fit = Callable[[Batches, Array], tuple[Params, ModelState]]
"""`System.fit`; no method here draws from its key: what is drawn at random follows the seed in the options."""


def at_least(field: str, value: float, smallest: float) -> None:
    """Raises UserError where `model.<field>` is below `smallest` or NaN."""
    if not value >= smallest:
        raise UserError(f"model.{field} = {value} is out of range: give at least {smallest}.")


def above_zero(field: str, value: float) -> None:
    """Raises UserError where `model.<field>` is 0, negative or NaN."""
    if not value > 0:
        raise UserError(f"model.{field} = {value} is out of range: give a value above 0.")


def paired_batches(batches: Batches, sides: Sides) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """One pass over the items that have both sides.

    Args:
      batches: starts the pass; rows that fill up a batch and items without a side are left out.
      sides: the two modalities, x then y.

    Yields:
      x (n, p) float64, y (n, q) float64 and labels of each batch, (n,) int or (n, C) bool where items may have several
      classes; n may be 0.
    """
    for batch in batches():
        (x, x_present), (y, y_present) = (feature_rows(batch, name) for name in sides)
        kept = np.asarray(x_present & y_present)
        yield np.asarray(x, np.float64)[kept], np.asarray(y, np.float64)[kept], np.asarray(batch.labels)[kept]


def paired_rows(batches: Batches, sides: Sides) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs of a whole pass in memory, for methods that need all rows at once; results as of `paired_batches`.

    Raises:
      UserError: no item has both sides.
    """
    parts = list(paired_batches(batches, sides))
    if not sum(len(label) for _, _, label in parts):
        raise _no_pairs(sides)
    x, y, label = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return x, y, label


def paired_sums(batches: Batches, sides: Sides) -> CovarianceSums:
    """Covariance sums of the pairs of one pass, in memory that does not grow with n; UserError as `paired_rows`."""
    sums: CovarianceSums | None = None
    for x, y, _ in paired_batches(batches, sides):
        part = CovarianceSums.of(x, y)
        sums = part if sums is None else sums.merge(part)
    if sums is None or not sums.count:
        raise _no_pairs(sides)
    return sums


def _no_pairs(sides: Sides) -> UserError:
    return UserError(f"No training item has both {sides[0]} and {sides[1]}: check the split and the features.")


def affine(linear: LinearMap, shift: np.ndarray | float = 0.0) -> dict[str, np.ndarray]:
    """Float32 parameters of value -> linear(value) - shift: center (p,), weights (p, k), bias (k,)."""
    center = linear.mean.astype(np.float32)
    bias = (center - linear.mean) @ linear.weights - shift
    return {"center": center, "weights": linear.weights.astype(np.float32), "bias": bias.astype(np.float32)}


def linear_parameters(maps: PairedMap, sides: Sides, shift: np.ndarray | float = 0.0) -> Params:
    """{side: parameters of value -> map(value) - shift} of a pair of linear maps, first x then y."""
    return {sides[0]: affine(maps.x, shift), sides[1]: affine(maps.y, shift)}


def apply_affine(params: dict[str, Array], values: Array) -> Array:
    """Values (B, p) through the map of `affine`, (B, k) float32, at full precision on every backend."""
    return product(values - params["center"], params["weights"]) + params["bias"]


def unit_embedding(mapped: Array, present: Array) -> Embedded:
    """Rows (B, k) scaled to unit norm; the zero vector and the items that lack the side give zeros."""
    return Embedded(l2_normalize(jnp.where(present[:, None], mapped, 0)), present)


def embedder(
    sides: Sides, apply: tuple[Apply, Apply], embedded: Callable[[Array, Array], Embedded]
) -> Callable[[Params, ModelState, Batch], dict[str, Embedded]]:
    """`System.embed` of a method with one map per side.

    Args:
      sides: the two modalities.
      apply: the map of each, given that side's parameters.
      embedded: (mapped (B, k), present (B,)) -> what the method says of these items.
    """

    def embed(params: Params, model_state: ModelState, batch: Batch) -> dict[str, Embedded]:
        found = {}
        for name, mapping in zip(sides, apply, strict=True):
            values, present = feature_rows(batch, name)
            found[name] = embedded(mapping(params[name], values), present)
        return found

    return embed
