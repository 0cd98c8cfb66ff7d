"""SSAH (Li et al. 2018) on paired features, with the values of docs/methods.md D5.4.

Command:  python -m experiments.train --config=configs/ssah.py --config.data.root=FOLDER
Hardware: 2 CPU cores, 4 GiB.
Time and result: not yet run with these widths; docs/semantic_hashing.md has the table's constants and what they reach.
"""

from ml_collections import ConfigDict

from configs import semantic_hashing


def get_config() -> ConfigDict:
    """The published weights and widths; passes and decay as for small sets."""
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
    config.loss.feature_similarity = 1.0  # alpha; all weights are 1 in the published code
    config.loss.code_similarity = 1.0  # gamma
    config.loss.quantisation = 1.0  # eta
    config.loss.label = 1.0  # beta
    config.loss.adversarial = 1.0
    config.loss.form = "likelihood"  # "code": the squared terms of the published code
    config.loss.teaching = "alternation"  # as published; "anchored": one loss, codes drawn to the label network's signs
    config.loss.target = "shared"  # codes that quantisation draws to; "own": as the published code feeds them

    config.alternation = ConfigDict()  # of the label network, the discriminators, the image and the text network
    config.alternation.passes = (3, 1, 3, 3)  # D5.4b, of an outer epoch; published: up to 15, 2, 27 and 27
    # In units of optimizer.learning_rate. Published: 10, 1, 10^-1.5 (a network that was trained before) and 10^-0.5.
    config.alternation.rates = (10.0, 1.0, 1.0, 1.0)
    config.alternation.decay = 0.9  # D5.4b, of all rates from one outer epoch to the next

    config.optimizer.learning_rate = 1e-3  # D5.4, of the discriminators
    config.train.batch_size = 128  # D5.4
    config.train.epochs = 300  # D5.4b: passes, 30 outer epochs of 10
    config.train.patience = 0  # validation falls at times while other networks have their turns
    config.train.evaluate_every = 10  # an outer epoch
    return config
