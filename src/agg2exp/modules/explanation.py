"""Explain one case after another."""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace

import lightning
import torch
from torch import Tensor, nn

from agg2exp.attribution import Attributor
from agg2exp.domain.attribution import Attribution
from agg2exp.domain.case import Case, Failure
from agg2exp.domain.class_scores import ClassScores, RecomputedScores, Scores
from agg2exp.domain.errors import CaseError, check_choice, check_range
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.labels import LabelScheme
from agg2exp.domain.prediction import Prediction
from agg2exp.domain.roles import CaseProgress, Silent
from agg2exp.domain.seeding import RandomStreams
from agg2exp.inference import SlidingWindow, WindowedModel
from agg2exp.modules.memory import Economy, economies, is_out_of_memory, room_for_classes
from agg2exp.scores import Score

log = logging.getLogger(__name__)


class ExplanationModule(lightning.LightningModule):
    """Case -> prediction and voxel attribution of every explained class.

    Subclass it and override `forward` (what the network does with one window), `class_scores` (the scalars that are
    explained) or `attribute` (how they are attributed to voxels).

    Args:
        network: (B, C, d, h, w) -> (B, L, d, h, w) logits, L = len(labels).
        attribution: The attribution method.
        score: The score 𝒜.
        inference: Windows.
        labels: The model's label scheme.
        classes: Names of the classes to explain, or "all".
        mask_policy: "fixed": masks and weights of a score come from the unperturbed image; "recomputed": from each
            perturbed one.
        class_chunk: Classes attributed at a time; by default as many as the free memory holds.
        compile_network: Compile the network with `torch.compile`.
        seed: Seed of every random number.
        provenance: What the network and its images were made from (weights, preprocessing), kept with the results.

    Raises:
        SettingError: A class is not in the label scheme, or another value is not allowed.
    """

    def __init__(
        self,
        network: nn.Module,
        attribution: Attributor,
        score: Score,
        inference: SlidingWindow,
        labels: LabelScheme,
        classes: Sequence[str] | str = "all",
        mask_policy: str = "fixed",
        class_chunk: int | None = None,
        compile_network: bool = False,
        seed: int = 0,
        provenance: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        check_range("seed", seed, integer=True)
        check_choice("mask_policy", mask_policy, ("fixed", "recomputed"))
        if class_chunk is not None:
            check_range("class_chunk", class_chunk, 1, integer=True)
        self.network = network
        self.attribution = attribution
        self.score = score
        self.inference = inference
        self.labels = labels
        self.classes = labels.indices(classes)
        self.mask_policy = mask_policy
        self.class_chunk = class_chunk
        self.compile_network = compile_network
        self.seed = seed
        self.provenance = dict(provenance or {})
        self.progress: CaseProgress = Silent()
        self.economy = Economy()
        if compile_network:
            self.network.compile()

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, L, d, h, w) of a window batch (B, C, d, h, w)."""
        logits: Tensor = self.network(x)
        return logits

    def class_scores(self, prediction: Prediction) -> ClassScores:
        """The scalars f̂_c that are explained, from the prediction at the unperturbed image."""
        return self.score(prediction, self.classes)

    def attribute(self, model: WindowedModel, case: Case, scores: Scores) -> Attribution:
        """Voxel attribution of the K classes of `scores` for one case."""
        streams = RandomStreams(self.seed, case.id, self.attribution.name)
        return self.attribution.for_case(case).compute(model, case.image, scores, streams)

    def explain(self, case: Case) -> Explanation:
        """Prediction and attribution of one case; also works without a Trainer."""
        _synchronize(case.image)
        start = time.perf_counter()
        inference = replace(self.inference, batch=self.economy.batch or self.inference.batch)
        place, room = room_for_classes(
            len(self.classes), case.image.numel() * case.image.element_size(), case.image.device
        )
        model = WindowedModel(self, inference, on_windows=self.progress.advance, accumulators=place)
        chunks = _chunks(self.classes, self.economy.classes or self.class_chunk or room)
        windows = len(model.plan(case.image).windows)
        self.progress.begin(case.id, windows * (1 + len(chunks) * self.attribution.evaluations()))
        prediction = model.predict(case.image)
        if prediction.n_classes != len(self.labels):
            raise ValueError(
                f"the network gives {prediction.n_classes} label channels, but the label scheme "
                f"{self.labels.name!r} has {len(self.labels)} classes. Set model.labels to what it was trained with."
            )
        scores: Scores = self.class_scores(prediction)
        if self.mask_policy == "recomputed":
            scores = RecomputedScores(self.classes, prediction.labels, self.class_scores)
        with torch.enable_grad():
            attribution = self.attribute(model, case, replace(scores, classes=chunks[0]))
            if len(chunks) > 1:  # to save memory, so the parts are put together where there is more of it
                rest = (self.attribute(model, case, replace(scores, classes=chunk)).to("cpu") for chunk in chunks[1:])
                attribution = attribution.to("cpu").joined(rest, len(self.classes))
        if len(chunks) > 1 or place != case.image.device:
            prediction, attribution = prediction.to("cpu"), attribution.to("cpu")
        _synchronize(case.image)
        return Explanation(
            case_id=case.id,
            classes=self.classes,
            prediction=prediction,
            attribution=attribution,
            economy=str(self.economy),
            settings={**self.settings(), "expansion": attribution.expansion},
            passes=model.passes,
            seconds=time.perf_counter() - start,
        )

    def settings(self) -> dict[str, str]:
        """What the result depends on; results with other settings are never mixed with it."""
        return {
            "module": f"{type(self).__module__}.{type(self).__qualname__}",
            **self.attribution.settings(),
            "score": self.score.name,
            "mask_policy": self.mask_policy,
            "compiled": str(self.compile_network),
            **self.inference.describe(),
            "classes": ",".join(self.labels.classes[c] for c in self.classes),
            "labels": self.labels.name,
            "seed": str(self.seed),
            **self.provenance,
        }

    def on_predict_start(self) -> None:
        """Say early what would fail late."""
        if torch.is_inference_mode_enabled():
            raise RuntimeError("explanations need gradients: use Trainer(inference_mode=False) (conf/trainer does)")

    def predict_step(self, batch: Case | Failure, batch_idx: int) -> Explanation | Failure:
        """Explain one case; whatever goes wrong with it is handed on as a `Failure`, and the other cases go on.

        When memory runs out, the case is tried again with fewer classes at a time, then with fewer windows.
        """
        if isinstance(batch, Failure):
            return batch
        failure = None
        for economy in economies(len(self.classes), self.inference.batch):
            if failure is not None:
                torch.cuda.empty_cache()
                log.warning("case %s: out of memory, tried again with %s", batch.id, economy)
            self.economy = economy
            try:
                return self.explain(batch)
            except Exception as error:  # noqa: BLE001 - recorded with its traceback, and the exit code tells
                message = str(error) if isinstance(error, CaseError) else f"case {batch.id}: {error}"
                failure = Failure(batch.id, "explaining", message, traceback.format_exc())
                if not is_out_of_memory(error):
                    break
        if failure is None:
            raise RuntimeError("there is always one way to try")
        return failure


def _chunks(classes: tuple[int, ...], size: int | None) -> list[tuple[int, ...]]:
    size = size or len(classes)
    return [classes[start : start + size] for start in range(0, len(classes), size)]


def _synchronize(image: Tensor) -> None:
    """Wait for the GPU, so that the time measured is the time taken."""
    if image.is_cuda:
        torch.cuda.synchronize(image.device)
