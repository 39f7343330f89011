import numpy as np
import pytest

from agg2exp.analysis.adjustment import benjamini_hochberg


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_definition_and_leaves_out_nan(seed):
    g = np.random.default_rng(seed)
    p = g.random(40) ** 2
    p[g.random(40) < 0.3] = np.nan
    q = benjamini_hochberg(p)
    known = np.sort(p[~np.isnan(p)])
    m = len(known)
    for p_one, q_one in zip(p, q, strict=True):
        if np.isnan(p_one):
            assert np.isnan(q_one)
        else:
            slowly = min([1.0, *(known[j] * m / (j + 1) for j in range(m) if known[j] >= p_one)])
            assert q_one == pytest.approx(slowly)


def test_known_answer():
    np.testing.assert_allclose(benjamini_hochberg(np.array([0.01, 0.04, 0.03, 0.005])), [0.02, 0.04, 0.04, 0.02])


def test_nothing_to_adjust():
    assert np.isnan(benjamini_hochberg(np.array([np.nan, np.nan]))).all()
    assert benjamini_hochberg(np.array([])).shape == (0,)


@pytest.mark.parametrize("seed", range(3))
def test_false_findings_stay_rare_when_nothing_is_true(seed):
    p = np.random.default_rng(seed).random((400, 100))
    found = np.array([(benjamini_hochberg(row) <= 0.05).any() for row in p])
    assert found.mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
