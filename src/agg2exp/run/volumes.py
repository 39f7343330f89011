"""Predictions and attributions as NIfTI on the scan's own grid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lightning import LightningModule, Trainer
from numpy.typing import NDArray
from torch import Tensor

from agg2exp.domain.attribution import SupervoxelAttribution
from agg2exp.domain.case import Case
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.labels import Labels
from agg2exp.domain.names import safe_name
from agg2exp.domain.prediction import Prediction
from agg2exp.run.case_writer import CaseWriter, known_classes
from agg2exp.store.nifti import to_native, write_volume


class VolumeWriter(CaseWriter):
    """Writes `volumes/<case>/prediction.nii.gz` and, if asked, `volumes/<case>/attribution_<class>.nii.gz`.

    Regions that may overlap are no label map: each has a mask of its own, `prediction_<class>.nii.gz`. So has each
    channel of an attribution that tells them apart, `attribution_<class>/<channel>.nii.gz`, beside the file with their
    sum. Every file opens as a volume with its own name, which the parts of a 4D NIfTI file do not have.

    Where a method attributes to supervoxels, `supervoxels.nii.gz` holds the labels of their atlas, or, where they have
    none, their ids plus 1, as 0 is not shown.

    Label maps return to the scan's grid by the nearest voxel; attributions by linear interpolation of the value of a
    preprocessed voxel.

    Args:
        output: The run's folder.
        prediction: Write the predicted label map or masks, and the supervoxels.
        attribution: Classes whose attribution to write: "all", a list of names, or None. Large: 4 bytes per voxel.
    """

    stage = "volumes"

    def __init__(
        self, output: str | Path, prediction: bool = True, attribution: Sequence[str] | str | None = None
    ) -> None:
        super().__init__(output)
        self.prediction = prediction
        self.attribution = attribution

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """An unknown class is told now, not after the first case."""
        labels: Any = pl_module.labels
        if self.attribution is not None:
            known_classes(labels, self.attribution, "callbacks.volumes.attribution")

    def write_case(self, labels: Labels, case: Case, explanation: Explanation) -> None:
        """Write the volumes of one case."""
        folder = self.output / "volumes" / safe_name(case.id)
        if self.prediction:
            for name, predicted in _predicted(explanation.prediction, labels).items():
                volume = to_native(predicted.cpu().numpy().astype(np.uint8), case.grid, case.native, labels=True)
                write_volume(folder / f"{name}.nii.gz", volume, case.native)
            if isinstance(explanation.attribution, SupervoxelAttribution):
                volume = to_native(_shown(explanation.attribution), case.grid, case.native, labels=True)
                write_volume(folder / "supervoxels.nii.gz", volume, case.native)
        if self.attribution is None:
            return
        wanted = labels.indices(self.attribution)
        for k, c in enumerate(explanation.classes):
            if c in wanted:
                e = explanation.attribution.dense(k)
                place = folder / f"attribution_{safe_name(labels.classes[c])}"
                _write_values(place.with_name(f"{place.name}.nii.gz"), e.sum(dim=0), case)
                for channel, values in zip(case.channels, e, strict=True) if len(e) > 1 else ():
                    _write_values(place / f"{safe_name(channel)}.nii.gz", values, case)


def _write_values(path: Path, values: Tensor, case: Case) -> None:
    """Write values of the voxels of the preprocessed image, (D, H, W)."""
    volume = to_native(values.float().cpu().numpy(), case.grid, case.native, labels=False)
    write_volume(path, volume, case.native)


def _predicted(prediction: Prediction, labels: Labels) -> dict[str, Tensor]:
    """The label map, or the mask of each region that may overlap others, by the name of its file."""
    if labels.exclusive:
        return {"prediction": prediction.label_map}
    return {f"prediction_{safe_name(name)}": prediction.masks.mask(c) for c, name in enumerate(labels.classes)}


def _shown(attribution: SupervoxelAttribution) -> NDArray[np.int32]:
    """A number for the supervoxel of each voxel, (D, H, W)."""
    ids, numbers = attribution.supervoxels.cpu(), attribution.numbers
    return (ids + 1 if numbers is None else numbers[ids]).numpy().astype(np.int32)
