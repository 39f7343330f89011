"""The few rows of an analysis that are worth reading first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import pandas as pd

from agg2exp.analysis.outliers import MEAN
from agg2exp.domain.doubt import POOR_DICE

SHOWN_ROWS = 10  # rows of a finding

BEYOND_DISTANCE = (
    "Edges beyond distance alone (untrained networks have such edges too, by the shape of their receptive field: "
    "explain with twins=5 to tell which were learned)"
)


class Finding(NamedTuple):
    """Rows worth reading, under a title; a headline is worth a look in the terminal."""

    title: str
    rows: pd.DataFrame
    headline: bool = False


def findings(tables: Mapping[str, pd.DataFrame], alpha: float) -> list[Finding]:
    """The findings, in the order of the tables.

    Args:
        tables: All tables of the analysis, by path.
        alpha: Level below which an adjusted p-value is a finding.
    """
    select: dict[str, Callable[[pd.DataFrame], Finding]] = {
        "presence": lambda t: Finding("Extra regions", t[t["extra_mask"]]),
        "channels": lambda t: Finding("Channel that each class relies on most", _main_channels(t)),
        "graph": lambda t: Finding("Strongest edges between structures", _strongest(t)),
        "graph_beyond_distance": lambda t: _edges(t, alpha),
        "outliers": lambda t: Finding("Most abnormal cases", _abnormal(t)),
        "outliers_and_dice": lambda t: Finding("Normality and Dice", t.drop(columns=["seeds", "excluded"])),
        "outliers_and_metadata": lambda t: Finding("Outliers differ from inliers in", t[_significant(t, alpha)], True),
        "poor_regions": lambda t: Finding(f"Poorly segmented (Dice below {POOR_DICE}), read with care", _poor(t), True),
        "dice": lambda t: Finding("Dice", t[t["count"] > 0]),
        "dice_of_groups": lambda t: Finding("Dice, groups averaged", t[t["count"] > 0]),
        "agreement": lambda t: Finding("Agreement of global matrices (Spearman)", t, True),
    }
    rows_to_read = []
    for path, table in tables.items():
        folder, _, name = path.rpartition("/")
        if name in select:
            title, rows, headline = select[name](table)
            rows_to_read.append(Finding(f"{folder}: {title}" if folder else title, rows, headline))
        elif name.startswith("dice_differences"):
            rows_to_read.append(
                Finding(f"Differences of Dice between {table['data_sets'].iloc[0]}", _differences(table))
            )
        elif name.startswith("change_"):
            rows_to_read.append(Finding(name.replace("_", " "), _changes(table, alpha), True))
    return rows_to_read


def _significant(table: pd.DataFrame, alpha: float) -> pd.Series:
    return table["p_adjusted"] <= alpha


def _strongest(table: pd.DataFrame) -> pd.DataFrame:
    background = table["source"].iloc[0]
    rows = table[(table["source"] != table["target"]) & (table["source"] != background)]
    return rows.nlargest(SHOWN_ROWS, "mean")[["source", "target", "mean", "ci_low", "ci_high", "count"]]


def _main_channels(table: pd.DataFrame) -> pd.DataFrame:
    """The channel of the largest share for each target."""
    largest = table.dropna(subset="mean").groupby("target", sort=False)["mean"].idxmax()
    return table.loc[largest, ["target", "channel", "mean", "ci_low", "ci_high", "count"]]


def _edges(table: pd.DataFrame, alpha: float) -> Finding:
    columns = ["source", "target", "importance", "expected", "excess", "effect", "p_adjusted", "count"]
    if "p_learned" not in table:
        return Finding(BEYOND_DISTANCE, table[_significant(table, alpha)].nlargest(SHOWN_ROWS, "excess")[columns], True)
    columns[5:7] = ["excess_twins", "p_learned"]
    learned = table[table["p_learned"] <= alpha].nlargest(SHOWN_ROWS, "excess")[columns]
    return Finding("Learned edges, beyond distance and beyond twins with random weights", learned, True)


def _abnormal(table: pd.DataFrame) -> pd.DataFrame:
    ranked = table[(table["target"] == MEAN) & table["normality"].notna()].sort_values("rank")
    return ranked.head(SHOWN_ROWS)[["rank", "case", "normality", "outlier"]]


def _poor(table: pd.DataFrame) -> pd.DataFrame:
    return table.groupby("class", sort=False).agg(cases=("case", "size"), lowest=("dice", "min")).reset_index()


def _differences(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=["data_sets", "excluded"])


def _changes(table: pd.DataFrame, alpha: float) -> pd.DataFrame:
    changed = table[_significant(table, alpha)]
    columns = ["source", "target", "mean_first", "mean_second", "difference", "cliffs_delta", "p_adjusted"]
    return changed.loc[changed["difference"].abs().nlargest(SHOWN_ROWS).index, columns]
