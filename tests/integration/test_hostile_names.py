"""Whatever cases and classes are called, a job writes below its folder and cache, and what it writes is text."""

from __future__ import annotations

import json
from pathlib import Path

import networkx as nx
import pandas as pd
import pytest

from agg2exp.domain.names import original_name
from agg2exp.store.case_store import CaseStore
from tests.helpers import cases
from tests.helpers.runs import Finished, run

IDS = ["sub-01/ses-1", ".hidden", "CON", "50%", "a[b] (c)*", "=1+1", "$x$ <b>", "Müller/..x", "1001", "null"]
CLASSES = {
    "background": [],
    "../../lu[red]ng": ["lung_left", "lung_right"],
    "=he$a$rt": ["heart"],
    "/aorta *x*": ["aorta"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cases and a model with such names, deep in folders of their own."""
    folder = tmp_path_factory.mktemp("hostile") / "some" / "where"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cases, "CLASSES", CLASSES)
        cases.write_data_set(folder / "data", dict.fromkeys(IDS, "test"))
        cases.write_toy_model(folder / "conf")
    return folder


EVERYTHING = ["callbacks.volumes.attribution=all", "callbacks.slices.first=null"]


def tree(folder: Path) -> dict[str, bytes]:
    """All files of the test with their contents, but for those of runs and cache."""
    top = folder.parents[1]
    files = (path for path in top.rglob("*") if path.is_file())
    own = {folder / name for name in ("runs", "cache")}
    return {str(path.relative_to(top)): path.read_bytes() for path in files if not own & {*path.parents}}


def explain(folder: Path, *words: str, output: str = "explain") -> Finished:
    more = '+data.extra_masks.nodule="{case}/segmentations/heart.nii.gz"'
    return run("explain", [*cases.toy_job(folder), more, *words], folder / "runs" / output)


@pytest.fixture(scope="module")
def explained(folder: Path) -> Path:
    before = tree(folder)
    assert explain(folder, *EVERYTHING).code == 0
    assert tree(folder) == before
    return folder / "runs" / "explain"


def test_every_case_is_explained_once_and_known_again(explained: Path, folder: Path):
    assert sorted(CaseStore(explained).finished()) == sorted(IDS)
    tables = pd.read_parquet(explained / "tables" / "segmentation.parquet")
    assert {*tables["case"]} == {*IDS} and {*tables["class"]} == {*CLASSES}
    written = {path: path.stat().st_mtime_ns for path in (explained / "cases").iterdir()}
    assert explain(folder, *EVERYTHING).code == 0  # the same folder: nothing is left to do
    assert {path: path.stat().st_mtime_ns for path in (explained / "cases").iterdir()} == written


def test_files_and_folders_lie_where_they_belong_under_names_that_turn_back(explained: Path):
    for place in ("volumes", "figures/slices"):
        assert sorted(original_name(path.name) for path in (explained / place).iterdir()) == sorted(IDS)
    volumes = {original_name(path.name) for path in (explained / "volumes").glob("*/*")}
    assert {"prediction.nii.gz"} < volumes <= {"prediction.nii.gz", *(f"attribution_{name}.nii.gz" for name in CLASSES)}


def test_ids_are_chosen_as_typed_and_a_failure_is_recorded_under_its_own(folder: Path):
    (folder / "data" / "sub-01" / "ses-1" / "ct.nii.gz").rename(folder / "moved")
    try:
        chosen = 'data.cases=[1001,null,sub-01/ses-1,"50%"]'
        output = folder / "runs" / "chosen"
        before = tree(folder)
        assert explain(folder, chosen, "callbacks=tables", output="chosen").code == 1
        assert tree(folder) == before
    finally:
        (folder / "moved").rename(folder / "data" / "sub-01" / "ses-1" / "ct.nii.gz")
    assert sorted(CaseStore(output).finished()) == ["1001", "50%", "null"]
    assert pd.read_csv(output / "failures.csv", dtype=str)["case_id"].tolist() == ["sub-01/ses-1"]
    (record,) = (output / "failures").iterdir()
    assert json.loads(record.read_text())["case_id"] == "sub-01/ses-1"


def test_an_analysis_stays_in_its_folder_and_its_text_is_text(explained: Path, folder: Path):
    table = folder / "metadata.csv"
    table.write_text("case;sex\n" + "".join(f"{case};{'mf'[i % 2]}\n" for i, case in enumerate(IDS)), encoding="utf-8")
    before = tree(folder)
    words = [f"runs={explained}", f"metadata={table}", "forests=1", "jobs=1", "draws=100", "permutations=99"]
    output = folder / "runs" / "analyze"
    assert run("analyze", [*words, "highlight.case=1001"], output).code == 0
    assert tree(folder) == before
    page = (output / "analysis.md").read_text(encoding="utf-8")
    assert "<b>" not in page and "[b]" not in page.replace(r"\[b\]", "")
    of_data = next(path for path in output.iterdir() if (path / "outliers.csv").is_file())
    assert {*pd.read_csv(of_data / "outliers.csv")["case"]} >= {"'=1+1", "sub-01/ses-1", "$x$ <b>"}
    assert "'=he$a$rt" in {*pd.read_csv(of_data / "graph.csv")["target"]}
    assert {*CLASSES} <= {*nx.read_graphml(of_data / "graph.graphml")}
    names = {original_name(path.stem) for path in (of_data / "distributions").glob("*.png")}
    assert names <= {*CLASSES} and names
