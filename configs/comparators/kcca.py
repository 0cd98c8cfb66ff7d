"""Kernel CCA on incomplete Cholesky coordinates, a row of paper C, table 2 (docs/methods.md 2.3).

Command:  python -m experiments.train --config=configs/comparators/kcca.py --config.data.root=FOLDER
Hardware: 2 CPU cores, 1 GiB.
Time and result: 3.5 minutes on a busy machine; on the Wikipedia features MAP .256 image to text and .208 text to image
among the test items (seed 0; chosen on validation: 7 dimensions, ridge 0.001).
"""

from ml_collections import ConfigDict

from configs.comparators.base import closed_form


def get_config() -> ConfigDict:
    """Every constant as one named field; none has been chosen on validation items yet."""
    config = closed_form("kcca", standardise=False)

    config.model.dimensions = 5  # as CCA
    config.model.kernels = ("rbf", "rbf")  # image, text; "chi2" and "intersection" take histograms, or "linear"
    config.model.ridge = 1e-3  # 2.3, in units of trace(K) / n
    config.model.max_rank = 1000  # 2.3; n, with tolerance 0, for the exact method
    config.model.tolerance = 1e-3  # 2.3, unexplained share of the trace

    config.grid.dimensions = (3, 5, 7, 9)
    config.grid.ridge = (1e-4, 1e-3, 1e-2)  # 2.3
    return config
