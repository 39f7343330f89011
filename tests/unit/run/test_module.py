"""The module that explains: passes counted, network left as found, mistakes told early."""

import os
import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning import Trainer
from torch.utils.data import DataLoader

from agg2exp.attribution import Attributor, SmoothGrad, VanillaGradient
from agg2exp.domain.attribution import SupervoxelAttribution
from agg2exp.domain.case import Case, Failure, Grid
from agg2exp.domain.errors import SettingError
from agg2exp.domain.explanation import Explanation
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.run.module import ExplanationModule
from agg2exp.scores import MeanScore, SumScore
from tests.helpers.explanations import module_of, scheme, small_case
from tests.helpers.networks import ToyNetwork

WINDOW = SlidingWindow((6, 6, 6), overlap=0.25)


def module(**changes: object) -> ExplanationModule:
    parts = {
        "network": ToyNetwork(),
        "attribution": VanillaGradient(),
        "score": SumScore(),
        "inference": WINDOW,
        "labels": scheme(),
    }
    return module_of(**{**parts, **changes})


def present(explanation: Explanation, case: Case) -> int:
    """(Window, class) pairs with a voxel of the class inside the window."""
    windows = WindowedModel(ToyNetwork(), WINDOW).plan(case.image).windows
    labels = explanation.prediction.label_map
    return sum(int((labels[w] == c).any()) for w in windows for c in explanation.classes)


def test_vanilla_gradient_takes_two_forwards_per_window_and_a_backward_per_class_in_it():
    case = small_case()
    explanation = module(inference=SlidingWindow((6, 6, 6), batch=1)).explain(case)
    windows = len(WindowedModel(ToyNetwork(), WINDOW).plan(case.image).windows)
    assert windows == 8
    assert explanation.passes.window_forwards == 2 * windows
    assert explanation.passes.window_backwards == present(explanation, case)


@pytest.mark.parametrize("n", [1, 3])
def test_smoothgrad_takes_one_forward_more_than_samples(n: int):
    explanation = module(attribution=SmoothGrad(n), inference=SlidingWindow((9, 8, 7), batch=1)).explain(small_case())
    assert explanation.passes.window_forwards == 1 + n
    assert explanation.passes.window_backwards == 4 * n


def test_windows_without_an_explained_class_are_not_evaluated_again():
    case = small_case()
    full = module(inference=SlidingWindow((6, 6, 6), batch=1)).explain(case)
    rare = int(full.prediction.voxels().argmin())
    few = module(inference=SlidingWindow((6, 6, 6), batch=1), classes=[scheme().classes[rare]]).explain(case)
    assert few.passes.window_backwards == present(few, case)
    assert few.passes.window_forwards == 8 + few.passes.window_backwards
    torch.testing.assert_close(few.attribution.values[0], full.attribution.values[rare])


def test_vanilla_gradient_is_the_gradient_of_the_score():
    case = small_case()
    chosen = module(inference=SlidingWindow((9, 8, 7)), score=MeanScore(), classes=["heart"])
    explanation = chosen.explain(case)
    x = case.image[None].clone().requires_grad_()
    logits = chosen.network.eval()(x)[0, 2]
    mask = explanation.prediction.label_map == 2
    (expected,) = torch.autograd.grad(logits[mask].mean(), x)
    torch.testing.assert_close(explanation.attribution.values, expected[None, 0])


