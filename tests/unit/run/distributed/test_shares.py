"""The data module hands each rank its own cases."""

from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

import pytest

from agg2exp.data.layouts.totalsegmentator import TotalSegmentatorLayout
from agg2exp.domain.errors import SettingError
from agg2exp.run.datamodule import CaseDataModule
from tests.helpers import cases

EXTENTS = {"s1": (36, 36, 36), "s2": (72, 72, 56), "s3": (36, 36, 60), "s4": (36, 60, 60), "s5": (36, 36, 36)}  # mm


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scans of several sizes; the spacing of the files is not the model's, and differs."""
    root = tmp_path_factory.mktemp("cohort") / "data"
    for k, (case, extent) in enumerate(EXTENTS.items()):
        cases.write_case(
            root, case, cases.scan_grid(extent=extent, spacing=(3.0, 4.0, 6.0) if k % 2 else (6.0, 4.0, 4.0))
        )
    cases.write_table(root, dict.fromkeys(EXTENTS, "test"))
    return root


def data_of(root: Path, ranks: int, **settings) -> list[CaseDataModule]:
    """The data module of every rank; rank 0 comes first, and what it says reaches the others."""
    said = []

    def broadcast(rank: int, value: object) -> object:
        if rank == 0:
            said.append(value)
        return said[0]

    modules = []
    for rank in range(ranks):
        preprocessing = cases.ct()
        data = CaseDataModule(str(root), TotalSegmentatorLayout, preprocessing, cases.labels(), **settings)
        strategy = SimpleNamespace(broadcast=partial(broadcast, rank))
        data.trainer = SimpleNamespace(world_size=ranks, global_rank=rank, is_global_zero=rank == 0, strategy=strategy)
        modules.append(data)
    return modules


def shares(modules: list[CaseDataModule]) -> list[list[str]]:
    return [[record.id for record in data.predict_dataloader().dataset.records] for data in modules]


def test_one_rank_has_all_cases_in_order(root: Path):
    assert shares(data_of(root, 1)) == [list(EXTENTS)]


def test_the_large_case_is_alone(root: Path):
    assert shares(data_of(root, 2)) == [["s2"], ["s1", "s3", "s4", "s5"]]


def test_all_ranks_expect_all_cases(root: Path):
    assert all(data.expected() == list(EXTENTS) for data in data_of(root, 3))
    assert sorted(chain.from_iterable(shares(data_of(root, 3)))) == list(EXTENTS)


def test_limit_and_choice_come_first(root: Path):
    assert sorted(chain.from_iterable(shares(data_of(root, 2, limit=3)))) == ["s1", "s2", "s3"]
    assert sorted(chain.from_iterable(shares(data_of(root, 2, cases=["s5", "s2"])))) == ["s2", "s5"]


@pytest.mark.parametrize("damage", [None, b"no scan"])
def test_a_scan_without_readable_header_is_handed_out_too(tmp_path: Path, damage: bytes | None):
    root = cases.write_data_set(tmp_path / "data", dict.fromkeys(["s1", "s2", "s3"], "test"))
    (root / "s1/ct.nii.gz").unlink()
    if damage is not None:
        (root / "s1/ct.nii.gz").write_bytes(damage)
    assert sorted(chain.from_iterable(shares(data_of(root, 2)))) == ["s1", "s2", "s3"]


def test_more_ranks_than_cases_are_refused(root: Path):
    with pytest.raises(SettingError, match=r"trainer\.devices: expected at most one for each of the 5 cases, got 6"):
        shares(data_of(root, 6))


def test_a_data_set_is_prepared_once(root: Path, monkeypatch: pytest.MonkeyPatch):
    (data,) = data_of(root, 1)
    asked = []
    monkeypatch.setattr(data.catalogue, "warn_of_what_no_case_has", asked.append)
    data.prepare_data()
    data.prepare_data()
    assert len(asked) == 1
