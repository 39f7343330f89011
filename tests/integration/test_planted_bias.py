"""Ground truth: a model that was taught to look at a device, and its twin that was not, through `agg2exp explain`.

The committed weights of experiments/planted_bias on three patients that neither model has seen, at the model's own
spacing. The page there says how the models were trained and what other methods find.
"""

import pandas as pd
import pytest

from agg2exp.cli.conf_dir import conf_dir
from experiments.planted_bias.learned import Models
from experiments.planted_bias.learned import rows as dice_of_lobes
from tests.helpers.runs import run, words

FOLDER = conf_dir().parent / "experiments" / "planted_bias"
LOBE = "lung_lower_lobe_left"  # the one that gains what the device takes from the other
CASES = 3
SMALL = {"data.generator.spacing": [5.5, 5.5, 5.5], "data.generator.splits": {"test": CASES}}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """The device as a source for the lobe, per case, by model."""
    folder = tmp_path_factory.mktemp("planted_bias")
    shared = words({**SMALL, "data.root": folder / "phantoms", "paths.cache": folder / "cache"})
    found = {}
    for model in ("biased", "unbiased"):
        chosen = ["experiment=planted_bias", f"model.weights={FOLDER / model}.safetensors", f"classes=[{LOBE}]"]
        assert run("explain", [*chosen, *shared, "logger=none"], folder / model).code == 0
        table = pd.read_parquet(folder / model / "tables" / "roi_importance.parquet")
        found[model] = table[(table["source"] == "device") & (table["target"] == LOBE)].set_index("case")
    return found


def test_device_matters_ten_times_as_much_to_the_biased_model(rows: dict[str, pd.DataFrame]):
    biased, twin = rows["biased"]["importance"], rows["unbiased"]["importance"]
    assert len(biased) == len(twin) == CASES
    assert biased.mean() >= 10 * twin.mean()
    assert (biased > 5 * twin).all()


def test_and_more_than_its_distance_explains(rows: dict[str, pd.DataFrame]):
    biased = rows["biased"]
    assert (biased["importance"] > 5 * biased["expected_by_distance"]).all()


def test_the_biased_model_needs_the_device_to_place_the_border_and_its_twin_does_not():
    """What makes the above ground truth: the model did learn what was planted."""
    dice = {(model, image): both[:, :2] for model, image, both in dice_of_lobes(Models(), 4000, CASES, 5.5)}
    lost = {model: dice[model, "with device"] - dice[model, "device left out"] for model in ("biased", "unbiased")}
    assert dice["biased", "with device"].shape == (CASES, 2)
    assert (dice["biased", "with device"] > 0.8).all() and (dice["unbiased", "with device"] > 0.8).all()
    assert (lost["biased"] > 0.1).all()  # either left lobe of every patient
    assert (abs(lost["unbiased"]) < 0.02).all()
