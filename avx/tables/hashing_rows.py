"""The rows of the hashing tables: how each method is fitted, scored, and which of its constants are chosen.

A fit is a function of (training items, bits, seed, constants) to a scorer of (queries, database); the constants of a
row are those in `chosen`, found among `candidates` on a validation part of the training items.
"""

from __future__ import annotations

import dataclasses
import itertools
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from avx.classic import cca, cvh, pca, semantic_matching, smfh
from avx.hashing import hamming
from avx.hashing.pack import pack
from configs import dssah, semantic_hashing, ssah
from experiments import train_pairs
from experiments.pairs import DIRECTIONS, Pairs, Scorer, Scores, normalised_rows, standardised

Constants = Mapping[str, Any]
SIDES = {"image": "x", "text": "y"}


@dataclasses.dataclass(frozen=True)
class Row:
    """One method of a table.

    Attributes:
      name: as printed in our table.
      fit: (training, validation or None, classes, bits, seed, constants) -> (scorer, constants that training itself
        chose, such as the number of epochs).
      candidates: sets of constants that are tried on the validation items.
      chosen: the best of them there.
      hashed: codes of some length, scored as `hamming_scores` does; a real-valued row has no bits.
      seeded: differs from seed to seed.
      standardises: always sees columns standardised by the items that it is fitted on; for other rows the constant
        "standardise" decides.
    """

    name: str
    fit: Callable[[Pairs, Pairs | None, int, int, int, Constants], tuple[Scorer, dict[str, Any]]]
    candidates: tuple[Constants, ...]
    chosen: Constants
    hashed: bool = True
    seeded: bool = True
    standardises: bool = False


def sees_standardised(row: Row, constants: Constants) -> bool:
    """Whether a row with these constants sees its features standardised."""
    return row.standardises or bool(constants.get("standardise", False))


def grid(**values: tuple[Any, ...]) -> tuple[Constants, ...]:
    """Every combination of the given values."""
    return tuple(dict(zip(values, combination, strict=True)) for combination in itertools.product(*values.values()))


def _closed_form(
    fit: Callable[[Pairs, int, int, int, dict[str, Any]], Any],
    transform: Callable[[Any, np.ndarray, Any], np.ndarray],
    score: Callable[[np.ndarray, np.ndarray], np.ndarray],
):
    """A row's `fit` from a method of `avx.classic`; the constant "standardise" is handled here for all of them."""

    def fitted(training: Pairs, validation: Pairs | None, classes: int, bits: int, seed: int, constants: Constants):
        del validation
        options = dict(constants)
        standardise = options.pop("standardise", False)
        state = fit(standardised(training, training) if standardise else training, classes, bits, seed, options)

        def scorer(queries: Pairs, database: Pairs) -> Scores:
            if standardise:
                queries, database = standardised(training, queries), standardised(training, database)
            mapped = [
                {side: transform(state, getattr(items, side), SIDES[side]) for side in SIDES}
                for items in (queries, database)
            ]
            return {(query, other): score(mapped[0][query], mapped[1][other]) for query, other in DIRECTIONS}

        return scorer, {}

    return fitted


def hamming_scores(queries: np.ndarray, database: np.ndarray) -> np.ndarray:
    """1 - 2 distance / b of the signs of real projections (Q, b) and (G, b), the score of every hashed row."""
    return np.asarray(hamming.scores(pack(jnp.asarray(queries)), pack(jnp.asarray(database)))) / queries.shape[1]


def hamming_distances(scores: np.ndarray, bits: int) -> np.ndarray:
    """The distances (Q, G) int64 of a hashed row's scores."""
    return np.rint((1 - scores) * bits / 2).astype(np.int64)


def cosines(queries: np.ndarray, database: np.ndarray) -> np.ndarray:
    """Cosine similarities (Q, G)."""
    return normalised_rows(queries) @ normalised_rows(database).T


def _fit_cvh_linear(training: Pairs, classes: int, bits: int, seed: int, options: dict[str, Any]):
    return cvh.fit_linear(training.image, training.text, bits=bits, seed=seed, **options)


def _fit_cvh_anchor(training: Pairs, classes: int, bits: int, seed: int, options: dict[str, Any]):
    anchors = min(options.pop("anchors"), len(training))
    return cvh.fit_anchor(training.image, training.text, bits=bits, seed=seed, anchors=anchors, **options)


def _fit_smfh(training: Pairs, classes: int, bits: int, seed: int, options: dict[str, Any]):
    indicators = np.eye(classes)[training.label]
    return smfh.fit(training.image, training.text, indicators, bits=bits, seed=seed, **options)


def _fit_pca(training: Pairs, classes: int, bits: int, seed: int, options: dict[str, Any]):
    return pca.fit(training.image, training.text, **options)


def _fit_cca(training: Pairs, classes: int, bits: int, seed: int, options: dict[str, Any]):
    return cca.fit(training.image, training.text, **options)


def _fit_semantic(training: Pairs, classes: int, bits: int, seed: int, options: dict[str, Any]):
    return semantic_matching.fit(training.image, training.text, training.label, num_classes=classes, **options)


def trained_config(get_config: Callable[[], ConfigDict], constants: Constants, bits: int, seed: int) -> ConfigDict:
    """A study's config with a row's constants, code length and seed, locked."""
    config = get_config()
    config.lock()
    config.update_from_flattened_dict(dict(constants) | {"model.bits": bits, "seed": seed})
    return config


