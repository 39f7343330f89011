"""Tiny data sets in the TotalSegmentator layout, and a toy model to explain them with.

Anatomy is defined in world space (millimetres, RAS+), so that a scan of any spacing, orientation or tilt shows the same
patient and every voxel's value is known.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import nn

from agg2exp.data.catalogue import Catalogue
from agg2exp.data.layouts.totalsegmentator import TotalSegmentatorLayout
from agg2exp.data.reading.annotation import AnnotationReader
from agg2exp.data.reading.extra_masks import ExtraMasks
from agg2exp.data.reading.reader import CaseReader
from agg2exp.data.records import CaseRecord
from agg2exp.domain.case import Grid
from agg2exp.domain.files import LabelMapFile
from agg2exp.domain.labels import Labels
from agg2exp.inference import SlidingWindow
from agg2exp.models.checkpoint import save_weights
from agg2exp.models.facts import facts_of
from agg2exp.preprocessing.body import CtBody
from agg2exp.preprocessing.display import Display
from agg2exp.preprocessing.intensity import Window
from agg2exp.preprocessing.preprocessing import Preprocessing
from tests.helpers.networks import ToyNetwork

CLASSES: Mapping[str, Sequence[str]] = {  # and the structures that each is made of
    "background": [],
    "lung": ["lung_left", "lung_right"],
    "heart": ["heart"],
    "aorta": ["aorta"],
}
BOXES = {  # (low, high) corners in mm; heart and left lung overlap
    "lung_left": ((-26, -14, -18), (-6, 14, 18)),
    "lung_right": ((6, -14, -18), (26, 14, 18)),
    "heart": ((-10, -10, -14), (4, 10, 6)),
    "aorta": ((-3, -16, 8), (3, -12, 22)),
}
TOY = ("model=toy", "data=totalsegmentator", "data/merge=toy")
"""Choices of a job in a folder that `write_toy_model` made."""
SPACING = (6.0, 6.0, 6.0)
WINDOW = (8, 8, 8)


def labels(classes: Mapping[str, Sequence[str]] = CLASSES) -> Labels:
    return Labels(tuple(classes))


def merge(classes: Mapping[str, Sequence[str]] = CLASSES) -> dict[str, Sequence[str]]:
    """The classes that are not the one structure of their own name."""
    return {name: made_of for name, made_of in classes.items() if made_of and list(made_of) != [name]}


def annotation(
    cache: Path | None = None,
    threshold: float | None = None,
    classes: Mapping[str, Sequence[str]] = CLASSES,
    head: str = "softmax",
) -> AnnotationReader:
    return AnnotationReader(Labels(tuple(classes), head), merge(classes), threshold, cache)


def reader(spacing: Sequence[float] = (4.0, 4.0, 4.0), **settings: Any) -> CaseReader:
    """Reads cases as the toy model asks; `annotation` and the reader's own settings may be others."""
    return CaseReader(ct(spacing), **{"annotation": annotation(), **settings})


def records(root: Path, extra: Mapping[str, str] | None = None, label_map: str | None = None) -> list[CaseRecord]:
    """Of a data set in the layout of TotalSegmentator."""
    file = None if label_map is None else LabelMapFile(label_map)
    catalogue = Catalogue(TotalSegmentatorLayout(root), ExtraMasks(extra or {}, labels()), file)
    return list(catalogue.by_id().values())


def facts(spacing: Sequence[float] = SPACING, head: str = "softmax") -> dict[str, str]:
    return facts_of(Labels(tuple(CLASSES), head), ct(spacing), SlidingWindow(WINDOW))


def ct(spacing: Sequence[float] = SPACING, low: float = -1024.0, high: float = 1024.0) -> Preprocessing:
    """The preprocessing of `model/preprocessing=ct`."""
    d, h, w = spacing
    return Preprocessing(
        spacing=(d, h, w), intensity=Window(low, high), body=CtBody(), display=Display(-1024.0, 819.2, "HU")
    )


def scan_grid(
    axes: str = "RAS",
    spacing: Sequence[float] = (4.0, 4.0, 4.0),
    extent: Sequence[float] = (72.0, 60.0, 56.0),
    tilt: float = 0.0,
    centre: Sequence[float] = (0.0, 0.0, 0.0),
) -> Grid:
    """A grid whose array axes point to `axes`, turned by `tilt` radians about x and z; `extent`: mm along R, A, S."""
    directions = np.zeros((3, 3))
    shape = []
    for column, letter in enumerate(axes):
        row = next(i for i, pair in enumerate(("LR", "PA", "IS")) if letter in pair)
        directions[row, column] = 1.0 if letter in "RAS" else -1.0
        shape.append(round(extent[row] / spacing[column]))
    c, s = np.cos(tilt), np.sin(tilt)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ directions * np.asarray(spacing)
    affine[:3, 3] = np.asarray(centre) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid((shape[0], shape[1], shape[2]), affine)


