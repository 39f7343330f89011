"""RoI importance over many cases: mean, spread and how sure the mean is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agg2exp.domain.roi_importance import GlobalImportance, Kind

BLOCK = 64  # bootstrap draws at a time
FEWEST = 5  # patients with a value, below which an interval says nothing


def global_importance(
    frame: pd.DataFrame,
    kind: Kind,
    patients: Mapping[str, str] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> GlobalImportance:
    """Mean over cases of one kind of RoI importance, ignoring NaN, with a bootstrap interval.

    The 95 % interval is the percentile bootstrap of the mean over patients: all scans of a drawn patient come
    along. It is NaN where fewer than five patients have a value (so wherever count < 5). The same seed gives
    the same result, whatever the order of the rows.

    Args:
        frame: Local RoI importances of all cases, as rows of `LocalImportance.to_frame`.
        kind: Which kind.
        patients: Patient of each case; without it each case is a patient.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Raises:
        ValueError: A (case, target, source) occurs twice, or a case has no patient.
    """
    case, case_ids = pd.factorize(frame["case"], sort=True)
    target, targets = pd.factorize(frame["target"])
    source, sources = pd.factorize(frame["source"])
    shape = len(targets), len(sources)
    n_entries = len(targets) * len(sources)
    flat = np.full(len(case_ids) * n_entries, np.nan)
    position = case * n_entries + target * len(sources) + source
    if len(position) and np.bincount(position).max() > 1:
        raise ValueError(
            "frame: expected every (case, target, source) once, got some twice. Aggregate one run at a time."
        )
    flat[position] = frame[kind.value].to_numpy(dtype=np.float64)
    x = flat.reshape(len(case_ids), n_entries)

    known = ~np.isnan(x)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.nansum(x, axis=0) / count
        std = np.sqrt(np.nansum((x - mean) ** 2, axis=0) / np.where(count > 1, count - 1, np.nan))
    low, high = _interval(x - mean, _patient_index(case_ids, patients), draws, np.random.default_rng(seed)) + mean
    return GlobalImportance(
        kind=kind,
        targets=tuple(targets),
        sources=tuple(sources),
        mean=mean.reshape(shape),
        count=count.reshape(shape),
        std=std.reshape(shape),
        low=low.reshape(shape),
        high=high.reshape(shape),
    )


def _patient_index(case_ids: pd.Index, patients: Mapping[str, str] | None) -> NDArray[np.intp]:
    """For each case the position of its patient among the sorted patients."""
    if patients is None:
        return np.arange(len(case_ids))
    without = [case for case in case_ids if case not in patients]
    if without:
        raise ValueError(f"patients: expected a patient for every case, got none for {without[:5]}.")
    index: NDArray[np.intp] = pd.factorize(np.array([patients[case] for case in case_ids]), sort=True)[0]
    return index


def _interval(
    x: NDArray[np.float64], patient: NDArray[np.intp], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """2.5 % and 97.5 % percentile (2, entries) of the mean of x (cases, entries) when patients are resampled.

    With w the times each patient is drawn, a draw's mean is w·sums / w·counts. x has mean 0, for precision.
    """
    n = int(patient.max(initial=-1)) + 1
    sums, counts = np.zeros((n, x.shape[1])), np.zeros((n, x.shape[1]))
    np.add.at(sums, patient, np.nan_to_num(x))
    np.add.at(counts, patient, ~np.isnan(x))
    enough = (counts > 0).sum(axis=0) >= FEWEST
    interval = np.full((2, x.shape[1]), np.nan)
    if not enough.any():
        return interval
    sums, counts = sums[:, enough], counts[:, enough]
    means = np.empty((draws, sums.shape[1]))
    for start in range(0, draws, BLOCK):
        drawn = rng.integers(n, size=(min(BLOCK, draws - start), n))
        w = np.stack([np.bincount(row, minlength=n) for row in drawn]).astype(np.float64)
        with np.errstate(invalid="ignore"):  # a draw may hold no patient with a value: no mean, left out
            means[start : start + len(w)] = (w @ sums) / (w @ counts)
    interval[:, enough] = np.nanpercentile(means, [2.5, 97.5], axis=0)
    return interval
