"""SM and SCM as systems: both sides become class posteriors, which are compared (Rasiwasia et al., ACM MM 2010).

Fits run in float64 on the host, posteriors are computed in float32 on a device; `avx.systems.closed_form` says how
close the two are. Items that lack a side or a class take no part in a fit.
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from avx.classic import semantic_matching
from avx.classic.projection import LinearMap
from avx.classic.semantic_matching import SMALLEST_PROBABILITY, LogisticState
from avx.core.arrays import product
from avx.core.errors import UserError, chosen
from avx.core.types import VECTORS, Array, Batches, Embedded, ModelState, Params, System
from avx.systems.closed_form import (
    Sides,
    affine,
    apply_affine,
    at_least,
    embedder,
    paired_rows,
    unit_embedding,
)
from avx.systems.hash_codes import SIDES, cosine_score


@dataclasses.dataclass(frozen=True)
class SMOptions:
    """Constants of SM.

    Attributes:
      classes: number of classes c.
      penalty: quadratic penalty on the weights of the regressions.
      max_iterations: of L-BFGS, at most.
      distance: how posteriors are compared: "cosine"; "correlation", the cosine after 1 / c is subtracted; "kl", the
        divergence of the gallery item from the query; "l1", the sum of absolute differences.
    """

    classes: int
    penalty: float
    max_iterations: int
    distance: str

    def __post_init__(self):
        at_least("classes", self.classes, 2)
        at_least("penalty", self.penalty, 0)
        at_least("max_iterations", self.max_iterations, 1)
        chosen(SCORES, "model.distance", self.distance)


@dataclasses.dataclass(frozen=True)
class SCMOptions(SMOptions):
    """Constants of SCM, SM on canonical variates.

    Attributes:
      dimensions: canonical dimensions.
      ridge: relative ridge of the CCA.
    """

    dimensions: int
    ridge: float

    def __post_init__(self):
        super().__post_init__()
        at_least("dimensions", self.dimensions, 1)
        at_least("ridge", self.ridge, 0)


def build_sm(options: SMOptions, sides: Sides = SIDES) -> System:
    """SM on all labelled training pairs; `fit` raises UserError as `semantic_matching.fit`."""
    return _semantic("SM", options, sides)


def build_scm(options: SCMOptions, sides: Sides = SIDES) -> System:
    """SCM on all labelled training pairs; `fit` raises UserError as `semantic_matching.fit`."""
    return _semantic("SCM", options, sides, dimensions=options.dimensions, ridge=options.ridge)


def kl_score(params: Params, model_state: ModelState, queries: Embedded, gallery: Embedded) -> Array:
    """Negative divergence of the gallery item's posterior from the query's, (Q, G)."""
    query, other = _posteriors(queries, gallery)
    log_query, log_other = (jnp.log(jnp.maximum(side, SMALLEST_PROBABILITY)) for side in (query, other))
    return product(query, log_other.T) - (query * log_query).sum(1, keepdims=True)


def l1_score(params: Params, model_state: ModelState, queries: Embedded, gallery: Embedded) -> Array:
    """Negative sum of absolute differences of the posteriors, (Q, G), one class at a time: no (Q, G, c) array."""

    def subtract_class(total: Array, columns: tuple[Array, Array]) -> tuple[Array, None]:
        return total - jnp.abs(columns[0][:, None] - columns[1]), None

    query, other = _posteriors(queries, gallery)
    start = jnp.zeros((len(query), len(other)))
    return jax.lax.scan(subtract_class, start, (query.T, other.T))[0]


def _posteriors(queries: Embedded, gallery: Embedded) -> tuple[Array, Array]:
    assert queries.posterior is not None and gallery.posterior is not None, "both sides carry posteriors"
    return queries.posterior, gallery.posterior


SCORES = {"cosine": cosine_score, "correlation": cosine_score, "kl": kl_score, "l1": l1_score}


def _semantic(title: str, options: SMOptions, sides: Sides, **canonical) -> System:
    def fit(batches: Batches, rng: Array) -> tuple[Params, ModelState]:
        x, y, label = paired_rows(batches, sides)
        labelled = label >= 0 if label.ndim == 1 else label.any(1)
        if not labelled.any():
            raise UserError("No training item has a class: semantic matching is fitted on classes, give labels.")
        state = semantic_matching.fit(
            x[labelled],
            y[labelled],
            label[labelled],
            num_classes=options.classes,
            penalty=options.penalty,
            max_iterations=options.max_iterations,
            **canonical,
        )
        before: tuple[LinearMap | None, LinearMap | None] = (None, None)
        if state.correlation is not None:
            before = (state.correlation.maps.x, state.correlation.maps.y)
        parts = zip(sides, (state.x, state.y), before, strict=True)
        return {name: logit_parameters(regression, linear) for name, regression, linear in parts}, ModelState()

    def embedded(logits: Array, present: Array) -> Embedded:
        posterior = jax.nn.softmax(logits)
        centred = posterior - 1 / options.classes if options.distance == "correlation" else posterior
        return dataclasses.replace(unit_embedding(centred, present), posterior=posterior)

    return System(
        title,
        {name: (name,) for name in sides},
        embedder(sides, (apply_affine, apply_affine), embedded),
        SCORES[options.distance],
        fit=fit,
        reads=VECTORS,
        factored=SCORES[options.distance] is cosine_score,
    )


def logit_parameters(regression: LogisticState, before: LinearMap | None = None) -> dict[str, np.ndarray]:
    """Parameters of `apply_affine` that give the logits of `before` (identity where None) and then the regression."""
    weights = regression.scale[:, None] * regression.weights
    if before is None:
        return affine(LinearMap(regression.mean, weights), -regression.bias)
    shift = regression.mean @ weights - regression.bias
    return affine(LinearMap(before.mean, before.weights @ weights), shift)
