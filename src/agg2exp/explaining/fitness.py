"""Whether a network can be explained, and fits its labels, before a case takes long."""

from __future__ import annotations

from torch import Tensor

from agg2exp.domain.labels import Labels
from agg2exp.inference import NetworkError, WindowedModel


def check_classes(model: WindowedModel, image: Tensor, labels: Labels) -> None:
    """Evaluate one window of an image (C, D, H, W).

    Raises:
        NetworkError: The network is no function of one window, or has other channels than there are classes.
    """
    n_classes = model.check(image)
    if n_classes in (0, len(labels)):
        return
    hint = "Set model.labels to what it was trained with."
    if labels.exclusive and n_classes == len(labels) - 1:
        hint += " If these are regions that may overlap, say `head: sigmoid` and leave background out of the labels."
    if not labels.exclusive and n_classes == len(labels) + 1:
        hint += " If one of them is background, say `head: softmax` and name it first."
    raise NetworkError(
        f"the network gives {n_classes} label channels, but the model has {len(labels)} classes "
        f"({', '.join(labels.classes[:5])}{', …' if len(labels) > 5 else ''}). {hint}"
    )
