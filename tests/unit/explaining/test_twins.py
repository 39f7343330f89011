from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from agg2exp.attribution import SmoothGrad, VanillaGradient
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.domain.roi_importance import Kind
from agg2exp.explaining.twins import check_twins, twins_of
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.run.roi_importance import RoIImportanceWriter
from agg2exp.scores import SumScore
from agg2exp.store.tables import TWINS, case_tables
from tests.helpers.explanations import module_of, scheme, small_case
from tests.helpers.networks import ToyNetwork


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv3d(4, 3, 1))


def test_twins_are_the_same_for_every_case_and_differ_from_another_and_by_seed():
    net, x = network(), torch.randn(1, 1, 6, 6, 6)
    before = net(x)
    first, again, other = ([twin(x) for twin in twins_of(net, 2, seed)] for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], first[1]) and not torch.equal(first[0], other[0])
    assert torch.equal(net(x), before)


@pytest.mark.parametrize("n", [1, -2, 2.5, True, "three"])
def test_less_than_two_twins_are_refused(n):
    with pytest.raises(SettingError, match="twins"):
        check_twins(n, network())


def test_a_network_without_random_weights_has_no_twins():
    check_twins(0, nn.ReLU())
    with pytest.raises(SettingError, match="no weights"):
        check_twins(2, nn.ReLU())


def module(twins=2, attribution=None, **changes):
    window = SlidingWindow((6, 6, 6), overlap=0.25)
    method = attribution or VanillaGradient()
    return module_of(ToyNetwork(), method, SumScore(), window, scheme(), twins=twins, **changes)


def test_a_twin_explains_the_classes_where_the_model_sees_them():
    case, trained = small_case(), module(attribution=SmoothGrad(2))
    explanation = trained.explain(case)
    twin = next(twins_of(trained, 2, 0))
    mask = explanation.prediction.label_map == 2
    e = explanation.twins[0]().dense(2)
    through_twin = WindowedModel(twin, trained.explainer.model.windows)
    expected = trained.attribute(through_twin, case, trained.class_scores(explanation.prediction)).dense(2)
    torch.testing.assert_close(e, expected)
    assert mask.any() and not torch.allclose(e, explanation.attribution.dense(2))


@pytest.mark.parametrize("mask_policy", ["fixed", "recomputed"])
def test_twins_change_nothing_else(mask_policy):
    case = small_case()
    alone, beside = (module(n, mask_policy=mask_policy).explain(case) for n in (0, 2))
    torch.testing.assert_close(beside.attribution.dense(1), alone.attribution.dense(1), rtol=0, atol=0)
    assert beside.passes == alone.passes and len(beside.twins) == 2 and not alone.twins
    assert beside.settings["twins"] == "2" and "twins" not in alone.settings
    assert {k: v for k, v in beside.settings.items() if k != "twins"} == dict(alone.settings)


def test_twins_are_counted_in_the_estimate():
    alone, beside = (module(n, SmoothGrad(4)).evaluator.cost for n in (0, 3))
    assert beside.image_evaluations() - alone.image_evaluations() == 3 * 4
    assert beside.image_gradients() == 4 * alone.image_gradients()


def test_importances_of_twins_are_stored_beside_those_of_the_case(tmp_path):
    case, writer = small_case(), RoIImportanceWriter(tmp_path)
    explanation = module(3).explain(case)
    writer.write_case(scheme(), case, explanation)
    result = writer.store.read(case.id)
    table = case_tables([result])[TWINS]
    assert list(table) == ["case", "twin", "target", "source", "importance", "expected_by_distance"]
    assert len(table) == 3 * 4 * 4 and list(table["twin"].unique()) == [1, 2, 3]
    alone = writer.result(scheme(), case, replace(explanation, attribution=explanation.twins[1](), twins=()))
    for kind in (Kind.IMPORTANCE, Kind.EXPECTED_BY_DISTANCE):
        second = table[table["twin"] == 2][kind.value].to_numpy().reshape(4, 4)
        np.testing.assert_allclose(second, alone.importance.values[kind])
    assert TWINS not in case_tables([alone])


def test_a_twin_that_overflows_is_unknown_and_the_case_goes_on(tmp_path, caplog):
    case = small_case()
    explanation = module(2).explain(case)
    broken = replace(explanation.attribution, values=explanation.attribution.values * torch.inf)
    found = RoIImportanceWriter(tmp_path).result(
        scheme(), case, replace(explanation, twins=[explanation.twins[0], lambda: broken])
    )
    assert np.isfinite(found.twins["importance"][0]).any() and np.isnan(found.twins["importance"][1]).all()
    assert "twin 2 of the network" in caplog.text


def test_out_of_memory_in_a_twin_fails_the_case_with_what_to_do(tmp_path):
    case = small_case()
    explanation = module(2).explain(case)

    def exhausted():
        raise torch.OutOfMemoryError("CUDA out of memory")

    explanation = replace(explanation, twins=[explanation.twins[0], exhausted])
    with pytest.raises(CaseError, match=rf"case {case.id}.*twin 2.*class_chunk=1.*twins=0"):
        RoIImportanceWriter(tmp_path).result(scheme(), case, explanation)
