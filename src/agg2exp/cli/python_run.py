"""Results that Python made, kept as a run that the command line reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from agg2exp.cli.collecting import collecting_of
from agg2exp.cli.environment import write_environment
from agg2exp.cli.kept_configuration import kept
from agg2exp.cli.python_call import GROUPS, PythonCall
from agg2exp.domain.errors import SettingError
from agg2exp.domain.provenance import CASE_FILES, Provenance
from agg2exp.explaining.collect import collect
from agg2exp.explaining.result import Result
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.store.atomic import atomic_write
from agg2exp.store.case_result import CaseResult
from agg2exp.store.case_store import CaseStore
from agg2exp.store.run_folder import claim, release

HANDED_OVER = "object"
"""Choice of a group whose member was handed over."""


def keep(call: PythonCall, model: SegmentationModel, results: Sequence[Result], folder: Path) -> Path:
    """Write the files of cases, and tables and pictures over all cases of the folder.

    Args:
        call: How they were explained.
        model: By which model.
        results: At least one.
        folder: New, empty, or a run of the same settings, which these cases join.

    Returns:
        The folder.

    Raises:
        SettingError: It holds other things, or cases with other settings, or another scan of the same id, or another
            run is in it; nothing was written.
    """
    folder = folder.expanduser()
    claim(folder, "folder")
    try:
        store = CaseStore(folder)
        for result in results:
            _check_fits(folder, result.stored, store.readable(store.finished())[0])
        for result in results:
            store.write(result.stored)
        _write_configuration(call, model, results[0], folder)
        write_environment(folder, str(results[0].device))
        collect(folder, collecting_of(folder))
    finally:
        release(folder)
    return folder


def _check_fits(folder: Path, result: CaseResult, there: Sequence[CaseResult]) -> None:
    """Raise unless a result and those of the folder make one run."""
    case, now = result.importance.case_id, Provenance(result.settings)
    for other in there:
        known = other.importance.case_id
        parts = () if known == case else (CASE_FILES,)
        if changes := Provenance(other.settings).without(*parts).differences(now.without(*parts)):
            allowed = f"a new folder, or a run that case {case} fits into (case {known}: {changes})"
            hint = "Give each scan an id of its own." if known == case else "Save it elsewhere."
            raise SettingError("folder", str(folder), allowed, hint)


def _write_configuration(call: PythonCall, model: SegmentationModel, result: Result, folder: Path) -> None:
    config = call.configuration()
    origin = result.case.origin
    config.model = _described(model)
    config.data = {"root": str(origin.images[0].parent) if origin is not None and origin.images else "memory"}
    config.paths.output = config.output = str(folder.absolute())
    choices = {group: name if isinstance(name := getattr(call, a), str) else HANDED_OVER for group, a in GROUPS.items()}
    hydra = OmegaConf.create({"hydra": {"runtime": {"choices": {**choices, "data": "python"}}}})
    for name, content in {"config.yaml": kept(config), ".hydra/hydra.yaml": hydra}.items():
        with atomic_write(folder / name) as path:
            OmegaConf.save(content, path)


def _described(model: SegmentationModel) -> DictConfig:
    """The node `model`, as a run of the command line has it where the model came from a YAML."""
    told = {name: _node(model.provenance.get(name, "null")) for name in ("network", "preprocessing")}
    windows: dict[str, Any] = {"_target_": f"{type(model.windows).__module__}.{type(model.windows).__qualname__}"}
    return OmegaConf.create(
        {
            "name": model.name,
            "labels": list(model.labels.classes),
            "head": model.head,
            "weights": model.provenance.get("weights"),
            **told,
            "windows": windows | asdict(model.windows),
        }
    )


def _node(words: str) -> Any:
    """What stands in provenance as JSON; other words as they are."""
    try:
        return json.loads(words)
    except ValueError:
        return words
