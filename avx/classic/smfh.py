"""Supervised matrix factorisation hashing (Tang, Wang & Shao, IEEE TIP 25(7), 2016).

One latent matrix S (n, b) explains both modalities, follows the neighbourhoods and labels of the training items, and is
predicted linearly from each modality. Rows are items here: the paper's matrices are transposed. In this notation the
objective is, with U_i (b, p_i), P_i (p_i, b), features X_i centred, and squared Frobenius norms,

  a |X_1 - S U_1|^2 + (1 - a) |X_2 - S U_2|^2 + beta sum_i |S - X_i P_i|^2 + gamma tr(S^T Laplacian S)
    + lambda (|U_1|^2 + |U_2|^2 + |S|^2 + |P_1|^2 + |P_2|^2),

and each sweep minimises it exactly over U, then S, then P.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import scipy.linalg
import scipy.sparse

from avx.classic.anchors import squared_distances
from avx.classic.projection import LinearMap, PairedMap, Side, checked_count, checked_labelled, project
from avx.core.errors import UserError

BLOCK_DISTANCES = 2**20
"""Distances that the neighbour search holds at a time, 8 MiB."""


@dataclasses.dataclass(frozen=True)
class SMFHState:
    """A fitted hash function.

    Attributes:
      maps: linear maps of both sides to b real values.
      threshold: (b,) mean of S, subtracted from the mapped values before the sign is taken.
      latent: (n, b) learned S less its mean. Its signs are the training items' own codes; they contain the training
        labels, so a database of them measures memory rather than hashing (docs/methods.md, D5.1c).
      objective: (sweeps + 1,) value at the start and after each sweep.
    """

    maps: PairedMap
    threshold: np.ndarray
    latent: np.ndarray
    objective: np.ndarray


def fit(
    x: np.ndarray,
    y: np.ndarray,
    labels: np.ndarray,
    *,
    bits: int,
    balance: float = 0.5,
    prediction: float = 100.0,
    graph: float = 1.0,
    penalty: float = 0.01,
    neighbours: int = 5,
    max_sweeps: int = 50,
    tolerance: float = 1.0,
    seed: int = 0,
) -> SMFHState:
    """Alternates the closed-form updates until the objective falls by less than `tolerance`.

    Args:
      x: (n, p) features of the first modality.
      y: (n, q) features of the second, paired by row.
      labels: (n, c) class indicators, several per item allowed; W_label = labels labels^T.
      bits: code length b.
      balance: a, the first modality's share of the reconstruction, in (0, 1).
      prediction: beta.
      graph: gamma.
      penalty: lambda, above 0.
      neighbours: of each item in the neighbourhood graphs.
      max_sweeps: at most.
      tolerance: in units of the objective.
      seed: of the uniform start.

    Returns:
      The state for `transform`. One eigendecomposition of an n x n matrix dominates the cost: O(n^3) time, and a peak
      of 3 n^2 float64 (`decomposed_laplacian`; 1.5 GB at n = 8,000), of which n^2 stay for the sweeps.

    Raises:
      UserError: rows that do not pair up, labels of another shape, weights out of range.
    """
    x, y, labels = checked_labelled(x, y, labels)
    if not 0 < balance < 1 or penalty <= 0 or prediction <= 0 or graph < 0:
        raise UserError("SMFH needs balance in (0, 1), penalty and prediction above 0 and graph at least 0.")
    checked_count("bits", bits, 2**16, "a code has at least one bit")
    checked_count("neighbours", neighbours, len(x) - 1, "an item has at most n - 1 neighbours")

    mean_x, mean_y = x.mean(0), y.mean(0)
    x, y = x - mean_x, y - mean_y
    nearby = neighbour_graph(x, neighbours) + neighbour_graph(y, neighbours)
    graph_values, graph_vectors = decomposed_laplacian(nearby, labels, graph)

    latent = np.random.default_rng(seed).uniform(size=(len(x), bits))
    # The features stay, so their matrices are factored once: with many features this is most of a sweep.
    regress_x, regress_y = (_ridge_regression(side, penalty / prediction) for side in (x, y))
    predict_x, predict_y = regress_x(latent), regress_y(latent)
    objective = []
    for _ in range(max_sweeps + 1):
        basis_x = _ridge_regression(latent, penalty / balance)(x)
        basis_y = _ridge_regression(latent, penalty / (1 - balance))(y)
        objective.append(
            balance * _squared(x - latent @ basis_x)
            + (1 - balance) * _squared(y - latent @ basis_y)
            + prediction * (_squared(latent - x @ predict_x) + _squared(latent - y @ predict_y))
            + (graph_values @ np.square(graph_vectors.T @ latent)).sum()
            + penalty * sum(_squared(part) for part in (basis_x, basis_y, latent, predict_x, predict_y))
        )
        settled = len(objective) > 1 and objective[-2] - objective[-1] < tolerance
        if settled or len(objective) > max_sweeps:
            break
        right = balance * x @ basis_x.T + (1 - balance) * y @ basis_y.T + prediction * (x @ predict_x + y @ predict_y)
        left = balance * basis_x @ basis_x.T + (1 - balance) * basis_y @ basis_y.T
        left += (2 * prediction + penalty) * np.eye(bits)
        latent = solve_sylvester((graph_values, graph_vectors), left, right)
        predict_x, predict_y = regress_x(latent), regress_y(latent)

    threshold = latent.mean(0)
    maps = PairedMap(LinearMap(mean_x, predict_x), LinearMap(mean_y, predict_y))
    return SMFHState(maps, threshold, latent - threshold, np.asarray(objective))


def transform(state: SMFHState, values: np.ndarray, side: Side) -> np.ndarray:
    """Real projections (n, b) of rows of one modality; bit j is set where column j is >= 0. Errors as in `project`."""
    return project(state.maps, values, side) - state.threshold


def neighbour_graph(values: np.ndarray, neighbours: int) -> scipy.sparse.csr_array:
    """Symmetric 0/1 adjacency (n, n), sparse: 1 where either item is among the other's nearest by Euclidean distance.

    Ties go to the lower row; an item is not its own neighbour. Distances are taken for a block of rows at a time.
    """
    count = len(values)
    step = max(1, BLOCK_DISTANCES // count)
    nearest = []
    for start in range(0, count, step):
        distances = squared_distances(values[start : start + step], values)
        rows = np.arange(len(distances))
        distances[rows, start + rows] = np.inf
        farthest = np.partition(distances, neighbours - 1, axis=1)[:, neighbours - 1 : neighbours]
        closer, level = distances < farthest, distances == farthest
        wanted = neighbours - closer.sum(1, keepdims=True)
        nearest.append(np.nonzero(closer | (level & (np.cumsum(level, axis=1) <= wanted)))[1])
    columns = np.concatenate(nearest)
    starts = np.arange(count + 1) * neighbours
    adjacency = scipy.sparse.csr_array((np.ones(len(columns)), columns, starts), shape=(count, count))
    return adjacency.maximum(adjacency.T).tocsr()


def decomposed_laplacian(
    nearby: scipy.sparse.csr_array, labels: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues (n,) ascending and eigenvectors (n, n) of scale (D - W), W = nearby + labels labels^T, D its degrees.

    The Laplacian is built and decomposed in one array, which becomes the eigenvectors; LAPACK works in 2 n^2 more.

    Args:
      nearby: (n, n) symmetric sparse adjacency.
      labels: (n, c) class indicators.
      scale: gamma, at least 0.
    """
    laplacian = labels @ labels.T
    entries = nearby.tocoo()
    laplacian[entries.row, entries.col] += entries.data
    degrees = laplacian.sum(1)
    np.negative(laplacian, out=laplacian)
    laplacian[np.diag_indices_from(laplacian)] += degrees
    laplacian *= scale
    # Symmetric, so its transpose is the same matrix in the column order that LAPACK overwrites.
    return scipy.linalg.eigh(laplacian.T, overwrite_a=True, check_finite=False, driver="evd")


