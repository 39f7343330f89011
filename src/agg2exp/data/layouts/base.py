"""What a data set's way of storing cases has to say."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from agg2exp.data.records import CaseRecord


class Layout(Protocol):
    """Lists the cases of a data set and their files; nothing is read yet.

    Its constructor takes `root`, the folder of the data set, and whatever else its YAML sets.
    """

    root: Path

    def records(self) -> list[CaseRecord]:
        """All cases of the data set, in its order.

        Raises:
            SettingError: There are none, or the table that lists them cannot be used.
        """
