"""Draw what was planted and what the explanations find, as planted_bias.png beside this file.

Per model a sagittal slice through the device of one patient: the predicted left lobes, and the attribution of the lower
lobe as a share of its sum over the scan, in one scale for both models; to the right the importance of the device in
each patient beside what its distance alone would give. Of the runs only those of the method of the dots are read.

    python experiments/planted_bias/importance.py runs/planted_bias --methods "KernelSHAP from water, margin"
    python experiments/planted_bias/picture.py runs/planted_bias
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from hydra import compose, initialize_config_dir
from importance import METHODS, folder_of
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from agg2exp.cli.builders import explanation_module
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.data_choice import data_module
from agg2exp.cli.segmentation_model import trained_model

HERE = Path(__file__).parent
LOBE = "lung_lower_lobe_left"
LOBES = {"lung_upper_lobe_left": "#56B4E9", LOBE: "#E69F00"}
VOXELS = "vanilla gradient, margin"
COLOURS = {"biased": "#D55E00", "unbiased": "#0072B2", "expected": "#999999"}


@dataclass(frozen=True)
class Slice:
    """The sagittal plane through the middle of the device, as (height, depth) arrays.

    Attributes:
        image: Scan.
        device: Mask.
        lobes: Masks of the left lobes as predicted, by colour.
        share: |attribution| of the lower lobe, as a share of its sum over the scan, averaged over 3 x 3 x 3 voxels.
    """

    image: np.ndarray
    device: np.ndarray
    lobes: dict[str, np.ndarray]
    share: np.ndarray


def slice_of(model: str, case_id: str, overrides: list[str]) -> Slice:
    """Predict and explain one case."""
    chosen = ["experiment=planted_bias", f"model.weights={HERE / model}.safetensors", *overrides]
    with initialize_config_dir(str(conf_dir()), version_base="1.3"):
        config = compose("explain", [*chosen, "paths.output=none"])
        trained = trained_model(config)
        module = explanation_module(config, trained)
        data = data_module(config, trained, [module.attribution])
    data.prepare_data()
    case = data.read(case_id)
    explanation = module.explain(case)
    device = case.extra["device"].numpy()
    plane = int(np.argwhere(device)[:, 0].mean().round())
    labels, classes = explanation.prediction.label_map[plane].numpy().T, module.labels.classes
    strength = explanation.attribution.dense(explanation.classes.index(classes.index(LOBE))).abs().sum(0)
    share = torch.nn.functional.avg_pool3d((strength / strength.sum())[None], 3, 1, 1)[0]
    lobes = {colour: labels == classes.index(name) for name, colour in LOBES.items()}
    return Slice(case.image[0, plane].numpy().T, device[plane].T, lobes, share[plane].numpy().T)


def draw(axes: tuple[Axes, Axes], model: str, shown: Slice, highest: float) -> AxesImage:
    """Prediction and attribution; the colours of attribution end at `highest`."""
    for axis in axes:
        axis.imshow(shown.image, cmap="gray", origin="lower", vmin=0, vmax=0.8)
        axis.contour(shown.device, [0.5], colors="cyan", linewidths=1.2)
        axis.set_xticks([])
        axis.set_yticks([])
    for colour, lobe in shown.lobes.items():
        axes[0].contourf(lobe, [0.5, 1.5], colors=[colour], alpha=0.6)
    axes[0].set_title(f"{model} model: left lobes predicted", fontsize=10)
    axes[1].set_title(f"{model} model: |attribution| of the lower lobe", fontsize=10)
    share = np.ma.masked_less(shown.share, 0.08 * highest)
    return axes[1].imshow(share, cmap="hot", origin="lower", alpha=0.8, vmin=0, vmax=highest)


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
    figure: Figure = plt.figure(figsize=(11, 7.4), layout="constrained")
    grid = figure.add_gridspec(2, 3)
    shown = {model: slice_of(model, args.case, METHODS[args.voxels].split()) for model in ("biased", "unbiased")}
    highest = max(float(own.share.max()) for own in shown.values())
    right = []
    for row, (model, own) in enumerate(shown.items()):
        axes = figure.add_subplot(grid[row, 0]), figure.add_subplot(grid[row, 1])
        image = draw(axes, model, own, highest)
        right.append(axes[1])
    bar = figure.colorbar(image, ax=right, location="bottom", fraction=0.03, ticks=MaxNLocator(3), format="{x:.3%}")
    bar.set_label(f"{args.voxels}: share of |attribution| per voxel", fontsize=9)
    dots(figure.add_subplot(grid[:, 2]), args.runs, args.dots)
    figure.savefig(HERE / "planted_bias.png", dpi=90)


if __name__ == "__main__":
    main()
