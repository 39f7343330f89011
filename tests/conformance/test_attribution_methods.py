"""What every attribution method keeps to, found by its YAML: a new method needs no edit here."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from agg2exp.attribution import Attributor
from agg2exp.domain.attribution import Attribution, DenseAttribution, SupervoxelAttribution
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.run.module import ExplanationModule
from agg2exp.scores import SumScore
from tests.conformance.methods import (
    ABSENT,
    CLASSES,
    SHAPE,
    WINDOW,
    Choice,
    choices,
    computed,
    dense,
    image_of,
    state_of,
)
from tests.helpers.explanations import module_of, scheme, small_case
from tests.helpers.networks import (
    BrokenError,
    IntensityNetwork,
    RegionNetwork,
    SteadyNetwork,
    TwoClasses,
    WatchedNetwork,
)

CHOICES = list(choices())


@pytest.fixture(params=CHOICES, ids=str)
def choice(request: pytest.FixtureRequest) -> Choice:
    return request.param


@pytest.fixture
def method(choice: Choice) -> Attributor:
    return choice.method()


def close(a: Attribution, b: Attribution, tolerance: float = 1e-5) -> None:
    """‖a - b‖ <= tolerance · ‖b‖ for every class."""
    assert a.n_classes == b.n_classes
    for k in range(b.n_classes):
        apart = (a.dense(k) - b.dense(k)).double().norm()
        assert float(apart) <= tolerance * float(b.dense(k).double().norm()), f"class {k}"


def test_the_suite_finds_every_yaml() -> None:
    found = {choice.attribution for choice in CHOICES}
    assert {"vanilla_gradient", "smoothgrad", "integrated_gradients", "kernel_shap"} <= found
    assert {c.supervoxels for c in CHOICES if c.attribution == "kernel_shap"} == {"cubes", "semantic"}


@pytest.mark.parametrize("channels", [1, 2])
def test_one_finite_map_per_class(method: Attributor, channels: int) -> None:
    image = image_of(channels)
    attribution, _ = computed(method, IntensityNetwork(channels), image, classes=(3, 0, 1))
    assert attribution.n_classes == 3
    if isinstance(attribution, DenseAttribution):
        assert attribution.values.shape == (3, channels, *SHAPE)
        assert attribution.values.dtype == torch.float32
        assert not attribution.values.requires_grad
    else:
        assert isinstance(attribution, SupervoxelAttribution)
        assert attribution.supervoxels.shape == SHAPE
        ids = attribution.supervoxels.unique()
        assert torch.equal(ids, torch.arange(attribution.values.shape[1]))
        assert attribution.values.shape == (3, len(ids))
        assert attribution.dense(0).shape == (1, *SHAPE)
    maps = dense(attribution)
    assert maps.isfinite().all()
    assert maps.flatten(1).any(dim=1).all()
    assert attribution.expansion in ("voxel", "density", "value")
    assert all(note.shape == (3,) and note.dtype == torch.float64 for note in attribution.notes.values())


@pytest.mark.parametrize("policy", ["fixed", "recomputed"])
def test_a_class_alone_is_the_class_among_others(method: Attributor, policy: str) -> None:
    together, _ = computed(method, policy=policy)
    for k, c in enumerate(CLASSES[:ABSENT]):
        alone, _ = computed(method, classes=(c,), policy=policy)
        expected = together.dense(k).double()
        assert float((alone.dense(0) - expected).norm()) <= 1e-5 * float(expected.norm()), f"class {c}"


def test_a_region_alone_is_the_region_among_others(method: Attributor) -> None:
    model, image = WindowedModel(RegionNetwork((0.3, 0.5, 0.7)), WINDOW, head="sigmoid"), image_of()
    together = method.attribute(model, image)
    for c in (0, 1, 2):
        alone, expected = method.attribute(model, image, c).dense(0).double(), together.dense(c).double()
        assert expected.any()
        assert float((alone - expected).norm()) <= 1e-5 * float(expected.norm()), f"region {c}"


def test_the_only_region_is_class_1_of_a_softmax_over_0_and_its_logit(method: Attributor) -> None:
    network, image = RegionNetwork((0.4,)), image_of()
    region = method.attribute(WindowedModel(network, WINDOW, head="sigmoid"), image)
    of_two = method.attribute(WindowedModel(TwoClasses(network), WINDOW), image, 1, head="softmax")
    assert region.dense(0).any()
    close(region, of_two)


class Drawing(KeyedRng):
    """Streams that remember whether anything was drawn from them."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, "case", "method")
        object.__setattr__(self, "made", [])

    def generator(self, purpose: str, index: int = 0) -> torch.Generator:
        generator = super().generator(purpose, index)
        self.made.append((generator, generator.get_state()))
        return generator

    def used(self) -> bool:
        return any(not torch.equal(generator.get_state(), before) for generator, before in self.made)


def test_random_numbers_come_from_the_seed_alone(method: Attributor) -> None:
    torch.manual_seed(1)
    first, _ = computed(method, rng=Drawing(0))
    torch.manual_seed(2)
    again, other = Drawing(0), Drawing(1)
    assert torch.equal(dense(computed(method, rng=again)[0]), dense(first))
    assert torch.equal(dense(computed(method, rng=other)[0]), dense(first)) or other.used()


def test_as_on_the_image_itself(method: Attributor) -> None:
    first, _ = computed(method)
    close(computed(method.reusing_choices_of(first))[0], first)


@pytest.mark.parametrize("policy", ["fixed", "recomputed"])
def test_window_batch_changes_nothing_but_rounding(method: Attributor, policy: str) -> None:
    one, two, three = (computed(method, batch=batch, policy=policy)[0] for batch in (1, 2, 3))
    close(two, one)
    close(three, one)


