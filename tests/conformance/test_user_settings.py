"""A user's own parts, each with an argument and with a tensor: what changes in one is never taken for the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from agg2exp.attribution import Attributor, KernelShap, VanillaGradient
from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.description import described
from agg2exp.domain.provenance import Provenance
from agg2exp.explaining.evaluator import Evaluator
from agg2exp.explaining.explainer import Explainer
from agg2exp.explaining.hooks import Hooks
from agg2exp.inference import SlidingWindow
from agg2exp.metrics import Faithfulness
from agg2exp.models.checkpoint import fingerprint
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.preprocessing.preprocessing import Preprocessing
from agg2exp.scores import Score, SumScore
from agg2exp.store.array_cache import ArrayCache
from agg2exp.supervoxels import Supervoxels
from tests.helpers.explanations import scheme, small_case
from tests.helpers.networks import ToyNetwork

CASE = small_case()


class OwnScore(Score):
    name = "own"

    def __init__(self, factor: float = 1.0, prior: Tensor | None = None) -> None:
        self.factor = factor
        self.prior = prior

    def weights(self, layer: Any) -> Tensor:
        return torch.full_like(layer.top_logit, self.factor)


class OwnHooks(Hooks):
    def __init__(self, factor: float = 1.0, prior: Tensor | None = None) -> None:
        super().__init__()
        self.factor = factor
        self.prior = prior

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.factor * x)


class OwnMethod(Attributor):
    name = "own"

    def __init__(self, factor: float = 1.0, prior: Tensor | None = None) -> None:
        self.factor = factor
        self.prior = prior

    def compute(self, model: Any, image: Tensor, scores: Any, rng: Any) -> DenseAttribution:
        return DenseAttribution(self.factor * model.gradient(image[None], scores))

    def evaluations(self) -> int:
        return 1


class OwnSupervoxels(Supervoxels):
    name = "own"

    def __init__(self, factor: float = 1.0, prior: Tensor | None = None) -> None:
        self.factor = factor
        self.prior = prior

    def __call__(self, image: Tensor, masks: Any) -> Tensor:
        planes = torch.arange(image.shape[1]) * 3 // image.shape[1]
        return planes[:, None, None].expand(image.shape[1:]).clone()


class OwnPreprocessing(Preprocessing):
    def __init__(self, factor: float = 1.0, prior: Tensor | None = None) -> None:
        super().__init__()
        object.__setattr__(self, "factor", factor)
        object.__setattr__(self, "prior", prior)


def evaluator(part: str, cache: Path | None = None, **arguments: Any) -> Evaluator:
    own = {"score": OwnScore, "hooks": OwnHooks, "method": OwnMethod, "supervoxels": OwnSupervoxels,
           "preprocessing": OwnPreprocessing}[part](**arguments)  # fmt: skip
    preprocessing = own if part == "preprocessing" else Preprocessing()
    model = SegmentationModel(ToyNetwork(), scheme(), preprocessing, SlidingWindow((9, 8, 7)))
    method = {"method": own, "supervoxels": KernelShap(own, n_samples=6) if part == "supervoxels" else None}.get(part)
    explainer = Explainer(
        model, method or VanillaGradient(), own if part == "score" else SumScore(),
        hooks=own if part == "hooks" else None,
    )  # fmt: skip
    return Evaluator(explainer, {"faithfulness": Faithfulness(4, None, 0.1)}, ArrayCache(cache))


def large(at: int | None = None) -> Tensor:
    volume = torch.zeros(5000)
    if at is not None:
        volume[at] = 1
    return volume


CHANGES = {"an argument": ({"factor": 1.0}, {"factor": 2.0}), "a tensor": ({"prior": large()}, {"prior": large(2500)})}
PARTS = ["score", "hooks", "method", "supervoxels", "preprocessing"]


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("part", PARTS)
def test_a_changed_part_is_another_provenance(part: str, change: str) -> None:
    first, again, other = (
        Provenance(evaluator(part, **arguments).settings())
        for arguments in (*CHANGES[change][:1] * 2, CHANGES[change][1])
    )
    assert first.digest() == again.digest() != other.digest()
    assert not first.differences(again)
    assert first.differences(other)  # no resume


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("part", [part for part in PARTS if part not in ("method", "supervoxels")])
def test_a_changed_part_hits_no_cache(part: str, change: str, tmp_path: Path) -> None:
    for kept, arguments in zip((1, 1, 2), (*CHANGES[change][:1] * 2, CHANGES[change][1]), strict=True):
        evaluator(part, tmp_path, **arguments).explain(CASE)
        assert len(list(tmp_path.rglob("*.safetensors"))) == kept


class Loose(Hooks):
    """Steps that keep what they were given without naming it, and that count."""

    def __init__(self, **arguments: float) -> None:
        super().__init__()
        self.factor = arguments.get("factor", 1.0)
        self.calls, self.seen = 0, list[int]()

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.seen.append(len(x))
        self.last = x
        return super().forward(self.factor * x)


def loose(factor: float) -> Explainer:
    model = SegmentationModel(ToyNetwork(), scheme(), Preprocessing(), SlidingWindow((9, 8, 7)))
    return Explainer(model, VanillaGradient(), hooks=Loose(factor=factor))


def test_every_attribute_of_steps_counts_but_what_changes_while_they_run() -> None:
    explainer = loose(2.0)
    settings = [explainer.explain(CASE).settings for _ in range(3)]
    assert explainer.hooks.calls > 2  # type: ignore[operator]
    assert settings[0] == settings[1] == settings[2] == loose(2.0).explain(CASE).settings
    assert settings[0] != loose(3.0).explain(CASE).settings
    explainer.hooks.factor = 3.0
    assert settings[0] != explainer.explain(CASE).settings


def test_a_network_that_was_changed_after_it_was_loaded_has_other_weights() -> None:
    network = ToyNetwork()
    told = {"weights": fingerprint(network.state_dict())}
    model = SegmentationModel(network, scheme(), Preprocessing(), SlidingWindow((9, 8, 7)), provenance=told)
    explainer = Explainer(model, VanillaGradient())
    before = explainer.hooks.settings()
    assert before["weights"] == told["weights"]
    with torch.no_grad():
        network.first.weight.mul_(2)
    assert explainer.hooks.settings()["weights"] != before["weights"]


def test_a_network_that_steps_put_in_place_of_the_models_counts() -> None:
    explainers = [loose(1.0) for _ in range(3)]
    for explainer, seed in zip(explainers, (1, 1, 2), strict=True):
        explainer.hooks.network = ToyNetwork(seed=seed)
    first, again, other = (explainer.hooks.settings() for explainer in explainers)
    assert loose(1.0).hooks.settings() != first == again != other


def test_what_cannot_be_described_is_refused_before_anything_is_computed() -> None:
    asked = evaluator("score", prior=object())
    asked.explainer.model.network.register_forward_hook(lambda *_: pytest.fail("computed"))
    with pytest.raises(ValueError, match="An address in memory says nothing"):
        asked.explain(CASE)
    assert described(OwnScore())["factor"] == "1.0"
