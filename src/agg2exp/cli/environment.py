"""What a run was made with: versions and the machine."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import torch

from agg2exp import __version__
from agg2exp.store.atomic import atomic_write

PACKAGES = (
    "torch",
    "lightning",
    "monai",
    "captum",
    "numpy",
    "scipy",
    "hydra-core",
    "nibabel",
    "wandb",
)


def write_environment(output: Path, device: str) -> None:
    """Write `environment.json`: versions of what computes, and on what."""
    versions = {"agg2exp": __version__}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    facts = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
        "device": device,
        "threads": torch.get_num_threads(),
    }
    with atomic_write(output / "environment.json") as path:
        path.write_text(json.dumps(facts, indent=2) + "\n")
