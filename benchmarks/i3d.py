"""I3D's RGB stream, features of one clip of 16 frames, beside the same network in PyTorch with the same weights."""

from __future__ import annotations

import jax
import numpy as np

from avx.nn.encoders.i3d import I3D, RGB_CHANNELS
from avx.nn.pretrained.i3d_weights import i3d_from_torch
from benchmarks.harness import Row, timed

FRAMES = 16
SIDES = (112, 224)


def run() -> list[Row]:
    """Rows for square clips of `SIDES`; the rival is the faster of PyTorch's two memory layouts."""
    import torch

    from benchmarks.torch_i3d import TorchI3D, randomise

    network = randomise(TorchI3D(RGB_CHANNELS))
    variables = i3d_from_torch({name: tensor.numpy() for name, tensor in network.state_dict().items()})
    channels_last = randomise(TorchI3D(RGB_CHANNELS)).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    forward = jax.jit(I3D().apply)
    rows = []
    for side in SIDES:
        clips = np.random.default_rng(0).uniform(-1, 1, (1, FRAMES, side, side, RGB_CHANNELS)).astype(np.float32)
        # The transposed view of (B, T, H, W, C) is what PyTorch calls the channels-last layout.
        transposed = torch.tensor(clips).permute(0, 4, 1, 2, 3)
        tensor = transposed.contiguous()

        def infer(rival: torch.nn.Module, inputs: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode():
                return rival(inputs)

        compiling, seconds = timed(lambda: forward(variables, clips))
        layouts = {
            "NCDHW": timed(lambda: infer(network, tensor))[1],
            "NDHWC": timed(lambda: infer(channels_last, transposed))[1],
        }
        layout = min(layouts, key=layouts.__getitem__)
        name = f"I3D RGB, (1, {FRAMES}, {side}, {side}, {RGB_CHANNELS})"
        note = f"layout {layout}; first call {compiling:.1f} s"
        rows.append(Row(name, seconds, f"torch {torch.__version__}", layouts[layout], note))
    return rows
