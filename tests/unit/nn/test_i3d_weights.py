"""Importers of I3D: published names, and one sentence for whatever does not fit."""

import jax
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.nn.encoders.i3d import I3D, I3DClassifier
from avx.nn.pretrained import i3d_weights as weights

WIDTH = 8
STEM = {"Conv3d_1a_7x7": (8, 3, 7), "Conv3d_2b_1x1": (8, 8, 1), "Conv3d_2c_3x3": (24, 8, 3)}
MIXED_3B = {
    "b0": (8, 24, 1),
    "b1a": (12, 24, 1),
    "b1b": (16, 12, 3),
    "b2a": (2, 24, 1),
    "b2b": (4, 2, 3),
    "b3b": (4, 24, 1),
}
TRUNK = I3D(WIDTH, blocks=("Mixed_3b",))


def tensors():
    """A state dict of the port, a width of 8 and one block; later blocks stand for themselves with one tensor."""
    generator = np.random.default_rng(0)
    units = STEM | {f"Mixed_3b.{branch}": sizes for branch, sizes in MIXED_3B.items()}
    given = {}
    for unit, (outputs, inputs, size) in units.items():
        given[f"{unit}.conv3d.weight"] = generator.normal(size=(outputs, inputs, size, size, size))
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            given[f"{unit}.bn.{leaf}"] = generator.uniform(1, 2, size=outputs)
        given[f"{unit}.bn.num_batches_tracked"] = np.array(3)
    given["Mixed_3c.b0.conv3d.weight"] = np.zeros(1)
    given["logits.conv3d.weight"] = generator.normal(size=(5, 32, 1, 1, 1))
    given["logits.conv3d.bias"] = generator.normal(size=5)
    return {name: array.astype(np.float32) for name, array in given.items()}


def test_each_tensor_of_the_port_reaches_its_place():
    given = tensors()
    variables = weights.i3d_from_torch(given, I3DClassifier(TRUNK, classes=5))
    trunk, statistics = variables["params"]["trunk"], variables["batch_stats"]["trunk"]
    kernel = trunk["Mixed_3b"]["branch1"]["kernel"]
    assert kernel.shape == (3, 3, 3, 12, 16)
    assert kernel[0, 1, 2, 5, 7] == given["Mixed_3b.b1b.conv3d.weight"][7, 5, 0, 1, 2]
    np.testing.assert_array_equal(trunk["Mixed_3b"]["branch2_reduce"]["norm"]["scale"], given["Mixed_3b.b2a.bn.weight"])
    np.testing.assert_array_equal(trunk["Conv3d_2b_1x1"]["norm"]["bias"], given["Conv3d_2b_1x1.bn.bias"])
    np.testing.assert_array_equal(
        statistics["Mixed_3b"]["branch3"]["norm"]["mean"], given["Mixed_3b.b3b.bn.running_mean"]
    )
    np.testing.assert_array_equal(statistics["Conv3d_1a_7x7"]["norm"]["var"], given["Conv3d_1a_7x7.bn.running_var"])
    np.testing.assert_array_equal(
        variables["params"]["logits"]["kernel"].T, given["logits.conv3d.weight"][..., 0, 0, 0]
    )
    bare = weights.i3d_from_torch(given, TRUNK)
    jax.tree.map(np.testing.assert_array_equal, bare["params"], trunk)


def test_what_does_not_fit_is_named():
    given = tensors()
    missing = {name: array for name, array in given.items() if name != "Mixed_3b.b2b.bn.running_var"}
    with pytest.raises(UserError, match=r"lack Mixed_3b\.b2b\.bn\.running_var, which I3D needs"):
        weights.i3d_from_torch(missing, TRUNK)
    with pytest.raises(UserError, match=r"hold Mixed_3b\.b4\.conv3d\.weight, which I3D has no place for"):
        weights.i3d_from_torch({**given, "Mixed_3b.b4.conv3d.weight": np.zeros(1)}, TRUNK)
    with pytest.raises(UserError, match=r"give Conv3d_1a_7x7/kernel the shape \(7, 7, 7, 3, 8\), but I3D needs"):
        weights.i3d_from_torch(given, TRUNK, stream="Flow")
    flat = {**given, "Conv3d_2b_1x1.conv3d.weight": np.zeros((8, 8))}
    with pytest.raises(UserError, match=r"Conv3d_2b_1x1\.conv3d\.weight of shape \(8, 8\) cannot become"):
        weights.i3d_from_torch(flat, TRUNK)
    with pytest.raises(UserError, match="lack RGB/inception_i3d"):
        weights.i3d_from_tensorflow(given, TRUNK)


def test_names_of_the_tensorflow_release(monkeypatch):
    """The release's names, spelled out for the units in which the pattern breaks or ends."""
    seen = {}

    def record(module, example, tensors, name_map, ignored=()):
        seen.update(name_map)
        return name_map

    monkeypatch.setattr(weights, "import_variables", record)
    weights.i3d_from_tensorflow({}, I3DClassifier(I3D()), "Flow")
    names = {name for origin in seen.values() for name in origin.names}
    # 57 units of one kernel, shift, mean and variance each, and the classifier's two.
    assert len(names) == 57 * 4 + 2
    assert {name.split("/")[0] for name in names} == {"Flow"}
    for ours, theirs in {
        "params/trunk/Conv3d_1a_7x7/kernel": "Conv3d_1a_7x7/conv_3d/w",
        "params/trunk/Mixed_5b/branch2/kernel": "Mixed_5b/Branch_2/Conv3d_0a_3x3/conv_3d/w",
        "params/trunk/Mixed_5c/branch2/norm/bias": "Mixed_5c/Branch_2/Conv3d_0b_3x3/batch_norm/beta",
        "batch_stats/trunk/Mixed_3b/branch3/norm/mean": "Mixed_3b/Branch_3/Conv3d_0b_1x1/batch_norm/moving_mean",
        "batch_stats/trunk/Mixed_4f/branch0/norm/var": "Mixed_4f/Branch_0/Conv3d_0a_1x1/batch_norm/moving_variance",
        "params/trunk/Mixed_4f/branch1_reduce/kernel": "Mixed_4f/Branch_1/Conv3d_0a_1x1/conv_3d/w",
        "params/logits/kernel": "Logits/Conv3d_0c_1x1/conv_3d/w",
        "params/logits/bias": "Logits/Conv3d_0c_1x1/conv_3d/b",
    }.items():
        assert seen[ours].names == (f"Flow/inception_i3d/{theirs}",)


def test_the_releases_normalisation_has_a_gain_of_one():
    shifts = np.full((1, 1, 1, 1, 4), 7, np.float32)
    np.testing.assert_array_equal(weights.unit_gain(shifts), np.ones(4))
    np.testing.assert_array_equal(weights.per_channel(shifts), np.full(4, 7))


def test_variables_nest_under_names():
    rgb = {"params": {"a": 1}, "batch_stats": {"b": 2}}
    flow = {"params": {"a": 3}}
    nested = weights.as_submodules(network=weights.as_submodules(rgb=rgb, flow=flow))
    assert nested == {
        "params": {"network": {"rgb": {"a": 1}, "flow": {"a": 3}}},
        "batch_stats": {"network": {"rgb": {"b": 2}}},
    }
