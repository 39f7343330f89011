"""The captum adapter: captum called directly on a stitched score, known answers, and what it must leave alone."""

# ruff: noqa: NPY002 - captum draws from the global state of NumPy
from __future__ import annotations

import inspect
from typing import Any

import captum.attr
import numpy as np
import pytest
import torch
from monai.inferers import sliding_window_inference
from torch import Tensor, nn

from agg2exp.attribution import CaptumMethod, VanillaGradient
from agg2exp.attribution.captum_class import METHODS, REFUSED
from agg2exp.baselines import Constant
from agg2exp.domain.attribution import DenseAttribution, SupervoxelAttribution
from agg2exp.domain.class_scores import RecomputedScores
from agg2exp.domain.errors import SettingError
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.scores import SumScore
from agg2exp.supervoxels import Cubes, Semantic
from tests.helpers.networks import LinearNetwork, ToyNetwork

RNG = KeyedRng(3, "case", "captum")
WINDOW = (6, 6, 6)
IMAGE = torch.rand(2, 9, 6, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)  # padded along W
CUBES = Cubes(n_components=4)
OCCLUSION = {"sliding_window_shapes": [2, 5, 4, 5], "strides": [1, 4, 2, 1]}
SHAPES = {  # method: what it needs beside its name
    "IntegratedGradients": {"arguments": {"n_steps": 5}},
    "GradientShap": {"arguments": {"n_samples": 3, "stdevs": 0.1}},
    "Occlusion": {"arguments": OCCLUSION},
    "FeatureAblation": {"supervoxels": CUBES},
    "ShapleyValueSampling": {"supervoxels": CUBES, "arguments": {"n_samples": 2}},
    "ShapleyValues": {"supervoxels": Cubes(n_components=3)},
    "KernelShap": {"supervoxels": CUBES, "arguments": {"n_samples": 13}},
    "Lime": {"supervoxels": CUBES, "arguments": {"n_samples": 13}},
    "NoiseTunnel": {"of": "Saliency", "arguments": {"nt_samples": 3, "stdevs": 0.1}},
}


class ReluNetwork(nn.Module):
    """A ToyNetwork with ReLU modules."""

    def __init__(self, inplace: bool = True) -> None:
        super().__init__()
        toy = ToyNetwork(channels=2)
        self.layers = nn.Sequential(toy.first, nn.ReLU(inplace), toy.norm, nn.ReLU(inplace), toy.last).double()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


class Stitched(nn.Module):
    """f̂_c by MONAI's sliding window, differentiated as a whole: images (B, C, D, H, W) -> (B,)."""

    def __init__(self, network: nn.Module, labels: Tensor, c: int) -> None:
        super().__init__()
        self.network, self.mask, self.c = network.eval(), labels == c, c

    def forward(self, images: Tensor) -> Tensor:
        logits = [sliding_window_inference(x[None], WINDOW, 1, self.network, overlap=0.25) for x in images]
        return torch.stack([(stitched[0, self.c] * self.mask).sum() for stitched in logits])


def model_of(network: nn.Module | None = None, batch: int = 2) -> WindowedModel:
    return WindowedModel(network or ReluNetwork(), SlidingWindow(WINDOW, batch=batch))


def method_of(name: str, **settings: Any) -> CaptumMethod:
    return CaptumMethod(name, **{**SHAPES.get(name, {}), **settings})


def dense(attribution: DenseAttribution | SupervoxelAttribution) -> Tensor:
    channels = [attribution.dense(k) for k in range(attribution.n_classes)]
    return torch.stack(channels).expand(len(channels), *IMAGE.shape)