def _trained(get_config: Callable[[], ConfigDict]):
    """A row's `fit` from a config. With validation items training stops by them and tells after how many epochs."""

    def fitted(training: Pairs, validation: Pairs | None, classes: int, bits: int, seed: int, constants: Constants):
        config = trained_config(get_config, constants, bits, seed)
        with tempfile.TemporaryDirectory() as folder:
            found = train_pairs.fit(config, training, validation, classes, Path(folder))
        steps = -(-len(training) // config.train.batch_size)
        return found.scores, {"train.epochs": found.progress.best_step // steps}

    return fitted


TRAINED = {
    "train.batch_size": 128,
    "train.epochs": 48,
    "train.patience": 0,
    "train.evaluate_every": 16,
    "optimizer.learning_rate": 1e-3,
}
"""Of all trained rows: a tenfold rate and half of the configs' epochs; the number of epochs is chosen with the rest."""

LIGHT = {"model.dropout": 0.2, "optimizer.name": "adamw", "optimizer.weight_decay": 1.0}
MIDDLE = LIGHT | {"model.dropout": 0.3}
STRONG = LIGHT | {"model.dropout": 0.4, "train.ema_decay": 0.98}
"""How strongly a network is held back; tried beside sets of a row's own: six in all for system D, five for the rest."""

_HADAMARD = TRAINED | {"model.head": "hadamard", "model.dropout": 0.0, "loss.quantisation": 0.01}
_SHARED = TRAINED | {"loss.quantisation": 0.01, "loss.similarity": 1.0, "loss.intra_similarity": 1.0}
_ADVERSARIAL = TRAINED | {"model.hidden_size": 512, "loss.adversarial": 0.01}
_LABELLED = _ADVERSARIAL | {"loss.feature_similarity": 0.0, "loss.quantisation": 1e-2, "loss.label": 1.0}

OURS = "system D"
RECONSTRUCTED = "DSSAH (reconstructed)"

HASHING = (
    Row(
        OURS,
        _trained(semantic_hashing.get_config),
        (
            _HADAMARD | {"model.hidden_sizes": (512, 256)},
            _HADAMARD | LIGHT,
            _HADAMARD | MIDDLE,
            _HADAMARD | STRONG,
            _HADAMARD | STRONG | {"loss.quantisation": 0.002},
            _SHARED,
        ),
        _HADAMARD | STRONG | {"loss.quantisation": 0.002},
        standardises=semantic_hashing.get_config().features.standardise,
    ),
    Row(
        RECONSTRUCTED,
        _trained(dssah.get_config),
        (
            _ADVERSARIAL,
            _ADVERSARIAL | LIGHT,
            _ADVERSARIAL | MIDDLE,
            _ADVERSARIAL | STRONG,
            _ADVERSARIAL | {"loss.label": 1.0, "loss.graded_similarity": 10.0},
        ),
        _ADVERSARIAL | {"loss.label": 1.0, "loss.graded_similarity": 10.0},
        standardises=dssah.get_config().features.standardise,
    ),
    Row(
        "SSAH",
        _trained(ssah.get_config),
        (
            _LABELLED,
            _LABELLED | LIGHT,
            _LABELLED | MIDDLE,
            _LABELLED | STRONG,
            _ADVERSARIAL,
        ),
        _LABELLED,
        standardises=ssah.get_config().features.standardise,
    ),
    Row(
        "SMFH",
        _closed_form(_fit_smfh, smfh.transform, hamming_scores),
        grid(standardise=(False, True), prediction=(1.0, 100.0)),
        {"standardise": False, "prediction": 1.0},
    ),
    Row(
        "CVH (anchors)",
        _closed_form(_fit_cvh_anchor, cvh.transform, hamming_scores),
        grid(standardise=(False, True), anchors=(200, 500), ridge=(1e-3, 1e-2, 1e-1)),
        {"standardise": True, "anchors": 500, "ridge": 1e-3},
    ),
    Row(
        "CVH (linear)",
        _closed_form(_fit_cvh_linear, cvh.transform, hamming_scores),
        grid(ridge=(1e-3, 1e-2, 1e-1)),
        {"ridge": 1e-2},
    ),
)
REAL = (
    Row(
        "PCA",
        _closed_form(_fit_pca, pca.transform, cosines),
        grid(dimensions=(5, 10, 20, 40)),
        {"dimensions": 10},
        hashed=False,
        seeded=False,
        standardises=True,
    ),
    Row(
        "CM (CCA)",
        _closed_form(_fit_cca, cca.transform, cosines),
        grid(dimensions=(3, 5, 7, 9), ridge=(1e-3, 1e-2, 1e-1)),
        {"dimensions": 5, "ridge": 1e-1},
        hashed=False,
        seeded=False,
    ),
    Row(
        "SM",
        _closed_form(_fit_semantic, semantic_matching.transform, semantic_matching.score),
        grid(penalty=(1e-3, 1e-2, 1e-1)),
        {"penalty": 1e-3},
        hashed=False,
        seeded=False,
        standardises=True,
    ),
    Row(
        "SCM",
        _closed_form(_fit_semantic, semantic_matching.transform, semantic_matching.score),
        grid(dimensions=(5, 9), penalty=(1e-3, 1e-2, 1e-1)),
        {"dimensions": 9, "penalty": 1e-3},
        hashed=False,
        seeded=False,
    ),
)
