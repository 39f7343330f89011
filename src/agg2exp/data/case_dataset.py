"""Cases read and preprocessed one at a time."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence

from torch.utils.data import Dataset

from agg2exp.data.reading.reader import CaseReader
from agg2exp.data.records import CaseRecord
from agg2exp.domain.case import Case, Failure
from agg2exp.domain.errors import CaseError


class CaseDataset(Dataset[Case | Failure]):
    """Cases of a data set; one that cannot be read comes out as a `Failure`, so that the others go on.

    Args:
        records: The cases.
        reader: Reads them.
        begin: Is told the id of a case before it is read, in the process that reads it.
    """

    def __init__(
        self, records: Sequence[CaseRecord], reader: CaseReader, begin: Callable[[str], None] | None = None
    ) -> None:
        self.records = list(records)
        self.reader = reader
        self.begin = begin

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: int) -> Case | Failure:
        record = self.records[index]
        if self.begin is not None:
            self.begin(record.id)
        try:
            return self.reader.read(record)
        except Exception as error:  # noqa: BLE001 - whatever one file does, it is recorded and the others go on
            place = record.images[0].parent if record.images else "no images"
            message = str(error) if isinstance(error, CaseError) else f"case {record.id}: {place}: {error}"
            return Failure(record.id, "reading", message, traceback.format_exc())
