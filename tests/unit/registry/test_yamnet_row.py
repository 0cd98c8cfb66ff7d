"""What `features.audio = yamnet` makes of a clip."""

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from avx.core.dataset import Clip
from avx.core.errors import UserError
from avx.nn.encoders.yamnet import YAMNet
from avx.nn.pretrained.readers import read_weights
from avx.nn.pretrained.yamnet_weights import yamnet_from_tflite
from avx.registry import inputs
from avx.signal.yamnet_input import yamnet_patches
from configs import folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of random weights at full size, named as those of the release."""
    generator, tensors = np.random.default_rng(0), {}

    def layer(name, shape, size):
        scale = np.sqrt(2 / np.prod(shape[1:] if shape[0] != 1 else shape[1:3]))
        tensors[f"{name}/kernel"] = generator.normal(0, scale, shape).astype(np.float32)
        tensors[f"{name}/bias"] = generator.normal(0, 0.1, size).astype(np.float32)

    module, channels = YAMNet(), YAMNet().stem
    layer("conv_2d/0", (channels, 3, 3, 1), channels)
    for place, (width, _) in enumerate(module.blocks):
        layer(f"depthwise_conv_2d/{place}", (1, 3, 3, channels), channels)
        layer(f"conv_2d/{place + 1}", (width, 1, 1, channels), width)
        channels = width
    layer("fully_connected/3", (521, channels), 521)
    path = tmp_path_factory.mktemp("weights") / "yamnet.safetensors"
    save_file(tensors, path)
    return path


def config_of(weights, hop_seconds):
    config = folder.get_config()
    config.features.audio, config.features.audio_weights = "yamnet", str(weights)
    config.features.audio_hop_seconds = hop_seconds
    return config.lock()


def sound(seconds):
    waveform = np.random.default_rng(1).normal(0, 0.1, int(16000 * seconds)).astype(np.float32)
    return Clip("a clip", np.zeros((0, 4, 4, 3), np.uint8), np.zeros(0), waveform, 16000, has_video=False)


def test_steps_are_embeddings_of_the_releases_patches(weights):
    config = config_of(weights, 0.0)
    front_end = inputs.front_end(config, inputs.read_weights(config))
    (found,) = front_end.extract([sound(2.0)])
    params = yamnet_from_tflite(read_weights(weights))
    patches, mask = yamnet_patches(sound(2.0).waveform)
    tokens = jax.jit(YAMNet().apply)({"params": params}, patches[None], mask[None]).tokens[0]
    assert found["audio"].shape == (4, 1024)
    np.testing.assert_allclose(found["audio"], tokens, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found["audio_starts"], [0, 0.48, 0.96, 1.44], rtol=1e-6)
    assert float(found["audio_step_seconds"]) == pytest.approx(0.96)
    assert inputs.clip_specs(config)[1].shape == (1024,)


def test_a_stated_hop_replaces_the_releases(weights):
    config = config_of(weights, 0.96)
    (found,) = inputs.front_end(config, inputs.read_weights(config)).extract([sound(2.0)])
    np.testing.assert_allclose(found["audio_starts"], [0, 0.96, 1.92], rtol=1e-6)


def test_hop_of_zero_is_the_encoders_own_and_others_are_positive(weights):
    assert inputs.front_end_options(config_of(weights, 0.0)).audio_hop_seconds == 0.48
    config = folder.get_config()
    config.features.audio_hop_seconds = 0.0
    assert inputs.front_end_options(config).audio_hop_seconds == 0.96
    config.features.audio_hop_seconds = -0.48
    with pytest.raises(UserError, match=r"audio_hop_seconds = -0\.48 must be"):
        inputs.front_end_options(config)


def test_weights_are_asked_for():
    config = folder.get_config()
    config.features.audio = "yamnet"
    with pytest.raises(UserError, match=r"yamnet needs its weights; give the file as --config.features.audio_weights"):
        inputs.read_weights(config)
