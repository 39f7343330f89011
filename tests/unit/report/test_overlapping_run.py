"""A data set of regions within each other, on images of two channels: nothing takes its rows for a partition."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import Kind
from agg2exp.report.analysis import sections_between, sections_of
from agg2exp.report.channels import channels
from agg2exp.report.findings import findings
from agg2exp.report.highlight import chosen_target
from agg2exp.report.left_out import LeftOut, until_left_out
from agg2exp.report.overview import overview
from agg2exp.report.relations import presence
from agg2exp.report.settings import AnalysisSettings, Highlight
from agg2exp.report.study import Study
from tests.helpers.stored_runs import CHANNELS, REGIONS, read_runs, stored_overlapping_run, stored_run

SETTINGS = AnalysisSettings(draws=100, permutations=99, forests=1)


@pytest.fixture
def data(tmp_path: Path):
    (data,) = read_runs(mr=stored_overlapping_run(tmp_path / "run"))
    return data


def test_background_is_a_source_and_no_class_and_shares_sum_to_more_than_one(data):
    importances = data.importances(Kind.IMPORTANCE)
    assert importances.targets == REGIONS and importances.sources == importances.classes == ("background", *REGIONS)
    assert (importances.values.sum(axis=2) > 1).all()
    (row,) = overview([data]).to_dict("records")
    assert row["classes"] == 3 and row["extra regions"] == 0
    assert not presence(data)["extra_mask"].any()
    assert chosen_target(importances, Highlight()) in REGIONS


def test_all_sections_are_made_but_those_that_need_what_was_not_stored(data):
    left_out: list[LeftOut] = []
    tables = {}
    for section in [*sections_of(Study(data, data, SETTINGS)), *sections_between([data], {}, SETTINGS)]:
        outputs = until_left_out(section.data_set, section.name, section.outputs, left_out)
        tables |= {name: content for name, content in outputs if isinstance(content, pd.DataFrame)}
    assert {out.part for out in left_out} == {
        "heat map of enrichment_body", "heat map of expected_by_distance", "edges beyond distance",
    }  # fmt: skip
    rows = {finding.title: finding.rows for finding in findings(tables, 0.05)}
    strongest = rows["mr: Strongest edges between structures"]
    assert "background" not in set(strongest["source"])
    assert tables["mr/outliers"]["normality"].notna().all()


def test_each_class_has_the_channel_that_it_was_given(data):
    (_, table), (_, picture) = channels(Study(data, data, SETTINGS))
    means = table.set_index(["target", "channel"])["mean"]
    planted = {"whole": (0.8, 0.2), "core": (0.7, 0.3), "enhancing": (0.1, 0.9)}
    for target, shares in planted.items():
        assert [means[target, channel] for channel in CHANNELS] == pytest.approx(list(shares))
    assert np.isfinite(table["ci_low"]).all() and set(table["count"]) == {12}
    (finding,) = findings({"mr/channels": table}, 0.05)
    assert finding.rows[["target", "channel"]].to_numpy().tolist() == [
        ["whole", "flair"], ["core", "flair"], ["enhancing", "t1"],
    ]  # fmt: skip
    assert picture.axes


def test_images_of_one_channel_have_no_such_section(tmp_path: Path):
    (data,) = read_runs(ct=stored_run(tmp_path / "run", n=3))
    study = Study(data, data, SETTINGS)
    assert "channels" not in [section.name for section in sections_of(study)]
    with pytest.raises(DataError, match="expected shares of channels, got none"):
        next(channels(study))
