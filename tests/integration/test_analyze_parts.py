"""What a data set does not allow is left out of `agg2exp analyze` alone, with its reason."""

from pathlib import Path

import pandas as pd

from agg2exp.domain.roi_importance import Kind
from tests.helpers.runs import run
from tests.helpers.stored_runs import CLASSES, drawn_importance, stored_run

QUICK = ["forests=2", "jobs=1", "draws=100", "permutations=199"]


def test_one_analysis_of_patients_with_scans_identifiers_and_a_class_that_nobody_has(tmp_path: Path):
    strange = drawn_importance(32, len(CLASSES), seed=0)
    strange[8:] = 0.9 * strange.mean(axis=0) + 0.1 * strange[8:]  # but for the first four patients
    folder = stored_run(tmp_path / "run", n=32, importance=strange)
    path = folder / "tables" / "roi_importance.parquet"
    table = pd.read_parquet(path)
    of_importance = [kind.value for kind in Kind if kind not in (Kind.VOLUME_VOXELS, Kind.VOLUME_MM3)]
    table.loc[table["target"] == "ribs", of_importance] = float("nan")
    table.to_parquet(path)
    bare = stored_run(tmp_path / "bare", n=12, root="/data/elsewhere", dice=False)
    rows = [f"c{i:05d},P{i // 2},{40 + i // 2},name_{i // 2},{'?' if i < 2 else 60 + i // 2}" for i in range(32)]
    (tmp_path / "meta.csv").write_text("\n".join(["case,patient,age,name,weight", *rows]))
    words = [f"runs={{x: {folder}, bare: {bare}}}", f"metadata={{x: {tmp_path / 'meta.csv'}}}",
             "columns.patient=patient", "highlight.target=ribs", "highlight.classes=[heart, nodule]"]  # fmt: skip
    assert run("analyze", [*words, *QUICK], tmp_path / "out").code == 0
    page = (tmp_path / "out" / "analysis.md").read_text()
    assert "highlight.target: expected a class that some case has, got ribs, which is absent from all 32" in page
    tested = pd.read_csv(tmp_path / "out" / "x" / "outliers_and_metadata.csv").set_index("column")
    counts = tested[["inliers", "outliers", "missing_inliers", "missing_outliers"]].sum(axis=1)
    assert set(tested.index) == {"age", "name", "weight"} and (counts == 16).all()
    assert set(tested["outliers"]) == {4} and tested.loc["name", "test"] == "Fisher (drawn tables)"
    assert "cannot be read as such, for example '?'" in tested.loc["weight", "excluded"]
    dice = pd.read_csv(tmp_path / "out" / "dice.csv").set_index("model")
    assert (dice.loc["bare", "count"] == 0).all() and dice.loc["x", "count"].tolist() == [32] * 5 + [31]
    assert (tmp_path / "out" / "bare" / "summary.png").is_file()
