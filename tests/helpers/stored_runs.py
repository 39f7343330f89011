"""Folders of finished runs with drawn RoI importances, as `agg2exp analyze` reads them; no model is involved."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from omegaconf import OmegaConf

from agg2exp.cli.data_sets import read_data_sets
from agg2exp.domain.explanation import PassCounts
from agg2exp.domain.files import Origin
from agg2exp.domain.roi_importance import Kind, LocalImportance
from agg2exp.report.data_set import DataSet
from agg2exp.store.case_result import CaseResult
from agg2exp.store.case_store import CaseStore
from agg2exp.store.tables import CHANNEL_SHARES, ROI_IMPORTANCE, SEGMENTATION, write_tables

CLASSES = ("background", "aorta", "heart", "lung_left", "lung_right", "ribs")
REGIONS, CHANNELS = ("whole", "core", "enhancing"), ("flair", "t1")
NODULE = "nodule"
"""An extra mask that two cases in three were given, and that is empty in half of these."""


def drawn_importance(n: int, classes: int, seed: int) -> np.ndarray:
    """E_x[a, b] (n, L, L): Dirichlet rows, most of it in the class itself."""
    g = np.random.default_rng(seed)
    return np.stack([g.dirichlet(np.where(np.arange(classes) == a, 20.0, 2.0), n) for a in range(classes)], axis=1)


def stored_run(
    folder: Path,
    n: int = 24,
    *,
    seed: int = 0,
    root: str = "/data/here",
    first: int = 0,
    attribution: str = "smoothgrad",
    model: str = "unet",
    importance: np.ndarray | None = None,
    dice: bool = True,
    by_distance: bool = True,
    classes: Sequence[str] = CLASSES,
) -> Path:
    """Write tables, results and configuration of a run over the cases c<first>, c<first + 1>, …

    A scan is what its id and `root` say: runs that name the same root explain the same scans.

    The class "ribs" is absent from the prediction of the first case, and E₀ is E but for half of what class 1 gets
    from class 2, which distance thus does not explain.
    """
    names = list(classes)
    cases = [f"c{i:05d}" for i in range(first, first + n)]
    e = drawn_importance(n, len(names), seed) if importance is None else importance
    e0 = e.copy()
    e0[:, 1, 2] *= 0.5
    e0[:, 1, 0] += e[:, 1, 2] * 0.5
    e0[:, range(len(names)), range(len(names))] = np.nan
    g = np.random.default_rng([seed, 1])
    e0 = np.clip(e0 + g.normal(0, 1e-3, e0.shape), 0, 1)
    if "ribs" in names:
        e[0, names.index("ribs")] = e0[0, names.index("ribs")] = np.nan
    supplied = np.arange(n) % 3 > 0
    lump = np.where(np.arange(n) % 2 == 0, 0.05, 0.0)
    voxels = np.where(supplied, np.where(lump > 0, 40.0, 0.0), np.nan)
    index = pd.MultiIndex.from_product([cases, names, [*names, NODULE]], names=["case", "target", "source"])
    with_lump = np.concatenate([e, np.where(supplied, lump, np.nan)[:, None, None].repeat(len(names), 1)], axis=2)
    sizes = np.broadcast_to(np.r_[1000 + 100.0 * np.arange(len(names)), 0], with_lump.shape).copy()
    sizes[:, :, -1] = voxels[:, None]
    columns = {kind.value: np.full(with_lump.size, np.nan) for kind in Kind}
    columns[Kind.IMPORTANCE.value] = with_lump.ravel()
    columns[Kind.POSITIVE.value] = columns[Kind.NEGATIVE.value] = with_lump.ravel()
    columns[Kind.VOLUME_VOXELS.value] = sizes.ravel()
    with np.errstate(invalid="ignore", divide="ignore"):
        enrichment = with_lump * sizes[:, :, :-1].sum(axis=2, keepdims=True) / sizes
    columns[Kind.ENRICHMENT_BODY.value] = np.where(sizes > 0, enrichment, np.nan).ravel()
    if by_distance:
        expected = np.concatenate([e0, np.full((*e0.shape[:2], 1), np.nan)], axis=2)
        columns[Kind.EXPECTED_BY_DISTANCE.value] = expected.ravel()
    overlap = (
        np.clip(0.95 - e[:, :, 0] + g.normal(0, 0.02, e.shape[:2]), 0, 1) if dice else np.full(e.shape[:2], np.nan)
    )
    segmentation = pd.DataFrame(
        {"case": np.repeat(cases, len(names)), "class": np.tile(names, n), "dice": overlap.ravel()}
    )
    local = pd.DataFrame(columns, index=index).reset_index()
    write_tables(folder / "tables", {ROI_IMPORTANCE: local, SEGMENTATION: segmentation})
    told = {"weights": model, "method": attribution, "labels": ",".join(names)}
    for case, values in zip(cases, np.split(local[[kind.value for kind in Kind]].to_numpy(), n), strict=True):
        _write_result(folder, case, root, names, values, told)
    _write_configuration(folder, {"name": model, "labels": names}, root, attribution)
    return folder


def stored_overlapping_run(folder: Path, n: int = 12, seed: int = 0) -> Path:
    """A run of a model whose three regions lie within each other (REGIONS), on images of two channels (CHANNELS).

    E is drawn for the cells background, whole but core, core but enhancing, enhancing; "enhancing" looks at
    the second channel, the others at the first.
    """
    cases = [f"c{i:05d}" for i in range(n)]
    share = np.array([[0.8, 0.2], [0.7, 0.3], [0.1, 0.9]])
    drawn = np.random.default_rng(seed).dirichlet([4.0, 3.0, 2.0, 2.0], (n, len(REGIONS)))
    cells = drawn[..., None] * share[:, None]  # (N, K, cells, C)
    covering = np.concatenate([cells[:, :, :1], cells[:, :, ::-1].cumsum(axis=2)[:, :, -2::-1]], axis=2)
    sources = ("background", *REGIONS)
    index = pd.MultiIndex.from_product([cases, REGIONS, sources], names=["case", "target", "source"])
    shares = covering.sum(axis=3).ravel()
    columns = {kind.value: np.full(len(index), np.nan) for kind in Kind}
    columns |= {kind.value: shares for kind in (Kind.IMPORTANCE, Kind.POSITIVE, Kind.NEGATIVE)}
    columns[Kind.VOLUME_VOXELS.value] = np.full(len(index), 50.0)
    of_channels = pd.MultiIndex.from_product([cases, REGIONS, CHANNELS], names=["case", "target", "channel"])
    dice = pd.DataFrame({"case": np.repeat(cases, 3), "class": np.tile(REGIONS, n), "dice": 0.8})
    write_tables(
        folder / "tables",
        {
            ROI_IMPORTANCE: pd.DataFrame(columns, index=index).reset_index(),
            SEGMENTATION: dice,
            CHANNEL_SHARES: pd.DataFrame({"share": cells.sum(axis=2).ravel()}, index=of_channels).reset_index(),
        },
    )
    _write_configuration(folder, {"name": "unet", "labels": list(REGIONS), "head": "sigmoid"}, "/data/mr", "smoothgrad")
    return folder


def _write_configuration(folder: Path, model: dict[str, object], root: str, attribution: str) -> None:
    config = {"model": model, "data": {"root": root}, "attribution": {"_target_": attribution}}
    OmegaConf.save(OmegaConf.create(config), folder / "config.yaml")
    choices = {"attribution": attribution, "data": "totalsegmentator", "supervoxels": "none"}
    (folder / ".hydra").mkdir(exist_ok=True)
    OmegaConf.save(OmegaConf.create({"hydra": {"runtime": {"choices": choices}}}), folder / ".hydra" / "hydra.yaml")


def _write_result(
    folder: Path, case: str, root: str, classes: list[str], values: np.ndarray, settings: dict[str, str]
) -> None:
    """The result of a case whose scan is what its id and the folder of its data set say."""
    matrices = values.reshape(len(classes), len(classes) + 1, len(Kind))
    importance = LocalImportance(
        case_id=case,
        targets=tuple(classes),
        sources=(*classes, NODULE),
        values={kind: np.ascontiguousarray(matrices[..., i]) for i, kind in enumerate(Kind)},
        status=("ok",) * len(classes),
    )
    digest = hashlib.sha256(f"{root}/{case}".encode()).hexdigest()
    unknown = np.full(len(classes), np.nan)
    result = CaseResult(
        importance,
        tuple(classes),
        voxels=np.ones(len(classes), np.int64),
        dice=unknown,
        iou=unknown,
        settings=settings,
        passes=PassCounts(1, 1),
        seconds=0.0,
        origin=Origin(digest, (Path(root) / case / "ct.nii.gz",)),
    )
    CaseStore(folder).write(result)


def read_runs(**runs: Path | list[Path]) -> list[DataSet]:
    """A data set for each run or list of runs, under its name."""
    named = {name: [str(folder) for folder in ([of] if isinstance(of, Path) else of)] for name, of in runs.items()}
    return read_data_sets(OmegaConf.create(named), labels=None)
