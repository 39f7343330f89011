"""One file per case: what the run computed about it, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from agg2exp.domain.case import Origin
from agg2exp.domain.explanation import PassCounts
from agg2exp.domain.names import original_name, safe_name
from agg2exp.domain.roi_importance import Kind, LocalImportance
from agg2exp.store.atomic import atomic_write
from agg2exp.store.digests import arrays_digest

CASE_FILES = "files of the case"
"""The one setting in which the cases of a run differ: the fingerprint of what was read."""


CHECKSUM = "checksum"
PER_TARGET = ("notes", "metrics", "curves", "efficiency", "twins")
SUPERVOXELS = ("voxels", "values", "errors")


class DamagedResultError(RuntimeError):
    """The stored result of a case cannot be read."""


class EarlierResultError(DamagedResultError):
    """The stored result of a case is whole, as far as that can be told, but of an earlier version."""


@dataclass(frozen=True, eq=False)
class SupervoxelValues:
    """Attribution per supervoxel (S), where the method gives one.

    Attributes:
        voxels: Size of each supervoxel (S).
        values: φ (K, S).
        errors: Standard error of φ (K, S); NaN where unknown.
        labels: Number of each supervoxel that is the same in all cases, such as its label in an atlas (S); else None.
        names: What each is called (S), "" where that is not known; none without labels.
    """

    voxels: NDArray[np.int64]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    labels: NDArray[np.int64] | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CaseResult:
    """RoI importance of a case and the facts beside it.

    Attributes:
        importance: RoI importance.
        classes: Class names of the model (L).
        voxels: Predicted voxels of each class (L).
        dice: Dice of each class (L); NaN where not annotated.
        iou: Intersection over union of each class (L).
        settings: What the result depends on.
        passes: Network passes it took.
        seconds: Wall time of prediction and attribution.
        memory_fallback: How memory was saved after it had run out; "" if it had not.
        notes: By name, how far the attribution of each target can be trusted (K).
        metrics: By name, evaluation metrics of each target's attribution (K).
        curves: By name, curves that belong to metrics, as points (K, N, 2).
        efficiency: By name, what the attribution of each target cost (K).
        twins: By kind, the RoI importance of T twins of the network with random weights (T, K, R).
        supervoxels: Attribution per supervoxel, if there are any.
        origin: Which scan it is and where its files were found; None if that is not known (runs of earlier versions).
    """

    importance: LocalImportance
    classes: tuple[str, ...]
    voxels: NDArray[np.int64]
    dice: NDArray[np.float64]
    iou: NDArray[np.float64]
    settings: Mapping[str, str]
    passes: PassCounts
    seconds: float
    memory_fallback: str = ""
    notes: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    metrics: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    curves: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    efficiency: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    twins: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    supervoxels: SupervoxelValues | None = None
    origin: Origin | None = None


class CaseStore:
    """`<output>/cases/<case>.safetensors`, the case by its `safe_name`.

    Args:
        output: The run's folder.
    """

    def __init__(self, output: Path) -> None:
        self.folder = output / "cases"

    def path(self, case_id: str) -> Path:
        """File of a case."""
        return self.folder / f"{safe_name(case_id)}.safetensors"

    def finished(self) -> list[str]:
        """Ids of the cases that are done, sorted."""
        return sorted(original_name(path.stem) for path in self.folder.glob("[!.]*.safetensors"))

    def write(self, result: CaseResult) -> None:
        """Write the file of a case, atomically."""
        importance = result.importance
        arrays: dict[str, NDArray[Any]] = {f"kind/{kind.value}": importance.values[kind] for kind in Kind}
        arrays |= {"voxels": result.voxels, "dice": result.dice, "iou": result.iou}
        for part in PER_TARGET:
            arrays |= {f"{part}/{name}": values for name, values in getattr(result, part).items()}
        if result.supervoxels is not None:
            arrays |= {f"supervoxels/{name}": getattr(result.supervoxels, name) for name in SUPERVOXELS}
            if result.supervoxels.labels is not None:
                arrays["supervoxels/labels"] = result.supervoxels.labels
        header = {
            "case": importance.case_id,
            "targets": importance.targets,
            "sources": importance.sources,
            "status": importance.status,
            "classes": result.classes,
            "settings": dict(result.settings),
            "passes": [result.passes.forwards, result.passes.backwards, result.passes.reused],
            "seconds": result.seconds,
            "memory_fallback": result.memory_fallback,
            "origin": _as_text(result.origin),
            "supervoxel_names": () if result.supervoxels is None else result.supervoxels.names,
        }
        whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        words = {name: json.dumps(value) for name, value in header.items()}
        content = save(whole, metadata={**words, CHECKSUM: arrays_digest(whole, words)})
        with atomic_write(self.path(importance.case_id)) as path:
            path.write_bytes(content)

    def readable(self, case_ids: Sequence[str]) -> tuple[list[CaseResult], dict[str, str]]:
        """The results of those of the cases that are done, and by case why a result cannot be read."""
        done, results, damaged = set(self.finished()), [], {}
        for case in (case for case in case_ids if case in done):
            try:
                results.append(self.read(case))
            except DamagedResultError as error:
                damaged[case] = str(error)
        return results, damaged

    def read(self, case_id: str) -> CaseResult:
        """Read the file of a case.

        Raises:
            EarlierResultError: The file is of a version that wrote no checksum.
            DamagedResultError: The file is damaged, or not one of ours.
        """
        path = self.path(case_id)
        try:
            with safe_open(path, framework="numpy") as file:
                words = dict(file.metadata() or {})
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            checksum = words.pop(CHECKSUM, None)
            if checksum is None:
                writer = json.loads(words["settings"]).get("agg2exp", "0.1.0, before it recorded its version,")
                raise EarlierResultError(f"{path} has no checksum, as agg2exp {writer} wrote it.")
            if checksum != arrays_digest(arrays, words):
                raise ValueError("its content is not what was written")
            header = {name: json.loads(value) for name, value in words.items()}
            if header["case"] != case_id:
                raise ValueError(f"it is the result of case {header['case']}")
            importance = LocalImportance(
                case_id=header["case"],
                targets=tuple(header["targets"]),
                sources=tuple(header["sources"]),
                values={kind: arrays[f"kind/{kind.value}"] for kind in Kind},
                status=tuple(header["status"]),
            )
            return CaseResult(
                importance=importance,
                classes=tuple(header["classes"]),
                voxels=arrays["voxels"],
                dice=arrays["dice"],
                iou=arrays["iou"],
                settings=header["settings"],
                passes=PassCounts(*header["passes"]),
                seconds=header["seconds"],
                memory_fallback=header["memory_fallback"],
                **{part: _members(arrays, part) for part in PER_TARGET},
                supervoxels=_supervoxels(arrays, tuple(header["supervoxel_names"])),
                origin=_origin(header.get("origin")),
            )
        except (SafetensorError, LookupError, TypeError, AttributeError, ValueError, OSError) as error:
            raise DamagedResultError(
                f"{path} is no readable result ({type(error).__name__}: {error}). Delete it and run again."
            ) from error


def _as_text(origin: Origin | None) -> dict[str, Any] | None:
    if origin is None:
        return None
    structures = {name: str(path) for name, path in origin.structures.items()}
    return {"digest": origin.digest, "image": str(origin.image), "structures": structures,
            "threshold": origin.threshold}  # fmt: skip


def _origin(stored: Mapping[str, Any] | None) -> Origin | None:
    if stored is None:
        return None
    structures = {str(name): Path(path) for name, path in stored["structures"].items()}
    threshold = stored["threshold"]
    return Origin(
        digest=str(stored["digest"]),
        image=Path(stored["image"]),
        structures=structures,
        threshold=None if threshold is None else float(threshold),
    )


def _members(arrays: Mapping[str, NDArray[Any]], part: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(f"{part}/"): array for name, array in arrays.items() if name.startswith(f"{part}/")}


def _supervoxels(arrays: Mapping[str, NDArray[Any]], names: tuple[str, ...]) -> SupervoxelValues | None:
    found = _members(arrays, "supervoxels")
    return SupervoxelValues(**found, names=names) if found else None
