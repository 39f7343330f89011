"""From a case and its explanation to what is stored about it: RoI importance and the facts beside it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from agg2exp.aggregation.case_regions import CaseRegions
from agg2exp.aggregation.expected_by_distance import expected_by_distance
from agg2exp.aggregation.local_importance import local_importance
from agg2exp.aggregation.overlap import dice_and_iou
from agg2exp.domain.attribution import Attribution, SupervoxelAttribution
from agg2exp.domain.case import Case
from agg2exp.domain.doubt import POOR_DICE
from agg2exp.domain.errors import CaseError
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.labels import Labels
from agg2exp.domain.provenance import CASE_FILES
from agg2exp.domain.roi_importance import Kind, LocalImportance
from agg2exp.inference.network_check import is_out_of_memory
from agg2exp.store.case_result import CaseResult, SupervoxelValues

log = logging.getLogger(__name__)

OF_TWINS = (Kind.IMPORTANCE, Kind.EXPECTED_BY_DISTANCE)


def case_result(
    case: Case,
    explanation: Explanation,
    labels: Labels,
    regions_from: str = "prediction",
    by_distance: bool = True,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> CaseResult:
    """RoI importance, Dice and IoU of one case.

    Args:
        case: The case, on the device of the explanation.
        explanation: Its explanation.
        labels: Names of the model's classes.
        regions_from: "prediction" (as in the paper) or "label": where the source regions come from.
        by_distance: Also compute what each region would receive if attribution depended on distance alone.
        settings: What the result depends on besides these two, the explanation's own settings and the case's files.

    Raises:
        CaseError: Regions should come from labels, and the case has none; or see `CaseRegions.of`, `local_importance`.
        SettingError: `regions_from` is neither of the two.
    """
    predicted = explanation.prediction.masks
    regions = CaseRegions.of(case, predicted, labels, regions_from)

    def importance_of(attribution: Attribution) -> LocalImportance:
        classes = explanation.classes
        expected = expected_by_distance(attribution, classes, regions) if by_distance else None
        return local_importance(attribution, classes, regions, expected)

    def of_twin(twin: Callable[[], Attribution]) -> LocalImportance:
        return importance_of(twin().to(regions.voxels.device))

    importance = importance_of(explanation.attribution)
    dice = iou = np.full(len(labels), np.nan)
    if case.annotation is not None:
        dice, iou = dice_and_iou(predicted, case.annotation, case.annotated)
        if regions_from == "prediction":
            _warn_of_poor_regions(case.id, labels, dice)
    return CaseResult(
        importance=importance,
        classes=labels.classes,
        voxels=regions.voxels.cpu().numpy(),
        dice=dice,
        iou=iou,
        settings={
            **explanation.settings,
            "regions": regions_from,
            "by_distance": str(by_distance),
            **settings,
            CASE_FILES: case.fingerprint,
        },
        passes=explanation.passes,
        seconds=explanation.seconds,
        memory_fallback=explanation.memory_fallback,
        notes=_arrays(explanation.attribution.notes),
        metrics=_arrays(explanation.metrics),
        curves=_arrays(explanation.curves),
        efficiency=_arrays(explanation.efficiency),
        metric_facts=dict(explanation.metric_facts),
        twins=_of_twins(importance, [partial(of_twin, twin) for twin in explanation.twins]),
        supervoxels=_supervoxel_values(explanation.attribution),
        origin=case.origin,
    )


def _warn_of_poor_regions(case_id: str, labels: Labels, dice: NDArray[np.float64]) -> None:
    of_structures = zip(labels.classes, dice, strict=True)
    poor = [f"{name} {d:.2f}" for name, d in of_structures if name != labels.background and d < POOR_DICE]
    if poor:
        log.warning(
            "case %s: predicted regions are poor (Dice below %.1f), read their importance with care: %s",
            case_id,
            POOR_DICE,
            ", ".join(poor),
        )


def _arrays(tensors: Mapping[str, Tensor]) -> dict[str, NDArray[np.float64]]:
    return {name: tensor.double().cpu().numpy() for name, tensor in tensors.items()}


def _of_twins(
    importance: LocalImportance, twins: Sequence[Callable[[], LocalImportance]]
) -> dict[str, NDArray[np.float64]]:
    """Importance and its expectation by distance of each twin of the network, by kind (T, K, R).

    A twin whose attribution is not finite has NaN: random weights may overflow, which is no failure of the case. Where
    a twin runs out of memory, the case fails, so that it is tried again: an edge counts as learned by all twins.

    Raises:
        CaseError: Out of memory.
    """
    found: list[Mapping[Kind, NDArray[np.float64]]] = []
    for number, twin in enumerate(twins, start=1):
        try:
            found.append(twin().values)
        except CaseError as error:
            log.warning("twin %d of the network, with random weights, has no importances: %s", number, error)
            found.append(dict.fromkeys(OF_TWINS, np.full_like(importance.values[Kind.IMPORTANCE], np.nan)))
        except Exception as error:  # memory that runs out is told by errors of several types
            if not is_out_of_memory(error):
                raise
            raise CaseError(
                importance.case_id,
                f"out of memory in twin {number} of the network, after the network itself was explained. Explain fewer "
                "classes at a time (module.class_chunk=1), or without twins in another run (twins=0).",
            ) from error
    return {kind.value: np.stack([values[kind] for values in found]) for kind in OF_TWINS} if found else {}


def _supervoxel_values(attribution: Attribution) -> SupervoxelValues | None:
    """φ with its standard errors, if the attribution is one of supervoxels."""
    if not isinstance(attribution, SupervoxelAttribution):
        return None
    values = attribution.values.double().cpu()
    errors, numbers = attribution.standard_errors, attribution.numbers
    return SupervoxelValues(
        voxels=attribution.supervoxels.flatten().bincount(minlength=values.shape[1]).cpu().numpy(),
        values=values.numpy(),
        errors=torch.full_like(values, torch.nan).numpy() if errors is None else errors.cpu().numpy(),
        labels=None if numbers is None else numbers.cpu().numpy(),
        names=() if numbers is None else tuple(attribution.names.get(n, "") for n in numbers.tolist()),
    )
