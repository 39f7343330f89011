"""Did the models learn what was planted? Dice of the left lobes with the device, and with the device left out.

Patients that no model was trained on, each rendered twice: with the device and without it, everything else equal to the
last voxel. The reference is what the biased annotator would draw for the image with the device, and the unbiased one.

    python experiments/planted_bias/learned.py
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir
from scipy.stats import wilcoxon
from torch import Tensor

from agg2exp.aggregation.overlap import dice_and_iou
from agg2exp.cli.conf_dir import conf_dir
from agg2exp.cli.segmentation_model import untrained_model
from agg2exp.data.merge import structures_of
from agg2exp.data.phantom import make_phantom
from agg2exp.domain.case import Grid
from agg2exp.domain.masks import ExclusiveMasks
from agg2exp.domain.resampling import nearest
from agg2exp.inference import WindowedModel
from agg2exp.models.trained import with_weights

HERE = Path(__file__).parent
MODELS = {"biased": HERE / "biased.safetensors", "unbiased": HERE / "unbiased.safetensors"}
LOBES = ("lung_upper_lobe_left", "lung_lower_lobe_left")
SHIFT = 60.0  # mm, as in conf/data/phantom_device.yaml


class Models:
    """Both models, and what their images and label maps go through."""

    def __init__(self) -> None:
        with initialize_config_dir(str(conf_dir()), version_base="1.3"):
            config = compose("explain", ["experiment=planted_bias", "data.root=none"])
        trained = {name: with_weights(untrained_model(config), str(path)) for name, path in MODELS.items()}
        self.labels, self.preprocessing = trained["biased"].labels, trained["biased"].preprocessing
        self.structures = structures_of(self.labels, config.data.merge)
        self.models = {name: WindowedModel(of.network.eval(), of.windows) for name, of in trained.items()}

    def case(self, seed: int, index: int, spacing: float, device: bool, shift: float) -> tuple[Tensor, Tensor]:
        """Image (1, D, H, W) and labels (D, H, W) of one patient."""
        phantom = make_phantom(seed, index, (spacing,) * 3, 0.3, float(device), shift)
        native = Grid(phantom.image.shape, phantom.affine)
        merged = np.zeros(phantom.image.shape, np.uint8)
        for label, names in enumerate(self.structures):
            for structure in names:
                merged[phantom.masks[structure]] = label
        image, grid = self.preprocessing.image(phantom.image[None], native)
        return image, torch.from_numpy(nearest(merged, native, grid))

    def dice(self, name: str, image: Tensor, labels: Tensor) -> np.ndarray:
        """Of the left lobes (2), and the mean of all structures: (3,)."""
        predicted = self.models[name].predict(image).label_map
        n = len(self.labels)
        dice, _ = dice_and_iou(ExclusiveMasks(predicted, n), ExclusiveMasks(labels, n), (True,) * n)
        return np.array([*(dice[self.labels.classes.index(lobe)] for lobe in LOBES), np.nanmean(dice[1:])])


def rows(models: Models, seed: int, cases: int, spacing: float) -> Iterator[tuple[str, str, np.ndarray]]:
    """Model, image and Dice (cases, 3) against the labels with a device that the model was taught."""
    for name, shift in (("biased", SHIFT), ("unbiased", 0.0)):
        found: dict[str, list[np.ndarray]] = {"with device": [], "device left out": []}
        for index in range(1, cases + 1):
            image, labels = models.case(seed, index, spacing, True, shift)
            erased, _ = models.case(seed, index, spacing, False, 0.0)
            found["with device"].append(models.dice(name, image, labels))
            found["device left out"].append(models.dice(name, erased, labels))
        for which, values in found.items():
            yield name, which, np.array(values)


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10)
    parser.add_argument("--seed", type=int, default=4000, help="population of the patients")
    parser.add_argument("--spacing", type=float, default=2.75, help="mm between voxels of the scans")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    print("| model | image | upper left lobe | lower left lobe | all structures |\n| --- | --- | --- | --- | --- |")
    found = {}
    for name, which, dice in rows(Models(), args.seed, args.cases, args.spacing):
        found[name, which] = dice
        cells = [f"{m:.3f} ± {s:.3f}" for m, s in zip(dice.mean(0), dice.std(0, ddof=1), strict=True)]
        print(f"| {name} | {which} | " + " | ".join(cells) + " |", flush=True)
    for name in MODELS:
        drop = (found[name, "with device"] - found[name, "device left out"])[:, :2]
        p = [wilcoxon(column).pvalue for column in drop.T]
        print(f"{name}: drop of the lobes' Dice {drop.mean(0).round(3)}, Wilcoxon p {np.round(p, 4)}")


if __name__ == "__main__":
    main()
