"""Images as Python hands them over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from agg2exp.data.given_image import WITHOUT_AFFINE, given_image
from agg2exp.domain.errors import SettingError
from agg2exp.store.nifti import write_volume

RNG = np.random.default_rng(0)
VOXELS = RNG.normal(size=(4, 5, 6)).astype(np.float32)
AFFINE = np.array([[0.0, -1.6, -0.9, 5], [1.5, 0, 0, -7], [0, 1.2, -1.2, 11], [0, 0, 0, 1]])  # oblique


def from_file(folder: Path) -> Any:
    from agg2exp.domain.case import Grid

    write_volume(folder / "scan.nii.gz", VOXELS, Grid((4, 5, 6), AFFINE))
    return folder / "scan.nii.gz"


def from_simple_itk(folder: Path) -> Any:
    return pytest.importorskip("SimpleITK").ReadImage(str(from_file(folder)))


FORMS = {
    "path": from_file,
    "text": lambda folder: str(from_file(folder)),
    "array and affine": lambda _: (VOXELS, AFFINE),
    "tensor and affine": lambda _: (torch.from_numpy(VOXELS), torch.from_numpy(AFFINE)),
    "MetaTensor": lambda _: MetaTensor(VOXELS[None], affine=torch.from_numpy(AFFINE)),
    "nibabel": lambda _: nib.Nifti1Image(VOXELS, AFFINE),
    "one channel by name": lambda _: {"T1": (VOXELS, AFFINE)},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_scan_has_the_same_voxels_at_the_same_places(form: str, tmp_path: Path) -> None:
    given = given_image(FORMS[form](tmp_path))
    np.testing.assert_array_equal(given.voxels, VOXELS[None])
    np.testing.assert_allclose(given.grid.affine, AFFINE, atol=1e-5)


def from_itk(folder: Path) -> Any:
    return pytest.importorskip("itk").imread(str(from_file(folder)))


@pytest.mark.parametrize("read", [from_simple_itk, from_itk])
def test_itk_reads_the_voxel_of_a_place_where_we_do(read: Callable[[Path], Any], tmp_path: Path) -> None:
    image = read(tmp_path)
    given = given_image(image)
    np.testing.assert_array_equal(given.voxels, VOXELS[None])
    for _ in range(20):
        index = tuple(int(RNG.integers(n)) for n in VOXELS.shape)
        world = np.array(image.TransformIndexToPhysicalPoint(index)) * [-1, -1, 1]  # LPS
        ours = given.grid.affine @ [*index, 1]
        np.testing.assert_allclose(ours[:3], world, atol=1e-4)


def test_channels_keep_their_names_and_their_order() -> None:
    given = given_image({"FLAIR": (VOXELS, AFFINE), "T1": (VOXELS + 1, AFFINE)})
    assert given.channels == ("FLAIR", "T1")
    np.testing.assert_array_equal(given.voxels, np.stack([VOXELS, VOXELS + 1]))


def test_a_channel_stored_along_other_axes_is_brought_into_the_order_of_the_first() -> None:
    turned = AFFINE[:, [1, 0, 2, 3]]  # the same places with two array axes exchanged
    given = given_image({"a": (VOXELS, AFFINE), "b": (VOXELS.transpose(1, 0, 2), turned)})
    np.testing.assert_array_equal(given.voxels[1], VOXELS)


def test_an_array_without_affine_says_what_it_assumes() -> None:
    given = given_image(VOXELS)
    assert given.notices == (WITHOUT_AFFINE,)
    np.testing.assert_array_equal(given.grid.affine, np.eye(4))


def test_a_fourth_axis_is_that_of_channels() -> None:
    assert given_image((np.stack([VOXELS, VOXELS]), AFFINE)).channels == ("0", "1")
    stored = nib.Nifti1Image(np.stack([VOXELS, VOXELS + 1], axis=3), AFFINE)
    np.testing.assert_array_equal(given_image(stored).voxels[1], VOXELS + 1)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (VOXELS[0], "voxels \\(D, H, W\\)"),
        (3, "the path of a NIfTI file"),
        ([VOXELS], "the path of a NIfTI file"),
        ({}, "at least one channel"),
        ((VOXELS, np.eye(3)), "\\(4, 4\\) matrix"),
        ((VOXELS, np.zeros((4, 4))), "invertible"),
        ({"a": (VOXELS, AFFINE), "b": (VOXELS, np.eye(4))}, "image\\['b'\\]"),
        (VOXELS.astype(object), "array"),
    ],
)
def test_what_is_no_image_is_refused_with_the_forms_that_are(image: Any, said: str) -> None:
    with pytest.raises(SettingError, match=said):
        given_image(image)
