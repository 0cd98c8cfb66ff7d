"""What the methods take where nothing is said: the constants of docs/methods.md 9, and the smallest allowed ones."""

import dataclasses
import inspect

import numpy as np
import pytest

from avx.keyframes import skm, sofm
from avx.keyframes.agreement import user_agreement
from avx.keyframes.uniform import UniformConfig

STATED = [
    # 9.2: 1.5 standard deviations give the printed mean compression of .936 for a Gaussian tail.
    (skm.SKMConfig, {"delta": 1.5, "k_rule": "changes", "unique_tolerance": 1e-6}),
    (UniformConfig, {"fraction": pytest.approx(1 - 0.936)}),
    # 9.3: eta from .5 to .01, the radius from max(K / 2, 1 / 2) to .3 over 20 epochs.
    (sofm.SOFMConfig, {"epochs": 20, "learning_rate_start": 0.5, "learning_rate_end": 0.01, "tolerance": 1e-4}),
    (sofm.SOFMConfig, {"radius_fraction": 0.5, "radius_floor": 0.5, "radius_end": 0.3}),
    # 9.4: k-medoids ends after 100 rounds.
    (skm.SKMConfig, {"max_rounds": 100}),
    # CUS of de Avila et al. 2011.
    (user_agreement, {"threshold": 0.5}),
]


@pytest.mark.parametrize(("made", "constants"), STATED)
def test_defaults_are_the_stated_constants(made, constants):
    defaults = {name: one.default for name, one in inspect.signature(made).parameters.items()}
    assert {name: defaults[name] for name in constants} == constants


def test_a_single_cluster_may_be_the_bound():
    config = dataclasses.replace(skm.SKMConfig(delta=0.5), max_clusters=1)
    frames = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    found = skm.select(frames, np.ones(12, bool), config)
    assert found.mask.tolist() == [True]
