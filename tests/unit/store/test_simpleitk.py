"""SimpleITK, and so 3D Slicer, finds every voxel of a volume that we write at the place where we mean it."""

from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
import torch
from hypothesis import HealthCheck, given, settings

from agg2exp.data.phantom import PhantomCohort
from agg2exp.domain.attribution import SupervoxelAttribution
from agg2exp.domain.case import Grid
from agg2exp.run.volumes import VolumeWriter
from agg2exp.store.nifti import read_volume, write_volume
from tests.helpers import cases
from tests.helpers.explanations import scheme, small_case, small_explanation
from tests.helpers.headers import ORIENTATIONS, grids, sheared

LPS = np.array([-1, -1, 1])  # ITK's world has the first two axes the other way round


def places(path: Path) -> np.ndarray:
    """World RAS+ (mm) of the eight corner voxels as SimpleITK finds them."""
    image = SimpleITK.ReadImage(str(path))
    corners = np.stack(np.meshgrid(*[[0, n - 1] for n in image.GetSize()], indexing="ij"), -1).reshape(-1, 3)
    return np.array([image.TransformIndexToPhysicalPoint(c.tolist()) for c in corners]) * LPS


def expected(grid: Grid) -> np.ndarray:
    return cases.world(grid)[:: grid.shape[0] - 1, :: grid.shape[1] - 1, :: grid.shape[2] - 1].reshape(-1, 3)


def assert_at_its_place(path: Path, grid: Grid) -> None:
    np.testing.assert_allclose(places(path), expected(grid), atol=0.01 * min(grid.spacing))
    volume, read = read_volume(path)
    itk = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).transpose(2, 1, 0)
    np.testing.assert_array_equal(itk, volume)
    assert read.same(grid)


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_every_orientation(tmp_path: Path, axes: str):
    grid = cases.scan_grid(axes, (3.0, 4.0, 5.0), centre=(40, -170, 1200))
    volume = np.arange(np.prod(grid.shape), dtype=np.int16).reshape(grid.shape)
    write_volume(tmp_path / "a.nii.gz", volume, grid)
    assert_at_its_place(tmp_path / "a.nii.gz", grid)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(grids())
def test_every_oblique_grid(tmp_path: Path, grid: Grid):
    write_volume(tmp_path / "a.nii.gz", np.zeros(grid.shape, np.float32), grid)
    assert_at_its_place(tmp_path / "a.nii.gz", grid)


@pytest.mark.parametrize("degrees", [0.01, 5, -15, 28])
@pytest.mark.parametrize("axes", ["LPS", "PIR"])
def test_a_sheared_grid_is_read_at_its_place_or_refused(tmp_path: Path, axes: str, degrees: float):
    grid = sheared(cases.scan_grid(axes, (1.5, 1.5, 3.0)), degrees)
    write_volume(tmp_path / "a.nii.gz", np.zeros(grid.shape, np.float32), grid)
    header = nib.load(tmp_path / "a.nii.gz").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, int(abs(degrees) < 1))
    assert read_volume(tmp_path / "a.nii.gz")[1].same(grid)
    try:
        found = places(tmp_path / "a.nii.gz")
    except RuntimeError as error:
        assert "orthonormal" in str(error)  # ITK has no shear, and must not take it for something else
        assert abs(degrees) > 1
    else:
        np.testing.assert_allclose(found, expected(grid), atol=0.1 * min(grid.spacing))


def test_predictions_attributions_and_supervoxels(tmp_path: Path):
    fine = cases.scan_grid("LPS", (2.0, 3.0, 2.5), tilt=0.2, centre=(30, -140, 900))
    case = replace(small_case(), native=fine)
    dense = small_explanation(case, classes=(3, 1))
    partition = torch.arange(case.image[0].numel()).reshape(case.image.shape[1:]) % 30
    values = torch.rand(2, 30)
    for name, attribution in (("dense", None), ("supervoxels", SupervoxelAttribution(partition, values))):
        explanation = dense if attribution is None else replace(dense, attribution=attribution)
        VolumeWriter(tmp_path / name, attribution="all").write_case(scheme(), case, explanation)
    written = sorted(tmp_path.rglob("*.nii.gz"))
    assert {path.name for path in written} >= {"prediction.nii.gz", "supervoxels.nii.gz", "attribution_lung.nii.gz"}
    for path in written:
        assert_at_its_place(path, fine)


def test_phantoms(tmp_path: Path):
    cohort = PhantomCohort(tmp_path / "phantoms", {"train": 2}, seed=3, spacing=(12.0, 12.0, 12.0))
    cohort.generate()
    for path in tmp_path.rglob("s000?/*.nii.gz"):
        assert_at_its_place(path, read_volume(path)[1])
        np.testing.assert_allclose(read_volume(path)[1].affine, nib.load(path).affine)
    assert len(list(tmp_path.rglob("s000?/ct.nii.gz"))) == 2
