"""An evaluation on other clips writes no line into the quarantine file of the run."""

from avx.commands.evaluate import _quarantine_of
from avx.commands.extract import quarantine_path
from avx.runs import settings
from avx.runs import workdir as workdirs
from avx.runs.studies import overridden
from configs import folder


def test_lines_of_other_clips_are_not_those_of_the_run(tmp_path):
    config = overridden(
        folder.get_config().lock(), {"data.root": str(tmp_path / "clips"), "data.cache_dir": str(tmp_path / "cache")}
    )
    run = tmp_path / "run"
    run.mkdir()
    workdirs.write_json(run / workdirs.CONFIG, settings.as_plain(config))
    assert _quarantine_of(run, config, "").path == run / "quarantine.jsonl"
    moved_cache = overridden(config, {"data.cache_dir": str(tmp_path / "elsewhere")})
    assert _quarantine_of(run, moved_cache, "").path == run / "quarantine.jsonl"
    other = overridden(config, {"data.root": str(tmp_path / "others")})
    assert _quarantine_of(run, other, "").path == quarantine_path(other)
    assert _quarantine_of(run, other, str(tmp_path / "out")).path == tmp_path / "out/quarantine.jsonl"
