"""Data sets in other layouts through the real command: a user's own with two channels, a plain folder, and shards."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from agg2exp.store.case_store import CaseStore
from tests.helpers import cases
from tests.helpers.networks import LinearNetwork, ToyNetwork
from tests.helpers.runs import run

USER_CODE = Path(__file__).parent / "user_code"
STRUCTURES = {"lung": "{case}/organs.nii.gz#1", "heart": "{case}/organs.nii.gz#2", "aorta": "{case}/organs.nii.gz#3"}


def write_scans(root: Path, *ids: str) -> Path:
    """For each patient ct.nii.gz, pet.nii.gz and organs.nii.gz."""
    grid = cases.scan_grid()
    points = cases.world(grid)
    for seed, case in enumerate(ids):
        noise = np.random.default_rng(seed).normal(0, 30, (2, *grid.shape))
        for name, values in zip(("ct", "pet"), noise, strict=True):
            volume = cases.hounsfield(points if name == "ct" else -points) + values
            cases.write_nifti(root / case / f"{name}.nii.gz", volume.astype(np.float32), grid)
        cases.write_nifti(root / case / "organs.nii.gz", cases.label_map(points).astype(np.uint8), grid)
    return root


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three patients in `data`, and a toy model in `conf`."""
    monkeypatch.syspath_prepend(str(USER_CODE))
    write_scans(tmp_path / "data", "p1", "p2", "p3")
    return tmp_path


def explain(folder: Path, output: str, *overrides: str) -> int:
    words = [
        *("--config-dir", str(folder / "conf"), "model=toy", "logger=none", "trainer=cpu", "callbacks=tables"),
        *(f"data.root={folder / 'data'}", f"paths.cache={folder / 'cache'}", "classes=[heart,lung]"),
    ]
    return run("explain", [*words, *overrides], folder / output).code


def test_a_layout_of_ones_own_takes_25_lines_and_brings_channels_and_annotations(folder: Path):
    cases.write_toy_model(folder / "conf", ToyNetwork(channels=2, classes=len(cases.CLASSES)), channels=2)
    for name in ("scan_folders.py", "conf/data/scan_folders.yaml"):
        assert len((USER_CODE / name).read_text().splitlines()) <= 25
    (folder / "conf/data/scan_folders.yaml").write_text((USER_CODE / "conf/data/scan_folders.yaml").read_text())
    words = "data=scan_folders", "attribution=smoothgrad", "noisy_copies=2"
    assert explain(folder, "run", *words) == 0
    store = CaseStore(folder / "run")
    assert store.finished() == ["p1", "p2", "p3"]
    result = store.read("p2")
    assert result.origin is not None
    assert [path.name for path in result.origin.images] == ["ct.nii.gz", "pet.nii.gz"]
    assert np.isfinite(result.dice[1:]).any()
    rows = pd.read_parquet(folder / "run/tables/roi_importance.parquet")
    inside = rows[rows["source"].isin(result.classes)].groupby(["case", "target"])["importance"].sum(min_count=1)
    np.testing.assert_allclose(inside.dropna(), 1, atol=1e-9)
    parts = pd.read_parquet(folder / "run/tables/importance_by_channel.parquet")
    assert set(parts["channel"]) == {"ct", "pet"}
    keys = ["case", "target", "source"]
    both = parts.groupby(keys)["importance"].sum(min_count=2).to_frame("sum").join(rows.set_index(keys)["importance"])
    np.testing.assert_allclose(both["sum"], both["importance"], atol=1e-9)
    assert explain(folder, "run", *words, f"resume={folder / 'run'}") == 0
    (folder / "data/p2/pet.nii.gz").write_bytes((folder / "data/p1/pet.nii.gz").read_bytes())
    assert explain(folder, "run", *words, f"resume={folder / 'run'}") == 1  # other files, other results


def test_the_order_of_channels_is_that_of_the_layout(folder: Path):
    """A network that sees the second channel alone gives what a network of one channel gives for that file."""
    one, two = ToyNetwork(1, len(cases.CLASSES)), ToyNetwork(2, len(cases.CLASSES))
    two.load_state_dict({**two.state_dict(), **{k: v for k, v in one.state_dict().items() if k != "first.weight"}})
    two.first.weight.data = torch.cat([torch.zeros_like(one.first.weight), one.first.weight], dim=1).data
    results = {}
    for name, network, images in (
        ("one", one, "'{case}/pet.nii.gz'"),
        ("two", two, "{ct: '{case}/ct.nii.gz', pet: '{case}/pet.nii.gz'}"),
    ):
        cases.write_toy_model(folder / "conf", network, channels=1 if name == "one" else 2)
        words = "data=folder", f"data.layout.images={images}", "attribution=vanilla_gradient", "data.cases=[p1]"
        assert explain(folder, name, *words) == 0
        results[name] = CaseStore(folder / name).read("p1").importance.values["importance"]
    np.testing.assert_allclose(results["two"], results["one"], rtol=1e-5, equal_nan=True)


