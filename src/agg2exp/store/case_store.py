"""One file per case: what the run computed about it, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from agg2exp.domain.errors import DataError
from agg2exp.domain.explanation import PassCounts
from agg2exp.domain.metric_facts import MetricFacts
from agg2exp.domain.names import original_name, safe_name
from agg2exp.domain.roi_importance import Kind, LocalImportance
from agg2exp.store.atomic import atomic_write
from agg2exp.store.case_result import CaseResult, SupervoxelValues
from agg2exp.store.digests import arrays_digest
from agg2exp.store.origin_text import origin_as_text, origin_from_text

CHECKSUM = "checksum"
FORMAT = 2
"""Of the files; it rises when they change, so that files of another version are told from damaged ones."""
PER_TARGET = ("notes", "metrics", "curves", "efficiency", "twins")
SUPERVOXELS = ("voxels", "values", "errors")
OF_CHANNELS = ("by_channel", "channel_shares")


class DamagedResultError(RuntimeError):
    """The stored result of a case cannot be read."""


class EarlierResultError(DamagedResultError):
    """The stored result of a case is whole, as far as that can be told, but of an earlier version."""


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
        if importance.channels:
            arrays |= {name: getattr(importance, name) for name in OF_CHANNELS}
        for part in PER_TARGET:
            arrays |= {f"{part}/{name}": values for name, values in getattr(result, part).items()}
        if result.supervoxels is not None:
            arrays |= {f"supervoxels/{name}": getattr(result.supervoxels, name) for name in SUPERVOXELS}
            if result.supervoxels.labels is not None:
                arrays["supervoxels/labels"] = result.supervoxels.labels
        header = {
            "format": FORMAT,
            "case": importance.case_id,
            "targets": importance.targets,
            "sources": importance.sources,
            "status": importance.status,
            "channels": importance.channels,
            "classes": result.classes,
            "settings": dict(result.settings),
            "passes": list(astuple(result.passes)),
            "seconds": result.seconds,
            "memory_fallback": result.memory_fallback,
            "origin": origin_as_text(result.origin),
            "metric_facts": {name: asdict(facts) for name, facts in result.metric_facts.items()},
            "supervoxel_names": () if result.supervoxels is None else result.supervoxels.names,
        }
        whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        words = {name: json.dumps(value) for name, value in header.items()}
        content = save(whole, metadata={**words, CHECKSUM: arrays_digest(whole, words)})
        with atomic_write(self.path(importance.case_id)) as path:
            path.write_bytes(content)

    def readable(self, case_ids: Sequence[str]) -> tuple[list[CaseResult], dict[str, str]]:
        """The results of those of the cases that are done, and by case why a result cannot be read.

        Raises:
            DataError: A result is of another version, and so is the run: nothing of it is damaged.
        """
        done, results, damaged = set(self.finished()), [], {}
        for case in (case for case in case_ids if case in done):
            try:
                results.append(self.read(case))
            except EarlierResultError as error:
                raise DataError(f"{error} Read the run with that version, or explain its cases again.") from error
            except DamagedResultError as error:
                damaged[case] = str(error)
        return results, damaged

    def read(self, case_id: str) -> CaseResult:
        """Read the file of a case.

        Raises:
            EarlierResultError: The file is of a version that wrote no checksum, or another format.
            DamagedResultError: The file is damaged, or not one of ours.
        """
        path = self.path(case_id)
        try:
            with safe_open(path, framework="numpy") as file:
                words = dict(file.metadata() or {})
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            checksum = words.pop(CHECKSUM, None)
            if checksum not in (None, arrays_digest(arrays, words)):
                raise ValueError("its content is not what was written")
            header = {name: json.loads(value) for name, value in words.items()}
            if checksum is None or header.get("format") != FORMAT:
                writer = header["settings"].get("agg2exp", "0.1.0, before it recorded its version,")
                lacking = "checksum" if checksum is None else f"format {FORMAT}, but {header.get('format', 1)}"
                raise EarlierResultError(f"{path} has no {lacking}, as agg2exp {writer} wrote it.")
            if header["case"] != case_id:
                raise ValueError(f"it is the result of case {header['case']}")
            importance = LocalImportance(
                case_id=header["case"],
                targets=tuple(header["targets"]),
                sources=tuple(header["sources"]),
                values={kind: arrays[f"kind/{kind.value}"] for kind in Kind},
                status=tuple(header["status"]),
                channels=tuple(header["channels"]),
                **({name: arrays[name] for name in OF_CHANNELS} if header["channels"] else {}),
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
                metric_facts={name: MetricFacts(**facts) for name, facts in header["metric_facts"].items()},
                supervoxels=_supervoxels(arrays, tuple(header["supervoxel_names"])),
                origin=origin_from_text(header["origin"]),
            )
        except (SafetensorError, LookupError, TypeError, AttributeError, ValueError, OSError) as error:
            raise DamagedResultError(
                f"{path} is no readable result ({type(error).__name__}: {error}). Delete it and run again."
            ) from error


def _members(arrays: Mapping[str, NDArray[Any]], part: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(f"{part}/"): array for name, array in arrays.items() if name.startswith(f"{part}/")}


def _supervoxels(arrays: Mapping[str, NDArray[Any]], names: tuple[str, ...]) -> SupervoxelValues | None:
    found = _members(arrays, "supervoxels")
    return SupervoxelValues(**found, names=names) if found else None
