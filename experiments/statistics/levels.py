"""Do intervals cover and tests keep their level where patients are few and values skewed? Simulated, in three tables.

python experiments/statistics/levels.py intervals
python experiments/statistics/levels.py comparison --repeats 200
python experiments/statistics/levels.py outliers --repeats 1000
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, skew, ttest_ind

from agg2exp.aggregation.global_importance import global_importance
from agg2exp.analysis.comparison import compare
from agg2exp.analysis.few_patients import COCHRAN, FEWEST_UNEVEN, least_p
from agg2exp.analysis.importances import Importances
from agg2exp.analysis.permuted_welch import permuted_welch
from agg2exp.domain.roi_importance import Kind

NAMES = tuple(f"class {i}" for i in range(17))
SKEWED = {
    "beta(0.5, 5)": (lambda g, shape: g.beta(0.5, 5, size=shape), 0.5 / 5.5),
    "beta(2, 8)": (lambda g, shape: g.beta(2, 8, size=shape), 0.2),
    "exponential / 50": (lambda g, shape: g.exponential(0.02, size=shape), 0.02),
    "lognormal(1) / 50": (lambda g, shape: g.lognormal(0, 1, size=shape) / 50, np.exp(0.5) / 50),
}
SPREAD = {
    "normal": lambda g, shape, s: 0.5 + 0.02 * s * g.normal(size=shape),
    "beta, mean 0.2": lambda g, shape, s: g.beta(*{1: (19.6, 78.4), 3: (2, 8)}[s], size=shape),
    "gamma(2)": lambda g, shape, s: 0.5 + 0.01 * s * (g.gamma(2, size=shape) - 2),
    "exponential": lambda g, shape, s: 0.5 + 0.01 * s * (g.exponential(size=shape) - 1),
    "beta(0.2, 1.8)": lambda g, shape, s: g.beta(*{1: (2.6, 23.4), 3: (0.2, 1.8)}[s], size=shape),
}
SIZES = ((6, 20), (8, 8), (10, 10), (10, 20), (10, 60), (20, 20), (20, 60), (32, 32), (60, 200))
SAME = {
    "normal": lambda g, m: g.normal(size=m),
    "exponential": lambda g, m: g.exponential(size=m),
    "ages in years": lambda g, m: g.integers(50, 70, size=m).astype(float),
}


def intervals() -> None:
    """Coverage of 2,000 intervals each."""
    sizes = (5, 8, 10, 20, 32, 60)
    print("| values |", " | ".join(f"n = {n}" for n in sizes), "|\n" + "| --- " * 7 + "|")
    for name, (draw, mean) in SKEWED.items():
        cells = []
        for n in sizes:
            index = pd.MultiIndex.from_product([range(n), range(40), range(50)], names=["case", "target", "source"])
            x = draw(np.random.default_rng(n), len(index))
            result = global_importance(pd.DataFrame({"importance": x}, index=index).reset_index(), Kind.IMPORTANCE)
            cells.append(f"{((result.low <= mean) & (result.high >= mean)).mean():.3f}")
        print(f"| {name} |", " | ".join(cells), "|", flush=True)


def comparison(repeats: int) -> None:
    """Tables of 17 × 17 entries of equal means, the smaller data set with three times the spread of the other.

    The first column is of `compare`, on one table. The next ones are of a lower bound of its p-values, which takes no
    draws: no table has more findings than it says. Power: both of the wider form, one standard deviation apart.
    """
    print("| values | patients | p ≤ 0.05 | at most: any adjusted p ≤ 0.05 | not tested | power before adjustment |")
    print("| --- " * 6 + "|")
    for name, draw in SPREAD.items():
        for n in SIZES:
            g = np.random.default_rng(n)
            one, other = (_importances(draw(g, (m, 17, 17), s), p) for m, s, p in zip(n, (3, 1), "ab", strict=True))
            table = compare(one, other, draws=999)
            share = (table["p"] <= 0.05).sum() / max(table["p"].notna().sum(), 1)
            bounds = np.array([_bound(draw(g, (n[0], 289), 3), draw(g, (n[1], 289), 1)) for _ in range(repeats)])
            adjusted = false_discovery_control(np.nan_to_num(bounds, nan=1.0), axis=1)
            wide = draw(g, (n[0] + n[1], 10_000), 3)
            power = _bound(wide[: n[0]], wide[n[0] :] + wide.std()) <= 0.05
            shares = share, (adjusted <= 0.05).any(axis=1).mean(), np.isnan(bounds).mean(), power.mean()
            print(f"| {name} | {n[0]}, {n[1]} |", " | ".join(f"{x:.3f}" for x in shares), "|", flush=True)


def _bound(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """`least_p` of each column, NaN where `why_uneven` would not test it; the first data set is the smaller one."""
    n = len(first)
    skewed = np.ceil(COCHRAN * skew(first, bias=False) ** 2)
    few = np.maximum(FEWEST_UNEVEN, skewed) if len(second) > 2 * n else np.zeros(1)
    return np.where(n < few, np.nan, least_p(first, second))


def outliers(repeats: int) -> None:
    """Welch's t of k outliers against n inliers of one distribution: share of p ≤ 0.05."""
    print("| values | outliers, inliers | Student's distribution | permutations |\n| --- | --- | --- | --- |")
    for name, draw in SAME.items():
        for k, n in ((2, 8), (2, 30), (3, 15)):
            g, p = np.random.default_rng(k * n), []
            for _ in range(repeats):
                x, y = np.split(draw(g, k + n), [k])
                p.append([ttest_ind(x, y, equal_var=False).pvalue, permuted_welch(x, y)[1]])
            cells = " | ".join(f"{share:.3f}" for share in (np.array(p) <= 0.05).mean(axis=0))
            print(f"| {name} | {k}, {n} | {cells} |", flush=True)


def _importances(values: NDArray[np.float64], prefix: str) -> Importances:
    cases = tuple(f"{prefix}{i:02d}" for i in range(len(values)))
    return Importances(Kind.IMPORTANCE, cases, NAMES, NAMES, NAMES, values)


def main() -> None:
    """Print one of the tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=("intervals", "comparison", "outliers"))
    parser.add_argument("--repeats", type=int, default=200)
    arguments = parser.parse_args()
    if arguments.table == "intervals":
        intervals()
    else:
        {"comparison": comparison, "outliers": outliers}[arguments.table](arguments.repeats)


if __name__ == "__main__":
    main()
