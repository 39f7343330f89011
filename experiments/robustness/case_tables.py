"""`meta.csv`: each line is a case, or the file is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from lines import letters_of, letters_of_lines
from mutations import mutated_text

from agg2exp.data.layouts.totalsegmentator import TotalSegmentatorLayout

ORIGINAL = (
    "image_id;age;gender;institute;split;pathology\ns0001;61;m;Zürich;train;\ns0002;;f;Köln;val;tumor\n"
    's0003;47;m;"Ulm; Süd";test;no_pathology\nsub-01/ses-1;70.5;f;;test;\n0012;33;;B;test;trauma\n'
).encode()


def mutant(random: np.random.Generator) -> bytes:
    """A mutated table."""
    return mutated_text(ORIGINAL, random)


def read(content: bytes, folder: Path) -> list[dict[str, str]]:
    """The cases, each by what is known of it."""
    (folder / "meta.csv").write_bytes(content)
    records = TotalSegmentatorLayout(folder).records()
    for record in records:
        if folder.resolve() not in record.images[0].resolve().parents:
            raise RuntimeError(f"{record.id} leads to {record.images[0]}")
    return [{"image_id": record.id, "split": record.split, **record.metadata} for record in records]


def is_right(content: bytes, cases: list[dict[str, str]]) -> bool:
    """Whether the lines have the same letters as the cases, whatever the order of columns."""
    lines = letters_of_lines(content)[1:]
    said = ["".join(case.values()) for case in cases]
    return [sorted(line) for line in lines] == [sorted(letters_of(text)) for text in said]
