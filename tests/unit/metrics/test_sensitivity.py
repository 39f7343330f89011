"""Sensitivity: Eq. 9 as a slow loop, Quantus, methods that never or always change, the noise and its Dice."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch

from agg2exp.attribution import Attributor, InputXGradient, SmoothGrad, VanillaGradient
from agg2exp.domain.attribution import SupervoxelAttribution
from agg2exp.domain.errors import SettingError
from agg2exp.domain.rng import KeyedRng
from agg2exp.metrics import ExplainedCase, Sensitivity
from agg2exp.metrics.sensitivity import relative_change
from tests.helpers.networks import LinearNetwork
from tests.unit.metrics.toy import ALL, SHAPE, Fixed, OfImage, evaluation, random_image, toy_network


def slow(case: ExplainedCase, metric: Sensitivity, method: Attributor) -> np.ndarray:
    """Eq. 9 with arrays of all classes."""
    ratios = []
    for i in range(metric.n_samples):
        rng = KeyedRng(case.asked.seed, case.case.id, method.name)
        other = method.compute(case.model, metric.noisy(case, i), case.scores, rng)
        for k in range(len(ALL)):
            a, b = (x.dense(k).numpy().ravel() for x in (case.attribution, other))
            a, b = a / np.abs(a).max(), b / np.abs(b).max()
            ratios.append(np.sqrt(((a - b) ** 2).sum()) / np.sqrt((a**2).sum()))
    return np.reshape(ratios, (metric.n_samples, -1)).mean(axis=0)


@pytest.mark.parametrize("method", [VanillaGradient(), InputXGradient(), SmoothGrad(n_samples=3)])
@pytest.mark.parametrize("noise", ["uniform", "gaussian"])
def test_is_equation_9(method: Attributor, noise: str) -> None:
    case = evaluation(toy_network(2), random_image(1, channels=2), method)
    metric = Sensitivity(n_samples=3, noise=noise)
    found = metric.evaluate(case)["sensitivity"]
    assert found.tolist() == pytest.approx(slow(case, metric, method).tolist(), abs=1e-9)
    assert float(found.min()) > 1e-3


@pytest.mark.parametrize("which", range(3))
def test_equals_quantus(which: int) -> None:
    quantus = pytest.importorskip("quantus", reason="compares with Quantus: pip install -e '.[peers]'")
    case = evaluation(toy_network(which=which), random_image(which, dtype=torch.float32))
    metric = Sensitivity(n_samples=4)
    flat = (1, 1, SHAPE[0] * SHAPE[1], SHAPE[2])  # Quantus takes no volumes
    expected = []
    for k in range(len(ALL)):
        noisy = iter([metric.noisy(case, i).reshape(1, -1).numpy() for i in range(4)])

        def again(inputs: np.ndarray, k: int = k, **_: object) -> np.ndarray:
            x = torch.as_tensor(inputs).reshape(case.image.shape)
            return case.attribute(x).dense(k).reshape(flat).numpy()

        theirs = quantus.AvgSensitivity(
            nr_samples=4,
            abs=False,
            normalise=True,
            perturb_func=lambda noisy=noisy, **_: next(noisy),
            return_aggregate=False,
            return_nan_when_prediction_changes=False,
            disable_warnings=True,
        )
        expected += theirs(
            model=torch.nn.Flatten().eval(),
            x_batch=case.image.reshape(flat).numpy(),
            y_batch=np.array([k]),
            a_batch=case.attribution.dense(k).reshape(flat).numpy(),
            explain_func=lambda model, inputs, targets, **kwargs: again(inputs),
            channel_first=True,
            softmax=False,
            device="cpu",
        )
    assert metric.evaluate(case)["sensitivity"].tolist() == pytest.approx(expected, abs=1e-6)


def test_method_that_never_changes_has_sensitivity_0() -> None:
    values = torch.randn(4, 1, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    case = evaluation(toy_network(), random_image(), Fixed(values))
    assert Sensitivity().evaluate(case)["sensitivity"].tolist() == [0, 0, 0, 0]
    partition = torch.arange(720).reshape(SHAPE) // 10
    compact = Fixed(SupervoxelAttribution(partition, values[:, 0].reshape(4, 72, 10).sum(2)))
    case = evaluation(toy_network(), random_image(), compact)
    assert Sensitivity().evaluate(case)["sensitivity"].tolist() == [0, 0, 0, 0]


def test_gradient_of_a_linear_network_never_changes() -> None:
    network = LinearNetwork([0.5, -1.0, 2.0, 1.0], [0.3, 1.3, -0.4, 0.0])
    case = evaluation(network, random_image(3), VanillaGradient())
    found = Sensitivity().evaluate(case)
    assert found["sensitivity"][~case.absent].tolist() == [0] * int((~case.absent).sum())
    assert bool(found["sensitivity"][case.absent].isnan().all())
    assert float(found["sensitivity_dice"][~case.absent].min()) < 1


def test_method_that_shows_the_noise_has_a_known_sensitivity() -> None:
    """x = 1 + one voxel of 2, e = x - 1: 0 apart from the 2 (ē = 1 there) and noise elsewhere."""
    image = torch.ones(1, *SHAPE, dtype=torch.float64)
    image[0, 0, 0, 0] = 2
    case = evaluation(toy_network(), image, OfImage(lambda x: x - 1))
    metric = Sensitivity(n_samples=1, radius=0.25)
    noise = metric.noisy(case, 0) - image
    peak = 1 + noise[0, 0, 0, 0]
    rest = noise.flatten()[1:] / peak
    assert float(metric.evaluate(case)["sensitivity"].nanmean()) == pytest.approx(float(rest.norm()), rel=1e-9)


def test_each_attribution_has_its_own_maximum() -> None:
    e, other = torch.tensor([1.0, -4.0, 2.0]), torch.tensor([3.0, 0.0, -5.0])
    expected = np.linalg.norm([0.25 - 0.6, -1 - 0, 0.5 + 1]) / np.linalg.norm([0.25, -1, 0.5])
    assert float(relative_change(e, other)) == pytest.approx(expected, rel=1e-6)
    assert float(relative_change(10 * e, 0.1 * other)) == pytest.approx(expected, rel=1e-6)
    assert float(relative_change(e, 7 * e)) == pytest.approx(0, abs=1e-6)


def test_noise_is_the_same_for_all_methods_and_differs_between_samples() -> None:
    one = evaluation(toy_network(), random_image(), VanillaGradient(), classes=(3,))
    two = evaluation(toy_network(which=2), random_image())
    other_seed = evaluation(toy_network(), random_image(), seed=1)
    for noise in ("uniform", "gaussian"):
        metric = Sensitivity(noise=noise)
        assert torch.equal(metric.noisy(one, 0), metric.noisy(two, 0))
        assert not torch.equal(metric.noisy(one, 0), metric.noisy(one, 1))
        assert not torch.equal(metric.noisy(one, 0), metric.noisy(other_seed, 0))


def test_noise_has_the_radius_asked_for() -> None:
    case = evaluation(toy_network(), random_image())
    uniform = Sensitivity(radius=0.2).noisy(case, 0) - case.image
    assert 0.19 < float(uniform.max()) <= 0.2
    assert -0.2 <= float(uniform.min()) < -0.19
    assert float(uniform.std()) == pytest.approx(0.4 / 12**0.5, rel=0.05)
    gaussian = Sensitivity(noise="gaussian", radius=0.2).noisy(case, 0) - case.image
    assert float(gaussian.std()) == pytest.approx(0.2, rel=0.1)
    assert float(gaussian.abs().max()) > 0.4
    assert torch.equal(Sensitivity(radius=0).noisy(case, 0), case.image)


# Dice beside it


def test_dice_is_that_of_the_noisy_predictions() -> None:
    case = evaluation(toy_network(), random_image(), classes=(3, 1))
    metric = Sensitivity(n_samples=2, radius=0.5)
    expected = []
    for c in (3, 1):
        dices = []
        for i in range(2):
            a, b = (x == c for x in (case.prediction.label_map, case.model.predict(metric.noisy(case, i)).label_map))
            dices.append(2 * float((a & b).sum()) / float(a.sum() + b.sum()))
        expected.append(np.mean(dices))
    found = metric.evaluate(case)["sensitivity_dice"].tolist()
    assert found == pytest.approx(expected, abs=1e-12)
    assert 0 < min(found) < max(found) < 1


def test_noisy_predictions_are_shared_between_methods(tmp_path: Path) -> None:
    first, second = (
        evaluation(toy_network(), random_image(), m, cache=tmp_path) for m in (InputXGradient(), VanillaGradient())
    )
    windows = len(first.model.plan(first.image).windows)
    counts, dices = [], []
    for case, metric in ((first, Sensitivity()), (second, Sensitivity()), (second, Sensitivity(radius=0.01))):
        before = case.model.passes.window_forwards
        dices.append(metric.evaluate(case)["sensitivity_dice"])
        counts.append((case.model.passes.window_forwards - before) // windows)
    assert counts == [6, 3, 6]
    assert torch.equal(dices[0], dices[1])
    assert not torch.equal(dices[0], dices[2])


# Undefined, and not allowed


def test_absent_classes_and_zero_attributions_are_nan(caplog: pytest.LogCaptureFixture) -> None:
    network = toy_network()
    network.last.bias.data[2] = -1e3
    values = torch.randn(4, 1, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values[1] = 0
    with caplog.at_level(logging.INFO):
        found = Sensitivity(n_samples=1).evaluate(evaluation(network, random_image(), Fixed(values)))
    assert found["sensitivity"].isnan().tolist() == [False, True, True, False]
    assert found["sensitivity_dice"].isnan().tolist() == [False, False, True, False]
    assert "no sensitivity for label 2: the class is absent" in caplog.text
    assert "no sensitivity for label 1: its attribution is zero" in caplog.text


def test_attribution_that_vanishes_under_noise_is_nan(caplog: pytest.LogCaptureFixture) -> None:
    image = random_image()
    method = OfImage(lambda x: x * float(torch.equal(x, image)))
    with caplog.at_level(logging.INFO):
        found = Sensitivity(n_samples=1).evaluate(evaluation(toy_network(), image, method))["sensitivity"]
    assert bool(found.isnan().all())
    assert "at a noisy image is zero" in caplog.text


@pytest.mark.parametrize("settings", [{"n_samples": 0}, {"noise": "salt"}, {"radius": -0.1}])
def test_values_that_are_not_allowed(settings) -> None:
    with pytest.raises(SettingError):
        Sensitivity(**settings)
