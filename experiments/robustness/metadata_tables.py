"""`metadata=…`: each line is a case, or the file is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from lines import letters_of, letters_of_lines
from mutations import mutated_text

from agg2exp.store.metadata import read_metadata

CASES = ["s1", "s2", "s3", "0012"]
ORIGINAL = (
    'case,age,sex,remark,patient\ns1,61,m,"old, calm",p1\ns2,,f,größer,p1\ns3,47.5,m,,p2\n0012,-3,f,NA,p3\n'.encode()
)


def mutant(random: np.random.Generator) -> bytes:
    """A mutated table."""
    return mutated_text(ORIGINAL, random)


def read(content: bytes, folder: Path) -> pd.DataFrame:
    """The table, also with a column of patients if there is one."""
    path = folder / "metadata.csv"
    path.write_bytes(content)
    read_metadata(path, None, None, CASES)
    return read_metadata(path, None, "patient", CASES)


def is_right(content: bytes, table: pd.DataFrame) -> bool:
    """Whether each line but the header begins with the id of its case, in order, and none is missing."""
    lines = letters_of_lines(content)[1:]
    ids = [letters_of(case) for case in table.index]
    return len(lines) == len(ids) and all(line.startswith(case) for line, case in zip(lines, ids, strict=True))
