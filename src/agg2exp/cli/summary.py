"""What a run was made with, and what it found, in a few lines."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from agg2exp.domain.case import Failure
from agg2exp.domain.disclaimer import DISCLAIMER
from agg2exp.domain.doubt import POOR_DICE
from agg2exp.domain.text import visible
from agg2exp.store.tables import GLOBAL_IMPORTANCE, SEGMENTATION, background_of, read_tables


def write_summary(
    output: Path, expected: Sequence[str], finished: Collection[str], failures: Sequence[Failure], trained_on: str = ""
) -> None:
    """Print where things are and the five strongest edges between different regions.

    Args:
        output: The run's folder.
        expected: Cases that the run is about.
        finished: Those that are done.
        failures: Why the others are not.
        trained_on: The data that the weights know, where that is known.
    """
    console = Console(stderr=True)
    folder = output / "tables"
    if (folder / f"{GLOBAL_IMPORTANCE}.parquet").is_file():
        edges = _edges(folder)
        if edges.row_count:  # none where background alone was explained
            console.print(edges)
        _print_segmentation(console, folder, trained_on)
    console.print(f"[bold]{len([c for c in expected if c in finished])}[/] of {len(expected)} cases explained.")
    for failure in failures:
        console.print(f"[red]failed[/] while {failure.stage}: {escape(visible(failure.error))}", highlight=False)
    places = {
        "tables": "tables/*.parquet (pandas.read_parquet)",
        "pictures": "figures/",
        "volumes": "volumes/ (3D Slicer)",
        "failures": "failures.csv",
    }
    for name, place in places.items():
        if (output / place.split("/")[0].split(" ")[0]).exists():
            console.print(f"{name:<9} {output}/{place}", markup=False, highlight=False, soft_wrap=True)
    console.print(DISCLAIMER, style="italic dim")


def _edges(folder: Path, n: int = 5) -> Table:
    """The strongest edges source -> target, self-importance and background left out."""
    tables = read_tables(folder, [GLOBAL_IMPORTANCE])
    frame, background = tables[GLOBAL_IMPORTANCE], background_of(tables[GLOBAL_IMPORTANCE])
    rows = frame[(frame["kind"] == "importance") & (frame["target"] != frame["source"]) & (frame["count"] > 0)]
    rows = rows[(rows["source"] != background) & (rows["target"] != background)]
    strongest = rows.sort_values(["mean", "target", "source"], ascending=[False, True, True]).head(n)
    table = Table(title="Strongest edges between structures (mean share of |attribution|)")
    for name in ("source", "target", "importance", "cases"):
        table.add_column(name, justify="right" if name in ("importance", "cases") else "left")
    for row in strongest.itertuples():
        table.add_row(*map(_text, (row.source, row.target, f"{row.mean:.1%}", row.count)))
    return table


def _print_segmentation(console: Console, folder: Path, trained_on: str) -> None:
    """Mean Dice, and the classes that no case shows."""
    tables = read_tables(folder, [SEGMENTATION, GLOBAL_IMPORTANCE])
    frame = tables[SEGMENTATION]
    structures = frame[frame["class"] != background_of(tables[GLOBAL_IMPORTANCE])]
    if structures["dice"].notna().any():
        mean = structures["dice"].mean()
        console.print(f"mean Dice over annotated structures: {mean:.3f}")
        if mean < POOR_DICE:
            console.print(
                "[yellow]The model does not know such data[/]: it segments them poorly, and what explains a wrong "
                "segmentation says nothing about a right one."
                + (f" These weights were trained on {trained_on}." if trained_on else "")
            )
    seen = structures.groupby("class", sort=False)["predicted_voxels"].sum()
    never = list(seen[seen == 0].index)
    if never:
        console.print(f"[yellow]predicted in no case[/] (their rows are NaN): {escape(visible(', '.join(never)))}")


def _text(value: object) -> Text:
    """As it is, no markup."""
    return Text(visible(str(value)))
