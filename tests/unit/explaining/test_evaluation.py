"""Metrics beside the attribution: common random numbers, names, and what is kept between runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from agg2exp.attribution import Attributor, KernelShap, SmoothGrad, VanillaGradient
from agg2exp.domain.errors import SettingError
from agg2exp.inference import SlidingWindow
from agg2exp.inference.network_pass import NetworkError
from agg2exp.metrics import Complexity, Efficiency, EvaluationMetric, Faithfulness, Sensitivity
from agg2exp.run.module import ExplanationModule
from agg2exp.scores import MarginScore, SumScore
from agg2exp.supervoxels import Cubes, Semantic, Slic
from tests.helpers.explanations import module_of, scheme, small_case
from tests.helpers.networks import ToyNetwork

METHODS = {
    "smoothgrad": SmoothGrad(n_samples=2),
    "cubes": KernelShap(Cubes(12), n_samples=20),
    "semantic": KernelShap(Semantic(), n_samples=6),
    "slic": KernelShap(Slic(8), n_samples=20),
}
CASE = replace(small_case(), fingerprint="files")


def module(method: Attributor, **settings: object) -> ExplanationModule:
    return module_of(ToyNetwork(), method, SumScore(), SlidingWindow((6, 6, 6)), scheme(), **settings)


@pytest.mark.parametrize("chunk", [None, 1])
@pytest.mark.parametrize("name", METHODS)
def test_an_image_without_noise_gets_the_same_attribution(name: str, chunk: int | None):
    """Also if parts of the image are equal to the baseline, where the noisy image would have more players."""
    image = CASE.image.clone()
    image[:, :3] = 0
    case = replace(CASE, image=image)
    found = module(METHODS[name], metrics={"sensitivity": Sensitivity(2, radius=1e-7)}, class_chunk=chunk).explain(case)
    values = found.metrics["sensitivity"]
    assert torch.equal(values.isnan(), found.prediction.voxels()[list(found.classes)] == 0)
    assert float(values[~values.isnan()].max()) < 1e-3


def test_a_metric_asked_for_twice_has_two_names():
    metrics: dict[str, EvaluationMetric] = {
        "complexity": Complexity(),
        "complexity_low": Complexity(threshold=0.01),
        "cost": Efficiency(),
    }
    asked = module(METHODS["smoothgrad"], metrics=metrics)
    found = asked.explain(CASE)
    assert set(found.metrics) == {"complexity", "complexity_low"}
    present = ~found.metrics["complexity"].isnan()
    assert (found.metrics["complexity_low"] > found.metrics["complexity"])[present].all()
    assert set(found.efficiency) == {"cost", "cost_seconds_per_class", "cost_window_forwards", "cost_window_backwards"}
    prediction = found.passes.window_forwards - int(found.efficiency["cost_window_forwards"][0])
    assert prediction == 8  # windows of the volume, once each
    settings = asked.evaluator.settings()
    assert settings["metric complexity: threshold"] == "0.1"
    assert settings["metric complexity_low: threshold"] == "0.01"


def test_perturbed_scores_and_predictions_are_shared_between_methods(tmp_path: Path):
    metrics = {"faithfulness": Faithfulness(5, None, 0.1)}
    first, second, alone = (
        module(method, metrics=metrics, cache=cache, cache_predictions=True)
        for method, cache in ((METHODS["smoothgrad"], tmp_path), (METHODS["cubes"], tmp_path), (METHODS["cubes"], None))
    )
    assert first.explain(CASE).metrics["faithfulness"].isnan().sum() < 4
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")}
    assert len(kept) == 2
    shared, own = second.explain(CASE), alone.explain(CASE)
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.rglob("*.safetensors")} == kept
    torch.testing.assert_close(shared.metrics["faithfulness"], own.metrics["faithfulness"], equal_nan=True)
    for name, volume in own.prediction.to_arrays().items():
        assert np.array_equal(shared.prediction.to_arrays()[name], volume)
    assert (own.passes - shared.passes).window_forwards == 8  # the prediction; metrics come after the count


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"mask_policy": "recomputed"}, {"classes": ["heart"]}, {"provenance": {"weights": "others"}}],
    ids=lambda change: next(iter(change)),
)
def test_scores_of_other_settings_are_never_taken(change: dict[str, object], tmp_path: Path):
    metrics = {"faithfulness": Faithfulness(5, None, 0.1)}
    module(METHODS["smoothgrad"], metrics=metrics, cache=tmp_path).explain(CASE)
    module(METHODS["smoothgrad"], metrics=metrics, cache=tmp_path, **change).explain(CASE)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


def test_an_image_is_known_by_its_voxels_not_by_its_files(tmp_path: Path):
    """Another atlas for supervoxels leaves the scores as they are; other preprocessing does not."""
    metrics = {"faithfulness": Faithfulness(5, None, 0.1)}
    explained = module(METHODS["smoothgrad"], metrics=metrics, cache=tmp_path)
    explained.explain(CASE)
    explained.explain(replace(CASE, fingerprint="with another atlas"))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 1
    image = CASE.image.clone()
    image[0, 4, 4, 4] += 0.01
    explained.explain(replace(CASE, image=image))
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2


class Scaled(ExplanationModule):
    """Explains the network at another contrast, and says so."""

    contrast = 1.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(self.contrast * x)

    def settings(self) -> dict[str, str]:
        return {**super().settings(), "method_contrast": str(self.contrast)}


def test_settings_that_a_subclass_adds_are_told_apart(tmp_path: Path):
    found = []
    for contrast in (1.0, 3.0):
        made = module_of(
            ToyNetwork(), METHODS["smoothgrad"], SumScore(), SlidingWindow((6, 6, 6)), scheme(),
            metrics={"faithfulness": Faithfulness(5, None, 0.1)}, cache=tmp_path, cls=Scaled,
        )  # fmt: skip
        made.contrast = contrast
        found.append(made.explain(CASE).metrics["faithfulness"])
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    assert not torch.equal(found[0].nan_to_num(), found[1].nan_to_num())


class Named(VanillaGradient):
    """A method whose setting has the name of one of the run's."""

    def settings(self) -> dict[str, str]:
        return {**super().settings(), "score": "its own", "seed": "its own"}


