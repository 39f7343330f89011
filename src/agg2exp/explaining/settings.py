"""What an explanation depends on, as strings."""

from __future__ import annotations

from collections.abc import Collection

from torch import nn

from agg2exp.domain.code import versions
from agg2exp.domain.description import code_of_network, described, text
from agg2exp.domain.object_state import arguments
from agg2exp.explaining.setup import Setup
from agg2exp.preprocessing.base import provenance_of


def settings_of(explainer: Setup, hooks: nn.Module, uncounted: Collection[str]) -> dict[str, str]:
    """Of an explainer, its model and its steps, each with its class, the user's code and its arguments.

    Args:
        explainer: The explainer.
        hooks: Its steps.
        uncounted: Attributes of them on which no result depends, or that are described by themselves.
    """
    model = explainer.model
    method = explainer.method.settings()
    parts = {
        "module": _steps(hooks, uncounted),
        "attribution": {name: value for name, value in method.items() if name != "method"},
        "score": described(explainer.score),
        "inference": described(model.windows),
    }
    return {
        **versions(),
        **({} if "weights" in model.provenance else {"weights": text(model.network)}),
        **model.provenance,
        **provenance_of(model.preprocessing),
        "module": "usual" if _is_ours(hooks) else f"{type(hooks).__module__}.{type(hooks).__qualname__}",
        "network code": code_of_network(model.network),
        "method": method.get("method", explainer.method.name),
        "score": explainer.score.name,
        **{f"{part}: {name}": value for part, settings in parts.items() for name, value in settings.items()},
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


def _steps(hooks: nn.Module, uncounted: Collection[str]) -> dict[str, str]:
    found = described(hooks, without={*uncounted, *_counted_while_running(hooks, uncounted)})
    return {name: value for name, value in found.items() if name != "class" or not _is_ours(hooks)}


def _counted_while_running(hooks: nn.Module, uncounted: Collection[str]) -> set[str]:
    """Public attributes that are no argument of a subclass, such as a counter; none if an argument is not kept.

    They may change from case to case, and cases of one run are made with the same settings.
    """
    own = set(arguments(type(hooks))) - set(uncounted)
    kept = all(hasattr(hooks, name) or hasattr(hooks, f"_{name}") for name in own)
    return {name for name in vars(hooks) if not name.startswith("_") and name not in own} if kept else set()
