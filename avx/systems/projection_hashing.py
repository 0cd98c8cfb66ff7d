"""CVH and SMFH as systems: the signs of fitted projections are the codes, compared by Hamming distance.

Fits run in float64 on the host, codes are made in float32 on a device; `avx.systems.closed_form` says how close the
two are. Codes always come from the fitted functions, never from the latent codes of the training items, which contain
the training labels (docs/methods.md, D5.1c). Items that lack a side take no part in a fit.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from avx.classic import cvh, smfh, smfh_nonnegative
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
)
from avx.systems.hash_codes import SIDES, coded, hash_score
from avx.systems.kernel_features import apply_kernel, radial_parameters

SMFH_TITLES = {"tip": "SMFH", "ijcai": "SMFH (non-negative)"}
FORM_FIELDS = {"tip": ("neighbours",), "ijcai": ("predictor_graph", "orthogonality", "samples")}
"""The options that one form alone reads."""


@dataclasses.dataclass(frozen=True)
class CVHLinearOptions:
    """Constants of CVH on the features themselves.

    Attributes:
      bits: code length b; bits beyond the rank are whitened noise directions.
      ridge: relative ridge of the covariances.
      seed: of the noise directions; the run's.
    """

    bits: int
    ridge: float
    seed: int

    def __post_init__(self):
        at_least("bits", self.bits, 1)
        at_least("ridge", self.ridge, 0)
        at_least("seed", self.seed, 0)


@dataclasses.dataclass(frozen=True)
class CVHAnchorsOptions:
    """Constants of CVH on radial basis features.

    Attributes:
      bits: code length b, at most `anchors`.
      anchors: k-means centres per modality; where there are fewer training pairs, one per pair.
      ridge: relative ridge of the covariances.
      seed: of the k-means starts; the run's.
    """

    bits: int
    anchors: int
    ridge: float
    seed: int

    def __post_init__(self):
        at_least("bits", self.bits, 1)
        if not self.anchors >= self.bits:
            raise UserError(
                f"model.anchors = {self.anchors} cannot carry model.bits = {self.bits}: give at least one anchor a bit."
            )
        at_least("ridge", self.ridge, 0)
        at_least("seed", self.seed, 0)


@dataclasses.dataclass(frozen=True)
class SMFHOptions:
    """Constants of either method called SMFH; those of one form alone say so.

    Attributes:
      classes: number of classes c.
      bits: code length b.
      form: "tip", Tang, Wang & Shao (2016), or "ijcai", Liu et al. (2016), which takes features of at least 0.
      balance: the first modality's share of the factorisation, in (0, 1).
      prediction: weight of the distance between latent codes and their predictions, above 0.
      graph: weight of the graph term, at least 0.
      penalty: ridge, above 0.
      max_sweeps: at most.
      tolerance: fall of the objective below which it stops.
      neighbours: of each item in the neighbourhood graphs; "tip".
      predictor_graph: weight of the label graph in the regressions; "ijcai".
      orthogonality: weight of |V^T V - I|^2; "ijcai".
      samples: items whose label graph one sweep sees; "ijcai".
      seed: of the start and of the samples; the run's.
    """

    classes: int
    bits: int
    form: str
    balance: float
    prediction: float
    graph: float
    penalty: float
    max_sweeps: int
    tolerance: float
    neighbours: int
    predictor_graph: float
    orthogonality: float
    samples: int
    seed: int

    def __post_init__(self):
        chosen(SMFH_TITLES, "model.form", self.form)
        if not 0 < self.balance < 1:
            raise UserError(f"model.balance = {self.balance} is a share: give a value between 0 and 1.")
        for field in ("prediction", "penalty"):
            above_zero(field, getattr(self, field))
        for field in ("classes", "bits", "max_sweeps", "neighbours", "samples"):
            at_least(field, getattr(self, field), 1)
        for field in ("graph", "tolerance", "predictor_graph", "orthogonality", "seed"):
            at_least(field, getattr(self, field), 0)


def build_cvh_linear(options: CVHLinearOptions, sides: Sides = SIDES) -> System:
    """CVH as published, fitted from streamed covariance sums; `fit` raises UserError as `cvh.fit_linear_sums`."""

    def fit(batches: Batches, rng: Array) -> tuple[Params, ModelState]:
        state = cvh.fit_linear_sums(paired_sums(batches, sides), **dataclasses.asdict(options))
        return linear_parameters(state.maps, sides), ModelState()

    return _hashing("CVH (linear)", sides, apply_affine, fit)


def build_cvh_anchors(options: CVHAnchorsOptions, sides: Sides = SIDES) -> System:
    """CVH on anchors of all training rows; `fit` raises UserError as `cvh.fit_anchor`."""

    def fit(batches: Batches, rng: Array) -> tuple[Params, ModelState]:
        x, y, _ = paired_rows(batches, sides)
        constants = dataclasses.asdict(options) | {"anchors": min(options.anchors, len(x))}
        state = cvh.fit_anchor(x, y, **constants)
        assert state.anchors is not None
        parts = zip(sides, state.anchors, (state.maps.x, state.maps.y), strict=True)
        params = {name: radial_parameters(found.anchors, found.gamma, linear) for name, found, linear in parts}
        return params, ModelState()

    return _hashing("CVH (anchors)", sides, apply_kernel("rbf"), fit)


def build_smfh(options: SMFHOptions, sides: Sides = SIDES) -> System:
    """SMFH of the chosen form on all training rows; `fit` raises UserError as `smfh.fit` or `smfh_nonnegative.fit`.

    Items that share a class have an edge in the label graph, items without a class have none.
    """
    shared = ("bits", "balance", "prediction", "graph", "penalty", "max_sweeps", "tolerance", "seed")
    own = FORM_FIELDS[options.form]
    constants = {field: getattr(options, field) for field in (*shared, *own)}

    def fit(batches: Batches, rng: Array) -> tuple[Params, ModelState]:
        x, y, labels = paired_rows(batches, sides)
        borne = labels if labels.ndim == 2 else labels[:, None] == np.arange(options.classes)
        indicators = borne.astype(np.float64)
        tip = options.form == "tip"
        state = (smfh.fit if tip else smfh_nonnegative.fit)(x, y, indicators, **constants)
        return linear_parameters(state.maps, sides, state.threshold), ModelState()

    return _hashing(SMFH_TITLES[options.form], sides, apply_affine, fit)


def _hashing(title: str, sides: Sides, apply: Apply, fit: Fit) -> System:
    embed = embedder(sides, (apply, apply), coded)
    return System(title, {name: (name,) for name in sides}, embed, hash_score, fit=fit, reads=VECTORS)
