"""DSSAH (reconstructed) on paired features, with the values of docs/methods.md D5.5.

Command:  python -m experiments.train --config=configs/dssah.py --config.data.root=FOLDER
Hardware: 2 CPU cores, 4 GiB.
Time and result: not yet run with these weights; docs/semantic_hashing.md has the table's constants and what they reach.
"""

from ml_collections import ConfigDict

from configs import ssah


def get_config() -> ConfigDict:
    """SSAH's networks with a graded similarity and one discriminator between the modalities."""
    config = ssah.get_config()
    config.name = "dssah"
    config.system = "dssah"
    del config.loss.teaching, config.loss.target, config.alternation
    config.loss.graded_similarity = 1.0  # regression of code similarities
    config.loss.label_share = 0.7  # eta of the graded similarity, D5.5
    config.optimizer.learning_rate = 1e-4  # D5.5
    config.train.epochs = 90
    config.train.patience = 10
    config.train.evaluate_every = 1
    return config
