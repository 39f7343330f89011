"""Which cases of a data set are meant."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agg2exp.data.records import CaseRecord
from agg2exp.domain.chosen import chosen_ids
from agg2exp.domain.errors import SettingError, check_range


@dataclass(frozen=True)
class Selection:
    """Cases to explain: of a split or by their ids, of these the first, of these a share.

    Attributes:
        split: The split; None for all cases.
        cases: Ids of cases, as `chosen_ids` takes them, whatever their split; None for all of the split.
        limit: At most so many cases; None for all.
        shard: "k/n" takes every n-th of them from the k-th on, k = 1..n, so that n independent jobs share them; None
            takes all.

    Raises:
        SettingError: `limit` or `shard` is none.
    """

    split: str | None = None
    cases: Sequence[object] | str | float | None = None
    limit: int | None = None
    shard: str | None = None

    def __post_init__(self) -> None:
        if self.limit is not None:
            check_range("limit", self.limit, 1, integer=True)
        _parts(self.shard)

    def of(self, by_id: Mapping[str, CaseRecord], place: str) -> list[CaseRecord]:
        """The selected ones of all cases of a data set.

        Args:
            by_id: All cases, in the order of the data set.
            place: Where they are listed, named in errors.

        Raises:
            SettingError: The split or the shard has no cases, or an id is unknown or could be several.
        """
        if self.cases is not None:
            chosen = [by_id[case] for case in chosen_ids("data.cases", self.cases, by_id, place)]
        else:
            chosen = of_split(by_id, self.split, place)
        chosen = chosen[: self.limit]
        k, n = _parts(self.shard)
        if k > len(chosen):
            raise SettingError("data.shard", self.shard, f"a shard that has cases: there are {len(chosen)}")
        return chosen[k - 1 :: n]


def of_split(by_id: Mapping[str, CaseRecord], split: str | None, place: str) -> list[CaseRecord]:
    """The cases of a split; all if it is None.

    Raises:
        SettingError: There are none.
    """
    chosen = [record for record in by_id.values() if split is None or record.split == split]
    if not chosen:
        found = dict(Counter(record.split for record in by_id.values()))
        raise SettingError("data.split", split, f"a split with cases; {place} has {found}")
    return chosen


def _parts(shard: object) -> tuple[int, int]:
    """k and n of "k/n"; 1 and 1 for None."""
    if shard is None:
        return 1, 1
    match = re.fullmatch(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,5})", shard) if isinstance(shard, str) else None
    k, n = (int(match[1]), int(match[2])) if match else (1, 0)
    if k > n:
        raise SettingError("shard", shard, "k/n with 1 <= k <= n, such as 1/4 for the first of four jobs")
    return k, n
