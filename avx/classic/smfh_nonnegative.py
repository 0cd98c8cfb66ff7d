"""The other method called SMFH: supervised matrix factorisation hashing by Liu, Ji, Wu & Hua (IJCAI 2016).

Non-negative features share one non-negative latent matrix, X_i ~ V U_i^T, updated by multiplication. Each sweep sees
the label graph on a random sample of the items. The result is used through `smfh.transform`.
"""

from __future__ import annotations

import numpy as np

from avx.classic.projection import LinearMap, PairedMap, checked_count, checked_labelled
from avx.classic.smfh import SMFHState
from avx.core.errors import UserError

SMALLEST_DIVISOR = 1e-10
SAMPLE_POWER = -0.1
"""The graph terms are weighted by samples^-0.1, as in the authors' script."""


def fit(
    x: np.ndarray,
    y: np.ndarray,
    labels: np.ndarray,
    *,
    bits: int,
    balance: float = 0.5,
    prediction: float = 40.0,
    graph: float = 2.0,
    predictor_graph: float = 1e-3,
    penalty: float = 1e-4,
    orthogonality: float = 1e-4,
    samples: int = 1000,
    max_sweeps: int = 50,
    tolerance: float = 0.1,
    seed: int = 0,
) -> SMFHState:
    """Alternates multiplicative updates of V, U_1, U_2 and ridge regressions P_1, P_2 from the features to V.

    Args:
      x: (n, p) features of the first modality, at least 0.
      y: (n, q) features of the second, at least 0, paired by row.
      labels: (n, c) class indicators; rows are L2-normalised before their inner products become the graph.
      bits: code length b.
      balance: lambda, the first modality's share of the factorisation, in (0, 1).
      prediction: mu, weight of |V - X_i P_i|^2.
      graph: alpha, weight of the label graph on V.
      predictor_graph: weight of the label graph in the regressions.
      penalty: gamma, ridge of the regressions, above 0.
      orthogonality: gamma_1, weight of |V^T V - I|^2.
      samples: items whose label graph one sweep sees, at most all of them.
      max_sweeps: at most.
      tolerance: stops after five sweeps when the objective (without the sampled graph) falls by less.
      seed: of the start and of the samples.

    Returns:
      The state for `smfh.transform`; `latent` holds V less its mean, which contains the training labels.

    Raises:
      UserError: negative features, rows that do not pair up, labels of another shape, weights out of range.
    """
    x, y, labels = checked_labelled(x, y, labels)
    if (x < 0).any() or (y < 0).any():
        raise UserError("The non-negative SMFH takes features of at least 0: use smfh.fit for others.")
    if not 0 < balance < 1 or penalty <= 0:
        raise UserError("The non-negative SMFH needs balance in (0, 1) and penalty above 0.")
    checked_count("bits", bits, 2**16, "a code has at least one bit")
    checked_count("samples", samples, 2**31, "at least one item must be sampled")

    rng = np.random.default_rng(seed)
    samples = min(samples, len(x))
    graph_scale = samples**SAMPLE_POWER
    labels = labels / np.maximum(np.linalg.norm(labels, axis=1, keepdims=True), 1e-8)
    predict_x, predict_y = rng.random((x.shape[1], bits)), rng.random((y.shape[1], bits))
    basis_x, basis_y = rng.random((x.shape[1], bits)), rng.random((y.shape[1], bits))
    latent = rng.random((len(x), bits))
    latent, basis_x, basis_y = _unit_columns(latent, basis_x, basis_y)
    objective: list[float] = []
    for _ in range(max_sweeps):
        chosen = rng.choice(len(x), samples, replace=False)
        sampled = labels[chosen]
        reconstructed = balance * x @ basis_x + (1 - balance) * y @ basis_y
        predicted = x @ predict_x + y @ predict_y
        spread = balance * basis_x.T @ basis_x + (1 - balance) * basis_y.T @ basis_y
        attraction, repulsion = _graph_terms(latent, sampled, chosen)
        raised = reconstructed + graph * graph_scale * attraction + prediction * predicted + 4 * orthogonality * latent
        lowered = (
            latent @ spread
            + graph * graph_scale * repulsion
            + 2 * prediction * latent
            + 4 * orthogonality * latent @ (latent.T @ latent)
        )
        # A regression may predict a negative V, which would turn its sign.
        latent = latent * np.maximum(raised, 0) / np.maximum(lowered, SMALLEST_DIVISOR)
        latent, basis_x, basis_y = _unit_columns(
            latent, _updated_basis(basis_x, x, latent), _updated_basis(basis_y, y, latent)
        )
        laplacian = _normalised_laplacian(sampled)
        predict_x, predict_y = (
            _graph_ridge(side, latent, side[chosen], laplacian, predictor_graph * graph_scale, penalty)
            for side in (x, y)
        )
        sides = ((x, basis_x, predict_x, balance), (y, basis_y, predict_y, 1 - balance))
        objective.append(
            sum(
                share * float(np.linalg.norm(side - latent @ basis.T))
                + prediction * float(np.linalg.norm(latent - side @ predict))
                + penalty * float(np.linalg.norm(predict))
                for side, basis, predict, share in sides
            )
        )
        if len(objective) > 5 and objective[-2] - objective[-1] < tolerance:
            break

    threshold = latent.mean(0)
    maps = PairedMap(LinearMap(np.zeros(x.shape[1]), predict_x), LinearMap(np.zeros(y.shape[1]), predict_y))
    return SMFHState(maps, threshold, latent - threshold, np.asarray(objective))


def _unit_columns(latent: np.ndarray, *bases: np.ndarray) -> tuple[np.ndarray, ...]:
    """V with columns of unit norm, and the bases scaled so that every product V U^T stays as it was."""
    norms = np.maximum(np.linalg.norm(latent, axis=0), 1e-15)
    return (latent / norms, *(basis * norms for basis in bases))


def _graph_terms(latent: np.ndarray, sampled: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """S V and D V of the label graph of the chosen rows, zero elsewhere."""
    attraction, repulsion = np.zeros_like(latent), np.zeros_like(latent)
    attraction[chosen] = sampled @ (sampled.T @ latent[chosen])
    repulsion[chosen] = (sampled @ sampled.sum(0))[:, None] * latent[chosen]
    return attraction, repulsion


def _updated_basis(basis: np.ndarray, side: np.ndarray, latent: np.ndarray) -> np.ndarray:
    """One multiplicative update of U towards side ~ V U^T."""
    return basis * (side.T @ latent) / np.maximum(basis @ (latent.T @ latent), SMALLEST_DIVISOR)


def _normalised_laplacian(labels: np.ndarray) -> np.ndarray:
    """I - D^(-1/2) S D^(-1/2) of S = labels labels^T; an item without a label has an empty row."""
    similarity = labels @ labels.T
    degree = similarity.sum(1)
    scale = np.where(degree > 0, 1 / np.sqrt(np.where(degree > 0, degree, 1)), 0)
    return np.diag((degree > 0).astype(np.float64)) - scale[:, None] * similarity * scale


def _graph_ridge(
    inputs: np.ndarray,
    targets: np.ndarray,
    sampled: np.ndarray,
    laplacian: np.ndarray,
    graph_weight: float,
    strength: float,
) -> np.ndarray:
    """The minimiser P of |targets - inputs P|^2 + graph_weight tr(P^T sampled^T L sampled P) + strength |P|^2."""
    gram = inputs.T @ inputs + graph_weight * sampled.T @ laplacian @ sampled + strength * np.eye(inputs.shape[1])
    return np.linalg.solve(gram, inputs.T @ targets)
