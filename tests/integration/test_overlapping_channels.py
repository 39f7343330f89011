"""Three regions that may overlap in an image of four channels: from the network to the tables of a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from agg2exp.attribution import SmoothGrad
from agg2exp.domain.case import Case, Grid
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.labels import Labels
from agg2exp.domain.masks import OverlappingMasks
from agg2exp.domain.rng import KeyedRng
from agg2exp.domain.roi_importance import importance_array, importance_by_channel_array
from agg2exp.explaining.case_result import case_result
from agg2exp.explaining.collect import Collecting, collect
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.scores import MarginScore
from agg2exp.store.case_store import CaseStore
from agg2exp.store.stored_importances import read_stored_importances
from tests.helpers.networks import ToyNetwork

LABELS = Labels(("whole", "core", "enhancing"), "sigmoid")
CHANNELS = ("t1", "t1c", "t2", "flair")
SHAPE = (8, 9, 10)
CASES = ("a", "b", "c", "d", "e")


def case_of(name: str) -> Case:
    g = torch.Generator().manual_seed(ord(name))
    grid = Grid(SHAPE, np.diag([2.0, 3.0, 2.5, 1.0]))
    return Case(
        id=name,
        image=torch.rand(4, *SHAPE, generator=g) * torch.tensor([1.0, 2.0, 5.0, 0.5]).view(4, 1, 1, 1),
        grid=grid,
        native=grid,
        channels=CHANNELS,
        annotation=OverlappingMasks(torch.rand(3, *SHAPE, generator=g) < 0.4),
        annotated=(True, True, True),
        body=torch.rand(SHAPE, generator=g) < 0.8,
    )


def explained(model: WindowedModel, case: Case) -> Explanation:
    before, classes = model.passes, (0, 1, 2)
    prediction = model.predict(case.image)
    scores = MarginScore()(prediction, classes)
    attribution = SmoothGrad(n_samples=2).compute(model, case.image, scores, KeyedRng(0, case.id, "smoothgrad"))
    return Explanation(case.id, classes, prediction, attribution, {"method": "smoothgrad"}, model.passes - before, 1.0)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Explanation]]:
    folder = tmp_path_factory.mktemp("run")
    model = WindowedModel(ToyNetwork(channels=4, classes=3), SlidingWindow((6, 6, 6)), head=LABELS.head)
    explanations = {}
    for name in CASES:
        case = case_of(name)
        explanations[name] = explained(model, case)
        CaseStore(folder).write(case_result(case, explanations[name], LABELS))
    assert collect(folder, Collecting(draws=20)).done == CASES
    return folder, explanations


def test_every_share_is_that_of_its_region_and_channel(run: tuple[Path, dict[str, Explanation]]):
    folder, explanations = run
    whole = importance_array(pd.read_parquet(folder / "tables/roi_importance.parquet")).sel(kind="importance")
    parts = importance_by_channel_array(pd.read_parquet(folder / "tables/importance_by_channel.parquet"))
    assert tuple(parts["channel"].values) == CHANNELS
    np.testing.assert_allclose(parts.sum("channel"), whole, rtol=0, atol=1e-12)
    of_all = pd.read_parquet(folder / "tables/channel_shares.parquet").set_index(["case", "target", "channel"])["share"]
    for name, explanation in explanations.items():
        bits, e = explanation.prediction.masks.bits, explanation.attribution.values.abs().double()
        sources = dict(zip(("background", *LABELS.classes), [~bits.any(dim=0), *bits], strict=True))
        for k, target in enumerate(LABELS.classes):
            np.testing.assert_allclose(
                [of_all[name, target, channel] for channel in CHANNELS], e[k].sum(dim=(1, 2, 3)) / e[k].sum(), rtol=1e-5
            )
            for source, mask in sources.items():
                expected = e[k][:, mask].sum(dim=1) / e[k].sum()
                np.testing.assert_allclose(parts.sel(case=name, target=target, source=source), expected, rtol=1e-5)


def test_means_over_cases_are_those_of_the_tables(run: tuple[Path, dict[str, Explanation]]):
    folder, _ = run
    local = pd.read_parquet(folder / "tables/importance_by_channel.parquet")
    overall = pd.read_parquet(folder / "tables/global_importance_by_channel.parquet")
    keys = ["channel", "target", "source"]
    expected = local.groupby(keys)["importance"].mean()
    found = overall.set_index(keys)["mean"]
    np.testing.assert_allclose(found.loc[expected.index], expected)
    assert (overall["count"] == len(CASES)).all()


def test_the_run_can_be_read_and_seen(run: tuple[Path, dict[str, Explanation]]):
    folder, explanations = run
    tables = read_stored_importances(folder / "tables", LABELS, CASES)
    sums = tables["roi_importance"].groupby(["case", "target"])["importance"].sum()
    assert (sums > 1.05).all()
    segmentation = pd.read_parquet(folder / "tables/segmentation.parquet").set_index(["case", "class"])
    for name, explanation in explanations.items():
        assert segmentation.loc[(name, "core"), "predicted_voxels"] == int(explanation.prediction.masks.mask(1).sum())
    assert (folder / "figures/heat_map.png").is_file() and (folder / "figures/graph.png").is_file()
