"""What the README shows is what the tests run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_code_in_the_readme_is_code_that_the_tests_run() -> None:
    shown = re.findall(r"```(?:python|yaml)\n(.*?)```", README, flags=re.DOTALL)
    assert len(shown) == 3
    files = [path.read_text() for path in (Path(__file__).parent / "user_code").rglob("*") if path.is_file()]
    for block in shown:
        for part in block.strip().split("\n\n\n"):
            assert any(part in text for text in files), part


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("experiments/*/README.md")])
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


@pytest.mark.parametrize("group", ["attribution", "supervoxels", "baseline", "score", "metric", "inference", "logger"])
def test_every_choice_is_named_in_the_readme(group: str) -> None:
    row = next(line for line in README.splitlines() if line.startswith(f"| `{group}`"))
    for path in (ROOT / "conf" / group).glob("*.yaml"):
        assert f"`{path.stem}`" in row, path
