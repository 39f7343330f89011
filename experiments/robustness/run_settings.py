"""YAML of finished runs: what is read is what another YAML reader says, and nothing in it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from mutations import mutated_text

from agg2exp.store.stored_yaml import read_stored_yaml

ORIGINAL = b"""\
seed: 0
classes: all
data:
  _target_: agg2exp.run.datamodule.CaseDataModule
  root: /data/scans
  cases: null
  layout: {extra_masks: {nodule: '{case}/nodule.nii.gz'}}
model:
  name: unet
  spacing: [5.5, 5.5, 5.5]
  labels:
  - background
  - heart
anatomy:
  groups:
    other: {colour: '#999999', classes: [background]}
    chest: {colour: '#CC3311', classes: [heart]}
overlap: 1.0e-05
day: 2026-01-31
"""
TOKENS = (
    *(b"&a ", b"*a", b"<<: *a", b"!!python/object/apply:os.system [x]", b"!!binary ", b"!!int ", b"? ", b"- ", b"|\n"),
    *(
        b"${oc.env:HOME}",
        b"_target_: os.system\n",
        b"[" * 99,
        b"{" * 99,
        b"\n---\n",
        b"%YAML 1.2\n",
        b"0b_",
        b"1:60:60",
    ),
)


def mutant(random: np.random.Generator) -> bytes:
    """The YAML as a text that was edited, or with a piece of YAML in it."""
    if random.random() < 0.5:
        return mutated_text(ORIGINAL, random)
    at = random.integers(len(ORIGINAL) + 1)
    return ORIGINAL[:at] + TOKENS[random.integers(len(TOKENS))] + ORIGINAL[at:]


def read(content: bytes, folder: Path) -> Any:
    """What is in the file."""
    path = folder / "config.yaml"
    path.write_bytes(content)
    return read_stored_yaml(path)


def is_right(content: bytes, value: Any) -> bool:
    """Whether PyYAML's own parser says the same, or libyaml's where that one allows more; dates are words."""
    try:
        other = yaml.safe_load(content)
    except yaml.YAMLError:
        other = yaml.load(content, yaml.CSafeLoader)
    return repr(_words(other)) == repr(value)


def _words(node: Any) -> Any:
    if isinstance(node, dict):
        return {_words(key): _words(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_words(value) for value in node]
    return str(node) if type(node).__module__ == "datetime" else node
