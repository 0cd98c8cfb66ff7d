"""Decodes the clips of a config once and caches their features; optional, since training does what is missing.

avx extract --config=configs/quickstart.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import flags
from ml_collections.config_flags import config_flags

from avx import registry
from avx.core import processes
from avx.core.errors import UserError
from avx.media.quarantine import Quarantine
from avx.runs import settings


def define_flags() -> None:
    config_flags.DEFINE_config_file("config", None, "Path of the config file.", lock_config=True)
    flags.mark_flag_as_required("config")


def main(argv: Sequence[str]) -> None:
    processes.initialize()
    config = flags.FLAGS.config
    settings.check(config)
    if not registry.reads_clips(config):
        raise UserError(f"data.kind = {config.data.kind!r} holds features already; there is nothing to extract.")
    quarantine = Quarantine(Path(config.data.cache_dir) / f"{config.name}_quarantine.jsonl")
    found = registry.dataset(config, quarantine, registry.front_end(config, registry.read_weights(config)))
    if processes.is_leader():
        offered = found.coverage["clips"]
        print(f"{len(found)} of {offered} clips of {found.name} are in {Path(config.data.cache_dir) / 'features'}")
        for reason, count in quarantine.counts().items():
            print(f"  {reason}: {count}, see {quarantine.path}")
