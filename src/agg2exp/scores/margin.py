"""How far a class is ahead of the next best."""

from __future__ import annotations

from typing import ClassVar

from agg2exp.scores.sum import SumScore


class MarginScore(SumScore):
    """f̂_c(x) = Σ_i m_c(i) (f_c(x)(i) - f_s(i)(x)(i)), s(i) the second-best class at the unperturbed image.

    The rival of a region of a sigmoid head is its own complement, whose logit is 0: there the margin is the sum.
    """

    name: ClassVar[str] = "margin"
    against_runner_up: ClassVar[bool] = True
