"""Shares of channels: joined targets, missing classes."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from agg2exp.analysis.channels import joined_shares
from agg2exp.domain.errors import DataError

CASES, TARGETS, CHANNELS = ("b", "a"), ("heart", "aorta"), ("t2", "flair", "t1")
CLASSES = ("background", "heart", "aorta")


def table(seed: int) -> pd.DataFrame:
    rows = pd.DataFrame(list(product(CASES, TARGETS, CHANNELS)), columns=["case", "target", "channel"])
    return rows.assign(share=np.random.default_rng(seed).dirichlet([1, 1, 1], 4).ravel())


def test_without_groups_the_table_is_as_it_was():
    pd.testing.assert_frame_equal(joined_shares(table(0), CLASSES, {}), table(0))


@pytest.mark.parametrize("seed", range(3))
def test_joined_targets_are_one_voice_each_among_those_that_a_case_has(seed: int):
    rows = table(seed)
    rows.loc[(rows["case"] == "a") & (rows["target"] == "heart"), "share"] = np.nan
    joined = joined_shares(rows, CLASSES, {"chest": ["heart", "aorta"]})
    assert list(joined["channel"].unique()) == list(CHANNELS)
    found = joined.set_index(["case", "target", "channel"])["share"]
    alone = rows.set_index(["case", "target", "channel"])["share"]
    for channel in CHANNELS:
        both = (alone["b", "heart", channel] + alone["b", "aorta", channel]) / 2
        assert found["b", "chest", channel] == pytest.approx(both)
        assert found["a", "chest", channel] == alone["a", "aorta", channel]


def test_a_class_that_a_case_lacks_has_no_share():
    rows = table(1)
    rows.loc[(rows["case"] == "a") & (rows["target"] == "heart"), "share"] = np.nan
    found = joined_shares(rows, CLASSES, {}).set_index(["case", "target"])["share"]
    assert found.loc["a", "heart"].isna().all() and found.loc["b", "heart"].notna().all()


def test_a_group_may_have_classes_that_were_not_explained_but_no_others():
    joined_shares(table(0), CLASSES, {"rest": ["background", "heart"]})
    with pytest.raises(DataError, match="liver"):
        joined_shares(table(0), CLASSES, {"rest": ["liver", "heart"]})
