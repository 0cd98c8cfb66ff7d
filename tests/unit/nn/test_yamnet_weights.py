import csv

import jax
import numpy as np
import pytest

from avx.core.errors import UserError
from avx.media.sound import iterate_sound
from avx.nn.encoders.yamnet import YAMNet, YAMNetClassifier
from avx.nn.pretrained.tflite_file import dequantised, read_tflite
from avx.nn.pretrained.yamnet_weights import yamnet_from_tflite
from avx.signal.yamnet_input import yamnet_patches

TRUNK = YAMNet(blocks=((3, 2), (5, 1)), stem=2)
SHAPES = {
    "conv_2d/0": (2, 3, 3, 1),
    "depthwise_conv_2d/0": (1, 3, 3, 2),
    "conv_2d/1": (3, 1, 1, 2),
    "depthwise_conv_2d/1": (1, 3, 3, 3),
    "conv_2d/2": (5, 1, 1, 3),
    "fully_connected/0": (7, 512),
    "fully_connected/3": (4, 5),
}


def tensors():
    """Random layers of a small network, in the layout of a TensorFlow Lite file."""
    generator, found = np.random.default_rng(0), {}
    for name, shape in SHAPES.items():
        found[f"{name}/kernel"] = generator.normal(size=shape).astype(np.float32)
        size = shape[-1] if name.startswith("depthwise") else shape[0]
        found[f"{name}/bias"] = generator.normal(size=size).astype(np.float32)
    del found["fully_connected/0/bias"]
    return found


