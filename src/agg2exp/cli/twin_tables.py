"""What finished runs stored of networks with random weights."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import Kind
from agg2exp.store.tables import TWINS, read_tables

log = logging.getLogger(__name__)

COLUMNS = ["case", "twin", "target", "source", Kind.IMPORTANCE.value, Kind.EXPECTED_BY_DISTANCE.value]


def read_twins(folders: Sequence[Path], configs: Sequence[Mapping[str, Any]]) -> pd.DataFrame | None:
    """The twins of the runs that make one data set, those that all of them have; None if there are none.

    Twins are the same networks only where the runs have the same seed.

    Raises:
        DataError: A table is not readable or lacks a column.
    """
    with_twins = [folder for folder in folders if (folder / "tables" / f"{TWINS}.parquet").is_file()]
    if not with_twins:
        return None
    if len(with_twins) < len(folders) or len({config.get("seed") for config in configs}) > 1:
        log.warning("the runs %s have twins with random weights for some cases only, or other ones (seed); they are "
                    "left out", ", ".join(map(str, folders)))  # fmt: skip
        return None
    tables = []
    for folder in folders:
        try:
            table = read_tables(folder / "tables", [TWINS])[TWINS]
        except (OSError, ValueError) as error:  # pyarrow's errors are one or the other
            raise DataError(f"{folder}: expected a readable tables/{TWINS}.parquet, got: {error}") from error
        missing = [column for column in COLUMNS if column not in table]
        if missing:
            raise DataError(f"{folder}/tables/{TWINS}.parquet: expected the columns {COLUMNS}, got none of {missing}.")
        tables.append(table[COLUMNS])
    common = set.intersection(*(set(table["twin"]) for table in tables))
    merged = pd.concat(tables, ignore_index=True)
    return merged[merged["twin"].isin(common)]
