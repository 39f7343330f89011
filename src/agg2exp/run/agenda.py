"""What is left of a run's cases, and who takes which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from agg2exp.data.records import CaseRecord
from agg2exp.domain.errors import SettingError
from agg2exp.run.distributed.assignment import assign


class Agenda:
    """Cases in the order in which they are handed out.

    Attributes:
        finished: Not handed out, since an earlier part of this run has finished them.
        last: Handed out after all others, the smallest number first.
        begin: Is told the id of each case before it is read; None for nobody.
    """

    def __init__(self) -> None:
        self.finished: frozenset[str] = frozenset()
        self.last: Mapping[str, int] = {}
        self.begin: Callable[[str], None] | None = None

    def left(self, records: Sequence[CaseRecord]) -> list[CaseRecord]:
        """Those that are not finished."""
        left = [record for record in records if record.id not in self.finished]
        return sorted(left, key=lambda record: self.last.get(record.id, 0))  # stable: else the data set's order

    def shares(self, records: Sequence[CaseRecord], cost: Callable[[CaseRecord], float], ranks: int) -> list[list[str]]:
        """Ids of the cases of each rank, about as much work each.

        Raises:
            SettingError: There are fewer cases than ranks.
        """
        left = self.left(records)
        if len(left) < ranks:
            raise SettingError("trainer.devices", ranks, f"at most one for each of the {len(left)} cases")
        return [[left[i].id for i in share] for share in assign(list(map(cost, left)), ranks)]
