"""Do explanations find what was planted? RoI importance of the device for the left lobes, biased model against twin.

Runs `agg2exp explain experiment=planted_bias` for both models with each method (finished runs are kept), and prints for
each method and lobe the global importance of the device, what its distance alone would give (E0), and how many times
as much as in the twin it is.

    python experiments/planted_bias/importance.py runs/planted_bias
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
from scipy.stats import wilcoxon

HERE = Path(__file__).parent
VOXELS = "supervoxels=none ~supervoxels.path"  # where the experiment has the device and all else
IG = "attribution=integrated_gradients attribution.n_steps=10"
METHODS = {
    "KernelSHAP from water, margin": "",
    "KernelSHAP from water, sum": "score=sum",
    "KernelSHAP from air, sum": "baseline=zeros score=sum",
    "vanilla gradient, sum": f"attribution=vanilla_gradient {VOXELS} score=sum",
    "vanilla gradient, margin": f"attribution=vanilla_gradient {VOXELS}",
    "input × gradient, margin": f"attribution=input_x_gradient {VOXELS}",
    "SmoothGrad (4), sum": f"attribution=smoothgrad attribution.n_samples=4 {VOXELS} score=sum",
    "SmoothGrad (4), margin": f"attribution=smoothgrad attribution.n_samples=4 {VOXELS}",
    "IG (10) from water, margin": f"{IG} {VOXELS}",
    "IG (10) from air, sum": f"{IG} {VOXELS} baseline=zeros score=sum",
}


def folder_of(runs: Path, method: str, model: str) -> Path:
    """Where the run of one method and model lies."""
    return runs / re.sub(r"\W+", "_", method) / model


def explained(folder: Path, overrides: list[str]) -> pd.DataFrame:
    """The device's rows of the table of RoI importances, one per case and lobe; the run is made if it is missing."""
    table = folder / "tables" / "roi_importance.parquet"
    if not table.is_file():
        words = ["explain", "experiment=planted_bias", *overrides, f"output={folder}"]
        subprocess.run([sys.executable, "-m", "agg2exp", *words], check=True, stdout=subprocess.DEVNULL)
    rows = pd.read_parquet(table)
    return rows[rows["source"] == "device"].set_index(["target", "case"]).sort_index()


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder for the runs")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("overrides", nargs="*", help="further overrides of every run")
    args = parser.parse_args()
    print("| method, score | target | biased | E0 | twin | E0 of the twin | biased / twin | biased > E0, p |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for method in args.methods:
        runs = {}
        for model in ("biased", "unbiased"):
            weights = f"model.weights={HERE / model}.safetensors"
            runs[model] = explained(
                folder_of(args.runs, method, model), [*METHODS[method].split(), weights, *args.overrides]
            )
        for target in runs["biased"].index.unique("target"):
            biased, twin = (runs[model].loc[target] for model in ("biased", "unbiased"))
            above = wilcoxon(biased["importance"], biased["expected_by_distance"], alternative="greater").pvalue
            cells = [
                frame[column].mean() for frame in (biased, twin) for column in ("importance", "expected_by_distance")
            ]
            ratio = cells[0] / cells[2]
            shown = " | ".join(f"{cell:.4f}" for cell in cells)
            print(f"| {method} | {target} | {shown} | {ratio:.1f} | {above:.4f} |", flush=True)


if __name__ == "__main__":
    main()
