"""A case that does not fit into memory is computed in smaller portions, with the same result."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from agg2exp.attribution import SmoothGrad
from agg2exp.domain.case import Failure
from agg2exp.domain.explanation import Explanation
from agg2exp.explaining.memory_fallback import MemoryFallback, accumulator_device, is_out_of_memory, memory_fallbacks
from agg2exp.inference import SlidingWindow
from agg2exp.run.module import ExplanationModule
from agg2exp.scores import SumScore
from tests.helpers.explanations import module_of, scheme, small_case
from tests.helpers.networks import ToyNetwork


class Scarce(ToyNetwork):
    """Runs out of memory when more than `most` windows come at a time."""

    most = 99

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")
        return super().forward(x)


class Module(ExplanationModule):
    """Runs out of memory when more than `most_classes` classes are attributed at a time."""

    most_classes = 99

    def attribute(self, model, case, scores):
        if len(scores.classes) > self.most_classes:
            raise RuntimeError(
                "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
            )
        return super().attribute(model, case, scores)


def explained(most_classes: int = 99, most: int = 99) -> Explanation | Failure:
    module = module_of(Scarce(), SmoothGrad(2), SumScore(), SlidingWindow((8, 8, 8), batch=3), scheme(), cls=Module)
    module.most_classes, module.network.most = most_classes, most
    return module.predict_step(small_case("a"), 0)


@pytest.mark.parametrize(
    ("most_classes", "most", "memory_fallback"),
    [(99, 99, ""), (3, 99, "1 classes at a time"), (99, 2, "1 classes at a time, 1 windows at a time")],
)
def test_smaller_portions_give_the_same_attribution(most_classes: int, most: int, memory_fallback: str) -> None:
    whole, portions = explained(), explained(most_classes, most)
    assert isinstance(whole, Explanation)
    assert isinstance(portions, Explanation)
    assert portions.memory_fallback == memory_fallback
    for k in range(4):
        assert torch.allclose(portions.attribution.dense(k), whole.attribution.dense(k), rtol=1e-4, atol=1e-6)
    scarce = {"module: most_classes", "weights"}  # how much memory the test allows, in module and network
    assert {k: v for k, v in portions.settings.items() if k not in scarce} == {
        k: v for k, v in whole.settings.items() if k not in scarce
    }


def test_what_does_not_fit_at_all_is_a_failure() -> None:
    failure = explained(most_classes=0)
    assert isinstance(failure, Failure)
    assert "can't allocate memory" in failure.error


def test_what_is_tried_one_after_another() -> None:
    assert memory_fallbacks(17, 2) == [MemoryFallback(), MemoryFallback(5), MemoryFallback(1), MemoryFallback(1, 1)]
    assert memory_fallbacks(2, 1) == [MemoryFallback(), MemoryFallback(1)]
    assert memory_fallbacks(1, 4) == [MemoryFallback(), MemoryFallback(None, 1)]
    assert memory_fallbacks(1, 1) == [MemoryFallback()]


def test_only_memory_counts_as_memory() -> None:
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not match"))


GIB = 2**30
GPU, CPU = torch.device("cuda", 1), torch.device("cpu")


@pytest.mark.parametrize(
    ("free", "device", "place"),
    [
        (20, GPU, GPU),  # ten maps of 1 GiB are just half of it
        (19.9, GPU, CPU),
        (1, CPU, CPU),  # a GPU that the case is not on does not count
    ],
)
def test_where_the_maps_of_classes_go(
    monkeypatch: pytest.MonkeyPatch, free: float, device: torch.device, place: torch.device
) -> None:
    def mem_get_info(asked: torch.device) -> tuple[int, int]:
        assert asked == GPU
        return int(free * GIB), 80 * GIB

    monkeypatch.setattr(torch.cuda, "mem_get_info", mem_get_info)
    assert accumulator_device(10, GIB, device) == place


def test_a_case_takes_as_many_classes_at_a_time_as_it_is_told() -> None:
    case = small_case("a")
    seen: list[tuple[int, ...]] = []

    class Watching(ExplanationModule):
        def attribute(self, model, case, scores):
            seen.append(scores.classes)
            return super().attribute(model, case, scores)

    module = module_of(ToyNetwork(), SmoothGrad(2), SumScore(), SlidingWindow((8, 8, 8)), scheme(), cls=Watching)
    whole = module.explain(case)
    module.explainer.class_chunk = 3
    portions = module.explain(case)
    assert seen == [(0, 1, 2, 3), (0, 1, 2), (3,)]
    assert portions.attribution.values.device == portions.prediction.label_map.device
    torch.testing.assert_close(portions.attribution.values, whole.attribution.values, rtol=1e-5, atol=1e-6)
    scarce = {"module: most_classes", "weights"}  # how much memory the test allows, in module and network
    assert {k: v for k, v in portions.settings.items() if k not in scarce} == {
        k: v for k, v in whole.settings.items() if k not in scarce
    }
