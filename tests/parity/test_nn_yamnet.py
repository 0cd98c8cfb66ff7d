"""YAMNet against the TensorFlow Lite runtime on the released file: as released, and with its weights as floats.

The runtime rounds what enters an int8 layer to eight bits, the Fourier transform of its spectrogram included. With
floats in the file that rounding is gone, and both agree to float32 rounding.
"""

import jax
import numpy as np
import pytest

from avx.media.sound import iterate_sound
from avx.nn.encoders.yamnet import YAMNetClassifier
from avx.nn.pretrained.tflite_file import dequantised, read_tflite
from avx.nn.pretrained.yamnet_weights import yamnet_from_tflite
from avx.signal.vggish_input import EXAMPLE_SAMPLES
from avx.signal.yamnet_input import yamnet_patches

pytest.importorskip("tflite")
interpreters = pytest.importorskip("ai_edge_litert.interpreter")
pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def released(real_data):
    return real_data / "pretrained_small" / "yamnet.tflite"


@pytest.fixture(scope="module")
def windows(real_data):
    """(n, 15600) samples of real clips: barks, applause, a drum, speech, a harp; two windows of each."""
    folder, parts = real_data / "av_clips" / "with_audio", []
    for name in ("dog_bark_1", "applause", "drums_1", "old_man", "harp"):
        sound = np.concatenate(list(iterate_sound(folder / f"{name}.mp4", 16000)))
        parts.append(sound[: 2 * EXAMPLE_SAMPLES].reshape(2, EXAMPLE_SAMPLES))
    return np.concatenate(parts).astype(np.float32)


@pytest.fixture(scope="module")
def scores_of(released):
    module = YAMNetClassifier()
    params = yamnet_from_tflite(read_tflite(released), module)
    alone = jax.jit(
        lambda patches: module.apply({"params": params}, patches[:, None], np.ones((len(patches), 1), bool))
    )
    return lambda patches: np.asarray(alone(patches))[:, 0]


def runtime(interpreter, windows):
    """Scores (n, 521) and log-mel patches (n, 96, 64) of the runtime."""
    interpreter.allocate_tensors()
    place, found = interpreter.get_input_details()[0]["index"], []
    for window in windows:
        interpreter.set_tensor(place, window[None])
        interpreter.invoke()
        found.append([np.array(interpreter.get_tensor(out["index"])) for out in interpreter.get_output_details()])
    scores, patches = zip(*found, strict=True)
    return np.concatenate(scores), np.stack(patches)


def as_floats(path):
    """An interpreter of the file with float32 weights, without quantisation: what the network computes unrounded."""
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    flatbuffers = pytest.importorskip("flatbuffers")
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))
    graph = model.subgraphs[0]
    for tensor in graph.tensors:
        if tensor.type == schema.TensorType.INT8:
            stored = np.asarray(model.buffers[tensor.buffer].data, np.uint8).view(np.int8).reshape(tensor.shape)
            of = tensor.quantization
            real = dequantised(stored, np.asarray(of.scale), np.asarray(of.zeroPoint), of.quantizedDimension)
            model.buffers[tensor.buffer].data = np.frombuffer(real.astype(np.float32).tobytes(), np.uint8)
            tensor.type, tensor.quantization = schema.TensorType.FLOAT32, None
    codes = [max(code.builtinCode, code.deprecatedBuiltinCode) for code in model.operatorCodes]
    conversions = [op for op in graph.operators if codes[op.opcodeIndex] == schema.BuiltinOperator.DEQUANTIZE]
    source = {op.outputs[0]: op.inputs[0] for op in conversions}
    graph.operators = [op for op in graph.operators if op not in conversions]
    for operator in graph.operators:
        operator.inputs = [source.get(place, place) for place in operator.inputs]
    builder = flatbuffers.Builder(1 << 24)
    builder.Finish(model.Pack(builder), b"TFL3")
    return interpreters.Interpreter(model_content=bytes(builder.Output()))


@pytest.fixture(scope="module")
def unrounded(released, windows):
    return runtime(as_floats(released), windows)


@pytest.fixture(scope="module")
def rounded(released, windows):
    return runtime(interpreters.Interpreter(str(released)), windows)


@pytest.fixture(scope="module")
def ours(windows, scores_of):
    patches, mask = jax.jit(yamnet_patches)(windows)
    assert patches.shape == (len(windows), 1, 96, 64) and mask.all()
    return scores_of(np.asarray(patches)[:, 0]), np.asarray(patches)[:, 0]


def test_scores_of_the_same_patches_without_rounding(unrounded, scores_of):
    scores, patches = unrounded
    assert scores.max() > 0.5
    np.testing.assert_allclose(scores_of(patches), scores, atol=1e-4)


def test_patches_and_scores_of_sound_without_rounding_of_activations(unrounded, ours):
    """What remains are the eight bits of the file's Fourier and filter matrices."""
    assert np.abs(ours[1] - unrounded[1]).mean() < 0.02
    apart = np.abs(ours[0] - unrounded[0])
    assert apart.max() < 0.1 and apart.mean() < 1e-3


def test_scores_of_the_same_patches_as_released(rounded, scores_of):
    scores, patches = rounded
    apart = np.abs(scores_of(patches) - scores)
    assert apart.max() < 0.1 and apart.mean() < 1e-3


def test_scores_of_sound_as_released(rounded, ours):
    scores = rounded[0]
    assert np.abs(ours[0] - scores).mean() < 3e-3
    first, second = np.sort(scores, 1)[:, -1], np.sort(scores, 1)[:, -2]
    clear = first - second > 0.1
    assert clear.sum() >= 3
    np.testing.assert_array_equal(ours[0][clear].argmax(1), scores[clear].argmax(1))
