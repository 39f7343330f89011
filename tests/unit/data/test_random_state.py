"""Random states of the training patches."""

from pathlib import Path
from typing import Any

import torch

from agg2exp.data.patches import TrainingPatches
from agg2exp.data.random_state import random_state, set_random_state
from tests.helpers import cases


def loader_of(folder: Path) -> Any:
    patches = TrainingPatches(len(cases.CLASSES), (8, 8, 8), per_case=2)
    return patches.loader(cases.reader(cases.SPACING), cases.records(folder))


def epoch(loader: Any) -> list[torch.Tensor]:
    return [batch["image"].as_subclass(torch.Tensor) for batch in loader]


def test_a_loader_goes_on_with_the_patches_that_would_have_come(tmp_path: Path) -> None:
    cases.write_data_set(tmp_path, {"s1": "train", "s2": "train", "s3": "train"})
    first, second = loader_of(tmp_path), loader_of(tmp_path)
    epoch(first)
    path = tmp_path / "state.pt"
    torch.save(random_state(first), path)
    epoch(second), epoch(second), epoch(second)
    expected = [*epoch(first), *epoch(first)]
    set_random_state(second, torch.load(path, weights_only=True))
    found = [*epoch(second), *epoch(second)]
    assert len(expected) == 6
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    assert not torch.equal(expected[0], expected[3])
