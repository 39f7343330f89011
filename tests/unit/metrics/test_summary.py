"""Mean and spread over the cases and classes of a run."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from agg2exp.metrics.summary import summary


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n", [2, 3, 9, 187])
def test_mean_and_deviation_are_over_what_is_known(n: int) -> None:
    values = np.random.default_rng(n).normal(1e3, 1, (n, 1))
    values[1] = np.nan
    known = values[~np.isnan(values)]
    expected = {
        "mean": known.mean(),
        "std": known.std(ddof=1) if len(known) > 1 else np.nan,
        "count": len(known),
        "undefined": 1,
    }
    assert summary(torch.from_numpy(values)) == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("n", [0, 4])
def test_nothing_known_is_nan_and_counted(n: int) -> None:
    expected = {"mean": math.nan, "std": math.nan, "count": 0, "undefined": n}
    assert summary(torch.full((n,), torch.nan)) == pytest.approx(expected, nan_ok=True)


def test_numbers_of_single_precision_are_added_up_in_double() -> None:
    assert summary(torch.tensor([1e8, 1.0, -1e8], dtype=torch.float32))["mean"] == pytest.approx(1 / 3)
