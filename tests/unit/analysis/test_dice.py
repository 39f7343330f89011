import numpy as np
import pandas as pd
import pytest

from agg2exp.analysis.dice import dice_by_class, joined_dice, wide_dice
from tests.unit.analysis.tables import CLASSES, segmentation

CASES = ("s2", "s1", "s3")


def test_cases_are_sorted_and_classes_keep_their_order():
    dice = np.arange(15.0).reshape(3, 5) / 15
    dice[2, 1] = np.nan
    result = dice_by_class(segmentation(dice, CASES))
    assert list(result.index) == ["s1", "s2", "s3"] and list(result.columns) == list(CLASSES)
    np.testing.assert_array_equal(result.loc["s2"], dice[0])
    assert np.isnan(result.loc["s3", "aorta"])


def test_a_group_is_the_mean_of_its_members_that_are_known():
    dice = np.random.default_rng(0).random((3, 5))
    dice[1, 3] = dice[2, 3] = dice[2, 4] = np.nan
    result = joined_dice(segmentation(dice, CASES), {"lung": ["lung_upper", "lung_lower"]})
    assert list(result.columns) == ["case", "class", "dice"]
    wide = dice_by_class(result)
    assert list(wide.columns) == ["background", "aorta", "heart", "lung"]
    np.testing.assert_allclose(wide["lung"], [dice[1, 4], dice[0, 3:].mean(), np.nan])
    np.testing.assert_allclose(wide["heart"], dice[[1, 0, 2], 2])


def test_a_class_without_any_dice_stays():
    dice = np.full((3, 5), 0.5)
    dice[:, 2] = np.nan
    assert np.isnan(dice_by_class(segmentation(dice, CASES))["heart"]).all()


def test_bad_tables_are_refused():
    table = segmentation(np.full((3, 5), 0.5), CASES)
    with pytest.raises(ValueError, match=r"'s3', class 'aorta' twice"):
        dice_by_class(pd.concat([table, table.iloc[[11]]]))
    with pytest.raises(ValueError, match="no annotated labels"):
        dice_by_class(table.assign(dice=np.nan))
    assert wide_dice(table.assign(dice=np.nan)).isna().all(axis=None)
    with pytest.raises(ValueError, match=r"no column.*dice"):
        dice_by_class(table.drop(columns="dice"))
    with pytest.raises(ValueError, match=r"liver.*no classes"):
        joined_dice(table, {"organs": ["liver"]})
