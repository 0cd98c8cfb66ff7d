"""Files in the layout of the MPII Cooking data sets, small enough for tests: films, and both forms of annotations."""

from fractions import Fraction

import av
import h5py
import numpy as np

from avx.media.decode import read_clip

FRAMES, RATE, BITS = 40, Fraction(147, 5), 6


def write_film(path, frames=FRAMES, height=48, width=96):
    """Frame k, from 1, shows k in binary, the highest bit left."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE, options={"qscale": "2"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(1, frames + 1):
            fields = np.array([number >> bit & 1 for bit in reversed(range(BITS))], np.uint8)
            pixels = np.broadcast_to(255 * np.repeat(fields, width // BITS)[None, :, None], (height, width, 3))
            pixels = np.ascontiguousarray(pixels)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def numbers(media):
    """Frame numbers that a cut shows, and the size of its pictures."""
    clip = read_clip(media, clip_id="cut", frame_rate=None, size=None, sample_rate=16000)
    assert not clip.has_audio
    height, width = clip.frames.shape[1:3]
    fields = clip.frames.reshape(len(clip.frames), height, BITS, width // BITS, 3).mean((1, 3, 4)) > 128
    return (fields @ (1 << np.arange(BITS)[::-1])).tolist(), (height, width)


ENTRIES = (
    ("s07-d72-cam-002", 11, 40, "take outV"),
    ("s07-d72-cam-002", 41, 41, "washV"),
    ("s08-d02-cam-002", 1433, 2347, "cut diceV"),
)


def write_mat(path, entries=ENTRIES, *, without=(), turned=False):
    """A MATLAB 7.3 file as h5py sees it: cells are references to UTF-16 units, columns have shape (N, 1)."""
    with h5py.File(path, "w") as file:
        annos, heap = file.create_group("annos"), file.create_group("#refs#")

        def cell(key, strings):
            references = np.empty((len(strings), 1), h5py.ref_dtype)
            for place, text in enumerate(strings):
                units = np.frombuffer(text.encode("utf-16-le"), "<u2")[:, None]
                stored = heap.create_dataset(f"{key}{place}", data=units if text else np.zeros(2, np.uint64))
                if not text:
                    stored.attrs["MATLAB_empty"] = np.uint8(1)
                references[place, 0] = stored.ref
            annos.create_dataset(key, data=references.T if turned else references)

        columns = dict(zip(("fileName", "startFrame", "endFrame", "activity"), zip(*entries, strict=True), strict=True))
        for key, values in columns.items():
            if key in without:
                continue
            if key.endswith("Frame"):
                column = np.array(values, float)[:, None]
                annos.create_dataset(key, data=column.T if turned else column)
            else:
                cell(key, values)
    return path


def write_csv(path, entries=ENTRIES):
    lines = [f"{file[:3]},{file},{first},{last},7,{activity}" for file, first, last, activity in entries]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
