"""Reads and writes a memory of matched pairs: pure functions on a pytree (Li 2022, section 3.3; docs/methods.md 8).

Slot x holds one unit vector for each modality, both from the same samples. A batch is written sample by sample, since
each write may change what the next one meets; but nothing in that order needs the vectors themselves. All that decides
is the cosine of every slot with every sample of the batch, and a merged slot's cosines follow from the old ones:
for a unit row m, a unit sample u and m' = ((1 - w) m + w u) / r,

    r^2 = (1 - w)^2 + w^2 + 2 w (1 - w) (m . u)        m' . s = ((1 - w) (m . s) + w (u . s)) / r

So the scan runs over tables of (X, N) cosines and keeps the weights with which old rows and samples enter each slot;
two matrix products before it and one after touch the vectors: O(X + N) a sample instead of O(X D).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import chex
import jax
import jax.numpy as jnp
from flax import struct

from avx.core.arrays import l2_normalize, product
from avx.core.errors import UserError
from avx.core.types import MemoryBank

EVICTIONS = ("lru", "lfu")


@dataclasses.dataclass(frozen=True)
class MemoryOptions:
    """Thresholds and policies of memory writes.

    Attributes:
      capacity: X, slots.
      match_threshold: T1; a pair is offered to the memory if its match probability is above it.
      merge_threshold: T2; a pair merges with the slot it resembles most if their mean cosine reaches it.
      smallest_weight: floor of the weight 1 / (count + 1) of a merged sample, which makes old slots forget.
      eviction: the slot that a new sample takes when all are full: "lru", least recently touched, or "lfu", least
        often touched.
      require_label: in training only true matches may enter; a confident false match is refused.

    Raises:
      UserError: a capacity below 1, an unknown eviction, or a weight outside of [0, 1].
    """

    capacity: int = 50
    match_threshold: float = 0.7
    merge_threshold: float = 0.9
    smallest_weight: float = 0.05
    eviction: str = "lru"
    require_label: bool = True

    def __post_init__(self):
        if self.capacity < 1:
            raise UserError(f"a memory of {self.capacity} slots holds nothing; give at least 1.")
        if self.eviction not in EVICTIONS:
            raise UserError(f"eviction is {self.eviction!r}; choose one of {', '.join(EVICTIONS)}.")
        if not 0 <= self.smallest_weight <= 1:
            raise UserError(f"smallest_weight is {self.smallest_weight}; choose a share from 0 to 1.")


@struct.dataclass
class Slots:
    """The bank while a batch is written, without its vectors.

    Attributes:
      cosines: modality -> (X, N) of every slot with every sample of the batch.
      old: modality -> (X,) weight of the row that the slot held before the batch.
      new: modality -> (X, N) weights of the samples.
      count, stamp, size, clock: as in `MemoryBank`.
    """

    cosines: dict[str, jax.Array]
    old: dict[str, jax.Array]
    new: dict[str, jax.Array]
    count: jax.Array
    stamp: jax.Array
    size: jax.Array
    clock: jax.Array


def empty(capacity: int, widths: Mapping[str, int]) -> MemoryBank:
    """Makes a bank of `capacity` empty slots; widths maps each modality to the length of its features."""
    return MemoryBank(
        keys={name: jnp.zeros((capacity, width), jnp.float32) for name, width in widths.items()},
        count=jnp.zeros(capacity, jnp.int32),
        stamp=jnp.zeros(capacity, jnp.int32),
        size=jnp.zeros((), jnp.int32),
        clock=jnp.zeros((), jnp.int32),
    )


def cosines(bank: MemoryBank, modality: str, features: jax.Array) -> jax.Array:
    """Computes the cosines (N, X) of features (N, D) with each slot; 0 for empty slots and for zero features."""
    keys = bank.keys[modality]
    chex.assert_equal_shape_suffix([keys, features], 1)
    products = product(l2_normalize(features.astype(jnp.float32)), keys.T)
    return jnp.where(jnp.arange(keys.shape[0]) < bank.size, products, 0)


def slot_to_evict(count: jax.Array, stamp: jax.Array, eviction: str) -> jax.Array:
    """Chooses the slot () to evict from a full bank: least stamp, then least count ("lru"), or the reverse ("lfu")."""
    first, second = (stamp, count) if eviction == "lru" else (count, stamp)
    return jnp.argmin(jnp.where(first == first.min(), second, jnp.iinfo(jnp.int32).max))


def write(
    bank: MemoryBank,
    features: Mapping[str, jax.Array],
    match: jax.Array,
    label: jax.Array,
    offered: jax.Array,
    options: MemoryOptions,
    *,
    train: bool,
) -> MemoryBank:
    """Offers the samples of a batch to the memory, in order (Li 2022, section 3.3; docs/methods.md 8.4).

    Each offered sample ticks the clock. One whose match is above T1 (and, in training, whose label says that it is a
    match) is merged with the slot of the largest mean cosine, the lowest on ties, if that reaches T2, by a running mean
    scaled back to unit length; otherwise it takes a free slot, or the evicted one. No gradient flows in or out.

    Args:
      bank: the memory.
      features: modality -> (N, D) raw features, before mapping; rows that are not offered may hold anything. A sample
        with a zero vector (a missing modality) ticks the clock but is not written.
      match: (N,) probability S1 of each pair.
      label: (N,) bool, True for true matches; read in training only, and only if `options.require_label`.
      offered: (N,) bool, False for padding.
      options: thresholds and policies.
      train: static.

    Returns:
      The bank after the last sample. Another order of the samples may give another bank.
    """
    names = tuple(bank.keys)
    # Unit vectors of the samples, on which neither padding nor gradients leave a trace.
    chex.assert_equal_shape_prefix([match, label, offered, *(features[name] for name in names)], 1)
    units = {
        name: l2_normalize(jnp.where(offered[:, None], jax.lax.stop_gradient(features[name]), 0).astype(jnp.float32))
        for name in names
    }
    # Who may enter: both modalities present, S1 above T1, and in training a true match.
    nonzero = jnp.stack([units[name].any(1) for name in names]).all(0)
    accepted = offered & nonzero & (jax.lax.stop_gradient(match) > options.match_threshold)
    if train and options.require_label:
        accepted &= label
    # All cosines that the scan will need: samples with samples here, slots with samples in `initial`.
    capacity, samples = bank.count.shape[0], match.shape[0]
    grams = {name: product(units[name], units[name].T) for name in names}

    initial = Slots(
        cosines={name: cosines(bank, name, units[name]).T for name in names},
        old={name: jnp.ones(capacity) for name in names},
        new={name: jnp.zeros((capacity, samples)) for name in names},
        count=bank.count,
        stamp=bank.stamp,
        size=bank.size,
        clock=bank.clock,
    )

    # In order, since a write may change what the next sample meets.
    def step(slots: Slots, row: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[Slots, None]:
        return _after_sample(slots, *row, grams, options), None

    slots, _ = jax.lax.scan(step, initial, (jnp.arange(samples), offered, accepted))
    # The weights of old rows and samples become vectors; slots that no sample touched keep their bits.
    written = (slots.stamp != bank.stamp)[:, None]
    keys = {}
    for name in names:
        mixed = slots.old[name][:, None] * bank.keys[name] + product(slots.new[name], units[name])
        keys[name] = jnp.where(written, l2_normalize(mixed), bank.keys[name])
    return MemoryBank(keys, slots.count, slots.stamp, slots.size, slots.clock)


def _after_sample(
    slots: Slots,
    sample: jax.Array,
    offered: jax.Array,
    accepted: jax.Array,
    grams: Mapping[str, jax.Array],
    options: MemoryOptions,
) -> Slots:
    """Writes one sample into the slots.

    Args:
      slots: before it.
      sample: () its place in the batch.
      offered: () bool, it ticks the clock.
      accepted: () bool, it enters.
      grams: modality -> (N, N) cosines of the batch's samples.
      options: thresholds and policies.
    """
    capacity, samples = next(iter(slots.new.values())).shape
    places = jnp.arange(capacity)
    # The most similar slot by mean cosine over the modalities; it takes the sample from T2 on.
    own = {name: table[:, sample] for name, table in slots.cosines.items()}
    resemblance = jnp.where(places < slots.size, sum(own.values()) / len(own), -jnp.inf)
    nearest = jnp.argmax(resemblance)
    merges = resemblance[nearest] >= options.merge_threshold
    # Otherwise the sample takes the first free slot, or in a full bank the evicted one.
    free = jnp.where(slots.size < capacity, slots.size, slot_to_evict(slots.count, slots.stamp, options.eviction))
    slot = jnp.where(merges, nearest, free)
    # The weight w of a running mean, at least the floor; a new sample is a merge in which it weighs everything.
    running = jnp.maximum(1 / (slots.count[slot] + 1), options.smallest_weight)
    weight = jnp.where(merges, running, 1.0)
    touched = (places == slot) & accepted
    clock = slots.clock + offered

    def mixed(table: jax.Array, fade: jax.Array, gained: jax.Array) -> jax.Array:
        return jnp.where(touched[:, None], fade * table + gained, table)

    changed: dict[str, dict[str, jax.Array]] = {"cosines": {}, "old": {}, "new": {}}
    for name, gram in grams.items():
        # r of the module's docstring, and with it (1 - w) / r for what was there and w / r for the sample.
        along = jnp.where(merges, own[name][slot], 0)
        length = jnp.sqrt((1 - weight) ** 2 + weight**2 + 2 * weight * (1 - weight) * along)
        fade, gain = (1 - weight) / length, weight / length
        # A slot's cosines with all samples mix as its vector does: m' . s = ((1 - w) (m . s) + w (u . s)) / r.
        changed["cosines"][name] = mixed(slots.cosines[name], fade, gain * gram[sample])
        changed["new"][name] = mixed(slots.new[name], fade, gain * jax.nn.one_hot(sample, samples))
        changed["old"][name] = jnp.where(touched, fade * slots.old[name], slots.old[name])
    return Slots(
        **changed,
        count=jnp.where(touched, jnp.where(merges, slots.count + 1, 1), slots.count),
        stamp=jnp.where(touched, clock, slots.stamp),
        size=jnp.minimum(slots.size + (accepted & ~merges), capacity),
        clock=clock,
    )
