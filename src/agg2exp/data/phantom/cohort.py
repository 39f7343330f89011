"""A cohort of phantoms on disk, laid out like the TotalSegmentator data set (version 2)."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agg2exp.data.phantom.device import NAME as DEVICE
from agg2exp.data.phantom.files import same_voxels, write_files, write_text
from agg2exp.data.phantom.phantom import make_phantom, phantom_metadata
from agg2exp.data.phantom.structures import PATHOLOGIES, STRUCTURES
from agg2exp.domain.errors import SettingError
from agg2exp.store.ownership import DRAFT, check_vacant_or_ours, is_draft, remove

GENERATOR_VERSION = 1  # raise it whenever the same settings give other images
COLUMNS = (
    *("image_id", "age", "gender", "institute", "study_type", "split", "manufacturer", "scanner_model"),
    *("kvp", "pathology", "pathology_location", "contrast_phase"),
)
CASE_FILES = (
    "ct.nii.gz",
    *(f"segmentations/{name}.nii.gz" for name in STRUCTURES),
    *(f"pathologies/{name}.nii.gz" for name in PATHOLOGIES),
)
DESCRIPTION = "phantom.json"
"""What the phantoms of a folder were made with, and the sign that the folder is ours."""


def is_cohort(folder: Path) -> bool:
    """Whether phantoms were, or are being, generated into a folder."""
    try:
        found = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"generator", "seed", "spacing", "splits"} <= found.keys()


@dataclass(frozen=True)
class PhantomCohort:
    """Phantoms ``make_phantom(seed, k)`` for k = 1, 2, … written to ``root/s0001``, ``root/s0002`` and so on.

    Args:
        root: folder of the data set; new, empty, or one that an earlier call has made.
        splits: number of cases per split, counted off in this order.
        seed: population the cases are drawn from.
        spacing: voxel size along the array axes (mm).
        pathology_share: probability that a case has a pathology.
        device_share: probability that a case has a metal device on the left chest; above 0 each case has its mask.
        device_shift: how much higher (mm) the labels have the border between the left lobes where there is a device.
    """

    root: Path
    splits: Mapping[str, int]
    seed: int
    spacing: tuple[float, float, float]
    pathology_share: float = 0.3
    device_share: float = 0.0
    device_shift: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root).expanduser())
        object.__setattr__(self, "splits", {str(name): int(n) for name, n in self.splits.items()})
        object.__setattr__(self, "spacing", tuple(float(s) for s in self.spacing))

    def missing(self) -> list[str]:
        """Ids of the cases whose folder is not complete.

        Raises:
            SettingError: the folder holds a cohort with other settings, or files that are not ours.
        """
        self._check_folder()
        return [case for case, _, _ in self._cases() if not self._complete(self.root / case)]

    def generate(self, advance: Callable[[str], None] | None = None) -> None:
        """Write what is missing; ``advance(case id)`` is called after each case written.

        Safe to interrupt, to repeat and to run from several processes: a case appears at once or not at all. What is
        there stays as it is.

        Raises:
            SettingError: the folder holds a cohort with other settings, or files that are not ours.
        """
        missing = set(self.missing())
        if not missing and (self.root / "meta.csv").is_file():
            return
        self.root.mkdir(parents=True, exist_ok=True)
        if not (self.root / DESCRIPTION).exists():
            write_text(self.root / DESCRIPTION, json.dumps(self._description(), indent=2) + "\n")
        for case, index, _ in self._cases():
            if case in missing:
                self._write_case(case, index)
                if advance is not None:
                    advance(case)
        if not (self.root / "meta.csv").exists():
            write_text(self.root / "meta.csv", self._meta())

    def _cases(self) -> Iterator[tuple[str, int, str]]:
        """Case id, index and split of every case."""
        names = [split for split, count in self.splits.items() for _ in range(count)]
        for index, split in enumerate(names, start=1):
            yield f"s{index:04d}", index, split

    def _files(self) -> tuple[str, ...]:
        """Files of each case, relative to its folder."""
        return (*CASE_FILES, f"pathologies/{DEVICE}.nii.gz") if self.device_share > 0 else CASE_FILES

    def _complete(self, folder: Path) -> bool:
        return all((folder / name).is_file() for name in self._files())

    def _description(self) -> dict[str, Any]:
        device = {"device_share": self.device_share, "device_shift": self.device_shift} if self.device_share > 0 else {}
        return {
            "generator": GENERATOR_VERSION,
            "seed": self.seed,
            "spacing": list(self.spacing),
            "splits": [list(item) for item in self.splits.items()],  # their order numbers the cases
            "pathology_share": self.pathology_share,
            **device,
        }

    def _check_folder(self) -> None:
        check_vacant_or_ours(
            self.root,
            is_cohort,
            "data.root",
            "phantoms that were generated there",
            "Scans of your own are read with data=totalsegmentator; phantoms need a folder of their own.",
        )
        path = self.root / DESCRIPTION
        if not path.is_file():
            return
        found, wanted = json.loads(path.read_text(encoding="utf-8")), self._description()
        differing = [name for name in {**wanted, **found} if found.get(name) != wanted.get(name)]
        if differing:
            listed = "; ".join(f"{name}: there {found.get(name)}, asked for {wanted.get(name)}" for name in differing)
            raise SettingError(
                "data.generator",
                listed,
                f"the settings of the phantoms in {self.root}",
                "Choose another data.root or delete that folder.",
            )

    def _write_case(self, case: str, index: int) -> None:
        """Write into a temporary sibling, then rename: whoever finishes first wins."""
        target = self.root / case
        draft = self.root / f"{DRAFT}{case}-{uuid.uuid4().hex}"
        try:
            draft.mkdir()
            shares = (self.pathology_share, self.device_share, self.device_shift)
            write_files(make_phantom(self.seed, index, self.spacing, *shares), draft)
            if target.exists() or target.is_symlink():
                self._fill(target, draft)
                return
            try:
                draft.rename(target)
            except OSError:
                if not self._complete(target):
                    raise
        finally:
            remove(draft, is_draft)

    def _fill(self, target: Path, draft: Path) -> None:
        """Move the files that an incomplete case lacks into it; what is there must be what belongs there.

        Raises:
            SettingError: it holds something else, which then stays as it is.
        """
        there = [path for path in sorted(target.rglob("*")) if path.is_symlink() or not path.is_dir()]
        names = [path.relative_to(target).as_posix() for path in there]
        foreign = [
            str(path)
            for path, name in zip(there, names, strict=True)
            if path.is_symlink() or name not in self._files() or not same_voxels(path, draft / name)
        ]
        if target.is_symlink() or not target.is_dir() or foreign:
            raise SettingError(
                "data.root",
                str(self.root),
                f"a folder of phantoms in which {target} is new or holds files of that phantom only",
                f"It has {', '.join(foreign[:3]) or 'another kind of entry'}, and was left as it is. Choose another "
                "data.root for phantoms, or move that folder away.",
            )
        for name in self._files():
            if name not in names:
                (target / name).parent.mkdir(exist_ok=True)
                (draft / name).rename(target / name)

    def _meta(self) -> str:
        """The table of cases, in the columns of TotalSegmentator."""
        text = io.StringIO()
        columns = (*COLUMNS, DEVICE) if self.device_share > 0 else COLUMNS
        table = csv.DictWriter(text, columns, delimiter=";", lineterminator="\n")
        table.writeheader()
        for case, index, split in self._cases():
            facts = phantom_metadata(self.seed, index, self.pathology_share, self.device_share)
            table.writerow(
                {
                    "image_id": case,
                    "institute": "phantom",
                    "study_type": "ct thorax",
                    "split": split,
                    "manufacturer": "agg2exp",
                    "scanner_model": f"phantom {GENERATOR_VERSION}",
                    **facts,
                }
            )
        return text.getvalue()
