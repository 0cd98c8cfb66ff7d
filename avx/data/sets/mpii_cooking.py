"""MPII Cooking 2 extended by speech (Li 2022, section 4.1): videos of cooking activities, each with a spoken sentence.

The folder holds, at any depth, the published videos (sXX-dYY-cam-ZZZ.avi, or the same as .mp4) and annotations (see
`avx.data.sets.mpii_annotations`). The paper's speech files are not published; yours are named by a csv table
(`avx.data.sets.spoken_pairs`) whose column video holds <file>_<first frame>_<last frame> of an annotated segment,
e.g. s08-d02-cam-002_1433_2347. The layout follows descriptions of the published files; the reader is tested on files
written in that layout, not on the published ones, which are given out on request.

Videos are cut and made smaller once, while the tfds dataset is written, since reading a segment from the middle of
half an hour of film would decode all that precedes it.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds

from avx.core import disk
from avx.core.errors import UserError
from avx.data import splits
from avx.data.records import Clips, with_spoken_audio
from avx.data.scan import files_below
from avx.data.sets import mpii_annotations, segments, spoken_pairs
from avx.data.sets.mpii_annotations import Segment
from avx.data.sets.spoken_pairs import SpokenPair
from avx.data.sets.tfds_io import quiet, tfds_clips
from avx.media import encode
from avx.media.quarantine import Entry, Reason

TABLE = "speech.csv"
FRACTIONS = (0.6, 0.1, 0.3)
"""70 / 30 per class, with a validation split out of the 70."""
UNITS = ("film", "item")
SHORT_SIDE = 256
LONGEST_SECONDS = 20.0
_SUFFIXES = (".avi", ".mp4")


@dataclasses.dataclass(frozen=True, eq=False)
class Corpus:
    """What will be written, all checked, before any video is decoded.

    Attributes:
      pairs: items in order of their video's name.
      segments: (n,) segment of each item.
      videos: file of each named video.
      speech: (n,) speech file of each item.
      class_names: sorted.
      label: (n,) int64.
      split: (n,) "train", "val" or "test".
      left_out: videos and speech files of the table without a partner.
      seed: of the split.
      fractions: of the split.
      unit: of the split, one of `UNITS`.
    """

    pairs: tuple[SpokenPair, ...]
    segments: tuple[Segment, ...]
    videos: dict[str, Path]
    speech: tuple[Path, ...]
    class_names: tuple[str, ...]
    label: np.ndarray
    split: np.ndarray
    left_out: tuple[str, ...]
    seed: int
    fractions: tuple[float, float, float]
    unit: str

    def record(self) -> dict[str, Any]:
        """How the items are split, for the dataset's metadata: counts, and hashes of the videos and speech files."""
        sides = {
            kind: {
                name: splits.split_hash(
                    [getattr(pair, kind) for pair in self.pairs], np.flatnonzero(self.split == name)
                )
                for name in splits.SPLITS
            }
            for kind in ("video", "speech")
        }
        counts = {name: int((self.split == name).sum()) for name in splits.SPLITS}
        asked = {"split_seed": self.seed, "split_fractions": list(self.fractions), "split_unit": self.unit}
        return {**asked, "counts": counts, "split_hashes": sides, "left_out": list(self.left_out)}


def read(
    folder: Path,
    table: str | Path = TABLE,
    *,
    seed: int = 0,
    fractions: tuple[float, float, float] = FRACTIONS,
    unit: str = "film",
) -> Corpus:
    """Annotations, table and files as one checked corpus; no video is opened.

    Args:
      folder: of the published files and the speech.
      table: csv file; a relative path starts from `folder`.
      seed: of the split.
      fractions: shares of train, val and test in each class.
      unit: "film" keeps all segments of a film on one side, since they overlap and share a kitchen and a cook; "item"
        splits segment by segment, as the paper may have (docs/methods.md 8.6).

    Raises:
      UserError: an unknown unit; see `read_annotations`, `read_table` and `split_by_item`; a video that is missing or
        there twice.
    """
    if unit not in UNITS:
        raise UserError(f"the unit of the split is {unit!r}; choose one of {', '.join(UNITS)}.")
    found = {path.name: path for path in files_below(folder) if path.name in mpii_annotations.NAMES}
    annotations = next((found[name] for name in mpii_annotations.NAMES if name in found), None)
    if annotations is None:
        raise UserError(f"{folder} holds no annotations: add {' or '.join(mpii_annotations.NAMES)}.")
    annotated = mpii_annotations.read_annotations(annotations)
    pairs, left_out = spoken_pairs.matched(spoken_pairs.read_table(folder / table, tuple(annotated)))
    chosen = tuple(annotated[pair.video] for pair in pairs)
    class_names = tuple(sorted({pair.class_name for pair in pairs}))
    label = np.array([class_names.index(pair.class_name) for pair in pairs], np.int64)
    split = np.empty(len(pairs), object)
    groups = [segment.file for segment in chosen] if unit == "film" else None
    names = [pair.video for pair in pairs]
    for name, items in splits.split_by_item(names, label.tolist(), fractions, seed, groups).items():
        split[items] = name
    return Corpus(
        pairs=tuple(pairs),
        segments=chosen,
        videos=_videos(folder, sorted({segment.file for segment in chosen})),
        speech=tuple((folder / table).parent / pair.speech for pair in pairs),
        class_names=class_names,
        label=label,
        split=split,
        left_out=tuple(left_out),
        seed=seed,
        fractions=fractions,
        unit=unit,
    )


