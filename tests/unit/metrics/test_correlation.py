"""Correlations against SciPy."""

from __future__ import annotations

import pytest
import scipy.stats
import torch

from agg2exp.metrics.correlation import constant, pearson, ranks, spearman


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("ties", [False, True])
def test_equal_those_of_scipy(seed: int, ties: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, 30, 4, generator=generator).double()
    if ties:
        a, b = a.round(), (b + a).round()
    for k in range(4):
        x, y = a[:, k].numpy(), b[:, k].numpy()
        assert pearson(a, b)[k] == pytest.approx(scipy.stats.pearsonr(x, y).statistic, abs=1e-12)
        assert spearman(a, b)[k] == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-12)
        assert ranks(a)[:, k].tolist() == scipy.stats.rankdata(x).tolist()
        assert spearman(a[:, k], b[:, k]) == spearman(a, b)[k]


def test_constant_values_have_no_correlation() -> None:
    varying = torch.linspace(0, 1, 9).double()
    for level in (0.0, 0.1, -3e7):
        same = torch.full((9,), level, dtype=torch.float64)
        rounded = same * (1 + 1e-15 * torch.arange(9))
        assert constant(same)
        assert constant(rounded)
        for values in (same, rounded):
            assert pearson(values, varying).isnan()
            assert pearson(varying, values).isnan()
        assert spearman(varying, same).isnan()
    assert not constant(1 + 1e-9 * varying)
    assert pearson(1 + 1e-6 * varying, varying) == pytest.approx(1, abs=1e-9)


def test_columns_do_not_mix() -> None:
    a = torch.stack([torch.arange(5.0), torch.ones(5), -torch.arange(5.0)], dim=1)
    r = pearson(a, torch.arange(5.0).unsqueeze(1).expand(5, 3))
    assert r[0] == pytest.approx(1)
    assert r[1].isnan()
    assert r[2] == pytest.approx(-1)
