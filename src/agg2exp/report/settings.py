"""What a user can choose about an analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agg2exp.domain.errors import SettingError, check_choice, check_range
from agg2exp.figures.heat_map import ORDERS, Order
from agg2exp.figures.layouts import LAYOUTS, Layout


@dataclass(frozen=True)
class Graph:
    """How graphs are drawn: layout "anatomical" or "circular", and the sources shown of each target."""

    layout: Layout = "anatomical"
    top: int = 3

    def __post_init__(self) -> None:
        check_choice("graph.layout", self.layout, LAYOUTS)
        check_range("graph.top", self.top, 1, integer=True)


@dataclass(frozen=True)
class Highlight:
    """What the four panels and the slices of outliers show; None is chosen from the data (see `highlight`)."""

    target: str | None = None
    case: str | None = None
    classes: Sequence[str] | None = None


@dataclass(frozen=True)
class AnalysisSettings:
    """Settings of the statistics and pictures, under the names of `conf/analyze.yaml`.

    Raises:
        SettingError: A value is not allowed.
    """

    highlight: Highlight = Highlight()
    graph: Graph = Graph()
    order: Order = "labels"
    alpha: float = 0.05
    draws: int = 1000
    permutations: int = 9999
    forests: int = 20
    seed: int = 0
    jobs: int = 1

    def __post_init__(self) -> None:
        check_choice("order", self.order, ORDERS)
        check_range("alpha", self.alpha, 0, 1)
        for name, least in (("draws", 100), ("permutations", 99), ("forests", 1), ("seed", 0), ("jobs", 1)):
            check_range(name, getattr(self, name), least, integer=True)
        if self.highlight.classes is not None and len(self.highlight.classes) < 2:
            raise SettingError("highlight.classes", list(self.highlight.classes), "two classes or more, or null")
