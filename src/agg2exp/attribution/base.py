"""The contract of an attribution method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor

from agg2exp.domain.attribution import Attribution
from agg2exp.domain.class_scores import ClassScores
from agg2exp.domain.seeding import RandomStreams
from agg2exp.inference import WindowedModel


class Attributor(ABC):
    """Attributes the scores of all explained classes to the voxels of one image.

    A subclass gives `attribute`, and says in `evaluations` how often it evaluates the windows. It may use any of
    `model.predict`, `model.scores` and `model.gradient`, which hide windows, blending and batching.
    """

    name: ClassVar[str]
    uses_supervoxels: ClassVar[bool] = False

    @abstractmethod
    def attribute(
        self, model: WindowedModel, image: Tensor, scores: ClassScores, streams: RandomStreams
    ) -> Attribution:
        """Attribution of the K classes of `scores`.

        Args:
            model: The network through sliding windows.
            image: x, (C, D, H, W).
            scores: The scalars to explain, f̂_c.
            streams: Random numbers of this case.
        """

    @abstractmethod
    def evaluations(self) -> int:
        """How many perturbed images are evaluated for one case."""

    def settings(self) -> dict[str, str]:
        """What the result depends on, as strings: the name and every public attribute."""
        values = {k: str(v) for k, v in vars(self).items() if not k.startswith("_")}
        return {"method": self.name, **values}
