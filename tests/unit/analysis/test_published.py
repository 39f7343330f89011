"""The authors' published table: facts that any correct analysis of it must reproduce."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agg2exp.aggregation.global_importance import global_importance
from agg2exp.analysis.agreement import agreement
from agg2exp.analysis.context import box_summary, context
from agg2exp.analysis.importances import Importances
from agg2exp.analysis.joining import joined
from agg2exp.analysis.outlier_correlation import dice_correlation
from agg2exp.domain.roi_importance import Kind
from agg2exp.store.published_table import read_published_table

VARIABLE = "AGG2EXP_REAL_DATA"
NAME = "published_tsv2_test_roi_importance_smoothgrad.csv"
TABLE = Path(os.environ.get(VARIABLE, "nowhere/nothing")).parent / NAME
pytestmark = pytest.mark.skipif(not TABLE.exists(), reason=f"no {NAME} beside the folder that {VARIABLE} names")


@pytest.fixture(scope="module")
def tables():
    return read_published_table(TABLE)


@pytest.fixture(scope="module")
def importance(tables):
    return Importances.from_frame(tables["roi_importance"], classes=pd.unique(tables["segmentation"]["class"]))


def test_32_cases_of_17_classes_whose_rows_sum_to_1(tables, importance):
    assert importance.values.shape == (32, 17, 17) and importance.classes[0] == "background"
    np.testing.assert_allclose(importance.values.sum(axis=2), 1, atol=1e-5)
    assert len(tables["segmentation"]) == 32 * 17 and tables["segmentation"].notna().all(axis=None)


def test_a_few_numbers_stand_where_the_file_has_them(tables):
    wide = pd.read_csv(TABLE).set_index("patient")
    local = tables["roi_importance"].set_index(["case", "target", "source"])
    dice = tables["segmentation"].set_index(["case", "class"])
    for case, a, b in (("s0029", "heart", "lung_upper_lobe_left"), ("s1420", "autochthon_left", "background")):
        assert local.loc[(case, a, b), "importance"] == wide.loc[case, f"{a}_explanation_in_{b}_mass"]
        assert local.loc[(case, a, b), "mean"] == wide.loc[case, f"{a}_explanation_in_{b}_mean"]
        assert dice.loc[(case, b), ["dice", "iou"]].tolist() == [wide.loc[case, f"{b}_{q}"] for q in ("dice", "iou")]


def test_mean_self_importance(importance):
    own = context({"test": importance}).groupby("target")["self_importance"].mean()
    rounded = own.round(3)
    assert rounded["background"] == 0.847
    assert rounded["lung_lower_lobe_right"] == 0.137
    assert rounded["trachea"] == 0.005


def test_trachea_and_thyroid_use_most_context_not_least(importance):
    """The paper's sentences say least; its published table says that they are among the three that use most."""
    own = context({"test": importance}).groupby("target")["self_importance"].mean()
    assert own["thyroid_gland"].round(3) == 0.003
    assert {"trachea", "thyroid_gland"} < {*own.nsmallest(3).index}
    lungs = own[own.index.str.startswith("lung")]
    assert lungs.between(0.06, 0.14).all() and lungs.min() > 10 * own["trachea"]


def test_abnormal_cases_are_segmented_worse(tables, importance):
    table = dice_correlation(importance, importance, tables["segmentation"], seeds=[123]).set_index("target")
    rho = table["rho_median"].round(2)
    assert rho["lung_lower_lobe_right"] == 0.66 and table.loc["lung_lower_lobe_right", "p"] < 1e-4
    assert rho["lung_upper_lobe_right"] == 0.56
    assert rho["heart"] == 0.35
    assert (table["p_adjusted"] >= table["p"]).all()


def test_global_importance_agrees_with_itself_joined(tables, importance):
    whole = global_importance(tables["roi_importance"], Kind.IMPORTANCE, draws=50)
    assert agreement({"a": whole, "b": whole})["rho"].tolist() == pytest.approx([1, 1])
    lungs = {"lung_left": ["lung_upper_lobe_left", "lung_lower_lobe_left"]}
    means = box_summary(joined(importance, lungs)).set_index(["target", "source"])["mean"]
    row, lobes = whole.targets.index("heart"), [whole.sources.index(name) for name in lungs["lung_left"]]
    assert means["heart", "lung_left"] == pytest.approx(whole.mean[row, lobes].sum())
    assert means["lung_left", "lung_left"] == pytest.approx(whole.mean[np.ix_(lobes, lobes)].sum() / 2)
