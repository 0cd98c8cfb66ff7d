"""Every config loads and shape-checks; every ablation changes an existing field; docstrings state what they must."""

import ast
import runpy
from pathlib import Path

import jax
import pytest

from avx import registry
from avx.commands.check_config import shape_check
from avx.core.errors import UserError
from avx.runs import settings
from avx.runs.studies import overridden, variants

pytestmark = pytest.mark.usefixtures("one_device")

ROOT = Path(__file__).parents[2]
NOT_STUDIES = ("__init__", "base")
CONFIGS = sorted(
    path
    for folder in ("configs", "configs/comparators")
    for path in (ROOT / folder).glob("*.py")
    if path.stem not in NOT_STUDIES
)
ABLATIONS = sorted(path for path in (ROOT / "configs" / "ablations").glob("*.py") if path.stem not in NOT_STUDIES)


def name_of(path):
    return path.stem


def load(path):
    return runpy.run_path(str(path))["get_config"]().lock()


def base_of(ablation):
    """The config that the ablation file's own command names."""
    words = ast.get_docstring(ast.parse(ablation.read_text())).split()
    return ROOT / next(word for word in words if word.startswith("--config=")).removeprefix("--config=")


@pytest.mark.parametrize("path", CONFIGS, ids=name_of)
def test_config_loads_and_shape_checks(path):
    config = load(path)
    found = shape_check(config)
    assert found["parameters"] > (1000 if "train" in config else 500)
    assert found["embedding_size"] > 1


@pytest.mark.parametrize("path", CONFIGS, ids=name_of)
def test_config_states_command_hardware_and_result(path):
    text = ast.get_docstring(ast.parse(path.read_text()))
    for word in ("Command:", f"--config={path.relative_to(ROOT)}", "Hardware:", "Time and result:"):
        assert word in text, f"{path.name} does not state {word}"


@pytest.mark.parametrize("path", ABLATIONS, ids=name_of)
def test_ablations_override_existing_fields_and_change_something(path):
    config = load(base_of(path))
    seen = set()
    for name, overrides in variants(str(path)):
        assert name not in seen
        seen.add(name)
        changed = overridden(config, overrides)
        settings.check(changed)
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
        overridden(config, {"optimizer.learning_rat": 1.0})


def test_a_wrong_type_is_refused():
    config = load(ROOT / "configs" / "quickstart.py")
    with pytest.raises(UserError, match="override cannot be applied"):
        overridden(config, {"train.epochs": "many"})


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("train.batch_size", 0, r"train.batch_size = 0 must be a whole number in \[1, 1048576\]"),
        ("model.dropout", 1.0, r"model.dropout = 1.0 must be a number in \[0, 1\)"),
        ("model.selected_blocks", 99, "exceeds model.blocks"),
        ("system", "skm", "system = 'skm' is unknown; choose one of"),
        ("optimizer.name", "adamx", "optimizer.name = 'adamx' is unknown"),
        ("features.video", "resnet9000", "features.video = 'resnet9000' is unknown"),
        ("features.video", "mfcc", "features.video = 'mfcc' is unknown"),
        ("features.audio", "pixels", "features.audio = 'pixels' is unknown"),
        ("features.window_frames", 0, "features.window_frames = 0 must be a whole number in"),
        ("features.window_stride", -1, "features.window_stride = -1 must be a whole number in"),
        ("features.max_windows", -1, r"features.max_windows = -1 must be a whole number in \[0, 100000\]"),
        ("features.image_size", 0, "features.image_size = 0 must be a whole number in"),
        ("features.i3d_dtype", "float16", "features.i3d_dtype = 'float16' is unknown"),
        ("features.flow", "slow", "features.flow = 'slow' is unknown"),
        ("features.mfcc_mels", 0, "features.mfcc_mels = 0 must be a whole number in"),
        ("decode.frame_rate", 0.0, r"decode.frame_rate = 0.0 must be a number in \(0, 1000\]"),
        ("decode.height", 0, "decode.height = 0, decode.width = 96: state height and width together"),
        ("keyframes.saliency", "sight", "keyframes.saliency = 'sight' is unknown"),
        ("keyframes.k_rule", "guess", "keyframes.k_rule = 'guess' is unknown"),
        ("keyframes.max_clusters", 0, "keyframes.max_clusters = 0 must be a whole number in"),
        ("keyframes.max_rounds", -1, "keyframes.max_rounds = -1 must be a whole number in"),
        ("keyframes.features", "deep", "keyframes.features = 'deep' needs a pretrained features.video"),
        ("data.kind", "flickr", "data.kind = 'flickr' is unknown; choose one of embedded, features, folder"),
        (
            "evaluation.ks",
            (1, 0),
            r"each of evaluation.ks = \(1, 0\) must be a whole number in .*, not 0",
        ),
        ("data.missing", "skip", "data.missing = 'skip' is unknown; choose one of quarantine, refuse"),
        ("data.speech", "sung", "data.speech = 'sung' is unknown; choose one of spoken, track"),
        ("data.grid_classes", "verb", "data.grid_classes = 'verb' is unknown"),
        ("data.cooking_split", "cook", "data.cooking_split = 'cook' is unknown; choose one of film, item"),
        ("evaluation.galleries", ("train+vat",), "evaluation.galleries = 'vat' is unknown"),
        ("evaluation.report_items", -1, "evaluation.report_items = -1 must be a whole number in"),
        ("optimizer.clip_norm", -1.0, r"optimizer.clip_norm = -1.0 must be a number in \[0,"),
        ("loss.label_weight", -1.0, r"loss.label_weight = -1.0 must be a number in \[0,"),
        ("model.logit_scale", float("nan"), r"model.logit_scale = nan must be a number in \(0,"),
        ("model.video_sizes", (512, 0), r"each of model.video_sizes = \(512, 0\) must be .*, not 0"),
        ("seed", -1, r"seed = -1 must be a whole number in \[0, 2147483647\]"),
        ("loss.triplet_mining", "softly", "loss.triplet_mining = 'softly' is unknown"),
    ],
)
def test_impossible_values_name_the_field(field, value, message):
    config = overridden(load(ROOT / "configs" / "quickstart.py"), {field: value})
    with pytest.raises(UserError, match=message):
        settings.check(config)  # what every command does before any work


