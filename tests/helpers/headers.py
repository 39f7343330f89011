"""NIfTI files with headers that tools write, and Hypothesis strategies of them."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from agg2exp.domain.case import Grid
from tests.helpers import cases

ORIENTATIONS = ["".join(axes[k][flip[k]] for k in range(3)) for axes in permutations(("RL", "AP", "SI"))
                for flip in product((0, 1), repeat=3)]  # fmt: skip


def sheared(grid: Grid, degrees: float) -> Grid:
    """The grid of a scan with gantry tilt: slices shifted along the second axis."""
    affine = grid.affine.copy()
    affine[:3, 2] += affine[:3, 1] / grid.spacing[1] * grid.spacing[2] * np.tan(np.deg2rad(degrees))
    return Grid(grid.shape, affine)


def rewritten(path: Path, **fields: object) -> Path:
    """Set fields of the header of an uncompressed `.nii` file in place, whether nibabel allows them or not."""
    content = bytearray(path.read_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.binaryblock
    path.write_bytes(bytes(content))
    return path


def stored(path: Path, volume: NDArray[np.generic], grid: Grid, **fields: object) -> Path:
    """A file in mm of this grid, with fields of its header set afterwards."""
    image = nib.Nifti1Image(volume, grid.affine)
    image.header.set_xyzt_units("mm")
    path.parent.mkdir(parents=True, exist_ok=True)
    nib.save(image, path)
    return rewritten(path, **fields) if fields else path


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Any orientation, spacing, obliqueness and place of a small scan."""
    return cases.scan_grid(
        axes=draw(st.sampled_from(ORIENTATIONS)),
        spacing=draw(st.tuples(*[st.floats(0.3, 6.0)] * 3)),
        extent=(draw(st.integers(12, 24)), draw(st.integers(12, 24)), draw(st.integers(12, 24))),
        tilt=draw(st.sampled_from([0.0, 0.1, -0.4])),
        centre=draw(st.tuples(*[st.floats(-800, 800)] * 3)),
    )
