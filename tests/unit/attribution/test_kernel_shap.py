"""KernelSHAP through windows, against Shapley values by the definition."""

import itertools
import logging
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from agg2exp.attribution import KernelShap
from agg2exp.attribution import kernel_shap as module
from agg2exp.baselines import Constant
from agg2exp.domain.class_scores import ClassScores, RecomputedScores
from agg2exp.domain.errors import SettingError
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.scores import MarginScore, MeanScore, SumScore
from agg2exp.supervoxels import Cubes, Given, Semantic
from tests.helpers.networks import LinearNetwork, ToyNetwork
from tests.unit.attribution.slow import shapley_by_definition

RNG = KeyedRng(0, "case", "kernel_shap")
IMAGE = torch.rand(1, 12, 10, 9, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
CLASSES = (0, 1, 2, 3)


def windowed(network=None, batch=2, window=(8, 8, 8)) -> WindowedModel:
    network = ToyNetwork().double() if network is None else network
    return WindowedModel(network, SlidingWindow(window, overlap=0.5, batch=batch))


def scores_of(model: WindowedModel, image: Tensor = IMAGE, score=None, classes=CLASSES) -> ClassScores:
    return (score or SumScore())(model.predict(image), classes)


@pytest.mark.parametrize("score", [SumScore(), MeanScore(), MarginScore()], ids=lambda s: s.name)
@pytest.mark.parametrize("policy", ["fixed", "recomputed"])
def test_enough_samples_give_the_shapley_values_of_the_definition(score, policy):
    model = windowed()
    scores = scores_of(model, score=score)
    if policy == "recomputed":
        scores = RecomputedScores(CLASSES, scores.masks, lambda prediction: score(prediction, CLASSES))
    partition = (torch.arange(12)[:, None, None] // 6 * 3 + torch.arange(9) // 3).expand(12, 10, 9)
    baseline = torch.full_like(IMAGE, 0.3)
    game = {}
    for z in itertools.product([False, True], repeat=6):
        image = torch.where(torch.tensor(z)[partition], IMAGE, baseline)
        game[frozenset(j for j in range(6) if z[j])] = model.scores(image[None], scores)[0]
    e = KernelShap(Given(partition), n_samples=64, baselines=0.3).compute(model, IMAGE, scores, RNG)
    expected = shapley_by_definition(game, 6)
    torch.testing.assert_close(e.values, expected, rtol=1e-9, atol=1e-9)
    assert torch.equal(e.standard_errors, torch.zeros_like(expected))
    assert torch.equal(e.notes["underdetermined"], torch.zeros(4, dtype=torch.float64))


def test_linear_network_has_the_known_answer_already_at_full_rank():
    slopes = [0.5, -1.0, 2.0]
    model = windowed(LinearNetwork(slopes, [0.3, 0.4, -0.5]).double())
    scores = scores_of(model, classes=(0, 1, 2))
    assert len(scores.layers[0].label_map.unique()) > 1
    cubes = Cubes(12)
    e = KernelShap(cubes, n_samples=60).compute(model, IMAGE, scores, RNG)
    partition = cubes(IMAGE, scores.masks)
    for c, slope in enumerate(slopes):
        summand = slope * IMAGE[0] * (scores.layers[0].label_map == c)
        known = torch.stack([summand[partition == s].sum() for s in range(int(partition.max()) + 1)])
        torch.testing.assert_close(e.values[c], known, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(e.dense(c).sum(), known.sum())  # density: Σ e = Σ φ


@pytest.mark.parametrize("n_samples", [2, 10, 41, 90])
@pytest.mark.parametrize("supervoxels", [Cubes(30), Semantic()], ids=["cubes", "semantic"])
def test_contributions_add_up_to_the_change_of_the_score(n_samples, supervoxels):
    model = windowed()
    scores = scores_of(model)
    e = KernelShap(supervoxels, n_samples=n_samples).compute(model, IMAGE, scores, RNG)
    change = model.scores(IMAGE[None], scores) - model.scores(torch.zeros_like(IMAGE)[None], scores)
    torch.testing.assert_close(e.values.sum(dim=1), change[0], rtol=1e-5, atol=0)


def test_supervoxels_that_cannot_matter_are_no_players():
    model = windowed()
    image = IMAGE.clone()
    partition = Cubes(12)(image, torch.zeros(IMAGE.shape[1:]))
    image[:, partition == 3] = 0  # x = x′ there
    e = KernelShap(Given(partition), n_samples=2048).compute(model, image, scores_of(model, image), RNG)
    assert e.players == tuple(s for s in range(12) if s != 3)
    assert (e.values[:, 3] == 0).all()
    assert (e.standard_errors == 0).all()  # 2048 = 2^11 coalitions are all there are


def test_windows_without_an_explained_class_are_not_evaluated():
    model = windowed(window=(6, 10, 9))
    scores = scores_of(model)
    (layer,) = scores.layers
    near = ClassScores.of((2,), torch.where(torch.arange(12)[:, None, None] < 3, layer.label_map, 0), layer.weights)
    partition = Cubes(12)(IMAGE, scores.masks)
    before = model.passes.window_forwards
    e = KernelShap(Given(partition), n_samples=4096).compute(model, IMAGE, near, RNG)
    reach = {int(s) for s in partition[:6].unique()}  # the windows start at rows 0, 3 and 6; class 2 is in rows 0 to 2
    assert reach < set(range(12))
    assert model.passes.window_forwards - before == 2 ** len(reach)
    assert float(e.values[0, sorted(set(range(12)) - reach)].abs().max()) < 1e-9 * float(e.values.abs().max())


def test_each_coalition_is_evaluated_once_for_all_classes_and_each_window_pattern_once():
    model = windowed(window=(6, 5, 5))
    scores = scores_of(model)
    windows = len(model.plan(IMAGE).windows)
    before = model.passes.window_forwards
    KernelShap(Cubes(12), n_samples=150).compute(model, IMAGE, scores, RNG)
    assert model.passes.window_forwards - before + model.passes.reused == 150 * windows
    assert model.passes.reused > 0.5 * 150 * windows  # a window of this size meets few of the 12 cubes


def test_batch_changes_the_last_digits_only():
    results = []
    for batch in (1, 2, 7):
        model = windowed(ToyNetwork(), batch=batch)
        image = IMAGE.float()
        e = KernelShap(Cubes(16), n_samples=80).compute(model, image, scores_of(model, image), RNG)
        results.append(e.values)
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], rtol=1e-5, atol=1e-5 * float(results[0].abs().max()))


def test_too_few_samples_are_marked_and_said_once(caplog: pytest.LogCaptureFixture):
    module._warned.clear()
    model = windowed()
    scores = scores_of(model)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            e = KernelShap(Cubes(60), n_samples=40).compute(model, IMAGE, scores, RNG)
    assert e.standard_errors.isnan().all()
    assert torch.equal(e.notes["underdetermined"], torch.ones(4, dtype=torch.float64))
    assert len(caplog.records) == 1
    assert "40 coalitions for 60 players" in caplog.text


def test_the_papers_numbers_are_the_defaults():
    assert KernelShap(Cubes()).evaluations() == 1000
    assert KernelShap(Semantic()).evaluations() == 200
    assert KernelShap(Cubes(), n_samples=7).evaluations() == 7


def test_absent_class_and_image_without_content_give_zeros():
    model = windowed()
    present = scores_of(model)
    absent = replace(present, classes=(2, 9))
    e = KernelShap(Cubes(4), n_samples=16).compute(model, IMAGE, absent, RNG)
    assert float(e.values[0].abs().max()) > 0
    assert torch.equal(e.values[1], torch.zeros(4, dtype=torch.float64))
    empty = torch.full_like(IMAGE, 0.25)
    e = KernelShap(Cubes(4), n_samples=16, baselines=0.25).compute(model, empty, scores_of(model, empty), RNG)
    assert torch.equal(e.values, torch.zeros(4, 4, dtype=torch.float64))
    assert torch.equal(e.standard_errors, torch.zeros(4, 4, dtype=torch.float64))


def test_captums_words_in_one_call():
    network = ToyNetwork().double()
    mask = torch.arange(9).expand(12, 10, 9) // 3
    e = KernelShap().attribute(
        network, IMAGE[None], target=2, feature_mask=mask, baselines=0.1, n_samples=8, perturbations_per_eval=3
    )
    model = WindowedModel(network, SlidingWindow((12, 10, 9)))
    method = KernelShap(Given(mask), n_samples=8, baselines=Constant(0.1))
    expected = method.compute(model, IMAGE, scores_of(model, classes=(2,)), KeyedRng(0, "", "kernel_shap"))
    torch.testing.assert_close(e.values, expected.values)
    assert e.values.shape == (1, 3)


def test_wrong_settings_say_what_is_wrong():
    with pytest.raises(SettingError, match="supervoxels: expected supervoxels"):
        KernelShap({})
    with pytest.raises(SettingError, match="n_samples: expected a whole number of at least 2, got 1"):
        KernelShap(Cubes(), n_samples=1)
    with pytest.raises(SettingError, match="expansion"):
        KernelShap(Cubes(), expansion="sum")
    with pytest.raises(SettingError, match="feature_mask: expected a supervoxel of every voxel"):
        KernelShap().attribute(ToyNetwork().double(), IMAGE)
    with pytest.raises(SettingError, match="baselines: expected the shape of the image"):
        KernelShap(Cubes(4), baselines=torch.zeros(1, 3, 3, 3)).attribute(ToyNetwork().double(), IMAGE)
    with pytest.raises(SettingError, match="n_steps: expected a setting of kernel_shap"):
        KernelShap(Cubes(4)).attribute(ToyNetwork().double(), IMAGE, n_steps=3)


def test_a_feature_mask_keeps_its_own_ids():
    torch.manual_seed(0)
    network = torch.nn.Conv3d(1, 2, 1)
    mask = torch.tensor([7, -3, 40])[torch.arange(64).reshape(4, 4, 4) % 3]
    found = KernelShap(n_samples=8).attribute(network, torch.rand(1, 4, 4, 4), feature_mask=mask)
    assert found.numbers.tolist() == [-3, 7, 40]
    assert torch.equal(found.numbers[found.supervoxels], mask)
