"""The embedded dataset as a tfds builder: short real media files, rendered once on the user's machine from a seed.

Nothing is downloaded and nothing is asked of a network. The folder's name holds a digest of everything that the clips
depend on (count, seed, the rendering code, the libraries that draw and encode), so a stale copy is never read. Where
spoken descriptions are asked for, each clip also carries its caption as a wav file, spoken by a program (see
`avx.data.speech`), in a folder of its own.
"""

from __future__ import annotations

import concurrent.futures
import csv
import dataclasses
import functools
import hashlib
import io
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, ClassVar

import av
import numpy as np
import PIL
import tensorflow_datasets as tfds
from rich.console import Console
from rich.progress import track

from avx.core import disk
from avx.core.errors import UserError
from avx.data import speech
from avx.data.sets.tfds_io import quiet, text_of
from avx.media import encode
from avx.media.atomic import write_bytes
from avx.studio import catalogue, render

CLIPS = 600
SEED = 0
SPLIT = "clips"
"""The one split on disk; tfds reads it as "all". Train, validation and test are drawn from it by clip id."""
TRACK, SPOKEN = "track", "spoken"
"""What is heard of a clip: its sound track alone, or a spoken description beside it."""


@dataclasses.dataclass(eq=False)
class EmbeddedConfig(tfds.core.BuilderConfig):
    """How many clips, from which seed; the name also carries the digest.

    Attributes:
      clips: number of clips, classes in turn.
      seed: of the dataset.
      spoken: whether each clip carries a spoken description.
    """

    clips: int = CLIPS
    seed: int = SEED
    spoken: bool = False


def _digest(clips: int, seed: int) -> str:
    """Hash of what determines the clips' bytes: the request, the code that renders and encodes, and its libraries."""
    total = hashlib.sha256(repr((clips, seed, np.__version__, PIL.__version__, av.__version__)).encode())
    for path in [*sorted(Path(render.__file__).parent.rglob("*.py")), Path(encode.__file__)]:
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()[:12]


def _speech_digest() -> str:
    """Hash of what determines the spoken descriptions beyond `_digest`: the program and how it is asked."""
    asked = Path(speech.__file__).read_bytes()
    return hashlib.sha256(speech.version().encode() + asked).hexdigest()[:12]


