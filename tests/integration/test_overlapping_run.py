"""`agg2exp explain` of a network with a sigmoid head: regions that overlap, from the scans to pictures and tables."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from agg2exp.cli.segmentation_model import untrained_model
from agg2exp.models.checkpoint import save_weights
from agg2exp.models.facts import facts_of
from tests.helpers.runs import CASES, Finished, Tiny, composed, run

LEFT = ("lung_upper_lobe_left", "lung_lower_lobe_left")
RIGHT = ("lung_upper_lobe_right", "lung_middle_lobe_right", "lung_lower_lobe_right")
REGIONS = ("lungs", "left_lung", "heart")
CHOSEN = [
    "model.head=sigmoid",
    f"model.labels=[{','.join(REGIONS)}]",
    "model.network.out_channels=3",
    f"+data.merge={{lungs:[{','.join(LEFT + RIGHT)}],left_lung:[{','.join(LEFT)}]}}",
]


@pytest.fixture(scope="module")
def explained(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("overlapping")
    arguments = tiny.explain(*CHOSEN, "attribution=kernel_shap", "supervoxels=semantic", "data.limit=1")
    weights = folder / "regions.safetensors"
    with composed("explain", arguments, folder) as config:
        model = untrained_model(config)
        generator = torch.Generator().manual_seed(0)
        for parameter in model.network.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
        save_weights(model.network, weights, facts_of(model.labels, model.preprocessing, model.windows))
    finished = run("explain", [*arguments, f"model.weights={weights}"], folder / "run")
    assert finished.code == 0
    return finished


def test_the_supervoxels_are_the_cells_of_the_predicted_masks(explained: Finished) -> None:
    folder = explained.output / "volumes" / CASES[0]
    assert {p.name for p in folder.iterdir()} == {f"prediction_{r}.nii.gz" for r in REGIONS} | {"supervoxels.nii.gz"}
    masks = [np.asarray(nib.load(folder / f"prediction_{r}.nii.gz").dataobj).astype(int) for r in REGIONS]
    assert all(0 < mask.mean() < 1 for mask in masks)
    assert (masks[0] & masks[1]).any() and (masks[0] != masks[1]).any()  # they do overlap
    supervoxels = np.asarray(nib.load(folder / "supervoxels.nii.gz").dataobj)
    np.testing.assert_array_equal(supervoxels, masks[0] + 2 * masks[1] + 4 * masks[2])


def test_tables_and_pictures_know_every_region_and_background_as_a_source(explained: Finished) -> None:
    table = pd.read_parquet(explained.output / "tables" / "roi_importance.parquet")
    assert set(table["target"]) == set(REGIONS)
    assert set(table["source"]) == {"background", *REGIONS, "consolidation", "pleural_effusion"}
    rows = table[table["source"].isin(["background", *REGIONS])].groupby("target")["importance"].sum()
    assert (rows > 1.01).all()  # regions that overlap count the same voxels
    assert {p.stem for p in (explained.output / "figures" / "slices" / CASES[0]).iterdir()} == set(REGIONS)
    segmentation = pd.read_parquet(explained.output / "tables" / "segmentation.parquet")
    assert segmentation["dice"].between(0, 1).all() and len(segmentation) == 3