def test_a_plain_folder_with_annotations_in_a_label_map(folder: Path):
    cases.write_toy_model(folder / "conf")
    structures = "{" + ",".join(f"{name}: '{pattern}'" for name, pattern in STRUCTURES.items()) + "}"
    words = "data=folder", "data.layout.images='{case}/ct.nii.gz'", "attribution=vanilla_gradient"
    assert explain(folder, "run", *words, f"+data.layout.structures={structures}") == 0
    bare = explain(folder, "bare", *words)
    assert bare == 0
    with_dice, without = (CaseStore(folder / name).read("p3") for name in ("run", "bare"))
    assert np.isfinite(with_dice.dice[1:]).any() and np.isnan(without.dice).all()
    for kind, values in with_dice.importance.values.items():
        np.testing.assert_array_equal(values, without.importance.values[kind])


def test_shards_are_runs_of_their_own_that_share_the_cases_and_resume(folder: Path):
    write_scans(folder / "data", "p4", "p5")
    cases.write_toy_model(folder / "conf")
    words = "data=folder", "data.layout.images='{case}/ct.nii.gz'", "attribution=vanilla_gradient"
    for k in (1, 2, 3):
        assert explain(folder, f"shard{k}", *words, f"data.shard={k}/3") == 0
    done = [CaseStore(folder / f"shard{k}").finished() for k in (1, 2, 3)]
    assert done == [["p1", "p4"], ["p2", "p5"], ["p3"]]
    assert sorted(chain.from_iterable(done)) == ["p1", "p2", "p3", "p4", "p5"]
    assert "shard: 2/3" in (folder / "shard2/config.yaml").read_text()
    lost = CaseStore(folder / "shard2").path("p5")
    before = CaseStore(folder / "shard2").read("p5").importance.values["importance"]
    lost.unlink()
    assert explain(folder, "shard2", *words, "data.shard=2/3", f"resume={folder / 'shard2'}") == 0
    after = CaseStore(folder / "shard2").read("p5").importance.values["importance"]
    np.testing.assert_array_equal(after, before)
    assert explain(folder, "whole", *words) == 0
    whole = CaseStore(folder / "whole").read("p5").importance.values["importance"]
    np.testing.assert_array_equal(whole, before)


def test_a_shard_without_cases_ends_with_a_message(folder: Path, capsys: pytest.CaptureFixture[str]):
    cases.write_toy_model(folder / "conf")
    words = "data=folder", "data.layout.images='{case}/ct.nii.gz'", "attribution=vanilla_gradient"
    assert explain(folder, "run", *words, "data.shard=4/5") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "data.shard: expected a shard that has cases: there are 3, got '4/5'" in said
    assert "Traceback" not in said


NESTED = {"WT": ["necrosis", "oedema", "enhancing"], "TC": ["necrosis", "enhancing"], "ET": ["enhancing"]}
HU = {0: -1000, 2: 0, 1: 500, 4: 900}  # by label: what is brighter lies further inside


def test_nested_regions_are_annotated_by_labels_of_one_map(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A network that knows the regions by their brightness has a Dice of 1 for each."""
    monkeypatch.setattr(cases, "CLASSES", NESTED)
    grid = cases.scan_grid(spacing=cases.SPACING, extent=(72, 60, 60))
    seg = np.zeros(grid.shape, np.uint8)
    seg[2:10, 2:8, 2:8], seg[4:8, 3:7, 3:7], seg[5:7, 4:6, 4:6] = 2, 1, 4
    bright = np.vectorize(HU.get)(seg).astype(np.int16)
    for name, volume in (("t1", bright), ("seg", seg)):
        cases.write_nifti(folder / "brains" / "b1" / f"{name}.nii.gz", volume, grid)
    above = [(hu + 1024) / 2048 for hu in (-500, 250, 700)]
    network = LinearNetwork([10.0] * 3, [-10 * x for x in above])
    cases.write_toy_model(folder / "conf", network, head="sigmoid")
    slopes = f"slopes: [10.0, 10.0, 10.0], offsets: {[-10 * x for x in above]}"
    words = [
        *("~model.network", f"+model.network={{_target_: tests.helpers.networks.LinearNetwork, {slopes}}}"),
        *("data=folder", f"data.root={folder / 'brains'}", "data/merge=toy", "classes=[WT,TC,ET]"),
        *("data.layout.images='{case}/t1.nii.gz'", "attribution=vanilla_gradient"),
        *(f"+data.layout.structures.{n}='{{case}}/seg.nii.gz#{k}'" for n, k in
          (("necrosis", 1), ("oedema", 2), ("enhancing", 4))),
    ]  # fmt: skip
    assert explain(folder, "run", *words) == 0
    result = CaseStore(folder / "run").read("b1")
    np.testing.assert_array_equal(result.dice, 1)
    assert result.voxels.tolist() == [int((seg > 0).sum()), int(np.isin(seg, (1, 4)).sum()), int((seg == 4).sum())]
