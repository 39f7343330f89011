"""Which cases go where."""

import gzip
import logging
import os
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from agg2exp.data.layouts.totalsegmentator import TotalSegmentatorLayout
from agg2exp.data.patches import TrainingPatches
from agg2exp.domain.case import Case, Failure
from agg2exp.domain.errors import SettingError
from agg2exp.domain.files import LabelMapFile
from agg2exp.run.datamodule import CaseDataModule
from agg2exp.store.limits import Limits
from tests.helpers import cases
from tests.helpers.headers import stored

SPLITS = {"s5": "test", "s1": "train", "s3": "val", "s2": "test", "s4": "train", "s6": "test"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cases.write_data_set(tmp_path_factory.mktemp("cohort") / "data", SPLITS)


def module(root: Path, classes=cases.CLASSES, **settings) -> CaseDataModule:
    return CaseDataModule(
        str(root),
        settings.pop("layout", TotalSegmentatorLayout),
        cases.ct(),
        cases.labels(classes),
        merge=cases.merge(classes),
        cache=root.parent / "cache",
        **settings,
    )


def ids(loader) -> list[str]:
    return [case.id for case in loader]


def test_splits_are_kept_apart_in_the_table_s_order(root: Path):
    data = module(root)
    assert data.expected() == ids(data.predict_dataloader()) == ids(data.test_dataloader()) == ["s5", "s2", "s6"]
    assert ids(data.val_dataloader()) == ["s3"]
    assert module(root, split="train").expected() == ["s1", "s4"]


def test_chosen_cases_come_in_the_order_asked_for_and_once(root: Path):
    data = module(root, cases=["s4", "s5", "s4"])
    assert data.expected() == ids(data.predict_dataloader()) == ["s4", "s5"]


def test_no_split_is_all_cases(root: Path):
    assert module(root, split=None).expected() == list(SPLITS)
    assert module(root, split=None, limit=2).expected() == list(SPLITS)[:2]


def test_cases_that_are_to_come_last_do_and_each_is_told_before_it_is_read(root: Path):
    data, begun = module(root), []
    data.hand_out(last={"s5": 2, "s2": 1}, begin=begun.append)
    assert data.pending() == ["s6", "s2", "s5"]
    for n, case in enumerate(data.predict_dataloader(), start=1):
        assert begun == ["s6", "s2", "s5"][:n]
        assert case.id == begun[-1]


def test_a_limit_takes_the_first_cases(root: Path):
    assert module(root, limit=2).expected() == ids(module(root, limit=2).predict_dataloader()) == ["s5", "s2"]
    assert module(root, limit=9, cases=["s1"]).expected() == ["s1"]


def test_a_batch_is_one_case_also_from_worker_processes(tmp_path: Path):
    root = cases.write_data_set(tmp_path / "data", {"s1": "test", "s2": "test"})
    (root / "s1/ct.nii.gz").unlink()
    first, second = module(root, num_workers=1).predict_dataloader()
    assert isinstance(first, Failure)
    assert isinstance(second, Case)
    assert second.image.shape[1:] == second.grid.shape


def test_an_empty_split_names_the_splits_with_their_sizes(root: Path):
    with pytest.raises(SettingError) as error:
        module(root, split="validation").expected()
    assert str(error.value).startswith("data.split: ")
    assert all(word in str(error.value) for word in ("'test': 3", "'train': 2", "'val': 1", "'validation'", str(root)))


@pytest.mark.parametrize("wanted", [["s1", "s9"], []])
def test_an_unknown_case_is_named(root: Path, wanted: list[str]):
    with pytest.raises(SettingError) as error:
        module(root, cases=wanted).expected()
    assert str(error.value).startswith("data.cases: ")
    assert all(word in str(error.value) for word in (repr(wanted), str(root), "s5"))


@pytest.mark.parametrize(("key", "value"), [("limit", 0), ("limit", 1.5), ("num_workers", -1)])
def test_wrong_settings_are_named(root: Path, key: str, value: float):
    with pytest.raises(SettingError, match=key):
        module(root, **{key: value})


def test_a_misspelt_structure_is_a_warning_with_the_closest_name(root: Path, caplog: pytest.LogCaptureFixture):
    classes = {**cases.CLASSES, "heart": ["haert"]}
    with caplog.at_level(logging.WARNING):
        module(root, classes).prepare_data()
    assert "haert (did you mean heart?)" in caplog.text
    caplog.clear()
    module(root).prepare_data()
    assert caplog.text == ""


def masked(root: Path, **extra: str) -> CaseDataModule:
    return module(root, extra_masks=extra, mask_threshold=0.5)


def test_a_misspelt_mask_and_a_label_that_no_case_has_are_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    root = cases.write_data_set(tmp_path / "data", {"s1": "train", "s2": "test"})
    volume = np.zeros(cases.scan_grid().shape, np.uint8)
    for case, label in (("s1", 2), ("s2", 7)):
        volume[0] = label
        cases.write_nifti(root / case / "atlas.nii.gz", volume, cases.scan_grid())
    cases.write_nifti(root / "s2" / "nodule.nii.gz", volume, cases.scan_grid())
    atlas = "{case}/atlas.nii.gz"
    with caplog.at_level(logging.WARNING):
        masked(root, a="{case}/nodule.nii.gz", b=f"{atlas}#7", c=f"{atlas}#2", d=atlas).prepare_data()
    assert caplog.text == ""  # one case is enough
    with caplog.at_level(logging.WARNING):
        masked(root, a="{case}/atals.nii.gz", b="{case}/x.nii", c=f"{atlas}#9", d=f"{atlas}#7").prepare_data()
    (record,) = caplog.records
    text = record.getMessage()
    assert f"a (no case has such a file as {root}/s1/atals.nii.gz, did you mean atlas.nii.gz?)" in text
    assert f"b (no case has such a file as {root}/s1/x.nii)" in text
    assert f"c (label 9 is in no file such as {root}/s1/atlas.nii.gz)" in text
    assert "d (" not in text


def test_the_table_of_the_data_set_is_read_once(root: Path, monkeypatch: pytest.MonkeyPatch):
    data, read = module(root), []
    records = data.layout.records
    monkeypatch.setattr(data.layout, "records", lambda: read.append(1) or records())
    data.prepare_data()
    for _ in range(3):
        data.expected()
        data.pending()
        data.costs()
        data.fingerprints(data.expected())
        for case in data.expected():
            assert isinstance(data.read(case), Case)
    assert read == [1]


def test_costs_are_voxels_and_finite_whatever_the_headers_say(tmp_path: Path):
    grid = cases.scan_grid()
    faults = {
        "nan": {"srow_x": [np.nan, 0, 0, 0]},
        "far": {"vox_offset": np.inf},
        "start": {"vox_offset": 0},
        "wide": {"srow_x": [1e30, 0, 0, 0]},
        "metres": {"xyzt_units": 1},
        "large": {"dim": [3, 30000, 30000, 30000, 1, 1, 1, 1]},
        "none": {"dim": [3, 0, -5, 1, 1, 1, 1, 1]},
        "type": {"datatype": 12345},
    }
    root = cases.write_data_set(tmp_path / "data", dict.fromkeys(["good", *faults, "gone", "text"], "test"))
    for name, fields in faults.items():
        stored(root / name / "scan.nii", np.zeros(grid.shape, np.int16), grid, **fields)
        content = (root / name / "scan.nii").read_bytes()
        (root / name / "ct.nii.gz").write_bytes(gzip.compress(content))
    (root / "gone/ct.nii.gz").unlink()
    (root / "text/ct.nii.gz").write_text("<html>404</html>")
    data = module(root)
    costs = data.costs()
    assert costs.pop("good") == pytest.approx(np.prod(grid.shape) * 64 / 216)
    assert set(costs.values()) == {0.0}
    for case in costs:
        assert isinstance(data.read(case), Failure)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take and give back a user's rights")
def test_folders_that_must_not_be_read_are_the_failures_of_their_cases(tmp_path: Path):
    with tempfile.TemporaryDirectory() as shared:  # pytest's own folders are closed to other users
        folder = Path(shared)
        folder.chmod(0o755)
        root = cases.write_data_set(folder / "data", {"s1": "test", "s2": "test", "s3": "test"})
        (root / "s1/segmentations").chmod(0)
        (root / "s2").chmod(0)
        data = masked(root, a="{case}/segmentations/heart.nii.gz#1")
        os.seteuid(65534)
        try:
            data.prepare_data()
            costs, prints = data.costs(), data.fingerprints(data.expected())
            one, two, three = map(data.read, data.expected())
        finally:
            os.seteuid(0)
    assert costs["s1"] == costs["s3"] > costs["s2"] == 0
    assert prints["s1"] == prints["s2"] == ""
    assert isinstance(one, Failure)
    assert isinstance(two, Failure)
    assert isinstance(three, Case)
    assert "cannot be looked for (Permission denied)" in one.error
    assert "must not be read (Permission denied)" in two.error


def test_reading_many_headers_shows_progress(root: Path, monkeypatch: pytest.MonkeyPatch):
    shown: list[tuple[int, str]] = []

    def track(records, description, disable, **_):
        if not disable:
            shown.append((len(records), description))
        return records

    monkeypatch.setattr("agg2exp.run.datamodule.track", track)
    monkeypatch.setattr("agg2exp.run.datamodule.MANY_HEADERS", 3)
    module(root, limit=2).costs()
    assert shown == []
    module(root).costs()
    assert shown == [(3, "Reading headers")]


def test_the_limits_of_the_data_are_those_of_its_cases(root: Path):
    data = module(root, limits=Limits(extent_mm=(10, 50)))
    assert data.costs() == {"s5": 0, "s2": 0, "s6": 0}
    failure = data.read("s5")
    assert isinstance(failure, Failure)
    assert "data.limits.extent_mm allows 10 to 50" in failure.error


def test_missing_cases_are_generated_before_they_are_read(tmp_path: Path):
    class Generator:
        def __init__(self, root: str) -> None:
            self.root = Path(root)

        def missing(self) -> list[str]:
            return [] if (self.root / "meta.csv").exists() else ["g1", "g2"]

        def generate(self, advance=None) -> None:
            cases.write_data_set(self.root, {"g1": "test", "g2": "train"})
            advance("g1")
            advance("g2")

    data = module(tmp_path / "new", generator=Generator)
    data.prepare_data()
    assert ids(data.predict_dataloader()) == ["g1"]


def test_training_leaves_out_cases_with_gaps_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    root = cases.write_data_set(tmp_path / "data", {"s1": "train", "s2": "train", "s3": "train"})
    (root / "s2/segmentations/lung_left.nii.gz").unlink()
    patches = partial(TrainingPatches, size=(6, 6, 6), per_case=2)
    with caplog.at_level(logging.WARNING):
        loader = module(root, patches=patches).train_dataloader()
    assert "1 of 3 training cases" in caplog.text
    assert len(loader) == 2
    (root / "s1/segmentations/heart.nii.gz").unlink()
    (root / "s3/segmentations/heart.nii.gz").unlink()
    with pytest.raises(SettingError, match="annotated"):
        module(root, patches=patches).train_dataloader()
    with pytest.raises(SettingError, match="patches"):
        module(root).train_dataloader()


def test_shards_are_explained_by_jobs_of_their_own(root: Path):
    shards = [module(root, split=None, shard=f"{k}/3") for k in (1, 2, 3)]
    assert [data.expected() for data in shards] == [["s5", "s2"], ["s1", "s4"], ["s3", "s6"]]
    for data in shards:
        assert data.pending() == ids(data.predict_dataloader()) == data.expected()
        assert data.records("val")[0].id == "s3"  # validation is not shared
    shards[0].leave_out(frozenset({"s5"}))
    assert shards[0].pending() == ["s2"]


def test_the_label_map_and_its_names_come_with_the_cases(tmp_path: Path):
    root = cases.write_data_set(tmp_path / "data", {"s1": "test"})
    grid = cases.scan_grid()
    cases.write_nifti(root / "atlas.nii", np.full(grid.shape, 12, np.int16), grid)
    (root / "names.csv").write_text("label,name\n12,everything\n")
    with_names = module(root, label_map=LabelMapFile("atlas.nii", "names.csv"))
    case = with_names.read("s1")
    assert isinstance(case, Case)
    assert (case.label_map == 12).all()
    assert case.label_names == {12: "everything"}
    without = module(root, label_map=LabelMapFile("atlas.nii"))
    prints = [data.fingerprints(["s1"])["s1"] for data in (with_names, without, module(root))]
    assert len(set(prints)) == 3


def test_a_layout_of_ones_own_changes_the_fingerprints_with_its_code(tmp_path: Path):
    root = cases.write_data_set(tmp_path / "data", {"s1": "test"})

    class Own(TotalSegmentatorLayout):
        """Defined here."""

    prints = [module(root, layout=layout).fingerprints(["s1"])["s1"] for layout in (Own, TotalSegmentatorLayout)]
    assert "" not in prints and prints[0] != prints[1]
