"""Decodes the clips of a config once and caches their features; optional, since training does what is missing.

avx extract --config=configs/quickstart.py
"""

from __future__ import annotations

import collections
from collections.abc import Collection, Sequence
from pathlib import Path

from absl import flags
from ml_collections import ConfigDict
from ml_collections.config_flags import config_flags

from avx import registry
from avx.core import processes
from avx.core.errors import UserError
from avx.data.cache import fingerprint
from avx.media.quarantine import NOTES, Quarantine, Reason
from avx.reports.metric_names import printable, shortened
from avx.runs import settings

NO_PART_OF_THE_CLIPS = ("cache_dir", "missing", "split_fractions", "split_seed", "workers")
SCANNED = (
    *(Reason.LINKED_FOLDER, Reason.UNREADABLE_FOLDER, Reason.NO_FRAME_RATE, Reason.UNKNOWN_FORMAT),
    *(Reason.SPARE_SOUND, Reason.IGNORED_COLUMNS),
)
"""Reasons of what is no clip, which is named one by one."""


def define_flags() -> None:
    config_flags.DEFINE_config_file("config", None, "Path of the config file.", lock_config=True)
    flags.mark_flag_as_required("config")


def main(argv: Sequence[str]) -> None:
    processes.initialize()
    extract(flags.FLAGS.config)


def extract(config: ConfigDict) -> None:
    """Extracts the features of a config's clips and tells what became of every file.

    Raises:
      UserError: an impossible value, or data that cannot be used.
    """
    settings.check(config)
    if not registry.reads_clips(config):
        raise UserError(f"data.kind = {config.data.kind!r} holds features already; there is nothing to extract.")
    registry.check_places(config)
    quarantine = Quarantine(quarantine_path(config))
    found = registry.dataset(config, quarantine, registry.front_end(config, registry.read_weights(config)))
    if processes.is_leader():
        counted = f"{len(found)} of {found.coverage['clips']} clips of {printable(found.name)}"
        print(f"{counted} are in {Path(config.data.cache_dir) / 'features'}")
        for line in told(quarantine, found.ids):
            print(f"  {line}")


def quarantine_path(config: ConfigDict) -> Path:
    """The quarantine file of a config's data: one for each set of clips, whatever else shares the cache."""
    plain = settings.as_plain(config)["data"]
    data = {name: value for name, value in plain.items() if name not in NO_PART_OF_THE_CLIPS}
    given = config.data.get("root", "")
    root = str(Path(given).resolve()) if given else ""
    name = shortened(Path(root).name or config.data.kind, 64)
    return Path(config.data.cache_dir) / "quarantine" / f"{name}_{fingerprint({**data, 'root': root})[:8]}.jsonl"


def told(quarantine: Quarantine, usable: Collection[str]) -> list[str]:
    """What a person is told of a quarantine file: clips by reason, and each thing that a scan passed over.

    Args:
      quarantine: of the clips.
      usable: ids that are used, for which an earlier reason to stay out holds no more.
    """
    known = set(usable)
    entries = [entry for entry in quarantine.entries() if entry.reason in NOTES or entry.clip_id not in known]
    counts = collections.Counter(entry.reason for entry in entries if entry.reason not in SCANNED)
    lines = [f"{reason}: {counts[reason]}, see {quarantine.path}" for reason in Reason if counts[reason]]
    lines += [f"{entry.clip_id or entry.source}: {entry.detail}" for entry in entries if entry.reason in SCANNED]
    return list(map(printable, lines))
