"""What the README shows is what the tests run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from tests.helpers.networks import ToyNetwork

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```(?:python|yaml)\n(.*?)```", README, flags=re.DOTALL)
(CALL,) = [block for block in BLOCKS if "perturbations_per_eval" in block]  # run below


def test_code_in_the_readme_is_code_that_the_tests_run() -> None:
    shown = [block for block in BLOCKS if block != CALL]
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
