"""Every config loads and shape-checks; every ablation changes an existing field; docstrings state what they must."""

import ast
import runpy
from pathlib import Path

import jax
import pytest
from tools.check_config import shape_check

from avx import registry
from avx.core.errors import UserError
from experiments import run as run_room
from experiments.sweep import overridden, variants
from avx.commands.check_config import shape_check

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(path for path in (ROOT / "configs").glob("*.py") if path.name != "__init__.py")
ABLATIONS = sorted(path for path in (ROOT / "configs" / "ablations").glob("*.py") if path.name != "__init__.py")


def name_of(path):
    return path.stem


def load(path):
    return runpy.run_path(str(path))["get_config"]().lock()


def base_of(ablation):
    """The config that the ablation file's own command names."""
    words = ast.get_docstring(ast.parse(ablation.read_text())).split()
    return ROOT / next(word for word in words if word.startswith("--config=")).removeprefix("--config=")


@pytest.fixture(autouse=True)
def one_device(monkeypatch):
    monkeypatch.setattr(run_room.jax, "device_count", lambda: 1)


@pytest.mark.parametrize("path", CONFIGS, ids=name_of)
def test_config_loads_and_shape_checks(path):
    found = shape_check(load(path))
    assert found["parameters"] > 1000


@pytest.mark.parametrize("path", CONFIGS, ids=name_of)
def test_config_states_command_hardware_and_result(path):
    text = ast.get_docstring(ast.parse(path.read_text()))
    for word in ("Command:", f"--config=configs/{path.name}", "Hardware:", "Time and result:"):
        assert word in text, f"{path.name} does not state {word}"


@pytest.mark.parametrize("path", ABLATIONS, ids=name_of)
def test_ablations_override_existing_fields_and_change_something(path):
    config = load(base_of(path))
    seen = set()
    for name, overrides in variants(str(path)):
        assert name not in seen
        seen.add(name)
        changed = overridden(config, overrides, seed=config.seed)
        run_room.check(changed)
        differs = changed.to_json() != config.to_json()
        already = all(read(config, field) == value for field, value in overrides.items())
        assert differs or already, f"{name} changes nothing"
    assert len(seen) > 1


def read(config, field):
    for part in field.split("."):
        config = config[part]
    return config


def test_an_unknown_override_is_named():
    config = load(ROOT / "configs" / "quickstart.py")
    with pytest.raises(UserError, match="learning_rat"):
        overridden(config, {"optimizer.learning_rat": 1.0}, 0)


def test_a_wrong_type_is_refused():
    config = load(ROOT / "configs" / "quickstart.py")
    with pytest.raises(UserError, match="override cannot be applied"):
        overridden(config, {"train.epochs": "many"}, 0)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("train.batch_size", 0, "train.batch_size = 0 must be greater than 0"),
        ("model.dropout", 1.0, r"model.dropout = 1.0 must lie in \[0, 1\)"),
        ("model.selected_blocks", 99, "exceeds model.blocks"),
        ("system", "skm", "system = 'skm' is unknown; choose one of"),
        ("optimizer.name", "adamx", "optimizer.name = 'adamx' is unknown"),
        ("features.video", "resnet9000", "features.video = 'resnet9000' is unknown"),
        ("features.video", "mfcc", "features.video = 'mfcc' is unknown"),
        ("features.audio", "pixels", "features.audio = 'pixels' is unknown"),
        ("features.window_frames", 0, "features.window_frames = 0 must be greater than 0"),
        ("loss.triplet_mining", "softly", "loss.triplet_mining = 'softly' is unknown"),
    ],
)
def test_impossible_values_name_the_field(field, value, message):
    config = overridden(load(ROOT / "configs" / "quickstart.py"), {field: value}, 0)
    with pytest.raises(UserError, match=message):
        shape_check(config)


@pytest.mark.parametrize(
    "field", [("features.video", "i3d"), ("features.audio", "mfcc"), ("features.video", "handcrafted")]
)
def test_every_kind_of_features_shape_checks_in_system_a(field):
    assert shape_check(overridden(load(ROOT / "configs" / "skm_embedding.py"), dict([field]), 0))["parameters"] > 1000


def test_i3d_in_training_needs_its_weights_to_start_and_not_to_be_checked():
    config = overridden(load(ROOT / "configs" / "feature_memory.py"), {"features.video": "i3d_input"}, 0)
    video = registry.modality_specs(config)[0]
    assert (video.length, video.shape, video.dtype) == (16, (64, 224, 224, 5), "uint8")
    read = registry.importer(config)
    with pytest.raises(UserError, match=r"'i3d_input' needs both streams; give --config.features.video_weights=FILE"):
        read()
    frozen = overridden(config, {"features.video": "i3d"}, 0)
    assert registry.importer(frozen) is None
    trained = shape_check(config)["parameters"] - shape_check(frozen)["parameters"]
    # Both streams without their classifiers: kernels, gains and shifts.
    assert trained == 24_552_576


def test_system_c_refuses_log_mel_pictures():
    config = overridden(load(ROOT / "configs" / "feature_memory.py"), {"features.audio": "log_mel"}, 0)
    with pytest.raises(UserError, match=r"choose features.audio = mfcc or vggish"):
        shape_check(config)


def test_a_batch_that_does_not_divide_by_the_devices_is_refused(monkeypatch):
    monkeypatch.setattr(run_room.jax, "device_count", lambda: 7)
    with pytest.raises(UserError, match="does not divide by the 7 devices"):
        run_room.check(load(ROOT / "configs" / "quickstart.py"))


def test_shape_check_computes_nothing():
    """Tracing alone: the paper-sized config, with its 4096-wide layers, passes without allocating its parameters."""
    before = sum(array.nbytes for array in jax.live_arrays())
    shape_check(load(ROOT / "configs" / "skm_embedding.py"))
    assert sum(array.nbytes for array in jax.live_arrays()) - before < 1_000_000
