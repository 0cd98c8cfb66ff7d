"""Turns published weights of any format that is read into safetensors, once, with a card of their origin."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from avx.core.errors import UserError
from avx.nn.pretrained.readers import Tensors, read_weights, suffix_of
from avx.nn.pretrained.tensorflow_checkpoint import INDEX, checkpoint_files
from avx.nn.pretrained.weight_card import Card, digest

SUFFIX = ".safetensors"
STORED_KINDS = "biuf"
ORIGIN = "origin"


def converted(path: Path, source: str, licence: str) -> tuple[bytes, Tensors]:
    """The content of the safetensors file of some published weights, the same bytes for the same input.

    Args:
      path: a file that `read_weights` reads.
      source, licence: as in `Card`; they stand in the header, too.

    Returns:
      The content, and the tensors in it: names as published, float and integer types as stored, bfloat16 as float32.

    Raises:
      UserError: weights that cannot be read or that hold something else than numbers, or no source or licence.
    """
    for name, value in (("source", source), ("licence", licence)):
        if not value.strip():
            raise UserError(f"--{name} is empty; state the {name} of the weights, so that others can judge them.")
    tensors = read_weights(path)
    if not tensors:
        raise UserError(f"{path} holds no arrays; give a file of weights.")
    for name, array in tensors.items():
        if array.dtype.kind not in STORED_KINDS or array.dtype.itemsize > 8:
            raise UserError(f"{path} holds {name} of {array.dtype}, which no weights are; leave it out of the file.")
    plain = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
    # One entry: the package writes several in an order of its own, and the same input is to give the same bytes.
    return save(plain, {ORIGIN: json.dumps({"source": source, "licence": licence})}), plain


def source_digests(path: Path) -> dict[str, str]:
    """SHA-256 of every published file that `path` is read from, by name."""
    files = checkpoint_files(path) if suffix_of(path) == INDEX else [path]
    return {file.name: digest(file) for file in files}


def card_of(tensors: Tensors, source: str, licence: str, files: dict[str, str], result: str) -> Card:
    """The card of converted weights; see `Card`."""
    numbers = sum(array.size for array in tensors.values())
    return Card(source, licence, files, result, len(tensors), numbers)
