"""Which channel of the image the model looks at."""

from __future__ import annotations

from collections.abc import Iterator

from agg2exp.aggregation.global_importance import global_importance
from agg2exp.analysis.channels import joined_shares
from agg2exp.domain.errors import DataError
from agg2exp.domain.roi_importance import Kind
from agg2exp.figures.channel_map import channel_map
from agg2exp.report.outputs import Output
from agg2exp.report.study import Study


def has_channels(study: Study) -> bool:
    """Whether the images have several channels, and the attribution was told apart by them."""
    return study.data.channel_shares is not None


def channels(study: Study) -> Iterator[Output]:
    """Mean share of each channel in the attribution of each target, with its interval.

    Raises:
        DataError: There are no shares of channels.
    """
    data, settings = study.data, study.settings
    if data.channel_shares is None:
        raise DataError("expected shares of channels, got none")
    shares = joined_shares(data.channel_shares, data.labels.classes, data.join)
    rows = shares.rename(columns={"channel": "source", "share": Kind.IMPORTANCE.value})
    matrix = global_importance(rows, Kind.IMPORTANCE, data.patients, settings.draws, settings.seed)
    yield "channels", matrix.to_frame().drop(columns="kind", errors="ignore").rename(columns={"source": "channel"})
    yield "channels", channel_map(matrix, data.joined_anatomy)
