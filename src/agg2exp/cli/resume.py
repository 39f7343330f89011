"""Which cases an earlier part of a run has finished."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from agg2exp.domain.errors import SettingError
from agg2exp.domain.provenance import CASE_FILES, Provenance
from agg2exp.run.datamodule import CaseDataModule
from agg2exp.store.case_store import CaseStore, DamagedResultError, EarlierResultError
from agg2exp.store.failures import FailureLog
from agg2exp.store.under_way import UnderWay

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """What is left of a run, and what earlier parts of it did.

    Attributes:
        expected: Cases that this part is about.
        finished: Those of them that are done.
        pending: The others.
        staying: Further cases that earlier parts did, which stay in the tables.
        killers: By pending case, how many parts were killed while it was under way.
    """

    expected: Sequence[str]
    finished: frozenset[str]
    pending: Sequence[str]
    staying: Sequence[str]
    killers: Mapping[str, int]

    @property
    def cases(self) -> list[str]:
        """All that the tables are about."""
        return [*self.expected, *self.staying]

    def tell(self) -> None:
        """Log what is there already, and what killed earlier parts."""
        if self.finished:
            log.info("%d of %d cases are finished already and stay as they are", len(self.finished), len(self.expected))
        if self.staying:
            log.info("%d further cases of earlier parts of this run stay in its tables", len(self.staying))
        for case, n in self.killers.items():
            log.warning(
                "case %s was under way when this run was killed (%d ×), perhaps because memory ran out; it is tried "
                "last",
                case,
                n,
            )


def next_part(output: Path, data: CaseDataModule, settings: Mapping[str, str]) -> Part:
    """What is left to do in a run's folder; the data module no longer hands out what is done.

    Args:
        output: The run's folder.
        data: Which cases are asked for.
        settings: What results depend on now.

    Raises:
        SettingError: See `finished_cases` and `staying_cases`.
    """
    stored, expected = CaseStore(output).finished(), data.expected()
    files = data.fingerprints(stored)
    finished = finished_cases(output, settings, {case: files[case] for case in expected if case in files})
    staying = staying_cases(output, settings, files, expected)
    data.leave_out(finished)
    pending = data.pending()
    killers = {case: n for case, n in UnderWay(output).killed().items() if case in pending}
    return Part(expected, finished, pending, staying, killers)


def finished_cases(output: Path, settings: Mapping[str, str], fingerprints: Mapping[str, str]) -> frozenset[str]:
    """Cases with a readable result under the same settings and without a recorded failure.

    Args:
        output: The run's folder.
        settings: What results depend on now.
        fingerprints: Of the files of each expected case.

    Raises:
        SettingError: A result in the folder was computed with other settings, from other files, or by an earlier
            version; they never mix.
    """
    store, failed = CaseStore(output), {failure.case_id for failure in FailureLog(output).read()}
    finished = set()
    for case in store.finished():
        if case in failed or case not in fingerprints:
            continue
        try:
            before = store.read(case).settings
        except EarlierResultError as error:
            raise SettingError(
                "resume",
                str(output),
                "a run of this version",
                f"{error} It stays as it is: go on with that version, or start a new run.",
            ) from error
        except DamagedResultError as error:
            log.warning("case %s is computed again: %s", case, error)
            continue
        _check(output, case, before, {**settings, CASE_FILES: fingerprints[case]})
        finished.add(case)
    return frozenset(finished)


def staying_cases(
    output: Path, settings: Mapping[str, str], fingerprints: Mapping[str, str], expected: Collection[str]
) -> list[str]:
    """Stored cases that are not expected now; they stay in the run's tables.

    Args:
        output: The run's folder.
        settings: What results depend on now.
        fingerprints: Of the files of each stored case that the data set has.
        expected: Cases of this part of the run.

    Raises:
        SettingError: One is unknown to the data set, or was computed with other settings, or from other files.
    """
    store = CaseStore(output)
    staying = [case for case in store.finished() if case not in expected]
    unknown = [case for case in staying if case not in fingerprints]
    if unknown:
        raise SettingError(
            "resume",
            str(output),
            f"a run whose finished cases the data set has; unknown to it are {', '.join(unknown[:5])}",
            "Choose the data of that run (data, data.root), or start a new run.",
        )
    for result in store.readable(staying)[0]:
        case = result.importance.case_id
        _check(output, case, result.settings, {**settings, CASE_FILES: fingerprints[case]})
    return staying


def _check(output: Path, case: str, before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Raise unless a stored case has the settings of now."""
    changes = Provenance(before).differences(Provenance(now))
    if changes:
        raise SettingError(
            "resume",
            str(output),
            f"the settings of its finished cases (case {case}: {changes})",
            "Repeat the earlier command, or start a new run for other settings or files.",
        )
