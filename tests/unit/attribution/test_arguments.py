"""Arguments of the Python call: what is right means the same for all methods, what is wrong is named."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from agg2exp.attribution import (
    Attributor,
    CaptumMethod,
    InputXGradient,
    IntegratedGradients,
    KernelShap,
    SmoothGrad,
    VanillaGradient,
)
from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.scores import MeanScore, SumScore
from tests.conformance.methods import dense
from tests.helpers.explanations import module_of, scheme
from tests.helpers.networks import ToyNetwork

NAMES = ["background", "lung", "heart", "aorta"]
MASK = (torch.arange(8) // 4)[:, None, None].expand(8, 8, 8).contiguous()
METHODS: list[Attributor] = [
    VanillaGradient(),
    SmoothGrad(n_samples=2),
    IntegratedGradients(n_steps=2),
    InputXGradient(),
    KernelShap(n_samples=8),
    CaptumMethod("Saliency"),
    CaptumMethod("FeatureAblation"),
]


def image() -> Tensor:
    return torch.rand(1, 8, 8, 8, generator=torch.Generator().manual_seed(0))


def explained(method: Attributor, target: Any, network: nn.Module | None = None, **more: Any) -> Tensor:
    if getattr(method, "uses_supervoxels", False):
        more.setdefault("feature_mask", MASK)
    attribution = method.attribute(network or ToyNetwork(seed=5), image(), target, head="softmax", **more)
    return dense(attribution)


def name_of(method: Attributor) -> str:
    return getattr(method, "method", method.name)


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_a_class_may_be_named_in_every_sensible_way(method: Attributor) -> None:
    alone, both = explained(method, 1), explained(method, [1, 3])
    assert alone.isfinite().all() and alone.any()
    for target in (np.int64(1), torch.tensor(1), np.uint8(1), torch.tensor([1], dtype=torch.int16)):
        assert torch.equal(explained(method, target), alone)
    for target in ((1, 3), range(1, 4, 2), torch.tensor([1, 3]), np.array([1, 3]), [np.int32(1), torch.tensor(3)]):
        assert torch.equal(explained(method, target), both)
    assert torch.equal(explained(method, "lung", classes=NAMES), alone)
    assert torch.equal(explained(method, ["lung", 3], classes=NAMES), both)


WRONG: list[tuple[Any, str]] = [
    (4, "label indices 0 to 3, got 4"),
    (99, "label indices 0 to 3, got 99"),
    (-1, "label indices 0 to 3, got -1"),
    ([1, -2], "label indices 0 to 3"),
    (torch.tensor([1, 7]), "label indices 0 to 3"),
    ("lung", "The names are not known: give them by classes="),
    (["lung"], "The names are not known"),
    ([], "without repeats, got []"),
    (range(0), "without repeats"),
    ([1, 2, 1], "without repeats, got [1, 2, 1]"),
    (True, "a label index, a class name"),
    ([True], "a label index, a class name"),
    (torch.tensor(True), "a label index, a class name"),
    (1.0, "a label index, a class name"),
    (np.float32(2), "a label index, a class name"),
    (torch.tensor([1.0]), "a label index, a class name"),
    (torch.tensor([[1, 2]]), "a label index, a class name"),
    ({1, 2}, "a label index, a class name"),
    ({1: "lung"}, "a label index, a class name"),
    (float("nan"), "a label index, a class name"),
    ([None], "a label index, a class name"),
]


@pytest.mark.parametrize(("target", "said"), WRONG, ids=[repr(target) for target, _ in WRONG])
def test_a_class_that_there_is_not_is_refused(target: Any, said: str) -> None:
    for method in (VanillaGradient(), CaptumMethod("Saliency")):
        with pytest.raises(SettingError, match=r"^target: expected ") as caught:
            explained(method, target)
        assert said in str(caught.value)


def test_names_are_those_of_the_label_scheme_where_there_is_one() -> None:
    network = ToyNetwork(seed=5)
    module = module_of(network, VanillaGradient(), SumScore(), SlidingWindow((8, 8, 8)), scheme())
    expected = explained(VanillaGradient(), 2, network)
    assert torch.equal(explained(VanillaGradient(), "heart", module), expected)
    assert torch.equal(explained(VanillaGradient(), "heart", network, classes=scheme()), expected)
    with pytest.raises(SettingError, match=re.escape("target: expected classes among ['background', 'lung', 'heart'")):
        explained(VanillaGradient(), "liver", module)
    for names in (NAMES[:3], ["a", "a", "b", "c"], "abcd", [1, 2, 3, 4]):
        with pytest.raises(SettingError, match=r"^classes: expected "):
            explained(VanillaGradient(), 1, classes=names)


@pytest.mark.parametrize("method", METHODS, ids=name_of)
def test_a_class_that_is_not_predicted_is_unknown(method: Attributor, caplog: pytest.LogCaptureFixture) -> None:
    network = ToyNetwork(seed=5)
    network.last.bias.data[2] = -1e3
    more = {"feature_mask": MASK} if getattr(method, "uses_supervoxels", False) else {}
    attribution = method.attribute(network, image(), [1, 2], head="softmax", **more)
    assert attribution.dense(0).isfinite().all() and attribution.dense(1).isnan().all()
    assert attribution.subset_sum(torch.tensor([0, 5])).isnan().tolist() == [False, True]
    voxels = attribution.notes["predicted_voxels"].tolist()
    assert voxels[0] > 0 and voxels[1] == 0
    assert "label 2 is nowhere predicted: its attribution is NaN" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "setting"),
    [
        ({"score": "mean"}, "score"),
        ({"score": MeanScore}, "score"),
        ({"seed": 1.5}, "seed"),
        ({"seed": True}, "seed"),
        ({"seed": "0"}, "seed"),
        ({"n_steps": 0}, "n_steps"),
        ({"n_steps": 2.0}, "n_steps"),
        ({"n_steps": True}, "n_steps"),
        ({"n_samples": 3}, "n_samples"),
        ({"baselines": True}, "baselines"),
        ({"baselines": "zeros"}, "baselines"),
        ({"baselines": float("nan")}, "value"),
        ({"baselines": torch.full((1, 8, 8, 8), torch.nan)}, "baselines"),
        ({"baselines": torch.zeros(1, 8, 8, 7)}, "baselines"),
        ({"perturbations_per_eval": 0}, "perturbations_per_eval"),
        ({"perturbations_per_eval": 2.0}, "perturbations_per_eval"),
        ({"head": "tanh"}, "head"),
    ],
    ids=repr,
)
def test_other_arguments_that_are_not_allowed(wrong: dict[str, Any], setting: str) -> None:
    with pytest.raises(SettingError, match=rf"^{setting}: expected "):
        IntegratedGradients(n_steps=2).attribute(ToyNetwork(), image(), 1, **{"head": "softmax", **wrong})


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("n_step", "Did you mean 'n_steps'?"),
        ("Target", "Did you mean 'target'?"),
        ("xyz", "It has: model, inputs, target"),
    ],
)
def test_an_argument_that_there_is_not_is_named(name: str, hint: str) -> None:
    for method in (IntegratedGradients(), CaptumMethod("Saliency")):
        with pytest.raises(TypeError, match=rf"unexpected keyword argument '{name}'\. {re.escape(hint)}"):
            method.attribute(ToyNetwork(), image(), 1, **{name: 3})


def test_the_head_is_that_of_the_model_of_the_labels_or_of_the_call() -> None:
    network, regions = ToyNetwork(seed=5, classes=2), Labels(("whole", "core"), "sigmoid")
    expected = dense(VanillaGradient().attribute(network, image(), head="sigmoid"))
    owner = nn.Sequential(network)
    owner.labels = regions
    for model, words in (
        (network, {"classes": regions}),
        (owner, {}),
        (WindowedModel(network, SlidingWindow((8, 8, 8)), head="sigmoid"), {}),
        (WindowedModel(network, SlidingWindow((8, 8, 8))), {"head": "sigmoid"}),
    ):
        assert torch.equal(dense(VanillaGradient().attribute(model, image(), **words)), expected)
    exclusive = dense(VanillaGradient().attribute(owner, image(), head="softmax"))
    assert torch.equal(exclusive, dense(VanillaGradient().attribute(network, image(), head="softmax")))
    assert not torch.equal(exclusive, expected)


@pytest.mark.parametrize(
    "mask",
    [MASK.numpy(), MASK.float(), MASK[:4], torch.zeros(0, 8, 8, dtype=torch.int64), [[0]]],
    ids=["numpy", "float", "small", "empty", "list"],
)
def test_feature_masks_that_are_not_allowed(mask: Any) -> None:
    with pytest.raises(SettingError, match=r"^feature_mask: expected "):
        explained(KernelShap(n_samples=8), 1, feature_mask=mask)


@pytest.mark.parametrize(
    "inputs",
    [image().numpy(), image()[0], image().long(), image() * torch.nan, torch.zeros(2, 1, 8, 8, 8), image()[:, :0]],
    ids=["numpy", "three axes", "integers", "NaN", "two images", "no voxels"],
)
def test_images_that_are_not_allowed(inputs: Any) -> None:
    with pytest.raises(SettingError, match=r"^inputs: expected an image"):
        VanillaGradient().attribute(ToyNetwork(), inputs, 1)
    with pytest.raises(SettingError, match=r"^model: expected a torch.nn.Module"):
        VanillaGradient().attribute(lambda x: x, image(), 1)  # type: ignore[arg-type]  # what is tried


def test_numbers_of_numpy_and_tensors_are_numbers() -> None:
    method, expected = IntegratedGradients(n_steps=2), explained(IntegratedGradients(n_steps=3, baselines=0.5), 1)
    more = {"n_steps": np.int64(3), "baselines": np.float32(0.5), "seed": torch.tensor(4)}
    assert torch.equal(explained(method, 1, **more, perturbations_per_eval=np.int64(2)), expected)
    volume = torch.full((1, 1, 8, 8, 8), 0.5)
    assert torch.equal(explained(method, 1, n_steps=3, baselines=volume), expected)
    shap = KernelShap(n_samples=8)
    assert torch.equal(explained(shap, 1, feature_mask=MASK[None, None]), explained(shap, 1))


def test_a_wrong_class_is_told_before_the_volume_is_evaluated() -> None:
    calls: list[int] = []

    class Counting(ToyNetwork):
        def forward(self, x: Tensor) -> Tensor:
            calls.append(len(x))
            return super().forward(x)

    volume = torch.rand(1, 8, 8, 80)
    with pytest.raises(SettingError, match="target"):
        VanillaGradient().attribute(WindowedModel(Counting(), SlidingWindow((8, 8, 8))), volume, 4)
    assert sum(calls) == 4
