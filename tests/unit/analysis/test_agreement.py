import numpy as np
import pytest
from scipy.stats import rankdata

from agg2exp.analysis.agreement import agreement
from agg2exp.domain.roi_importance import GlobalImportance, Kind
from tests.unit.analysis.tables import CLASSES


def matrix(mean, targets=CLASSES, sources=CLASSES, kind=Kind.IMPORTANCE):
    nothing = np.full(mean.shape, np.nan)
    return GlobalImportance(kind, targets, sources, mean, np.full(mean.shape, 9), nothing, nothing, nothing)


@pytest.mark.parametrize("seed", range(3))
def test_is_the_correlation_of_ranks(seed):
    a, b = np.random.default_rng(seed).random((2, 5, 5))
    result = agreement({"one": matrix(a), "two": matrix(b)}).set_index("entries")
    off = ~np.eye(5, dtype=bool)
    assert result.loc["all", "rho"] == pytest.approx(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
    assert result.loc["off-diagonal", "rho"] == pytest.approx(np.corrcoef(rankdata(a[off]), rankdata(b[off]))[0, 1])
    assert result["count"].tolist() == [25, 20]


def test_the_diagonal_alone_is_no_agreement():
    g = np.random.default_rng(0)
    a, b = (g.random((17, 17)) + 10 * np.eye(17) for _ in range(2))
    names = tuple(f"c{i}" for i in range(17))
    result = agreement({"one": matrix(a, names, names), "two": matrix(b, names, names)}).set_index("entries")
    assert result.loc["all", "rho"] > 0.15 > abs(result.loc["off-diagonal", "rho"])


def test_entries_meet_by_name_and_what_is_left_out_is_counted():
    a = np.random.default_rng(1).random((5, 5))
    turned = matrix(a[::-1, ::-1].copy(), CLASSES[::-1], CLASSES[::-1])
    part = matrix(np.where(np.eye(3, 5, 1) > 0, np.nan, a[:3]), CLASSES[:3])
    result = agreement({"a": matrix(a), "turned": turned, "part": part})
    assert result[["first", "second"]].drop_duplicates().to_numpy().tolist() == [
        ["a", "turned"],
        ["a", "part"],
        ["turned", "part"],
    ]
    np.testing.assert_allclose(result["rho"], 1)
    assert result["count"].tolist() == [25, 20, 12, 9, 12, 9]
    assert result["left_out"].tolist() == [0, 0, 13, 11, 13, 11]


def test_what_has_no_correlation_says_why():
    a = np.random.default_rng(2).random((5, 5))
    result = agreement({"a": matrix(a), "flat": matrix(np.full((5, 5), 0.2)), "none": matrix(np.full((5, 5), np.nan))})
    assert result["rho"].isna().all()
    assert result["excluded"][0] == "the entries of a matrix are all the same"
    assert result["excluded"][2].startswith("0 entries")
    with pytest.raises(ValueError, match="two global importances"):
        agreement({"a": matrix(a)})
    with pytest.raises(ValueError, match="of one kind"):
        agreement({"a": matrix(a), "b": matrix(a, kind=Kind.MASS)})
