"""The scalar of each class that is explained: Eq. 2 and its alternatives, one file per score."""

from agg2exp.scores.base import Score
from agg2exp.scores.margin import MarginScore
from agg2exp.scores.mean import MeanScore
from agg2exp.scores.median import MedianScore
from agg2exp.scores.probability import ProbabilityScore
from agg2exp.scores.sum import SumScore

__all__ = ["MarginScore", "MeanScore", "MedianScore", "ProbabilityScore", "Score", "SumScore"]