def test_saliency_is_the_vanilla_gradient_and_input_x_gradient_multiplies_it() -> None:
    model = model_of(ToyNetwork(channels=2).double())
    scores = SumScore()(model.predict(IMAGE), (0, 1, 2, 3))
    gradient = VanillaGradient().compute(model, IMAGE, scores, RNG).values
    assert gradient.abs().amax(dim=(1, 2, 3, 4)).count_nonzero() >= 2
    signed = CaptumMethod("Saliency", {"abs": False}).compute(model, IMAGE, scores, RNG)
    assert torch.allclose(dense(signed), gradient, rtol=1e-12, atol=0)
    assert torch.allclose(dense(CaptumMethod("Saliency").compute(model, IMAGE, scores, RNG)), gradient.abs())
    times = CaptumMethod("InputXGradient").compute(model, IMAGE, scores, RNG)
    assert torch.allclose(dense(times), IMAGE * gradient, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", METHODS)
def test_equals_captum_on_the_stitched_score(name: str) -> None:
    method = method_of(name, baselines=0.25)
    model = model_of()
    prediction = model.predict(IMAGE)
    classes = tuple(prediction.label_map.unique().tolist())
    assert len(model.plan(IMAGE).windows) > 1
    assert len(classes) > 1
    np.random.seed(0)
    got = dense(method.compute(model, IMAGE, SumScore()(prediction, classes), RNG))
    cls = getattr(captum.attr, method.of or name)
    arguments: dict[str, Any] = dict(method.arguments)
    parameters = inspect.signature(cls.attribute).parameters
    if "baselines" in parameters:
        arguments["baselines"] = torch.full_like(IMAGE[None], 0.25)
    if "feature_mask" in parameters:
        arguments["feature_mask"] = method.supervoxels(IMAGE, prediction.masks)[None, None]
    if name == "NoiseTunnel":
        arguments["nt_samples_batch_size"] = 2  # the noise is drawn batch by batch
    seed = int(torch.randint(2**31, (), generator=RNG.generator("captum")))
    for k, c in enumerate(classes):
        direct = cls(Stitched(ReluNetwork(), prediction.label_map, c))
        direct = captum.attr.NoiseTunnel(direct) if name == "NoiseTunnel" else direct
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            np.random.seed(seed)
            reference = direct.attribute(IMAGE[None].clone().requires_grad_(), **arguments)[0].detach()
        assert reference.abs().max() > 0
        assert torch.allclose(got[k], reference.to(got), rtol=0, atol=1e-5 * float(reference.abs().max())), name


@pytest.mark.parametrize("name", ["FeatureAblation", "ShapleyValueSampling", "ShapleyValues", "KernelShap"])
def test_supervoxels_of_a_linear_network_get_what_they_add(name: str) -> None:
    """f̂_c adds over voxels: φ_s = Σ_{i in s, ŷ(i) = c} a_c (x(i) - x′(i)), whatever the order or the coalitions."""
    slopes, image = [1.0, -2.0, 3.0], torch.randn(1, 9, 6, 5, generator=torch.Generator().manual_seed(1)) + 0.3
    model = model_of(LinearNetwork(slopes, [0.0, -0.2, -0.9]))
    prediction = model.predict(image)
    scores = SumScore()(prediction, (0, 1, 2))
    assert len(prediction.label_map.unique()) == 3
    for scheme in (Semantic(), Cubes(n_components=3)):
        samples = {"KernelShap": {"n_samples": 40}, "ShapleyValueSampling": {"n_samples": 1}}.get(name, {})
        method = CaptumMethod(name, samples, supervoxels=scheme, baselines=0.5)
        attribution = method.compute(model, image, scores, RNG)
        assert isinstance(attribution, SupervoxelAttribution)
        assert attribution.expansion == "value"
        partition = scheme(image, prediction.masks)
        players = int(partition.max()) + 1
        known = torch.zeros(3, players, dtype=torch.float64)
        for c in range(3):
            for s in range(players):
                own = (prediction.label_map == c) & (partition == s)
                known[c, s] = slopes[c] * (image[0][own].double() - 0.5).sum()
        assert torch.allclose(attribution.values, known, rtol=1e-3, atol=1e-3 * float(known.abs().max()))


def test_occlusion_of_a_linear_network_is_what_the_box_adds() -> None:
    image = torch.rand(1, 8, 8, 8, generator=torch.Generator().manual_seed(2))
    model = model_of(LinearNetwork([1.0, 3.0], [0.0, -1.0]))
    labels = model.predict(image).label_map
    method = CaptumMethod("Occlusion", {"sliding_window_shapes": (1, 4, 4, 4), "strides": (1, 4, 4, 4)})
    e = method.compute(model, image, SumScore()(model.predict(image), (0, 1)), RNG)
    for k, slope in enumerate([1.0, 3.0]):
        added = (slope * image[0] * (labels == k)).reshape(2, 4, 2, 4, 2, 4).sum(dim=(1, 3, 5))
        known = added.repeat_interleave(4, 0).repeat_interleave(4, 1).repeat_interleave(4, 2)
        assert torch.allclose(e.dense(k)[0], known, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["KernelShap", "GradientShap", "NoiseTunnel", "ShapleyValueSampling"])
def test_random_numbers_come_from_the_streams_and_the_global_ones_stay(name: str) -> None:
    model = model_of()
    scores = SumScore()(model.predict(IMAGE), tuple(model.predict(IMAGE).label_map.unique().tolist())[:1])
    method = method_of(name)
    torch.manual_seed(4)
    np.random.seed(4)
    first = dense(method.compute(model, IMAGE, scores, RNG))
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()
    again = dense(method.compute(model, IMAGE, scores, RNG))
    after = torch.get_rng_state(), np.random.get_state()
    assert torch.equal(first, again)
    assert torch.equal(before[0], after[0])
    assert np.array_equal(before[1][1], after[1][1])
    assert before[1][2] == after[1][2]
    for other in (KeyedRng(4, "case", "captum"), KeyedRng(3, "other", "captum")):
        assert not torch.allclose(first, dense(method.compute(model, IMAGE, scores, other)))


@pytest.mark.parametrize("name", ["InputXGradient", "KernelShap", "NoiseTunnel", "GuidedBackprop"])
def test_a_class_alone_gets_what_it_gets_among_others(name: str) -> None:
    model = model_of()
    prediction = model.predict(IMAGE)
    together = method_of(name).compute(model, IMAGE, SumScore()(prediction, (1, 2, 3)), RNG)
    for k, c in enumerate((1, 2, 3)):
        alone = method_of(name).compute(model, IMAGE, SumScore()(prediction, (c,)), RNG)
        assert torch.allclose(alone.dense(0), together.dense(k), rtol=1e-9, atol=1e-12)


def test_an_absent_class_gets_zeros() -> None:
    model = model_of(LinearNetwork([1.0, 1.0, 0.0], [0.0, 1.0, -9.0]).double())
    image = IMAGE[:1]
    scores = SumScore()(model.predict(image), (1, 2))
    for name in set(METHODS) - {"GuidedBackprop", "Deconvolution", "Occlusion"}:
        assert method_of(name).compute(model, image, scores, RNG).dense(1).count_nonzero() == 0, name


@pytest.mark.parametrize("name", ["FeatureAblation", "Saliency", "NoiseTunnel"])
def test_recomputed_masks(name: str) -> None:
    model = model_of()
    prediction = model.predict(IMAGE)
    fixed = SumScore()(prediction, (0, 1, 2, 3))
    scores = RecomputedScores(fixed.classes, fixed.masks, lambda p: SumScore()(p, (0, 1, 2, 3)))
    attribution = method_of(name).compute(model, IMAGE, scores, RNG)
    if name == "FeatureAblation":
        partition = CUBES(IMAGE, fixed.masks)
        without = torch.stack([IMAGE * (partition != s) for s in range(4)])
        known = model.scores(IMAGE[None], scores) - model.scores(without, scores)
        assert torch.allclose(attribution.values, known.T)
        assert not torch.allclose(attribution.values, method_of(name).compute(model, IMAGE, fixed, RNG).values)
    if name == "Saliency":  # at the image itself the masks are the same
        assert torch.allclose(dense(attribution), dense(CaptumMethod(name).compute(model, IMAGE, fixed, RNG)))


def state_of(network: nn.Module) -> list[object]:
    hooks = [
        [len(getattr(m, f"_{kind}_hooks")) for kind in ("forward", "forward_pre", "backward", "backward_pre")]
        for m in network.modules()
    ]
    values = [p.sum().item() for p in network.state_dict().values()]
    own = [sorted(vars(m)) for m in network.modules()]
    return [
        hooks,
        [m.training for m in network.modules()],
        [p.requires_grad for p in network.parameters()],
        values,
        own,
    ]


@pytest.mark.parametrize("name", METHODS)
def test_the_model_and_the_image_are_left_as_found_also_after_an_error(name: str) -> None:
    network = ReluNetwork().train()
    network.layers[2].eval()
    network.layers[0].weight.requires_grad_(False)
    model = model_of(network)
    scores = SumScore()(model.predict(IMAGE), (0, 1))
    image, found, random = IMAGE.clone(), state_of(network), torch.get_rng_state()
    method_of(name).compute(model, image, scores, RNG)
    assert state_of(network) == found
    calls = 0

    def fail(module: nn.Module, inputs: tuple[Tensor]) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise MemoryError("second call")

    handle = network.layers[4].register_forward_pre_hook(fail)
    with pytest.raises(MemoryError, match="second call"):
        method_of(name).compute(model, image, scores, RNG)
    handle.remove()
    assert state_of(network) == found
    assert torch.equal(random, torch.get_rng_state())
    assert torch.equal(image, IMAGE)
    assert not image.requires_grad


@pytest.mark.parametrize("name", ["GuidedBackprop", "Deconvolution"])
def test_modified_gradients_of_relu(name: str) -> None:
    results = []
    for inplace in (True, False):
        model = model_of(ReluNetwork(inplace))
        scores = SumScore()(model.predict(IMAGE), (0, 1, 2, 3))
        results.append(dense(CaptumMethod(name).compute(model, IMAGE, scores, RNG)))
    assert torch.allclose(*results)
    assert not torch.allclose(results[0], model.gradient(IMAGE[None], scores))
    model = model_of(ToyNetwork(channels=2).double())
    with pytest.raises(SettingError, match=r"no torch\.nn\.ReLU"):
        CaptumMethod(name).compute(model, IMAGE, SumScore()(model.predict(IMAGE), (0,)), RNG)
    recomputed = RecomputedScores((0,), scores.masks, lambda p: SumScore()(p, (0,)))
    with pytest.raises(SettingError, match="mask_policy"):
        CaptumMethod("NoiseTunnel", of=name).compute(model_of(), IMAGE, recomputed, RNG)


@pytest.mark.parametrize("name", captum.attr.__all__)
def test_every_name_of_captum_runs_or_is_refused_with_a_reason(name: str) -> None:
    """Those that run are compared with captum above; a class that is new in captum shows here."""
    if name in METHODS:
        assert CaptumMethod.__name__ in repr(method_of(name))
        return
    with pytest.raises(SettingError, match=r"method: expected one of Saliency, .*NoiseTunnel, got") as refused:
        CaptumMethod(name)
    cls = getattr(captum.attr, name)
    if hasattr(cls, "attribute") and "inputs" in inspect.signature(cls.attribute or type).parameters:
        assert any(reason in str(refused.value) for reason in REFUSED.values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "saliency"}, "Did you mean Saliency?"),
        ({"method": "Layer"}, "layer"),
        ({"method": "Saliency", "arguments": {"n_steps": 3}}, "arguments.n_steps.*which has: abs, got 3"),
        ({"method": "Saliency", "arguments": {"target": 3}}, "arguments.target"),
        ({"method": "KernelShap", "arguments": {"baselines": 0}}, "settings of their own"),
        ({"method": "InputXGradient", "arguments": {"abs": False}}, "which has: none"),
        ({"method": "Occlusion"}, "sliding_window_shapes, which Occlusion needs"),
        ({"method": "NoiseTunnel"}, "of: expected one of"),
        ({"method": "NoiseTunnel", "of": "NoiseTunnel"}, "of: expected one of"),
        ({"method": "NoiseTunnel", "of": "Occlusion"}, "sliding_window_shapes"),
        ({"method": "Saliency", "of": "Saliency"}, "of: expected null"),
        ({"method": "KernelShap", "supervoxels": {}}, "supervoxels"),
        ({"method": "KernelShap", "supervoxels": 64}, "supervoxels"),
        ({"method": "IntegratedGradients", "baselines": "air"}, "baselines"),
    ],
)
def test_wrong_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        CaptumMethod(**settings)


