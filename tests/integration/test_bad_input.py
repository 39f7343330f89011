"""Bad input through the real command: each mistake is named, and whatever is good is finished."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import torch

from agg2exp.store import case_store, failures
from tests.helpers import cases
from tests.helpers.networks import LinearNetwork, ToyNetwork
from tests.helpers.runs import run


@dataclass(frozen=True)
class Ended:
    """How a run ended: exit status, folder, everything on the terminal (line breaks as single spaces)."""

    code: int
    output: Path
    said: str

    @property
    def failures(self) -> pd.DataFrame:
        return pd.read_csv(self.output / "failures.csv", index_col="case_id")

    def table(self, name: str) -> pd.DataFrame:
        return pd.read_parquet(self.output / "tables" / f"{name}.parquet")

    def finished(self) -> list[str]:
        return sorted(path.name for path in (self.output / "cases").iterdir())


def explain(folder: Path, capture, *overrides: str) -> Ended:
    """`agg2exp explain` of `folder/data` with the toy model of `folder/conf`."""
    output = folder / "run"
    code = run("explain", [*cases.toy_job(folder), "callbacks=tables", *overrides], output).code
    text = capture.readouterr()
    return Ended(code, output, " ".join((text.out + text.err).split()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two good cases and a toy model."""
    cases.write_data_set(tmp_path / "data", {"s1": "test", "s2": "test"})
    cases.write_toy_model(tmp_path / "conf")
    return tmp_path


def refused(ended: Ended, words: Sequence[str]) -> None:
    """The job did not start: a message, no traceback, no results."""
    assert ended.code == 1
    assert all(word in ended.said for word in words), ended.said
    assert "Traceback" not in ended.said
    assert not (ended.output / "tables").exists()


