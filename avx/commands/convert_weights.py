"""Turns published weights into safetensors, once, with a card that tells their source, licence and digests.

    avx convert_weights --weights=FILE --out=NAME.safetensors --source=WHERE --licence=LICENCE

Reads PyTorch state dicts, TensorFlow checkpoints, Keras HDF5 files and npz archives. No code from a file is run: see
docs/security.md. The card lies beside the result as NAME.card.json; a run that reads the result compares it with the
card.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from avx.core.errors import UserError
from avx.media.atomic import atomic_path
from avx.nn.pretrained.conversion import SUFFIX, card_of, converted, source_digests
from avx.nn.pretrained.weight_card import Card, card_path


def convert(weights: Path, out: Path, source: str, licence: str) -> Card:
    """Writes the safetensors file and its card.

    Args:
      weights: the published file.
      out: the file to write; its folder is made.
      source: where the weights came from.
      licence: of the weights.

    Returns:
      The card.

    Raises:
      UserError: weights that cannot be read, a result that is there already or would have another suffix, a full disk.
    """
    if out.suffix != SUFFIX:
        raise UserError(f"--out={out} must end in {SUFFIX}, which is what it becomes.")
    for path in (out, card_path(out)):
        if path.exists():
            raise UserError(f"{path} is there already; give another --out, or remove it.")
    content, tensors = converted(weights, source, licence)
    card = card_of(tensors, source, licence, source_digests(weights), hashlib.sha256(content).hexdigest())
    with atomic_path(card_path(out)) as temporary:
        card.write(temporary)
    with atomic_path(out) as temporary:
        temporary.write_bytes(content)
    return card


def define_flags() -> None:
    flags.DEFINE_string("weights", None, "Published file; of a checkpoint in parts, its .index.", required=True)
    flags.DEFINE_string("out", None, "Safetensors file to write.", required=True)
    flags.DEFINE_string("source", None, "Where the weights came from, such as an address.", required=True)
    flags.DEFINE_string("licence", None, "Licence of the weights, as their makers state it.", required=True)


def main(argv: Sequence[str]) -> None:
    given = flags.FLAGS
    out = Path(given.out)
    card = convert(Path(given.weights), out, given.source, given.licence)
    print(f"{card.tensors} tensors of {card.numbers} numbers are in {out}")
    print(f"sha256 {card.result}; source and licence are in {card_path(out)}")
