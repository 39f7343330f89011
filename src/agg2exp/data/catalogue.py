"""The cases of a data set with all files that are asked of them."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import replace

from agg2exp.data.layouts.base import Layout
from agg2exp.data.reading.checks import absent_masks, check_channels, unknown_structures
from agg2exp.data.reading.extra_masks import ExtraMasks
from agg2exp.data.reading.patterns import place
from agg2exp.data.records import CaseRecord
from agg2exp.domain.errors import SettingError
from agg2exp.domain.files import LabelMapFile
from agg2exp.domain.names import UnusableNameError, safe_name, twins

log = logging.getLogger(__name__)


class Catalogue:
    """What a layout lists, completed and checked, once.

    Args:
        layout: Lists the cases.
        extra: Further regions of every case.
        label_map: Of supervoxels; None if none is wanted.
    """

    def __init__(self, layout: Layout, extra: ExtraMasks, label_map: LabelMapFile | None = None) -> None:
        self.layout = layout
        self.extra = extra
        self.label_map = label_map
        self._by_id: dict[str, CaseRecord] = {}

    def by_id(self) -> dict[str, CaseRecord]:
        """All cases in the order of the data set.

        Raises:
            SettingError: A case has no name of its own, other channels than the first, or an extra mask with the name
                of a class.
        """
        if not self._by_id:
            records = [self._completed(record) for record in self.layout.records()]
            _check_ids([record.id for record in records])
            check_channels(records)
            for names in {tuple(record.extra) for record in records}:
                self.extra.check(names, "data.layout: extra masks")
            self._by_id = {record.id: record for record in records}
        return self._by_id

    def forget(self) -> None:
        """List the cases again when they are asked for."""
        self._by_id = {}

    def warn_of_what_no_case_has(self, structures: Collection[str]) -> None:
        """Say which structures and extra masks no case has, as if a name were misspelt.

        Args:
            structures: All that the classes are merged from.
        """
        records, root = list(self.by_id().values()), self.layout.root
        unknown = unknown_structures(records, structures)
        if unknown and not any(record.structures for record in records):
            log.warning("no case of %s has an annotation: there will be no Dice, and regions=label fails", root)
        elif unknown:
            log.warning(
                "structures of model.labels and data.merge that no case of %s has a file for, so that their classes "
                "count as not annotated: %s",
                root,
                ", ".join(f"{name} (did you mean {near}?)" if near else name for name, near in unknown.items()),
            )
        absent = absent_masks(records)
        if absent:
            log.warning(
                "extra masks that no case of %s has, so that their importance is unknown or zero: %s",
                root,
                ", ".join(f"{name} ({why})" for name, why in absent.items()),
            )

    def _completed(self, record: CaseRecord) -> CaseRecord:
        root, asked = self.layout.root, self.label_map
        label_map = record.label_map if asked is None else place(root, asked.path, record.id)
        return replace(record, extra=self.extra.files(root, record), label_map=label_map)


def _check_ids(ids: list[str]) -> None:
    """Every case has a name of its own, which can name files."""
    for case in ids:
        try:
            safe_name(case)
        except UnusableNameError as error:
            raise SettingError("data.layout", case, f"{error} as id of a case") from error
    if same := twins(ids):
        allowed = "ids of cases that differ in more than upper and lower case"
        raise SettingError("data.layout", list(same[0]), allowed)
    if len(set(ids)) < len(ids):
        twice = next(case for case in ids if ids.count(case) > 1)
        raise SettingError("data.layout", twice, "every id of a case once")
