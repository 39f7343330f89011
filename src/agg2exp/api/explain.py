"""Explain scans in a few lines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
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
from agg2exp.domain.names import problem_of
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
        CaseError: The scan cannot be read or explained; of a list, none can, see `Results.failures`.
    """
    of_scan = {f.name for f in fields(GivenCase)} - {"image"}
    of_call = {f.name for f in fields(PythonCall)} - {"method", "classes"}
    for name, value in options.items():
        if name not in of_scan | of_call:
            raise SettingError(name, value, f"one of the options {', '.join(sorted(of_scan | of_call))}")
    call = PythonCall(method, classes, **{name: value for name, value in options.items() if name in of_call})
    model = model if isinstance(model, SegmentationModel) else load_model(model)
    place = _place(device)
    model.network.to(place)
    given = {name: value for name, value in options.items() if name in of_scan}
    if given and isinstance(image, list | Case | GivenCase):
        allowed = "left out for several scans, and for a GivenCase or Case, which has its own"
        raise SettingError(next(iter(given)), "given", allowed)
    scans = [_scan(one, given) for one in (image if isinstance(image, list) else [image])]
    if not scans:
        raise SettingError("image", [], "at least one scan")
    ids = [_id(scan) for scan in scans]
    if wrong := "each id once" if len({*ids}) < len(ids) else problem_of(ids):
        raise SettingError("id", ids, wrong, "Give each scan as a GivenCase with an id.")
    one = partial(_explained, call, call.evaluator(model), place, show_progress)
    if isinstance(image, list):
        return _several(scans, partial(_read, model), one)
    return one(_read(model, scans[0]))


def _scan(image: object, options: Mapping[str, Any]) -> Case | GivenCase:
    return image if isinstance(image, Case | GivenCase) else GivenCase(image, **options)


def _id(scan: Case | GivenCase) -> str:
    return scan.id if isinstance(scan, Case) else scan.name


def _place(device: torch.device | str | None) -> torch.device:
    try:
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError, TypeError) as error:  # PyTorch asserts that it was built for the device
        raise SettingError("device", device, "a device that PyTorch finds, such as 'cpu'", str(error)) from error
    return place


def _read(model: SegmentationModel, scan: Case | GivenCase) -> Case:
    case = scan if isinstance(scan, Case) else scan.read(model.preprocessing, model.labels)
    for notice in case.notices:
        log.warning("case %s: %s", case.id, notice)
    return case


def _several(
    scans: Sequence[Case | GivenCase], read: Callable[[Case | GivenCase], Case], one: Callable[[Case], Result]
) -> Results:
    """All that can be explained; the others are told, and an error raised if nothing is left."""
    results, failures = [], dict[str, str]()
    for scan in scans:
        name = _id(scan)
        try:
            case = read(scan)
        except (CaseError, SettingError) as error:
            failures[name] = str(error)
        else:
            try:
                results.append(one(case))
            except CaseError as error:
                failures[name] = str(error)
        if name in failures:
            log.error("%s", failures[name])
    if not results:
        raise CaseError(next(iter(failures)), "no scan could be explained: " + "; ".join(failures.values()))
    return Results(tuple(results), failures)


def _explained(call: PythonCall, evaluator: Evaluator, place: torch.device, show_progress: bool, case: Case) -> Result:
    model = evaluator.explainer.model
    case = case.to(place)
    ways = memory_fallbacks(len(evaluator.explainer.classes), model.windows.batch)
    with WindowBar(show_progress) as bar:
        explanation = with_oom_fallback(case.id, ways, lambda way: evaluator.explain(case, way, bar))
        if isinstance(explanation, Failure):
            raise CaseError(case.id, explanation.error.removeprefix(f"case {case.id}: "))
        here = case.to(explanation.prediction.device)
        stored = case_result(here, explanation, model.labels, call.regions_from)
    return Result(case.to("cpu"), explanation.to("cpu"), stored, model.labels, place, partial(keep, call, model))
