"""A case from what Python hands over, read by the same reader as the cases of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agg2exp.data.given_image import WITHOUT_AFFINE, GivenImage, given_image
from agg2exp.data.reading.annotation import AnnotationReader
from agg2exp.data.reading.extra_masks import ExtraMasks
from agg2exp.data.reading.masks import labels_in
from agg2exp.data.reading.reader import CaseReader
from agg2exp.data.records import CaseRecord
from agg2exp.domain.case import Case
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.domain.files import MaskFile
from agg2exp.domain.labels import Labels
from agg2exp.domain.names import problem_of, safe_name
from agg2exp.preprocessing.base import Preprocessor
from agg2exp.store.limits import Limits

SUFFIXES = (".nii.gz", ".nii")
ANY = Limits(extent_mm=(1e-3, 1e9), voxel_mm=1e9, gigabytes=1e9)
"""What is in memory already has a size that its owner knows."""


@dataclass(frozen=True)
class GivenCase:
    """A scan and what belongs to it; each volume in a form of `given_image`.

    Attributes:
        image: The scan; {name: image} for one with several channels.
        id: Name of the case; by default the name of its file, "scan" for one in memory.
        annotation: The annotated classes: {class: mask}, or one label map whose labels are indices of the classes.
        regions: Further regions, {name: mask}.
        label_map: A partition for `supervoxels="labelmap"`.
    """

    image: object
    id: str | None = None
    annotation: object = None
    regions: Mapping[str, object] = field(default_factory=dict)
    label_map: object = None

    @property
    def name(self) -> str:
        """The id that the case gets."""
        return self.id or _name(self.image)

    def read(self, preprocessing: Preprocessor, labels: Labels) -> Case:
        """Read and preprocess it. What is in memory goes through a file, so that whatever holds for files holds for it.

        Raises:
            SettingError: Something is given in an unknown form.
            CaseError: A volume is damaged, or does not lie on the scan's grid.
        """
        case_id = self.name
        if wrong := problem_of([case_id]):
            raise SettingError("id", case_id, wrong)
        if not isinstance(self.regions, Mapping):
            raise SettingError("regions", type(self.regions).__name__, "a dictionary {name: mask}")
        ExtraMasks({}, labels).check(self.regions, "regions")
        with TemporaryDirectory(prefix="agg2exp_") as folder:
            files = _Files(Path(folder))
            channels = self.image if isinstance(self.image, Mapping) else {"": self.image}
            paths, names = files.of_scan(channels)
            record = CaseRecord(
                id=case_id,
                images=paths,
                channels=names,
                structures=self._structures(files, labels),
                extra={name: MaskFile(files.of(mask, f"regions[{name!r}]")) for name, mask in self.regions.items()},
                label_map=None if self.label_map is None else files.of(self.label_map, "label_map"),
            )
            limits = ANY if files.written else Limits()
            try:
                case = CaseReader(preprocessing, AnnotationReader(labels), limits=limits).read(record)
            except SettingError:
                raise
            except Exception as error:  # as of a data set: whatever one scan does costs that scan
                problem = str(error).removeprefix(f"case {case_id}: ")
                raise CaseError(case_id, files.as_given(problem)) from error
        notices = tuple(dict.fromkeys([*files.notices, *case.notices]))
        return replace(case, notices=notices, origin=None if files.written else case.origin)

    def _structures(self, files: _Files, labels: Labels) -> dict[str, MaskFile]:
        if self.annotation is None:
            return {}
        if isinstance(self.annotation, Mapping):
            if unknown := [name for name in self.annotation if name not in labels.classes]:
                raise SettingError("annotation", unknown, f"masks of {list(labels.classes)}")
            return {name: MaskFile(files.of(m, f"annotation[{name!r}]")) for name, m in self.annotation.items()}
        if not labels.exclusive:
            allowed = "a mask for each class, {class: mask}, since regions may overlap"
            raise SettingError("annotation", type(self.annotation).__name__, allowed)
        path = files.of(self.annotation, "annotation")
        if unknown := sorted(labels_in(path) - {*range(len(labels))}):
            allowed = f"a label map with labels from 0 to {len(labels) - 1}, the indices of {list(labels.classes)}"
            raise SettingError("annotation", f"labels {unknown[:5]}", allowed, "Or give {class: mask}.")
        return {name: MaskFile(path, label) for label, name in enumerate(labels.classes) if label}


@dataclass
class _Files:
    """Files of volumes; those in memory are written into a folder.

    Attributes:
        folder: For what is in memory.
        notices: What had to be assumed of them.
        written: Files of what was in memory, by what it was given as.
    """

    folder: Path
    notices: list[str] = field(default_factory=list)
    written: dict[str, Path] = field(default_factory=dict)

    def of_scan(self, channels: Mapping[Any, object]) -> tuple[tuple[Path, ...], tuple[str, ...]]:
        """A file per channel, and their names."""
        if not channels:
            raise SettingError("image", {}, "at least one channel")
        if len(channels) == 1 and not isinstance((only := next(iter(channels.values()))), str | PathLike):
            given = given_image(only)
            paths = [self._written(given, channel, f"image, channel {channel}") for channel in range(len(given.voxels))]
            names = tuple(map(str, channels)) if len(paths) == 1 else given.channels
            return tuple(paths), names if names != ("",) else ()
        paths = [self.of(image, "image" if name == "" else f"image[{name!r}]") for name, image in channels.items()]
        return tuple(paths), () if list(channels) == [""] else tuple(map(str, channels))

    def of(self, volume: object, setting: str) -> Path:
        """The file of a volume of one channel."""
        if isinstance(volume, str | PathLike):
            path = Path(volume).expanduser()
            if not path.is_file():
                raise SettingError(setting, str(path), "the path of a file that is there")
            return path.absolute()
        given = given_image(volume, setting)
        if len(given.voxels) != 1:
            raise SettingError(setting, f"{len(given.voxels)} channels", "one channel")
        return self._written(given, 0, setting)

    def as_given(self, problem: str) -> str:
        """A message that calls files what they were given as."""
        for setting, path in self.written.items():
            problem = problem.replace(str(path), setting).replace(path.name, setting)
        hint = " Give (array, affine) where an array came without affine."
        return problem + (hint if WITHOUT_AFFINE in self.notices and "elsewhere in space" in problem else "")

    def _written(self, given: GivenImage, channel: int, setting: str) -> Path:
        import nibabel as nib

        self.notices += [notice for notice in given.notices if notice not in self.notices]
        path = self.written[setting] = self.folder / f"{safe_name(setting)}.nii"
        image = nib.Nifti1Image(_storable(given.voxels[channel]), given.grid.affine)
        image.header.set_xyzt_units("mm")
        nib.save(image, path)
        return path


def _storable(voxels: NDArray[Any]) -> NDArray[Any]:
    """In a type that NIfTI has and every value keeps."""
    if voxels.dtype == np.bool_:
        return voxels.astype(np.uint8)
    if voxels.dtype == np.float16:
        return voxels.astype(np.float32)
    if voxels.dtype.itemsize > 8:
        return voxels.astype(np.float64)  # long doubles; the network takes float32 anyway
    if voxels.dtype in (np.int64, np.uint64):
        low, high = np.iinfo(np.int32).min, np.iinfo(np.int32).max
        if voxels.min() < low or voxels.max() > high:
            raise CaseError("given", f"expected whole numbers from {low} to {high}, got others.")
        return voxels.astype(np.int32)
    return voxels


def _name(image: object) -> str:
    """Of a file without its suffix."""
    while isinstance(image, Mapping) and image:
        image = next(iter(image.values()))
    if not isinstance(image, str | PathLike):
        return "scan"
    name = Path(image).name
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)
