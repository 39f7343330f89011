"""Images without content, one file per kind."""

from agg2exp.baselines.base import Baseline
from agg2exp.baselines.blurred import Blurred
from agg2exp.baselines.constant import Constant
from agg2exp.baselines.gaussian_noise import GaussianNoise
from agg2exp.baselines.given import Given, as_baseline
from agg2exp.baselines.mean import Mean
from agg2exp.baselines.uniform_noise import UniformNoise

__all__ = ["Baseline", "Blurred", "Constant", "GaussianNoise", "Given", "Mean", "UniformNoise", "as_baseline"]