def convolved(image, kernel, bias, stride, depthwise):
    """ReLU of a convolution of (H, W, C) with zeros around it so that ceil(H / stride) rows come out; by loops."""
    size, (height, width, _) = kernel.shape[1], image.shape
    rows, columns = -(-height // stride), -(-width // stride)
    around = [max((count - 1) * stride + size - side, 0) for count, side in ((rows, height), (columns, width))]
    image = np.pad(image, [(a // 2, a - a // 2) for a in around] + [(0, 0)])
    out = np.zeros((rows, columns, len(bias)))
    for row in range(rows):
        for column in range(columns):
            seen = image[row * stride : row * stride + size, column * stride : column * stride + size]
            out[row, column] = (
                (seen * kernel[0]).sum((0, 1)) if depthwise else np.einsum("hwc,ohwc->o", seen, kernel)
            ) + bias
    return np.maximum(out, 0)


def test_network_is_that_of_loops_over_the_files_layers():
    stored = tensors()
    module = YAMNetClassifier(TRUNK, 4)
    params = yamnet_from_tflite(stored, module)
    patch = np.random.default_rng(1).normal(size=(9, 12)).astype(np.float32)
    features = patch[:, :, None]
    for name, stride in (
        ("conv_2d/0", 2),
        ("depthwise_conv_2d/0", 2),
        ("conv_2d/1", 1),
        ("depthwise_conv_2d/1", 1),
        ("conv_2d/2", 1),
    ):
        layer = stored[f"{name}/kernel"], stored[f"{name}/bias"]
        features = convolved(features, *layer, stride, name.startswith("depthwise"))
    embedding = features.mean((0, 1))
    logits = stored["fully_connected/3/kernel"] @ embedding + stored["fully_connected/3/bias"]
    mask = np.ones((1, 1), bool)
    scores = module.apply({"params": params}, patch[None, None], mask)
    np.testing.assert_allclose(scores[0, 0], 1 / (1 + np.exp(-logits)), rtol=1e-4)
    tokens = TRUNK.apply({"params": yamnet_from_tflite(stored, TRUNK)}, patch[None, None], mask).tokens
    np.testing.assert_allclose(tokens[0, 0], embedding, rtol=1e-4)


def test_weights_of_another_network_are_refused_by_name():
    stored = tensors()
    stored.pop("depthwise_conv_2d/1/bias")
    with pytest.raises(UserError, match="lack depthwise_conv_2d/1/bias, which YAMNet needs"):
        yamnet_from_tflite(stored, TRUNK)
    stored = tensors()
    stored["conv_2d/3/kernel"] = stored["conv_2d/2/kernel"]
    with pytest.raises(UserError, match="hold conv_2d/3/kernel"):
        yamnet_from_tflite(stored, TRUNK)


def test_integers_become_numbers_by_scale_and_zero_point_of_their_channel():
    stored = np.array([[-128, 0, 127], [1, 2, 3]], np.int8)
    whole = dequantised(stored, np.array([0.5], np.float32), np.array([2]), 0)
    np.testing.assert_array_equal(whole, [[-65, -1, 62.5], [-0.5, 0, 0.5]])
    assert whole.dtype == np.float32
    rows = dequantised(stored, np.array([1, 10], np.float32), np.array([0, 1]), 0)
    np.testing.assert_array_equal(rows, [[-128, 0, 127], [0, 10, 20]])
    columns = dequantised(stored, np.array([1, 2, 3], np.float32), np.zeros(3), 1)
    np.testing.assert_array_equal(columns, [[-128, 0, 381], [1, 4, 9]])
    with pytest.raises(ValueError, match="2 scales"):
        dequantised(stored, np.ones(2, np.float32), np.zeros(2), 1)


def small_file(path, cut=0):
    """Writes a file of one convolution with an int8 kernel, read through DEQUANTIZE, and a float16 bias."""
    flatbuffers, tflite = pytest.importorskip("flatbuffers"), pytest.importorskip("tflite")
    builder = flatbuffers.Builder(0)

    def vector(start, offsets):
        start(builder, len(offsets))
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()

    def numbers(values, kind):
        return builder.CreateNumpyVector(np.asarray(values, kind))

    def buffer(content=None):
        data = None if content is None else numbers(np.frombuffer(content, np.uint8), np.uint8)
        tflite.BufferStart(builder)
        if data is not None:
            tflite.BufferAddData(builder, data)
        return tflite.BufferEnd(builder)

    def tensor(shape, kind, place, quantized=False):
        scale, zero = numbers([0.5, 2.0], np.float32), numbers([1, 0], np.int64)
        tflite.QuantizationParametersStart(builder)
        tflite.QuantizationParametersAddScale(builder, scale)
        tflite.QuantizationParametersAddZeroPoint(builder, zero)
        tflite.QuantizationParametersAddQuantizedDimension(builder, 0)
        of = tflite.QuantizationParametersEnd(builder)
        sizes, name = numbers(shape, np.int32), builder.CreateString("a tensor")
        tflite.TensorStart(builder)
        tflite.TensorAddShape(builder, sizes)
        tflite.TensorAddType(builder, kind)
        tflite.TensorAddBuffer(builder, place)
        tflite.TensorAddName(builder, name)
        if quantized:
            tflite.TensorAddQuantization(builder, of)
        return tflite.TensorEnd(builder)

    def operator(code, inputs, outputs):
        inputs, outputs = numbers(inputs, np.int32), numbers(outputs, np.int32)
        tflite.OperatorStart(builder)
        tflite.OperatorAddOpcodeIndex(builder, code)
        tflite.OperatorAddInputs(builder, inputs)
        tflite.OperatorAddOutputs(builder, outputs)
        return tflite.OperatorEnd(builder)

    def code(builtin):
        tflite.OperatorCodeStart(builder)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(builder, builtin)
        tflite.OperatorCodeAddBuiltinCode(builder, builtin)
        return tflite.OperatorCodeEnd(builder)

    kinds, operators = tflite.TensorType, tflite.BuiltinOperator
    kernel = np.array([1, 2, 3, 4], np.int8)
    contents = [None, kernel.tobytes(), np.array([0.25, -1], np.float16).tobytes()]
    buffers = vector(tflite.ModelStartBuffersVector, [buffer(content) for content in contents])
    tensors = [
        tensor((1, 5, 5, 1), kinds.FLOAT32, 0),
        tensor((2, 1, 2, 1), kinds.INT8, 1, quantized=True),
        tensor((2,), kinds.FLOAT16, 2),
        tensor((2, 1, 2, 1), kinds.FLOAT32, 0),
        tensor((1, 5, 4, 2), kinds.FLOAT32, 0),
    ]
    of_tensors = vector(tflite.SubGraphStartTensorsVector, tensors)
    steps = vector(tflite.SubGraphStartOperatorsVector, [operator(0, [1], [3]), operator(1, [0, 3, 2], [4])])
    tflite.SubGraphStart(builder)
    tflite.SubGraphAddTensors(builder, of_tensors)
    tflite.SubGraphAddOperators(builder, steps)
    graphs = vector(tflite.ModelStartSubgraphsVector, [tflite.SubGraphEnd(builder)])
    codes = vector(tflite.ModelStartOperatorCodesVector, [code(operators.DEQUANTIZE), code(operators.CONV_2D)])
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, 3)
    tflite.ModelAddOperatorCodes(builder, codes)
    tflite.ModelAddSubgraphs(builder, graphs)
    tflite.ModelAddBuffers(builder, buffers)
    builder.Finish(tflite.ModelEnd(builder), b"TFL3")
    content = bytes(builder.Output())
    path.write_bytes(content[: len(content) - cut])
    return path


def test_file_with_eight_and_sixteen_bits(tmp_path):
    found = read_tflite(small_file(tmp_path / "small.tflite"))
    assert set(found) == {"conv_2d/0/kernel", "conv_2d/0/bias"}
    # One scale and zero point for each output channel: (q - 1) / 2, and 2 q.
    np.testing.assert_array_equal(found["conv_2d/0/kernel"].reshape(2, 2), [[0, 0.5], [6, 8]])
    np.testing.assert_array_equal(found["conv_2d/0/bias"], [0.25, -1])
    assert all(array.dtype == np.float32 for array in found.values())


def test_damaged_and_foreign_files_are_refused(tmp_path):
    whole = small_file(tmp_path / "small.tflite")
    for cut in range(4, len(whole.read_bytes()) - 8, 24):
        damaged = small_file(tmp_path / "damaged.tflite", cut)
        try:
            found = read_tflite(damaged)
        except UserError as error:
            assert "damaged.tflite is no intact TensorFlow Lite file" in str(error)
        else:
            assert all(np.isfinite(array).all() for array in found.values())
    foreign = tmp_path / "foreign.tflite"
    foreign.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(UserError, match="is no TensorFlow Lite file"):
        read_tflite(foreign)
    with pytest.raises(UserError, match="does not exist"):
        read_tflite(tmp_path / "missing.tflite")


@pytest.fixture(scope="module")
def shares(real_data):
    """Name of a clip -> the share of each class that YAMNet hears in it, by consecutive windows of 15,600 samples."""
    pytest.importorskip("tflite")
    folder = real_data / "pretrained_small"
    with (folder / "yamnet_class_map.csv").open(newline="") as lines:
        names = [row["display_name"] for row in csv.DictReader(lines)]
    module = YAMNetClassifier()
    params = yamnet_from_tflite(read_tflite(folder / "yamnet.tflite"), module)
    apply = jax.jit(lambda patches, mask: module.apply({"params": params}, patches, mask))

    def of(clip):
        sound = np.concatenate(list(iterate_sound(real_data / "av_clips" / "with_audio" / f"{clip}.mp4", 16000)))
        windows = sound[: len(sound) // 15600 * 15600].reshape(-1, 15600)
        patches, mask = yamnet_patches(windows.astype(np.float32))
        mean = np.asarray(apply(patches, mask))[:, 0].mean(0)
        return dict(zip(names, mean / mean.sum(), strict=True))

    return of


@pytest.mark.parametrize(
    ("clip", "first", "share"),
    [
        ("applause", "Applause", 0.79),
        ("baby_cry_1", "Crying, sobbing", 0.47),
        ("baby_laugh", "Laughter", 0.29),
        ("interview", "Speech", 0.93),
        ("drums_1", "Music", 0.40),
        ("car_engine", "Vehicle", 0.21),
    ],
)
def test_real_sounds_are_what_the_released_network_hears(shares, clip, first, share):
    """Reference values of the TensorFlow Lite runtime; its eight-bit spectrogram is worth some .01."""
    heard = shares(clip)
    assert max(heard, key=heard.get) == first
    assert heard[first] == pytest.approx(share, abs=0.03)
