from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from agg2exp.analysis.importances import Importances, check_same_classes
from agg2exp.domain.roi_importance import Kind, importance_array
from tests.unit.analysis.tables import CLASSES, frame, importances, rows


def test_every_number_stands_under_its_names_whatever_the_order_of_the_rows():
    data = importances(rows(0, n=7))
    table = frame(data)
    again = Importances.from_frame(table.iloc[np.random.default_rng(0).permutation(len(table))])
    assert again.cases == data.cases and again.kind == Kind.IMPORTANCE
    for n, k, r in ((0, 0, 0), (6, 4, 1), (3, 2, 4)):
        place = again.targets.index(CLASSES[k]), again.sources.index(CLASSES[r])
        assert again.values[n][place] == data.values[n, k, r]
    np.testing.assert_array_equal(Importances.from_frame(table).values, data.values)


def test_agrees_with_the_array_of_the_domain():
    table = frame(importances(rows(1, n=4))).reindex(columns=["case", "target", "source", *(k.value for k in Kind)])
    array = importance_array(table).sel(kind="importance")
    np.testing.assert_array_equal(Importances.from_frame(table).values, array.to_numpy())


def test_an_extra_mask_is_no_class_and_may_be_missing_from_some_cases():
    values = np.concatenate([rows(2, n=4), np.full((4, 5, 1), 0.1)], axis=2)
    table = frame(importances(values, extra=("nodule",)))
    table = table[~((table["case"] == "s0001") & (table["source"] == "nodule"))]
    data = Importances.from_frame(table, classes=CLASSES)
    assert data.classes == CLASSES and data.sources == (*CLASSES, "nodule")
    np.testing.assert_array_equal(np.isnan(data.values[:, 0, -1]), [False, True, False, False])
    np.testing.assert_array_equal(data.features("heart", CLASSES[::-1]), values[:, 2, 4::-1])


def test_a_case_that_occurs_twice_is_named():
    table = frame(importances(rows(0, n=3)))
    with pytest.raises(ValueError, match=r"s0002.*twice"):
        Importances.from_frame(pd.concat([table, table[table["case"] == "s0002"]]))


def test_cases_of_unlike_classes_are_refused():
    other = frame(importances(rows(1, n=3, classes=CLASSES[:4]), CLASSES[:4], prefix="t"))
    with pytest.raises(ValueError, match=r"the same classes and targets.*t0000"):
        Importances.from_frame(pd.concat([frame(importances(rows(0, n=3))), other]))
    with pytest.raises(ValueError, match=r"no source.*spleen"):
        Importances.from_frame(other, classes=(*CLASSES[:4], "spleen"))


@pytest.mark.parametrize("column", ["case", "source", "importance"])
def test_a_missing_column_is_named(column):
    with pytest.raises(ValueError, match=column):
        Importances.from_frame(frame(importances(rows(0, n=3))).drop(columns=column))


def test_no_rows_and_infinite_values_are_refused():
    table = frame(importances(rows(0, n=3)))
    with pytest.raises(ValueError, match="no rows"):
        Importances.from_frame(table.iloc[:0])
    table.loc[30, "importance"] = np.inf
    with pytest.raises(ValueError, match=r"infinite.*s0001"):
        Importances.from_frame(table)


def test_scans_of_a_patient_are_averaged_without_their_gaps():
    values = rows(3, n=5)
    values[0, 1] = np.nan
    values[3:, 2] = np.nan
    data = importances(values)
    patients = dict(zip(data.cases, ["b", "b", "a", "c", "c"], strict=True))
    result = data.by_patient(patients)
    assert result.cases == ("a", "b", "c")
    np.testing.assert_allclose(result.values[0], values[2])
    np.testing.assert_allclose(result.values[1, 0], values[:2, 0].mean(axis=0))
    np.testing.assert_allclose(result.values[1, 1], values[1, 1])
    assert np.isnan(result.values[2, 2]).all() and not np.isnan(result.values[2, [0, 1, 3, 4]]).any()
    assert data.by_patient(None) is data
    with pytest.raises(ValueError, match="s0004"):
        data.by_patient(dict.fromkeys(data.cases[:4], "a"))


def test_label_schemes_and_kinds_are_compared_by_name():
    one = importances(rows(0))
    check_same_classes(one, replace(one, classes=CLASSES[::-1]))
    with pytest.raises(ValueError, match="lung_upper"):
        check_same_classes(one, importances(rows(0, classes=CLASSES[:4]), CLASSES[:4]))
    with pytest.raises(ValueError, match="mass"):
        check_same_classes(one, replace(one, kind=Kind.MASS))
