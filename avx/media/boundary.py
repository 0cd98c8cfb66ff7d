"""The one place where whatever is raised about a media file becomes a `MediaProblem`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import av

from avx.core.errors import UserError
from avx.media.quarantine import MediaProblem, Reason


@contextlib.contextmanager
def boundary(name: str) -> Iterator[None]:
    """Confines what goes wrong with one file within the block to that file.

    A demuxer, a decoder, a resampler, a reader of tags and the file system raise what they like, and lists of it are
    never complete; so anything but a `UserError` counts as the file's fault.

    Args:
      name: of the file.

    Raises:
      MediaProblem: too_large where memory runs out, else unreadable, with what was raised.
    """
    try:
        yield
    except (MediaProblem, UserError):
        raise
    except MemoryError as error:
        raise MediaProblem(Reason.TOO_LARGE, name, "decoding takes more memory than there is") from error
    except av.FFmpegError as error:
        raise MediaProblem(Reason.UNREADABLE, name, f"decoding fails: {error.strerror}") from error
    except OSError as error:
        raise MediaProblem(Reason.UNREADABLE, name, f"reading fails: {error.strerror or error}") from error
    except Exception as error:
        raise MediaProblem(Reason.UNREADABLE, name, f"decoding fails: {type(error).__name__}: {error}") from error
