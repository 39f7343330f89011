"""Results of cases with damaged bytes: they are those that were written, or refused."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from mutations import cut, flipped, inserted, overwritten

from agg2exp.domain.errors import DataError
from agg2exp.domain.explanation import PassCounts
from agg2exp.domain.files import MaskFile, Origin
from agg2exp.domain.roi_importance import Kind, LocalImportance
from agg2exp.store.case_result import CaseResult
from agg2exp.store.case_store import CaseStore, DamagedResultError

CASE = "s1"


def original() -> CaseResult:
    """A result of two targets and three sources."""
    values = np.random.default_rng(0).random((2, 3))
    names = ("background", "heart", "lung")
    return CaseResult(
        LocalImportance(CASE, names[1:], names, dict.fromkeys(Kind, values), ("ok", "ok")),
        names,
        voxels=np.array([5, 3, 2]),
        dice=np.array([0.9, 0.8, np.nan]),
        iou=np.array([0.8, 0.7, np.nan]),
        settings={"method": "smoothgrad"},
        passes=PassCounts(8, 16),
        seconds=1.5,
        origin=Origin("0" * 64, (Path("/data/s1/ct.nii.gz"),), {"heart": (MaskFile(Path("/data/s1/heart.nii.gz")),)}),
    )


def mutant(random: np.random.Generator) -> bytes:
    """The file with bytes changed, gone or added; one in ten as it was."""
    with TemporaryDirectory() as folder:
        store = CaseStore(Path(folder))
        store.write(original())
        content = store.path(CASE).read_bytes()
    if random.random() < 0.1:
        return content
    return (flipped, cut, overwritten, inserted)[random.integers(4)](content, random)


def read(content: bytes, folder: Path) -> CaseResult:
    """The result of the case."""
    store = CaseStore(folder)
    store.folder.mkdir(exist_ok=True)
    store.path(CASE).write_bytes(content)
    try:
        return store.read(CASE)
    except DamagedResultError as error:
        raise DataError(str(error)) from error


def is_right(content: bytes, result: CaseResult) -> bool:
    """Whether it is the one that was written."""
    return _plain(result) == _plain(original())


def _plain(result: CaseResult) -> str:
    importance = result.importance
    arrays = [result.voxels, result.dice, result.iou, *(importance.values[kind] for kind in Kind)]
    words = [importance.case_id, importance.targets, importance.sources, importance.status, result.classes,
             dict(result.settings), result.passes, result.seconds, result.memory_fallback, result.origin]  # fmt: skip
    return repr([array.tolist() for array in arrays] + words)
