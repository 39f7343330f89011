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
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from lightning import Trainer

from agg2exp.cli.explain import main as explain
from agg2exp.inference import WindowedModel


def run(overrides: list[str], output: Path) -> None:
    """One job in this process."""
    with patch.object(sys, "argv", ["agg2exp explain", *overrides, f"hydra.run.dir={output}"]):
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
    overrides += [f"data.root={folder}/phantoms", f"data.generator.splits={{train:0,val:0,test:{cases}}}"]
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


def resuming(folder: Path, cases: int) -> None:
    """Print the seconds that the second run takes."""
    overrides = ["callbacks=tables", "logger=none", "trainer=cpu", "attribution=vanilla_gradient", "debug=tiny"]
    overrides += [f"data.root={folder}/phantoms", "data.limit=null"]
    overrides += [f"data.generator.splits={{train:0,val:0,test:{cases}}}", "data.generator.spacing=[12,12,12]"]
    overrides += ["classes=[heart,aorta]"]
    for name in ("first run", "resumed"):
        start = time.perf_counter()
        run(overrides, folder / "run")
        print(f"{cases} cases, {name}: {time.perf_counter() - start:.1f} s", file=sys.stderr)


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
