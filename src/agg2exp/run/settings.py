"""What an explanation depends on, as strings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import lightning

from agg2exp.domain.code import versions
from agg2exp.domain.description import arguments, code_of_network, described, text

if TYPE_CHECKING:
    from agg2exp.run.module import ExplanationModule

APART = ("progress", "memory_fallback")
"""Attributes of a module that change from case to case, and are kept with each."""


def settings_of(module: ExplanationModule) -> dict[str, str]:
    """Of a module and its parts, each with its class, the user's code and its arguments (see `described`)."""
    method = module.attribution.settings()
    parts = {
        "module": described(module, without=_of_every_module() | _counted_while_running(module)),
        "attribution": {name: value for name, value in method.items() if name != "method"},
        **{f"metric {name}": metric.settings() for name, metric in module.metrics.items()},
        "score": described(module.score),
        "inference": described(module.inference),
    }
    return {
        **versions(),
        **({} if "weights" in module.provenance else {"weights": text(module.network)}),
        **module.provenance,
        "module": f"{type(module).__module__}.{type(module).__qualname__}",
        "network code": code_of_network(module.network),
        "method": method.get("method", module.attribution.name),
        "score": module.score.name,
        **{f"{part}: {name}": value for part, settings in parts.items() for name, value in settings.items()},
        "mask_policy": module.mask_policy,
        "compiled": str(module.compile_network),
        "classes": ",".join(module.labels.classes[c] for c in module.classes),
        "labels": ",".join(module.labels.classes),
        **({"head": module.head} if module.head == "sigmoid" else {}),
        "seed": str(module.seed),
        **({"twins": str(module.twins)} if module.twins else {}),
    }


def _of_every_module() -> set[str]:
    """Attributes that are described by themselves, and those that Lightning keeps."""
    from agg2exp.run.module import ExplanationModule

    return {*vars(lightning.LightningModule()), *arguments(ExplanationModule), *APART}


def _counted_while_running(module: ExplanationModule) -> set[str]:
    """Public attributes that are no argument of a subclass, such as a counter; none if an argument is not kept.

    They may change from case to case, and cases of one run are made with the same settings.
    """
    own = set(arguments(type(module))) - _of_every_module()
    kept = all(hasattr(module, name) or hasattr(module, f"_{name}") for name in own)
    return {name for name in vars(module) if not name.startswith("_") and name not in own} if kept else set()