def test_settings_say_what_the_result_depends_on() -> None:
    plain = CaptumMethod("Saliency", {"abs": False}, supervoxels={}).settings()
    assert plain["method"] == "captum.Saliency"
    assert plain["arguments"] == "{'abs': False}"
    assert plain["captum"] == captum.__version__
    assert not {"baselines", "supervoxels"} & plain.keys()
    full = CaptumMethod("Lime", {"n_samples": 9}, baselines=1, supervoxels=CUBES).settings()
    assert full["baselines"] == repr(Constant(1.0))
    assert full["supervoxels"] == repr(CUBES)
    boxes = [CaptumMethod("Occlusion", dict(pairs)) for pairs in (OCCLUSION.items(), reversed(OCCLUSION.items()))]
    assert boxes[0].settings() == boxes[1].settings()


@pytest.mark.parametrize(
    ("settings", "images", "differentiated"),
    [
        ({"method": "Saliency"}, 1, 1),
        ({"method": "IntegratedGradients"}, 50, 50),
        ({"method": "NoiseTunnel", "arguments": {"nt_samples": 3, "n_steps": 7}, "of": "IntegratedGradients"}, 21, 21),
        ({"method": "NoiseTunnel", "arguments": {"nt_samples": 2}, "of": "Lime"}, 50, 0),
        ({"method": "KernelShap", "arguments": {"n_samples": 9}}, 9, 0),
    ],
)
def test_evaluations_multiply_samples_and_steps(settings: dict[str, Any], images: int, differentiated: int) -> None:
    method = CaptumMethod(**settings)
    assert (method.evaluations(), method.gradients()) == (images, differentiated)
    assert method.per_class


