"""Reads and describes .npz files of packed codes and their items, without pickle."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import chex
import jax.numpy as jnp
import numpy as np

from avx.core.errors import UserError
from avx.core.foreign.boundary import printable
from avx.core.foreign.numpy_files import MissingArray, read_npz
from avx.core.types import HashCodes
from avx.hashing.pack import WORD_BITS, word_count

ITEM_ARRAYS = ("vectors", "item_ids", "labels", "class_names")
_AGAIN = "encode the gallery again"


@dataclasses.dataclass(frozen=True, eq=False)
class CodedItems:
    """n items of one modality with their codes.

    Attributes:
      codes: words (n, W).
      vectors: (n, b) float32 real codes, whose signs the codes are.
      item_ids: (n,) unique names.
      labels: (n,) class indices, -1 where unknown.
      class_names: name of each class.
    """

    codes: HashCodes
    vectors: np.ndarray
    item_ids: tuple[str, ...]
    labels: np.ndarray
    class_names: tuple[str, ...]

    def row(self, item_id: str) -> int:
        """Returns the row of an item; UserError where there is no such item."""
        if item_id not in self.item_ids:
            raise UserError(f"There is no item {item_id!r} among the {len(self.item_ids)} coded ones: check its id.")
        return self.item_ids.index(item_id)


def code_arrays(codes: HashCodes) -> dict[str, np.ndarray]:
    """Returns the arrays of a codes file: words (G, W) uint32 and bits () int64."""
    return {"words": np.asarray(codes.words), "bits": np.asarray(codes.bits, np.int64)}


def item_arrays(items: CodedItems) -> dict[str, np.ndarray]:
    """Returns the arrays of a codes file with its items: those of `code_arrays` and `ITEM_ARRAYS`."""
    chex.assert_shape(items.vectors, (len(items.item_ids), items.codes.bits))
    found = {name: np.asarray(getattr(items, name)) for name in ITEM_ARRAYS}
    return code_arrays(items.codes) | found


def read_codes(path: Path, bits: int) -> HashCodes:
    """Reads the codes of a file.

    Args:
      path: an .npz file with the arrays of `code_arrays`.
      bits: the code length to accept.

    Raises:
      UserError: no such file, no codes in it, codes of another length, or bits set beyond the length.
    """
    return _codes(path, _arrays(path, ("words", "bits")), bits)


def read_items(path: Path, bits: int | None = None) -> CodedItems:
    """Reads the codes of a file with their items.

    Args:
      path: an .npz file with the arrays of `item_arrays`.
      bits: the code length to accept; None for any.

    Raises:
      UserError: see `read_codes`, and items that are missing or repeated, do not match the codes, or hold other things
        than names, classes and finite vectors whose signs the codes are.
    """
    arrays = _arrays(path, ("words", "bits", *ITEM_ARRAYS))
    codes = _codes(path, arrays, bits)
    count = len(codes.words)
    vectors, item_ids, labels, class_names = (arrays[name] for name in ITEM_ARRAYS)
    shapes = (vectors.shape, item_ids.shape, labels.shape)
    if shapes != ((count, codes.bits), (count,), (count,)) or (
        labels.dtype.kind in "iu" and labels.min(initial=0) < -1
    ):
        raise UserError(f"{path} does not name one item for each of its {count} codes: {_AGAIN}.")
    for name, kinds, meaning in (("vectors", "f", "numbers"), ("item_ids", "U", "names"), ("labels", "iu", "integers")):
        if arrays[name].dtype.kind not in kinds:
            raise UserError(f"{path} has {name} of {arrays[name].dtype}, which are no {meaning}: {_AGAIN}.")
    if class_names.ndim != 1 or class_names.dtype.kind != "U":
        raise UserError(f"{path} has class_names {class_names.dtype} {class_names.shape}, which is no list: {_AGAIN}.")
    ids = tuple(item_ids.tolist())
    if (repeated := _repeated(ids)) is not None:
        raise UserError(
            f"{path} has the item {printable(repeated) or repr(repeated)} twice: give every item an id of its own."
        )
    _check_vectors(path, arrays["words"], vectors, ids)
    if labels.size and (most := labels.max()) >= len(class_names):
        raise UserError(f"{path} has a label {most} without a class name: {_AGAIN}.")
    return CodedItems(codes, vectors.astype(np.float32), ids, labels.astype(np.int64), tuple(class_names.tolist()))


def _repeated(names: tuple[str, ...]) -> str | None:
    """The first name that stands twice; None for none."""
    seen: set[str] = set()
    return next((name for name in names if name in seen or seen.add(name)), None)  # type: ignore[func-returns-value]


def _check_vectors(path: Path, words: np.ndarray, vectors: np.ndarray, ids: tuple[str, ...]) -> None:
    """Refuses real codes that are not finite or whose signs are not the codes."""
    with np.errstate(over="ignore"):
        wrong = np.flatnonzero(~np.isfinite(vectors.astype(np.float32)).all(1))
    if wrong.size:
        raise UserError(f"{path} has NaN or infinity in the vector of {printable(ids[wrong[0]])}: {_AGAIN}.")
    ones = np.unpackbits(words.astype("<u4").view(np.uint8), axis=1, count=vectors.shape[1], bitorder="little")
    # A zero agrees with either bit: a vector too short for float32 is stored as zeros, whatever its signs were.
    wrong = np.flatnonzero(np.where(ones, vectors < 0, vectors > 0).any(1))
    if wrong.size:
        raise UserError(f"{path} has a code of {printable(ids[wrong[0]])} that its vector contradicts: {_AGAIN}.")


def _arrays(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    if not Path(path).exists():
        raise UserError(f"There is no codes file {path}: encode the gallery first.")
    try:
        return read_npz(path, names, kind="codes file", remedy=_AGAIN)
    except MissingArray:
        raise UserError(f"{path} is no codes file: it needs the arrays {_listed(names)}.") from None


def _listed(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _codes(path: Path, arrays: Mapping[str, np.ndarray], bits: int | None) -> HashCodes:
    words, stated = arrays["words"], arrays["bits"]
    if stated.shape != () or stated.dtype.kind not in "iu" or stated < 1:
        raise UserError(f"{path} is no codes file: its bits are no length of a code; {_AGAIN}.")
    found = int(stated)
    if bits is not None and found != bits:
        raise UserError(f"{path} holds codes of {found} bits, but {bits} are asked for: encode it with this model.")
    if words.ndim != 2 or words.dtype != np.uint32 or words.shape[1] != word_count(found):
        raise UserError(f"{path} holds words {words.dtype} {words.shape}, which are no codes of {found} bits.")
    unused = word_count(found) * WORD_BITS - found
    if unused and (words[:, -1] >> np.uint32(WORD_BITS - unused)).any():
        raise UserError(f"{path} has bits set beyond its {found}: it is damaged, encode the gallery again.")
    return HashCodes(jnp.asarray(words), found)
