"""SSAH: self-supervised adversarial hashing (Li et al., CVPR 2018; docs/methods.md 5.4).

A label network turns labels into features and codes, and these teach an image and a text network: pairwise likelihoods
of features and codes, label prediction, quantisation, and discriminators that try to tell a modality's features from
those of the labels.

Teaching is "alternation", the published one, see `avx.systems.ssah_alternation`; or "anchored": all networks descend
one loss together, gradient reversal stands for the game of the discriminators, and quantisation draws the codes of a
modality to the signs of the label network's. Without that anchor a joint loss leaves the modalities' bits untied to the
teacher's.
"""

from __future__ import annotations

import dataclasses

from avx.core.errors import check_weights, chosen
from avx.core.types import ALONE, Array, Gather, Metrics, System
from avx.systems import ssah_alternation
from avx.systems.hash_codes import SIDES
from avx.systems.label_taught import LIKELIHOODS, Options, Outputs, adversarial_terms, assembled, network_terms, summed
from avx.systems.ssah_alternation import SMALL_SETS, Turns

TITLE = "SSAH"
TEACHING = ("alternation", "anchored")
TARGETS = ("shared", "own")


@dataclasses.dataclass(frozen=True)
class LossOptions:
    """Weights of the terms, named as in the paper where it names them; all are 1 in the published code.

    Attributes:
      feature_similarity: alpha, pairwise likelihood of the semantic features.
      code_similarity: gamma, pairwise likelihood of the codes.
      quantisation: eta, mean square of a code less its signs.
      label: beta, mean square of the predicted label indicators' error.
      adversarial: weight of the discriminators' cross entropy.
      form: "likelihood" is the paper's pairwise term, "code" the squared one of its published code.
      teaching: "alternation" or "anchored".
      target: of quantisation in the alternation: "shared", codes of all three networks, or "own", each one's signs.
    """

    feature_similarity: float
    code_similarity: float
    quantisation: float
    label: float
    adversarial: float
    form: str
    teaching: str
    target: str

    def __post_init__(self):
        check_weights("loss", self)
        chosen(LIKELIHOODS, "loss.form", self.form)
        chosen(dict.fromkeys(TEACHING), "loss.teaching", self.teaching)
        chosen(dict.fromkeys(TARGETS), "loss.target", self.target)


def total_loss(
    outputs: Outputs, labels: Array, options: LossOptions, sides: tuple[str, str] = SIDES, gather: Gather = ALONE
) -> tuple[Array, Metrics]:
    """The anchored loss of networks and discriminators on the global batch, and its terms as (sum, weight) pairs."""
    terms = network_terms(outputs, labels, options, sides, gather, anchored=True)
    terms |= {name: (options.adversarial, pair) for name, pair in adversarial_terms(outputs, sides).items()}
    return summed(terms, gather)


def build(
    options: Options,
    loss_options: LossOptions,
    sides: tuple[str, str] = SIDES,
    *,
    turns: Turns = SMALL_SETS,
    items: int = 1,
    steps_per_pass: int = 1,
) -> System:
    """SSAH as pure functions.

    Args:
      options: the networks.
      loss_options: the loss.
      sides: the two sides, the second made of words.
      turns: of the alternation; the anchored form has none.
      items: training items n, whose teacher's features and codes the alternation holds.
      steps_per_pass: batches that cover them once.

    Returns:
      A factored `System`; only the networks of the sides take part in `embed`.
    """
    if loss_options.teaching == "alternation":
        schedule = ssah_alternation.Schedule(turns, items, steps_per_pass)
        return ssah_alternation.assembled(TITLE, options, loss_options, sides, schedule)

    def objective(outputs: Outputs, labels: Array, gather: Gather) -> tuple[Array, Metrics]:
        return total_loss(outputs, labels, loss_options, sides, gather)

    return assembled(TITLE, options, sides, "labels", objective)
