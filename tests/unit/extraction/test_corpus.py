"""What becomes of each file of a corpus: features, remarks, or a line in the quarantine file, never the run's end."""

import wave

import av
import numpy as np
import pytest

from avx.data.cache import FeatureCache
from avx.data.records import Clips, Record
from avx.extraction import corpus
from avx.extraction.corpus import Decoding, extract
from avx.extraction.front_end import FrontEnd
from avx.media.encode import write_clip
from avx.media.limits import Limits
from avx.media.quarantine import Quarantine, Reason

RATE = 16000


def features_of(clips):
    """The mean picture, and one step of sound for each tenth of a second."""
    found = []
    for clip in clips:
        steps = clip.waveform[: len(clip.waveform) // 1600 * 1600].reshape(-1, 1600)
        video = {"video": clip.frames.mean((1, 2)).astype(np.float32)} if clip.has_video else {}
        found.append({"duration": np.asarray(1.0)} | video | ({"audio": steps} if len(steps) else {}))
    return found


FRONT_END = FrontEnd({"version": 1}, features_of, most_key_frames=12)
DECODING = Decoding(frame_rate=5.0, size=16, sample_rate=RATE, max_seconds=10.0)


def film(path, seconds=1.0):
    tone = 0.3 * np.sin(np.arange(int(seconds * RATE)) / 5).astype(np.float32)
    grey = (np.full((32, 32, 3), 10 * number, np.uint8) for number in range(int(5 * seconds)))
    write_clip(path, grey, 5.0, tone, RATE)
    return path


def clips_of(paths) -> Clips:
    records, blank = [Record(media=path) for path in paths], ("",) * len(paths)
    return Clips(
        name="files",
        class_names=(),
        ids=tuple(path.name for path in paths),
        labels=np.full(len(paths), -1),
        captions=blank,
        splits=blank,
        groups=blank,
        shot_boundaries=((),) * len(paths),
        files=blank,
        spoken=np.zeros(len(paths), bool),
        record=records.__getitem__,
    )


def extracted(tmp_path, paths, decoding=DECODING):
    quarantine = Quarantine(tmp_path / "quarantine.jsonl")
    found = extract(clips_of(paths), decoding, FRONT_END, FeatureCache(tmp_path / "cache"), quarantine, workers=2)
    return found, {entry.clip_id: entry.reason for entry in quarantine.entries()}, quarantine


@pytest.mark.parametrize(
    "error", [UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "x"), MemoryError(), PermissionError(13, "no")]
)
@pytest.mark.parametrize("place", ["read_clip", "media_hash"])
def test_one_file_does_not_end_the_run(tmp_path, monkeypatch, error, place):
    paths = [film(tmp_path / f"{number}.mp4", 1.0 + number) for number in range(3)]
    real = getattr(corpus, place)

    def fails_for_one(source, **options):
        if source == paths[1]:
            raise error
        return real(source, **options)

    monkeypatch.setattr(corpus, place, fails_for_one)
    found, reasons, _ = extracted(tmp_path, paths)
    assert found.usable.tolist() == [0, 2]
    assert reasons == {"1.mp4": Reason.TOO_LARGE if isinstance(error, MemoryError) else Reason.UNREADABLE}


def test_damage_is_counted_and_remarked_on_and_survives_the_cache(tmp_path):
    whole = film(tmp_path / "whole.mp4")
    content = bytearray(film(tmp_path / "hurt.mp4", 2.0).read_bytes())
    with av.open(str(tmp_path / "hurt.mp4")) as opened:
        lost = [bytes(packet) for packet in opened.demux(audio=0) if packet.size][5:7]
    for packet in lost:
        place = content.index(packet)
        content[place : place + len(packet)] = b"\xff" * len(packet)
    (tmp_path / "hurt.mp4").write_bytes(content)
    for _ in range(2):
        found, reasons, quarantine = extracted(tmp_path, [whole, tmp_path / "hurt.mp4"])
        assert found.usable.tolist() == [0, 1] and found.coverage["damaged_packets"] == 2
        assert found.coverage["quarantined"] == 0
        assert reasons == {"hurt.mp4": Reason.DAMAGED_PACKETS} and quarantine.excluded() == set()


def test_a_clip_with_neither_modality_is_put_aside(tmp_path):
    for name, samples in (("none", 0), ("short", 800)):
        with wave.open(str(tmp_path / f"{name}.wav"), "wb") as file:
            file.setnchannels(1), file.setsampwidth(2), file.setframerate(RATE)
            file.writeframes(b"\1\2" * samples)
    paths = [tmp_path / "none.wav", tmp_path / "short.wav", film(tmp_path / "whole.mp4")]
    found, reasons, _ = extracted(tmp_path, paths)
    assert found.usable.tolist() == [2] and found.coverage["quarantined"] == 2
    assert reasons == {"none.wav": Reason.TOO_SHORT, "short.wav": Reason.TOO_SHORT}


def test_limits_refuse_files_and_leave_the_cache_alone(tmp_path):
    paths = [film(tmp_path / "a.mp4"), film(tmp_path / "b.mp4", 3.0)]
    strict = Decoding(5.0, 16, RATE, 10.0, limits=Limits(seconds=2.0))
    found, reasons, _ = extracted(tmp_path, paths, strict)
    assert found.usable.tolist() == [0] and reasons == {"b.mp4": Reason.TOO_LARGE}
    again, _, _ = extracted(tmp_path, paths)
    assert again.usable.tolist() == [0, 1] and again.keys[0] == found.keys[0]
