"""Explain one case after another, under Lightning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import lightning
import torch
from torch._functorch import config as functorch

from agg2exp.attribution import Attributor
from agg2exp.domain.case import Case, Failure
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.labels import Labels
from agg2exp.domain.object_state import arguments
from agg2exp.domain.roles import CaseProgress, Silent
from agg2exp.explaining.evaluator import Evaluator
from agg2exp.explaining.explainer import Explainer
from agg2exp.explaining.hooks import Hooks
from agg2exp.explaining.memory_fallback import USUAL, MemoryFallback, memory_fallbacks, with_oom_fallback
from agg2exp.metrics import EvaluationMetric
from agg2exp.models.segmentation_model import SegmentationModel
from agg2exp.run.precision import check_precision
from agg2exp.scores import Score
from agg2exp.store.array_cache import ArrayCache


class ExplanationModule(Hooks, lightning.LightningModule):
    """Case -> prediction and voxel attribution of every explained class.

    Subclass it and override `forward` (what the network does with one window), `class_scores` (the scalars that are
    explained) or `attribute` (how they are attributed to voxels).

    Args:
        model: The trained network and all that belongs to it.
        attribution: The attribution method.
        score: The score 𝒜.
        classes: Names of the classes to explain, or "all".
        mask_policy: "fixed": masks and weights of a score come from the unperturbed image; "recomputed": from each
            perturbed one.
        class_chunk: Classes attributed at a time, each chunk with forwards of its own; by default all.
        compile_network: Compile the network with `torch.compile`.
        seed: Seed of every random number.
        metrics: By name, evaluation metrics that are computed for every case.
        cache: Folder where perturbed scores are kept, so that runs with other methods need not compute them again;
            they are found again by the image's voxels and all settings but the method's.
        cache_predictions: Keep predictions there, too (16 bytes per voxel).
        twins: Networks with random weights through which each case is explained as well, for its scores and masks.

    Raises:
        SettingError: A class is not in the labels, or another value is not allowed.
    """

    def __init__(
        self,
        model: SegmentationModel,
        attribution: Attributor,
        score: Score,
        classes: Sequence[str] | str = "all",
        mask_policy: str = "fixed",
        class_chunk: int | None = None,
        compile_network: bool = False,
        seed: int = 0,
        metrics: Mapping[str, EvaluationMetric] | None = None,
        cache: str | Path | None = None,
        cache_predictions: bool = False,
        twins: int = 0,
    ) -> None:
        super().__init__()
        kept = ArrayCache(None if cache is None else Path(cache))
        predictions = kept if cache_predictions else None
        explainer = Explainer(
            model, attribution, score, classes, mask_policy, class_chunk, seed, twins, hooks=self,
            predictions=predictions,
        )  # fmt: skip
        self.evaluator = Evaluator(explainer, metrics, kept)
        self.progress: CaseProgress = Silent()
        if compile_network:
            functorch.donated_buffer = False  # the classes of a window share its graph, which needs its buffers again
            self.network.compile()

    @property
    def labels(self) -> Labels:
        """The model's classes."""
        return self.explainer.model.labels

    @property
    def metrics(self) -> Mapping[str, EvaluationMetric]:
        """Evaluation metrics by name."""
        return self.evaluator.metrics

    def explain(self, case: Case, fallback: MemoryFallback = USUAL) -> Explanation:
        """Prediction, attribution and metrics of one case; also works without a Trainer."""
        return self.evaluator.explain(case, fallback, self.progress)

    def on_predict_start(self) -> None:
        """Say early what would fail late."""
        if torch.is_inference_mode_enabled():
            raise RuntimeError("explanations need gradients: use Trainer(inference_mode=False) (conf/trainer does)")
        check_precision(
            self.trainer, ("32-true",), "For half precision set model.windows.precision=bfloat16 or float16."
        )
        self.evaluator.settings()

    def predict_step(self, batch: Case | Failure, batch_idx: int) -> Explanation | Failure:
        """Explain one case; whatever goes wrong with it is handed on as a `Failure`, and the other cases go on.

        When memory runs out, the case is tried again with fewer classes at a time, then with fewer windows.
        """
        if isinstance(batch, Failure):
            return batch
        fallbacks = memory_fallbacks(len(self.explainer.classes), self.explainer.model.windows.batch)
        return with_oom_fallback(batch.id, fallbacks, partial(self.explain, batch))


MADE_LATER = ("_hparams", "_hparams_name", "_hparams_initial")
"""Attributes that Lightning gives a module when it first asks for them."""
ExplanationModule.UNCOUNTED = Hooks.UNCOUNTED | {
    *vars(lightning.LightningModule()), *MADE_LATER, *arguments(ExplanationModule), "evaluator", "progress",
}  # fmt: skip
