"""A case that is explained once more."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

from torch import Tensor

from agg2exp.domain.attribution import Attribution
from agg2exp.domain.case import Case


@dataclass(frozen=True, eq=False, kw_only=True)
class RepeatedCase(Case):
    """A case whose image, or whose network, was changed after it had been explained.

    Attributes:
        first: The attribution before; what the method chose by looking at the image then stays chosen.
    """

    first: Attribution

    @classmethod
    def of(cls, case: Case, image: Tensor, first: Attribution) -> Self:
        """The case with another image (C, D, H, W)."""
        facts = {field.name: getattr(case, field.name) for field in fields(Case)}
        return cls(**{**facts, "image": image}, first=first)
