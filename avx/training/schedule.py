"""How long a run trains: when it evaluates, and when it ends."""

from __future__ import annotations

import dataclasses

from avx.training.checkpoint import Progress


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long a run trains.

    Attributes:
      steps_per_epoch: global batches in an epoch.
      epochs: upper bound.
      patience: evaluations without a better score before it stops; 0 for never.
      evaluate_every: epochs between evaluations.
      score: name of the validation metric that decides, larger is better.
    """

    steps_per_epoch: int
    epochs: int
    patience: int
    evaluate_every: int
    score: str

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.steps_per_epoch * self.epochs

    def evaluates_after(self, step: int) -> bool:
        """Whether the model is evaluated and saved after that many steps; the last step always is one of them."""
        return step % (self.steps_per_epoch * self.evaluate_every) == 0 or step == self.steps

    def judge(self, progress: Progress, score: float) -> None:
        """Updates the best-score record of `progress` and decides whether training ends."""
        if score > progress.best_score:
            progress.best_step, progress.best_score, progress.evaluations_without_gain = progress.step, score, 0
        else:
            progress.evaluations_without_gain += 1
        out_of_patience = 0 < self.patience <= progress.evaluations_without_gain
        progress.finished = out_of_patience or progress.step >= self.steps
