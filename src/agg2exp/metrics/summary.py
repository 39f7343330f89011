"""One number of many: what a metric is over the cases and classes of a run."""

from __future__ import annotations

import torch
from torch import Tensor


def summary(values: Tensor) -> dict[str, float]:
    """Mean and standard deviation (n - 1) of the values that are not NaN, how many they are, and how many are NaN.

    >>> summary(torch.tensor([1.0, 2.0, 6.0, torch.nan]))
    {'mean': 3.0, 'std': 2.6457513110645907, 'count': 3.0, 'undefined': 1.0}
    """
    values = values.double().flatten()
    known = values[~values.isnan()]
    return {
        "mean": known.mean().item(),
        "std": known.std().item() if len(known) > 1 else torch.nan,
        "count": float(len(known)),
        "undefined": float(len(values) - len(known)),
    }
