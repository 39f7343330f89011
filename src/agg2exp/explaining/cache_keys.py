"""What is kept of a case between runs is known by all that it depends on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from agg2exp.domain.case import Case
from agg2exp.domain.provenance import Provenance
from agg2exp.explaining.memory_fallback import MemoryFallback


def score_key(settings: Mapping[str, str], case: Case, memory_fallback: MemoryFallback) -> dict[str, str]:
    """Of scores: all settings of the explanation but those of method and metrics, and the image itself.

    Not the case's files: an atlas for supervoxels, say, changes nothing here.
    """
    image = case.image.cpu().contiguous()
    return {
        **Provenance(settings).without("method", "metrics").settings,
        "case": case.id,
        "image": hashlib.sha256(image.numpy().data).hexdigest(),
        "shape": str(tuple(image.shape)),
        "dtype": str(image.dtype),
        "device": case.image.device.type,
        "memory_fallback": str(memory_fallback),
    }


def prediction_key(of_scores: Mapping[str, str]) -> dict[str, str]:
    """Of a prediction, from the key of scores at the same image."""
    return dict(Provenance(of_scores).without("score", "classes", "seed").settings)
