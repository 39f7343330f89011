"""Shares of channels in the runs of one data set."""

import shutil

import pandas as pd
import pytest

from agg2exp.cli.channel_tables import read_channels
from agg2exp.domain.errors import DataError
from tests.helpers.stored_runs import CHANNELS, read_runs, stored_overlapping_run, stored_run


def test_all_runs_of_a_data_set_have_the_same_channels_or_none_counts(tmp_path, caplog):
    first, second = stored_overlapping_run(tmp_path / "a"), stored_overlapping_run(tmp_path / "b", seed=1)
    table = read_channels([first, second])
    assert list(table) == ["case", "target", "channel", "share"] and len(table) == 2 * 12 * 3 * 2
    assert read_channels([stored_run(tmp_path / "one", n=3)]) is None
    assert read_channels([first, tmp_path / "one"]) is None and "some cases only" in caplog.text
    path = second / "tables" / "channel_shares.parquet"
    table[table["channel"] == CHANNELS[0]].drop_duplicates(["case", "target"]).to_parquet(path)
    assert read_channels([first, second]) is None


def test_a_damaged_table_leaves_the_data_set_out(tmp_path):
    run = stored_overlapping_run(tmp_path / "a")
    path = run / "tables" / "channel_shares.parquet"
    pd.read_parquet(path).assign(share=1.5).to_parquet(path)
    with pytest.raises(DataError, match=r"channel_shares\.parquet: expected finite numbers from 0 to 1"):
        read_channels([run])
    shutil.rmtree(run / "tables")


def test_a_data_set_has_its_channels(tmp_path):
    with_two, with_one = read_runs(mr=stored_overlapping_run(tmp_path / "a"), ct=stored_run(tmp_path / "b", n=3))
    assert set(with_two.channel_shares["channel"]) == set(CHANNELS) and with_one.channel_shares is None
