"""I3D against PyTorch with the same weights at every endpoint, through both importers; within 1e-4 relative."""

import copy
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tensorflow_bundle import write_bundle

from avx.nn import convolution
from avx.nn.encoders.i3d import I3D, I3DClassifier, TwoStreamI3D, Unit
from avx.nn.pretrained.i3d_weights import as_submodules, i3d_from_tensorflow, i3d_from_torch
from avx.nn.pretrained.readers import read_weights

torch = pytest.importorskip("torch")
torch_i3d = pytest.importorskip("benchmarks.torch_i3d")
pytestmark = pytest.mark.peers

WIDTH = 8
CLASSES = 6
SIZES = [(9, 57, 64), (10, 62, 59)]
PUBLISHED_PARAMETERS = 12_697_264


@functools.cache
def network(channels, width=WIDTH, classes=CLASSES):
    return torch_i3d.randomise(torch_i3d.TorchI3D(channels, width, classes), seed=channels)


def classifier(width=WIDTH, classes=CLASSES):
    return I3DClassifier(I3D(width), classes)


def clips(*shape, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, size=shape).astype(np.float32)


def reference(model, inputs):
    """Endpoint -> (B, T, H, W, C) or (B, D) numpy array."""
    with torch.no_grad():
        results = model.endpoints(torch.tensor(inputs).permute(0, 4, 1, 2, 3).contiguous())
    return {name: np.moveaxis(value.numpy(), 1, -1) for name, value in results.items()}


def ours(module, variables, inputs):
    logits, state = jax.jit(functools.partial(module.apply, mutable=["intermediates"]))(variables, inputs)
    return {**state["intermediates"]["trunk"]["endpoints"], "logits": logits}


def relative_error(value, expected):
    assert value.shape == expected.shape
    assert np.abs(expected).max() > 1e-3
    return np.abs(np.asarray(value) - expected).max() / np.abs(expected).max()


def assert_every_endpoint(module, variables, model, inputs):
    found, expected = ours(module, variables, inputs), reference(model, inputs)
    expected.pop("features")
    assert set(found) == set(expected) and len(found) == 17
    for name, value in expected.items():
        assert relative_error(found[name], value) <= 1e-4, name


def without_gain(model):
    """The same network with the gains of the TensorFlow release, which has none."""
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm3d):
            torch.nn.init.ones_(module.weight)
    return model


def state_of(model):
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def as_tensorflow(state, scope):
    """The variables of the release with the weights of a PyTorch network whose gains are 1."""
    branches = {
        "b0": "Branch_0/Conv3d_0a_1x1",
        "b1a": "Branch_1/Conv3d_0a_1x1",
        "b1b": "Branch_1/Conv3d_0b_3x3",
        "b2a": "Branch_2/Conv3d_0a_1x1",
        "b2b": "Branch_2/Conv3d_0b_3x3",
        "b3b": "Branch_3/Conv3d_0b_1x1",
    }
    leaves = {
        "conv3d.weight": "conv_3d/w",
        "conv3d.bias": "conv_3d/b",
        "bn.bias": "batch_norm/beta",
        "bn.running_mean": "batch_norm/moving_mean",
        "bn.running_var": "batch_norm/moving_variance",
    }
    variables = {}
    for name, array in state.items():
        *unit, layer, leaf = name.split(".")
        if f"{layer}.{leaf}" not in leaves:
            continue
        unit = "/".join(branches.get(part, part) for part in unit)
        unit = {
            "logits": "Logits/Conv3d_0c_1x1",
            "Mixed_5b/Branch_2/Conv3d_0b_3x3": "Mixed_5b/Branch_2/Conv3d_0a_3x3",
        }.get(unit, unit)
        if layer == "conv3d" and leaf == "weight":
            array = array.transpose(2, 3, 4, 1, 0)
        elif layer == "bn":
            array = array.reshape(1, 1, 1, 1, -1)
        variables[f"{scope}/inception_i3d/{unit}/{leaves[f'{layer}.{leaf}']}"] = array
    return variables


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_every_endpoint_equals_pytorch_through_the_ports_file(size, tmp_path):
    model, module = network(3), classifier()
    torch.save(model.state_dict(), tmp_path / "rgb_imagenet.pt")
    variables = i3d_from_torch(read_weights(tmp_path / "rgb_imagenet.pt"), module)
    assert_every_endpoint(module, variables, model, clips(1, *size, 3))


