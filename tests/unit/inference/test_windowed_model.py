"""The window engine against automatic differentiation through MONAI's own sliding window."""

from __future__ import annotations

import itertools
import re

import pytest
import torch
from torch import Tensor, nn

from agg2exp.domain.class_scores import ClassScores
from agg2exp.domain.errors import SettingError
from agg2exp.domain.prediction import Prediction
from agg2exp.inference import NonFiniteLogitsError, SlidingWindow, WindowedModel
from agg2exp.scores import MarginScore, MeanScore, MedianScore, ProbabilityScore, Score, SumScore
from tests.helpers.networks import ToyNetwork
from tests.unit.inference.slow import relative, score_of, stitched_logits

WINDOW = (8, 8, 8)
SHAPES = [
    (6, 7, 5),
    (8, 8, 8),
    (13, 8, 11),
    (6, 9, 17),
]  # smaller than, equal to, not a multiple of the window
SCORES: list[Score] = [SumScore(), MeanScore(), MedianScore(), ProbabilityScore(), MarginScore()]


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("blending", ["constant", "gaussian"])
def test_gradient_scores_and_prediction_equal_autograd_through_monai(
    dtype: torch.dtype, bound: float, shape: tuple[int, int, int], blending: str
) -> None:
    combinations = itertools.product([0.0, 0.25, 0.5], [1, 2], [1, 4])
    for (overlap, channels, batch), score in zip(combinations, itertools.cycle(SCORES), strict=False):
        network = ToyNetwork(channels, seed=channels).to(dtype).eval()
        image = torch.rand(channels, *shape, dtype=dtype, generator=torch.Generator().manual_seed(batch))
        settings = SlidingWindow(WINDOW, overlap, blending, batch)
        model = WindowedModel(network, settings)

        x = image.clone().requires_grad_()
        logits = stitched_logits(network, x, settings)
        expected = Prediction.from_logits(logits.detach())
        prediction = model.predict(image)
        assert torch.equal(prediction.label_map, expected.label_map)
        assert relative(prediction.layers[0].top_logit, expected.layers[0].top_logit) < bound
        assert relative(prediction.layers[0].top_probability, logits.detach().softmax(0).amax(0)) < bound
        assert torch.equal(prediction.layers[0].runner_up, expected.layers[0].runner_up)

        scores = score(prediction, (0, 1, 2, 3))
        gradient = model.gradient(image.unsqueeze(0), scores)
        values = model.scores(image.unsqueeze(0), scores)[0]
        for c in range(4):
            reference = score_of(logits, scores, c)
            assert float(values[c]) == pytest.approx(reference.item(), rel=20 * bound, abs=20 * bound)
            (by_autograd,) = torch.autograd.grad(reference, x, retain_graph=True, allow_unused=True)
            if by_autograd is None or not by_autograd.any():
                assert not gradient[c].any()
            else:
                assert relative(gradient[c], by_autograd) < bound


