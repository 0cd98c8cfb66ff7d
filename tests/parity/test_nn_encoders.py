"""Convolutional encoders against PyTorch with the same weights, through the importers; within 1e-4 relative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from avx.nn.encoders import resnet, squeezenet, vggish
from avx.nn.encoders.resnet import ResNet
from avx.nn.encoders.squeezenet import SqueezeNet
from avx.nn.encoders.vggish import VGGish
from avx.nn.pretrained import name_maps
from avx.nn.pretrained.readers import read_weights

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.peers


def assert_close(ours, theirs):
    theirs = theirs.detach().numpy()
    assert np.abs(theirs).max() > 1e-3
    assert np.abs(np.asarray(ours) - theirs).max() <= 1e-4 * np.abs(theirs).max()


def randomise(network):
    """Random weights and statistics of a size that neither dies out nor explodes."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.Linear):
            torch.nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                torch.nn.init.normal_(module.bias, std=0.1, generator=generator)
        if isinstance(module, torch.nn.BatchNorm2d):
            for tensor in (module.bias, module.running_mean):
                torch.nn.init.normal_(tensor, std=0.3, generator=generator)
            for tensor in (module.weight, module.running_var):
                torch.nn.init.uniform_(tensor, 0.5, 1.5, generator=generator)
    return network.eval()


class TorchVGGish(torch.nn.Module):
    def __init__(self, widths, fully_connected, flat):
        super().__init__()
        layers, channels = [], 1
        for stage in widths:
            for width in stage:
                layers += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.ReLU()]
                channels = width
            layers.append(torch.nn.MaxPool2d(2, 2))
        self.features = torch.nn.Sequential(*layers)
        linears = []
        for size in fully_connected:
            linears += [torch.nn.Linear(flat, size), torch.nn.ReLU()]
            flat = size
        self.embeddings = torch.nn.Sequential(*linears)

    def forward(self, examples):
        features = self.features(examples[:, None])
        return self.embeddings(features.permute(0, 2, 3, 1).flatten(1))


@pytest.mark.parametrize(
    ("widths", "fully_connected"),
    [
        (((4,), (6,), (8, 8), (10, 10)), (16, 12, 7)),
        pytest.param(vggish.WIDTHS, vggish.FULLY_CONNECTED, marks=pytest.mark.slow),
    ],
    ids=["narrow", "full"],
)
def test_vggish(widths, fully_connected, tmp_path):
    network = randomise(TorchVGGish(widths, fully_connected, flat=6 * 4 * widths[-1][-1]))
    torch.save(network.state_dict(), tmp_path / "vggish.pth", _use_new_zipfile_serialization=False)
    module = VGGish(widths, fully_connected)
    params = name_maps.vggish_from_torch(read_weights(tmp_path / "vggish.pth"), module)
    examples = np.random.default_rng(0).normal(-3, 2, size=(3, 96, 64)).astype(np.float32)
    output = jax.jit(module.apply)({"params": params}, examples[None], np.ones((1, 3), bool))
    assert_close(output.tokens[0], network(torch.tensor(examples)))


class TorchFire(torch.nn.Module):
    def __init__(self, channels, squeeze, expand):
        super().__init__()
        self.squeeze1x1 = torch.nn.Conv2d(channels, squeeze, 1)
        self.expand1x1 = torch.nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = torch.nn.Conv2d(squeeze, expand, 3, padding=1)

    def forward(self, features):
        squeezed = torch.relu(self.squeeze1x1(features))
        return torch.relu(torch.cat([self.expand1x1(squeezed), self.expand3x3(squeezed)], 1))


