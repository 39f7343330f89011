"""How long `agg2exp analyze` takes for many cases of 17 classes: all tables and pictures, 1,000 bootstrap draws.

RoI importances and Dice are drawn at random; expectation by distance included.

    python experiments/performance/analysis.py --cases 10000
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from agg2exp.cli.conf_dir import conf_dir
from agg2exp.domain.roi_importance import Kind
from agg2exp.store.tables import ROI_IMPORTANCE, SEGMENTATION, write_tables


def write_run(folder: Path, n: int) -> None:
    """Tables and configuration of a run over n cases."""
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        names = list(compose("analyze", ["runs=x"]).labels)
    g = np.random.default_rng(0)
    cases = [f"s{i:05d}" for i in range(n)]
    alpha = np.full((len(names), len(names)), 0.5) + 5 * np.eye(len(names))
    e = np.stack([g.dirichlet(row, n) for row in alpha], axis=1)
    expected = np.abs(e + g.normal(0, 0.01, e.shape))
    expected[:, range(len(names)), range(len(names))] = np.nan
    kinds = {kind.value: np.full(e.size, np.nan) for kind in Kind}
    for kind in (Kind.IMPORTANCE, Kind.POSITIVE, Kind.NEGATIVE, Kind.ENRICHMENT_BODY):
        kinds[kind.value] = e.ravel()
    kinds[Kind.VOLUME_VOXELS.value] = np.ones(e.size)
    kinds[Kind.EXPECTED_BY_DISTANCE.value] = expected.ravel()
    index = pd.MultiIndex.from_product([cases, names, names], names=["case", "target", "source"])
    dice = pd.MultiIndex.from_product([cases, names], names=["case", "class"])
    tables = {
        ROI_IMPORTANCE: pd.DataFrame(kinds, index=index).reset_index(),
        SEGMENTATION: pd.DataFrame({"dice": g.uniform(0.6, 1, len(dice))}, index=dice).reset_index(),
    }
    write_tables(folder / "tables", tables)
    OmegaConf.save({"model": {"labels": names}, "data": {"root": "drawn"}}, folder / "config.yaml")
    (folder / ".hydra").mkdir()
    choices = {"attribution": "drawn", "data": "drawn", "supervoxels": "none"}
    OmegaConf.save({"hydra": {"runtime": {"choices": choices}}}, folder / ".hydra" / "hydra.yaml")


def main() -> None:
    """Draw, analyse, and tell the wall time of the whole command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("overrides", nargs="*", help="of agg2exp analyze")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_run(Path(folder) / "run", arguments.cases)
        command = [sys.executable, "-m", "agg2exp", "analyze", f"runs={folder}/run", f"output={folder}/analysis"]
        start = time.perf_counter()
        subprocess.run([*command, *arguments.overrides], check=True)
        seconds = time.perf_counter() - start
        files = [path for path in Path(folder, "analysis").rglob("*") if path.suffix in (".png", ".csv", ".graphml")]
    print(f"{arguments.cases} cases x 17 x 17: {seconds:.1f} s wall, {len(files)} tables, pictures and graphs")


if __name__ == "__main__":
    main()
