"""Cross-view hashing (Kumar & Udupa 2011) of the features themselves (docs/methods.md 5.2).

Command:  python -m experiments.train --config=configs/comparators/cvh_linear.py --config.data.root=FOLDER
Hardware: 2 CPU cores, 1 GiB.
Time and result: 0.3 minutes on a busy machine; on the Wikipedia features MAP .157 image to text and .133 text to image
among the test items (seed 0; chosen on validation: ridge 0.01).
"""

from ml_collections import ConfigDict

from configs.comparators.base import closed_form


def get_config() -> ConfigDict:
    """Every constant as one named field."""
    config = closed_form("cvh_linear", standardise=False)

    config.model.bits = 32  # the tables have 16, 32 and 64
    config.model.ridge = 1e-2  # of 1e-3, 1e-2, 1e-1 on validation items

    config.grid.ridge = (1e-3, 1e-2, 1e-1)
    return config