def test_a_batch_of_images_adds_up_and_accumulates_into_out() -> None:
    network = ToyNetwork()
    images = torch.rand(3, 1, 10, 8, 9)
    model = WindowedModel(network, SlidingWindow(WINDOW, batch=2))
    scores = SumScore()(model.predict(images[0]), (0, 1, 2, 3))
    together = model.gradient(images, scores)
    out = torch.zeros(4, 1, 10, 8, 9)
    for image in images:
        assert model.gradient(image[None], scores, out=out) is out
    assert relative(together, out) < 1e-5
    single = torch.stack([model.scores(image[None], scores)[0] for image in images])
    assert torch.allclose(model.scores(images, scores), single, rtol=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
def test_numbers_of_passes_are_those_needed(batch: int) -> None:
    calls: list[int] = []

    class Counting(ToyNetwork):
        def forward(self, x: Tensor) -> Tensor:
            calls.append(x.shape[0])
            return super().forward(x)

    image = torch.rand(1, 8, 8, 24)
    settings = SlidingWindow(WINDOW, overlap=0.0, batch=batch)
    model = WindowedModel(Counting(), settings)
    labels = torch.zeros(8, 8, 24, dtype=torch.int16)
    labels[..., :8] = 1  # window 0: class 1; window 1: classes 0 and 2; window 2: class 3, not explained
    labels[:2, :, 8:16] = 2
    labels[..., 16:] = 3
    scores = ClassScores.of((0, 1, 2), labels, torch.ones(8, 8, 24))
    model.gradient(image[None], scores)
    assert sum(calls) == model.passes.window_forwards == 2
    assert model.passes.window_backwards == (
        3 if batch == 1 else 6
    )  # a batch of two windows is differentiated as a whole
    calls.clear()
    model.scores(image[None], scores)
    assert sum(calls) == 2
    calls.clear()
    model.predict(image)
    assert sum(calls) == 3


def test_windows_with_the_same_classes_share_a_batch() -> None:
    labels = torch.zeros(8, 8, 32, dtype=torch.int16)
    labels[..., 0:8] = labels[..., 16:24] = 1
    model = WindowedModel(ToyNetwork(), SlidingWindow(WINDOW, overlap=0.0, batch=2))
    model.gradient(torch.rand(1, 1, 8, 8, 32), ClassScores.of((0, 1, 2), labels, torch.ones(8, 8, 32)))
    assert (model.passes.window_forwards, model.passes.window_backwards) == (4, 4)


def test_memory_of_the_graph_does_not_grow_with_the_number_of_windows() -> None:
    class Saved:
        """A tensor kept for the backward pass; its bytes count as long as the graph holds it."""

        alive = peak = 0

        def __init__(self, tensor: Tensor) -> None:
            self.tensor = tensor
            Saved.alive += tensor.nbytes
            Saved.peak = max(Saved.peak, Saved.alive)

        def __del__(self) -> None:
            Saved.alive -= self.tensor.nbytes

    def peak_of_graph(windows: int, *, whole: bool) -> int:
        network, image = ToyNetwork().eval(), torch.rand(1, 8, 8, 8 * windows)
        settings = SlidingWindow(WINDOW, overlap=0.0, batch=1)
        scores = ClassScores.of(
            (0, 1), torch.zeros(8, 8, 8 * windows, dtype=torch.int16), torch.ones(8, 8, 8 * windows)
        )
        Saved.alive = Saved.peak = 0
        with torch.autograd.graph.saved_tensors_hooks(Saved, lambda saved: saved.tensor):
            if whole:
                image.requires_grad_()
                torch.autograd.grad(stitched_logits(network, image, settings)[0].sum(), image)
            else:
                WindowedModel(network, settings).gradient(image[None], scores)
        return Saved.peak

    assert peak_of_graph(12, whole=False) == peak_of_graph(2, whole=False) > 0
    assert peak_of_graph(12, whole=True) > 5 * peak_of_graph(2, whole=False)


def test_the_network_is_left_as_found_also_after_an_exception() -> None:
    network = ToyNetwork()
    network.train()
    network.norm.eval()
    network.first.weight.requires_grad_(False)
    state = [(m.training) for m in network.modules()], [p.requires_grad for p in network.parameters()]
    model = WindowedModel(network, SlidingWindow(WINDOW))
    image = torch.rand(1, 8, 8, 8)
    statistics = network.norm.running_mean.clone()
    model.gradient(image[None], SumScore()(model.predict(image), (0, 1)))
    with pytest.raises(NonFiniteLogitsError, match=r"NaN or infinity for the windows at \[\(0, 0, 0\)\]"):
        model.predict(image * torch.nan)
    assert state == (
        [(m.training) for m in network.modules()],
        [p.requires_grad for p in network.parameters()],
    )
    assert torch.equal(statistics, network.norm.running_mean)


def test_a_network_that_is_no_segmentation_model_is_named() -> None:
    model = WindowedModel(nn.Conv3d(1, 1, 1), SlidingWindow(WINDOW))
    with pytest.raises(ValueError, match="L >= 2 label channels"):
        model.predict(torch.rand(1, 8, 8, 8))
    model = WindowedModel(nn.Conv3d(1, 3, 2, stride=2), SlidingWindow(WINDOW))
    with pytest.raises(ValueError, match=r"it returned \(1, 3, 4, 4, 4\)"):
        model.predict(torch.rand(1, 8, 8, 8))


def test_blending_high_overlap_averages_a_constant_to_itself() -> None:
    class Constant(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([torch.full_like(x, 0.25), torch.full_like(x, 0.75)], dim=1)

    model = WindowedModel(Constant(), SlidingWindow((8, 8, 8), overlap=0.875, batch=8))
    prediction = model.predict(torch.zeros(1, 11, 11, 11))
    assert torch.allclose(prediction.layers[0].top_logit, torch.tensor(0.75), rtol=1e-6)


def test_other_settings_take_effect_at_once() -> None:
    network, image = ToyNetwork(), torch.rand(1, 13, 8, 11)
    model = WindowedModel(network, SlidingWindow(WINDOW))
    scores = SumScore()(model.predict(image), (0, 1, 2, 3))
    model.gradient(image[None], scores)
    for settings in (
        SlidingWindow((6, 8, 8), 0.5, "gaussian"),
        SlidingWindow(WINDOW, 0.75),
        SlidingWindow((13, 8, 11)),
    ):
        model.windows = settings
        fresh = WindowedModel(network, settings)
        assert [str(w) for w in model.plan(image).windows] == [str(w) for w in fresh.plan(image).windows]
        assert torch.equal(model.scores(image[None], scores), fresh.scores(image[None], scores))
        assert torch.equal(model.gradient(image[None], scores), fresh.gradient(image[None], scores))
        assert torch.equal(model.predict(image).layers[0].top_logit, fresh.predict(image).layers[0].top_logit)


def test_a_plan_is_of_one_dtype() -> None:
    image = torch.rand(1, 13, 8, 11)
    network = ToyNetwork()
    model = WindowedModel(network, SlidingWindow(WINDOW, blending="gaussian"))
    model.predict(image)
    double = image.double()
    network.double()
    scores = SumScore()(model.predict(double), (0, 1))
    fresh = WindowedModel(network, model.windows)
    assert scores.layers[0].weights.dtype == model.gradient(double[None], scores).dtype == torch.float64
    assert torch.equal(model.gradient(double[None], scores), fresh.gradient(double[None], scores))
    assert torch.equal(model.predict(double).layers[0].top_logit, fresh.predict(double).layers[0].top_logit)


def test_scores_that_change_in_place_are_taken_as_they_are() -> None:
    network, image = ToyNetwork(), torch.rand(1, 13, 8, 11)
    model = WindowedModel(network, SlidingWindow(WINDOW))
    scores = MarginScore()(model.predict(image), (0, 1, 2, 3))
    model.gradient(image[None], scores)
    assert scores.layers[0].runner_up is not None
    for change in (
        lambda: scores.layers[0].weights.mul_(2),
        lambda: scores.layers[0].label_map[:5].fill_(-1),
        lambda: scores.layers[0].label_map.numpy()[5:7].fill(3),
        lambda: scores.layers[0].runner_up[7:].fill_(1),
    ):
        change()
        fresh = WindowedModel(network, model.windows)
        assert torch.equal(model.scores(image[None], scores), fresh.scores(image[None], scores))
        assert torch.equal(model.gradient(image[None], scores), fresh.gradient(image[None], scores))


@pytest.mark.parametrize("shape", [(13, 8, 12), (8, 8, 8), (13, 11, 8)])
def test_scores_of_another_volume_are_refused(shape: tuple[int, int, int]) -> None:
    image, baseline = torch.rand(1, 13, 8, 11), torch.zeros(1, 13, 8, 11)
    model = WindowedModel(ToyNetwork(), SlidingWindow(WINDOW))
    other = SumScore()(model.predict(torch.rand(1, *shape)), (0, 1))
    model.gradient(torch.rand(1, 1, *shape), other)
    said = rf"those of a volume \({', '.join(map(str, shape))}\)"
    for call in (
        lambda: model.gradient(image[None], other),
        lambda: model.scores(image[None], other),
        lambda: model.coalition_scores(image, baseline, torch.zeros(13, 8, 11).long(), torch.ones(2, 1).bool(), other),
    ):
        with pytest.raises(SettingError, match=r"scores: expected scores of a volume of the image's shape") as caught:
            call()
        assert re.search(said, str(caught.value))