def solve_sylvester(graph: tuple[np.ndarray, np.ndarray], left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """S with S left + G S = right.

    In the eigenbases of G = V diag(w) V^T and left = Q diag(l) Q^T the equation is diagonal:
    S = V [(V^T right Q)_ij / (w_i + l_j)] Q^T.

    Args:
      graph: (w (n,), V (n, n)) of G, positive semi-definite; decomposed once, used in every sweep.
      left: (b, b) symmetric positive definite.
      right: (n, b).
    """
    graph_values, graph_vectors = graph
    left_values, left_vectors = np.linalg.eigh(left)
    diagonal = (graph_vectors.T @ right @ left_vectors) / (graph_values[:, None] + left_values)
    return graph_vectors @ diagonal @ left_vectors.T


def _ridge_regression(inputs: np.ndarray, strength: float) -> Callable[[np.ndarray], np.ndarray]:
    """targets (n, k) -> the minimiser W (p, k) of |inputs W - targets|^2 + strength |W|^2."""
    factor = scipy.linalg.cho_factor(inputs.T @ inputs + strength * np.eye(inputs.shape[1]))
    return lambda targets: scipy.linalg.cho_solve(factor, inputs.T @ targets)


def _squared(values: np.ndarray) -> float:
    return float(np.square(values).sum())
