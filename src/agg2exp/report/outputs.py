"""What an analysis makes: tables, pictures and graphs under a name, and what it had to leave out."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Sequence
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
from agg2exp.store.tabular import for_spreadsheet

log = logging.getLogger(__name__)

ENDINGS = (".csv", ".png", ".graphml", ".md", ".log", ".yaml")
"""Of the files of an analysis, which lie beside the folders of the data sets."""
KEPT = 15  # letters of a name that is too long, which take 180 bytes at most

Artefact = tuple[str, pd.DataFrame | Figure | nx.DiGraph]
"""Path below the output folder without extension, and what is to be written there."""


EVERYTHING = "everything"
"""The part that stands for a whole data set."""


@dataclass(frozen=True)
class LeftOut:
    """A part of the analysis that the data do not allow."""

    data_set: str
    part: str
    reason: str


@dataclass(frozen=True, eq=False)
class Written:
    """A file of the analysis.

    Attributes:
        path: Below the output folder.
        table: What is in it, if it is a table.
        public: Whether the part that made it is about no single patient.
        data_set: What it is about: a data set, or several.
    """

    path: Path
    table: pd.DataFrame | None
    public: bool
    data_set: str

    @property
    def name(self) -> str:
        """Its path without extension: that of the artefact."""
        return self.path.with_suffix("").as_posix()

    @property
    def may_leave(self) -> bool:
        """Whether a tracker may have it: it is of a public part, and a table has no row per case or patient."""
        return self.public and (self.table is None or not {"case", "patient"} & {*self.table.columns})


def possible(data_set: str, part: str, made: Iterable[Artefact], left_out: list[LeftOut]) -> Iterator[Artefact]:
    """The artefacts of one part; where the data do not allow it, the reason is noted and the other parts go on."""
    try:
        yield from made
    except DataError as error:
        log.warning("%s: %s is left out: %s", data_set, part, error)
        left_out.append(LeftOut(data_set, part, str(error)))


def file_of(name: str) -> str:
    """Name of a file or folder about data sets, whose names may have `/`; too long a one ends with its digest."""
    try:
        return safe_name(name.replace("/", "-"))
    except UnusableNameError:
        return f"{safe_name(name.replace('/', '-')[:KEPT])}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


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


def write(output: Path, artefact: Artefact) -> Path:
    """Write a table as CSV, a picture as PNG, a graph as GraphML (Gephi, Cytoscape, networkx); whole or not at all."""
    name, content = artefact
    if isinstance(content, Figure):
        save(content, output / f"{name}.png")
        return output / f"{name}.png"
    path = output / (f"{name}.csv" if isinstance(content, pd.DataFrame) else f"{name}.graphml")
    with atomic_write(path) as part:
        if isinstance(content, pd.DataFrame):
            for_spreadsheet(content).to_csv(part, index=False)
        else:
            nx.write_graphml(nx.relabel_nodes(content, visible), part)
    return path