@pytest.mark.slow
@pytest.mark.parametrize("channels", [3, 2])
def test_every_endpoint_at_the_published_width(channels):
    model, module = network(channels, 64, 400), I3DClassifier(I3D())
    variables = i3d_from_torch(state_of(model), module, "RGB" if channels == 3 else "Flow")
    assert_every_endpoint(module, variables, model, clips(1, 18, 112, 120, channels))


@pytest.mark.slow
def test_two_streams_from_one_tensorflow_checkpoint_equal_both_networks(tmp_path):
    models = {"RGB": without_gain(network(3)), "Flow": without_gain(network(2))}
    variables = {}
    for scope, model in models.items():
        variables |= as_tensorflow(state_of(model), scope)
    write_bundle(tmp_path / "model.ckpt.index", variables)
    read = read_weights(tmp_path / "model.ckpt.index")
    rgb, flow = (i3d_from_tensorflow(read, I3D(WIDTH), scope) for scope in models)
    inputs = clips(2, 6, 40, 33, 5)
    module = TwoStreamI3D(I3D(WIDTH), I3D(WIDTH))
    found = jax.jit(module.apply)(as_submodules(rgb=rgb, flow=flow), inputs)
    first, second = (
        reference(models[scope], part) for scope, part in (("RGB", inputs[..., :3]), ("Flow", inputs[..., 3:]))
    )
    expected = np.concatenate([first["features"], second["features"]], axis=-1)
    assert relative_error(found, expected) <= 1e-4
    swapped = np.concatenate([second["features"], first["features"]], axis=-1)
    assert relative_error(found, swapped) > 1e-1


def test_both_importers_give_the_same_classifier():
    model = without_gain(network(3))
    of_torch = i3d_from_torch(state_of(model), classifier())
    of_tensorflow = i3d_from_tensorflow(as_tensorflow(state_of(model), "RGB"), classifier())
    assert jax.tree.structure(of_torch) == jax.tree.structure(of_tensorflow)
    jax.tree.map(np.testing.assert_array_equal, of_torch, of_tensorflow)


def test_symmetric_padding_would_fail(monkeypatch):
    model = network(3)
    variables = i3d_from_torch(state_of(model), I3D(WIDTH))
    first = {collection: tree["Conv3d_1a_7x7"] for collection, tree in variables.items()}
    inputs = clips(1, 10, 62, 59, 3)
    expected = reference(model, inputs)["Conv3d_1a_7x7"]
    unit = Unit(WIDTH, (7, 7, 7), (2, 2, 2))
    assert relative_error(jax.jit(unit.apply)(first, inputs), expected) <= 1e-4
    convolve = jax.lax.conv_general_dilated

    def symmetric(images, kernel, strides, padding, **layout):
        return convolve(images, kernel, strides, [(size // 2, size // 2) for size in kernel.shape[:-2]], **layout)

    monkeypatch.setattr(convolution.lax, "conv_general_dilated", symmetric)
    assert relative_error(jax.jit(lambda *values: unit.apply(*values))(first, inputs), expected) > 1e-2


def test_the_published_size_has_as_many_parameters_as_the_port():
    shapes = jax.eval_shape(I3DClassifier(I3D()).init, jax.random.key(0), jnp.ones((1, 16, 224, 224, 3)))
    count = sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))
    theirs = torch_i3d.TorchI3D(3)
    assert count == sum(parameter.numel() for parameter in theirs.parameters()) == PUBLISHED_PARAMETERS
    statistics = sum(leaf.size for leaf in jax.tree.leaves(shapes["batch_stats"]))
    assert statistics == sum(buffer.numel() for buffer in theirs.buffers() if buffer.ndim)