class EmbeddedClips(tfds.core.GeneratorBasedBuilder):
    """Twenty kinds of things that move and sound, as mp4 files with captions, shot boundaries and event times."""

    VERSION = tfds.core.Version("1.0.0")
    # Nothing is downloaded, so there are no checksum files to look for beside the code.
    url_infos: ClassVar[dict[str, Any]] = {}
    builder_config: EmbeddedConfig
    workers = 1

    def _info(self) -> tfds.core.DatasetInfo:
        heard = {"speech": tfds.features.Scalar(np.object_)} if self.builder_config.spoken else {}
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__.splitlines()[0] if __doc__ else "",
            features=tfds.features.FeaturesDict(
                {
                    "clip_id": tfds.features.Text(),
                    "media": tfds.features.Scalar(np.object_),
                    "label": tfds.features.ClassLabel(names=list(catalogue.NAMES)),
                    "caption": tfds.features.Text(),
                    "captions": tfds.features.Sequence(tfds.features.Text()),
                    "shot_boundaries": tfds.features.Tensor(shape=(None,), dtype=np.float32),
                    "event_times": tfds.features.Tensor(shape=(None,), dtype=np.float32),
                    "event_strengths": tfds.features.Tensor(shape=(None,), dtype=np.float32),
                    "frame_rate": tfds.features.Scalar(np.float32),
                    **heard,
                }
            ),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        del dl_manager
        return {SPLIT: self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
        config = self.builder_config
        rendered = _rendered(config.clips, config.seed, self.workers, config.spoken)
        console = Console(stderr=True)
        for one in track(rendered, "Rendering the embedded dataset", total=config.clips, console=console):
            yield one["clip_id"], one


def _spoken_example(clip_number: int, seed: int) -> dict[str, Any]:
    """A rendered example with its first caption as "speech", a wav file."""
    one = render.example(clip_number, seed)
    manner = speech.manner_of(one["clip_id"], seed)
    return {**one, "speech": speech.speak(one["caption"], manner)}


def _rendered(clips: int, seed: int, workers: int, spoken: bool) -> Iterator[dict[str, Any]]:
    """All examples in order of clip number, rendered by `workers` processes (in this one if there is just one)."""
    make = functools.partial(_spoken_example if spoken else render.example, seed=seed)
    if workers == 1:
        yield from map(make, range(clips))
        return
    spawn = multiprocessing.get_context("spawn")
    try:
        with concurrent.futures.ProcessPoolExecutor(workers, mp_context=spawn) as pool:
            yield from pool.map(make, range(clips), chunksize=4)
    except BrokenProcessPool as error:
        raise UserError(
            "A process that rendered the embedded dataset died: build from a script that has an "
            "`if __name__ == '__main__'` guard, or with workers=1, which also needs the least memory."
        ) from error


def _builder(data_dir: Path, clips: int, seed: int, speech: str) -> EmbeddedClips:
    if clips < 1 or seed < 0:
        raise UserError(f"The embedded dataset needs at least 1 clip and a seed of 0 or more, got {clips} and {seed}.")
    if speech not in (TRACK, SPOKEN):
        raise UserError(f"speech is {speech!r}; choose {TRACK} or {SPOKEN}.")
    spoken = speech == SPOKEN
    name = f"{clips}_clips_seed_{seed}_{_digest(clips, seed)}" + (f"_spoken_{_speech_digest()}" if spoken else "")
    config = EmbeddedConfig(name=name, clips=clips, seed=seed, spoken=spoken)
    with quiet():
        return EmbeddedClips(data_dir=data_dir, config=config, file_format="array_record")


def build(
    data_dir: Path, *, clips: int = CLIPS, seed: int = SEED, workers: int = 2, speech: str = TRACK
) -> EmbeddedClips:
    """The prepared dataset, rendered first where `data_dir` does not hold it yet.

    tfds writes into a temporary folder and renames it when it is whole, so an interrupted build leaves no dataset.

    Args:
      data_dir: folder of tfds datasets; made where it is missing.
      clips: number of clips; clip n is of class n modulo 20.
      seed: 0 or more.
      workers: rendering processes; they are spawned, so a script needs a `__main__` guard unless this is 1.
      speech: "track", or "spoken" for examples with "speech" too, their caption as a wav file.

    Returns:
      The builder; `as_data_source(split="all")` reads it.

    Raises:
      UserError: an impossible number, a full disk, a rendering process that died, or no program that speaks.
    """
    if workers < 1:
        raise UserError(f"The embedded dataset needs at least 1 worker, got {workers}.")
    builder = _builder(data_dir, clips, seed, speech)
    if _is_whole(builder):
        return builder
    builder.workers = workers
    tfds.disable_progress_bar()
    offline = tfds.download.DownloadConfig(try_download_gcs=False)
    with disk.user_errors(data_dir), quiet():
        try:
            builder.download_and_prepare(download_config=offline)
        except OSError:
            # Another process may have finished the same dataset first; its copy is as good.
            if not _is_whole(_builder(data_dir, clips, seed, speech)):
                raise
    return _builder(data_dir, clips, seed, speech)


def _is_whole(builder: EmbeddedClips) -> bool:
    with quiet():
        return builder.is_prepared()


def load(data_dir: Path, *, clips: int = CLIPS, seed: int = SEED, speech: str = TRACK) -> Sequence[dict[str, Any]]:
    """Random access to the built examples, in the order on disk (find a clip by its clip_id, not its place).

    Args:
      data_dir: as given to `build`.
      clips: as given to `build`.
      seed: as given to `build`.
      speech: as given to `build`.

    Raises:
      UserError: this dataset has not been built in `data_dir`, or its speech needs a program that is not installed.
    """
    builder = _builder(data_dir, clips, seed, speech)
    if not _is_whole(builder):
        described = " with spoken descriptions" if speech == SPOKEN else ""
        raise UserError(
            f"{data_dir} holds no embedded dataset of {clips} clips with seed {seed}{described}: run `make train`, "
            "which builds it, or call avx.data.sets.embedded.build."
        )
    return builder.as_data_source(split="all")


def export(data_dir: Path, out: Path, *, clips: int = CLIPS, seed: int = SEED, speech: str = TRACK) -> None:
    """Writes the built clips as ordinary files: <clip_id>.mp4 and clips.csv (clip_id, file, label, caption).

    With spoken descriptions <clip_id>.wav and a column speech are added.

    Args:
      data_dir: as given to `build`.
      out: folder for the files; made where it is missing.
      clips: as given to `build`.
      seed: as given to `build`.
      speech: as given to `build`.

    Raises:
      UserError: the dataset has not been built, or the disk is full.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    spoken = speech == SPOKEN
    writer.writerow(("clip_id", "file", "label", "caption", *(("speech",) if spoken else ())))
    rows = []
    for one in load(data_dir, clips=clips, seed=seed, speech=speech):
        clip_id, caption = text_of(one["clip_id"]), text_of(one["caption"])
        write_bytes(out / f"{clip_id}.mp4", one["media"])
        row = [clip_id, f"{clip_id}.mp4", catalogue.NAMES[int(one["label"])], caption]
        if spoken:
            write_bytes(out / f"{clip_id}.wav", one["speech"])
            row.append(f"{clip_id}.wav")
        rows.append(row)
    writer.writerows(sorted(rows))
    write_bytes(out / "clips.csv", table.getvalue().encode())
