"""What an analysis makes: tables, pictures, graphs and texts under a name, written as files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import networkx as nx
import pandas as pd
from matplotlib.figure import Figure

from agg2exp.domain.errors import DataError
from agg2exp.domain.names import UnusableNameError, problem_of, safe_name
from agg2exp.domain.text import visible
from agg2exp.figures.style import save
from agg2exp.store.atomic import atomic_write
from agg2exp.store.spreadsheet import for_spreadsheet

ENDINGS = (".csv", ".png", ".graphml", ".md", ".log", ".yaml")
"""Of the files of an analysis, which lie beside the folders of the data sets."""
BEGINNING = 15  # letters left of a name that is too long, which take 180 bytes at most

Output = tuple[str, pd.DataFrame | Figure | nx.DiGraph | str]
"""Path below the output folder, which only a text has the ending of a file of, and what is to be written there."""


@dataclass(frozen=True, eq=False)
class Written:
    """A file of the analysis.

    Attributes:
        path: Below the output folder.
        table: What is in it, if it is a table.
        public: Whether the section that made it is about no single patient.
        data_set: What it is about: a data set, or several.
    """

    path: Path
    table: pd.DataFrame | None
    public: bool
    data_set: str

    @property
    def name(self) -> str:
        """Its path without extension: that of the output."""
        return self.path.with_suffix("").as_posix()

    @property
    def may_leave(self) -> bool:
        """Whether a tracker may have it: it is of a public section, and a table has no row per case or patient."""
        return self.public and (self.table is None or not {"case", "patient"} & {*self.table.columns})


def file_of(name: str) -> str:
    """Name of a file or folder about data sets, whose names may have `/`; too long a one ends with its digest."""
    try:
        return safe_name(name.replace("/", "-"))
    except UnusableNameError:
        return f"{safe_name(name.replace('/', '-')[:BEGINNING])}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def check_data_sets(names: Sequence[str]) -> None:
    """Raise unless the names of data sets can name folders beside the other files of an analysis.

    Raises:
        DataError: One cannot, or two would have one folder.
    """
    folders = {name: name.replace("/", "-") for name in names}
    wrong = problem_of(folders.values())
    twice = [name for name in names if list(folders.values()).count(folders[name]) > 1]
    if twice:
        wrong = f"names that differ in more than '/' and '-', got {twice}"
    taken = [name for name in names if Path(name).suffix in ENDINGS]
    if taken:
        wrong = f"names without the ending of a file, got {taken}"
    if wrong:
        raise DataError(f"names of data sets: expected {wrong}. Give other names: 'runs={{first: …, second: …}}'.")


def write(folder: Path, output: Output) -> Path:
    """Write a table as CSV, a picture as PNG, a graph as GraphML (Gephi, Cytoscape, networkx), a text as it is.

    Each is written whole or not at all.
    """
    name, content = output
    if isinstance(content, Figure):
        save(content, folder / f"{name}.png")
        return folder / f"{name}.png"
    ending = {pd.DataFrame: ".csv", str: ""}.get(type(content), ".graphml")
    path = folder / f"{name}{ending}"
    with atomic_write(path) as part:
        if isinstance(content, pd.DataFrame):
            for_spreadsheet(content).to_csv(part, index=False)
        elif isinstance(content, str):
            part.write_text(content, encoding="utf-8")
        else:
            nx.write_graphml(nx.relabel_nodes(content, visible), part)
    return path