def test_a_perturbed_image_keeps_the_supervoxels() -> None:
    model = model_of()
    scores = SumScore()(model.predict(IMAGE), (0, 1))
    method = method_of("FeatureAblation", supervoxels=Semantic())
    first = method.compute(model, IMAGE, scores, RNG)
    shuffled = SumScore()(model.predict(IMAGE.flip(1)), (0, 1))
    again = method.reusing_choices_of(first).compute(model, IMAGE.flip(1), shuffled, RNG)
    assert torch.equal(again.supervoxels, first.supervoxels)
    saliency = CaptumMethod("Saliency")
    assert saliency.reusing_choices_of(saliency.compute(model, IMAGE, scores, RNG)) is saliency


def test_the_python_call_takes_captum_s_words() -> None:
    network, mask = ReluNetwork(), CUBES(IMAGE, IMAGE[0])
    method = CaptumMethod("KernelShap", {"n_samples": 5})
    called = method.attribute(network, IMAGE, target=[0, 1], n_samples=9, feature_mask=mask, baselines=0.5, seed=1)
    made = CaptumMethod("KernelShap", {"n_samples": 9}, supervoxels=CUBES, baselines=0.5)
    for k in range(2):
        assert torch.equal(called.dense(k), made.attribute(network, IMAGE, target=[0, 1], seed=1).dense(k))
    with pytest.raises(SettingError, match="feature_mask"):
        method.attribute(network, IMAGE)
    for words in ({"feature_mask": mask}, {"n_samples": 3}, {"baselines": 0.5}):
        with pytest.raises(SettingError, match=f"arguments.{next(iter(words))}"):
            CaptumMethod("Saliency").attribute(network, IMAGE, **words)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "method",
    [CaptumMethod("GradientShap", {"n_samples": 2}), CaptumMethod("NoiseTunnel", {"nt_samples": 2}, "Saliency")],
)
def test_noise_does_not_change_the_precision_of_the_image(method: CaptumMethod, dtype: torch.dtype) -> None:
    network = nn.Sequential(nn.Conv3d(1, 3, 3, padding=1)).to(dtype)
    image = torch.rand(1, 6, 6, 6, generator=torch.Generator().manual_seed(0)).to(dtype)
    found = method.attribute(network, image, head="softmax").values
    assert found.dtype == dtype and bool(found.isfinite().any())
