"""Joint PCA, the floor of paper A, figure 7 (docs/methods.md 2.1).

Command:  python -m experiments.train --config=configs/comparators/pca.py --config.data.root=FOLDER
Hardware: 2 CPU cores, 1 GiB.
Time and result: 0.2 minutes on a busy machine; on the Wikipedia features MAP .220 image to text and .178 text to image
among the test items (seed 0; chosen on validation: 10 dimensions).
"""

from ml_collections import ConfigDict

from configs.comparators.base import closed_form


def get_config() -> ConfigDict:
    """Every constant as one named field."""
    config = closed_form("pca", standardise=True)

    config.model.dimensions = 10  # of 5, 10, 20, 40 on validation items; 2.1: 10 where min(p, q) <= 32, else 128
    config.model.mode = "joint"  # "independent": separate axes, a reference at the level of chance

    config.grid.dimensions = (5, 10, 20, 40)
    return config
