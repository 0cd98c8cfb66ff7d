"""Maps fold, transpose and check; whatever does not fit is named."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.nn.encoders.squeezenet import SqueezeNet
from avx.nn.encoders.vggish import VGGish
from avx.nn.pretrained import name_maps

SMALL = SqueezeNet(fires=((2, 3),), stem=4)
SHAPES = {
    "conv1/0": (3, 3, 3, 4),
    "conv1/1": (4,),
    "fire2/squeeze1x1/0": (1, 1, 4, 2),
    "fire2/squeeze1x1/1": (2,),
    "fire2/expand1x1/0": (1, 1, 2, 3),
    "fire2/expand1x1/1": (3,),
    "fire2/expand3x3/0": (3, 3, 2, 3),
    "fire2/expand3x3/1": (3,),
}


def tensors():
    generator = np.random.default_rng(0)
    return {name: generator.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


def test_each_tensor_reaches_its_place():
    given = tensors()
    params = name_maps.squeezenet_from_keras(given, SMALL)
    np.testing.assert_array_equal(params["fire2"]["expand3x3"]["kernel"], given["fire2/expand3x3/0"])
    np.testing.assert_array_equal(params["conv1"]["bias"], given["conv1/1"])
    SMALL.apply({"params": params}, jnp.ones((1, 19, 19, 3)))


def test_a_missing_tensor_is_named():
    given = tensors()
    del given["fire2/squeeze1x1/1"]
    with pytest.raises(UserError, match="lack fire2/squeeze1x1/1, which SqueezeNet"):
        name_maps.squeezenet_from_keras(given, SMALL)


def test_a_surplus_tensor_is_named():
    with pytest.raises(UserError, match="hold conv10/0, which SqueezeNet has no place for"):
        name_maps.squeezenet_from_keras({**tensors(), "conv10/0": np.zeros(1)}, SMALL)


def test_a_wrong_shape_is_named():
    given = {**tensors(), "conv1/0": np.zeros((3, 3, 4, 3))}
    with pytest.raises(UserError, match=r"conv1/0 give conv1/kernel the shape \(3, 3, 4, 3\)"):
        name_maps.squeezenet_from_keras(given, SMALL)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300])
def test_numbers_that_are_not_finite_are_named(wrong):
    given = tensors()
    given["fire2/expand1x1/1"] = np.array([0.0, wrong, 1.0])
    with pytest.raises(UserError, match="fire2/expand1x1/1 give fire2/expand1x1/bias NaN or infinity"):
        name_maps.squeezenet_from_keras(given, SMALL)


def test_texts_are_no_weights():
    with pytest.raises(UserError, match=r"conv1/1 of shape .* cannot become conv1/bias"):
        name_maps.squeezenet_from_keras({**tensors(), "conv1/1": np.array(list("abcd"))}, SMALL)


def test_a_long_list_of_names_is_cut():
    with pytest.raises(UserError, match="and 3 more"):
        name_maps.squeezenet_from_keras({}, SMALL)


def test_batch_normalisation_is_folded():
    """One 1x1 convolution: 2 x - 1 with gain 3 / sqrt(4) around the mean 5, shifted by 0.5."""
    scale, shift, mean = np.array([3.0]), np.array([0.5]), np.array([5.0])
    variance = np.array([4.0 - name_maps.NORMALISATION_EPSILON])
    kernel = name_maps.folded_kernel(np.full((1, 1, 1, 1), 2.0), scale, variance)
    bias = name_maps.folded_bias(scale, shift, mean, variance)
    x = 1.7
    np.testing.assert_allclose(kernel[0, 0, 0, 0] * x + bias[0], (2 * x - 5) / 2 * 3 + 0.5)


def test_tensorflow_names_of_vggish_are_those_of_the_release():
    names = {
        "vggish/conv1": (3, 3, 1, 64),
        "vggish/conv2": (3, 3, 64, 128),
        "vggish/conv3/conv3_1": (3, 3, 128, 256),
        "vggish/conv3/conv3_2": (3, 3, 256, 256),
        "vggish/conv4/conv4_1": (3, 3, 256, 512),
        "vggish/conv4/conv4_2": (3, 3, 512, 512),
        "vggish/fc1/fc1_1": (6 * 4 * 512, 4096),
        "vggish/fc1/fc1_2": (4096, 4096),
        "vggish/fc2": (4096, 128),
    }
    recorded = {}

    def record(module, example, tensors, name_map, ignored=()):
        shapes = jax.eval_shape(module.init, jax.random.key(0), *example)["params"]
        for path, origin in name_map.items():
            layer, leaf = path.split("/")
            recorded[origin.names[0]] = shapes[layer][leaf].shape

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(name_maps, "import_weights", record)
        name_maps.vggish_from_tensorflow({}, VGGish())
    expected = {f"{scope}/weights": shape for scope, shape in names.items()}
    expected |= {f"{scope}/biases": shape[-1:] for scope, shape in names.items()}
    assert recorded == expected


def test_hash_sees_values_names_shapes_and_types_but_not_the_order():
    params = {"b": {"w": jnp.arange(4.0)}, "a": jnp.ones(2)}
    reference = name_maps.weights_hash(params)
    assert len(reference) == 64
    assert (
        name_maps.weights_hash({"a": np.ones(2, np.float32), "b": {"w": np.arange(4.0, dtype=np.float32)}}) == reference
    )
    others = [
        {"b": {"w": jnp.arange(4.0).at[3].add(1e-6)}, "a": jnp.ones(2)},
        {"b": {"v": jnp.arange(4.0)}, "a": jnp.ones(2)},
        {"b": {"w": jnp.arange(4.0).reshape(2, 2)}, "a": jnp.ones(2)},
        {"b": {"w": jnp.arange(4)}, "a": jnp.ones(2)},
    ]
    assert len({reference, *map(name_maps.weights_hash, others)}) == 5
