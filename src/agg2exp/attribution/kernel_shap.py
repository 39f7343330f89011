"""KernelSHAP on supervoxels."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from agg2exp.attribution.base import Attributor
from agg2exp.attribution.coalitions import shapley_coalitions
from agg2exp.attribution.shapley_regression import shapley_values
from agg2exp.baselines import Baseline, as_baseline
from agg2exp.domain.attribution import Attribution, SupervoxelAttribution
from agg2exp.domain.case import Case
from agg2exp.domain.class_scores import Scores
from agg2exp.domain.errors import SettingError, check_choice, check_range
from agg2exp.domain.rng import KeyedRng
from agg2exp.inference import WindowedModel
from agg2exp.supervoxels import Given, Supervoxels

log = logging.getLogger(__name__)

FEWEST_PER_PLAYER = 4  # samples, below which estimates are mostly noise

_warned: set[int] = set()


@dataclass(frozen=True)
class KernelShap(Attributor):
    """φ = Shapley values of the game v_c(z) = f̂_c(x ⊙ z + x′ ⊙ (1 - z)) over supervoxels (Eq. 6; Lundberg & Lee 2017).

    Each coalition z is evaluated once for all classes, and one regression solves all classes under the exact
    constraint Σ_s φ_s = f̂_c(x) - f̂_c(x′); all 2^r coalitions are enumerated when n_samples allows it. Supervoxels that
    cannot matter, since x = x′ on all their voxels, are no players: φ = 0, exactly.
    With too few coalitions for the players φ is the solution nearest to equal shares, and note `underdetermined` is 1.

    Attributes:
        supervoxels: The players.
        n_samples: Coalitions evaluated, the empty and the full one included; None for the paper's number for such
            supervoxels (Appendix B: 1000, or 200 on semantic ones).
        baselines: x′.
        expansion: How φ becomes voxels, see `SupervoxelAttribution`.
        paired: Draw each coalition with its complement, which lowers the variance (Covert & Lee 2021).
        ridge: Penalty that shrinks φ towards equal shares; 0 for none.
        players: Which supervoxels are players; by default those that can matter.

    Raises:
        SettingError: A value is not allowed.
    """

    name: ClassVar[str] = "kernel_shap"
    uses_supervoxels: ClassVar[bool] = True

    supervoxels: Supervoxels | None = None
    n_samples: int | None = None
    baselines: Baseline | Tensor | float = 0.0
    expansion: str = "density"
    paired: bool = True
    ridge: float = 0.0
    players: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.supervoxels is not None and not isinstance(self.supervoxels, Supervoxels):
            raise SettingError("supervoxels", self.supervoxels, "supervoxels", "For example supervoxels=cubes.")
        if self.n_samples is not None:
            check_range("n_samples", self.n_samples, 2, integer=True)
        check_choice("expansion", self.expansion, ("density", "value"))
        check_range("ridge", self.ridge, 0)
        object.__setattr__(self, "baselines", as_baseline(self.baselines))

    def compute(self, model: WindowedModel, image: Tensor, scores: Scores, rng: KeyedRng) -> SupervoxelAttribution:
        """(K, S): at most n_samples forwards per window, fewer where coalitions agree inside it."""
        if self.supervoxels is None:
            raise SettingError("feature_mask", None, "a supervoxel of every voxel (D, H, W)", "Or give supervoxels.")
        supervoxels = self.supervoxels(image, scores.masks)
        baseline = as_baseline(self.baselines)(image, rng)
        shape = len(scores.classes), int(supervoxels.max()) + 1
        players = self._players(supervoxels, (image != baseline).any(dim=0))
        values, errors = torch.zeros(2, *shape, dtype=torch.float64)
        underdetermined = False
        if len(players):
            coalitions = shapley_coalitions(
                len(players), self.evaluations(), rng.generator("coalitions"), paired=self.paired
            )
            members = torch.zeros(len(coalitions.members), shape[1], dtype=torch.bool)
            members[:, players] = coalitions.members
            before = model.passes
            v = model.coalition_scores(image, baseline, supervoxels, members.to(image.device), scores)
            estimate = shapley_values(coalitions, v, self.ridge)
            values[:, players], errors[:, players] = estimate.values, estimate.standard_errors
            underdetermined = estimate.underdetermined
            passes = model.passes - before
            reused, done = passes.reused, passes.window_forwards
            log.info(
                "case %s: %d coalitions of %d supervoxels took %d window evaluations, %d (%.0f %%) were seen before",
                rng.case_id, len(members), len(players), done, reused, 100 * reused / max(reused + done, 1),
            )  # fmt: skip
            if not coalitions.exhaustive and len(members) < FEWEST_PER_PLAYER * len(players):
                _warn_once(len(members), len(players))
        return SupervoxelAttribution(
            supervoxels,
            values.to(image.device),
            self.expansion,
            standard_errors=errors.to(image.device),
            players=tuple(players.tolist()),
            notes={"underdetermined": torch.full((shape[0],), float(underdetermined), dtype=torch.float64)},
        )

    def _players(self, supervoxels: Tensor, matters: Tensor) -> Tensor:
        found = torch.unique(supervoxels[matters]).cpu()
        return found if self.players is None else torch.tensor(self.players, dtype=torch.int64)

    def evaluations(self) -> int:
        """Coalitions: `n_samples`, or the paper's number."""
        paper = Supervoxels.paper_samples if self.supervoxels is None else self.supervoxels.paper_samples
        return self.n_samples or paper

    def reusing_choices_of(self, first: Attribution) -> KernelShap:
        """With the same supervoxels and players."""
        if not isinstance(first, SupervoxelAttribution):
            raise TypeError(f"expected an attribution to supervoxels, got {type(first).__name__}")
        return replace(self, supervoxels=Given(first.supervoxels), n_samples=self.evaluations(), players=first.players)

    def for_case(self, case: Case) -> KernelShap:
        """With the supervoxels of the case."""
        return self if self.supervoxels is None else replace(self, supervoxels=self.supervoxels.for_case(case))

    def replace(self, **settings: Any) -> Self:
        """The same method with other settings; captum's `feature_mask` gives the supervoxels."""
        if "feature_mask" in settings:
            settings["supervoxels"] = Given(settings.pop("feature_mask"))
        return super().replace(**settings)


def _warn_once(n_samples: int, players: int) -> None:
    """Once per number of samples, with the players of the first case."""
    if n_samples in _warned:
        return
    _warned.add(n_samples)
    log.warning(
        "KernelSHAP: %d coalitions for %d players are fewer than %d per player: estimates are mostly noise, see their "
        "standard errors (NaN where there are too few to tell). Take more coalitions, or fewer supervoxels.",
        n_samples,
        players,
        FEWEST_PER_PLAYER,
    )