def test_settings_of_a_method_hide_none_of_the_run(tmp_path: Path):
    for score, count in ((SumScore(), 1), (MarginScore(), 2)):
        made = module_of(
            ToyNetwork(), Named(), score, SlidingWindow((6, 6, 6)), scheme(),
            metrics={"faithfulness": Faithfulness(5, None, 0.1)}, cache=tmp_path,
        )  # fmt: skip
        settings = made.explain(CASE).settings
        assert (settings["attribution: score"], settings["score"], settings["seed"]) == ("its own", score.name, "0")
        assert len(list(tmp_path.rglob("*.safetensors"))) == count


@pytest.mark.parametrize("kept", [False, True])
def test_a_network_with_other_channels_than_labels_is_refused_also_when_predictions_are_kept(
    kept: bool, tmp_path: Path
):
    made = module_of(
        nn.Conv3d(1, 5, 1), METHODS["smoothgrad"], SumScore(), SlidingWindow((6, 6, 6)), scheme(),
        cache=tmp_path, cache_predictions=kept,
    )  # fmt: skip
    with pytest.raises(ValueError, match="gives 5 label channels, but the model has 4 classes"):
        made.explain(CASE)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_what_a_metric_cannot_do_is_told_before_the_attribution(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(SmoothGrad, "compute", lambda *_: pytest.fail("computed"))
    with pytest.raises(SettingError, match=r"1 <= m < p/2 .*case a.*Set metric\.faithfulness\.subset_size=null"):
        module(METHODS["smoothgrad"], metrics={"faithfulness": Faithfulness()}).explain(CASE)


class Denying(ToyNetwork):
    """Denies every class everywhere, as sigmoids do outside of theirs."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) - 100.0


def test_the_head_is_checked_of_a_prediction_that_was_kept_too(tmp_path: Path):
    parts = Denying(), VanillaGradient(), SumScore(), SlidingWindow((6, 6, 6)), scheme()
    module_of(*parts, cache=tmp_path, cache_predictions=True, head="softmax").explain(CASE)
    unsaid = module_of(*parts, cache=tmp_path, cache_predictions=True)
    with pytest.raises(NetworkError, match="channels look independent"):
        unsaid.explain(CASE)
    assert len(list((tmp_path / "predictions").iterdir())) == 1
