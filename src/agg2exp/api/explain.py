"""Explain scans in a few lines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import torch

from agg2exp.api.load_model import load_model
from agg2exp.cli.python_call import PythonCall
from agg2exp.cli.python_run import keep
from agg2exp.data.given_case import GivenCase
from agg2exp.domain.case import Case, Failure
from agg2exp.domain.errors import CaseError, SettingError
from agg2exp.explaining.case_result import case_result
from agg2exp.explaining.evaluator import Evaluator
from agg2exp.explaining.memory_fallback import memory_fallbacks, with_oom_fallback
from agg2exp.explaining.progress import WindowBar
from agg2exp.explaining.result import Result, Results
from agg2exp.models.segmentation_model import SegmentationModel

log = logging.getLogger(__name__)


def explain(
    model: SegmentationModel | str | Path,
    image: object,
    method: Any = "smoothgrad",
    classes: Sequence[str] | str = "all",
    device: torch.device | str | None = None,
    show_progress: bool = True,
    **options: Any,
) -> Any:
    """Explain a scan, or several: prediction, voxel attributions, RoI importance.

    The same choices on the command line give the same numbers, bit for bit.

    Args:
        model: A `SegmentationModel`, or what `load_model` takes.
        image: A scan in any form of `given_image` (a path, an array, …) or a `Case`; a list of scans gives `Results`.
        method: Attribution method: the name of a YAML of `conf/attribution`, or an object.
        classes: Names of the classes to explain, or "all".
        device: Where it is computed; by default the GPU, if there is one.
        show_progress: Show a bar.
        **options: Of the scan those of `GivenCase` (id, annotation, regions, label_map), of the explanation those of
            `PythonCall` (score, baseline, supervoxels, metrics, mask_policy, seed, twins, …).

    Returns:
        A `Result`; of a list `Results`.

    Raises:
        SettingError: An option is unknown, or a value is not allowed.
        CaseError: The scan cannot be read or explained; of a list, those of the other scans are in `error.results`.
    """
    of_scan = {f.name for f in fields(GivenCase)} - {"image"}
    of_call = {f.name for f in fields(PythonCall)} - {"method", "classes"}
    for name, value in options.items():
        if name not in of_scan | of_call:
            raise SettingError(name, value, f"one of the options {', '.join(sorted(of_scan | of_call))}")
    call = PythonCall(method, classes, **{name: value for name, value in options.items() if name in of_call})
    model = model if isinstance(model, SegmentationModel) else load_model(model)
    place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    model.network.to(place)
    one = partial(_explained, call, call.evaluator(model), place, show_progress)
    given = {name: value for name, value in options.items() if name in of_scan}
    if not isinstance(image, list):
        return one(image if isinstance(image, Case) else GivenCase(image, **given))
    if given:
        raise SettingError(next(iter(given)), "given", "left out for several scans; give each as a GivenCase or Case")
    return _several(image, one)


def _several(images: Sequence[object], one: Callable[[Case | GivenCase], Result]) -> Results:
    """All that can be explained; the others are told, and the last error raised if nothing is left."""
    results, failures = [], dict[str, str]()
    for image in images:
        scan = image if isinstance(image, Case | GivenCase) else GivenCase(image)
        try:
            results.append(one(scan))
        except CaseError as error:
            log.error("%s", error)
            failures[error.case_id] = str(error)
    if not results:
        raise CaseError(next(iter(failures), "none"), "no scan could be explained: " + "; ".join(failures.values()))
    return Results(tuple(results), failures)


def _explained(
    call: PythonCall, evaluator: Evaluator, place: torch.device, show_progress: bool, scan: Case | GivenCase
) -> Result:
    model = evaluator.explainer.model
    case = scan if isinstance(scan, Case) else scan.read(model.preprocessing, model.labels)
    for notice in case.notices:
        log.warning("case %s: %s", case.id, notice)
    case = case.to(place)
    ways = memory_fallbacks(len(evaluator.explainer.classes), model.windows.batch)
    with WindowBar(show_progress) as bar:
        explanation = with_oom_fallback(case.id, ways, lambda way: evaluator.explain(case, way, bar))
        if isinstance(explanation, Failure):
            raise CaseError(case.id, explanation.error.removeprefix(f"case {case.id}: "))
        here = case.to(explanation.prediction.device)
        stored = case_result(here, explanation, model.labels, call.regions_from)
    return Result(case.to("cpu"), explanation.to("cpu"), stored, model.labels, place, partial(keep, call, model))
