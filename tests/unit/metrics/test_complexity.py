"""Complexity: known answers, Quantus, invariance, and what is not defined."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from agg2exp.domain.attribution import SupervoxelAttribution
from agg2exp.domain.errors import SettingError
from agg2exp.metrics import Complexity
from agg2exp.metrics.complexity import complexity
from tests.unit.metrics.toy import SHAPE, Fixed, evaluation, random_image, toy_network

P = 9 * 8 * 10


def test_known_answers() -> None:
    values = torch.zeros(4, 1, *SHAPE, dtype=torch.float64)
    values[0, 0, 3, 2, 1] = -7  # one voxel
    values[1] = 0.3  # all alike
    values[2].flatten()[:16] = torch.arange(1, 17) / 16  # 1/16 and 2/16 are not above the threshold
    values[3].flatten()[:4] = torch.tensor([-8.0, 1.0, 1.1, -1.1])
    found = Complexity(0.125).evaluate(evaluation(toy_network(), random_image(), Fixed(values)))["complexity"]
    assert (found * P).tolist() == pytest.approx([1, P, 14, 3], abs=1e-9)
    assert found[0] == 1 / P


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("threshold", [0.0, 0.1, 0.4])
def test_equals_quantus(seed: int, threshold: float) -> None:
    quantus = pytest.importorskip("quantus", reason="compares with Quantus: pip install -e '.[peers]'")
    e = torch.randn(4, 1, *SHAPE, generator=torch.Generator().manual_seed(seed))
    case = evaluation(toy_network(), random_image(dtype=torch.float32), Fixed(e))
    flat = e.reshape(4, 1, -1, SHAPE[2]).numpy()  # Quantus takes no volumes
    theirs = quantus.EffectiveComplexity(
        eps=threshold, abs=True, normalise=True, return_aggregate=False, disable_warnings=True
    )
    model = torch.nn.Flatten().eval()
    counts = []
    for one in flat:  # it would normalise all of a batch by one maximum
        counts += theirs(model, one[None], np.zeros(1, dtype=int), one[None], channel_first=True)
    found = Complexity(threshold).evaluate(case)["complexity"]
    assert (found * P).tolist() == pytest.approx(counts, abs=1e-6)
    expected = [(np.abs(x) / np.abs(x).max() > threshold).mean() for x in flat]
    assert found.tolist() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_sign_scale_and_place_do_not_matter(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    e = torch.randn(2, *SHAPE, generator=generator)
    shuffled = e.flatten()[torch.randperm(e.numel(), generator=generator)]
    value = float(complexity(e, 0.1))
    assert value == float(complexity(-512 * e, 0.1)) == float(complexity(shuffled, 0.1))
    assert value >= float(complexity(e, 0.2)) >= float(complexity(e, 0.9)) > 0


def test_supervoxels_count_their_voxels() -> None:
    partition = (torch.arange(P).reshape(SHAPE) >= 100).long()
    values = torch.tensor([[1.0, 0.0], [0.0, -1.0], [1.0, 1.0], [5.0, 100.0]]).double()
    compact = Fixed(SupervoxelAttribution(partition, values, "value"))
    found = Complexity().evaluate(evaluation(toy_network(), random_image(), compact))["complexity"]
    assert (found * P).tolist() == pytest.approx([100, 620, 720, 620])


def test_undefined_is_nan_and_never_0() -> None:
    network = toy_network()
    network.last.bias.data[3] = -1e3
    values = torch.rand(4, 1, *SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    values[0] = 0
    values[1, 0, 0, 0, 0] = torch.inf
    found = Complexity().evaluate(evaluation(network, random_image(), Fixed(values)))["complexity"]
    assert found.isnan().tolist() == [True, True, False, True]


@pytest.mark.parametrize("threshold", [-0.1, 1.0, "0.1"])
def test_threshold_is_a_share(threshold) -> None:
    with pytest.raises(SettingError):
        Complexity(threshold)
