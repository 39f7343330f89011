"""Nothing that was made with other code or arguments of the user is taken from the cache."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from agg2exp.attribution import Attributor, KernelShap, VanillaGradient
from agg2exp.baselines import Baseline
from agg2exp.domain.description import text
from agg2exp.explaining.cache_keys import prediction_key, score_key
from agg2exp.explaining.memory_fallback import MemoryFallback
from agg2exp.inference import SlidingWindow
from agg2exp.metrics import Faithfulness
from agg2exp.run.module import ExplanationModule
from agg2exp.scores import Score, SumScore
from agg2exp.supervoxels import Supervoxels
from tests.helpers.explanations import module_of, scheme, small_case
from tests.helpers.networks import ToyNetwork

CASE = small_case()
WINDOW = SlidingWindow((6, 6, 6))


class Weighted(Score):
    name = "sum"  # as the shipped one

    def __init__(self, factor: float = 1.0, prior: Tensor | None = None) -> None:
        self._factor = factor
        self.prior = prior

    def weights(self, prediction: Any) -> Tensor:
        return torch.full_like(prediction.top_logit, self._factor)


class Slabs(Supervoxels):
    """No dataclass, as people write them."""

    name = "slabs"

    def __init__(self, parts: int = 3) -> None:
        self.parts = parts

    def __call__(self, image: Tensor, labels: Tensor) -> Tensor:
        planes = torch.arange(labels.shape[0]) * self.parts // labels.shape[0]
        return planes[:, None, None].expand(labels.shape).clone()


class Prior(Baseline):
    def __init__(self, volume: Tensor) -> None:
        self.volume = volume

    def __call__(self, image: Tensor, rng: Any) -> Tensor:
        return self.volume.mean().expand_as(image)


class Contrast(ExplanationModule):
    def __init__(self, *arguments: Any, contrast: float = 1.0, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._contrast = contrast

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self._contrast * x)


class Other(ToyNetwork):
    """The same weights, another function."""

    def forward(self, x: Tensor) -> Tensor:
        return self.last(torch.relu(self.norm(self.first(x))))


class Own(Faithfulness):
    """Another way to compute what the shipped one keeps."""


def large(at: int | None = None) -> Tensor:
    volume = torch.zeros(5000)
    if at is not None:
        volume[at] = 1
    return volume


def module(
    network: nn.Module | None = None, score: Score | None = None, method: Attributor | None = None,
    cls: type = Contrast, baseline: Baseline | float = 0.0, metric: type[Faithfulness] = Faithfulness, **named: Any,
) -> ExplanationModule:  # fmt: skip
    made: ExplanationModule = module_of(
        network or ToyNetwork(), method or VanillaGradient(), score or SumScore(), WINDOW, scheme(),
        metrics={"faithfulness": metric(4, None, 0.1, baseline=baseline)}, cls=cls, **named,
    )  # fmt: skip
    return made


def known(**parts: Any) -> dict[str, str]:
    return module(**parts).evaluator.settings()


def pairs() -> Iterator[Any]:
    for name, one, other in (
        ("an argument of a score", {"score": Weighted(1.0)}, {"score": Weighted(2.0)}),
        ("a large tensor of a score", {"score": Weighted(prior=large())}, {"score": Weighted(prior=large(2500))}),
        ("a score of the same name", {"score": SumScore()}, {"score": Weighted()}),
        ("an argument of a module", {"contrast": 1.0}, {"contrast": 2.0}),
        ("a subclass of the module", {"cls": ExplanationModule}, {"cls": Contrast}),
        ("weights of a network", {"network": ToyNetwork()}, {"network": ToyNetwork(seed=1)}),
        ("code of a network", {"network": ToyNetwork()}, {"network": Other()}),
        (
            "code, weights recorded",
            {"provenance": {"weights": "w"}},
            {"network": Other(), "provenance": {"weights": "w"}},
        ),
        ("a tensor of a baseline", {"baseline": Prior(large())}, {"baseline": Prior(large(2500))}),
        ("a subclass of a metric", {"metric": Faithfulness}, {"metric": Own}),
    ):
        yield pytest.param(one, other, id=name)


@pytest.mark.parametrize(("one", "other"), list(pairs()))
def test_what_the_users_own_parts_change_is_computed_again(one: dict, other: dict, tmp_path: Path) -> None:
    for again in (one, one):
        module(**again, cache=tmp_path).explain(CASE)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    module(**other, cache=tmp_path).explain(CASE)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    assert known(**one) == known(**one) != known(**other)


def test_supervoxels_that_are_no_dataclass_say_their_settings_so_that_a_run_goes_on() -> None:
    first, same, other = (module(method=KernelShap(Slabs(n), n_samples=6)).settings() for n in (3, 3, 4))
    assert first == same != other
    assert "parts=3" in first["attribution: supervoxels"]
    assert "0x" not in text(Slabs(3))


class Counting(Contrast):
    def __init__(self, *parts, **arguments):
        super().__init__(*parts, **arguments)
        self.cases = 0

    def explain(self, *arguments):
        self.cases += 1
        return super().explain(*arguments)


class Forgetful(ExplanationModule):
    def __init__(self, *parts, power: float = 1.0, **arguments):
        super().__init__(*parts, **arguments)
        self.doubled = 2 * power


def test_what_a_module_counts_while_it_runs_is_no_setting() -> None:
    counting = module(cls=Counting, contrast=1.0)
    before = counting.settings()
    counting.explain(CASE)
    assert counting.cases == 1
    assert counting.settings() == before != module(cls=Counting, contrast=2.0).settings()


def test_what_is_made_from_an_argument_is_a_setting_where_the_argument_is_not_kept() -> None:
    assert module(cls=Forgetful, power=1.0).settings() != module(cls=Forgetful, power=2.0).settings()


def test_a_prediction_is_kept_whatever_score_explains_it(tmp_path: Path) -> None:
    one, other = (
        score_key(module(score=score).settings(), CASE, MemoryFallback()) for score in (SumScore(), Weighted(2.0))
    )
    assert one != other
    assert prediction_key(one) == prediction_key(other)
