"""What is shown where the user does not say, and what a user can ask for."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from agg2exp.analysis.outliers import MEAN, outlier_table
from agg2exp.domain.errors import DataError, SettingError
from agg2exp.report.highlight import check_highlight, chosen_case, chosen_classes, chosen_target, four_panels
from agg2exp.report.settings import Highlight
from tests.unit.analysis.tables import CLASSES
from tests.unit.report.data_sets import data_set, importances, study

EVERYTHING = Highlight()


def matrix_of(data):
    return data_set(data).matrix(data, 100, 0)


def test_the_target_is_the_structure_with_most_context_among_those_in_most_cases():
    data = importances()
    own = np.diagonal(data.values, axis1=1, axis2=2)
    assert chosen_target(data, EVERYTHING) == CLASSES[1 + own.mean(axis=0)[1:].argmin()]
    data.values[:, 1:, :] = 0.2
    data.values[:, 4, 4], data.values[:, 3, 3], data.values[:, 0, 0] = 0.1, 0.15, 0.01  # background is no structure
    assert chosen_target(data, EVERYTHING) == "lung_upper"
    data.values[2, 4] = np.nan  # now in one case fewer than the others
    assert chosen_target(data, EVERYTHING) == "lung_lower"
    assert chosen_target(data, Highlight(target="background")) == "background"


def test_a_target_without_any_value_is_named():
    data = importances()
    data.values[:, 2] = np.nan
    with pytest.raises(DataError, match=r"got heart, which is absent from all 12 predictions .*: background, aorta,"):
        chosen_target(data, Highlight(target="heart"))
    with pytest.raises(DataError, match="heart"):
        list(four_panels(study(data_set(data), Highlight(target="heart"))))
    data.values[:, 1:] = np.nan
    with pytest.raises(DataError, match="no structure was predicted in any case"):
        chosen_target(data, EVERYTHING)


def test_the_case_is_the_most_abnormal_that_has_the_target():
    data = importances()
    ranking = outlier_table(data, data)
    order = ranking[ranking["target"] == MEAN].sort_values("rank")["case"].tolist()
    assert chosen_case(data, "heart", ranking, EVERYTHING) == order[0]
    data.values[data.cases.index(order[0]), 2] = np.nan
    assert chosen_case(data, "heart", ranking, EVERYTHING) == order[1]
    assert chosen_case(data, "heart", ranking, Highlight(case=order[5])) == order[5]
    assert chosen_case(data, "heart", ranking, Highlight(case="of another data set")) == order[1]
    assert chosen_case(data, "heart", None, EVERYTHING) == min(order[1:])
    with pytest.raises(DataError, match=f"case {order[0]} has no heart"):
        chosen_case(data, "heart", ranking, Highlight(case=order[0]))


def test_the_classes_are_the_target_and_the_sources_it_relies_on_most():
    names = ("effusion", "nodule")
    data = importances(extra=names)
    data.values[:, 1] = [0.3, 0.4, 0.2, 0.06, 0.04, 0.0, 0.1]
    chosen = chosen_classes(matrix_of(data), "aorta", EVERYTHING)
    assert chosen == ("background", "aorta", "heart", "lung_lower", "lung_upper", "nodule")
    assert chosen_classes(matrix_of(data), "aorta", Highlight(classes=["nodule", "aorta"])) == ("nodule", "aorta")
    data.values[:, 1, 4] = np.nan
    assert "lung_upper" not in chosen_classes(matrix_of(data), "aorta", EVERYTHING)


def test_a_run_of_one_class_shows_its_sources():
    data = importances(targets=["heart"], extra=["nodule"])
    numbers, picture = (content for _, content in four_panels(study(data_set(data))))
    assert isinstance(numbers, pd.DataFrame) and isinstance(picture, Figure)
    _, _, heat, graph, *_ = picture.axes
    assert [t.get_text() for t in heat.get_yticklabels()] == ["heart"]
    names = [name.replace("_", " ") for name in (*CLASSES, "nodule")]
    assert [t.get_text() for t in heat.get_xticklabels()] == names
    assert len([p for p in graph.patches if isinstance(p, FancyArrowPatch)]) == 3


def test_sources_may_be_shown_beside_a_class_that_was_explained():
    data = data_set(importances(targets=["heart", "aorta"], extra=["nodule"]))
    check_highlight(Highlight(target="heart", classes=["heart", "nodule", "lung_lower"], case="s0003"), [data])
    joined = data_set(importances(extra=["nodule"]), join={"lung": ["lung_lower", "lung_upper"]})
    check_highlight(Highlight(target="lung", classes=["lung", "nodule"]), [joined])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (Highlight(target="nodule"), r"highlight: expected one of 'aorta', 'heart', got 'nodule'"),
        (Highlight(target="lung_lower"), r"highlight: expected one of 'aorta', 'heart', got 'lung_lower'"),
        (Highlight(classes=["heart", "spleen"]), r"highlight: expected one of 'background', .*'nodule', got 'spleen'"),
        (
            Highlight(classes=["nodule", "lung_lower"]),
            r"highlight.classes: expected at least one .* explained: aorta, heart",
        ),
        (Highlight(case="nobody"), r"highlight.case: expected ids of the runs \(s0000, "),
    ],
)
def test_what_is_not_there_is_refused(asked, message):
    with pytest.raises(SettingError, match=message):
        check_highlight(asked, [data_set(importances(targets=["aorta", "heart"], extra=["nodule"]))])
