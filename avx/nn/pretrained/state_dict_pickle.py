"""Interprets the pickle of a PyTorch state dict, of which it knows the few operations that such a pickle consists of.

Nothing is imported, called or changed for a file: a name that it asks for is looked up in `KNOWN_NAMES`, whose entries
are marks without attributes, and what a mark makes of its arguments is decided in `_made`. Python's own unpickler would
fill memory by a single operation (a place of the memo of 2**32) and lets a file set attributes of what it names.
"""

from __future__ import annotations

import enum
import pickletools
import struct
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from avx.core.foreign.boundary import checked_shape, printable

MAX_PROTOCOL = 5
MAX_OPERATIONS = 2_000_000
"""A tensor takes some forty. A compressed archive holds a million of them in a kilobyte."""


class StorageType(NamedTuple):
    """Stands for torch.FloatStorage and its like; bfloat16 is read as its bits."""

    dtype: np.dtype
    brain: bool = False


class Storage(NamedTuple):
    """A reference to raw elements that are read later."""

    key: str
    kind: StorageType
    size: int


class View(NamedTuple):
    """A tensor: a strided view of a storage."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Known(enum.Enum):
    """What a pickle may call."""

    ORDERED_DICT = enum.auto()
    TENSOR = enum.auto()
    PARAMETER = enum.auto()
    SIZE = enum.auto()
    DEVICE = enum.auto()


STORAGE_TYPES: dict[str, StorageType] = {
    "FloatStorage": StorageType(np.dtype("<f4")),
    "DoubleStorage": StorageType(np.dtype("<f8")),
    "HalfStorage": StorageType(np.dtype("<f2")),
    "BFloat16Storage": StorageType(np.dtype("<u2"), brain=True),
    "LongStorage": StorageType(np.dtype("<i8")),
    "IntStorage": StorageType(np.dtype("<i4")),
    "ShortStorage": StorageType(np.dtype("<i2")),
    "CharStorage": StorageType(np.dtype("i1")),
    "ByteStorage": StorageType(np.dtype("u1")),
    "BoolStorage": StorageType(np.dtype("?")),
}
KNOWN_NAMES: dict[tuple[str, str], Known | StorageType] = {
    ("collections", "OrderedDict"): Known.ORDERED_DICT,
    ("torch._utils", "_rebuild_tensor"): Known.TENSOR,
    ("torch._utils", "_rebuild_tensor_v2"): Known.TENSOR,
    ("torch._utils", "_rebuild_parameter"): Known.PARAMETER,
    ("torch", "Size"): Known.SIZE,
    ("torch", "device"): Known.DEVICE,
    **{("torch", name): kind for name, kind in STORAGE_TYPES.items()},
}
_MARK = object()
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_NUMBERS = {"BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"}
_TEXTS = {"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINSTRING", "BINSTRING"}
_BYTES = {"SHORT_BINBYTES", "BINBYTES", "BINBYTES8"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def interpreted(buffer: memoryview, start: int = 0) -> tuple[Any, int, dict[str, Storage]]:
    """Interprets one pickle.

    Args:
      buffer: the pickle, and whatever follows it.
      start: where it begins.

    Returns:
      The object: dicts, lists, tuples, texts, bytes, numbers, None and `View`; the position behind it; and the storages
      that it refers to, by key.

    Raises:
      ValueError: a pickle that ends early, or does anything that the pickle of a state dict does not.
    """
    return _Machine(buffer, start).run()


class _Machine:
    def __init__(self, buffer: memoryview, start: int):
        self.buffer, self.position = buffer, start
        self.operations = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.storages: dict[str, Storage] = {}

    def run(self) -> tuple[Any, int, dict[str, Storage]]:
        while True:
            code = bytes(self._take(1)).decode("latin-1")
            operation = pickletools.code2op.get(code)  # type: ignore[attr-defined]
            if operation is None:
                raise ValueError("its pickle holds an unknown operation")
            self._count(1)
            if operation.name == "STOP":
                return self._pop(), self.position, self.storages
            self._do(operation.name)

    def _count(self, operations: int) -> None:
        self.operations += operations
        if self.operations > MAX_OPERATIONS:
            raise ValueError(f"its pickle takes more than {MAX_OPERATIONS} operations")

    def _take(self, count: int) -> memoryview:
        if not 0 <= count <= len(self.buffer) - self.position:
            raise ValueError("its pickle ends early")
        self.position += count
        return self.buffer[self.position - count : self.position]

    def _number(self, form: str) -> int:
        return struct.unpack(form, self._take(struct.calcsize(form)))[0]

    def _line(self) -> str:
        ends = bytes(self.buffer[self.position : self.position + 256]).find(b"\n")
        if ends < 0:
            raise ValueError("its pickle holds a name that does not end")
        text = bytes(self._take(ends)).decode("utf-8")
        self._take(1)
        return text

    def _pop(self) -> Any:
        if not self.stack or self.stack[-1] is _MARK:
            raise ValueError("its pickle takes what it has not put down")
        return self.stack.pop()

    def _above_mark(self) -> list[Any]:
        found = []
        while self.stack and self.stack[-1] is not _MARK:
            found.append(self.stack.pop())
        if not self.stack:
            raise ValueError("its pickle takes what it has not put down")
        self.stack.pop()
        return found[::-1]

    def _do(self, name: str) -> None:
        """One operation."""
        put: Callable[[Any], None] = self.stack.append
        if name in _CONSTANTS:
            put(_CONSTANTS[name])
        elif name in _NUMBERS:
            put(self._literal_number(name))
        elif name in _TEXTS:
            put(self._literal_bytes(name).decode("latin-1" if "BINSTRING" in name else "utf-8"))
        elif name in _BYTES:
            put(self._literal_bytes(name))
        elif name == "PROTO":
            if self._number("<B") > MAX_PROTOCOL:
                raise ValueError("its pickle is of a newer protocol")
        elif name == "FRAME":
            self._take(8)
        elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
            put({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
        elif name == "MARK":
            put(_MARK)
        elif name in _TUPLES:
            put(tuple([self._pop() for _ in range(_TUPLES[name])][::-1]))
        elif name == "TUPLE":
            put(tuple(self._above_mark()))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            place = len(self.memo) if name == "MEMOIZE" else self._number("<B" if name == "BINPUT" else "<I")
            self.memo[place] = self._pop()
            put(self.memo[place])
        elif name in ("BINGET", "LONG_BINGET"):
            place = self._number("<B" if name == "BINGET" else "<I")
            if place not in self.memo:
                raise ValueError("its pickle recalls what it has not noted")
            put(self.memo[place])
        elif name in ("APPEND", "APPENDS"):
            items = [self._pop()] if name == "APPEND" else self._above_mark()
            _of(list, self._peek()).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            pairs = [self._pop(), self._pop()][::-1] if name == "SETITEM" else self._above_mark()
            _fill(_of(dict, self._peek()), pairs)
        elif name == "GLOBAL":
            put(_known(self._line(), self._line()))
        elif name == "STACK_GLOBAL":
            asked, module = self._pop(), self._pop()
            put(_known(module, asked))
        elif name == "REDUCE":
            arguments, called = _of(tuple, self._pop()), self._pop()
            self._count(len(arguments[0]) if arguments and isinstance(arguments[0], list) else 0)
            put(_made(called, arguments))
        elif name == "BUILD":
            self._pop()  # Versions of modules, which stand beside a dict; they are not needed.
            _of(dict, self._peek())
        elif name == "BINPERSID":
            put(self._storage(_of(tuple, self._pop())))
        else:
            raise ValueError(f"its pickle holds the operation {name}, which a state dict does not need")

    def _peek(self) -> Any:
        return self.stack[-1] if self.stack else None

    def _literal_number(self, name: str) -> int | float:
        if name == "BINFLOAT":
            return struct.unpack(">d", self._take(8))[0]
        if name in ("LONG1", "LONG4"):
            length = self._number("<B" if name == "LONG1" else "<i")
            if length > 32:
                raise ValueError("its pickle holds a number of very many digits")
            return int.from_bytes(self._take(length), "little", signed=True)
        return self._number({"BININT": "<i", "BININT1": "<B", "BININT2": "<H"}[name])

    def _literal_bytes(self, name: str) -> bytes:
        form = "<B" if name.startswith("SHORT") else "<Q" if name.endswith("8") else "<I"
        return bytes(self._take(self._number(form)))

    def _storage(self, reference: tuple) -> Storage:
        if len(reference) not in (5, 6) or reference[0] != "storage" or not isinstance(reference[1], StorageType):
            raise ValueError("it refers to something that is no storage of numbers")
        _, kind, key, _, size = reference[:5]
        if any(part is not None for part in reference[5:]):
            raise ValueError("it holds a storage that is a view of another one")
        if not isinstance(key, str) or type(size) is not int or size < 0:
            raise ValueError("it refers to a storage without name or size")
        return self.storages.setdefault(key, Storage(key, kind, size))


def _of(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ValueError(f"its pickle treats a {type(value).__name__} as a {kind.__name__}")
    return value


def _fill(target: dict, pairs: list) -> None:
    """Sets keys of a dict; only plain ones, since others run through whatever they nest when they are hashed."""
    if len(pairs) % 2:
        raise ValueError("its pickle sets a key without a value")
    for key, value in zip(pairs[::2], pairs[1::2], strict=True):
        if not isinstance(key, str | int | float | type(None)):
            raise ValueError(f"its pickle has a {type(key).__name__} as a key")
        target[key] = value


def _known(module: Any, name: Any) -> Known | StorageType:
    if not (isinstance(module, str) and isinstance(name, str)) or (module, name) not in KNOWN_NAMES:
        raise ValueError(f"it asks for {printable(f'{module}.{name}' if isinstance(module, str) else 'no name', 80)}")
    return KNOWN_NAMES[module, name]


def _made(called: Any, arguments: tuple) -> Any:
    """What a call of a known name gives."""
    if called is Known.ORDERED_DICT and len(arguments) <= 1:
        made: dict = {}
        for pair in _of(list, arguments[0]) if arguments else ():
            _fill(made, list(pair) if isinstance(pair, list | tuple) and len(pair) == 2 else [pair])
        return made
    if called is Known.TENSOR and len(arguments) >= 4:
        return _view(*arguments[:4])
    if called is Known.PARAMETER and arguments and isinstance(arguments[0], View):
        return arguments[0]
    if called is Known.SIZE and len(arguments) == 1:
        return arguments[0]
    if called is Known.DEVICE:
        return None
    raise ValueError("its pickle calls something in a way that a state dict does not need")


def _view(storage: Any, offset: Any, shape: Any, strides: Any) -> View:
    if not isinstance(storage, Storage) or type(offset) is not int or offset < 0:
        raise ValueError("it holds a tensor without storage or place")
    if not isinstance(shape, tuple | list) or not isinstance(strides, tuple | list) or len(shape) != len(strides):
        raise ValueError("it holds a tensor whose shape and strides do not match")
    return View(storage, offset, checked_shape(shape), checked_shape([min(one, 1 << 62) for one in strides]))
