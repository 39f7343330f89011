"""Independent jobs that each explained some cases of one data set, joined into the folder of one run."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from agg2exp.domain.errors import DataError
from agg2exp.domain.names import safe_name
from agg2exp.store.atomic import atomic_write
from agg2exp.store.case_result import CaseResult
from agg2exp.store.case_store import CaseStore, DamagedResultError, EarlierResultError
from agg2exp.store.expected_cases import read_expected, write_expected
from agg2exp.store.failures import FailureLog
from agg2exp.store.tables import HOLDING_TIMES, case_tables

log = logging.getLogger(__name__)

OF_A_CASE = ("volumes", "figures/slices")
"""Folders that have a folder for each case."""


def join(folders: Sequence[Path], output: Path) -> None:
    """Bring the results, failures, volumes and slices of all cases into one folder, if they fit together.

    Nothing is written unless they do. Results that are in `output` already stay, and have to fit as well.

    Args:
        folders: Of the jobs.
        output: Of the joined run.

    Raises:
        DataError: Cases were explained with different settings, one case has two results that differ, or a result is
            of another version.
    """
    places = _places([*folders, *([] if output in folders else [output])])
    expected = dict.fromkeys(case for folder in (output, *folders) for case in read_expected(folder))
    write_expected(output, dict.fromkeys([*expected, *places]))
    failed = [(folder, failure) for folder in folders for failure in FailureLog(folder).read()]
    FailureLog(output).forget({*expected, *places})
    for folder, failure in failed:
        if places.get(failure.case_id, folder) == folder:  # no other job has finished the case
            FailureLog(output).record(failure)
    for case, folder in places.items():
        if folder != output:
            _bring(CaseStore(folder).path(case), CaseStore(output).path(case))
            for part in OF_A_CASE:
                files = (path for path in (folder / part / safe_name(case)).rglob("[!.]*") if path.is_file())
                for path in sorted(files):
                    _bring(path, output / path.relative_to(folder))


def _places(folders: Sequence[Path]) -> dict[str, Path]:
    """In which of the folders the result of each case is; a damaged one is named and left out."""
    places: dict[str, Path] = {}
    first: CaseResult | None = None
    for folder in folders:
        store = CaseStore(folder)
        for case in store.finished():
            try:
                result = store.read(case)
                first = first or result
                _check_settings(first, result, folder)
                if case not in places:
                    places[case] = folder
                elif not _is_same(CaseStore(places[case]).read(case), result):
                    raise DataError(
                        f"case {case} has two results that differ, in {places[case]} and in {folder}. Leave one of the "
                        "folders out, or delete the result that is wrong."
                    )
            except EarlierResultError as error:
                raise DataError(f"{error} Explain the case again with this version.") from error
            except DamagedResultError as error:
                log.warning("case %s is left out: %s", case, error)
    return places


def _check_settings(first: CaseResult, other: CaseResult, folder: Path) -> None:
    """Raise unless two cases were explained in the same way."""
    if changes := first.provenance.differences(other.provenance):
        raise DataError(
            f"cases {first.importance.case_id} and {other.importance.case_id} (in {folder}) were explained with "
            f"different settings and do not make one run: {changes}."
        )


def _is_same(one: CaseResult, other: CaseResult) -> bool:
    """Whether two results of a case say the same, but for the time it took."""
    a, b = case_tables([one]), case_tables([other])
    same = a.keys() == b.keys() and all(a[name].equals(b[name]) for name in {*a} - {*HOLDING_TIMES})
    return same and one.settings == other.settings


def _bring(source: Path, target: Path) -> None:
    """A copy of a file, whole or not at all."""
    with atomic_write(target) as path:
        shutil.copyfile(source, path)
