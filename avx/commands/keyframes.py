"""Writes the key frames of videos as pictures, with a contact sheet and exact times; needs no weights and no GPU.

    avx keyframes VIDEO_OR_FOLDER... --out=DIR [--count=N] [--scenes=FILE.csv] [--method=skm] [--frame_rate=2]

For each video: DIR/<video>/key_<number>_<time>s.jpg in the video's own size, contact_sheet.png and keyframes.json.
Cuts, fades and dissolves are looked for on every frame, whatever the rate of the pictures that key frames are chosen
from, and --scenes writes the scenes between them as a table. Files that cannot be read are named at the end with the
reason and left out; the exit status is 0 if any video worked.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from avx.core.errors import UserError
from avx.core.ranges import Range, positive, whole
from avx.data.scan import scan
from avx.extraction import frame_features, key_frames
from avx.extraction.film import Film, read_film
from avx.extraction.frame_features import FrameDescriber
from avx.extraction.key_frames import Method, Selection
from avx.extraction.scene_table import scene_rows, write_scenes
from avx.keyframes import adaptive_k
from avx.keyframes.coverage import CoverageConfig
from avx.media.atomic import write_bytes
from avx.media.decode import stream_frames
from avx.media.images import write_image
from avx.media.probe import probe
from avx.media.quarantine import MediaProblem
from avx.registry import frame_methods
from avx.reports.sheets import TimeLine, clock, pictured, sheet
from avx.runs.workdir import write_json
from avx.signal import saliency_maps

THUMBNAIL = 480
MANIFEST, SHEET = "keyframes.json", "contact_sheet.png"
_PICTURE = re.compile(r"key_\d+_\d+\.\d+s\.jpg")


@dataclasses.dataclass(frozen=True)
class Settings:
    """What is chosen, and how.

    Attributes:
      method: a key of `frame_methods.METHODS`.
      features: one of `frame_methods.FEATURES`.
      frame_rate: pictures per second that key frames are chosen from; None for every frame.
      delta: sensitivity of SKM's adaptive K.
      k_rule: of SKM, "changes+1" for as many key frames as segments, or "changes" as printed, which leaves one segment
        without a picture: seen by a person, a shot that is missing weighs more than one picture too many.
      saliency, region: of the frame features.
      max_key_frames: of one video.
      count: exactly so many key frames of each video, as far as it has pictures; 0 leaves it to the method.
      separation, between_scenes: key frames nearer to each other than this, of one scene or of two, are
        near-duplicates (`CoverageConfig`).
      farthest: pictures farther than this from all key frames become one.
    """

    method: str = "skm"
    features: str = frame_methods.HANDCRAFTED
    frame_rate: float | None = 2.0
    delta: float = 1.5
    k_rule: str = adaptive_k.SEGMENTS
    saliency: str = "spectral_residual"
    region: str = frame_features.POOL
    max_key_frames: int = 1024
    count: int = 0
    separation: float = CoverageConfig.separation
    between_scenes: float = CoverageConfig.between_scenes
    farthest: float = CoverageConfig.farthest

    def __post_init__(self):
        if self.method not in frame_methods.METHODS:
            raise UserError(f"--method={self.method} is unknown; choose one of {', '.join(frame_methods.METHODS)}.")
        if self.k_rule not in adaptive_k.RULES:
            raise UserError(f"--k_rule={self.k_rule} is unknown; choose one of {', '.join(adaptive_k.RULES)}.")
        if self.frame_rate is not None and self.frame_rate not in positive(1000):
            raise UserError(f"--frame_rate={self.frame_rate:g} cannot be; give pictures per second, or 0 for all.")
        if self.delta not in Range(0, 100):
            raise UserError(f"--delta={self.delta:g} cannot be; give deviations above the mean, such as 1.5.")
        if self.max_key_frames not in whole(1):
            raise UserError(f"--max_key_frames={self.max_key_frames} cannot be; give at least 1.")
        if self.count not in whole(0):
            raise UserError(f"--count={self.count} cannot be; give how many key frames you want, or 0.")
        for name in ("separation", "between_scenes", "farthest"):
            if getattr(self, name) not in Range(0, 2, open_low=name == "farthest"):
                raise UserError(f"--{name}={getattr(self, name):g} cannot be; give a distance, at most 2.")

    def chooser(self) -> Method:
        """The method with its constants."""
        method = frame_methods.METHODS[self.method].bounded(self.max_key_frames)
        return method.replaced(delta=self.delta, k_rule=self.k_rule) if self.method == "skm" else method

    def choose(self, film: Film) -> Selection:
        """The key frames of a film.

        Those of SKM by segments, the default, are completed, and so is what has a `count`; the other methods and the
        printed rule give what they choose.
        """
        if self.count or (self.method == "skm" and self.k_rule == adaptive_k.SEGMENTS):
            names = ("separation", "between_scenes", "farthest", "count")
            coverage = CoverageConfig(most=self.max_key_frames, **{name: getattr(self, name) for name in names})
            return key_frames.choose_from_film(film, self.chooser(), coverage)
        return key_frames.choose(film.frames, self.chooser())


def find_videos(arguments: Sequence[str]) -> tuple[list[tuple[str, Path]], list[str]]:
    """Finds the videos that the arguments mean: files as they are, folders with all videos below them.

    Names are unique relative paths without suffix; where two videos would share one, they keep their suffix, and what
    is still alike gets a number.

    Returns:
      (name, path) of each, and a line on each folder, and on the files of each other format, that is passed over.

    Raises:
      UserError: no argument, or a folder without a video.
    """
    found: list[tuple[Path, Path]] = []
    left_out: list[str] = []
    for argument in arguments:
        path = Path(argument)
        if not path.is_dir():
            found.append((Path(path.name), path))
            continue
        below = scan(path)
        told = [f"{path}/{one.clip_id}: {one.detail}" for one in below.problems]
        if not below.videos:
            why = "; ".join(told) or "give a folder with files such as .mp4 or .webm"
            raise UserError(f"{path} holds no video: {why}.")
        left_out += told
        found += [(video, path / video) for video in below.videos]
    if not found:
        raise UserError("there is no video to look at; give files or folders: avx keyframes VIDEO --out=DIR")
    stems = [str(name.with_suffix("")) for name, _ in found]
    names: list[str] = []
    for stem, (name, _) in zip(stems, found, strict=True):
        wanted = stem if stems.count(stem) == 1 else str(name)
        number = 2
        unique = wanted
        while unique in names:
            unique, number = f"{wanted}_{number}", number + 1
        names.append(unique)
    return [(name, path) for name, (_, path) in zip(names, found, strict=True)], left_out


def pictures_at(path: Path, frame_rate: float | None, times: np.ndarray) -> Iterator[np.ndarray]:
    """The frames of these ascending times in the video's own size; decoding stops after the last one.

    Args:
      path: the video.
      frame_rate: at which all of them are sampled, since every sampled frame is converted; None for any frames.
      times: (n,) s.
    """
    wanted = iter(times.tolist())
    following = next(wanted, None)
    for time, pixels in stream_frames(path, frame_rate):
        if time == following:
            yield pixels
            following = next(wanted, None)
            if following is None:
                return


def extract(
    path: Path,
    folder: Path,
    name: str,
    settings: Settings,
    describer: FrameDescriber,
    report: Callable[[float], None] = lambda _: None,
) -> dict[str, Any]:
    """Writes the key frames of one video into `folder`.

    The manifest comes last and names every picture; pictures of an earlier manifest that are no key frames any more
    are removed after it.

    Args:
      path: the video.
      folder: of its key frames; made where it is missing.
      name: shown on the sheet.
      settings: what is chosen.
      describer: reads the frames.
      report: told the time in s that has been read.

    Returns:
      The content of keyframes.json.

    Raises:
      MediaProblem: the video cannot be read.
      UserError: the disk is full.
    """
    film = read_film(describer, path, settings.frame_rate, report=report)
    video, chosen = film.frames, settings.choose(film)
    times, numbers = video.times[chosen.indices], film.numbers[chosen.indices]
    digits = max(2, len(str(len(times))))
    files = [f"key_{place:0{digits}d}_{time:.2f}s.jpg" for place, time in enumerate(times, start=1)]

    thumbnails, on_sheet = {}, set(pictured(len(files)).tolist())
    # Whether the last frame of a file is sampled hangs on how long it says it lasts, which a film does not know.
    at_the_rate = film.sampled[chosen.indices].all() and numbers[-1] < len(film.times) - 1
    rate = settings.frame_rate if at_the_rate else None
    for place, pixels in enumerate(pictures_at(path, rate, times)):
        write_image(folder / files[place], pixels)
        if place in on_sheet:
            thumbnails[place] = _thumbnail(pixels)
    manifest = {
        "video": str(path),
        "settings": dataclasses.asdict(settings) | {"encoder": describer.encoder.name},
        "frames": len(video.times),
        "frames_in_file": len(film.times),
        "last_frame_time": float(film.times[-1]),
        "K": len(files),
        "compression_ratio": chosen.compression_ratio,
        "fidelity": chosen.fidelity,
        "mean_fidelity": chosen.mean_fidelity,
        "objective": chosen.objective,
        "judged_by": key_frames.EVALUATION,
        "scenes": scene_rows(film),
        "key_frames": [
            {"file": file, "time": time, "frame": number, "sampled_frame": index, "represents": count, "scene": scene}
            for file, time, number, index, count, scene in zip(
                files, times, numbers, chosen.indices, chosen.represents, film.scene_of[chosen.indices], strict=True
            )
        ],
    }
    summary = (
        f"{settings.method}, {settings.features}: {len(files)} of {len(video.times)} frames, "
        f"{len(film.scenes)} scenes, compression {chosen.compression_ratio:.3f}, fidelity {chosen.fidelity:.3f}"
    )
    line = TimeLine(times, float(film.times[-1]), film.times[[found.boundary for found in film.transitions]])
    write_bytes(folder / SHEET, sheet(thumbnails, line, name, summary))
    earlier = _pictures_of(folder / MANIFEST)
    write_json(folder / MANIFEST, manifest)
    for file in earlier - set(files):
        (folder / file).unlink(missing_ok=True)
    return manifest


def _thumbnail(pixels: np.ndarray) -> np.ndarray:
    picture = Image.fromarray(pixels)
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    return np.asarray(picture)


def _pictures_of(manifest: Path) -> set[str]:
    """Names of the pictures that an earlier manifest lists; whatever else it says is none of ours to remove."""
    try:
        listed = [entry["file"] for entry in json.loads(manifest.read_text(encoding="utf-8"))["key_frames"]]
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    return {file for file in listed if isinstance(file, str) and _PICTURE.fullmatch(file)}


def _duration(path: Path) -> float | None:
    """Seconds by the header, None where it states nothing or cannot be read: the decoder will say why."""
    try:
        return probe(path).duration
    except MediaProblem:
        return None


def extract_all(
    videos: Sequence[tuple[str, Path]], out: Path, settings: Settings, describer: FrameDescriber
) -> tuple[list[dict[str, Any]], list[MediaProblem]]:
    """Key frames of all videos, each in its own folder of `out`, with a progress bar.

    Returns:
      The manifests, and what was wrong with the others.
    """
    manifests, problems = [], []
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[status]}"), console=Console(stderr=True)) as progress:
        task = progress.add_task("key frames", total=len(videos), status="")
        for done, (name, path) in enumerate(videos):
            duration = _duration(path)

            def report(seconds: float, done=done, name=name, duration=duration) -> None:
                share = min(seconds / duration, 1.0) if duration else 0.0
                progress.update(task, completed=done + share, status=f"{name} {clock(seconds)}")

            report(0.0)
            try:
                manifests.append(extract(path, out / name, name, settings, describer, report))
            except MediaProblem as problem:
                problems.append(problem)
            progress.update(task, completed=done + 1)
        progress.update(task, status="")
    return manifests, problems


def define_flags() -> None:
    flags.DEFINE_string("out", None, "Folder of the key frames, one folder a video.", required=True)
    flags.DEFINE_enum("method", "skm", list(frame_methods.METHODS), "How key frames are chosen.")
    flags.DEFINE_enum("features", frame_methods.HANDCRAFTED, frame_methods.FEATURES, "What frames are told by.")
    flags.DEFINE_string("weights", "", "File of the backbone's weights, for squeezenet and resnet50.")
    flags.DEFINE_float("frame_rate", 2.0, "Pictures per second that key frames are chosen from; 0 for every frame.")
    flags.DEFINE_float("delta", 1.5, "SKM: deviations above the mean that make a change; less gives more.")
    flags.DEFINE_enum(
        "k_rule", adaptive_k.SEGMENTS, adaptive_k.RULES, "SKM: one key frame for each segment, or for each change."
    )
    flags.DEFINE_enum("saliency", "spectral_residual", sorted(saliency_maps.SALIENCY), "What draws the eye in a frame.")
    flags.DEFINE_enum(
        "region", frame_features.POOL, frame_features.REGIONS, "Weight by saliency, or cut the salient box out."
    )
    flags.DEFINE_integer("max_key_frames", 1024, "Most key frames of one video.")
    flags.DEFINE_integer("count", 0, "Exactly so many key frames of each video; 0 leaves it to the method.")
    limits = CoverageConfig()
    flags.DEFINE_float("separation", limits.separation, "SKM: a key frame nearer to one of its scene is left out.")
    flags.DEFINE_float("between_scenes", limits.between_scenes, "SKM: the same for key frames of two scenes.")
    flags.DEFINE_float("farthest", limits.farthest, "SKM: a picture farther than this from all becomes one.")
    flags.DEFINE_string(
        "scenes", "", "File of the table of scenes: start, end and transition of each; none by default."
    )


def main(argv: Sequence[str]) -> None:
    given = flags.FLAGS
    settings = Settings(
        method=given.method,
        features=given.features,
        frame_rate=given.frame_rate or None,
        delta=given.delta,
        k_rule=given.k_rule,
        saliency=given.saliency,
        region=given.region,
        max_key_frames=given.max_key_frames,
        count=given.count,
        separation=given.separation,
        between_scenes=given.between_scenes,
        farthest=given.farthest,
    )
    videos, passed_over = find_videos(argv[1:])
    encoder = frame_methods.encoder(settings.features, given.weights, settings.saliency, settings.region)
    out = Path(given.out)
    manifests, problems = extract_all(videos, out, settings, FrameDescriber(encoder))
    total = sum(manifest["K"] for manifest in manifests)
    if given.scenes and manifests:
        write_scenes(Path(given.scenes), manifests)
    print(f"{total} key frames of {len(manifests)} of {len(videos)} videos are in {out}")
    for problem in (*problems, *passed_over):
        print(f"left out: {problem}")
    if not manifests:
        raise UserError(f"not one of the {len(videos)} videos could be read; the reasons are above.")
