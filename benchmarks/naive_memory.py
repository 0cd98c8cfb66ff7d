"""The memory as docs/methods.md 8.4 spells it, sample by sample on plain arrays: a rival, and the tests' reference."""

from __future__ import annotations

import numpy as np


def unit(vector):
    norm = np.linalg.norm(vector)
    return vector / norm if norm > 1e-12 else vector


class NaiveMemory:
    """Slots as rows of float64 arrays; one call of `update` for each sample."""

    def __init__(self, capacity, widths):
        self.keys = {name: np.zeros((capacity, width)) for name, width in widths.items()}
        self.count = np.zeros(capacity, int)
        self.stamp = np.zeros(capacity, int)
        self.size = self.clock = 0

    def update(self, sample, match, label, options, train=True):
        self.clock += 1
        if match <= options.match_threshold or (train and options.require_label and not label):
            return
        sample = {name: unit(vector.astype(np.float64)) for name, vector in sample.items()}
        mean = [np.mean([self.keys[name][x] @ sample[name] for name in sample]) for x in range(self.size)]
        if not mean or max(mean) < options.merge_threshold:
            if self.size < len(self.count):
                slot = self.size
            elif options.eviction == "lru":
                slot = min(range(self.size), key=lambda x: (self.stamp[x], self.count[x], x))
            else:
                slot = min(range(self.size), key=lambda x: (self.count[x], self.stamp[x], x))
            for name, vector in sample.items():
                self.keys[name][slot] = vector
            self.count[slot] = 1
            self.size = min(self.size + 1, len(self.count))
        else:
            slot = int(np.argmax(mean))
            weight = max(1 / (self.count[slot] + 1), options.smallest_weight)
            for name, vector in sample.items():
                self.keys[name][slot] = unit((1 - weight) * self.keys[name][slot] + weight * vector)
            self.count[slot] += 1
        self.stamp[slot] = self.clock
