"""What a method does where nothing is said: the constants of its authors (docs/methods.md 5)."""

import inspect

import pytest

from avx.classic import cvh, smfh, smfh_nonnegative

PUBLISHED = [
    # Tang, Wang & Shao 2016, as in their comparison toolbox.
    (smfh.fit, {"balance": 0.5, "prediction": 100, "graph": 1, "penalty": 0.01, "neighbours": 5, "max_sweeps": 50}),
    (smfh.fit, {"tolerance": 1}),
    # Liu, Ji, Wu & Hua 2016, the authors' script: lambda, mu, alpha, yeta, gamma and gamma_1.
    (smfh_nonnegative.fit, {"balance": 0.5, "prediction": 40, "graph": 2, "predictor_graph": 1e-3, "penalty": 1e-4}),
    (smfh_nonnegative.fit, {"orthogonality": 1e-4, "samples": 1000, "max_sweeps": 50}),
    # D5.2: 500 anchors on each side.
    (cvh.fit_anchor, {"anchors": 500}),
]


@pytest.mark.parametrize(("function", "constants"), PUBLISHED)
def test_defaults_are_the_published_constants(function, constants):
    defaults = {name: one.default for name, one in inspect.signature(function).parameters.items()}
    assert {name: defaults[name] for name in constants} == constants
