"""I3D written in PyTorch with the names of the widely used port: the rival in timing and the reference in parity."""

from __future__ import annotations

import torch
from torch.nn import functional

MIXED = {
    "3b": (192, 64, 96, 128, 16, 32, 32),
    "3c": (256, 128, 128, 192, 32, 96, 64),
    "4b": (480, 192, 96, 208, 16, 48, 64),
    "4c": (512, 160, 112, 224, 24, 64, 64),
    "4d": (512, 128, 128, 256, 24, 64, 64),
    "4e": (512, 112, 144, 288, 32, 64, 64),
    "4f": (528, 256, 160, 320, 32, 128, 128),
    "5b": (832, 256, 160, 320, 32, 128, 128),
    "5c": (832, 384, 192, 384, 48, 128, 128),
}


def same_pad(clips: torch.Tensor, window: tuple[int, ...], strides: tuple[int, ...]) -> torch.Tensor:
    """Zeros on both sides of the last three axes of (B, C, T, H, W), the odd one at the end, as TensorFlow does."""
    amounts: list[int] = []
    for size, width, stride in zip(clips.shape[2:], window, strides, strict=True):
        remainder = size % stride
        total = max(width - (remainder or stride), 0)
        amounts = [total // 2, total - total // 2, *amounts]
    return functional.pad(clips, amounts)


class Unit3D(torch.nn.Module):
    """Convolution, batch normalisation and ReLU; the classifier has a bias instead of the latter two."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, classifier: bool = False):
        super().__init__()
        self.window, self.strides = (size,) * 3, (stride,) * 3
        self.conv3d = torch.nn.Conv3d(inputs, outputs, self.window, self.strides, bias=classifier)
        self.bn = None if classifier else torch.nn.BatchNorm3d(outputs, eps=0.001, momentum=0.01)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        maps = self.conv3d(same_pad(clips, self.window, self.strides))
        return maps if self.bn is None else torch.relu(self.bn(maps))


class MaxPool(torch.nn.Module):
    """Maximum with the padding of `same_pad`; zeros never win against what a ReLU gives."""

    def __init__(self, window: tuple[int, ...], strides: tuple[int, ...]):
        super().__init__()
        self.window, self.strides = window, strides

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return functional.max_pool3d(same_pad(clips, self.window, self.strides), self.window, self.strides)


class InceptionModule(torch.nn.Module):
    """Four branches, concatenated over channels."""

    def __init__(self, inputs: int, b0: int, b1a: int, b1b: int, b2a: int, b2b: int, b3b: int):
        super().__init__()
        self.b0 = Unit3D(inputs, b0, 1)
        self.b1a, self.b1b = Unit3D(inputs, b1a, 1), Unit3D(b1a, b1b, 3)
        self.b2a, self.b2b = Unit3D(inputs, b2a, 1), Unit3D(b2a, b2b, 3)
        self.b3a, self.b3b = MaxPool((3, 3, 3), (1, 1, 1)), Unit3D(inputs, b3b, 1)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        branches = (self.b0(clips), self.b1b(self.b1a(clips)), self.b2b(self.b2a(clips)), self.b3b(self.b3a(clips)))
        return torch.cat(branches, dim=1)


class TorchI3D(torch.nn.Module):
    """One stream over (B, C, T, H, W); `width` is that of the first convolution, 64 when published."""

    def __init__(self, channels: int, width: int = 64, classes: int = 400):
        super().__init__()

        def scaled(count: int) -> int:
            return count * width // 64

        stages: dict[str, torch.nn.Module] = {
            "Conv3d_1a_7x7": Unit3D(channels, width, 7, 2),
            "MaxPool3d_2a_3x3": MaxPool((1, 3, 3), (1, 2, 2)),
            "Conv3d_2b_1x1": Unit3D(width, width, 1),
            "Conv3d_2c_3x3": Unit3D(width, scaled(192), 3),
            "MaxPool3d_3a_3x3": MaxPool((1, 3, 3), (1, 2, 2)),
        }
        for block, counts in MIXED.items():
            if block == "4b":
                stages["MaxPool3d_4a_3x3"] = MaxPool((3, 3, 3), (2, 2, 2))
            if block == "5b":
                stages["MaxPool3d_5a_2x2"] = MaxPool((2, 2, 2), (2, 2, 2))
            stages[f"Mixed_{block}"] = InceptionModule(*(scaled(count) for count in counts))
        self.names = tuple(stages)
        for name, stage in stages.items():
            self.add_module(name, stage)
        self.logits = Unit3D(scaled(1024), classes, 1, classifier=True)

    def endpoints(self, clips: torch.Tensor) -> dict[str, torch.Tensor]:
        """Every endpoint's map, then "features" (B, 16 width) and "logits" (B, classes), means over time and space.

        Maps smaller than the published 2 x 7 x 7 pool are averaged whole.
        """
        results = {}
        for name in self.names:
            clips = self.get_submodule(name)(clips)
            results[name] = clips
        window = [min(sides) for sides in zip((2, 7, 7), clips.shape[2:], strict=True)]
        pooled = functional.avg_pool3d(clips, window, stride=1)
        return results | {"features": pooled.mean((2, 3, 4)), "logits": self.logits(pooled).mean((2, 3, 4))}

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        return self.endpoints(clips)["features"]


def randomise(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Random weights, gains, shifts and running statistics of sizes that neither die out nor explode, in place."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv3d):
            torch.nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                torch.nn.init.normal_(module.bias, std=0.3, generator=generator)
        if isinstance(module, torch.nn.BatchNorm3d):
            tensors = dict(module.named_parameters()) | dict(module.named_buffers())
            for name in ("bias", "running_mean"):
                torch.nn.init.normal_(tensors[name], std=0.3, generator=generator)
            for name in ("weight", "running_var"):
                torch.nn.init.uniform_(tensors[name], 0.5, 1.5, generator=generator)
    return network.eval()
