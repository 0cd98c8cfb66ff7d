"""Optimizers and learning-rate schedules by name, every number a config field."""

from __future__ import annotations

from collections.abc import Callable

import optax

from avx.core.errors import UserError

SCHEDULES: dict[str, Callable[[float, int, int], optax.Schedule]] = {
    "constant": lambda peak, warmup, total: optax.warmup_constant_schedule(0.0 if warmup else peak, peak, warmup),
    "cosine": lambda peak, warmup, total: optax.warmup_cosine_decay_schedule(
        0.0 if warmup else peak, peak, warmup, max(total, warmup + 1)
    ),
}

RULES: dict[str, Callable[[optax.Schedule, float], optax.GradientTransformation]] = {
    "adam": lambda rate, decay: optax.chain(
        optax.add_decayed_weights(decay) if decay else optax.identity(), optax.adam(rate)
    ),
    "adamw": lambda rate, decay: optax.adamw(rate, weight_decay=decay),
    "sgd": lambda rate, decay: optax.chain(
        optax.add_decayed_weights(decay) if decay else optax.identity(), optax.sgd(rate, momentum=0.9)
    ),
}


def build(
    *,
    name: str,
    learning_rate: float,
    schedule: str,
    warmup_steps: int,
    total_steps: int,
    weight_decay: float,
    clip_norm: float,
) -> optax.GradientTransformation:
    """The update rule of a run.

    Args:
      name: a key of `RULES`.
      learning_rate: peak rate.
      schedule: a key of `SCHEDULES`.
      warmup_steps: steps of linear warm-up from 0.
      total_steps: steps of the whole run, where the cosine ends.
      weight_decay: decoupled for adamw, added to the gradient otherwise.
      clip_norm: global gradient norm to clip at; 0 for none.

    Raises:
      UserError: an unknown name.
    """
    if name not in RULES:
        raise UserError(f"optimizer.name = {name!r} is unknown; choose one of {sorted(RULES)}.")
    if schedule not in SCHEDULES:
        raise UserError(f"optimizer.schedule = {schedule!r} is unknown; choose one of {sorted(SCHEDULES)}.")
    rate = SCHEDULES[schedule](learning_rate, warmup_steps, total_steps)
    clip = optax.clip_by_global_norm(clip_norm) if clip_norm > 0 else optax.identity()
    return optax.chain(clip, RULES[name](rate, weight_decay))
