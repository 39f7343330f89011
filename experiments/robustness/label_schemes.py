"""Label schemes: the classes are those that the mapping says, or an entry is named as wrong."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from agg2exp.domain.labels import LabelScheme

EXTRA, BLACK = "pathologies", "#000000"
ORIGINAL: dict[str, Any] = {
    "name": "toy",
    "classes": {
        "background": {"group": "other", "files": []},
        "heart": {"group": "chest", "files": ["heart"]},
        "lung": {"group": "chest", "files": ["lung_left", "lung_right"]},
    },
    "groups": {"other": "#999999", "chest": "#D55E00", EXTRA: BLACK},
}
VALUES: tuple[Any, ...] = (
    *(
        None,
        True,
        1,
        -0.5,
        float("nan"),
        "",
        " ",
        "heart",
        "none",
        "#12",
        "../up",
        "a/b",
        "x" * 300,
        "a\x1b[31m",
        "\ud800",
    ),
    *([], ["heart"], [None], [["a"]], {}, {"group": "chest"}, {"files": ["a"]}, {"a": {"b": {}}}, {1: 2}),
)


def mutant(random: np.random.Generator) -> dict[Any, Any]:
    """A scheme with one to three entries changed, gone, renamed or added."""
    made = deepcopy(ORIGINAL)
    for _ in range(random.integers(1, 4)):
        nodes = list(_mappings(made))
        node = nodes[random.integers(len(nodes))]
        value = deepcopy(VALUES[random.integers(len(VALUES))])
        key = list(node)[random.integers(len(node))] if node else "a"
        match random.integers(4):
            case 0:
                node.pop(key, None)
            case 1:
                node[key] = value
            case 2:
                node[value if isinstance(value, str | int | float | None) else "new"] = node.pop(key, None)
            case _:
                node[f"{key}s"] = value
    return made


def _mappings(node: Any) -> Any:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from _mappings(value)


def read(spec: dict[Any, Any], folder: Path) -> LabelScheme:
    """The scheme, as Hydra makes it."""
    if not all(isinstance(key, str) for key in spec):
        spec = {str(key): value for key, value in spec.items()}  # keys of arguments
    return LabelScheme.from_config(**spec)


def is_right(spec: dict[Any, Any], scheme: LabelScheme) -> bool:
    """Whether nothing of the mapping is missing or changed."""
    said = {name: {"group": g, "files": list(f)}
            for name, g, f in zip(scheme.classes, scheme.groups, scheme.files, strict=True)}  # fmt: skip
    colours = {EXTRA: BLACK, **spec["groups"]}  # added where it is missing
    return said == spec["classes"] and dict(scheme.colours) == colours and scheme.name == spec["name"]
