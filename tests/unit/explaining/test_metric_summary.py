"""What is kept of the metrics of a run, over its cases and classes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from agg2exp.baselines import Mean
from agg2exp.explaining.case_result import case_result
from agg2exp.explaining.metric_summary import metric_summary
from agg2exp.metrics import Efficiency, Faithfulness, Sensitivity
from agg2exp.metrics.facts import facts_of
from tests.helpers.explanations import scheme, small_case, small_explanation

METRICS = {
    "faithfulness": Faithfulness(),
    "faithfulness_mean": Faithfulness(baseline=Mean()),
    "sensitivity": Sensitivity(),
    "efficiency": Efficiency(),
}
VALUES = {
    "faithfulness": ([0.1, 0.2, np.nan, 0.4], [0.3, 0.3, 0.3, 0.3]),
    "faithfulness_mean": ([0.5, 0.5, np.nan, np.nan], [0.5, 0.5, 0.5, 0.8]),
    "sensitivity": ([1.0, 1.0, 1.0, 1.0], [2.0, 2.0, 2.0, 2.0]),
    "sensitivity_dice": ([0.9, 0.9, 0.9, 0.9], [0.9, 0.9, 0.9, 0.9]),
}
COST = {"efficiency": ([8.0] * 4, [6.0] * 4), "efficiency_window_forwards": ([2.0] * 4, [2.0] * 4)}


FACTS = {
    **{name: facts_of(METRICS[name]) for name in ("faithfulness", "faithfulness_mean", "sensitivity")},
    "sensitivity_dice": facts_of(METRICS["sensitivity"], is_by_product=True),
    **{name: facts_of(METRICS["efficiency"]) for name in COST},
}


@pytest.fixture(scope="module")
def summary() -> pd.DataFrame:
    results = []
    for place, name in enumerate("ab"):
        case = small_case(name)
        quality, cost = ({key: torch.tensor(of[place]) for key, of in part.items()} for part in (VALUES, COST))
        explanation = replace(small_explanation(case), metrics=quality, efficiency=cost, metric_facts=FACTS)
        results.append(case_result(case, explanation, scheme(), by_distance=False))
    return metric_summary(results).set_index("name")


def test_mean_and_spread_are_over_defined_values_and_costs_count_once_per_case(summary: pd.DataFrame):
    assert list(summary.index) == [*VALUES, *COST]
    once = {name: [case[:1] for case in cases] for name, cases in COST.items()}
    for name, cases in {**VALUES, **once}.items():
        values = np.concatenate(cases)
        assert summary.loc[name, "mean"] == pytest.approx(np.nanmean(values))
        assert summary.loc[name, "std"] == pytest.approx(np.nanstd(values, ddof=1))
        assert summary.loc[name, "count"] == np.isfinite(values).sum()


def test_a_second_occluder_has_the_direction_of_its_metric_and_by_products_have_none(summary: pd.DataFrame):
    directions = summary["higher_is_better"].map({True: True, False: False}).astype(object)
    assert directions.where(directions.notna(), None).to_dict() == {
        "faithfulness": True, "faithfulness_mean": True, "sensitivity": False, "sensitivity_dice": None,
        "efficiency": False, "efficiency_window_forwards": False,
    }  # fmt: skip
    assert summary["metric"].to_dict() == {name: name.split("_")[0] for name in (*VALUES, *COST)}