def test_network_is_left_as_found():
    network = ToyNetwork().train()
    network.first.weight.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    module(network=network).explain(small_case())
    assert network.training
    assert network.norm.training
    assert not network.first.weight.requires_grad
    assert network.last.weight.requires_grad
    assert all(p.grad is None for p in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_noise_depends_on_seed_and_case_alone():
    def smooth(seed: int, case_id: str) -> torch.Tensor:
        return module(attribution=SmoothGrad(2), seed=seed).explain(small_case(case_id)).attribution.values

    torch.manual_seed(1)
    first = smooth(0, "a")
    torch.manual_seed(2)
    torch.rand(5)
    assert torch.equal(smooth(0, "a"), first)
    assert not torch.equal(smooth(1, "a"), first)
    assert not torch.equal(smooth(0, "b"), first)


def test_progress_is_told_about_every_window():
    told: list[object] = []

    class Bar:
        def begin(self, case_id, total):
            told.append((case_id, total))

        def advance(self, windows):
            told.append(windows)

    chosen = module(attribution=SmoothGrad(2))
    chosen.progress = Bar()
    explanation = chosen.explain(small_case())
    begun, *advances = told
    assert begun == ("a", 8 * 3)
    assert sum(advances) == explanation.passes.window_forwards <= begun[1]


@pytest.mark.parametrize("change", [{"score": MeanScore()}, {"seed": 3}, {"attribution": SmoothGrad(1)}])
def test_settings_tell_results_apart(change: dict[str, object]):
    case = small_case()
    usual, other = module().explain(case).settings, module(**change).explain(case).settings
    assert usual != other
    assert all(isinstance(v, str) for v in usual.values())


def test_settings_name_the_module_and_what_it_was_given():
    class Mine(ExplanationModule):
        pass

    mine = module_of(
        ToyNetwork(),
        VanillaGradient(),
        SumScore(),
        WINDOW,
        scheme(),
        ["aorta"],
        cls=Mine,
        provenance={"weights": "abc"},
    )
    settings = mine.explain(small_case()).settings
    assert settings["module"].endswith("Mine")
    assert settings["classes"] == "aorta"
    assert settings["weights"].startswith("abc (")  # whoever says so, the network's own weights count
    assert settings["windows: size"] == "(6, 6, 6)"
    assert settings["expansion"] == "voxel"


def test_other_number_of_classes_than_the_label_scheme():
    with pytest.raises(ValueError, match="network gives 5 label channels, but the model has 4 classes"):
        module(network=ToyNetwork(classes=5)).explain(small_case())


def test_unknown_class_and_bad_seed_are_refused():
    with pytest.raises(SettingError, match="classes: expected 'all' or a list"):
        module(classes=["spleen"])
    with pytest.raises(SettingError, match="seed: expected a whole number, got 'foo'"):
        module(seed="foo")


def test_case_that_fails_is_handed_on_and_the_next_goes_on():
    broken = small_case("b")
    broken.image[0, 0, 0, 0] = torch.nan
    chosen = module()
    failure = chosen.predict_step(broken, 0)
    assert isinstance(failure, Failure)
    assert (failure.case_id, failure.stage) == ("b", "explaining")
    assert failure.error.startswith("case b: the network returned NaN or infinity for the windows at")
    assert "NonFiniteLogitsError" in failure.traceback
    assert chosen.predict_step(failure, 1) is failure
    assert isinstance(chosen.predict_step(small_case("c"), 2), Explanation)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_trainer_in_inference_mode_is_told_what_to_change():
    def trainer(inference_mode: bool) -> Trainer:
        return Trainer(
            accelerator="cpu",
            inference_mode=inference_mode,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    cases = torch.utils.data.DataLoader([small_case()], collate_fn=lambda batch: batch[0])
    with pytest.raises(RuntimeError, match=r"explanations need gradients: use Trainer\(inference_mode=False\)"):
        trainer(True).predict(module(), cases)
    chosen, kept = module(), []
    explain = chosen.explain
    chosen.explain = lambda *arguments: kept.append(explain(*arguments))
    trainer(False).predict(chosen, cases, return_predictions=False)
    torch.testing.assert_close(kept[0].attribution.values, module().explain(small_case()).attribution.values)


def test_volume_smaller_than_the_window():
    image = torch.rand(1, 4, 5, 3, generator=torch.Generator().manual_seed(0))
    grid = Grid((4, 5, 3), np.eye(4))
    explanation = module().explain(Case("small", image, grid, grid))
    assert explanation.prediction.label_map.shape == (4, 5, 3)
    assert explanation.attribution.values.shape == (4, 1, 4, 5, 3)
    assert explanation.passes.window_forwards == 2


def test_batching_windows_changes_nothing_but_rounding():
    results = [module(inference=SlidingWindow((6, 6, 6), batch=b)).explain(small_case()) for b in (1, 3, 8)]
    for a, b in pairwise(results):
        torch.testing.assert_close(a.attribution.values, b.attribution.values, rtol=1e-4, atol=1e-5)


class Scoring(Attributor):
    """Evaluates three images and four coalitions, and gives every class its own number."""

    name = "scoring"
    slabs = torch.arange(9)[:, None, None].expand(9, 8, 7) // 3

    def compute(self, model, image, scores, rng):
        model.scores(torch.stack([image, image * 0.5, image * 0]), scores)
        members = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 1], [1, 0, 0]], dtype=torch.bool)
        values = model.coalition_scores(image, image * 0, self.slabs, members, scores)[:3].T
        own = torch.tensor(scores.classes, dtype=torch.float64)
        return SupervoxelAttribution(
            self.slabs, values, standard_errors=values + 1, notes={"own": own, "first": values[:, 0]}
        )

    def evaluations(self):
        return 7


