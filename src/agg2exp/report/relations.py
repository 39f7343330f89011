"""What the model relies on: presence, heat maps, distributions, graphs (paper, Fig. 3, 4, 13, 14)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from agg2exp.analysis.context import box_outliers, box_summary
from agg2exp.analysis.edges import edges_beyond_distance
from agg2exp.analysis.learned import learned_edges
from agg2exp.domain.names import safe_name
from agg2exp.domain.roi_importance import Kind
from agg2exp.figures.distributions import distributions as distribution_picture
from agg2exp.figures.graph import graph_of
from agg2exp.figures.heat_map import heat_map
from agg2exp.figures.importance_graph import importance_graph
from agg2exp.report.data_set import DataSet
from agg2exp.report.outputs import Output
from agg2exp.report.study import Study

MAPPED = (Kind.IMPORTANCE, Kind.POSITIVE, Kind.NEGATIVE, Kind.ENRICHMENT_BODY, Kind.EXPECTED_BY_DISTANCE)


def presence(data: DataSet) -> pd.DataFrame:
    """In how many patients each source is there.

    Returns:
        Columns source, extra_mask, patients (of whom there is a value of any source), supplied (of these, patients
        whose mask was given; for a class all), present (patients in whom it has a voxel; where volumes were not
        stored, in whom it has attribution).
    """
    size = Kind.VOLUME_VOXELS if data.local[Kind.VOLUME_VOXELS.value].notna().any() else Kind.IMPORTANCE
    patients = data.patients or {case: case for case in data.cases}
    patient = data.local["case"].astype(str).map(patients).rename("patient")
    largest = data.local.groupby([patient, "source"], sort=False, observed=True)[size.value].max().unstack()  # noqa: PD010
    sources = list(pd.unique(data.local["source"].astype(str)))
    largest = largest.reindex(columns=sources).dropna(how="all")
    return pd.DataFrame(
        {
            "source": sources,
            "extra_mask": [source not in data.labels.sources for source in sources],
            "patients": len(largest),
            "supplied": largest.notna().sum().to_numpy(),
            "present": (largest > 0).sum().to_numpy(),
        }
    )


def presence_of_sources(study: Study) -> Iterator[Output]:
    """In how many patients each source is there."""
    yield "presence", presence(study.data)


def heat_map_of(study: Study, kind: Kind) -> Iterator[Output]:
    """Global heat map of one kind."""
    matrix = study.matrix_of(kind)
    yield f"heat_maps/{kind.value}", matrix.to_frame()
    yield f"heat_maps/{kind.value}", heat_map(matrix, study.data.joined_anatomy, order=study.settings.order)


def distributions(study: Study) -> Iterator[Output]:
    """Box plots of E[a, ·] over patients, a picture per target a."""
    boxes, dots = box_summary(study.importances), box_outliers(study.importances)
    for target in study.importances.targets:
        of_target, beyond = boxes[boxes["target"] == target], dots[dots["target"] == target]
        yield f"distributions/{safe_name(target)}", of_target
        yield f"distributions/{safe_name(target)}_outliers", beyond
        if of_target["count"].any():
            picture = distribution_picture(boxes, dots, target, study.data.joined_anatomy)
            yield f"distributions/{safe_name(target)}", picture


def graph(study: Study) -> Iterator[Output]:
    """The strongest sources of each target."""
    yield "graph", study.matrix.to_frame()
    yield "graph", graph_of(study.matrix, study.data.joined_anatomy)
    drawn = study.settings.graph
    yield "graph", importance_graph(study.matrix, study.data.joined_anatomy, drawn.top, layout=drawn.layout)


def graph_beyond_distance(study: Study) -> Iterator[Output]:
    """The graph of those edges alone that get more than their distance explains, and than twins of the network have."""
    data, drawn = study.data, study.settings.graph
    expected = data.importances(Kind.EXPECTED_BY_DISTANCE)
    twins = list(zip(data.of_twins(Kind.IMPORTANCE), data.of_twins(Kind.EXPECTED_BY_DISTANCE), strict=True))
    if twins:
        edges = learned_edges((study.importances, expected), twins, data.patients)
    else:
        edges = edges_beyond_distance(study.importances, expected, data.patients)
    yield "graph_beyond_distance", edges
    column = "p_learned" if twins else "p_adjusted"
    significant = edges[edges[column] <= study.settings.alpha]
    shown = set(zip(significant["source"], significant["target"], strict=True))
    p = _p_values(edges, column)
    yield "graph_beyond_distance", graph_of(study.matrix, data.joined_anatomy, shown=shown, p_values=p)
    picture = importance_graph(study.matrix, data.joined_anatomy, drawn.top, layout=drawn.layout, shown=shown)
    yield "graph_beyond_distance", picture


def _p_values(edges: pd.DataFrame, column: str) -> Mapping[tuple[str, str], float]:
    """Adjusted p-value of each edge (source, target) that was tested."""
    tested = edges[np.isfinite(edges[column])]
    return dict(zip(zip(tested["source"], tested["target"], strict=True), tested[column], strict=True))
