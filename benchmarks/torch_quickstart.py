"""The quickstart's system A in torch, layer by layer the same network and loss: the rival of the training step.

What ours does beside it: random changes of pictures and sounds, and the saliency maps. The rival gets the maps ready
made and changes nothing.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from ml_collections import ConfigDict
from torch import Tensor, nn
from torch.nn import functional

GROUP_SIZE = 8


def same_conv(channels: int, width: int, side: int, stride: int) -> nn.Module:
    """A convolution padded as TensorFlow's "SAME", even sizes assumed, without bias."""
    whole = side - stride
    before, after = whole // 2, whole - whole // 2
    conv = nn.Conv2d(channels, width, side, stride, bias=False)
    return nn.Sequential(nn.ZeroPad2d((before, after, before, after)), conv) if whole else conv


def stage(channels: int, width: int, side: int, stride: int) -> list[nn.Module]:
    """Convolution, group normalisation, ReLU."""
    return [same_conv(channels, width, side, stride), nn.GroupNorm(width // GROUP_SIZE, width, eps=1e-6), nn.ReLU()]


class PeepholeLSTM(nn.Module):
    """One direction of `avx.nn.recurrent`; torch's own has no peepholes."""

    def __init__(self, inputs: int, hidden: int):
        super().__init__()
        self.input, self.recurrent = nn.Linear(inputs, 4 * hidden), nn.Linear(hidden, 4 * hidden, bias=False)
        self.peepholes = nn.Parameter(torch.zeros(3, hidden))

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        projected = self.input(values)
        hidden = values.new_zeros(len(values), self.peepholes.shape[1])
        cell, states = hidden, []
        for time in range(values.shape[1]):
            i, f, g, o = (projected[:, time] + self.recurrent(hidden)).chunk(4, 1)
            i, f = torch.sigmoid(i + self.peepholes[0] * cell), torch.sigmoid(f + self.peepholes[1] * cell)
            new = f * cell + i * torch.tanh(g)
            out = torch.sigmoid(o + self.peepholes[2] * new) * torch.tanh(new)
            shown = mask[:, time, None]
            hidden, cell = torch.where(shown, out, hidden), torch.where(shown, new, cell)
            states.append(hidden)
        return torch.stack(states, 1)


class Quickstart(nn.Module):
    """System A with the sizes of configs/quickstart.py."""

    def __init__(self, config: ConfigDict, classes: int):
        super().__init__()
        model = config.model
        widths = (3, *model.frame_widths)
        self.frames = nn.Sequential(*(part for a, b in pairwise(widths) for part in stage(a, b, 3, 2)))
        audio, channels = [], 1
        for place, width in enumerate(model.audio_widths):
            for _ in range(1 if place < 2 else 2):
                audio += stage(channels, width, 5 if place == 0 else 3, 2 if place == 0 else 1)
                channels = width
            audio += [nn.MaxPool2d(2)] if place else []
        self.sounds = nn.Sequential(*audio)
        bands = 64 // 2 ** len(model.audio_widths)
        self.tokens = nn.Sequential(
            nn.Linear(2 * bands * channels, model.audio_fc_sizes[0]), nn.ReLU(), nn.Linear(*model.audio_fc_sizes)
        )
        size = model.lstm_size
        self.forwards, self.backwards = (PeepholeLSTM(model.audio_fc_sizes[-1], size) for _ in range(2))
        self.evidence, self.score = nn.Linear(2 * size, model.attention_size), nn.Linear(model.attention_size, 1, False)
        self.heads = nn.ModuleList(
            self._head(inputs, sizes, model.dropout)
            for inputs, sizes in ((widths[-1], model.video_sizes), (2 * size, model.audio_sizes))
        )
        self.classifier, self.kept = nn.Linear(model.video_sizes[-1], classes), model.selected_blocks
        self.logit_scale = model.logit_scale

    @staticmethod
    def _head(inputs: int, sizes: tuple[int, ...], dropout: float) -> nn.Module:
        layers: list[nn.Module] = []
        for a, b in pairwise((inputs, *sizes[:-1])):
            layers += [nn.Linear(a, b), nn.ReLU(), nn.Dropout(dropout)]
        return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))

    def forward(self, video: Tensor, saliency: Tensor, audio: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Features before mapping and unit embeddings of both sides; all frames and sounds are real."""
        clips, frames = video.shape[:2]
        maps = self.frames(2 * video.flatten(0, 1).permute(0, 3, 1, 2) / 255 - 1)
        weights = functional.adaptive_avg_pool2d(saliency.flatten(0, 1)[:, None], maps.shape[2:]) + 0.1
        seen = ((maps * weights).sum((2, 3)) / weights.sum((2, 3))).view(clips, frames, -1).mean(1)
        steps = audio.shape[1]
        deviation, mean = torch.std_mean(audio, (1, 2, 3), keepdim=True, unbiased=False)
        sounds = self.sounds(((audio - mean) / (deviation + 1e-3)).flatten(0, 1)[:, None])
        summary = torch.cat([sounds.mean(2), sounds.amax(2)], 1).flatten(1)
        tokens = self.tokens(summary).view(clips, steps, -1)
        mask = torch.ones(clips, steps, dtype=torch.bool)
        states = torch.cat([self.forwards(tokens, mask), self.backwards(tokens.flip(1), mask).flip(1)], -1)
        scores = self.score(torch.tanh(self.evidence(states)))[..., 0]
        weight = torch.softmax(scores, 1)
        least = scores.topk(min(self.kept, steps), 1).values[:, -1:]
        heard = (torch.where(scores >= least, weight, 0.0)[..., None] * states).sum(1)
        raw = [seen, heard]
        normal = [functional.layer_norm(side, side.shape[1:], eps=1e-6) for side in raw]
        return raw, [functional.normalize(head(side)) for head, side in zip(self.heads, normal, strict=True)]

    def loss(self, raw: list[Tensor], embedded: list[Tensor], label: Tensor, options: ConfigDict) -> Tensor:
        """Eq. 22: labels, ranked lists in both directions, structure within both sides."""
        value = torch.zeros(())
        for side in embedded:
            logits = self.logit_scale * self.classifier(side)
            value = value + functional.cross_entropy(logits, label, label_smoothing=options.label_smoothing)
        distances = (2 - 2 * embedded[0] @ embedded[1].T).clamp_min(1e-12).sqrt()
        same = label[:, None] == label
        for table in (distances, distances.T):
            pull = functional.relu(table - options.ranked_list_boundary + options.ranked_list_margin) * same
            push = functional.relu(options.ranked_list_boundary - table) * ~same
            hard = torch.where(push > 0, options.ranked_list_temperature * push, -torch.inf).softmax(1).nan_to_num()
            pulled = pull.sum(1) / (pull > 0).sum(1).clamp_min(1)
            value = value + options.ranked_list_weight * (pulled + (hard.detach() * push).sum(1)).mean() / 2
        for before, after, share in zip(raw, embedded, (options.structure_video, options.structure_audio), strict=True):
            before = functional.normalize(before.detach())
            s, t = after @ after.T, before @ before.T
            gap, raw_gap = s[:, :, None] - s[:, None], t[:, :, None] - t[:, None]
            disagreement = (gap.sign() - raw_gap.sign()).detach()
            other = 1 - torch.eye(len(s))
            triplets = other[:, :, None] * other[:, None] * other
            value = value + options.structure_weight * share * (triplets * disagreement * gap).sum() / triplets.sum()
        return value


def stepper(
    config: ConfigDict, classes: int, video: np.ndarray, saliency: np.ndarray, audio: np.ndarray, label: np.ndarray
):
    """(function that trains one step and returns the loss, number of parameters)."""
    network = Quickstart(config, classes)
    # Channels last is the layout that its CPU convolutions do fastest.
    for part in (network.frames, network.sounds):
        part.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), lr=config.optimizer.learning_rate)
    inputs = [torch.from_numpy(array).float() for array in (video, saliency, audio)]
    target = torch.from_numpy(label).long()

    def step() -> float:
        optimizer.zero_grad()
        raw, embedded = network(*inputs)
        value = network.loss(raw, embedded, target, config.loss)
        value.backward()
        optimizer.step()
        return float(value.detach())

    return step, sum(parameter.numel() for parameter in network.parameters())
