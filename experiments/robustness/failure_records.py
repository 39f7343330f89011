"""Records of failed cases with damaged bytes: what is readable is right, and the rest is passed over."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict
from pathlib import Path

import numpy as np
from fuzz import RECORDED
from mutations import mutated_text

from agg2exp.domain.case import Failure
from agg2exp.store.failures import FailureLog

ORIGINAL = asdict(Failure("s1", "reading", "case s1: the scan is cut off", "Traceback …\n"))


def mutant(random: np.random.Generator) -> bytes:
    """The record as a text that was edited."""
    return mutated_text(json.dumps(ORIGINAL, indent=2).encode(), random)


def read(content: bytes, folder: Path) -> Failure | str:
    """The failure, or that the record was named and left out."""
    logging.getLogger("agg2exp.store.failures").setLevel(logging.ERROR)
    log = FailureLog(folder)
    log.folder.mkdir(exist_ok=True)
    (log.folder / "s1-reading.json").write_bytes(content)
    found = log.read()
    return found[0] if found else RECORDED


def is_right(content: bytes, failure: Failure) -> bool:
    """Whether it says what the text says."""
    return asdict(failure) == json.loads(content.decode("utf-8"))
