"""The groups that every closed-form comparator has: data, features and evaluation as in configs/semantic_hashing.py."""

from ml_collections import ConfigDict

from configs import semantic_hashing


def closed_form(name: str, standardise: bool) -> ConfigDict:
    """A config with empty groups `model` and `grid`, to be filled in.

    Args:
      name: of the system in the registry, and of the study.
      standardise: whether the method sees columns standardised by the training items.
    """
    study = semantic_hashing.get_config()
    config = ConfigDict()
    config.name = name
    config.system = name
    config.seed = 0
    config.data = study.data
    config.features = study.features
    config.features.standardise = standardise
    config.model = ConfigDict()
    config.grid = ConfigDict()
    config.evaluation = study.evaluation
    config.evaluation.score = "class/map"  # validation figure by which `grid` is searched, mean of both directions
    return config
