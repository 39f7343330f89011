"""Shares of channels: a slow loop, extra masks, missing classes, joined targets."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from agg2exp.analysis.channels import channel_shares

CASES, TARGETS, CHANNELS = ("a", "b"), ("heart", "aorta"), ("flair", "t1", "t2")
SOURCES = ("background", "heart", "aorta")


def table(seed: int, extra: bool = True) -> pd.DataFrame:
    names = product(CASES, TARGETS, (*SOURCES, *(["nodule"] if extra else [])), CHANNELS)
    rows = pd.DataFrame(list(names), columns=["case", "target", "source", "channel"])
    return rows.assign(importance=np.random.default_rng(seed).random(len(rows)))


@pytest.mark.parametrize("seed", range(5))
def test_shares_equal_a_slow_loop_over_the_regions_of_the_model(seed: int):
    rows = table(seed)
    shares = channel_shares(rows, SOURCES).set_index(["case", "target", "channel"])["share"]
    entries = {tuple(row[:4]): row[4] for row in rows.itertuples(index=False)}
    for case, target, channel in product(CASES, TARGETS, CHANNELS):
        of_channel = sum(entries[case, target, source, channel] for source in SOURCES)
        of_all = sum(entries[case, target, source, c] for source in SOURCES for c in CHANNELS)
        assert shares[case, target, channel] == pytest.approx(of_channel / of_all)
    assert shares.groupby(["case", "target"]).sum().tolist() == pytest.approx([1] * 4)


def test_shares_of_a_partition_are_the_sums_of_the_importances():
    rows = table(0, extra=False)
    rows["importance"] /= rows.groupby(["case", "target"])["importance"].transform("sum")
    sums = rows.groupby(["case", "target", "channel"], sort=False)["importance"].sum()
    assert channel_shares(rows, SOURCES)["share"].tolist() == pytest.approx(sums.tolist())


def test_a_class_that_a_case_lacks_has_no_share_and_one_unknown_source_does_not_count():
    rows = table(1)
    rows.loc[(rows["case"] == "a") & (rows["target"] == "heart"), "importance"] = np.nan
    rows.loc[(rows["case"] == "b") & (rows["source"] == "aorta"), "importance"] = np.nan
    shares = channel_shares(rows, SOURCES).set_index(["case", "target", "channel"])["share"]
    assert shares.loc[[("a", "heart", channel) for channel in CHANNELS]].isna().all()
    without = channel_shares(rows, ("background", "heart")).set_index(["case", "target", "channel"])["share"]
    assert shares["b"].tolist() == pytest.approx(without["b"].tolist())
    assert channel_shares(rows.assign(importance=0.0), SOURCES)["share"].isna().all()


def test_joined_targets_are_one_voice_each_among_those_that_a_case_has():
    rows = table(2)
    alone = channel_shares(rows, SOURCES).pivot_table("share", ["case", "channel"], "target", sort=False)
    both = channel_shares(rows, SOURCES, {"chest": ["heart", "aorta"]})
    assert set(both["target"]) == {"chest"}
    assert both.set_index(["case", "channel"])["share"].to_dict() == pytest.approx(alone.mean(axis=1).to_dict())
    rows.loc[(rows["case"] == "a") & (rows["target"] == "heart"), "importance"] = np.nan
    one = channel_shares(rows, SOURCES, {"chest": ["heart", "aorta"]})
    assert one[one["case"] == "a"]["share"].tolist() == pytest.approx(alone.loc["a"]["aorta"].tolist())
