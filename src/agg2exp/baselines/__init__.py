"""Images without content, one file per kind."""

from agg2exp.baselines.base import Baseline
from agg2exp.baselines.constant import Constant
from agg2exp.baselines.given import Given, as_baseline

__all__ = ["Baseline", "Constant", "Given", "as_baseline"]
