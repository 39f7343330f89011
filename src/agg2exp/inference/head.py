"""Do the logits belong to classes that exclude each other?"""

from __future__ import annotations

import math

from agg2exp.domain.prediction import Prediction
from agg2exp.inference.network_pass import NetworkError

DENIED = -2.0  # a sigmoid of 0.12
MOST_DENIED = 0.2
ROUNDING = 1e-3
WHERE = 0.01


def denied_share(prediction: Prediction) -> float:
    """Share of voxels where every logit is below -2, so that channels on their own would deny every class.

    Of outputs that are probabilities already (all within [0, 1], some above 0.5) those below sigmoid(-2) count. Where
    the L classes share one probability, none is denied, however many they are:

    - probabilities that sum to 1 have Σ_c exp(p_c) >= L + 1, as exp(p) >= 1 + p;
    - logarithms of such have Σ_c exp(f_c) = 1 in windows; less where windows overlap, hence asked of 1 % of the voxels.
    """
    layer = prediction.layers[0]
    if layer.runner_up_logit is None:
        raise ValueError("expected the prediction of a softmax head, got that of a sigmoid head")
    top = layer.top_logit.double()
    low, high = float(layer.runner_up_logit.amin()), float(top.amax())
    log_sum = top - layer.top_probability.double().log()  # log Σ_c exp(f_c)
    if low >= 0 and 0.5 < high <= 1:
        shared = log_sum >= math.log(prediction.n_classes + 1) - ROUNDING / prediction.n_classes
        return float(((top < 1 / (1 + math.exp(-DENIED))) & ~shared).double().mean())
    if float((log_sum.abs() < ROUNDING).double().mean()) >= WHERE:
        return 0.0
    return float((top < DENIED).double().mean())


def check_head(prediction: Prediction) -> None:
    """Refuse a network whose outputs look like those of the other head.

    Softmax: refused are channels that look independent (sigmoid, overlapping masks), as there is no softmax over them.
    Where no class is, a network trained with sigmoids denies them all; one trained with softmax cannot, as only
    differences of its logits matter, and its largest logit stays above 0 or near it. Share of voxels (`denied_share`):

    - softmax: shipped U-Net, two public networks trained by others, 38 U-Nets, SegResNets and Swin UNETR with random
      weights, 32 small U-Nets after 40 and 200 steps with cross-entropy, Dice or both: 0.00;
    - sigmoid without a background channel, small U-Nets with 2 or 3 classes after 200 steps: 0.90 to 0.95. After 40
      steps, when the largest logit outside of the classes is still -0.1 to -1: 0.00, so that they are not found.

    Logits above 0 in several channels tell nothing: they are in 24 % of the voxels of the shipped U-Net and in all of
    a random one. Nor can a sigmoid network with a background channel be told from a softmax one.

    Sigmoid: refused are outputs that all lie within [0, 1]. They are probabilities, and above 0 as logits: every region
    would be everywhere.

    Raises:
        NetworkError: With softmax the share is 0.2 or more; with sigmoid there is no output outside of [0, 1].
    """
    if prediction.head == "sigmoid":
        _check_logits(prediction)
        return
    share = denied_share(prediction)
    if share >= MOST_DENIED:
        raise NetworkError(
            f"the network's channels look independent, as of a network trained with sigmoids: in {share:.0%} of the "
            "voxels every class is denied (all logits below -2). If it was, and its masks may overlap, say "
            '`head: sigmoid` in its model YAML (in Python, head="sigmoid"); if its classes exclude each other and it '
            'was trained with softmax, say `head: softmax` (head="softmax").'
        )


def _check_logits(prediction: Prediction) -> None:
    """Refuse probabilities of a sigmoid head; blended windows round them."""
    if all(bool(((f >= -ROUNDING) & (f <= 1 + ROUNDING)).all()) for f in (x.top_logit for x in prediction.layers)):
        raise NetworkError(
            "the network's outputs are all within [0, 1], as probabilities are; with `head: sigmoid` a region is where "
            "its output is above 0, which would be everywhere. Let it return logits: leave out its last sigmoid, or "
            "return `torch.logit(p, eps=1e-6)` in place of p."
        )
