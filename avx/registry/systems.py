"""Systems and update rules by name: the only list of methods."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optax
from ml_collections import ConfigDict

from avx.core.errors import UserError, chosen
from avx.core.types import System
from avx.memory.bank import MemoryOptions
from avx.registry.encoders import two_stream
from avx.registry.inputs import VIDEO_INPUTS, audio_input, video_input
from avx.systems import (
    dssah,
    feature_memory,
    label_taught,
    projection_hashing,
    projections,
    semantic_hashing,
    semantic_spaces,
    skm_embedding,
    ssah,
)
from avx.systems.fine_tuned_i3d import fine_tuned
from avx.training import optim


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a system is told of the data.

    Attributes:
      classes: C.
      sides: the two sides that are retrieved from each other.
      steps_per_epoch: training batches of an epoch, for what is scheduled in epochs.
      items: training items, for what is held of each.
    """

    classes: int
    sides: tuple[str, str]
    steps_per_epoch: int = 1
    items: int = 1


Build = Callable[[ConfigDict, Facts], System]


def _skm_embedding(config: ConfigDict, facts: Facts) -> System:
    options = skm_embedding.Options(
        classes=max(facts.classes, 1),
        video_input="pixels" if video_input(config).trained else "features",
        audio_input="log_mel" if audio_input(config).trained else "features",
        saliency=config.keyframes.saliency,
        **config.model,
    )
    return skm_embedding.build(options, skm_embedding.LossOptions(**config.loss))


def _feature_memory(config: ConfigDict, facts: Facts) -> System:
    if audio_input(config).trained:
        raise UserError(
            "system feature_memory reads frames, not log-mel pictures; choose features.audio = mfcc or vggish."
        )
    slots = config.memory.to_dict()
    enabled, warmup_epochs = slots.pop("enabled"), slots.pop("warmup_epochs")
    options = feature_memory.Options(
        video_input="pixels" if config.features.video == "pixels" else "features",
        memory=MemoryOptions(**slots) if enabled else None,
        warmup_steps=warmup_epochs * facts.steps_per_epoch,
        **config.model,
    )
    return feature_memory.build(options, feature_memory.LossOptions(**config.loss))


def _semantic_hashing(config: ConfigDict, facts: Facts) -> System:
    options = semantic_hashing.Options(classes=facts.classes, **config.model)
    return semantic_hashing.build(options, semantic_hashing.LossOptions(**config.loss), facts.sides)


def _ssah(config: ConfigDict, facts: Facts) -> System:
    return ssah.build(
        label_taught.Options(classes=facts.classes, **config.model),
        ssah.LossOptions(**config.loss),
        facts.sides,
        turns=ssah.Turns(**config.alternation),
        items=facts.items,
        steps_per_pass=facts.steps_per_epoch,
    )


def _dssah(config: ConfigDict, facts: Facts) -> System:
    options = label_taught.Options(classes=facts.classes, **config.model)
    return dssah.build(options, dssah.LossOptions(**config.loss), facts.sides)


@dataclasses.dataclass(frozen=True)
class ClosedForm:
    """A closed-form method: its options, and what makes a system of them and of the two sides."""

    options: type
    build: Callable[[Any, tuple[str, str]], System]

    def __call__(self, config: ConfigDict, facts: Facts) -> System:
        """Builds the system; options that the data or the run decide are not fields of the config."""
        known = {"classes": facts.classes, "seed": config.seed}
        given = {field.name: known[field.name] for field in dataclasses.fields(self.options) if field.name in known}
        return self.build(self.options(**given, **config.model), facts.sides)


CLOSED_FORM: dict[str, ClosedForm] = {
    "pca": ClosedForm(projections.PCAOptions, projections.build_pca),
    "cca": ClosedForm(projections.CCAOptions, projections.build_cca),
    "kcca": ClosedForm(projections.KCCAOptions, projections.build_kcca),
    "cvh_linear": ClosedForm(projection_hashing.CVHLinearOptions, projection_hashing.build_cvh_linear),
    "cvh_anchors": ClosedForm(projection_hashing.CVHAnchorsOptions, projection_hashing.build_cvh_anchors),
    "smfh": ClosedForm(projection_hashing.SMFHOptions, projection_hashing.build_smfh),
    "sm": ClosedForm(semantic_spaces.SMOptions, semantic_spaces.build_sm),
    "scm": ClosedForm(semantic_spaces.SCMOptions, semantic_spaces.build_scm),
}
SYSTEMS: dict[str, Build] = {
    "skm_embedding": _skm_embedding,
    "feature_memory": _feature_memory,
    "semantic_hashing": _semantic_hashing,
    "ssah": _ssah,
    "dssah": _dssah,
    **CLOSED_FORM,
}


def system(config: ConfigDict, facts: Facts) -> System:
    """Returns the system of a config.

    Args:
      config: with `system`, `model` and whatever groups that system has.
      facts: of the data.

    Raises:
      UserError: an unknown name, or an impossible value.
    """
    build = chosen(SYSTEMS, "system", config.system)
    try:
        built = build(config, facts)
    except TypeError as error:  # A group of the config that is not what the method's options are.
        raise UserError(f"the config {config.name} does not fit system {config.system}: {error}.") from error
    row = VIDEO_INPUTS.get(config.features.get("video", ""))
    if built.loss is not None and row is not None and row.trained and row.windows:
        return fine_tuned(built, two_stream(config.features.i3d_dtype))
    return built


def baseline_config(name: str, of: ConfigDict, grid: Mapping[str, Sequence[Any]]) -> ConfigDict:
    """Returns the config of a baseline on the data and features of a run.

    Args:
      name: a key of `CLOSED_FORM`.
      of: the config of the run. Columns of the features stay as they are, whatever the run does to them.
      grid: every option of the method -> its candidates.

    Raises:
      UserError: an unknown name, or an option without a candidate.
    """
    chosen(CLOSED_FORM, "baselines", name)
    if empty := [field for field, values in grid.items() if not len(values)]:
        raise UserError(f"baselines.{name}.{empty[0]} is empty; give at least one candidate.")
    features = ConfigDict(of.features.to_dict())
    if "standardise" in features:
        features.standardise = False
    groups = {"data": of.data, "features": features, "evaluation": of.evaluation}
    model = {field: values[0] for field, values in grid.items()}
    return ConfigDict({"name": f"{of.name}, {name}", "system": name, "seed": of.seed, "model": model, **groups}).lock()


def optimizer(config: ConfigDict, total_steps: int) -> optax.GradientTransformation:
    """Returns the update rule of `config.optimizer`."""
    return optim.build(total_steps=total_steps, **config.optimizer)
