"""What several sections of an analysis read is computed once, and no section is computed before it is asked for."""

import numpy as np
import pytest

from agg2exp.domain.roi_importance import Kind
from agg2exp.report import study as module
from agg2exp.report.analysis import sections_of
from agg2exp.report.section import PUBLIC, Plan
from tests.unit.report.data_sets import data_set, importances, study


def test_the_ranking_is_computed_once_for_all_sections(monkeypatch: pytest.MonkeyPatch):
    asked, rank = [], module.outlier_table
    monkeypatch.setattr(module, "outlier_table", lambda *given: asked.append(given) or rank(*given))
    sections = {section.name: section for section in sections_of(study(data_set(importances(n=20))))}
    assert not asked
    for name in ("outliers", "slices of outliers", "four panels"):
        assert list(sections[name].outputs)
    assert len(asked) == 1


def test_cases_that_cannot_be_ranked_have_no_ranking():
    assert study(data_set(importances(n=4))).ranking_if_any is None


def test_the_matrix_of_a_kind_is_its_mean_over_cases():
    data = importances(n=12)
    of_data = study(data_set(data))
    np.testing.assert_allclose(of_data.matrix.mean, data.values.mean(axis=0))
    np.testing.assert_array_equal(of_data.matrix_of(Kind.IMPORTANCE).low, of_data.matrix.low)


def test_outputs_lie_below_the_folder_of_the_data_set_and_are_made_when_asked_for():
    made = []

    def make(of_data):
        made.append(of_data)
        yield "a/table", importances().to_frame()

    plan = Plan("a section", PUBLIC, make)
    section = plan.of(study(data_set(importances())))
    assert section.data_set == "x" and section.public and not made
    assert [name for name, _ in section.outputs] == ["x/a/table"] and len(made) == 1
