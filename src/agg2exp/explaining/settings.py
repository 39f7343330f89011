"""What an explanation depends on, as strings."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from torch import nn

from agg2exp.domain.code import versions
from agg2exp.domain.description import code_of_network, described, text
from agg2exp.explaining.setup import Setup
from agg2exp.models.checkpoint import fingerprint
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.preprocessing.base import provenance_of


def settings_of(
    explainer: Setup, hooks: nn.Module, uncounted: Collection[str], before: Mapping[str, str]
) -> dict[str, str]:
    """Of an explainer, its model and its steps, each with its class, the user's code and its arguments.

    Args:
        explainer: The explainer.
        hooks: Its steps.
        uncounted: Attributes of them on which no result depends, or that are described by themselves.
        before: Of attributes that change while cases are explained, such as counters: how they were described before;
            "" where there was none.
    """
    model = explainer.model
    method = explainer.method.settings()
    parts = {
        "module": {**steps_of(hooks, uncounted), **before},
        "attribution": {name: value for name, value in method.items() if name != "method"},
        "score": described(explainer.score),
        "windows": described(model.windows),
    }
    return {
        **versions(),
        **model.provenance,
        "weights": _weights(model),
        **provenance_of(model.preprocessing),
        "module": "usual" if _is_ours(hooks) else f"{type(hooks).__module__}.{type(hooks).__qualname__}",
        "network code": code_of_network(model.network),
        **({} if hooks.network is model.network else {"module: network": text(hooks.network)}),
        "method": method.get("method", explainer.method.name),
        "score": explainer.score.name,
        **{f"{part}: {name}": value for part, settings in parts.items() for name, value in settings.items() if value},
        "mask_policy": explainer.mask_policy,
        "compiled": str(model.network._compiled_call_impl is not None),
        "classes": ",".join(model.labels.classes[c] for c in explainer.classes),
        "labels": ",".join(model.labels.classes),
        **({} if model.labels.exclusive else {"head": model.labels.head}),
        "seed": str(explainer.seed),
        **({"twins": str(explainer.twins)} if explainer.twins else {}),
    }


def _is_ours(hooks: nn.Module) -> bool:
    """Whether the steps are those of this package, called by Lightning or not; `versions` tell its code."""
    return type(hooks).__module__.startswith("agg2exp.")


def steps_of(hooks: nn.Module, uncounted: Collection[str]) -> dict[str, str]:
    """The user's class of steps, its arguments and all other attributes, but for those that are not counted."""
    found = described(hooks, without=uncounted)
    return {name: value for name, value in found.items() if name != "class" or not _is_ours(hooks)}


def _weights(model: SegmentationModel) -> str:
    """What was told when they were loaded, and what they are if they are no longer that."""
    told = model.provenance.get("weights")
    if told is None:
        return text(model.network)
    now = fingerprint(model.network.state_dict())
    return told if now == told else f"{told} ({text(model.network)})"
