"""Supervoxels through the real command, by a method of one's own that takes any of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from agg2exp.store.case_store import CaseStore
from tests.helpers import cases
from tests.helpers.runs import run

USER_CODE = Path(__file__).parent / "user_code"
ATLAS = ["supervoxels=labelmap", "supervoxels.path='{case}/maps/atlas.nii.gz'"]
VOLUMES = ["callbacks=explain", "callbacks.slices=null", "collect.pictures=false"]
TILTED = cases.scan_grid("LPS", (3, 4, 5), tilt=0.2)


@dataclass(frozen=True)
class Project:
    """Two cases, the first one on a tilted grid, a toy model, and an atlas of each case.

    Attributes:
        folder: Everything.
    """

    folder: Path

    def explain(self, output: str, *overrides: str) -> int:
        """Run the method; all that it computes lies under `output`."""
        words = [
            *("--config-dir", str(self.folder / "conf"), *cases.TOY),
            *("attribution=supervoxel_occlusion", "logger=none", "trainer=cpu", "callbacks=tables"),
            *(f"data.root={self.folder / 'data'}", f"paths.cache={self.folder / 'cache'}", "classes=[heart]"),
        ]
        return run("explain", [*words, *overrides], self.folder / output).code

    def atlas(self, case: str) -> Path:
        return self.folder / "data" / case / "maps/atlas.nii.gz"

    def settings(self, output: str) -> dict[str, str]:
        return dict(CaseStore(self.folder / output).read("s1").settings)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.syspath_prepend(str(USER_CODE))
    cases.write_data_set(tmp_path / "data", {"s1": "test", "s2": "test"})
    cases.write_case(tmp_path / "data", "s1", TILTED, noise=1)
    folder = cases.write_toy_model(tmp_path / "conf")
    method = folder / "attribution/supervoxel_occlusion.yaml"
    method.parent.mkdir()
    method.write_text((USER_CODE / "conf/attribution/supervoxel_occlusion.yaml").read_text())
    made = Project(tmp_path)
    for case, grid in (("s1", TILTED), ("s2", cases.scan_grid())):
        cases.write_nifti(made.atlas(case), halves(grid), grid)
    return made


def halves(grid) -> np.ndarray:
    """Left and right, above and below: four labels with gaps, one of them negative."""
    points = cases.world(grid)
    return np.array([-5, 0, 300, 12])[(points[..., 0] > 1) + 2 * (points[..., 2] > 2)].astype(np.int16)


def test_an_atlas_divides_each_case_at_the_right_place(project: Project):
    assert project.explain("run", *ATLAS, *VOLUMES) == 0
    assert (
        project.settings("run")["attribution: supervoxels"] == "LabelMap(path='{case}/maps/atlas.nii.gz', names=None)"
    )
    for case, grid in (("s1", TILTED), ("s2", cases.scan_grid())):
        written = nib.load(project.folder / "run/volumes" / case / "supervoxels.nii.gz")
        np.testing.assert_allclose(written.affine, grid.affine, atol=1e-4)
        ids, atlas = np.asarray(written.dataobj), halves(grid)
        points = cases.world(grid)
        away = (np.abs(points[..., 0] - 1) > 6) & (np.abs(points[..., 2] - 2) > 6)  # a voxel of the model's grid
        assert set(np.unique(ids)) == {-5, 0, 12, 300}
        np.testing.assert_array_equal(ids[away], atlas[away])


def test_a_region_of_an_atlas_has_one_number_and_name_in_all_cases(project: Project):
    """The second case lacks a label, so that the ids of the others move up."""
    atlas = halves(cases.scan_grid())
    cases.write_nifti(project.atlas("s2"), np.where(atlas == 0, 12, atlas), cases.scan_grid())
    table = project.folder / "names.csv"
    table.write_text("label,name\n-5,above left\n300,below\n12,above right\n77,elsewhere\n")
    assert project.explain("run", *ATLAS, f"supervoxels.names={table}") == 0
    found = pd.read_parquet(project.folder / "run/tables/supervoxels.parquet")
    for case, labels in (("s1", [-5, 0, 12, 300]), ("s2", [-5, 12, 300])):
        rows = found[(found["case"] == case) & (found["target"] == "heart")]
        assert rows["supervoxel"].tolist() == list(range(len(labels)))
        assert rows["label"].tolist() == labels
        names = {-5: "above left", 0: "", 12: "above right", 300: "below"}
        assert rows["name"].tolist() == [names[label] for label in labels]
    sizes = found.drop_duplicates(["case", "label"]).set_index(["case", "label"])["voxels"]
    assert sizes["s2"][12] > sizes["s1"][12]


def test_a_changed_atlas_is_not_mixed_with_earlier_results(project: Project, capsys: pytest.CaptureFixture[str]):
    assert project.explain("run", *ATLAS, "data.limit=1") == 0
    changed = halves(TILTED)
    changed[0, 0, 0] += 1
    cases.write_nifti(project.atlas("s1"), changed, TILTED)
    capsys.readouterr()
    assert project.explain("run", *ATLAS, "data.limit=1") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "case s1: files of the case: then " in said
    assert "Traceback" not in said


def test_a_missing_atlas_is_the_failure_of_its_case_alone(project: Project):
    project.atlas("s1").unlink()
    assert project.explain("run", *ATLAS) == 1
    failures = pd.read_csv(project.folder / "run/failures.csv", index_col="case_id")
    assert list(failures.index) == ["s1"]
    assert failures.loc["s1", "stage"] == "reading"
    assert f"expected a NIfTI file at {project.atlas('s1')}" in failures.loc["s1", "error"]
    assert CaseStore(project.folder / "run").finished() == ["s2"]


@pytest.mark.parametrize("method", ["kernel_shap", "vanilla_gradient"])
def test_a_metric_s_label_map_is_read_whatever_the_method_uses(project: Project, method: str):
    """Insertion and deletion of the regions of an atlas."""
    own = "{_target_: agg2exp.supervoxels.LabelMap, path: '{case}/maps/atlas.nii.gz'}"
    shared = ["attribution.n_samples=8", *ATLAS, "~metric.insertion_deletion.supervoxels.n_components"]
    words = {
        "kernel_shap": [*shared, "metric.insertion_deletion.supervoxels=${supervoxels}"],
        "vanilla_gradient": ["~metric.insertion_deletion.supervoxels", f"+metric.insertion_deletion.supervoxels={own}"],
    }
    chosen = f"attribution={method}", "metric=insertion_deletion", "data.limit=1"
    assert project.explain("run", *chosen, *words[method]) == 0
    result = CaseStore(project.folder / "run").read("s1")
    steps = len(np.unique(halves(TILTED)))  # the regions of the atlas are what is removed
    assert result.curves["insertion_deletion_most_relevant_first"].shape[1] <= steps + 1


def test_a_scheme_of_ones_own_with_a_path_reads_no_label_map(project: Project):
    project.atlas("s1").unlink()
    own = "{_target_: cubes_with_a_path.CubesWithAPath, path: no_label_map.pt}"
    assert project.explain("run", "~supervoxels", f"+supervoxels={own}", "data.limit=1") == 0
    assert CaseStore(project.folder / "run").finished() == ["s1"]


def test_a_path_that_is_none(project: Project, capsys: pytest.CaptureFixture[str]):
    assert project.explain("run", "supervoxels=labelmap", "supervoxels.path=null") == 1
    said = " ".join(capsys.readouterr().err.split())
    assert "supervoxels.path: expected the path of a label map" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        (["slic", "supervoxels.n_components=12"], "Slic(n_components=12, compactness=0.2)"),
        (["cubes", "supervoxels.n_components=8"], "Cubes(n_components=8, edge=None)"),
        (["semantic"], "Semantic()"),
    ],
)
def test_schemes_that_need_no_file(project: Project, scheme: list[str], said: str):
    project.atlas("s1").unlink()  # nobody asks for it
    assert project.explain("run", f"supervoxels={scheme[0]}", *scheme[1:], *VOLUMES, "data.limit=1") == 0
    assert project.settings("run")["attribution: supervoxels"] == said
    volume = np.asarray(nib.load(project.folder / "run/volumes/s1/supervoxels.nii.gz").dataobj)
    assert len(np.unique(volume)) > 2
