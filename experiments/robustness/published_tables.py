"""The published CSV: each number is the one that stands under its name, or the file is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pandas as pd
from lines import decoded, letters_of, letters_of_lines
from mutations import mutated_text

from agg2exp.store.published_table import read_published_table

CLASSES = ("background", "lung", "lung_left")


def original() -> bytes:
    """A table of three patients, of whom one lacks a class."""
    drawn = np.random.default_rng(0)
    columns: dict[str, list[object]] = {"patient": ["s1", "s2", "0012"]}
    for target in CLASSES:
        shares = drawn.dirichlet(np.ones(len(CLASSES)), 3)
        for source, share in zip(CLASSES, shares.T, strict=True):
            columns[f"{target}_explanation_in_{source}_mass"] = list(share)
            columns[f"{target}_explanation_in_{source}_mean"] = list(5 * drawn.random(3))
        columns |= {f"{target}_{word}": list(drawn.random(3)) for word in ("dice", "iou")}
    for name in columns:
        if name.startswith("lung_left_explanation"):
            columns[name][1] = ""
    return pd.DataFrame(columns).to_csv(index=False).encode()


ORIGINAL = original()


def mutant(random: np.random.Generator) -> bytes:
    """A mutated table."""
    return mutated_text(ORIGINAL, random)


def read(content: bytes, folder: Path) -> pd.DataFrame:
    """Importances and Dice, a row per case and name."""
    path = folder / "published.csv"
    path.write_bytes(content)
    tables = read_published_table(path)
    local = tables["roi_importance"].melt(["case", "target", "source"], ["importance", "mean"], "kind")
    overlap = tables["segmentation"].melt(["case", "class"], ["dice", "iou"], "kind")
    local["name"] = (
        local["target"] + "_explanation_in_" + local["source"] + "_" + local["kind"].replace("importance", "mass")
    )
    overlap["name"] = overlap["class"] + "_" + overlap["kind"]
    return pd.concat([local, overlap])[["case", "name", "value"]]


def is_right(content: bytes, values: pd.DataFrame) -> bool:
    """Whether there is a line per case and, without quotes or other separators, each number stands under its name."""
    cases = list(dict.fromkeys(values["case"]))
    lines = letters_of_lines(content)[1:]
    if len(lines) != len(cases) or not all(a.startswith(letters_of(b)) for a, b in zip(lines, cases, strict=True)):
        return False
    text = decoded(content)
    if '"' in text or ";" in text or "\t" in text or "sep=" in text.lower():
        return True
    rows = {row["patient"].strip(): row for row in csv.DictReader(_stripped(text)) if any(row.values())}
    return all(_same(rows[row.case][row.name], row.value) for row in values.itertuples(name="Row", index=False))


def _stripped(text: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.strip()]
    return [",".join(word.strip() for word in lines[0].split(",")), *lines[1:]]


def _same(word: str, value: float) -> bool:
    return np.isnan(value) if word.strip() in ("", "nan", "NaN", "NA") else float(word) == value
