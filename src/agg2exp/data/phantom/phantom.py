"""One phantom: a labelled CT scan of a thorax that follows from a seed and a case number alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import numpy.typing as npt

from agg2exp.data.phantom.anatomy import parts
from agg2exp.data.phantom.device import NAME, Device, sample_device, with_moved_border
from agg2exp.data.phantom.grid import Grid, rasterise
from agg2exp.data.phantom.intensity import Appearance, render, sample_appearance
from agg2exp.data.phantom.pathology import Finding, sample_findings
from agg2exp.data.phantom.patient import Patient, sample_patient
from agg2exp.data.phantom.shapes import Mask
from agg2exp.data.phantom.structures import PATHOLOGIES, STRUCTURES

RAS, LPS = (1, 1, 1), (-1, -1, 1)
NO_PART = 255  # a number that no part has


@dataclass(frozen=True)
class Phantom:
    """A scan with its masks.

    Attributes:
        image: (D, H, W) in HU.
        masks: (D, H, W) by TotalSegmentator structure name, mutually disjoint; a structure outside the
            field of view has an empty mask.
        pathologies: (D, H, W) by name, empty where absent. A consolidation lies inside its lobe's mask,
            a pleural effusion outside all lobes. With a ``device_share`` also the device, outside all structures.
        affine: (4, 4), voxel index to world RAS+ (mm): left structures have the smaller x.
        metadata: age (years), gender (f or m), contrast_phase, pathology, pathology_location, kvp;
            with a ``device_share`` also device (yes or no).
    """

    image: npt.NDArray[np.int16]
    masks: dict[str, Mask]
    pathologies: dict[str, Mask]
    affine: npt.NDArray[np.float64]
    metadata: dict[str, str | float]


def make_phantom(
    seed: int,
    index: int,
    spacing: tuple[float, float, float],
    pathology_share: float = 0.3,
    device_share: float = 0.0,
    device_shift: float = 0.0,
) -> Phantom:
    """Build case ``index`` of the population ``seed``, sampled at ``spacing`` (mm per array axis).

    The patient does not depend on the spacing; only the noise does. Even cases are stored in RAS, odd ones
    in LPS orientation. With probability ``device_share`` a metal device lies on the left chest; then the masks, not
    the image, have the border between the left lobes ``device_shift`` mm higher. All else is the same with and
    without a device.

    Raises:
        ValueError: a spacing that is not positive, a share outside [0, 1], or a shift that is not finite.
    """
    if min(spacing) <= 0:
        raise ValueError(f"Expected a positive spacing in mm, got {tuple(spacing)}.")
    for name, share in (("pathology_share", pathology_share), ("device_share", device_share)):
        if not 0 <= share <= 1:
            raise ValueError(f"Expected a {name} between 0 and 1, got {share}.")
    if not math.isfinite(device_shift):
        raise ValueError(f"Expected a finite device_shift in mm, got {device_shift}.")
    case = _Case.of(seed, index, pathology_share, device_share)
    grid = Grid.of(case.patient, spacing, RAS if index % 2 == 0 else LPS)
    implant = case.device.parts if case.device else ()
    labels, numbers = rasterise(grid, chain(parts(case.patient, case.findings), implant))
    pathologies = {name: np.zeros(labels.shape, bool) for name in PATHOLOGIES}
    pathologies |= {finding.name: finding.mask(grid, labels, numbers) for finding in case.findings}
    image = render(grid, labels, numbers, case.look, pathologies["consolidation"], case.noise)
    if device_share > 0:
        pathologies[NAME] = labels == numbers.get(NAME, NO_PART)
    if case.device:
        labels = with_moved_border(labels, numbers, grid, case.patient, device_shift)
    masks = {name: np.zeros(labels.shape, bool) for name in STRUCTURES}
    masks |= {name: labels == number for name, number in numbers.items() if name in masks}
    return Phantom(image, masks, pathologies, grid.affine, case.metadata())


def phantom_metadata(
    seed: int, index: int, pathology_share: float, device_share: float = 0.0
) -> dict[str, str | float]:
    """The metadata of ``make_phantom`` without making the scan."""
    return _Case.of(seed, index, pathology_share, device_share).metadata()


@dataclass(frozen=True)
class _Case:
    """Everything drawn before a grid is chosen; anatomy, looks, illness, noise and device each have a stream."""

    patient: Patient
    look: Appearance
    findings: tuple[Finding, ...]
    noise: np.random.Generator
    device: Device | None
    may_have_device: bool

    @classmethod
    def of(cls, seed: int, index: int, pathology_share: float, device_share: float) -> _Case:
        children = np.random.SeedSequence([seed, index]).spawn(5)
        anatomy, looks, illness, noise, implants = (np.random.default_rng(child) for child in children)
        patient = sample_patient(anatomy)
        look = sample_appearance(looks, patient)
        device = sample_device(implants, device_share)
        if device:
            look = replace(look, values=look.values | {NAME: device.value})
        return cls(patient, look, sample_findings(illness, pathology_share), noise, device, device_share > 0)

    def metadata(self) -> dict[str, str | float]:
        device = {NAME: "yes" if self.device else "no"} if self.may_have_device else {}
        return {
            "age": self.patient.age,
            "gender": self.patient.sex,
            "contrast_phase": self.look.phase,
            "kvp": 120 if self.patient.fat > 10 else 100,
            "pathology": "+".join(finding.name for finding in self.findings) or "no_pathology",
            "pathology_location": "+".join(finding.location for finding in self.findings),
            **device,
        }
