"""Supervised matrix factorisation hashing: Tang, Wang & Shao 2016, or with `:ijcai` Liu et al. 2016 (5.3).

Command:  python -m experiments.train --config=configs/comparators/smfh.py --config.data.root=FOLDER
Hardware: 2 CPU cores, 3 n^2 float64 (0.1 GB at n = 2,173).
Time and result: 0.8 minutes on a busy machine; on the Wikipedia features MAP .229 image to text and .185 text to image
among the test items (seed 0; chosen on validation: prediction 1, columns as they are).
"""

from ml_collections import ConfigDict

from configs.comparators.base import closed_form


def get_config(form: str = "tip") -> ConfigDict:
    """The constants of one of the two methods called SMFH.

    Args:
      form: "tip", or "ijcai" (`--config=configs/comparators/smfh.py:ijcai`), which takes features of at least 0.
    """
    config = closed_form("smfh", standardise=False)

    tip = form == "tip"
    config.model.bits = 32  # the tables have 16, 32 and 64
    config.model.form = form
    config.model.balance = 0.5  # alpha; ijcai: lambda
    config.model.prediction = 1.0 if tip else 40.0  # beta, of 1, 100 on validation items, published 100; ijcai: mu
    config.model.graph = 1.0 if tip else 2.0  # gamma; ijcai: alpha
    config.model.penalty = 0.01 if tip else 1e-4  # lambda; ijcai: gamma
    config.model.max_sweeps = 50
    config.model.tolerance = 1.0 if tip else 0.1  # in units of the objective
    config.model.neighbours = 5  # tip alone
    config.model.predictor_graph = 1e-3  # ijcai alone: yeta
    config.model.orthogonality = 1e-4  # ijcai alone: gamma_1
    config.model.samples = 1000  # ijcai alone: items per sweep

    config.grid.standardise = (False, True) if tip else ()
    config.grid.prediction = (1.0, 100.0) if tip else ()
    return config
