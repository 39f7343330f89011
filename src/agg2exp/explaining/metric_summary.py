"""Evaluation metrics over all cases and classes of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
import torch

from agg2exp.metrics.summary import summary
from agg2exp.store.case_result import CaseResult


def metric_summary(results: Sequence[CaseResult]) -> pd.DataFrame:
    """A row per number that metrics gave, by name: what it is, mean, standard deviation, how many values it has.

    What a metric cost is one number of a case, which stands there for each of its classes, and counts once.
    """
    rows = []
    for part in ("metrics", "efficiency"):
        found = [getattr(result, part) for result in results]
        for entry in found[0] if found else {}:
            values = [case[entry][:1] if part == "efficiency" else case[entry] for case in found]
            facts = asdict(results[0].metric_facts[entry])
            rows.append({"name": entry, **facts, **summary(torch.from_numpy(np.concatenate(values)))})
    return pd.DataFrame(rows)