def _videos(folder: Path, names: list[str]) -> dict[str, Path]:
    found: dict[str, list[Path]] = {name: [] for name in names}
    for path in files_below(folder):
        if path.suffix.lower() in _SUFFIXES and path.stem in found:
            found[path.stem].append(path)
    for name, paths in found.items():
        if len(paths) != 1:
            state = "holds no video" if not paths else "holds several videos"
            raise UserError(f"{folder} {state} {name}{' or '.join(_SUFFIXES)}: keep exactly one.")
    return {name: paths[0] for name, paths in found.items()}


@dataclasses.dataclass(eq=False)
class CookingConfig(tfds.core.BuilderConfig):
    """What is written.

    Attributes:
      corpus: items and files.
      short_side: pixels of the shorter side of the cut videos.
      longest_seconds: bound of a cut video.
    """

    corpus: Corpus | None = None
    short_side: int = SHORT_SIDE
    longest_seconds: float = LONGEST_SECONDS


class MpiiCooking(tfds.core.GeneratorBasedBuilder):
    """Cooking activities as mp4 files without sound, each with a speech file of its class, and their split."""

    VERSION = tfds.core.Version("1.0.0")
    # Nothing is downloaded, so there are no checksum files to look for beside the code.
    url_infos: ClassVar[dict[str, Any]] = {}
    builder_config: CookingConfig

    def _info(self) -> tfds.core.DatasetInfo:
        corpus = self._corpus()
        features = {
            "clip_id": tfds.features.Text(),
            "media": tfds.features.Scalar(np.object_),
            "speech": tfds.features.Scalar(np.object_),
            "speech_id": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=list(corpus.class_names)),
            "caption": tfds.features.Text(),
            "activity": tfds.features.Text(),
            "split": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=MpiiCooking.__doc__,
            features=tfds.features.FeaturesDict(features),
            metadata=tfds.core.MetadataDict(corpus.record()),
        )

    def _corpus(self) -> Corpus:
        assert self.builder_config.corpus is not None, "the dataset is always opened with its corpus"
        return self.builder_config.corpus

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        del dl_manager
        return {"clips": self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
        corpus, config = self._corpus(), self.builder_config
        for file, video in corpus.videos.items():
            items = {
                (segment.first, segment.last): place
                for place, segment in enumerate(corpus.segments)
                if segment.file == file
            }
            for span, media in segments.cut_segments(video, items, config.short_side, config.longest_seconds):
                place = items[span]
                pair = corpus.pairs[place]
                yield (
                    pair.video,
                    {
                        "clip_id": pair.video,
                        "media": media,
                        "speech": corpus.speech[place].read_bytes(),
                        "speech_id": pair.speech,
                        "label": int(corpus.label[place]),
                        "caption": "",
                        "activity": corpus.segments[place].activity,
                        "split": str(corpus.split[place]),
                    },
                )


def _digest(corpus: Corpus, short_side: int, longest_seconds: float) -> str:
    """12 hex digits of what determines the examples. Long videos count by name and size: reading them takes hours."""
    total = hashlib.sha256(repr((corpus.pairs, corpus.segments, corpus.record(), short_side, longest_seconds)).encode())
    for file, path in corpus.videos.items():
        total.update(f"{file} {path.stat().st_size} ".encode())
    for path in corpus.speech:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    for module in (segments, encode):
        total.update(Path(str(module.__file__)).read_bytes())
    return total.hexdigest()[:12]


def build(
    data_dir: Path, corpus: Corpus, *, short_side: int = SHORT_SIDE, longest_seconds: float = LONGEST_SECONDS
) -> MpiiCooking:
    """The corpus as a prepared tfds dataset in array_record files, written where `data_dir` does not hold it yet.

    tfds writes into a temporary folder and renames it when it is whole, so an interrupted build leaves no dataset.

    Args:
      data_dir: folder of tfds datasets; made where it is missing.
      corpus: of `read`.
      short_side: pixels of the shorter side of the cut videos, even; 256 is what I3D's crops are taken from.
      longest_seconds: longer segments keep their beginning.

    Returns:
      The builder; its `info.metadata` records the split, its counts and hashes, and the files left out.

    Raises:
      UserError: a video that cannot be cut, a full disk, or an odd `short_side`.
    """
    if short_side < 16 or short_side % 2 or longest_seconds <= 0:
        raise UserError(
            f"short_side {short_side} must be even and at least 16, longest_seconds {longest_seconds} positive."
        )
    config = CookingConfig(
        name=f"{len(corpus.pairs)}_pairs_{_digest(corpus, short_side, longest_seconds)}",
        corpus=corpus,
        short_side=short_side,
        longest_seconds=longest_seconds,
    )
    tfds.disable_progress_bar()
    with disk.user_errors(data_dir), quiet():
        builder = MpiiCooking(data_dir=data_dir, config=config, file_format="array_record")
        if not builder.is_prepared():
            builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
    return builder


def clips_of(builder: MpiiCooking) -> Clips:
    """Lists the cut videos in order of clip id, with the speech that is retrieved as their audio, and their split."""
    clips = with_spoken_audio(tfds_clips(builder.as_data_source(split="all"), name="mpii_cooking_2"))
    corpus = builder.builder_config.corpus
    assert corpus is not None, "a builder is made of a corpus"
    detail = "is left out: the table holds no partner of its class for it"
    problems = tuple(Entry(name, name, Reason.NO_PARTNER, detail) for name in corpus.left_out)
    counts = {"files_passed_over": len(problems)} if problems else {}
    return dataclasses.replace(clips, problems=problems, passed_over=counts)
