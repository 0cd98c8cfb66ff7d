"""The rows of the hashing tables: config, constants that were chosen, and the candidates that they were chosen among.

A trained row's candidates stand here; those of a closed form are the `grid` of its config.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

Constants = Mapping[str, Any]
GRID_SCALING = "standardise"


@dataclasses.dataclass(frozen=True)
class Row:
    """One method of a table.

    Attributes:
      name: as printed in our table.
      config: its config file.
      chosen: the constants that validation items chose; of a closed form they stand in its config.
      candidates: sets of constants that are tried; of a closed form those of its grid.
      hashed: codes of some length; a real-valued row has no bits.
      seeded: differs from seed to seed.
    """

    name: str
    config: str
    chosen: Constants = dataclasses.field(default_factory=dict)
    candidates: tuple[Constants, ...] = ()
    hashed: bool = True
    seeded: bool = True


def overrides_of(constants: Constants) -> Constants:
    """Returns a combination of a config's grid as overrides."""
    return {("features." if name == GRID_SCALING else "model.") + name: value for name, value in constants.items()}


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
_GRADED = _ADVERSARIAL | {"loss.quantisation": 3.2e-3, "loss.label": 1e-3}
_EQUAL = TRAINED | {"model.hidden_size": 512, "train.epochs": 80, "train.evaluate_every": 10}
_ALTERNATING = _EQUAL | {"loss.adversarial": 0.01, "loss.feature_similarity": 0.0, "alternation.rates": (1.0,) * 4}
_ANCHORED = _ADVERSARIAL | {"loss.teaching": "anchored"}
_CODES_ALONE = _ANCHORED | {"loss.feature_similarity": 0.0}

OURS = "system D"
RECONSTRUCTED = "DSSAH (reconstructed)"

HASHING = (
    Row(
        OURS,
        "configs/semantic_hashing.py",
        _HADAMARD | STRONG | {"loss.quantisation": 0.002},
        (
            _HADAMARD | {"model.hidden_sizes": (512, 256)},
            _HADAMARD | LIGHT,
            _HADAMARD | MIDDLE,
            _HADAMARD | STRONG,
            _HADAMARD | STRONG | {"loss.quantisation": 0.002},
            _SHARED,
        ),
    ),
    Row(
        RECONSTRUCTED,
        "configs/dssah.py",
        _GRADED | {"loss.label": 10.0, "loss.graded_similarity": 10.0},
        (
            _GRADED,
            _GRADED | LIGHT,
            _GRADED | MIDDLE,
            _GRADED | STRONG,
            _GRADED | {"loss.label": 10.0, "loss.graded_similarity": 10.0},
        ),
    ),
    Row(
        "SSAH",
        "configs/ssah.py",
        _ALTERNATING,
        (_EQUAL, _EQUAL | {"loss.adversarial": 0.01}, _ALTERNATING, _ALTERNATING | LIGHT, _ALTERNATING | MIDDLE),
    ),
    Row(
        "SSAH (anchored)",
        "configs/ssah.py",
        _CODES_ALONE,
        (_ANCHORED, _CODES_ALONE, _CODES_ALONE | LIGHT, _CODES_ALONE | MIDDLE, _CODES_ALONE | STRONG),
    ),
    Row("SMFH", "configs/comparators/smfh.py"),
    Row("CVH (anchors)", "configs/comparators/cvh_anchors.py"),
    Row("CVH (linear)", "configs/comparators/cvh_linear.py"),
)
REAL = (
    Row("PCA", "configs/comparators/pca.py", hashed=False, seeded=False),
    Row("CM (CCA)", "configs/comparators/cca.py", hashed=False, seeded=False),
    Row("SM", "configs/comparators/sm.py", hashed=False, seeded=False),
    Row("SCM", "configs/comparators/scm.py", hashed=False, seeded=False),
)
