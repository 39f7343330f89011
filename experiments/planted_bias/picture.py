"""Draw what was planted and what the explanations find, as planted_bias.png beside this file.

Per model a sagittal slice through the device of one patient: the predicted left lobes, and the attribution of the lower
lobe; to the right the importance of the device in each patient beside what its distance alone would give.

    python experiments/planted_bias/picture.py runs/planted_bias
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from hydra import compose, initialize_config_dir
from importance import METHODS, folder_of
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from agg2exp.cli.application import build
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.parts import explanation_module

HERE = Path(__file__).parent
LOBE = "lung_lower_lobe_left"
VOXELS = "vanilla gradient, margin"
COLOURS = {"biased": "#D55E00", "unbiased": "#0072B2", "expected": "#999999"}


def slices(axes: list[Axes], model: str, case_id: str, overrides: list[str]) -> None:
    """Prediction and attribution of one case in the sagittal plane through the middle of the device."""
    chosen = ["experiment=planted_bias", f"model.weights={HERE / model}.safetensors", *overrides]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("explain", [*chosen, "paths.output=none"])
        module, data = explanation_module(config), build(config, "data")
    data.prepare_data()
    case = data.read(case_id)
    explanation = module.explain(case)
    device = case.extra["device"]
    plane = int(np.argwhere(device.numpy())[:, 0].mean().round())
    labels = explanation.prediction.labels
    shown = {name: (labels == module.labels.classes.index(name))[plane].numpy().T for name in module.labels.classes}
    k = explanation.classes.index(module.labels.classes.index(LOBE))
    strength = explanation.attribution.dense(k).abs().sum(0)
    strength = torch.nn.functional.avg_pool3d(strength[None], 3, 1, 1)[0][plane].numpy().T
    for axis in axes:
        axis.imshow(case.image[0, plane].numpy().T, cmap="gray", origin="lower", vmin=0, vmax=0.8)
        axis.contour(device[plane].numpy().T, [0.5], colors="cyan", linewidths=1.2)
        axis.set_xticks([])
        axis.set_yticks([])
    for name, colour in (("lung_upper_lobe_left", "#56B4E9"), (LOBE, "#E69F00")):
        axes[0].contourf(shown[name], [0.5, 1.5], colors=[colour], alpha=0.6)
    axes[0].set_title(f"{model} model: left lobes predicted", fontsize=10)
    strength = np.ma.masked_less(strength, 0.08 * strength.max())
    axes[1].imshow(strength, cmap="hot", origin="lower", alpha=0.8, vmin=0)
    axes[1].set_title("|attribution| of the lower lobe", fontsize=10)


def dots(axis: Axes, runs: Path, method: str) -> None:
    """Importance of the device per patient, and expected by distance."""
    for place, model in enumerate(("biased", "unbiased")):
        rows = pd.read_parquet(folder_of(runs, method, model) / "tables" / "roi_importance.parquet")
        rows = rows[(rows["source"] == "device") & (rows["target"] == LOBE)]
        x = place + np.linspace(-0.12, 0.12, len(rows))
        axis.scatter(x, rows["importance"], color=COLOURS[model], label=f"{model} model")
        expected = "expected by distance" if place else None
        axis.scatter(x + 0.35, rows["expected_by_distance"], color=COLOURS["expected"], marker="_", label=expected)
    axis.set_yscale("log")
    axis.set_xticks([0.17, 1.17], ["biased", "unbiased"])
    axis.set_ylabel("importance of the device for the left lower lobe")
    axis.set_title(f"ten patients, {method}", fontsize=10)
    axis.legend(frameon=False)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="folder with the runs of importance.py")
    parser.add_argument("--case", default="s0002")
    parser.add_argument("--voxels", default=VOXELS, choices=list(METHODS), help="method of the slices")
    parser.add_argument("--dots", default=next(iter(METHODS)), choices=list(METHODS), help="method of the dots")
    args = parser.parse_args()
    figure: Figure = plt.figure(figsize=(11, 7), layout="constrained")
    grid = figure.add_gridspec(2, 3)
    for row, model in enumerate(("biased", "unbiased")):
        axes = [figure.add_subplot(grid[row, column]) for column in range(2)]
        slices(axes, model, args.case, METHODS[args.voxels].split())
    dots(figure.add_subplot(grid[:, 2]), args.runs, args.dots)
    figure.savefig(HERE / "planted_bias.png", dpi=90)


if __name__ == "__main__":
    main()
