"""What is explained of a model, and how."""

from __future__ import annotations

from collections.abc import Sequence

from agg2exp.attribution import Attributor
from agg2exp.domain.errors import check_choice, check_range
from agg2exp.explaining.cost import Cost
from agg2exp.explaining.twins import check_twins
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.scores import Score, SumScore


class Setup:
    """Model, method, score and the choices beside them.

    Args:
        model: Network, labels, preprocessing and windows.
        method: The attribution method.
        score: The score 𝒜; the sum over the predicted mask by default.
        classes: Names of the classes to explain, or "all".
        mask_policy: "fixed": masks and weights of a score come from the unperturbed image; "recomputed": from each
            perturbed one.
        class_chunk: Classes attributed at a time, each chunk with forwards of its own; by default all.
        seed: Seed of every random number.
        twins: Networks with random weights through which each case is explained as well, for its scores and masks.

    Attributes:
        classes: Label indices of the explained classes (K).

    Raises:
        SettingError: The model has no such class, or another value is not allowed.
    """

    def __init__(
        self,
        model: SegmentationModel,
        method: Attributor,
        score: Score | None = None,
        classes: Sequence[str] | str = "all",
        mask_policy: str = "fixed",
        class_chunk: int | None = None,
        seed: int = 0,
        twins: int = 0,
    ) -> None:
        check_range("seed", seed, integer=True)
        check_choice("mask_policy", mask_policy, ("fixed", "recomputed"))
        if class_chunk is not None:
            check_range("class_chunk", class_chunk, 1, integer=True)
        check_twins(twins, model.network)
        self.model = model
        self.method = method
        self.score = score or SumScore()
        self.classes = model.labels.indices(classes)
        self.mask_policy = mask_policy
        self.class_chunk = class_chunk
        self.seed = seed
        self.twins = twins

    @property
    def cost(self) -> Cost:
        """How much work a case is."""
        return Cost(self.method, {}, len(self.classes), self.mask_policy == "recomputed", self.twins)
