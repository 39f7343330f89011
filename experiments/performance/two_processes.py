"""How much sooner two processes on two cores finish eight equal cases than one does.

Interleaved pairs of whole commands with one thread per process, imports and tables included; both ways must write the
same bytes.
Nothing else should run on the machine: the two processes need both cores.

    python experiments/performance/two_processes.py
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from case_overhead import equal_cases

TABLES = ("roi_importance", "segmentation", "global_importance")
WAYS = {"one process": ["trainer=cpu"], "two processes": ["trainer=ddp_cpu", "trainer.devices=2"]}


def seconds(overrides: list[str], output: Path) -> float:
    """Wall time of one command."""
    command = [sys.executable, "-m", "agg2exp", "explain", *overrides, f"output={output}"]
    start = time.perf_counter()
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return time.perf_counter() - start


def main() -> None:
    """Print the wall times and the ratio of each pair, and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--cases", type=int, default=8)
    parser.add_argument("--samples", type=int, default=4, help="SmoothGrad's n, for enough work per case")
    parser.add_argument("--spacing", type=float, default=3.0, help="mm, of the phantom's voxels")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        equal_cases(folder, arguments.cases, arguments.spacing)
        common = ["data=totalsegmentator", f"data.root={folder}/many", f"paths.cache={folder}/cache", "logger=none"]
        common += ["attribution=smoothgrad", f"attribution.n_samples={arguments.samples}", "callbacks=tables"]
        seconds([*common, "trainer=cpu", "data.limit=1"], folder / "warm-up")  # disk and label maps
        ratios = []
        for pair in range(arguments.pairs):
            outputs = {way: folder / f"{way} {pair}" for way in WAYS}
            took = {way: seconds([*common, *words], outputs[way]) for way, words in WAYS.items()}
            for table in TABLES:
                one, two = ((outputs[way] / "tables" / f"{table}.parquet").read_bytes() for way in WAYS)
                if one != two:
                    raise SystemExit(f"{table} differs between one process and two")
            work = {way: pd.read_parquet(outputs[way] / "tables" / "timings.parquet")["seconds"].sum() for way in WAYS}
            one, two = (f"{way} {took[way]:.1f} s ({work[way]:.1f} s inside cases)" for way in WAYS)
            ratios.append(took["two processes"] / took["one process"])
            print(f"{one}, {two}, ratio {ratios[-1]:.2f}", flush=True)
        print(f"{arguments.cases} cases: median ratio {statistics.median(ratios):.2f} (bar: 0.6)")


if __name__ == "__main__":
    main()
