"""Explain one case after another."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import lightning
import torch
from torch import Tensor, nn
from torch._functorch import config as functorch

from agg2exp.attribution import Attributor
from agg2exp.domain.attribution import Attribution
from agg2exp.domain.case import Case, Failure
from agg2exp.domain.class_scores import ClassScores, RecomputedScores, Scores
from agg2exp.domain.errors import check_choice, check_range
from agg2exp.domain.explanation import Explanation
from agg2exp.domain.labels import Labels
from agg2exp.domain.prediction import Prediction
from agg2exp.domain.rng import KeyedRng
from agg2exp.domain.roles import CaseProgress, Silent
from agg2exp.explaining.cache_keys import prediction_key, score_key
from agg2exp.explaining.chunks import chunks, in_chunks
from agg2exp.explaining.cost import Cost
from agg2exp.explaining.evaluated import evaluated
from agg2exp.explaining.fitness import check_classes
from agg2exp.explaining.memory_fallback import (
    MemoryFallback,
    accumulator_device,
    memory_fallbacks,
    synchronize,
    with_oom_fallback,
)
from agg2exp.explaining.twins import check_twins, twins_of
from agg2exp.inference import SlidingWindow, WindowedModel, check_head
from agg2exp.metrics.base import Evaluation, EvaluationMetric
from agg2exp.run.precision import check_precision
from agg2exp.run.settings import settings_of
from agg2exp.scores import Score
from agg2exp.store.array_cache import ArrayCache


class ExplanationModule(lightning.LightningModule):
    """Case -> prediction and voxel attribution of every explained class.

    Subclass it and override `forward` (what the network does with one window), `class_scores` (the scalars that are
    explained) or `attribute` (how they are attributed to voxels).

    Args:
        network: (B, C, d, h, w) -> (B, L, d, h, w) logits, L = len(labels).
        attribution: The attribution method.
        score: The score 𝒜.
        inference: Windows.
        labels: The model's classes.
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
        provenance: What the network and its images were made from (weights, preprocessing), kept with the results.
        head: "softmax": its classes exclude each other; "sigmoid": they may overlap; None: as its labels say, and the
            first prediction must look so, see `check_head`.

    Raises:
        SettingError: A class is not in the labels, or another value is not allowed.
    """

    def __init__(
        self,
        network: nn.Module,
        attribution: Attributor,
        score: Score,
        inference: SlidingWindow,
        labels: Labels,
        classes: Sequence[str] | str = "all",
        mask_policy: str = "fixed",
        class_chunk: int | None = None,
        compile_network: bool = False,
        seed: int = 0,
        metrics: Mapping[str, EvaluationMetric] | None = None,
        cache: str | Path | None = None,
        cache_predictions: bool = False,
        twins: int = 0,
        provenance: Mapping[str, str] | None = None,
        head: str | None = None,
    ) -> None:
        super().__init__()
        check_range("seed", seed, integer=True)
        check_choice("mask_policy", mask_policy, ("fixed", "recomputed"))
        if head is not None:
            check_choice("head", head, ("softmax", "sigmoid"))
        if class_chunk is not None:
            check_range("class_chunk", class_chunk, 1, integer=True)
        check_twins(twins, network)
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
        self.metrics = dict(metrics or {})
        self.cache = ArrayCache(None if cache is None else Path(cache))
        self.cache_predictions = cache_predictions
        self.twins = twins
        self.provenance = dict(provenance or {})
        self.head = head or labels.head
        self._head_is_known = head == "softmax"
        self.progress: CaseProgress = Silent()
        self.memory_fallback = MemoryFallback()
        if compile_network:
            functorch.donated_buffer = False  # the classes of a window share its graph, which needs its buffers again
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
        rng = KeyedRng(self.seed, case.id, self.attribution.name)
        return self.attribution.for_case(case).numbered(model, case.image, scores, rng)

    def explain(self, case: Case) -> Explanation:
        """Prediction and attribution of one case; also works without a Trainer."""
        synchronize(case.image.device)
        start = time.perf_counter()
        inference = replace(self.inference, batch=self.memory_fallback.batch or self.inference.batch)
        size = case.image.numel() * case.image.element_size()
        place = accumulator_device(len(self.classes), size, case.image.device)
        model = WindowedModel(self, inference, self.progress.advance, place, self.head)
        parts = chunks(self.classes, self.memory_fallback.classes or self.class_chunk)
        check_classes(model, case.image, self.labels)
        windows = len(model.plan(case.image).windows)
        self.progress.begin(case.id, windows * self.cost.evaluations(len(parts)))
        metrics = {name: metric.for_case(case) for name, metric in self.metrics.items()}
        for metric in metrics.values():
            metric.check(case.id, case.image)
        kept = self.metrics or self.cache_predictions
        settings = self.settings()
        key = score_key(settings, case, self.memory_fallback) if kept else {}
        prediction = self._prediction(model, case, key)
        by_policy: dict[str, Scores] = {
            "fixed": self.class_scores(prediction.copy()),
            "recomputed": RecomputedScores(self.classes, prediction.masks, self.class_scores),
        }
        scores = by_policy[self.mask_policy]

        def attribute(
            model: WindowedModel, image: Tensor, first: Attribution | None = None, scores: Scores = scores
        ) -> Attribution:
            at_image = replace(case, image=image)
            return in_chunks(parts, lambda part: self._attribute(model, at_image, replace(scores, classes=part), first))

        def attribute_twin(twin: nn.Module) -> Attribution:
            scores = by_policy["fixed"]  # its own masks show other things
            return attribute(model.through(twin), case.image, attribution, scores)

        synchronize(case.image.device)
        before, begun = model.passes, time.perf_counter()
        attribution = attribute(model, case.image)
        synchronize(case.image.device)
        done = time.perf_counter()
        explanation = Explanation(
            case_id=case.id,
            classes=self.classes,
            prediction=prediction,
            attribution=attribution,
            memory_fallback=str(self.memory_fallback),
            settings={**settings, "expansion": attribution.expansion},
            passes=model.passes,
            seconds=done - start,
            twins=[partial(attribute_twin, twin) for twin in twins_of(self, self.twins, self.seed)],
        )
        if self.metrics:
            evaluation = Evaluation(
                case_id=case.id,
                image=case.image,
                prediction=prediction,
                scores=scores,
                by_policy=by_policy,
                attribution=attribution,
                model=model,
                attribute=lambda model, image: attribute(model, image, attribution),
                seed=self.seed,
                key=key,
                cache=self.cache,
                seconds=done - begun,
                passes=explanation.passes - before,
            )
            found = evaluated(metrics, evaluation)
            explanation = replace(
                explanation,
                metrics=found.quality,
                curves=found.curves,
                efficiency=found.cost,
                metric_facts=found.facts,
            )
        return explanation if place == case.image.device and len(parts) == 1 else explanation.to("cpu")

    @property
    def cost(self) -> Cost:
        """How much work a case is."""
        return Cost(self.attribution, self.metrics, len(self.classes), self.mask_policy == "recomputed", self.twins)

    def _attribute(self, model: WindowedModel, case: Case, scores: Scores, first: Attribution | None) -> Attribution:
        """`attribute`; on a perturbed image with the choices that the method made for the `first` attribution."""
        method = self.attribution
        self.attribution = method if first is None else method.reusing_choices_of(first)
        try:
            with torch.enable_grad():
                return self.attribute(model, case, scores)
        finally:
            self.attribution = method

    def _prediction(self, model: WindowedModel, case: Case, key: Mapping[str, str]) -> Prediction:
        """Of the case, kept if predictions are; `key` is that of its scores."""
        if self.cache_predictions:
            known = prediction_key(key)
            arrays = self.cache.get("predictions", known, lambda: model.predict(case.image).to_arrays())
            prediction = Prediction.from_arrays(arrays, len(self.labels)).to(case.image.device)
        else:
            prediction = model.predict(case.image)
        if not self._head_is_known:
            check_head(prediction)
            self._head_is_known = True
        return prediction

    def settings(self) -> dict[str, str]:
        """What the result depends on; results with other settings are never mixed with it.

        Those of the method are named "method" and "attribution: …", those of metrics "metric …: …". Without a
        provenance of weights the network counts by its values.
        """
        return settings_of(self)

    def on_predict_start(self) -> None:
        """Say early what would fail late."""
        if torch.is_inference_mode_enabled():
            raise RuntimeError("explanations need gradients: use Trainer(inference_mode=False) (conf/trainer does)")
        check_precision(
            self.trainer, ("32-true",), "For half precision set model.windows.precision=bfloat16 or float16."
        )

    def predict_step(self, batch: Case | Failure, batch_idx: int) -> Explanation | Failure:
        """Explain one case; whatever goes wrong with it is handed on as a `Failure`, and the other cases go on.

        When memory runs out, the case is tried again with fewer classes at a time, then with fewer windows.
        """
        if isinstance(batch, Failure):
            return batch

        def explain(memory_fallback: MemoryFallback) -> Explanation:
            self.memory_fallback = memory_fallback
            return self.explain(batch)

        return with_oom_fallback(batch.id, memory_fallbacks(len(self.classes), self.inference.batch), explain)