BAD = {  # case -> what the message must contain, besides the case
    "cut_off": ("ct.nii.gz", "cut off", "Copy or convert"),
    "mask_shape": ("heart.nii.gz", "(18, 15, 14)", "(3, 4, 5)", "Resample"),
    "not_finite": ("ct.nii.gz", "1 voxels that are NaN", "Repair"),
    "time_series": ("ct.nii.gz", "4D", "one time point"),
    "no_ct": ("ct.nii.gz", "found none", "Fetch"),
    "cut_off_mask": ("aorta.nii.gz", "cut off", "Copy or convert"),
}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven cases, six of them bad in different ways; the good one is in the middle."""
    folder = tmp_path_factory.mktemp("mixed")
    names = list(BAD)
    data = cases.write_data_set(folder / "data", dict.fromkeys([*names[:3], "good", *names[3:]], "test"))
    cases.write_toy_model(folder / "conf")
    for path in (data / "cut_off/ct.nii.gz", data / "cut_off_mask/segmentations/aorta.nii.gz"):
        path.write_bytes(path.read_bytes()[:-30])
    grid = cases.scan_grid()
    cases.write_nifti(data / "mask_shape/segmentations/heart.nii.gz", np.zeros((3, 4, 5), np.uint8), grid)
    hu = np.asarray(nib.load(data / "not_finite/ct.nii.gz").dataobj).copy()
    hu[2, 3, 4] = np.nan
    cases.write_nifti(data / "not_finite/ct.nii.gz", hu, grid)
    cases.write_nifti(data / "time_series/ct.nii.gz", np.zeros((*grid.shape, 3), np.int16), grid)
    (data / "no_ct/ct.nii.gz").unlink()
    return folder


def test_six_bad_cases_are_reported_and_the_good_one_is_finished(mixed: Path, capsys: pytest.CaptureFixture[str]):
    ended = explain(mixed, capsys)
    assert ended.code == 1
    assert ended.finished() == ["good.safetensors"]
    table = ended.failures
    assert sorted(table.index) == sorted(BAD)
    assert set(table["stage"]) == {"reading"}
    for case, words in BAD.items():
        message = table.loc[case, "error"]
        assert message.startswith(f"case {case}: ")
        assert str(mixed / "data" / case) in message or case.startswith("mask")
        assert all(word in message for word in words), message
        assert "Traceback" in table.loc[case, "traceback"]
        assert f"case {case}: " in ended.said  # also told on the terminal
    assert "6 of 7 cases failed" in ended.said
    assert "1 of 7 cases explained" in ended.said
    importance = ended.table("roi_importance")
    assert set(importance["case"]) == {"good"}
    sums = importance.groupby("target")["importance"].sum(min_count=1)
    np.testing.assert_allclose(sums.dropna(), 1)
    assert set(ended.table("segmentation")["case"]) == set(ended.table("timings")["case"]) == {"good"}


def test_a_checkpoint_of_another_architecture(folder: Path, capsys: pytest.CaptureFixture[str]):
    cases.save_weights(LinearNetwork([1.0] * 4, [0.0] * 4), folder / "other.safetensors", cases.facts())
    ended = explain(folder, capsys, f"model.weights={folder / 'other.safetensors'}")
    refused(ended, ["model.weights", "other.safetensors", "another architecture", "first.bias", "slopes", "model=…"])


def test_a_pickled_checkpoint(folder: Path, capsys: pytest.CaptureFixture[str]):
    torch.save(ToyNetwork(), folder / "whole.pt")
    ended = explain(folder, capsys, f"model.weights={folder / 'whole.pt'}")
    refused(ended, ["model.weights", "whole.pt", "pickled objects are not loaded", "model.state_dict()"])


@pytest.mark.parametrize("weights", ["nowhere.ckpt", "shipped:nothing.safetensors", "null"])
def test_missing_weights(folder: Path, capsys: pytest.CaptureFixture[str], weights: str):
    refused(explain(folder, capsys, f"model.weights={weights}"), ["model.weights", weights.replace("null", "None")])


def test_weights_trained_at_another_spacing(folder: Path, capsys: pytest.CaptureFixture[str]):
    ended = explain(folder, capsys, "model.preprocessing.spacing=[3,3,3]")
    refused(ended, ["toy.safetensors", "spacing: trained with [6.0, 6.0, 6.0], configured [3.0, 3.0, 3.0]"])


def test_an_empty_split(folder: Path, capsys: pytest.CaptureFixture[str]):
    refused(explain(folder, capsys, "data.split=validation"), ["data.split", "'validation'", "{'test': 2}"])


def test_an_unknown_case(folder: Path, capsys: pytest.CaptureFixture[str]):
    refused(explain(folder, capsys, "data.cases=[s1,s7]"), ["data.cases", "s7", str(folder / "data")])


def test_a_folder_that_is_no_data_set(folder: Path, capsys: pytest.CaptureFixture[str]):
    refused(explain(folder, capsys, f"data.root={folder}"), ["root", str(folder), "meta.csv"])


def test_a_structure_that_does_not_exist(folder: Path, capsys: pytest.CaptureFixture[str]):
    ended = explain(folder, capsys, "+data.merge.heart=[haert]")
    assert ended.code == 0  # a warning: predictions are explained without annotation, too
    assert "haert (did you mean heart?)" in ended.said
    table = ended.table("segmentation").set_index("class")
    assert table.loc[["heart", "background"], "dice"].isna().all()
    assert table.loc["aorta", "dice"].notna().all()


def test_a_class_that_is_never_predicted(folder: Path, capsys: pytest.CaptureFixture[str]):
    network = ToyNetwork(classes=4)
    with torch.no_grad():
        network.last.bias[3] = -1e3
    cases.write_toy_model(folder / "conf", network)
    ended = explain(folder, capsys)
    assert ended.code == 0
    volumes = ["volume_voxels", "volume_mm3"]  # of the sources, whatever the target
    rows = ended.table("roi_importance").set_index(["case", "source"])
    row = rows.query("target == 'aorta'")
    assert len(row) == 2 * 4
    assert row.drop(columns=["target", *volumes]).isna().all(axis=None)
    assert row[volumes].equals(rows.query("target == 'heart'")[volumes])
    segmentation = ended.table("segmentation").query("`class` == 'aorta'")
    assert set(segmentation["explained"]) == {"absent from the prediction"}
    assert (segmentation["predicted_voxels"] == 0).all()
    everywhere = ended.table("global_importance").query("target == 'aorta'")
    assert (everywhere[~everywhere["kind"].isin(volumes)]["count"] == 0).all()
    assert "predicted in no case (their rows are NaN)" in ended.said
    assert "aorta" in ended.said.split("their rows are NaN")[1]
    assert "nan%" not in ended.said


def test_a_network_that_gives_nan_for_one_case(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    bright = np.full(cases.scan_grid().shape, 1000.0, np.float32)
    cases.write_nifti(folder / "data/s1/ct.nii.gz", bright, cases.scan_grid())
    healthy = ToyNetwork.forward
    monkeypatch.setattr(
        ToyNetwork, "forward", lambda self, x: healthy(self, x) * (torch.nan if x.max() > 0.95 else 1.0)
    )
    ended = explain(folder, capsys)
    assert ended.code == 1
    assert ended.finished() == ["s2.safetensors"]
    failure = ended.failures.loc["s1"]
    assert failure["stage"] == "explaining"
    assert failure["error"].startswith("case s1: the network returned NaN")
    assert set(ended.table("roi_importance")["case"]) == {"s2"}


def test_weights_that_are_nan(folder: Path, capsys: pytest.CaptureFixture[str]):
    cases.write_toy_model(folder / "conf", cases.spoiled(ToyNetwork(classes=4)))
    ended = explain(folder, capsys)
    assert ended.code == 1
    assert "model.weights: " in ended.said
    assert "last.bias has 4 values that are NaN or infinite" in ended.said
    assert "Traceback" not in ended.said
    assert not (ended.output / "cases").exists()


def full(path: Path, content: bytes) -> None:
    """The disk fills up in the middle of a file."""
    with path.open("wb") as file:
        file.write(content[: len(content) // 2])
    raise OSError(errno.ENOSPC, "No space left on device", str(path))


def test_a_disk_that_is_full_for_one_case(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    write, calls = Path.write_bytes, []

    def first_is_full(path: Path, content: bytes) -> int:
        calls.append(path)
        return full(path, content) if len(calls) == 1 else write(path, content)

    monkeypatch.setattr(Path, "write_bytes", first_is_full)
    ended = explain(folder, capsys)
    assert ended.code == 1
    assert calls[0].parent == ended.output / "cases"
    assert ended.finished() == ["s2.safetensors"]  # no half-written file
    failure = ended.failures.loc["s1"]
    assert failure["stage"] == "aggregating"
    assert "case s1: " in failure["error"]
    assert "No space left" in failure["error"]
    assert set(ended.table("roi_importance")["case"]) == {"s2"}


def test_a_disk_that_is_full_for_everything_after_the_start(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def no_space(path: Path):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(case_store, "atomic_write", no_space)
    monkeypatch.setattr(failures, "atomic_write", no_space)
    ended = explain(folder, capsys)
    assert ended.code == 1  # not even the failures could be kept, and still it is no success
    assert "2 of 2 cases failed (s1, s2)" in ended.said
    assert "No space left" in ended.said
