"""Every experiment and debug configuration on disk runs, shrunk to one tiny case."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.segmentation_model import untrained_model
from agg2exp.models.checkpoint import save_weights
from agg2exp.models.facts import facts_of
from tests.helpers.runs import Tiny, composed, run, shrunk

RECIPES = sorted(
    f"{group}={path.stem}" for group in ("experiment", "debug") for path in (conf_dir() / group).glob("*.yaml")
)


def weights_for(overrides: list[str], folder: Path) -> Path:
    """Weights as the network was initialised."""
    with composed("explain", overrides, folder) as config, torch.random.fork_rng():
        torch.manual_seed(0)
        model = untrained_model(config)
        facts = facts_of(model.labels, model.preprocessing, model.windows)
        save_weights(model.network, folder / "w.safetensors", facts)
    return folder / "w.safetensors"


def test_recipes_are_found():
    assert {"experiment=demo", "debug=tiny"} <= set(RECIPES)


SWEEPS = [recipe for recipe in RECIPES if recipe.startswith("experiment=table1")]
TRAININGS = [recipe for recipe in RECIPES if recipe.startswith("experiment=train")]


@pytest.mark.parametrize("recipe", [r for r in RECIPES if r not in {*SWEEPS, *TRAININGS}])
def test_recipe_explains(recipe: str, tiny: Tiny, tmp_path: Path):
    overrides = [*shrunk("explain", [recipe]), *tiny.data(), "trainer.accelerator=cpu", "data.limit=1"]
    if recipe == "experiment=planted_bias":  # with phantoms of its own, which wear the device
        overrides += [
            "data.generator.device_share=1",
            "data.generator.splits.train=0",
            f"data.root={tmp_path}/phantoms",
        ]
    weights = weights_for(overrides, tmp_path)
    finished = run("explain", [*overrides, f"model.weights={weights}"], tmp_path / "run")
    assert finished.code == 0
    table = pd.read_parquet(finished.output / "tables" / "roi_importance.parquet")
    assert table["importance"].notna().any()


@pytest.mark.parametrize("recipe", SWEEPS)
def test_recipe_sweeps_and_its_report_compares_the_methods(
    recipe: str, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    few = [
        "metric=[paper,insertion_deletion]",
        "metric.insertion_deletion.steps=2",
        "coalitions=6",
        "metric.faithfulness.n_subsets=4",
        "metric.faithfulness.subset_size=null",
    ]
    few += ["metric.faithfulness.subset_fraction=0.1", "metric.sensitivity.n_samples=1", "data.limit=1"]
    overrides = [word for word in tiny.explain(recipe, *few) if not word.startswith("attribution")]
    assert run("explain", [*overrides, f"paths.cache={tmp_path / 'cache'}"], tmp_path / "sweep").code == 0
    jobs = [tmp_path / "sweep" / str(job) for job in range(8)]
    assert [job.name for job in jobs if (job / "tables").is_dir()] == ["0", "2", "4", "6", "7"]
    assert len(list((tmp_path / "cache" / "faithfulness").iterdir())) == 1  # computed once for all methods
    assert len(list((tmp_path / "cache" / "predictions").iterdir())) == 1

    assert run("report", [f"runs={tmp_path / 'sweep'}"], tmp_path / "report").code == 0
    table = pd.read_csv(tmp_path / "report" / "benchmark.csv")
    methods = {"vanilla_gradient", "integrated_gradients", "smoothgrad", "kernel_shap/cubes", "kernel_shap/semantic"}
    assert set(table["method"]) == methods
    assert {"faithfulness", "sensitivity", "complexity", "efficiency"} <= set(table["name"])
    assert set(table["data"]) == {"phantom"}
    known = table[table["count"] > 0]
    assert known[known["name"] == "faithfulness"]["mean"].between(-1, 1).all()
    assert table.groupby("name")["best"].sum().loc[["sensitivity", "complexity", "efficiency"]].ge(1).all()
    curves = pd.read_csv(tmp_path / "report" / "curves.csv")
    assert set(curves["method"]) == methods
    assert set(curves["name"]) == {f"insertion_deletion_{end}_relevant_first" for end in ("most", "least")}
    for name in ("curves_phantom.png", "benchmark.md", "benchmark.tex", "benchmark_per_class.csv", "ranks.csv"):
        assert (tmp_path / "report" / name).stat().st_size > 0

    monkeypatch.setattr("agg2exp.figures.curves.LOOKS", ())  # as if there were too many methods for one picture
    assert run("report", [f"runs={tmp_path / 'sweep'}"], tmp_path / "again").code == 0
    assert {p.name for p in (tmp_path / "report").iterdir()} - {p.name for p in (tmp_path / "again").iterdir()} == {
        "curves_phantom.png"
    }
    assert "there is no picture of curves: methods: expected at most 0" in (tmp_path / "again/benchmark.md").read_text()


@pytest.mark.parametrize("recipe", TRAININGS)
def test_recipe_trains(recipe: str, tiny: Tiny, tmp_path: Path):
    finished = run("train", tiny.train(recipe), tmp_path)
    assert finished.code == 0
    assert (tmp_path / "weights.safetensors").is_file()