def world(grid: Grid) -> NDArray[np.float64]:
    """World coordinates of every voxel centre, (D, H, W, 3)."""
    index = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    return np.asarray(index @ grid.affine[:3, :3].T + grid.affine[:3, 3])


def hounsfield(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """A linear field (…, 3) -> HU (…): linear interpolation reproduces it exactly."""
    return np.asarray(points @ np.array([9.0, 4.0, -6.0]) - 40.0)


def in_box(points: NDArray[np.float64], name: str) -> NDArray[np.bool_]:
    low, high = BOXES[name]
    return np.asarray(((points >= low) & (points < high)).all(axis=-1))


def label_map(points: NDArray[np.float64], classes: Mapping[str, Sequence[str]] = CLASSES) -> NDArray[np.int64]:
    """Labels of world points, one point at a time in the order of the classes: the later class wins."""
    made = np.zeros(points.shape[:-1], dtype=np.int64)
    for label, structures in enumerate(classes.values()):
        for name in structures:
            made[in_box(points, name)] = label
    return made


def write_nifti(path: Path, volume: NDArray[np.generic], grid: Grid) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(nib.Nifti1Image(volume, grid.affine), path)


def write_case(root: Path, case: str, grid: Grid | None = None, without: Collection[str] = (), noise: int = 0) -> Path:
    """Write one patient's scan and masks, but for the masks named in `without`; `noise` seeds a little noise."""
    grid = scan_grid() if grid is None else grid
    points = world(grid)
    hu = hounsfield(points)
    if noise:
        hu = hu + np.random.default_rng(noise).normal(0, 30, grid.shape)
    write_nifti(root / case / "ct.nii.gz", hu.astype(np.float32), grid)
    for name in BOXES:
        if name not in without:
            path = root / case / "segmentations" / f"{name}.nii.gz"
            write_nifti(path, in_box(points, name).astype(np.uint8), grid)
    return root / case


def write_table(root: Path, splits: Mapping[str, str]) -> None:
    rows = [f"{case};61;{split};" for case, split in splits.items()]
    (root / "meta.csv").write_text("\n".join(["image_id;age;split;pathology", *rows]) + "\n")


def write_data_set(root: Path, splits: Mapping[str, str]) -> Path:
    """Whole cases, each with noise of its own."""
    for k, case in enumerate(splits, start=1):
        write_case(root, case, noise=k)
    write_table(root, splits)
    return root


def write_toy_model(
    folder: Path,
    network: nn.Module | None = None,
    target: str = "ToyNetwork",
    channels: int = 1,
    head: str = "softmax",
) -> Path:
    """A user's configuration folder with `model=toy`, its weights and `data/merge=toy`; returns the folder."""
    save_weights(network or ToyNetwork(classes=len(CLASSES)), folder / "toy.safetensors", facts(head=head))
    (folder / "data" / "merge").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "merge" / "toy.yaml").write_text(yaml.safe_dump(merge(CLASSES)))
    (folder / "model").mkdir(exist_ok=True)
    (folder / "model" / "toy.yaml").write_text(
        "defaults:\n  - preprocessing: ct\n  - windows: default\n  - _self_\n"
        f"name: toy\nlabels: {json.dumps(list(CLASSES))}\nhead: {head}\n"
        f"preprocessing: {{spacing: {list(SPACING)}}}\nwindows: {{size: {list(WINDOW)}}}\n"
        f"weights: {folder / 'toy.safetensors'}\n"
        f"network:\n  _target_: tests.helpers.networks.{target}\n  classes: {len(CLASSES)}\n"
        + (f"  channels: {channels}\n" if channels > 1 else "")
    )
    return folder


def toy_job(folder: Path) -> list[str]:
    """Arguments of `agg2exp explain` of `folder/data` with the toy model of `folder/conf`."""
    own = ["--config-dir", str(folder / "conf"), *TOY, f"data.root={folder / 'data'}"]
    return [*own, f"paths.cache={folder / 'cache'}", "attribution=vanilla_gradient", "logger=none", "trainer=cpu"]


def spoiled(network: nn.Module) -> nn.Module:
    """The network with NaN in its last bias."""
    with torch.no_grad():
        list(network.parameters())[-1].fill_(torch.nan)
    return network
