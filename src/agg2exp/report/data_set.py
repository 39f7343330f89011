"""A data set of stored RoI importances, as the analysis takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from agg2exp.aggregation.global_importance import global_importance
from agg2exp.analysis.importances import Importances
from agg2exp.analysis.joining import ADDITIVE, joined
from agg2exp.domain.errors import DataError, SettingError
from agg2exp.domain.labels import Labels
from agg2exp.domain.provenance import Provenance
from agg2exp.domain.roi_importance import GlobalImportance, Kind
from agg2exp.figures.anatomy import Anatomy


@dataclass(frozen=True)
class ScanIdentity:
    """What the scan of a case is, wherever it lies.

    Attributes:
        digest: Of the scan's file; None if it is not known.
        files: Of all that was read of the case, masks too; None if it is not known.
    """

    digest: str | None = None
    files: str | None = None

    def same_as(self, other: ScanIdentity) -> bool | None:
        """Whether two are one scan; None if that is not known."""
        if self.digest and other.digest:
            return self.digest == other.digest
        return True if self.files and self.files == other.files else None


@dataclass(frozen=True, eq=False)
class DataSet:
    """RoI importances of cases that one model segmented and one method explained.

    Attributes:
        name: Its name in pictures and tables.
        local: Rows of `LocalImportance.to_frame`.
        segmentation: Columns case, class, dice; Dice is NaN where a class was not annotated.
        labels: Classes of the model.
        scans: What the scan of each case is: cases of one id are one scan if that is the same.
        runs: Folders of the runs; none for a published table.
        provenance: What the importances of a case depend on besides its files; None: not known.
        metadata: Facts per case, indexed by case id; None if none were given.
        patients: Patient of each case; None: each case is a patient.
        join: Classes to analyse as one, by the new name; none of a model whose classes may overlap.
        twins: Importance and expectation by distance of networks with random weights: columns case, twin, target,
            source, and these kinds; None if there were none.
        channel_shares: Columns case, target, channel, share; None if images have one channel.
        anatomy: Groups and colours of regions.

    Raises:
        SettingError: Classes that may overlap should be joined.
    """

    name: str
    local: pd.DataFrame
    segmentation: pd.DataFrame
    labels: Labels
    scans: Mapping[str, ScanIdentity]
    runs: tuple[Path, ...] = ()
    provenance: Provenance | None = None
    metadata: pd.DataFrame | None = None
    patients: Mapping[str, str] | None = None
    join: Mapping[str, Sequence[str]] = field(default_factory=dict)
    twins: pd.DataFrame | None = None
    channel_shares: pd.DataFrame | None = None
    anatomy: Anatomy = field(default_factory=Anatomy)

    def __post_init__(self) -> None:
        if self.join and not self.labels.exclusive:
            allowed = f"false for the classes of {self.name}: they may overlap, so that their importances do not add up"
            raise SettingError("join", True, allowed)

    @cached_property
    def cases(self) -> tuple[str, ...]:
        """Case ids, sorted."""
        return tuple(sorted(map(str, self.local["case"].unique())))

    @property
    def n_patients(self) -> int:
        """How many patients the cases are of."""
        return len(self.cases) if self.patients is None else len({*self.patients.values()})

    @property
    def joined_anatomy(self) -> Anatomy:
        """The classes after joining, with their groups and colours."""
        return self.anatomy.of(self.labels).joined(self.join)

    def importances(self, kind: Kind) -> Importances:
        """One kind over all cases, classes joined.

        Raises:
            DataError: No case has a value of this kind, or it does not add up over joined classes; see also
                `Importances.from_frame`.
        """
        return self._importances(self.local, kind)

    def of_twins(self, kind: Kind) -> list[Importances]:
        """The same of each twin of the network.

        Raises:
            DataError: A twin has no value at all; see also `importances`.
        """
        return [] if self.twins is None else [self._importances(part, kind) for _, part in self.twins.groupby("twin")]

    def _importances(self, rows: pd.DataFrame, kind: Kind) -> Importances:
        if rows[kind.value].isna().all():
            raise DataError(f"expected values of {kind.value}, got none")
        if self.join and kind not in ADDITIVE:
            raise DataError(f"{kind.value} does not add up over regions, so that it is not known of joined classes")
        importances = Importances.from_frame(rows, kind, self.labels.sources)
        return joined(importances, self.join) if self.join else importances

    def matrix(self, importances: Importances, draws: int, seed: int) -> GlobalImportance:
        """Mean over cases with its interval (see `global_importance`).

        Args:
            importances: Of this data set.
            draws: Of the bootstrap over patients.
            seed: Of the draws.
        """
        return global_importance(importances.to_frame(), importances.kind, self.patients, draws, seed)


def differing_settings(first: DataSet, second: DataSet) -> list[str]:
    """In which parts of their settings two data sets were made differently; none where those of one are not known."""
    if first.provenance is None or second.provenance is None:
        return []
    return first.provenance.differing_parts(second.provenance)
