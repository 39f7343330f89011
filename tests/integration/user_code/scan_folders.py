"""A folder for each patient with `ct.nii.gz`, `pet.nii.gz`, and `organs.nii.gz`, a label map."""

from pathlib import Path

from agg2exp.data.layouts import CaseRecord, MaskFile

ORGANS = {"lung": 1, "heart": 2, "aorta": 3}


class ScanFolders:
    def __init__(self, root: str) -> None:
        self.root = Path(root)

    def records(self) -> list[CaseRecord]:
        return [
            CaseRecord(
                id=folder.name,
                images=(folder / "ct.nii.gz", folder / "pet.nii.gz"),
                channels=("ct", "pet"),
                structures={name: MaskFile(folder / "organs.nii.gz", label) for name, label in ORGANS.items()},
            )
            for folder in sorted(self.root.iterdir())
        ]
