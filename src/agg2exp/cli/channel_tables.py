"""What finished runs stored of the channels of their images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from agg2exp.store.stored_tables import SHARES, WORDS, read_stored_table
from agg2exp.store.tables import CHANNEL_SHARES

log = logging.getLogger(__name__)

NAMES = ("case", "target", "channel")


def read_channels(folders: Sequence[Path]) -> pd.DataFrame | None:
    """Shares of channels of the runs that make one data set; None unless all have them, of the same channels.

    Returns:
        Columns case, target, channel, share.

    Raises:
        DataError: A table is not as a run writes it.
    """
    paths = [folder / "tables" / f"{CHANNEL_SHARES}.parquet" for folder in folders]
    present = [path for path in paths if path.is_file()]
    if not present:
        return None
    columns = {**dict.fromkeys(NAMES, WORDS), "share": SHARES}
    tables = [read_stored_table(path, columns, NAMES) for path in present]
    channels = {tuple(sorted(pd.unique(table["channel"]))) for table in tables}
    if len(present) < len(folders) or len(channels) > 1:
        log.warning("the runs %s have shares of channels for some cases only, or of other channels; they are left "
                    "out", ", ".join(map(str, folders)))  # fmt: skip
        return None
    return pd.concat(tables, ignore_index=True)
