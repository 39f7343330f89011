"""One finished run, read back and checked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from agg2exp.cli.run_settings import configuration, files_of, labels_of
from agg2exp.domain.labels import Labels
from agg2exp.domain.provenance import CASE_FILES, Provenance
from agg2exp.report.data_set import ScanIdentity
from agg2exp.store.case_result import CaseResult
from agg2exp.store.case_store import CaseStore, DamagedResultError
from agg2exp.store.stored_importances import read_stored_importances
from agg2exp.store.tables import SEGMENTATION

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A finished run.

    Attributes:
        folder: Its folder.
        labels: Classes of its model.
        tables: `roi_importance` and `segmentation`.
        scans: What the scan of each case is.
        provenance: What its importances depend on besides the files of its cases; None if no case tells.
        files: Which files of a case were read.
    """

    folder: Path
    labels: Labels
    tables: Mapping[str, pd.DataFrame]
    scans: Mapping[str, ScanIdentity]
    provenance: Provenance | None
    files: Mapping[str, Any]


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
    told = [result.provenance for result in results.values() if result is not None]
    return StoredRun(
        folder,
        labels,
        tables,
        {case: ScanIdentity() if result is None else _identity(result) for case, result in results.items()},
        provenance=told[0].of_importances if told else None,
        files=files_of(config),
    )


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
