"""The numbers that every logger receives."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from agg2exp.run.result_logger import log_results
from agg2exp.run.roi_importance import RoIImportanceWriter
from tests.helpers.explanations import SHAPE, collected, scheme, small_case, small_explanation


def tables(folder: Path, *, labelled: bool) -> list[np.ndarray]:
    """Tables over two cases; their importance matrices."""
    labels = torch.randint(4, SHAPE, generator=torch.Generator().manual_seed(5)).to(torch.int16) if labelled else None
    writer = RoIImportanceWriter(folder, by_distance=False)
    matrices = []
    for seed, name in enumerate("ab"):
        case = small_case(name, labels=labels, annotated=(True,) * 4 if labelled else ())
        explanation = small_explanation(case, absent=(2,), seed=seed)
        writer.write_case(scheme(), case, explanation)
        matrices.append(writer.store.read(name).importance.values["importance"])
    collected(folder, pictures=False)
    return matrices


def logged(folder: Path) -> dict[str, float]:
    logger = CSVLogger(folder, name="metrics", version="")
    log_results(folder, [logger])
    path = folder / "metrics" / "metrics.csv"
    return dict(pd.read_csv(path).iloc[0]) if path.is_file() else {}


def test_summary_numbers(tmp_path: Path):
    matrices = tables(tmp_path, labelled=True)
    numbers = logged(tmp_path)
    segmentation = pd.read_parquet(tmp_path / "tables" / "segmentation.parquet")
    assert numbers["cases"] == 2
    assert numbers["window_forwards"] == 4
    assert numbers["window_backwards"] == 16
    assert numbers["seconds_per_case"] == 0.5
    assert numbers["self_importance"] == pytest.approx(np.nanmean(np.mean([m.diagonal() for m in matrices], axis=0)))
    assert numbers["dice"] == pytest.approx(segmentation[segmentation["class"] != "background"]["dice"].mean())


def test_dice_is_left_out_where_nothing_is_annotated(tmp_path: Path):
    tables(tmp_path, labelled=False)
    assert "dice" not in logged(tmp_path)


def test_nothing_is_logged_without_tables(tmp_path: Path):
    assert logged(tmp_path) == {}
