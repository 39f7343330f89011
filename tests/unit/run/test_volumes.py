"""Volumes return to the scan's own grid."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch

from agg2exp.domain.attribution import DenseAttribution, SupervoxelAttribution
from agg2exp.domain.errors import SettingError
from agg2exp.domain.labels import Labels
from agg2exp.domain.names import safe_name
from agg2exp.domain.prediction import Prediction
from agg2exp.run.volumes import VolumeWriter
from tests.helpers.explanations import scheme, small_case, small_explanation

CASE = small_case()
EXPLANATION = small_explanation(CASE, classes=(3, 1))


def written(folder: Path, **settings: object) -> dict[str, nib.Nifti1Image]:
    VolumeWriter(folder, **settings).write_case(scheme(), CASE, EXPLANATION)
    return {p.name.removesuffix(".nii.gz"): nib.load(p) for p in folder.rglob("*.nii.gz")}


def test_prediction_has_the_scans_grid_and_the_labels_at_the_shared_voxels(tmp_path: Path):
    (name, image), *others = written(tmp_path).items()
    assert not others
    assert name == "prediction"
    assert image.shape == CASE.native.shape
    assert image.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(image.affine, CASE.native.affine)
    shared = np.asarray(image.dataobj)[::2, ::2, ::2]  # every second voxel of the scan is one of the preprocessed grid
    np.testing.assert_array_equal(shared, EXPLANATION.prediction.label_map.numpy())


def test_regions_that_overlap_have_a_mask_each(tmp_path: Path):
    logits = torch.randn(2, *CASE.image.shape[1:], generator=torch.Generator().manual_seed(0))
    explanation = replace(EXPLANATION, prediction=Prediction.from_logits(logits, "sigmoid"))
    VolumeWriter(tmp_path).write_case(Labels(("whole tumour", "core"), "sigmoid"), CASE, explanation)
    files = {p.name for p in tmp_path.rglob("*.nii.gz")}
    assert files == {f"prediction_{safe_name(name)}.nii.gz" for name in ("whole tumour", "core")}
    core = nib.load(tmp_path / "volumes" / CASE.id / "prediction_core.nii.gz")
    np.testing.assert_array_equal(np.asarray(core.dataobj)[::2, ::2, ::2], (logits[1] > 0).numpy())


def test_attributions_are_those_of_their_class(tmp_path: Path):
    images = written(tmp_path, prediction=False, attribution="all")
    assert set(images) == {"attribution_aorta", "attribution_lung"}  # the classes that were explained
    for k, name in enumerate(["aorta", "lung"]):
        values = images[f"attribution_{name}"].get_fdata()
        e = EXPLANATION.attribution.values[k, 0].numpy()
        np.testing.assert_allclose(values[::2, ::2, ::2], e, rtol=1e-5)
        between = (e[:-1] + e[1:]) / 2  # linear interpolation half way
        np.testing.assert_allclose(values[1::2, ::2, ::2], between, rtol=1e-4, atol=1e-6)


def test_each_channel_of_an_attribution_has_a_file_beside_that_of_their_sum(tmp_path: Path):
    case = replace(CASE, image=CASE.image.repeat(2, 1, 1, 1), channels=("T1", "FLAIR"))
    e = torch.randn(2, 2, *CASE.image.shape[1:], generator=torch.Generator().manual_seed(3))
    explanation = replace(EXPLANATION, attribution=DenseAttribution(e))
    VolumeWriter(tmp_path, prediction=False, attribution=["lung"]).write_case(scheme(), case, explanation)
    folder = tmp_path / "volumes" / CASE.id
    values = {path.relative_to(folder).as_posix(): nib.load(path).get_fdata() for path in folder.rglob("*.nii.gz")}
    assert {*values} == {"attribution_lung.nii.gz", "attribution_lung/T1.nii.gz", "attribution_lung/FLAIR.nii.gz"}
    for name, expected in (("/T1", e[1, 0]), ("/FLAIR", e[1, 1]), ("", e[1].sum(0))):
        shared = values[f"attribution_lung{name}.nii.gz"][::2, ::2, ::2]
        np.testing.assert_allclose(shared, expected.numpy(), rtol=1e-5)


def test_only_the_classes_asked_for(tmp_path: Path):
    assert set(written(tmp_path, attribution=["lung", "heart"])) == {"prediction", "attribution_lung"}


def test_unknown_class_is_told_before_the_first_case(tmp_path: Path):
    module = SimpleNamespace(labels=scheme())
    VolumeWriter(tmp_path).on_predict_start(None, module)
    with pytest.raises(SettingError, match=r"^callbacks\.volumes\.attribution: .*got \['spleen'\]"):
        VolumeWriter(tmp_path, attribution=["spleen"]).on_predict_start(None, module)


def test_supervoxels_stand_beside_the_prediction(tmp_path: Path):
    partition = torch.arange(np.prod(CASE.image.shape[1:])).reshape(CASE.image.shape[1:]) % 300
    attribution = SupervoxelAttribution(partition, torch.zeros(2, 300))
    VolumeWriter(tmp_path).write_case(scheme(), CASE, replace(EXPLANATION, attribution=attribution))
    image = nib.load(tmp_path / "volumes" / CASE.id / "supervoxels.nii.gz")
    np.testing.assert_array_equal(np.asarray(image.dataobj)[::2, ::2, ::2], partition.numpy() + 1)
