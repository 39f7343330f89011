"""A model with its weights."""

from __future__ import annotations

from dataclasses import replace

from agg2exp.models.checkpoint import load_weights
from agg2exp.models.facts import facts_of
from agg2exp.models.segmentation_model import SegmentationModel


def with_weights(model: SegmentationModel, weights: str | None) -> SegmentationModel:
    """The same model; its own network takes the weights, and what they are is kept in its provenance.

    Args:
        model: The model.
        weights: As `load_weights` takes them.

    Raises:
        SettingError: There are none.
        WeightsError: They do not fit.
    """
    facts = facts_of(model.labels, model.preprocessing, model.windows)
    digest = load_weights(model.network, weights, facts)
    told = {f"model: {name}": value for name, value in facts.items()}
    return replace(model, provenance={**model.provenance, "weights": digest, **told})
