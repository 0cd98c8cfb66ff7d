"""The other process of `avx.media.shelter`: limits itself, decodes one file, and writes what it finds to its output."""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from typing import IO, Any

from avx.media.container import name_of, open_media, video_stream
from avx.media.limits import Limits
from avx.media.pictures import decode_here
from avx.media.quarantine import MediaProblem
from avx.media.remarks import Remarks

# Room for a header whose pictures are only measured.
_ANY_SIZE = 1 << 31


def _limit(memory_bytes: int, processor_seconds: float) -> None:
    """Bounds what this process takes beside what it has taken so far."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if os.path.exists("/proc/self/statm") else 0
    for kind, allowed in (
        (resource.RLIMIT_AS, pages * resource.getpagesize() + memory_bytes),
        (resource.RLIMIT_CPU, max(1, round(processor_seconds))),
        (resource.RLIMIT_CORE, 0),
    ):
        _, most = resource.getrlimit(kind)
        most = allowed if most == resource.RLIM_INFINITY else min(allowed, most)
        # At the soft limit of time comes SIGXCPU, a second later SIGKILL.
        resource.setrlimit(kind, (most, most + 1 if kind == resource.RLIMIT_CPU else most))


def _answer(output: IO[bytes], answer: dict[str, Any], content: bytes = b"") -> None:
    output.write(json.dumps(answer | {"bytes": len(content)}).encode() + b"\n" + content)
    output.flush()


def main() -> None:
    """Reads a request from the standard input, answers on the standard output."""
    request = json.loads(sys.stdin.buffer.readline())
    held = sys.stdin.buffer.read(request["bytes"])
    source = held if request["path"] is None else Path(os.fsdecode(bytes.fromhex(request["path"])))
    limits, output, remarks = Limits(**request["limits"]), sys.stdout.buffer, Remarks()
    _limit(limits.memory_bytes, request["processor_seconds"])
    try:
        if request.get("only_size"):
            with open_media(source, Limits(pixels=_ANY_SIZE), measured=False) as container:
                stream = video_stream(container)
                width, height = (stream.codec_context.width, stream.codec_context.height) if stream else (0, 0)
            _answer(output, {"width": width, "height": height, "last": True})
            return
        size = tuple(request["size"]) if isinstance(request["size"], list) else request["size"]
        with open_media(source, limits) as container:
            stream = video_stream(container)
            assert stream is not None, f"{name_of(source)} had a picture track before"
            for time, pixels in decode_here(
                source,
                container,
                stream,
                request["frame_rate"],
                size,
                request["max_seconds"],
                threads=1,
                limits=limits,
                remarks=remarks,
            ):
                _answer(output, {"time": time, "shape": pixels.shape}, pixels.tobytes())
    except MediaProblem as problem:
        _answer(output, {"reason": problem.reason, "detail": problem.detail})
        return
    found = [(reason, detail) for reason, detail in remarks.kinds()]
    _answer(output, {"remarks": found, "damaged_packets": remarks.damaged_packets, "last": True})


if __name__ == "__main__":
    main()
