"""Which data sets are compared, in what, and over which cases."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import Kind
from agg2exp.report.between import agreement_of, change, of_the_same_scans, shared_cases
from agg2exp.report.data_set import DataSet, ScanIdentity
from agg2exp.report.settings import AnalysisSettings
from tests.helpers.stored_runs import CLASSES, drawn_importance, read_runs, stored_run

SETTINGS = AnalysisSettings(draws=100, permutations=99, forests=1)


def methods(tmp_path: Path, *seeds: int, n: int = 12) -> list[DataSet]:
    """A method for each seed, on the same cases."""
    drawn = {i: drawn_importance(n, len(CLASSES), i) for i in seeds}
    return read_runs(
        **{f"m{i}": stored_run(tmp_path / str(i), n=n, attribution=f"m{i}", importance=e) for i, e in drawn.items()}
    )


def test_agreement_of_three_is_that_of_each_pair_over_the_cases_both_have(tmp_path: Path):
    a, b, c = methods(tmp_path, 1, 2, 3)
    b = replace(b, local=b.local[b.local["case"] != "c00004"])
    ((name, table),) = agreement_of([a, b, c])
    assert name == "agreement"
    assert (table["first"] + table["second"]).tolist() == [pair for pair in ("m1m2", "m1m3", "m2m3") for _ in range(2)]
    assert table["cases"].tolist() == [11, 11, 12, 12, 11, 11]
    means = [data.local[data.local["case"] != "c00004"].groupby(["target", "source"])["importance"].mean()
             for data in (a, b)]  # fmt: skip
    expected = spearmanr(*pd.concat(means, axis=1).dropna().to_numpy().T).statistic
    assert table["rho"].iloc[0] == pytest.approx(expected)


def test_scans_are_the_same_if_id_and_content_are(tmp_path: Path):
    runs = {
        "train": stored_run(tmp_path / "train", n=6, first=20),
        "m1": stored_run(tmp_path / "m1", n=6),
        "m2": stored_run(tmp_path / "m2", n=5),
        "far1": stored_run(tmp_path / "far1", n=6, root="/data/elsewhere"),
        "far2": stored_run(tmp_path / "far2", n=6, first=5, root="/data/elsewhere"),
        "alone": stored_run(tmp_path / "alone", n=6, root="/data/nowhere_else"),
    }
    data_sets = read_runs(**runs)
    _, m1, m2, far1, far2, _ = data_sets
    assert shared_cases(m1, m2) == [f"c{i:05d}" for i in range(5)]
    assert shared_cases(far1, far2) == ["c00005"]
    assert shared_cases(m1, far1) == []
    assert of_the_same_scans(data_sets) == [[m1, m2], [far1, far2]]


def test_scans_are_known_by_their_file_else_by_all_files_of_the_case():
    known, copied, other = (ScanIdentity(d, f) for d, f in (("a", "x"), ("a", "y"), ("b", "x")))
    earlier, again, unknown = ScanIdentity(files="x"), ScanIdentity(files="x"), ScanIdentity()
    assert known.same_as(copied) is True and known.same_as(other) is False
    assert earlier.same_as(again) is True and earlier.same_as(known) is True
    assert earlier.same_as(copied) is None
    assert unknown.same_as(known) is None and unknown.same_as(unknown) is None


def test_patients_that_may_be_the_same_are_not_compared_as_different_ones(tmp_path: Path):
    runs = {
        "m": stored_run(tmp_path / "m", n=6),
        "gone": stored_run(tmp_path / "gone", n=6, seed=1),
        "renamed": stored_run(tmp_path / "renamed", n=6, first=6, seed=2),
    }
    shutil.rmtree(runs["gone"] / "cases")
    m, gone, renamed = read_runs(**runs)
    assert shared_cases(m, gone) == []
    with pytest.raises(DataError, match=r"whether the cases \['c00000', .*\] of both are the same scans is not known"):
        list(change(m, gone, SETTINGS))
    renamed = replace(renamed, scans=dict(zip(renamed.cases, m.scans.values(), strict=True)))
    with pytest.raises(DataError, match="expected different scans, got the same one as cases 'c00000' and 'c00006'"):
        list(change(m, renamed, SETTINGS))


def test_a_data_set_of_several_places_shares_scans_with_each(tmp_path: Path):
    here, there = stored_run(tmp_path / "here", n=6), stored_run(tmp_path / "there", n=6, first=6, root="/data/there")
    again = stored_run(tmp_path / "again", n=6, first=6, root="/data/there", attribution="vanilla_gradient")
    both, other = read_runs(both=[here, there], other=again)
    assert shared_cases(both, other) == [f"c{i:05d}" for i in range(6, 12)]


def test_change_is_of_data_alone(tmp_path: Path):
    first, other, far = read_runs(
        first=stored_run(tmp_path / "first", n=6),
        other=stored_run(tmp_path / "other", n=6, root="/data/elsewhere", attribution="vanilla_gradient"),
        far=stored_run(tmp_path / "far", n=6, root="/data/elsewhere"),
    )
    assert [name for name, _ in change(first, far, SETTINGS)] == ["change_first_to_far"] * 2
    with pytest.raises(DataError, match=r"same settings, got a difference in \['method'\]"):
        next(change(first, other, SETTINGS))


def test_change_refuses_the_same_patients_from_two_places(tmp_path: Path):
    first, far = read_runs(
        first=stored_run(tmp_path / "first", n=6), far=stored_run(tmp_path / "far", n=6, root="/data/elsewhere")
    )
    patients = [f"p{i}" for i in range(6)]
    same = [replace(data, patients=dict(zip(data.cases, patients, strict=True))) for data in (first, far)]
    with pytest.raises(DataError, match=r"expected two data sets of different patients, got \['p0', "):
        next(change(*same, SETTINGS))
    others = dict(zip(far.cases, [f"q{i}" for i in range(6)], strict=True))
    assert next(change(same[0], replace(far, patients=others), SETTINGS))[0] == "change_first_to_far"
    assert np.isfinite(next(change(first, far, SETTINGS))[1]["p"]).any()


def test_the_matrix_of_an_agreement_is_over_all_cases_where_these_are_the_same(tmp_path: Path):
    a, b = methods(tmp_path, 1, 2)
    ((_, table),) = agreement_of([a, b])
    x, y = (data.matrix(data.importances(Kind.IMPORTANCE), 100, 0).mean.ravel() for data in (a, b))
    known = ~np.isnan(x) & ~np.isnan(y)
    assert table["rho"].iloc[0] == pytest.approx(spearmanr(x[known], y[known]).statistic)
