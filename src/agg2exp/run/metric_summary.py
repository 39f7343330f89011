"""Evaluation metrics over all cases and classes of a run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import torch
from lightning import Callback
from lightning.pytorch.loggers import Logger

from agg2exp.run.finisher import Explained
from agg2exp.store.case_store import CaseStore
from agg2exp.store.tables import METRIC_SUMMARY, write_tables


class MetricSummary(Callback):
    """Writes `tables/metric_summary.parquet`: mean, standard deviation and count of every metric, and what it is.

    Args:
        output: The run's folder.
    """

    def __init__(self, output: str | Path) -> None:
        self.output = Path(output)

    def finish(self, loggers: Sequence[Logger], module: Explained, expected: Sequence[str]) -> None:
        """Reduce the stored values of the expected cases that are done."""
        results, _ = CaseStore(self.output).readable(expected)
        rows = []
        for part in ("metrics", "efficiency"):
            found = [getattr(result, part) for result in results]
            for entry in found[0] if found else {}:
                name = owner(entry, module.metrics)
                metric = module.metrics[name]
                metric.sync_on_compute = False  # the values of all ranks are on disk, and only rank 0 is here
                metric.reset()
                for values in found:
                    one_number = part == "efficiency"  # of the case, repeated for its classes
                    metric.update(torch.from_numpy(values[entry][:1] if one_number else values[entry]))
                own = entry == name or part == "efficiency"
                rows.append(
                    {
                        "name": entry,
                        "metric": metric.name,
                        "category": metric.category,
                        "higher_is_better": metric.higher_is_better if own else None,
                        "paper": metric.paper,
                        **{key: float(value) for key, value in metric.compute().items()},
                    }
                )
                metric.reset()
        if rows:
            write_tables(self.output / "tables", {METRIC_SUMMARY: pd.DataFrame(rows)})


def owner(entry: str, metrics: Iterable[str]) -> str:
    """The metric that a value belongs to: that of its name, else the longest of which its name is an extension."""
    return max((name for name in metrics if entry == name or entry.startswith(f"{name}_")), key=len)
