"""PCA, CCA and kernel CCA as systems: both sides are projected into one space and compared by cosine.

CCA with cosine scores is "CM" of Rasiwasia et al. (2010). Fits run in float64 on the host, embeddings in float32 on a
device; `avx.systems.closed_form` says how close the two are. Items that lack a side take no part in a fit.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

from avx.classic import cca, kcca, pca
from avx.classic.kernels import KernelName
from avx.core.errors import UserError, chosen
from avx.core.types import VECTORS, Array, Batches, ModelState, Params, System
from avx.systems.closed_form import (
    Apply,
    Fit,
    Sides,
    above_zero,
    apply_affine,
    at_least,
    embedder,
    linear_parameters,
    paired_rows,
    paired_sums,
    unit_embedding,
)
from avx.systems.hash_codes import SIDES, cosine_score
from avx.systems.kernel_features import apply_kernel, kernel_parameters

PCA_TITLES = {"joint": "PCA", "independent": "PCA (unaligned)"}
KERNELS = {name: apply_kernel(name) for name in ("rbf", "chi2", "intersection", "linear")}


@dataclasses.dataclass(frozen=True)
class PCAOptions:
    """Constants of PCA.

    Attributes:
      dimensions: k of the common space.
      mode: "joint", one subspace of both modalities stacked; "independent", separate axes compared one by one, a
        reference at the level of chance.
    """

    dimensions: int
    mode: Literal["joint", "independent"]

    def __post_init__(self):
        at_least("dimensions", self.dimensions, 1)
        chosen(PCA_TITLES, "model.mode", self.mode)


@dataclasses.dataclass(frozen=True)
class CCAOptions:
    """Constants of CCA.

    Attributes:
      dimensions: canonical dimensions k.
      ridge: added to each covariance's diagonal, in units of its mean diagonal entry.
      correlation_power: s of the weighting of the variates by their correlations^s; 0 for none.
    """

    dimensions: int
    ridge: float
    correlation_power: float

    def __post_init__(self):
        at_least("dimensions", self.dimensions, 1)
        at_least("ridge", self.ridge, 0)
        at_least("correlation_power", self.correlation_power, 0)


@dataclasses.dataclass(frozen=True)
class KCCAOptions:
    """Constants of kernel CCA.

    Attributes:
      dimensions: canonical dimensions k, at most `max_rank`.
      kernels: names for the first and the second side, of "rbf", "chi2", "intersection" and "linear".
      ridge: c in units of trace(K) / n of each centred kernel, above 0.
      max_rank: pivots of the incomplete Cholesky at most.
      tolerance: unexplained share of the kernel's trace at which it stops; 0, with max_rank = n, for the exact method.
    """

    dimensions: int
    kernels: tuple[KernelName, KernelName]
    ridge: float
    max_rank: int
    tolerance: float

    def __post_init__(self):
        at_least("dimensions", self.dimensions, 1)
        if len(self.kernels) != 2:
            raise UserError(f"model.kernels = {self.kernels!r} must name two kernels, one per side.")
        for name in self.kernels:
            chosen(KERNELS, "model.kernels", name)
        above_zero("ridge", self.ridge)
        at_least("max_rank", self.max_rank, self.dimensions)
        if not 0 <= self.tolerance < 1:
            raise UserError(f"model.tolerance = {self.tolerance} is a share of the trace: give a value in [0, 1).")


def build_pca(options: PCAOptions, sides: Sides = SIDES) -> System:
    """PCA, fitted from streamed covariance sums; `fit` raises UserError as `pca.fit_sums`."""

    def fit(batches: Batches, rng: Array) -> tuple[Params, ModelState]:
        state = pca.fit_sums(paired_sums(batches, sides), dimensions=options.dimensions, mode=options.mode)
        return linear_parameters(state.maps, sides), ModelState()

    return _projection(PCA_TITLES[options.mode], sides, (apply_affine, apply_affine), fit)


def build_cca(options: CCAOptions, sides: Sides = SIDES) -> System:
    """CCA, fitted from streamed covariance sums; `fit` raises UserError as `cca.fit_sums`."""

    def fit(batches: Batches, rng: Array) -> tuple[Params, ModelState]:
        state = cca.fit_sums(paired_sums(batches, sides), **dataclasses.asdict(options))
        return linear_parameters(state.maps, sides), ModelState()

    return _projection("CCA", sides, (apply_affine, apply_affine), fit)


def build_kcca(options: KCCAOptions, sides: Sides = SIDES) -> System:
    """Kernel CCA on incomplete Cholesky coordinates of all training rows; `fit` raises UserError as `kcca.fit`.

    An embedding takes m kernel values per item, m the number of pivots. Histogram kernels refuse negative features
    when they are fitted; later ones are taken as they are.
    """

    def fit(batches: Batches, rng: Array) -> tuple[Params, ModelState]:
        x, y, _ = paired_rows(batches, sides)
        constants = {field: value for field, value in dataclasses.asdict(options).items() if field != "kernels"}
        state = kcca.fit(x, y, kernel=(options.kernels[0], options.kernels[1]), **constants)
        maps = state.correlation.maps
        first, second = kernel_parameters(state.x, maps.x), kernel_parameters(state.y, maps.y)
        return dict(zip(sides, (first, second), strict=True)), ModelState()

    return _projection("KCCA", sides, (KERNELS[options.kernels[0]], KERNELS[options.kernels[1]]), fit)


def _projection(title: str, sides: Sides, apply: tuple[Apply, Apply], fit: Fit) -> System:
    embed = embedder(sides, apply, unit_embedding)
    return System(title, {name: (name,) for name in sides}, embed, cosine_score, fit=fit, reads=VECTORS)
