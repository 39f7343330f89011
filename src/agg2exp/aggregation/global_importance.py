"""RoI importance over many cases: mean, spread and how sure the mean is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agg2exp.domain.patients import FEWEST_PATIENTS, patient_of
from agg2exp.domain.roi_importance import GlobalImportance, Kind
from agg2exp.domain.rounding import ROUNDING

DRAWS_AT_A_TIME = 64
FEW_PATIENTS = 20  # with a value, below which it may cover less than it says (experiments/statistics)
MANY_PATIENTS = 60  # with a value, from which a draw of all patients holds enough of them

SHARES = (Kind.IMPORTANCE, Kind.POSITIVE, Kind.NEGATIVE, Kind.EXPECTED_BY_DISTANCE)


def global_importance(
    frame: pd.DataFrame,
    kind: Kind,
    patients: Mapping[str, str] | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> GlobalImportance:
    """Mean over cases of one kind of RoI importance, ignoring NaN, with a bootstrap interval.

    The 95 % interval is the studentised bootstrap (bootstrap-t; Davison and Hinkley, 1997, section 5.2.1) of the mean
    over patients: all scans of a drawn patient come along. It ends where the kind does: a share at 0 and 1, an amount
    at 0; where nearly all values are the same, it may have no other end. It is NaN where fewer than five patients have
    a value, and marked as over few where fewer than 20 have. The same seed gives the same result, whatever the order of
    the rows.

    Args:
        frame: Local RoI importances of all cases, as rows of `LocalImportance.to_frame`.
        kind: Which kind.
        patients: Patient of each case; without it each case is a patient.
        draws: Bootstrap draws.
        seed: Seed of the draws.

    Raises:
        ValueError: A (case, target, source) occurs twice.
        DataError: A case has no patient.
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
    centred = np.where(np.abs(x - mean) <= ROUNDING * np.abs(mean), 0, x - mean)
    patient, _ = pd.factorize(np.array(patient_of(list(case_ids), patients), dtype=object), sort=True)
    ends, n = _interval(centred, patient, draws, seed)
    least, most = (-np.inf if kind is Kind.SIGNED_SUM else 0.0), (1.0 if kind in SHARES else np.inf)
    low, high = np.clip(mean + ends, np.minimum(least, mean), np.maximum(most, mean))
    unit = "scans" if patients is None else "patients"
    return GlobalImportance(
        kind=kind,
        targets=tuple(targets),
        sources=tuple(sources),
        mean=mean.reshape(shape),
        count=count.reshape(shape),
        std=std.reshape(shape),
        low=low.reshape(shape),
        high=high.reshape(shape),
        over=np.array([f"{m} {unit}{_mark(m)}" for m in n], dtype=object).reshape(shape),
    )


def _mark(n: int) -> str:
    """What an interval over n patients or scans is to be told apart by."""
    return ", too few" if n < FEWEST_PATIENTS else ", few" if n < FEW_PATIENTS else ""


def _interval(
    x: NDArray[np.float64], patient: NDArray[np.intp], draws: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Ends (2, entries) of the interval of the mean of x (cases, entries), which has mean 0, and n (entries).

    n is the number of patients with a value. Where they are few, they alone are resampled: of all patients, a draw
    could hold next to none of them.
    """
    n_patients = int(patient.max(initial=-1)) + 1
    sums, counts = np.zeros((n_patients, x.shape[1])), np.zeros((n_patients, x.shape[1]))
    np.add.at(sums, patient, np.nan_to_num(x))
    np.add.at(counts, patient, ~np.isnan(x))
    known = counts > 0
    n = known.sum(axis=0)
    ends = np.full((2, x.shape[1]), np.nan)
    patterns: dict[bytes, list[int]] = {}
    for entry in np.flatnonzero(n >= FEWEST_PATIENTS).tolist():
        few = n[entry] < MANY_PATIENTS
        patterns.setdefault(known[:, entry].tobytes() if few else b"all", []).append(entry)
    for pattern, entries in patterns.items():
        rows = known[:, entries[0]] if pattern != b"all" else np.ones(n_patients, dtype=np.bool_)
        chosen = np.ix_(np.flatnonzero(rows), np.array(entries))
        ends[:, entries] = _studentised(sums[chosen], counts[chosen], draws, np.random.default_rng(seed))
    return ends, n


def _studentised(
    sums: NDArray[np.float64], counts: NDArray[np.float64], draws: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """−q₉₇.₅ · se and −q₂.₅ · se (2, entries), q the quantiles over draws of t* = m* / se*.

    s and c are the sums over the scans of a patient and how many there are (patients, entries), with Σ s = 0. The mean
    is the ratio m = Σ s / Σ c, of standard error se ∝ √(Σ (s − m c)²) / Σ c. In a draw, each patient counts as often as
    it is drawn. Where all that is drawn is the same, t* is infinite.
    """
    n = len(sums)
    products = sums, counts, sums**2, sums * counts, counts**2
    t = np.empty((draws, sums.shape[1]))
    for start in range(0, draws, DRAWS_AT_A_TIME):
        drawn = rng.integers(n, size=(min(DRAWS_AT_A_TIME, draws - start), n))
        w = np.stack([np.bincount(row, minlength=n) for row in drawn]).astype(np.float64)
        s, c, ss, sc, cc = (w @ product for product in products)
        with np.errstate(invalid="ignore", divide="ignore"):  # no value, or all the same
            m = s / c
            squares = ss - 2 * m * sc + m**2 * cc
            squares[squares <= ROUNDING * (ss + m**2 * cc)] = 0
            t[start : start + len(w)] = s / np.sqrt(squares)
    se = np.sqrt(products[2].sum(axis=0)) / counts.sum(axis=0)
    t[:, se == 0] = 0
    return np.asarray(-np.nanquantile(t, [0.975, 0.025], axis=0, method="inverted_cdf") * se)