class TorchSqueezeNet(torch.nn.Module):
    def __init__(self, fires, stem):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, stem, 3, stride=2)
        channels = stem
        for number, (squeeze, expand) in enumerate(fires, start=2):
            self.add_module(f"fire{number}", TorchFire(channels, squeeze, expand))
            channels = 2 * expand
        self.count = len(fires)

    def forward(self, images):
        blue_green_red = 255 * images.flip(3) - torch.tensor([103.939, 116.779, 123.68])
        features = torch.relu(self.conv1(blue_green_red.permute(0, 3, 1, 2)))
        for number in range(2, self.count + 2):
            if number in (2, 4, 6):
                features = torch.nn.functional.max_pool2d(features, 3, 2)
            features = getattr(self, f"fire{number}")(features)
        return features.permute(0, 2, 3, 1)


def test_squeezenet_with_the_released_weights(real_data):
    name = "squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"
    tensors = read_weights(real_data / "pretrained_small" / name)
    assert sum(array.size for array in tensors.values()) == 722496
    network = TorchSqueezeNet(squeezenet.FIRES, stem=64).eval()
    state = {}
    for key, array in tensors.items():
        layer, index = key.rsplit("/", 1)
        kernel = index == "0"
        state[f"{layer.replace('/', '.')}.{'weight' if kernel else 'bias'}"] = torch.tensor(
            array.transpose(3, 2, 0, 1) if kernel else array
        )
    network.load_state_dict(state)
    images = np.random.default_rng(0).uniform(size=(2, 75, 91, 3)).astype(np.float32)
    params = name_maps.squeezenet_from_keras(tensors)
    assert_close(jax.jit(SqueezeNet().apply)({"params": params}, images), network(torch.tensor(images)))


class TorchBottleneck(torch.nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        out = 4 * width
        self.conv1 = torch.nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        self.conv2 = torch.nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(width)
        self.conv3 = torch.nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = torch.nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or channels != out:
            self.downsample = torch.nn.Sequential(
                torch.nn.Conv2d(channels, out, 1, stride=stride, bias=False), torch.nn.BatchNorm2d(out)
            )

    def forward(self, features):
        moved = torch.relu(self.bn1(self.conv1(features)))
        moved = torch.relu(self.bn2(self.conv2(moved)))
        moved = self.bn3(self.conv3(moved))
        return torch.relu(moved + (features if self.downsample is None else self.downsample(features)))


class TorchResNet(torch.nn.Module):
    def __init__(self, stages, width):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(width)
        channels = width
        for stage, blocks in enumerate(stages, start=1):
            layers = []
            for block in range(blocks):
                narrow = width * 2 ** (stage - 1)
                layers.append(TorchBottleneck(channels, narrow, 2 if stage > 1 and block == 0 else 1))
                channels = 4 * narrow
            self.add_module(f"layer{stage}", torch.nn.Sequential(*layers))
        self.count = len(stages)
        self.fc = torch.nn.Linear(channels, 10)

    def forward(self, images):
        means, deviations = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        features = ((images - means) / deviations).permute(0, 3, 1, 2)
        features = torch.relu(self.bn1(self.conv1(features)))
        features = torch.nn.functional.max_pool2d(features, 3, 2, 1)
        for stage in range(1, self.count + 1):
            features = getattr(self, f"layer{stage}")(features)
        return features.permute(0, 2, 3, 1)


@pytest.mark.parametrize(
    ("stages", "width", "size"),
    [((2, 1), 4, (37, 46)), pytest.param(resnet.STAGES, 64, (224, 224), marks=pytest.mark.slow)],
    ids=["narrow", "full"],
)
def test_resnet(stages, width, size, tmp_path):
    network = randomise(TorchResNet(stages, width))
    torch.save(network.state_dict(), tmp_path / "resnet.pth")
    module = ResNet(stages, width)
    params = name_maps.resnet_from_torch(read_weights(tmp_path / "resnet.pth"), module)
    images = np.random.default_rng(0).uniform(size=(2, *size, 3)).astype(np.float32)
    assert_close(jax.jit(module.apply)({"params": params}, jnp.asarray(images)), network(torch.tensor(images)))
