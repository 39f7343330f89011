"""One finished run, read back and checked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from agg2exp.cli.run_settings import FILES, SETTINGS, configuration, labels_of, settings_of
from agg2exp.domain.labels import Labels
from agg2exp.report.data_set import ScanIdentity
from agg2exp.store.case_result import CASE_FILES, CaseResult
from agg2exp.store.case_store import CaseStore, DamagedResultError
from agg2exp.store.stored_importances import read_stored_importances
from agg2exp.store.tables import SEGMENTATION

log = logging.getLogger(__name__)

WEIGHTS = "weights"
"""The setting of a case that says which weights made it, by their content."""
OWN = "code of your own"
CODE = " (code "  # in the description of a class that is no part of an installed package


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A finished run.

    Attributes:
        folder: Its folder.
        labels: Classes of its model.
        tables: `roi_importance` and `segmentation`.
        scans: What the scan of each case is.
        settings: What its importances depend on besides the files of its cases.
        choices: `settings`, and which files of a case were read: the same in runs that are one data set.
    """

    folder: Path
    labels: Labels
    tables: Mapping[str, pd.DataFrame]
    scans: Mapping[str, ScanIdentity]
    settings: Mapping[str, Any]
    choices: Mapping[str, Any]


def read_stored_run(folder: Path) -> StoredRun:
    """What an analysis needs of a run.

    A case whose result is damaged keeps its rows in the tables, which are checked for themselves; which scan it is,
    is then not known.

    Raises:
        DataError: Its configuration or a table is damaged or not that of a run.
    """
    config = configuration(folder)
    labels = labels_of(folder, config)
    store = CaseStore(folder)
    tables = read_stored_importances(folder / "tables", labels, store.finished())
    results = {case: _result(store, case) for case in dict.fromkeys(tables[SEGMENTATION]["case"])}
    weights = {result.settings.get(WEIGHTS) for result in results.values() if result is not None}
    if len(weights) == 1 and None not in weights:  # what they are, not where they lay
        config["model"] = {**config["model"], "weights": weights.pop()}
    own = {OWN: _of_own_code(next((result.settings for result in results.values() if result is not None), {}))}
    return StoredRun(
        folder,
        labels,
        tables,
        {case: ScanIdentity() if result is None else _identity(result) for case, result in results.items()},
        settings={**settings_of(config), **own},
        choices={**settings_of(config, SETTINGS + FILES), **own},
    )


def _of_own_code(settings: Mapping[str, str]) -> dict[str, str]:
    """What the provenance of a case tells of parts of the user's own, whose tensors and code no configuration has."""
    classes = {name: word for name, word in settings.items() if name.endswith(": class")}
    parts = {name.removesuffix(": class") for name, word in classes.items() if CODE in word}
    return {
        name: word
        for name, word in settings.items()
        if name.partition(": ")[0] in parts or (name == "network code" and word)
    }


def _result(store: CaseStore, case: str) -> CaseResult | None:
    if not store.path(case).is_file():
        return None
    try:
        return store.read(case)
    except DamagedResultError as error:
        log.warning("case %s: which scan it is, is not known: %s", case, error)
        return None


def _identity(result: CaseResult) -> ScanIdentity:
    digest = None if result.origin is None else result.origin.digest
    return ScanIdentity(digest, result.settings.get(CASE_FILES) or None)