def used_network(**failing: Any) -> WatchedNetwork:
    """As somebody else left it: in two modes, with a frozen parameter and with hooks of their own."""
    network = WatchedNetwork(IntensityNetwork(), **failing).train()
    network.network.around.norm.eval()
    network.network.around.last.weight.requires_grad_(False)
    network.network.around.first.register_forward_hook(lambda module, inputs, output: None)
    network.network.around.norm.register_forward_pre_hook(lambda module, inputs: None)
    return network


def test_model_image_and_random_states_are_left_as_found(method: Attributor) -> None:
    network, image = used_network(), image_of()
    before, copy = state_of(network), image.clone()
    computed(method, network, image)
    assert state_of(network) == before
    assert torch.equal(image, copy)
    assert not image.requires_grad
    assert image.grad is None


def test_model_is_left_as_found_when_a_pass_fails(method: Attributor) -> None:
    network = used_network()
    computed(method, network)
    prediction = 2  # batches of the prediction, which come first
    passes = network.calls - prediction
    for fail_at in sorted({1, 2, (1 + passes) // 2, passes}):
        failing = used_network(fail_at=prediction + fail_at)
        before = state_of(failing)
        with pytest.raises(BrokenError):
            computed(method, failing)
        assert state_of(failing) == before
    if network.backwards:
        failing = used_network(fail_backward=True)
        before = state_of(failing)
        with pytest.raises(BrokenError):
            computed(method, failing)
        assert state_of(failing) == before


@pytest.mark.parametrize("policy", ["fixed", "recomputed"])
def test_passes_are_counted_and_progress_never_passes_its_end(method: Attributor, policy: str) -> None:
    network, told = WatchedNetwork(IntensityNetwork()), []
    _, model = computed(method, network, policy=policy, told=told)
    windows = len(model.plan(image_of()).windows)
    assert windows == 3
    assert model.passes.window_forwards == network.forwards - windows  # those of the prediction are not the method's
    assert model.passes.window_backwards == network.backwards
    most = method.evaluations() * (len(CLASSES) if method.per_class else 1)
    assert 0 < sum(told) <= windows * most
    assert model.passes.window_backwards <= windows * len(CLASSES) * method.gradients()
    assert bool(model.passes.window_backwards) == bool(method.gradients())
    if policy == "fixed":  # a window is done when it is evaluated, or seen before, or needless
        assert sum(told) >= model.passes.window_forwards + model.passes.reused


def test_recomputed_masks_that_stay_the_same_change_nothing(method: Attributor) -> None:
    labels = torch.randint(0, 4, (8, 8, 8), generator=torch.Generator().manual_seed(0))
    labels[0, 0, :4] = torch.arange(4)
    steady, image = SteadyNetwork(IntensityNetwork(), labels, 5), image_of(shape=(8, 8, 8))
    fixed, recomputed = (computed(method, steady, image, policy=policy)[0] for policy in ("fixed", "recomputed"))
    close(recomputed, fixed, tolerance=1e-3)  # large offsets cost the rest of the logits some digits
    moving, _ = computed(method, policy="recomputed")
    assert dense(moving)[:ABSENT].isfinite().all()


def test_one_call_in_the_words_of_captum(method: Attributor) -> None:
    network, image = IntensityNetwork(), image_of()
    whole = SlidingWindow(SHAPE)
    rng = KeyedRng(0, "", method.name)
    expected, _ = computed(method, network, image, classes=(2, 0), settings=whole, rng=rng)
    close(method.attribute(network, image[None], target=[2, 0]), expected)
    close(method.attribute(WindowedModel(network, whole), image, target=[2, 0]), expected)
    single, _ = computed(method, network, image, classes=(2,), settings=whole, rng=rng)
    close(method.attribute(network, image, target=2, perturbations_per_eval=1), single)
    settings = replace(WINDOW, batch=1)
    expected, _ = computed(method, network, image, settings=WINDOW, rng=rng, batch=1)
    found = method.attribute(WindowedModel(network, settings), image)
    assert found.dense(ABSENT).isnan().all()  # a class that is nowhere predicted has no score
    known = torch.arange(len(CLASSES)) != ABSENT
    assert ((found.notes["predicted_voxels"] > 0) == known).all()
    close(DenseAttribution(dense(found)[known]), DenseAttribution(dense(expected)[known]))


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_an_image_without_content_gives_numbers_or_says_why_not(method: Attributor, value: float) -> None:
    image = torch.full((1, *SHAPE), value)
    try:
        attribution, _ = computed(method, IntensityNetwork(), image)
    except (SettingError, CaseError) as error:
        assert "image" in str(error) or "constant" in str(error)
    else:
        assert dense(attribution).isfinite().all()


def test_an_absent_class_gets_zeros_or_nan(method: Attributor) -> None:
    for classes in (CLASSES, (ABSENT,)):
        attribution, _ = computed(method, classes=classes)
        absent = attribution.dense(classes.index(ABSENT))
        assert not absent.any() or absent.isnan().all()


def test_a_run_in_class_portions_gives_the_same(method: Attributor) -> None:
    """How many classes fit at a time depends on the machine; the result does not."""
    case = replace(small_case(), image=image_of())

    def module(chunk: int | None) -> ExplanationModule:
        network = IntensityNetwork(classes=4)
        return module_of(network, method, SumScore(), WINDOW, scheme(), class_chunk=chunk)

    whole, portions = module(None).explain(case), module(1).explain(case)
    close(portions.attribution, whole.attribution)
    assert portions.settings == whole.settings
