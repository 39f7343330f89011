import numpy as np
import pytest
from scipy.stats import false_discovery_control, t, ttest_ind

from agg2exp.analysis.few_patients import least_p, why_uneven

FORMS = {  # of mean 0 and the spread of each
    "normal": lambda g, shape: g.normal(size=shape),
    "mildly skewed": lambda g, shape: (g.beta(2, 8, size=shape) - 0.2) / 0.12,
    "gamma(2)": lambda g, shape: (g.gamma(2, size=shape) - 2) / 2**0.5,
    "exponential": lambda g, shape: g.exponential(size=shape) - 1,
}


def test_is_welch_at_the_level_and_more_reluctant_further_out():
    g = np.random.default_rng(0)
    first, second = g.normal(size=(12, 500)), 2 * g.normal(size=(30, 500)) + np.linspace(0, 5, 500)
    first[g.random(first.shape) < 0.1] = np.nan
    welch = ttest_ind(first, second, equal_var=False, nan_policy="omit")
    p = least_p(first, second)
    assert ((p <= 0.05) == (welch.pvalue <= 0.05)).all()
    assert (p >= welch.pvalue)[welch.pvalue <= 0.05].all() and (p > 10 * welch.pvalue)[welch.pvalue < 1e-6].all()
    df, n = welch.df[-1], (~np.isnan(first[:, -1])).sum()
    scaled = abs(welch.statistic[-1]) * t.ppf(0.975, n**0.5) / t.ppf(0.975, df)
    assert p[-1] == pytest.approx(2 * t.cdf(-scaled, n**0.5))


@pytest.mark.filterwarnings("error")
def test_differences_of_constants_are_sure():
    assert least_p(np.zeros((6, 1)), np.ones((8, 1))) == 0
    assert 0 < least_p(np.zeros((6, 1)), np.arange(1.0, 9)[:, None]).item() < 0.05


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("n", [(8, 8), (10, 10), (10, 20), (20, 20), (20, 60), (60, 20)])
def test_no_form_measured_makes_a_change_of_unlike_spread(form, n):
    """At most 0.07 of tables of 17 × 17 entries have a finding; least_p bounds the p-values of `compare`."""
    g, tables, entries = np.random.default_rng(1), 60, 289
    p = least_p(3 * FORMS[form](g, (n[0], tables * entries)), FORMS[form](g, (n[1], tables * entries)))
    adjusted = false_discovery_control(p.reshape(tables, entries), axis=1)
    assert (adjusted <= 0.05).any(axis=1).mean() <= 0.07
    power = least_p(FORMS[form](g, (20, 4000)), 1 + FORMS[form](g, (20, 4000))) <= 0.05
    assert power.mean() >= 0.8


def test_uneven_sizes_need_patients_by_skewness():
    g = np.random.default_rng(2)
    even, skewed = g.normal(size=20), g.beta(0.2, 1.8, size=20)
    assert why_uneven((20, 60), even) == "" and why_uneven((20, 40), skewed) == ""
    assert why_uneven((60, 20), skewed).startswith("60 patients against 20: if spreads differ, so uneven a test needs ")
    assert why_uneven((20, 60), -skewed).endswith("for a skewness of -" + why_uneven((20, 60), skewed).split()[-1])
    assert why_uneven((9, 19), even[:9]).endswith("10 or more")
    assert why_uneven((20, 60), np.full(20, 0.3)) == ""
