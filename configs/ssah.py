"""SSAH (Li et al. 2018) on paired features, with the values of docs/methods.md D5.4.

Command:  python -m experiments.train --config=configs/ssah.py --config.data.root=FOLDER
Hardware: 2 CPU cores, 4 GiB.
Time and result: 1 minute; on the Wikipedia features MAP 0.155 image to text and 0.111 text to image against the
training items, 0.163 and 0.118 against the test items (seed 0); docs/semantic_hashing.md has those of the table's
constants.
"""

from ml_collections import ConfigDict

from configs import semantic_hashing


def get_config() -> ConfigDict:
    """The published weights and widths; one optimiser and one loss stand for the published alternation."""
    config = semantic_hashing.get_config()
    config.name = "ssah"
    config.system = "ssah"

    config.model = ConfigDict()
    config.model.bits = 32
    config.model.hidden_size = 4096  # first layer of each network
    config.model.feature_size = 512  # semantic feature
    config.model.discriminator_sizes = (512, 256)
    config.model.dropout = 0.0  # the original has none

    config.loss = ConfigDict()
    config.loss.feature_similarity = 1.0  # alpha, D5.4
    config.loss.code_similarity = 1.0  # gamma
    config.loss.quantisation = 1e-4  # eta
    config.loss.label = 1e-4  # beta
    config.loss.adversarial = 1.0
    config.loss.form = "likelihood"  # "code": the squared terms of the published code

    config.optimizer.learning_rate = 1e-4
    config.train.batch_size = 128  # D5.4
    config.train.epochs = 90  # D5.4b: 30 outer epochs of up to 3 passes
    return config