@pytest.mark.parametrize(
    "fields",
    [
        {"features.video": "i3d", "keyframes.features": "handcrafted"},
        {"features.audio": "mfcc"},
        {"features.video": "handcrafted", "keyframes.features": "handcrafted"},
        {"features.video": "squeezenet"},
    ],
    ids=lambda fields: "-".join(fields.values()),
)
def test_every_kind_of_features_shape_checks_in_system_a(fields):
    assert shape_check(overridden(load(ROOT / "configs" / "skm_embedding.py"), fields))["parameters"] > 1000


@pytest.mark.parametrize(
    ("path", "field", "value", "message"),
    [
        ("configs/feature_memory.py", "memory.capacity", 0, "memory.capacity = 0 must be a whole number in"),
        (
            "configs/feature_memory.py",
            "memory.warmup_epochs",
            -1,
            "memory.warmup_epochs = -1 must be a whole number",
        ),
        ("configs/feature_memory.py", "loss.positives", "twins", "loss.positives = 'twins' is unknown"),
        ("configs/semantic_hashing.py", "model.head", "own", "model.head = 'own' is unknown"),
        ("configs/semantic_hashing.py", "train.epochs", 0, "train.epochs = 0 must be a whole number in"),
        ("configs/ssah.py", "features.sides", ("image", "image"), r"features.sides = \('image', 'image'\).* two sides"),
        ("configs/ssah.py", "features.kinds", ("image",), r"features.kinds = \('image',\) must name"),
        ("configs/comparators/cca.py", "model.dimensions", 0, "dimensions"),
        ("configs/comparators/cca.py", "evaluation.score", "class/mapp", "evaluation.score = 'class/mapp' is unknown"),
        ("configs/comparators/cca.py", "evaluation.score", "map", "evaluation.score = 'map' is unknown"),
    ],
)
def test_impossible_values_of_other_studies_name_the_field(path, field, value, message):
    with pytest.raises(UserError, match=message):
        settings.check(overridden(load(ROOT / path), {field: value}))


def test_one_field_is_one_ablation():
    """A weight of 0 changes that weight, and is refused by name where the match would come from an idle network."""
    config = load(ROOT / "configs" / "feature_memory.py")
    with pytest.raises(UserError, match=r"model\.match = 'fusion' needs loss\.cross_entropy_weight above 0"):
        shape_check(overridden(config, {"loss.cross_entropy_weight": 0.0}))
    silent = {"loss.cross_entropy_weight": 0.0, "model.match": "cosine"}
    assert shape_check(overridden(config, silent)) == shape_check(overridden(config, {"model.match": "cosine"}))


def test_i3d_in_training_needs_its_weights_to_start_and_not_to_be_checked():
    config = overridden(load(ROOT / "configs" / "feature_memory.py"), {"features.video": "i3d_input"})
    video = registry.clip_specs(config)[0]
    assert (video.length, video.shape, video.dtype) == (16, (64, 224, 224, 5), "uint8")
    frozen = overridden(config, {"features.video": "i3d"})
    assert registry.video_input(config).trained and not registry.video_input(frozen).trained
    for one in (config, frozen):
        message = f"'{one.features.video}' needs both streams; give --config.features.video_weights=FILE"
        with pytest.raises(UserError, match=message):
            registry.read_weights(one)
    trained = shape_check(config)["parameters"] - shape_check(frozen)["parameters"]
    # Both streams without their classifiers: kernels, gains and shifts.
    assert trained == 24_552_576


def test_system_c_refuses_log_mel_pictures():
    config = overridden(load(ROOT / "configs" / "feature_memory.py"), {"features.audio": "log_mel"})
    with pytest.raises(UserError, match=r"choose features.audio = mfcc or vggish"):
        shape_check(config)


def test_a_batch_that_does_not_divide_by_the_devices_is_refused(monkeypatch):
    monkeypatch.setattr(settings.jax, "device_count", lambda: 7)
    with pytest.raises(UserError, match="does not divide by the 7 devices"):
        settings.check(load(ROOT / "configs" / "quickstart.py"))


def test_shape_check_computes_nothing():
    """Tracing alone: the paper-sized config, with its 4096-wide layers, passes without allocating its parameters."""
    before = sum(array.nbytes for array in jax.live_arrays())
    shape_check(load(ROOT / "configs" / "skm_embedding.py"))
    assert sum(array.nbytes for array in jax.live_arrays()) - before < 1_000_000