class Noted(SmoothGrad):
    """A dense attribution with a note for every class."""

    name = "noted"

    def compute(self, model, image, scores, rng):
        e = super().compute(model, image, scores, rng)
        return replace(e, notes={"sum": e.values.double().sum(dim=(1, 2, 3, 4))})


@pytest.mark.parametrize("chunk", [1, 2, 3])
@pytest.mark.parametrize("method", [VanillaGradient(), Noted(2), Scoring()], ids=lambda m: m.name)
@pytest.mark.parametrize("policy", ["fixed", "recomputed"])
def test_classes_in_portions_are_those_of_one_go_in_their_order(chunk: int, method: Attributor, policy: str):
    chosen = {"attribution": method, "mask_policy": policy, "classes": ["aorta", "background", "lung"]}
    whole = module(**chosen).explain(small_case())
    portions = module(**chosen, class_chunk=chunk).explain(small_case())
    assert portions.classes == (3, 0, 1)
    assert portions.attribution.n_classes == 3
    a, b = portions.attribution, whole.attribution
    assert a.values.device == portions.prediction.label_map.device
    assert a.notes.keys() == b.notes.keys()
    pairs = [(a.values, b.values), *((note, b.notes[name]) for name, note in a.notes.items())]
    if isinstance(a, SupervoxelAttribution):
        pairs.append((a.standard_errors, b.standard_errors))
        assert a.notes["own"].tolist() == [3, 0, 1]
    for part, expected in pairs:
        torch.testing.assert_close(part, expected, rtol=1e-5, atol=1e-6)
    assert portions.settings == whole.settings
    assert portions.passes.window_forwards >= whole.passes.window_forwards


@pytest.mark.parametrize("method", [VanillaGradient(), SmoothGrad(3), Scoring()], ids=lambda m: m.name)
@pytest.mark.parametrize("changes", [{}, {"class_chunk": 1}, {"classes": ["lung"]}, {"mask_policy": "recomputed"}])
def test_progress_adds_up_to_what_was_announced(method: Attributor, changes: dict[str, object]):
    """Evaluated, seen before or needless: every window of every evaluation is done once."""
    begun, told = [], []
    chosen = module(attribution=method, **changes)
    chosen.progress = SimpleNamespace(begin=lambda case_id, total: begun.append(total), advance=told.append)
    explanation = chosen.explain(small_case())
    assert begun == [sum(told)]
    evaluated = explanation.passes.window_forwards + explanation.passes.reused
    assert evaluated > begun[0] if changes.get("mask_policy") and method.name != "scoring" else evaluated <= begun[0]
    if changes.get("classes"):
        assert evaluated < begun[0]


def test_bad_mask_policy_and_class_chunk_are_refused():
    with pytest.raises(SettingError, match="mask_policy: expected one of 'fixed', 'recomputed', got 'none'"):
        module(mask_policy="none")
    with pytest.raises(SettingError, match="class_chunk: expected a whole number of at least 1, got 0"):
        module(class_chunk=0)


@pytest.mark.slow
def test_compiled_network_explains_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))  # compiled here and now
    if not any(shutil.which(name) for name in (os.environ.get("CXX") or "g++", "clang++")):
        pytest.skip("torch.compile needs a C++ compiler, and there is none")
    compiled, usual = module(compile_network=True), module()
    assert compiled.network._compiled_call_impl is not None
    a, b = compiled.explain(small_case()), usual.explain(small_case())
    assert torch.equal(a.prediction.label_map, b.prediction.label_map)
    torch.testing.assert_close(a.attribution.values, b.attribution.values, rtol=1e-4, atol=1e-4)
    assert a.passes == b.passes
    assert (a.settings["compiled"], b.settings["compiled"]) == ("True", "False")


@pytest.mark.parametrize("precision", ["bf16-true", "64-true", "16-true", "bf16-mixed"])
def test_a_precision_of_lightning_s_is_refused_in_one_sentence(precision: str):
    quiet = {"logger": False, "enable_progress_bar": False, "enable_checkpointing": False}
    trainer = Trainer(accelerator="cpu", devices=1, precision=precision, inference_mode=False, **quiet)
    with pytest.raises(SettingError, match=rf"trainer.precision: expected 32-true, got '{precision}'"):
        trainer.predict(module(), DataLoader([small_case()], batch_size=None))


class PassesOn(ExplanationModule):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)


def test_what_lightning_makes_later_is_no_setting_of_a_subclass_that_passes_arguments_on():
    module = module_of(ToyNetwork(), VanillaGradient(), SumScore(), WINDOW, scheme(), cls=PassesOn)
    before = module.settings()
    assert module.hparams == {} and module.hparams_initial == {}
    assert module.settings() == before
