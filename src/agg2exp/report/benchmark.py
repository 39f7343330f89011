"""The benchmark of attribution methods (paper, Table 1)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd


def benchmark(
    values: pd.DataFrame,
    directions: Mapping[str, bool | None],
    by: Sequence[str] = ("data", "method", "name"),
    of_case: Collection[str] = (),
) -> pd.DataFrame:
    """Mean ± standard deviation over cases and classes, and which method is best.

    Args:
        values: data, method, case, target, name, value; NaN where a metric is not defined.
        directions: For each metric whether higher is better, or None.
        by: What a row stands for; add "target" for one row per class.
        of_case: Names of values that are numbers of a case, repeated for each of its classes (efficiency): they count
            once per case.

    Returns:
        `by`, mean, std (n - 1), count, undefined (values that are NaN), rank (1 is best among the methods of the same
        data set and metric; ties share the mean rank; NaN without direction, or if no other method has a value) and
        best (of two methods or more).
    """
    keys = list(by)
    repeated = values["name"].isin(of_case) & values.duplicated([*keys, "case"])
    values = values[~repeated]
    grouped = values.groupby(keys, sort=False)["value"]
    table = grouped.agg(["mean", "std", "count"])
    table["undefined"] = grouped.size() - table["count"]
    table = table.reset_index()
    sign = table["name"].map({name: {True: -1.0, False: 1.0, None: float("nan")}[d] for name, d in directions.items()})
    among = [key for key in keys if key != "method"]
    cost = (table["mean"] * sign).groupby([table[key] for key in among])
    contested = cost.transform("count") > 1
    table["rank"] = cost.rank(method="average").where(contested)
    table["best"] = contested & (cost.rank(method="min") == 1)
    return table


def ranks(table: pd.DataFrame, metric_of: Mapping[str, str]) -> pd.DataFrame:
    """Rank of every method (rows) in every value (columns), for each data set, and the mean rank over metrics.

    The mean is over the values in which all methods of the data set have a rank. A metric with several of them, such as
    faithfulness with several baselines, has one voice in it: the mean of its ranks.

    Args:
        table: As `benchmark` returns it.
        metric_of: The metric that each value belongs to, by name.
    """
    ranked = table.dropna(subset=["rank"])
    wide: pd.DataFrame = ranked.pivot_table(index=["data", "method"], columns="name", values="rank", sort=False)
    complete = wide.groupby("data").transform("count").eq(wide.groupby("data").transform("size"), axis=0)
    of_metric = wide.where(complete).T.groupby([metric_of[str(name)] for name in wide]).mean().T
    wide["mean rank"] = of_metric.mean(axis=1)
    return wide.reset_index().rename_axis(columns=None)
