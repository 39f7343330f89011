"""Mean curves: points of unlike place, quartiles, curves that are not defined."""

import numpy as np
import pandas as pd
import pytest

from agg2exp.report.curves import SHARES, mean_curves

MOST, LEAST = "most_relevant_first", "least_relevant_first"


def points(method: str, case: str, x: list[float], y: list[float], name: str = MOST) -> pd.DataFrame:
    return pd.DataFrame({"data": "d", "method": method, "case": case, "target": "heart", "name": name, "x": x, "y": y})


def test_mean_and_quartiles_between_points_of_unlike_place():
    slopes = {"s1": ([0, 1], [1, 0]), "s2": ([0, 0.5, 1], [1, 0, 0]), "s3": ([0, 0.25, 0.75, 1], [1, 1, 1, 0])}
    table = mean_curves(pd.concat([points("a", case, *xy) for case, xy in slopes.items()]))
    dense = np.stack([np.interp(SHARES, *xy) for xy in slopes.values()])
    assert table["x"].tolist() == SHARES.tolist()
    assert table["mean"].tolist() == pytest.approx(dense.mean(axis=0).tolist())
    assert table["q1"].tolist() == pytest.approx(np.percentile(dense, 25, axis=0).tolist())
    assert table["q3"].tolist() == pytest.approx(np.percentile(dense, 75, axis=0).tolist())
    assert set(table["count"]) == {3} and set(table["undefined"]) == {0}


def test_curves_that_are_not_defined_are_counted_and_left_out():
    nothing = [np.nan, np.nan]
    table = mean_curves(
        pd.concat(
            [
                points("a", "s1", [0, 1], [1, 0]),
                points("a", "s2", [0, 1], nothing),
                points("b", "s1", [0, 1], nothing),
                points("a", "s1", [0, 1], [1, 1], LEAST),
            ]
        )
    )
    rows = table.groupby(["method", "name"], sort=False)
    assert list(rows.groups) == [("a", MOST), ("b", MOST), ("a", LEAST)]
    assert rows["count"].first().tolist() == [1, 0, 1]
    assert rows["undefined"].first().tolist() == [1, 1, 0]
    assert rows["mean"].mean().tolist() == pytest.approx([0.5, np.nan, 1], nan_ok=True)
