"""RoI importances and Dice of a run are checked as they are read, whoever wrote them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from agg2exp.aggregation.local_importance import local_importance
from agg2exp.domain.attribution import DenseAttribution
from agg2exp.domain.errors import DataError
from agg2exp.domain.labels import Labels
from agg2exp.domain.masks import OverlappingMasks
from agg2exp.domain.roi_importance import Kind
from agg2exp.store.stored_importances import OF_IMPORTANCE, read_stored_importances, wrong_cover, wrong_shares
from agg2exp.store.tables import write_tables
from tests.helpers.case_regions import case_regions, overlapping_labels
from tests.helpers.stored_runs import CLASSES, NODULE, stored_run

CASES = ["c00000", "c00001", "c00002"]
Change = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return stored_run(tmp_path / "run", n=3) / "tables"


def read(folder: Path, known: list[str] = CASES) -> dict[str, pd.DataFrame]:
    return read_stored_importances(folder, Labels(CLASSES), known)


def change(folder: Path, table: str, how: Change) -> None:
    path = folder / f"{table}.parquet"
    how(pd.read_parquet(path)).to_parquet(path, index=False)


def put(case: str, column: str, value: float, **where: str) -> Change:
    """One entry of a table changed."""

    def put_in(table: pd.DataFrame) -> pd.DataFrame:
        rows = table["case"] == case
        for name, word in where.items():
            rows &= table[name.rstrip("_")] == word
        table.loc[rows, column] = value
        return table

    return put_in


def test_the_tables_of_a_run_are_read_as_pandas_reads_them(tables: Path):
    found = read(tables)
    local = pd.read_parquet(tables / "roi_importance.parquet")
    pd.testing.assert_frame_equal(found["roi_importance"], local[list(OF_IMPORTANCE)])
    pd.testing.assert_frame_equal(found["segmentation"], pd.read_parquet(tables / "segmentation.parquet"))
    assert read(tables, known=[])["segmentation"].equals(found["segmentation"])


AORTA = {"target": "aorta", "source": "heart"}


@pytest.mark.parametrize(
    ("table", "how", "message"),
    [
        ("roi_importance", put("c00001", "importance", 5, **AORTA), "from 0 to 1 .* got '5.0' for case 'c00001'"),
        ("roi_importance", put("c00001", "importance", -0.5, **AORTA), r"got '-0\.5' for case 'c00001', target 'ao"),
        ("roi_importance", put("c00001", "importance", np.inf, **AORTA), "got 'inf' for case 'c00001'"),
        ("roi_importance", put("c00001", "importance", 0.9, **AORTA), "sums to 1 .*for case 'c00001', target 'aorta'"),
        ("roi_importance", put("c00001", "importance_positive", 0, **AORTA), "importance_positive that sums to 1"),
        ("roi_importance", put("c00001", "importance", np.nan, **AORTA), "got some alone for case 'c00001', s"),
        ("roi_importance", put("c00001", "volume_voxels", -1), "finite numbers from 0 in column 'volume_voxels'"),
        ("roi_importance", put("c00001", "expected_by_distance", 1.5, **AORTA), "in column 'expected_by_distance'"),
        ("roi_importance", lambda t: pd.concat([t, t.tail(1)]), "expected every row once, got case 'c00002', .* twice"),
        ("roi_importance", lambda t: t[t["case"] != "c00001"], r"same cases in both tables, got \['c00001'\]"),
        ("roi_importance", lambda t: t.replace({"case": {"c00001": "x"}}), r"has a result of, got \['x'\]"),
        ("roi_importance", lambda t: t.replace({"target": {"heart": "liver"}}), "as targets, got case 'c00000', t"),
        ("roi_importance", lambda t: t.drop(columns="mass"), r"expected the columns .* got none of \['mass'\]"),
        ("roi_importance", lambda t: t.assign(mass="heavy"), "expected finite numbers from 0 in column 'mass', got"),
        ("roi_importance", lambda t: t.assign(case=range(len(t))), "expected words in column 'case', got int64"),
        ("roi_importance", lambda t: t.assign(case=None), "expected words in column 'case', got null"),
        ("roi_importance", lambda t: t.assign(source="x" * 501), "expected words in column 'source', got 'xxx"),
        ("segmentation", put("c00001", "dice", 7.0, class_="heart"), "got '7.0' for case 'c00001', class 'heart'"),
        ("segmentation", lambda t: t.assign(dice=t["dice"] > 0), "from 0 to 1 in column 'dice', got bool"),
        ("segmentation", lambda t: t.replace({"class": {"heart": "liver"}}), "expected the classes .* class 'liver'"),
        ("segmentation", lambda t: t[t["class"] != "heart"], "got some classes of some case alone"),
        ("segmentation", lambda t: t.head(0), "same cases in both tables"),
    ],
)  # fmt: skip
def test_an_entry_that_no_run_writes_is_named(tables: Path, table: str, how: Change, message: str):
    change(tables, table, how)
    with pytest.raises(DataError, match=message):
        read(tables)


def test_classes_without_annotation_and_masks_that_were_not_given_may_be_missing(tables: Path):
    def unknown(local: pd.DataFrame) -> pd.DataFrame:
        shares = [kind.value for kind in (Kind.IMPORTANCE, Kind.POSITIVE, Kind.NEGATIVE)]
        local.loc[local["source"].isin(["background", "ribs"]), shares] = np.nan
        return local

    change(tables, "roi_importance", unknown)
    local = read(tables)["roi_importance"]
    assert local.loc[local["source"] == NODULE, "importance"].isna().any()


def test_shares_of_a_partition():
    nan = np.nan
    shares = np.array([[0.5, 0.5], [0.5, 0.50009], [0.5, 0.4], [0.6, 0.5], [nan, nan], [nan, 0.4], [nan, 1.1]])
    assert wrong_shares(shares).tolist() == [False, False, True, True, False, False, True]


@pytest.fixture
def overlapping(tmp_path: Path) -> Path:
    """Tables of two cases of three nested regions."""
    local = []
    for seed in range(2):
        g = torch.Generator().manual_seed(seed)
        depth = torch.rand(5, 6, 7, generator=g)
        masks = OverlappingMasks(torch.stack([depth < 0.6, depth < 0.3, depth < 0.1]))
        attribution = DenseAttribution(torch.randn(3, 1, 5, 6, 7, generator=g))
        found = local_importance(attribution, (0, 1, 2), case_regions(masks, extra={"lump": depth > 0.5}))
        local.append(found.to_frame().assign(case=CASES[seed]))
    regions = list(overlapping_labels(3).classes)
    segmentation = pd.DataFrame({"case": np.repeat(CASES[:2], 3), "class": regions * 2, "dice": 0.5})
    write_tables(tmp_path, {"roi_importance": pd.concat(local, ignore_index=True), "segmentation": segmentation})
    return tmp_path


def test_regions_that_overlap_may_have_more_than_everything(overlapping: Path):
    found = read_stored_importances(overlapping, overlapping_labels(3), CASES)["roi_importance"]
    of_class = found[found["source"] != "lump"]
    assert (of_class.groupby(["case", "target"])["importance"].sum() > 1.1).all()
    change(overlapping, "roi_importance", lambda table: table.sample(frac=1, random_state=0))
    read_stored_importances(overlapping, overlapping_labels(3), CASES)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_regions_that_overlap_cover_what_background_leaves_and_no_more(overlapping: Path, value: float):
    changed = {0.0: ("background", "region_2", "region_3"), 1.0: ("background",)}[value]
    for source in changed:
        change(overlapping, "roi_importance", put("c00001", "importance", value, target="region_2", source=source))
    with pytest.raises(DataError, match=r"importance that covers all .* case 'c00001', target 'region_2'"):
        read_stored_importances(overlapping, overlapping_labels(3), CASES)


def test_shares_of_regions_that_overlap():
    nan = np.nan
    shares = np.array([[0.2, 0.8, 0.8], [0.0, 1, 1], [0.2, 0.5, 0.3], [0.2, 0.5, 0.2], [0.3, 0.8, 0.7], [nan, 0.5, 0.1],
                       [0.3, 0.8, nan], [nan, nan, nan], [0.0, 0.5, 0.50001], [1.0, 0.0, 0.0]])  # fmt: skip
    wrong = [False, False, False, True, True, False, True, False, False, False]
    assert wrong_cover(shares).tolist() == wrong
