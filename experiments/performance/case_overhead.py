"""What a case costs outside the network passes, and how long it takes to find that everything is done.

    python experiments/performance/case_overhead.py                  # share of CPU time outside forwards and backwards
    python experiments/performance/case_overhead.py --resume 200     # seconds to resume a finished run of 200 cases

The first explains phantoms with the shipped U-Net as `agg2exp explain` does, without pictures, and adds up the CPU time
inside the network's forwards and backwards.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import torch
from lightning import Trainer

from agg2exp.cli.explain import main as explain
from agg2exp.data.phantom import PhantomCohort
from agg2exp.inference import WindowedModel
from agg2exp.run.module import ExplanationModule
from agg2exp.store.case_store import CaseStore


def run(overrides: list[str], output: Path) -> None:
    """One job in this process."""
    with patch.object(sys, "argv", ["agg2exp explain", *overrides, f"output={output}"]):
        explain()


def overhead(folder: Path, cases: int, samples: int) -> None:
    """Print the share of CPU time outside the network passes."""
    inside = 0.0
    forward, grad, total = WindowedModel._forward, torch.autograd.grad, 0.0

    def timed(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal inside
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                inside += time.process_time() - start

        return call

    predict = Trainer.predict

    def timed_predict(self: Trainer, *args: Any, **kwargs: Any) -> Any:
        nonlocal total
        start = time.process_time()
        result = predict(self, *args, **kwargs)
        total = time.process_time() - start
        return result

    overrides = ["callbacks=tables", "logger=none", "trainer=cpu", f"attribution.n_samples={samples}"]
    overrides += ["data=phantom", f"data.root={folder}/phantoms"]
    overrides += [f"data.generator.splits={{train:0,val:0,test:{cases}}}"]
    with (
        patch.object(WindowedModel, "_forward", timed(forward)),
        patch.object(torch.autograd, "grad", timed(grad)),
        patch.object(Trainer, "predict", timed_predict),
    ):
        run(overrides, folder / "run")
    print(
        f"{cases} cases, SmoothGrad with {samples} samples: {total:.1f} s CPU, {inside:.1f} s of it in network passes; "
        f"outside {100 * (total - inside) / inside:.1f} % of the passes (bar: 5 %)"
    )


def equal_cases(folder: Path, cases: int, spacing: float) -> list[str]:
    """One phantom (voxels of `spacing` mm) under so many names, as a data set `folder`/many; returns the names."""
    names = [f"s{number:04d}" for number in range(1, cases + 1)]
    splits = {"train": 0, "val": 0, "test": 1}
    PhantomCohort(folder / "one", seed=0, spacing=(spacing,) * 3, splits=splits).generate()
    meta = pd.read_csv(folder / "one" / "meta.csv", sep=";", dtype=str, keep_default_na=False)
    (folder / "many").mkdir()
    for name in names:
        (folder / "many" / name).symlink_to(folder / "one" / meta.image_id[0])
    rows = pd.concat([meta.assign(image_id=name) for name in names])
    rows.to_csv(folder / "many" / "meta.csv", sep=";", index=False)
    return names


def resuming(folder: Path, cases: int) -> None:
    """Print the seconds that it takes to find that all cases are done, and to make tables and pictures anew.

    One small phantom is explained; the other cases are the same scan and the same result under other names.
    """
    names = equal_cases(folder, cases, spacing=12)
    overrides = ["data=totalsegmentator", f"data.root={folder}/many", f"paths.cache={folder}/cache", "logger=none"]
    overrides += ["trainer=cpu", "attribution=vanilla_gradient"]
    run([*overrides, "data.limit=1"], folder / "run")
    store = CaseStore(folder / "run")
    first = store.read(names[0])
    for name in names[1:]:
        store.write(replace(first, importance=replace(first.importance, case_id=name)))
    wall, cpu = time.perf_counter(), time.process_time()
    with patch.object(ExplanationModule, "explain", None):  # nobody may call it
        run(overrides, folder / "run")
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    rows = pd.read_parquet(folder / "run" / "tables" / "roi_importance.parquet")
    found = f"{rows['case'].nunique()} cases, {rows['target'].nunique()} classes"
    print(f"{found}: resumed in {wall:.1f} s, {cpu:.1f} s CPU beyond imports (bar: 10 s)")


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2)
    parser.add_argument("--samples", type=int, default=20, help="SmoothGrad's n; 20 is the default of the paper")
    parser.add_argument("--resume", type=int, metavar="CASES")
    arguments = parser.parse_args()
    os.environ.setdefault("AGG2EXP_JOB", "explain")
    with tempfile.TemporaryDirectory() as name:
        if arguments.resume:
            resuming(Path(name), arguments.resume)
        else:
            overhead(Path(name), arguments.cases, arguments.samples)


if __name__ == "__main__":
    main()
