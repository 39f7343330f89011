"""Every experiment and debug configuration on disk runs, shrunk to one tiny case."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from agg2exp.cli.application import build
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.parts import model_facts
from agg2exp.models.checkpoint import save_weights
from tests.helpers.runs import Tiny, composed, run, shrunk

RECIPES = sorted(
    f"{group}={path.stem}" for group in ("experiment", "debug") for path in (conf_dir() / group).glob("*.yaml")
)


def weights_for(overrides: list[str], folder: Path) -> Path:
    """Weights as the network was initialised."""
    with composed("explain", overrides, folder) as config, torch.random.fork_rng():
        torch.manual_seed(0)
        labels = build(config, "model.labels")
        save_weights(build(config, "model.network"), folder / "w.safetensors", model_facts(config.model, labels))
    return folder / "w.safetensors"


def test_recipes_are_found():
    assert {"experiment=demo", "debug=tiny"} <= set(RECIPES)


@pytest.mark.parametrize("recipe", [r for r in RECIPES if not r.startswith("experiment=train")])
def test_recipe_explains(recipe: str, tiny: Tiny, tmp_path: Path):
    overrides = [*shrunk("explain", [recipe]), *tiny.data(), "trainer.accelerator=cpu", "data.limit=1"]
    weights = weights_for(overrides, tmp_path)
    finished = run("explain", [*overrides, f"model.weights={weights}"], tmp_path / "run")
    assert finished.code == 0
    table = pd.read_parquet(finished.output / "tables" / "roi_importance.parquet")
    assert table["importance"].notna().any()


@pytest.mark.parametrize("recipe", [r for r in RECIPES if r.startswith("experiment=train")])
def test_recipe_trains(recipe: str, tiny: Tiny, tmp_path: Path):
    finished = run("train", tiny.train(recipe), tmp_path)
    assert finished.code == 0
    assert (tmp_path / "weights.safetensors").is_file()
