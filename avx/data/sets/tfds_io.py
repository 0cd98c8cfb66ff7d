"""What the tfds builders share: quiet construction, and text that comes back as bytes."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

from absl import logging


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps back what tfds says about configurations that are not in its own catalogue."""
    before = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(before)


def text_of(value: bytes | str) -> str:
    """A text feature as str; array_record files give it back as UTF-8 bytes."""
    return value.decode() if isinstance(value, bytes) else str(value)
