"""Whether a network can be explained, and fits its label scheme, before a case takes long."""

from __future__ import annotations

from torch import Tensor

from agg2exp.domain.labels import LabelScheme
from agg2exp.inference import NetworkError, WindowedModel


def check_classes(model: WindowedModel, image: Tensor, labels: LabelScheme) -> None:
    """Evaluate one window of an image (C, D, H, W).

    Raises:
        NetworkError: The network is no function of one window, or has other classes than the scheme.
    """
    n_classes = model.check(image)
    if n_classes not in (0, len(labels)):
        raise NetworkError(
            f"the network gives {n_classes} label channels, but the label scheme {labels.name!r} has {len(labels)} "
            "classes. Set model.labels to what it was trained with."
        )
