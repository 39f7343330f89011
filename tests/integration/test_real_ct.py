"""Real scans with the shipped model: two spacings, two orientations, partial annotation.

The model has only seen phantoms and the scans show a part of the thorax each, so this checks the plumbing.
"""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from agg2exp.cli.segmentation_model import labels_of
from agg2exp.domain.labels import Labels
from tests.helpers.runs import Finished, composed, run

VARIABLE = "AGG2EXP_REAL_DATA"
CASES = ("s9001", "s9002")
ANNOTATED = {"aorta", "heart"}  # of s9002, among the model's classes; of the vertebrae it has one file in twenty-five

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(VARIABLE not in os.environ, reason=f"{VARIABLE} names no folder with real scans"),
]


@pytest.fixture(scope="module")
def root() -> Path:
    return Path(os.environ[VARIABLE])


@pytest.fixture(scope="module")
def scheme(tmp_path_factory: pytest.TempPathFactory) -> Labels:
    with composed("explain", [], tmp_path_factory.mktemp("scheme")) as config:
        return labels_of(config)


@pytest.fixture(scope="module")
def explained(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    folder = tmp_path_factory.mktemp("real")
    overrides = [
        *("data=totalsegmentator", f"data.root={root}", f"data.cases=[{','.join(CASES)}]", "trainer=cpu"),
        *("attribution.n_samples=1", "callbacks.volumes.attribution=[aorta]", f"paths.cache={folder / 'cache'}"),
    ]
    return run("explain", overrides, folder / "run")


def table(explained: Finished, name: str) -> pd.DataFrame:
    return pd.read_parquet(explained.output / "tables" / f"{name}.parquet")


def predicted(explained: Finished, case: str) -> set[str]:
    rows = table(explained, "segmentation").query("case == @case and predicted_voxels > 0")
    return set(rows["class"])


def test_both_scans_are_explained(explained: Finished):
    assert explained.code == 0
    assert not (explained.output / "failures.csv").exists()
    assert sorted(p.stem for p in (explained.output / "cases").iterdir()) == list(CASES)
    for name in ("config.yaml", "environment.json", "figures/heat_map.png", "figures/graph.png"):
        assert (explained.output / name).stat().st_size > 100


def test_the_tables_have_one_row_for_each_pair_in_each_case(explained: Finished, scheme: Labels):
    local = table(explained, "roi_importance").set_index(["case", "target", "source"])
    expected = pd.MultiIndex.from_product([CASES, scheme.classes, scheme.classes], names=local.index.names)
    assert local.index.is_unique
    assert set(local.index) == set(expected)
    sums = local["importance"].groupby(["case", "target"]).sum(min_count=1)
    for case in CASES:
        assert len(predicted(explained, case)) >= 5
        for target in scheme.classes:
            if target in predicted(explained, case):
                assert sums[case, target] == pytest.approx(1)
            else:
                assert np.isnan(sums[case, target])
    assert set(table(explained, "timings")["case"]) == set(CASES)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("volume", ["prediction", "attribution_aorta"])
def test_volumes_lie_on_the_scan_s_own_grid(explained: Finished, root: Path, case: str, volume: str):
    scan = nib.load(root / case / "ct.nii.gz")
    written = nib.load(explained.output / "volumes" / case / f"{volume}.nii.gz")
    assert written.shape == scan.shape
    np.testing.assert_allclose(written.affine, scan.affine, atol=1e-3)
    assert nib.aff2axcodes(written.affine) == nib.aff2axcodes(scan.affine)


@pytest.mark.parametrize("case", CASES)
def test_the_prediction_shows_what_the_table_counts(explained: Finished, scheme: Labels, case: str):
    labels = np.asarray(nib.load(explained.output / "volumes" / case / "prediction.nii.gz").dataobj)
    shown = {scheme.classes[c] for c in np.unique(labels)}
    assert shown <= predicted(explained, case)
    assert len(shown) >= 5


@pytest.mark.parametrize("case", CASES)
def test_every_predicted_class_has_its_slices_and_no_other(explained: Finished, case: str):
    pictures = {p.stem for p in (explained.output / "figures" / "slices" / case).glob("*.png")}
    assert pictures == predicted(explained, case)


def test_dice_is_told_where_the_class_was_annotated(explained: Finished):
    """s9001 has every mask file, s9002 six: a missing file is no empty mask."""
    segmentation = table(explained, "segmentation").set_index(["case", "class"])
    partial = segmentation.loc["s9002", "dice"]
    assert set(partial[partial.notna()].index) == ANNOTATED
    assert partial[list(ANNOTATED)].between(0, 1).all()
    whole = segmentation.loc["s9001"]
    in_neither = whole["dice"].isna()
    assert not in_neither["background"]
    assert (whole.loc[in_neither, "predicted_voxels"] == 0).all()  # absent from label map and prediction


def test_image_and_labels_are_turned_alike(explained: Finished):
    """Structures that the model finds in these scans would have no overlap if an axis of either were flipped."""
    dice = table(explained, "segmentation").set_index(["case", "class"])["dice"]
    assert dice["s9001", "vertebraes"] > 0.15
    assert dice["s9002", "heart"] > 0.5
    assert dice["s9002", "aorta"] > 0.2
