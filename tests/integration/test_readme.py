"""What the README shows is what the tests run."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from agg2exp.domain.case import Grid
from agg2exp.models.checkpoint import save_weights
from agg2exp.store.nifti import write_volume
from tests.helpers.networks import ToyNetwork

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(?:python|yaml)\n(.*?)```", README, flags=re.DOTALL)
(CALL,) = [block for block in BLOCKS if "perturbations_per_eval" in block]  # run below
(DOOR,) = [block for block in BLOCKS if "agg2exp.explain" in block]


def test_code_in_the_readme_is_code_that_the_tests_run() -> None:
    shown = [block for block in BLOCKS if block not in (CALL, DOOR)]
    assert len(shown) == 3
    files = [path.read_text() for path in (Path(__file__).parent / "user_code").rglob("*") if path.is_file()]
    for block in shown:
        for part in block.strip().split("\n\n\n"):
            assert any(part in text for text in files), part


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("experiments/*/README.md")])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize(
    "group", ["attribution", "supervoxels", "baseline", "score", "metric", "model/windows", "logger"]
)
def test_every_choice_is_named_in_the_readme(group: str) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| `{group}`"))
    for path in (ROOT / "conf" / group).glob("*.yaml"):
        assert f"`{path.stem}`" in row, path


def test_the_python_call_works_as_shown() -> None:
    source = CALL
    small = {"(96, 96, 96)": "(8, 8, 8)", "n_samples=2000": "n_samples=30", "n_steps=50": "n_steps=3"}
    for shown, less in small.items():
        assert shown in source
        source = source.replace(shown, less)
    image = torch.rand(1, 10, 9, 8, generator=torch.Generator().manual_seed(0))
    atlas = torch.arange(10)[:, None, None].expand(10, 9, 8) // 3
    names = {"network": ToyNetwork(classes=9, seed=3), "image": image, "atlas": atlas}
    exec(source, names)
    assert names["e"].values.shape == (2, 1, 10, 9, 8)
    assert names["phi"].values.shape == names["phi"].standard_errors.shape == (1, 4)


def test_the_python_door_works_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "abdomen.yaml").write_text(
        "defaults: [{preprocessing: ct}, {windows: default}, _self_]\nlabels: [background, liver, spleen]\n"
        "preprocessing: {spacing: null}\nwindows: {size: [8, 8, 8]}\nweights: toy.safetensors\n"
        "network: {_target_: tests.helpers.networks.ToyNetwork, classes: 3}\n"
    )
    save_weights(ToyNetwork(classes=3), tmp_path / "toy.safetensors", {})
    scan = np.random.default_rng(0).normal(0, 300, (12, 11, 10)).astype(np.float32)
    write_volume(tmp_path / "ct.nii.gz", scan, Grid(scan.shape, np.diag([2.0, 2.0, 2.0, 1.0])))
    exec(DOOR, {})
    assert (tmp_path / "liver.nii.gz").is_file()
    assert (tmp_path / "run" / "figures" / "heat_map.png").is_file()
