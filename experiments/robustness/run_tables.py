"""Tables of finished runs with damaged bytes or other entries: they are those that were written, or refused."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from mutations import cut, flipped, overwritten

from agg2exp.domain.labels import Labels
from agg2exp.domain.roi_importance import Kind
from agg2exp.store.stored_importances import read_stored_importances
from agg2exp.store.tables import write_tables

CLASSES = ("background", "heart", "lung")
CASES = ("s1", "s2")
IMPOSSIBLE: tuple[Any, ...] = (5.0, -0.5, 1.01, float("inf"), -float("inf"))
Tables = dict[str, pd.DataFrame]


@cache
def original() -> Tables:
    """Tables of two cases and three classes."""
    random = np.random.default_rng(0)
    shares = random.dirichlet(np.ones(3), size=(2, 3))
    index = pd.MultiIndex.from_product([CASES, CLASSES, CLASSES], names=["case", "target", "source"])
    columns = {kind.value: shares.ravel() for kind in Kind}
    segmentation = {"case": np.repeat(CASES, 3), "class": CLASSES * 2, "dice": random.random(6)}
    return {
        "roi_importance": pd.DataFrame(columns, index=index).reset_index(),
        "segmentation": pd.DataFrame(segmentation),
    }


def mutant(random: np.random.Generator) -> tuple[str, bytes]:
    """A table with bytes changed or gone, or with an entry that is impossible."""
    name = ("roi_importance", "segmentation")[random.integers(2)]
    table = original()[name]
    if random.random() < 0.3:
        table = _with_wrong_entry(table.copy(), random)
        return name, _stored(name, table)
    content = _stored(name, table)
    return name, (flipped, cut, overwritten)[random.integers(3)](content, random)


def _with_wrong_entry(table: pd.DataFrame, random: np.random.Generator) -> pd.DataFrame:
    column = "dice" if "dice" in table else Kind.IMPORTANCE.value
    row = random.integers(len(table))
    match random.integers(4):
        case 0:
            table.loc[row, column] = IMPOSSIBLE[random.integers(len(IMPOSSIBLE))]
        case 1:
            table = pd.concat([table, table.iloc[[row]]])
        case 2:
            table = table.drop(columns=column)
        case _:
            table.loc[row, "case"] = "of another run"
    return table


def _stored(name: str, table: pd.DataFrame) -> bytes:
    with TemporaryDirectory() as folder:
        write_tables(Path(folder), {name: table})
        return (Path(folder) / f"{name}.parquet").read_bytes()


def read(changed: tuple[str, bytes], folder: Path) -> Tables:
    """Both tables, one of them changed."""
    write_tables(folder, original())
    name, content = changed
    (folder / f"{name}.parquet").write_bytes(content)
    return read_stored_importances(folder, Labels(tuple(CLASSES)), CASES)


def is_right(changed: tuple[str, bytes], tables: Tables) -> bool:
    """Whether the tables are those that were written, in whatever order of rows."""
    return all(tables[name].equals(table[list(tables[name])]) for name, table in original().items())
