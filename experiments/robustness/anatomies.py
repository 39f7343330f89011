"""Classes, their structures and their groups: all is what the mapping says, or an entry is named as wrong."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from agg2exp.data.merge import Structures, structures_of
from agg2exp.domain.labels import Labels
from agg2exp.figures.anatomy import Anatomy

ORIGINAL: dict[str, Any] = {
    "labels": ["background", "heart", "lung"],
    "merge": {"lung": ["lung_left", "lung_right"]},
    "groups": {"other": {"colour": "#999999"}, "chest": {"colour": "#D55E00", "classes": ["heart", "lung"]}},
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
    *([], ["heart"], [None], [["a"]], {}, {"colour": "#123456"}, {"classes": ["a"]}, {"a": {"b": {}}}, {1: 2}),
)


def mutant(random: np.random.Generator) -> dict[Any, Any]:
    """A mapping with one to three entries changed, gone, renamed or added."""
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


def read(spec: dict[Any, Any], folder: Path) -> tuple[Labels, Structures, Anatomy]:
    """What jobs make of the three entries."""
    labels = Labels(spec.get("labels"))  # type: ignore[arg-type]
    return labels, structures_of(labels, spec.get("merge")), Anatomy(spec.get("groups", {})).of(labels)


def is_right(spec: dict[Any, Any], made: tuple[Labels, Structures, Anatomy]) -> bool:
    """Whether nothing of the mapping is missing or changed."""
    labels, structures, anatomy = made
    merge = spec.get("merge") or {}
    expected = [merge.get(name, [name]) if i else [] for i, name in enumerate(spec["labels"])]
    groups = {name: {"colour": g.colour, "classes": list(g.classes)} for name, g in anatomy.groups.items()}
    said = {name: {"classes": [], **group} for name, group in spec.get("groups", {}).items()}
    return list(labels.classes) == spec["labels"] and list(map(list, structures)) == expected and groups == said
