"""Both ways of extending, as a user would: a subclass of the module, and a method of one's own.

The files under `user_code` know nothing of these tests; they lie outside the package, on the path of Python.
"""

import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from agg2exp.attribution import VanillaGradient
from agg2exp.domain.case import Case, Grid
from agg2exp.inference import SlidingWindow
from agg2exp.scores import SumScore
from agg2exp.store.case_result import CaseResult
from agg2exp.store.case_store import CaseStore
from tests.helpers.explanations import module_of, scheme
from tests.helpers.networks import ToyNetwork
from tests.helpers.runs import CASES, ONE_CASE, Tiny, run

USER_CODE = Path(__file__).parent / "user_code"
CUBES = 8


@pytest.fixture(autouse=True)
def user_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(USER_CODE))


def explained(tiny: Tiny, output: Path, *chosen: str) -> CaseResult:
    assert run("explain", tiny.explain(*ONE_CASE, *chosen), output).code == 0
    return CaseStore(output).read(CASES[0])


# --- a subclass of the module --------------------------------------------------------------------


@pytest.fixture(scope="module")
def usual(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> CaseResult:
    return explained(tiny, tmp_path_factory.mktemp("usual"))


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("BrightnessAveraged", {}), ("SureVoxels", {"probability": "0.9"}), ("TimesInput", {})],
)
def test_module_of_ones_own_runs_and_is_recorded(
    name: str, arguments: dict[str, str], usual: CaseResult, tiny: Tiny, tmp_path: Path
):
    own = [f"+module.{key}={value}" for key, value in arguments.items()]
    mine = explained(tiny, tmp_path, f"module._target_=my_modules.{name}", *own)
    assert mine.settings["module"] == f"my_modules.{name}"
    assert usual.settings["module"] == "usual"
    assert mine.settings.items() >= arguments.items()
    theirs, ours = usual.importance.values["importance"], mine.importance.values["importance"]
    assert not np.allclose(theirs, ours, rtol=1e-6, equal_nan=True)
    np.testing.assert_allclose(np.nansum(ours[:, : len(mine.classes)], axis=1), 1, atol=1e-12)


@pytest.fixture
def case() -> Case:
    image = torch.rand(1, 9, 8, 7, generator=torch.Generator().manual_seed(0))
    grid = Grid((9, 8, 7), np.eye(4))
    return Case("a", image, grid, grid)


def parts() -> dict[str, object]:
    return {
        "attribution": VanillaGradient(),
        "score": SumScore(),
        "inference": SlidingWindow((6, 6, 6)),
        "labels": scheme(),
    }


def test_overridden_forward_equals_the_usual_module_around_the_changed_network(case: Case):
    from my_modules import BrightnessAveraged

    class Averaged(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = ToyNetwork()

        def forward(self, x):
            return (self.network(0.9 * x) + self.network(x) + self.network(1.1 * x)) / 3

    mine = module_of(ToyNetwork(), cls=BrightnessAveraged, **parts()).explain(case)
    usual = module_of(Averaged(), **parts()).explain(case)
    assert torch.equal(mine.prediction.label_map, usual.prediction.label_map)
    torch.testing.assert_close(mine.attribution.values, usual.attribution.values)


def test_overridden_scores_take_part_of_the_mask(case: Case):
    from my_modules import SureVoxels

    usual = module_of(ToyNetwork(), **parts())
    prediction = usual.explain(case).prediction
    everything = module_of(cls=SureVoxels, network=ToyNetwork(), probability=0.0, **parts()).explain(case)
    nothing = module_of(cls=SureVoxels, network=ToyNetwork(), probability=1.0, **parts()).explain(case)
    some = module_of(
        cls=SureVoxels,
        network=ToyNetwork(),
        probability=prediction.layers[0].top_probability.median().item(),
        **parts(),
    )
    torch.testing.assert_close(everything.attribution.values, usual.explain(case).attribution.values)
    assert not nothing.attribution.values.any()
    assert some.explain(case).attribution.values.any()


def test_overridden_attribute_is_gradient_times_input(case: Case):
    from my_modules import TimesInput

    gradient = module_of(ToyNetwork(), **parts()).explain(case).attribution.values
    product = module_of(ToyNetwork(), cls=TimesInput, **parts()).explain(case).attribution.values
    torch.testing.assert_close(product, gradient * case.image)


# --- a method of one's own: a class and its YAML -------------------------------------------------


def shipped(tiny: Tiny) -> list[str]:
    """Arguments of a small job that leave the method open."""
    return [word for word in tiny.explain("attribution=vanilla_gradient") if word != "attribution=vanilla_gradient"]


@pytest.fixture
def occlusion(tiny: Tiny, tmp_path: Path) -> Path:
    chosen = [
        *("attribution=occlusion", f"attribution.n_cubes={CUBES}", "classes=[heart,aorta]", "data.limit=1"),
        *("callbacks.slices.classes=[heart]", "callbacks.volumes.attribution=[heart]"),
    ]
    arguments = ["--config-dir", str(USER_CODE / "conf"), *shipped(tiny), *chosen]
    assert run("explain", arguments, tmp_path).code == 0
    return tmp_path


def test_supervoxel_method_of_ones_own_goes_all_the_way(occlusion: Path, tiny: Tiny):
    result = CaseStore(occlusion).read(CASES[0])
    assert result.settings["method"] == "occlusion"
    assert result.settings["expansion"] == "density"
    assert result.settings["attribution: n_cubes"] == str(CUBES)
    rows = pd.read_parquet(occlusion / "tables" / "roi_importance.parquet")
    inside = rows[rows["source"].isin(result.classes)]
    np.testing.assert_allclose(inside.groupby("target")["importance"].sum(), 1, atol=1e-12)
    assert (occlusion / "figures" / "slices" / CASES[0] / "heart.png").is_file()
    assert (occlusion / "figures" / "heat_map.png").is_file()
    volume = nib.load(occlusion / "volumes" / CASES[0] / "attribution_heart.nii.gz")
    assert volume.shape == nib.load(tiny.root / CASES[0] / "ct.nii.gz").shape
    assert np.asarray(volume.dataobj).any()


def test_occlusion_is_the_drop_of_the_score(case: Case):
    from occlusion import Occlusion

    settings = {**parts(), "attribution": Occlusion(CUBES), "inference": SlidingWindow((9, 8, 7))}
    module = module_of(ToyNetwork(), **settings)
    explanation = module.explain(case)
    labels, values = explanation.prediction.label_map, explanation.attribution.values
    for k in range(len(module.labels)):  # a cube's value is spread over its voxels
        torch.testing.assert_close(explanation.attribution.dense(k).sum(), values[k].sum())
    network = module.network.eval()
    for s in range(CUBES):
        occluded = torch.where(explanation.attribution.supervoxels == s, 0, case.image)
        with torch.no_grad():
            drop = (network(case.image[None]) - network(occluded[None]))[0]
        for c in range(len(module.labels)):
            torch.testing.assert_close(values[c, s], drop[c][labels == c].sum().double(), rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_the_command_of_the_readme(tiny: Tiny, tmp_path: Path):
    chosen = ["attribution=occlusion", "attribution.n_cubes=8", *ONE_CASE[1:], f"output={tmp_path}"]
    arguments = ["--config-dir", "user_code/conf", *shipped(tiny), *chosen]
    done = subprocess.run(
        [sys.executable, "-m", "agg2exp", "explain", *arguments],
        cwd=USER_CODE.parent,
        env={**os.environ, "PYTHONPATH": "user_code"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert CaseStore(tmp_path).read(CASES[0]).settings["method"] == "occlusion"
