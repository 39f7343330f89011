"""The whole patient as an ordered list of parts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agg2exp.data.phantom import mediastinum, organs, skeleton
from agg2exp.data.phantom.pathology import Finding
from agg2exp.data.phantom.patient import Patient
from agg2exp.data.phantom.shapes import Part


def parts(patient: Patient, findings: Iterable[Finding] = ()) -> Iterator[Part]:
    """All parts in the order of painting: what comes later wins, so masks are disjoint by construction."""
    yield from organs.envelope(patient)
    yield from organs.abdomen(patient)
    yield from organs.lungs(patient)
    yield from (finding.part for finding in findings if finding.name == "pleural_effusion")
    yield mediastinum.mediastinal_fat(patient)
    yield from organs.back_muscles(patient)
    yield mediastinum.heart(patient)
    yield from mediastinum.other_vessels()
    yield mediastinum.pulmonary_veins()
    yield mediastinum.aorta(patient)
    yield mediastinum.thyroid(patient)
    yield from mediastinum.airways()
    yield skeleton.shoulders()
    yield skeleton.costal_cartilages()
    yield from skeleton.ribs()
    yield skeleton.sternum()
    yield from skeleton.column()
