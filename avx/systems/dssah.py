"""DSSAH (reconstructed): deep semantic similarity adversarial hashing, as far as it can be told (docs/methods.md D5.5).

The paper that compares with DSSAH cites no source, and no code is public. This is SSAH with a similarity that is graded
by labels and features, a regression of code similarities onto it, and one discriminator between the modalities. Its
numbers are those of a reconstruction, not of the authors' method.
"""

from __future__ import annotations

import dataclasses

import jax

from avx.core.errors import check_weights, chosen
from avx.core.types import ALONE, Array, Gather, Metrics, System
from avx.losses import hashing
from avx.losses.labels import indicators
from avx.systems.hash_codes import SIDES
from avx.systems.label_taught import LIKELIHOODS, Options, Outputs, adversarial_terms, assembled, network_terms, summed

TITLE = "DSSAH (reconstructed)"


@dataclasses.dataclass(frozen=True)
class LossOptions:
    """Weights of the terms; the first six as in `ssah.LossOptions`.

    Attributes:
      graded_similarity: weight of the regression of code similarities, across and within the modalities.
      label_share: eta of the graded similarity, in [0, 1].
    """

    feature_similarity: float
    code_similarity: float
    quantisation: float
    label: float
    adversarial: float
    form: str
    graded_similarity: float
    label_share: float

    def __post_init__(self):
        check_weights("loss", self)
        chosen(LIKELIHOODS, "loss.form", self.form)


def total_loss(
    outputs: Outputs, labels: Array, options: LossOptions, sides: tuple[str, str] = SIDES, gather: Gather = ALONE
) -> tuple[Array, Metrics]:
    """The loss of all networks and the discriminator on the global batch, with its terms as (sum, weight) pairs.

    Two items that share a class are similar to any degree above 0, so the likelihoods of SSAH see the same
    similarities as there; the degree acts through the regression.
    """
    terms = network_terms(outputs, labels, options, sides, gather)
    terms |= {name: (options.adversarial, pair) for name, pair in adversarial_terms(outputs, sides).items()}
    borne = indicators(labels, outputs.indicators["label"].shape[1])
    views = tuple(outputs.inputs[name] for name in sides)
    own_borne, own_views = jax.tree.map(gather.mine, (borne, views))
    graded = hashing.graded_similarity(own_borne, borne, own_views, views, options.label_share)
    rows = {name: outputs.present[name] & outputs.present["label"] for name in sides}
    first, second = sides
    for left, right in ((first, second), (first, first), (second, second)):
        terms[f"loss_graded_{left}_{right}"] = (
            options.graded_similarity,
            hashing.code_similarity(
                gather.mine(outputs.codes[left]), outputs.codes[right], graded, gather.mine(rows[left]), rows[right]
            ),
        )
    return summed(terms, gather)


def build(options: Options, loss_options: LossOptions, sides: tuple[str, str] = SIDES) -> System:
    """DSSAH (reconstructed) as pure functions; arguments and errors as in `ssah.build`."""

    def objective(outputs: Outputs, labels: Array, gather: Gather) -> tuple[Array, Metrics]:
        return total_loss(outputs, labels, loss_options, sides, gather)

    return assembled(TITLE, options, sides, "modality", objective)
